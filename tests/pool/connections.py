"""Connections without a socket, for tests of the pool's decisions."""

from __future__ import annotations

from typing import Any

from httpfast._cext.aio import LoopShare
from httpfast._cext.aio_h2 import H2Connection
from httpfast._cext.pool import PooledConnection, PoolState, Waiter

from ..engine.h2_octets import LAST_ID, MAX_CONCURRENT_STREAMS, goaway, settings


class Connection(PooledConnection):
    """A connection with a name to read in a failure."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


class NoLoop:
    """A loop that never runs."""

    create_future = None

    def call_soon(self, callback: Any, *args: Any) -> None:
        """It would be called."""


NO_LOOP: Any = NoLoop()


class SharedConnection(H2Connection):
    """A connection of HTTP/2 without a transport, whose server takes so many streams."""

    def __init__(self, state: PoolState, capacity: int) -> None:
        super().__init__(self, NO_LOOP, state, LoopShare(NO_LOOP))
        self.set_capacity(capacity)

    def set_capacity(self, capacity: int) -> None:
        """The server says how many streams it takes."""
        self.capacity = capacity
        self.receive(settings({MAX_CONCURRENT_STREAMS: capacity}))

    def go_away(self) -> None:
        """The server says that it takes no further request."""
        self.receive(goaway(LAST_ID))

    def receive(self, octets: bytes) -> None:
        self.get_buffer(-1)[: len(octets)] = octets
        self.buffer_updated(len(octets))

    def share(self, connection: H2Connection) -> None:
        """What the driver's pool does at new settings; the tests do it themselves."""
        assert connection is self


def dialed(state: PoolState, waiter: Waiter, name: str = "", now: float = 0.0) -> Connection:
    """The waiter's own dial has ended, and it was given the connection: the connection is in use."""
    assert waiter.may_dial
    connection = Connection(name)
    state.adopt(connection, waiter.origin)
    if state.late_binding:
        turn = state.arrive(connection, now)
        assert turn is waiter
    return connection


def opened(state: PoolState, key: Any, name: str = "", now: float = 0.0) -> Connection:
    """A connection in use, on a slot that was free."""
    return dialed(state, state.enter(key), name, now)


def idle(state: PoolState, key: Any, name: str = "", now: float = 0.0) -> Connection:
    """A connection that has gone idle at this time."""
    connection = Connection(name)
    waiter = state.enter(key, fresh=True)
    assert waiter.may_dial
    state.leave(waiter)
    state.adopt(connection, waiter.origin)
    assert state.release(connection, now) is None
    return connection
