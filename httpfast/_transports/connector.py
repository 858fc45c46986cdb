"""What a dial needs to know, and the decisions in it that need no socket.

A dial resolves a name, races the addresses (Happy Eyeballs, RFC 8305) and makes the TLS handshake. The waiting is done
by the drivers, `push` for event loops and `pull` for blocking sockets; this module is shared by both.
"""

from __future__ import annotations

from time import monotonic

from .._exceptions import ConnectError, ConnectTimeout, PoolTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
    AddressInfo = tuple[int, int, int, str, Any]

__all__ = [
    "NEVER",
    "Route",
    "backoff",
    "closed_error",
    "connect_error",
    "connect_timeout",
    "interleave",
    "is_address",
    "open_socket",
    "pool_timeout",
    "server_name",
    "time_left",
]

NEVER = float("inf")

# RFC 8305, 8: the recommended Connection Attempt Delay, in seconds.
ATTEMPT_DELAY = 0.25

# Seconds before the second retry of a dial; each further one waits twice as long. The first retry waits for nothing.
BACKOFF = 0.5


class Route:
    """How a transport gets from here to an origin: all but the origin itself.

    Args:
        make_context: called when the first https connection needs it; the TLS context.
        uds: path of a Unix socket to use in place of TCP.
        local_address: the address to bind to.
        retries: dials tried again after a failure, for each request.
        socket_options: for each TCP socket, as `socket.setsockopt` takes them.
    """

    __slots__ = ("_context", "_make_context", "local_address", "retries", "socket_options", "uds")

    def __init__(
        self,
        make_context: Callable[[], ssl.SSLContext],
        *,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> None:
        self._make_context = make_context
        self._context: ssl.SSLContext | None = None
        self.uds = uds
        self.local_address = local_address
        self.retries = retries
        self.socket_options: list[SocketOption] = list(socket_options or ())

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context; made on first use, for loading a CA bundle takes tens of milliseconds."""
        if self._context is None:
            self._context = self._make_context()
        return self._context


def server_name(host: str) -> str:
    """The name for SNI and certificate checks: without the root label's dot (RFC 6066, 3)."""
    return host.removesuffix(".")


def interleave(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Addresses in the order to try them: families alternate, the resolver's first choice leads (RFC 8305, 4)."""
    first = [info for info in addresses if info[0] == addresses[0][0]]
    other = [info for info in addresses if info[0] != addresses[0][0]]
    ordered: list[AddressInfo] = []
    for position in range(max(len(first), len(other))):
        ordered += first[position : position + 1]
        ordered += other[position : position + 1]
    return ordered


def is_address(host: str) -> bool:
    """True for an IP address, which needs no name look-up."""
    return ":" in host or (host[-1:].isdigit() and host.replace(".", "").isdigit())


def open_socket(info: AddressInfo, route: Route) -> socket.socket:
    """A socket, not yet connected, with the route's options and local address.

    Raises:
        OSError: the system has no more, or the options or the local address do not fit.
    """
    import socket

    sock = socket.socket(info[0], info[1], info[2])
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in route.socket_options:
            sock.setsockopt(*option)
        if route.local_address is not None:
            sock.bind((route.local_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def backoff(retries: int) -> Iterator[float]:
    """Seconds to wait before each retry of a dial."""
    for attempt in range(retries):
        yield BACKOFF * 2 ** (attempt - 1) if attempt else 0.0


def time_left(timeout: float | None, deadline: float) -> float | None:
    """Seconds a step may take: its timeout or what is left to the deadline (monotonic seconds). None for no limit."""
    if deadline == NEVER:
        return timeout
    left = max(deadline - monotonic(), 0.0)
    return left if timeout is None else min(timeout, left)


def connect_error(error: OSError) -> ConnectError | ConnectTimeout:
    """The public exception for an error of the system or of TLS in a dial."""
    if isinstance(error, TimeoutError):
        return connect_timeout()
    return ConnectError(str(error) or repr(error))


def connect_timeout() -> ConnectTimeout:
    """The public exception for a connection that could not be made in time."""
    return ConnectTimeout("The connection could not be made in time")


def closed_error() -> ConnectError:
    """The public exception for a request that was still waiting for a connection when its client was closed."""
    return ConnectError("The client was closed while the request waited for a connection")


def pool_timeout() -> PoolTimeout:
    """The public exception for a request that waited too long for a connection."""
    return PoolTimeout("No connection of the pool came free in time")
