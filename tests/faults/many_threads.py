"""One blocking client, shared by many threads for some time: a program. [POOL-04, H2-22]

    python -m tests.faults.many_threads [--seconds 60] [--seed 0] [--only h2]

Every thread makes requests of all kinds and compares each response with what it asked for. None may fail. In the end
every count has to be back. A line for each protocol says how many requests there were.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Callable

from ..drivers.facade import THREADS, Caller, SyncDriver, drive
from ..leftovers import descriptors
from .traffic import MANY_STREAMS, PROTOCOLS, Place, ask, look, place


def crowd(there: Place, seconds: float, seed: int) -> int:
    """Share a client among threads. Returns how many requests they made; raises what the first to fail raised."""
    driver = SyncDriver()
    try:
        client = there.client(driver, timeout=30)
        sockets = len(descriptors(("socket:",)))
        made = run_threads(client, there, seconds, seed)
        drive(look(client, there, sockets))
    finally:
        driver.finish()
    return made


def run_threads(client: Caller, there: Place, seconds: float, seed: int) -> int:
    """Requests by all threads until the time is over, or one has failed."""
    ends = time.monotonic() + seconds
    made = [0] * THREADS
    failures: list[BaseException] = []

    def work(index: int) -> Callable[[], None]:
        chance = random.Random(f"{seed} {index}")

        def run() -> None:
            try:
                while time.monotonic() < ends and not failures:
                    drive(ask(client, there, chance, once=False))
                    made[index] += 1
            except BaseException as error:
                failures.append(error)

        return run

    threads = [threading.Thread(target=work(index), name=f"crowd-{index}") for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    assert all(made), "a thread has made no request"
    return sum(made)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.many_threads")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    arguments = parser.parse_args()
    for protocol in arguments.only:
        with place(protocol, MANY_STREAMS) as there:
            made = crowd(there, arguments.seconds, arguments.seed)
        print(f"{protocol}: {made:,} requests by {THREADS} threads in {arguments.seconds:g} s", flush=True)


if __name__ == "__main__":
    main()
