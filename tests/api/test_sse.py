"""Server-sent events: parsing (WHATWG HTML, 9.2.6), limits, and the clients' `sse`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import httpfast
from httpfast import EventSource, ServerSentEvent, SSEError
from httpfast._sse import EventParser


def parse(*pieces: bytes, limit: int | None = None) -> list[ServerSentEvent]:
    parser = EventParser(limit)
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"data: a\n\n", [ServerSentEvent(data="a")]),
        (b"data:a\r\rdata:b\r\n\r\ndata: c\n\r\n", [ServerSentEvent(data=text) for text in "abc"]),
        (b"data\n\ndata\ndata\n\ndata:", [ServerSentEvent(), ServerSentEvent(data="\n")]),
        (b"data:  two spaces\n\n", [ServerSentEvent(data=" two spaces")]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ServerSentEvent(data="YHOO\n+2\n10")]),
        (b": comment\n\n:\n\ndata: a\n: within\n\n", [ServerSentEvent(data="a")]),
        (b"event: add\ndata: 1\n\ndata: 2\n\n", [ServerSentEvent("add", "1"), ServerSentEvent(data="2")]),
        (
            b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [ServerSentEvent(data="a", id="1"), ServerSentEvent(data="b", id="1"), ServerSentEvent(data="c")],
        ),
        (b"id: 1\n\nid: a\0b\ndata: x\n\n", [ServerSentEvent(id="1"), ServerSentEvent(data="x", id="1")]),
        (b"retry: 3000\n\n", [ServerSentEvent(retry=3000)]),
        (b"retry: 30x\nretry: -1\nretry: 1_0\nretry:\nretry: \xd9\xa3\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [ServerSentEvent(data="a")]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [ServerSentEvent(data="a")]),
        (b"Data: a\n data: b\nother: c\n\n", []),
        (b"data: caf\xc3\xa9 \xff\n\n", [ServerSentEvent(data="café \ufffd")]),
        ("data: a\u2028b\x85c\x0bd\n\n".encode(), [ServerSentEvent(data="a\u2028b\x85c\x0bd")]),
        (b"data: complete\n\ndata: not\n", [ServerSentEvent(data="complete")]),
        (b"data: not\r", []),
        (b"", []),
    ],
)
def test_events_are_those_of_the_stream_however_it_is_cut(octets: bytes, expected: list[ServerSentEvent]) -> None:
    assert parse(octets) == expected
    assert parse(*(octets[index : index + 1] for index in range(len(octets)))) == expected
    for cut in range(len(octets) if len(octets) < 200 else 0):
        assert parse(octets[:cut], octets[cut:]) == expected


@given(st.lists(st.sampled_from([b"data", b"id", b":", b" ", b"x", b"\r", b"\n", b"\xef\xbb\xbf", b"event", b"\0"])))
def test_any_octets_give_the_same_events_at_once_and_one_by_one(parts: list[bytes]) -> None:
    octets = b"".join(parts)

    assert parse(octets) == parse(*(octets[index : index + 1] for index in range(len(octets))))


def test_event_is_there_with_the_carriage_return_that_ends_it() -> None:
    parser = EventParser()

    assert list(parser.feed(b"data: a\r\r")) == [ServerSentEvent(data="a")]
    assert list(parser.feed(b"\ndata: b\r")) == []
    assert list(parser.feed(b"\n\r")) == [ServerSentEvent(data="b")]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: 123456\n"],
        [b"data: 12345", b"6"],
        [b"data: 1\n", b"data: 2\n"],
        [b": 1234567890"],
        [b"x" * 12],
    ],
)
def test_event_larger_than_the_limit_is_an_error(pieces: list[bytes]) -> None:
    with pytest.raises(SSEError, match="11 bytes"):
        parse(*pieces, limit=11)


def test_event_as_large_as_the_limit_is_none() -> None:
    assert len(parse(b": not counted\n", b"data: 12345\n\n" * 3, limit=11)) == 3


def test_no_limit_is_none() -> None:
    assert len(parse(b"data: " + b"x" * 2_000_000 + b"\n\n")[0].data) == 2_000_000


@pytest.mark.parametrize(
    "octets",
    [b"\r\n" * 500_000, b"data\n" * 200_000 + b"\n", b"x" * 1_000_000 + b"\n", b":" * 1_000_000, b"id:1\n\n" * 150_000],
)
@pytest.mark.parametrize("size", [64, 65_536])
def test_hostile_streams_take_linear_time(octets: bytes, size: int) -> None:
    started = time.process_time()

    parse(*(octets[index : index + size] for index in range(0, len(octets), size)))

    # Quadratic time would be minutes.
    assert time.process_time() - started < 5


def test_json_is_parsed_data() -> None:
    assert ServerSentEvent(data='{"a": 1}').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting"):
        ServerSentEvent().json()


# The clients


class Stream(httpfast.SyncByteStream, httpfast.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


class Server:
    """A transport whose every response is the same."""

    def __init__(self, *pieces: bytes, content_type: str | None = "text/event-stream", status: int = 200) -> None:
        self.stream = Stream(*pieces)
        self.headers = {} if content_type is None else {"Content-Type": content_type}
        self.status = status
        self.requests: list[httpfast.Request] = []
        self.transport = httpfast.MockTransport(self.answer)

    def answer(self, request: httpfast.Request) -> httpfast.Response:
        self.requests.append(request)
        return httpfast.Response(self.status, headers=self.headers, stream=self.stream)

    def events(self, is_async: bool, **arguments: Any) -> list[ServerSentEvent]:
        if not is_async:
            with (
                httpfast.Client(transport=self.transport) as client,
                client.sse("http://a.example", **arguments) as source,
            ):
                return list(source)

        async def read() -> list[ServerSentEvent]:
            async with (
                httpfast.AsyncClient(transport=self.transport) as client,
                client.sse("http://a.example", **arguments) as source,
            ):
                return [event async for event in source]

        return asyncio.run(read())


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
def test_client_gives_the_events_and_closes_the_response(is_async: bool) -> None:
    server = Server(b"data: a\n\nda", b"ta: b\r\n\r\n", content_type="Text/Event-Stream ; charset=latin-1")

    events = server.events(is_async)

    assert [event.data for event in events] == ["a", "b"]
    assert server.stream.is_closed
    [request] = server.requests
    assert request.method == "GET"
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Cache-Control"] == "no-store"


@both
def test_request_may_be_of_another_kind(is_async: bool) -> None:
    server = Server(b"data: a\n\n")

    server.events(
        is_async, method="POST", json={"a": 1}, headers={"Accept": "x/y", "Last-Event-ID": "7"}, params={"q": "1"}
    )

    [request] = server.requests
    assert (request.method, request.content, request.url.query) == ("POST", b'{"a":1}', b"q=1")
    assert request.headers.get_list("Accept") == ["x/y"]
    assert request.headers["Last-Event-ID"] == "7"


@both
@pytest.mark.parametrize("content_type", [None, "text/html", "text/event-stream2"])
def test_other_content_type_is_an_error_with_its_request(is_async: bool, content_type: str | None) -> None:
    server = Server(b"data: a\n\n", content_type=content_type)

    with pytest.raises(SSEError, match="content type") as caught:
        server.events(is_async)

    assert caught.value.request is server.requests[0]
    assert isinstance(caught.value, httpfast.TransportError)
    assert server.stream.is_closed


@both
def test_limit_holds(is_async: bool) -> None:
    with pytest.raises(SSEError, match="100 bytes"):
        Server(b"data: " + b"x" * 100).events(is_async, max_event_size=100)
    with pytest.raises(SSEError, match="1048576 bytes"):
        Server(b"data: " + b"x" * 2_000_000).events(is_async)
    assert Server(b"data: " + b"x" * 2_000_000 + b"\n\n").events(is_async, max_event_size=None)


@both
def test_stream_that_is_left_early_is_closed(is_async: bool) -> None:
    server = Server(*[b"data: a\n\n"] * 3)

    async def first() -> ServerSentEvent:
        async with httpfast.AsyncClient(transport=server.transport) as client, client.sse("http://a.example") as source:
            async for event in source:
                return event
        raise AssertionError

    if is_async:
        event = asyncio.run(first())
    else:
        with httpfast.Client(transport=server.transport) as client, client.sse("http://a.example") as source:
            event = next(iter(source))

    assert event.data == "a"
    assert server.stream.is_closed


def test_source_of_a_response_that_was_read_gives_its_events() -> None:
    response = httpfast.Response(200, headers={"Content-Type": "text/event-stream"}, content=b"data: a\n\n")

    source = EventSource(response)

    assert list(source) == [ServerSentEvent(data="a")]
    assert source.response is response
