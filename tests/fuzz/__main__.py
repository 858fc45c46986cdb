"""Runs a target under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and adds up what was done.

    make fuzz TARGET=h1 RUNS=100000000       all that is needed, then: python -m tests.fuzz h1 --runs 100000000

Executions add up in build/fuzz/TARGET.json until there are as many as asked for: a run that is stopped goes on where it
was. They come in slices, each a process of its own, so that nothing can grow unseen. The corpus is in
build/fuzz/corpus/TARGET; what is found, in build/fuzz/findings, and there the run ends.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
LIBRARY = BUILD / "lib"

# MiB: what a single allocation may have (a body whose length is announced gets up to 64 MiB and its object's header),
# and the process, with the memory of the sanitizers.
MALLOC_LIMIT = 65
RSS_LIMIT = 768

# Seconds of wall time before an input counts as hung. It may take one of the processor's: `child` sees to that.
HANG = 25

SANITIZERS = {
    "PYTHONHASHSEED": "0",
    # An input is done in a moment: what it has freed needs to be remembered for as long.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:malloc_context_size=1:detect_stack_use_after_return=0:"
    "quarantine_size_mb=1:thread_local_quarantine_size_kb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}

# What libFuzzer ends with when it is interrupted.
INTERRUPTED = 72

_SUMMARY = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\d+)([KM]?)b")
_EDGES = re.compile(r"Loaded \d+ modules? +\((\d+) inline 8-bit counters\)")
_EXECUTED = re.compile(r"stat::number_of_executed_units: +(\d+)")
_PROGRESS = re.compile(r"#(\d+)\t")
_SLOWEST = re.compile(r"slowest: (\d+) us")


def environment(name: str) -> dict[str, str]:
    """What the process that fuzzes a target runs in."""
    import atheris  # type: ignore[import-untyped]

    from .targets import TARGETS

    return {
        **os.environ,
        **SANITIZERS,
        "PYTHONMALLOC": "pymalloc" if TARGETS[name].is_python else "malloc",
        "LD_PRELOAD": str(Path(atheris.path()) / "asan_with_fuzzer.so"),
        "PYTHONPATH": f"{LIBRARY}{os.pathsep}{ROOT}",
    }


def commit() -> str:
    """What git calls what is being fuzzed."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def escaped(word: bytes) -> str:
    """A word as dictionaries have it."""
    return "".join(f"\\x{octet:02x}" for octet in word)


def prepare(name: str) -> list[str]:
    """Write seeds and dictionary. Returns libFuzzer's arguments for the target."""
    from .targets import TARGETS

    target = TARGETS[name]
    corpus, seeds = BUILD / "corpus" / name, BUILD / "seeds" / name
    (BUILD / "findings").mkdir(parents=True, exist_ok=True)
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (seeds / f"{number:04}").write_bytes(seed[: target.largest])
    dictionary = BUILD / f"{name}.dict"
    dictionary.write_text("".join(f'"{escaped(word)}"\n' for word in target.words))
    return [
        str(corpus),
        str(seeds),
        f"-dict={dictionary}",
        f"-max_len={target.largest}",
        f"-artifact_prefix={BUILD / 'findings' / name}-",
        f"-malloc_limit_mb={MALLOC_LIMIT}",
        f"-rss_limit_mb={RSS_LIMIT}",
        f"-timeout={HANG}",
        "-print_final_stats=1",
        "-use_value_profile=0",
    ]


