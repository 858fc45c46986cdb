"""The settings of a client that are values: timeouts, limits and a proxy's address.

Nothing here does any IO. TLS settings are in `_tls`.
"""

from __future__ import annotations

from ._headers import Headers, mask_sensitive
from ._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from ._types import HeaderTypes, TimeoutTypes, URLTypes

__all__ = ["Limits", "Proxy", "Timeout"]


class UnsetType:
    """The type of `UNSET`, which tells an argument left out from None."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = UnsetType()


class Timeout:
    """How long each part of a request may take, in seconds; None means for ever.

    `Timeout(5.0)` sets all four, `Timeout(5.0, connect=10.0)` changes one of them, `Timeout(None)` waits for ever.

    Args:
        timeout: the default of the four; or a `Timeout`, or a tuple of (connect, read[, write[, pool]]), to start from.
        connect: for a new connection: name look-up, TCP, proxy and TLS handshakes.
        read: for each wait for data of the peer.
        write: for each wait for the peer to take data.
        pool: for a connection of the pool to come free.
        total: for the whole request, from the wait for the pool to the last byte of the body; beyond httpx.

    Raises:
        ValueError: there is no default, and not all four are given; or the tuple's length is not 2, 3 or 4.
    """

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None
    total: float | None

    def __init__(
        self,
        timeout: TimeoutTypes | UnsetType = UNSET,
        *,
        connect: float | UnsetType | None = UNSET,
        read: float | UnsetType | None = UNSET,
        write: float | UnsetType | None = UNSET,
        pool: float | UnsetType | None = UNSET,
        total: float | None = None,
    ) -> None:
        defaults: tuple[float | UnsetType | None, ...]
        if isinstance(timeout, Timeout):
            defaults = (timeout.connect, timeout.read, timeout.write, timeout.pool)
            total = timeout.total if total is None else total
        elif isinstance(timeout, tuple):
            if not 2 <= len(timeout) <= 4:
                raise ValueError(f"A tuple of timeouts is (connect, read[, write[, pool]]), not {timeout!r}")
            defaults = (*timeout, None, None)[:4]
        else:
            defaults = (timeout,) * 4

        given = (connect, read, write, pool)
        chosen = [default if isinstance(own, UnsetType) else own for own, default in zip(given, defaults, strict=True)]
        if any(isinstance(value, UnsetType) for value in chosen):
            raise ValueError("httpfast.Timeout must either include a default, or set all four parameters explicitly.")
        # Past __setattr__, which is for changes made later.
        self.__dict__.update(zip(("connect", "read", "write", "pool"), chosen, strict=True), total=total)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self.__dict__.pop("_shared_dict", None)

    @property
    def _extension(self) -> dict[str, float | None]:
        """`as_dict()`, made once. Shared by requests, so nobody may change it."""
        shared: dict[str, float | None] | None = self.__dict__.get("_shared_dict")
        if shared is None:
            shared = self.__dict__["_shared_dict"] = self.as_dict()
        return shared

    def as_dict(self) -> dict[str, float | None]:
        """Return the value of the request extension "timeout"; "total" is in it only when it is set."""
        values = {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.pool}
        if self.total is not None:
            values["total"] = self.total
        return values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeout) and self.as_dict() == other.as_dict()

    def __repr__(self) -> str:
        values = [self.connect, self.read, self.write, self.pool]
        if all(value == values[0] for value in values):
            shown = f"timeout={self.connect}"
        else:
            shown = f"connect={self.connect}, read={self.read}, write={self.write}, pool={self.pool}"
        suffix = "" if self.total is None else f", total={self.total}"
        return f"{type(self).__name__}({shown}{suffix})"


class Limits:
    """How many connections a client may have. None means no limit.

    Args:
        max_connections: at once, in all; further requests wait for one to come free.
        max_keepalive_connections: kept open while idle.
        keepalive_expiry: seconds after which an idle connection is closed.
        max_connections_per_host: at once, to one origin; beyond httpx.
    """

    def __init__(
        self,
        *,
        max_connections: int | None = None,
        max_keepalive_connections: int | None = None,
        keepalive_expiry: float | None = 5.0,
        max_connections_per_host: int | None = None,
    ) -> None:
        self.max_connections = max_connections
        self.max_keepalive_connections = max_keepalive_connections
        self.keepalive_expiry = keepalive_expiry
        self.max_connections_per_host = max_connections_per_host

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Limits)
            and self.max_connections == other.max_connections
            and self.max_keepalive_connections == other.max_keepalive_connections
            and self.keepalive_expiry == other.keepalive_expiry
            and self.max_connections_per_host == other.max_connections_per_host
        )

    def __repr__(self) -> str:
        per_host = self.max_connections_per_host
        suffix = "" if per_host is None else f", max_connections_per_host={per_host}"
        return (
            f"{type(self).__name__}(max_connections={self.max_connections}, "
            f"max_keepalive_connections={self.max_keepalive_connections}, "
            f"keepalive_expiry={self.keepalive_expiry}{suffix})"
        )


class Proxy:
    """A proxy: where it is, and what it is told.

    Args:
        url: `http://`, `https://`, `socks5://` or `socks5h://`. User and password in it become `auth`.
        ssl_context: for the connection to an https proxy.
        auth: (user, password); those of the URL come first.
        headers: sent to the proxy only.

    Raises:
        InvalidURL: the text is no URL.
        ValueError: another scheme.
    """

    def __init__(
        self,
        url: URLTypes,
        *,
        ssl_context: ssl.SSLContext | None = None,
        auth: tuple[str, str] | None = None,
        headers: HeaderTypes | None = None,
    ) -> None:
        url = URL(url)
        if url.scheme not in ("http", "https", "socks5", "socks5h"):
            raise ValueError(f"Unknown scheme for proxy URL {url!r}")
        if url.userinfo:
            if url.username or url.password:
                auth = (url.username, url.password)
            url = url.copy_with(username=None, password=None)

        self.url = url
        self.auth = auth
        self.headers: Headers = Headers(headers)
        self.ssl_context = ssl_context

    @property
    def raw_auth(self) -> tuple[bytes, bytes] | None:
        """User and password in UTF-8, or None."""
        if self.auth is None:
            return None
        username, password = self.auth
        return username.encode("utf-8"), password.encode("utf-8")

    def __repr__(self) -> str:
        shown = repr(str(self.url))
        if self.auth:
            shown += f", auth={(self.auth[0], '********')!r}"
        if self.headers:
            shown += f", headers={dict(mask_sensitive(self.headers.items()))!r}"
        return f"Proxy({shown})"


DEFAULT_TIMEOUT_CONFIG = Timeout(5.0)
# Octets that a server may send ahead on a stream of HTTP/2: 4 MiB, 40 ms at 100 MB/s.
DEFAULT_HTTP2_WINDOW = 4_194_304

DEFAULT_LIMITS = Limits(max_connections=100, max_keepalive_connections=20)
DEFAULT_MAX_REDIRECTS = 20
