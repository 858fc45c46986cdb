"""H1Engine, limits: all that a peer can make us hold is bounded, tested at and above the limit; reading is linear.

Figures: 256 KiB of head or of trailers, 1,000 fields, 32 informational responses, 16 KiB of chunk extensions in a body.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from httpfast import RemoteProtocolError

from .reading import answered, asked, chunked, outcome_of, pieces, request_head, response

KIB = 1024
HEAD_BYTES = 256 * KIB
FIELDS = 1000
INFORMATIONAL = 32
EXTENSION_BYTES = 16 * KIB
READ_BYTES = 64 * KIB
WIDE_SECONDS = 5.0  # linear work takes a small part of it, quadratic work of this size minutes


def head_of(size: int) -> bytes:
    """A response's head of exactly this many octets, and no body."""
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def trailers_of(size: int) -> bytes:
    """A trailer section of exactly this many octets."""
    return b"A: " + b"x" * (size - 7) + b"\r\n\r\n"


def in_reads(stream: bytes, size: int) -> list[bytes]:
    return pieces(stream, list(range(size, len(stream), size)))


def endless(start: bytes, more: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield more


def octets_until_refused(reads: Iterator[bytes]) -> int:
    """How many octets are read before the engine gives up."""
    engine, exchange = asked()
    total = 0
    with suppress(RemoteProtocolError):
        for read in reads:
            total += len(read)
            engine.receive_data(read)
            exchange.take_body()
            if total >= 4 * KIB * KIB:
                break
    assert engine.is_dead, "it reads on"
    return total


@pytest.mark.parametrize("read_bytes", [2**30, READ_BYTES, 1000, 7], ids=["whole", "64KiB", "1000", "7"])
@pytest.mark.parametrize("tail", [b"", b"surplus"], ids=["alone", "with-more"])
def test_head_at_its_limit_is_taken(read_bytes: int, tail: bytes):
    """H1-22."""
    outcome = outcome_of(in_reads(head_of(HEAD_BYTES) + tail, read_bytes))

    assert not outcome.failed
    assert outcome.is_complete
    assert outcome.has_surplus is bool(tail)


@pytest.mark.parametrize("read_bytes", [2**30, READ_BYTES, 1000, 7], ids=["whole", "64KiB", "1000", "7"])
def test_head_above_its_limit_is_refused(read_bytes: int):
    """H1-22."""
    assert outcome_of(in_reads(head_of(HEAD_BYTES + 1), read_bytes)).failed


@pytest.mark.parametrize("count", [1, FIELDS], ids=str)
def test_fields_at_their_limit_are_taken(count: int):
    """H1-22."""
    _, exchange = answered(response(*[b"A: b"] * (count - 1), b"Content-Length: 0"))

    assert len(exchange.fields) == count
    assert exchange.is_complete


def test_fields_above_their_limit_are_refused():
    """H1-22."""
    engine, _ = asked()

    with pytest.raises(RemoteProtocolError, match="more than 1000 header fields"):
        engine.receive_data(response(*[b"A: b"] * FIELDS, b"Content-Length: 0"))

    assert engine.is_dead


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 ", b"x" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\n", b"x" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"\r" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"x" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=", b"x" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", b" " * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * READ_BYTES),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;a\r\nx\r\n" * 1000),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=[
        *("status-line", "value", "name", "fields", "fields-lf", "cr", "trailers", "trailer", "extension", "blanks"),
        *("size", "extensions", "103", "100"),
    ],
)
def test_stream_without_end_is_refused_below_one_mib(start: bytes, more: bytes):
    """H1-07, H1-17, H1-22, H1-23."""
    assert octets_until_refused(endless(start, more)) < KIB * KIB


# Informational responses


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 X"])
def test_informational_responses_at_their_limit_are_taken(status: bytes):
    """H1-17."""
    engine, exchange = answered(response(status=status) * INFORMATIONAL + response(b"Content-Length: 0"))

    assert exchange.is_complete
    assert len(exchange.informational or ()) == (0 if status.startswith(b"100") else INFORMATIONAL)
    assert engine.is_reusable


@pytest.mark.parametrize("count", [INFORMATIONAL + 1, 50_000], ids=str)
@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_informational_responses_above_their_limit_are_refused(status: bytes, count: int):
    """H1-17."""
    engine, exchange = asked()

    with pytest.raises(RemoteProtocolError, match="More than 32 informational"):
        engine.receive_data(response(status=status) * count)

    assert engine.is_dead
    assert not exchange.is_complete


def test_informational_responses_are_counted_for_each_request():
    engine, _ = answered(response(status=b"103 Early Hints") * INFORMATIONAL + response(b"Content-Length: 0"))
    second, _ = engine.begin("GET", b"/", request_head())

    engine.receive_data(response(status=b"103 Early Hints") * INFORMATIONAL + response(b"Content-Length: 0"))

    assert second.is_complete


def test_informational_responses_of_the_largest_heads_hold_less_than_8_mib():
    """H1-17, H1-22: 32 heads of 1,000 fields and nearly 256 KiB each are a flood too."""
    one = response(*[b"A: " + b"x" * 250] * FIELDS, status=b"103 Early Hints")
    engine, exchange = asked()
    tracemalloc.start()

    try:
        with suppress(RemoteProtocolError):
            for _ in range(INFORMATIONAL):
                engine.receive_data(one)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert not exchange.is_complete
    assert held < 8 * KIB * KIB


# Chunk extensions and trailers


