"""Prints the table. Exit status: 0 if no case has an error, 1 if one has, 2 if this machine does not allow them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.machine import describe
from tests.soak.meters import is_measurable

from .cases import FULL, SLICE, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description="Many requests at once.")
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    if not is_measurable():
        print("memory and descriptors are read from Linux's /proc", file=sys.stderr)
        return 2
    results = []
    for case in SLICE if options.quick else FULL:
        if options.only not in case.name:
            continue
        try:
            found = run(case)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
        results.append(found)
        print(
            f"{case.name:48} {found['own_per_connection'] / 1024:6.1f} KiB a connection, idle"
            f" (RSS {found['rss_per_connection'] / 1024:6.1f})",
            f"{found['seconds'][0]:5.1f} s, again {found['seconds'][1]:5.1f} s  ",
            "; ".join(found["failures"]) or "0 errors",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({**describe([]), "cases": results}, indent=1) + "\n")
    return 1 if any(found["failures"] for found in results) else 0


if __name__ == "__main__":
    sys.exit(main())
