"""The pool's decisions: `PoolState` with 1, 100 and 10,000 connections or waiters, beside the least that could do it.

A group holds all three sizes: what takes constant time shows the same figure in each. The baseline below knows no
limits, no expiry across origins and no closed connections, so it says what the rest costs and not who is better.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from httpfast._cext.pool import PooledConnection, PoolState, Waiter

from .rivals import Benchmark

KEY = (b"https", b"example.org", 443)
EXPIRY = 5.0  # seconds
NOW = 1.0

SIZES = pytest.mark.parametrize("size", [1, 100, 10_000])
BOTH = pytest.mark.parametrize("name", ["httpfast", "deque"])


class DequePool:
    """A stack of idle connections and a queue of waiters for each origin, in plain Python."""

    def __init__(self) -> None:
        self.idle: dict[Any, deque[tuple[float, object]]] = {}
        self.waiting: dict[Any, deque[object]] = {}

    def checkout(self, key: Any, now: float) -> object | None:
        stack = self.idle.get(key)
        while stack:
            since, connection = stack.pop()
            if now - since <= EXPIRY:
                return connection
        return None

    def release(self, key: Any, connection: object, now: float) -> object | None:
        """Returns the waiter whose turn it is, or None when the connection went idle."""
        queue = self.waiting.get(key)
        if queue:
            return queue.popleft()
        self.idle.setdefault(key, deque()).append((now, connection))
        return None

    def enter(self, key: Any) -> object:
        waiter = object()
        self.waiting.setdefault(key, deque()).append(waiter)
        return waiter

    def leave(self, key: Any, waiter: object) -> None:
        self.waiting[key].remove(waiter)


def connected(state: PoolState) -> PooledConnection:
    """A connection in use, on a slot of its own."""
    waiter = state.enter(KEY, fresh=True)
    state.leave(waiter)
    connection = PooledConnection()
    state.adopt(connection, waiter.origin)
    return connection


def state_in_use(size: int) -> tuple[PoolState, PooledConnection]:
    """A pool whose one connection is in use, and that many waiters in line for it."""
    state = PoolState(max_connections=1, keepalive_expiry=EXPIRY)
    connection = connected(state)
    for _ in range(size):
        state.enter(KEY)
    assert state.waiting == size
    return state, connection


def deque_in_use(size: int) -> DequePool:
    pool = DequePool()
    for _ in range(size):
        pool.enter(KEY)
    return pool


@pytest.mark.benchmark(group="pool: checkout and release, by idle connections")
@SIZES
@BOTH
def test_checkout_and_release(benchmark: Benchmark, name: str, size: int) -> None:
    step: Callable[[], object]
    if name == "httpfast":
        state = PoolState(keepalive_expiry=EXPIRY)
        connections = [connected(state) for _ in range(size)]
        for connection in connections:
            state.release(connection, NOW)
        assert state.idle == size

        def step() -> object:
            found = state.checkout(KEY, NOW)
            state.release(found, NOW)  # type: ignore[arg-type]
            return found
    else:
        pool = DequePool()
        for _ in range(size):
            pool.release(KEY, object(), NOW)

        def step() -> object:
            found = pool.checkout(KEY, NOW)
            pool.release(KEY, found, NOW)
            return found

    assert step() is not None
    assert step() is step()

    benchmark(step)


@pytest.mark.benchmark(group="pool: a waiter comes and gives up, by waiters in line")
@SIZES
@BOTH
def test_waiter_arrives_and_leaves(benchmark: Benchmark, name: str, size: int) -> None:
    """The newest gives up, and another gets in line. Cancellation may strike any; a search would find this one last."""
    step: Callable[[], None]
    if name == "httpfast":
        state, _ = state_in_use(size - 1)
        waiter = state.enter(KEY)

        def step() -> None:
            nonlocal waiter
            state.leave(waiter)
            waiter = state.enter(KEY)
    else:
        pool = deque_in_use(size - 1)
        placed = pool.enter(KEY)

        def step() -> None:
            nonlocal placed
            pool.leave(KEY, placed)
            placed = pool.enter(KEY)

    step()
    assert (state.waiting if name == "httpfast" else len(pool.waiting[KEY])) == size

    benchmark(step)


@pytest.mark.benchmark(group="pool: the next waiter is served, by waiters in line")
@SIZES
@BOTH
def test_next_waiter_is_served(benchmark: Benchmark, name: str, size: int) -> None:
    """A connection comes free, goes to the oldest waiter, and another gets in line at the end."""
    step: Callable[[], object]
    if name == "httpfast":
        state, connection = state_in_use(size)

        def step() -> object:
            served = state.release(connection, NOW)
            state.enter(KEY)
            return served
    else:
        pool = deque_in_use(size)
        held = object()

        def step() -> object:
            served = pool.release(KEY, held, NOW)
            pool.enter(KEY)
            return served

    served = step()
    assert served is not None
    if isinstance(served, Waiter):
        assert served.connection is connection

    benchmark(step)
