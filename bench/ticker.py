"""A tick of the event loop that is finer than its timers, which have a resolution of one millisecond.

On Linux a timerfd, watched by the loop like a socket; elsewhere the loop's own timers. It costs the same for all
clients: one wake-up a tick.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK if hasattr(os, "O_NONBLOCK") else 0


def _open_timer(interval: float) -> int:
    """A descriptor that becomes readable every `interval` seconds. Raises OSError where there is no such thing."""
    if not sys.platform.startswith("linux"):
        raise OSError("timerfd is of Linux only")
    libc = ctypes.CDLL(None, use_errno=True)  # os.timerfd_create is there from Python 3.13 on.
    descriptor = int(libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    seconds, nanoseconds = divmod(max(1, round(interval * 1e9)), 1_000_000_000)
    # struct itimerspec: the interval, then the first expiry, each as a time_t and a long.
    setting = struct.pack("@llll", seconds, nanoseconds, seconds, nanoseconds)
    if libc.timerfd_settime(descriptor, 0, setting, None) != 0:
        os.close(descriptor)
        raise OSError(ctypes.get_errno(), "timerfd_settime")
    return descriptor


class Ticker:
    """Calls `callback` about `rate` times a second while it is entered. Ticks that come late may come as one."""

    def __init__(self, rate: float, callback: Callable[[], None]) -> None:
        self._interval = 1 / rate
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        try:
            self._descriptor = _open_timer(self._interval)
        except OSError:
            self._again()
        else:
            self._loop.add_reader(self._descriptor, self._tick)
        return self

    def _tick(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor or 0, 8)
        self._callback()

    def _again(self) -> None:
        self._timer = self._loop.call_later(self._interval, self._again)
        self._callback()

    def __exit__(self, *exception: object) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
