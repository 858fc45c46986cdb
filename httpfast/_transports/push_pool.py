"""The pool of an event loop.

A dial runs in a task of its own. It serves whoever is first in its origin's line, while the request that it was started
for may be served by a connection that came free in the meantime; then the dial serves a later one, or its connection
goes idle.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic

from .._cext.aio import LoopShare
from .._exceptions import ConnectError, ConnectTimeout
from .connector import NEVER, Endpoint, Route, closed_error, connect_timeout, dial, pool_timeout, time_left
from .pool import new_state
from .push import AsyncNetwork, Connection
from .trace import dial_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .._cext.pool import Origin, PooledConnection, Waiter
    from .._config import Limits
    from .._exceptions import TimeoutException
    from .connector import OriginKey
    from .push import AnyConnection
    from .push_h2 import Negotiator
    from .trace import Trace

__all__ = ["AsyncPool"]

# Connections in a row, for one request, on which the server says goodbye before it has come: as one that restarts does.
_MAX_DISMISSALS = 3
_CLOSED_AT_ONCE = "The connection was closed as soon as it was made"


class _Claim:
    """What a request waits with: a future for its connection, and what a dial for it needs."""

    __slots__ = ("deadline", "future", "timeouts", "timer", "trace")

    def __init__(
        self, future: asyncio.Future[AnyConnection], timeouts: Mapping[str, Any], deadline: float, trace: Trace | None
    ) -> None:
        self.future = future
        self.timeouts = timeouts
        self.deadline = deadline
        self.trace = trace
        self.timer: asyncio.TimerHandle | None = None

    def expire(self, make_error: Callable[[], TimeoutException]) -> None:
        if not self.future.done():
            self.future.set_exception(make_error())

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class _Dial:
    """A dial under way. `waiter` is the one that fails if it does, or None; its limits are those of `claim`."""

    __slots__ = ("claim", "origin", "task", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter: Waiter | None = waiter
        self.claim: _Claim = waiter.wake
        self.origin: Origin = waiter.origin
        self.task: asyncio.Task[None] | None = None


class AsyncPool:
    """The connections of one transport on one event loop.

    Args:
        route: how to reach origins.
        limits: how many connections.
        loop: the running loop.
    """

    def __init__(self, route: Route, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.route = route
        self.loop = loop
        self.state = new_state(limits, late_binding=True, multiplex=route.http2)
        self._share = LoopShare(loop)
        self._open: set[AnyConnection] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._emptied: asyncio.Future[None] | None = None

    async def acquire(
        self,
        key: OriginKey,
        timeouts: Mapping[str, Any],
        deadline: float,
        *,
        fresh: bool = False,
        trace: Trace | None = None,
    ) -> AnyConnection:
        """A connection to the origin, waiting for one as long as the limits and the timeouts say.

        Args:
            timeouts: seconds by phase: "pool" while a limit holds the request back, then "connect".
            deadline: monotonic seconds.
            fresh: do not be content with a connection that is idle now.
            trace: is told about the dial, if it comes to one.

        Raises:
            PoolTimeout, ConnectTimeout, ConnectError
            ProxyError, RemoteProtocolError: the proxy refuses, or does not answer as one.
        """
        dismissals = 0
        while True:
            connection = await self._wait_in_line(key, timeouts, deadline, fresh, trace)
            if connection.is_closed:
                # It died between the turn of the loop that handed it over and this one.
                if connection.served:
                    continue
                dismissals += 1
                if connection.was_dismissed and dismissals < _MAX_DISMISSALS:
                    continue
                raise ConnectError(_CLOSED_AT_ONCE)
            if connection.is_shared or not (fresh and connection.served):
                return connection
            # One that came free is not what was asked for: its place is.
            connection.close()
            self.serve(self.state.drop(connection))

    async def _wait_in_line(
        self, key: OriginKey, timeouts: Mapping[str, Any], deadline: float, fresh: bool, trace: Trace | None
    ) -> AnyConnection:
        if self._is_closed:
            raise closed_error()
        waiter = self.state.enter(key, fresh)
        if self.state.discarded:
            self.close_discarded()
        claim = waiter.wake = _Claim(self.loop.create_future(), timeouts, deadline, trace)
        if waiter.may_dial:
            self._dial(waiter)
        else:
            limit = time_left(timeouts.get("pool"), deadline)
            if limit is not None:
                claim.timer = self.loop.call_later(limit, claim.expire, pool_timeout)
        try:
            return await claim.future
        except BaseException:
            self._leave(waiter)
            raise
        finally:
            claim.stop_timer()

    def serve(self, turn: Waiter | None) -> None:
        """It is a waiter's turn: hand it its connection, or dial for it. If it has given up, it is the next one's."""
        while turn is not None:
            claim: _Claim = turn.wake
            claim.stop_timer()
            if turn.connection is not None:
                if turn.dial is not None:
                    turn.dial.waiter = None
                    turn.dial = None
                if not claim.future.done():
                    claim.future.set_result(turn.connection)  # type: ignore[arg-type]
                    break
                turn = self.state.release(turn.connection, monotonic())
            elif claim.future.done() or self._is_closed:
                if not claim.future.done():
                    claim.future.set_exception(closed_error())
                self.state.leave(turn)
                turn = self.state.vacate(turn.origin)
            else:
                self._dial(turn)
                break
        self.close_discarded()

    def lost(self, connection: AnyConnection) -> None:
        """A connection has closed."""
        self._open.discard(connection)
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    def close_discarded(self) -> None:
        """Close what the pool's decisions have put aside."""
        discarded, self.state.discarded = self.state.discarded, []
        for connection in discarded:
            connection.close()

    async def aclose(self) -> None:
        """Close all connections and end all dials; returns when the system has taken back the sockets."""
        self._is_closed = True
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for task in self._dials:
            task.cancel()
        if self._dials:
            await asyncio.wait(self._dials)
        for connection in list(self._open):
            connection.close()
        if self._open:
            self._emptied = self.loop.create_future()
            await self._emptied

    def forget(self) -> None:
        """Drop everything without touching the loop, which is another one now, or that of the parent process."""
        self._open.clear()
        self._dials.clear()

    def _leave(self, waiter: Waiter) -> None:
        """A request stops waiting: cancelled, timed out, or its dial has failed."""
        claim: _Claim = waiter.wake
        self.state.leave(waiter)
        if waiter.dial is not None:
            waiter.dial.waiter = None
            waiter.dial.task.cancel()
            waiter.dial = None
        future = claim.future
        if future.done() and not future.cancelled() and future.exception() is None:
            # It was served and cancelled within one turn of the loop.
            future.result().release_unused()

    def _dial(self, waiter: Waiter) -> None:
        claim: _Claim = waiter.wake
        left = time_left(None, claim.deadline)
        if left is not None and claim.timer is None:
            # The dial has its own limits, but may come to serve another request than this one.
            claim.timer = self.loop.call_later(left, claim.expire, connect_timeout)
        dial = waiter.dial = _Dial(waiter)
        dial.task = self.loop.create_task(self._run(dial, claim))
        self._dials.add(dial.task)
        dial.task.add_done_callback(self._dials.discard)
        # A task that is cancelled before its first step runs none of its code: the slot is given back here then.
        dial.task.add_done_callback(lambda task: self._give_up(dial, task))

    async def _run(self, attempt: _Dial, claim: _Claim) -> None:
        endpoint = Endpoint(attempt.origin.key, self.route)
        for _ in range(_MAX_DISMISSALS):
            connection = await dial(
                AsyncNetwork(partial(self._new_protocol, endpoint.http2)),
                self.route,
                endpoint,
                claim.timeouts.get("connect"),
                claim.deadline,
                claim.trace or dial_trace(),
            )
            if not connection.is_closed:
                break
            if not connection.was_dismissed:
                raise ConnectError(_CLOSED_AT_ONCE)
        else:
            raise ConnectError(_CLOSED_AT_ONCE)
        self._open.add(connection)
        self.state.adopt(connection, attempt.origin)
        turn = self.state.arrive(connection, monotonic())
        owner, attempt.waiter = attempt.waiter, None
        if turn is not None and owner is not None and turn is not owner:
            # The first in line takes it; the dial that runs for that one is this owner's from now on.
            owner.dial, turn.dial = turn.dial, None
            if owner.dial is not None:
                owner.dial.waiter = owner
                self._limit_dial_of_another(owner.wake)
        elif owner is not None:
            owner.dial = None
        self.serve(turn)
        if connection.is_shared:
            self.share(connection)
        self._promote_riders(attempt.origin, if_stranded=connection.is_shared)
        self._schedule_expiry()

    def _limit_dial_of_another(self, claim: _Claim) -> None:
        """A request now waits for a dial with another one's limits: let its own end the wait."""
        claim.stop_timer()
        limit = time_left(claim.timeouts.get("connect"), claim.deadline)
        if limit is not None:
            claim.timer = self.loop.call_later(limit, claim.expire, connect_timeout)

    def _new_protocol(self, may_be_h2: bool) -> Connection | Negotiator:
        """What a transport is given: a connection, or what finds out of which kind it is to be."""
        arguments = (self, self.loop, self.state, self._share)
        route = self.route
        if not may_be_h2 and not route.http2:
            return Connection(*arguments)
        from .push_h2 import Negotiator, SharedConnection

        make_h1 = partial(Connection, *arguments) if route.http1 or not may_be_h2 else None
        make_h2 = partial(SharedConnection, *arguments, route.h2_keepalive, route.h2_window) if may_be_h2 else None
        return Negotiator(make_h1, make_h2)

    def share(self, connection: PooledConnection) -> None:
        """An HTTP/2 connection has room for requests that wait for one; others may dial, if it has for some only."""
        while (turn := self.state.share(connection)) is not None:
            self.serve(turn)
        self._promote_riders(connection.origin, if_stranded=True)

    def _promote_riders(self, origin: Origin, *, if_stranded: bool = False) -> None:
        """The dial that requests waited for has brought nothing that they can share: each dials for itself.

        Args:
            if_stranded: it has, but not for all: one dials, the others wait for that.
        """
        while (turn := self.state.promote(origin, if_stranded)) is not None:
            self.serve(turn)

    def _give_up(self, dial: _Dial, task: asyncio.Task[None]) -> None:
        """A dial's task has ended: if it failed, its waiter learns why, and its slot is free."""
        error: BaseException | None = ConnectError("The dial was cancelled") if task.cancelled() else task.exception()
        if error is None:
            return
        waiter = dial.waiter
        if waiter is not None:
            waiter.dial = dial.waiter = None
            claim: _Claim = waiter.wake
            is_anothers = claim is not dial.claim and isinstance(error, ConnectTimeout)
            if is_anothers and not claim.future.done() and not self._is_closed:
                # The time of the request that it was started for is over, not of the one that has come to wait for it.
                self._dial(waiter)
                return
            self.state.leave(waiter)
            if not claim.future.done():
                claim.future.set_exception(error)
        self.serve(self.state.vacate(dial.origin))
        if not task.cancelled():
            # None of them is to wait for others that fail as well. A dial that was cancelled says nothing.
            self._promote_riders(dial.origin)

    def _schedule_expiry(self) -> None:
        """One timer a pool closes what has been idle for too long, also when no request comes any more."""
        expiry = self.state.keepalive_expiry
        if self._expiry is None and expiry != NEVER and self._open:
            self._expiry = self.loop.call_later(max(expiry, 0.1), self._expire_idle)

    def _expire_idle(self) -> None:
        self._expiry = None
        self.state.expire(monotonic())
        self.close_discarded()
        self._schedule_expiry()
