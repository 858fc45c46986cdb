"""Runs the tests of httpx 0.28.1 on httpfast, and compares what fails with the written table. `make compat` calls it.

The tests come from httpx's sdist and see httpfast through `python -m httpfast.alias`. They run on httpx itself first: a
test that fails there too, such as for a newer release of something that it uses, says nothing and is set aside; so are
the three that need the Internet. Of the rest,

- each that fails has to be in `httpx_known_failures.toml`, with its reason, and each that is there has to fail;
- 98 % of those that use only public names have to pass.

Two differences are left out of it: httpfast's default User-Agent is set to httpx's, which a dozen tests of hooks,
headers and ASGI have in the text that they expect; and its command line is asked to show secrets, as httpx's does.

The table is made of [[known]] entries: `reason`; `row`, what the table in docs/compatibility.md says under "What"; and
`tests`, their ids.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TABLE = HERE / "httpx_known_failures.toml"

VERSION = "0.28.1"
SDIST_SHA256 = "75e98c5f16b0f35b567856f597f06ff2270a374470a5c2392242528e3e3e42fc"

# Of the tests with only public names that pass on httpx itself: how many have to pass here.
MINIMUM = 0.98

# Seconds. A run takes about 10.
TEST_TIMEOUT = 20
RUN_TIMEOUT = 120

# httpx's tests start their server there, and have it in the text that they expect.
PORT = 8000


@dataclass
class Verdict:
    """What two runs and the table say."""

    # Pass here and on httpx, by whether they use public names only.
    passed: Counter[bool] = field(default_factory=Counter)
    compared: Counter[bool] = field(default_factory=Counter)
    skipped: int = 0
    # Fail on httpx itself.
    set_aside: list[str] = field(default_factory=list)
    # Fail, and are in the table: counted by reason.
    known: Counter[str] = field(default_factory=Counter)
    # What makes the whole fail.
    unknown: dict[str, str] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the tests with only public names, those that pass."""
        return self.passed[True] / max(1, self.compared[True])

    @property
    def is_good(self) -> bool:
        return not (self.unknown or self.mended or self.vanished) and self.share >= MINIMUM


def judge(
    reference: dict[str, Any], own: dict[str, Any], known: dict[str, str], varying: Set[str] = frozenset()
) -> Verdict:
    """Compare the results on httpx and on httpfast (test id -> outcome, message, public) with the table (-> reason).

    Args:
        varying: tests of the table that may also pass.
    """
    verdict = Verdict(vanished=sorted(set(known) - set(reference)))
    for test, expected in reference.items():
        result = own.get(test, {"outcome": "not run", "message": "not collected"})
        if expected["outcome"] == "skipped":
            verdict.skipped += 1
        elif expected["outcome"] != "passed":
            verdict.set_aside.append(test)
        else:
            verdict.compared[expected["public"]] += 1
            if result["outcome"] == "passed":
                verdict.passed[expected["public"]] += 1
                if test in known and test not in varying:
                    verdict.mended.append(test)
            elif test in known:
                verdict.known[known[test]] += 1
            else:
                verdict.unknown[test] = result["message"] or result["outcome"]
    return verdict


def read_table(path: Path = TABLE) -> dict[str, str]:
    """Return test id -> reason.

    Raises:
        ValueError: a test is there twice.
    """
    entries = tomllib.loads(path.read_text("utf-8"))["known"]
    tests = Counter(test for entry in entries for test in entry["tests"])
    twice = [test for test, count in tests.items() if count > 1]
    if twice:
        raise ValueError(f"twice in {path.name}: {twice}")
    return {test: entry["reason"] for entry in entries for test in entry["tests"]}


def read_varying(path: Path = TABLE) -> frozenset[str]:
    """Return the tests of the table whose outcome is a matter of time."""
    entries = tomllib.loads(path.read_text("utf-8"))["known"]
    return frozenset(test for entry in entries if entry.get("varies") for test in entry["tests"])


