"""The command line, called in two ways: in this process, by click's runner, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="click, which the command line needs, is not installed")
pytest.importorskip("rich", reason="rich, which the command line needs, is not installed")

from click.testing import CliRunner, Result

import httpfast

ROOT = Path(__file__).parents[2]
TIMEOUT = 30.0

Invoke = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change the output or the way."""
    left_out = ("HTTPFAST_SHOW_SECRETS", "FORCE_COLOR", "COLUMNS", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in left_out}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"} | more


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, embedded_server: Any) -> Invoke:
    """Calls the command in this process, as on a terminal without colours. `stdin` is a keyword."""
    monkeypatch.delenv("HTTPFAST_SHOW_SECRETS", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", embedded_server.ca_file)

    def call(*arguments: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(httpfast.main, list(arguments), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def process(embedded_server: Any) -> Process:
    """Runs the command as a process, with its output in pipes."""

    def call(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | settings
        command = [sys.executable, "-m", "httpfast", *arguments]
        env = environment(**({"SSL_CERT_FILE": embedded_server.ca_file} | settings.pop("env", {})))
        return subprocess.run(command, env=env, timeout=TIMEOUT, check=False, **settings)

    return call
