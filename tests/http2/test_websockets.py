"""WebSockets over HTTP/2 (RFC 8441): which connection they go over, and that they are like those over HTTP/1.1."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.events import DataReceived, Event, RequestReceived, StreamReset

import httpfast
from bench.server import Certificates

pytest.importorskip("wsproto", reason="wsproto is not installed")

from httpfast.websockets import WebSocketDisconnect, WebSocketNetworkError, WebSocketUpgradeError

from ..drivers.facade import Caller, Driver
from ..peers import ReadRequest, ScriptedPeer, Send
from ..websockets.sessions import Session, happened, opened
from .serving import Serve, Server, server_context
from .test_tunnels import TAKES_CONNECT

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(ca: Certificates) -> Iterator[str]:
    """The address of a real server: see `websocket_server`."""
    pytest.importorskip("hypercorn", reason="hypercorn is not installed")
    command = [sys.executable, "-m", f"{__package__}.websocket_server", str(ca.server_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield f"localhost:{int(process.stdout.readline())}"
        process.kill()


def response_of(session: Session) -> httpfast.Response:
    response: httpfast.Response = session.session.response
    return response


async def warm(driver: Driver, ca: Certificates, server: str, **arguments: Any) -> Caller:
    """A client with a connection of HTTP/2."""
    client = driver.client(verify=ca.client_context(), http2=True, **arguments)
    assert (await client.get(f"https://{server}/")).text == "2"
    return client


# Which connection


async def test_websocket_goes_over_the_connection_that_there_is(driver: Driver, server: str, ca: Certificates) -> None:
    client = await warm(driver, ca, server)

    async with opened(client, f"wss://{server}/", subprotocols=["other", "chat"]) as ws:
        response = response_of(ws)
        assert (response.http_version, response.status_code, ws.subprotocol) == ("HTTP/2", 200, "chat")
        assert client.state.connections == 1
        for text in ("", "a", "é" * 5000):
            await ws.send_text(text)
            assert await ws.receive_text(5) == text
        await ws.send_bytes(bytes(100_000))
    await client.rest()

    assert client.counts == (1, 1)
    assert (await client.get(f"https://{server}/")).text == "2"


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_websocket_without_a_connection_goes_over_http1(
    driver: Driver, server: str, ca: Certificates, scheme: str
) -> None:
    client = driver.client(verify=ca.client_context(), http2=True)

    async with opened(client, f"{scheme}://{server}/") as ws:
        assert (response_of(ws).http_version, response_of(ws).status_code) == ("HTTP/1.1", 101)
        assert client.state.connections == 1
        await ws.send_text("a")
        assert await ws.receive_text(5) == "a"


async def test_websocket_over_http2_only_makes_its_connection(driver: Driver, server: str, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context(), http1=False)

    async with opened(client, f"wss://{server}/") as ws:
        assert response_of(ws).http_version == "HTTP/2"
        await ws.send_text("a")
        assert await ws.receive_text(5) == "a"
        assert (await client.get(f"https://{server}/")).text == "2"
        assert client.state.connections == 1


async def test_server_that_takes_none_over_http2_is_asked_over_http1(driver: Driver, ca: Certificates) -> None:
    def answer(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.respond(event.stream_id or 0)

    serve = Serve(answer)
    refusal = Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    with ScriptedPeer([serve], [ReadRequest(), refusal], tls=server_context("h2", "http/1.1")) as peer:
        client = driver.client(verify=ca.client_context(), http2=True)
        await client.get(peer.url)

        with pytest.raises(WebSocketUpgradeError) as caught:
            async with opened(client, f"wss://localhost:{peer.port}/"):
                pass

        assert (caught.value.response.status_code, caught.value.response.http_version) == (400, "HTTP/1.1")
        assert [head[":method"] for head in serve.server.heads.values()] == ["GET"]


async def test_handshake_has_no_fields_of_http1(driver: Driver) -> None:
    def answer(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(event.stream_id or 0, 403, ends=True)

    serve = Serve(answer, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(WebSocketUpgradeError):
            async with opened(
                client, f"{peer.url}/chat", subprotocols=["a"], headers={"Origin": "https://example.org"}
            ):
                pass

        head = serve.server.heads[1]
        assert (head[":method"], head[":protocol"], head[":scheme"], head[":path"]) == (
            "CONNECT",
            "websocket",
            "http",
            "/chat",
        )
        assert (head["sec-websocket-version"], head["sec-websocket-protocol"]) == ("13", "a")
        assert head["origin"] == "https://example.org"
        assert not {"connection", "upgrade", "sec-websocket-key", "host"} & set(head)


# Sessions


async def test_many_sessions_and_requests_share_a_connection(driver: Driver, server: str, ca: Certificates) -> None:
    client = await warm(driver, ca, server)

    async def talk(number: int) -> None:
        async with opened(client, f"wss://{server}/") as ws:
            for size in (1, 1000, 50_000):
                await ws.send_bytes(bytes([number]) * size)
                assert await ws.receive_bytes(5) == bytes([number]) * size
                assert (await client.get(f"https://{server}/")).text == "2"

    outcomes = await driver.gather(*(talk(number) for number in range(20)))
    await client.rest()

    assert outcomes == [None] * 20
    assert client.counts == (1, 1)


async def test_messages_larger_than_the_windows_come_back(driver: Driver, server: str, ca: Certificates) -> None:
    client = await warm(driver, ca, server)

    async with opened(client, f"wss://{server}/", max_message_size_bytes=1 << 24) as ws:
        for _ in range(3):
            await ws.send_bytes(bytes(3_000_000))
            assert len(await ws.receive_bytes(10)) == 3_000_000
        assert await happened(await ws.ping())


async def test_close_of_the_server_ends_the_session_and_its_stream_only(
    driver: Driver, server: str, ca: Certificates
) -> None:
    client = await warm(driver, ca, server)

    async with opened(client, f"wss://{server}/") as ws:
        await ws.send_text("close")
        with pytest.raises(WebSocketDisconnect) as caught:
            await ws.receive_text(5)
    await client.rest()

    assert (caught.value.code, caught.value.reason) == (4002, "asked to")
    assert (await client.get(f"https://{server}/")).text == "2"
    assert client.counts == (1, 1)


async def test_refused_websocket_is_an_upgrade_error(driver: Driver, server: str, ca: Certificates) -> None:
    client = await warm(driver, ca, server)

    with pytest.raises(WebSocketUpgradeError) as caught:
        async with opened(client, f"wss://{server}/refuse"):
            pass

    assert caught.value.response.status_code == 403
    assert caught.value.response.http_version == "HTTP/2"
    assert (await client.get(f"https://{server}/")).text == "2"


async def test_redirected_websocket_is_opened_where_it_leads(driver: Driver, server: str, ca: Certificates) -> None:
    client = await warm(driver, ca, server, follow_redirects=True)

    async with opened(client, f"wss://{server}/redirect") as ws:
        assert response_of(ws).http_version == "HTTP/2"
        assert [past.status_code for past in response_of(ws).history] == [307]
        await ws.send_text("a")
        assert await ws.receive_text(5) == "a"


async def test_end_of_the_stream_without_a_close_frame_is_a_network_error(driver: Driver) -> None:
    def end(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(event.stream_id or 0, 200)
        elif isinstance(event, DataReceived) and not server.of(StreamReset, 1) and len(server.of(DataReceived, 1)) == 1:
            server.send(1, b"", ends=True)

    with ScriptedPeer([Serve(end, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        async with opened(client, peer.url) as ws:
            await ws.send_text("a")
            with pytest.raises(WebSocketNetworkError):
                await ws.receive_text(5)


async def test_unanswered_ping_ends_the_session_not_the_connection(driver: Driver) -> None:
    def answer(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and server.heads[event.stream_id or 0][":method"] == "GET":
            server.respond(event.stream_id or 0)
        elif isinstance(event, RequestReceived):
            server.head(event.stream_id or 0, 200)

    with ScriptedPeer([Serve(answer, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        async with opened(
            client, peer.url, keepalive_ping_interval_seconds=0.05, keepalive_ping_timeout_seconds=0.05
        ) as ws:
            with pytest.raises(WebSocketNetworkError):
                await ws.receive_text(5)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


async def test_server_that_comes_back_with_another_subprotocol_is_an_upgrade_error(driver: Driver) -> None:
    def answer(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(1, 200, ("sec-websocket-protocol", "b"))

    with ScriptedPeer([Serve(answer, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(WebSocketUpgradeError, match="not offered"):
            async with opened(client, peer.url, subprotocols=["a"]):
                pass
        await client.rest()

        assert client.counts == (1, 1)
