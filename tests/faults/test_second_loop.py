"""A client that is used on one loop after another, or after a fork, over HTTP/1.1 and HTTP/2. [POOL-04]

What the first loop left is dropped: not awaited, not used, and without a word on the parent's sockets after a fork.
"""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..drivers.facade import loop_factory
from ..http2.origin import ScriptedOrigin

TIMEOUT = 20
PAIRS = [
    ("asyncio", "asyncio"),
    ("asyncio", "uvloop"),
    ("uvloop", "asyncio"),
    ("uvloop", "uvloop"),
    ("trio", "trio"),
    ("trio", "asyncio"),
    ("asyncio", "trio"),
]


@dataclass(frozen=True)
class Served:
    """A server.

    Attributes:
        options: of a client that goes there.
        stall: the path of a body that does not end.
        connection: which of the server's connections a response came by.
    """

    url: str
    options: dict[str, Any]
    stall: str
    connection: Callable[[httpfast.Response], object]


@pytest.fixture(params=["h1", "h2"])
def served(request: pytest.FixtureRequest, embedded_server: EmbeddedServer) -> Iterator[Served]:
    """A server of each protocol."""
    if request.param == "h1":
        yield Served(embedded_server.url, {}, "/stall-body", lambda response: response.headers["x-connection"])
        return
    with ScriptedOrigin() as origin:
        # The last that was accepted: a new one shows as a new number.
        yield Served(origin.url, origin.options, "/stall", lambda _: len(origin.connections))


def run(name: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function on a loop of its own, from its beginning to its end."""
    if name == "trio":
        trio = pytest.importorskip("trio", reason="trio is not installed")
        trio.run(main)
        return
    if name == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    with asyncio.Runner(loop_factory=loop_factory(name)) as runner:
        runner.run(main())  # type: ignore[arg-type]


# Nobody closes the client on its first loop: asyncio and trio say so, and are right.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids="-".join)
def test_client_works_on_its_second_loop(served: Served, first: str, second: str, is_busy: bool) -> None:
    client = httpfast.AsyncClient(
        trust_env=False, timeout=TIMEOUT, limits=httpfast.Limits(max_connections=1), **served.options
    )
    before: list[object] = []
    held: list[httpfast.Response] = []

    async def begin() -> None:
        before.append(served.connection(await client.get(f"{served.url}/json")))
        if is_busy:
            held.append(await client.send(client.build_request("GET", served.url + served.stall), stream=True))

    async def go_on() -> None:
        # The only slot is free, and its connection another one.
        response = await client.get(f"{served.url}/json")
        assert response.status_code == 200
        assert served.connection(response) not in before
        again = await client.get(f"{served.url}/json")
        assert served.connection(again) == served.connection(response)
        await client.aclose()

    run(first, begin)
    held.clear()
    gc.collect()
    run(second, go_on)
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio"])
def test_response_of_a_loop_that_is_gone_does_not_touch_the_second_one(served: Served, name: str) -> None:
    """It is closed, or dropped, while the client's connection on the second loop serves another request."""
    client = httpfast.AsyncClient(trust_env=False, timeout=TIMEOUT, **served.options)
    held: list[httpfast.Response] = []

    async def begin() -> None:
        held.append(await client.send(client.build_request("GET", served.url + served.stall), stream=True))

    async def go_on() -> None:
        async with client.stream("GET", f"{served.url}/bytes/300000") as response:
            held.clear()
            gc.collect()
            assert len(await response.aread()) == 300_000
        await client.aclose()

    run(name, begin)
    run(name, go_on)
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio"])
def test_child_process_works_on_a_loop_of_its_own(served: Served, name: str) -> None:
    """The parent forks between two loops, with a connection that is open; both go on, each by its own connections."""
    client = httpfast.AsyncClient(trust_env=False, timeout=TIMEOUT, **served.options)
    outcomes: list[int] = []

    async def ask() -> None:
        outcomes.append((await client.get(f"{served.url}/json")).status_code)

    async def ask_and_close() -> None:
        await ask()
        await client.aclose()

    with warnings.catch_warnings():
        # Nobody closes the client on its first loop; Python 3.12 warns of forks in processes with threads.
        warnings.simplefilter("ignore")
        run(name, ask)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                outcomes.clear()
                run(name, ask_and_close)
                status = 0 if outcomes == [200] else 2
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        run(name, ask_and_close)
        gc.collect()

    assert os.waitstatus_to_exitcode(status) == 0
    assert outcomes == [200, 200]
