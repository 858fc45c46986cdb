"""What fails inside a callback of the loop reaches the caller as an exception; it never leaves the caller waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import httpfast
from httpfast._transports.pull_pool import Pool
from httpfast._transports.push_pool import AsyncPool

from ..drivers.facade import Driver
from ..peers import ReadRequest, ScriptedPeer, Send, WaitFor, WaitForClose

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 5


class Broken(Exception):
    """Raised where nothing should be."""


def broken(*arguments: Any, **options: Any) -> Any:
    raise Broken("a bug of ours")


async def ended(loop_driver: Driver, *tasks: asyncio.Future[Any]) -> list[Any]:
    """What the tasks return or raise. Fails when one hangs."""
    _, waiting = await asyncio.wait(tasks, timeout=SECONDS)
    for task in waiting:
        task.cancel()
    assert not waiting, "a caller was left waiting"
    return [task.exception() or task.result() for task in tasks]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["serve", "close_discarded"])
async def test_pool_that_fails_when_a_connection_comes_free_ends_the_request(
    loop_driver: Driver, monkeypatch: pytest.MonkeyPatch, name: str, is_stream: bool
) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), WaitFor(go), Send(OK), WaitForClose()], repeats_last=True) as peer:
        limits = httpfast.Limits(max_connections=1, max_keepalive_connections=0)
        client = loop_driver.client(limits=limits, timeout=httpfast.Timeout(SECONDS, pool=0.5))
        call = client.open if is_stream else client.request
        first = asyncio.ensure_future(call("GET", peer.url))
        await loop_driver.blocking(peer.wait_until, lambda: any(peer.requests))
        tasks = [first]
        if name == "serve":
            tasks.append(asyncio.ensure_future(client.get(peer.url)))
            while client.state.waiting == 0:
                await asyncio.sleep(0)

        monkeypatch.setattr(AsyncPool, name, broken)
        go.set()
        outcomes = await ended(loop_driver, *tasks)
        monkeypatch.undo()

        assert isinstance(outcomes[0], (Broken, httpfast.TransportError, httpfast.Response))
        for outcome in outcomes[1:]:
            assert isinstance(outcome, (Broken, httpfast.TransportError))
        loop_driver.complaints.clear()  # type: ignore[attr-defined]
        if isinstance(outcomes[0], httpfast.Response):
            await client.close_response(outcomes[0])
        await client.close()


async def test_pool_that_fails_when_a_connection_is_lost_ends_the_request(
    loop_driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), WaitFor(go), Send(OK[:-1])]) as peer:
        client = loop_driver.client(timeout=SECONDS)
        task = asyncio.ensure_future(client.get(peer.url))
        await loop_driver.blocking(peer.wait_until, lambda: any(peer.requests))

        lost = AsyncPool.lost

        def lose(pool: AsyncPool, connection: Any) -> None:
            lost(pool, connection)
            raise Broken("a bug of ours")

        monkeypatch.setattr(AsyncPool, "lost", lose)
        go.set()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
        await client.rest()
        assert client.counts == (0, 0)
        loop_driver.complaints.clear()  # type: ignore[attr-defined]


async def test_pool_that_fails_when_a_request_ends_raises_in_the_caller(
    sync_driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = sync_driver.client()
        release = Pool.release

        def fail(pool: Pool, connection: Any) -> None:
            release(pool, connection)
            raise Broken("a bug of ours")

        monkeypatch.setattr(Pool, "release", fail)
        with pytest.raises(Broken):
            await client.get(peer.url)


async def test_dial_that_fails_with_a_bug_raises_in_the_caller(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._transports.push.open_socket", broken)
    monkeypatch.setattr("httpfast._transports.pull.open_socket", broken)
    if driver.name == "trio":
        monkeypatch.setattr("httpfast._transports.pull_trio.open_socket", broken)
    client = driver.client(timeout=SECONDS, limits=httpfast.Limits(max_connections=1))

    for _ in range(3):
        with pytest.raises(Broken):
            await client.get("http://127.0.0.1:1/")
        await client.rest()
        assert client.counts == (0, 0)


async def test_memory_error_for_a_promised_body_raises_in_the_caller(driver: Driver) -> None:
    """A length alone takes no memory; that of a body as large as the address space can never be had."""
    with ScriptedPeer(
        [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nx")]
    ) as peer:
        client = driver.client(timeout=httpfast.Timeout(SECONDS, read=0.3))

        with pytest.raises((httpfast.TransportError, MemoryError)):
            await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)


async def test_hook_that_fails_closes_the_response(driver: Driver) -> None:
    async def broken_async(response: httpfast.Response) -> None:
        raise Broken("a bug of the caller")

    with ScriptedPeer([ReadRequest(), Send(OK[:-1])], repeats_last=True) as peer:
        client = driver.client(event_hooks={"response": [broken_async if driver.is_async else broken]})

        with pytest.raises(Broken):
            await client.get(peer.url)
        await client.rest()

        assert client.counts == (0, 0)
