"""The pytest plugin: the fixture `httpfast_mock`. Installed beside httpfast, and found by pytest itself.

It is no part of the package, whose import would come before coverage is measured, and take its time in every run of
pytest: it imports httpfast when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from httpfast.testing import HTTPMock

__all__ = ["httpfast_mock"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "httpfast_mock(*, assert_all_responses_were_requested=True, assert_all_requests_were_expected=True, "
        "can_send_already_matched_responses=False, should_mock=lambda request: True): options of httpfast_mock",
    )


@pytest.fixture
def httpfast_mock(request: pytest.FixtureRequest) -> Iterator[HTTPMock]:
    """Answers in place of the network: see `httpfast.testing.HTTPMock`."""
    from httpfast.testing import HTTPMock

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("httpfast_mock"):
        # The nearest comes first, and counts.
        options = dict(marker.kwargs) | options
    with HTTPMock(**options) as mock:
        yield mock
