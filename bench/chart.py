"""The chart: CPU time a request of each client in some cases, as an SVG that is written by hand.

Its background is transparent and its colours are legible on white and on black alike. Bars longer than the axis are
cut, with a visible break, so that the slowest do not squash the others; the figures are printed in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

PANELS = ("async-64", "async-64-tls", "sync", "async-100k", "h2-64", "h2-sync")
"""The cases, in reading order; those that did not run are left out."""

AXIS = 8.0
"""How far the axis goes, in multiples of httpfast's bar (of the shortest one where httpfast did not run)."""

WIDTH = 960
MARGIN = 8
COLUMNS = 2
GAP = 48
PANEL_WIDTH = (WIDTH - GAP) // COLUMNS
NAME_WIDTH = 84
FIGURE_WIDTH = 112
BAR_WIDTH = PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH
ROW = 22
BAR = 14
TITLE = 44
HEAD = 64
FOOT = 28

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 17px; font-weight: 600; }
.panel { font-size: 14px; font-weight: 600; }
.own { font-weight: 700; fill: #2f9e6e; }
.name { text-anchor: end; }
.small { font-size: 11px; }
rect { fill: #8b949e; }
rect.own { fill: #2f9e6e; }
rect.limit { fill: none; stroke: #8b949e; stroke-dasharray: 3 2; }
path { stroke: #8b949e; stroke-width: 1.5; fill: none; }
"""

TITLES = {
    "async-64": "asynchronous, 64 in flight, 1 KiB",
    "async-64-tls": "asynchronous over TLS, 64 in flight, 1 KiB",
    "sync": "blocking, 1 KiB",
    "async-100k": "asynchronous, 32 in flight, 100 KB",
    "h2-64": "HTTP/2, asynchronous over TLS, 64 in flight, 1 KiB",
    "h2-sync": "HTTP/2, blocking over TLS, 1 KiB",
}

LIMITS = {"floor": "raw loop", "h2load": "h2load (C)"}
"""What is no client, and what the chart calls it."""


def text(x: float, y: float, content: str, kind: str = "") -> str:
    """A line of text; `y` is its base line."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(content)}</text>'


def medians(result: Mapping[str, Any]) -> list[tuple[str, float]]:
    """A case's clients and their microseconds a request, the fastest first."""
    pairs = [(name, row["value"]["median"]) for name, row in result["clients"].items()]
    return sorted(((name, value) for name, value in pairs if value is not None), key=lambda pair: pair[1])


def bar(name: str, value: float, full: float, x: float, y: float) -> Iterable[str]:
    """One client: name, bar, figure. `full` is the value whose bar is as long as the axis."""
    kind = "limit" if name in LIMITS else "own" if name == "httpfast" else ""
    is_cut = value > full
    length = BAR_WIDTH if is_cut else BAR_WIDTH * value / full
    start, base = x + NAME_WIDTH, y + BAR - 3
    yield text(start - 8, base, LIMITS.get(name, name), f"name {kind}")
    if is_cut:
        # Two pieces with a slanted gap between them, which is the background's.
        piece = BAR_WIDTH - 30
        yield f'<rect x="{start:g}" y="{y:g}" width="{piece:g}" height="{BAR}" class="{kind}"/>'
        yield f'<rect x="{start + piece + 12:g}" y="{y:g}" width="18" height="{BAR}" class="{kind}"/>'
        for shift in (2, 8):
            yield f'<path d="M{start + piece + shift:g} {y + BAR + 2:g}l4 -{BAR + 4}"/>'
    else:
        yield f'<rect x="{start:g}" y="{y:g}" width="{max(length, 1):.1f}" height="{BAR}" class="{kind}"/>'
    yield text(start + length + 8, base, f"{value:,.{0 if value >= 1000 else 1}f} \N{MICRO SIGN}s", kind)


def panel(result: Mapping[str, Any], x: float, y: float) -> Iterable[str]:
    """A case."""
    values = medians(result)
    full = AXIS * dict(values).get("httpfast", values[0][1])
    yield text(x, y + 16, TITLES[result["name"]], "panel")
    for index, (name, value) in enumerate(values):
        yield from bar(name, value, full, x, y + TITLE - 16 + index * ROW)


def draw(results: Mapping[str, Any]) -> str:
    """The chart of a results file."""
    by_name = {result["name"]: result for result in results["cases"] if result["clients"]}
    shown = [by_name[name] for name in PANELS if name in by_name]
    parts: list[str] = []
    y = float(HEAD)
    for start in range(0, len(shown), COLUMNS):
        row = shown[start : start + COLUMNS]
        for column, result in enumerate(row):
            parts += panel(result, column * (PANEL_WIDTH + GAP), y)
        y += TITLE + ROW * max(len(result["clients"]) for result in row)
    machine = results["machine"]
    servers = sorted({result["server"] for result in shown})
    foot = ", ".join([machine["cpu"], machine["system"], machine["python"], *servers, results["date"][:10]])
    title = "CPU time of the client for a request: shorter is better"
    note = "User and system time of all its threads, median. Dashed: what is no client, a hand-written loop and h2load."
    box = f"{-MARGIN} 0 {WIDTH + 2 * MARGIN} {y + FOOT:g}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            text(0, 20, title, "title"),
            text(0, 42, note),
            *parts,
            text(0, y + FOOT - 10, foot, "small"),
            "</svg>",
            "",
        ]
    )
