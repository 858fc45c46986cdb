"""Exchanges that somebody listens to: one step at a time, each told about.

A request with a `trace` extension, or one sent while the debug logger is on, comes here; all others take the short way.
"""

from __future__ import annotations

from .._types import AsyncByteStream, SyncByteStream
from .connector import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from .._cext.exchange import Exchange
    from .._request import Request
    from .trace import Report

__all__ = ["AsyncTracedStream", "TracedStream", "report_steps"]


async def report_steps(
    report: Report,
    request: Request,
    exchange: Exchange,
    begin: Callable[[], Any],
    send_body: Callable[[], Any],
    wait_head: Callable[[], Any],
) -> None:
    """One exchange up to its response's head.

    Args:
        begin: writes the request's head.
        send_body: writes its body.
        wait_head: returns, or gives something to await for, when the response's head is there.
    """

    async def head() -> tuple[bytes, int, bytes, list[tuple[bytes, bytes]]]:
        progress = wait_head()
        if hasattr(progress, "__await__"):
            await progress
        return exchange.http_version, exchange.status_code, exchange.reason_phrase, exchange.fields

    try:
        await report.step("http11.send_request_headers", begin, request=request)
        await report.step("http11.send_request_body", send_body, request=request)
        await report.step("http11.receive_response_headers", head, request=request)
    except Exception:
        # There is none, but httpx says so too.
        await report.step("http11.response_closed", lambda: None)
        raise


class TracedStream(SyncByteStream):
    """A response's body, told about."""

    def __init__(self, stream: SyncByteStream, report: Report, request: Request) -> None:
        self._stream = stream
        self._report = report
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        run(self._report.tell("http11.receive_response_body.started", {"request": self._request}))
        try:
            yield from self._stream
        except BaseException as error:
            run(self._report.tell("http11.receive_response_body.failed", {"exception": error}))
            raise
        run(self._report.tell("http11.receive_response_body.complete", {"return_value": None}))

    def close(self) -> None:
        """Close the stream below."""
        run(self._report.step("http11.response_closed", self._stream.close))


class AsyncTracedStream(AsyncByteStream):
    """A response's body, told about."""

    def __init__(self, stream: AsyncByteStream, report: Report, request: Request) -> None:
        self._stream = stream
        self._report = report
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self._report.tell("http11.receive_response_body.started", {"request": self._request})
        try:
            async for chunk in self._stream:
                yield chunk
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                await self._report.tell("http11.receive_response_body.failed", {"exception": error})
            raise
        await self._report.tell("http11.receive_response_body.complete", {"return_value": None})

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._report.step("http11.response_closed", self._stream.aclose)
