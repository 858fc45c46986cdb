"""httpfast: httpx's API on a compiled core.

import httpfast

response = httpfast.get("https://example.org/")

async with httpfast.AsyncClient() as client:
    response = await client.get("https://example.org/")

PYTEST_DONT_REWRITE: this package brings a plugin for pytest, which would warn where it was imported before pytest was.
"""

from .__version__ import __description__, __title__, __version__
from ._api import delete, get, head, options, patch, post, put, query, request, run, stream, websocket
from ._async_client import AsyncClient
from ._auth import Auth, BasicAuth, FunctionAuth
from ._auth_digest import DigestAuth
from ._auth_netrc import NetRCAuth
from ._base_client import USE_CLIENT_DEFAULT
from ._client import Client
from ._config import Limits, Proxy, Timeout
from ._cookies import Cookies
from ._exceptions import (
    CloseError,
    ConnectError,
    ConnectTimeout,
    CookieConflict,
    DecodingError,
    HTTPError,
    HTTPStatusError,
    InvalidURL,
    LocalProtocolError,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    RequestError,
    RequestNotRead,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
    StreamError,
    TimeoutException,
    TooManyRedirects,
    TransportError,
    UnsupportedProtocol,
    WriteError,
    WriteTimeout,
)
from ._headers import Headers
from ._query_params import QueryParams
from ._request import Request
from ._response import Response
from ._status_codes import codes
from ._tls import create_ssl_context
from ._transports.asgi import ASGITransport
from ._transports.base import AsyncBaseTransport, BaseTransport
from ._transports.default import AsyncHTTPTransport, HTTPTransport
from ._transports.mock import MockTransport
from ._transports.wsgi import WSGITransport
from ._types import AsyncByteStream, ByteStream, SyncByteStream
from ._url import URL, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._cli import main
    from ._httpx_transport import async_httpx_transport, httpx_transport
    from ._pool_stats import PoolStats
    from ._sse import EventSource, ServerSentEvent, SSEError
    from ._timings import Timings
    from .alias import alias_httpx

__all__ = [
    "URL",
    "USE_CLIENT_DEFAULT",
    "ASGITransport",
    "AsyncBaseTransport",
    "AsyncByteStream",
    "AsyncClient",
    "AsyncHTTPTransport",
    "Auth",
    "BaseTransport",
    "BasicAuth",
    "ByteStream",
    "Client",
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "CookieConflict",
    "Cookies",
    "DecodingError",
    "DigestAuth",
    "EventSource",
    "FunctionAuth",
    "HTTPError",
    "HTTPStatusError",
    "HTTPTransport",
    "Headers",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "MockTransport",
    "NetRCAuth",
    "NetworkError",
    "Origin",
    "PoolStats",
    "PoolTimeout",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "QueryParams",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "RequestError",
    "RequestNotRead",
    "Response",
    "ResponseNotRead",
    "SSEError",
    "ServerSentEvent",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "SyncByteStream",
    "Timeout",
    "TimeoutException",
    "Timings",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WSGITransport",
    "WriteError",
    "WriteTimeout",
    "__description__",
    "__title__",
    "__version__",
    "alias_httpx",
    "async_httpx_transport",
    "codes",
    "create_ssl_context",
    "delete",
    "get",
    "head",
    "httpx_transport",
    "main",
    "options",
    "patch",
    "post",
    "put",
    "query",
    "request",
    "run",
    "stream",
    "websocket",
]

# Names that are seldom needed, and the modules that have them: imported when a name is first asked for.
_LAZY = {
    "EventSource": "_sse",
    "PoolStats": "_pool_stats",
    "SSEError": "_sse",
    "ServerSentEvent": "_sse",
    "Timings": "_timings",
    "alias_httpx": "alias",
    "async_httpx_transport": "_httpx_transport",
    "httpx_transport": "_httpx_transport",
    "main": "_cli",
}

# A public name lives here, wherever its code is: for reprs and pickles, and for libraries that look at it.
for _name in set(__all__).difference(_LAZY):
    _object = globals()[_name]
    if hasattr(_object, "__module__") and not isinstance(_object, str):
        _object.__module__ = "httpfast"
del _name, _object  # pyright: ignore[reportPossiblyUnboundVariable]

# Type checkers would take any name for one of the package's if they saw this.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        value.__module__ = __name__
        globals()[name] = value
        return value


del TYPE_CHECKING
