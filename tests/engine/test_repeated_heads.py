"""A head that comes again, octet for octet, is not parsed again: it has to mean what it would mean to a new engine."""

from __future__ import annotations

import pytest

from httpfast._cext.h1 import H1Engine

from .reading import Outcome, asked, outcome_of, request_head

HEADS = {
    "sized": b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "cookie and coding": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Encoding: x\r\nContent-Length: 5\r\n\r\n",
    "no reason": b"HTTP/1.1 404\r\nContent-Length: 5\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 5\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.0 kept alive": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
    "after 103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
}
BODIES = {"empty": b"", "chunked": b"5\r\nhello\r\n0\r\n\r\n", "not modified": b""}


def next_outcome(engine: H1Engine, reads: list[bytes], method: str) -> Outcome:
    """Receive these reads as the answer to another request on the same connection."""
    exchange, _ = engine.begin(method, b"/", request_head())
    body = b""
    for read in reads:
        engine.receive_data(read)
        body += exchange.take_body()
    return Outcome(
        failed=False,
        body=body,
        status=exchange.status_code,
        http_version=exchange.http_version,
        reason=exchange.reason_phrase,
        fields=tuple(exchange.fields),
        trailers=None if exchange.trailers is None else tuple(exchange.trailers),
        informational=tuple((status, tuple(fields)) for status, fields in exchange.informational or ()),
        is_complete=exchange.is_complete,
        is_tunnel=exchange.is_tunnel,
        is_reusable=engine.is_reusable,
        has_surplus=engine.has_surplus,
    )


@pytest.mark.parametrize("cut", [0, 1, 20, -1], ids=["one read", "first octet apart", "cut head", "last octet apart"])
@pytest.mark.parametrize("name", HEADS)
def test_response_that_comes_again_is_what_it_was(name: str, cut: int) -> None:
    stream = HEADS[name] + BODIES.get(name, b"hello")
    reads = [part for part in (stream[:cut], stream[cut:]) if part]
    engine, _ = asked()
    engine.receive_data(stream)
    assert engine.is_reusable

    for _ in range(3):
        assert next_outcome(engine, reads, "GET") == outcome_of(reads)


@pytest.mark.parametrize("name", ["sized", "chunked", "redirect"])
def test_head_that_comes_again_has_no_body_after_a_head_request(name: str) -> None:
    engine, _ = asked()
    engine.receive_data(HEADS[name] + BODIES.get(name, b"hello"))

    assert next_outcome(engine, [HEADS[name]], "HEAD") == outcome_of([HEADS[name]], "HEAD")
    stream = HEADS[name] + BODIES.get(name, b"hello")
    assert next_outcome(engine, [stream], "GET") == outcome_of([stream])


def test_head_that_begins_like_the_last_one_is_read_to_its_own_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    longer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n"
    engine, _ = asked()
    engine.receive_data(head + b"hello")

    assert next_outcome(engine, [longer + b"hello"], "GET") == outcome_of([longer + b"hello"])
    assert next_outcome(engine, [head + b"hello"], "GET") == outcome_of([head + b"hello"])


def test_head_that_closes_closes_each_time() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

    assert not outcome_of([stream]).is_reusable
