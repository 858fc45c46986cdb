"""WebSockets (RFC 6455), over the clients of this package. Needs wsproto: `pip install httpfast[ws]`.

import httpfast

with httpfast.Client() as client, client.websocket("wss://example.org/") as ws:
    ws.send_text("hello")
    print(ws.receive_text())
"""

from typing import Literal

try:
    import wsproto  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as _error:
    raise ImportError(
        "WebSockets need the package 'wsproto', which is not installed: pip install httpfast[ws]"
    ) from _error

from ._asgi import ASGIWebSocketTransport
from ._async import AsyncWebSocketSession
from ._client import AsyncWebSocketClient, WebSocketClient
from ._exceptions import (
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketInvalidTypeReceived,
    WebSocketNetworkError,
    WebSocketUpgradeError,
)
from ._sync import WebSocketSession

__all__ = [
    "ASGIWebSocketTransport",
    "AsyncWebSocketClient",
    "AsyncWebSocketSession",
    "HTTPXWSException",
    "JSONMode",
    "WebSocketClient",
    "WebSocketDisconnect",
    "WebSocketInvalidTypeReceived",
    "WebSocketNetworkError",
    "WebSocketSession",
    "WebSocketUpgradeError",
]

# How JSON is sent and received.
JSONMode = Literal["text", "binary"]
