"""The blocking driver: dialling, and the bodies that callers read, over blocking sockets.

The connection itself is compiled: `httpfast._cext.blocking`.
"""

from __future__ import annotations

import select
import selectors
import socket
from errno import EINPROGRESS, EWOULDBLOCK
from time import monotonic, perf_counter, sleep

from .._cext.blocking import BlockingConnection
from .._exceptions import ReadError, WriteError
from .._types import SyncByteStream
from .connector import (
    ATTEMPT_DELAY,
    NEVER,
    NOT_H1,
    NOT_H2,
    Route,
    connect_error,
    has_news,
    interleave,
    is_address,
    open_socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from .._cext.exchange import Exchange
    from .connector import AddressInfo
    from .pull_h2 import SharedConnection
    from .pull_pool import Pool
    from .tls_in_tls import TLSSocket

    AnyConnection: TypeAlias = "Connection | SharedConnection"
    AnySocket = socket.socket | TLSSocket

__all__ = ["BlockingNetwork", "BlockingStream", "Connection", "NetworkStream", "ResponseStream"]

_PENDING = (EINPROGRESS, EWOULDBLOCK)


class Connection(BlockingConnection):
    """BlockingConnection with what a response offers of it."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> NetworkStream:
        """The octets under a response."""
        return NetworkStream(self, exchange)

    def get_extra_info(self, info: str) -> Any:
        """See `NetworkStream.get_extra_info`."""
        return socket_info(self.sock, info)


class BlockingStream:
    """A socket on its way to become a connection; a `Stream` whose methods never suspend.

    Args:
        sock: connected. The stream owns it.
        route: of the transport.
        may_be_h2, on_news: see `BlockingNetwork`.
        looked_up: see `Stream`.
    """

    def __init__(
        self,
        sock: AnySocket,
        route: Route,
        may_be_h2: bool,
        on_news: Callable[[SharedConnection], None],
        looked_up: float | None,
    ) -> None:
        self.looked_up = looked_up
        self.sock = sock
        self._route = route
        self._may_be_h2 = may_be_h2
        self._on_news = on_news

    async def read(self, max_bytes: int, ends: float) -> bytes:
        """See `Stream`."""
        self.sock.settimeout(_left(ends))
        return self.sock.recv(max_bytes)

    async def write(self, data: bytes, ends: float) -> None:
        """See `Stream`."""
        self.sock.settimeout(_left(ends))
        self.sock.sendall(data)

    async def secure(self, context: ssl.SSLContext, name: str, ends: float) -> None:
        """See `Stream`."""
        secured = _wrap(self.sock, context, name, ends)
        self.sock = secured
        secured.do_handshake()

    async def open(self, context: ssl.SSLContext | None, name: str, ends: float) -> AnyConnection:
        """See `Stream`."""
        route = self._route
        is_h2 = self._may_be_h2 and not route.http1
        if context is not None:
            await self.secure(context, name, ends)
            is_h2 = self.sock.selected_alpn_protocol() == "h2"  # type: ignore[union-attr]
            if is_h2 and not self._may_be_h2:
                raise ConnectionError(NOT_H1)
            if not is_h2 and self._may_be_h2 and not route.http1:
                raise ConnectionError(NOT_H2)
        if is_h2:
            from .pull_h2 import SharedConnection

            return SharedConnection(self.sock, self._on_news, route.h2_keepalive, route.h2_window)
        return Connection(self.sock)

    def close(self) -> None:
        """See `Stream`."""
        self.sock.close()

    def get_extra_info(self, info: str) -> Any:
        """As `NetworkStream.get_extra_info`, for listeners of a trace."""
        return socket_info(self.sock, info)


def _wrap(sock: AnySocket, context: ssl.SSLContext, name: str, ends: float) -> ssl.SSLSocket | TLSSocket:
    """TLS over a socket, before its handshake. Raises OSError; the socket is closed then."""
    sock.settimeout(_left(ends))
    if hasattr(sock, "do_handshake"):
        from .tls_in_tls import TLSSocket

        below: Any = sock
        return TLSSocket(below, context, name)
    try:
        # The new object takes the descriptor over. The handshake is the caller's: whatever ends it closes that one.
        return context.wrap_socket(
            sock,  # pyright: ignore[reportArgumentType]
            server_hostname=name,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
    except BaseException as error:
        _close_half_made(error)
        raise


class BlockingNetwork:
    """A `Network` of blocking sockets.

    Args:
        may_be_h2: HTTP/2 may be spoken.
        on_news: called when a connection of it may have room for more exchanges.
    """

    def __init__(self, may_be_h2: bool, on_news: Callable[[SharedConnection], None]) -> None:
        self._may_be_h2 = may_be_h2
        self._on_news = on_news

    async def connect(self, route: Route, host: str, port: int, ends: float) -> BlockingStream:
        """See `Network`."""
        looked_up = None
        if route.uds is not None:
            sock = _connect_unix(route.uds, ends)
        else:
            flags = socket.AI_NUMERICHOST if is_address(host) else 0
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            looked_up = perf_counter()
            sock = _race(interleave(addresses), route, ends)
        return BlockingStream(sock, route, self._may_be_h2, self._on_news, looked_up)

    async def sleep(self, seconds: float) -> None:
        """See `Network`."""
        sleep(seconds)


def _left(ends: float) -> float | None:
    """Seconds for a step that has to be done by then; None for no limit. Raises TimeoutError when it is too late."""
    if ends == NEVER:
        return None
    left = ends - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def socket_info(sock: AnySocket, info: str) -> Any:
    """What `get_extra_info` says of a socket; None for what it does not know."""
    if info == "ssl_object":
        return sock if hasattr(sock, "getpeercert") else None
    if info == "client_addr":
        return sock.getsockname()
    if info == "server_addr":
        return sock.getpeername()
    return sock if info == "socket" else None


def _close_half_made(error: BaseException) -> None:
    """Close an SSLSocket whose making failed: CPython does that itself for some errors only."""
    from ssl import SSLSocket

    trace = error.__traceback__
    while trace is not None:
        made = trace.tb_frame.f_locals.get("self")
        if isinstance(made, SSLSocket):
            # Its own method may miss attributes that it has not been given yet.
            socket.SocketType.close(made)
        trace = trace.tb_next


def _connect_unix(path: str, ends: float) -> socket.socket:
    """A connected Unix socket. Raises OSError; TimeoutError at `ends` (monotonic seconds)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(None if ends == NEVER else max(ends - monotonic(), 0.001))
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _race(addresses: list[AddressInfo], route: Route, ends: float) -> socket.socket:
    """The first address to connect; each is tried when the one before has failed or is slow (RFC 8305, 5).

    Raises:
        OSError: all failed; it is the first one's error.
    """
    errors: list[OSError] = []
    waiting = addresses[::-1]
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                if waiting:
                    sock = _begin_connect(waiting.pop(), route, selector, errors)
                    if sock is not None:
                        return sock
                if not selector.get_map():
                    if waiting:
                        continue
                    raise errors[0]
                pause = ATTEMPT_DELAY if waiting else NEVER
                left = min(pause, ends - monotonic())
                if left <= 0:
                    raise TimeoutError("timed out")
                for key, _ in selector.select(None if left == NEVER else left):
                    sock = key.fileobj  # type: ignore[assignment]
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[union-attr]
                    # Until here an exception has it closed with the others.
                    selector.unregister(key.fileobj)
                    if code == 0:
                        return sock  # type: ignore[return-value]
                    sock.close()  # type: ignore[union-attr]
                    errors.append(_os_error(code))  # pyright: ignore[reportUnknownArgumentType]
        finally:
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


def _begin_connect(
    info: AddressInfo, route: Route, selector: selectors.BaseSelector, errors: list[OSError]
) -> socket.socket | None:
    """Start to connect. The socket if that is done at once; else it is in the selector, or its error in the list."""
    try:
        sock = open_socket(info, route)
    except OSError as error:
        errors.append(error)
        return None
    try:
        sock.setblocking(False)
        code = sock.connect_ex(info[4])
        if code == 0:
            return sock
        if code in _PENDING:
            selector.register(sock, selectors.EVENT_WRITE)
            return None
    except BaseException:
        sock.close()
        raise
    sock.close()
    errors.append(_os_error(code))
    return None


def _os_error(code: int) -> OSError:
    """The OSError subclass for an error number, with its text."""
    from os import strerror

    return OSError(code, strerror(code))


class ResponseStream(SyncByteStream):
    """A response's body as it arrives."""

    # Until all of it is made: what is not gives nothing back.
    _connection: AnyConnection | None = None

    def __init__(self, pool: Pool, connection: AnyConnection, exchange: Exchange) -> None:
        self._pool = pool
        self._exchange = exchange
        self._connection = connection
        if exchange.is_complete:
            self._release()

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        if exchange.is_tunnel:
            # What follows is no content, but for `network_stream`.
            return
        if self._connection is None:
            data = exchange.take_body()
            if data:
                yield data
        while self._connection is not None:
            try:
                data = self._connection.read_body(exchange)
            except BaseException:
                self.close()
                raise
            # Another thread, which reads for all, may have read the rest just now.
            if exchange.is_complete and not exchange.unread_bytes:
                self._release()
            if data:
                yield data

    def close(self) -> None:
        """Give up what has not been read. The connection is closed if the response is not complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_up(connection, self._exchange)

    def __del__(self) -> None:
        # A response that was dropped unread would keep its place in the pool for ever.
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop_from_finaliser(connection, self._exchange)

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class NetworkStream:
    """The octets under a response: raw after `101 Switching Protocols` or CONNECT, else for `get_extra_info` only.

    In HTTP/2 they are those of one stream (RFC 9113, 8.5), and `is_shared`: the connection carries others too. Some
    threads may write there while one reads.
    """

    def __init__(self, connection: AnyConnection, exchange: Exchange) -> None:
        self.is_shared: bool = connection.is_shared
        self._connection: Any = connection
        self._exchange = exchange
        self._rest = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            ReadTimeout, ReadError
        """
        if self.is_shared and not self._exchange.is_tunnel:
            raise ReadError("Only a stream that a CONNECT has opened can be read as raw octets")
        if not self._exchange.is_tunnel:
            raise ReadError("Only an upgraded connection can be read as raw octets")
        if not self._rest:
            self._rest = self._connection.read_raw(self._exchange, NEVER if timeout is None else timeout)
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write octets.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            WriteTimeout, WriteError
        """
        if self.is_shared and not self._exchange.is_tunnel:
            raise WriteError("Only a stream that a CONNECT has opened can be written to as raw octets")
        self._connection.write_raw(self._exchange, buffer, NEVER if timeout is None else timeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        """Put TLS on an upgraded connection, as the client. What is returned is to be used from then on.

        Args:
            server_hostname: for SNI and the certificate check.
            timeout: seconds; None for no limit.

        Raises:
            ConnectTimeout, ConnectError: the connection is closed.
            ReadError: it is not an upgraded one, is a stream of HTTP/2, or octets have come already.
        """
        connection, exchange = self._connection, self._exchange
        if self.is_shared:
            raise ReadError("TLS within a stream of HTTP/2 is not supported")
        if not exchange.is_tunnel or self._rest or exchange.unread_bytes:
            raise ReadError("Only an upgraded connection without unread octets can go on over TLS")
        sock: AnySocket = connection.sock
        ends = NEVER if timeout is None else monotonic() + timeout
        try:
            secured = _wrap(sock, ssl_context, server_hostname or "", ends)
            sock = secured
            secured.do_handshake()
        except BaseException as error:
            sock.close()
            connection.close()
            if isinstance(error, OSError):
                raise connect_error(error) from error
            raise
        connection.take_over(secured)
        return self

    def close(self) -> None:
        """Close the connection; in HTTP/2 the stream."""
        if self.is_shared:
            self._connection.close_raw(self._exchange)
        else:
            self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `client_addr`, `server_addr`, `socket` or `is_readable`; None for anything else."""
        if info == "is_readable":
            if self.is_shared and self._exchange.is_tunnel:
                return has_news(self._exchange)
            sock = self._connection.sock
            return sock.fileno() < 0 or bool(select.select([sock], [], [], 0)[0])
        return self._connection.get_extra_info(info)
