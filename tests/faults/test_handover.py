"""A connection on its way from one request to the next: what happens to it in between is no fault of the next."""

from __future__ import annotations

import asyncio
import threading

import pytest

import httpfast
from bench.server import Certificates

from ..drivers.facade import Caller, Driver
from ..peers import (
    Call,
    Close,
    CloseNotify,
    PeerConnection,
    ReadRequest,
    ScriptedPeer,
    Send,
    Signal,
    Stall,
    WaitFor,
    WaitForClose,
)
from .stepper import LATE, cancelled_at

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ONE = httpfast.Limits(max_connections=1)


async def until(client: Caller, waiting: int) -> None:
    """Wait until that many requests wait for a connection."""
    for _ in range(10_000):
        if client.state is not None and client.state.waiting == waiting:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{client.state.waiting} requests wait, not {waiting}")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_connection_that_closes_on_its_way_to_the_next_request_is_not_used(
    loop_driver: Driver, ca: Certificates, is_tls: bool
) -> None:
    """One read brings the answer, which frees the connection for the next in line, and the end of the stream."""
    go, done = threading.Event(), threading.Event()
    closing = [CloseNotify(), Close()] if is_tls else [Close()]
    script = [ReadRequest(), WaitFor(go), Send(OK), *closing, Signal(done)]
    with ScriptedPeer(script, [ReadRequest(), Send(OK)], tls=ca.server_context() if is_tls else None) as peer:
        client = loop_driver.client(verify=ca.client_context(), limits=ONE)
        first = asyncio.ensure_future(client.get(peer.url))
        await loop_driver.blocking(peer.wait_until, lambda: any(peer.requests))
        # Over TLS the loop learns of the end before the next request is written: then even a POST is safe.
        second = asyncio.ensure_future(client.request("POST" if is_tls else "GET", peer.url))
        await until(client, waiting=1)

        # The loop is kept from reading until all of it is there.
        go.set()
        assert done.wait(5)

        assert (await first).text == "ok"
        assert (await second).text == "ok"
        await client.close()


async def test_retry_is_made_on_a_new_connection_though_others_are_released(driver: Driver) -> None:
    """The retry waits for a slot, and is served while it waits: by a connection that may be just as stale."""

    def until_the_other_waits(connection: PeerConnection) -> None:
        while not (client.state.waiting or connection.peer.stopping.wait(0.001)):
            pass

    closing = [ReadRequest(), Send(OK), ReadRequest(), Call(until_the_other_waits), Close()]
    released = [ReadRequest(), Send(OK), WaitForClose()]
    with ScriptedPeer(closing, released, [ReadRequest(), Send(OK)]) as peer:
        client = driver.client(limits=ONE, timeout=10)
        await client.get(peer.url)

        outcomes = await driver.gather(client.get(f"{peer.url}/a"), client.get(f"{peer.url}/b"))

        assert [getattr(outcome, "text", outcome) for outcome in outcomes] == ["ok", "ok"]
        await client.close()
        peer.stopping.set()


async def test_waiter_cancelled_in_the_turn_it_is_served_passes_the_connection_on(loop_driver: Driver) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), WaitFor(go), Send(OK), ReadRequest(), Send(OK)]) as peer:
        client = loop_driver.client(limits=ONE)
        first = asyncio.ensure_future(client.get(peer.url))
        await loop_driver.blocking(peer.wait_until, lambda: any(peer.requests))
        second = asyncio.ensure_future(cancelled_at(client.get(f"{peer.url}/never"), 1, LATE))
        await until(client, waiting=1)
        third = asyncio.ensure_future(client.get(f"{peer.url}/third"))
        await until(client, waiting=2)

        go.set()

        assert (await first).text == "ok"
        assert (await third).text == "ok"
        assert await second
        assert peer.requests[0][1].startswith(b"GET /third ")


async def test_dial_of_a_cancelled_request_is_given_up(loop_driver: Driver) -> None:
    with ScriptedPeer([Stall()], [ReadRequest(), Send(OK)]) as peer:
        client = loop_driver.client(limits=ONE)
        task = asyncio.ensure_future(client.get(peer.url.replace("http:", "https:")))
        await loop_driver.blocking(peer.wait_until, lambda: peer.connections == 1)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.rest()

        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"
