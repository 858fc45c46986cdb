"""A slice of `random_cancels`: requests under contention, cancelled at random. [POOL-02]"""

from __future__ import annotations

import pytest

from ..nginx import Nginx
from .random_cancels import COMBINATIONS, storm

CANCELS = 300


@pytest.mark.timeout(120)
@pytest.mark.parametrize("combination", COMBINATIONS)
def test_random_cancellations_under_contention_leave_the_pool_usable(combination: str) -> None:
    if combination.endswith("h2") and not Nginx.available():
        pytest.skip("nginx is not installed")
    if combination.startswith("uvloop"):
        pytest.importorskip("uvloop", reason="uvloop is not installed")

    counts, _ = storm(combination, CANCELS, seed=0)

    assert counts["cancelled"] >= CANCELS
    assert counts["completed"] > CANCELS / 10
