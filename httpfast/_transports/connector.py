"""The dial: what it needs to know, its order of steps, and the decisions in it that need no socket.

    connect (Happy Eyeballs) ──► [TLS with the proxy] ──► [CONNECT or SOCKS5] ──► [TLS with the origin] ──► connection

The dial is one coroutine. What waits in it is a `Network` with its `Stream`: of an event loop (`push`), or of blocking
sockets (`pull`), whose methods never suspend, so that `run` drives the same coroutine to its end.
"""

from __future__ import annotations

from time import monotonic

from .._config import DEFAULT_HTTP2_WINDOW
from .._exceptions import ConnectError, ConnectTimeout, PoolTimeout
from .._urlparse import normal_host
from .trace import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
    from typing import Any, Protocol, TypeVar

    from .._cext.exchange import Exchange
    from .proxy import ProxyRoute
    from .trace import Trace

    _T = TypeVar("_T")
    _Connection = TypeVar("_Connection")
    _MadeConnection = TypeVar("_MadeConnection", covariant=True)

    # What tells apart the connections of one transport: scheme, host, port; then the name for SNI and the proxy where a
    # request has its own. Or the proxy alone, for requests that it forwards, whatever their origin.
    OriginKey = (
        tuple[bytes, bytes, int]
        | tuple[bytes, bytes, int, str]
        | tuple[bytes, bytes, int, str | None, ProxyRoute | None]
        | tuple[bytes, ProxyRoute]
    )

    SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
    AddressInfo = tuple[int, int, int, str, Any]

    class Stream(Protocol[_MadeConnection]):
        """A connected socket on its way to become a connection. Times are monotonic seconds.

        Every method raises OSError; TimeoutError when the time is over.

        Attributes:
            looked_up: when the name look-up was over, in seconds of `perf_counter`; None when there was none.
        """

        looked_up: float | None

        async def read(self, max_bytes: int, ends: float) -> bytes:  # pyright: ignore[reportReturnType]
            """At least one octet; b"" at the end of the stream."""

        async def write(self, data: bytes, ends: float) -> None:
            """Write all of it."""

        async def secure(self, context: ssl.SSLContext, name: str, ends: float) -> None:
            """Put TLS on top, as the client."""

        async def open(self, context: ssl.SSLContext | None, name: str, ends: float) -> _MadeConnection:  # pyright: ignore[reportReturnType]
            """The connection that this stream becomes, over one more layer of TLS if there is a context."""

        def close(self) -> None:
            """Give it up."""

    class Network(Protocol[_MadeConnection]):
        """How a driver connects, and waits."""

        async def connect(self, route: Route, host: str, port: int, ends: float) -> Stream[_MadeConnection]:  # pyright: ignore[reportReturnType]
            """The first of the host's addresses that accepts (RFC 8305). Raises OSError."""

        async def sleep(self, seconds: float) -> None:
            """Wait."""


__all__ = [
    "FORWARD",
    "NEVER",
    "NOT_H1",
    "NOT_H2",
    "Endpoint",
    "Route",
    "backoff",
    "closed_error",
    "connect_error",
    "connect_timeout",
    "dial",
    "has_news",
    "interleave",
    "is_address",
    "open_socket",
    "pool_timeout",
    "run",
    "server_name",
    "time_left",
]

NEVER = float("inf")

# What a pool's key begins with, in the place of a scheme, when the proxy forwards requests.
FORWARD = b"forward"

# RFC 8305, 8: the recommended Connection Attempt Delay, in seconds.
ATTEMPT_DELAY = 0.25

NOT_H1 = "The server chose HTTP/2 for a request that needs HTTP/1.1"
NOT_H2 = "The server does not speak HTTP/2, and nothing else is allowed"

# Octets: what every stream begins with (RFC 9113, 6.9.2), and a quarter of a connection's window, so that one stream
# that nobody reads leaves room for others.
SMALLEST_WINDOW = 65_535
LARGEST_WINDOW = 268_435_456

# Seconds before the second retry of a dial; each further one waits twice as long. The first retry waits for nothing.
BACKOFF = 0.5


class Route:
    """How a transport gets from here to an origin: all but the origin itself.

    Args:
        make_context: called when the first https connection needs it, with whether to offer HTTP/2; the TLS context.
        uds: path of a Unix socket to use in place of TCP.
        local_address: the address to bind to.
        retries: dials tried again after a failure, for each request.
        socket_options: for each TCP socket, as `socket.setsockopt` takes them.
        proxy: the way for requests that have none of their own.
        http1, http2: which versions may be spoken. Without http1 HTTP/2 is, also where nothing negotiates it.
        h2_keepalive: seconds of silence on an HTTP/2 connection after which its server is asked whether it still lives.
        h2_window: octets that a server may send ahead on a stream of HTTP/2; 0 for as many as it turns out to take.

    Raises:
        ValueError: of `h2_keepalive` and `h2_window`.
    """

    __slots__ = (
        "_contexts",
        "_make_context",
        "h2_keepalive",
        "h2_window",
        "http1",
        "http2",
        "local_address",
        "proxy",
        "retries",
        "socket_options",
        "uds",
    )

    def __init__(
        self,
        make_context: Callable[[bool], ssl.SSLContext],
        *,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[SocketOption] | None = None,
        proxy: ProxyRoute | None = None,
        http1: bool = True,
        http2: bool = False,
        h2_keepalive: float | None = None,
        h2_window: int = DEFAULT_HTTP2_WINDOW,
    ) -> None:
        if h2_window and not SMALLEST_WINDOW <= h2_window <= LARGEST_WINDOW:
            raise ValueError(
                f"http2_window has to be {SMALLEST_WINDOW} to {LARGEST_WINDOW} octets, or 0 to grow, not {h2_window}"
            )
        if h2_keepalive is not None and not h2_keepalive > 0:
            raise ValueError(f"http2_keepalive has to be a number of seconds above 0, or None, not {h2_keepalive}")
        self._make_context = make_context
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self.uds = uds
        self.local_address = local_address
        self.retries = retries
        self.socket_options: list[SocketOption] = list(socket_options or ())
        self.proxy = proxy
        self.http1 = http1
        self.http2 = http2
        self.h2_keepalive = NEVER if h2_keepalive is None else h2_keepalive
        self.h2_window = h2_window

    def context(self, http2: bool = False) -> ssl.SSLContext:
        """The TLS context; made on first use, for loading a CA bundle takes tens of milliseconds.

        Args:
            http2: to offer HTTP/2.
        """
        if http2 not in self._contexts:
            self._contexts[http2] = self._make_context(http2)
        return self._contexts[http2]


