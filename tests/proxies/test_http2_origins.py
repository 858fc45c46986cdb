"""HTTP/2 with an origin behind real proxies: by CONNECT, over TLS with the proxy too, and by SOCKS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ..drivers.facade import Caller, Driver
from ..http2.servers import Nginx
from .test_real_proxies import PACKAGE_OF

DRIVERS = ("sync", "asyncio", "uvloop")
PROXIES = ("squid", "squid-auth", "squid-tls", "squid-tls-auth", "tinyproxy", "tinyproxy-auth", "dante")
LARGE = 10_000_000

pytestmark = pytest.mark.parametrize("driver", DRIVERS, indirect=True)


@dataclass
class Way:
    """A proxy, and an origin behind it."""

    driver: Driver
    proxy: str
    real: Nginx
    ca: Certificates

    def client(self, **arguments: Any) -> Caller:
        """A client whose own transport takes this way. Two contexts, so that neither can stand in for the other."""
        context = self.ca.client_context() if self.proxy.startswith("https") else None
        proxy = httpfast.Proxy(self.proxy, ssl_context=context)
        arguments = {"http2": True} | arguments
        transport = self.driver.transport(verify=self.ca.client_context(), proxy=proxy, **arguments)
        return self.driver.client(transport=transport, timeout=10)


@pytest.fixture(scope="module")
def origin(ca: Certificates, embedded_server: EmbeddedServer) -> Iterator[Nginx]:
    """An nginx that speaks HTTP/2."""
    if not Nginx.is_installed():
        pytest.skip(f"{Nginx.package} is not installed")
    with Nginx(ca, embedded_server) as server:
        yield server


@pytest.fixture(params=PROXIES)
def way(
    request: pytest.FixtureRequest,
    driver: Driver,
    real_proxies: dict[str, str],
    origin: Nginx,
    ca: Certificates,
) -> Way:
    """By way of each of the proxies."""
    if request.param not in real_proxies:
        pytest.skip(f"{PACKAGE_OF[request.param]} is not installed")
    return Way(driver, real_proxies[request.param], origin, ca)


async def test_fifty_at_once_share_one_tunnel(driver: Driver, way: Way) -> None:
    client = way.client()

    async def one(number: int) -> tuple[str, int, str]:
        response = await client.get(f"{way.real.url}/echo?number={number}", headers={"X-Token": f"token-{number}"})
        seen = response.json()
        assert seen["target"] == f"/echo?number={number}"
        return response.http_version, response.extensions["stream_id"], seen["headers"][0][1]

    answers = await driver.gather(*(one(number) for number in range(50)))

    assert [answer[0] for answer in answers] == ["HTTP/2"] * 50
    assert {answer[1] for answer in answers} == set(range(1, 101, 2))
    assert [answer[2] for answer in answers] == [f"token-{number}" for number in range(50)]
    await client.rest()
    assert client.counts == (1, 1)


async def test_ten_megabytes_both_ways(driver: Driver, way: Way) -> None:
    client = way.client()

    down = await client.get(f"{way.real.url}/bytes/{LARGE}")
    up = await client.post(f"{way.real.url}/drain", content=content(LARGE))

    assert hashlib.sha256(down.content).digest() == hashlib.sha256(content(LARGE)).digest()
    assert way.real.drained(up) == LARGE
    await client.rest()
    assert client.counts == (1, 1)


async def test_body_given_up_leaves_the_tunnel_to_others(driver: Driver, way: Way) -> None:
    client = way.client()

    for _ in range(3):
        async with (
            client.stream("GET", f"{way.real.url}/bytes/{LARGE}") as response,
            aclosing(client.pieces(response)) as pieces,
        ):
            async for _ in pieces:
                break
    response = await client.get(f"{way.real.url}/bytes/1024")

    assert response.content == content(1024)
    assert response.extensions["stream_id"] == 7
    await client.rest()
    assert client.counts == (1, 1)


async def test_prior_knowledge_through_socks(
    driver: Driver, real_proxies: dict[str, str], origin: Nginx, ca: Certificates
) -> None:
    if "dante" not in real_proxies:
        pytest.skip(f"{PACKAGE_OF['dante']} is not installed")
    client = Way(driver, real_proxies["dante"], origin, ca).client(http1=False)

    response = await client.get(f"{origin.h2c_url}/bytes/1024")

    assert (response.http_version, response.content) == ("HTTP/2", content(1024))
    await client.rest()
