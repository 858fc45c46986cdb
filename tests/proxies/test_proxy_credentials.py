"""Credentials and fields for a proxy go to that proxy; nothing given for a proxy becomes another line or request.

[RED-12, INJ-05] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import logging
import pickle
from contextlib import ExitStack
from typing import Any

import pytest

import httpfast

from ..drivers.facade import Caller, Driver
from ..names import Names
from ..peers import Close, ReadRequest, ScriptedPeer, Send, StartTLS
from ..servers import client_context, server_context
from .scripts import SOCKS_DONE, SOCKS_OPEN, TUNNEL, ReadCommand, ReadConnect, ReadGreeting, ReadLogin, socks_address

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BASIC = b"Proxy-Authorization: Basic dXNlcjpzZXNhbWU="
SECRETS = (b"sesame", b"dXNlcjpzZXNhbWU=", b"X-Proxy", b"Proxy-Authorization", b"proxy-authorization")
REFUSALS = (httpfast.LocalProtocolError, httpfast.InvalidURL, ValueError)


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def to_peer(peer: ScriptedPeer, **arguments: Any) -> httpfast.Proxy:
    """A proxy with credentials and a field of its own."""
    return httpfast.Proxy(peer.url, **{"auth": ("user", "sesame"), "headers": {"X-Proxy": "1"}} | arguments)


def through(driver: Driver, proxy: Any, **arguments: Any) -> Caller:
    """A client whose own transport goes through a proxy."""
    transport = driver.transport(verify=client_context(), proxy=proxy)
    return driver.client(transport=transport, **arguments)


def lacks_secrets(octets: bytes) -> bool:
    return not any(secret in octets for secret in SECRETS)


async def test_forwarded_request_octet_by_octet(driver: Driver) -> None:
    """RFC 9112, 3.2.2: the target in absolute form, without user, password and fragment; Host as without a proxy."""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = through(driver, to_peer(peer), headers={"User-Agent": "tests"})

        await client.get("http://me:secret@NAME.Example:8080/a%20b?c=d#e", headers={"X-Own": "2"})

        assert peer.requests[0][0] == (
            b"GET http://name.example:8080/a%20b?c=d HTTP/1.1\r\n"
            b"Proxy-Authorization: Basic dXNlcjpzZXNhbWU=\r\n"
            b"X-Proxy: 1\r\n"
            b"Host: name.example:8080\r\n"
            b"Accept: */*\r\n"
            b"Accept-Encoding: " + client.client.headers["accept-encoding"].encode() + b"\r\n"
            b"Connection: keep-alive\r\n"
            b"User-Agent: tests\r\n"
            b"X-Own: 2\r\n"
            b"Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        )
        await client.rest()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://name.example", b"GET http://name.example/ HTTP/1.1"),
        ("http://name.example:80/", b"GET http://name.example/ HTTP/1.1"),
        ("http://[::1]:8080/a", b"GET http://[::1]:8080/a HTTP/1.1"),
        ("http://fa\u00df.example/\u00e9", b"GET http://xn--fa-hia.example/%C3%A9 HTTP/1.1"),
        ("http://name.example/?", b"GET http://name.example/? HTTP/1.1"),
        ("http://name.example//b/../c", b"GET http://name.example//c HTTP/1.1"),
    ],
)
async def test_target_of_a_forwarded_request(driver: Driver, url: str, line: bytes) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer.url)

        await client.get(url)

        assert peer.requests[0][0].partition(b"\r\n")[0] == line
        await client.rest()


async def test_target_extension_goes_to_the_proxy_as_it_is(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer.url)

        await client.request("OPTIONS", "http://name.example/", extensions={"target": b"*"})

        assert peer.requests[0][0].startswith(b"OPTIONS * HTTP/1.1\r\nHost: name.example\r\n")
        await client.rest()


async def test_field_of_the_request_wins_over_one_for_the_proxy(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = through(driver, to_peer(peer))

        await client.get("http://name.example/", headers={"Proxy-Authorization": "Own", "X-PROXY": "3"})

        request = peer.requests[0][0]
        assert request.count(b"Proxy-Authorization") == 1
        assert b"\r\nProxy-Authorization: Own\r\n" in request
        assert (request.count(b"X-PROXY: 3"), request.count(b"X-Proxy")) == (1, 0)
        await client.rest()


# RED-12: to that proxy, and to nobody else


async def test_credentials_stay_outside_of_the_tunnel(driver: Driver) -> None:
    """[RED-12]"""
    script = [ReadConnect(), Send(TUNNEL), StartTLS(server_context()), ReadRequest(), Send(OK), ReadRequest(), Send(OK)]
    with ScriptedPeer(script) as peer:
        client = through(driver, to_peer(peer))

        for _ in range(2):
            await client.get("https://localhost/")

        connect, *requests = peer.requests[0]
        assert BASIC in connect
        assert b"X-Proxy: 1" in connect
        assert len(requests) == 2
        assert all(lacks_secrets(request) for request in requests)
        await client.rest()


async def test_credentials_of_a_socks_proxy_stay_in_its_handshake(driver: Driver) -> None:
    """[RED-12]"""
    login = [ReadGreeting(), Send(b"\x05\x02"), ReadLogin(), Send(b"\x01\x00"), ReadCommand(), Send(SOCKS_DONE)]
    with ScriptedPeer([*login, ReadRequest(), Send(OK)]) as peer:
        client = through(driver, f"socks5://user:sesame@{peer.host}:{peer.port}")

        await client.get("http://name.example/")

        assert b"sesame" in peer.requests[0][1]
        assert lacks_secrets(peer.requests[0][3])
        await client.rest()


@pytest.mark.parametrize("hops", ["http https", "https http", "http http", "https https"])
async def test_redirect_does_not_carry_credentials_to_an_origin(driver: Driver, hops: str) -> None:
    """[RED-12] From a forwarded request into a tunnel and back (CVE-2023-32681)."""
    first, second = hops.split()
    forwarded = [ReadRequest(), Send(redirect(f"{second}://localhost/b"))]
    tunnelled = [ReadConnect(), Send(TUNNEL), StartTLS(server_context())]
    if hops == "http http":
        scripts = [[*forwarded, ReadRequest(), Send(OK)]]
    elif hops == "https https":
        scripts = [[*tunnelled, *forwarded, ReadRequest(), Send(OK)]]
    elif first == "http":
        scripts = [forwarded, [*tunnelled, ReadRequest(), Send(OK)]]
    else:
        scripts = [[*tunnelled, *forwarded], [ReadRequest(), Send(OK)]]
    with ScriptedPeer(*scripts) as peer:
        client = through(driver, to_peer(peer))

        response = await client.get(f"{first}://localhost/a", follow_redirects=True)

        assert response.text == "ok"
        assert len(response.history) == 1
        for connection in peer.requests:
            for request in connection:
                in_the_tunnel = connection[0].startswith(b"CONNECT") and request is not connection[0]
                assert lacks_secrets(request) is in_the_tunnel
        assert "proxy-authorization" not in response.request.headers
        await client.rest()


async def test_redirect_away_from_the_proxy_does_not_carry_its_credentials(driver: Driver) -> None:
    """[RED-12] The origin that it leads to is reached directly, or by another proxy."""
    with ExitStack() as stack:
        direct = stack.enter_context(ScriptedPeer([ReadRequest(), Send(OK)]))
        other = stack.enter_context(ScriptedPeer([ReadRequest(), Send(redirect(direct.url))]))
        peer = stack.enter_context(ScriptedPeer([ReadRequest(), Send(redirect("http://second.example/"))]))
        client = driver.client(
            mounts={
                "http://first.example": driver.transport(proxy=to_peer(peer)),
                "http://second.example": driver.transport(proxy=other.url),
            }
        )

        response = await client.get("http://first.example/", follow_redirects=True)

        assert response.text == "ok"
        assert BASIC in peer.requests[0][0]
        assert lacks_secrets(other.requests[0][0])
        assert lacks_secrets(direct.requests[0][0])
        await client.rest()


async def test_credentials_a_request_brings_itself_end_with_its_origin(driver: Driver) -> None:
    """[RED-12] Proxy-Authorization among the request's own fields does not go along with a redirect elsewhere."""
    with ScriptedPeer([ReadRequest(), Send(redirect("http://other.example/")), ReadRequest(), Send(OK)]) as peer:
        client = through(driver, peer.url)

        await client.get(
            "http://name.example/", headers={"Proxy-Authorization": "Basic dXNlcjpzZXNhbWU="}, follow_redirects=True
        )

        assert BASIC in peer.requests[0][0]
        assert lacks_secrets(peer.requests[0][1])
        await client.rest()


