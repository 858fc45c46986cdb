"""Tunnels over HTTP/2 under trio, whose tasks read and write for each other: cancellation of those that use one.

What holds for every driver is in `test_tunnels`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from h2.events import DataReceived, Event, RequestReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

import httpfast

from ..drivers.facade import Network
from ..peers import TIMEOUT, PeerConnection, ScriptedPeer
from .serving import Serve, Server
from .test_trio import run, until
from .test_tunnels import ASK, TAKES_CONNECT, echo, swallow

trio = pytest.importorskip("trio", reason="trio, which this is about, is not installed")
trio_testing = pytest.importorskip("trio.testing", reason="trio, which this is about, is not installed")

pytestmark = pytest.mark.usefixtures("no_leaks")


async def opened(client: httpfast.AsyncClient, url: str) -> tuple[httpfast.Response, Network]:
    response = await client.send(client.build_request("CONNECT", url, **ASK), stream=True)
    assert response.status_code == 200
    return response, Network(response)


def echo_if_open(server: Server, event: Event) -> None:
    """As `echo`; h2 minds when the client has reset the stream in the same read. What comes in is checked before."""
    with suppress(ProtocolError):
        echo(server, event)


def holding(react: Callable[[Server, Event], None], released: threading.Event) -> Callable[[Server, Event], None]:
    """As `react`, but requests for /held are answered when the test says so."""

    def hold(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and server.heads[event.stream_id or 0].get(":path") == "/held":
            server.connection.peer.notify()
            assert released.wait(TIMEOUT)
        react(server, event)

    return hold


def asks(serve: Serve, path: str) -> bool:
    """Whether a request for it has come."""
    return any(head.get(":path") == path for server in serve.servers for head in server.heads.values())


def received(serve: Serve, stream: int) -> int:
    """Octets that have come on a stream."""
    return sum(len(event.data) for event in serve.server.of(DataReceived, stream))


@pytest.mark.parametrize("use", ["read", "write"])
def test_cancelled_user_of_a_tunnel_hands_over_to_a_request(use: str) -> None:
    released = threading.Event()
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    serve = Serve(holding(echo_if_open if use == "read" else swallow, released), settings, takes_much=use == "read")

    async def main(client: httpfast.AsyncClient) -> None:
        texts: list[str] = []
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        async def get() -> None:
            texts.append((await client.get(f"{peer.url}/held")).text)

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as users:
                    if use == "read":
                        users.start_soon(network.read, 100, None)
                    else:
                        users.start_soon(network.write, bytes(2000), None)
                    await trio_testing.wait_all_tasks_blocked()
                    nursery.start_soon(get)
                    await until(peer, lambda: asks(serve, "/held"))
                    scope.cancel()
            released.set()

        assert texts == ["ok"]
        if use == "read":
            await network.write(b"still open")
            assert await network.read_exactly(10) == b"still open"
        await response.aclose()

    with ScriptedPeer([serve]) as peer:
        run(main)
    assert peer.connections == 1


@pytest.mark.parametrize("use", ["read", "write"])
def test_cancelled_request_hands_over_to_who_uses_a_tunnel(use: str) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    released = threading.Event()

    def react(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and server.heads[event.stream_id or 0].get(":path") == "/never":
            return
        echo_if_open(server, event)
        if isinstance(event, DataReceived) and not released.is_set():
            server.connection.peer.notify()
            assert released.wait(TIMEOUT)

    serve = Serve(react, settings)

    async def main(client: httpfast.AsyncClient) -> None:
        outcomes: list[Any] = []
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        async def read() -> None:
            outcomes.append(await network.read_exactly(10))

        async def write() -> None:
            await network.write(bytes(5000), None)
            outcomes.append("written")

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as leader:
                    leader.start_soon(client.get, f"{peer.url}/never")
                    await until(peer, lambda: asks(serve, "/never"))
                    if use == "read":
                        await network.write(bytes(10))
                        nursery.start_soon(read)
                    else:
                        nursery.start_soon(write)
                    await until(peer, lambda: received(serve, 3) > 0)
                    await trio_testing.wait_all_tasks_blocked()
                    scope.cancel()
            released.set()

        assert outcomes == [bytes(10) if use == "read" else "written"]
        await response.aclose()

    with ScriptedPeer([serve]) as peer:
        run(main)
    assert peer.connections == 1


def test_cancelled_wait_for_settings_hands_over_to_another_one() -> None:
    released = threading.Event()
    dialled = threading.Event()

    def before(connection: PeerConnection) -> bytes:
        dialled.set()
        assert released.wait(TIMEOUT)
        return b""

    serve = Serve(echo, TAKES_CONNECT, before=before)

    async def main(client: httpfast.AsyncClient) -> None:
        async def talk() -> None:
            response, network = await opened(client, peer.url)
            await network.write(b"x")
            assert await network.read() == b"x"
            await response.aclose()

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as first:
                    first.start_soon(talk)
                    nursery.start_soon(talk)
                    await until(peer, dialled.is_set)
                    await trio_testing.wait_all_tasks_blocked()
                    scope.cancel()
            released.set()

    with ScriptedPeer([serve]) as peer:
        run(main)
    assert peer.connections == 1
    assert len(serve.server.heads) == 1


@pytest.mark.parametrize("seed", range(3))
def test_users_of_tunnels_cancelled_at_random_leave_a_connection_that_serves(seed: int) -> None:
    chance = random.Random(seed)
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 3000}
    serve = Serve(echo_if_open, settings)
    completed = 0

    async def main(client: httpfast.AsyncClient) -> None:
        await client.get(peer.url)

        async def talk(turns: int | None) -> None:
            nonlocal completed
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    if turns is not None:
                        nursery.start_soon(cancel, scope, turns)
                    response, network = await opened(client, peer.url)
                    try:
                        async with trio.open_nursery() as both:
                            both.start_soon(network.write, bytes(20_000), None)
                            assert await network.read_exactly(20_000) == bytes(20_000)
                        assert (await client.get(peer.url)).text == "ok"
                        completed += 1
                    finally:
                        with trio.CancelScope(shield=True):
                            await response.aclose()
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(talk, None if number % 4 == 0 else int(chance.expovariate(1 / 40)))
        assert completed >= 10
        assert (await client.get(peer.url)).text == "ok"

    with ScriptedPeer([serve]) as peer:
        run(main)
    assert peer.connections == 1


async def cancel(scope: Any, turns: int) -> None:
    """Cancel a scope after some turns of the scheduler."""
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    scope.cancel()
