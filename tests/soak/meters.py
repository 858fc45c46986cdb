"""Memory and descriptors of this process, sampled while it works, and the line through the samples."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

MIB = 1 << 20
WARM_UP = 0.2
"""The part of a run whose samples do not count for its slopes: heaps, caches and pools fill up."""

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")


def is_measurable() -> bool:
    """Whether this system tells what is measured here."""
    return _STATM.exists() and _DESCRIPTORS.exists()


def resident_bytes() -> int:
    """Octets of memory of this process that are in RAM (RSS)."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """Open files and sockets of this process."""
    return len(os.listdir(_DESCRIPTORS)) - 1  # The listing has one itself.


@dataclass(frozen=True)
class Sample:
    """A moment: seconds since the start, requests done, RSS in octets, descriptors."""

    seconds: float
    done: int
    rss: int
    descriptors: int


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line of least squares; 0 of points that have one x, or of none."""
    if not points:
        return 0.0
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread if spread else 0.0


def after_warm_up(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that count, by requests done."""
    total = samples[-1].done if samples else 0
    return [sample for sample in samples if sample.done >= total * WARM_UP]


def rss_slope(samples: Sequence[Sample]) -> float:
    """MiB per 1,000,000 requests, after the warm-up."""
    return slope([(sample.done / 1e6, sample.rss / MIB) for sample in after_warm_up(samples)])


def growth(values: Sequence[float]) -> float:
    """The median of the last quarter above that of the first."""
    quarter = max(1, len(values) // 4)
    return median(values[-quarter:]) - median(values[:quarter]) if values else 0.0


class Meter:
    """Samples every `interval` seconds while it is entered.

    Args:
        done: tells how many requests have been made.
    """

    def __init__(self, done: Callable[[], int], interval: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self._done = done
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter")

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        # The passage of time is what is sampled here.
        while not self._ended.wait(self._interval):
            self.samples.append(Sample(time.monotonic() - self._start, self._done(), resident_bytes(), descriptors()))
