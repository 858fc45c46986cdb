"""Cancellation at any suspension leaves nothing behind, and the connection usable. [POOL-02, POOL-03]"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Caller, Driver
from ..faults import stepper
from .origin import ScriptedOrigin, Stream

MOST_STEPS = 400


class Bench:
    """What a scenario works with: a client with one connection of few streams, and its origin."""

    def __init__(self, client: Caller, origin: ScriptedOrigin) -> None:
        self.client = client
        self.origin = origin
        self.url = origin.url

    async def prepare(self, scenario: str) -> None:
        """Bring the pool into the state in which the scenario begins."""
        if scenario.endswith("on a kept connection"):
            await self.client.get(self.url)
        else:
            await self.client.transport.aclose()


async def get(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/bytes/1000")).content == content(1000)


async def get_large(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/bytes/1000000")).content == content(1_000_000)


async def read_stream(bench: Bench) -> None:
    async with bench.client.stream("GET", f"{bench.url}/bytes/1000000") as response:
        assert b"".join([piece async for piece in bench.client.pieces(response)]) == content(1_000_000)


async def leave_stream(bench: Bench) -> None:
    async with bench.client.stream("GET", f"{bench.url}/bytes/1000000"):
        pass


async def upload_whole(bench: Bench) -> None:
    assert (await bench.client.post(f"{bench.url}/drain", content=content(400_000))).text == "400000"


async def upload_pieces(bench: Bench) -> None:
    body = bench.client.driver.body([content(60_000), lambda: None, content(200_000), lambda: None, b"end"])
    assert (await bench.client.post(f"{bench.url}/drain", content=body)).text == "260003"


async def upload_refused(bench: Bench) -> None:
    assert (await bench.client.post(f"{bench.url}/early", content=content(1_000_000))).status_code == 413


async def upload_after_continue(bench: Bench) -> None:
    response = await bench.client.post(f"{bench.url}/continue", content=b"body", headers={"Expect": "100-continue"})
    assert response.text == "body"


async def refused_once(bench: Bench) -> None:
    bench.origin.refusals = 1
    assert (await bench.client.post(f"{bench.url}/echo", content=b"body")).text == "body"


async def parted(bench: Bench) -> None:
    assert (await bench.client.get(f"{bench.url}/goaway")).text == "ok"
    await get(bench)


async def burst(bench: Bench) -> None:
    """More than there are streams."""
    outcomes = await asyncio.gather(*(get(bench) for _ in range(8)))
    assert outcomes == [None] * 8


async def read_timeout(bench: Bench) -> None:
    with pytest.raises(httpfast.ReadTimeout):
        await bench.client.get(f"{bench.url}/hang", timeout=httpfast.Timeout(5, read=0.02))


SCENARIOS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "get": get,
    "get on a kept connection": get,
    "get a large body": get_large,
    "read a stream on a kept connection": read_stream,
    "leave a stream on a kept connection": leave_stream,
    "upload a whole body": upload_whole,
    "upload pieces on a kept connection": upload_pieces,
    "upload what is refused": upload_refused,
    "upload after 100 Continue on a kept connection": upload_after_continue,
    "refused once on a kept connection": refused_once,
    "parted on a kept connection": parted,
    "burst": burst,
    "burst on a kept connection": burst,
    "read timeout on a kept connection": read_timeout,
}


def program(origin: ScriptedOrigin) -> None:
    async def early(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        await stream.respond(413, b"too large")

    async def expecting(stream: Stream) -> None:
        await stream.inform(100)
        await stream.respond(body=await stream.read())

    async def part(stream: Stream) -> None:
        stream.connection.goaway()
        await stream.respond()

    origin.on("/early", early)
    origin.on("/continue", expecting)
    origin.on("/goaway", part)


async def only_this_task() -> None:
    """Wait a few turns for cancelled tasks to end."""
    for _ in range(100):
        if len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"tasks are left over: {asyncio.all_tasks()}")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("mode", stepper.MODES)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
async def test_cancellation_at_every_suspension_leaves_nothing_behind(
    loop_driver: Driver, scenario: str, mode: str, is_tls: bool
) -> None:
    with ScriptedOrigin(tls=is_tls, max_streams=4) as origin:
        program(origin)
        limits = httpfast.Limits(max_connections=1)
        client = loop_driver.client(**origin.options, timeout=20, limits=limits)
        bench = Bench(client, origin)

        for count, step in enumerate(stepper.steps(mode)):
            assert count < MOST_STEPS
            await bench.prepare(scenario)
            was_cancelled = await stepper.cancelled_at(SCENARIOS[scenario](bench), step, mode)  # type: ignore[arg-type]
            origin.refusals = 0

            await client.rest()
            assert client.state is None or client.state.waiting == 0
            await only_this_task()
            assert (await client.get(origin.url)).text == "ok"
            # None is left where the server has said goodbye.
            assert client.counts == (1, 1) or (scenario.startswith("parted") and client.counts == (0, 0))
            if not was_cancelled:
                break
        assert count or mode == stepper.TURNS


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [stepper.EARLY, stepper.LATE])
async def test_cancelled_request_leaves_the_others_alone(loop_driver: Driver, mode: str) -> None:
    """One task of five is cancelled at every suspension; the connection is never another one."""
    with ScriptedOrigin() as origin:
        client = loop_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)

        async def other(index: int) -> bool:
            body = content(1000 + index)
            return (await client.post(f"{origin.url}/echo", content=body)).content == body

        for step in stepper.steps(mode):
            others = asyncio.gather(*(other(index) for index in range(4)))
            was_cancelled = await stepper.cancelled_at(
                client.post(f"{origin.url}/echo", content=content(300_000)), step, mode
            )
            assert await others == [True] * 4
            if not was_cancelled:
                break
        assert len(origin.connections) == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(2))
async def test_random_cancellations_under_contention_leave_the_pool_usable(loop_driver: Driver, seed: int) -> None:
    """[POOL-02] 1,000 requests by 40 tasks for 2 connections of 5 streams, half of them cancelled at some turn."""
    chance = random.Random(seed)
    with ScriptedOrigin(max_streams=5) as origin:
        client = loop_driver.client(**origin.options, timeout=30, limits=httpfast.Limits(max_connections=2))
        left = 1000
        completed = 0

        async def one() -> None:
            nonlocal completed
            token = str(chance.random())
            body = content(chance.choice([1, 1000, 100_000]))
            response = await client.post(f"{origin.url}/echo", content=body, headers={"x-token": token})
            assert (response.headers["x-token"], response.content) == (token, body)
            completed += 1

        async def work() -> None:
            nonlocal left
            while left:
                left -= 1
                task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(one())
                if chance.random() < 0.5:
                    for _ in range(int(chance.expovariate(1 / 15))):
                        await asyncio.sleep(0)
                    task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()

        assert await loop_driver.gather(*(work() for _ in range(40))) == [None] * 40
        await client.rest()

        assert client.state.waiting == 0
        assert client.counts[0] <= 2
        assert 250 < completed < 1000
        assert (await client.get(origin.url)).text == "ok"
