"""SOCKS5: what a proxy may answer, and what it may not (RFC 1928, RFC 1929); the octets that it is asked by.

[POOL-06] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from time import monotonic

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer

from ..drivers.facade import Caller, Driver
from ..names import Names
from ..peers import Close, HalfClose, ReadRequest, Reset, ScriptedPeer, Send, Stall, StartTLS, Step
from ..tls_peers import Drip
from .scripts import SOCKS_DONE, SOCKS_OPEN, ReadCommand, ReadGreeting, ReadLogin, Relay, socks_address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ASKS_LOGIN = b"\x05\x02"
LOGGED_IN = b"\x01\x00"
REASONS = {
    1: "General SOCKS server failure",
    2: "Connection not allowed by ruleset",
    3: "Network unreachable",
    4: "Host unreachable",
    5: "Connection refused",
    6: "TTL expired",
    7: "Command not supported",
    8: "Address type not supported",
    9: "Reply 9",
    255: "Reply 255",
}
GREETED: list[Step] = [ReadGreeting(), Send(SOCKS_OPEN), ReadCommand()]


def through(driver: Driver, peer: ScriptedPeer, credentials: str = "", verify: ssl.SSLContext | bool = False) -> Caller:
    """A client whose own transport goes through a peer."""
    proxy = f"socks5://{credentials}{peer.host}:{peer.port}"
    return driver.client(transport=driver.transport(verify=verify, proxy=proxy))


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_names_are_left_to_the_proxy(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, ca: Certificates, context: ssl.SSLContext, scheme: str
) -> None:
    """[POOL-06] Whatever the scheme says, and over TLS too: nothing is looked up here."""
    names = Names(monkeypatch, driver)
    script = [*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(OK)]
    with ScriptedPeer(script, [*GREETED, Send(SOCKS_DONE), StartTLS(ca.server_context()), *script[-2:]]) as peer:
        proxy = f"{scheme}://{peer.host}:{peer.port}"
        client = driver.client(transport=driver.transport(verify=context, proxy=proxy))

        assert (await client.get("http://name.example:8080/")).text == "ok"
        assert (await client.get("https://localhost/")).text == "ok"
        await client.rest()

        assert names.asked == []
        assert [requests[:2] for requests in peer.requests] == [
            [b"\x05\x01\x00", b"\x05\x01\x00" + socks_address("name.example", 8080)],
            [b"\x05\x01\x00", b"\x05\x01\x00" + socks_address("localhost", 443)],
        ]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01\x00\x50"),
        ("[::1]", b"\x04" + bytes(15) + b"\x01\x00\x50"),
        ("fa\u00df.example", socks_address("xn--fa-hia.example", 80)),
        ("NAME.example.", socks_address("name.example.", 80)),
        ("1.example", socks_address("1.example", 80)),
        ("a" * 63 + ".example", socks_address("a" * 63 + ".example", 80)),
    ],
    ids=["IPv4", "IPv6", "A-label", "final dot", "digit first", "long label"],
)
async def test_address_in_the_command(driver: Driver, host: str, address: bytes) -> None:
    with ScriptedPeer([*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer)

        assert (await client.get(f"http://{host}/")).text == "ok"
        assert peer.requests[0][1] == b"\x05\x01\x00" + address
        await client.rest()


async def test_longest_name_is_sent_and_one_octet_more_is_refused(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[POOL-06] Never cut, and never resolved here in its place (CVE-2023-38545)."""
    names = Names(monkeypatch, driver)
    longest = ".".join(["a" * 63] * 3 + ["b" * 63])
    assert len(longest) == 255
    with ScriptedPeer([*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(LAST)], repeats_last=False) as peer:
        client = through(driver, peer)
        assert (await client.get(f"http://{longest}/")).text == "ok"
        assert peer.requests[0][1] == b"\x05\x01\x00" + socks_address(longest, 80)
        await client.rest()
    with ScriptedPeer([]) as peer:
        client = through(driver, peer)
        for host in (longest + "c", "a." * 200 + "example", "a" * 65_535):
            with pytest.raises((httpfast.LocalProtocolError, httpfast.InvalidURL)):
                await client.get(f"http://{host}/")
        assert client.counts == (0, 0)
        assert peer.connections == 0
    assert names.asked == []


async def test_log_in_octet_by_octet(driver: Driver, embedded_server: EmbeddedServer) -> None:
    script = [
        ReadGreeting(),
        Send(ASKS_LOGIN, chunk=1),
        ReadLogin(),
        Send(LOGGED_IN, chunk=1),
        ReadCommand(),
        Send(SOCKS_DONE, chunk=1),
        Relay(embedded_server.port),
    ]
    with ScriptedPeer(script) as peer:
        client = through(driver, peer, "us%C3%A9r:pa%3Ass@")

        response = await client.get("http://name.example/echo")

        assert peer.requests[0][:2] == [b"\x05\x02\x00\x02", b"\x01\x05us\xc3\xa9r\x05pa:ss"]
        fields = {name.lower() for name, _ in response.json()["headers"]}
        assert not fields & {"authorization", "proxy-authorization"}
        await client.close()


