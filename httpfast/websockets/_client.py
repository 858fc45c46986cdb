"""Opening a WebSocket with a client: its settings, cookies, auth and connections hold for the handshake."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Generic

from .._base_client import USE_CLIENT_DEFAULT
from .._defaults import (
    DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
    DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
    DEFAULT_MAX_MESSAGE_SIZE_BYTES,
    DEFAULT_QUEUE_SIZE,
)
from .._exceptions import RequestError
from ._async import AsyncWebSocketSession
from ._handshake import check, handshake_headers, refuse
from ._sync import WebSocketSession

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from typing_extensions import TypeVar

    from .._async_client import AsyncClient
    from .._base_client import UseClientDefault
    from .._client import Client
    from .._types import (
        AuthTypes,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RedirectTypes,
        RequestExtensions,
        TimeoutTypes,
        URLTypes,
    )

    SyncSession = TypeVar("SyncSession", bound=WebSocketSession, default=WebSocketSession)
    AsyncSession = TypeVar("AsyncSession", bound=AsyncWebSocketSession, default=AsyncWebSocketSession)
else:
    from typing import TypeVar

    SyncSession = TypeVar("SyncSession")
    AsyncSession = TypeVar("AsyncSession")

__all__ = ["AsyncWebSocketClient", "WebSocketClient", "aconnect_ws", "connect_ws"]


class WebSocketClient(Generic[SyncSession]):
    """Opens WebSockets with one client and one set of limits.

    Args:
        client: the client.
        max_message_size_bytes: a larger message ends the session with code 1009.
        queue_size: messages that wait to be received before no more are read.
        keepalive_ping_interval_seconds: between two pings; None to send none.
        keepalive_ping_timeout_seconds: for the answer to one, before the connection counts as lost; None for no limit.
        session_class: what sessions are made of.
    """

    def __init__(
        self,
        client: Client,
        *,
        max_message_size_bytes: int = DEFAULT_MAX_MESSAGE_SIZE_BYTES,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        keepalive_ping_interval_seconds: float | None = DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
        keepalive_ping_timeout_seconds: float | None = DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
        session_class: type[SyncSession] = WebSocketSession,  # type: ignore[assignment]
    ) -> None:
        self.client = client
        self.max_message_size_bytes = max_message_size_bytes
        self.queue_size = queue_size
        self.keepalive_ping_interval_seconds = keepalive_ping_interval_seconds
        self.keepalive_ping_timeout_seconds = keepalive_ping_timeout_seconds
        self.session_class = session_class

    @contextmanager
    def connect(
        self,
        url: URLTypes,
        *,
        subprotocols: list[str] | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> Generator[SyncSession]:
        """Open a WebSocket, for use in a `with` statement, at whose end it is closed.

        Args:
            url: of ws, wss, http or https.
            subprotocols: what to offer to the server, the best first.
            params, headers, cookies, auth, follow_redirects, timeout, extensions: of the handshake's request; see
                `Client.request`.

        Raises:
            WebSocketUpgradeError: the server did not open one.
            RequestError: there is no usable response.
        """
        with self.client.stream(
            "GET",
            url,
            params=params,
            headers=handshake_headers(headers, subprotocols),
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions={"protocol": b"websocket", **(extensions or {})},
        ) as response:
            if refuse(response):
                with suppress(RequestError):
                    response.read()
            check(response)
            session = self.session_class(
                response.extensions["network_stream"],
                max_message_size_bytes=self.max_message_size_bytes,
                queue_size=self.queue_size,
                keepalive_ping_interval_seconds=self.keepalive_ping_interval_seconds,
                keepalive_ping_timeout_seconds=self.keepalive_ping_timeout_seconds,
                response=response,
            )
            with session:
                yield session


class AsyncWebSocketClient(Generic[AsyncSession]):
    """As `WebSocketClient`, for an `AsyncClient`.

    Args:
        client, max_message_size_bytes, queue_size, keepalive_ping_interval_seconds, keepalive_ping_timeout_seconds,
        session_class: as for `WebSocketClient`.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        max_message_size_bytes: int = DEFAULT_MAX_MESSAGE_SIZE_BYTES,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        keepalive_ping_interval_seconds: float | None = DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
        keepalive_ping_timeout_seconds: float | None = DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
        session_class: type[AsyncSession] = AsyncWebSocketSession,  # type: ignore[assignment]
    ) -> None:
        self.client = client
        self.max_message_size_bytes = max_message_size_bytes
        self.queue_size = queue_size
        self.keepalive_ping_interval_seconds = keepalive_ping_interval_seconds
        self.keepalive_ping_timeout_seconds = keepalive_ping_timeout_seconds
        self.session_class = session_class

    @asynccontextmanager
    async def connect(
        self,
        url: URLTypes,
        *,
        subprotocols: list[str] | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> AsyncGenerator[AsyncSession]:
        """Open a WebSocket, for use in an `async with` statement, at whose end it is closed. As `WebSocketClient`."""
        async with self.client.stream(
            "GET",
            url,
            params=params,
            headers=handshake_headers(headers, subprotocols),
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions={"protocol": b"websocket", **(extensions or {})},
        ) as response:
            if refuse(response):
                with suppress(RequestError):
                    await response.aread()
            check(response)
            session = self.session_class(
                response.extensions["network_stream"],
                max_message_size_bytes=self.max_message_size_bytes,
                queue_size=self.queue_size,
                keepalive_ping_interval_seconds=self.keepalive_ping_interval_seconds,
                keepalive_ping_timeout_seconds=self.keepalive_ping_timeout_seconds,
                response=response,
            )
            async with session:
                yield session


@contextmanager
def connect_ws(
    url: URLTypes,
    client: Client | None = None,
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
) -> Generator[WebSocketSession]:
    """Open a WebSocket with a client, or with one made for it. See `WebSocketClient` and its `connect`."""
    owner: AbstractContextManager[Client]
    if client is None:
        from .._client import Client

        owner = Client()
    else:
        owner = nullcontext(client)
    with (
        owner as client,
        WebSocketClient(
            client,
            max_message_size_bytes=max_message_size_bytes,
            queue_size=queue_size,
            keepalive_ping_interval_seconds=keepalive_ping_interval_seconds,
            keepalive_ping_timeout_seconds=keepalive_ping_timeout_seconds,
        ).connect(
            url,
            subprotocols=subprotocols,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        ) as session,
    ):
        yield session


@asynccontextmanager
async def aconnect_ws(
    url: URLTypes,
    client: AsyncClient | None = None,
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
) -> AsyncGenerator[AsyncWebSocketSession]:
    """Open a WebSocket with a client, or with one made for it. See `AsyncWebSocketClient` and its `connect`."""
    owner: AbstractAsyncContextManager[AsyncClient]
    if client is None:
        from .._async_client import AsyncClient

        owner = AsyncClient()
    else:
        owner = nullcontext(client)
    async with (
        owner as client,
        AsyncWebSocketClient(
            client,
            max_message_size_bytes=max_message_size_bytes,
            queue_size=queue_size,
            keepalive_ping_interval_seconds=keepalive_ping_interval_seconds,
            keepalive_ping_timeout_seconds=keepalive_ping_timeout_seconds,
        ).connect(
            url,
            subprotocols=subprotocols,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        ) as session,
    ):
        yield session
