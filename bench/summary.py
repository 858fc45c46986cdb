"""From raw rounds to the figures of a table: each kind of case has one figure to compare by, lower for the better."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from .clients import BASELINE
from .figures import ratio, spread

Rounds = Mapping[int, Mapping[str, Any]]
"""Raw figures of one client, by the number of the round."""

OWN = "httpfast"

UNITS = {
    "closed": "us of CPU a request",
    "open": "ms of latency, p99",
    "memory": "octets a connection",
    "import": "ms",
    "create": "ms, the first one",
}


def value(kind: str, figures: Mapping[str, Any]) -> float:
    """The figure of a round that clients are compared by, in the unit of its kind; infinite where there is no bound."""
    if kind == "closed":
        return float(figures["cpu"]) / float(figures["requests"]) * 1e6
    if kind == "open":
        return math.inf if figures["p99"] is None else float(figures["p99"]) * 1e3
    if kind == "memory":
        return (float(figures["after"]) - float(figures["before"])) / float(figures["opened"])
    if kind == "import":
        return (float(figures["with"]) - float(figures["bare"])) * 1e3
    return float(figures["first"]) * 1e3


def _extras(kind: str, rounds: Rounds) -> dict[str, Any]:
    """What a kind has beside the figure to compare by."""
    every = list(rounds.values())
    if kind == "closed":
        return {"requests_per_second": statistics.median(f["requests"] / f["wall"] for f in every)}
    if kind == "open":
        medians = {
            f"{name}_ms": [math.inf if f[name] is None else f[name] * 1e3 for f in every] for name in ("p50", "p99.9")
        }
        extras: dict[str, Any] = {name: spread(values)["median"] for name, values in medians.items()}
        extras["cpu_us"] = statistics.median(f["cpu"] / max(1, f["requests"] - f["failed"]) * 1e6 for f in every)
        return extras | {name: sum(f[name] for f in every) for name in ("failed", "late", "requests")}
    if kind == "memory":
        heap = [
            (f["heap_after"] - f["heap_before"]) / f["opened"]
            for f in every
            if None not in (f["heap_before"], f["heap_after"])
        ]
        return {"connections": min(f["held"] for f in every), "heap": statistics.median(heap) if heap else None}
    if kind == "create":
        return {"second_ms": statistics.median(f["second"] for f in every) * 1e3}
    return {}


def summarise(kind: str, clients: Mapping[str, Rounds]) -> dict[str, dict[str, Any]]:
    """The summaries of all clients of a case: `value` (spread, in the unit of the kind), ratios, and the kind's extras.

    A ratio is the client's value over that of the baseline or of httpfast: below 1 it is better than that.
    """
    values = {
        name: {number: value(kind, figures) for number, figures in rounds.items()} for name, rounds in clients.items()
    }
    return {
        name: {
            "value": spread(list(own.values())),
            "to_baseline": ratio(own, values.get(BASELINE, {})),
            "to_httpfast": ratio(own, values.get(OWN, {})),
            **_extras(kind, clients[name]),
        }
        for name, own in values.items()
        if own
    }
