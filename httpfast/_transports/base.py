"""The transport interface: what a client calls to have one request answered. Tools subclass it and patch it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .._request import Request
    from .._response import Response

__all__ = ["AsyncBaseTransport", "BaseTransport"]


class BaseTransport:
    """Base of the transports of `Client`. Subclasses define `handle_request`, and `close` where they hold something."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def handle_request(self, request: Request) -> Response:
        """Send one request and return its response.

        No redirect is followed and no cookie kept here: one request, one response. The response's stream must be read
        or closed by the caller.

        Raises:
            TransportError: the request could not be sent or answered.
        """
        raise NotImplementedError("The 'handle_request' method must be implemented.")

    def close(self) -> None:
        """Release what the transport holds."""


class AsyncBaseTransport:
    """Base of the transports of `AsyncClient`. As `BaseTransport`, with `handle_async_request` and `aclose`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def handle_async_request(self, request: Request) -> Response:
        """Send one request and return its response.

        No redirect is followed and no cookie kept here: one request, one response. The response's stream must be read
        or closed by the caller.

        Raises:
            TransportError: the request could not be sent or answered.
        """
        raise NotImplementedError("The 'handle_async_request' method must be implemented.")

    async def aclose(self) -> None:
        """Release what the transport holds."""
