"""Time limits over HTTP/2: what raises, and what is left. A limit of one request gives up its stream only."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from typing import Any

import pytest
from h2.errors import ErrorCodes

import httpfast
from bench.server import content

from ..drivers.facade import Caller, Driver
from ..peers import ScriptedPeer, Stall
from .origin import ScriptedOrigin, Stream

SHORT = httpfast.Timeout(5, read=0.05)


async def fetch(client: Caller, url: str, is_stream: bool, **arguments: Any) -> bytes:
    """The body of a response, collected or read piece by piece."""
    if not is_stream:
        return (await client.get(url, **arguments)).content
    async with client.stream("GET", url, **arguments) as response:
        return await client.read(response)


async def test_read_timeout_before_the_head_resets_the_stream(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        for count in range(1, 4):
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(f"{origin.url}/hang", timeout=SHORT)
            await driver.blocking(origin.wait_until, lambda count=count: origin.connections[0].pings == count)
            await client.get(origin.url)
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1
        hung = [stream.reset_code for stream in origin.streams if stream.path == "/hang"]
        assert hung == [ErrorCodes.CANCEL] * 3


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_read_timeout_within_the_body_resets_the_stream(driver: Driver, is_stream: bool) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.ReadTimeout):
            await fetch(client, f"{origin.url}/stall", is_stream, timeout=SHORT)
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert [stream.reset_code for stream in origin.streams] == [None, ErrorCodes.CANCEL, None]


async def test_timeout_of_one_request_is_none_of_the_others(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        gate = origin.gate()

        async def late(stream: Stream) -> None:
            await gate.wait()
            await stream.respond()

        url = origin.on("/late", late)
        client = driver.client(**origin.options)
        await client.get(origin.url)
        ended = threading.Semaphore(0)

        async def impatient() -> str:
            try:
                await client.get(url, timeout=SHORT)
            except httpfast.ReadTimeout:
                return "timeout"
            finally:
                ended.release()
            return "answered"

        async def patient() -> str:
            return (await client.get(url, timeout=10)).text

        def wait() -> None:
            for _ in range(5):
                assert ended.acquire(timeout=5)

        async def release() -> None:
            await driver.blocking(wait)
            gate.open()

        outcomes = await driver.gather(*(impatient() for _ in range(5)), *(patient() for _ in range(5)), release())

        assert outcomes == ["timeout"] * 5 + ["ok"] * 5 + [None]
        assert len(origin.connections) == 1


async def test_octets_in_time_keep_a_read_going(driver: Driver) -> None:
    """The limit is for the time without any octet of this response, not for its whole."""

    async def drip(stream: Stream) -> None:
        await stream.send_head(200)
        for _ in range(8):
            # In all longer than the limit, each less: the time between octets is what is tested.
            await asyncio.sleep(0.05)
            await stream.send(b"x" * 10)
        await stream.send(b"", ends=True)

    with ScriptedOrigin() as origin:
        url = origin.on("/drip", drip)
        client = driver.client(**origin.options, timeout=httpfast.Timeout(5, read=0.25))

        assert (await client.get(url)).content == b"x" * 80
        async with client.stream("GET", url) as response:
            assert await client.read(response) == b"x" * 80


async def test_octets_of_others_do_not_keep_a_read_going(driver: Driver) -> None:
    with ScriptedOrigin() as origin:

        async def endless(stream: Stream) -> None:
            await stream.send_head(200)
            while True:
                await stream.send(bytes(16_384))

        url = origin.on("/endless", endless)
        client = driver.client(**origin.options)
        done = threading.Event()

        async def read() -> None:
            async with client.stream("GET", url, timeout=10) as response, aclosing(client.pieces(response)) as pieces:
                async for _ in pieces:
                    if done.is_set():
                        break

        async def hang() -> str:
            await driver.blocking(origin.wait_until, lambda: bool(origin.streams))
            try:
                with pytest.raises(httpfast.ReadTimeout):
                    await client.get(f"{origin.url}/hang", timeout=SHORT)
            finally:
                done.set()
            return "timeout"

        assert await driver.gather(read(), hang()) == [None, "timeout"]


async def test_total_timeout_ends_a_response_that_drips(driver: Driver) -> None:
    """[POOL-08]"""

    async def drip(stream: Stream) -> None:
        await stream.send_head(200)
        while True:
            await stream.send(b"x")
            # The server's pace: without it the body would be as fast as the machine is.
            await asyncio.sleep(0.01)

    with ScriptedOrigin() as origin:
        url = origin.on("/drip", drip)
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.TimeoutException):
            await client.get(url, timeout=httpfast.Timeout(5, total=0.15))
        with pytest.raises(httpfast.TimeoutException):
            async with client.stream("GET", url, timeout=httpfast.Timeout(5, total=0.15)) as response:
                await client.read(response)
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_total_timeout_ends_an_upload_that_waits(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.TimeoutException):
            await client.post(f"{origin.url}/hang", content=content(500_000), timeout=httpfast.Timeout(5, total=0.1))

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_peer_that_takes_nothing_from_the_socket_is_a_write_timeout(
    driver: Driver, layer: dict[str, bool]
) -> None:
    """The windows are open, but the system's buffers fill up: more than that is not kept in memory either."""

    async def deaf(stream: Stream) -> None:
        stream.connection.pause_reading()
        await stream.hang()

    with ScriptedOrigin(**layer, window=1 << 30) as origin:
        url = origin.on("/deaf", deaf)
        client = driver.client(**origin.options)
        given = 0

        def count() -> None:
            nonlocal given
            given += 100_000

        pieces = [item for _ in range(1000) for item in (content(100_000), count)]
        with pytest.raises(httpfast.WriteTimeout):
            await client.post(url, content=driver.body(pieces), timeout=httpfast.Timeout(5, write=0.2))
        await client.rest()

        assert given < 20_000_000


