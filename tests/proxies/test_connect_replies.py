"""What a proxy may answer to CONNECT, and what it may not (RFC 9110, 9.3.6); the octets that it is asked by.

[POOL-05] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import ssl
from time import monotonic
from typing import Any

import pytest

import httpfast
from bench.server import Certificates

from ..drivers.facade import Caller, Driver
from ..peers import Close, CloseNotify, HalfClose, ReadRequest, Reset, ScriptedPeer, Send, Stall, StartTLS, Step
from ..servers import client_context
from ..tls_peers import Drip
from .scripts import TUNNEL, ReadConnect

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def through(driver: Driver, peer: ScriptedPeer, verify: ssl.SSLContext | bool = False, **arguments: Any) -> Caller:
    """A client whose own transport goes through a peer, which has the run's certificate if it speaks TLS."""
    settings = {"ssl_context": client_context()} | arguments
    transport = driver.transport(verify=verify, proxy=httpfast.Proxy(peer.url, **settings))
    return driver.client(transport=transport)


def tunnelled(context: ssl.SSLContext) -> list[Step]:
    """What happens in a tunnel where the peer is the origin too."""
    return [StartTLS(context), ReadRequest(), Send(OK)]


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, ca: Certificates) -> ssl.SSLContext | None:
    """The proxy's own context; None for a plain one."""
    return ca.server_context() if request.param == "https" else None


@pytest.fixture(scope="session")
def server_context(ca: Certificates) -> ssl.SSLContext:
    return ca.server_context()


async def test_request_for_a_tunnel_octet_by_octet(
    driver: Driver, server_context: ssl.SSLContext, context: ssl.SSLContext
) -> None:
    with ScriptedPeer([ReadConnect(), Send(TUNNEL), *tunnelled(server_context)]) as peer:
        client = through(driver, peer, context, auth=("user", "pa:ss"), headers={"X-Proxy": "1"})

        response = await client.get("https://LOCALHOST:8443/path?a=b#c", headers={"X-Own": "2"})

        assert response.text == "ok"
        connect, request = peer.requests[0]
        assert connect == (
            b"CONNECT localhost:8443 HTTP/1.1\r\n"
            b"Host: localhost:8443\r\n"
            b"Accept: */*\r\n"
            b"Proxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n"
            b"X-Proxy: 1\r\n\r\n"
        )
        assert request.startswith(b"GET /path?a=b HTTP/1.1\r\nHost: localhost:8443\r\n")
        assert b"\r\nX-Own: 2\r\n" in request
        assert b"Proxy" not in request
        await client.rest()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://localhost/", b"localhost:443"),
        ("https://[::1]/", b"[::1]:443"),
        ("https://127.0.0.1:8443/", b"127.0.0.1:8443"),
        ("https://fa\u00df.example/", b"xn--fa-hia.example:443"),
        ("https://user:secret@localhost/", b"localhost:443"),
        ("https://localhost./", b"localhost.:443"),
    ],
)
async def test_target_of_a_tunnel(driver: Driver, url: str, target: bytes) -> None:
    with ScriptedPeer([ReadConnect(), Send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), Close()]) as peer:
        client = through(driver, peer)

        with pytest.raises(httpfast.ProxyError, match="403 Forbidden"):
            await client.get(url)

        assert peer.requests[0][0] == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n\r\n" % (target, target)


async def test_fields_for_the_proxy_take_the_place_of_its_defaults(driver: Driver) -> None:
    with ScriptedPeer([ReadConnect(), Close()]) as peer:
        client = through(driver, peer, headers={"Host": "other.example", "Accept": "text/plain"})

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get("https://localhost/")

        assert peer.requests[0][0] == (
            b"CONNECT localhost:443 HTTP/1.1\r\nHost: other.example\r\nAccept: text/plain\r\n\r\n"
        )


