"""The catalogue is covered: each row has tests for the clients and protocols that it can happen with."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import catalogue
from .catalogue import Found, Row, survey
from .catalogue_rows import AREAS, ROWS

LEAST_CASES = 600

# Where only some tests run, all of them are collected first: ten seconds on a quiet machine.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> dict[str, Found]:
    """What the tests of this run are about; where it is a run of some tests only, all of them are collected."""
    config = request.config
    root = Path(catalogue.FOLDER)
    everything = {path for path in root.rglob("test_*.py") if not path.is_relative_to(root / "interop")}
    chosen = [config.getoption(name) for name in ("keyword", "markexpr", "row", "deselect", "ignore")]
    is_whole = not any(chosen) and not any("::" in argument for argument in config.args)
    if is_whole and everything <= {item.path for item in request.session.items}:
        return survey(request.session.items)
    return survey(catalogue.collect())


def test_names_of_rows_are_their_own() -> None:
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)
    assert {row.area for row in ROWS} == set(AREAS)


def test_every_row_has_its_tests(found: dict[str, Found]) -> None:
    missing = {row.name: lacks for row in ROWS if (lacks := found.get(row.name, Found()).missing(row))}

    assert missing == {}
    assert sum(found[row.name].cases for row in ROWS) >= LEAST_CASES


def test_tests_name_rows_that_there_are(found: dict[str, Found]) -> None:
    assert set(found) - {row.name for row in ROWS} == set()


def test_page_is_current(found: dict[str, Found]) -> None:
    """Else: `make catalogue CATALOGUE_ARGS=--write`."""
    assert catalogue.PAGE.read_text("utf-8") == catalogue.page(found)


def test_row_without_a_test_of_a_client_says_which() -> None:
    row = Row("H1-01", "", "", protocols=("h1",), clients=("sync", "trio"))
    entry = Found()
    entry.clients["sync"] += 1
    entry.pairs.add(("sync", "h1"))

    assert entry.missing(row) == ["trio over h1"]
    assert Found().missing(Row("URL-01", "", "", (), ())) == ["any test"]
