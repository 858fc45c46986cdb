"""The way through httpcore, for tools that replace its methods: under the alias they wait for every request there.

respx, in its default mode, patches `handle_request` of httpcore's connections and pools by their dotted paths, and a
request that it mocks must never reach the network. So once httpcore has been imported under the alias, our transports
look before each request whether one of these methods is another than at first. If so, the request goes through a pool
of httpcore's own, whose connections send by our transport again:

    HTTPTransport ─► patched? ─ no ──► as ever
                        └ yes ─► httpcore.ConnectionPool ─► httpcore.HTTPConnection ─► HTTPTransport, as ever

So each patched class is on the way, for pass-through too, and no connection is ever httpcore's. httpcore itself is left
as it is, for those who use it. A process that does not import it pays nothing; one that does pays a comparison for each
of a handful of methods.

Two more things that libraries expect of httpcore: `_pool` of a transport with a proxy passes for its proxy pool, for
pytest-httpx, which reads from it where a request would go; and what network streams raise is its error too, for
httpx-ws, which catches that one.
"""

from __future__ import annotations

from functools import wraps
from operator import attrgetter
from types import SimpleNamespace

from . import _exceptions
from ._alias_names import AsyncResponseStream, ResponseStream, map_httpcore_exceptions
from ._foreign import AsyncRequestBody, AsyncResponseBody, RequestBody, ResponseBody, raised_as
from ._request import Request
from ._response import Response
from ._transports.async_streams import AsyncNetworkStream
from ._transports.default import AsyncHTTPTransport, HTTPTransport
from ._transports.pull import NetworkStream
from ._types import ByteStream
from ._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ._transports.proxy import ProxyRoute

    AnyTransport: TypeAlias = HTTPTransport | AsyncHTTPTransport

__all__ = ["open_gateway"]

# The classes that send, as the blocking ones are called.
_PATCHED = ("HTTPConnection", "ConnectionPool", "HTTPProxy", "SOCKSProxy")


def open_gateway(core: Any) -> None:
    """Let our transports notice from now on that methods of a core are replaced.

    Args:
        core: the module `httpcore` or `httpcore2`, as imported.
    """
    _open_blocking(core)
    _open_async(core)
    if core.__name__ == "httpcore" or "_pool" not in vars(HTTPTransport):
        # It can pass for one core's only, and it is httpcore's that tools know.
        HTTPTransport._pool = _ShownPool(core, "")  # type: ignore[assignment]
        AsyncHTTPTransport._pool = _ShownPool(core, "Async")  # type: ignore[assignment]
    _share_errors(core)


def _watch(kinds: list[type], method: str) -> Callable[[], bool]:
    """A function that tells whether `method` of one of the classes is another than now."""
    look = attrgetter(method)
    # A class has none where the package is missing that it needs: socksio.
    kinds = [kind for kind in kinds if hasattr(kind, method)]
    originals = list(map(look, kinds))
    return lambda: list(map(look, kinds)) != originals


def _open_blocking(core: Any) -> None:
    send = HTTPTransport.handle_request
    is_patched = _watch([getattr(core, name) for name in _PATCHED], "handle_request")

    @wraps(send)
    def handle_request(self: HTTPTransport, request: Request) -> Response:
        if not is_patched():
            return send(self, request)
        pool = _pool_of(core, "", self, send)
        with map_httpcore_exceptions():
            response = pool.handle_request(_core_request(core, request))
        stream = ResponseStream(response.stream)
        return Response(response.status, headers=response.headers, stream=stream, extensions=response.extensions)

    HTTPTransport.handle_request = handle_request  # type: ignore[method-assign]


