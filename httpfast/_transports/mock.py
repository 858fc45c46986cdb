"""MockTransport: answers come from a function, for testing code that uses a client."""

from __future__ import annotations

from .._request import Request
from .._response import Response
from .base import AsyncBaseTransport, BaseTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Handler = Callable[[Request], Response] | Callable[[Request], Coroutine[Any, Any, Response]]

__all__ = ["MockTransport"]


class MockTransport(AsyncBaseTransport, BaseTransport):
    """A transport whose answers come from a function.

    Args:
        handler: is given each request, its body read, and returns the response. It may be a coroutine function when it
            serves an `AsyncClient`.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def handle_request(self, request: Request) -> Response:
        """Ask the handler.

        Raises:
            TypeError: the handler is a coroutine function.
        """
        request.read()
        response = self.handler(request)
        if not isinstance(response, Response):
            raise TypeError("Cannot use an async handler in a sync Client")
        return response

    async def handle_async_request(self, request: Request) -> Response:
        """Ask the handler, and await its answer if it is a coroutine function."""
        await request.aread()
        response = self.handler(request)
        if not isinstance(response, Response):
            response = await response
        return response
