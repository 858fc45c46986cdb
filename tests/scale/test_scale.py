"""A slice of the cases with many requests at once; and what is wrong with a case is found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.meters import is_measurable

from .cases import FULL, SLICE, Case, run, verdict


@pytest.mark.skipif(not is_measurable(), reason="memory and descriptors are read from /proc")
@pytest.mark.parametrize("case", SLICE, ids=lambda case: case.name)
def test_all_requests_at_once_are_answered(case: Case) -> None:
    """Twice, on the same connections, and nothing is left open."""
    assert run(case, patience=50)["failures"] == []


GOOD: dict[str, Any] = {"errors": {}, "at_once": [20, 20], "open": [2, 2], "accepted": [2, 2], "leaked": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"errors": {"ConnectError()": 3}}, "3 times ConnectError()"),
        ({"at_once": [20, 19]}, "at once were [20, 19] requests"),
        ({"open": [2, 1]}, "open were [2, 1] connections"),
        ({"accepted": [2, 4]}, "made were [2, 4] connections"),
        ({"leaked": 1}, "1 descriptors are left"),
    ],
)
def test_verdict_names_what_is_wrong(change: dict[str, Any], said: str) -> None:
    case = Case("h2", "asyncio", 20, 10)

    assert verdict(case, GOOD) == []
    assert verdict(case, GOOD | change) == [said]


def test_full_cases_have_ten_thousand_requests_at_once_on_each_loop() -> None:
    for driver in ("asyncio", "uvloop"):
        for protocol, streams in (("h1", 1), ("h1-tls", 1), ("h2", 1), ("h2", 100)):
            assert Case(protocol, driver, 10_000, streams) in FULL
