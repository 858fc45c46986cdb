"""The load that a client is put under, and what it costs. Runs in the client's process.

CPU time is `time.process_time()`: user and system time of all threads of the process, so that work which a client moves
to threads of its own counts too. Comparing the body is part of it, and the same for all.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .cases import OUTSTANDING, PAYLOAD, Case
from .clients import AsyncClient, Body, SyncClient
from .figures import percentile
from .ticker import Ticker

WARM_CALLERS = 64
"""Open loop: callers in the warm-up; as many connections are open when the schedule starts."""

DRAIN = 2.0
"""Open loop: seconds after the last scheduled start in which what is open may still end."""

RECOVERY = 10.0
"""Open loop: seconds that a client may take to end what is given up."""

PERCENTILES = (50, 90, 99, 99.9)

Request = Callable[[], Awaitable[None]]


class WrongBody(Exception):
    """A client handed over something else than the server sent."""


def check(body: Body, expected: bytes) -> None:
    """Raise WrongBody unless the two are equal."""
    # startswith compares any buffer by memcmp; == on a memoryview would compare octet by octet, to its owner's cost.
    if len(body) != len(expected) or not expected.startswith(body):
        raise WrongBody(f"{len(body)} octets that are not the {len(expected)} sent")


def async_request(client: AsyncClient, case: Case, expected: Any) -> Request:
    """A coroutine function that does the case's request once and checks what came."""
    path = case.path
    if case.request == "post_json":
        post: Callable[[str, Any], Awaitable[Any]] = client.post_json  # type: ignore[attr-defined]  # optional

        async def request() -> None:
            value = await post(path, PAYLOAD)
            if value != expected:
                raise WrongBody(f"{value!r:.64} is not the document sent")
    else:
        get: Callable[[str], Awaitable[Body]] = getattr(client, case.request)

        async def request() -> None:
            check(await get(path), expected)

    return request


async def closed_async(request: Request, count: int, in_flight: int) -> None:
    """`count` requests by `in_flight` callers at once."""

    async def call(turns: int) -> None:
        for _ in range(turns):
            await request()

    if in_flight == 1:
        await call(count)
    else:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(call(count // in_flight))


async def bursts_async(request: Request, count: int, in_flight: int) -> None:
    """`count` requests, `in_flight` of them in each gather."""
    for _ in range(count // in_flight):
        await asyncio.gather(*[request() for _ in range(in_flight)])


def closed_sync(client: SyncClient, case: Case, expected: bytes, count: int) -> None:
    """`count` requests, one after the other."""
    get, path = client.get, case.path
    for _ in range(count):
        check(get(path), expected)


def closed_threads(threads: ThreadPoolExecutor, client: SyncClient, case: Case, expected: bytes, count: int) -> None:
    """`count` requests of one client by as many threads as the case has in flight."""
    share = count // case.in_flight
    calls = [threads.submit(closed_sync, client, case, expected, share) for _ in range(case.in_flight)]
    for call in calls:
        call.result()


class Stopwatch:
    """CPU and wall time from `start` to `stop`."""

    def start(self) -> None:
        gc.collect()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def stop(self, requests: int) -> dict[str, float]:
        """The figures of a round: seconds of CPU and of wall time."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        return {"requests": requests, "cpu": cpu, "wall": wall}


class OpenLoop:
    """Requests that start on a fixed schedule, request k at k / rate seconds.

    Latency counts from the scheduled start, so that a client which falls behind is charged for it (no coordinated
    omission). When `OUTSTANDING` requests are open the next one starts late, as soon as one has ended. What has not
    ended `DRAIN` seconds after the schedule's end is given up, counts as failed, and as infinitely late in percentiles.
    """

    def __init__(self, request: Request, rate: int, count: int) -> None:
        self._request = request
        self._rate = rate
        self._count = count
        self._started = 0
        self._late = 0
        self._open: set[asyncio.Task[None]] = set()
        self._latencies: list[float] = []
        self._errors: list[str] = []
        self._zero = 0.0

    def _start_due(self) -> None:
        """Start what is due by now, as far as there is room."""
        due = min(self._count, int((time.perf_counter() - self._zero) * self._rate) + 1)
        loop = asyncio.get_running_loop()
        while self._started < due and len(self._open) < OUTSTANDING:
            task = loop.create_task(self._measure(self._zero + self._started / self._rate))
            self._open.add(task)
            task.add_done_callback(self._end)
            self._started += 1

    async def _measure(self, scheduled: float) -> None:
        await self._request()
        self._latencies.append(time.perf_counter() - scheduled)

    def _end(self, task: asyncio.Task[None]) -> None:
        was_full = len(self._open) >= OUTSTANDING
        self._open.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(repr(error))
        if was_full:
            before = self._started
            self._start_due()
            self._late += self._started - before

    async def _give_up(self) -> None:
        """Cancel what is open. Raises RuntimeError if that does not end it: the client is not fit for another round."""
        self._started = self._count
        if not self._open:
            return
        for task in self._open:
            task.cancel()
        _, pending = await asyncio.wait(list(self._open), timeout=RECOVERY)
        if pending:
            raise RuntimeError(f"{len(pending)} cancelled requests had not ended after {RECOVERY:.0f} seconds")

    async def run(self) -> dict[str, Any]:
        """Run the schedule; returns the figures of the round, latencies in seconds, None where infinite."""
        watch = Stopwatch()
        watch.start()
        self._zero = time.perf_counter()
        length = self._count / self._rate
        with Ticker(self._rate, self._start_due):
            await asyncio.sleep(length)
            while (self._started < self._count or self._open) and time.perf_counter() - self._zero < length + DRAIN:
                await asyncio.sleep(0.005)
        figures: dict[str, Any] = watch.stop(self._count)
        await self._give_up()
        failed = self._count - len(self._latencies)
        latencies = self._latencies + [math.inf] * failed
        for percent in PERCENTILES:
            value = percentile(latencies, percent)
            figures[f"p{percent:g}"] = value if math.isfinite(value) else None
        return figures | {"failed": failed, "late": self._late, "error": self._errors[0] if self._errors else None}