async def test_credentials_are_kept_from_a_proxy_that_asks_for_none(driver: Driver) -> None:
    with ScriptedPeer([*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer, "user:sesame@")

        assert (await client.get("http://name.example/")).text == "ok"
        assert b"sesame" not in peer.received[0]
        await client.rest()


@pytest.mark.parametrize("length", [255, 256])
@pytest.mark.parametrize("part", ["user", "password"])
async def test_credentials_that_do_not_fit_are_refused_when_they_are_given(
    driver: Driver, length: int, part: str
) -> None:
    text = "a" * length
    credentials = f"{text}:b@" if part == "user" else f"b:{text}@"
    if length > 255:
        with pytest.raises(ValueError, match="255 octets"):
            driver.transport(proxy=f"socks5://{credentials}127.0.0.1:1")
        return
    script = [ReadGreeting(), Send(ASKS_LOGIN), ReadLogin(), Send(LOGGED_IN), ReadCommand(), Send(SOCKS_DONE)]
    with ScriptedPeer([*script, ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer, credentials)

        assert (await client.get("http://name.example/")).text == "ok"
        assert text.encode() in peer.requests[0][1]
        await client.rest()


async def fails(
    driver: Driver, steps: list[Step], kind: type[Exception] | tuple[type[Exception], ...], **match: str
) -> None:
    """Check that a handshake is refused, and that the same client can do another one."""
    good: list[Step] = [ReadGreeting(), Send(SOCKS_OPEN), ReadCommand(), Send(SOCKS_DONE), ReadRequest(), Send(OK)]
    with ScriptedPeer(steps, good) as peer:
        client = through(driver, peer, "user:sesame@" if any(isinstance(step, ReadLogin) for step in steps) else "")

        started = monotonic()
        with pytest.raises(kind, **match) as caught:
            await client.get("http://name.example/")

        assert isinstance(caught.value, httpfast.TransportError)
        assert caught.value.request.url == "http://name.example/"
        assert "sesame" not in str(caught.value)
        assert monotonic() - started < 2
        assert client.counts == (0, 0)
        assert (await client.get("http://name.example/")).text == "ok"
        await client.rest()


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("rest", [b"\x00\x01" + bytes(6), b""], ids=["whole", "cut"])
async def test_every_reply_that_says_no_is_a_proxy_error(driver: Driver, code: int, rest: bytes) -> None:
    """[POOL-06] Some proxies send no more than the code; the connection stays open."""
    reply = bytes([5, code]) + (rest or b"\x00\x01")
    await fails(driver, [*GREETED, Send(reply)], httpfast.ProxyError, match=REASONS[code])


@pytest.mark.parametrize(
    "choice", [b"\x05\xff", b"\x05\x01", b"\x05\x02", b"\x05\x03", b"\x05\x80"], ids=lambda c: c.hex()
)
async def test_authentication_that_was_not_offered_is_a_proxy_error(driver: Driver, choice: bytes) -> None:
    """[POOL-06] None acceptable, GSSAPI, a log-in without credentials, and what nobody has defined."""
    await fails(driver, [ReadGreeting(), Send(choice)], httpfast.ProxyError)


@pytest.mark.parametrize("status", [b"\x01\x01", b"\x01\xff", b"\x05\x01"], ids=lambda status: status.hex())
async def test_refused_log_in_is_a_proxy_error(driver: Driver, status: bytes) -> None:
    """[POOL-06]"""
    await fails(driver, [ReadGreeting(), Send(ASKS_LOGIN), ReadLogin(), Send(status)], httpfast.ProxyError)


MALFORMED: dict[str, list[Step]] = {
    "SOCKS4 choice": [ReadGreeting(), Send(b"\x00\x5a")],
    "HTTP choice": [ReadGreeting(), Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
    "SSH": [ReadGreeting(), Send(b"SSH-2.0-x\r\n")],
    "zeroes": [ReadGreeting(), Send(bytes(100))],
    "wrong version of the reply": [*GREETED, Send(b"\x04" + SOCKS_DONE[1:])],
    "HTTP reply": [*GREETED, Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
    "unknown type of address": [*GREETED, Send(b"\x05\x00\x00\x02" + bytes(6))],
    "type of address 255": [*GREETED, Send(b"\x05\x00\x00\xff" + bytes(300))],
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_reply_is_a_proxy_error(driver: Driver, kind: str) -> None:
    """[POOL-06]"""
    await fails(driver, MALFORMED[kind], httpfast.ProxyError)


REPLIES = {
    "IPv4": SOCKS_DONE,
    "IPv6": b"\x05\x00\x00\x04" + bytes(18),
    "name": b"\x05\x00\x00" + socks_address("name.example", 80),
    "empty name": b"\x05\x00\x00\x03\x00\x00\x50",
    "longest name": b"\x05\x00\x00" + socks_address("a" * 255, 80),
}


@pytest.mark.parametrize("kind", REPLIES)
@pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "octets"])
async def test_every_type_of_address_in_a_reply_is_read_to_its_end(
    driver: Driver, kind: str, chunk: int | None
) -> None:
    """[POOL-06] The next octet is the origin's."""
    with ScriptedPeer([*GREETED, Send(REPLIES[kind], chunk), ReadRequest(), Send(OK), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer)

        for _ in range(2):
            assert (await client.get("http://name.example/")).text == "ok"
        await client.rest()
        assert client.counts == (1, 1)


@pytest.mark.parametrize("kind", ["IPv4", "IPv6", "name"])
async def test_reply_may_be_split_at_every_octet(driver: Driver, kind: str) -> None:
    """[POOL-06]"""
    whole = SOCKS_OPEN + REPLIES[kind]
    scripts: list[list[Step]] = []
    for at in range(1, len(REPLIES[kind])):
        reply = [Send(REPLIES[kind][:at]), Send(REPLIES[kind][at:])]
        scripts.append([*GREETED, *reply, ReadRequest(), Send(LAST)])
    scripts.append(
        [ReadGreeting(), Send(whole[:1]), Send(whole[1:2]), ReadCommand(), Send(whole[2:]), ReadRequest(), Send(LAST)]
    )
    with ScriptedPeer(*scripts) as peer:
        client = through(driver, peer)

        for _ in scripts:
            assert (await client.get("http://name.example/")).text == "ok"
        await client.rest()

        assert client.counts == (0, 0)


@pytest.mark.parametrize("ending", [Close(), Reset(), HalfClose()], ids=["close", "reset", "half-close"])
async def test_end_at_every_octet_is_an_error(driver: Driver, ending: Step) -> None:
    """[POOL-06]"""
    login = [ReadGreeting(), Send(ASKS_LOGIN), ReadLogin()]
    scripts: list[list[Step]] = [[ReadGreeting(), Send(SOCKS_OPEN[:at]), ending] for at in range(2)]
    scripts += [[*login, Send(LOGGED_IN[:at]), ending] for at in range(2)]
    scripts += [[*GREETED, Send(SOCKS_DONE[:at]), ending] for at in range(len(SOCKS_DONE))]
    with ScriptedPeer(*scripts, [*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer, "user:sesame@")

        for _ in scripts:
            with pytest.raises((httpfast.ProxyError, httpfast.ConnectError)):
                await client.get("http://name.example/")
            assert client.counts == (0, 0)

        assert (await client.get("http://name.example/")).text == "ok"
        await client.rest()


@pytest.mark.parametrize("kind", ["silent", "after the choice", "in the reply", "dripping"])
async def test_reply_that_does_not_end_is_a_connect_timeout_in_time(driver: Driver, kind: str) -> None:
    """[POOL-06]"""
    steps: dict[str, list[Step]] = {
        "silent": [Stall()],
        "after the choice": [*GREETED, Stall()],
        "in the reply": [*GREETED, Send(SOCKS_DONE[:5]), Stall()],
        "dripping": [*GREETED, Drip(b"a", 0.02, b"\x05\x00\x00\x03\xff")],
    }
    with ScriptedPeer(steps[kind]) as peer:
        client = through(driver, peer)

        started = monotonic()
        with pytest.raises(httpfast.ConnectTimeout):
            await client.get("http://name.example/", timeout=0.15)

        assert 0.1 < monotonic() - started < 1.0
        assert client.counts == (0, 0)


async def test_octets_behind_the_reply_are_the_origins(driver: Driver) -> None:
    """A plain origin may answer before it is asked, as far as SOCKS is concerned: as it may without a proxy."""
    late = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with ScriptedPeer(
        [*GREETED, Send(SOCKS_DONE + late), Close()], [*GREETED, Send(SOCKS_DONE), ReadRequest(), Send(LAST)]
    ) as peer:
        client = through(driver, peer)

        with suppress(httpfast.RemoteProtocolError, httpfast.ReadError, httpfast.WriteError, httpfast.ConnectError):
            # 200 where the client has seen it in time, and has connected once more.
            assert (await client.get("http://name.example/")).status_code in (200, 408)
        await client.rest()

        assert client.counts == (0, 0)
        if peer.connections == 1:
            assert (await client.get("http://name.example/")).text == "ok"
            await client.rest()
