"""Cancellation at any suspension leaves nothing behind, and the client usable. [POOL-02, POOL-03]"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer, content

from ..drivers.facade import Caller, Driver, Network
from . import stepper

MOST_STEPS = 400


class Bench:
    """What a scenario works with: a client with few connections, and a server."""

    def __init__(self, client: Caller, server: EmbeddedServer) -> None:
        self.client = client
        self.server = server
        self.url = server.url
        self.tls_url = server.tls_url

    async def prepare(self, scenario: str) -> None:
        """Bring the pool into the state in which the scenario begins."""
        if scenario.endswith("on a kept connection"):
            await self.client.get(f"{self.url}/json")
            await self.client.get(f"{self.tls_url}/json")


async def get(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/bytes/1000")).content == content(1000)


async def get_by_tls(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.tls_url}/bytes/1000")).content == content(1000)


async def get_by_name(bench: Bench) -> None:
    url = bench.url.replace("127.0.0.1", "localhost")
    assert (await bench.client.get(f"{url}/bytes/1000")).content == content(1000)


async def get_large(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/bytes/3000000")).content == content(3_000_000)


async def get_until_close(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/close/3000")).content == content(3000)


async def read_stream(bench: Bench) -> None:
    async with bench.client.stream("GET", f"{bench.url}/chunked/3000000?size=70000") as response:
        assert b"".join([piece async for piece in bench.client.pieces(response)]) == content(3_000_000)


async def read_stream_by_tls(bench: Bench) -> None:
    async with bench.client.stream("GET", f"{bench.tls_url}/bytes/2000000") as response:
        assert await bench.client.read(response) == content(2_000_000)


async def leave_stream(bench: Bench) -> None:
    async with bench.client.stream("GET", f"{bench.url}/bytes/3000000"):
        pass


async def upload_chunks(bench: Bench) -> None:
    body = bench.client.driver.body([content(60_000), lambda: None, content(200_000), lambda: None, b"end"])
    assert (await bench.client.post(f"{bench.url}/drain", content=body)).text == "260003"


async def upload_large(bench: Bench) -> None:
    assert (await bench.client.post(f"{bench.url}/drain", content=content(5_000_000))).text == "5000000"


async def upload_refused(bench: Bench) -> None:
    response = await bench.client.post(f"{bench.url}/early-413?linger=1", content=content(3_000_000))
    assert response.status_code == 413


async def upload_after_continue(bench: Bench) -> None:
    response = await bench.client.post(f"{bench.url}/continue", content=b"body", headers={"Expect": "100-continue"})
    assert response.json()["length"] == 4


async def follow_redirects(bench: Bench) -> None:
    response = await bench.client.get(f"{bench.url}/redirect/3", follow_redirects=True)
    assert response.text == "arrived\n"


async def wait_for_the_pool(bench: Bench) -> None:
    outcomes = await asyncio.gather(*(get(bench) for _ in range(6)))
    assert outcomes == [None] * 6


async def with_timeouts(bench: Bench) -> None:
    timeout = httpfast.Timeout(5, total=10)
    assert (await bench.client.get(f"{bench.url}/delay/0.01", timeout=timeout)).text == "late\n"


async def read_timeout(bench: Bench) -> None:
    with pytest.raises(httpfast.ReadTimeout):
        await bench.client.get(f"{bench.url}/stall-head", timeout=httpfast.Timeout(5, read=0.02))


async def refused_dial(bench: Bench) -> None:
    with pytest.raises(httpfast.ConnectError):
        await bench.client.get("http://127.0.0.1:1/")


async def failing_handshake(bench: Bench) -> None:
    with pytest.raises(httpfast.ConnectError):
        await bench.client.get(f"{bench.tls_url}/json", extensions={"sni_hostname": "other.example"})


async def tunnel(bench: Bench) -> None:
    headers = {"Upgrade": "echo", "Connection": "Upgrade"}
    async with bench.client.stream("GET", f"{bench.url}/upgrade", headers=headers) as response:
        network = Network(response)
        await network.write(b"ping")
        assert await network.read_exactly(4) == b"ping"


SCENARIOS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "get": get,
    "get on a kept connection": get,
    "get by TLS": get_by_tls,
    "get by TLS on a kept connection": get_by_tls,
    "get by name": get_by_name,
    "get a large body": get_large,
    "get a body that ends with the connection": get_until_close,
    "read a stream": read_stream,
    "read a stream by TLS": read_stream_by_tls,
    "leave a stream": leave_stream,
    "upload chunks": upload_chunks,
    "upload a large body": upload_large,
    "upload what is refused": upload_refused,
    "upload after 100 Continue": upload_after_continue,
    "follow redirects": follow_redirects,
    "wait for the pool": wait_for_the_pool,
    "with timeouts": with_timeouts,
    "read timeout": read_timeout,
    "refused dial": refused_dial,
    "failing handshake": failing_handshake,
    "tunnel": tunnel,
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", stepper.MODES)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
async def test_cancellation_at_every_suspension_leaves_nothing_behind(
    loop_driver: Driver, embedded_server: EmbeddedServer, context: Any, scenario: str, mode: str
) -> None:
    client = loop_driver.client(verify=context, timeout=20, limits=httpfast.Limits(max_connections=3))
    bench = Bench(client, embedded_server)

    for count, step in enumerate(stepper.steps(mode)):
        assert count < MOST_STEPS
        await bench.prepare(scenario)
        was_cancelled = await stepper.cancelled_at(SCENARIOS[scenario](bench), step, mode)  # type: ignore[arg-type]

        await client.rest()
        assert client.state is None or client.state.waiting == 0
        assert len(asyncio.all_tasks()) == 1 or await only_this_task()
        assert (await client.get(f"{bench.url}/json")).status_code == 200
        assert client.counts[0] <= 3
        if not was_cancelled:
            break
    assert count or mode == stepper.TURNS


async def only_this_task() -> bool:
    """Wait a few turns for cancelled tasks to end."""
    for _ in range(100):
        await asyncio.sleep(0)
        if len(asyncio.all_tasks()) == 1:
            return True
    raise AssertionError(f"tasks are left over: {asyncio.all_tasks()}")


@pytest.mark.parametrize("mode", [stepper.EARLY, stepper.TWICE, stepper.TURNS])
async def test_cancellation_while_addresses_race_closes_every_socket(
    loop_driver: Driver, embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Several attempts are under way, and may succeed in the very turn in which they are given up."""
    monkeypatch.setattr("httpfast._transports.push.ATTEMPT_DELAY", 0.0)
    address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", embedded_server.port))

    async def look_up(*arguments: Any, **options: Any) -> list[Any]:
        return [address] * 8

    monkeypatch.setattr(type(loop_driver.loop), "getaddrinfo", look_up)  # type: ignore[attr-defined]
    client = loop_driver.client(timeout=20, limits=httpfast.Limits(max_connections=3, max_keepalive_connections=0))

    for step in stepper.steps(mode):
        was_cancelled = await stepper.cancelled_at(client.get("http://name.example/json"), step, mode)
        await client.rest()
        await only_this_task()
        assert client.counts == (0, 0)
        if not was_cancelled:
            break


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(3))
async def test_random_cancellations_under_contention_leave_the_pool_usable(
    loop_driver: Driver, embedded_server: EmbeddedServer, context: Any, seed: int
) -> None:
    """[POOL-02] 2,000 requests by 50 tasks for 4 connections, half of them cancelled at some turn."""
    chance = random.Random(seed)
    client = loop_driver.client(verify=context, timeout=60, limits=httpfast.Limits(max_connections=4))
    paths = ["/bytes/100", "/bytes/300000", "/connection-close/10", "/chunked/5000", "/delay/0.001"]
    left = 2000
    completed = 0

    async def one() -> None:
        nonlocal completed
        url = (embedded_server.tls_url if chance.random() < 0.1 else embedded_server.url) + chance.choice(paths)
        token = str(chance.random())
        response = await client.get(url, headers={"x-token": token})
        assert response.headers["x-token"] == token
        completed += 1

    async def work() -> None:
        nonlocal left
        while left:
            left -= 1
            task = asyncio.get_running_loop().create_task(one())
            if chance.random() < 0.5:
                for _ in range(int(chance.expovariate(1 / 15))):
                    await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    assert await loop_driver.gather(*(work() for _ in range(50))) == [None] * 50
    await client.rest()

    assert client.state.waiting == 0
    assert client.counts[0] <= 4
    assert 500 < completed < 2000
    assert (await client.get(f"{embedded_server.url}/json")).status_code == 200
