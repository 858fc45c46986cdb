"""How the results of httpx's own tests are judged, and the table of those that fail. The tests: `make compat`."""

from __future__ import annotations

import tarfile
import tomllib
from pathlib import Path
from typing import Any

import httpx_suite
import pytest
import suite_plugin

ROOT = Path(__file__).parents[2]


def result(outcome: str, *, public: bool = True) -> dict[str, Any]:
    return {"outcome": outcome, "message": "", "public": public}


def test_a_failure_that_is_not_in_the_table_is_bad() -> None:
    reference = {"a": result("passed"), "b": result("passed")}

    verdict = httpx_suite.judge(reference, {"a": result("failed"), "b": result("passed")}, {})

    assert list(verdict.unknown) == ["a"]
    assert not verdict.is_good


def test_a_failure_that_is_in_the_table_is_good() -> None:
    reference = {str(number): result("passed") for number in range(100)}

    verdict = httpx_suite.judge(reference, reference | {"7": result("failed")}, {"7": "a reason"})

    assert verdict.known == {"a reason": 1}
    assert verdict.share == 0.99
    assert verdict.is_good


def test_a_pass_that_is_in_the_table_is_bad() -> None:
    results = {"a": result("passed")}

    verdict = httpx_suite.judge(results, results, {"a": "a reason"})

    assert verdict.mended == ["a"]
    assert not verdict.is_good


def test_a_pass_of_a_test_that_varies_is_good() -> None:
    results = {"a": result("passed")}

    verdict = httpx_suite.judge(results, results, {"a": "a reason"}, {"a"})

    assert verdict.mended == []
    assert verdict.is_good


def test_an_entry_of_the_table_without_a_test_is_bad() -> None:
    results = {"a": result("passed")}

    verdict = httpx_suite.judge(results, results, {"b": "a reason"})

    assert verdict.vanished == ["b"]
    assert not verdict.is_good


def test_too_few_passes_of_public_tests_are_bad_even_if_all_failures_are_in_the_table() -> None:
    reference = {str(number): result("passed") for number in range(100)}
    failing = ["1", "2", "3"]

    verdict = httpx_suite.judge(
        reference, reference | {name: result("failed") for name in failing}, dict.fromkeys(failing, "a reason")
    )

    assert verdict.share == 0.97
    assert not verdict.is_good


def test_tests_of_private_names_do_not_count_for_the_share() -> None:
    reference = {"a": result("passed"), "b": result("passed", public=False)}

    verdict = httpx_suite.judge(reference, reference | {"b": result("failed", public=False)}, {"b": "a reason"})

    assert verdict.share == 1
    assert verdict.is_good


def test_a_test_that_fails_on_httpx_itself_is_set_aside() -> None:
    reference = {"a": result("passed"), "b": result("failed")}

    for outcome in ("passed", "failed"):
        verdict = httpx_suite.judge(reference, reference | {"b": result(outcome)}, {})

        assert verdict.set_aside == ["b"]
        assert verdict.is_good


@pytest.mark.parametrize("outcome", ["skipped", "not run"])
def test_a_test_that_was_left_out_has_not_passed(outcome: str) -> None:
    verdict = httpx_suite.judge({"a": result("passed")}, {"a": result(outcome)}, {})

    assert verdict.unknown == {"a": outcome}


def test_a_run_without_tests_is_bad() -> None:
    assert not httpx_suite.judge({}, {}, {}).is_good


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test(): client.get('/')", False),
        ("def test(): assert response.__class__", False),
        ("def test(): client._transport", True),
        ("@mark(httpx._types)\ndef test(): pass", True),
        ("    def test(): URLPattern('')", True),
        ("def test(): del sys.modules['httpcore']", True),
        ("def test(): patch('httpx._client.Client')", True),
    ],
)
def test_a_test_that_uses_private_names_is_told_by_its_source(source: str, expected: bool) -> None:
    assert suite_plugin.uses_private_names(source, frozenset({"URLPattern"})) == expected


def test_another_file_in_place_of_the_sdist_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "httpx-0.28.1.tar.gz", "w:gz"):
        pass

    with pytest.raises(ValueError, match="SHA-256"):
        httpx_suite.unpack(tmp_path / "httpx-0.28.1.tar.gz", tmp_path)


def test_every_reason_of_the_table_is_a_row_of_the_written_table() -> None:
    text = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
    rows = {line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")}
    entries = tomllib.loads(httpx_suite.TABLE.read_text("utf-8"))["known"]

    assert {entry["row"] for entry in entries} - rows == set()
    assert httpx_suite.read_table()
