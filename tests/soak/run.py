"""The run itself: rounds of shifts, nginx reloaded now and then, and the verdict."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bench.machine import describe
from bench.memory import own_bytes
from bench.remote import cores

from .cards import fault_share
from .crews import PATIENCE, Crew, make_crews
from .front import Servers
from .meters import MIB, Meter, Sample, after_warm_up, descriptors, growth, resident_bytes, rss_slope
from .tally import Tallies

SHARES = {"uvloop": 0.42, "threads": 0.15, "asyncio": 0.30, "trio": 0.03}
"""What each crew has of a round while it works alone."""

TOGETHER = {"uvloop": 0.04, "threads": 0.02, "asyncio": 0.03, "trio": 0.01}
"""And while all work at once."""

DECKS = {"h1": (1, 0), "h2": (0, 1), "both": (5, 1)}
"""How many decks of HTTP/1.1 and of HTTP/2 are shuffled together."""

MAX_SLOPE = 1.0
"""MiB per 1,000,000 requests."""

LONG = 1_000_000
"""Requests from which on the slope tells something; before, it is how much memory grows that is bounded."""

MAX_GROWTH = 16.0
"""MiB that a run shorter than that may grow after its warm-up: heaps are still filling."""

MAX_MORE_DESCRIPTORS = 10.0
"""How many more may be open in the last quarter of a long run than in the first, by their medians: pools breathe, and a
short run ends in whatever shift it ends in. At the very end there has to be none more, in any run."""

TELL_EVERY = 30.0

SETTLE = 5.0
"""Seconds for descriptors to close once everything is; a thread that looks up a name may end late."""


class Hung(Exception):
    """A shift has not ended in time."""


@dataclass(frozen=True)
class Plan:
    """How long, and what.

    Attributes:
        requests: to end after, or None.
        seconds: to end after, or None.
        only: the protocol, or "both".
        round_size: requests until every crew has had its turn.
        reload_every: seconds between reloads of nginx; 0 for none.
        interval: seconds between samples.
        times: how many times the usual share everything has that is not plain and small.
        is_pinned: the client on one core and the servers on another.
    """

    requests: int | None = None
    seconds: float | None = None
    only: Literal["h1", "h2", "both"] = "both"
    seed: int = 1
    round_size: int = 100_000
    reload_every: float = 20.0
    interval: float = 1.0
    times: int = 1
    is_pinned: bool = True


class Soak:
    """One run of a plan. `tell`: takes a line now and then."""

    def __init__(self, plan: Plan, tell: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self._tell = tell
        self.tallies = Tallies()
        self.reloads = 0
        self._start = time.monotonic()
        self._last_reload = self._last_told = self._start

    def run(self) -> dict[str, Any]:
        """Work, and tell. Raises Hung."""
        client_core, server_core = cores() if self.plan.is_pinned else (None, None)
        # A pipe, a socket or an epoll that a library makes once in the process's life is no leak.
        with Servers(server_core) as servers:
            # What it does is not counted. Tokens have the seed in them: they may not come again.
            crews = make_crews(servers, Tallies(), DECKS[self.plan.only], self.plan.seed + len(SHARES), self.plan.times)
            self._pin(client_core)
            self._round(crews[:1], {crews[0].name: 0.001}, servers)
            for crew in crews:
                crew.close()
            gc.collect()
            before = (descriptors(), threads())

            crews = make_crews(servers, self.tallies, DECKS[self.plan.only], self.plan.seed, self.plan.times)
            self._start = self._last_reload = self._last_told = time.monotonic()
            with warnings.catch_warnings(), Meter(lambda: self.tallies.done, self.plan.interval) as meter:
                # Responses are dropped on purpose.
                warnings.simplefilter("ignore", ResourceWarning)
                while not self._is_over:
                    for name in SHARES:
                        self._round(crews, {name: SHARES[name]}, servers)
                    self._round(crews, TOGETHER, servers)
                seconds = time.monotonic() - self._start
            for crew in crews:
                crew.close()
            gc.collect()
            deadline = time.monotonic() + SETTLE
            while (after := (descriptors(), threads())) != before and time.monotonic() < deadline:
                time.sleep(0.05)  # What closes in other threads tells nobody.
        return self._result(meter.samples, seconds, before, after)

    def _pin(self, core: int | None) -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    @property
    def _is_over(self) -> bool:
        plan = self.plan
        is_enough = plan.requests is not None and self.tallies.done >= plan.requests
        return is_enough or (plan.seconds is not None and time.monotonic() - self._start >= plan.seconds)

    def _round(self, crews: Sequence[Crew], shares: dict[str, float], servers: Servers) -> None:
        """Those crews work at the same time."""
        if self._is_over:
            return
        shifts: list[Future[None]] = [
            crew.start(max(1, int(shares[crew.name] * self.plan.round_size))) for crew in crews if crew.name in shares
        ]
        deadline = time.monotonic() + PATIENCE
        while wait(shifts, timeout=1.0).not_done:
            self._look_up(servers)
            if time.monotonic() > deadline:
                raise Hung(f"a shift of {list(shares)} has not ended in {PATIENCE:.0f} s")
        self._look_up(servers)  # A round may well be over within that second.
        for shift in shifts:
            shift.result()

    def _look_up(self, servers: Servers) -> None:
        """Tell how far it is, and reload nginx, if it is time."""
        now = time.monotonic()
        if self._tell is not None and now - self._last_told > TELL_EVERY:
            self._last_told = now
            self._tell(f"{now - self._start:,.0f} s: {self.tallies.done:,} requests, {resident_bytes() / MIB:.1f} MiB")
        if self.plan.reload_every and now - self._last_reload > self.plan.reload_every:
            self._last_reload = now
            self.reloads += 1
            servers.nginx.process.reload()

    def _result(
        self, samples: list[Sample], seconds: float, before: tuple[int, int], after: tuple[int, int]
    ) -> dict[str, Any]:
        summary = self.tallies.summary()
        steady = after_warm_up(samples)
        found = {
            "rss_slope": rss_slope(samples),
            "rss_growth": growth([sample.rss / MIB for sample in steady]),
            "rss_end": resident_bytes() / MIB,
            "own_end": own_bytes() / MIB,
            "descriptors_growth": growth([float(sample.descriptors) for sample in steady]),
            "descriptors_before": before[0],
            "descriptors_after": after[0],
            "threads_before": before[1],
            "threads_after": after[1],
        }
        return {
            **describe([]),
            "plan": asdict(self.plan),
            "seconds": seconds,
            "rate": summary["done"] / seconds,
            "reloads": self.reloads,
            "fault_share": {protocol: fault_share(protocol, self.plan.times) for protocol in ("h1", "h2")},
            **summary,
            **found,
            "failures": verdict({**summary, **found}),
            "samples": [list(asdict(sample).values()) for sample in thinned(samples)],
        }


def threads() -> int:
    """Threads of this process, without those that trio keeps for some seconds for the next look-up of a name."""
    return sum(not thread.name.startswith("Trio thread") for thread in threading.enumerate())


def thinned(samples: Sequence[Sample], most: int = 600) -> list[Sample]:
    """At most so many of them, evenly."""
    step = max(1, -(-len(samples) // most))
    return list(samples[::step])


def verdict(result: dict[str, Any]) -> list[str]:
    """What was not as it has to be."""
    failures = []
    if result["violated"]:
        failures.append(f"{result['violated']} violations: crossed or lost responses, undocumented errors")
    if result["done"] >= LONG and result["rss_slope"] >= MAX_SLOPE:
        failures.append(f"memory grows by {result['rss_slope']:.2f} MiB per 1,000,000 requests")
    if result["done"] < LONG and result["rss_growth"] >= MAX_GROWTH:
        failures.append(f"memory grew by {result['rss_growth']:.1f} MiB")
    if result["done"] >= LONG and result["descriptors_growth"] > MAX_MORE_DESCRIPTORS:
        failures.append(f"descriptors grew by {result['descriptors_growth']:.0f}")
    if result["descriptors_after"] > result["descriptors_before"]:
        failures.append(f"descriptors at the end: {result['descriptors_after']}, not {result['descriptors_before']}")
    if result["threads_after"] > result["threads_before"]:
        failures.append(f"threads at the end: {result['threads_after']}, not {result['threads_before']}")
    return failures