@pytest.mark.parametrize(
    "reply",
    [
        TUNNEL,
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 299 Fine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + TUNNEL,
        b"HTTP/1.1 200 OK\nServer: old\n\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
    ids=[
        "plain",
        "no reason",
        "HTTP/1.0",
        "204",
        "299",
        "Content-Length",
        "Transfer-Encoding",
        "close",
        "1xx first",
        "bare LF",
        "60 KB",
        "200 KB",
    ],
)
async def test_reply_that_opens_the_tunnel(
    driver: Driver, server_context: ssl.SSLContext, context: ssl.SSLContext, reply: bytes
) -> None:
    """[POOL-05] A length means nothing in a 2xx to CONNECT (RFC 9110, 9.3.6)."""
    with ScriptedPeer([ReadConnect(), Send(reply), *tunnelled(server_context), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer, context)

        for _ in range(2):
            assert (await client.get("https://localhost/")).text == "ok"
        await client.rest()

        assert client.counts == (1, 1)


async def test_reply_may_come_octet_by_octet(
    driver: Driver, server_context: ssl.SSLContext, context: ssl.SSLContext
) -> None:
    """[POOL-05]"""
    reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\n\r\n"
    with ScriptedPeer([ReadConnect(), Send(reply, chunk=1), *tunnelled(server_context)]) as peer:
        client = through(driver, peer, context)

        assert (await client.get("https://localhost/")).text == "ok"
        await client.rest()


async def test_reply_may_be_split_at_every_octet(
    driver: Driver, server_context: ssl.SSLContext, context: ssl.SSLContext
) -> None:
    """[POOL-05]"""
    reply = b"HTTP/1.1 200 OK\r\nVia: p\r\n\r\n"
    scripts = [
        [ReadConnect(), Send(reply[:at]), Send(reply[at:]), StartTLS(server_context), ReadRequest(), Send(LAST)]
        for at in range(1, len(reply))
    ]
    with ScriptedPeer(*scripts) as peer:
        client = through(driver, peer, context)

        for _ in scripts:
            assert (await client.get("https://localhost/")).text == "ok"
        await client.rest()

        assert client.counts == (0, 0)


@pytest.mark.parametrize(
    "status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway", b"302 Found"]
)
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 6\r\n\r\n<html>",
        b"Content-Length: 6000000\r\n\r\n<html>",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhtml>\r\n",
        b'Proxy-Authenticate: Basic realm="x"\r\nLocation: http://other.example/\r\n\r\n',
    ],
    ids=["empty", "body", "cut body", "chunked", "fields"],
)
async def test_refusal_is_a_proxy_error(driver: Driver, tls: ssl.SSLContext | None, status: bytes, rest: bytes) -> None:
    """[POOL-05] At once, whatever follows its head; credentials are not offered again, so 407 makes no loop."""
    refusal = [ReadConnect(), Send(b"HTTP/1.1 %b\r\n%b" % (status, rest))]
    plain = [ReadRequest(), Send(OK)]
    with ScriptedPeer(refusal, plain, tls=tls) as peer:
        client = through(driver, peer, auth=("user", "secret"))

        with pytest.raises(httpfast.ProxyError, match=f"^{status.decode()}$") as caught:
            await client.get("https://localhost/")

        assert caught.value.request.url == "https://localhost/"
        assert client.counts == (0, 0)
        assert (await client.get("http://localhost/")).text == "ok"
        assert peer.connections == 2
        await client.rest()