@pytest.mark.parametrize("count", [1, 16], ids=["one-chunk", "sixteen-chunks"])
def test_chunk_extensions_at_their_limit_are_taken(count: int):
    """H1-07."""
    chunk = b"1;" + b"x" * (EXTENSION_BYTES // count) + b"\r\na\r\n"

    engine, exchange = answered(chunked(chunk * count + b"0\r\n\r\n"))

    assert exchange.take_body() == b"a" * count
    assert engine.is_reusable


@pytest.mark.parametrize("size", [EXTENSION_BYTES + 1, KIB * KIB], ids=["one-above", "1MiB"])
def test_chunk_extension_above_its_limit_is_refused(size: int):
    """H1-07."""
    engine, _ = asked()

    with pytest.raises(RemoteProtocolError, match="More than 16384 octets of chunk extensions"):
        engine.receive_data(chunked(b"1;" + b"x" * size + b"\r\na\r\n0\r\n\r\n"))


def test_chunk_extensions_of_all_chunks_count_together():
    """H1-07: that of the last chunk too."""
    chunk = b"1;" + b"x" * (EXTENSION_BYTES // 16) + b"\r\na\r\n"

    assert outcome_of([chunked(chunk * 16 + b"0;x\r\n\r\n")]).failed


def test_chunk_extensions_are_counted_for_each_response():
    stream = chunked(b"1;" + b"x" * EXTENSION_BYTES + b"\r\na\r\n0\r\n\r\n")
    engine, _ = answered(stream)
    second, _ = engine.begin("GET", b"/", request_head())

    engine.receive_data(stream)

    assert second.is_complete


@pytest.mark.parametrize("read_bytes", [2**30, READ_BYTES, 7], ids=["whole", "64KiB", "7"])
def test_trailers_at_their_limit_are_taken(read_bytes: int):
    """H1-23."""
    outcome = outcome_of(in_reads(chunked(b"0\r\n" + trailers_of(HEAD_BYTES)), read_bytes))

    assert not outcome.failed
    assert outcome.is_reusable


@pytest.mark.parametrize("read_bytes", [2**30, READ_BYTES, 7], ids=["whole", "64KiB", "7"])
def test_trailers_above_their_limit_are_refused(read_bytes: int):
    """H1-23."""
    assert outcome_of(in_reads(chunked(b"0\r\n" + trailers_of(HEAD_BYTES + 1)), read_bytes)).failed


@pytest.mark.parametrize(("count", "failed"), [(FIELDS, False), (FIELDS + 1, True)], ids=["at", "above"])
def test_trailer_fields_have_a_limit(count: int, failed: bool):
    """H1-23."""
    assert outcome_of([chunked(b"0\r\n" + b"A: b\r\n" * count + b"\r\n")]).failed is failed


# H1-24: linear work, flat memory


def seconds_of(reads: list[bytes], expected: int) -> float:
    """CPU seconds to receive a response whose body has `expected` octets."""
    engine, exchange = asked()
    received = 0
    start = time.process_time()
    for read in reads:
        engine.receive_data(read)
        received += len(exchange.take_body())
    spent = time.process_time() - start
    assert exchange.is_complete
    assert received == expected
    return spent


def test_million_one_octet_chunks_take_linear_time():
    """H1-24."""
    stream = chunked(b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n")

    assert seconds_of(in_reads(stream, READ_BYTES), 1_000_000) < WIDE_SECONDS


def test_million_one_octet_chunks_hold_flat_memory():
    """H1-24."""
    piece = b"1\r\nx\r\n" * 10_000
    engine, exchange = answered(chunked(b""))
    tracemalloc.start()

    try:
        for _ in range(100):
            engine.receive_data(piece)
            exchange.take_body()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 256 * KIB


LONG_STREAMS = {
    "one-long-value": lambda size: (head_of(size), 0),
    "many-fields": lambda size: (response(*[b"A: " + b"x" * 200] * (size // 206), b"Content-Length: 0"), 0),
    "trailers": lambda size: (chunked(b"0\r\n" + trailers_of(size)), 0),
    "sized": lambda size: (response(b"Content-Length: %d" % size, body=b"x" * size), size),
    "chunks": lambda size: (chunked(b"1\r\nx\r\n" * (size // 6) + b"0\r\n\r\n"), size // 6),
}


@pytest.mark.parametrize("name", LONG_STREAMS)
def test_stream_of_one_octet_reads_takes_linear_time(name: str):
    """H1-24: ten times the octets take about ten times as long; a hundred times would be quadratic."""
    stream, body = LONG_STREAMS[name](20 * KIB)
    little = min(seconds_of(in_reads(stream, 1), body) for _ in range(3))
    stream, body = LONG_STREAMS[name](200 * KIB)

    much = min(seconds_of(in_reads(stream, 1), body) for _ in range(3))

    assert much < max(40 * little, 0.25)  # seconds; quadratic work takes more than half a second


def test_body_collected_from_one_octet_chunks_takes_linear_time():
    """H1-24: the buffer that nobody empties grows by doubling."""
    engine, exchange = asked(collect=True)
    start = time.process_time()

    for read in in_reads(chunked(b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"), READ_BYTES):
        engine.receive_data(read)

    assert time.process_time() - start < WIDE_SECONDS
    assert exchange.take_body() == b"x" * 1_000_000


def test_content_length_that_is_a_mere_claim_takes_no_memory():
    """H1-03: a terabyte is promised and one octet sent."""
    engine, exchange = asked(collect=True)
    tracemalloc.start()

    try:
        engine.receive_data(response(b"Content-Length: 1000000000000", body=b"x"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert exchange.unread_bytes == 1
    assert held <= 65 * KIB * KIB  # what is set aside at most for a body that is to be collected
