"""Redirects, and what goes along with them, over HTTP/1.1 and HTTP/2: rows RED-01 to RED-15 of the catalogue.

Every variant of these rows is in `tests/api`, where no octet is sent, and in `test_redirects_on_the_wire.py`; here it
is whether the same reaches the servers through each driver and either protocol. a.example and the others are names
of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import httpfast

from ..answering import PROTOCOLS, AnsweringPeer, Asked, Said
from ..names import Names
from .facade import Driver

SECRET = "hunter2"
pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Names:
    return Names(monkeypatch, driver)


class Path:
    """Answers by the target: each entry is where its redirect leads; `{}` is the server's port."""

    def __init__(self, status: int = 302, fields: tuple[tuple[str, str], ...] = (), **hops: str) -> None:
        self.status, self.fields, self.hops = status, fields, hops
        self.port = 0

    def __call__(self, asked: Asked) -> Said:
        location = self.hops.get(asked.target.strip("/").partition("?")[0])
        if location is None:
            return Said(body=b"arrived")
        return Said(self.status, [("Location", location.replace("{}", str(self.port))), *self.fields])


@contextmanager
def serving(protocol: str, path: Path, **arguments: Any) -> Iterator[AnsweringPeer]:
    with AnsweringPeer(protocol, path, **arguments) as peer:
        path.port = peer.port
        yield peer


CREDENTIALS: dict[str, dict[str, Any]] = {
    "fields": {"headers": {"Authorization": SECRET, "proxy-authorization": SECRET, "X-Api-Key": SECRET}},
    "octets": {"headers": [(b"AUTHORIZATION", SECRET.encode()), (b"authorization", SECRET.encode())]},
    "basic": {"auth": (SECRET, SECRET)},
    "cookies": {"headers": {"Cookie": f"a={SECRET}"}},
}


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_credentials_stay_with_their_origin(driver: Driver, names: Names, protocol: str, kind: str) -> None:
    """RED-01, RED-03: they do not come back either, when the way leads back."""
    path = Path(
        start="/within", within="http://b.example:{}/away", away="http://b.example:{}/on", on="http://a.example:{}/end"
    )
    with serving(protocol, path) as peer:
        client = driver.client(follow_redirects=True, sensitive_headers=["x-api-key"], **peer.options)

        response = await client.get(peer.on("a.example") + "/start", **CREDENTIALS[kind])

        assert response.text == "arrived"
        first, within, *others = peer.asked
        assert [asked.target for asked in peer.asked] == ["/start", "/within", "/away", "/on", "/end"]
        for asked in (first,) if kind == "cookies" else (first, within):
            assert {name for name, _ in asked.fields} & {"authorization", "cookie"}
        for asked in others:
            assert SECRET not in repr(asked)
            assert not {name for name, _ in asked.fields} & {
                "authorization",
                "proxy-authorization",
                "x-api-key",
                "cookie",
            }


@pytest.mark.filterwarnings("ignore:Setting per-request cookies:DeprecationWarning")
@pytest.mark.parametrize("place", ["client", "request"])
async def test_cookies_without_a_domain_stay_with_the_first_host(
    driver: Driver, names: Names, protocol: str, place: str
) -> None:
    """RED-02"""
    path = Path(start="http://b.example:{}/end")
    with serving(protocol, path) as peer:
        settings = {"cookies": {"session": SECRET}} if place == "client" else {}
        arguments = {"cookies": {"session": SECRET}} if place == "request" else {}
        client = driver.client(follow_redirects=True, **settings, **peer.options)

        await client.get(peer.on("a.example") + "/start", **arguments)

        assert [asked["cookie"] for asked in peer.asked] == [f"session={SECRET}", None]


