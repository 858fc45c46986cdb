"""Responses and clients that are dropped, closed twice, shared, forked or moved to another loop. [POOL-04]"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import warnings
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ..conftest import Origin
from ..drivers.facade import Caller, Driver, drive, loop_factory
from ..peers import (
    Call,
    PeerConnection,
    ReadHead,
    ReadRequest,
    ScriptedPeer,
    ScriptError,
    Send,
    Stall,
    StartTLS,
    Step,
    WaitFor,
    WaitForClose,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
ONE = httpfast.Limits(max_connections=1)


# Trio tells whoever drops a generator so; here it is the test that does.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("is_begun", [False, True], ids=["unread", "half read"])
async def test_response_dropped_without_closing_gives_its_slot_back(
    driver: Driver, embedded: Origin, is_begun: bool
) -> None:
    client = driver.client(verify=embedded.verify, limits=ONE, timeout=2)

    for _ in range(5):
        response = await client.open("GET", f"{embedded.url}/bytes/5000000")
        pieces = client.pieces(response)
        if is_begun:
            await anext(pieces)
        del response, pieces
        gc.collect()
        await client.rest()

    assert (await client.get(f"{embedded.url}/json")).status_code == 200


async def test_response_collected_inside_the_pool_gives_its_slot_back(
    sync_driver: Driver, embedded_server: EmbeddedServer
) -> None:
    """The garbage collector may call a finaliser anywhere, in a thread that holds the pool's lock too."""
    client = sync_driver.client(limits=ONE, timeout=2)
    cycle: list[Any] = [await client.open("GET", f"{embedded_server.url}/bytes/5000000")]
    cycle.append(cycle)
    pool = client.transport._pool

    with pool._lock:
        del cycle
        gc.collect()
        assert client.state.connections == 1

    assert (await client.get(f"{embedded_server.url}/json")).status_code == 200


