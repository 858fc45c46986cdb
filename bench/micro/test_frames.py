"""The frames of HTTP/2: `H2Engine` beside the package h2, which httpx uses.

Requests out: a caller has the fields ready; timed is what lies between them and octets to write. Responses in: timed is
what lies between a read and status, fields and body, flow control with it. A round is one connection, made before it,
not timed; after the first exchange its HPACK tables know every field, as they do in a client that asks one origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol

import pytest

import httpfast
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.plain import exchange_of

from .answers import NGINX_BODY, NGINX_FIELDS, Field
from .rivals import Benchmark, rival

EXCHANGES = 50
ROUNDS = 200
WARMUP_ROUNDS = 5

WINDOW = 1 << 24
"""Octets that a server may send ahead, so that none of the bodies here has to wait."""

FRAME_BYTES = 16_384
READ_BYTES = 65_536
LARGE_BODY = bytes(range(256)) * 4_096

REQUEST: tuple[Field, ...] = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"www.example.com"),
    (b":path", b"/v1/items?page=1"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"user-agent", b"bench"),
    (b"cookie", b"session=0123456789abcdef0123"),
)
ANSWER: list[Field] = [(name.lower(), value) for name, value in NGINX_FIELDS[:3] + NGINX_FIELDS[4:5] + NGINX_FIELDS[6:]]

Received = tuple[int, list[Field], bytes]


class Caller(Protocol):
    """The client's side of one connection, which has written its preface."""

    def ask(self) -> bytes:
        """Begin REQUEST on the next stream; the octets to write."""

    def receive(self, octets: bytes) -> list[Received]:
        """Take a read; the responses that are complete with it."""


def template() -> Any:
    """REQUEST as the client's transports get it, its body collected as `get` does it."""
    fields = [("Host", "www.example.com"), *((name.decode(), value.decode()) for name, value in REQUEST[4:])]
    request = httpfast.Request("GET", "https://www.example.com/v1/items?page=1", headers=fields)
    request.__dict__["_wants_whole"] = True
    return exchange_of(request)


class HttpfastCaller:
    def __init__(self) -> None:
        made = template()
        self.engine = H2Engine()
        self.engine.open()
        self.engine.take_output()
        self.fields = RequestFields(made.fields_sent)
        # Made ahead: they are the request's, and no part of framing.
        self.exchanges = iter([made.again() for _ in range(EXCHANGES)])

    def ask(self) -> bytes:
        self.engine.begin(next(self.exchanges), self.fields)
        return self.engine.take_output()

    def receive(self, octets: bytes) -> list[Received]:
        engine = self.engine
        engine.receive_octets(octets)
        complete = [
            (exchange.status_code, exchange.fields, exchange.take_body())
            for exchange in engine.take_news()
            if exchange.is_complete
        ]
        engine.take_output()
        return complete


class H2Caller:
    """`acknowledge_received_data` as its documentation has it: as soon as the octets are kept."""

    def __init__(self) -> None:
        h2 = rival("h2.connection")
        events = rival("h2.events")
        self.kinds: tuple[Any, ...] = (events.ResponseReceived, events.DataReceived, events.StreamEnded)
        self.connection = h2.H2Connection(rival("h2.config").H2Configuration(header_encoding=None))
        settings = rival("h2.settings")
        self.connection.local_settings = settings.Settings(
            initial_values={settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW}
        )
        self.connection.initiate_connection()
        self.connection.increment_flow_control_window(WINDOW)
        self.preface = self.connection.data_to_send()
        self.streams: dict[int, tuple[list[Field], list[bytes]]] = {}

    def ask(self) -> bytes:
        connection = self.connection
        connection.send_headers(connection.get_next_available_stream_id(), REQUEST, end_stream=True)
        return bytes(connection.data_to_send())

    def receive(self, octets: bytes) -> list[Received]:
        response, data, end = self.kinds
        connection, streams = self.connection, self.streams
        complete = []
        for event in connection.receive_data(octets):
            kind = type(event)
            if kind is data:
                streams[event.stream_id][1].append(event.data)
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif kind is response:
                streams[event.stream_id] = (event.headers, [])
            elif kind is end:
                head, body = streams.pop(event.stream_id)
                complete.append((int(head[0][1]), head[1:], b"".join(body)))
        connection.data_to_send()
        return complete


