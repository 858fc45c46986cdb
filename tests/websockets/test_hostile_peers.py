"""Peers that break the protocol: each is refused with the right code, and an exception of the tree."""

from __future__ import annotations

import struct

import pytest

import httpfast

pytest.importorskip("wsproto", reason="wsproto is not installed")

from httpfast.websockets import (
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketNetworkError,
    WebSocketUpgradeError,
    _conversation,
)

from ..drivers.facade import Driver
from ..peers import Close, ReadRequest, Reset, ScriptedPeer, Send, Stall, Step
from .frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, EchoClose, ExpectFrame, Handshake, close, frame
from .sessions import opened

BREACHES = {
    "unknown data opcode": (frame(3, b"x"), 1002),
    "unknown control opcode": (frame(11, b"x"), 1002),
    "masked": (frame(TEXT, b"x", mask=b"abcd"), 1002),
    "reserved bit": (frame(TEXT, b"x", rsv=4), 1002),
    "control frame of 126 octets": (frame(PING, b"x" * 126), 1002),
    "control frame in fragments": (frame(PING, b"x", fin=False), 1002),
    "continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "text within text": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "length in more octets than it needs": (b"\x82\x7e\x00\x05hello", 1002),
    "length of 64 bits in more octets than it needs": (b"\x82\x7f" + struct.pack("!Q", 5) + b"hello", 1002),
    "length with its top bit": (b"\x82\x7f" + struct.pack("!Q", 1 << 63), 1002),
    "text that is no UTF-8": (frame(TEXT, b"\xff"), 1007),
    "text that ends within a character": (frame(TEXT, b"\xe2\x82"), 1007),
    "text in fragments that is no UTF-8": (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"\xc0\x80"), 1007),
    "surrogates": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "Close of one octet": (frame(CLOSE, b"x"), 1002),
    "Close with a code below 1000": (close(999), 1002),
    "Close with a code for this side only": (close(1006), 1002),
    "Close with a reserved code": (close(1016), 1002),
    "Close with a reason that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "message too large": (frame(BINARY, b"x" * 1001), 1009),
    "announced as too large": (b"\x82\x7f" + struct.pack("!Q", 1 << 40) + b"x" * 2000, 1009),
    "fragments too large together": (
        frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"x" * 600, fin=False),
        1009,
    ),
    "text too large in octets": (frame(TEXT, "é".encode() * 501), 1009),
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_breach_is_answered_with_its_code_and_ends_the_session(driver: Driver, breach: str) -> None:
    octets, code = BREACHES[breach]
    farewell = ExpectFrame(CLOSE)
    with ScriptedPeer([Handshake(), Send(frame(TEXT, b"before") + octets), farewell]) as peer:
        client = driver.client()

        async with opened(client, peer.url, max_message_size_bytes=1000) as ws:
            assert await ws.receive_text(5) == "before"
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive(5)
            with pytest.raises(WebSocketDisconnect):
                await ws.receive(5)
            with pytest.raises(WebSocketDisconnect):
                await ws.send_text("after")

    assert caught.value.code == code
    assert struct.unpack("!H", farewell.seen[0][:2]) == (code,)


async def test_message_of_the_largest_size_arrives(driver: Driver) -> None:
    octets = frame(BINARY, b"x" * 600, fin=False) + frame(CONTINUATION, b"y" * 400) + frame(TEXT, "é".encode() * 500)
    with ScriptedPeer([Handshake(), Send(octets), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url, max_message_size_bytes=1000) as ws:
            assert await ws.receive_bytes(5) == b"x" * 600 + b"y" * 400
            assert await ws.receive_text(5) == "é" * 500
            await ws.close()


MESSAGE = frame(TEXT, b"hello", fin=False) + frame(PING, b"p") + frame(CONTINUATION, "é".encode())


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
async def test_connection_that_ends_within_a_message_is_a_network_error(driver: Driver, end: Step) -> None:
    scripts = [[Handshake(early=MESSAGE[:size]), end] for size in range(len(MESSAGE))]
    with ScriptedPeer(*scripts) as peer:
        client = driver.client()

        for _ in scripts:
            try:
                async with opened(client, peer.url) as ws:
                    with pytest.raises(WebSocketNetworkError):
                        await ws.receive(5)
            except httpfast.ReadError:
                # A reset may overtake what was sent before it.
                assert isinstance(end, Reset)


async def test_message_that_comes_octet_by_octet_is_whole(driver: Driver) -> None:
    with ScriptedPeer([Handshake(early=MESSAGE + close(4000, "bye"), chunk=1), Stall()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            assert await ws.receive_text(5) == "helloé"
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive(5)

    assert (caught.value.code, caught.value.reason) == (4000, "bye")


async def test_handshake_that_breaks_off_is_a_transport_error(driver: Driver) -> None:
    size = 129
    with ScriptedPeer(*([Handshake(size=cut), Close()] for cut in range(size))) as peer:
        client = driver.client()

        for _ in range(size):
            with pytest.raises(httpfast.TransportError):
                async with opened(client, peer.url):
                    pass


async def test_fragments_without_end_and_without_octets_take_no_memory(driver: Driver) -> None:
    flood = frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 100_000
    with ScriptedPeer([Handshake(), Send(flood), Send(frame(CONTINUATION, b"end")), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            assert await ws.receive_text(20) == "end"
            await ws.close()


async def test_flood_of_pings_is_answered_with_few_pongs(driver: Driver) -> None:
    flood = b"".join(frame(PING, b"%d" % number) for number in range(20_000))
    with ScriptedPeer([Handshake(), Send(flood), Send(frame(TEXT, b"end")), EchoClose()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            assert await ws.receive_text(20) == "end"
            await ws.close()


async def test_close_does_not_wait_long_for_a_peer_that_says_nothing(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conversation, "CLOSE_TIMEOUT", 0.05)
    with ScriptedPeer([Handshake(), Stall()]) as peer:
        client = driver.client()

        async with opened(client, peer.url) as ws:
            await ws.close(4001, "enough")
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()

    assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.parametrize(
    ("fields", "accept", "text"),
    [
        ((), "x" * 28, "Sec-WebSocket-Accept"),
        ((), "", "Sec-WebSocket-Accept"),
        (("Sec-WebSocket-Extensions: permessage-deflate",), None, "extension"),
        (("Sec-WebSocket-Protocol: other",), None, "'other'"),
        (("Sec-WebSocket-Protocol: a, b",), None, "not offered"),
    ],
)
async def test_answer_that_opens_no_websocket_is_an_upgrade_error(
    driver: Driver, fields: tuple[str, ...], accept: str | None, text: str
) -> None:
    with ScriptedPeer([Handshake(fields=fields, accept=accept), Stall()]) as peer:
        client = driver.client()

        with pytest.raises(WebSocketUpgradeError, match=text) as caught:
            async with opened(client, peer.url, subprotocols=["a", "b"]):
                pass

    assert caught.value.response.status_code == 101
    assert isinstance(caught.value, HTTPXWSException)


async def test_refusal_is_an_upgrade_error_with_its_response(driver: Driver) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope"

    with ScriptedPeer([ReadRequest(), Send(refusal), Stall()]) as peer:
        client = driver.client()

        with pytest.raises(WebSocketUpgradeError, match="403") as caught:
            async with opened(client, peer.url):
                pass

    assert (caught.value.response.status_code, caught.value.response.text) == (403, "nope")
