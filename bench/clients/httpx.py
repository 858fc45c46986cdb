"""httpx: one client, connections for the case, of which 20 are kept while idle: its default.

To keep more of them open costs more than to open them again, TLS included: its pool looks at all connections for each
request and for each response, so at 64 in flight the default is up to three times as fast, and never slower. HTTP/2
takes one connection, with at most 100 streams at once.
"""

from __future__ import annotations

import httpx

from . import Settings
from .httpx_api import Async, Sync


def _limits(settings: Settings) -> httpx.Limits:
    if settings.holds:
        return httpx.Limits(keepalive_expiry=None)  # No limits.
    return httpx.Limits(max_connections=max(100, settings.in_flight), max_keepalive_connections=20)


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(httpx, settings, _limits(settings))


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(httpx, settings, _limits(settings))
