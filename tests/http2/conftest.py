"""Fixtures for HTTP/2. Its drivers are those of HTTP/1.1."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["plain", "tls"])
def layer(request: pytest.FixtureRequest) -> dict[str, bool]:
    """Arguments of an origin: HTTP/2 with prior knowledge, and by ALPN."""
    return {"tls": request.param == "tls"}
