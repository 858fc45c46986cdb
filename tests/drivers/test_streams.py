"""Bodies that are read and written piece by piece: flat memory, back-pressure, giving up half-way."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing

import pytest

import httpfast
from bench.server import content

from ..conftest import Origin
from ..peers import Call, PeerConnection, ReadRequest, ScriptedPeer, Send, Signal, WaitFor, WaitForClose
from .facade import Driver

FLAT = 16 * 1024 * 1024
"""Octets that 100 MB may take at a time."""


async def test_stream_gives_the_body_in_pieces(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async with client.stream("GET", origin.large) as response:
        assert not response.is_closed
        pieces = [piece async for piece in client.pieces(response)]
        assert response.is_closed

    assert b"".join(pieces) == content(10_000_000)
    assert all(pieces)
    assert len(pieces) > 10
    assert response.num_bytes_downloaded == 10_000_000
    assert client.counts == (1, 1)


async def test_stream_read_gives_the_whole_body(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async with client.stream("GET", origin.chunked) as response:
        with pytest.raises(httpfast.ResponseNotRead):
            response.content  # noqa: B018 (the property raises)
        body = await client.read(response)

    assert body == response.content == content(100_000)
    assert (await client.get(origin.small)).headers["x-connection"] == response.headers["x-connection"]


async def test_stream_pieces_have_the_size_asked_for(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async with client.stream("GET", origin.chunked) as response:
        sizes = [len(piece) async for piece in client.pieces(response, 30_000)]

    assert sizes == [30_000, 30_000, 30_000, 10_000]


@pytest.mark.timeout(120)
async def test_download_of_100_mb_takes_flat_memory(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify, timeout=60)
    tracemalloc.start()
    try:
        total = 0
        async with client.stream("GET", origin.huge) as response:
            async for piece in client.pieces(response):
                total += len(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == 100_000_000
    assert peak < FLAT


@pytest.mark.timeout(120)
@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_upload_of_100_mb_takes_flat_memory(driver: Driver, origin: Origin, framing: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(1_000_000)

    client = driver.client(verify=origin.verify, timeout=60)
    headers = {"Content-Length": "100000000"} if framing == "sized" else {}
    tracemalloc.start()
    try:
        response = await client.post(origin.drain, content=driver.body(pieces()), headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.text == "100000000"
    assert peak < FLAT


async def test_unread_stream_stops_the_server(driver: Driver) -> None:
    """A caller that does not read holds a bounded number of octets, however much the peer would like to send."""
    begun, sent = threading.Event(), []

    def push(connection: PeerConnection) -> None:
        connection.sock.settimeout(0.5)
        piece = bytes(1024 * 1024)
        try:
            for _ in range(200):
                connection.sock.sendall(piece)
                sent.append(len(piece))
        except OSError:
            pass
        begun.set()

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(head), Call(push)]) as peer:
        client = driver.client()
        async with client.stream("GET", peer.url) as response, aclosing(client.pieces(response)) as pieces:
            await anext(pieces)
            await driver.blocking(begun.wait, 30)

        assert sum(sent) < 50 * 1024 * 1024
        await client.rest()
        assert client.counts == (0, 0)


async def test_stream_left_unread_closes_its_connection(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async with client.stream("GET", origin.large) as response:
        pass
    with pytest.raises(httpfast.StreamClosed):
        await client.read(response)
    await client.rest()
    after = await client.get(origin.small)

    assert client.counts == (1, 1)
    assert after.headers["x-connection"] != response.headers["x-connection"]


async def test_stream_left_half_read_closes_its_connection(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async with client.stream("GET", origin.large) as response, aclosing(client.pieces(response)) as pieces:
        await anext(pieces)
    with pytest.raises(httpfast.StreamConsumed):
        await client.read(response)
    await client.rest()

    assert (await client.get(origin.small)).content == content(1024)
    assert client.counts == (1, 1)


async def test_stream_with_a_short_body_left_unread_keeps_or_closes_cleanly(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    for _ in range(20):
        async with client.stream("GET", origin.small):
            pass
        assert (await client.get(origin.small)).content == content(1024)
    await client.rest()

    assert client.counts == (1, 1)


async def test_exception_in_the_stream_block_closes_the_response(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    with pytest.raises(ZeroDivisionError):
        async with client.stream("GET", origin.large) as response:
            raise ZeroDivisionError
    await client.rest()

    assert response.is_closed
    assert client.counts == (0, 0)


async def test_exception_in_the_body_iterator_closes_the_connection(driver: Driver, origin: Origin) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise ZeroDivisionError

    client = driver.client(verify=origin.verify)

    with pytest.raises(ZeroDivisionError):
        await client.post(origin.drain, content=driver.body(pieces()))
    await client.rest()

    assert client.counts == (0, 0)
    assert (await client.get(origin.small)).content == content(1024)


@pytest.mark.parametrize(
    ("length", "pieces"), [("5", [b"abc"]), ("5", [b"abc", b"def"]), ("0", [b"x"]), ("2", [])], ids=repr
)
async def test_body_that_breaks_its_content_length_is_a_local_error(
    driver: Driver, length: str, pieces: list[bytes]
) -> None:
    with ScriptedPeer([WaitForClose()], [ReadRequest(), Send(b"HTTP/1.1 204 No Content\r\n\r\n")]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.LocalProtocolError, match="Content-Length"):
            await client.post(peer.url, content=driver.body(pieces), headers={"Content-Length": length})
        await client.rest()

        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).status_code == 204


async def test_streams_side_by_side_are_not_mixed(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)
    responses = [await client.open("GET", origin.large, headers={"x-token": str(n)}) for n in range(4)]
    iterators = [client.pieces(response) for response in responses]
    bodies = [bytearray() for _ in responses]

    unfinished = set(range(4))
    while unfinished:
        for n in sorted(unfinished):
            try:
                bodies[n] += await anext(iterators[n])
            except StopAsyncIteration:
                unfinished.discard(n)

    assert [response.headers["x-token"] for response in responses] == ["0", "1", "2", "3"]
    assert all(body == content(10_000_000) for body in bodies)
    await client.rest()
    assert client.counts == (4, 4)


async def test_head_arrives_before_the_body(driver: Driver) -> None:
    seen, read = threading.Event(), threading.Event()
    script = [
        ReadRequest(),
        Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        WaitFor(seen),
        Send(b"3\r\none\r\n"),
        WaitFor(read),
        Send(b"3\r\ntwo\r\n0\r\n\r\n"),
        Signal(threading.Event()),
    ]
    with ScriptedPeer(script) as peer:
        client = driver.client()
        async with client.stream("GET", peer.url) as response:
            seen.set()
            pieces = client.pieces(response)
            assert await anext(pieces) == b"one"
            read.set()
            assert [piece async for piece in pieces] == [b"two"]


async def test_event_hook_sees_the_response_before_its_body(driver: Driver, origin: Origin) -> None:
    seen = []

    def note(response: httpfast.Response) -> None:
        seen.append((response.status_code, response.is_closed, "_content" in response.__dict__))

    async def note_async(response: httpfast.Response) -> None:
        note(response)

    client = driver.client(verify=origin.verify, event_hooks={"response": [note_async if driver.is_async else note]})

    response = await client.get(origin.large)

    assert seen == [(200, False, False)]
    assert response.content == content(10_000_000)
    assert client.counts == (1, 1)
