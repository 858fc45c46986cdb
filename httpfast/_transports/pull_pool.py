"""The pool that threads share. Who has to dial does so itself."""

from __future__ import annotations

from _thread import TIMEOUT_MAX, allocate_lock
from time import monotonic

from .._cext.plain import checkout_under, release_under
from .connector import Endpoint, Route, closed_error, dial, pool_timeout, run, time_left
from .pool import new_state
from .trace import dial_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._cext.exchange import Exchange
    from .._cext.pool import Origin, PooledConnection, Waiter
    from .._config import Limits
    from .._pool_stats import PoolStats
    from .connector import OriginKey
    from .pull import AnyConnection
    from .trace import Trace

__all__ = ["Pool"]


class Pool:
    """The connections of one transport, shared by threads.

    Args:
        route: how to reach origins.
        limits: how many connections.
    """

    def __init__(self, route: Route, limits: Limits) -> None:
        self.route = route
        self.state = new_state(limits, late_binding=False, multiplex=route.http2)
        self._lock = allocate_lock()
        self._open: set[AnyConnection] = set()
        # How often it was closed: what was begun before a close does not outlive it.
        self.closings = 0
        # Connections of responses that were dropped unread while the lock was held; dropped once it is free.
        self._orphans: list[tuple[AnyConnection, Exchange]] = []

    def checkout(self, exchange: Exchange) -> AnyConnection | None:
        """An idle connection to the exchange's origin, or None."""
        if self._orphans:
            # First: one may be all that keeps a connection from serving this request.
            self._drop_orphans()
        try:
            connection: AnyConnection | None = checkout_under(self._lock, self.state, exchange)
        finally:
            if self.state.discarded:
                self._close_discarded()
        return connection

    def acquire(
        self,
        key: OriginKey,
        timeouts: Mapping[str, Any],
        deadline: float,
        *,
        fresh: bool = False,
        trace: Trace | None = None,
        closings: int | None = None,
    ) -> AnyConnection:
        """A connection to the origin, waiting for one as long as the limits and the timeouts say.

        Args:
            timeouts: seconds by phase: "pool" while a limit holds the request back, then "connect".
            deadline: monotonic seconds.
            fresh: do not be content with a connection that is idle now.
            trace: is told about the dial, if it comes to one.
            closings: `self.closings` when the request was begun; None if that is now.

        Raises:
            PoolTimeout, ConnectTimeout, ConnectError
            ProxyError, RemoteProtocolError: the proxy refuses, or does not answer as one.
        """
        if closings is None:
            closings = self.closings
        elif closings != self.closings:
            raise closed_error()
        while True:
            with self._lock:
                waiter = self.state.enter(key, fresh)
            try:
                self._close_discarded()
                self._drop_orphans()
                if not waiter.may_dial and waiter.connection is None:
                    self._wait(waiter, time_left(timeouts.get("pool"), deadline))
                if closings != self.closings:
                    raise closed_error()
            except BaseException:
                # PoolTimeout, KeyboardInterrupt, MemoryError: what it may have got meanwhile is the next one's.
                self._leave(waiter)
                raise
            connection: AnyConnection | None = waiter.connection  # type: ignore[assignment]
            if connection is None:
                return self._dial(waiter, timeouts.get("connect"), deadline, closings, trace)
            if not connection.is_closed and (connection.is_shared or not (fresh and connection.served)):
                return connection
            # It died on its way here, or came free and is not what was asked for: its place is.
            self.drop(connection)

    def release(self, connection: AnyConnection) -> None:
        """The thread is through with a connection, whose exchange is complete."""
        try:
            if not connection.finished():
                self.drop(connection)
                return
            turn = release_under(self._lock, self.state, connection)
        except BaseException:
            # MemoryError, KeyboardInterrupt: whatever state it is in, its place is free.
            self.drop(connection)
            raise
        if turn is not None:
            _wake(turn)
        if self.state.discarded:
            self._close_discarded()
        if self._orphans:
            self._drop_orphans()

    def give_up(self, connection: AnyConnection, exchange: Exchange, *, in_finaliser: bool = False) -> bool:
        """The thread gives up an exchange. A connection that it shares with others goes on.

        Returns:
            False when that cannot be done in a finaliser now.
        """
        if not connection.is_shared:
            self.drop(connection)
            return True
        try:
            if not connection.reset(exchange, in_finaliser):  # type: ignore[union-attr]
                return False
        except BaseException:
            # MemoryError, KeyboardInterrupt: the stream may be there still.
            self.drop(connection)
            raise
        self.release(connection)
        return True

    def share(self, connection: PooledConnection) -> None:
        """An HTTP/2 connection has room for requests that wait for one; others may dial, if it has for some only."""
        while True:
            with self._lock:
                turn = self.state.share(connection)
            if turn is None:
                break
            _wake(turn)
        self._promote_riders(connection.origin, if_stranded=True)

    def _promote_riders(self, origin: Origin, *, if_stranded: bool = False) -> None:
        """The dial that requests waited for has brought nothing that they can share: each dials for itself.

        Args:
            if_stranded: it has, but not for all: one dials, the others wait for that.
        """
        while True:
            with self._lock:
                turn = self.state.promote(origin, if_stranded)
            if turn is None:
                return
            _wake(turn)

    def drop(self, connection: AnyConnection) -> None:
        """The thread gives up a connection in the middle of an exchange, or it has closed."""
        connection.abandon()
        with self._lock:
            self._open.discard(connection)
            turn = self.state.drop(connection)
        if turn is not None:
            _wake(turn)
        self._drop_orphans()

    def drop_from_finaliser(self, connection: AnyConnection, exchange: Exchange) -> None:
        """As `give_up`, where the garbage collector calls: maybe in a thread that holds the lock."""
        self._orphans.append((connection, exchange))
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self._drop_orphans(in_finaliser=True)

    def stats(self) -> PoolStats:
        """How the connections are used at this moment."""
        from .._pool_stats import stats_of

        with self._lock:
            return stats_of(self.state)

    def close(self) -> None:
        """Close all connections. Threads in the middle of an exchange get an error."""
        with self._lock:
            self.closings += 1
            connections, self._open = self._open, set()
        for connection in connections:
            connection.close()
            with self._lock:
                turn = self.state.drop(connection)
            if turn is not None:
                _wake(turn)

    def forget(self) -> None:
        """In a child process: let go of the sockets, which are the parent's too, without a word to the peers."""
        for connection in self._open:
            connection.sock.close()
        self._open = set()

    def __del__(self) -> None:
        # The client was dropped without being closed.
        for connection in self._open:
            connection.close()

    def _wait(self, waiter: Waiter, limit: float | None) -> None:
        """Block until it is the waiter's turn. Raises PoolTimeout."""
        woken = allocate_lock()
        woken.acquire()
        with self._lock:
            # It may have been its turn since it entered, when nobody could have woken it.
            if waiter.may_dial or waiter.connection is not None:
                return
            waiter.wake = woken
        is_served = woken.acquire(timeout=-1 if limit is None else min(limit, TIMEOUT_MAX))
        with self._lock:
            # Served between the end of the wait and here: then that stands.
            if is_served or waiter.connection is not None or waiter.may_dial:
                return
            self.state.leave(waiter)
        raise pool_timeout()

    def _leave(self, waiter: Waiter) -> None:
        """A thread stops waiting on an exception such as KeyboardInterrupt."""
        with self._lock:
            self.state.leave(waiter)
            turn: Waiter | None = None
            if waiter.connection is not None:
                turn = self.state.release(waiter.connection, monotonic())
            elif waiter.may_dial:
                turn = self.state.vacate(waiter.origin)
        if turn is not None:
            _wake(turn)
        self._drop_orphans()

    def _drop_orphans(self, *, in_finaliser: bool = False) -> None:
        while self._orphans:
            try:
                connection, exchange = self._orphans.pop()
            except IndexError:
                return  # another thread was faster
            if not self.give_up(connection, exchange, in_finaliser=in_finaliser):
                self._orphans.append((connection, exchange))
                return

    def _dial(
        self, waiter: Waiter, timeout: float | None, deadline: float, closings: int, trace: Trace | None
    ) -> AnyConnection:
        connection: AnyConnection | None = None
        try:
            from .pull import BlockingNetwork

            endpoint = Endpoint(waiter.origin.key, self.route)
            network = BlockingNetwork(endpoint.http2, self.share)
            connection = run(dial(network, self.route, endpoint, timeout, deadline, trace or dial_trace()))
            with self._lock:
                if closings != self.closings:
                    raise closed_error()
                # Where memory runs out before the end of this, the dial has failed: the slot is the waiter's still.
                self._open.add(connection)
                self.state.adopt(connection, waiter.origin)
        except BaseException:
            with self._lock:
                if connection is not None:
                    self._open.discard(connection)
                turn = self.state.vacate(waiter.origin)
            if connection is not None:
                connection.close()
            if turn is not None:
                _wake(turn)
            self._promote_riders(waiter.origin)
            raise
        try:
            self._drop_orphans()
            if connection.is_shared:
                self.share(connection)
            self._promote_riders(waiter.origin, if_stranded=connection.is_shared)
        except BaseException:
            # MemoryError, KeyboardInterrupt: nobody else knows of this one.
            self.drop(connection)
            raise
        return connection

    def _close_discarded(self) -> None:
        with self._lock:
            discarded: list[PooledConnection] = self.state.discarded
            self.state.discarded = []
            self._open.difference_update(discarded)
        for connection in discarded:
            connection.close()


def _wake(turn: Waiter) -> None:
    """It is a thread's turn. One that does not wait yet will find out by itself."""
    if turn.wake is not None:
        turn.wake.release()
