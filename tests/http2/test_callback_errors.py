"""What fails inside a callback, or while the connection's lock is held, ends every exchange that it concerns."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

import httpfast
from httpfast._transports.pull_pool import Pool
from httpfast._transports.push_pool import AsyncPool

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream

SECONDS = 5


class Broken(Exception):
    """Raised where nothing should be."""


def broken(*arguments: Any, **options: Any) -> Any:
    raise Broken("a bug of ours")


async def ended(*tasks: asyncio.Future[Any]) -> list[Any]:
    """What the tasks return or raise. Fails when one hangs."""
    _, waiting = await asyncio.wait(tasks, timeout=SECONDS)
    for task in waiting:
        task.cancel()
    assert not waiting, "a caller was left waiting"
    return [task.exception() or task.result() for task in tasks]


@pytest.mark.parametrize("name", ["serve", "share", "close_discarded"])
async def test_pool_that_fails_in_a_callback_leaves_nobody_waiting(
    loop_driver: Driver, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with ScriptedOrigin(max_streams=3) as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond()

        url = origin.on("/held", held)
        limits = httpfast.Limits(max_connections=1, max_keepalive_connections=0)
        client = loop_driver.client(**origin.options, limits=limits, timeout=httpfast.Timeout(SECONDS, pool=0.5))
        tasks = [asyncio.ensure_future(client.get(url)) for _ in range(6)]
        await loop_driver.blocking(origin.wait_until, lambda: sum(not s.was_refused for s in origin.streams) == 3)

        monkeypatch.setattr(AsyncPool, name, broken)
        gate.open()
        outcomes = await ended(*tasks)
        monkeypatch.undo()

        for outcome in outcomes:
            assert isinstance(outcome, (Broken, httpfast.TransportError, httpfast.Response))
        loop_driver.complaints.clear()  # type: ignore[attr-defined]
        await client.close()
        # Where the callback of its loss has failed uvloop leaves a transport, and with it the socket, to the collector.
        del tasks, outcomes
        gc.collect()
        for _ in range(10):
            await loop_driver.turn()


async def test_engine_that_fails_on_what_was_read_ends_all_exchanges(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug, or MemoryError: the connection is of no more use, and nobody waits on it."""
    with ScriptedOrigin() as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            # What the engine makes of an unknown code is an error that it has to construct.
            stream.reset(3)  # type: ignore[arg-type]

        url = origin.on("/held", held)
        client = driver.client(**origin.options, timeout=SECONDS)
        await client.get(origin.url)

        async def release() -> None:
            await driver.blocking(origin.wait_until, lambda: sum(s.path == "/held" for s in origin.streams) == 5)
            monkeypatch.setattr("httpfast._cext.h2.error_name", broken)
            gate.open()

        outcomes = await driver.gather(*(client.post(url, content=b"x") for _ in range(5)), release())
        monkeypatch.undo()
        await client.rest()

        assert all(isinstance(outcome, (Broken, httpfast.TransportError)) for outcome in outcomes[:5]), outcomes
        assert not any(isinstance(outcome, httpfast.TimeoutException) for outcome in outcomes[:5]), outcomes
        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 2


async def test_pool_that_fails_when_a_request_ends_raises_in_the_caller(
    sync_driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedOrigin() as origin:
        client = sync_driver.client(**origin.options)
        release = Pool.release

        def fail(pool: Pool, connection: Any) -> None:
            release(pool, connection)
            raise Broken("a bug of ours")

        monkeypatch.setattr(Pool, "release", fail)
        with pytest.raises(Broken):
            await client.get(origin.url)
        monkeypatch.undo()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_hook_that_fails_closes_its_response_only(driver: Driver) -> None:
    async def broken_async(response: httpfast.Response) -> None:
        raise Broken("a bug of the caller")

    with ScriptedOrigin() as origin:
        client = driver.client(
            **origin.options, event_hooks={"response": [broken_async if driver.is_async else broken]}
        )

        for _ in range(3):
            with pytest.raises(Broken):
                await client.get(f"{origin.url}/stall")
        await client.rest()

        assert client.counts == (1, 1)
        assert len(origin.connections) == 1
        await driver.blocking(origin.wait_until, lambda: all(s.reset_code is not None for s in origin.streams))
