"""What no test of the suite may leave behind, cheap enough to be looked at after each: descriptors, threads, objects.

    after each test      sockets, pipes and pollers of this process, threads
    after each module    Exchange, connections, engines, streams, pools: what Python's garbage collector knows of them

Servers of the whole run, and what their fixtures hold, are there before a test and so do not count. The drivers'
fixtures look closer: see `drivers.leaks` and `Driver.finish`, which know of slots, tasks and unraised exceptions.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache

FOLDER = "/proc/self/fd"
KINDS = ("socket:", "pipe:", "anon_inode:")

GRACE = 2.0
"""Seconds that a thread gets that has been told to end, all of them together."""

KEPT_THREADS = ("Trio thread", "AnyIO worker thread")
"""Threads that wait for more work some seconds after their last, and belong to those packages."""


def descriptors(kinds: tuple[str, ...] = KINDS) -> set[tuple[str, str]]:
    """This process's open descriptors of these kinds, with what each is; none where the system does not list them."""
    found = set()
    if os.path.isdir(FOLDER):
        for name in os.listdir(FOLDER):
            with suppress(OSError):
                target = os.readlink(f"{FOLDER}/{name}")
                if target.startswith(kinds):
                    found.add((name, target))
    return found


def threads() -> set[threading.Thread]:
    """Those that run, but for what others keep."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(KEPT_THREADS)}


class Leftovers:
    """What is open now, to compare with later."""

    def __init__(self) -> None:
        self.descriptors = descriptors()
        self.threads = threads()

    def check(self) -> None:
        """Raises AssertionError when there is more than there was."""
        running = threads() - self.threads
        for thread in running:
            thread.join(GRACE / len(running))
        running = {thread for thread in running if thread.is_alive()}
        left = descriptors() - self.descriptors
        assert not left, f"left open: {sorted(left)}"
        assert not running, f"threads are left running: {running}"


@cache
def counted() -> frozenset[type]:
    """The types of which none may be left. The garbage collector knows all of them: each holds references."""
    from httpfast._cext.aio import H1Connection, LoopShare
    from httpfast._cext.aio_h2 import H2Connection
    from httpfast._cext.blocking import BlockingConnection
    from httpfast._cext.blocking_h2 import BlockingH2Connection
    from httpfast._cext.carried import CarriedConnection
    from httpfast._cext.carried_h2 import CarriedH2Connection
    from httpfast._cext.exchange import Exchange
    from httpfast._cext.h1 import H1Engine
    from httpfast._cext.h2 import H2Engine, H2Stream
    from httpfast._cext.pool import PooledConnection, PoolState, Waiter

    kinds: list[type] = [H1Connection, LoopShare, H2Connection, BlockingConnection, BlockingH2Connection]
    kinds += [CarriedConnection, CarriedH2Connection, Exchange, H1Engine, H2Engine, H2Stream]
    kinds += [PooledConnection, PoolState, Waiter]
    return frozenset(kinds)


def objects() -> Counter[str]:
    """How many there are of each type in `counted`, or of a subclass."""
    found: Counter[str] = Counter()
    known: dict[type, bool] = {}
    for item in gc.get_objects():
        kind = type(item)
        is_counted = known.get(kind)
        if is_counted is None:
            is_counted = known[kind] = not counted().isdisjoint(kind.__mro__)
        if is_counted:
            found[kind.__name__] += 1
    return found


def more_objects(before: Counter[str], collect: Callable[[], object] = gc.collect) -> Counter[str]:
    """What there is more than before, once garbage is gone; that is collected only where something is."""
    more = objects() - before
    if more:
        collect()
        more = objects() - before
    return more
