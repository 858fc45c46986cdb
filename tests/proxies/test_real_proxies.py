"""Requests through real proxies: squid, tinyproxy and dante, to plain origins and to those over TLS."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ..drivers.facade import Caller, Driver
from .servers import Dante, Squid, Tinyproxy

OPEN = ("squid", "squid-tls", "tinyproxy", "dante")
CLOSED = ("squid-auth", "squid-tls-auth", "tinyproxy-auth")
PACKAGES = {Squid: "squid-openssl", Tinyproxy: "tinyproxy", Dante: "dante-server"}
PACKAGE_OF = {name: package for kind, package in PACKAGES.items() for name in kind.names}
REFUSED_PORT = 1


@dataclass
class Way:
    """A proxy, and an origin behind it."""

    driver: Driver
    name: str
    proxy: str
    origin: str
    ca: Certificates
    server: EmbeddedServer

    @property
    def is_tls(self) -> bool:
        return self.origin.startswith("https")

    @property
    def forwards(self) -> bool:
        """Whether the proxy reads the requests; else it carries octets."""
        return not self.is_tls and self.name != "dante"

    @property
    def keeps(self) -> bool:
        """Whether a connection serves more than one request."""
        return not (self.forwards and self.name.startswith("tinyproxy"))

    def client(self, proxy: str | None = None, **arguments: Any) -> Caller:
        """A client whose own transport takes this way. Two contexts, so that neither can stand in for the other."""
        context = self.ca.client_context() if self.name.startswith("squid-tls") else None
        one = httpfast.Proxy(self.proxy if proxy is None else proxy, ssl_context=context)
        transport = self.driver.transport(verify=self.ca.client_context(), proxy=one)
        return self.driver.client(transport=transport, **{"timeout": 10} | arguments)

    def url_to(self, host: str, port: int | None = None) -> str:
        """The origin by another name, or another origin of the same scheme."""
        scheme, own = ("https", self.server.tls_port) if self.is_tls else ("http", self.server.port)
        return f"{scheme}://{host}:{own if port is None else port}"


def find_way(request: pytest.FixtureRequest, driver: Driver, scheme: str) -> Way:
    proxies: dict[str, str] = request.getfixturevalue("real_proxies")
    name: str = request.param
    if name not in proxies:
        pytest.skip(f"{PACKAGE_OF[name]} is not installed")
    server: EmbeddedServer = request.getfixturevalue("embedded_server")
    ca: Certificates = request.getfixturevalue("ca")
    return Way(driver, name, proxies[name], server.tls_url if scheme == "https" else server.url, ca, server)


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The origin's."""
    return str(request.param)


@pytest.fixture(params=OPEN)
def way(request: pytest.FixtureRequest, driver: Driver, scheme: str) -> Way:
    """Through a proxy that asks for nothing."""
    return find_way(request, driver, scheme)


@pytest.fixture(params=CLOSED)
def closed_way(request: pytest.FixtureRequest, driver: Driver, scheme: str) -> Way:
    """Through a proxy that asks for credentials; `proxy` has them."""
    return find_way(request, driver, scheme)


async def test_get_reaches_the_origin_with_its_own_fields_only(driver: Driver, way: Way) -> None:
    client = way.client(headers={"X-Own": "1"})

    seen = (await client.get(f"{way.origin}/echo?a=b")).json()

    fields = {name.lower(): value for name, value in seen["headers"]}
    assert (seen["method"], seen["target"]) == ("GET", "/echo?a=b")
    assert fields["x-own"] == "1"
    assert fields["host"] == way.origin.partition("://")[2]
    assert "proxy-authorization" not in fields
    await client.rest()


@pytest.mark.parametrize("kind", ["whole", "pieces"])
async def test_post_carries_its_body(driver: Driver, way: Way, kind: str) -> None:
    client = way.client()
    body = content(300_000)
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    given: Any = body if kind == "whole" else driver.body(pieces)

    seen = (await client.post(f"{way.origin}/echo", content=given)).json()

    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    await client.rest()


async def test_ten_megabytes_arrive_unharmed(driver: Driver, way: Way) -> None:
    client = way.client()

    response = await client.get(f"{way.origin}/bytes/10000000")

    assert response.content == content(10_000_000)
    await client.rest()


async def test_streamed_body_arrives_in_pieces(driver: Driver, way: Way) -> None:
    client = way.client()
    digest = hashlib.sha256()

    async with client.stream("GET", f"{way.origin}/chunked/1000000?size=10000") as response:
        async for piece in client.pieces(response):
            digest.update(piece)

    assert digest.digest() == hashlib.sha256(content(1_000_000)).digest()
    await client.rest()


