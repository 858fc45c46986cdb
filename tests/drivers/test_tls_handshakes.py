"""TLS handshakes that go wrong, names in them, and what keeps connections over TLS apart.

Rows TLS-03 to TLS-07 of the catalogue of known attacks on clients.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..certificates import HOST, Authority
from ..names import Names
from ..peers import Call, Close, PeerConnection, ReadRequest, Reset, ScriptedPeer, Send, Stall, StartTLS, Step
from ..proxies.scripts import KINDS, TUNNEL, ReadConnect, Relay, proxy, url_of
from ..tls_peers import AnswerInRecords, BreakHandshake, Drip, ReadHello
from .facade import Caller, Driver
from .leaks import open_sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK_AND_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
ROUTES = ("direct", *KINDS)
STATM = "/proc/self/statm"
MEMORY_ROUNDS = 3


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest, authority: Authority) -> Iterator[dict[str, Any]]:
    """The arguments of a transport that goes a way."""
    if request.param == "direct":
        yield {}
        return
    with proxy(request.param, authority.server_context("localhost")) as peer:
        yield {"proxy": httpfast.Proxy(url_of(request.param, peer), ssl_context=authority.client_context())}


def client_of(driver: Driver, verify: ssl.SSLContext | bool, timeout: float = 5.0, **route: Any) -> Caller:
    return driver.client(transport=driver.transport(verify=verify, **route), timeout=timeout)


# TLS-03: whether certificates are checked is a transport's own


@pytest.mark.parametrize("first", ["careless", "careful"])
async def test_careless_transport_lends_no_connection_to_a_careful_one(
    driver: Driver, route: dict[str, Any], authority: Authority, first: str
) -> None:
    """[TLS-03] The same client, the same origin, one connection open and idle."""
    with ScriptedPeer(
        *[
            [
                StartTLS(authority.server_context("wrong name"), may_fail=True),
                ReadRequest(),
                Send(OK),
                ReadRequest(),
                Send(OK),
            ]
        ]
        if first == "careless"
        else [[StartTLS(authority.server_context("wrong name"), may_fail=True)]],
        [StartTLS(authority.server_context("wrong name"), may_fail=True)],
    ) as origin:
        careless = driver.transport(verify=False, **route)
        careful = driver.transport(verify=authority.client_context(), **route)
        client = driver.client(transport=careless, mounts={"https://127.0.0.1": careful})
        trusting, checking = f"https://localhost:{origin.port}", f"https://127.0.0.1:{origin.port}"

        if first == "careless":
            assert (await client.get(trusting)).text == "ok"
        with pytest.raises(httpfast.ConnectError, match="certificate verify failed"):
            await client.get(checking)
        if first == "careless":
            assert (await client.get(trusting)).text == "ok"
        await client.rest()

        assert origin.connections == (2 if first == "careless" else 1)


# TLS-04: names in the handshake


NAMES = {
    "sharp s": ("fa\u00df.example", "xn--fa-hia.example"),
    "zero width non-joiner": ("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "xn--mgba3gch31f060k.example"),
    "ideographic full stop": ("name\u3002example", "name.example"),
    "capitals": ("B\u00dcCHER.Example", "xn--bcher-kva.example"),
    "final dot": ("name.example.", "name.example"),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("place", ["host", "sni_hostname"])
async def test_name_in_the_handshake_is_the_a_label(
    driver: Driver,
    route: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    kind: str,
    place: str,
) -> None:
    """[TLS-04] By IDNA 2008, in SNI and in the certificate check; the ssl module alone would take IDNA 2003."""
    host, name = NAMES[kind]
    if place == "sni_hostname":
        # ASCII in the extension is taken as it is.
        host = host.rstrip(".")
    Names(monkeypatch, driver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue(name).load_into(context)
    seen: list[str | None] = []
    context.sni_callback = lambda sock, name, context: seen.append(name)
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=context) as origin:
        client = client_of(driver, authority.client_context(), **route)
        if place == "host":
            response = await client.get(f"https://{host}:{origin.port}")
        else:
            response = await client.get(f"https://{HOST}:{origin.port}", extensions={"sni_hostname": host})

        assert response.text == "ok"
        assert seen == [name]
        await client.rest()


@pytest.mark.parametrize(
    "name", [".", ".name.example", "name..example", "a" * 64 + ".example"], ids=["dot", "dot first", "two dots", "long"]
)
async def test_name_that_tls_cannot_carry_is_a_connect_error(
    driver: Driver, embedded_server: EmbeddedServer, context: ssl.SSLContext, name: str
) -> None:
    """[TLS-04]"""
    client = client_of(driver, context)

    with pytest.raises(httpfast.ConnectError):
        await client.get(f"{embedded_server.tls_url}/json", extensions={"sni_hostname": name})

    assert client.counts == (0, 0)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "name..example", ".example"], ids=["long", "two dots", "dot"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_host_that_cannot_be_looked_up_is_a_connect_error(driver: Driver, scheme: str, host: str) -> None:
    client = client_of(driver, False)

    with pytest.raises(httpfast.ConnectError):
        await client.get(f"{scheme}://{host}:1/")

    assert client.counts == (0, 0)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "name..example", ".example"], ids=["long", "two dots", "dot"])
async def test_host_that_tls_cannot_carry_is_a_connect_error(driver: Driver, route: dict[str, Any], host: str) -> None:
    client = client_of(driver, False, **route)

    with pytest.raises(httpfast.ConnectError):
        await client.get(f"https://{host}:1/")

    assert client.counts == (0, 0)


# TLS-05: client certificates, protocols


def requiring(authority: Authority, kind: str) -> ssl.SSLContext:
    """A server's context that asks for a certificate of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue(kind).load_into(context)
    context.load_verify_locations(cadata=authority.root.pem.decode("ascii"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def showing(authority: Authority, name: str) -> ssl.SSLContext:
    """A client's context with a certificate."""
    from cryptography.x509.oid import ExtendedKeyUsageOID

    context = authority.client_context()
    authority.issue(name, usage=ExtendedKeyUsageOID.CLIENT_AUTH).load_into(context)
    return context


def shown(connection: PeerConnection) -> str:
    """The name in the certificate that the client has shown."""
    assert isinstance(connection.sock, ssl.SSLSocket)
    certificate = connection.sock.getpeercert()
    assert certificate is not None
    return str(certificate["subject"][0][0][1])  # type: ignore[index]


async def test_clients_with_different_certificates_share_no_connection(
    driver: Driver, route: dict[str, Any], authority: Authority
) -> None:
    """[TLS-05]"""
    seen: list[str] = []
    script = [Call(lambda connection: seen.append(shown(connection))), ReadRequest(), Send(OK), ReadRequest(), Send(OK)]
    with ScriptedPeer(script, script, tls=requiring(authority, "localhost")) as origin:
        clients = [client_of(driver, showing(authority, name), **route) for name in ("alice", "bob")]

        for client in clients * 2:
            assert (await client.get(f"https://localhost:{origin.port}")).text == "ok"

        assert seen == ["alice", "bob"]
        for client in clients:
            await client.rest()


async def test_client_certificate_for_the_origin_is_not_shown_to_the_proxy(
    driver: Driver, authority: Authority
) -> None:
    """[TLS-05] Nor the other way round: each context is for one side."""
    seen: list[str] = []
    note = Call(lambda connection: seen.append(shown(connection)))
    with (
        ScriptedPeer([note, ReadRequest(), Send(OK)], tls=requiring(authority, "origin.example")) as origin,
        ScriptedPeer([note, ReadConnect(), Send(TUNNEL), Relay()], tls=requiring(authority, "localhost")) as peer,
    ):
        one = httpfast.Proxy(peer.url, ssl_context=showing(authority, "for the proxy"))
        client = client_of(driver, showing(authority, "for the origin"), proxy=one)

        response = await client.get(f"https://127.0.0.1:{origin.port}", extensions={"sni_hostname": "origin.example"})

        assert response.text == "ok"
        assert seen == ["for the proxy", "for the origin"]
        await client.rest()


async def test_missing_client_certificate_is_an_error(
    driver: Driver, route: dict[str, Any], authority: Authority
) -> None:
    """[TLS-05] By TLS 1.3 the server says so when the client has sent its request already."""
    steps = [StartTLS(requiring(authority, "localhost"), may_fail=True)]
    with ScriptedPeer(steps, repeats_last=True) as origin:
        client = client_of(driver, authority.client_context(), **route)

        with pytest.raises(
            (httpfast.ConnectError, httpfast.ReadError, httpfast.WriteError, httpfast.RemoteProtocolError)
        ):
            await client.get(f"https://localhost:{origin.port}")
        await client.rest()
        assert client.counts == (0, 0)


async def test_only_http_1_is_offered(driver: Driver, route: dict[str, Any], authority: Authority) -> None:
    """[TLS-05] The server prefers h2, which is not spoken."""
    seen: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue("localhost").load_into(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    note = Call(lambda connection: seen.append(connection.sock.selected_alpn_protocol()))  # type: ignore[attr-defined]
    with ScriptedPeer([note, ReadRequest(), Send(OK)], tls=context) as origin:
        client = client_of(driver, authority.client_context(), **route)

        assert (await client.get(f"https://localhost:{origin.port}")).text == "ok"
        assert seen == ["http/1.1"]
        await client.rest()


# TLS-06: handshakes that are none


def broken_steps(context: ssl.SSLContext, kind: str) -> list[Step]:
    return {
        "text first": [Send(b"220 ready\r\n")],
        "http": [ReadHello(), Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")],
        "http and close": [ReadHello(), Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), Close()],
        "text inside": [BreakHandshake(context, 90, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
        "text after the first flight": [BreakHandshake(context, 1 << 20, b"HTTP/1.1 200 OK\r\n\r\n")],
        "cut": [BreakHandshake(context, 90), Close()],
        "close at once": [Close()],
        "close after hello": [ReadHello(), Close()],
        "reset after hello": [ReadHello(), Reset()],
        "alert": [ReadHello(), Send(b"\x15\x03\x03\x00\x02\x02\x28")],
        "huge record": [ReadHello(), Send(b"\x16\x03\x03\xff\xff" + bytes(70_000))],
        "zeroes": [ReadHello(), Send(bytes(100))],
        "application data": [ReadHello(), Send(b"\x17\x03\x03\x00\x13" + b"HTTP/1.1 200 OK\r\n\r\n")],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "text first",
        "http",
        "http and close",
        "text inside",
        "text after the first flight",
        "cut",
        "close at once",
        "close after hello",
        "reset after hello",
        "alert",
        "huge record",
        "zeroes",
        "application data",
    ],
)
async def test_broken_handshake_is_a_connect_error_at_once(
    driver: Driver, route: dict[str, Any], authority: Authority, kind: str
) -> None:
    """[TLS-06] Also where the peer leaves the connection open."""
    with ScriptedPeer(
        broken_steps(authority.server_context("localhost"), kind),
        [StartTLS(authority.server_context("localhost")), ReadRequest(), Send(OK)],
    ) as origin:
        client = client_of(driver, authority.client_context(), **route)
        url = f"https://localhost:{origin.port}"

        started = monotonic()
        # By TLS 1.3 the client has done with the handshake after the first flight, and has begun to read.
        # What comes before the client has spoken may come with the proxy's reply.
        errors: dict[str, tuple[type[Exception], ...]] = {
            "text after the first flight": (httpfast.ReadError, httpfast.RemoteProtocolError),
            "text first": (httpfast.ConnectError, httpfast.ProxyError),
        }
        with pytest.raises(errors.get(kind, httpfast.ConnectError)):
            await client.get(url)

        assert monotonic() - started < 2
        assert client.counts == (0, 0)
        assert (await client.get(url)).text == "ok"
        await client.rest()


@pytest.mark.parametrize("kind", ["silent", "stalled", "dripping"])
async def test_handshake_that_does_not_end_is_a_connect_timeout_in_time(
    driver: Driver, route: dict[str, Any], authority: Authority, kind: str
) -> None:
    """[TLS-06] Octets that keep coming do not buy more time."""
    steps: dict[str, list[Step]] = {
        "silent": [Stall()],
        "stalled": [BreakHandshake(authority.server_context("localhost"), 90), Stall()],
        # A record of 16,000 octets, of which one comes from time to time.
        "dripping": [ReadHello(), Drip(b"\x00", 0.02, b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c\x03\x03")],
    }
    with ScriptedPeer(steps[kind]) as origin:
        client = client_of(driver, authority.client_context(), timeout=0.15, **route)

        started = monotonic()
        with pytest.raises(httpfast.ConnectTimeout):
            await client.get(f"https://localhost:{origin.port}")

        assert 0.1 < monotonic() - started < 1.0
        assert client.counts == (0, 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_octets_behind_the_handshake_do_no_harm(
    driver: Driver, route: dict[str, Any], authority: Authority, version: ssl.TLSVersion
) -> None:
    """[TLS-06] An answer before there is a request; by TLS 1.2 it comes with the end of the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue("localhost").load_into(context)
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with ScriptedPeer(
        [AnswerInRecords(context, [], late)],
        [StartTLS(context, may_fail=True), ReadRequest(), Send(OK_AND_CLOSE)],
        repeats_last=True,
    ) as origin:
        client = client_of(driver, authority.client_context(), **route)
        url = f"https://localhost:{origin.port}"

        with suppress(httpfast.RemoteProtocolError, httpfast.ReadError, httpfast.WriteError, httpfast.ConnectError):
            # 200 where the client has seen it in time, and has connected once more.
            assert (await client.get(url)).status_code in (200, 408)
        await client.rest()

        assert client.counts == (0, 0)
        assert (await client.get(url)).text == "ok"
        await client.rest()


# What comes behind a response is not the next one


@pytest.mark.parametrize(
    "records",
    [
        [OK + EVIL],
        [OK, EVIL],
        [OK, EVIL[:1]],
        [OK[:-2], b"ok" + EVIL],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n", b"o" * 8192 + EVIL],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n", b"o" * 8192, EVIL],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n", EVIL],
    ],
    ids=["one record", "two records", "one octet", "in the body", "long body", "long body, own record", "chunked"],
)
@pytest.mark.parametrize("reads", ["whole", "streamed"])
async def test_response_that_nobody_asked_for_is_given_to_nobody(
    driver: Driver, route: dict[str, Any], authority: Authority, records: list[bytes], reads: str
) -> None:
    """It comes in the same segment as the response before it, so that the socket has nothing more to read."""
    context = authority.server_context("localhost")
    with ScriptedPeer(
        [AnswerInRecords(context, [records])], [AnswerInRecords(context, [[OK]])], repeats_last=True
    ) as origin:
        client = client_of(driver, authority.client_context(), **route)
        url = f"https://localhost:{origin.port}"

        if reads == "whole":
            assert (await client.get(url)).text.strip("o") in ("", "k")
        else:
            async with client.stream("GET", url) as response:
                assert (await client.read(response)).strip(b"o") in (b"", b"k")
        await client.rest()

        assert (await client.get(url)).text == "ok"
        assert origin.connections == 2
        await client.rest()


# TLS-07: many of them


def resident_bytes() -> int:
    with open(STATM) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("way", ["direct", "https proxy", "inside a proxy"])
async def test_failing_handshakes_leave_no_descriptors_and_no_memory(
    driver: Driver, embedded_server: EmbeddedServer, authority: Authority, context: ssl.SSLContext, way: str
) -> None:
    """[TLS-07] A thousand for each driver. The embedded server is a process of its own; its tunnels are echoes."""
    routes: dict[str, dict[str, Any]] = {
        "direct": {},
        "https proxy": {"proxy": httpfast.Proxy(embedded_server.tls_url, ssl_context=authority.client_context())},
        "inside a proxy": {"proxy": httpfast.Proxy(embedded_server.tls_url, ssl_context=context)},
    }
    client = client_of(driver, authority.client_context(), **routes[way])
    url = f"{embedded_server.tls_url}/json"

    async def fail(times: int) -> None:
        for _ in range(times):
            with pytest.raises(httpfast.ConnectError):
                await client.get(url)
        await client.rest()

    warm_up, measured = (300, 400) if way == "direct" else (100, 100)
    await fail(warm_up)
    sockets = len(open_sockets())
    # What stays of each handshake shows in every round; what garbage waited to be collected takes, in one of them.
    growth = 0
    for _ in range(MEMORY_ROUNDS):
        resident = resident_bytes() if os.path.exists(STATM) else 0
        await fail(measured)
        # 2 KiB a handshake would be an object that stays; the allocator's own ups and downs are below that.
        growth = resident_bytes() - resident - (2048 * measured + (1 << 20)) if resident else -1
        if growth < 0:
            break

    assert client.counts == (0, 0)
    assert len(open_sockets()) <= sockets
    assert growth < 0
