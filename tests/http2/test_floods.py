"""HTTP/2 of the client, RFC 9113, 10.5: a server that sends frames without end that bring nothing."""

from __future__ import annotations

import tracemalloc

import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send, Step, WaitForClose
from .floods import FLOODS
from .frames import (
    Code,
    Kind,
    answer,
    continuation,
    data,
    headers,
    ping,
    rst_stream,
    settings,
    status,
    window_update,
)
from .peer import Greet, Peer, Read, ReadGoaway, ReadRequest, ReadReset
from .scenarios import ANSWER

HEAD = headers(1, status(200))


@pytest.mark.parametrize("name", FLOODS)
async def test_flood_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 10.5. [H2-07] CVE-2019-9511 to -9518: after 1,000 frames in a row, with ENHANCE_YOUR_CALM."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(HEAD + FLOODS[name] * 3_000),
        ReadGoaway(Code.ENHANCE_YOUR_CALM),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2
        assert len(peer.frames(0)) < 1_200, "it was answered for longer than that"
        await client.rest()
        assert client.counts == (1, 1)


@pytest.mark.parametrize("name", ["rst", "headers", "data", "window-updates"])
async def test_flood_on_streams_that_are_closed_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 10.5. [H2-07] CVE-2019-9514: frames for a stream that the client has reset are ignored, but counted."""
    floods = {
        "rst": rst_stream(1, Code.CANCEL),
        "headers": headers(1, b"\x88"),
        "data": data(1, b""),
        "window-updates": window_update(1, 1),
    }
    script = [
        Greet(),
        ReadRequest(1),
        Send(HEAD + data(1, b"x")),
        ReadReset(1, Code.CANCEL),
        ReadRequest(3),
        Send(floods[name] * 3_000),
        ReadGoaway(Code.ENHANCE_YOUR_CALM),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)
        await client.close_response(await client.open("GET", peer.url))

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.post(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


async def test_flood_that_brings_something_now_and_then_goes_on(driver: Driver) -> None:
    """RFC 9113, 10.5. [H2-07] 2,000 PINGs among DATA are no flood: some servers measure so."""
    script: list[Step] = [Greet(), ReadRequest(1), Send(HEAD)]
    for i in range(10):
        last = b"round %2d" % i
        script += [Send((ping() * 2 + data(1, b"x")) * 100 + ping(last)), Read(Kind.PING, payload=last)]
    with Peer([*script, Send(data(1, b"", ends=True)), ReadRequest(3), Send(answer(3))]) as peer:
        client = driver.client(http1=False)

        assert (await client.get(peer.url)).content == b"x" * 1_000
        assert (await client.get(peer.url)).text == "ok"

        assert len(peer.frames(kind=Kind.PING)) == 2_010
        assert peer.connections == 1


@pytest.mark.parametrize("piece", [b"", b"\x00\x01a\x01b", b"x" * 16_000], ids=["empty", "small", "large"])
async def test_continuation_flood_ends_the_connection(driver: Driver, piece: bytes) -> None:
    """RFC 9113, 6.10 and 10.5. [H2-02] CVE-2023-45288: no more than 16 frames, nor 256 KiB, of one block."""
    octets = headers(1, b"\x88" + (b"\x00\x01a\x7f\xe1\xff\x3f" if len(piece) > 99 else b""), is_whole=False)
    script = [
        Greet(),
        ReadRequest(1),
        Send(octets + continuation(1, piece, is_whole=False) * 1_000),
        ReadGoaway(Code.ENHANCE_YOUR_CALM),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="CONTINUATION"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


async def test_continuation_flood_on_a_stream_that_was_reset_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.10. [H2-02] CVE-2024-28182: nobody wants the block, but it has to end all the same."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(HEAD + data(1, b"x")),
        ReadReset(1, Code.CANCEL),
        ReadRequest(3),
        Send(headers(1, b"", is_whole=False) + continuation(1, b"", is_whole=False) * 1_000),
        ReadGoaway(Code.ENHANCE_YOUR_CALM),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)
        await client.close_response(await client.open("GET", peer.url))

        with pytest.raises(httpfast.RemoteProtocolError, match="CONTINUATION"):
            await client.post(peer.url)

        assert (await client.get(peer.url)).text == "ok"


async def test_continuation_flood_takes_little_memory(driver: Driver) -> None:
    """RFC 9113, 10.5.1. [H2-02] Less than 1 MiB is held of a block of 16 MB."""
    flood = continuation(1, b"x" * 16_384, is_whole=False) * 1_000
    script = [Greet(), ReadRequest(1), Send(headers(1, b"\x88", is_whole=False)), Send(flood), WaitForClose()]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        tracemalloc.start()
        try:
            with pytest.raises(httpfast.RemoteProtocolError):
                await client.get(peer.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < 2 * 1024 * 1024, "of which the peer in this process has its share"


@pytest.mark.parametrize("asked", [ping(), settings()], ids=["ping", "settings"])
async def test_answers_that_the_server_does_not_read_are_bounded(driver: Driver, asked: bytes) -> None:
    """RFC 9113, 10.5. [H2-07] CVE-2019-9512, -9515: something comes between the questions: no plain flood.

    The server reads nothing. Answers queue, first in the system's buffers, then in the client, until it has enough.
    """
    piece = (asked * 900 + data(1, b"x")) * 20
    script: list[Step] = [Greet(), ReadRequest(1), Send(HEAD), *[Send(piece)] * 600, WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False, timeout=15)

        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ReadError, httpfast.WriteError)):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


async def test_streams_that_end_in_errors_do_not_add_up(driver: Driver) -> None:
    """[H2-08] CVE-2025-8671: a server that makes us reset each stream finds the next one as good as the first."""
    script: list[Step] = [Greet()]
    for stream in range(1, 201, 2):
        script += [ReadRequest(stream), Send(window_update(stream, 0)), ReadReset(stream, Code.PROTOCOL_ERROR)]
    with Peer([*script, ReadRequest(201), Send(answer(201))]) as peer:
        client = driver.client(http1=False)

        for _ in range(100):
            with pytest.raises(httpfast.RemoteProtocolError):
                await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert len(peer.heads()) == 101