async def test_credentials_a_request_brings_itself_do_not_follow_into_a_tunnel(driver: Driver) -> None:
    """[RED-12] An upgrade to https on the same host keeps its Authorization; the proxy is out of the picture there."""
    tunnelled = [ReadConnect(), Send(TUNNEL), StartTLS(server_context()), ReadRequest(), Send(OK)]
    with ScriptedPeer([ReadRequest(), Send(redirect("https://localhost/"))], tunnelled) as peer:
        client = through(driver, peer.url)

        await client.get(
            "http://localhost/",
            headers={"Proxy-Authorization": "Basic dXNlcjpzZXNhbWU=", "Authorization": "Bearer 1"},
            follow_redirects=True,
        )

        assert BASIC in peer.requests[0][0]
        assert b"Authorization: Bearer 1" in peer.requests[1][1]
        assert lacks_secrets(peer.requests[1][1])
        await client.rest()


async def test_credentials_for_one_request_are_not_anothers(driver: Driver) -> None:
    """[RED-12] The extension names another proxy, or none, for one request of a client."""
    with ExitStack() as stack:
        own = stack.enter_context(ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Send(OK)]))
        other = stack.enter_context(ScriptedPeer([ReadRequest(), Send(OK)]))
        origin = stack.enter_context(ScriptedPeer([ReadRequest(), Send(OK)]))
        client = through(driver, to_peer(own))
        named = httpfast.Proxy(other.url, auth=("alice", "wonder"))

        await client.get("http://name.example/")
        await client.get("http://name.example/", extensions={"proxy": named})
        await client.get(origin.url, extensions={"proxy": None})
        await client.get("http://name.example/")

        assert all(BASIC in request for request in own.requests[0])
        assert b"Proxy-Authorization: Basic YWxpY2U6d29uZGVy" in other.requests[0][0]
        assert b"dXNlcjpzZXNhbWU=" not in other.requests[0][0]
        assert lacks_secrets(origin.requests[0][0])
        await client.rest()


