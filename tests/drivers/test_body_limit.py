"""`max_body_bytes`: the most that a call reads into memory, as it comes and decoded. Row DEC-03 of the catalogue.

Over HTTP/1.1 and HTTP/2. What decoders do under a limit, and how much memory that takes, is in
`tests/api/test_decoders_catalogue.py`.
"""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import httpfast

from ..http2.frames import SETTINGS_ACK, data, headers, status
from ..http2.peer import Greet
from ..http2.peer import ReadRequest as ReadStream
from ..peers import Call, PeerConnection, ReadRequest, ScriptedPeer, Send
from .facade import Driver

LIMIT = 10_000
CODED = {
    "plain": (b"", lambda size: b"x" * size),
    "gzip": (b"gzip", lambda size: gzip.compress(b"x" * size)),
    "twice": (b"gzip, gzip", lambda size: gzip.compress(gzip.compress(b"x" * size))),
}
Answer = Callable[[bytes, bytes], list[Any]]


def by_length(coding: bytes, body: bytes) -> list[Any]:
    field = b"Content-Encoding: " + coding + b"\r\n" if coding else b""
    return [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: %d\r\n\r\n" % len(body) + body)]


def by_chunks(coding: bytes, body: bytes) -> list[Any]:
    field = b"Content-Encoding: " + coding + b"\r\n" if coding else b""
    head = b"HTTP/1.1 200 OK\r\n" + field + b"Transfer-Encoding: chunked\r\n\r\n"
    return [ReadRequest(), Send(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")]


def by_frames(coding: bytes, body: bytes) -> list[Any]:
    fields = ((b"content-encoding", coding),) if coding else ()
    pieces = [body[start : start + 16_384] for start in range(0, len(body), 16_384)]
    octets = b"".join(data(1, piece, ends=piece is pieces[-1]) for piece in pieces)
    return [Greet(), Send(SETTINGS_ACK), ReadStream(1), Send(headers(1, status(200, *fields)) + octets)]


ANSWERS: dict[str, Answer] = {"h1-sized": by_length, "h1-chunked": by_chunks, "h2": by_frames}


def client_of(driver: Driver, protocol: str, **arguments: Any) -> Any:
    return driver.client(http1=protocol != "h2", http2=protocol == "h2", **arguments)


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("protocol", ANSWERS)
@pytest.mark.parametrize("place", ["client", "call", "streamed"])
async def test_body_above_the_limit_is_an_error(driver: Driver, protocol: str, coding: str, place: str) -> None:
    """[DEC-03]"""
    name, make = CODED[coding]
    with ScriptedPeer(ANSWERS[protocol](name, make(LIMIT + 1))) as peer:
        client = client_of(driver, protocol, max_body_bytes=1 << 40 if place == "call" else LIMIT)
        extensions = {"max_body_bytes": LIMIT} if place == "call" else None

        async def call() -> None:
            if place == "streamed":
                await client.read(await client.open("GET", peer.url))
            else:
                await client.get(peer.url, extensions=extensions)

        with pytest.raises(httpfast.DecodingError, match="limit of 10000 bytes") as caught:
            await call()

        assert caught.value.request.url == peer.url
        await client.rest()
        assert client.counts[0] <= 1


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("protocol", ANSWERS)
async def test_body_at_the_limit_is_taken_and_its_connection_kept(driver: Driver, protocol: str, coding: str) -> None:
    """[DEC-03]"""
    name, make = CODED[coding]
    with ScriptedPeer(ANSWERS[protocol](name, make(LIMIT))) as peer:
        client = client_of(driver, protocol, max_body_bytes=LIMIT)

        response = await client.get(peer.url)

        assert response.content == b"x" * LIMIT
        await client.rest()
        assert client.counts == (1, 1)


@pytest.mark.parametrize("protocol", ANSWERS)
@pytest.mark.parametrize("way", ["iterated", "lifted"])
async def test_limit_is_not_for_what_is_iterated_over_nor_for_a_call_that_lifts_it(
    driver: Driver, protocol: str, way: str
) -> None:
    """[DEC-03] Who streams counts himself: events and downloads have no end that a client knows of."""
    with ScriptedPeer(ANSWERS[protocol](b"", b"x" * (LIMIT + 1))) as peer:
        client = client_of(driver, protocol, max_body_bytes=LIMIT)

        if way == "lifted":
            size = len((await client.get(peer.url, extensions={"max_body_bytes": None})).content)
        else:
            async with client.stream("GET", peer.url) as response:
                size = sum([len(piece) async for piece in client.pieces(response)])

        assert size == LIMIT + 1


async def test_endless_body_stops_at_the_limit(driver: Driver) -> None:
    """[DEC-03] (CVE-2025-13836): in little memory, whatever Content-Length promises."""
    size = 64 * 1024 * 1024

    def pour(connection: PeerConnection) -> None:
        try:
            for _ in range(size // 65_536):
                connection.sock.sendall(bytes(65_536))
        except OSError:
            return

    script = [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size), Call(pour)]
    with ScriptedPeer(script, [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]) as peer:
        client = driver.client(max_body_bytes=100_000)
        tracemalloc.start()
        try:
            with pytest.raises(httpfast.DecodingError, match="limit of 100000 bytes"):
                await client.get(peer.url)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert most < 8 * 1024 * 1024
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


@pytest.mark.parametrize(
    "challenge", [b"302 Found\r\nLocation: /on", b'401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"']
)
async def test_limit_holds_for_each_response_of_a_call(driver: Driver, challenge: bytes) -> None:
    """[DEC-03] The body that authentication has read; that of a redirect is no matter of the caller's."""
    first = b"HTTP/1.1 " + challenge + b"\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1)
    script = [ReadRequest(), Send(first)]
    is_redirect = challenge.startswith(b"302")
    if is_redirect:
        script += [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]
    with ScriptedPeer(script) as peer:
        client = driver.client(max_body_bytes=LIMIT, follow_redirects=True, auth=httpfast.DigestAuth("u", "p"))

        if is_redirect:
            assert (await client.get(peer.url)).text == "ok"
        else:
            with pytest.raises(httpfast.DecodingError, match="limit of 10000 bytes"):
                await client.get(peer.url)


def test_transport_that_gives_bodies_whole_is_held_to_the_limit() -> None:
    """[DEC-03] There is nothing left to save then, but a limit is a limit."""
    transport = httpfast.MockTransport(lambda request: httpfast.Response(200, content=b"x" * 11))

    with httpfast.Client(transport=transport, max_body_bytes=10) as client:
        with pytest.raises(httpfast.DecodingError, match="limit of 10 bytes") as caught:
            client.get("https://a.example/")
        assert caught.value.request.url == "https://a.example/"
        client.max_body_bytes = 11
        assert client.get("https://a.example/").content == b"x" * 11
        client.max_body_bytes = None
        assert client.get("https://a.example/").content == b"x" * 11
