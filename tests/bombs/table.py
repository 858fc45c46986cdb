"""The measurement of one row, and the table of all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.remote import environment
from bench.server import Child

from ..http2.frames import answer
from ..http2.peer import Greet, Peer
from ..http2.peer import ReadRequest as ReadStream
from ..peers import ReadRequest, Send, WaitForClose
from . import h1, h2
from .rows import Row

MAX_BYTES = 8 << 20
MAX_SECONDS = 1.0
DRIVERS = ("sync", "asyncio")


def is_measurable() -> bool:
    """Whether this system tells the peak of a process's memory, and can set it back."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return "VmHWM:" in Path("/proc/self/status").read_text()
    except OSError:
        return False


@dataclass(frozen=True)
class Cost:
    """What a row has cost a driver.

    Attributes:
        extra: octets of memory at the peak above those before.
        cpu: seconds.
        ended: the exception's name, or "ok".
    """

    row: Row
    protocol: str
    driver: str
    extra: int
    cpu: float
    ended: str

    @property
    def faults(self) -> list[str]:
        """What is not as it has to be."""
        found = []
        if self.extra >= MAX_BYTES:
            found.append(f"{self.extra / 2**20:.1f} MiB on top")
        if self.cpu >= MAX_SECONDS:
            found.append(f"{self.cpu:.2f} s of CPU time")
        if self.ended not in self.row.ends:
            found.append(f"ended in {self.ended}, not {' or '.join(self.row.ends)}")
        return found


class Target:
    """The client's process."""

    def __init__(self, driver: str) -> None:
        self.driver = driver

    def __enter__(self) -> Self:
        self._child = Child("tests.bombs.target", self.driver, env=environment(), patience=10.0)
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.stop()

    def measure(self, row: Row, protocol: str) -> Cost:
        """Bomb it. Raises RuntimeError when it dies of that."""
        is_h2 = protocol == "h2"
        with ExitStack() as stack:
            scripts = [row.script(), *([row.second()] if row.second else [])]
            if is_h2:
                harmless = h2.warm_gzip() if "gzip" in row.name else answer(1)
                warm = stack.enter_context(Peer([Greet(), ReadStream(1), Send(harmless), WaitForClose(20)]))
            else:
                warm = stack.enter_context(Peer([ReadRequest(), Send(row.warm), WaitForClose(20)]))
            peer = stack.enter_context(Peer(*scripts)) if scripts[0] else None
            command = {"act": row.act, "url": peer.url if peer else "", "warm": warm.url, "http2": is_h2}
            self._child.stdin.write(json.dumps(command) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
            if not line:
                raise RuntimeError(f"{row.name}: {self.driver} has died of it")
            told: dict[str, Any] = json.loads(line)
        return Cost(row, protocol, self.driver, **told)


def all_rows(bomb_bytes: int = h1.BOMB_BYTES) -> list[tuple[str, Row]]:
    """Protocol and row. `bomb_bytes`: see `h1.rows`."""
    return [("h1", row) for row in h1.rows(bomb_bytes)] + [("h2", row) for row in h2.rows(bomb_bytes)]


def costs(driver: str) -> Iterator[Cost]:
    """Each row, for one driver, in a process of its own."""
    for protocol, row in all_rows():
        with Target(driver) as target:
            yield target.measure(row, protocol)
