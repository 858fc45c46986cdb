"""What `stream` returns: a context in which a response is read, and at whose end it is closed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ._response import Response

__all__ = ["AsyncResponseContext", "ResponseContext"]


class ResponseContext:
    """A context manager that sends a request when it is entered.

    Args:
        open_response: sends it and returns the response, whose body has not been read.
    """

    def __init__(self, open_response: Callable[[], Response]) -> None:
        self._open_response = open_response

    def __enter__(self) -> Response:
        self._response = self._open_response()
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.close()


class AsyncResponseContext:
    """An asynchronous context manager that sends a request when it is entered.

    Args:
        open_response: sends it and returns the response, whose body has not been read.
    """

    def __init__(self, open_response: Callable[[], Awaitable[Response]]) -> None:
        self._open_response = open_response

    async def __aenter__(self) -> Response:
        self._response = await self._open_response()
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._response.aclose()
