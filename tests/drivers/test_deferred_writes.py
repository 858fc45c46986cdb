"""Requests that are made in one turn of the loop are written at its end; what may happen to them before."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import httpfast
from httpfast._cext.aio import LoopShare
from httpfast._cext.exchange import Exchange
from httpfast._cext.plain import exchange_of
from httpfast._cext.pool import PoolState
from httpfast._transports.push import Connection

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Transport:
    """As much of a transport as a connection uses, over a real socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.written: list[bytes] = []
        self.is_aborted = False

    def get_extra_info(self, name: str) -> Any:
        return self.sock if name == "socket" else None

    def is_closing(self) -> bool:
        return self.is_aborted

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_aborted = True


class Bench:
    """Connections on a loop whose turns the test makes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.share = LoopShare(loop)
        self.state = PoolState()
        self.sockets: list[socket.socket] = []

    def connection(self) -> tuple[Connection, Transport, socket.socket]:
        near, far = socket.socketpair()
        for sock in (near, far):
            sock.setblocking(False)
            self.sockets.append(sock)
        connection, transport = Connection(self, self.loop, self.state, self.share), Transport(near)
        connection.connection_made(transport)
        waiter = self.state.enter((b"http", b"example.org", 80))
        self.state.adopt(connection, waiter.origin)
        return connection, transport, far

    def lost(self, connection: Connection) -> None:
        """What a pool is told when a connection is gone."""

    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@pytest.fixture
def bench() -> Iterator[Bench]:
    loop = asyncio.new_event_loop()
    made = Bench(loop)
    yield made
    for sock in made.sockets:
        sock.close()
    loop.close()


def exchange() -> Exchange:
    request = httpfast.Request("GET", "http://example.org/", headers={"Accept": "*/*"})
    request.__dict__["_wants_whole"] = True
    return exchange_of(request)


def received(connection: Connection, data: bytes) -> None:
    """Give a connection octets as an event loop does."""
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


def arrived(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65_536)
    except BlockingIOError:
        return b""


def test_first_request_of_a_turn_goes_out_at_once_and_the_others_at_its_end(bench: Bench) -> None:
    connections = [bench.connection() for _ in range(3)]

    for connection, _, _ in connections:
        connection.send(exchange())
    at_once = [arrived(peer) for _, _, peer in connections]
    bench.turn()
    at_end = [arrived(peer) for _, _, peer in connections]

    assert [bool(data) for data in at_once] == [True, False, False]
    assert [data[:14] for data in at_end] == [b"", b"GET / HTTP/1.1", b"GET / HTTP/1.1"]
    assert not any(transport.written for _, transport, _ in connections)


def test_request_after_a_read_goes_out_at_once(bench: Bench) -> None:
    first, _, _ = bench.connection()
    second, _, peer = bench.connection()
    first.send(exchange())
    received(first, ANSWER)

    second.send(exchange())

    assert arrived(peer)


def test_octets_that_come_before_the_request_is_written_are_not_its_answer(bench: Bench) -> None:
    first, _, _ = bench.connection()
    second, transport, peer = bench.connection()
    first.send(exchange())
    asked = exchange()
    future = second.send(asked)

    received(second, ANSWER)
    bench.turn()

    assert isinstance(future.exception(), httpfast.RemoteProtocolError)
    assert not asked.wrote_request
    assert asked.status_code == 0
    assert transport.is_aborted
    assert arrived(peer) == b""


@pytest.mark.parametrize("is_reset", [False, True], ids=["end of the stream", "reset"])
def test_connection_that_ends_before_the_request_is_written_leaves_it_unwritten(bench: Bench, is_reset: bool) -> None:
    """It may be sent again then, whatever its method."""
    first, _, _ = bench.connection()
    second, _, peer = bench.connection()
    first.send(exchange())
    asked = exchange()
    future = second.send(asked)

    if is_reset:
        second.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
    else:
        second.eof_received()
    bench.turn()

    assert isinstance(future.exception(), (httpfast.ReadError, httpfast.RemoteProtocolError))
    assert not asked.wrote_request
    assert not asked.was_answered
    assert arrived(peer) == b""


def test_request_that_is_given_up_before_it_is_written_is_not_written(bench: Bench) -> None:
    first, _, _ = bench.connection()
    second, transport, peer = bench.connection()
    first.send(exchange())
    asked = exchange()
    second.send(asked)

    second.abandon(asked)
    bench.turn()

    assert arrived(peer) == b""
    assert not asked.wrote_request
    assert transport.is_aborted


def test_request_on_a_transport_that_is_closing_is_left_to_the_transport(bench: Bench) -> None:
    """Its descriptor may be another connection's by now."""
    connection, transport, peer = bench.connection()
    transport.is_aborted = True

    connection.send(exchange())

    assert arrived(peer) == b""
    assert transport.written[0].startswith(b"GET / HTTP/1.1\r\n")


def test_octets_wait_behind_those_that_the_transport_holds(bench: Bench) -> None:
    connection, transport, peer = bench.connection()
    request = httpfast.Request("POST", "http://example.org/", content=iter([b"body"]))
    streamed = exchange_of(request)
    connection.begin(streamed)
    transport.is_aborted = True
    connection.write_body(streamed, b"one")
    transport.is_aborted = False

    connection.write_body(streamed, b"two")

    assert arrived(peer).endswith(b"\r\n\r\n")
    assert transport.written == [b"3\r\none\r\n", b"3\r\ntwo\r\n"]
