"""The trio driver: dialling, the connection of HTTP/1.1, and the pool of one run of trio. HTTP/2 is in `pull_trio_h2`.

A task reads its own response, as a thread does; a task that waits for a connection waits for an event.
"""

from __future__ import annotations

import socket
import ssl
from time import monotonic, perf_counter

import trio

from .._cext.carried import CarriedConnection
from .._exceptions import ReadError, ReadTimeout, RemoteProtocolError, WriteError, WriteTimeout
from .async_streams import AsyncNetworkStream
from .connector import (
    ATTEMPT_DELAY,
    NEVER,
    Endpoint,
    Route,
    closed_error,
    dial,
    interleave,
    open_socket,
    pool_timeout,
    time_left,
)
from .pool import new_state
from .trace import dial_trace
from .trio_stream import TrioStream, errors_of_the_system, until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any, TypeAlias

    from .._cext.exchange import Exchange
    from .._cext.pool import Origin, PooledConnection, Waiter
    from .._config import Limits
    from .connector import AddressInfo, OriginKey
    from .pull_trio_h2 import SharedConnection
    from .trace import Trace

    AnyConnection: TypeAlias = "Connection | SharedConnection"

__all__ = ["Connection", "TrioPool"]

_READ_BYTES = 65536


class TrioNetwork:
    """A `Network` of trio.

    Args:
        pool: of the connections.
        may_be_h2: they may speak HTTP/2.
    """

    def __init__(self, pool: TrioPool, may_be_h2: bool) -> None:
        self._pool = pool
        self._may_be_h2 = may_be_h2

    async def connect(self, route: Route, host: str, port: int, ends: float) -> TrioStream:
        """See `Network`."""
        looked_up = None
        with errors_of_the_system(), until(ends):
            if route.uds is not None:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                stream = await _connect_one(sock, route.uds)
            else:
                addresses = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
                looked_up = perf_counter()
                sock, stream = await _connect(route, interleave(addresses))
        return TrioStream(sock, stream, self._pool, self._may_be_h2, looked_up)

    async def sleep(self, seconds: float) -> None:
        """See `Network`."""
        await trio.sleep(seconds)