class Endpoint:
    """Where one dial goes: a pool's key, taken apart.

    Args:
        key: the origin, as the pool knows it.
        route: of the transport.

    Raises:
        InvalidURL: the name for SNI is no host's.
    """

    __slots__ = ("forwards", "host", "http2", "is_secure", "port", "proxy", "sni_hostname")

    def __init__(self, key: OriginKey, route: Route) -> None:
        self.sni_hostname: str | None = None
        self.forwards = len(key) == 2
        # A proxy that forwards is spoken to in HTTP/1.1; so are origins where that is to be upgraded.
        self.http2 = route.http2 and not self.forwards and (key[0] in (b"http", b"https") or not route.http1)
        if len(key) == 2:
            self.proxy: ProxyRoute | None = key[1]
            self.host, self.port, self.is_secure = key[1].host, key[1].port, key[1].is_secure
            return
        self.host, self.port, self.is_secure = key[1].decode("ascii"), key[2], key[0] in (b"https", b"wss")
        if len(key) >= 4:
            name = key[3]
            # The ssl module would map other letters by IDNA 2003, to what may be another name.
            self.sni_hostname = name if name is None or name.isascii() else normal_host(name, "https")
        self.proxy = key[4] if len(key) == 5 else route.proxy


async def dial(
    network: Network[_Connection],
    route: Route,
    endpoint: Endpoint,
    timeout: float | None,
    deadline: float,
    trace: Trace = SILENT,
) -> _Connection:
    """A new connection.

    Args:
        timeout: seconds for each step: the name look-up with the TCP handshake, a handshake with a proxy, one of TLS;
            None: no limit.
        deadline: monotonic seconds by which all has to be done.
        trace: is told about the steps.

    Raises:
        ConnectError, ConnectTimeout: also after the route's retries.
        ProxyError: the proxy refuses.
        RemoteProtocolError: it does not answer as a proxy.
    """
    delays = backoff(route.retries)
    while True:
        try:
            return await _dial_once(network, route, endpoint, timeout, deadline, trace)
        except OSError as error:
            failure = connect_error(error)
            delay = next(delays, None)
            left = time_left(None, deadline)
            if delay is None or (left is not None and left <= delay):
                raise failure from error
        except UnicodeError as error:
            raise ConnectError(f"The host's name cannot be one: {error}") from error
        await trace.step("connection.retry", network.sleep, delay)


async def _dial_once(
    network: Network[_Connection],
    route: Route,
    endpoint: Endpoint,
    timeout: float | None,
    deadline: float,
    trace: Trace,
) -> _Connection:
    proxy = endpoint.proxy
    # Contexts are made before the connection: that may take long, and a server should not have to wait for it.
    outer = proxy.context if proxy is not None and proxy.is_secure else None
    context = (outer if endpoint.forwards else route.context(endpoint.http2)) if endpoint.is_secure else None
    name = endpoint.sni_hostname or server_name(endpoint.host)
    if context is not None and not is_address(name) and not all(0 < len(label) < 64 for label in name.split(".")):
        raise ConnectError(f"TLS takes no name like {name[:64]!r} (RFC 6066, 3)")

    if proxy is not None:
        proxy.check_host(endpoint.host)
    host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.host, proxy.port)
    layer = "socks" if proxy is not None and proxy.is_socks else "connection"
    ends = _ends(timeout, deadline)
    stream: Stream[_Connection] = await trace.connect(layer, network, route, host, port, timeout, ends)
    try:
        prefix = "connection"
        if proxy is not None and not endpoint.forwards:
            if outer is not None:
                ends = _ends(timeout, deadline)
                await trace.start_tls("connection", stream.secure, outer, proxy.host, timeout, ends)
            prefix = await proxy.tunnel(stream, endpoint.host, endpoint.port, _ends(timeout, deadline), trace)
        if context is None:
            return await stream.open(None, name, _ends(timeout, deadline))
        connection: _Connection = await trace.start_tls(
            prefix, stream.open, context, name, timeout, _ends(timeout, deadline)
        )
        return connection
    except BaseException:
        stream.close()
        raise


def run(steps: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine that never suspends."""
    try:
        steps.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    steps.close()
    raise RuntimeError("A blocking network must not suspend")


def _ends(timeout: float | None, deadline: float) -> float:
    """When a step has to be done, in monotonic seconds."""
    return deadline if timeout is None else min(monotonic() + timeout, deadline)


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
            sock.setsockopt(*option)  # pyright: ignore[reportCallIssue, reportArgumentType]
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


def has_news(tunnel: Exchange) -> bool:
    """Whether there is something to read on a stream of HTTP/2, or its end."""
    return bool(tunnel.unread_bytes) or tunnel.is_complete or tunnel.error is not None


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
