"""What looks for leftovers finds them."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections import Counter

import pytest

from httpfast._cext.pool import PoolState

from .leftovers import FOLDER, Alive, Leftovers, more_objects, objects

needs_proc = pytest.mark.skipif(not os.path.isdir(FOLDER), reason="this system does not list open descriptors")


@needs_proc
def test_open_socket_is_found() -> None:
    before = Leftovers()

    with socket.socket(), pytest.raises(AssertionError, match="socket"):
        before.check()

    before.check()


@needs_proc
def test_open_pipe_is_found() -> None:
    before = Leftovers()
    ends = os.pipe()

    try:
        with pytest.raises(AssertionError, match="pipe"):
            before.check()
    finally:
        for end in ends:
            os.close(end)

    before.check()


def test_running_thread_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.leftovers.GRACE", 0.01)
    before = Leftovers()
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()

    try:
        with pytest.raises(AssertionError, match="threads"):
            before.check()
    finally:
        go.set()
        thread.join()

    before.check()


class Subclass(PoolState):
    """Counted too."""


@pytest.mark.parametrize("kind", [PoolState, Subclass])
def test_object_that_is_alive_is_found_and_garbage_is_not(kind: type[PoolState]) -> None:
    # What other tests have left to the collector does not count.
    gc.collect()
    before = objects()
    alive: list[object] = [kind()]

    assert more_objects(before) == Counter({kind.__name__: 1})

    # A cycle, which only the collector can free.
    alive.append(alive)
    del alive
    assert more_objects(before) == Counter()


def test_what_modules_leave_alive_fails_once_and_not_beside_a_failure() -> None:
    gc.collect()
    alive = Alive()
    held = [PoolState()]

    alive.end_module("first", 0)
    alive.end_module("second", 0)
    with pytest.raises(AssertionError, match=r"one of \['first', 'second'\]: \{'PoolState': 1\}"):
        alive.check(0)
    alive.check(0)
    held.append(PoolState())
    alive.check(1)
    alive.check(1)
