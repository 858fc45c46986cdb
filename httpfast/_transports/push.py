"""The event-loop driver: dialling over asyncio and loops with its interface.

The connection itself, whose callbacks do the work, is compiled: `httpfast._cext.aio`.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import sslproto
from time import monotonic, perf_counter

from .._cext.aio import H1Connection
from .async_streams import AsyncNetworkStream
from .connector import ATTEMPT_DELAY, NEVER, Route, interleave, is_address, open_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeAlias, TypeVar

    from .._cext.exchange import Exchange
    from .connector import AddressInfo
    from .push_h2 import Negotiator, SharedConnection

    AnyConnection: TypeAlias = "Connection | SharedConnection"
    _Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)

__all__ = ["AsyncNetwork", "AsyncStream", "Connection", "transport_info"]


class Connection(H1Connection, asyncio.BufferedProtocol):  # pyright: ignore[reportIncompatibleMethodOverride]
    """H1Connection as event loops know it: they ask for this base class before they use `get_buffer`."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> AsyncNetworkStream:
        """The octets under a response."""
        return AsyncNetworkStream(self, exchange)

    async def start_tls(self, context: ssl.SSLContext, name: str, ends: float) -> None:
        """Put TLS on an upgraded connection. Raises OSError."""
        below = self.transport
        if below is None:
            raise ConnectionError("The connection is closed")
        try:
            async with _until(ends):
                loop = asyncio.get_running_loop()
                transport = await loop.start_tls(below, self, context, server_hostname=name)
            if transport is None:
                raise ConnectionError("The connection was closed in its TLS handshake")
        except BaseException:
            # Loops tell only the layer of TLS, of which nothing has come.
            below.abort()
            self.connection_lost(None)
            raise
        self.connection_made(transport)

    def get_extra_info(self, info: str) -> Any:
        """See `AsyncNetworkStream.get_extra_info`."""
        return None if self.transport is None else transport_info(self.transport, info)


class AsyncStream:
    """A socket on its way to become a connection; a `Stream`.

    Handshakes with a proxy are made on the socket itself; TLS takes a transport, on which they go on.

    Args:
        sock: connected, not blocking. The stream owns it.
        make_connection: makes the protocol object.
        is_unix: it is a Unix socket.
        looked_up: see `Stream`.
    """

    def __init__(
        self,
        sock: socket.socket,
        make_connection: Callable[[], Connection | Negotiator],
        *,
        is_unix: bool,
        looked_up: float | None,
    ) -> None:
        self.looked_up = looked_up
        self._loop = asyncio.get_running_loop()
        self._make_connection = make_connection
        self._is_unix = is_unix
        # Its owner is the stream until there is a transport, which closes it even when a handshake fails.
        self._sock: socket.socket | None = sock
        self._handshake: _Handshake | None = None
        self._info = sock

    async def read(self, max_bytes: int, ends: float) -> bytes:
        """See `Stream`."""
        async with _until(ends):
            if self._handshake is not None:
                return await self._handshake.read(max_bytes)
            assert self._sock is not None
            return await self._loop.sock_recv(self._sock, max_bytes)

    async def write(self, data: bytes, ends: float) -> None:
        """See `Stream`."""
        if self._handshake is not None:
            # A few octets: whether the peer takes them shows when its answer is awaited.
            self._handshake.transport.write(data)
            return
        assert self._sock is not None
        async with _until(ends):
            await self._loop.sock_sendall(self._sock, data)

    async def secure(self, context: ssl.SSLContext, name: str, ends: float) -> None:
        """See `Stream`."""
        async with _until(ends):
            self._handshake = await self._wrap(_Handshake, context, name)

    async def open(self, context: ssl.SSLContext | None, name: str, ends: float) -> AnyConnection:
        """See `Stream`."""
        async with _until(ends):
            protocol = await self._open(context, name)
        if isinstance(protocol, Connection):
            return protocol
        if protocol.connection is None:
            raise ConnectionError(protocol.refusal)
        return protocol.connection

    async def _open(self, context: ssl.SSLContext | None, name: str) -> Connection | Negotiator:
        if self._handshake is None:
            return await self._wrap(self._make_connection, context, name)
        transport = self._handshake.end()
        protocol = self._make_connection()
        if context is None:
            transport.set_protocol(protocol)
        else:
            outer = transport.get_extra_info("ssl_object")
            transport = await self._loop.start_tls(transport, protocol, context, server_hostname=name)
            # Loops tell of no error when the connection was closed before the handshake has begun.
            if transport is None or transport.get_extra_info("ssl_object") in (None, outer):
                raise ConnectionError("The connection was closed in its TLS handshake")
        protocol.connection_made(transport)
        return protocol

    def close(self) -> None:
        """See `Stream`."""
        if self._handshake is not None:
            self._handshake.transport.abort()
        elif self._sock is not None:
            self._sock.close()

    def get_extra_info(self, info: str) -> Any:
        """As `AsyncNetworkStream.get_extra_info`, for listeners of a trace."""
        if self._handshake is not None:
            return transport_info(self._handshake.transport, info)
        names = {"client_addr": self._info.getsockname, "server_addr": self._info.getpeername}
        return names[info]() if info in names else self._info if info == "socket" else None

    async def _wrap(self, factory: Callable[[], _Protocol], context: ssl.SSLContext | None, name: str) -> _Protocol:
        """Give the socket to a transport."""
        # From here on the transport owns the socket, and closes it when the handshake fails or is cancelled.
        sock, self._sock = self._sock, None
        create = self._loop.create_unix_connection if self._is_unix else self._loop.create_connection
        made: list[_Protocol] = []

        def make() -> _Protocol:
            made.append(factory())
            return made[-1]

        try:
            transport, protocol = await create(
                make, sock=sock, ssl=context, server_hostname=None if context is None else name
            )
        except BaseException:
            self._disown(sock)
            for half_made in made:
                # Cancelled just as the handshake had ended: a connection of HTTP/2 has written to its transport then,
                # and uvloop forgets it.
                connection = getattr(half_made, "connection", None)
                if connection is not None:
                    connection.abort()
            raise
        if transport.is_closing():
            self._disown(sock)
        return protocol

    def _disown(self, sock: socket.socket | None) -> None:
        """See to it that the descriptor of a connection that has failed is closed by its transport only.

        When the peer resets the connection just as it is handed over, uvloop closes the descriptor, but leaves its
        number in the socket, which would close it once more: another connection's by then.
        """
        if sock is not None and not isinstance(self._loop, asyncio.BaseEventLoop):
            sock.detach()


