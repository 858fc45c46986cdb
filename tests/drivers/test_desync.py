"""A response answers its own request only: octets too many, too early, too few or too late (RFC 9112, 6.3, 8 and 9).

The row in brackets names the case in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import threading
import zlib
from typing import Any

import pytest

import httpfast
from bench.server import Certificates

from ..peers import (
    Call,
    Close,
    CloseNotify,
    PeerConnection,
    ReadRequest,
    Reset,
    ScriptedPeer,
    Send,
    Signal,
    Stall,
    Step,
    WaitFor,
    WaitForClose,
)
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
SECOND = [ReadRequest(), Send(OK)]


@pytest.mark.parametrize("head", [b"204 No Content", b"304 Not Modified", b"HEAD"])
@pytest.mark.parametrize("surplus", [b"evil", EVIL], ids=["octets", "response"])
async def test_body_where_none_may_be_is_not_the_next_answer(driver: Driver, head: bytes, surplus: bytes) -> None:
    """[H1-13]"""
    method, status = ("HEAD", b"200 OK") if head == b"HEAD" else ("GET", head)
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(surplus) + surplus
    with ScriptedPeer([ReadRequest(), Send(answer), WaitForClose(quiet=True)], SECOND) as peer:
        client = driver.client()

        first = await client.request(method, peer.url)
        second = await client.get(peer.url)

        assert first.content == b""
        assert second.text == "ok"
        assert peer.connections == 2


@pytest.mark.parametrize(
    "answer",
    [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
    ids=["sized", "chunked"],
)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_octets_behind_a_response_close_the_connection(driver: Driver, answer: bytes, is_stream: bool) -> None:
    """[H1-14] In the same segment."""
    with ScriptedPeer([ReadRequest(), Send(answer + EVIL), WaitForClose(quiet=True)], SECOND) as peer:
        client = driver.client()

        first = await client.open("GET", peer.url) if is_stream else await client.get(peer.url)
        assert await client.read(first) == b"ok"
        second = await client.get(peer.url)

        assert second.text == "ok"
        assert peer.connections == 2


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("is_seen", [False, True], ids=["unseen", "seen"])
async def test_unasked_octets_on_an_idle_connection_close_it(
    driver: Driver, ca: Certificates, is_tls: bool, is_seen: bool
) -> None:
    """[H1-15] Both when the loop has read them already and when they still wait in the socket."""
    go, sent = threading.Event(), threading.Event()
    script = [ReadRequest(), Send(OK), WaitFor(go), Send(EVIL), Signal(sent), WaitForClose(quiet=True)]
    with ScriptedPeer(script, SECOND, tls=ca.server_context() if is_tls else None) as peer:
        client = driver.client(verify=ca.client_context())
        await client.get(peer.url)

        go.set()
        assert sent.wait(5)
        if is_seen and driver.has_callbacks:
            # A turn of the loop on another matter, during which it also reads what has come.
            await driver.blocking(threading.Event().wait, 0.05)
            assert client.counts == (0, 0)
        else:
            threading.Event().wait(0.01)
        second = await client.get(peer.url)

        assert second.text == "ok"
        assert peer.connections == 2
        await client.close()


@pytest.mark.parametrize("end", [[Close()], [Reset()]], ids=["fin", "reset"])
@pytest.mark.parametrize("is_seen", [False, True], ids=["unseen", "seen"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_idle_connection_closed_by_the_peer_is_not_used(
    driver: Driver, end: list[Step], is_seen: bool, method: str
) -> None:
    """[H1-16] A request that was never written is safe to send on another connection, whatever its method."""
    go, gone = threading.Event(), threading.Event()
    with ScriptedPeer([ReadRequest(), Send(OK), WaitFor(go), *end, Signal(gone)], SECOND) as peer:
        client = driver.client()
        await client.get(peer.url)

        go.set()
        assert gone.wait(5)
        if is_seen and driver.has_callbacks:
            await driver.blocking(threading.Event().wait, 0.05)
        else:
            threading.Event().wait(0.01)
        response = await client.request(method, peer.url)

        assert response.text == "ok"
        assert peer.connections == 2


LATE_408 = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate"


async def test_408_of_an_idle_connection_is_no_answer(driver: Driver) -> None:
    """[H1-16] Sent before our request: it waits in the socket when the connection is taken from the pool."""
    go, gone = threading.Event(), threading.Event()
    with ScriptedPeer([ReadRequest(), Send(OK), WaitFor(go), Send(LATE_408), Close(), Signal(gone)], SECOND) as peer:
        client = driver.client()
        await client.get(peer.url)

        go.set()
        assert gone.wait(5)
        threading.Event().wait(0.01)
        response = await client.get(peer.url)

        assert (response.status_code, response.text) == (200, "ok")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_408_that_crosses_the_request_is_retried_once(driver: Driver, method: str) -> None:
    """[H1-16] It arrives after our request was written, as if in answer to it."""
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Send(LATE_408), Close()], SECOND) as peer:
        client = driver.client()
        await client.get(peer.url)

        response = await client.request(method, peer.url)

        assert (response.status_code, response.text) == (200, "ok")
        assert peer.connections == 2


async def test_408_on_a_new_connection_is_an_answer(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(LATE_408), Close()]) as peer:
        client = driver.client()

        response = await client.get(peer.url)

        assert (response.status_code, response.text) == (408, "late")


async def test_flood_of_informational_responses_is_a_protocol_error(driver: Driver) -> None:
    """[H1-17]"""
    flood = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 50_000
    with ScriptedPeer([ReadRequest(), Send(flood)]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError, match="informational"):
            await client.get(peer.url)


FRAMINGS: dict[str, bytes] = {
    "sized": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", list(FRAMINGS))
async def test_end_at_any_octet_is_a_protocol_error(driver: Driver, name: str, is_stream: bool) -> None:
    """[H1-20] Never a shorter body."""
    whole = FRAMINGS[name]
    scripts = [[ReadRequest(), Send(whole[:size]), Close()] for size in range(len(whole))]
    with ScriptedPeer(*scripts) as peer:
        client = driver.client()

        async def read() -> None:
            async with client.stream("GET", peer.url) as response:
                await client.read(response)

        for _ in scripts:
            with pytest.raises(httpfast.RemoteProtocolError):
                await (read() if is_stream else client.get(peer.url))
        await client.rest()

        assert client.counts == (0, 0)


async def test_end_within_a_coded_body_is_an_error(driver: Driver) -> None:
    """[H1-20] A close-delimited gzip body whose own end is missing."""
    body = zlib.compressobj(wbits=31)
    octets = body.compress(bytes(1000)) + body.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    scripts = [[ReadRequest(), Send(head + octets[:size]), Close()] for size in range(1, len(octets))]
    with ScriptedPeer(*scripts) as peer:
        client = driver.client()

        for _ in scripts:
            with pytest.raises(httpfast.DecodingError):
                await client.get(peer.url)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_reset_within_the_body_is_a_read_error(driver: Driver, is_stream: bool) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), Send(FRAMINGS["sized"][:-5]), WaitFor(go), Reset()]) as peer:
        client = driver.client()
        if is_stream:
            async with client.stream("GET", peer.url) as response:
                go.set()
                with pytest.raises(httpfast.ReadError):
                    await client.read(response)
        else:
            go.set()
            with pytest.raises((httpfast.ReadError, httpfast.RemoteProtocolError)):
                await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)


UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nsome of the body"


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_close_delimited_body_over_tls_needs_close_notify(
    driver: Driver, ca: Certificates, is_stream: bool
) -> None:
    """[H1-21]"""
    scripts = [[ReadRequest(), Send(UNTIL_CLOSE), Close()], [ReadRequest(), Send(UNTIL_CLOSE), CloseNotify(), Close()]]
    with ScriptedPeer(*scripts, tls=ca.server_context()) as peer:
        client = driver.client(verify=ca.client_context())

        async def body() -> bytes:
            if not is_stream:
                return (await client.get(peer.url)).content
            async with client.stream("GET", peer.url) as response:
                return await client.read(response)

        with pytest.raises(httpfast.RemoteProtocolError, match="close_notify"):
            await body()
        assert await body() == b"some of the body"
        await client.close()


@pytest.mark.parametrize("name", list(FRAMINGS))
async def test_framed_body_over_tls_needs_no_close_notify(driver: Driver, ca: Certificates, name: str) -> None:
    with ScriptedPeer([ReadRequest(), Send(FRAMINGS[name]), Close()], tls=ca.server_context()) as peer:
        client = driver.client(verify=ca.client_context())

        assert (await client.get(peer.url)).status_code == 200
        await client.close()


def endless(piece: bytes) -> Step:
    """Send a piece again and again, and note how much the client took before it closed."""

    def push(connection: PeerConnection) -> None:
        sent = 0
        block = piece * (65536 // len(piece) + 1)
        try:
            while sent < 64 * 1024 * 1024:
                connection.sock.sendall(block)
                sent += len(block)
        except OSError:
            pass
        connection.requests.append(b"%d" % sent)

    return Call(push)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"HTTP/1.1 200 "[:8] + b"1" * 10),
        (b"HTTP/1.1 200 ", b"reason"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"value"),
        (b"HTTP/1.1 200 OK\r\n", b"name"),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"extension"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a"),
        (b"HTTP/1.1 103 Hints\r\n", b"a: b\r\n"),
    ],
    ids=["version", "reason", "value", "name", "fields", "extension", "trailers", "trailer", "informational"],
)
async def test_endless_head_is_a_protocol_error(driver: Driver, start: bytes, piece: bytes) -> None:
    """[H1-07, H1-22, H1-23] Before 1 MiB is read; what the system's buffers hold comes on top."""
    with ScriptedPeer([ReadRequest(), Send(start), endless(piece)]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)
        peer.wait_until(lambda: len(peer.requests[0]) == 2)
        assert int(peer.requests[0][1]) < 16 * 1024 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[-24:]),
)
@pytest.mark.parametrize("is_split", [False, True], ids=["joined", "split"])
async def test_garbage_is_a_protocol_error_and_closes(driver: Driver, answer: bytes, is_split: bool) -> None:
    script = [ReadRequest(), Send(answer, chunk=1 if is_split else None), WaitForClose(quiet=True)]
    with ScriptedPeer(script, SECOND) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"


