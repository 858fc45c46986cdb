"""The whole fault matrix: `python -m tests.faults` prints what came of it, and exits by 1 when a cell failed."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from .batches import run_alone
from .cell import Result
from .echo import EchoOrigin
from .lab import Lab
from .matrix import FAULTS, Cell, cells
from .picture import draw
from .table import DRIVERS, PHASES, PROTOCOLS, VIAS

COLUMNS = tuple((driver, f"{protocol}-{via}") for driver in DRIVERS for protocol in PROTOCOLS for via in VIAS)
NAME_WIDTH = 44


def run(lab: Lab, chosen: Sequence[Cell], drivers: Sequence[str]) -> list[Result]:
    """Run cells, those of a driver and a phase together."""
    results: list[Result] = []
    with EchoOrigin(lab) as origin:
        for driver in drivers:
            for phase in PHASES:
                batch = [cell for cell in chosen if cell.driver == driver and cell.fault.phase == phase]
                if batch:
                    results += run_alone(driver, lab, origin, batch)
                    for error in origin.violations():
                        results[-1].complaints.append(f"the origin was sent what it must not be: {error!r}")
    return results


def table(results: Sequence[Result]) -> str:
    """Rows are faults, columns clients with versions and ways: cells that passed, of how many where some have not."""
    found: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for result in results:
        found[result.cell.fault.name, result.cell.driver, result.cell.column].append(result.has_passed)
    shown = [driver for driver in DRIVERS if any(result.cell.driver == driver for result in results)]
    columns = [column for column in COLUMNS if column[0] in shown]
    lines = [
        " " * NAME_WIDTH + "".join(f"{driver:<32}" for driver in shown).rstrip(),
        " " * NAME_WIDTH
        + "".join(f"{name.replace('connect', 'conn').replace('direct', 'dir'):<8}" for _, name in columns),
    ]
    for fault in FAULTS:
        marks = []
        for column in columns:
            passed = found.get((fault.name, *column))
            marks.append("." if not passed else str(len(passed)) if all(passed) else f"{sum(passed)}/{len(passed)} !")
        if any(mark != "." for mark in marks):
            lines.append(
                f"{fault.name[: NAME_WIDTH - 1]:<{NAME_WIDTH}}" + "".join(f"{mark:<8}" for mark in marks).rstrip()
            )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--repeat", type=int, default=1, help="how often to run all of it")
    parser.add_argument("--drivers", nargs="+", default=DRIVERS, choices=DRIVERS)
    parser.add_argument("--only", default="", help="cells whose name has this in it")
    parser.add_argument("--svg", type=Path, help="where to draw a picture of it")
    options = parser.parse_args()

    chosen = [cell for cell in cells(drivers=tuple(options.drivers)) if options.only in cell.name]
    results: list[Result] = []
    start = time.monotonic()
    with Lab() as lab:
        for number in range(options.repeat):
            these = run(lab, chosen, options.drivers)
            results += these
            failed = [result for result in these if not result.has_passed]
            if options.repeat > 1:
                print(
                    f"run {number + 1}: {len(these)} cells, {len(failed)} failed, {time.monotonic() - start:.0f} s",
                    flush=True,
                )
            for result in failed:
                print(f"FAILED {result}", flush=True)
    print(table(results))
    ends = Counter(outcome.end for result in results for outcome in result.during)
    again = sum(result.tries > 1 for result in results)
    faults = {result.cell.fault.name for result in results}
    print(f"\n{len(faults)} faults, {len(chosen)} cells, {time.monotonic() - start:.0f} s")
    print("requests during a fault: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()))
    print(f"cells tried again, alone, for the time that they took: {again}")
    if options.svg is not None:
        runs = "" if options.repeat == 1 else f", {options.repeat} times"
        note = f"{len(chosen)} cells{runs}: in each, three requests at once meet the fault; others come before, after. "
        options.svg.write_text(draw(results, note + "Figures: cells. A dot: it makes no sense there."), "utf-8")
    passed = sum(result.has_passed for result in results)
    print(f"{passed} passed, {len(results) - passed} failed")
    return int(passed < len(results))


if __name__ == "__main__":
    sys.exit(main())
