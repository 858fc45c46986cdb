"""Content codings through each driver, over HTTP/1.1 and HTTP/2: rows DEC-01 to DEC-06 of the catalogue.

Every variant of these rows is in `tests/api/test_decoders_catalogue.py`, and DEC-03 in `test_body_limit.py`.
"""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest

import httpfast

from ..answering import PROTOCOLS, AnsweringPeer, Said
from .facade import Driver

brotli = pytest.importorskip("brotli", reason="brotli, which makes the bodies, is not installed")
zstandard = pytest.importorskip("zstandard", reason="zstandard, which makes the bodies, is not installed")
pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)

TEXT = b"hello, hello, world"
BOMB_BYTES = 64 << 20
LIMIT = 8 << 20


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


MAKERS: dict[str, Any] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": functools.partial(brotli.compress, quality=5),
    "zstd": zstandard.compress,
}


@functools.cache
def bomb(coding: str) -> bytes:
    # A copy: zstandard's result keeps the memory of the largest that it might have become.
    return bytes(bytearray(MAKERS[coding](bytes(BOMB_BYTES))))


async def chunks_of(driver: Driver, response: httpfast.Response, count: int) -> list[bytes]:
    """So many chunks of 1,024 octets; the iteration is given up then."""
    chunks: list[bytes] = []
    if driver.is_async:
        async with aclosing(response.aiter_bytes(1024)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                chunks.append(piece)
                if len(chunks) == count:
                    break
        return chunks
    with closing(response.iter_bytes(1024)) as iterator:  # type: ignore[type-var]
        return [next(iterator) for _ in range(count)]


@pytest.fixture
def peak() -> Iterator[Any]:
    """The most octets that Python objects take."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("coding", MAKERS)
async def test_bomb_in_chunks_takes_little_memory(driver: Driver, protocol: str, coding: str, peak: Any) -> None:
    """DEC-01, DEC-06: the first and the second read, and the end of it."""
    body = bomb(coding)
    with AnsweringPeer(protocol, lambda _: Said(fields=[("Content-Encoding", coding)], body=body)) as peer:
        client = driver.client(**peer.options)
        tracemalloc.reset_peak()

        async with client.stream("GET", peer.url) as response:
            assert await chunks_of(driver, response, 2) == [bytes(1024)] * 2

        assert response.is_closed
        assert peak() < LIMIT
        await client.close()


async def test_six_codings_are_refused(driver: Driver, protocol: str) -> None:
    """DEC-02: however they are spread over fields; the connection is as good as before."""
    fields = [
        ("Content-Encoding", "gzip, gzip"),
        ("content-encoding", "deflate, br"),
        ("Content-Encoding", "gzip,gzip"),
    ]
    with AnsweringPeer(protocol, lambda asked: Said(fields=fields if asked.target == "/" else (), body=b"x")) as peer:
        client = driver.client(**peer.options)

        with pytest.raises(httpfast.DecodingError, match="6 content codings"):
            await client.get(peer.url)

        assert (await client.get(peer.url + "/on")).text == "x"


FORMS: dict[str, tuple[str, bytes, bytes | None]] = {
    "DEC-04-empty": ("gzip", b"", b""),
    "DEC-04-members": ("gzip", gzip.compress(TEXT) + gzip.compress(TEXT), TEXT + TEXT),
    "DEC-04-trailing-octets": ("gzip", gzip.compress(TEXT) + b"\0\0\0", TEXT),
    "DEC-04-cut": ("gzip", gzip.compress(TEXT)[:-1], None),
    "DEC-04-checksum": ("gzip", gzip.compress(TEXT)[:-8] + bytes(8), None),
    "DEC-04-cut-br": ("br", brotli.compress(TEXT)[:-1], None),
    "DEC-04-cut-zstd": ("zstd", zstandard.compress(TEXT)[:-1], None),
    "DEC-04-another": ("gzip", TEXT, None),
    "DEC-04-unknown": ("x-unknown", TEXT, TEXT),
    "DEC-05-zlib": ("deflate", zlib.compress(TEXT), TEXT),
    "DEC-05-bare": ("deflate", bare_deflate(TEXT), TEXT),
    "DEC-05-zstd-window": ("zstd", bytes.fromhex("28b52ffd 00 70 010000"), None),
    "DEC-05-br-large-window": ("br", bytes.fromhex("11 1e 03"), None),
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", FORMS)
async def test_body_is_decoded_or_an_error(driver: Driver, protocol: str, case: str, is_stream: bool) -> None:
    """The rows are in the names of the cases. The connection is as good as before: all of the body has come."""
    coding, body, expected = FORMS[case]

    with AnsweringPeer(protocol, lambda _: Said(fields=[("Content-Encoding", coding)], body=body)) as peer:
        client = driver.client(**peer.options)

        async def content() -> bytes:
            if is_stream:
                return await client.read(await client.open("GET", peer.url))
            return (await client.get(peer.url)).content

        if expected is None:
            with pytest.raises(httpfast.DecodingError):
                await content()
        else:
            assert await content() == expected
        await client.rest()
        assert client.counts[0] == client.counts[1]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("coding", MAKERS)
async def test_coding_of_no_body_is_nothing(
    driver: Driver, protocol: str, method: str, status: int, coding: str
) -> None:
    """DEC-04"""
    with AnsweringPeer(protocol, lambda _: Said(status, [("Content-Encoding", coding)])) as peer:
        client = driver.client(**peer.options)

        response = await client.request(method, peer.url)

        assert (response.status_code, response.content) == (status, b"")
