"""One face for the blocking client and the asynchronous one, so that a scenario is written once.

A scenario is a coroutine. Under asyncio, uvloop and trio it runs on a loop; under the blocking client none of its calls
ever suspends, and one `send(None)` drives it to its end.

    async def test_get_returns_the_body(driver, origin):
        client = driver.client(verify=origin.verify)
        response = await client.get(origin.url)

The driver closes its clients when the test has ended, and checks that nothing is left: see `Driver.finish`.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import ssl
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import httpfast

T = TypeVar("T")

THREADS = 32
"""How many scenarios of one `gather` run at once under the blocking client."""

TURNS = 10_000
"""Turns of an event loop within which what was closed has to be gone."""

NAMES = ("sync", "asyncio", "uvloop", "trio")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        coroutine.close()
    raise AssertionError("the coroutine suspended, which blocking code does not do")


async def settle(value: Any) -> Any:
    """The value, or what it resolves to."""
    return await value if inspect.isawaitable(value) else value


class Caller:
    """A client: the methods of `Client`, all of them coroutines."""

    def __init__(self, driver: Driver, client: Any) -> None:
        self.driver = driver
        self.client = client

    async def request(self, method: str, url: str, **arguments: Any) -> httpfast.Response:
        response: httpfast.Response = await settle(self.client.request(method, url, **arguments))
        return response

    async def get(self, url: str, **arguments: Any) -> httpfast.Response:
        return await self.request("GET", url, **arguments)

    async def head(self, url: str, **arguments: Any) -> httpfast.Response:
        return await self.request("HEAD", url, **arguments)

    async def post(self, url: str, **arguments: Any) -> httpfast.Response:
        return await self.request("POST", url, **arguments)

    async def put(self, url: str, **arguments: Any) -> httpfast.Response:
        return await self.request("PUT", url, **arguments)

    async def send(self, request: httpfast.Request, **arguments: Any) -> httpfast.Response:
        response: httpfast.Response = await settle(self.client.send(request, **arguments))
        return response

    def build_request(self, method: str, url: str, **arguments: Any) -> httpfast.Request:
        request: httpfast.Request = self.client.build_request(method, url, **arguments)
        return request

    @asynccontextmanager
    async def stream(self, method: str, url: str, **arguments: Any) -> AsyncIterator[httpfast.Response]:
        if self.driver.is_async:
            async with self.client.stream(method, url, **arguments) as response:
                yield response
        else:
            with self.client.stream(method, url, **arguments) as response:
                yield response

    async def open(self, method: str, url: str, **arguments: Any) -> httpfast.Response:
        """A response of which only the head has been read. The caller closes it."""
        return await self.send(self.build_request(method, url, **arguments), stream=True)

    async def read(self, response: httpfast.Response) -> bytes:
        content: bytes = await settle(response.aread() if self.driver.is_async else response.read())
        return content

    async def close_response(self, response: httpfast.Response) -> None:
        if self.driver.is_async:
            await response.aclose()
        else:
            response.close()

    async def pieces(self, response: httpfast.Response, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """The body as it was sent, piece by piece. To be used in `aclosing` where it is not read to its end."""
        if self.driver.is_async:
            async with aclosing(response.aiter_raw(chunk_size)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece
        else:
            iterator = response.iter_raw(chunk_size)
            try:
                for piece in iterator:
                    yield piece
            finally:
                iterator.close()  # type: ignore[attr-defined]

    async def close(self) -> None:
        await settle(self.client.aclose() if self.driver.is_async else self.client.close())

    @property
    def transport(self) -> Any:
        return self.client._transport

    @property
    def state(self) -> Any:
        """The decisions of the client's pool; None before an asynchronous one is first used."""
        pool = self.transport._pool
        return None if pool is None else pool.state

    @property
    def counts(self) -> tuple[int, int]:
        """How many connections there are, and how many of them are idle."""
        state = self.state
        return (0, 0) if state is None else (state.connections, state.idle)

    async def rest(self) -> None:
        """Wait until no connection is in use. Raises AssertionError when one stays so."""
        for _ in range(TURNS if self.driver.is_async else 1):
            connections, idle = self.counts
            if connections == idle:
                return
            await self.driver.turn()
        raise AssertionError("connections are still in use; open and idle: {}, {}".format(*self.counts))

    def wait_for_waiters(self, count: int) -> None:
        """Block until that many threads stand in the pool's line; nobody tells when one joins it."""
        pause = threading.Event()
        for _ in range(TURNS):
            if self.state.waiting == count:
                return
            pause.wait(0.001)
        raise AssertionError(f"{self.state.waiting} requests wait, not {count}")