class Account:
    """The figures of a target, in its JSON file."""

    def __init__(self, name: str) -> None:
        self.path = BUILD / f"{name}.json"
        self.figures: dict[str, Any] = {"target": name, "executions": 0, "seconds": 0.0, "slowest_us": 0, "runs": {}}
        if self.path.exists():
            self.figures = json.loads(self.path.read_text())

    @property
    def executions(self) -> int:
        return int(self.figures["executions"])

    def add(self, executions: int, seconds: float, found: dict[str, Any]) -> None:
        """Add a slice, and write all down."""
        figures = self.figures
        figures["executions"] += executions
        figures["seconds"] = round(figures["seconds"] + seconds, 1)
        figures["executions_per_second"] = round(figures["executions"] / max(figures["seconds"], 0.1))
        figures["slowest_us"] = max(figures["slowest_us"], found.pop("slowest_us", 0))
        figures.update(found)
        by_commit = figures["runs"].setdefault(commit(), {"executions": 0, "seconds": 0.0})
        by_commit["executions"] += executions
        by_commit["seconds"] = round(by_commit["seconds"] + seconds, 1)
        by_commit["date"] = datetime.now(UTC).isoformat(timespec="seconds")
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(figures, indent=2) + "\n")
        temporary.replace(self.path)

    def line(self) -> str:
        figures = self.figures
        rate, slowest = figures["executions_per_second"], figures["slowest_us"]
        edges, known = figures.get("coverage", 0), figures.get("edges", 0)
        corpus, octets = figures.get("corpus", 0), figures.get("corpus_octets", 0)
        name, executions, seconds = figures["target"], self.executions, figures["seconds"]
        return (
            f"{name}: {executions:,} executions in {seconds:,.0f} s, {rate:,} a second; {edges:,} of {known:,} edges; "
            f"corpus {corpus:,} of {octets:,} octets; slowest {slowest:,} us"
        )


def run_slice(name: str, arguments: list[str], log: Path) -> tuple[int, int, float, dict[str, Any]]:
    """One process. Returns its exit code, executions, seconds, and what else its words say."""
    command = [sys.executable, "-P", "-m", "tests.fuzz.child", name, *arguments]
    began = time.monotonic()
    found: dict[str, Any] = {}
    executions = 0
    with log.open("w") as copy:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

        def stop(*_: object) -> None:
            # libFuzzer tells its figures before it ends.
            process.send_signal(signal.SIGINT)
            stop.was_called = True  # type: ignore[attr-defined]

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        assert process.stdout is not None
        for line in process.stdout:
            copy.write(line)
            if match := _SUMMARY.search(line):
                scale = {"": 1, "K": 1 << 10, "M": 1 << 20}[match[5]]
                found |= {"coverage": int(match[1]), "features": int(match[2]), "corpus": int(match[3])}
                found["corpus_octets"] = int(match[4]) * scale
            if match := _EDGES.search(line):
                found["edges"] = int(match[1])
            if match := _SLOWEST.search(line):
                found["slowest_us"] = max(found.get("slowest_us", 0), int(match[1]))
            if match := _EXECUTED.search(line) or _PROGRESS.match(line):
                executions = max(executions, int(match[1]))
        code = process.wait()
    if getattr(stop, "was_called", False):
        code = -signal.SIGINT
    return code, executions, time.monotonic() - began, found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, help="executions in all, those of earlier runs included")
    parser.add_argument("--slice", type=int, default=1_000_000, help="executions of one process")
    parser.add_argument("--replay", type=Path, help="run this one input instead")
    options = parser.parse_args()
    from .targets import TARGETS

    if options.target not in TARGETS:
        parser.error(f"the targets are {', '.join(TARGETS)}")
    name = options.target
    arguments = prepare(name)
    if options.replay is not None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "tests.fuzz.child",
            name,
            str(options.replay.resolve()),
            f"-timeout={HANG}",
        ]
        return subprocess.run(command, cwd=ROOT, env=environment(name), check=False).returncode
    account = Account(name)
    wanted = options.runs if options.runs is not None else TARGETS[name].full
    log = BUILD / f"{name}.log"
    while account.executions < wanted:
        share = min(options.slice, wanted - account.executions)
        code, executions, seconds, found = run_slice(name, [*arguments, f"-runs={share}"], log)
        account.add(executions, seconds, found)
        print(account.line(), flush=True)
        if code in (-signal.SIGINT, INTERRUPTED):
            print("interrupted; the same command goes on from here", flush=True)
            return 130
        if code:
            kept = BUILD / "findings" / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
            kept.write_bytes(log.read_bytes())
            print(f"found something: the end of {kept} says what; the input lies beside it", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
