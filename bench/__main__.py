"""`python -m bench`: compares httpfast with other Python clients, and with a raw floor, on this machine.

Prints a table per case, and which bars are met (`bench.bars`). Writes a results file with every round's raw figures,
and a chart next to it. All of it takes some three quarters of an hour with two cores, on which nothing else should run.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import bars, chart, machine, table
from .cases import CASES, CASES_BY_NAME, CONNECTIONS, Case
from .clients import BY_NAME, CLIENTS
from .remote import cores
from .run import Plan, run_case
from .servers import open_server

RESULTS = Path(__file__).with_name("results") / "latest.json"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    told = f"some of: {', '.join(CASES_BY_NAME)}; or patterns, such as 'h2-*'"
    parser.add_argument("--cases", nargs="+", metavar="CASE", help=told)
    parser.add_argument("--clients", nargs="+", metavar="CLIENT", choices=BY_NAME, help="some of: %(choices)s")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each client in each case (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="what a round is meant to take (%(default)s)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="held by the memory case (%(default)s)")
    parser.add_argument(
        "--server", choices=("auto", "nginx", "embedded"), default="auto", help="auto: nginx, if there is one"
    )
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds of 0.05 s and 100 connections: to see that it works"
    )
    parser.add_argument("--bars", action="store_true", help="exit status 1 when a bar is missed")
    told = "results file (%(default)s); chart.svg and tables.txt are put beside it"
    parser.add_argument("--output", type=Path, default=RESULTS, help=told)
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.connections = 2, 0.05, 100
    for pattern in options.cases or ():
        if not fnmatch.filter(CASES_BY_NAME, pattern):
            parser.error(f"no case is called {pattern}")
    if options.rounds < 1 or options.seconds <= 0 or options.connections < 2:
        parser.error("--rounds, --seconds and --connections have to be positive, the last at least 2")
    return options


def chosen(patterns: Sequence[str] | None, has_http2: bool) -> list[Case]:
    """The cases to run: all, or those with one of these names; without those of HTTP/2 where the server has none."""
    cases = [
        case for case in CASES if patterns is None or any(fnmatch.fnmatchcase(case.name, word) for word in patterns)
    ]
    if not has_http2 and any(case.http2 for case in cases):
        print(f"The server has no HTTP/2, left out: {', '.join(case.name for case in cases if case.http2)}")
        cases = [case for case in cases if not case.http2]
    return cases


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; returns the exit status: 1 if httpfast itself failed in a case, or with --bars missed one."""
    options = parse(arguments)
    entries = [entry for entry in CLIENTS if options.clients is None or entry.name in options.clients]
    plan = Plan(options.rounds, options.seconds, options.connections)
    client_core, server_core = cores()
    results = machine.describe(entry for entry in entries if entry.obstacle() is None)
    results["plan"] = {"rounds": plan.rounds, "seconds": plan.seconds, "cores": [client_core, server_core]}
    results["cases"] = []
    results["bars"] = []
    if client_core is None:
        print("Clients and server are not kept on cores of their own here: figures will be noisier")
    with open_server(options.server, server_core) as server:
        print(f"Server: {server.name}; {plan.rounds} rounds of {plan.seconds} s")
        for case in chosen(options.cases, server.h2_url is not None):
            result = run_case(case, entries, plan, server)
            results["cases"].append(result)
            results["bars"] = bars.judge(results["cases"])
            print("\n".join(table.lines(result)), flush=True)
            # Written after each case, so that an end before the last one loses nothing.
            write(options.output, results)
    for line in bars.lines(results["bars"]):
        print(line)
    is_missed = options.bars and not all(verdict["is_met"] for verdict in results["bars"])
    return int(is_missed or any("httpfast" in result["left_out"] for result in results["cases"]))


def write(file: Path, results: dict[str, Any]) -> None:
    """The results file, and beside it the chart and the tables."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    file.with_name("chart.svg").write_text(chart.draw(results), encoding="utf-8")
    tables = [line for result in results["cases"] for line in table.lines(result)] + bars.lines(results["bars"])
    file.with_name("tables.txt").write_text("\n".join(tables).lstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    # As an interrupt does it: an end that leaves no server behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
