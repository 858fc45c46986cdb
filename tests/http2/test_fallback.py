"""What is spoken with whom: ALPN, prior knowledge, HTTP/1.1 where a server knows nothing else (RFC 9113, 3). [H2-21]"""

from __future__ import annotations

import ssl
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..drivers.facade import Driver
from ..nginx import Nginx
from ..peers import ReadHead, ReadRequest, ScriptedPeer, Send, StartTLS, WaitForClose
from ..servers import certificates
from .origin import ScriptedOrigin, server_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_server_that_chooses_http1_is_spoken_to_so(
    driver: Driver, embedded_server: EmbeddedServer, context: ssl.SSLContext
) -> None:
    client = driver.client(http2=True, verify=context)

    first = await client.get(f"{embedded_server.tls_url}/json")
    second = await client.get(f"{embedded_server.tls_url}/json")

    assert [first.http_version, second.http_version] == ["HTTP/1.1"] * 2
    assert "stream_id" not in first.extensions
    assert client.counts == (1, 1)


async def test_server_without_alpn_is_spoken_to_by_http1(driver: Driver, context: ssl.SSLContext) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=server_context()) as peer:
        client = driver.client(http2=True, verify=context)

        response = await client.get(peer.url)

        assert (response.http_version, response.text) == ("HTTP/1.1", "ok")


async def test_plain_url_is_spoken_to_by_http1(driver: Driver, embedded_server: EmbeddedServer) -> None:
    """Without TLS nothing tells what a server speaks."""
    client = driver.client(http2=True)

    response = await client.get(f"{embedded_server.url}/json")

    assert response.http_version == "HTTP/1.1"


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_cold_burst_to_an_http1_server_is_served_within_the_limits(
    driver: Driver, embedded_server: EmbeddedServer, context: ssl.SSLContext, limit: int
) -> None:
    """Requests that rode on the first dial each need a connection of their own, or wait for one."""
    limits = httpfast.Limits(max_connections=limit)
    client = driver.client(http2=True, verify=context, limits=limits, timeout=20)

    async def one(index: int) -> tuple[int, str]:
        response = await client.get(f"{embedded_server.tls_url}/json", headers={"x-token": str(index)})
        return response.status_code, response.headers["x-token"]

    outcomes = await driver.gather(*(one(index) for index in range(30)))
    await client.rest()

    assert outcomes == [(200, str(index)) for index in range(30)]
    assert client.counts[0] <= limit
    assert client.state.waiting == 0


async def test_cold_burst_whose_dial_fails_fails_each_request(driver: Driver) -> None:
    client = driver.client(http2=True, limits=httpfast.Limits(max_connections=5), timeout=5)

    outcomes = await driver.gather(*(client.get("https://127.0.0.1:1/") for _ in range(20)))
    await client.rest()

    assert [type(outcome) for outcome in outcomes] == [httpfast.ConnectError] * 20
    assert client.counts == (0, 0)
    assert client.state.waiting == 0


@pytest.mark.parametrize("protocols", [("http/1.1",), ()], ids=["http/1.1", "no ALPN"])
async def test_http2_only_client_refuses_an_http1_server(
    driver: Driver, context: ssl.SSLContext, protocols: tuple[str, ...]
) -> None:
    script = [StartTLS(server_context(*protocols), may_fail=True), WaitForClose()]
    with ScriptedPeer(script, repeats_last=True) as peer:
        client = driver.client(http1=False, http2=True, verify=context, timeout=5)

        outcomes = await driver.gather(*(client.get(f"https://localhost:{peer.port}") for _ in range(3)))
        await client.rest()

        assert [type(outcome) for outcome in outcomes] == [httpfast.ConnectError] * 3
        assert all("HTTP/2" in str(outcome) for outcome in outcomes)
        assert client.counts == (0, 0)


async def test_http1_client_speaks_http1_to_a_server_that_knows_both(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=server_context("h2", "http/1.1")) as peer:
        client = driver.client(verify=_context())

        response = await client.get(peer.url)

        assert response.http_version == "HTTP/1.1"


def _context() -> ssl.SSLContext:
    from .. import servers

    return servers.certificates().client_context()


async def test_http1_answer_to_prior_knowledge_is_a_protocol_error(driver: Driver) -> None:
    """[H2-21]"""
    with ScriptedPeer(
        [ReadHead(), Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")], repeats_last=True
    ) as peer:
        client = driver.client(http1=False, http2=True, timeout=5)

        # Where the answer comes before the connection is handed out, it is that which has failed.
        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ConnectError)):
            await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)


async def test_connection_of_one_protocol_is_not_used_for_another_client_setting(driver: Driver) -> None:
    """[POOL-01] Two clients, one origin: each keeps to what it was told."""
    with ScriptedOrigin(tls=True) as origin:
        both = driver.client(**origin.options)
        only = driver.client(http1=False, **origin.options)

        versions = [(await client.get(origin.url)).http_version for client in (both, only, both)]

        assert versions == ["HTTP/2"] * 3
        assert len(origin.connections) == 2


async def test_network_stream_tells_of_the_connection(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)

        async with client.stream("GET", f"{origin.url}/stall") as response:
            network: Any = response.extensions["network_stream"]
            address = network.get_extra_info("server_addr")
            ssl_object = network.get_extra_info("ssl_object")

            assert address[1] == int(origin.url.rpartition(":")[2])
            assert (ssl_object is not None) == origin.is_tls
            if ssl_object is not None:
                assert ssl_object.selected_alpn_protocol() == "h2"


async def test_clients_with_one_context_speak_each_its_own_protocol(driver: Driver) -> None:
    """RFC 7301. A context has one list of protocols for all who use it, and these clients do not want the same."""
    if not Nginx.available():
        pytest.skip("nginx is not installed")
    authority = certificates()
    context = authority.client_context()
    with Nginx(http2=True, certificates=authority) as server:
        url = f"{server.tls_url}/static/1k"
        old, new = driver.client(verify=context), driver.client(verify=context, http2=True)

        versions = [(await client.get(url, headers={"connection": "close"})).http_version for client in (new, old) * 2]

    assert versions == ["HTTP/2", "HTTP/1.1"] * 2
