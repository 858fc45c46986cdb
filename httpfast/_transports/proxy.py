"""Proxies: what is said to one before it lets a connection through (RFC 9110, 9.3.6; RFC 1928, RFC 1929).

    http origin  through an http(s) proxy    the request itself goes to the proxy, with its target in absolute form
    https origin through an http(s) proxy    CONNECT, then TLS with the origin inside the tunnel
    any origin   through a SOCKS5 proxy      the SOCKS5 handshake, then as if connected directly

Names are resolved by the proxy, always: one that was asked for privacy must not leak them to the local resolver.
"""

from __future__ import annotations

from base64 import b64encode

from .._cext.h1 import H1Engine
from .._cext.headers import RequestHead
from .._config import Proxy
from .._exceptions import LocalProtocolError, ProxyError
from .connector import FORWARD, is_address, server_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .._cext.exchange import Exchange
    from .._types import ProxyTypes
    from .._url import URL
    from .connector import OriginKey, Stream
    from .trace import Trace

    Field = tuple[bytes, bytes, bytes]

__all__ = ["ProxyRoute", "identity_of", "proxy_of"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_READ_BYTES = 65536

# The most octets that a host name, a user and a password may have in SOCKS5 (RFC 1928, 5; RFC 1929, 2).
_MAX_SOCKS_TEXT = 255

# Fields that say where a request ends, which is not the proxy's to say.
_FRAMING = (b"content-length", b"transfer-encoding")

# RFC 1928, 6.
_SOCKS5_REASONS = {
    1: "General SOCKS server failure",
    2: "Connection not allowed by ruleset",
    3: "Network unreachable",
    4: "Host unreachable",
    5: "Connection refused",
    6: "TTL expired",
    7: "Command not supported",
    8: "Address type not supported",
}


def proxy_of(proxy: ProxyTypes) -> Proxy:
    """The proxy that a caller means. Raises InvalidURL, or ValueError for a scheme that no proxy has."""
    return proxy if isinstance(proxy, Proxy) else Proxy(proxy)


def identity_of(proxy: Proxy) -> object:
    """What two proxies have in common whose connections may be shared."""
    return proxy.url, proxy.raw_auth, proxy.headers._fields, proxy.ssl_context


class ProxyRoute:
    """How a transport's connections get through one proxy. Connections of two of these are never shared.

    Args:
        proxy: the proxy.
        trust_env: whether the environment may name the roots that an https proxy's certificate is checked against.

    Raises:
        ImportError: a SOCKS proxy, and socksio is not installed.
        LocalProtocolError: the proxy's fields cannot be sent, or would say where requests end.
        ValueError: user or password are too long for SOCKS5.
    """

    __slots__ = (
        "_context",
        "_credentials",
        "_fields",
        "_trust_env",
        "forward_key",
        "host",
        "is_secure",
        "is_socks",
        "port",
    )

    def __init__(self, proxy: Proxy, *, trust_env: bool = True) -> None:
        url = proxy.url
        self.is_socks = url.scheme in ("socks5", "socks5h")
        self.is_secure = url.scheme == "https"
        self.host = server_name(url.raw_host.decode("ascii"))
        self.port: int = url.port or _DEFAULT_PORTS[url.scheme]
        self.forward_key: OriginKey = (FORWARD, self)
        self._context = proxy.ssl_context
        self._trust_env = trust_env
        self._credentials = proxy.raw_auth
        if self.is_socks:
            _require_socksio()
            if self._credentials is not None and max(map(len, self._credentials)) > _MAX_SOCKS_TEXT:
                raise ValueError("User and password of a SOCKS5 proxy have at most 255 octets each")
        fields = proxy.headers._fields
        if self._credentials is not None and not self.is_socks:
            value = b"Basic " + b64encode(b":".join(self._credentials))
            fields = ((b"Proxy-Authorization", b"proxy-authorization", value), *fields)
        # Refused where the proxy is named, not when the first request goes through it.
        RequestHead(fields)
        if any(name in _FRAMING for _, name, _ in fields):
            raise LocalProtocolError("Content-Length and Transfer-Encoding are no fields for a proxy (RFC 9112, 6)")
        self._fields: tuple[Field, ...] = fields

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context for the proxy itself, never that for origins: each is checked against its own roots."""
        if self._context is None:
            from .._tls import default_context

            self._context = default_context(self._trust_env, ("http/1.1",))
        return self._context

    def forwarded(self, url: URL, target: bytes, fields: tuple[Field, ...]) -> tuple[bytes, tuple[Field, ...]]:
        """The target, in absolute form (RFC 9112, 3.2.2), and the fields of a request that the proxy forwards.

        Fields of the request come before those for the proxy of the same name.
        """
        if target == url._target:
            # Another one was asked for by name, and is sent as it is.
            target = b"%b://%b%b" % (url.raw_scheme, url._host_header, target)
        if not self._fields:
            return target, fields
        given = {name for _, name, _ in fields}
        return target, (*(field for field in self._fields if field[1] not in given), *fields)

    def check_host(self, host: str) -> None:
        """Refuse a host that the proxy cannot be asked for, before there is a connection.

        Raises:
            LocalProtocolError: its name is too long for SOCKS5 (RFC 1928, 5).
        """
        if self.is_socks and not is_address(host) and len(host) > _MAX_SOCKS_TEXT:
            raise LocalProtocolError("The host's name is too long for SOCKS5")

    async def tunnel(self, stream: Stream[Any], host: str, port: int, ends: float, trace: Trace) -> str:
        """Have the proxy connect the stream to a host. Returns the layer whose events go on.

        Raises:
            OSError: the connection failed, or time is over.
            ProxyError, RemoteProtocolError
        """
        if self.is_socks:
            await trace.step(
                "socks.setup_socks5_connection", self._socks5, stream, host, port, ends, host=host, port=port
            )
            return "socks"
        await self._connect(stream, host, port, ends, trace)
        return "proxy"

    async def _connect(self, stream: Stream[Any], host: str, port: int, ends: float, trace: Trace) -> None:
        """Ask for a tunnel by CONNECT (RFC 9110, 9.3.6)."""
        authority = (b"[%b]:%d" if ":" in host else b"%b:%d") % (host.encode("ascii"), port)
        given = {name for _, name, _ in self._fields}
        defaults = ((b"Host", b"host", authority), (b"Accept", b"accept", b"*/*"))
        fields = (*(field for field in defaults if field[1] not in given), *self._fields)
        engine = H1Engine()
        exchange, octets = engine.begin("CONNECT", authority, RequestHead(fields))
        await trace.step("http11.send_request_headers", stream.write, octets, ends, request=exchange)
        await trace.step(
            "http11.receive_response_headers", _read_head, stream, engine, exchange, ends, request=exchange
        )
        if not 200 <= exchange.status_code < 300:
            raise ProxyError(f"{exchange.status_code} {exchange.reason_phrase.decode('ascii', 'replace')}".rstrip())
        if exchange.unread_bytes:
            # The client speaks first in what follows: this is not the origin's.
            raise ProxyError("The proxy sent octets before its tunnel was used")

    async def _socks5(self, stream: Stream[Any], host: str, port: int, ends: float) -> None:
        """Ask for a connection by SOCKS5 (RFC 1928), with user and password if there are any (RFC 1929)."""
        from socksio import ProtocolError, SOCKSError, socks5

        machine = socks5.SOCKS5Connection()

        async def ask(request: Any, reply: Callable[[Stream[Any], float], Awaitable[bytes]]) -> Any:
            machine.send(request)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            await stream.write(machine.data_to_send(), ends)
            return machine.receive_data(await reply(stream, ends))

        methods = [socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
        if self._credentials is not None:
            methods.append(socks5.SOCKS5AuthMethod.USERNAME_PASSWORD)
        try:
            chosen = (await ask(socks5.SOCKS5AuthMethodsRequest(methods), _read_socks5_choice)).method
            if chosen not in methods:
                raise ProxyError("The SOCKS5 proxy asks for an authentication that it was not given")
            if chosen == socks5.SOCKS5AuthMethod.USERNAME_PASSWORD and self._credentials is not None:
                login = socks5.SOCKS5UsernamePasswordRequest(*self._credentials)
                if not (await ask(login, _read_socks5_choice)).success:
                    raise ProxyError("Invalid username/password")
            command = socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, (host, port))
            machine.send(command)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
            await stream.write(machine.data_to_send(), ends)
        except (ProtocolError, SOCKSError) as error:
            raise ProxyError(f"The SOCKS5 proxy's answer is malformed: {error}") from error
        # The address in it is of no use, and socksio takes a long name there for a malformed one.
        await _read_socks5_reply(stream, ends)


async def _read_head(
    stream: Stream[Any], engine: H1Engine, exchange: Exchange, ends: float
) -> tuple[bytes, int, bytes, list[tuple[bytes, bytes]]]:
    """The final response's head. Raises RemoteProtocolError."""
    while not exchange.status_code:
        data = await stream.read(_READ_BYTES, ends)
        if data:
            engine.receive_data(data)
        else:
            engine.receive_eof()
    return exchange.http_version, exchange.status_code, exchange.reason_phrase, exchange.fields


async def _read_exactly(stream: Stream[Any], size: int, ends: float) -> bytes:
    """So many octets and no more: what follows them may be the origin's. Raises ProxyError at the stream's end."""
    octets = b""
    while len(octets) < size:
        data = await stream.read(size - len(octets), ends)
        if not data:
            raise ProxyError("The SOCKS5 proxy closed the connection")
        octets += data
    return octets


async def _read_socks5_choice(stream: Stream[Any], ends: float) -> bytes:
    """A method selection, or the status of a log-in: two octets (RFC 1928, 3; RFC 1929, 2)."""
    return await _read_exactly(stream, 2, ends)


async def _read_socks5_reply(stream: Stream[Any], ends: float) -> None:
    """Read the reply to CONNECT, whose length its address type tells, to its end (RFC 1928, 6).

    Raises:
        ProxyError: it says no; what some proxies put behind that is not waited for. Or it is malformed.
    """
    reply = await _read_exactly(stream, 4, ends)
    if reply[0] != 5:
        raise ProxyError(f"The SOCKS5 proxy's answer is malformed: {reply!r}")
    if reply[1] != 0:
        reason = _SOCKS5_REASONS.get(reply[1], f"Reply {reply[1]}")
        raise ProxyError(f"Proxy Server could not connect: {reason}.")
    if reply[3] == 3:
        size = (await _read_exactly(stream, 1, ends))[0]
    elif reply[3] in (1, 4):
        size = 4 * reply[3]
    else:
        raise ProxyError("The SOCKS5 proxy's reply has an unknown type of address")
    await _read_exactly(stream, size + 2, ends)


def _require_socksio() -> None:
    try:
        import socksio.socks5  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ImportError(
            "Using SOCKS proxy, but the 'socksio' package is not installed. "
            "Make sure to install httpfast using `pip install httpfast[socks]`."
        ) from None