async def test_responses_left_open_are_closed_with_the_client(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    responses = [await client.open("GET", f"{embedded.url}/bytes/5000000") for _ in range(3)]

    await client.close()

    for response in responses:
        with pytest.raises(httpfast.TransportError):
            await client.read(response)
    assert client.counts == (0, 0)


async def test_response_closed_twice_and_after_the_client(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    response = await client.open("GET", f"{embedded.url}/bytes/5000000")

    await client.close_response(response)
    await client.close_response(response)
    await client.close()
    await client.close_response(response)
    await client.close()

    with pytest.raises(RuntimeError, match="closed"):
        await client.get(embedded.url)


async def test_whole_response_is_usable_after_the_client_was_closed(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    response = await client.get(f"{embedded.url}/bytes/100000")

    await client.close()

    assert response.content == content(100_000)
    assert response.headers["content-length"] == "100000"
    await client.close_response(response)


async def test_late_close_does_not_touch_the_connection_that_serves_another(driver: Driver) -> None:
    """A response that is complete owns no connection any more: closing it must not cut the exchange after it."""
    go = threading.Event()
    script = [ReadRequest(), Send(OK), ReadRequest(), Send(HEAD), WaitFor(go), Send(b"0123456789")]
    with ScriptedPeer(script) as peer:
        client = driver.client()
        first = await client.open("GET", peer.url)
        assert await client.read(first) == b"ok"
        second = await client.open("GET", peer.url)

        await client.close_response(first)
        del first
        gc.collect()
        go.set()

        assert await client.read(second) == b"0123456789"
        assert peer.connections == 1


async def test_context_manager_closes_the_client(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    if driver.is_async:
        async with client.client:
            await client.get(f"{embedded.url}/json")
            state = client.state
    else:
        with client.client:
            await client.get(f"{embedded.url}/json")
            state = client.state

    assert client.client.is_closed
    assert (state.connections, state.idle) == (0, 0)


async def test_close_ends_requests_in_flight(loop_driver: Driver) -> None:
    with ScriptedPeer([ReadHead(), Stall()], repeats_last=True) as peer:
        client = loop_driver.client(timeout=20, limits=httpfast.Limits(max_connections=3))
        tasks = [asyncio.ensure_future(client.get(peer.url)) for _ in range(6)]
        await loop_driver.blocking(peer.wait_until, lambda: sum(map(len, peer.requests)) == 3)
        state = client.state

        await client.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

        # Those that had a connection lost it; those in line have nothing to wait for.
        assert all(isinstance(outcome, (httpfast.TransportError, RuntimeError)) for outcome in outcomes)
        assert state.connections == 0
        assert peer.connections == 3


async def test_close_ends_dials(loop_driver: Driver) -> None:
    with ScriptedPeer([Stall()], repeats_last=True) as peer:
        client = loop_driver.client(timeout=20)
        tasks = [asyncio.ensure_future(client.get(peer.url.replace("http:", "https:"))) for _ in range(3)]
        await loop_driver.blocking(peer.wait_until, lambda: peer.connections == 3)
        state = client.state

        await client.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

        assert all(isinstance(outcome, httpfast.ConnectError) for outcome in outcomes)
        assert state.connections == 0


def in_thread(client: Caller, outcomes: list[Any], *arguments: Any, **keywords: Any) -> threading.Thread:
    """Start a request in a thread; its response or exception goes to `outcomes`."""

    def run() -> None:
        try:
            outcomes.append(client.client.request(*arguments, **keywords))
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("phase", ["head", "body", "upload", "handshake", "pool"])
async def test_close_from_another_thread_ends_the_request_in_flight(sync_driver: Driver, phase: str) -> None:
    scripts: dict[str, list[Step]] = {
        "head": [ReadHead(), Stall()],
        "body": [ReadHead(), Send(HEAD), Stall()],
        "upload": [ReadHead(), Stall()],
        "handshake": [Stall()],
        "pool": [ReadHead(), Stall()],
    }
    outcomes: list[Any] = []
    with ScriptedPeer(scripts[phase]) as peer:
        client = sync_driver.client(timeout=3, limits=ONE)
        arguments = ("POST", peer.url) if phase == "upload" else ("GET", peer.url)
        if phase == "handshake":
            arguments = ("GET", peer.url.replace("http:", "https:"))
        threads = [
            in_thread(client, outcomes, *arguments, **({"content": bytes(50_000_000)} if phase == "upload" else {}))
        ]
        peer.wait_until(lambda: any(peer.requests) or (phase == "handshake" and peer.connections == 1))
        if phase == "pool":
            threads.append(in_thread(client, outcomes, "GET", peer.url))
            client.wait_for_waiters(1)

        await client.close()
        for thread in threads:
            thread.join(10)

        assert not any(thread.is_alive() for thread in threads)
        assert len(outcomes) == len(threads)
        assert all(isinstance(outcome, (httpfast.TransportError, RuntimeError)) for outcome in outcomes)
        assert client.state.connections == 0


async def test_dial_that_ends_after_the_client_was_closed_leaves_no_connection(
    sync_driver: Driver, ca: Certificates
) -> None:
    """Whether its request still gets an answer or an error: nobody else will ever close that connection."""

    def answer(connection: PeerConnection) -> None:
        with suppress(ScriptError, OSError):
            connection.take_until(b"\r\n\r\n", monotonic() + 5)
            connection.sock.sendall(OK)

    go = threading.Event()
    outcomes: list[Any] = []
    with ScriptedPeer([WaitFor(go), StartTLS(ca.server_context(), may_fail=True), Call(answer)]) as peer:
        client = sync_driver.client(verify=ca.client_context(), timeout=5)
        thread = in_thread(client, outcomes, "GET", f"https://localhost:{peer.port}")
        peer.wait_until(lambda: peer.connections == 1)

        await client.close()
        go.set()
        thread.join(10)

        assert len(outcomes) == 1
        assert client.counts == (0, 0)


async def test_client_is_shared_by_threads(sync_driver: Driver, embedded: Origin) -> None:
    client = sync_driver.client(verify=embedded.verify, timeout=30, limits=httpfast.Limits(max_connections=5))

    async def work(number: int) -> None:
        for turn in range(25):
            token = f"{number}.{turn}"
            size = (number * 7919 + turn) % 70_000
            response = await client.get(f"{embedded.url}/bytes/{size}", headers={"x-token": token})
            assert response.headers["x-token"] == token
            assert response.content == content(size)
            if turn % 5 == 0:
                async with client.stream("GET", f"{embedded.url}/bytes/1000000"):
                    pass

    assert await sync_driver.gather(*(work(number) for number in range(32))) == [None] * 32
    assert client.state.waiting == 0


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_client_outlives_its_loop(embedded: Origin, name: str, is_busy: bool) -> None:
    """Connections of a loop that is gone are dropped, not awaited and not used."""
    pytest.importorskip(name)
    client = httpfast.AsyncClient(verify=embedded.verify, trust_env=False, limits=ONE)

    async def first() -> str:
        connection = (await client.get(f"{embedded.url}/json")).headers["x-connection"]
        if is_busy:
            request = client.build_request("GET", f"{embedded.url}/bytes/5000000")
            await client.send(request, stream=True)
        return str(connection)

    async def second(before: str) -> None:
        response = await client.get(f"{embedded.url}/json")
        assert response.headers["x-connection"] != before
        await client.aclose()

    with warnings.catch_warnings(), asyncio.Runner(loop_factory=loop_factory(name)) as one:
        # Nobody closed the client on this loop: asyncio says so, and is right.
        warnings.simplefilter("ignore", ResourceWarning)
        before = one.run(first())
        one.close()
        gc.collect()
        with asyncio.Runner(loop_factory=loop_factory(name)) as two:
            two.run(second(before))
        gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
async def test_child_process_does_not_touch_the_sockets_of_its_parent(
    sync_driver: Driver, embedded: Origin, is_busy: bool
) -> None:
    """[POOL-04] The child begins with an empty pool; what it closes says nothing to the parent's peers."""
    client = sync_driver.client(verify=embedded.verify)
    before = (await client.get(f"{embedded.url}/json")).headers["x-connection"]
    held = await client.open("GET", f"{embedded.url}/bytes/3000000") if is_busy else None

    with warnings.catch_warnings():
        # Python 3.12 warns of forks in processes with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            response = client.client.get(f"{embedded.url}/json")
            is_own = response.headers["x-connection"] != before
            client.client.close()
            status = 0 if is_own and response.status_code == 200 else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    if held is not None:
        assert await client.read(held) == content(3_000_000)
    assert (await client.get(f"{embedded.url}/json")).status_code == 200


async def test_descriptor_of_a_closed_connection_is_not_used_again(sync_driver: Driver) -> None:
    """[POOL-04] The number of a closed socket soon belongs to something else."""
    with ScriptedPeer([ReadRequest(), Send(HEAD), WaitForClose()], [ReadRequest(), Send(OK)]) as peer:
        client = sync_driver.client()
        response = await client.open("GET", peer.url)
        await client.close_response(response)

        ours, theirs = socket.socketpair()
        with ours, theirs:
            await client.close_response(response)
            del response
            gc.collect()
            assert (await client.get(peer.url)).text == "ok"
            await client.close()
            ours.sendall(b"still here")
            assert theirs.recv(100) == b"still here"


async def test_client_dropped_without_closing_closes_its_sockets(
    sync_driver: Driver, embedded_server: EmbeddedServer
) -> None:
    """Not a promise to rely on, but a client made for one call must not keep its sockets for ever."""
    client: Any = sync_driver.make_client(trust_env=False)
    client.get(f"{embedded_server.url}/json")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()


def test_blocking_client_works_within_a_running_loop(embedded: Origin, no_leaks: None) -> None:
    async def use() -> int:
        with httpfast.Client(verify=embedded.verify, trust_env=False) as client:
            return client.get(f"{embedded.url}/json").status_code

    assert asyncio.run(use()) == 200


def test_asynchronous_client_needs_a_loop(embedded: Origin, no_leaks: None) -> None:
    client = httpfast.AsyncClient(verify=embedded.verify, trust_env=False)

    with pytest.raises(RuntimeError, match="event loop"):
        drive(client.get(f"{embedded.url}/json"))