def _open_async(core: Any) -> None:
    send = AsyncHTTPTransport.handle_async_request
    is_patched = _watch([getattr(core, f"Async{name}") for name in _PATCHED], "handle_async_request")

    @wraps(send)
    async def handle_async_request(self: AsyncHTTPTransport, request: Request) -> Response:
        if not is_patched():
            return await send(self, request)
        pool = _pool_of(core, "Async", self, send)
        with map_httpcore_exceptions():
            response = await pool.handle_async_request(_core_request(core, request))
        stream = AsyncResponseStream(response.stream)
        return Response(response.status, headers=response.headers, stream=stream, extensions=response.extensions)

    AsyncHTTPTransport.handle_async_request = handle_async_request  # type: ignore[method-assign]


def _core_request(core: Any, request: Request) -> Any:
    url = request.url
    return core.Request(
        request.method,
        core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _pool_of(core: Any, prefix: str, transport: AnyTransport, send: Callable[[Any, Request], Any]) -> Any:
    """The pool of the core's whose connections send by our transport. It is of the kind that httpx would have made.

    Args:
        prefix: of the names of its classes.
        send: the method of the transport's class that sends.
    """
    name = f"_pool_of_{core.__name__}"
    found = transport.__dict__.get(name)
    if found is not None:
        return found
    proxy = transport._route.proxy
    kind: Any = getattr(core, prefix + "ConnectionPool") if proxy is None else _proxy_pool(core, prefix, proxy)
    arguments = {} if proxy is None else {"proxy_url": _proxy_url(core, proxy)}

    class Gateway(kind):  # type: ignore[misc]
        def create_connection(self, origin: Any) -> Any:
            connection = getattr(core, prefix + "HTTPConnection")(origin)
            # What it would make itself by connecting.
            connection._connection = _Sender(core, transport, send)
            return connection

    # How many connections there may be is for our own pool to say.
    pool = transport.__dict__[name] = Gateway(max_connections=None, **arguments)
    return pool


def _proxy_pool(core: Any, prefix: str, proxy: ProxyRoute) -> type:
    """The core's class of pools for such a proxy."""
    kind: type = getattr(core, prefix + ("SOCKSProxy" if proxy.is_socks else "HTTPProxy"))
    return kind


def _proxy_url(core: Any, proxy: ProxyRoute) -> Any:
    scheme = b"socks5" if proxy.is_socks else b"https" if proxy.is_secure else b"http"
    port = None if (scheme, proxy.port) in ((b"http", 80), (b"https", 443)) else proxy.port
    return core.URL(scheme=scheme, host=proxy.host.encode("ascii"), port=port, target=b"/")


class _Sender:
    """Stands where httpcore has the connection that an `HTTPConnection` has made, for one request."""

    def __init__(self, core: Any, transport: AnyTransport, send: Callable[..., Any]) -> None:
        self._core = core
        self._transport = transport
        self._send = send
        self._is_closed = False

    def handle_request(self, request: Any) -> Any:
        """Send a request of the core's; its errors are the core's."""
        try:
            with raised_as(self._core):
                response = self._send(self._transport, self._taken(request, RequestBody))
        except BaseException:
            self._is_closed = True
            raise
        return self._given(response, _Body(response.stream, self._core, self))

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request of the core's; its errors are the core's."""
        try:
            with raised_as(self._core):
                response = await self._send(self._transport, self._taken(request, AsyncRequestBody))
        except BaseException:
            self._is_closed = True
            raise
        return self._given(response, _AsyncBody(response.stream, self._core, self))

    def _taken(self, request: Any, body: type[RequestBody | AsyncRequestBody]) -> Request:
        url, extensions = request.url, dict(request.extensions)
        # That target is no path of a URL: "*", say. It is taken from the extensions again.
        path = b"/" if "target" in extensions else url.target
        target = URL(scheme=url.scheme.decode("ascii"), host=url.host.decode("ascii"), port=url.port, raw_path=path)
        return Request(
            request.method.decode("ascii"),
            target,
            headers=request.headers,
            stream=request.stream if isinstance(request.stream, ByteStream) else body(request.stream),
            extensions=extensions,
        )

    def _given(self, response: Response, stream: ResponseBody | AsyncResponseBody) -> Any:
        return self._core.Response(
            response.status_code, headers=response.headers.raw, content=stream, extensions=response.extensions
        )

    def close(self) -> None:
        """It serves no other request."""
        self._is_closed = True

    async def aclose(self) -> None:
        """It serves no other request."""
        self._is_closed = True

    def is_available(self) -> bool:
        """Whether another request may be sent by it."""
        return False

    def is_idle(self) -> bool:
        """Whether it waits for another request."""
        return False

    def has_expired(self) -> bool:
        """Whether it has waited for too long."""
        return False

    def is_closed(self) -> bool:
        """Whether its request is over."""
        return self._is_closed

    def info(self) -> str:
        """What its pool's repr says of it."""
        return "httpfast"


class _Body(ResponseBody):
    """A body of ours that tells its connection when it is over."""

    def __init__(self, stream: Any, core: Any, sender: _Sender) -> None:
        super().__init__(stream, core)
        self._sender = sender

    def close(self) -> None:
        """Give up what has not been read."""
        self._sender.close()
        super().close()


class _AsyncBody(AsyncResponseBody):
    """As `_Body`, for async code."""

    def __init__(self, stream: Any, core: Any, sender: _Sender) -> None:
        super().__init__(stream, core)
        self._sender = sender

    async def aclose(self) -> None:
        """Give up what has not been read."""
        self._sender.close()
        await super().aclose()


class _ShownPool:
    """The attribute `_pool` of transports: while there is a proxy, its value passes for the core's pool for proxies.

    Args:
        core: the package.
        prefix: of the names of its classes.
    """

    def __init__(self, core: Any, prefix: str) -> None:
        self._core = core
        self._prefix = prefix
        self._shown: dict[tuple[type, type], type] = {}

    def __get__(self, transport: AnyTransport | None, owner: type | None = None) -> Any:
        return self if transport is None else transport.__dict__["_pool"]

    def __set__(self, transport: AnyTransport, pool: Any) -> None:
        proxy = transport._route.proxy
        if proxy is not None:
            pool = _Unopened() if pool is None else pool
            pool.__class__ = self._shown_kind(type(pool), _proxy_pool(self._core, self._prefix, proxy))  # pyright: ignore[reportUnknownArgumentType]
            pool._proxy_url = _proxy_url(self._core, proxy)
            pool._proxy_headers = [(name, value) for name, _, value in proxy._fields]
        transport.__dict__["_pool"] = pool

    def _shown_kind(self, ours: type[Any], theirs: type[Any]) -> type[Any]:
        """A subclass of a pool's class whose instances are instances of the core's class too, to those who ask."""
        shown = self._shown.get((ours, theirs))
        if shown is None:
            shown = type(ours.__name__, (ours,), {"__class__": property(lambda pool: theirs)})
            self._shown[ours, theirs] = shown
        return shown


class _Unopened:
    """The pool of an async transport that has not been used on a loop yet."""

    # Of no loop that runs: the transport makes a pool when it is used.
    loop = object()

    def forget(self) -> None:
        """There is nothing to forget."""


# What network streams raise: classes that are ours and that of each core which has been imported.
_errors = SimpleNamespace()


def _share_errors(core: Any) -> None:
    is_first = not vars(_errors)
    for name in ("ReadError", "ReadTimeout", "WriteError", "WriteTimeout"):
        ours = getattr(_errors, name, None) or getattr(_exceptions, name)
        setattr(_errors, name, type(name, (ours, getattr(core, name)), {"__module__": "httpfast"}))
    if is_first:
        for name in ("read", "write"):
            setattr(NetworkStream, name, _raising_shared(getattr(NetworkStream, name)))
            setattr(AsyncNetworkStream, name, _raising_shared_async(getattr(AsyncNetworkStream, name)))


def _raising_shared(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with raised_as(_errors):
            return method(*args, **kwargs)

    return call


def _raising_shared_async(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with raised_as(_errors):
            return await method(*args, **kwargs)

    return call
