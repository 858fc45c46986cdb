"""A request that is cancelled leaves the others on its connection alone. [POOL-03]

Cancellation of whole scenarios, over HTTP/2 too: `tests/faults/test_cancellation.py`.
"""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from bench.server import content

from ..drivers.facade import Driver
from ..faults import stepper
from .origin import ScriptedOrigin


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

        for step in count(1):
            others = asyncio.gather(*(other(index) for index in range(4)))
            was_cancelled = await stepper.cancelled_at(
                client.post(f"{origin.url}/echo", content=content(300_000)), step, mode
            )
            assert await others == [True] * 4
            if not was_cancelled:
                break
        assert len(origin.connections) == 1
