"""The blocking driver: dialling, and the bodies that callers read, over blocking sockets.

The connection itself is compiled: `httpfast._cext.blocking`.
"""

from __future__ import annotations

import select
import selectors
import socket
from errno import EINPROGRESS, EWOULDBLOCK
from time import monotonic, sleep

from .._cext.blocking import BlockingConnection
from .._exceptions import ReadError
from .._types import SyncByteStream
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
    from collections.abc import Iterator
    from typing import Any

    from .._cext.exchange import Exchange
    from .connector import AddressInfo
    from .pool import Pool

__all__ = ["Connection", "NetworkStream", "ResponseStream", "dial"]

_PENDING = (EINPROGRESS, EWOULDBLOCK)


class Connection(BlockingConnection):
    """BlockingConnection with what a response offers of it."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> NetworkStream:
        """The octets under a response."""
        return NetworkStream(self, exchange)


def dial(
    route: Route,
    scheme: str,
    host: str,
    port: int,
    sni_hostname: str | None,
    timeout: float | None,
    deadline: float,
) -> socket.socket:
    """A new connection to an origin: a connected socket, after its TLS handshake for https.

    Args:
        timeout: seconds for the name look-up with the TCP handshake, and again for the TLS handshake; None: no limit.
        deadline: monotonic seconds by which all has to be done.

    Raises:
        ConnectError, ConnectTimeout: also after the route's retries.
    """
    delays = backoff(route.retries)
    while True:
        try:
            return _dial_once(route, scheme, host, port, sni_hostname, timeout, deadline)
        except OSError as error:
            failure = connect_error(error)
            delay = next(delays, None)
            left = time_left(None, deadline)
            if delay is None or (left is not None and left <= delay):
                raise failure from error
        sleep(delay)


def _dial_once(
    route: Route,
    scheme: str,
    host: str,
    port: int,
    sni_hostname: str | None,
    timeout: float | None,
    deadline: float,
) -> socket.socket:
    # Made before the connection: it may take long, and a server should not have to wait for it.
    context = route.context if scheme == "https" else None
    limit = time_left(timeout, deadline)
    sock = _connect(route, host, port, NEVER if limit is None else monotonic() + limit)
    try:
        sock.settimeout(time_left(timeout, deadline))
        if context is None:
            return sock
        # The new object takes the descriptor over; the handshake is ours, so that whatever ends it closes that one.
        secured = context.wrap_socket(
            sock,
            server_hostname=sni_hostname or server_name(host),
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
        sock = secured
        secured.do_handshake()
        return secured
    except BaseException as error:
        sock.close()
        if context is not None:
            _close_half_made(error)
        raise


def _close_half_made(error: BaseException) -> None:
    """Close an SSLSocket whose making failed: CPython does that itself for some errors only."""
    from ssl import SSLSocket

    trace = error.__traceback__
    while trace is not None:
        made = trace.tb_frame.f_locals.get("self")
        if isinstance(made, SSLSocket):
            made.close()
        trace = trace.tb_next


def _connect(route: Route, host: str, port: int, ends: float) -> socket.socket:
    """A connected socket. Raises OSError; TimeoutError at `ends` (monotonic seconds)."""
    if route.uds is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(None if ends == NEVER else max(ends - monotonic(), 0.001))
            sock.connect(route.uds)
        except BaseException:
            sock.close()
            raise
        return sock
    flags = socket.AI_NUMERICHOST if is_address(host) else 0
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return _race(interleave(addresses), route, ends)


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
                    errors.append(_os_error(code))
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

    def __init__(self, pool: Pool, connection: Connection, exchange: Exchange) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._exchange = exchange
        if exchange.is_complete:
            self._release()

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        if exchange.is_tunnel:
            # What follows is no content, but for `network_stream`.
            return
        data = exchange.take_body()
        if data:
            yield data
        while self._connection is not None:
            try:
                data = self._connection.read_body(exchange)
            except BaseException:
                self.close()
                raise
            if exchange.is_complete:
                self._release()
            if data:
                yield data

    def close(self) -> None:
        """Give up what has not been read. The connection is closed if the response is not complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop(connection)

    def __del__(self) -> None:
        # A response that was dropped unread would keep its place in the pool for ever.
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.drop_from_finaliser(connection)

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


class NetworkStream:
    """The octets under a response: raw after `101 Switching Protocols` or CONNECT, else for `get_extra_info` only."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._rest = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            ReadTimeout, ReadError
        """
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
        self._connection.write_raw(buffer, NEVER if timeout is None else timeout)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `client_addr`, `server_addr`, `socket` or `is_readable`; None for anything else."""
        sock = self._connection.sock
        if info == "is_readable":
            return sock.fileno() < 0 or bool(select.select([sock], [], [], 0)[0])
        if info == "ssl_object":
            return sock if self._connection.is_secure else None
        if info == "client_addr":
            return sock.getsockname()
        if info == "server_addr":
            return sock.getpeername()
        return sock if info == "socket" else None