async def test_userinfo_is_for_its_own_host(driver: Driver, names: Names, protocol: str) -> None:
    """RED-05"""
    path = Path(start="http://b.example:{}/away", away="http://a.example:{}/end")
    with serving(protocol, path) as peer:
        client = driver.client(follow_redirects=True, **peer.options)

        await client.get(f"http://user:{SECRET}@a.example:{peer.port}/start")

        assert [bool(asked["authorization"]) for asked in peer.asked] == [True, False, False]
        assert not [asked for asked in peer.asked if "@" in (asked["host"] or "")]


async def test_https_to_http_leaves_secrets_behind(driver: Driver, names: Names, protocol: str) -> None:
    """RED-06"""
    end = Path()
    with serving(protocol, end) as plain:
        start = Path(
            fields=(("Set-Cookie", "safe=1; Secure"), ("Set-Cookie", "plain=2")),
            start=f"http://a.example:{plain.port}/end",
        )
        with serving(protocol, start, is_tls=True) as peer:
            client = driver.client(follow_redirects=True, verify=False, **peer.options)

            await client.get(f"https://a.example:{peer.port}/start", auth=(SECRET, SECRET))

            assert peer.asked[0]["authorization"]
        assert plain.asked[0]["authorization"] is None
        assert plain.asked[0]["cookie"] == "plain=2"


