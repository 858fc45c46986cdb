"""HPACK: `HpackEncoder` and `HpackDecoder` beside the package hpack, which h2 and so httpx use.

A head and a block that come again are the everyday case of a client: ours has kept them, hpack does its work again.
"New" is what nobody has met; both still have the rest of the head in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from httpfast._cext.hpack import HpackDecoder, HpackEncoder

from .rivals import Benchmark, rival

Field = tuple[bytes, bytes]

PSEUDO: tuple[Field, ...] = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"www.example.com"),
    (b":path", b"/v1/items?page=1"),
)
FIELDS: tuple[Field, ...] = (
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"user-agent", b"python-httpfast/0.1.0"),
    (b"x-request-source", b"bench"),
    (b"accept-language", b"en-US,en;q=0.9"),
    (b"cookie", b"session=0123456789abcdef0123"),
)
TRIPLES = tuple((name.title(), name, value) for name, value in FIELDS)
ANSWER: tuple[Field, ...] = (
    (b":status", b"200"),
    (b"server", b"envoy"),
    (b"content-type", b"application/json"),
    (b"cache-control", b"private, max-age=0"),
    (b"vary", b"accept-encoding"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"strict-transport-security", b"max-age=63072000"),
    (b"via", b"1.1 gateway"),
    (b"x-cache", b"MISS"),
)
RIVALS = ["httpfast", "hpack"]

Encode = Callable[[tuple[Field, ...]], bytes]
Decode = Callable[[bytes], Any]


def encoder_of(name: str) -> Encode:
    """A function that encodes pseudo-fields and FIELDS, for one connection."""
    if name == "httpfast":
        ours = HpackEncoder()
        return lambda pseudo: ours.encode(pseudo, TRIPLES)
    theirs = rival("hpack").Encoder()
    return lambda pseudo: bytes(theirs.encode(pseudo + FIELDS))


def decoder_of(name: str) -> Decode:
    """A function that decodes the blocks of one connection."""
    if name == "httpfast":
        return HpackDecoder().decode_block
    theirs = rival("hpack").Decoder()
    return lambda block: tuple(theirs.decode(block, raw=True))


def answers() -> tuple[bytes, bytes]:
    """ANSWER as hpack encodes it the first time and the second, when all of it is in the table."""
    encoder = rival("hpack").Encoder()
    return encoder.encode(ANSWER), encoder.encode(ANSWER)


def literal(index: int, value: bytes) -> bytes:
    """A literal without indexing, its name by index (RFC 7541, 6.2.2), without Huffman code."""
    return bytes([0x0F, index - 15, len(value)]) + value


def unseen_paths() -> Iterator[tuple[Field, ...]]:
    number = 0
    while True:
        number += 1
        yield (*PSEUDO[:3], (b":path", b"/v1/items?page=%d" % number))


def unseen_blocks(known: bytes) -> Iterator[bytes]:
    """All of ANSWER by index, and a length and an ETag that never come again."""
    number = 10_000
    while True:
        number += 1
        yield known + literal(28, b"%d" % number) + literal(34, b'"%d"' % number)


def read_by_both(block: bytes, sent: tuple[Field, ...]) -> None:
    for name in RIVALS:
        assert decoder_of(name)(block) == sent


@pytest.mark.benchmark(group="hpack: encode a head of 10 fields, the first of a connection")
@pytest.mark.parametrize("name", RIVALS)
def test_encode_first(benchmark: Benchmark, name: str) -> None:
    read_by_both(encoder_of(name)(PSEUDO), PSEUDO + FIELDS)

    benchmark.pedantic(lambda encode: encode(PSEUDO), setup=lambda: ((encoder_of(name),), {}), rounds=2000)


@pytest.mark.benchmark(group="hpack: encode a head of 10 fields again")
@pytest.mark.parametrize("name", RIVALS)
def test_encode_again(benchmark: Benchmark, name: str) -> None:
    encode = encoder_of(name)
    read_by_both(encode(PSEUDO), PSEUDO + FIELDS)
    encode(PSEUDO)

    benchmark(encode, PSEUDO)


@pytest.mark.benchmark(group="hpack: encode a head of 10 fields, new path")
@pytest.mark.parametrize("name", RIVALS)
def test_encode_new_path(benchmark: Benchmark, name: str) -> None:
    encode = encoder_of(name)
    pseudo = unseen_paths()
    read_by_both(encode(PSEUDO), PSEUDO + FIELDS)

    benchmark(lambda: encode(next(pseudo)))


@pytest.mark.benchmark(group="hpack: decode a block of 10 fields, the first of a connection")
@pytest.mark.parametrize("name", RIVALS)
def test_decode_first(benchmark: Benchmark, name: str) -> None:
    first, _ = answers()
    assert decoder_of(name)(first) == ANSWER

    benchmark.pedantic(lambda decode: decode(first), setup=lambda: ((decoder_of(name),), {}), rounds=2000)


@pytest.mark.benchmark(group="hpack: decode a block of 10 indices again")
@pytest.mark.parametrize("name", RIVALS)
def test_decode_again(benchmark: Benchmark, name: str) -> None:
    first, again = answers()
    decode = decoder_of(name)
    assert decode(first) == decode(again) == ANSWER

    benchmark(decode, again)


@pytest.mark.benchmark(group="hpack: decode a block of 10 indices and 2 new literals")
@pytest.mark.parametrize("name", RIVALS)
def test_decode_new_literals(benchmark: Benchmark, name: str) -> None:
    first, again = answers()
    decode = decoder_of(name)
    blocks = unseen_blocks(again)
    assert decode(first) == ANSWER
    assert decode(next(blocks)) == (*ANSWER, (b"content-length", b"10001"), (b"etag", b'"10001"'))

    benchmark(lambda: decode(next(blocks)))
