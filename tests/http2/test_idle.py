"""A connection that has ended while nothing was under way: no request is sent on it, however many come at once."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from ..drivers.facade import Driver
from .origin import Connection, ScriptedOrigin

ROUNDS = 20


def end(origin: ScriptedOrigin, how: str) -> None:
    """End the origin's last connection; the client's socket has heard of it when this returns."""
    connection: Connection = origin.connections[-1]
    if how == "reset":
        origin.call(connection.abort)
        origin.wait_until(lambda: connection.is_lost)
        # The socket is closed a turn after that.
        origin.call(lambda: None)
    else:
        # Past TLS: its own end would wait for the client's.
        origin.call(connection.transport.get_extra_info("socket").shutdown, socket.SHUT_WR)
    # The passage of time is part of it: a loop trusts what it has seen within the last millisecond.
    time.sleep(0.002)


@pytest.mark.parametrize("how", ["FIN", "reset"])
async def test_threads_that_come_at_once_find_an_idle_connection_ended(
    sync_driver: Driver, layer: dict[str, bool], how: str
) -> None:
    """All of them look, not only one that is alone; a POST would not be sent again."""
    with ScriptedOrigin(**layer) as origin:
        client = sync_driver.client(**origin.options)
        for _ in range(ROUNDS):
            await client.get(origin.url)
            end(origin, how)
            ready = threading.Barrier(4)

            async def post(ready: threading.Barrier = ready) -> str:
                ready.wait(5)
                return (await client.post(origin.url, content=b"x")).text

            assert await sync_driver.gather(*(post() for _ in range(4))) == ["ok"] * 4


@pytest.mark.parametrize("how", ["FIN", "reset"])
async def test_loop_that_was_busy_finds_an_idle_connection_ended(
    loop_driver: Driver, layer: dict[str, bool], how: str
) -> None:
    """The loop has not come round since: it has read neither FIN nor RST. A POST would not be sent again."""
    with ScriptedOrigin(**layer) as origin:
        client = loop_driver.client(**origin.options)
        await client.get(origin.url)
        # This blocks the loop.
        end(origin, how)

        response = await client.post(origin.url, content=b"x")

        assert response.text == "ok"
        assert len(origin.connections) == 2
