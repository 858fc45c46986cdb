"""Packages that build on httpx's clients: Starlette's and FastAPI's TestClient, httpx-sse and Authlib."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import httpfast

from .fake_api import TOKEN, FakeAPI


def needs(package: str) -> Any:
    return pytest.importorskip(package, reason=f"{package}, which this tries, is not installed")


# Starlette


def make_app() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    async def echo(request: Request) -> Response:
        body = await request.body()
        found = {"method": request.method, "query": request.query_params["q"], "body": body.decode()}
        return JSONResponse(found, headers={"X-Cookie": request.cookies.get("c", "")})

    async def form(request: Request) -> Response:
        async with request.form() as fields:
            file: Any = fields["file"]
            return JSONResponse({"name": file.filename, "content": (await file.read()).decode(), "a": fields["a"]})

    async def log_in(request: Request) -> Response:
        response = RedirectResponse("/echo?q=redirected")
        response.set_cookie("c", "baked")
        return response

    async def stream(request: Request) -> Response:
        return StreamingResponse(iter([b"a", b"b"]))

    async def broken(request: Request) -> Response:
        raise KeyError("broken")

    async def chat(socket: WebSocket) -> None:
        await socket.accept(subprotocol="chat")
        await socket.send_json({"said": await socket.receive_text()})
        await socket.close(4000)

    methods = ["GET", "POST"]
    routes = [
        Route("/echo", echo, methods=methods),
        Route("/form", form, methods=methods),
        Route("/login", log_in),
        Route("/stream", stream),
        Route("/broken", broken),
        Route("/text", lambda request: PlainTextResponse("t")),
        WebSocketRoute("/chat", chat),
    ]
    return Starlette(routes=routes)


@pytest.mark.aliased
def test_starlette_test_client_asks_its_app() -> None:
    needs("starlette")
    from starlette.testclient import TestClient

    with TestClient(make_app()) as client:
        assert isinstance(client, httpfast.Client)
        posted = client.post("/echo", params={"q": "1"}, content="abc")
        assert posted.json() == {"method": "POST", "query": "1", "body": "abc"}
        redirected = client.get("/login")
        assert redirected.json()["query"] == "redirected"
        assert redirected.headers["x-cookie"] == client.cookies["c"] == "baked"
        assert len(redirected.history) == 1
        assert client.get("/stream").content == b"ab"
        assert client.get("/missing").status_code == 404


@pytest.mark.aliased
def test_starlette_test_client_sends_forms_and_files() -> None:
    needs("starlette")
    needs("python_multipart")
    from starlette.testclient import TestClient

    with TestClient(make_app()) as client:
        sent = client.post("/form", data={"a": "b"}, files={"file": ("n.txt", b"content")})

    assert sent.json() == {"name": "n.txt", "content": "content", "a": "b"}


@pytest.mark.aliased
def test_starlette_test_client_raises_what_the_app_raises() -> None:
    needs("starlette")
    from starlette.testclient import TestClient

    with pytest.raises(KeyError, match="broken"):
        TestClient(make_app()).get("/broken")

    assert TestClient(make_app(), raise_server_exceptions=False).get("/broken").status_code == 500


@pytest.mark.aliased
def test_starlette_test_client_speaks_websocket() -> None:
    needs("starlette")
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    with TestClient(make_app()) as client, client.websocket_connect("/chat", subprotocols=["chat"]) as socket:
        socket.send_text("hi")

        assert socket.receive_json() == {"said": "hi"}
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_text()

    assert caught.value.code == 4000


@pytest.mark.aliased
def test_fastapi_test_client_asks_its_app() -> None:
    needs("fastapi")
    from fastapi import FastAPI, HTTPException
    from fastapi.testclient import TestClient

    app = FastAPI()

    @app.post("/items/{number}")
    def item(number: int, body: dict[str, int], q: str = "none") -> dict[str, Any]:
        if number == 0:
            raise HTTPException(404, "no such item")
        return {"number": number, "body": body, "q": q}

    with TestClient(app, headers={"X-A": "b"}) as client:
        assert isinstance(client, httpfast.Client)
        assert client.post("/items/7?q=x", json={"a": 1}).json() == {"number": 7, "body": {"a": 1}, "q": "x"}
        assert client.post("/items/0", json={}).json() == {"detail": "no such item"}
        assert client.post("/items/x", json={}).status_code == 422


@pytest.mark.aliased
def test_async_client_asks_an_app_of_starlettes() -> None:
    needs("starlette")
    import httpx

    async def main() -> Any:
        transport = httpx.ASGITransport(make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test.example") as client:
            return (await client.get("/echo?q=1")).json()

    assert asyncio.run(main())["query"] == "1"


# httpx-sse


@pytest.mark.aliased
def test_httpx_sse_reads_events(api: FakeAPI) -> None:
    needs("httpx_sse")
    import httpx
    from httpx_sse import aconnect_sse, connect_sse

    expected = [("first", "1"), ("second", '{"a": 2}'), ("message", "three")]

    with httpx.Client() as client, connect_sse(client, "GET", f"{api.url}/events") as source:
        assert isinstance(client, httpfast.Client)
        assert [(event.event, event.data) for event in source.iter_sse()] == expected

    async def main() -> list[tuple[str, str]]:
        async with httpx.AsyncClient() as client, aconnect_sse(client, "GET", f"{api.url}/events") as source:
            return [(event.event, event.data) async for event in source.aiter_sse()]

    assert asyncio.run(main()) == expected
    assert api.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.aliased
def test_httpx_sse_refuses_another_content_type(api: FakeAPI) -> None:
    needs("httpx_sse")
    import httpx
    from httpx_sse import SSEError, connect_sse

    with (
        httpx.Client() as client,
        connect_sse(client, "GET", f"{api.url}/hello") as source,
        pytest.raises(SSEError, match="application/json") as caught,
    ):
        list(source.iter_sse())

    assert isinstance(caught.value, httpx.TransportError)


def test_httpx_sse_reads_events_of_any_client(api: FakeAPI) -> None:
    needs("httpx_sse")
    import httpx
    from httpx_sse import connect_sse

    clients = [httpfast.Client(), httpx.Client(transport=httpfast.httpx_transport())]

    assert type(clients[1]) is not httpfast.Client
    for client in clients:
        with client, connect_sse(client, "GET", f"{api.url}/events") as source:
            assert [event.data for event in source.iter_sse()] == ["1", '{"a": 2}', "three"]


# Authlib


@pytest.mark.aliased
def test_authlib_fetches_a_token_and_shows_it(api: FakeAPI) -> None:
    needs("authlib")
    from authlib.integrations.httpx_client import OAuth2Client

    with OAuth2Client("id", "secret", token_endpoint=f"{api.url}/token") as client:
        assert isinstance(client, httpfast.Client)
        token = client.fetch_token(grant_type="client_credentials")
        response = client.get(f"{api.url}/protected")

    assert token["access_token"] == TOKEN
    assert response.json() == {"hello": "world"}
    asked = api.requests[0]
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.body == b"grant_type=client_credentials"


@pytest.mark.aliased
def test_authlib_does_so_for_async_clients(api: FakeAPI) -> None:
    needs("authlib")
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    async def main() -> Any:
        async with AsyncOAuth2Client("id", "secret", token_endpoint=f"{api.url}/token") as client:
            assert isinstance(client, httpfast.AsyncClient)
            await client.fetch_token(grant_type="client_credentials")
            async with client.stream("GET", f"{api.url}/protected") as response:
                await response.aread()
            return response.json()

    assert asyncio.run(main()) == {"hello": "world"}


@pytest.mark.aliased
def test_authlib_signs_for_oauth_1(api: FakeAPI) -> None:
    needs("authlib")
    import httpx
    from authlib.integrations.httpx_client import OAuth1Auth

    auth = OAuth1Auth("id", "secret", token="t", token_secret="s")
    with httpx.Client(auth=auth) as client:
        assert client.post(f"{api.url}/token", data={"a": "b"}).status_code == 200

    assert api.requests[0].headers["authorization"].startswith("OAuth oauth_nonce=")
    assert api.requests[0].body == b"a=b"


def test_authlib_takes_the_transport(api: FakeAPI) -> None:
    needs("authlib")
    needs("httpx2")
    from authlib.integrations.httpx_client import OAuth2Client

    transport = httpfast.httpx_transport()
    with OAuth2Client("id", "secret", token_endpoint=f"{api.url}/token", transport=transport) as client:
        assert not isinstance(client, httpfast.Client)
        client.fetch_token(grant_type="client_credentials")

        assert client.get(f"{api.url}/protected").json() == {"hello": "world"}
