"""The table of bombs and floods, each driver in one process for all rows; bombs of decompression are smaller here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .rows import Row
from .table import DRIVERS, MAX_BYTES, MAX_SECONDS, Cost, Target, all_rows, is_measurable

pytest.importorskip("brotli", reason="brotli, which makes the bodies, is not installed")
pytest.importorskip("zstandard", reason="zstandard, which makes the bodies, is not installed")

BOMB_BYTES = 4 * MAX_BYTES
ROWS = all_rows(BOMB_BYTES)


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    if not is_measurable():
        pytest.skip("the peak of a process's memory is read from Linux's /proc")
    with ExitStack() as stack:
        yield {driver: stack.enter_context(Target(driver)) for driver in DRIVERS}


@pytest.mark.parametrize(("protocol", "row"), [pytest.param(*pair, id=f"{pair[0]}: {pair[1].name}") for pair in ROWS])
@pytest.mark.parametrize("driver", DRIVERS)
def test_bomb_takes_little_memory_and_time(targets: dict[str, Target], driver: str, protocol: str, row: Row) -> None:
    """Under 8 MiB on top and under a second of CPU time."""
    assert targets[driver].measure(row, protocol).faults == []


def test_cost_past_a_bound_is_a_fault() -> None:
    row = ROWS[0][1]
    ended = row.ends[0]

    assert Cost(row, "h1", "sync", MAX_BYTES - 1, 0.0, ended).faults == []
    assert Cost(row, "h1", "sync", MAX_BYTES, 0.0, ended).faults == ["8.0 MiB on top"]
    assert Cost(row, "h1", "sync", 0, MAX_SECONDS, ended).faults == ["1.00 s of CPU time"]
    assert Cost(row, "h1", "sync", 0, 0.0, "KeyError").faults == [f"ended in KeyError, not {ended}"]


def test_what_is_measured_is_the_peak(targets: dict[str, Target]) -> None:
    """A body that is read whole costs what it has come to, though all of it is free again by then."""
    protocol, bomb = next(pair for pair in ROWS if "MiB of zeros, gzip" in pair[1].name)
    whole = Row(bomb.name, bomb.catalogue, bomb.script, act="get", ends=("ok",), warm=bomb.warm)

    cost = targets["sync"].measure(whole, protocol)

    assert cost.extra >= BOMB_BYTES
    assert cost.faults == [f"{cost.extra / 2**20:.1f} MiB on top"]