async def test_credentials_are_in_no_repr_log_error_or_pickle(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """[RED-12]"""
    caplog.set_level(logging.DEBUG)
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadConnect(), Send(refusal), Close()], [ReadRequest(), Send(OK)]) as peer:
        proxy = to_peer(peer, headers={"X-Api-Key": "1", "Proxy-Authorization": "sesame too"})
        client = through(driver, proxy)

        with pytest.raises(httpfast.ProxyError) as caught:
            await client.get("https://localhost/")
        response = await client.get("http://name.example/")

        said = f"{caplog.text}{caught.value!r}{caught.value.request!r}{proxy!r}{client.client!r}{client.transport!r}"
        assert "sesame" not in said
        assert "dXNlcjpzZXNhbWU" not in said
        assert b"sesame" not in pickle.dumps(response)
        assert "proxy-authorization" not in response.request.headers
        await client.rest()


# INJ-05: what is given for a proxy stays in its place


@pytest.mark.parametrize("octets", ["\r\n", "\n", "\r", "\x00", "\x01", "\x7f"], ids=repr)
@pytest.mark.parametrize("place", ["name", "value", "host", "user in a URL"])
async def test_control_character_for_a_proxy_is_refused(driver: Driver, octets: str, place: str) -> None:
    """[INJ-05] When the proxy is named, before there is a connection."""
    evil = f"a{octets}X-Evil: 1"
    arguments: dict[str, dict[str, Any]] = {
        "name": {"url": "http://127.0.0.1:1", "headers": {evil: "1"}},
        "value": {"url": "http://127.0.0.1:1", "headers": {"X-Proxy": evil}},
        "host": {"url": f"http://127.0.0.1{evil}:1"},
        "user in a URL": {"url": f"http://{evil}:b@127.0.0.1:1"},
    }

    with pytest.raises(REFUSALS):
        driver.transport(proxy=httpfast.Proxy(**arguments[place]))