def download(folder: Path) -> Path:
    """Return httpx's sdist, from the package index.

    Raises:
        subprocess.CalledProcessError: pip fails.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(folder), f"httpx=={VERSION}"]
    subprocess.run(command, check=True, timeout=RUN_TIMEOUT)
    return folder / f"httpx-{VERSION}.tar.gz"


def unpack(sdist: Path, folder: Path) -> Path:
    """Return a folder that has httpx's tests and their settings, but not httpx.

    Raises:
        ValueError: the file is not httpx's sdist.
    """
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    if digest != SDIST_SHA256:
        raise ValueError(f"{sdist.name} has the SHA-256 digest {digest}, not {SDIST_SHA256}")
    root = f"httpx-{VERSION}"
    with tarfile.open(sdist) as archive:
        wanted = [
            member for member in archive.getmembers() if member.name.startswith((f"{root}/tests/", f"{root}/pyproject"))
        ]
        archive.extractall(folder, members=wanted, filter="data")
    return folder / root


def run(tests: Path, *, aliased: bool) -> dict[str, Any]:
    """Run the tests in their folder. Returns test id -> {"outcome", "message", "public"}.

    Raises:
        RuntimeError: pytest ended without results.
        subprocess.TimeoutExpired: it did not end.
    """
    results = tests / ("httpfast.json" if aliased else "httpx.json")
    command = [sys.executable, *(["-m", "httpfast.alias"] if aliased else []), "-m", "pytest", "-q", "--tb=no"]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        "suite_plugin",
        f"--timeout={TEST_TIMEOUT}",
        "-m",
        "not network",
        "tests",
    ]
    # The project comes last: its own package of tests must not hide httpx's, which is in the current folder.
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH"), str(HERE.parents[1])]))
    environment = os.environ | {"PYTHONPATH": path, "HTTPX_SUITE_RESULTS": str(results)}
    if aliased:
        environment["HTTPX_SUITE_USER_AGENT"] = f"python-httpx/{VERSION}"
        environment["HTTPFAST_SHOW_SECRETS"] = "1"
    done = subprocess.run(
        command, cwd=tests, env=environment, capture_output=True, text=True, timeout=RUN_TIMEOUT, check=False
    )
    if not results.exists():
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-3_000:]}{done.stderr[-3_000:]}")
    found: dict[str, Any] = json.loads(results.read_text("utf-8"))
    return found


def report(verdict: Verdict) -> None:
    """Print the counts, and every test that is not as the table says."""
    total, passed = verdict.compared.total(), verdict.passed.total()
    print(f"{passed} of {total} tests of httpx {VERSION} pass on httpfast ({passed / max(1, total):.1%});")
    print(
        f"{verdict.passed[True]} of {verdict.compared[True]} that use only public names "
        f"({verdict.share:.1%}, at least {MINIMUM:.0%} have to)."
    )
    print(f"{verdict.skipped} skipped; {len(verdict.set_aside)} set aside, because they fail on httpx itself here.")
    for reason, count in verdict.known.most_common():
        print(f"  {count:4} known to fail: {reason}")
    for test in verdict.set_aside:
        print(f"       set aside: {test}")
    for title, tests in [
        (f"fail and are not in {TABLE.name}", [f"{test}\n      {why}" for test, why in verdict.unknown.items()]),
        (f"pass, but are in {TABLE.name}", verdict.mended),
        (f"in {TABLE.name}, but not in httpx's tests", verdict.vanished),
    ]:
        if tests:
            print(f"\n{len(tests)} {title}:", *(f"  {test}" for test in tests), sep="\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run httpx's own tests on httpfast.")
    parser.add_argument("--sdist", type=Path, help="httpx's sdist, which is downloaded otherwise")
    options = parser.parse_args(arguments)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as error:
            print(f"httpx's tests need port {PORT} of this machine: {error}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tests = unpack(options.sdist or download(folder), folder)
        verdict = judge(run(tests, aliased=False), run(tests, aliased=True), read_table(), read_varying())
    report(verdict)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
