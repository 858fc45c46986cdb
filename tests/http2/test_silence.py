"""Servers that say nothing any more, over HTTP/2: who waits for them has a limit, and nobody else has to."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

import httpfast

from ..drivers.facade import Driver
from .origin import ScriptedOrigin

SHORT = httpfast.Timeout(5, read=0.05)

ENOUGH = httpfast.Timeout(5, read=1.0)
"""The least that makes a client doubt at once."""


def pause(origin: ScriptedOrigin) -> None:
    """The server's first connection is read no more."""
    origin.call(origin.connections[0].pause_reading)


async def test_next_request_goes_elsewhere(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)
        pause(origin)

        with pytest.raises(httpfast.ReadTimeout):
            await client.get(origin.url, timeout=ENOUGH)
        response = await client.get(origin.url)
        await client.rest()

        assert response.text == "ok"
        assert len(origin.connections) == 2
        assert client.counts == (1, 1)


@pytest.mark.parametrize("most", [None, 1], ids=["another", "instead"])
async def test_next_request_goes_elsewhere_while_others_wait(driver: Driver, most: int | None) -> None:
    """Where there may be one connection only, it comes when the others have given up."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, limits=httpfast.Limits(max_connections=most))
        await client.get(origin.url)
        pause(origin)

        async def patient() -> None:
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(f"{origin.url}/hang", timeout=httpfast.Timeout(5, read=1.5))

        async def impatient() -> int:
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(origin.url, timeout=ENOUGH)
            return (await client.get(origin.url)).status_code

        outcomes = await driver.gather(patient(), impatient())
        await client.rest()

        assert outcomes == [None, 200]
        assert len(origin.connections) == 2


async def test_connection_is_used_again_after_a_sign_of_life(driver: Driver) -> None:
    """A PING goes with the RST_STREAM, and is answered, though requests are not."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.ReadTimeout):
            await client.get(f"{origin.url}/hang", timeout=ENOUGH)
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].pings == 1)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_one_ping_is_sent_between_two_responses(driver: Driver) -> None:
    """Some servers end connections for more."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)
        hung = f"{origin.url}/hang"

        async def impatient() -> None:
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(hung, timeout=SHORT)

        await driver.gather(*[impatient() for _ in range(5)])
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].pings == 1)
        await client.get(origin.url)
        await impatient()
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].pings == 2)

        assert len(origin.connections) == 1


async def test_only_connection_that_may_be_is_replaced(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, limits=httpfast.Limits(max_connections=1))
        await client.get(origin.url)
        pause(origin)

        with pytest.raises(httpfast.ReadTimeout):
            await client.get(origin.url, timeout=ENOUGH)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 2


async def test_octets_of_others_are_signs_of_life(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        async def impatient() -> None:
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(f"{origin.url}/hang", timeout=httpfast.Timeout(5, read=0.2))

        async def lively() -> None:
            for _ in range(3):
                await client.get(origin.url)

        await driver.gather(impatient(), lively())
        assert (await client.get(origin.url)).text == "ok"

        assert origin.connections[0].pings == 0
        assert len(origin.connections) == 1


async def test_short_limits_come_to_doubts_together(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)
        pause(origin)
        began = time.monotonic()

        while len(origin.connections) == 1:
            assert time.monotonic() - began < 10
            with suppress(httpfast.ReadTimeout):
                await client.get(origin.url, timeout=SHORT)

        assert time.monotonic() - began >= 1.0


async def test_limits_of_the_callers_own_come_to_doubts_too(loop_driver: Driver) -> None:
    """Whoever uses asyncio.timeout() alone never has one of the client's time-outs."""
    with ScriptedOrigin() as origin:
        client = loop_driver.client(**origin.options)
        await client.get(origin.url)
        pause(origin)
        began = time.monotonic()

        while len(origin.connections) == 1:
            assert time.monotonic() - began < 10
            with suppress(TimeoutError):
                await asyncio.wait_for(client.get(origin.url), 0.05)

        assert time.monotonic() - began >= 1.0
        assert (await client.get(origin.url)).text == "ok"


async def test_requests_that_are_cancelled_are_no_doubts_where_others_are_answered(loop_driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = loop_driver.client(**origin.options)
        await client.get(origin.url)
        began = time.monotonic()

        while time.monotonic() - began < 1.5:
            with suppress(TimeoutError):
                await asyncio.wait_for(client.get(f"{origin.url}/hang"), 0.05)
            assert (await client.get(origin.url)).text == "ok"

        assert len(origin.connections) == 1
