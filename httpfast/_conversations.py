"""Methods of clients that open something which stays open: server-sent events and WebSockets. Beyond httpx."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager

from ._base_client import USE_CLIENT_DEFAULT
from ._defaults import (
    DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
    DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
    DEFAULT_MAX_EVENT_SIZE_BYTES,
    DEFAULT_MAX_MESSAGE_SIZE_BYTES,
    DEFAULT_QUEUE_SIZE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from typing import Any

    from ._base_client import UseClientDefault
    from ._response_context import AsyncResponseContext, ResponseContext
    from ._sse import EventSource
    from ._types import (
        AuthTypes,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RedirectTypes,
        RequestContent,
        RequestData,
        RequestExtensions,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
    )
    from .websockets import AsyncWebSocketSession, WebSocketSession

__all__ = ["AsyncConversations", "Conversations"]


class Conversations:
    """Of the blocking client."""

    stream: Callable[..., ResponseContext]

    @contextmanager
    def sse(
        self,
        url: URLTypes,
        *,
        method: str = "GET",
        content: RequestContent | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: Any | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
        max_event_size: int | None = DEFAULT_MAX_EVENT_SIZE_BYTES,
    ) -> Generator[EventSource]:
        """Open a stream of server-sent events, for use in a `with` statement. See `EventSource`.

        Args:
            max_event_size: bytes that one event may have; None for no limit.
        """
        from ._sse import EventSource, event_stream_headers

        with self.stream(
            method,
            url,
            content=content,
            data=data,
            files=files,
            json=json,
            params=params,
            headers=event_stream_headers(headers),
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        ) as response:
            yield EventSource(response, max_event_size)

    def websocket(
        self,
        url: URLTypes,
        *,
        max_message_size_bytes: int = DEFAULT_MAX_MESSAGE_SIZE_BYTES,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        keepalive_ping_interval_seconds: float | None = DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
        keepalive_ping_timeout_seconds: float | None = DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
        subprotocols: list[str] | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> AbstractContextManager[WebSocketSession]:
        """Open a WebSocket, for use in a `with` statement, at whose end it is closed.

        Args:
            max_message_size_bytes, queue_size, keepalive_ping_interval_seconds, keepalive_ping_timeout_seconds: see
                `httpfast.websockets.WebSocketSession`.
            subprotocols: what to offer to the server, the best first.

        Raises:
            ImportError: wsproto is not installed.
            WebSocketUpgradeError: the server did not open one.
        """
        from .websockets._client import connect_ws

        return connect_ws(
            url,
            self,  # type: ignore[arg-type]
            max_message_size_bytes=max_message_size_bytes,
            queue_size=queue_size,
            keepalive_ping_interval_seconds=keepalive_ping_interval_seconds,
            keepalive_ping_timeout_seconds=keepalive_ping_timeout_seconds,
            subprotocols=subprotocols,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        )


class AsyncConversations:
    """Of the client for event loops."""

    stream: Callable[..., AsyncResponseContext]

    @asynccontextmanager
    async def sse(
        self,
        url: URLTypes,
        *,
        method: str = "GET",
        content: RequestContent | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: Any | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
        max_event_size: int | None = DEFAULT_MAX_EVENT_SIZE_BYTES,
    ) -> AsyncGenerator[EventSource]:
        """Open a stream of server-sent events, for use in an `async with` statement. See `EventSource`.

        Args:
            max_event_size: bytes that one event may have; None for no limit.
        """
        from ._sse import EventSource, event_stream_headers

        async with self.stream(
            method,
            url,
            content=content,
            data=data,
            files=files,
            json=json,
            params=params,
            headers=event_stream_headers(headers),
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        ) as response:
            yield EventSource(response, max_event_size)

    def websocket(
        self,
        url: URLTypes,
        *,
        max_message_size_bytes: int = DEFAULT_MAX_MESSAGE_SIZE_BYTES,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        keepalive_ping_interval_seconds: float | None = DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
        keepalive_ping_timeout_seconds: float | None = DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
        subprotocols: list[str] | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> AbstractAsyncContextManager[AsyncWebSocketSession]:
        """Open a WebSocket, for use in an `async with` statement, at whose end it is closed.

        Args:
            max_message_size_bytes, queue_size, keepalive_ping_interval_seconds, keepalive_ping_timeout_seconds: see
                `httpfast.websockets.AsyncWebSocketSession`.
            subprotocols: what to offer to the server, the best first.

        Raises:
            ImportError: wsproto is not installed.
            WebSocketUpgradeError: the server did not open one.
        """
        from .websockets._client import aconnect_ws

        return aconnect_ws(
            url,
            self,  # type: ignore[arg-type]
            max_message_size_bytes=max_message_size_bytes,
            queue_size=queue_size,
            keepalive_ping_interval_seconds=keepalive_ping_interval_seconds,
            keepalive_ping_timeout_seconds=keepalive_ping_timeout_seconds,
            subprotocols=subprotocols,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        )
