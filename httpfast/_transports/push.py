"""The event-loop driver: dialling, and the bodies that callers read, over asyncio and loops with its interface.

The connection itself, whose callbacks do the work, is compiled: `httpfast._cext.aio`.
"""

from __future__ import annotations

import asyncio
import socket

from .._cext.aio import H1Connection
from .._exceptions import ReadError, ReadTimeout
from .._types import AsyncByteStream
from .connector import (
    ATTEMPT_DELAY,
    NEVER,
    Route,
    backoff,
    connect_error,
    interleave,
    is_address,
    open_socket,
    server_name,
    time_left,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from typing import Any, Self

    from .._cext.exchange import Exchange
    from .connector import AddressInfo

__all__ = ["AsyncNetworkStream", "Connection", "ResponseStream", "dial"]


class Connection(H1Connection, asyncio.BufferedProtocol):
    """H1Connection as event loops know it: they ask for this base class before they use `get_buffer`."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> AsyncNetworkStream:
        """The octets under a response."""
        return AsyncNetworkStream(self, exchange)


async def dial(
    factory: Callable[[], Connection],
    route: Route,
    scheme: str,
    host: str,
    port: int,
    sni_hostname: str | None,
    timeout: float | None,
    deadline: float,
) -> Connection:
    """A new connection to an origin.

    Args:
        factory: makes the protocol object.
        timeout: seconds for the name look-up with the TCP handshake, and again for the TLS handshake; None: no limit.
        deadline: monotonic seconds by which all has to be done.

    Raises:
        ConnectError, ConnectTimeout: also after the route's retries.
    """
    delays = backoff(route.retries)
    while True:
        try:
            return await _dial_once(factory, route, scheme, host, port, sni_hostname, timeout, deadline)
        except OSError as error:
            failure = connect_error(error)
            delay = next(delays, None)
            left = time_left(None, deadline)
            if delay is None or (left is not None and left <= delay):
                raise failure from error
        await asyncio.sleep(delay)


async def _dial_once(
    factory: Callable[[], Connection],
    route: Route,
    scheme: str,
    host: str,
    port: int,
    sni_hostname: str | None,
    timeout: float | None,
    deadline: float,
) -> Connection:
    loop = asyncio.get_running_loop()
    context: ssl.SSLContext | None = None
    name: str | None = None
    if scheme == "https":
        # Made before the connection: it may take long, and a server should not have to wait for it.
        context = route.context
        name = sni_hostname or server_name(host)
    async with asyncio.timeout(time_left(timeout, deadline)):
        sock = await _connect(loop, route, host, port)
    # From here on the transport owns the socket, and closes it when the handshake fails or is cancelled.
    async with asyncio.timeout(time_left(timeout, deadline)):
        if route.uds is not None:
            _, protocol = await loop.create_unix_connection(factory, sock=sock, ssl=context, server_hostname=name)
        else:
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
    return protocol


async def _connect(loop: asyncio.AbstractEventLoop, route: Route, host: str, port: int) -> socket.socket:
    """A connected socket. Raises OSError."""
    if route.uds is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return await _connect_socket(loop, sock, route.uds)
    flags = socket.AI_NUMERICHOST if is_address(host) else 0
    if flags:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    else:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if len(addresses) == 1:
        return await _connect_address(loop, route, addresses[0])
    return await _race([_connect_address(loop, route, info) for info in interleave(addresses)])


async def _connect_address(loop: asyncio.AbstractEventLoop, route: Route, info: AddressInfo) -> socket.socket:
    return await _connect_socket(loop, open_socket(info, route), info[4])


async def _connect_socket(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any) -> socket.socket:
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(attempts: list[Coroutine[Any, Any, socket.socket]]) -> socket.socket:
    """The first attempt that succeeds; each starts when the one before has failed or is slow (RFC 8305, 5).

    Raises:
        OSError: all failed; it is the first one's error.
    """
    errors: list[BaseException] = []
    tasks: list[asyncio.Task[socket.socket]] = []
    waiting = attempts[::-1]
    winner: socket.socket | None = None
    try:
        running: set[asyncio.Task[socket.socket]] = set()
        while winner is None:
            if waiting:
                tasks.append(asyncio.create_task(waiting.pop()))
                running.add(tasks[-1])
            if not running:
                raise errors[0]
            done, running = await asyncio.wait(
                running, timeout=ATTEMPT_DELAY if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is not None:
                    errors.append(error)
                elif winner is None:
                    winner = task.result()
        return winner
    finally:
        for attempt in waiting:
            attempt.close()
        for task in tasks:
            # An attempt may have connected in the very moment of its cancellation, or of ours.
            task.cancel()
            task.add_done_callback(lambda task: _close_loser(task, winner))


def _close_loser(task: asyncio.Task[socket.socket], winner: socket.socket | None) -> None:
    """Close the socket of an attempt that has ended, unless it has won."""
    if not task.cancelled() and task.exception() is None and task.result() is not winner:
        task.result().close()


class ResponseStream(AsyncByteStream):
    """A response's body as it arrives. Reading pauses by itself while the caller does not keep up."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        connection, exchange = self._connection, self._exchange
        try:
            # What follows a tunnel's head is no content, but for `network_stream`.
            while not exchange.is_tunnel:
                data: bytes = connection.take_body(exchange)
                if data:
                    return data
                if exchange.error is not None:
                    raise exchange.error
                if exchange.is_complete:
                    break
                progress = connection.wait_body(exchange)
                if progress is not None:
                    await progress
        except BaseException:
            connection.abandon(exchange)
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what has not been read. The connection is closed if the response is not complete."""
        self._connection.abandon(self._exchange)

    def __del__(self) -> None:
        # A response that was dropped unread would keep its place in the pool for ever.
        if self._exchange.connection is not None:
            self._connection.abandon_soon(self._exchange)


class AsyncNetworkStream:
    """The octets under a response: raw after `101 Switching Protocols` or CONNECT, else for `get_extra_info` only."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._rest = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            ReadTimeout, ReadError
        """
        exchange = self._exchange
        if not self._rest:
            progress = self._connection.wait_raw(exchange, NEVER if timeout is None else timeout)
            if progress is not None:
                await progress
            self._rest = self._connection.take_body(exchange)
            if not self._rest and exchange.error is not None:
                if isinstance(exchange.error, (ReadError, ReadTimeout)):
                    raise exchange.error
                raise ReadError(str(exchange.error)) from exchange.error
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write octets.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            WriteTimeout, WriteError
        """
        progress = self._connection.write_raw(buffer, NEVER if timeout is None else timeout)
        if progress is not None:
            await progress

    async def aclose(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `client_addr`, `server_addr`, `socket` or `is_readable`; None for anything else."""
        transport = self._connection.transport
        if info == "is_readable":
            return self._connection.is_readable()
        if transport is None:
            return None
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
        return transport.get_extra_info(names[info]) if info in names else None
