"""The pytest plugin `httpfast_pytest`, in processes of pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 50.0


def run_pytest(folder: Path, test: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(test, "utf-8")
    # Folders above may have a configuration, with options of plugins that are not loaded here.
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    # The others that are installed here would only take time.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "httpfast_pytest", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_fixture_answers_checks_and_takes_options(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
import httpfast
import pytest

pytestmark = pytest.mark.httpfast_mock(can_send_already_matched_responses=True)

def test_answers(httpfast_mock):
    httpfast_mock.add_response(json=[1])
    assert httpfast.get("https://example.org/").json() == [1]
    assert httpfast.get("https://example.org/").json() == [1]

@pytest.mark.httpfast_mock(can_send_already_matched_responses=False, assert_all_requests_were_expected=False)
def test_nearest_marker_counts(httpfast_mock):
    httpfast_mock.add_response()
    httpfast.get("https://example.org/")
    with pytest.raises(httpfast.TimeoutException):
        httpfast.get("https://example.org/")

def test_checks(httpfast_mock):
    httpfast_mock.add_response()

def test_is_over():
    assert httpfast.HTTPTransport.handle_request.__qualname__ == "HTTPTransport.handle_request"
""",
        "--strict-markers",
    )

    assert "4 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "ERROR test_it.py::test_checks - AssertionError: Not requested" in done.stdout


def test_plugin_does_not_import_the_package_unless_a_test_asks(tmp_path: Path) -> None:
    test = "import sys\n\ndef test_none():\n    assert 'httpfast' not in sys.modules\n"

    done = run_pytest(tmp_path, test)

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_plugin_is_installed_as_pytest_finds_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    # The entry point has the module's name, so that `-p httpfast_pytest` names the same plugin.
    assert project["project"]["entry-points"]["pytest11"] == {"httpfast_pytest": "httpfast_pytest"}
    assert project["tool"]["setuptools"]["py-modules"] == ["httpfast_pytest"]