async def test_nothing_of_a_request_is_seen_by_the_next(driver: Driver) -> None:
    """[H1-28] Body, fields, method and framing of one request stay with it."""
    steps = [step for _ in range(5) for step in (ReadRequest(), Send(OK))]
    with ScriptedPeer(steps) as peer:
        client = driver.client()

        await client.put(
            peer.url + "/a", content=b"secret body", headers={"X-Secret": "1", "Authorization": "Bearer s"}
        )
        await client.get(peer.url + "/b")
        await client.post(peer.url + "/c", content=driver.body([b"chunk"]), headers={"X-Secret": "2"})
        await client.post(peer.url + "/d")
        await client.head(peer.url + "/e", headers={"X-Other": "3"})

        _, second, _, fourth, _ = peer.requests[0]
        assert peer.connections == 1
        for request in (second, fourth):
            assert b"ecret" not in request
            assert b"uthorization" not in request
            assert b"ransfer-" not in request
        assert b"Content-Length" not in second
        assert b"Content-Length: 0\r\n" in fourth


@pytest.mark.parametrize("after", [[Stall()], [Close()]], ids=["stays", "closes"])
async def test_octets_sent_before_any_request_are_no_answer(driver: Driver, after: list[Any]) -> None:
    """A server that speaks first speaks another protocol, or wants its answer to be taken for one to our request."""
    with ScriptedPeer([Send(EVIL), *after], repeats_last=True) as peer:
        client = driver.client(timeout=2)

        # What comes within the first exchange cannot be told from its answer; what follows that answer can.
        try:
            first = await client.get(peer.url)
        except httpfast.TransportError:
            return
        assert first.text == "evil"
        await client.rest()
        assert client.counts[0] <= 1
