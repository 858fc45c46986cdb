"""A pytest plugin that writes down how each test ended, and whether its code looks at anything private.

Loaded into the runs of httpx's tests that `httpx_suite` starts; the file goes where HTTPX_SUITE_RESULTS says. With
HTTPX_SUITE_USER_AGENT, that is httpfast's default User-Agent: tests of httpx that are about something else have httpx's
in the text that they expect.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

# Modules whose names are no part of httpx's public API.
_PRIVATE_MODULES = ("httpx._", "httpcore")

_results: dict[str, dict[str, Any]] = {}


@functools.cache
def _private_names(path: Path) -> frozenset[str]:
    """What a test module imports that is not public."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PRIVATE_MODULES):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.asname or alias.name for alias in node.names if alias.name.startswith(_PRIVATE_MODULES))
    return frozenset(names)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def uses_private_names(source: str, imported: frozenset[str]) -> bool:
    """Whether the source of a test has an attribute that starts with "_", or one of the names that are `imported`."""
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            return True
        if isinstance(node, ast.Name) and node.id in imported:
            return True
        # `sys.modules["httpcore"]`, and the targets of patches.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(_PRIVATE_MODULES):
            return True
    return False


def pytest_configure() -> None:
    # The tests of the command line expect a response's fields in the case and order that uvicorn has them with h11.
    sys.modules["httptools"] = None  # type: ignore[assignment]
    user_agent = os.environ.get("HTTPX_SUITE_USER_AGENT")
    if user_agent:
        import httpfast._base_client

        httpfast._base_client._default_user_agent = lambda: user_agent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            source = inspect.getsource(inspect.unwrap(item.function))
            is_public = not uses_private_names(source, _private_names(item.path))
            _results[item.nodeid] = {"outcome": "not run", "message": "", "public": is_public}


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _results[report.nodeid] = {"outcome": "failed", "message": str(report.longrepr)[-2_000:], "public": True}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    result = _results.setdefault(report.nodeid, {"outcome": "not run", "message": "", "public": True})
    if report.failed and result["outcome"] != "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message.partition("\n")[0] if crash is not None else str(report.longrepr)[-200:]
        result.update(outcome="failed", message=f"{report.when}: {message}")
    elif report.skipped:
        result.update(outcome="skipped")
    elif report.when == "call" and report.passed:
        result.update(outcome="passed")


def pytest_sessionfinish() -> None:
    Path(os.environ["HTTPX_SUITE_RESULTS"]).write_text(json.dumps(_results), "utf-8")
