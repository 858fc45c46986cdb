"""httpx-ws, which reads and writes the octets under a response and knows httpcore's errors."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import httpfast
from bench.server import Child
from tests.peers import Close, ReadHead, Reset, ScriptedPeer, Send, Step

ROOT = Path(__file__).parents[2]
REASON = "httpx-ws, or the server that it talks to here, is not installed"


@pytest.fixture
def httpx_ws() -> Any:
    return pytest.importorskip("httpx_ws", reason=REASON)


@pytest.fixture
def echo() -> Iterator[str]:
    """The URL of an echo server."""
    pytest.importorskip("websockets", reason=REASON)
    with Child("tests.websockets.echo_server") as child:
        yield f"http://127.0.0.1:{child.ready.strip()}"


def make_client(way: str, prefix: str = "") -> Any:
    """A client of httpx as the alias gives it, or httpx's own on our transport."""
    import httpx

    kind = getattr(httpx, f"{prefix}Client")
    if way == "alias":
        assert kind is getattr(httpfast, f"{prefix}Client")
        return kind()
    assert kind is not getattr(httpfast, f"{prefix}Client")
    return kind(transport=httpfast.async_httpx_transport() if prefix else httpfast.httpx_transport())


@pytest.fixture(params=[pytest.param("alias", marks=pytest.mark.aliased), "transport"])
def way(request: pytest.FixtureRequest) -> str:
    way: str = request.param
    return way


def test_messages_come_back(httpx_ws: Any, way: str, echo: str) -> None:
    with make_client(way) as client, httpx_ws.connect_ws(echo, client, subprotocols=["chat"]) as session:
        assert session.subprotocol == "chat"
        session.send_text("hello")
        assert session.receive_text(timeout=5) == "hello"
        session.send_bytes(b"x" * 100_000)
        assert session.receive_bytes(timeout=5) == b"x" * 100_000
        session.send_text("close")
        with pytest.raises(httpx_ws.WebSocketDisconnect) as caught:
            session.receive(timeout=5)

    assert caught.value.code == 4002


def test_messages_come_back_to_async_clients(httpx_ws: Any, way: str, echo: str) -> None:
    async def main() -> None:
        async with make_client(way, "Async") as client, httpx_ws.aconnect_ws(echo, client) as session:
            await session.send_text("hello")
            assert await session.receive_text(timeout=5) == "hello"

    asyncio.run(main())


class Accept(ReadHead):
    """Answer the handshake that is asked for, with its key (RFC 6455, 4.2.2)."""

    def run(self, connection: Any) -> None:
        super().run(connection)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", connection.requests[-1])
        assert key is not None
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        Send(answer + b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n").run(connection)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["close", "reset"])
def test_lost_connection_is_its_own_error(httpx_ws: Any, way: str, end: Step) -> None:
    with (
        ScriptedPeer([Accept(), end]) as peer,
        make_client(way) as client,
        httpx_ws.connect_ws(peer.url, client) as session,
        pytest.raises(httpx_ws.WebSocketNetworkError),
    ):
        session.receive(timeout=5)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["close", "reset"])
def test_lost_connection_is_its_own_error_in_async_code(httpx_ws: Any, way: str, end: Step) -> None:
    async def main(url: str) -> None:
        async with make_client(way, "Async") as client, httpx_ws.aconnect_ws(url, client) as session:
            with pytest.raises(httpx_ws.WebSocketNetworkError):
                await session.receive(timeout=5)

    with ScriptedPeer([Accept(), end]) as peer:
        asyncio.run(main(peer.url))
