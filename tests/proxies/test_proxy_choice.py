"""Which proxy a request takes, and with which other requests it shares a connection.

[POOL-01, POOL-07, RED-12] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import combinations
from typing import Any

import pytest

import httpfast

from ..drivers.facade import Caller, Driver
from ..names import Names
from ..peers import ReadRequest, ScriptedPeer, Send
from ..servers import client_context, server_context
from .scripts import KINDS, Serve, proxy, url_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ENDLESS = [Serve(OK)]
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Peers:
    """An origin and two proxies that answer whatever they are asked; how many connections each has had."""

    def __init__(self, stack: ExitStack) -> None:
        one, other, origin = (stack.enter_context(ScriptedPeer(ENDLESS, repeats_last=True)) for _ in range(3))
        self.one, self.other, self.origin = one, other, origin

    @property
    def connections(self) -> tuple[int, int, int]:
        """Of the proxies, and of the origin."""
        return self.one.connections, self.other.connections, self.origin.connections


@pytest.fixture
def peers() -> Iterator[Peers]:
    with ExitStack() as stack:
        yield Peers(stack)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without variables that name a proxy."""
    for name in (*VARIABLES, *map(str.upper, VARIABLES), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# POOL-01: connections


def ways(peers: Peers) -> dict[str, Any]:
    """What may be said in the extension "proxy", all of it different."""
    one = peers.one.url
    return {
        "direct": None,
        "one": one,
        "other": peers.other.url,
        "with credentials": httpfast.Proxy(one, auth=("user", "sesame")),
        "with other credentials": httpfast.Proxy(one, auth=("user", "other")),
        "with an empty password": httpfast.Proxy(one, auth=("user", "")),
        "with fields": httpfast.Proxy(one, headers={"X-Tenant": "1"}),
        "with other fields": httpfast.Proxy(one, headers={"X-Tenant": "2"}),
        "with a field twice": httpfast.Proxy(one, headers=[("X-Tenant", "1"), ("X-Tenant", "1")]),
    }


@pytest.mark.parametrize(
    ("first", "second"),
    list(
        combinations(
            [
                "own",
                "direct",
                "one",
                "other",
                "with credentials",
                "with other credentials",
                "with an empty password",
                "with fields",
                "with other fields",
                "with a field twice",
            ],
            2,
        )
    ),
)
async def test_requests_by_different_ways_share_no_connection(
    driver: Driver, peers: Peers, first: str, second: str
) -> None:
    """[POOL-01] Neither two proxies, nor two tenants of one; the same way again does share."""
    client = driver.client(transport=driver.transport(proxy=httpfast.Proxy(peers.other.url, headers={"X-Own": "1"})))

    for _ in range(2):
        for name in (first, second):
            # Made anew each time: what counts is what they say.
            extensions = {} if name == "own" else {"proxy": ways(peers)[name]}
            await client.get(peers.origin.url, extensions=extensions)

    assert sum(peers.connections) == 2
    assert client.counts == (2, 2)
    await client.rest()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_named_twice_is_one_way(driver: Driver, kind: str, scheme: str) -> None:
    """[POOL-01] As text, as a URL and as a `Proxy`; through a tunnel, and where requests are forwarded."""
    tls = server_context() if scheme == "https" else None
    forwards = scheme == "http" and kind != "socks"
    with ExitStack() as stack:
        origin = stack.enter_context(ScriptedPeer(ENDLESS, tls=tls))
        if forwards:
            peer = stack.enter_context(ScriptedPeer(ENDLESS, tls=server_context() if kind == "https proxy" else None))
        else:
            peer = stack.enter_context(proxy(kind, server_context()))
        client = driver.client(transport=driver.transport(verify=client_context()))
        text = url_of(kind, peer)
        host = "localhost" if scheme == "https" else "127.0.0.1"
        url = f"{scheme}://{host}:{origin.port}/"

        context = client_context()
        for named in (text, httpfast.URL(text), httpfast.Proxy(text), text):
            if kind == "https proxy":
                named = httpfast.Proxy(text, ssl_context=context)
            assert (await client.get(url, extensions={"proxy": named})).text == "ok"
        await client.rest()

        assert peer.connections == 1
        assert client.counts == (1, 1)


async def test_https_proxy_forwards_http_requests(driver: Driver) -> None:
    with ScriptedPeer(ENDLESS, tls=server_context()) as peer:
        one = httpfast.Proxy(peer.url, ssl_context=client_context())
        client = driver.client(transport=driver.transport(proxy=one, verify=False))

        for host in ("a.example", "b.example"):
            assert (await client.get(f"http://{host}/x")).text == "ok"

        assert peer.requests[0][0].startswith(b"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n")
        assert peer.requests[0][1].startswith(b"GET http://b.example/x HTTP/1.1\r\nHost: b.example\r\n")
        await client.rest()
        assert client.counts == (1, 1)


async def test_forwarded_requests_share_a_connection_whatever_their_origin(driver: Driver, peers: Peers) -> None:
    client = driver.client(transport=driver.transport(proxy=peers.one.url))

    for host in ("a.example", "b.example", "a.example:8080"):
        await client.get(f"http://{host}/")

    assert peers.connections == (1, 0, 0)
    await client.rest()
    assert client.counts == (1, 1)


async def test_tunnels_are_for_one_origin_each(driver: Driver) -> None:
    """[POOL-01] Also where names lead to the same address."""
    with ScriptedPeer(ENDLESS, tls=server_context(), repeats_last=True) as origin, proxy("connect") as peer:
        client = driver.client(transport=driver.transport(proxy=peer.url, verify=client_context()))

        for _ in range(2):
            for host in ("localhost", "127.0.0.1"):
                await client.get(f"https://{host}:{origin.port}/")
        await client.rest()

        assert (peer.connections, origin.connections) == (2, 2)
        assert client.counts == (2, 2)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, TypeError),
        (b"http://127.0.0.1:1", TypeError),
        ("ftp://127.0.0.1", ValueError),
        ("127.0.0.1:1", (ValueError, httpfast.InvalidURL)),
        ("http://a:b", httpfast.InvalidURL),
        ("", (ValueError, httpfast.InvalidURL)),
    ],
    ids=repr,
)
async def test_extension_that_is_no_proxy_is_refused(driver: Driver, peers: Peers, value: Any, kind: Any) -> None:
    client = driver.client()

    with pytest.raises(kind):
        await client.get(peers.origin.url, extensions={"proxy": value})

    assert peers.connections == (0, 0, 0)
    assert client.counts == (0, 0)
    assert (await client.get(peers.origin.url)).text == "ok"
    await client.rest()


