"""What a test must not leave behind: sockets, threads, warnings that nobody could raise."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

FOLDER = "/proc/self/fd"


def open_sockets() -> dict[str, str]:
    """This process's open sockets by descriptor; none where the system does not list them."""
    found = {}
    if os.path.isdir(FOLDER):
        for name in os.listdir(FOLDER):
            with suppress(OSError):
                target = os.readlink(f"{FOLDER}/{name}")
                if target.startswith("socket:"):
                    found[name] = target
    return found


@contextmanager
def leak_check() -> Iterator[None]:
    """Raises AssertionError when the block leaves something behind."""
    unraised: list[str] = []

    def note(arguments: Any) -> None:
        unraised.append(
            f"{arguments.err_msg or 'Exception ignored in'}: {arguments.object!r:.200}: {arguments.exc_value!r}"
        )

    sockets, threads = set(open_sockets().values()), set(threading.enumerate())
    previous, sys.unraisablehook = sys.unraisablehook, note
    # What was there before is no business of this collection: going through all modules takes a tenth of a second.
    gc.freeze()
    try:
        yield
        left = set(open_sockets().values()) - sockets
        gc.collect()
    finally:
        gc.unfreeze()
        sys.unraisablehook = previous
    # Trio and AnyIO keep threads that have done their work for some seconds, for the next one.
    running = [
        thread
        for thread in threading.enumerate()
        if thread not in threads and not thread.name.startswith(("Trio thread", "AnyIO worker thread"))
    ]
    assert not left, f"{len(left)} sockets are left open"
    assert not running, f"threads are left running: {running}"
    assert not unraised, f"exceptions were raised where nobody could catch them: {unraised}"
