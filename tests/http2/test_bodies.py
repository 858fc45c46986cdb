"""Responses that are read piece by piece: backpressure, and what is left unread (RFC 9113, 5.2).

[H2-13, H2-22]
"""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from typing import Any

import pytest
from h2.errors import ErrorCodes

import httpfast
from bench.server import content

from ..drivers.facade import Caller, Driver
from .origin import ScriptedOrigin, Stream

ENDLESS = bytes(16_384)

MOST_UNREAD = 8 << 20
"""Octets that a caller who does not read may have waiting, at most."""


async def fetch(client: Caller, url: str, is_stream: bool, **arguments: Any) -> bytes:
    """The body of a response, collected or read piece by piece."""
    if not is_stream:
        return (await client.get(url, **arguments)).content
    async with client.stream("GET", url, **arguments) as response:
        return await client.read(response)


class Endless:
    """A handler whose body never ends; `sent` counts its octets."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, stream: Stream) -> None:
        await stream.send_head(200)
        while True:
            await stream.send(ENDLESS)
            self.sent += len(ENDLESS)


async def test_caller_who_does_not_read_holds_back_only_itself(driver: Driver, layer: dict[str, bool]) -> None:
    """[H2-22] The server may send as much as the window says, and others go on."""
    endless = Endless()
    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/endless", endless)
        client = driver.client(**origin.options, timeout=10)

        async with client.stream("GET", url) as response:
            for _ in range(5):
                assert (await client.get(f"{origin.url}/bytes/3000000")).content == content(3_000_000)
            before = endless.sent
            assert (await client.get(f"{origin.url}/bytes/3000000")).content == content(3_000_000)

            assert endless.sent == before
            assert before <= MOST_UNREAD
            assert response.__dict__["_head"].unread_bytes <= MOST_UNREAD
        assert len(origin.connections) == 1


async def test_caller_who_reads_again_gets_more(driver: Driver, layer: dict[str, bool]) -> None:
    endless = Endless()
    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/endless", endless)
        client = driver.client(**origin.options, timeout=10)

        async with client.stream("GET", url) as response:
            received = 0
            async with aclosing(client.pieces(response)) as pieces:
                while received < 20_000_000:
                    received += len(await anext(pieces))
            assert endless.sent <= received + MOST_UNREAD

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_hundred_streams_with_one_slow_reader_all_arrive(driver: Driver) -> None:
    """[H2-22]"""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=30)

        async with client.stream("GET", f"{origin.url}/bytes/10000000") as slow:

            async def one(size: int) -> bool:
                return (await client.get(f"{origin.url}/bytes/{size}")).content == content(size)

            assert await driver.gather(*(one(50_000 + index) for index in range(99))) == [True] * 99
            assert await client.read(slow) == content(10_000_000)
        assert len(origin.connections) == 1


@pytest.mark.parametrize("is_begun", [False, True], ids=["unread", "half read"])
async def test_response_closed_early_resets_its_stream_and_the_connection_goes_on(
    driver: Driver, layer: dict[str, bool], is_begun: bool
) -> None:
    """RFC 9113, 8.1 and 5.4.2: CANCEL."""
    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/endless", Endless())
        client = driver.client(**origin.options, timeout=5)

        for _ in range(5):
            async with client.stream("GET", url) as response, aclosing(client.pieces(response)) as pieces:
                if is_begun:
                    await anext(pieces)
        assert (await client.get(origin.url)).text == "ok"
        await client.rest()

        assert len(origin.connections) == 1
        ended = [stream for stream in origin.streams if stream.path == "/endless"]
        await driver.blocking(origin.wait_until, lambda: all(stream.reset_code is not None for stream in ended))
        assert [stream.reset_code for stream in ended] == [ErrorCodes.CANCEL] * 5
        assert client.counts == (1, 1)


async def test_response_read_to_its_end_is_not_reset(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        async with client.stream("GET", f"{origin.url}/bytes/1000") as response:
            await client.read(response)
        await client.get(origin.url)

        assert [stream.reset_code for stream in origin.streams] == [None, None]


async def test_reading_after_close_says_so(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        response = await client.open("GET", f"{origin.url}/bytes/100000")
        await client.close_response(response)

        with pytest.raises(httpfast.StreamClosed):
            await client.read(response)
        await client.close_response(response)

        assert (await client.get(origin.url)).text == "ok"


async def test_response_closed_by_another_task_ends_the_read_that_waits(loop_driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = loop_driver.client(**origin.options, timeout=30)
        response = await client.open("GET", f"{origin.url}/stall")

        async def read() -> None:
            with pytest.raises(httpfast.ReadError, match="closed"):
                await client.read(response)

        async def close() -> None:
            await loop_driver.turn()
            await client.close_response(response)

        await asyncio.wait_for(asyncio.gather(read(), close()), 5)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_hundreds_of_cancelled_downloads_leave_the_windows_whole(driver: Driver) -> None:
    """[H2-13] The octets of streams that were given up count for the connection's window, and are given back."""
    with ScriptedOrigin() as origin:
        url = origin.on("/endless", Endless())
        client = driver.client(**origin.options, timeout=10)

        for _ in range(120):
            async with client.stream("GET", url):
                pass
        received = await client.get(f"{origin.url}/bytes/20000000")

        assert received.content == content(20_000_000)
        assert len(origin.connections) == 1