class Network:
    """The raw stream below a response (`extensions["network_stream"]`)."""

    def __init__(self, response: httpfast.Response) -> None:
        self.stream = response.extensions["network_stream"]

    async def read(self, max_bytes: int = 65536, timeout: float | None = 5.0) -> bytes:
        data: bytes = await settle(self.stream.read(max_bytes, timeout))
        return data

    async def read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = await self.read(size - len(data))
            assert piece, f"the stream ended after {data!r}"
            data += piece
        return data

    async def write(self, data: bytes, timeout: float | None = 5.0) -> None:
        await settle(self.stream.write(data, timeout))

    async def close(self) -> None:
        await settle(self.stream.aclose() if hasattr(self.stream, "aclose") else self.stream.close())


class Driver(ABC):
    """How scenarios run: see the subclasses."""

    name: str
    is_async: bool

    has_callbacks = False
    """Whether a connection notices by itself what happens to it while it is idle."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    def client(self, **arguments: Any) -> Caller:
        """A client, which `finish` closes. Environment variables do not count unless `trust_env` is given."""
        arguments.setdefault("trust_env", False)
        caller = Caller(self, self.make_client(**arguments))
        self.callers.append(caller)
        return caller

    def transport(self, **arguments: Any) -> Any:
        kind = httpfast.AsyncHTTPTransport if self.is_async else httpfast.HTTPTransport
        return kind(**arguments)

    def make_client(self, **arguments: Any) -> Any:
        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        return kind(**arguments)

    def body(self, pieces: Iterable[bytes | Callable[[], Any]]) -> Iterator[bytes] | AsyncIterator[bytes]:
        """The pieces as an iterator of the kind that this driver's requests take.

        A piece that can be called is a pause: it is called, and may block, before the next piece is given.
        """

        def iterate() -> Iterator[bytes]:
            for piece in pieces:
                if isinstance(piece, bytes):
                    yield piece
                else:
                    piece()

        async def iterate_async() -> AsyncIterator[bytes]:
            for piece in pieces:
                if isinstance(piece, bytes):
                    yield piece
                else:
                    await self.blocking(piece)

        return iterate_async() if self.is_async else iterate()

    @abstractmethod
    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Run a scenario to its end."""

    @abstractmethod
    async def gather(self, *scenarios: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run scenarios at the same time. Returns what each returned or raised."""

    @abstractmethod
    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that blocks, while an event loop goes on."""

    async def turn(self) -> None:
        """Let an event loop go round once."""
        return

    @abstractmethod
    def shut_down(self) -> None:
        """End the loop, if there is one."""

    def finish(self) -> None:
        """Close the clients. Raises AssertionError when a connection, a slot or a task is left over."""
        try:
            self.run(self._close_clients())
        finally:
            self.shut_down()

    async def _close_clients(self) -> None:
        for caller in self.callers:
            if not isinstance(caller.transport, (httpfast.HTTPTransport, httpfast.AsyncHTTPTransport)):
                await caller.close()
                continue
            state = caller.state
            if not caller.client.is_closed:
                await caller.rest()
            await caller.close()
            if state is not None:
                assert (state.connections, state.idle) == (0, 0), "a closed client still has connections"


class SyncDriver(Driver):
    """The blocking client, in this thread; scenarios at the same time are in a thread each."""

    name = "sync"
    is_async = False

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        return drive(scenario)

    async def gather(self, *scenarios: Coroutine[Any, Any, Any]) -> list[Any]:
        def outcome(scenario: Coroutine[Any, Any, Any]) -> Any:
            try:
                return drive(scenario)
            except Exception as error:
                return error

        with ThreadPoolExecutor(min(THREADS, len(scenarios))) as threads:
            return list(threads.map(outcome, scenarios))

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)

    def shut_down(self) -> None:
        pass


