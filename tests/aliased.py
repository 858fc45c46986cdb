"""Code under the alias of httpx, in a process of its own: an alias cannot be undone."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIMEOUT = 50.0
"""Seconds that a process may take; less than pytest gives to a test."""


def run(*arguments: str, cwd: Path = ROOT, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    """Run Python with those arguments, and with `path` as PYTHONPATH."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def run_aliased(code: str, *, before: str = "") -> str:
    """Run code after `import httpfast; httpfast.alias_httpx()`. Returns what it prints.

    Args:
        before: code that comes first.
    """
    done = run("-W", "error", "-c", f"{before}\nimport httpfast\nhttpfast.alias_httpx()\n{code}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(package: str) -> None:
    """Skip a test of a package that is not installed."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package}, which is imported through the alias here, is not installed")
