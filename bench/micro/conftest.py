"""Conditions under which the cases run."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError("bench/micro needs pytest-benchmark: pip install --group micro, or make micro")


@pytest.fixture(autouse=True)
def clean_heap() -> Iterator[None]:
    """Hide from the collector what is there already.

    It stays on in the timed part, for garbage is part of the price; but it shall walk over the case's own objects only.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
