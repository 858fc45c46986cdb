"""What no test of the suite may leave behind, cheap enough to be looked at after each: descriptors, threads, objects.

    after each test      sockets, pipes and pollers of this process, threads
    every few modules    Exchange, connections, engines, streams, pools: what Python's garbage collector knows of them

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

EVERY_MODULES = 16
"""How many modules of tests end between two looks at what is alive."""

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
    from httpfast._cext.h2 import H2Engine
    from httpfast._cext.h2_sender import H2Stream
    from httpfast._cext.pool import PooledConnection, PoolState, Waiter

    kinds: list[type] = [H1Connection, LoopShare, H2Connection, BlockingConnection, BlockingH2Connection]
    kinds += [CarriedConnection, CarriedH2Connection, Exchange, H1Engine, H2Engine, H2Stream]
    kinds += [PooledConnection, PoolState, Waiter]
    return frozenset(kinds)


def objects() -> Counter[str]:
    """How many there are of each type in `counted`, or of a subclass."""
    # A whole run has a million objects: counted without a line of Python for each, that takes a twentieth of a second.
    found = Counter(map(type, gc.get_objects()))
    return Counter({kind.__name__: n for kind, n in found.items() if not counted().isdisjoint(kind.__mro__)})


def more_objects(before: Counter[str], collect: Callable[[], object] = gc.collect) -> Counter[str]:
    """What there is more than before, once garbage is gone; that is collected only where something is."""
    more = objects() - before
    if more:
        collect()
        more = objects() - before
    return more


class Alive:
    """The objects of the core, looked at every `EVERY_MODULES` modules: a collection costs a third of a second."""

    def __init__(self) -> None:
        self.before = objects()
        self.modules: list[str] = []
        self.failures = 0

    def end_module(self, name: str, failures: int) -> None:
        """A module has ended; `failures` of the run so far. Raises AssertionError as `check` does."""
        self.modules.append(name)
        if len(self.modules) == EVERY_MODULES:
            self.check(failures)

    def check(self, failures: int) -> None:
        """Raises AssertionError when there are more than there were, unless a failure's traceback may hold them."""
        more = more_objects(self.before)
        modules, self.modules = self.modules, []
        may_be_held = failures > self.failures
        self.failures = failures
        if more:
            self.before = objects()
        assert not more or may_be_held, f"left alive by one of {modules}: {dict(more)}"
