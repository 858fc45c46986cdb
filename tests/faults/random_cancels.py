"""Requests under contention, cancelled at random: a program. [POOL-02]

    python -m tests.faults.random_cancels [--cancels 1000000] [--seed 0] [--only trio-h2 ...]

Tasks share a client with few connections. Each request is cancelled after a random number of turns of the loop, or has
a short timeout, or is left alone; what completes is compared with what was asked for. The cancellations are divided
among asyncio, uvloop and trio, over HTTP/1.1 and HTTP/2, in rounds; a line for each says what came of it. After each as
many requests as the limits allow have to be under way at once, every count has to be back, and memory must not have
grown.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import Counter
from pathlib import Path

import httpfast
from bench.memory import heap_bytes

from ..drivers.facade import Driver, make_driver
from ..leftovers import descriptors
from .traffic import PROTOCOLS, Place, ask, look, place

LOOPS = ("asyncio", "uvloop", "trio")
COMBINATIONS = tuple(f"{loop}-{protocol}" for loop in LOOPS for protocol in PROTOCOLS)
TASKS = 50
ROUND = 2_500
"""Cancellations by each combination, one after another, until there are enough; each time with a server of its own."""

PATIENCE = 60.0
"""Seconds after which a request that nobody disturbs has got lost."""

NOT_LOOKED_AT = ("REFUSED_STREAM", "has not looked at the request")

MOST_GROWTH = 8 << 20
"""Octets of memory that a run may have more at its end than when a fifth of it was done."""

WARM_ROUNDS = 3
MOST_GROWTH_OF_ALL = 2 << 20
"""Octets that the process may have in use more at its end than after so many rounds."""


def memory() -> int:
    """This process's resident octets; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") if statm.exists() else 0


def held() -> int:
    """Octets in use in this process's heaps; 0 where the system does not tell.

    Not its pages: trio runs in a thread of its own each time, and glibc gives such threads some heaps by turns, of each
    of which the holes stay.
    """
    return heap_bytes() or 0


class Storm:
    """One run: `wanted` cancellations by one driver at one place.

    Attributes:
        counts: of "cancelled", "completed", "timed out" and "refused" requests.
    """

    def __init__(self, driver: Driver, there: Place, wanted: int, seed: int) -> None:
        self.driver = driver
        self.there = there
        self.wanted = wanted
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.warm = 0
        self.sockets = 0

    async def run(self) -> int:
        """Run. Returns the growth of memory after the first fifth. Raises AssertionError when something is left."""
        self.client = self.there.client(self.driver, timeout=PATIENCE)
        self.sockets = len(descriptors(("socket:",)))
        for outcome in await self.driver.gather(*(self.work() for _ in range(TASKS))):
            if outcome is not None:
                raise outcome
        growth = memory() - self.warm
        await look(self.client, self.there, self.sockets)
        assert growth < MOST_GROWTH, f"{growth / 2**20:.1f} MiB more than after a fifth of the requests"
        return growth

    async def work(self) -> None:
        """One task: requests, one after another, until enough were cancelled."""
        if self.driver.name == "trio":
            from .trio_stepper import cancelled_after_turns
        else:
            from .stepper import cancelled_after_turns
        while self.counts["cancelled"] < self.wanted:
            if not self.warm and self.counts["cancelled"] * 5 >= self.wanted:
                self.warm = memory()
            kind = self.chance.random()
            if kind < 0.1:
                await self.one()
            elif kind < 0.15:
                await self.one(httpfast.Timeout(PATIENCE, total=self.chance.random() / 100))
            else:
                timeout = httpfast.Timeout(PATIENCE, pool=self.chance.random() / 50) if kind < 0.25 else None
                turns = int(self.chance.expovariate(1 / 15))
                was_cancelled = await cancelled_after_turns(self.one(timeout), turns)
                self.counts["cancelled"] += was_cancelled

    async def one(self, timeout: httpfast.Timeout | None = None) -> None:
        """One request to its end, with a short timeout or none. Raises what was not asked for."""
        try:
            await ask(self.client, self.there, self.chance, timeout=timeout or PATIENCE)
        except httpfast.TimeoutException:
            if timeout is None:
                # Nothing here takes that long: somebody was not woken.
                raise
            self.counts["timed out"] += 1
        except httpfast.RemoteProtocolError as error:
            # nginx counts some streams for a while after their reset, and says goodbye to old connections. What a
            # server has not looked at is sent again, if its body can be, and only some times.
            if not any(reason in str(error) for reason in NOT_LOOKED_AT):
                raise
            self.counts["refused"] += 1
        else:
            self.counts["completed"] += 1


def storm(combination: str, wanted: int, seed: int) -> tuple[Counter[str], int]:
    """One run of one combination, in this thread. Raises where something is wrong.

    Returns:
        What came of the requests, and the growth of memory in octets.
    """
    loop, protocol = combination.split("-")
    with place(protocol) as there:
        driver = make_driver(loop)
        try:
            run = Storm(driver, there, wanted, seed)
            growth = driver.run(run.run())
        finally:
            driver.finish()
    return run.counts, growth


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.random_cancels")
    parser.add_argument("--cancels", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=COMBINATIONS, default=list(COMBINATIONS))
    arguments = parser.parse_args()
    left, seed = arguments.cancels, arguments.seed
    done = rounds = warm = 0
    while left > 0:
        wanted = min(ROUND, -(-left // len(arguments.only)))
        for combination in arguments.only:
            started = time.monotonic()
            counts, growth = storm(combination, wanted, seed)
            done += counts["cancelled"]
            told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
            seconds = time.monotonic() - started
            size = f"{growth / 2**20:+.1f} MiB of {memory() / 2**20:.0f}, {held() / 2**20:.2f} in use"
            print(f"{combination}: {told}; {size}; {seconds:.0f} s; {done:,} in all", flush=True)
        left -= wanted * len(arguments.only)
        seed += 1
        rounds += 1
        if rounds == WARM_ROUNDS:
            warm = held()
    growth = held() - warm if warm else 0
    print(f"{done:,} cancelled in {rounds} rounds; {growth / 2**20:+.1f} MiB after the first {WARM_ROUNDS}", flush=True)
    assert growth < MOST_GROWTH_OF_ALL, "memory has grown"


if __name__ == "__main__":
    main()