async def test_control_character_in_credentials_is_encoded_away(driver: Driver) -> None:
    """[INJ-05] In Basic credentials every octet has a place."""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = through(driver, httpfast.Proxy(peer.url, auth=("us\r\ner", "X-Evil: 1\r\n\r\n")))

        await client.get("http://name.example/")

        assert b"Proxy-Authorization: Basic dXMNCmVyOlgtRXZpbDogMQ0KDQo=\r\n" in peer.requests[0][0]
        await client.rest()


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "content-length"])
async def test_framing_is_no_field_for_a_proxy(driver: Driver, name: str) -> None:
    """[INJ-05] It would make the proxy see requests end elsewhere."""
    with pytest.raises(httpfast.LocalProtocolError):
        driver.transport(proxy=httpfast.Proxy("http://127.0.0.1:1", headers={name: "chunked" if "T" in name else "5"}))


@pytest.mark.parametrize(
    "host",
    ["a\r\nX-Evil: 1", "a\nb", "a b", "a\x00b", "a%0d%0ab", "a/b", "a:80@evil.example", "a\u2028b", "a%20b"],
    ids=repr,
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_host_cannot_leave_its_place_in_what_a_proxy_is_told(driver: Driver, scheme: str, host: str) -> None:
    """[INJ-05] As the target of CONNECT, in the absolute form and in Host."""
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(refusal)], repeats_last=True) as peer:
        client = through(driver, peer.url)

        try:
            await client.get(f"{scheme}://{host}/")
        except (*REFUSALS, httpfast.ProxyError, httpfast.UnsupportedProtocol):
            pass

        for request in peer.requests:
            head, _, rest = request[0].partition(b"\r\n\r\n")
            assert not rest
            assert len(head.split(b"\r\n")[0].split(b" ")) == 3
            assert b"\nX-Evil" not in head
            assert b"\x00" not in head
        await client.rest()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"], ids=repr)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_host_field_with_another_line_in_it_is_refused(driver: Driver, scheme: str, value: str) -> None:
    """[INJ-05] Before there is a connection to the proxy."""
    with ScriptedPeer() as peer:
        client = through(driver, peer.url)

        with pytest.raises(REFUSALS):
            await client.get(f"{scheme}://name.example/", headers={"Host": value})

        assert peer.connections == 0
        assert client.counts == (0, 0)


async def test_zone_of_an_address_is_left_to_the_proxy(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """[INJ-05, POOL-06] Not dropped, and not looked up here: the proxy may know it."""
    names = Names(monkeypatch, driver)
    script = [ReadGreeting(), Send(SOCKS_OPEN), ReadCommand(), Send(SOCKS_DONE), ReadRequest(), Send(OK)]
    with ScriptedPeer(script) as peer:
        client = through(driver, f"socks5://{peer.host}:{peer.port}")

        await client.get("http://[fe80::1%25lo]/")

        assert peer.requests[0][1] == b"\x05\x01\x00" + socks_address("fe80::1%lo", 80)
        assert b"\r\nHost: [fe80::1]\r\n" in peer.requests[0][2]
        assert names.asked == []
        await client.rest()
