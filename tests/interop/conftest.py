"""Tests of other people's packages on httpfast.

A test marked `aliased` is written as their users would write it, with `import httpx`, and run in a process of its own,
by `python -m httpfast.alias -m pytest`: an alias cannot be undone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# First: imported after Trio, which pytest-httpx loads, it warns of it while pytest prints its summary, and fails that.
import hypothesis  # noqa: F401
import pytest

from .fake_api import FakeAPI

ROOT = Path(__file__).parents[2]
TIMEOUT = 50.0
"""Seconds that a test in a process of its own may take; less than pytest gives to this one."""

IS_ALIASED = "HTTPFAST_TESTS_ARE_ALIASED"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "aliased: run in a process of its own, in which httpx is httpfast")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test in a process of its own, and fail with its output."""
    if pyfuncitem.get_closest_marker("aliased") is None or IS_ALIASED in os.environ:
        return None
    command = [sys.executable, "-m", "httpfast.alias", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, pyfuncitem.nodeid],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), IS_ALIASED: "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    skipped = re.search(r"^SKIPPED \[1\] [^:]+:\d+: (.*)", done.stdout, re.MULTILINE)
    if skipped is not None:
        pytest.skip(skipped[1])
    assert "1 passed" in done.stdout, done.stdout
    return True


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    with FakeAPI() as api:
        yield api
