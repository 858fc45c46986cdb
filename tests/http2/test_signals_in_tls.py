"""Handlers of signals that raise while TLS reads or writes for several threads: no octet is lost, and none goes twice.

Python calls them at the end of a call of TLS's, when that has given or taken its octets, and says nothing of those.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Caller, Driver
from .origin import Gate, ScriptedOrigin, Stream

STEPS = 24
"""Calls of the main thread. How many it makes for a request depends: another thread may read or write for it."""


class Interrupt(BaseException):
    """Raised by the handler."""


class Inner:
    """The object inside an SSLSocket. The main thread's k-th call of `name`, from `arm` on, raises when it is over."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._name = ""
        self._left = 0

    def arm(self, name: str, step: int) -> None:
        self._name, self._left = name, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, *arguments: Any) -> Any:
        return self._call("read", *arguments)

    def write(self, *arguments: Any) -> Any:
        return self._call("write", *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        found = getattr(self._inner, name)(*arguments)
        if name == self._name and threading.current_thread() is threading.main_thread():
            self._left -= 1
            if self._left == 0:
                raise Interrupt
        return found


@pytest.fixture
def inners(monkeypatch: pytest.MonkeyPatch) -> list[Inner]:
    """Those of the connections that are made, in order."""
    found: list[Inner] = []
    create: Callable[..., ssl.SSLSocket] = ssl.SSLSocket._create  # type: ignore[attr-defined]

    def create_one(*arguments: Any, **options: Any) -> ssl.SSLSocket:
        sock = create(*arguments, **options)
        if not options.get("server_side"):
            inner = Inner(sock._sslobj)  # type: ignore[attr-defined]
            sock._sslobj = inner  # type: ignore[attr-defined]
            found.append(inner)
        return sock

    monkeypatch.setattr(ssl.SSLSocket, "_create", create_one)
    return found


async def upload(client: Caller, url: str) -> bool:
    """POST 200,000 octets, which come back. False when a signal has ended it."""
    body = content(200_000)
    try:
        response = await client.post(url, content=body)
    except Interrupt:
        return False
    assert response.content == body
    return True


async def test_signal_in_a_write_costs_others_nothing(sync_driver: Driver, inners: list[Inner]) -> None:
    """[POOL-03] Another thread waits on the same connection, and reads for both."""
    with ScriptedOrigin(tls=True) as origin, ThreadPoolExecutor(1) as threads:
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        interrupted = 0
        for step in range(1, STEPS):
            gate = origin.gate()

            async def held(stream: Stream, gate: Gate = gate) -> None:
                await gate.wait()
                await stream.respond(body=b"late")

            url = origin.on(f"/held{step}", held)
            other = threads.submit(client.client.get, url)
            origin.wait_until(partial(has_come, origin, f"/held{step}"))
            inners[0].arm("write", step)
            interrupted += not await upload(client, f"{origin.url}/echo")
            inners[0].arm("", 0)
            gate.open()

            assert other.result(20).text == "late"
            assert (await client.get(origin.url)).text == "ok"
        await client.rest()

        assert interrupted
        assert len(origin.connections) == 1


async def test_signal_in_a_read_costs_others_nothing(sync_driver: Driver, inners: list[Inner]) -> None:
    """[POOL-03] The main thread reads for another one, which has come later."""
    with ScriptedOrigin(tls=True) as origin, ThreadPoolExecutor(1) as threads:
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        interrupted = 0
        for step in range(1, STEPS):
            gates = [origin.gate(), origin.gate()]
            large, late = f"/large{step}", f"/late{step}"

            async def respond(stream: Stream, gates: list[Gate] = gates) -> None:
                await gates[0].wait()
                await stream.respond(body=content(200_000))

            async def respond_late(stream: Stream, gates: list[Gate] = gates) -> None:
                gates[0].open()
                await gates[1].wait()
                await stream.respond(body=b"late")

            url, other_url = origin.on(large, respond), origin.on(late, respond_late)

            def follow(path: str = large, url: str = other_url) -> str:
                origin.wait_until(partial(has_come, origin, path))
                text: str = client.client.get(url).text
                return text

            other = threads.submit(follow)
            inners[0].arm("read", step)
            try:
                assert (await client.get(url)).content == content(200_000)
            except Interrupt:
                interrupted += 1
            inners[0].arm("", 0)
            origin.wait_until(partial(has_come, origin, late))
            gates[1].open()

            assert other.result(20) == "late"
            assert (await client.get(origin.url)).text == "ok"
        await client.rest()

        assert interrupted
        assert len(origin.connections) == 1


def has_come(origin: ScriptedOrigin, path: str) -> bool:
    return any(stream.path == path for stream in origin.streams)


@pytest.mark.parametrize("call", ["read", "write"])
async def test_signal_in_a_call_of_the_only_request_leaves_the_pool_usable(
    sync_driver: Driver, inners: list[Inner], call: str
) -> None:
    with ScriptedOrigin(tls=True) as origin:
        client = sync_driver.client(**origin.options, timeout=20)
        for step in count(1):
            await client.get(origin.url)
            inner = inners[-1]
            inner.arm(call, step)
            is_through = await upload(client, f"{origin.url}/echo")
            inner.arm("", 0)
            assert (await client.get(origin.url)).text == "ok"
            if is_through:
                break
        await client.rest()

        assert step > 3
        assert client.counts == (1, 1)


async def test_connection_ends_when_nobody_knows_what_was_written(
    sync_driver: Driver, inners: list[Inner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that waits to go may not be written again, and its beginning is on its way."""

    def write(inner: Inner, data: bytes) -> int:
        if not data:
            raise ssl.SSLError("bad length")
        raise Interrupt

    with ScriptedOrigin(tls=True) as origin:
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        with monkeypatch.context() as patch:
            patch.setattr(Inner, "write", write)
            with pytest.raises((Interrupt, httpfast.WriteError)):
                await client.get(origin.url)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 2
        assert client.counts == (1, 1)