CALLERS: dict[str, Callable[[], Caller]] = {"httpfast": HttpfastCaller, "h2": H2Caller}
RIVALS = pytest.mark.parametrize("name", CALLERS)


class Peer:
    """The server's side, by the package h2."""

    def __init__(self) -> None:
        self.connection = rival("h2.connection").H2Connection(
            rival("h2.config").H2Configuration(client_side=False, header_encoding=None)
        )
        self.connection.initiate_connection()

    def receive(self, octets: bytes) -> list[list[Field]]:
        """The fields of the requests in there."""
        kind = rival("h2.events").RequestReceived
        return [event.headers for event in self.connection.receive_data(octets) if type(event) is kind]

    def answer(self, stream_id: int, body: bytes) -> bytes:
        """ANSWER and a body to a stream; and what there was to write before."""
        self.connection.send_headers(stream_id, [(b":status", b"200"), *ANSWER])
        for start in range(0, len(body), FRAME_BYTES):
            self.connection.send_data(stream_id, body[start : start + FRAME_BYTES])
        self.connection.end_stream(stream_id)
        return bytes(self.connection.data_to_send())


@cache
def answers(body: bytes, count: int) -> tuple[bytes, tuple[bytes, ...]]:
    """What a server sends first, then its answers to streams 1, 3, 5 and so on."""
    peer, client = Peer(), H2Caller()
    peer.receive(client.preface)
    first = bytes(peer.connection.data_to_send())
    octets = []
    for number in range(count):
        peer.receive(client.ask())
        octets.append(peer.answer(2 * number + 1, body))
    return first, tuple(octets)


def pieces(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), READ_BYTES):
        yield octets[start : start + READ_BYTES]


def ask_all(caller: Caller) -> None:
    for _ in range(EXCHANGES):
        caller.ask()


def receive_all(caller: Caller, reads: list[bytes]) -> None:
    for read in reads:
        caller.receive(read)


def asked(name: str, first: bytes, count: int) -> Caller:
    """A caller whose requests, as many as that, are out."""
    caller = CALLERS[name]()
    caller.receive(first)
    for _ in range(count):
        caller.ask()
    return caller


@pytest.mark.benchmark(group=f"frames: a request out ({EXCHANGES} requests)")
@RIVALS
def test_request_out(benchmark: Benchmark, name: str) -> None:
    peer, caller = Peer(), CALLERS[name]()
    peer.receive(H2Caller().preface)
    for _ in range(2):
        [fields] = peer.receive(caller.ask())
        assert sorted(fields) == sorted(REQUEST)

    benchmark.pedantic(ask_all, setup=lambda: ((CALLERS[name](),), {}), rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)


@pytest.mark.benchmark(group=f"frames: a response in, 1 KiB ({EXCHANGES} responses, one a read)")
@RIVALS
def test_response_in(benchmark: Benchmark, name: str) -> None:
    rival(name)
    first, octets = answers(NGINX_BODY, EXCHANGES)
    caller = asked(name, first, 2)
    for read in octets[:2]:
        assert caller.receive(read) == [(200, ANSWER, NGINX_BODY)]

    benchmark.pedantic(
        receive_all,
        setup=lambda: ((asked(name, first, EXCHANGES), octets), {}),
        rounds=ROUNDS,
        warmup_rounds=WARMUP_ROUNDS,
    )


@pytest.mark.benchmark(group="frames: DATA in, 1 MiB in reads of 64 KiB")
@RIVALS
def test_data_in(benchmark: Benchmark, name: str) -> None:
    rival(name)
    first, octets = answers(LARGE_BODY, 1)
    reads = list(pieces(octets[0]))
    caller = asked(name, first, 1)
    received = [caller.receive(read) for read in reads]
    assert received == [[]] * (len(reads) - 1) + [[(200, ANSWER, LARGE_BODY)]]

    benchmark.pedantic(
        receive_all, setup=lambda: ((asked(name, first, 1), reads), {}), rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS
    )