async def test_https_to_http_can_be_refused(driver: Driver, names: Names, protocol: str) -> None:
    """RED-06: before anything goes out in the clear."""
    with serving(protocol, Path()) as plain:
        path = Path(start="/on", on=f"http://a.example:{plain.port}/end")
        with serving(protocol, path, is_tls=True) as peer:
            client = driver.client(follow_redirects="secure", verify=False, **peer.options)

            with pytest.raises(httpfast.UnsupportedProtocol, match="follow_redirects='secure' refuses"):
                await client.get(f"https://a.example:{peer.port}/start")

            assert [asked.target for asked in peer.asked] == ["/start", "/on"]
            await client.rest()
            assert client.counts == (1, 1)
        assert plain.connections == 0


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "data:text/html,x", "ftp://b.example/", "unix:/run/x", "javascript:alert(1)"]
)
async def test_other_schemes_are_refused(driver: Driver, names: Names, protocol: str, location: str) -> None:
    """RED-07"""
    with serving(protocol, Path(start=location)) as peer:
        client = driver.client(follow_redirects=True, **peer.options)

        with pytest.raises((httpfast.UnsupportedProtocol, httpfast.RemoteProtocolError)):
            await client.get(peer.on("a.example") + "/start")

        assert len(peer.asked) == 1
        assert names.asked == ["a.example"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
async def test_method_and_body_after_a_redirect(driver: Driver, protocol: str, status: int, method: str) -> None:
    """RED-08: nothing about a body stays where there is none."""
    with serving(protocol, Path(status, start="/end")) as peer:
        client = driver.client(follow_redirects=True, **peer.options)
        body = {} if method == "HEAD" else {"content": b"body", "headers": {"Content-Type": "text/x"}}

        await client.request(method, peer.url + "/start", **body)

        first, second = peer.asked
        becomes_get = method != "HEAD" and (status in (302, 303) or (status == 301 and method == "POST"))
        assert second.method == ("GET" if becomes_get else method)
        assert second.body == (b"" if becomes_get else first.body)
        if becomes_get:
            about_body = {"content-length", "content-type", "transfer-encoding"}
            assert not {name for name, _ in second.fields} & about_body


@pytest.mark.parametrize("place", ["client", "default"])
async def test_loop_ends(driver: Driver, protocol: str, place: str) -> None:
    """RED-09"""
    with serving(protocol, Path(start="/on", on="/start")) as peer:
        settings = {"max_redirects": 3} if place == "client" else {}
        client = driver.client(follow_redirects=True, **settings, **peer.options)

        with pytest.raises(httpfast.TooManyRedirects):
            await client.get(peer.url + "/start")

        assert len(peer.asked) == (4 if place == "client" else 21)
        await client.rest()
        assert client.counts == (1, 1)


async def test_large_body_of_a_redirect_is_given_up(driver: Driver, protocol: str) -> None:
    """RED-10: neither kept nor waited for."""

    def answer(asked: Asked) -> Said:
        if asked.target == "/start":
            return Said(302, [("Location", "/end")], bytes(1_000_000))
        return Said(body=b"arrived")

    with AnsweringPeer(protocol, answer) as peer:
        client = driver.client(follow_redirects=True, **peer.options)

        response = await client.get(peer.url + "/start")

        assert response.text == "arrived"
        with pytest.raises(httpfast.ResponseNotRead):
            _ = response.history[0].content


async def test_challenge_of_another_origin_is_not_answered(driver: Driver, names: Names, protocol: str) -> None:
    """RED-11"""

    def answer(asked: Asked) -> Said:
        if (asked["host"] or "").startswith("b."):
            return Said(401, [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')])
        return Said(302, [("Location", f"http://b.example:{(asked['host'] or '').rpartition(':')[2]}/end")])

    with AnsweringPeer(protocol, answer) as peer:
        client = driver.client(follow_redirects=True, auth=httpfast.DigestAuth("user", SECRET), **peer.options)

        response = await client.get(peer.on("a.example") + "/start")

        assert response.status_code == 401
        assert [asked["authorization"] for asked in peer.asked] == [None, None]


# What Location says, and the hosts that may be asked then: a name that is looked up is one that is connected to.
READINGS: dict[str, tuple[str, set[str]]] = {
    "//b.example:{}/end": ("http://b.example:{}/end", {"b.example"}),
    "/\\b.example/end": ("", set()),
    "\\\\b.example/end": ("", set()),
    "http://a.example@b.example:{}/end": ("http://a.example@b.example:{}/end", {"b.example"}),
    "http://b.example:{}#@a.example/end": ("http://b.example:{}#@a.example/end", {"b.example"}),
    "http://b\texample/end": ("", set()),
}


@pytest.mark.parametrize("location", READINGS)
async def test_location_is_read_in_one_way(driver: Driver, names: Names, protocol: str, location: str) -> None:
    """RED-13: what is connected to is what `response.url` says, or it is an error."""
    with serving(protocol, Path(start=location)) as peer:
        client = driver.client(follow_redirects=True, **peer.options)
        url, hosts = READINGS[location]
        names.asked.clear()

        found = ""
        with suppress(httpfast.RemoteProtocolError):
            found = str((await client.get(peer.on("a.example") + "/start")).url)

        assert found == url.replace("{}", str(peer.port))
        assert set(names.asked) - {"a.example"} <= hosts


async def test_host_of_the_caller_ends_with_its_origin(driver: Driver, names: Names, protocol: str) -> None:
    """RED-14"""
    with serving(protocol, Path(start="/within", within="http://b.example:{}/end")) as peer:
        client = driver.client(follow_redirects=True, **peer.options)

        await client.get(peer.on("a.example") + "/start", headers={"Host": "virtual.example"})

        assert [asked["host"] for asked in peer.asked] == ["virtual.example"] * 2 + [f"b.example:{peer.port}"]


@pytest.mark.parametrize("value", ["1000000000000", "-1", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"])
async def test_retry_after_is_waited_for_by_nobody(driver: Driver, protocol: str, value: str) -> None:
    """RED-15: the timeout of this test would tell."""
    said: dict[str, Callable[[], Said]] = {
        "/503": lambda: Said(503, [("Retry-After", value)], b"busy"),
        "/302": lambda: Said(302, [("Retry-After", value), ("Location", "/503")]),
    }
    with AnsweringPeer(protocol, lambda asked: said[asked.target]()) as peer:
        client = driver.client(follow_redirects=True, timeout=5, **peer.options)

        response = await client.get(peer.url + "/302")

        assert (response.status_code, response.text) == (503, "busy")
        assert [asked.target for asked in peer.asked] == ["/302", "/503"]
