"""Connections without a socket, for tests of the pool's decisions."""

from __future__ import annotations

from typing import Any

from httpfast._cext.pool import PooledConnection, PoolState, Waiter


class Connection(PooledConnection):
    """A connection with a name to read in a failure."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


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
