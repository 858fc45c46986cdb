"""The plot of a soak: memory and descriptors over requests, an SVG written by hand, legible on white and on black."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from .meters import MIB, WARM_UP

WIDTH, LEFT, RIGHT = 960, 56, 16
PANEL, GAP, HEAD, FOOT = 150, 46, 60, 30
TICKS = 5

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 17px; font-weight: 600; }
.panel { font-size: 14px; font-weight: 600; }
.small { font-size: 11px; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
path { fill: none; stroke: #2f9e6e; stroke-width: 1.5; }
path.axis { stroke: #8b949e; stroke-width: 1; }
path.thin { stroke: #8b949e; stroke-width: 1; stroke-dasharray: 3 3; }
"""


def text(x: float, y: float, content: str, kind: str = "") -> str:
    """A line of text; `y` is its base line."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(content)}</text>'


def top_of(values: Sequence[float]) -> float:
    """A round number above all of them."""
    most = max(values, default=1.0) * 1.1
    step = 10.0 ** (len(str(int(most))) - 1)
    return step * (int(most / step) + 1)


def panel(title: str, points: Sequence[tuple[float, float]], y: float) -> list[str]:
    """One curve over requests (in millions); `y` is its upper edge."""
    right, across = points[-1][0] or 1.0, WIDTH - LEFT - RIGHT
    top, base = top_of([value for _, value in points]), y + PANEL
    parts = [text(0, y - 12, title, "panel"), f'<path class="axis" d="M{LEFT} {y:g}V{base:g}H{WIDTH - RIGHT}"/>']
    for tick in range(TICKS + 1):
        x, height = LEFT + across * tick / TICKS, base - PANEL * tick / TICKS
        parts.append(text(x, base + 16, f"{right * tick / TICKS:.3g} M", "small middle"))
        parts.append(text(LEFT - 6, height + 4, f"{top * tick / TICKS:.4g}", "small end"))
    warm = LEFT + across * WARM_UP
    parts.append(f'<path class="thin" d="M{warm:g} {y:g}V{base:g}"/>')
    line = "L".join(f"{LEFT + across * x / right:.1f} {base - PANEL * value / top:.1f}" for x, value in points)
    return [*parts, f'<path d="M{line}"/>']


def draw(results: Sequence[Mapping[str, Any]]) -> str:
    """The plot of one or more results: two curves each."""
    parts: list[str] = []
    y = float(HEAD + 24)
    for result in results:
        total = ", ".join(f"{count:,} requests of {name}" for name, count in result["requests"].items())
        slope = f"{result['rss_slope']:+.3f} MiB per 1,000,000 requests behind the dashed line"
        points = [(done / 1e6, rss / MIB, float(open_now)) for _, done, rss, open_now in result["samples"]]
        parts += panel(f"{total}: memory (RSS, MiB), {slope}", [(x, rss) for x, rss, _ in points], y)
        y += PANEL + GAP
        parts += panel("descriptors", [(x, count) for x, _, count in points], y)
        y += PANEL + GAP
    machine, first = results[0]["machine"], results[0]
    commit = (first["commit"] or "no commit")[:12]
    foot = ", ".join([machine["cpu"], machine["system"], machine["python"], commit, first["date"][:10]])
    title = "Soak: the client's memory and descriptors"
    wrong = sum(result["violated"] for result in results)
    note = (
        f"Threads, asyncio, uvloop, trio; {first['fault_share']['h1']:.1%} of requests meet a fault; "
        f"{wrong} answers lost, crossed or in an undocumented error"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {WIDTH + 16} {y + FOOT - GAP + 20:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            text(0, 20, title, "title"),
            text(0, 42, note),
            *parts,
            text(0, y - GAP + FOOT + 12, foot, "small"),
            "</svg>",
            "",
        ]
    )
