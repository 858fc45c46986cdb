"""The results of a case as lines of text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .clients import BASELINE
from .summary import OWN

Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]


def number(value: float | None, digits: int = 1) -> str:
    """A figure; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def middle(digits: int = 1) -> Callable[[Row], str]:
    """The median of the compared value; where it is infinite the client did not keep up."""

    def write(row: Row) -> str:
        median = row["value"]["median"]
        return "overload" if median is None else number(median, digits)

    return write


def quartiles(digits: int = 1) -> Callable[[Row], str]:
    """Both quartiles of the compared value."""
    return lambda row: f"{number(row['value']['q1'], digits)} .. {number(row['value']['q3'], digits)}"


def plain(name: str, digits: int = 1) -> Callable[[Row], str]:
    """A figure by its name."""
    return lambda row: number(row[name], digits)


RATIOS: list[Column] = [(f"/ {BASELINE}", plain("to_baseline", 2)), (f"/ {OWN}", plain("to_httpfast", 2))]

COLUMNS: dict[str, list[Column]] = {
    "closed": [
        ("CPU us/request", middle()),
        ("quartiles", quartiles()),
        ("requests/s", plain("requests_per_second", 0)),
        *RATIOS,
    ],
    "open": [
        ("p50 ms", plain("p50_ms", 2)),
        ("p99 ms", middle(2)),
        ("quartiles", quartiles(2)),
        ("late", plain("late", 0)),
        ("failed", plain("failed", 0)),
        ("CPU us/request", plain("cpu_us")),
        *RATIOS,
    ],
    "memory": [
        ("octets/connection", middle(0)),
        ("heap in use", plain("heap", 0)),
        ("connections", plain("connections", 0)),
        *RATIOS,
    ],
    "import": [("ms", middle()), ("quartiles", quartiles()), *RATIOS],
    "create": [("first, ms", middle(2)), ("quartiles", quartiles(2)), ("second, ms", plain("second_ms", 2)), *RATIOS],
}


def lines(result: dict[str, Any]) -> list[str]:
    """A case's title, its table, and who was left out."""
    columns = COLUMNS[result["kind"]]
    rows = [["client", *(title for title, _ in columns)]]
    # The best first; who did not keep up last.
    clients = sorted(result["clients"].items(), key=lambda item: item[1]["value"]["median"] or math.inf)
    rows += [[name, *(write(row) for _, write in columns)] for name, row in clients]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    title = f"{result['name']}: {result['title']}"
    if result["server"] is not None:
        title += f" ({result['server']})"
    out = ["", title]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        out.append("  " + "  ".join(cells))
    return out + [f"  {name} is left out: {reason}" for name, reason in result["left_out"].items()]
