"""Bars of start-up beside httpx: `python -m bench.start_bars` fails when httpfast takes too large a part of its time.

Processor time, of fresh interpreters that take turns, and the least of some rounds: what else runs on the machine
hardly shows in that. Needs httpx 0.28 beside httpfast.
"""

from __future__ import annotations

import argparse
import sys

from .startup import run

ROUNDS = 15
BARS = {
    "import": 0.35,
    "import and Client()": 0.35,
    "another Client()": 0.50,
    "import and AsyncClient()": 0.60,
    "another AsyncClient()": 0.50,
}
"""The largest part of httpx's time that httpfast may take."""

_PROGRAM = """
import sys, time
started = time.process_time()
import {package}
imported = time.process_time()
{package}.{client}()
first = time.process_time()
for _ in range(5):
    {package}.{client}()
ended = time.process_time()
print(imported - started, first - started, (ended - first) / 5)
"""


def seconds(package: str) -> list[float]:
    """Processor time of what `BARS` names, in that order."""
    imported, with_client, another = map(float, run(_PROGRAM.format(package=package, client="Client")).split())
    program = _PROGRAM.format(package=package, client="AsyncClient")
    _, with_async_client, another_async = map(float, run(program).split())
    return [imported, with_client, another, with_async_client, another_async]


def least(rounds: int) -> dict[str, tuple[float, float]]:
    """For each bar the least seconds of httpfast and of httpx, from interleaved rounds."""
    found: dict[str, list[list[float]]] = {"httpfast": [], "httpx": []}
    # The first round writes and reads bytecode that is not there yet.
    for package in found:
        seconds(package)
    for _ in range(rounds):
        for package, rows in found.items():
            rows.append(seconds(package))
    ours, theirs = ([min(column) for column in zip(*rows, strict=True)] for rows in found.values())
    return {name: (ours[index], theirs[index]) for index, name in enumerate(BARS)}


def main(arguments: list[str] | None = None) -> int:
    """Print a line a bar. Returns 1 when one is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.start_bars", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interpreters of each (default {ROUNDS})")
    rounds = parser.parse_args(arguments).rounds
    missed = 0
    for name, (ours, theirs) in least(rounds).items():
        is_met = ours <= BARS[name] * theirs
        missed += not is_met
        print(
            f"{name:<25} {ours * 1e3:8.2f} ms, httpx {theirs * 1e3:8.2f} ms: "
            f"{ours / theirs:.2f} of it, at most {BARS[name]:.2f}{'' if is_met else '  MISSED'}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
