"""Where exchanges are told from: around a transport's one method, of one client or of all.

A response that has come whole has ended; the body of another is passed on by a stream which tells when it ends.
"""

from __future__ import annotations

from functools import wraps

from .._client import Client
from .._transports.default import AsyncHTTPTransport, HTTPTransport
from .._types import AsyncByteStream, SyncByteStream
from ._telemetry import Exchange, Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Any, TypeVar

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .._async_client import AsyncClient
    from .._response import Response

    AnyClient = TypeVar("AnyClient", Client, AsyncClient)
    Send = Callable[..., Response]
    AsyncSend = Callable[..., Coroutine[Any, Any, Response]]

__all__ = ["instrument", "instrument_all", "uninstrument_all"]


def instrument(
    client: AnyClient,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AnyClient:
    """Tell OpenTelemetry of every exchange of a client.

    Args:
        client: whose transports, those of its mounts too, are wrapped; not shared with another client.
        tracer_provider, meter_provider: None for those of the process.

    Returns: the client.
    """
    telemetry = Telemetry(tracer_provider, meter_provider)
    for transport in {id(one): one for one in client._all_transports()}.values():
        if isinstance(client, Client):
            transport.handle_request = _told(telemetry, transport.handle_request)
        else:
            transport.handle_async_request = _told_async(telemetry, transport.handle_async_request)
        if hasattr(transport, "pool_stats"):
            telemetry.transports.add(transport)
    return client


_originals: tuple[Any, Any] | None = None


def instrument_all(
    *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Tell OpenTelemetry of every exchange over the network, of clients that exist and of those to come.

    Raises:
        RuntimeError: that was done already.
    """
    global _originals
    if _originals is not None:
        raise RuntimeError("All clients are instrumented already")
    _originals = HTTPTransport.handle_request, AsyncHTTPTransport.handle_async_request
    telemetry = Telemetry(tracer_provider, meter_provider)
    HTTPTransport.handle_request = _told(telemetry, _originals[0])  # type: ignore[method-assign]
    AsyncHTTPTransport.handle_async_request = _told_async(telemetry, _originals[1])  # type: ignore[method-assign]


def uninstrument_all() -> None:
    """Undo `instrument_all`."""
    global _originals
    if _originals is not None:
        HTTPTransport.handle_request, AsyncHTTPTransport.handle_async_request = _originals  # type: ignore[method-assign]
        _originals = None


def _told(telemetry: Telemetry, send: Send) -> Send:
    """A transport's method, or a function of a transport and a request, that tells what it does."""

    @wraps(send)
    def handle_request(*arguments: Any) -> Response:
        exchange = telemetry.begin(*arguments)
        if exchange is None:
            return send(*arguments)
        with exchange:
            response = send(*arguments)
            exchange.answered(response)
        exchange.follow(response, SyncByteStream, _Stream)
        return response

    return handle_request


def _told_async(telemetry: Telemetry, send: AsyncSend) -> AsyncSend:
    """As `_told`."""

    @wraps(send)
    async def handle_async_request(*arguments: Any) -> Response:
        exchange = telemetry.begin(*arguments)
        if exchange is None:
            return await send(*arguments)
        with exchange:
            response = await send(*arguments)
            exchange.answered(response)
        exchange.follow(response, AsyncByteStream, _AsyncStream)
        return response

    return handle_async_request


class _Stream(SyncByteStream):
    """A response's body, whose end is told."""

    def __init__(self, stream: SyncByteStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except Exception as error:
            self._exchange.failed(error)
            raise
        self._exchange.end()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.end()

    def __del__(self) -> None:
        self._exchange.end()


class _AsyncStream(AsyncByteStream):
    """A response's body, whose end is told."""

    def __init__(self, stream: AsyncByteStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except Exception as error:
            self._exchange.failed(error)
            raise
        self._exchange.end()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.end()

    def __del__(self) -> None:
        self._exchange.end()
