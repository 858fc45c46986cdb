"""Locust with users of `HttpFastUser`: one run, headless, in a process of its own, and the statistics it ends with."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer

# Looked for, not imported: gevent would change this process.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None, reason="locust, which this tries, is not installed"
)

ROOT = Path(__file__).parents[2]
TIMEOUT = 50.0
USERS = 8


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest, embedded_server: EmbeddedServer) -> dict[str, dict[str, Any]]:
    """Statistics by name, with `errors`: what the failures of that name say."""
    options = ["--headless", "--users", str(USERS + 1), "--spawn-rate", "100", "--run-time", "40s"]
    command = [sys.executable, "-m", "locust", "--locustfile", "tests/interop/locustfile.py", *options]
    hidden = {} if request.param == "uvloop" else {"HTTPFAST_TESTS_HIDE_UVLOOP": "1"}
    # The last user ends the run.
    done = subprocess.run(
        [*command, "--host", embedded_server.url, "--json", "--exit-code-on-error", "0", "--only-summary"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HTTPFAST_TESTS_USERS": str(USERS)} | hidden,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout[done.stdout.index("[") :])
    return {row["name"]: row for row in rows}


def test_each_request_is_reported_under_its_name(run: dict[str, dict[str, Any]]) -> None:
    for name in ("renamed", "/redirect/2", "set", "/cookies", "/echo", "forgiven", "taken"):
        assert (run[name]["num_requests"], run[name]["num_failures"]) == (USERS, 0), name
    assert run["/echo"]["method"] == "POST"
    assert run["/redirect/2"]["total_content_length"] == USERS * len("arrived\n")


def test_failures_are_reported(run: dict[str, dict[str, Any]]) -> None:
    for name in ("/status/404", "refused", "asserted"):
        assert (run[name]["num_requests"], run[name]["num_failures"]) == (USERS, USERS), name
    assert run["/drop"]["num_failures"] == 2 * USERS


def test_users_wait_side_by_side(run: dict[str, dict[str, Any]]) -> None:
    waited = run["/delay/1"]

    assert (waited["num_requests"], waited["num_failures"]) == (USERS, 0)
    assert waited["min_response_time"] >= 990  # the server's loop may wake a little early
    # The number travels as a length. A wait that holds up the others' would make it 1.
    assert run["most at once"]["total_content_length"] == USERS


def test_users_are_ended_while_they_wait(run: dict[str, dict[str, Any]]) -> None:
    assert "/delay/600" not in run
