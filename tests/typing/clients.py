"""What type checkers see of the clients: settings, verbs, streams, events, WebSockets. Checked, never run."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, assert_type

import httpfast
from httpfast.websockets import AsyncWebSocketSession, WebSocketSession


def sync_verbs(client: httpfast.Client, url: httpfast.URL) -> None:
    assert_type(client.get("https://example.org/"), httpfast.Response)
    assert_type(client.get(url, params={"q": 1}, headers={"a": "b"}, auth=("user", "pass")), httpfast.Response)
    assert_type(client.options(url), httpfast.Response)
    assert_type(client.head(url, follow_redirects=True), httpfast.Response)
    assert_type(client.post(url, content=b"octets"), httpfast.Response)
    assert_type(client.post(url, json={"a": [1, None]}, timeout=None), httpfast.Response)
    assert_type(client.post(url, data={"a": ["b", "c"]}, files={"f": ("name", b"x", "text/plain")}), httpfast.Response)
    assert_type(client.put(url, content=(piece for piece in (b"a", b"b"))), httpfast.Response)
    assert_type(client.patch(url, data={"a": "b"}), httpfast.Response)
    assert_type(client.query(url, json={}), httpfast.Response)
    assert_type(client.delete(url, extensions={"trace": print}), httpfast.Response)
    assert_type(client.request("PURGE", url, cookies={"a": "b"}, auth=None), httpfast.Response)


def sync_steps(client: httpfast.Client) -> None:
    request = client.build_request("GET", "/path", timeout=httpfast.Timeout(3))
    assert_type(request, httpfast.Request)
    assert_type(client.send(request, stream=True, follow_redirects=False), httpfast.Response)
    with client.stream("GET", "/path") as response:
        assert_type(response, httpfast.Response)
    with client.sse("/events", max_event_size=None) as events:
        assert_type(events, httpfast.EventSource)
        for event in events:
            assert_type(event, httpfast.ServerSentEvent)
            assert_type((event.event, event.data, event.id, event.retry), tuple[str, str, str, int | None])
            assert_type(event.json(), object)
        assert_type(events.response, httpfast.Response)
    with client.websocket("wss://example.org/", subprotocols=["chat"]) as session:
        assert_type(session, WebSocketSession)
    assert_type(client.close(), None)
    with client as entered:
        assert_type(entered, httpfast.Client)


async def async_verbs(client: httpfast.AsyncClient, url: httpfast.URL) -> None:
    assert_type(await client.get("https://example.org/"), httpfast.Response)
    assert_type(await client.options(url), httpfast.Response)
    assert_type(await client.head(url), httpfast.Response)
    assert_type(await client.post(url, json=[1]), httpfast.Response)
    assert_type(await client.put(url, content="text"), httpfast.Response)
    assert_type(await client.patch(url, files=[("f", b"x")]), httpfast.Response)
    assert_type(await client.query(url, content=b"x"), httpfast.Response)
    assert_type(await client.delete(url, timeout=(1, 2, None, 4)), httpfast.Response)
    assert_type(await client.request("PURGE", url, headers=[("a", "b")]), httpfast.Response)


async def async_steps(client: httpfast.AsyncClient) -> None:
    request = client.build_request("POST", "/path", content=b"x")
    assert_type(request, httpfast.Request)
    assert_type(await client.send(request, stream=True), httpfast.Response)
    async with client.stream("GET", "/path") as response:
        assert_type(response, httpfast.Response)
    async with client.sse("/events") as events:
        assert_type(events, httpfast.EventSource)
        async for event in events:
            assert_type(event, httpfast.ServerSentEvent)
    async with client.websocket("wss://example.org/") as session:
        assert_type(session, AsyncWebSocketSession)
    assert_type(await client.aclose(), None)
    async with client as entered:
        assert_type(entered, httpfast.AsyncClient)


def settings(client: httpfast.Client | httpfast.AsyncClient) -> None:
    assert_type(client.is_closed, bool)
    assert_type(client.trust_env, bool)
    assert_type(client.timeout, httpfast.Timeout)
    assert_type(client.base_url, httpfast.URL)
    assert_type(client.headers, httpfast.Headers)
    assert_type(client.cookies, httpfast.Cookies)
    assert_type(client.params, httpfast.QueryParams)
    assert_type(client.auth, httpfast.Auth | None)
    assert_type(client.event_hooks, dict[str, list[Callable[..., Any]]])
    assert_type(client.sensitive_headers, tuple[str, ...])
    assert_type(client.timings, bool)
    assert_type(client.pool_stats(), httpfast.PoolStats)


def settings_take_more_than_they_give(client: httpfast.Client) -> None:
    client.timeout = 5.0
    client.timeout = None
    client.base_url = "https://example.org/"
    client.headers = {"a": "b"}
    client.cookies = {"a": "b"}
    client.params = "a=b"
    client.auth = ("user", "pass")
    client.event_hooks = {"request": [print], "response": []}
    client.sensitive_headers = ["X-Api-Key"]


def every_setting(context: ssl.SSLContext) -> None:
    client = httpfast.Client(
        auth=httpfast.BasicAuth("user", "pass"),
        params={"a": 1},
        headers=httpfast.Headers(),
        cookies=httpfast.Cookies(),
        verify=context,
        cert=("cert", "key"),
        trust_env=False,
        http1=True,
        http2=True,
        http2_keepalive=15,
        http2_window=0,
        proxy="http://localhost:3128",
        mounts={"all://example.org": None, "http://": httpfast.HTTPTransport(retries=1)},
        timeout=httpfast.Timeout(10, connect=3, total=30),
        follow_redirects=True,
        limits=httpfast.Limits(max_connections=10, max_connections_per_host=8),
        max_redirects=3,
        event_hooks={"request": [print]},
        base_url=httpfast.URL("https://example.org/"),
        transport=httpfast.MockTransport(lambda request: httpfast.Response(200)),
        default_encoding=lambda octets: "utf-8",
        sensitive_headers=("X-Api-Key",),
    )
    assert_type(client, httpfast.Client)


class Subclass(httpfast.Client):
    """A client of a user's own stays one."""


def subclasses_are_entered_as_themselves() -> None:
    with Subclass() as client:
        assert_type(client, Subclass)


def sync_websocket(session: WebSocketSession) -> None:
    assert_type(session.receive_text(timeout=1), str)
    assert_type(session.receive_bytes(), bytes)
    assert_type(session.receive_json(), Any)
    assert_type(session.send_text("text"), None)
    assert_type(session.send_bytes(b"octets"), None)
    assert_type(session.send_json({"a": 1}, mode="binary"), None)
    assert_type(session.close(1000, "bye"), None)


async def async_websocket(session: AsyncWebSocketSession) -> None:
    assert_type(await session.receive_text(), str)
    assert_type(await session.receive_bytes(), bytes)
    assert_type(await session.receive_json(), Any)
    assert_type(await session.send_text("text"), None)
    assert_type(await session.send_bytes(b"octets"), None)
    assert_type(await session.send_json([], mode="text"), None)
    assert_type(await session.close(), None)
