"""H1Engine: a stream is the same exchange however it is cut into reads (H1-25) and whatever follows it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast import RemoteProtocolError

from .reading import Outcome, asked, chunked, outcome_of, pieces, response

UPGRADE = ((b"Connection", b"upgrade"), (b"Upgrade", b"websocket"))

COMPLETE = {
    "empty": response(b"Content-Length: 0"),
    "sized": response(b"Content-Length: 11", b"A: b", body=b"hello world"),
    "looks-like-a-head": response(b"Content-Length: 19", body=b"HTTP/1.1 200 OK\r\n\r\n"),
    "no-reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "no-fields": b"HTTP/1.1 204 \r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\nA: b\n\nok",
    "mixed-line-ends": b"HTTP/1.1 200 OK\r\nContent-Length: 2\nA: b\r\n\nok",
    "lf-before-crlf": b"HTTP/1.1 200 OK\nContent-Length: 2\nA: b\n\r\nok",
    "chunked": chunked(b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"),
    "crlf-in-chunks": chunked(b"4\r\n\r\n\r\n\r\n2\r\n0\r\r\n0\r\n\r\n"),
    "trailers": chunked(b"5\r\nhello\r\n0;x\r\nA: b\r\nC:\r\n\r\n"),
    "two-framings": chunked(b"1\r\na\r\n0\r\n\r\n", b"Content-Length: 1"),
    "close": response(b"Content-Length: 1", b"Connection: close", body=b"a"),
    "http-1.0": response(b"Content-Length: 1", b"Connection: keep-alive", version=b"HTTP/1.0", body=b"a"),
    "304": response(b"Content-Length: 10", status=b"304 Not Modified"),
    "early-hints": response(b"Link: a", status=b"103 Early Hints") * 2 + response(b"Content-Length: 1", body=b"a"),
    "continue": response(status=b"100 Continue") + chunked(b"1\r\na\r\n0\r\nA: b\r\n\r\n"),
}
UNENDED = {
    "until-close": response(b"A: b", body=b"hello\r\n\r\nworld"),
    "short-body": response(b"Content-Length: 11", body=b"hello"),
    "short-chunk": chunked(b"5\r\nhel"),
    "short-trailers": chunked(b"0\r\nA: b\r\n"),
    "short-head": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
    "tunnel": response(*[b": ".join(field) for field in UPGRADE], status=b"101 X", body=b"\x81\0\r\n\r\n"),
}
BROKEN = {
    "status-line": b"HTTP/1.1 2000 OK\r\n\r\n",
    "version": b"HTTP/2 200 OK\r\n\r\n",
    "prefix": b"<html>\r\n\r\n",
    "field": response(b"A : b"),
    "fold": response(b"A: b", b" c"),
    "length": response(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "coding": response(b"Transfer-Encoding: gzip"),
    "chunk-size": chunked(b"5\r\nhello\r\nx\r\n"),
    "chunk-end": chunked(b"5\r\nhelloxx0\r\n\r\n"),
    "chunk-lf": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "trailer": chunked(b"5\r\nhello\r\n0\r\nA b\r\n\r\n"),
    "trailer-lf": chunked(b"1\r\nx\r\n0\r\nA: b\n\r\n"),
    "second-head": response(status=b"103 X") + b"HTTP/1.1 xyz\r\n\r\n",
}
STREAMS = COMPLETE | UNENDED | BROKEN


def received(name: str, cuts: list[int], *, eof: bool = False, collect: bool = False, tail: bytes = b"") -> Outcome:
    fields = UPGRADE if name == "tunnel" else ()
    return outcome_of(pieces(STREAMS[name] + tail, cuts), fields=fields, eof=eof, collect=collect)


def every_octet(name: str, tail: bytes = b"") -> list[int]:
    return list(range(len(STREAMS[name] + tail)))


@pytest.mark.parametrize("name", COMPLETE)
def test_stream_whole_is_complete(name: str):
    assert received(name, []).is_complete


@pytest.mark.parametrize("name", BROKEN)
def test_stream_that_is_broken_is_refused(name: str):
    assert received(name, []).failed


@pytest.mark.parametrize("eof", [False, True], ids=["open", "eof"])
@pytest.mark.parametrize("name", STREAMS)
def test_stream_byte_by_byte_is_the_same(name: str, eof: bool):
    """H1-25."""
    assert received(name, every_octet(name), eof=eof) == received(name, [], eof=eof)


@pytest.mark.parametrize("name", STREAMS)
def test_stream_cut_once_anywhere_is_the_same(name: str):
    """H1-25."""
    whole = received(name, [])

    assert [received(name, [cut]) for cut in every_octet(name)] == [whole] * len(STREAMS[name])


@pytest.mark.parametrize("name", STREAMS)
def test_stream_that_is_collected_is_the_same(name: str):
    assert received(name, [], collect=True) == received(name, [])
    assert received(name, every_octet(name), collect=True) == received(name, [])


@pytest.mark.parametrize("tail", [b"\r\n", b"\n", b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], ids=repr)
@pytest.mark.parametrize("name", COMPLETE)
def test_stream_with_octets_after_it_is_the_same_but_for_the_connection(name: str, tail: bytes):
    """H1-14, H1-25."""
    alone = received(name, [])

    together = received(name, [], tail=tail)

    assert together.has_surplus
    assert not together.is_reusable
    assert received(name, every_octet(name, tail), tail=tail) == together
    for fact in ("status", "reason", "http_version", "fields", "body", "trailers", "informational", "is_complete"):
        assert getattr(together, fact) == getattr(alone, fact)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_stream_under_any_split_is_the_same(data: st.DataObject):
    """H1-25."""
    name = data.draw(st.sampled_from(sorted(STREAMS)))
    tail = data.draw(st.sampled_from([b"", b"\r\n", b"H", STREAMS["chunked"]]))
    cuts = data.draw(st.lists(st.integers(1, len(STREAMS[name] + tail)), max_size=20))
    eof = data.draw(st.booleans())
    collect = data.draw(st.booleans())

    assert received(name, cuts, eof=eof, collect=collect, tail=tail) == received(name, [], eof=eof, tail=tail)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_stream_of_any_octets_under_any_split_is_the_same(data: st.DataObject):
    """H1-25: also what is no response: pieces of streams put together, with octets changed."""
    parts = st.one_of(st.sampled_from(sorted(STREAMS)).map(STREAMS.__getitem__), st.binary(max_size=6))
    stream = bytearray(b"".join(data.draw(st.lists(parts, min_size=1, max_size=3))))
    for _ in range(data.draw(st.integers(0, 3))):
        if stream:
            stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.sampled_from(b"\r\n\t :;0aF\0\xff"))
    cuts = data.draw(st.lists(st.integers(1, len(stream) + 1), max_size=20))
    method = data.draw(st.sampled_from(["GET", "HEAD", "CONNECT"]))

    assert outcome_of(pieces(bytes(stream), cuts), method) == outcome_of([bytes(stream)], method)


@pytest.mark.parametrize("data", [b"", bytearray(b""), memoryview(b"")], ids=["bytes", "bytearray", "view"])
def test_read_of_no_octets_changes_nothing(data: bytes):
    engine, exchange = asked()

    engine.receive_data(data)

    assert not exchange.was_answered
    assert not engine.is_dead


@pytest.mark.parametrize("name", BROKEN)
def test_stream_after_an_error_is_ignored(name: str):
    engine, exchange = asked()
    with pytest.raises(RemoteProtocolError):
        engine.receive_data(STREAMS[name])
    exchange.take_body()

    engine.receive_data(response(b"Content-Length: 2", body=b"ok"))
    engine.receive_eof()

    assert engine.is_dead
    assert not exchange.is_complete
    assert exchange.take_body() == b""
