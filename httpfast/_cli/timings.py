"""Where the time of a request went: phases from the `trace` extension's events, drawn as a waterfall.

    queue ─► dns ─► connect ─► [proxy] ─► [tls] ─► send ─► first byte ─► body

`queue` is everything before the first step: the wait for a place in the pool, and, for https, loading the roots. The
name look-up is in the step that connects; when it was over, the stream says that comes of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from rich.text import Text

from .._transports.connector import is_address
from .text import visible_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    from .._url import URL

__all__ = ["Hop", "Phase", "Timeline", "waterfall"]

BAR_CELLS = 40
"""Width of a waterfall's bars, whatever the terminal's is."""

_STEPS = {
    "connect_tcp": "connect",
    "connect_unix_socket": "connect",
    "retry": "wait",
    "setup_socks5_connection": "proxy",
    "start_tls": "tls",
    "send_request_headers": "send",
    "send_request_body": "send",
    "receive_response_headers": "first byte",
    "receive_response_body": "body",
    "response_closed": "body",
}

_STYLES = {
    "queue": "white",
    "dns": "cyan",
    "connect": "blue",
    "proxy": "magenta",
    "wait": "white",
    "tls": "magenta",
    "send": "yellow",
    "first byte": "green",
    "body": "bright_green",
}


@dataclass
class Phase:
    """A part of a request's time, from `start` to `end`, in seconds of the timeline's clock."""

    name: str
    start: float
    end: float


def _shown(url: URL) -> str:
    return str(url.copy_with(username=None, password=None))


@dataclass
class Hop:
    """One request and its response, of those that redirects and challenges make of a call.

    Attributes:
        status: 0 until there is one.
    """

    start: float
    method: str = ""
    url: str = ""
    status: int = 0
    phases: list[Phase] = field(default_factory=list[Phase])

    @property
    def end(self) -> float:
        """When the last phase so far was over."""
        return max((phase.end for phase in self.phases), default=self.start)


class Timeline:
    """Collects phases.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._skipped = 0.0
        self._host: str | None = None
        self._in_tunnel = False
        self.hops: list[Hop] = []

    def begin(self, method: str, url: URL) -> None:
        """The call begins, with this request."""
        self.hops = [Hop(self._now(), method, _shown(url))]

    @contextmanager
    def pause(self) -> Generator[None]:
        """Let the time that the block takes, to tell about an event, not count."""
        began = self._clock()
        try:
            yield
        finally:
            self._skipped += self._clock() - began

    def _now(self) -> float:
        return self._clock() - self._skipped

    def take(self, name: str, info: Mapping[str, Any]) -> None:
        """Take an event of the `trace` extension."""
        _, step, state = name.split(".")
        phase = _STEPS.get(step)
        if phase is None:
            return
        if state == "started":
            self._start(step, phase, info)
            return
        now = self._now()
        if step == "response_closed":
            return
        hop = self.hops[-1]
        hop.phases[-1].end = now
        if step.startswith("connect_"):
            self._part_lookup(hop, getattr(info.get("return_value"), "looked_up", None))
        elif step == "receive_response_headers" and state == "complete" and not self._in_tunnel:
            head = info["return_value"]
            hop.status = next(part for part in head if isinstance(part, int))
            hop.phases.append(Phase("body", now, now))

    def end(self) -> None:
        """The last body has been read."""
        phases = self.hops[-1].phases
        if phases and phases[-1].name == "body":
            phases[-1].end = self._now()

    def _start(self, step: str, phase: str, info: Mapping[str, Any]) -> None:
        now = self._now()
        hop = self.hops[-1]
        if step == "response_closed":
            return
        if phase == "body":
            # Where the head ended already, so that no time is left out.
            return
        if hop.status:
            hop = Hop(hop.end)
            self.hops.append(hop)
        request = info.get("request")
        if request is not None:
            # A proxy's CONNECT is an exchange without a request of the caller's.
            self._in_tunnel = not hasattr(request, "url")
            if self._in_tunnel:
                phase = "proxy"
            else:
                hop.method, hop.url = request.method, _shown(request.url)
        self._host = info.get("host", self._host)
        if not hop.phases:
            hop.phases.append(Phase("queue", hop.start, now))
        last = hop.phases[-1]
        if last.name != phase:
            hop.phases.append(Phase(phase, last.end, now))

    def _part_lookup(self, hop: Hop, looked_up: float | None) -> None:
        """Part the name look-up from the connect phase, in which it was.

        Args:
            looked_up: when it was over, by the clock.
        """
        if looked_up is None or self._host is None or is_address(self._host):
            return
        connect, over = hop.phases[-1], looked_up - self._skipped
        hop.phases[-1:] = [Phase("dns", connect.start, over), Phase("connect", over, connect.end)]


def waterfall(hops: list[Hop], *, block: str = "█") -> Text:
    """Draw hops: a line for each phase, whose bar stands where its time was.

    Args:
        block: what bars are made of.
    """
    text = Text()
    for hop in hops:
        if not hop.phases:
            continue
        total = hop.end - hop.start
        outcome = str(hop.status) if hop.status else "no response"
        text.append(f"{visible_line(hop.method)} {visible_line(hop.url)}", "bold")
        text.append(f" -> {outcome}\n")
        for phase in hop.phases:
            first, cells = _bar(phase.start - hop.start, phase.end - hop.start, total)
            text.append(f"  {phase.name:<10} ")
            text.append(" " * first).append(block * cells, _STYLES[phase.name]).append(
                " " * (BAR_CELLS - first - cells)
            )
            text.append(f" {duration(phase.end - phase.start):>10}\n")
        text.append(f"  {'total':<10} {'':{BAR_CELLS}} {duration(total):>10}\n", "bold")
    text.right_crop(1)
    return text


def _bar(start: float, end: float, total: float) -> tuple[int, int]:
    """The first cell of a bar and how many there are: one at least, all in the row."""
    if total <= 0:
        return 0, 1
    first = min(int(start / total * BAR_CELLS), BAR_CELLS - 1)
    last = round(end / total * BAR_CELLS)
    return first, max(1, min(last, BAR_CELLS) - first)


def duration(seconds: float) -> str:
    """Seconds with a unit that gives a few digits."""
    if seconds < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 10:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s"
