"""Cancellation at any suspension leaves nothing behind, sends nothing twice, and the client usable. [POOL-02, POOL-03]

The scenarios stand in `scenarios.py`. The default run cancels the first suspensions of each and some of the later ones;
`make cancels` cancels all.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..drivers.facade import Driver
from . import stepper
from .scenarios import CASES, Case, steps
from .stage import staged


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", stepper.MODES)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("driver", ["asyncio", "uvloop", "trio"], indirect=True)
async def test_cancellation_at_every_suspension_leaves_nothing_behind(
    driver: Driver, embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, case: Case, mode: str
) -> None:
    if driver.name == "trio":
        from .trio_stepper import cancelled_at
    else:
        from .stepper import cancelled_at
    cancelled = 0
    with staged(driver, case, embedded_server, monkeypatch) as stage:
        for step in steps(counts_turns=mode == stepper.TURNS):
            await stage.prepare()
            was_cancelled = await cancelled_at(case.scenario.play(stage), step, mode)  # type: ignore[arg-type]

            await stage.look()
            if not was_cancelled:
                break
            cancelled += 1
        await stage.look_twice()
    assert cancelled or mode == stepper.TURNS


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

    for step in steps(counts_turns=mode == stepper.TURNS):
        was_cancelled = await stepper.cancelled_at(client.get("http://name.example/json"), step, mode)
        await client.rest()
        await only_this_task()
        assert client.counts == (0, 0)
        if not was_cancelled:
            break
