"""Every test here is checked for what it leaves behind."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _leave_nothing_behind(no_leaks: None) -> None:
    """See `no_leaks`."""