# Trio tells whoever drops a generator so; here it is the test that does.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("is_begun", [False, True], ids=["unread", "half read"])
async def test_response_dropped_without_closing_gives_its_stream_back(driver: Driver, is_begun: bool) -> None:
    """[POOL-04]"""
    with ScriptedOrigin(max_streams=1) as origin:
        url = origin.on("/endless", Endless())
        limits = httpfast.Limits(max_connections=1)
        client = driver.client(**origin.options, limits=limits, timeout=5)
        await client.get(origin.url)

        for _ in range(5):
            response = await client.open("GET", url)
            pieces = client.pieces(response)
            if is_begun:
                await anext(pieces)
            del response, pieces
            gc.collect()
            await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_response_collected_inside_the_connection_does_not_block_its_thread(
    sync_driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[POOL-04] A finaliser may run anywhere: in a thread that reads for all, and holds the connection's lock."""
    cycle: list[Any] = []

    class Collecting(httpfast.RemoteProtocolError):
        def __init__(self, message: str) -> None:
            super().__init__(message)
            cycle.clear()
            gc.collect()

    async def refuse(stream: Stream) -> None:
        stream.reset(ErrorCodes.INTERNAL_ERROR)

    with ScriptedOrigin() as origin:
        url = origin.on("/refuse", refuse)
        client = sync_driver.client(**origin.options, timeout=5)
        dropped = await client.open("GET", f"{origin.url}/stall")
        knot: list[Any] = [dropped]
        knot.append(knot)
        cycle.append(knot)
        del dropped, knot
        monkeypatch.setattr("httpfast._cext.h2.RemoteProtocolError", Collecting)

        with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
            await client.get(url)
        monkeypatch.undo()

        assert (await client.get(origin.url)).text == "ok"
        await client.rest()
        assert len(origin.connections) == 1


async def test_response_collected_inside_the_pool_gives_its_stream_back(sync_driver: Driver) -> None:
    """[POOL-04]"""
    with ScriptedOrigin(max_streams=1) as origin:
        client = sync_driver.client(**origin.options, limits=httpfast.Limits(max_connections=1), timeout=5)
        await client.get(origin.url)
        knot: list[Any] = [await client.open("GET", f"{origin.url}/stall")]
        knot.append(knot)
        pool = client.transport._pool

        with pool._lock:
            del knot
            gc.collect()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_responses_left_open_end_with_the_client(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)
        responses = [await client.open("GET", f"{origin.url}/stall") for _ in range(3)]

        await client.close()

        for response in responses:
            with pytest.raises(httpfast.TransportError):
                await client.read(response)
        assert client.counts == (0, 0)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("code", [ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL])
async def test_reset_in_the_middle_of_a_body_is_an_error(driver: Driver, code: ErrorCodes, is_stream: bool) -> None:
    """[H1-20, H2-11] Also with NO_ERROR: a body that was cut off is never taken for a whole one."""

    async def cut(stream: Stream) -> None:
        await stream.send_head(200)
        await stream.send(b"begun")
        stream.reset(code)

    with ScriptedOrigin() as origin:
        url = origin.on("/cut", cut)
        client = driver.client(**origin.options)

        with pytest.raises(httpfast.RemoteProtocolError, match=code.name):
            await fetch(client, url, is_stream)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1
        assert len(origin.streams) == 2


@pytest.mark.parametrize("ending", ["close", "abort"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_connection_lost_in_the_middle_of_a_body_is_an_error(
    driver: Driver, layer: dict[str, bool], ending: str, is_stream: bool
) -> None:
    """[H1-20]"""

    async def cut(stream: Stream) -> None:
        await stream.send_head(200)
        await stream.send(b"begun")
        getattr(stream.connection, ending)()

    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/cut", cut)
        client = driver.client(**origin.options, timeout=5)

        with pytest.raises((httpfast.RemoteProtocolError, httpfast.NetworkError)):
            await fetch(client, url, is_stream)
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 2
