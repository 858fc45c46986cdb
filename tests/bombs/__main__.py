"""Prints the table. Exit status: 0 if each row keeps within its bounds, 1 if not, 2 if that cannot be measured here."""

from __future__ import annotations

import sys

from .table import DRIVERS, MAX_BYTES, MAX_SECONDS, costs, is_measurable


def main() -> int:
    if not is_measurable():
        print("the peak of a process's memory is read from Linux's /proc", file=sys.stderr)
        return 2
    count = failed = 0
    print(f"bounds: {MAX_BYTES / 2**20:.0f} MiB on top, {MAX_SECONDS:.0f} s of CPU time")
    for driver in sys.argv[1:] or DRIVERS:
        for cost in costs(driver):
            count += 1
            failed += bool(cost.faults)
            figures = f"{cost.extra / 2**20:6.2f} MiB {cost.cpu * 1000:6.0f} ms  {cost.ended}"
            verdict = "  FAILED: " + ", ".join(cost.faults) if cost.faults else ""
            name = f"{cost.row.catalogue:7} {cost.protocol} {driver:8} {cost.row.name:58}"
            print(name, figures + verdict, flush=True)
    print(f"{count - failed} of {count} within their bounds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
