"""Sessions with servers, scripted and real: messages, pings, the closing handshake, backpressure, cancellation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import httpfast
from bench.server import Certificates

pytest.importorskip("wsproto", reason="wsproto is not installed")

from httpfast.websockets import (
    WebSocketDisconnect,
    WebSocketInvalidTypeReceived,
    WebSocketNetworkError,
    _conversation,
)

from ..drivers.facade import Driver
from ..peers import Call, Close, ReadRequest, ScriptedPeer, Send, Signal, Stall, WaitFor
from .frames import BINARY, CLOSE, PING, PONG, TEXT, EchoClose, ExpectFrame, Handshake, close, frame, read_frame
from .sessions import Session, happened, opened, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(request: pytest.FixtureRequest, ca: Certificates) -> Iterator[str]:
    """The URL of a real server: see `echo_server`."""
    pytest.importorskip("websockets", reason="websockets is not installed")
    files = [str(ca.server_file)] if request.param == "tls" else []
    command = [sys.executable, "-m", f"{__package__}.echo_server", *files]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield f"wss://localhost:{port}" if files else f"ws://127.0.0.1:{port}"
        process.kill()


async def send_much(ws: Session) -> None:
    """More than fits into the buffers on the way."""
    for _ in range(100):
        await ws.send_bytes(bytes(1_000_000))


# With a real server


async def test_messages_of_each_kind_come_back(driver: Driver, server: str, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, server, subprotocols=["other", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        for text in ("", "a", "é" * 5000, "\x00"):
            await ws.send_text(text)
            assert await ws.receive_text(5) == text
        for data in (b"", b"\xff", bytes(65_536)):
            await ws.send_bytes(data)
            assert await ws.receive_bytes(5) == data
        await ws.send_json({"a": [1, None]})
        assert await ws.receive_json(5) == {"a": [1, None]}
        await ws.send_json("b", mode="binary")
        assert await ws.receive_json(5, mode="binary") == "b"
        await ws.send_text("x")
        with pytest.raises(WebSocketInvalidTypeReceived):
            await ws.receive_bytes(5)
        with pytest.raises(ValueError, match="mode"):
            await ws.send_json(1, mode="bytes")
    await client.rest()

    assert client.counts == (0, 0)


async def test_ping_is_answered(driver: Driver, server: str, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, server) as ws:
        first, second = await ws.ping(), await ws.ping(b"payload")

        assert await happened(first)
        assert await happened(second)
        with pytest.raises(ValueError, match="125"):
            await ws.ping(bytes(126))


async def test_close_of_the_server_ends_the_session_with_its_code(
    driver: Driver, server: str, ca: Certificates
) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, server) as ws:
        await ws.send_text("close")
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive(5)
        with pytest.raises(WebSocketDisconnect):
            await ws.send_text("late")

    assert (caught.value.code, caught.value.reason) == (4002, "asked to")


async def test_one_sends_while_another_receives(driver: Driver, server: str, ca: Certificates) -> None:
    """More than fits into the buffers of both sides: each has to read while it writes."""
    client = driver.client(verify=ca.client_context())
    message, count = bytes(100_000), 200

    async with opened(client, server, max_message_size_bytes=1 << 20, queue_size=4) as ws:

        async def send() -> None:
            for _ in range(count):
                await ws.send_bytes(message)

        async def receive() -> int:
            return sum([len(await ws.receive_bytes(20)) for _ in range(count)])

        outcomes = await driver.gather(send(), receive())

    assert outcomes == [None, count * len(message)]


async def test_messages_wait_until_they_are_received(driver: Driver, server: str, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, f"{server}/count/5000", queue_size=3) as ws:
        await until(client, lambda: ws.is_full)
        assert len(ws.session._conversation.inbox) == 3
        assert [await ws.receive_text(5) for _ in range(5000)] == [str(number) for number in range(5000)]


async def test_session_is_closed_though_nobody_received_its_messages(
    driver: Driver, server: str, ca: Certificates
) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, f"{server}/count/100", queue_size=1) as ws:
        await until(client, lambda: ws.is_full)

    assert isinstance(ws.session._conversation.ended, WebSocketDisconnect)


async def test_close_while_receiving_wakes_the_receiver(driver: Driver, server: str, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context())

    async with opened(client, server) as ws:

        async def close_it() -> None:
            await ws.close(4003, "done")

        outcomes = await driver.gather(ws.receive(), ws.receive(10), close_it())

    assert [type(outcome) for outcome in outcomes] == [WebSocketDisconnect, WebSocketDisconnect, type(None)]


async def test_top_level_function_opens_a_websocket(sync_driver: Driver, server: str, ca: Certificates) -> None:
    with httpfast.websocket(server, verify=ca.client_context(), trust_env=False, params={"a": "b"}) as ws:
        ws.send_text("hello")

        assert ws.receive_text(5) == "hello"
        assert ws.response is not None
        assert ws.response.request.url.query == b"a=b"


# With a script


async def test_request_is_that_of_a_websocket(driver: Driver) -> None:
    with ScriptedPeer([Handshake(), EchoClose()]) as peer:
        client = driver.client(headers={"X-Of-Client": "1"})

        async with opened(client, f"{peer.url}/p", headers={"X-Own": "2"}, params={"q": "3"}, subprotocols=["a", "b"]):
            pass

        [[request]] = peer.requests
    lines = request.decode().lower().split("\r\n")
    assert lines[0] == "get /p?q=3 http/1.1"
    for line in (
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "x-of-client: 1",
        "x-own: 2",
    ):
        assert lines.count(line) == 1
    assert "sec-websocket-protocol: a, b" in lines
    assert sum(line.startswith(("connection:", "host:")) for line in lines) == 2


async def test_frame_that_came_with_the_handshake_is_received(driver: Driver) -> None:
    with ScriptedPeer([Handshake(early=frame(TEXT, b"early") + frame(BINARY, b"too")), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            assert await ws.receive_text(5) == "early"
            assert await ws.receive_bytes(5) == b"too"


async def test_ping_of_the_server_is_answered_though_nobody_receives(driver: Driver) -> None:
    answered = threading.Event()
    script = [Handshake(early=frame(PING, b"payload")), ExpectFrame(PONG, b"payload"), Signal(answered), EchoClose()]
    with ScriptedPeer(script) as peer:
        client = driver.client()

        async with opened(client, peer.url):
            assert await driver.blocking(answered.wait, 5)


async def test_close_frames_are_exchanged_before_the_connection_ends(driver: Driver) -> None:
    with ScriptedPeer([Handshake(), ExpectFrame(CLOSE, b"\x0f\xa4bye"), Send(close(4004)), Stall()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            await ws.close(4004, "bye")
            await ws.close(4005)


async def test_messages_before_the_close_of_the_server_are_received_first(driver: Driver) -> None:
    early = frame(TEXT, b"1") + frame(TEXT, b"2") + close(1001)
    with ScriptedPeer([Handshake(early=early), ExpectFrame(CLOSE, b"\x03\xe9"), Close()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            await until(client, lambda: ws.has_ended)
            assert [await ws.receive_text(), await ws.receive_text()] == ["1", "2"]
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()

    assert caught.value.code == 1001


async def test_close_frame_without_a_code_is_1005(driver: Driver) -> None:
    with ScriptedPeer([Handshake(early=frame(CLOSE)), ExpectFrame(CLOSE, b""), Close()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive(5)

    assert caught.value.code == 1005


@pytest.mark.parametrize("code", [0, 999, 5000, 65536])
async def test_code_that_cannot_be_sent_is_refused(driver: Driver, code: int) -> None:
    with ScriptedPeer([Handshake(), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            with pytest.raises(ValueError, match="4999"):
                await ws.close(code)


async def test_receive_times_out_and_goes_on(driver: Driver) -> None:
    go = threading.Event()
    with ScriptedPeer([Handshake(), WaitFor(go), Send(frame(TEXT, b"late")), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            for timeout in (0.02, 0.0):
                with pytest.raises(TimeoutError):
                    await ws.receive(timeout)
            go.set()
            assert await ws.receive_text(5) == "late"


async def test_keepalive_pings_are_sent_and_their_answers_noted(driver: Driver) -> None:
    enough = threading.Event()

    def answer(connection: Any) -> None:
        for _ in range(3):
            opcode, payload = read_frame(connection)
            assert opcode == PING
            connection.sock.sendall(frame(PONG, payload))
        enough.set()

    with ScriptedPeer([Handshake(), Call(answer), EchoClose()]) as peer:
        client = driver.client()

        async with opened(
            client, peer.url, keepalive_ping_interval_seconds=0.02, keepalive_ping_timeout_seconds=5.0
        ) as ws:
            assert await driver.blocking(enough.wait, 5)
            assert not ws.has_ended


async def test_ping_without_an_answer_ends_the_session(driver: Driver) -> None:
    with ScriptedPeer([Handshake(), Stall()]) as peer:
        client = driver.client()

        async with opened(
            client, peer.url, keepalive_ping_interval_seconds=0.02, keepalive_ping_timeout_seconds=0.05
        ) as ws:
            with pytest.raises(WebSocketNetworkError, match="not answered"):
                await ws.receive(5)
            with pytest.raises(WebSocketNetworkError):
                await ws.send_text("x")


async def test_keepalive_ends_a_send_that_the_peer_does_not_take(driver: Driver) -> None:
    with ScriptedPeer([Handshake(), Stall()]) as peer:
        client = driver.client()

        async with opened(
            client, peer.url, keepalive_ping_interval_seconds=0.05, keepalive_ping_timeout_seconds=0.05
        ) as ws:
            with pytest.raises(WebSocketNetworkError):
                await send_much(ws)


async def test_close_ends_a_send_that_the_peer_does_not_take(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_conversation, "CLOSE_TIMEOUT", 0.05)
    with ScriptedPeer([Handshake(), Stall()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:

            async def close_it() -> None:
                with pytest.raises(TimeoutError):
                    await ws.receive(0.1)
                await ws.close()

            sent, closed = await driver.gather(send_much(ws), close_it())

    assert isinstance(sent, WebSocketDisconnect)
    assert closed is None


async def test_error_in_the_block_closes_the_websocket_and_is_raised_as_it_is(driver: Driver) -> None:
    with ScriptedPeer([Handshake(), EchoClose()]) as peer:
        client = driver.client()

        with pytest.raises(KeyError):
            async with opened(client, peer.url):
                raise KeyError("x")


async def test_redirect_leads_to_the_websocket_with_auth(driver: Driver) -> None:
    redirect = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(redirect), Handshake(), EchoClose()]) as peer:
        client = driver.client(auth=("user", "password"))

        async with opened(client, peer.url, follow_redirects=True) as ws:
            assert ws.session.response.history[0].status_code == 307

        [requests] = peer.requests
    assert requests[1].startswith(b"GET /other ")
    assert all(b"authorization: basic" in request.lower() for request in requests)


async def test_cancellation_leaves_nothing_behind(loop_driver: Driver) -> None:
    with ScriptedPeer([Handshake(), ExpectFrame(CLOSE), Stall()]) as peer:
        client = loop_driver.client()
        is_open = asyncio.Event()

        async def use() -> None:
            async with opened(client, peer.url) as ws:
                is_open.set()
                await ws.receive()

        task = asyncio.create_task(use())
        await is_open.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert client.counts == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_receive_loses_no_message(loop_driver: Driver) -> None:
    go = threading.Event()
    with ScriptedPeer([Handshake(), WaitFor(go), Send(frame(TEXT, b"kept")), EchoClose()]) as peer:
        client = loop_driver.client()

        async with opened(client, peer.url) as ws:
            task = asyncio.create_task(ws.receive())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go.set()

            assert await ws.receive_text(5) == "kept"
