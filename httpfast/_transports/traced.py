"""Exchanges that somebody listens to: one step at a time, each told about.

A request with a `trace` or `informational` extension, or one sent while the debug logger is on, comes here; all others
take the short way.
"""

from __future__ import annotations

from .._response import Response
from .._types import AsyncByteStream, SyncByteStream
from .connector import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from .._cext.exchange import Exchange
    from .._request import Request
    from .default import AnyConnection
    from .trace import Report

__all__ = ["AsyncTracedStream", "TracedStream", "report_steps"]


class _Steps:
    """The events of one exchange, as its connection's protocol has them."""

    def __init__(self, report: Report, request: Request, connection: AnyConnection, exchange: Exchange) -> None:
        self._report = report
        self._layer = "http2" if connection.is_shared else "http11"
        self._exchange = exchange
        self._request = request
        # HTTP/2 sets the connection up with its first exchange.
        self.is_first = connection.is_shared and connection.served == 0

    @property
    def _stream(self) -> dict[str, Any]:
        return {"stream_id": self._exchange.stream_id} if self._exchange.stream_id else {}

    async def step(self, name: str, call: Callable[..., Any]) -> None:
        await self._report.step(f"{self._layer}.{name}", call, request=self._request, **self._stream)

    async def tell(self, name: str, info: dict[str, Any]) -> None:
        await self._report.tell(f"{self._layer}.{name}", info)

    async def begin_body(self) -> None:
        await self.tell("receive_response_body.started", {"request": self._request, **self._stream})

    async def close(self, call: Callable[[], Any]) -> None:
        await self._report.step(f"{self._layer}.response_closed", call, **self._stream)


async def report_steps(
    report: Report,
    request: Request,
    connection: AnyConnection,
    exchange: Exchange,
    begin: Callable[[], Any],
    send_body: Callable[[], Any],
    wait_head: Callable[[], Any],
) -> None:
    """One exchange up to its response's head.

    Args:
        begin: writes the request's head.
        send_body: writes its body.
        wait_head: returns, or gives something to await for, when the response's head is there, or an informational
            response of which nobody was told yet.
    """
    steps = _Steps(report, request, connection, exchange)

    async def head() -> tuple[bytes, int, bytes, list[tuple[bytes, bytes]]] | tuple[int, list[tuple[bytes, bytes]]]:
        while True:
            progress = wait_head()
            if hasattr(progress, "__await__"):
                await progress
            await _tell_hints(request, exchange)
            if exchange.status_code:
                break
        if connection.is_shared:
            return exchange.status_code, exchange.fields
        return exchange.http_version, exchange.status_code, exchange.reason_phrase, exchange.fields

    if report.stopwatch is not None:
        report.stopwatch.begin(is_fresh=connection.served == 0)
    try:
        if steps.is_first:
            await steps.step("send_connection_init", lambda: None)
        await steps.step("send_request_headers", begin)
        await steps.step("send_request_body", send_body)
        await steps.step("receive_response_headers", head)
    except Exception:
        # There is none, but httpx says so too.
        await steps.close(lambda: None)
        raise


async def _tell_hints(request: Request, exchange: Exchange) -> None:
    """Hand informational responses (RFC 9110, 15.2; 103: RFC 8297) to the request's `informational` extension."""
    if not exchange.heeds_hints:
        return
    for status, fields in exchange.take_hints():
        extensions = {"http_version": exchange.http_version}
        hint = Response(status, headers=fields, request=request, extensions=extensions)
        result = request.extensions["informational"](hint)
        if hasattr(result, "__await__"):
            await result


class TracedStream(SyncByteStream):
    """A response's body, told about."""

    def __init__(
        self, stream: SyncByteStream, report: Report, request: Request, connection: AnyConnection, exchange: Exchange
    ) -> None:
        self._stream = stream
        self._steps = _Steps(report, request, connection, exchange)

    def __iter__(self) -> Iterator[bytes]:
        run(self._steps.begin_body())
        try:
            yield from self._stream
        except BaseException as error:
            run(self._steps.tell("receive_response_body.failed", {"exception": error}))
            raise
        run(self._steps.tell("receive_response_body.complete", {"return_value": None}))

    def close(self) -> None:
        """Close the stream below."""
        run(self._steps.close(self._stream.close))


class AsyncTracedStream(AsyncByteStream):
    """A response's body, told about."""

    def __init__(
        self, stream: AsyncByteStream, report: Report, request: Request, connection: AnyConnection, exchange: Exchange
    ) -> None:
        self._stream = stream
        self._steps = _Steps(report, request, connection, exchange)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._steps.begin_body()
        try:
            async for chunk in self._stream:
                yield chunk
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                await self._steps.tell("receive_response_body.failed", {"exception": error})
            raise
        await self._steps.tell("receive_response_body.complete", {"return_value": None})

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._steps.close(self._stream.aclose)
