"""Reading a response: `H1Engine` beside h11 and llhttp (by httptools).

Timed is what lies between a read and a caller: octets go in; status, the list of fields as (name, value) octets and the
whole body come out. Before that, not timed, a reader is made for each response, and told of the request if it wants to
know: with llhttp nobody sends one. A round is a batch of responses, so that the clock does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from httpfast._cext.h1 import H1Engine
from httpfast._cext.headers import RequestHead

from .answers import ANSWERS, Answer, Field
from .rivals import Benchmark, rival

RESPONSES = 50
ROUNDS = 200
WARMUP_ROUNDS = 5

Received = tuple[int, list[Field], bytes]


class Reader(Protocol):
    """Reads one response, once."""

    def receive(self, reads: list[bytes]) -> Received:
        """Return status, fields and body. Raises EOFError when the reads are not a whole response."""


class HttpfastReader:
    """As the client uses the engine: `collect` tells that the whole body is wanted."""

    head = RequestHead(((b"Host", b"host", b"example.org"),))

    def __init__(self) -> None:
        self.engine = H1Engine()
        self.exchange, _ = self.engine.begin("GET", b"/", self.head, collect=True)

    def receive(self, reads: list[bytes]) -> Received:
        engine, exchange = self.engine, self.exchange
        for read in reads:
            engine.receive_data(read)
        if not exchange.is_complete:
            raise EOFError
        return exchange.status_code, exchange.fields, exchange.take_body()


class H11Reader:
    """`raw_items` keeps the names' case, and is the shortest way to a list of fields."""

    def __init__(self) -> None:
        import h11

        self.events: tuple[Any, ...] = (h11.NEED_DATA, h11.Response, h11.Data, h11.EndOfMessage)
        self.connection = h11.Connection(h11.CLIENT)
        self.connection.send(h11.Request(method="GET", target="/", headers=[("Host", "example.org")]))
        self.connection.send(h11.EndOfMessage())

    def receive(self, reads: list[bytes]) -> Received:
        need_data, response, data, end = self.events
        connection = self.connection
        status = 0
        fields: list[Field] = []
        body: list[bytes] = []
        for read in reads:
            connection.receive_data(read)
            event: Any
            while (event := connection.next_event()) is not need_data:
                kind = type(event)
                if kind is data:
                    body.append(event.data)
                elif kind is response:
                    status = event.status_code
                    fields = event.headers.raw_items()
                elif kind is end:
                    return status, fields, b"".join(body)
        raise EOFError


class LlhttpListener:
    """The callbacks that are needed, and no others: httptools looks which ones there are."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.body: list[bytes] = []
        self.is_complete = False
        self.on_body = self.body.append

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_message_complete(self) -> None:
        self.is_complete = True


class HttptoolsReader:
    def __init__(self) -> None:
        import httptools

        # Two objects: one that listened to its own parser would be a cycle, and left to the collector.
        self.listener = LlhttpListener()
        self.parser = httptools.HttpResponseParser(self.listener)

    def receive(self, reads: list[bytes]) -> Received:
        parser, listener = self.parser, self.listener
        for read in reads:
            parser.feed_data(read)
        if not listener.is_complete:
            raise EOFError
        return parser.get_status_code(), listener.fields, b"".join(listener.body)


READERS: dict[str, Callable[[], Reader]] = {
    "httpfast": HttpfastReader,
    "h11": H11Reader,
    "httptools": HttptoolsReader,
}


def receive_all(readers: list[Reader], reads: list[bytes]) -> None:
    for reader in readers:
        reader.receive(reads)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            answer, id=answer.name, marks=pytest.mark.benchmark(group=f"parser: {answer.name} ({RESPONSES} responses)")
        )
        for answer in ANSWERS
    ],
)
def test_receive(benchmark: Benchmark, answer: Answer, name: str) -> None:
    rival(name)
    make = READERS[name]
    assert make().receive(answer.reads) == (answer.status, answer.fields, answer.body)

    def ready() -> Any:
        return ([make() for _ in range(RESPONSES)], answer.reads), {}

    benchmark.pedantic(receive_all, setup=ready, rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)
