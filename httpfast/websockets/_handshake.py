"""The opening handshake: what is asked, and whether the answer opens a WebSocket (RFC 6455, 4.1; RFC 8441, 5)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

from .._exchange import is_small
from .._headers import Headers
from ._exceptions import WebSocketUpgradeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._response import Response
    from .._types import HeaderTypes

__all__ = ["accept_value", "check", "handshake_headers", "refuse"]

# RFC 6455, 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_value(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    # A checksum, not a secret: SHA-1 is what the protocol names.
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def handshake_headers(headers: HeaderTypes | None, subprotocols: list[str] | None) -> Headers:
    """The caller's fields, and those that ask for a WebSocket."""
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode("ascii"),
        "Sec-WebSocket-Version": "13",
    }
    if subprotocols is not None:
        fields["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return Headers(headers) | fields


def refuse(response: Response) -> bool:
    """Whether the response opens no WebSocket, and its body, which says why, is small enough to be read."""
    return not _is_open(response) and is_small(response)


def check(response: Response) -> None:
    """Look at the answer.

    Raises:
        WebSocketUpgradeError: it does not open a WebSocket.
    """
    if not _is_open(response):
        raise WebSocketUpgradeError(response)
    asked, headers = response.request.headers, response.headers
    if response.status_code == 101:
        _check_switch(response)
    if "Sec-WebSocket-Extensions" in headers:
        raise WebSocketUpgradeError(response, "The server uses an extension, and none is supported (RFC 6455, 4.1)")
    chosen = headers.get("Sec-WebSocket-Protocol")
    if chosen is not None and chosen not in _listed(asked.get_list("Sec-WebSocket-Protocol")):
        raise WebSocketUpgradeError(response, f"The server chose {chosen[:64]!r}, which was not offered")
    if "network_stream" not in response.extensions:
        raise WebSocketUpgradeError(response, "The transport gives no access to the connection")


def _is_open(response: Response) -> bool:
    """Whether the status says that the connection, or the stream of HTTP/2, is a WebSocket's from here on."""
    return response.status_code == 101 or (response.http_version == "HTTP/2" and response.is_success)


def _check_switch(response: Response) -> None:
    asked, headers = response.request.headers, response.headers
    if "websocket" not in _tokens(headers, "Upgrade"):
        raise WebSocketUpgradeError(response, "The answer's Upgrade is not 'websocket' (RFC 6455, 4.1)")
    if "upgrade" not in _tokens(headers, "Connection"):
        raise WebSocketUpgradeError(response, "The answer's Connection has no 'Upgrade' (RFC 6455, 4.1)")
    if headers.get("Sec-WebSocket-Accept", "").strip() != accept_value(asked.get("Sec-WebSocket-Key", "")):
        raise WebSocketUpgradeError(response, "Sec-WebSocket-Accept does not fit the key that was sent (RFC 6455, 4.1)")


def _listed(values: Iterable[str]) -> set[str]:
    return {item.strip() for value in values for item in value.split(",")}


def _tokens(headers: Headers, name: str) -> set[str]:
    return {token.lower() for token in _listed(headers.get_list(name))}