MALFORMED = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "HTTP/0.9": b"<html></html>\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "signed": b"HTTP/1.1 +20 OK\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "over 256 KiB": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    "over 1,000 fields": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1_001 + b"\r\n",
    "endless line": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2_000_000,
    "endless fields": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300_000,
    "endless 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_reply_is_a_protocol_error(driver: Driver, kind: str) -> None:
    """[POOL-05] The connection stays open at the other end: it is the client that gives up."""
    with ScriptedPeer([ReadConnect(), Send(MALFORMED[kind])], [ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer)

        started = monotonic()
        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get("https://localhost/")

        assert monotonic() - started < 2
        assert client.counts == (0, 0)
        assert (await client.get("http://localhost/")).text == "ok"
        await client.rest()


@pytest.mark.parametrize(
    "early", [b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"\x16\x03\x03\x00\x02ab"], ids=["text", "http", "tls"]
)
async def test_octets_that_come_with_the_reply_are_no_origins(
    driver: Driver, tls: ssl.SSLContext | None, early: bytes
) -> None:
    """[POOL-05] The client speaks first in a tunnel that TLS is spoken in."""
    with ScriptedPeer([ReadConnect(), Send(TUNNEL + early)], [ReadRequest(), Send(OK)], tls=tls) as peer:
        client = through(driver, peer)

        with pytest.raises((httpfast.ProxyError, httpfast.ConnectError)):
            await client.get("https://localhost/")

        assert client.counts == (0, 0)
        assert (await client.get("http://localhost/")).text == "ok"
        await client.rest()


@pytest.mark.parametrize("ending", [Close(), Reset(), HalfClose()], ids=["close", "reset", "half-close"])
async def test_end_at_every_octet_of_the_reply_is_an_error(
    driver: Driver, tls: ssl.SSLContext | None, ending: Step
) -> None:
    """[POOL-05]"""
    reply = b"HTTP/1.1 200 OK\r\nVia: p\r\n\r\n"
    scripts = [[ReadConnect(), Send(reply[:at]), ending] for at in range(len(reply))]
    with ScriptedPeer(*scripts, [ReadRequest(), Send(OK)], tls=tls) as peer:
        client = through(driver, peer)

        for _ in scripts:
            # A reset is the system's error, an end is the protocol's.
            with pytest.raises((httpfast.RemoteProtocolError, httpfast.ConnectError)):
                await client.get("https://localhost/")
            assert client.counts == (0, 0)

        assert (await client.get("http://localhost/")).text == "ok"
        await client.rest()


@pytest.mark.parametrize("ending", ["close", "reset", "close_notify"])
async def test_tunnel_that_ends_at_once_is_a_connect_error(
    driver: Driver, tls: ssl.SSLContext | None, ending: str
) -> None:
    """[POOL-05] Before TLS with the origin has begun, or a moment later: which it is, is left to chance, many times."""
    ends: dict[str, list[Step]] = {
        "close": [Close()],
        "reset": [Reset()],
        "close_notify": [CloseNotify(), Close()] if tls is not None else [HalfClose(), Close()],
    }
    with ScriptedPeer([ReadConnect(), Send(TUNNEL), *ends[ending]], tls=tls, repeats_last=True) as peer:
        client = through(driver, peer)

        for _ in range(20):
            with pytest.raises(httpfast.ConnectError):
                await client.get("https://localhost/")
            assert client.counts == (0, 0)

        assert peer.connections == 20


@pytest.mark.parametrize("kind", ["silent", "stalled", "dripping fields", "dripping 1xx"])
async def test_reply_that_does_not_end_is_a_connect_timeout_in_time(
    driver: Driver, tls: ssl.SSLContext | None, kind: str
) -> None:
    """[POOL-05]"""
    steps: dict[str, list[Step]] = {
        "silent": [Stall()],
        "stalled": [Send(b"HTTP/1.1 200 OK\r\nVia:"), Stall()],
        "dripping fields": [Drip(b"a", 0.02, b"HTTP/1.1 200 OK\r\nX: ")],
        "dripping 1xx": [Drip(b"HTTP/1.1 102 Processing\r\n\r\n", 0.02)],
    }
    with ScriptedPeer([ReadConnect(), *steps[kind]], tls=tls) as peer:
        client = through(driver, peer)

        started = monotonic()
        with pytest.raises(httpfast.ConnectTimeout):
            await client.get("https://localhost/", timeout=0.15)

        assert 0.1 < monotonic() - started < 1.0
        assert client.counts == (0, 0)


async def test_proxy_that_refuses_connections_is_a_connect_error(driver: Driver) -> None:
    client = driver.client(transport=driver.transport(proxy="http://127.0.0.1:1"))

    for url in ("http://localhost/", "https://localhost/"):
        with pytest.raises(httpfast.ConnectError):
            await client.get(url)

    assert client.counts == (0, 0)


async def test_retries_are_for_connections_not_for_refusals(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._transports.connector.BACKOFF", 0.01)
    refusal = [ReadConnect(), Send(b"HTTP/1.1 403 Forbidden\r\n\r\n"), Close()]
    with ScriptedPeer(refusal) as peer:
        client = driver.client(transport=driver.transport(proxy=peer.url, retries=3))

        with pytest.raises(httpfast.ProxyError):
            await client.get("https://localhost/")

        assert peer.connections == 1