class Connection(CarriedConnection):
    """An HTTP/1.1 connection. A task writes its request and reads its response.

    Args:
        pool: the pool it belongs to.
        stream: what carries its octets.
    """

    def __init__(self, pool: TrioPool, stream: TrioStream) -> None:
        super().__init__(stream.fd)
        self._pool = pool
        self._stream = stream
        self._unsent = b""

    async def send(self, exchange: Exchange) -> None:
        """Write a whole request and read its response: all of it when it is collected, else its head.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadTimeout, WriteTimeout, ReadError, WriteError, RemoteProtocolError
        """
        self._unsent = self.request_octets(exchange, True)
        await self._flush(exchange)
        await self._read_response(exchange)

    def begin(self, exchange: Exchange) -> None:
        """Begin a request whose body follows by `write_body` and `end_body`."""
        self._unsent = self.request_octets(exchange, False)

    def write_body(self, exchange: Exchange, data: bytes) -> Coroutine[Any, Any, None] | None:
        """Write a piece of the request's body."""
        return None if self._is_over(exchange) else self._write_piece(exchange, data)

    def end_body(self, exchange: Exchange) -> None:
        """End the request's body."""
        if not self._is_over(exchange):
            self._unsent += self.engine.send_end()

    async def wait_continue(self, exchange: Exchange, timeout: float) -> None:
        """Wait for 100 Continue or the final head, for `timeout` seconds at most (RFC 9110, 10.1.1)."""
        await self._flush(exchange)
        ends = min(monotonic() + timeout, exchange.deadline)
        while not (exchange.continued or exchange.status_code):
            try:
                data = await self._stream.read(_READ_BYTES, ends)
            except TimeoutError:
                return
            except OSError as error:
                raise ReadError(str(error)) from error
            self._take(exchange, data)

    async def wait_response(self, exchange: Exchange) -> None:
        """Wait for the response's head; for its end, when the whole body is wanted."""
        if not self._is_over(exchange):
            await self._flush(exchange)
        await self._read_response(exchange)

    def wait_body(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """What to await for more octets of the body; None when there is something to take, or its end."""
        if exchange.unread_bytes or exchange.is_complete:
            return None
        return self._read(exchange, exchange.read_timeout)

    def wait_raw(self, exchange: Exchange, timeout: float) -> Coroutine[Any, Any, None] | None:
        """As `wait_body`, with a timeout of its own in seconds."""
        if exchange.unread_bytes or exchange.is_complete:
            return None
        return self._read(exchange, timeout, NEVER)

    def take_body(self, exchange: Exchange) -> bytes:
        """The octets that have come."""
        return exchange.take_body()

    async def write_raw(self, exchange: Exchange, data: bytes, timeout: float) -> None:
        """Write octets outside HTTP; `timeout` in seconds."""
        if self.is_closed:
            raise WriteError("The connection is closed")
        await self._write(bytes(data), monotonic() + timeout)

    def abandon(self, exchange: Exchange) -> None:
        """The caller gives up. Closes the connection unless it has already done with this exchange."""
        if self.let_go(exchange):
            self._pool.drop(self)

    def abandon_soon(self, exchange: Exchange) -> None:
        """`abandon` from a finaliser, which may run in any thread, and after trio's run has ended."""
        self._pool.call_soon(self.abandon, exchange)

    def finished(self) -> bool:
        """See `CarriedConnection`. What has come behind the response was not asked for: never read on."""
        return super().finished() and not self._stream.has_surplus

    def release_unused(self) -> None:
        """Give the connection back: nothing was written on it."""
        self._pool.release(self)

    def close(self) -> None:
        """Close it. What waits on it fails."""
        self.is_closed = True
        self._stream.close()

    def network_stream(self, exchange: Exchange) -> AsyncNetworkStream:
        """The octets under a response."""
        return AsyncNetworkStream(self, exchange)

    async def start_tls(self, context: ssl.SSLContext, name: str, ends: float) -> None:
        """Put TLS on an upgraded connection. Raises OSError."""
        await self._stream.secure(context, name, ends)

    def get_extra_info(self, info: str) -> Any:
        """See `AsyncNetworkStream.get_extra_info`."""
        return self._stream.get_extra_info(info)

    def _is_over(self, exchange: Exchange) -> bool:
        return exchange.connection is not self

    async def _write_piece(self, exchange: Exchange, data: bytes) -> None:
        """Write a piece of the body, unless an answer comes before its end (RFC 9112, 9.5)."""
        await self._flush(exchange)
        if not data:
            return
        if not self._stream.is_secure and self.is_readable():
            # It is there already, which a write that does not have to wait would not notice.
            await self._read(exchange, exchange.read_timeout)
            if exchange.is_refused:
                return
        octets = self.engine.send_body(data)
        errors: list[Exception] = []

        async def listen() -> None:
            try:
                while not exchange.is_refused:
                    # How long that may take is for the write to say.
                    await self._read(exchange, NEVER, NEVER)
            except Exception as error:
                errors.append(error)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            try:
                await self._write(octets, self._write_ends(exchange))
            except Exception as error:
                errors.append(error)
            nursery.cancel_scope.cancel()
        if errors and not exchange.is_refused:
            if not isinstance(errors[0], WriteError):
                raise errors[0]
            await self._finish_early(exchange, errors[0])

    async def _flush(self, exchange: Exchange) -> None:
        octets, self._unsent = self._unsent, b""
        if not octets:
            return
        self.note_written(exchange)
        try:
            await self._write(octets, self._write_ends(exchange))
        except WriteError as error:
            await self._finish_early(exchange, error)

    async def _finish_early(self, exchange: Exchange, error: WriteError) -> None:
        """A write failed: the peer may have answered before it closed. If it has, that is the answer."""
        try:
            while not exchange.status_code:
                await self._read(exchange, exchange.read_timeout)
        except (ReadError, ReadTimeout, RemoteProtocolError):
            raise error from None

    def _write_ends(self, exchange: Exchange) -> float:
        return min(monotonic() + exchange.write_timeout, exchange.deadline)

    async def _write(self, octets: bytes, ends: float) -> None:
        try:
            await self._stream.write(octets, ends)
        except TimeoutError as error:
            raise WriteTimeout("The peer did not take the request in time") from error
        except OSError as error:
            raise WriteError(str(error)) from error

    async def _read_response(self, exchange: Exchange) -> None:
        while not (exchange.is_complete or (exchange.status_code and (not exchange.collect or exchange.is_tunnel))):
            if exchange.has_hints():
                break
            await self._read(exchange, exchange.read_timeout)

    async def _read(self, exchange: Exchange, timeout: float, deadline: float | None = None) -> None:
        """One read. Gives the connection back when the response is complete.

        Args:
            deadline: monotonic seconds; None for that of the exchange.
        """
        if self.is_closed:
            raise ReadError("The connection was closed")
        try:
            ends = min(monotonic() + timeout, exchange.deadline if deadline is None else deadline)
            data = await self._stream.read(_READ_BYTES, ends)
        except TimeoutError as error:
            raise ReadTimeout("The response did not come in time") from error
        except ssl.SSLEOFError:
            self._take(exchange, b"", is_truncation=True)
        except OSError as error:
            raise ReadError(str(error)) from error
        else:
            self._take(exchange, data)

    def _take(self, exchange: Exchange, data: bytes, *, is_truncation: bool = False) -> None:
        self.receive(exchange, data, is_truncation)
        if not data and not exchange.is_complete:
            # An engine that is dead already has nothing more to say about the end.
            raise ReadError("The connection was closed")
        if exchange.is_complete:
            self._pool.release(self)


class TrioPool:
    """The connections of one transport in one run of trio. It carries out what `PoolState` decides.

    Args:
        route: how to reach origins.
        limits: how many connections.
        token: of the run.
    """

    def __init__(self, route: Route, limits: Limits, token: Any) -> None:
        self.loop = token
        self.route = route
        self.state = new_state(limits, late_binding=False, multiplex=route.http2)
        self._open: set[AnyConnection] = set()
        self._is_closed = False

    async def acquire(
        self,
        key: OriginKey,
        timeouts: Mapping[str, Any],
        deadline: float,
        *,
        fresh: bool = False,
        trace: Trace | None = None,
    ) -> AnyConnection:
        """A connection to the origin. Arguments and errors as of `AsyncPool.acquire`."""
        while True:
            if self._is_closed:
                raise closed_error()
            waiter = self.state.enter(key, fresh)
            self.close_discarded()
            if not waiter.may_dial:
                await self._wait(waiter, time_left(timeouts.get("pool"), deadline))
            if self._is_closed:
                self._leave(waiter)
                raise closed_error()
            connection: AnyConnection | None = waiter.connection  # type: ignore[assignment]
            if connection is None:
                return await self._dial(waiter, timeouts.get("connect"), deadline, trace or dial_trace())
            if isinstance(connection, Connection):
                if not (connection.is_closed or (fresh and connection.served)):
                    return connection
                # It died on its way here, or came free and is not what was asked for: its place is.
                self.drop(connection)
            else:
                if connection.can_begin:
                    return connection
                # The server has said goodbye, or lowered its limit, meanwhile.
                self.release(connection)

    def release(self, connection: AnyConnection) -> None:
        """A task is through with an exchange that is complete; or, if it shared its connection, has given it up."""
        if not connection.finished():
            self.drop(connection)
            return
        _wake(self.state.release(connection, monotonic()))
        self.close_discarded()

    def share(self, connection: SharedConnection) -> None:
        """An HTTP/2 connection has room for requests that wait for one; others may dial, if it has for some only."""
        while (turn := self.state.share(connection)) is not None:
            _wake(turn)
        self._promote_riders(connection.origin, if_stranded=True)

    def drop(self, connection: AnyConnection) -> None:
        """A task gives up a connection in the middle of an exchange, or it has closed."""
        connection.close()
        self._open.discard(connection)
        _wake(self.state.drop(connection))

    def close_discarded(self) -> None:
        """Close what the pool's decisions have put aside."""
        discarded: list[PooledConnection] = self.state.discarded
        self.state.discarded = []
        for connection in discarded:
            self._open.discard(connection)
            connection.close()

    async def aclose(self) -> None:
        """Close all connections. Tasks in the middle of an exchange get an error."""
        self._is_closed = True
        for connection in list(self._open):
            self.drop(connection)
        await trio.lowlevel.checkpoint()

    def forget(self) -> None:
        """Drop everything: the run it belongs to is another one, or has ended."""
        self._open.clear()

    def call_soon(self, call: Any, *arguments: Any) -> None:
        """Call something in the run, if that still goes on, from any thread."""
        try:
            self.loop.run_sync_soon(call, *arguments)
        except trio.RunFinishedError:
            return

    async def _wait(self, waiter: Waiter, limit: float | None) -> None:
        """Wait until it is the waiter's turn. Raises PoolTimeout."""
        waiter.wake = trio.Event()
        try:
            with trio.move_on_after(NEVER if limit is None else limit):
                await waiter.wake.wait()
        except BaseException:
            self._leave(waiter)
            raise
        if not waiter.wake.is_set():
            self.state.leave(waiter)
            raise pool_timeout()

    def _leave(self, waiter: Waiter) -> None:
        """A task stops waiting."""
        self.state.leave(waiter)
        if waiter.connection is not None:
            self.release(waiter.connection)  # type: ignore[arg-type]
        elif waiter.may_dial:
            self._vacate(waiter.origin, is_lost=False)

    async def _dial(self, waiter: Waiter, timeout: float | None, deadline: float, trace: Trace) -> AnyConnection:
        try:
            endpoint = Endpoint(waiter.origin.key, self.route)
            network = TrioNetwork(self, endpoint.http2)
            connection: AnyConnection = await dial(network, self.route, endpoint, timeout, deadline, trace)
            if self._is_closed:
                connection.close()
                raise closed_error()
            self.state.adopt(connection, waiter.origin)
            self._open.add(connection)
        except BaseException as error:
            self._vacate(waiter.origin, is_lost=isinstance(error, Exception))
            raise
        try:
            if not isinstance(connection, Connection):
                self.share(connection)
            self._promote_riders(waiter.origin, if_stranded=connection.is_shared)
        except BaseException:
            # MemoryError, KeyboardInterrupt: nobody else knows of this one.
            self.drop(connection)
            raise
        return connection

    def _vacate(self, origin: Origin, *, is_lost: bool) -> None:
        """A dial has come to nothing.

        Args:
            is_lost: it has failed, and none of those who rode on it is to wait for others that fail as well. Else the
                task that made it was cancelled, which says nothing: one of them dials for the others.
        """
        _wake(self.state.vacate(origin))
        self._promote_riders(origin, if_stranded=not is_lost)

    def _promote_riders(self, origin: Origin, *, if_stranded: bool) -> None:
        """Requests that waited for the dial of another dial each for itself; see `PoolState.promote`."""
        while (turn := self.state.promote(origin, if_stranded)) is not None:
            _wake(turn)


def _wake(turn: Waiter | None) -> None:
    if turn is not None:
        turn.wake.set()


async def _connect_one(sock: socket.socket, address: Any) -> trio.SocketStream:
    """Connect a socket, which is closed if that fails: what trio knows it by. Raises OSError."""
    try:
        waiting = trio.socket.from_stdlib_socket(sock)
        await waiting.connect(address)
        return trio.SocketStream(waiting)
    except BaseException:
        sock.close()
        raise


async def _connect(route: Route, addresses: list[AddressInfo]) -> tuple[socket.socket, trio.SocketStream]:
    """The first of a host's addresses that accepts (RFC 8305). Raises OSError."""
    errors: list[Exception] = []
    winners: list[tuple[socket.socket, trio.SocketStream]] = []
    failed = [trio.Event() for _ in addresses]

    async def attempt(index: int) -> None:
        if index:
            # Not before the attempt ahead of it has failed, or is slow (RFC 8305, 5).
            with trio.move_on_after(ATTEMPT_DELAY):
                await failed[index - 1].wait()
        if index + 1 < len(addresses):
            nursery.start_soon(attempt, index + 1)
        try:
            sock = open_socket(addresses[index], route)
            stream = await _connect_one(sock, addresses[index][4])
        except OSError as error:
            errors.append(error)
            failed[index].set()
            return
        except Exception as error:
            # A nursery would make a group of it.
            errors.insert(0, error)
            nursery.cancel_scope.cancel()
            return
        if winners:
            sock.close()
        else:
            winners.append((sock, stream))
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            await attempt(0)
        if not winners:
            raise errors[0]
        return winners[0]
    except BaseException:
        for sock, _ in winners:
            sock.close()
        raise
