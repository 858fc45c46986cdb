"""Runs the cases: the rounds of all clients interleave, and one client runs at a time.

Round k of all clients comes before round k + 1, in an order that is shuffled for each round, so that what slows the
machine for a while falls on all. A client that fails is left out from there on, and the results say why; others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from . import memory, startup
from .cases import Case
from .clients import Entry
from .figures import round_size, running_order
from .h2load import H2load
from .load import DRAIN
from .remote import GateProcess, Worker, WorkerError, cores
from .servers import Server
from .summary import UNITS, summarise

PATIENCE = 60.0
"""Seconds that a command may take beyond what it is meant to take."""

MEMORY_ROUNDS = 3
"""Memory: rounds at most; its figures hardly vary."""


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        rounds: rounds a client.
        seconds: what a round is meant to take.
        connections: how many the memory case opens.
    """

    rounds: int
    seconds: float
    connections: int


def takes_part(entry: Entry, case: Case) -> bool:
    """Whether a client has what a case measures."""
    if case.kind in ("import", "create"):
        return entry.startup is not None
    if case.http2 and not entry.http2:
        return False
    if entry.program is not None:
        return case.http2
    return entry.has(case.mode) and not (case.is_threaded and entry.is_of_one_thread)


class Lineup:
    """The clients of one case while it runs: who takes part, what they reached, and why others do not."""

    def __init__(self, case: Case, entries: Iterable[Entry]) -> None:
        self.rounds: dict[str, dict[int, dict[str, Any]]] = {}
        self.left_out: dict[str, str] = {}
        for entry in entries:
            if not takes_part(entry, case):
                continue
            obstacle = entry.obstacle()
            if obstacle is None:
                self.rounds[entry.name] = {}
            else:
                self.left_out[entry.name] = obstacle

    def attempt(self, name: str, step: Callable[..., Any], *arguments: Any) -> Any:
        """What `step` returns; None, and the client out of the lineup, if it fails."""
        try:
            return step(*arguments)
        except (WorkerError, RuntimeError, OSError) as error:
            self.left_out[name] = str(error)
            return None

    def play(self, number: int, name: str, step: Callable[..., Any], *arguments: Any) -> None:
        """Round `number` of a client: what `step` returns are its raw figures."""
        figures = self.attempt(name, step, *arguments)
        if figures is not None:
            self.rounds[name][number] = figures

    def in_order(self, number: int) -> list[str]:
        """Those still in the lineup, in the order of round `number`."""
        return [name for name in running_order(list(self.rounds), number) if name not in self.left_out]


def run_case(case: Case, entries: Iterable[Entry], plan: Plan, server: Server) -> dict[str, Any]:
    """Run one case; returns its part of the results: raw rounds, summaries, who was left out and why."""
    lineup = Lineup(case, entries)
    by_name = {entry.name: entry for entry in entries}
    loop = None
    if case.kind in ("closed", "open"):
        loop = _run_load(case, lineup, plan, server)
    elif case.kind == "memory":
        _run_memory(case, lineup, plan, by_name)
    else:
        _run_startup(case, lineup, plan, by_name)
    finished = {name: rounds for name, rounds in lineup.rounds.items() if rounds}
    return {
        **case.describe(),
        "unit": UNITS[case.kind],
        "loop": loop,
        "server": server.name if case.kind in ("closed", "open") else None,
        "clients": {
            name: {**summary, "rounds": [{"round": number, **figures} for number, figures in finished[name].items()]}
            for name, summary in summarise(case.kind, finished).items()
        },
        "left_out": lineup.left_out,
    }


def _hello(case: Case, name: str, base_url: str, ca_file: str | None, in_flight: int) -> dict[str, Any]:
    """The first line to a worker."""
    core = cores()[0]
    where = {"base_url": base_url, "ca_file": ca_file, "core": core}
    return {"client": name, "case": case.name, "in_flight": in_flight, **where}


def _run_load(case: Case, lineup: Lineup, plan: Plan, server: Server) -> str | None:
    """The cases with requests: a process a client for the whole case. Returns the loop that was used."""
    url, ca_file = (server.tls_url, server.ca_file) if case.tls else (server.url, None)
    if case.http2:
        if server.h2_url is None:
            raise RuntimeError(f"{server.name} has no HTTP/2")
        url = server.h2_url
    loop = None
    with ExitStack() as stack:
        workers: dict[str, Worker | H2load] = {}
        counts: dict[str, int] = {}
        for name in lineup.in_order(0):
            if name == H2load.name:
                worker = lineup.attempt(name, H2load, url + case.path, case.size, case.in_flight, cores()[0])
            else:
                worker = lineup.attempt(name, Worker, _hello(case, name, url, ca_file, case.in_flight))
            if worker is None:
                continue
            workers[name] = worker
            stack.callback(worker.close)
            loop = loop or worker.ready["loop"]
            warmed = lineup.attempt(name, worker.ask, {"do": "warm", "seconds": plan.seconds}, PATIENCE)
            if warmed is not None:
                rate = case.rate or warmed["rate"]
                counts[name] = round_size(rate, plan.seconds, 1 if case.rate else case.in_flight)
        timeout = plan.seconds + DRAIN + PATIENCE
        for number in range(plan.rounds):
            for name in lineup.in_order(number):
                command = {"do": "round", "requests": counts[name]}
                lineup.play(number, name, workers[name].ask, command, timeout)
    return loop


def _run_memory(case: Case, lineup: Lineup, plan: Plan, by_name: dict[str, Entry]) -> None:
    """Idle connections: a process a round, since a process does not give back all of its memory."""
    if not memory.is_measurable():
        lineup.left_out.update(dict.fromkeys(lineup.rounds, "this system does not tell a process's own memory"))
        return
    most = memory.raise_descriptor_limit(plan.connections + memory.SPARE_DESCRIPTORS) - memory.SPARE_DESCRIPTORS

    def measure(name: str) -> dict[str, Any]:
        bounds = [plan.connections, most, by_name[name].holds]
        connections = min(bound for bound in bounds if bound is not None)
        with GateProcess(cores()[1]) as gate:
            worker = Worker(_hello(case, name, gate.url, None, connections))
            try:
                figures = worker.ask({"do": "hold", "connections": connections}, PATIENCE * 2)
                figures["held"] = gate.count()
            finally:
                worker.close()
        if figures["held"] < connections:
            raise WorkerError(f"it kept {figures['held']} of {connections} connections")
        return figures

    for number in range(min(plan.rounds, MEMORY_ROUNDS)):
        for name in lineup.in_order(number):
            lineup.play(number, name, measure, name)


def _run_startup(case: Case, lineup: Lineup, plan: Plan, by_name: dict[str, Entry]) -> None:
    """Import and creation: fresh interpreters."""

    def measure(name: str) -> dict[str, float]:
        statement, expression = by_name[name].startup or ("", "")
        if case.kind == "import":
            return {"with": startup.interpreter_seconds(statement), "bare": startup.interpreter_seconds("pass")}
        first, second = startup.create_seconds(statement, expression)
        return {"first": first, "second": second}

    for name in lineup.in_order(0):
        lineup.attempt(name, measure, name)  # Once uncounted: files come into the system's cache.
    for number in range(plan.rounds):
        for name in lineup.in_order(number):
            lineup.play(number, name, measure, name)
