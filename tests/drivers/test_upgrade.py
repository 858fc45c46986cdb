"""Connections that stop being HTTP: 101 Switching Protocols (RFC 9110, 7.8) and CONNECT (9.3.6)."""

from __future__ import annotations

import threading

import pytest

import httpfast
from bench.server import Certificates, content

from ..conftest import Origin
from ..peers import Close, Expect, ReadRequest, Reset, ScriptedPeer, Send, Stall, StartTLS, WaitFor
from .facade import Caller, Driver, Network, settle

ASK = {"Upgrade": "echo", "Connection": "Upgrade"}
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"


async def open_tunnel(client: Caller, url: str, way: str) -> httpfast.Response:
    if way == "upgrade":
        return await client.open("GET", f"{url}/upgrade", headers=ASK)
    return await client.open("CONNECT", url, extensions={"target": b"example.org:443"})


@pytest.mark.parametrize("way", ["upgrade", "connect"])
async def test_tunnel_carries_raw_octets_both_ways(driver: Driver, embedded: Origin, way: str) -> None:
    client = driver.client(verify=embedded.verify)

    response = await open_tunnel(client, embedded.url, way)
    network = Network(response)
    assert response.status_code == (101 if way == "upgrade" else 200)
    for piece in (b"a", b"GET / HTTP/1.1\r\n\r\n", content(30_000)):
        await network.write(piece)
        assert await network.read_exactly(len(piece)) == piece
    await client.close_response(response)
    await client.rest()

    assert client.counts == (0, 0)


async def test_tunnel_goes_on_over_tls(driver: Driver, ca: Certificates) -> None:
    script = [ReadRequest(), Send(SWITCH), StartTLS(ca.server_context()), Expect(b"hello"), Send(b"there"), Close()]
    with ScriptedPeer(script) as peer:
        client = driver.client()

        response = await open_tunnel(client, peer.url, "upgrade")
        network = Network(response)
        network.stream = await settle(network.stream.start_tls(ca.client_context(), "localhost", 5))
        assert network.stream.get_extra_info("ssl_object").version().startswith("TLS")
        await network.write(b"hello")
        assert await network.read_exactly(5) == b"there"
        await client.close_response(response)
        await client.rest()

        assert client.counts == (0, 0)


@pytest.mark.parametrize("name", ["wrong.example", "stalled"])
async def test_tunnel_whose_tls_fails_is_closed(driver: Driver, ca: Certificates, name: str) -> None:
    step = Stall() if name == "stalled" else StartTLS(ca.server_context(), may_fail=True)
    with ScriptedPeer([ReadRequest(), Send(SWITCH), step]) as peer:
        client = driver.client()

        response = await open_tunnel(client, peer.url, "upgrade")
        stream = Network(response).stream
        with pytest.raises(httpfast.ConnectTimeout if name == "stalled" else httpfast.ConnectError):
            await settle(stream.start_tls(ca.client_context(), name, 0.3 if name == "stalled" else 5))
        await client.close_response(response)
        await client.rest()

        assert client.counts == (0, 0)


async def test_octets_behind_the_101_head_belong_to_the_tunnel(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(SWITCH + b"early"), Expect(b"hello"), Send(b"late"), Close()]) as peer:
        client = driver.client()

        async with client.stream("GET", peer.url, headers=ASK) as response:
            network = Network(response)
            early = await network.read_exactly(5)
            await network.write(b"hello")
            late = await network.read_exactly(4)
            end = await network.read()

        assert (early, late, end) == (b"early", b"late", b"")


async def test_tunnel_read_honours_max_bytes(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(SWITCH + b"abcdef"), Stall()]) as peer:
        client = driver.client()

        async with client.stream("GET", peer.url, headers=ASK) as response:
            network = Network(response)
            assert [await network.read(2) for _ in range(3)] == [b"ab", b"cd", b"ef"]


async def test_tunnel_read_times_out_by_its_own_timeout(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(SWITCH), Stall()]) as peer:
        client = driver.client()

        async with client.stream("GET", peer.url, headers=ASK) as response:
            with pytest.raises(httpfast.ReadTimeout):
                await Network(response).read(10, timeout=0.05)


async def test_tunnel_read_of_a_reset_connection_is_a_read_error(driver: Driver) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), Send(SWITCH), WaitFor(go), Reset()]) as peer:
        client = driver.client()

        async with client.stream("GET", peer.url, headers=ASK) as response:
            go.set()
            with pytest.raises(httpfast.ReadError):
                await Network(response).read()


async def test_tunnel_that_the_caller_closes_is_closed(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await open_tunnel(client, embedded.url, "upgrade")
    await Network(response).close()
    await client.close_response(response)
    await client.rest()

    assert client.counts == (0, 0)


async def test_tunnel_is_not_used_for_another_request(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await open_tunnel(client, embedded.url, "upgrade")
    other = await client.get(f"{embedded.url}/json")
    await client.close_response(response)

    assert other.headers["x-connection"] != response.headers["x-connection"]


async def test_refused_upgrade_is_an_ordinary_response(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/upgrade", headers={"Upgrade": "other", "Connection": "Upgrade"})
    after = await client.get(f"{embedded.url}/json")

    assert response.status_code == 426
    assert after.headers["x-connection"] == response.headers["x-connection"]


async def test_refused_connect_is_an_ordinary_response(driver: Driver) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"
    with ScriptedPeer([ReadRequest(), Send(refusal), ReadRequest(), Send(refusal)]) as peer:
        client = driver.client()

        first = await client.request("CONNECT", peer.url, extensions={"target": b"h:1"})
        second = await client.get(peer.url)

        assert (first.status_code, first.text, second.text) == (407, "no", "no")
        assert peer.connections == 1


async def test_connect_answer_ignores_content_length(driver: Driver) -> None:
    """RFC 9110, 9.3.6: Content-Length and Transfer-Encoding of a 2xx answer to CONNECT mean nothing."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"
    with ScriptedPeer([ReadRequest(), Send(answer), Stall()]) as peer:
        client = driver.client()

        async with client.stream("CONNECT", peer.url, extensions={"target": b"h:1"}) as response:
            assert await Network(response).read_exactly(6) == b"abcdef"


@pytest.mark.parametrize("name", ["client_addr", "server_addr", "socket", "ssl_object", "is_readable", "nothing"])
async def test_network_stream_tells_about_the_connection(driver: Driver, embedded: Origin, name: str) -> None:
    client = driver.client(verify=embedded.verify)

    async with client.stream("GET", f"{embedded.url}/bytes/1000000") as response:
        value = response.extensions["network_stream"].get_extra_info(name)
        await client.read(response)

    if name == "server_addr":
        assert value[1] == int(embedded.url.rpartition(":")[2])
    elif name == "ssl_object":
        assert (value is not None) == embedded.is_tls
    elif name == "nothing":
        assert value is None
    elif name == "is_readable":
        assert isinstance(value, bool)
    else:
        assert value is not None


@pytest.mark.parametrize(
    "answer",
    [
        SWITCH,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.0 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["not asked", "no upgrade", "HTTP/1.0"],
)
async def test_101_that_does_not_fit_is_a_protocol_error(driver: Driver, answer: bytes) -> None:
    headers = {} if answer is SWITCH else ASK
    with ScriptedPeer([ReadRequest(), Send(answer), Stall()]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError, match="101"):
            await client.get(peer.url, headers=headers)
