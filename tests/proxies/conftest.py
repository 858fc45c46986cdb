"""Real proxies, one of each kind a run; and every test here is checked for what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.server import Certificates

from .servers import Dante, RealProxy, Squid, Tinyproxy


@pytest.fixture(autouse=True)
def _leave_nothing_behind(no_leaks: None) -> None:
    """See `no_leaks`."""


@pytest.fixture(scope="session")
def real_proxies(ca: Certificates) -> Iterator[dict[str, str]]:
    """The URLs of those proxies that this machine has, by name; one that fails to start is an error, with its log."""
    with ExitStack() as stack:
        servers: list[RealProxy] = [
            stack.enter_context(kind(ca)) for kind in (Squid, Tinyproxy, Dante) if kind.is_installed()
        ]
        yield {name: url for server in servers for name, url in server.urls.items()}
