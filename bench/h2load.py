"""h2load, nghttp2's load generator in C, as a limit beside the cases of HTTP/2. Not a client in Python, and no rival.

One connection, as many streams as the case has in flight. It looks at no body beyond its length, keeps none, and waits
for nobody: what it takes is what TLS, frames and system calls cost a program that does nothing else. Its bursts are as
many streams at once without a pause in between, and so are its threads.

It is a process a run, so each round runs it twice, with few and with many requests: the difference is free of start-up
and handshake.
"""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

from .remote import WorkerError, environment, on_core

MOST_WARM = 20_000
"""Requests of one step of the warm-up, at most."""

ATTEMPTS = 6
"""A quick round may be lost in the start-up's own variance; then it is twice as long, so many times at most."""


def octets_received(report: str, count: int) -> int:
    """The octets of all bodies of a run, from what it printed.

    Raises:
        WorkerError: not all of `count` requests were answered with 2xx, over HTTP/2.
    """
    if "Application protocol: h2\n" not in report and "Application protocol: h2c\n" not in report:
        raise WorkerError("it did not speak HTTP/2")
    answered = re.search(r"^status codes: (\d+) 2xx", report, re.MULTILINE)
    traffic = re.search(r"\((\d+)\) data$", report, re.MULTILINE)
    if answered is None or traffic is None or int(answered[1]) != count:
        raise WorkerError(f"not all of {count} requests were answered: {report[-200:]!r}")
    return int(traffic[1])


class H2load:
    """Takes the place of a `Worker`, in this process; it carries out "warm" and "round".

    Args:
        url: what to get.
        size: octets of each body.
        in_flight: streams at once.
        core: where to run.
    """

    name = "h2load"

    def __init__(self, url: str, size: int, in_flight: int, core: int | None) -> None:
        self.ready: dict[str, Any] = {"loop": None}
        self._url = url
        self._size = size
        self._in_flight = in_flight
        self._core = core

    def _run(self, count: int, timeout: float) -> tuple[float, float]:
        """Seconds of CPU and of wall time of a run. Raises WorkerError unless every body came in full."""
        import resource  # Not on Windows, where this module must still be importable.

        words = [self.name, "-n", str(count), "-c", "1", "-m", str(self._in_flight), self._url]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with on_core(self._core):
            try:
                done = subprocess.run(
                    words, capture_output=True, text=True, timeout=timeout, env=environment(), check=False
                )
            except subprocess.TimeoutExpired:
                raise WorkerError(f"it had not ended after {timeout:.0f} seconds") from None
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if octets_received(done.stdout, count) != count * self._size:
            raise WorkerError(f"the bodies were not of {self._size} octets each")
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall

    def _measure(self, count: int, timeout: float) -> dict[str, Any]:
        few_cpu, few_wall = self._run(self._in_flight, timeout)
        for _ in range(ATTEMPTS):
            cpu, wall = self._run(self._in_flight + count, timeout)
            if cpu > few_cpu and wall > few_wall:
                return {"requests": count, "cpu": cpu - few_cpu, "wall": wall - few_wall}
            count *= 2
        raise WorkerError(f"{count} requests are too few to tell their cost from that of its start")

    def ask(self, command: dict[str, Any], timeout: float) -> dict[str, Any]:
        """As a worker's. Raises WorkerError."""
        if command["do"] == "round":
            return self._measure(command["requests"], timeout)
        _, start = self._run(self._in_flight, timeout)
        count, wall = self._in_flight, 0.0
        while wall < command["seconds"] / 2 and count < MOST_WARM:
            count *= 2
            wall = self._run(self._in_flight + count, timeout)[1] - start
        return {"rate": count / max(wall, 1e-6)}

    def close(self) -> None:
        """Nothing is left to end."""
