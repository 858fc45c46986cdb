"""One blocking client in many threads: who reads for all, signals, fork. [POOL-03, POOL-04, H2-22]"""

from __future__ import annotations

import os
import random
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from h2.errors import ErrorCodes

import httpfast
from bench.server import content

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream

THREADS = 32


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_many_threads_share_a_connection_and_each_gets_its_own_answer(sync_driver: Driver, is_tls: bool) -> None:
    with ScriptedOrigin(tls=is_tls) as origin:
        client = sync_driver.client(**origin.options, timeout=20)

        def work(index: int) -> int:
            for turn in range(30):
                token, body = f"{index} {turn}", content(index * 50 + turn)
                response = client.client.post(f"{origin.url}/echo", content=body, headers={"x-token": token})
                assert (response.headers["x-token"], response.content) == (token, body)
            return index

        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(work, range(THREADS))) == list(range(THREADS))
        await client.rest()

        assert len(origin.connections) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_threads_that_give_up_never_leave_another_one_waiting(
    sync_driver: Driver, is_tls: bool, seed: int
) -> None:
    """32 threads, 100 requests each: answers, timeouts, streams left early, resets, uploads."""
    with ScriptedOrigin(tls=is_tls) as origin:

        async def reset(stream: Stream) -> None:
            stream.reset(ErrorCodes.INTERNAL_ERROR)

        reset_url = origin.on("/reset", reset)
        # A lost wake-up shows as this timeout, which no answer takes.
        client = sync_driver.client(**origin.options, timeout=15)
        impatient = httpfast.Timeout(15, read=0.002)

        def one(chance: random.Random, token: str) -> None:
            kind = chance.random()
            if kind < 0.1:
                with pytest.raises(httpfast.ReadTimeout):
                    client.client.get(f"{origin.url}/hang", timeout=impatient)
            elif kind < 0.2:
                with client.client.stream("GET", f"{origin.url}/bytes/100000") as response:
                    if chance.random() < 0.5:
                        next(response.iter_raw())
            elif kind < 0.3:
                with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
                    client.client.get(reset_url)
            elif kind < 0.4:
                with suppress(httpfast.ReadTimeout):
                    client.client.get(f"{origin.url}/bytes/50000", timeout=impatient)
            elif kind < 0.6:
                body = content(80_000)
                response = client.client.post(f"{origin.url}/echo", content=body, headers={"x-token": token})
                assert (response.headers["x-token"], response.content) == (token, body)
            else:
                response = client.client.get(f"{origin.url}/echo", headers={"x-token": token})
                assert response.headers["x-token"] == token

        def work(index: int) -> int:
            chance = random.Random(1000 * seed + index)
            for turn in range(100):
                one(chance, f"{index} {turn}")
            return index

        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(work, range(THREADS))) == list(range(THREADS))
        await client.rest()

        assert client.state.waiting == 0
        assert len(origin.connections) == 1


async def test_reader_with_its_answer_hands_over_to_one_who_waits(sync_driver: Driver) -> None:
    """Answers come one by one, in the order in which the threads began to wait, and the reverse."""
    with ScriptedOrigin() as origin:
        gates = [origin.gate() for _ in range(10)]

        async def held(stream: Stream) -> None:
            await gates[int(stream["x-index"])].wait()
            await stream.respond(body=stream["x-index"].encode())

        url = origin.on("/held", held)
        client = sync_driver.client(**origin.options, timeout=5)
        await client.get(origin.url)

        for order in (range(10), reversed(range(10))):
            gates[:] = [origin.gate() for _ in range(10)]
            before = len(origin.streams)
            with ThreadPoolExecutor(10) as threads:
                answers = []
                for index in range(10):
                    call = threads.submit(client.client.get, url, headers={"x-index": str(index)})
                    answers.append(call)
                    origin.wait_until(lambda count=before + index + 1: len(origin.streams) == count)  # type: ignore[misc]
                for index in order:
                    gates[index].open()
                    assert answers[index].result(5).text == str(index)


async def test_reader_that_gives_up_hands_over_to_one_who_waits(sync_driver: Driver) -> None:
    """The first to wait reads for all, and times out."""
    with ScriptedOrigin() as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=b"late")

        url = origin.on("/held", held)
        client = sync_driver.client(**origin.options, timeout=5)
        await client.get(origin.url)

        with ThreadPoolExecutor(8) as threads:
            first = threads.submit(client.client.get, url, timeout=httpfast.Timeout(5, read=0.1))
            origin.wait_until(lambda: len(origin.streams) == 2)
            others = [threads.submit(client.client.get, url) for _ in range(6)]
            origin.wait_until(lambda: len(origin.streams) == 8)
            with pytest.raises(httpfast.ReadTimeout):
                first.result(5)
            gate.open()

            assert [other.result(5).text for other in others] == ["late"] * 6