class _Handshake(asyncio.Protocol):
    """The octets of a handshake with an https proxy, until TLS with the origin takes its transport over."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._octets = b""
        self._is_over = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if isinstance(transport, sslproto._SSLProtocolTransport):
            _mend(transport)

    def data_received(self, data: bytes) -> None:
        self._octets += data
        self._wake()

    def eof_received(self) -> None:
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._error = exc
        self._wake()

    async def read(self, max_bytes: int) -> bytes:
        """See `Stream`."""
        while not (self._octets or self._is_over):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self._octets and self._error is not None:
            raise self._error
        data, self._octets = self._octets[:max_bytes], self._octets[max_bytes:]
        return data

    def end(self) -> Any:
        """The transport, for who uses the connection from here on.

        Raises:
            ConnectionError: it was closed, or octets came that nobody asked for.
        """
        if self._octets or self._is_over:
            raise ConnectionError("The proxy closed the connection, or sent octets before its tunnel was used")
        return self.transport

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _mend(transport: Any) -> None:
    """Let TLS on top of asyncio's TLS fail as it should.

    CPython before 3.11.8 and 3.12.2 then calls a method with an argument that it does not take (gh-113214).
    """
    if sslproto.SSLProtocol._abort.__code__.co_argcount == 1:
        transport._force_close = lambda error: transport.abort()  # pyright: ignore[reportUnknownLambdaType]


class AsyncNetwork:
    """A `Network` of an event loop.

    Args:
        make_connection: makes the protocol object of a connection.
    """

    def __init__(self, make_connection: Callable[[], Connection | Negotiator]) -> None:
        self._make_connection = make_connection

    async def connect(self, route: Route, host: str, port: int, ends: float) -> AsyncStream:
        """See `Network`."""
        loop = asyncio.get_running_loop()
        looked_up = None
        async with _until(ends):
            if route.uds is not None:
                sock = await _connect_socket(loop, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), route.uds)
            else:
                addresses = await _look_up(loop, host, port)
                looked_up = perf_counter()
                sock = await _connect(loop, route, addresses)
        return AsyncStream(sock, self._make_connection, is_unix=route.uds is not None, looked_up=looked_up)

    async def sleep(self, seconds: float) -> None:
        """See `Network`."""
        await asyncio.sleep(seconds)


def _until(ends: float) -> asyncio.Timeout:
    """A limit in monotonic seconds, as a context."""
    return asyncio.timeout(None if ends == NEVER else max(ends - monotonic(), 0.0))


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Sequence[AddressInfo]:
    """A host's addresses. Raises OSError."""
    if is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connect(loop: asyncio.AbstractEventLoop, route: Route, addresses: Sequence[AddressInfo]) -> socket.socket:
    """A socket connected to one of the addresses. Raises OSError."""
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


def transport_info(transport: Any, info: str) -> Any:
    names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket", "ssl_object": "ssl_object"}
    return transport.get_extra_info(names[info]) if info in names else None
