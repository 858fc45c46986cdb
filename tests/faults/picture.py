"""The fault matrix as a picture: rows are faults, columns clients, versions and ways; by hand, as `bench/chart.py`.

Its background is transparent and its colours are legible on white and on black alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from .cell import Result
from .matrix import FAULTS
from .table import OWN, PHASES, Fault

COLUMNS = tuple(
    (kind, protocol, via) for kind in ("sync", "async") for protocol in ("h1", "h2") for via in ("direct", "connect")
)
BLOCKS = 2
NAME_WIDTH = 230
STEP = 30
ROW = 17
BOX = 14
HEAD = 136
EDGE = 56
TITLE = 24
GAP = 36
FOOT = 58
BLOCK_WIDTH = NAME_WIDTH + STEP * len(COLUMNS)

STYLE = """
text { font: 11.5px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 17px; font-weight: 600; }
.phase { font-size: 13px; font-weight: 600; }
.name { text-anchor: end; }
.count { font-size: 10px; text-anchor: middle; fill: #ffffff; }
.hole { text-anchor: middle; }
rect { rx: 3px; }
.own { fill: #2f9e6e; }
.error { fill: #4879c4; }
.both { fill: #2b8c9b; }
.failed { fill: #d1444a; }
"""

LEGEND = (
    ("own", "every request got its own answer"),
    ("error", "what was hit: a documented exception"),
    ("both", "either; some were sent again"),
    ("failed", "not as the table says"),
)

TITLES = {
    "connect": "while it connects",
    "tunnel": "the proxy's answer to CONNECT",
    "tls": "the TLS handshake",
    "opened": "once connected",
    "request": "the request's head",
    "upload": "the request's body",
    "head": "the response's head",
    "body": "the response's body",
    "end": "behind the response",
    "idle": "an idle connection",
    "origin": "said by the origin",
}


def kind_of(results: Sequence[Result]) -> str:
    """What came of some cells of a fault."""
    if not all(result.has_passed for result in results):
        return "failed"
    is_clean = [all(outcome.end == OWN for outcome in result.during) for result in results]
    return "own" if all(is_clean) else "both" if any(is_clean) else "error"


def text(x: float, y: float, content: str, kind: str = "", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}"{more}>{escape(content)}</text>'


def blocks() -> list[list[Fault | str]]:
    """Lines, in columns of about the same height that break between phases."""
    lines: list[list[Fault | str]] = [[]]
    total = len(FAULTS) + len(PHASES)
    for phase in PHASES:
        rows = [fault for fault in FAULTS if fault.phase == phase]
        if len(lines) < BLOCKS and len(lines[-1]) + len(rows) / 2 > total / BLOCKS:
            lines.append([])
        lines[-1] += [TITLES[phase], *rows]
    return lines


def head(x: float) -> Iterable[str]:
    """What the columns are."""
    for index, (_, protocol, via) in enumerate(COLUMNS):
        name = f"{'HTTP/1.1' if protocol == 'h1' else 'HTTP/2'} {via.upper() if via == 'connect' else via}"
        place = x + NAME_WIDTH + STEP * index + STEP / 2
        yield text(place, HEAD - 8, name, "", f' transform="rotate(-50 {place:g} {HEAD - 8})"')
    for index, name in enumerate(("sync", "async")):
        yield text(x + NAME_WIDTH + STEP * 4 * index + 8, HEAD + 10, name, "phase")


def line(fault: Fault, found: dict[tuple[str, ...], list[Result]], x: float, y: float) -> Iterable[str]:
    yield text(x + NAME_WIDTH - 8, y + 11, fault.name.partition(": ")[2], "name")
    for index, column in enumerate(COLUMNS):
        results = found.get((fault.name, *column))
        left = x + NAME_WIDTH + STEP * index
        if not results:
            yield text(left + STEP / 2, y + 11, "\N{MIDDLE DOT}", "hole")
            continue
        yield f'<rect x="{left + 2:g}" y="{y:g}" width="{STEP - 4}" height="{BOX}" class="{kind_of(results)}"/>'
        yield text(left + STEP / 2, y + 11, str(len(results)), "count")


def draw(results: Sequence[Result], note: str) -> str:
    """The picture of one run or of several."""
    found: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for result in results:
        cell = result.cell
        found[cell.fault.name, "sync" if cell.driver == "sync" else "async", cell.protocol, cell.via].append(result)
    parts: list[str] = []
    bottom = 0.0
    for number, lines in enumerate(blocks()):
        x, y = number * (BLOCK_WIDTH + GAP), float(HEAD + 20)
        parts += head(x)
        for entry in lines:
            if isinstance(entry, str):
                parts.append(text(x, y + 15, entry, "phase"))
                y += TITLE
            else:
                parts += line(entry, found, x, y)
                y += ROW
        bottom = max(bottom, y)
    width = BLOCKS * BLOCK_WIDTH + (BLOCKS - 1) * GAP
    legend = []
    x = 0.0
    for kind, meaning in LEGEND:
        legend.append(f'<rect x="{x:g}" y="{bottom + 14:g}" width="{BOX}" height="{BOX}" class="{kind}"/>')
        legend.append(text(x + BOX + 6, bottom + 25, meaning))
        x += BOX + 26 + 6.2 * len(meaning)
    title = "Faults, and what came of the requests that met them"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {width + EDGE} {bottom + FOOT:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            text(0, 20, title, "title"),
            *parts,
            *legend,
            text(0, bottom + FOOT - 10, note),
            "</svg>",
            "",
        ]
    )
