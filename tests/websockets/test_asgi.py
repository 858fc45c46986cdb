"""WebSockets with an ASGI application in this process, most of them Starlette's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import httpfast

pytest.importorskip("wsproto", reason="wsproto is not installed")
pytest.importorskip("starlette", reason="Starlette is not installed")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from httpfast.websockets import (
    ASGIWebSocketTransport,
    AsyncWebSocketClient,
    AsyncWebSocketSession,
    WebSocketDisconnect,
    WebSocketUpgradeError,
)

from ..drivers.facade import Driver


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def driver(request: pytest.FixtureRequest, no_leaks: None) -> Any:
    """The asynchronous drivers: an ASGI application has no blocking client."""
    from ..drivers.facade import make_driver

    try:
        made = make_driver(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not installed")
    yield made
    made.finish()


class App:
    """A Starlette application that notes the codes its WebSockets were closed with."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.scopes: list[Any] = []
        routes = [
            WebSocketRoute("/echo", self.echo),
            WebSocketRoute("/refuse", self.refuse),
            WebSocketRoute("/deny", self.deny),
            WebSocketRoute("/fail", self.fail),
            WebSocketRoute("/fail-late", self.fail_late),
            WebSocketRoute("/return", self.leave),
            WebSocketRoute("/flood", self.flood),
            Route("/page", lambda request: PlainTextResponse("page")),
        ]
        self.app = Starlette(routes=routes)

    async def echo(self, websocket: WebSocket) -> None:
        self.scopes.append(websocket.scope)
        offered = websocket.scope["subprotocols"]
        await websocket.accept(subprotocol=offered[-1] if offered else None, headers=[(b"X-App", b"1")])
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.codes.append(message["code"])
                return
            if message.get("text") == "close":
                await websocket.close(4000, "asked to")
            else:
                await websocket.send({**message, "type": "websocket.send"})

    async def refuse(self, websocket: WebSocket) -> None:
        await websocket.close(4003, "no")

    async def deny(self, websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("denied", status_code=401))

    async def fail(self, websocket: WebSocket) -> None:
        raise ValueError("broken")

    async def fail_late(self, websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("broken")

    async def leave(self, websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("bye")

    async def flood(self, websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_bytes(bytes(10_000))


@asynccontextmanager
async def connected(app: Any, path: str, **arguments: Any) -> AsyncIterator[AsyncWebSocketSession]:
    async with (
        httpfast.AsyncClient(transport=ASGIWebSocketTransport(app), trust_env=False) as client,
        client.websocket(f"ws://app.example{path}", **arguments) as ws,
    ):
        yield ws


async def test_messages_of_each_kind_come_back(driver: Driver) -> None:
    app = App()

    async with connected(app.app, "/echo", subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "b"
        assert ws.response is not None
        assert ws.response.headers["x-app"] == "1"
        for text in ("", "é" * 10_000):
            await ws.send_text(text)
            assert await ws.receive_text(5) == text
        await ws.send_bytes(bytes(65_536))
        assert await ws.receive_bytes(5) == bytes(65_536)
        await (await ws.ping()).wait()

    assert app.codes == [1000]


async def test_application_sees_the_code_of_the_client(driver: Driver) -> None:
    app = App()

    async with connected(app.app, "/echo") as ws:
        await ws.close(4100, "because")

    assert app.codes == [4100]


async def test_client_sees_the_code_of_the_application(driver: Driver) -> None:
    app = App()

    async with connected(app.app, "/echo") as ws:
        await ws.send_text("close")
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive(5)

    assert (caught.value.code, caught.value.reason) == (4000, "asked to")


async def test_scope_is_that_of_a_websocket(driver: Driver) -> None:
    app = App()

    async with connected(app.app, "/echo?a=b", headers={"X-Own": "1"}):
        pass

    [scope] = app.scopes
    assert scope["type"] == "websocket"
    assert (scope["scheme"], scope["path"], scope["query_string"]) == ("ws", "/echo", b"a=b")
    assert (b"x-own", b"1") in scope["headers"]
    assert "method" not in scope


async def test_https_is_wss_to_the_application(driver: Driver) -> None:
    app = App()
    transport = ASGIWebSocketTransport(app.app)

    async with (
        httpfast.AsyncClient(transport=transport, base_url="https://app.example") as client,
        AsyncWebSocketClient(client).connect("/echo"),
    ):
        pass

    assert app.scopes[0]["scheme"] == "wss"


async def test_refusal_is_a_disconnect(driver: Driver) -> None:
    with pytest.raises(WebSocketDisconnect) as caught:
        async with connected(App().app, "/refuse"):
            pass

    assert (caught.value.code, caught.value.reason) == (4003, "no")


async def test_denial_is_an_upgrade_error_with_its_response(driver: Driver) -> None:
    with pytest.raises(WebSocketUpgradeError) as caught:
        async with connected(App().app, "/deny"):
            pass

    assert (caught.value.response.status_code, caught.value.response.text) == (401, "denied")


async def test_failure_before_the_answer_is_1011_with_its_cause(driver: Driver) -> None:
    with pytest.raises(WebSocketDisconnect, match="1011 broken") as caught:
        async with connected(App().app, "/fail"):
            pass

    assert isinstance(caught.value.__cause__, ValueError)


async def test_failure_of_an_open_websocket_is_1011(driver: Driver) -> None:
    async with connected(App().app, "/fail-late") as ws:
        with pytest.raises(WebSocketDisconnect, match="1011 broken"):
            await ws.receive(5)


async def test_application_that_returns_closes_the_websocket(driver: Driver) -> None:
    async with connected(App().app, "/return") as ws:
        assert await ws.receive_text(5) == "bye"
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive(5)

    assert caught.value.code == 1000


async def test_application_that_sends_without_end_is_held_up_and_then_ended(driver: Driver) -> None:
    async with connected(App().app, "/flood", queue_size=2) as ws:
        for _ in range(100):
            assert len(await ws.receive_bytes(5)) == 10_000


async def test_application_that_answers_nothing_is_an_error(driver: Driver) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    async def gone(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    for app, timeout in ((silent, 0.05), (gone, 5.0)):
        transport = ASGIWebSocketTransport(app, initial_receive_timeout=timeout)
        async with httpfast.AsyncClient(transport=transport) as client:
            with pytest.raises(RuntimeError, match="accept"):
                async with client.websocket("ws://app.example/"):
                    pass


async def test_other_requests_go_to_the_application_as_well(driver: Driver) -> None:
    async with httpfast.AsyncClient(transport=ASGIWebSocketTransport(App().app)) as client:
        response = await client.get("http://app.example/page")

    assert response.text == "page"
