"""The cases, how one is run, and what is wrong with what it has found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Self

from bench.memory import SPARE_DESCRIPTORS, raise_descriptor_limit
from bench.remote import ROOT, environment
from bench.server import Child, write_certificates

PATIENCE = 1800.0
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Case:
    """Requests at once.

    Attributes:
        protocol: "h1", "h1-tls", "h2", "h2-tls".
        driver: "sync", or a loop.
        streams: at a time on a connection of HTTP/2; 1 for as many connections as requests.
    """

    protocol: str
    driver: str
    requests: int
    streams: int = 1

    @property
    def connections(self) -> int:
        """How few they fit into, and no more are allowed."""
        return -(-self.requests // self.streams)

    @property
    def name(self) -> str:
        streams = f" x {self.streams} streams" if self.streams > 1 else ""
        return f"{self.protocol} {self.driver}: {self.connections:,} connections{streams}"


FULL = (
    Case("h1", "asyncio", 10_000),
    Case("h1", "uvloop", 10_000),
    Case("h1-tls", "asyncio", 10_000),
    Case("h1-tls", "uvloop", 10_000),
    Case("h2", "asyncio", 10_000),
    Case("h2", "uvloop", 10_000),
    Case("h2", "asyncio", 10_000, 100),
    Case("h2", "uvloop", 10_000, 100),
    Case("h2-tls", "uvloop", 10_000, 100),
    Case("h1", "sync", 500),
    Case("h1-tls", "sync", 500),
    Case("h2", "sync", 500, 100),
    Case("h2-tls", "sync", 500, 100),
)

SLICE = (
    Case("h1", "asyncio", 1_000),
    Case("h1", "uvloop", 1_000),
    Case("h1", "sync", 100),
    Case("h2", "asyncio", 100),
    Case("h2", "asyncio", 1_000, 100),
    Case("h2", "uvloop", 1_000, 100),
    Case("h2", "sync", 200, 100),
)


class GateProcess:
    """`tests.scale.gate` in a process of its own. `ports`: by protocol."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="scale-")
        self.ca_file = str(write_certificates(self._folder.name).ca_file)
        try:
            self._child = Child("tests.scale.gate", self._folder.name, env=environment(), patience=STOP_TIMEOUT)
        except RuntimeError:
            self._folder.cleanup()
            raise
        self.ports: dict[str, int] = json.loads(self._child.ready)
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.stop()
        self._folder.cleanup()


def run(case: Case, patience: float = PATIENCE) -> dict[str, Any]:
    """Run a case; returns what was found, with `failures`. Raises RuntimeError if this machine does not allow it."""
    needed = case.connections + SPARE_DESCRIPTORS
    if raise_descriptor_limit(needed) < needed:
        raise RuntimeError(f"a process has to be allowed {needed:,} open files (ulimit -n)")
    with GateProcess() as gate:
        scheme, host = ("https", "localhost") if case.protocol.endswith("tls") else ("http", "127.0.0.1")
        command = {
            "protocol": case.protocol,
            "driver": case.driver,
            "requests": case.requests,
            "connections": case.connections,
            "url": f"{scheme}://{host}:{gate.ports[case.protocol]}",
            "facts": f"http://127.0.0.1:{gate.ports['h1']}/facts",
            "ca_file": gate.ca_file,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.scale.client", json.dumps(command)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=patience,
        )
    if done.returncode:
        raise RuntimeError(f"{case.name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {"case": case.name, **found, "failures": verdict(case, found)}


def verdict(case: Case, found: dict[str, Any]) -> list[str]:
    """What is not as it has to be."""
    failures = [f"{count} times {error}" for error, count in found["errors"].items()]
    if found["at_once"] != [case.requests] * 2:
        failures.append(f"at once were {found['at_once']} requests")
    if found["open"] != [case.connections] * 2:
        failures.append(f"open were {found['open']} connections")
    if found["accepted"] != [case.connections] * 2:
        failures.append(f"made were {found['accepted']} connections")
    if found["leaked"] > 0:
        failures.append(f"{found['leaked']} descriptors are left")
    return failures
