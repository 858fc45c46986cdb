"""One client in a process of its own: `python -m bench.worker`, started and driven by `bench.remote`.

It reads lines of JSON and answers each with one. First {"client", "case", "core", "base_url", "ca_file", "in_flight"},
answered {"loop": name} once a client that is to speak HTTP/2 has shown that it does; then commands: {"do": "warm",
"seconds"}, {"do": "round", "requests"} or {"do": "hold", "connections"}, answered with figures. What went wrong is
answered {"error": text}. The end of stdin ends the process.

Between commands the process waits in a blocking read, so that a client uses no time while others are measured.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from . import memory
from .cases import CASES_BY_NAME, Case
from .clients import BY_NAME, HTTP2, AsyncClient, Settings, SyncClient, absent
from .load import (
    WARM_CALLERS,
    OpenLoop,
    Stopwatch,
    async_request,
    bursts_async,
    closed_async,
    closed_sync,
    closed_threads,
)
from .server import content
from .server.routes import DOCUMENT

Answer = dict[str, Any]

MOST_WARM = 20_000
"""Requests of one step of the warm-up, at most."""


class Pipe:
    """The lines. What a client prints on stdout goes to stderr instead."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def __iter__(self) -> Iterator[Answer]:
        for line in sys.stdin:
            yield json.loads(line)

    def write(self, answer: Answer) -> None:
        """Send a line."""
        print(json.dumps(answer), file=self._out, flush=True)


def expected_of(case: Case) -> Any:
    """What a request of the case has to give: octets, or the document."""
    return json.loads(DOCUMENT) if case.request == "post_json" else content(case.size)


class AsyncWorker:
    """Carries out the commands with an asynchronous client."""

    def __init__(self, client: AsyncClient, case: Case) -> None:
        self._client = client
        self._case = case
        self._request = async_request(client, case, expected_of(case))
        self._callers = WARM_CALLERS if case.kind == "open" else case.in_flight
        self._closed = bursts_async if case.burst else closed_async

    async def do(self, command: Answer) -> Answer:
        """Carry out one command."""
        if command["do"] == "warm":
            return await self._warm(command["seconds"])
        if command["do"] == "hold":
            return await memory.hold(self._client, command["connections"])
        # One request a caller that does not count, for caches and for connections that were lost in the meantime.
        await self._closed(self._request, self._callers, self._callers)
        if self._case.kind == "open":
            return await OpenLoop(self._request, self._case.rate, command["requests"]).run()
        return await self._load(command["requests"])

    async def _load(self, count: int) -> dict[str, float]:
        watch = Stopwatch()
        watch.start()
        await self._closed(self._request, count, self._callers)
        return watch.stop(count)

    async def _warm(self, seconds: float) -> Answer:
        """Open the connections and find the rate: more and more requests, until they take half of `seconds`."""
        figures = await self._load(self._callers)
        while figures["wall"] < seconds / 2 and figures["requests"] < MOST_WARM:
            figures = await self._load(int(figures["requests"]) * 2)
        return {"rate": figures["requests"] / figures["wall"]}


class SyncWorker:
    """Carries out the commands with a blocking client; see AsyncWorker."""

    def __init__(self, client: SyncClient, case: Case) -> None:
        self._client = client
        self._case = case
        self._expected = expected_of(case)
        self._threads = ThreadPoolExecutor(case.in_flight) if case.is_threaded else None

    def do(self, command: Answer) -> Answer:
        """Carry out one command."""
        if command["do"] == "warm":
            return self._warm(command["seconds"])
        self._load(self._case.in_flight)
        return self._load(command["requests"])

    def _load(self, count: int) -> dict[str, float]:
        watch = Stopwatch()
        watch.start()
        if self._threads is None:
            closed_sync(self._client, self._case, self._expected, count)
        else:
            closed_threads(self._threads, self._client, self._case, self._expected, count)
        return watch.stop(count)

    def _warm(self, seconds: float) -> Answer:
        figures = self._load(self._case.in_flight)
        while figures["wall"] < seconds / 2 and figures["requests"] < MOST_WARM:
            figures = self._load(int(figures["requests"]) * 2)
        return {"rate": figures["requests"] / figures["wall"]}


def describe(error: BaseException) -> Answer:
    """An error as an answer; of a group the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return {"error": f"{type(error).__name__}: {error!s:.300}"}


def refuse_other_than_http2(version: str) -> None:
    """Raise RuntimeError unless that is what the client spoke."""
    if version != HTTP2:
        raise RuntimeError(f"it spoke {version}, and not HTTP/2")


async def serve_async(pipe: Pipe, client_name: str, case: Case, settings: Settings) -> None:
    """Open an asynchronous client and obey."""
    client: AsyncClient = await BY_NAME[client_name].load().open_async(settings)
    if absent(client, case.request):
        pipe.write({"error": f"it has no {case.request}"})
        return
    if case.http2:
        refuse_other_than_http2(await client.version(case.path))
    worker = AsyncWorker(client, case)
    pipe.write({"loop": type(asyncio.get_running_loop()).__module__.partition(".")[0]})
    for command in pipe:
        try:
            answer = await worker.do(command)
        except Exception as error:
            answer = describe(error)
        pipe.write(answer)


def serve_sync(pipe: Pipe, client_name: str, case: Case, settings: Settings) -> None:
    """Open a blocking client and obey."""
    client: SyncClient = BY_NAME[client_name].load().open_sync(settings)
    if case.http2:
        refuse_other_than_http2(client.version(case.path))
    worker = SyncWorker(client, case)
    pipe.write({"loop": None})
    for command in pipe:
        try:
            answer = worker.do(command)
        except Exception as error:
            answer = describe(error)
        pipe.write(answer)


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes uvloop's or asyncio's loops; asyncio's where uvloop is not installed."""
    if name == "uvloop":
        with suppress(ImportError):
            return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]
    return asyncio.new_event_loop


def main() -> None:
    """Serve until stdin ends."""
    pipe = Pipe()
    hello = next(iter(pipe))
    if hello["core"] is not None:
        # Before the client is imported, so that its threads are on the same core.
        os.sched_setaffinity(0, {hello["core"]})
    case = CASES_BY_NAME[hello["case"]]
    settings = Settings(hello["base_url"], hello["ca_file"], hello["in_flight"], case.kind == "memory", case.http2)
    try:
        if case.mode == "sync":
            serve_sync(pipe, hello["client"], case, settings)
        else:
            loop = loop_factory(case.loop)()
            loop.run_until_complete(serve_async(pipe, hello["client"], case, settings))
    except Exception as error:
        pipe.write(describe(error))
    # No shutdown: some clients abort the interpreter in theirs, and there is nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    main()