async def test_body_given_up_in_the_middle_leaves_the_client_usable(driver: Driver, way: Way) -> None:
    client = way.client()

    async with client.stream("GET", f"{way.origin}/bytes/100000000") as response:
        assert response.status_code == 200
    await client.rest()

    assert client.counts == (0, 0)
    assert (await client.get(f"{way.origin}/bytes/10")).content == content(10)
    await client.rest()


async def test_fifty_requests_at_once_get_their_own_answers(driver: Driver, way: Way) -> None:
    client = way.client()

    async def one(number: int) -> tuple[int, str]:
        token = f"token-{number}"
        response = await client.get(f"{way.origin}/bytes/{number}", headers={"X-Token": token})
        return len(response.content), response.headers["x-token"]

    answers = await driver.gather(*(one(number) for number in range(50)))

    assert answers == [(number, f"token-{number}") for number in range(50)]
    await client.rest()


async def test_connection_is_kept_where_the_proxy_keeps_it(driver: Driver, way: Way) -> None:
    client = way.client()

    seen = [(await client.get(f"{way.origin}/json")).headers["x-connection"] for _ in range(3)]

    assert len(set(seen)) == (1 if way.keeps else 3)
    await client.rest()
    assert client.counts[0] == 1 or not way.keeps


async def test_origin_over_ipv6(driver: Driver, way: Way) -> None:
    if not way.server.has_ipv6:
        pytest.skip("no IPv6")
    client = way.client()

    response = await client.get(f"{way.url_to('[::1]')}/echo")

    fields = {name.lower(): value for name, value in response.json()["headers"]}
    assert fields["host"].startswith("[::1]:")
    await client.rest()


async def test_name_of_the_origin_is_resolved_by_the_proxy(driver: Driver, way: Way) -> None:
    client = way.client()

    assert (await client.get(f"{way.url_to('localhost')}/json")).status_code == 200
    await client.rest()


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", REFUSED_PORT), ("name.invalid", 7)], ids=["refused", "unknown"]
)
async def test_origin_that_cannot_be_reached_is_the_proxys_answer(
    driver: Driver, way: Way, host: str, port: int
) -> None:
    client = way.client()
    url = way.url_to(host, port)

    if way.forwards:
        assert (await client.get(url)).status_code in (500, 502, 503, 504)
    else:
        with pytest.raises(
            httpfast.ProxyError, match=r"50\d |Connection refused|Host unreachable|General SOCKS"
        ) as caught:
            await client.get(url)
        assert str(caught.value.request.url).rstrip("/") == url.rstrip("/")
        assert client.counts == (0, 0)

    assert (await client.get(f"{way.origin}/json")).status_code == 200
    await client.rest()


@pytest.mark.parametrize(
    "timeout", [httpfast.Timeout(5, read=0.1), httpfast.Timeout(5, total=0.1)], ids=["read", "total"]
)
async def test_slow_origin_is_a_read_timeout(driver: Driver, way: Way, timeout: httpfast.Timeout) -> None:
    client = way.client()
    await client.get(f"{way.origin}/json")
    await client.rest()

    started = monotonic()
    with pytest.raises(httpfast.ReadTimeout):
        await client.get(f"{way.origin}/delay/30", timeout=timeout)

    assert monotonic() - started < 2
    await client.rest()
    assert client.counts == (0, 0)
    assert (await client.get(f"{way.origin}/json")).status_code == 200
    await client.rest()


async def test_right_credentials_let_through(driver: Driver, closed_way: Way) -> None:
    client = closed_way.client()

    responses = [await client.get(f"{closed_way.origin}/echo") for _ in range(2)]

    assert [response.status_code for response in responses] == [200, 200]
    for response in responses:
        assert "proxy-authorization" not in {name.lower() for name, _ in response.json()["headers"]}
    await client.rest()


@pytest.mark.parametrize("credentials", ["", "user:wrong@", "other:sesame@"], ids=["none", "password", "user"])
async def test_wrong_credentials_are_refused(driver: Driver, closed_way: Way, credentials: str) -> None:
    proxy = closed_way.proxy.replace("user:sesame@", credentials)
    client = closed_way.client(proxy)

    if closed_way.is_tls:
        with pytest.raises(httpfast.ProxyError, match=r"40[17] "):
            await client.get(f"{closed_way.origin}/json")
        assert client.counts == (0, 0)
    else:
        response = await client.get(f"{closed_way.origin}/json")
        assert response.status_code in (401, 407)
        assert "x-connection" not in response.headers
    await client.rest()
