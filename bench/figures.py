"""The arithmetic of the bench: percentiles, quartiles, ratios. Pure functions."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that `percent` (0 to 100) of all are not above.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """The median and the quartiles (nearest rank); None for what is infinite."""
    figures = {"q1": percentile(values, 25), "median": statistics.median(values), "q3": percentile(values, 75)}
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def ratio(own: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """The median of the ratios of each round that both have a finite value for, `own` over `other`; None without any.

    What slows the machine for a while slows both of a round, and so leaves their ratio alone; the ratio of two medians
    may compare different times.
    """
    finite = (number for number in own if math.isfinite(own[number]))
    ratios = [own[number] / other[number] for number in finite if math.isfinite(other.get(number, math.inf))]
    return statistics.median(ratios) if ratios else None


def running_order(names: Sequence[str], number: int) -> list[str]:
    """The order of the clients in round `number`: shuffled, and the same in every run of the bench."""
    order = list(names)
    random.Random(number).shuffle(order)
    return order


def round_size(rate: float, seconds: float, in_flight: int, most: int = 1_000_000) -> int:
    """Requests that take about `seconds` at `rate` a second: a multiple of `in_flight`, at least twice that."""
    turns = max(2, min(round(rate * seconds), most) // in_flight)
    return turns * in_flight
