"""`Timeout(total=)` ends a call in time, whatever a peer does to keep it going: row POOL-08 of the catalogue.

Each peer here gives or takes an octet now and then, so that no other timeout fires. A blocking name look-up is the one
thing that cannot be interrupted; it is not here.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

import httpfast

from ..peers import PeerConnection, ReadHead, ReadRequest, ScriptedPeer, Send, Stall, Step
from .facade import Caller, Driver

TOTAL = 0.15
LATE = 0.25
"""Seconds after the deadline within which the call has to end."""
ATTEMPTS = 3
"""A machine that is busy with something else may be late once; a client that misses its deadline is so each time."""

INTERVAL = 0.01
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHALLENGE = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\nContent-Length: 1000\r\n\r\n'
HOP = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Drip(Step):
    """Send `octets`, again and again, one of `size` octets at a time, until the client closes or the peer stops."""

    octets: bytes = b"x"
    size: int = 1

    def run(self, connection: PeerConnection) -> None:
        sent = 0
        connection.sock.settimeout(5)
        while not connection.peer.stopping.wait(INTERVAL):
            start = sent % len(self.octets)
            try:
                connection.sock.sendall(self.octets[start : start + self.size])
            except OSError:
                return
            sent += self.size


@dataclass(frozen=True)
class Sip(Step):
    """Read an octet now and then, until the client closes or the peer stops."""

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(5)
        while not connection.peer.stopping.wait(INTERVAL):
            try:
                if not connection.sock.recv(1):
                    return
            except OSError:
                return


@dataclass(frozen=True)
class Hop(Step):
    """Redirect each request to itself, a little later, until the client closes or the peer stops."""

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(5)
        while not connection.peer.stopping.wait(INTERVAL):
            try:
                if not connection.sock.recv(65536):
                    return
                connection.sock.sendall(HOP)
            except OSError:
                return


@dataclass(frozen=True)
class Case:
    """What a peer does, and what is asked of it."""

    steps: tuple[Step, ...]
    call: Callable[[Caller, str], Awaitable[Any]]
    way: str = "direct"


async def get(client: Caller, url: str) -> None:
    await client.get(url, follow_redirects=True)


async def get_by_digest(client: Caller, url: str) -> None:
    await client.get(url, auth=httpfast.DigestAuth("user", "pw"))


async def read(client: Caller, url: str) -> None:
    async with client.stream("GET", url) as response:
        await client.read(response)


async def iterate(client: Caller, url: str) -> None:
    async with client.stream("GET", url) as response, aclosing(client.pieces(response)) as pieces:
        async for _ in pieces:
            pass


async def iterate_in_pieces(client: Caller, url: str) -> None:
    async with client.stream("GET", url) as response:
        pieces: AsyncGenerator[bytes, None] = client.pieces(response, 1_000_000)
        async with aclosing(pieces):
            async for _ in pieces:
                pass


LARGE = bytes(1_000_000)


async def post(client: Caller, url: str) -> None:
    await client.post(url, content=LARGE * 20)


async def post_pieces(client: Caller, url: str) -> None:
    await client.post(url, content=client.driver.body([LARGE] * 20))


async def post_after_continue(client: Caller, url: str) -> None:
    await client.post(url, content=b"body", headers={"Expect": "100-continue"})


SIZED = Send(HEAD + b"Content-Length: 1000000\r\n\r\n")
CASES = {
    "status line": Case((ReadRequest(), Drip(HEAD[:-2] + b"x" * 10_000)), get),
    "fields": Case((ReadRequest(), Send(HEAD), Drip(b"X-A: bcd\r\n")), get),
    "one field": Case((ReadRequest(), Send(HEAD + b"X-A: "), Drip()), get),
    "early hints": Case((ReadRequest(), Drip(b"HTTP/1.1 103 Early Hints\r\n\r\n", 7)), get),
    "sized": Case((ReadRequest(), SIZED, Drip()), get),
    "sized, read": Case((ReadRequest(), SIZED, Drip()), read),
    "sized, iterated": Case((ReadRequest(), SIZED, Drip()), iterate),
    "sized, in pieces": Case((ReadRequest(), SIZED, Drip()), iterate_in_pieces),
    "chunks": Case((ReadRequest(), Send(CHUNKED), Drip(b"1\r\nx\r\n")), get),
    "chunks, iterated": Case((ReadRequest(), Send(CHUNKED), Drip(b"1\r\nx\r\n")), iterate),
    "chunk": Case((ReadRequest(), Send(CHUNKED + b"fffff\r\n"), Drip()), get),
    "chunk extension": Case((ReadRequest(), Send(CHUNKED + b"5;a="), Drip()), get),
    "trailer": Case((ReadRequest(), Send(CHUNKED + b"0\r\n"), Drip(b"X-A: bcd\r\n")), get),
    "until close": Case((ReadRequest(), Send(HEAD + b"\r\n"), Drip()), get),
    "body of a redirect": Case(
        (ReadRequest(), Send(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000\r\n\r\n"), Drip()), get
    ),
    "body of a 401": Case((ReadRequest(), Send(CHALLENGE), Drip()), get_by_digest),
    "redirects": Case((Hop(),), get),
    "upload that nobody reads": Case((ReadHead(), Stall()), post),
    "upload that is sipped": Case((ReadHead(), Sip()), post),
    "streamed upload that nobody reads": Case((ReadHead(), Stall()), post_pieces),
    "streamed upload that is sipped": Case((ReadHead(), Sip()), post_pieces),
    "no 100 Continue": Case((ReadHead(), Stall()), post_after_continue),
    "handshake": Case((Stall(),), get, "tls"),
    "handshake in octets": Case((Send(b"\x16\x03\x03\x40\x00"), Drip(b"\x02")), get, "tls"),
    "CONNECT": Case((ReadRequest(), Send(HEAD), Drip(b"X-A: bcd\r\n")), get, "connect"),
    "CONNECT, then the handshake": Case((ReadRequest(), Send(HEAD + b"\r\n"), Stall()), get, "connect"),
    "answer through a proxy": Case((ReadRequest(), SIZED, Drip()), get, "forward"),
    "SOCKS": Case((Drip(b"\x05\x00" + b"\x05\x00\x00\x03\xff" + bytes(300)),), get, "socks"),
}


@pytest.mark.parametrize("name", CASES)
async def test_call_ends_in_time(request: pytest.FixtureRequest, driver: Driver, name: str) -> None:
    """POOL-08"""
    if CASES[name].way == "socks":
        pytest.importorskip("socksio", reason="socksio is not installed")

    for _ in range(ATTEMPTS):
        if await lateness(driver, CASES[name]) < LATE:
            return

    pytest.fail(f"{ATTEMPTS} of {ATTEMPTS} calls ended more than {LATE} s after their deadline")


async def lateness(driver: Driver, case: Case) -> float:
    """Seconds from the deadline to the end of the call."""
    with ScriptedPeer(case.steps, [ReadRequest(), Send(OK)]) as peer:
        settings: dict[str, Any] = {}
        url = peer.url
        if case.way == "tls":
            url = peer.url.replace("http:", "https:")
        elif case.way != "direct":
            settings["proxy"] = peer.url.replace("http:", "socks5:") if case.way == "socks" else peer.url
            url = "https://a.example/" if case.way == "connect" else "http://a.example/"
        client = driver.client(timeout=httpfast.Timeout(5, total=TOTAL), **settings)

        started = monotonic()
        with pytest.raises(httpfast.TimeoutException) as caught:
            await case.call(client, url)
        late = monotonic() - started - TOTAL

        assert late > -0.02
        assert caught.value.request is not None
        await client.rest()
        assert client.counts == (0, 0)
        # The pool is as good as new; what follows has a deadline of its own.
        if case.way in ("direct", "forward"):
            assert (await client.get(url, timeout=5)).text == "ok"
        else:
            with socket.create_connection((peer.host, peer.port)) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return late


async def test_deadline_of_one_call_is_not_that_of_the_next(driver: Driver) -> None:
    """POOL-08"""
    with ScriptedPeer([step for _ in range(20) for step in (ReadRequest(), Send(OK))]) as peer:
        client = driver.client(timeout=httpfast.Timeout(5, total=2))
        request = client.build_request("GET", peer.url)

        started = monotonic()
        for _ in range(20):
            assert (await client.send(request)).text == "ok"
            assert request.extensions["deadline"] >= started + 2


async def test_deadline_that_has_passed_ends_a_call_before_it_begins(driver: Driver) -> None:
    """POOL-08"""
    with ScriptedPeer([], repeats_last=True) as peer:
        client = driver.client(timeout=httpfast.Timeout(5, total=0))

        started = monotonic()
        with pytest.raises(httpfast.TimeoutException):
            await client.get(peer.url)

        assert monotonic() - started < LATE
        await client.rest()
        assert client.counts == (0, 0)
