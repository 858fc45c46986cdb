"""Transports of httpfast for clients of httpx and httpx2: their API and behaviour, httpfast's connections.

    client = httpx.Client(transport=httpfast.httpx_transport(retries=2))
    client = httpx2.AsyncClient(transport=httpfast.async_httpx_transport())

Neither package is imported here, and the transports inherit from nothing of theirs: httpx calls a transport's methods
and asks nothing else of it. Which package a request belongs to is seen by its class, so one transport serves clients of
both.

    httpx.Request ──► Request ──► HTTPTransport ──► Response ──► httpx.Response
                                       └── ReadTimeout ──► httpx.ReadTimeout
"""

from __future__ import annotations

import sys

from ._foreign import (
    AsyncNetworkStream,
    AsyncRequestBody,
    AsyncResponseBody,
    NetworkStream,
    RequestBody,
    ResponseBody,
    raised_as,
)
from ._headers import Headers
from ._request import Request
from ._transports.default import AsyncHTTPTransport, HTTPTransport
from ._types import ByteStream
from ._url import _parse_cached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from ._response import Response

__all__ = ["async_httpx_transport", "httpx_transport"]


def httpx_transport(*args: Any, **kwargs: Any) -> Any:
    """A transport for `httpx.Client` and `httpx2.Client` that sends their requests over httpfast's connections.

    Timeouts, and the request extensions `trace`, `sni_hostname`, `target` and `timeout`, mean what they mean there;
    responses are httpx's, decoded by httpx, with the extensions `http_version`, `reason_phrase` and `network_stream`.
    What is given to httpx's client about connections (`verify`, `cert`, `http2`, `limits`, `proxy`) is for its own
    transport only: give it to this one.

    Args:
        args, kwargs: as for `HTTPTransport`.

    Returns:
        An object with the methods of `httpx.BaseTransport`. To type checkers it is anything, so that it fits both
        packages.

    Raises: as `HTTPTransport`. Its requests raise the errors of the package that the client is from.
    """
    return HTTPXTransport(HTTPTransport(*args, **kwargs))


def async_httpx_transport(*args: Any, **kwargs: Any) -> Any:
    """As `httpx_transport`, for `httpx.AsyncClient` and `httpx2.AsyncClient`, on asyncio, uvloop or trio.

    Args:
        args, kwargs: as for `AsyncHTTPTransport`.
    """
    return AsyncHTTPXTransport(AsyncHTTPTransport(*args, **kwargs))


class HTTPXTransport:
    """Sends requests of httpx's by a transport of ours.

    Args:
        transport: sends them, and is closed with this one.
    """

    def __init__(self, transport: HTTPTransport) -> None:
        self._transport = transport

    def __enter__(self) -> Self:
        self._transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._transport.__exit__(exc_type, exc_value, traceback)

    def handle_request(self, request: Any) -> Any:
        """Send one request and return its response, both of the same package.

        Raises:
            Exception: the package's `TransportError` or `InvalidURL`.
            TypeError: the request is of no package that is known here.
        """
        package = _package_of(request)
        with raised_as(package, request):
            response = self._transport.handle_request(_taken(request, package, RequestBody))
        stream = _stream_type(package, "SyncByteStream", ResponseBody)(response.stream, package, request)
        return _given(response, package, stream, request, NetworkStream)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


class AsyncHTTPXTransport:
    """As `HTTPXTransport`, for async code."""

    def __init__(self, transport: AsyncHTTPTransport) -> None:
        self._transport = transport

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc_value, traceback)

    async def handle_async_request(self, request: Any) -> Any:
        """Send one request and return its response, both of the same package.

        Raises:
            Exception: the package's `TransportError` or `InvalidURL`.
            TypeError: the request is of no package that is known here.
        """
        package = _package_of(request)
        with raised_as(package, request):
            response = await self._transport.handle_async_request(_taken(request, package, AsyncRequestBody))
        stream = _stream_type(package, "AsyncByteStream", AsyncResponseBody)(response.stream, package, request)
        return _given(response, package, stream, request, AsyncNetworkStream)

    async def aclose(self) -> None:
        """Close all connections; returns when the system has taken back their sockets."""
        await self._transport.aclose()


# Whose errors a package's network streams raise. Where nobody has imported that one, nobody catches them.
_CORES = {"httpx": "httpcore", "httpx2": "httpcore2"}

# What is looked up for the first request of a package: by the class of a request, and of its streams.
_packages: dict[type, Any] = {}
_stream_types: dict[tuple[Any, str], type] = {}


def _package_of(request: Any) -> Any:
    """The package that a request is of: the one whose `Request` its class is, or inherits from.

    Raises:
        TypeError: there is none.
    """
    kind = type(request)  # pyright: ignore[reportUnknownVariableType]
    package = _packages.get(kind)  # pyright: ignore[reportUnknownArgumentType]
    if package is None:
        for base in kind.__mro__:
            package = sys.modules.get(base.__module__.partition(".")[0])
            if getattr(package, "Request", None) is base:
                _packages[kind] = package
                return package
        raise TypeError(f"A request of httpx or httpx2 is needed, not {kind.__module__}.{kind.__qualname__}")
    return package


def _stream_type(package: Any, base: str, body: type) -> Any:
    """`body` as a subclass of the package's own stream class, which its clients insist on."""
    kind = _stream_types.get((package, base))
    if kind is None:
        kind = _stream_types[package, base] = type(body.__name__, (body, getattr(package, base)), {})
    return kind


def _taken(request: Any, package: Any, body: type[RequestBody | AsyncRequestBody]) -> Request:
    """A request of the package's as one of ours.

    Args:
        body: what its stream becomes, unless it is in memory.

    Raises:
        InvalidURL: the package reads the URL more leniently than is safe.
    """
    url = _parse_cached(str(request.url))
    taken: Request = Request.__new__(Request)
    taken.method = request.method
    taken.url = url
    taken.headers = Headers._of(tuple((name, name.lower(), value) for name, value in request.headers.raw))
    taken.extensions = extensions = dict(request.extensions)
    if url._target != request.url.raw_path:
        # What a signature was made over has to arrive as it is.
        extensions.setdefault("target", request.url.raw_path)
    stream = request.stream
    taken.stream = ByteStream(b"".join(stream)) if isinstance(stream, package.ByteStream) else body(stream)
    return taken


def _given(
    response: Response, package: Any, stream: Any, request: Any, network: type[NetworkStream | AsyncNetworkStream]
) -> Any:
    """A response of ours as one of the package's.

    Args:
        stream: its body.
        network: what the octets under it become.
    """
    extensions = response.extensions
    core = sys.modules.get(_CORES.get(package.__name__, ""))
    if core is not None and "network_stream" in extensions:
        extensions["network_stream"] = network(extensions["network_stream"], core)
    return package.Response(
        response.status_code, headers=response.headers.raw, stream=stream, extensions=extensions, request=request
    )