class LoopDriver(Driver):
    """The asynchronous client on an event loop."""

    is_async = True
    has_callbacks = True

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.complaints: list[dict[str, Any]] = []
        self.runner = asyncio.Runner(loop_factory=loop_factory(name))
        self.loop = self.runner.get_loop()
        self.loop.set_exception_handler(self._note_complaint)

    def _note_complaint(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # uvloop's TLS layer logs two things of its own when a transport is aborted: a read that it had planned for the
        # next turn finds its handle closed, and nobody waits any more for the handshake that failed in this turn.
        is_uvloops_own = self.name == "uvloop" and (
            (isinstance(error, RuntimeError) and "the handler is closed" in str(error))
            or (isinstance(error, ssl.SSLError) and "never retrieved" in context["message"])
        )
        # TLS in TLS of asyncio: the outer layer tells the inner one of its end, which has failed already.
        is_asyncios_own = isinstance(error, RuntimeError) and "UNWRAPPED to SSLProtocolState.SHUTDOWN" in str(error)
        if not (is_uvloops_own or is_asyncios_own):
            self.complaints.append(context)

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(scenario)

    async def gather(self, *scenarios: Coroutine[Any, Any, Any]) -> list[Any]:
        return list(await asyncio.gather(*scenarios, return_exceptions=True))

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(function, *arguments)

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def _close_clients(self) -> None:
        await super()._close_clients()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not tasks, f"tasks are left over: {tasks}"

    def shut_down(self) -> None:
        self.runner.close()
        assert not self.complaints, f"the event loop complained: {self.complaints}"


class TrioDriver(Driver):
    """The asynchronous client under trio, whose run lasts as long as the driver: in a thread of its own."""

    name = "trio"
    is_async = True

    def __init__(self) -> None:
        super().__init__()
        import trio

        self.trio = trio
        self.jobs: queue.SimpleQueue[tuple[Coroutine[Any, Any, Any], Future[Any]] | None] = queue.SimpleQueue()
        started: Future[Any] = Future()
        self.thread = threading.Thread(target=trio.run, args=(self._serve, started))
        self.thread.start()
        self.token, self.wake = started.result()

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        outcome: Future[T] = Future()
        self.jobs.put((scenario, outcome))
        self.token.run_sync_soon(self.wake)
        return outcome.result()

    async def gather(self, *scenarios: Coroutine[Any, Any, Any]) -> list[Any]:
        outcomes: list[Any] = [None] * len(scenarios)

        async def note(index: int, scenario: Coroutine[Any, Any, Any]) -> None:
            try:
                outcomes[index] = await scenario
            except Exception as error:
                outcomes[index] = error

        async with self.trio.open_nursery() as nursery:
            for index, scenario in enumerate(scenarios):
                nursery.start_soon(note, index, scenario)
        return outcomes

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        # Not trio's threads, which stay for a while when they have nothing to do.
        outcome: Future[T] = Future()
        ended = self.trio.Event()

        def call() -> None:
            try:
                outcome.set_result(function(*arguments))
            except BaseException as error:
                outcome.set_exception(error)
            self.token.run_sync_soon(ended.set)

        thread = threading.Thread(target=call)
        thread.start()
        await ended.wait()
        thread.join()
        return outcome.result()

    async def turn(self) -> None:
        await self.trio.lowlevel.checkpoint()

    def shut_down(self) -> None:
        self.jobs.put(None)
        self.token.run_sync_soon(self.wake)
        self.thread.join()

    async def _serve(self, started: Future[Any]) -> None:
        """Run the scenarios, one after another."""
        arrived = self.trio.Event()

        def wake() -> None:
            nonlocal arrived
            arrived.set()

        started.set_result((self.trio.lowlevel.current_trio_token(), wake))
        while True:
            await arrived.wait()
            arrived = self.trio.Event()
            while not self.jobs.empty():
                job = self.jobs.get()
                if job is None:
                    return
                scenario, outcome = job
                try:
                    outcome.set_result(await scenario)
                except BaseException as error:
                    outcome.set_exception(error)
                    # What pytest skips by is no Exception either.
                    if isinstance(error, (KeyboardInterrupt, SystemExit)):
                        raise


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop called `name`. Raises ImportError when it is not installed."""
    if name == "uvloop":
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return asyncio.SelectorEventLoop if sys.platform == "win32" else asyncio.new_event_loop


def make_driver(name: str) -> Driver:
    """The driver called `name`, one of `NAMES`. Raises ImportError when its loop is not installed."""
    if name == "trio":
        return TrioDriver()
    return SyncDriver() if name == "sync" else LoopDriver(name)