async def test_extension_goes_along_with_a_redirect(driver: Driver, peers: Peers) -> None:
    """It is said for the call, so that its redirects go the same way."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(moved), ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        response = await client.get("http://a.example/", extensions={"proxy": peer.url}, follow_redirects=True)

        assert response.text == "ok"
        assert [request.split(b" ")[1] for request in peer.requests[0]] == [b"http://a.example/", b"http://b.example/"]
        await client.rest()


async def test_more_proxies_than_are_kept_do_no_harm(
    driver: Driver, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpfast._transports.default._MAX_NAMED_PROXIES", 3)
    client = driver.client()

    for round_ in range(2):
        for number in range(5):
            named = httpfast.Proxy(peers.one.url, headers={"X-Tenant": str(number)})
            response = await client.get(peers.origin.url, extensions={"proxy": named})
            assert response.text == "ok", round_

    tenants = [{line for line in requests[0].split(b"\r\n") if b"X-Tenant" in line} for requests in peers.one.requests]
    assert all(len(found) == 1 for found in tenants)
    for requests in peers.one.requests:
        assert len({request.partition(b"X-Tenant: ")[2][:1] for request in requests}) == 1
    assert len(client.transport._proxies._named) == 3
    await client.rest()


# Mounts and the environment


async def went(client: Caller, peers: Peers, url: str, **arguments: Any) -> str:
    """By which way a request has gone, on a connection of its own."""
    before = peers.connections
    await client.get(url, headers={"Connection": "close"}, **arguments)
    ways = zip(("one", "other", "direct"), before, peers.connections, strict=True)
    (way,) = [name for name, was, now in ways if now != was]
    return way


async def test_mounts_choose_the_proxy(driver: Driver, monkeypatch: pytest.MonkeyPatch, peers: Peers) -> None:
    Names(monkeypatch, driver)
    client = driver.client(
        proxy=peers.other.url,
        mounts={
            "http://one.example": driver.transport(proxy=peers.one.url),
            "http://direct.example": None,
            "all://*.sub.example": None,
        },
    )
    port = peers.origin.port

    assert await went(client, peers, "http://one.example/") == "one"
    assert await went(client, peers, "http://any.example/") == "other"
    assert await went(client, peers, f"http://direct.example:{port}/") == "direct"
    assert await went(client, peers, f"http://a.sub.example:{port}/") == "direct"
    assert await went(client, peers, "http://sub.example/") == "other"


@pytest.mark.parametrize(
    ("variables", "way"),
    [
        ({}, "direct"),
        ({"HTTP_PROXY": "one"}, "one"),
        ({"http_proxy": "one"}, "one"),
        ({"http_proxy": "one", "HTTP_PROXY": "other"}, "one"),
        ({"ALL_PROXY": "one"}, "one"),
        ({"all_proxy": "one", "http_proxy": "other"}, "other"),
        ({"HTTPS_PROXY": "one"}, "direct"),
        ({"HTTP_PROXY": "one without scheme"}, "one"),
        ({"HTTP_PROXY": ""}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "name.example"}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "example"}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": ".example"}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "a.example, name.example"}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "ame.example"}, "one"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "*"}, "direct"),
        ({"HTTP_PROXY": "one", "NO_PROXY": "NAME.EXAMPLE."}, "direct"),
        ({"HTTP_PROXY": "one", "REQUEST_METHOD": "GET"}, "direct"),
        ({"http_proxy": "one", "REQUEST_METHOD": "GET"}, "one"),
    ],
    ids=str,
)
async def test_environment_chooses_the_proxy(
    driver: Driver, environment: pytest.MonkeyPatch, peers: Peers, variables: dict[str, str], way: str
) -> None:
    """[POOL-07] On the wire; which variable means what is tested with `URLPattern`."""
    Names(environment, driver)
    values = {"one": peers.one.url, "other": peers.other.url, "one without scheme": f"127.0.0.1:{peers.one.port}"}
    for name, value in variables.items():
        environment.setenv(name, values.get(value, value))
    client = driver.client(trust_env=True)

    assert await went(client, peers, f"http://name.example:{peers.origin.port}/") == way


@pytest.mark.parametrize("kind", ["trust_env", "transport", "proxy", "mount", "extension"])
async def test_what_the_caller_says_goes_before_the_environment(
    driver: Driver, environment: pytest.MonkeyPatch, peers: Peers, kind: str
) -> None:
    environment.setenv("HTTP_PROXY", peers.one.url)
    arguments: dict[str, dict[str, Any]] = {
        "trust_env": {"trust_env": False},
        "transport": {"transport": driver.transport()},
        "proxy": {"proxy": peers.other.url},
        "mount": {"mounts": {"http://": driver.transport(proxy=peers.other.url)}},
        "extension": {},
    }
    client = driver.client(**{"trust_env": True} | arguments[kind])
    extensions = {"proxy": None} if kind == "extension" else {}

    way = await went(client, peers, peers.origin.url, extensions=extensions)

    assert way == ("other" if kind in ("proxy", "mount") else "direct")


async def test_environment_is_read_when_a_client_is_made(
    driver: Driver, environment: pytest.MonkeyPatch, peers: Peers
) -> None:
    """[RED-12] A change reaches new clients only: no client talks to the one proxy with the other's credentials."""
    environment.setenv("HTTP_PROXY", peers.one.url.replace("http://", "http://user:sesame@"))
    first = driver.client(trust_env=True)
    environment.setenv("HTTP_PROXY", peers.other.url.replace("http://", "http://alice:wonder@"))
    second = driver.client(trust_env=True)
    environment.delenv("HTTP_PROXY")
    third = driver.client(trust_env=True)
    url = peers.origin.url

    assert [await went(client, peers, url) for client in (first, second, third)] == ["one", "other", "direct"]
    assert [await went(client, peers, url) for client in (first, second, third)] == ["one", "other", "direct"]

    for peer, credentials in ((peers.one, b"Basic dXNlcjpzZXNhbWU="), (peers.other, b"Basic YWxpY2U6d29uZGVy")):
        for (request,) in peer.requests:
            assert b"\r\nProxy-Authorization: %b\r\n" % credentials in request
    assert not any(b"Proxy" in octets for octets in peers.origin.received)


async def test_environment_that_names_no_proxy_is_an_error_when_the_client_is_made(
    driver: Driver, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTP_PROXY", "ftp://127.0.0.1")

    with pytest.raises(ValueError, match="Unknown scheme for proxy URL"):
        driver.make_client(trust_env=True)