async def test_pool_timeout_is_told_apart_from_the_others(driver: Driver) -> None:
    with ScriptedOrigin(max_streams=1) as origin:
        limits = httpfast.Limits(max_connections=1)
        client = driver.client(**origin.options, limits=limits, timeout=httpfast.Timeout(5, pool=0.05))
        await client.get(origin.url)

        async with client.stream("GET", f"{origin.url}/stall"):
            for _ in range(3):
                with pytest.raises(httpfast.PoolTimeout):
                    await client.get(origin.url)

        assert (await client.get(origin.url)).text == "ok"


async def test_connect_timeout_of_a_dial_fails_whoever_rode_along(driver: Driver, context: object) -> None:
    """A server that accepts and says nothing: the handshake's limit is that of each request."""
    with ScriptedPeer([Stall()], repeats_last=True) as peer:
        url = f"https://localhost:{peer.port}"
        client = driver.client(http2=True, verify=context, timeout=httpfast.Timeout(5, connect=0.2))

        outcomes = await driver.gather(*(client.get(url) for _ in range(5)))

        assert [type(outcome) for outcome in outcomes] == [httpfast.ConnectTimeout] * 5
        await client.rest()
        assert client.counts == (0, 0)


async def test_server_that_says_nothing_after_the_preface_is_a_read_timeout(driver: Driver) -> None:
    """[H2-21]"""
    with ScriptedPeer([Stall()], repeats_last=True) as peer:
        client = driver.client(http1=False, http2=True, timeout=SHORT)

        with pytest.raises(httpfast.ReadTimeout):
            await client.get(peer.url)
        await client.rest()

        assert client.counts[0] <= 1


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_read_timeout_counts_from_the_last_octet(driver: Driver, is_stream: bool) -> None:
    """Not from when the wait for it was looked at: what came early in the wait does not double it."""
    limit = 0.4

    async def stall(stream: Stream) -> None:
        await stream.send_head(200)
        await asyncio.sleep(limit / 4)
        await stream.send(b"begun")
        await stream.hang()

    with ScriptedOrigin() as origin:
        url = origin.on("/begins", stall)
        client = driver.client(**origin.options)
        await client.get(origin.url)
        start = time.monotonic()

        with pytest.raises(httpfast.ReadTimeout):
            await fetch(client, url, is_stream, timeout=httpfast.Timeout(5, read=limit))

        # The passage of time is what is tested: a second whole limit would make it 0.8 s.
        assert limit * 5 / 4 - 0.02 < time.monotonic() - start < limit * 5 / 4 + 0.25
