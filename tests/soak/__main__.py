"""The command line of the soak. Exit status: 0 if all was as it has to be, 1 if not, 2 if it cannot run here."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.nginx import find_nginx

from .meters import is_measurable
from .plot import draw
from .run import Hung, Plan, Soak

HEAP = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""For glibc: one heap, where each thread would have its own, and large blocks given back when they are free. The holes
of many heaps take a million requests to fill; like this, what grows is what the program holds."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Millions of requests, some of which fail."
    )
    parser.add_argument("--minutes", type=float, help="how long (10, if --requests is not given)")
    parser.add_argument("--requests", type=int, help="end after so many")
    parser.add_argument("--only", choices=("h1", "h2"), help="one protocol; else five of HTTP/1.1 to one of HTTP/2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, default=100_000, help="requests until each crew has had its turn")
    parser.add_argument("--faults", type=int, default=1, metavar="N", help="N times as many faults, uploads and so on")
    parser.add_argument("--reload", type=float, default=20.0, metavar="S", help="seconds between reloads of nginx")
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between samples")
    parser.add_argument("--anywhere", action="store_true", help="leave it to the system which core does what")
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--svg", type=Path, help="draw it here")
    parser.add_argument("--plot", type=Path, nargs="+", metavar="JSON", help="only draw these results")
    return parser.parse_args(arguments)


def report(result: dict[str, Any]) -> None:
    """Print it."""
    counts = ", ".join(f"{count:,} of {name}" for name, count in result["requests"].items())
    print(f"{counts} in {result['seconds']:.0f} s ({result['rate']:,.0f}/s), nginx reloaded {result['reloads']} times")
    for protocol, cards in result["outcomes"].items():
        for card, outcomes in cards.items():
            print(f"  {protocol} {card:18}", ", ".join(f"{name} {count:,}" for name, count in outcomes.items()))
    print(
        f"memory: {result['rss_slope']:+.3f} MiB per 1,000,000 requests after warm-up, "
        f"{result['rss_growth']:+.2f} MiB in all; at the end {result['rss_end']:.1f} MiB"
    )
    print(
        f"descriptors: {result['descriptors_before']} before, {result['descriptors_after']} after, "
        f"{result['descriptors_growth']:+.0f} while it ran; "
        f"threads: {result['threads_before']}, {result['threads_after']}"
    )
    for violation in result["violations"]:
        print("  violation:", violation)
    print("; ".join(result["failures"]) or "passed")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.plot:
        options.svg.write_text(draw([json.loads(path.read_text()) for path in options.plot]))
        return 0
    if not is_measurable() or find_nginx() is None:
        print("the soak needs nginx, and Linux's /proc", file=sys.stderr)
        return 2
    minutes = options.minutes if options.minutes is not None or options.requests is not None else 10.0
    plan = Plan(
        requests=options.requests,
        seconds=None if minutes is None else minutes * 60,
        only=options.only or "both",
        seed=options.seed,
        round_size=options.round,
        times=options.faults,
        reload_every=options.reload,
        interval=options.interval,
        is_pinned=not options.anywhere,
    )
    try:
        result = Soak(plan, lambda line: print(line, flush=True)).run()
    except Hung as error:
        # Its threads would be waited for without end.
        faulthandler.dump_traceback()
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    report(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(draw([result]))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    if not HEAP.keys() <= os.environ.keys():
        # It is read before the first allocation.
        os.execve(sys.executable, sys.orig_argv, os.environ | HEAP)
    sys.exit(main())