async def test_thread_that_reads_its_stream_slowly_does_not_keep_the_others_waiting(sync_driver: Driver) -> None:
    """Between two pieces of its body a thread reads for nobody: another one does."""
    with ScriptedOrigin() as origin:
        client = sync_driver.client(**origin.options, timeout=5)

        with client.client.stream("GET", f"{origin.url}/bytes/3000000") as response:
            pieces = response.iter_raw()
            next(pieces)
            with ThreadPoolExecutor(8) as threads:
                others = [
                    threads.submit(client.client.get, f"{origin.url}/bytes/{size}") for size in range(1, 2000, 100)
                ]
                assert [len(other.result(5).content) for other in others] == [*range(1, 2000, 100)]

            assert sum(len(piece) for piece in pieces) > 0
        assert len(origin.connections) == 1


async def test_client_closed_by_another_thread_wakes_all(sync_driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)

        with ThreadPoolExecutor(20) as threads:
            calls = [threads.submit(client.client.get, f"{origin.url}/hang") for _ in range(20)]
            origin.wait_until(lambda: len(origin.streams) == 21)
            client.client.close()
            errors = [call.exception(5) for call in calls]

        assert all(isinstance(error, httpfast.TransportError) for error in errors), errors
        assert not any(isinstance(error, httpfast.TimeoutException) for error in errors), errors
        assert len(origin.connections) == 1


class Interrupt(Exception):
    """Raised by the signal's handler."""


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """What signals the main thread until the handler has run there: one just before a wait does not interrupt it."""
    arrived = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if not arrived.is_set():
            arrived.set()
            raise Interrupt

    def send() -> None:
        for _ in range(500):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            if arrived.wait(0.01):
                return

    previous = signal.signal(signal.SIGUSR1, handle)
    yield send
    arrived.set()
    signal.signal(signal.SIGUSR1, previous)


needs_signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")


@needs_signals
@pytest.mark.parametrize("phase", ["head", "body", "stream", "upload", "continue"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_signal_in_a_wait_raises_and_gives_up_its_stream_only(
    sync_driver: Driver, interrupt: Callable[[], None], phase: str, is_tls: bool
) -> None:
    """[POOL-03] The main thread reads for all when Ctrl-C comes; another thread waits on the same connection."""
    with ScriptedOrigin(tls=is_tls) as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=b"late")

        url = origin.on("/held", held)
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        path = {"head": "/hang", "body": "/stall", "stream": "/stall", "upload": "/hang", "continue": "/hang"}[phase]

        async def call() -> None:
            if phase == "stream":
                async with client.stream("GET", origin.url + path) as response:
                    await client.read(response)
            elif phase == "upload":
                await client.post(origin.url + path, content=bytes(5_000_000))
            elif phase == "continue":
                await client.post(origin.url + path, content=b"body", headers={"Expect": "100-continue"})
            else:
                await client.get(origin.url + path)

        with ThreadPoolExecutor(2) as threads:

            def signal_and_follow() -> str:
                origin.wait_until(lambda: any(stream.path == path for stream in origin.streams))
                follower = threads.submit(client.client.get, url)
                origin.wait_until(lambda: any(stream.path == "/held" for stream in origin.streams))
                interrupt()
                gate.open()
                text: str = follower.result(5).text
                return text

            signaller = threads.submit(signal_and_follow)
            with pytest.raises(Interrupt):
                await call()
            assert signaller.result(10) == "late"
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1
        assert [stream.reset_code for stream in origin.streams if stream.path == path] == [ErrorCodes.CANCEL]


@needs_signals
async def test_signal_in_a_follower_raises_and_gives_up_its_stream_only(
    sync_driver: Driver, interrupt: Callable[[], None]
) -> None:
    """[POOL-03] The main thread waits for what another one reads."""
    with ScriptedOrigin() as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=b"late")

        url = origin.on("/held", held)
        client = sync_driver.client(**origin.options, timeout=20)
        await client.get(origin.url)

        with ThreadPoolExecutor(2) as threads:
            leader = threads.submit(client.client.get, url)
            origin.wait_until(lambda: len(origin.streams) == 2)

            def signal_later() -> None:
                origin.wait_until(lambda: len(origin.streams) == 3)
                interrupt()

            signaller = threads.submit(signal_later)
            with pytest.raises(Interrupt):
                await client.get(f"{origin.url}/hang")
            signaller.result(10)
            gate.open()
            assert leader.result(5).text == "late"
        await client.rest()

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
async def test_child_process_does_not_touch_the_connection_of_its_parent(
    sync_driver: Driver, layer: dict[str, bool], is_busy: bool
) -> None:
    """[POOL-04] The child begins with an empty pool, and says nothing on its parent's connection."""
    with ScriptedOrigin(**layer) as origin:
        client = sync_driver.client(**origin.options, timeout=5)
        await client.get(origin.url)
        held = await client.open("GET", f"{origin.url}/bytes/6000000") if is_busy else None

        with warnings.catch_warnings():
            # Python 3.12 warns of forks in processes with threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if client.client.get(f"{origin.url}/child").text == "ok" else 2
                client.client.close()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        if held is not None:
            assert await client.read(held) == content(6_000_000)
        assert (await client.get(f"{origin.url}/parent")).text == "ok"
        parent, other = origin.connections
        assert (parent.goaway_code, parent.is_lost) == (None, False)
        assert [stream.path for stream in other.streams.values()] == ["/child"]
        assert not any(stream.path == "/child" for stream in parent.streams.values())
