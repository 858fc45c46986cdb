"""httpfast: one client, limits for the case, idle connections kept for as long as the server does.

HTTP/2 takes one connection of them.
"""

from __future__ import annotations

import httpfast

from . import Settings
from .httpx_api import Async, Sync


def _limits(settings: Settings) -> httpfast.Limits:
    wanted = settings.in_flight
    return httpfast.Limits(max_connections=wanted, max_keepalive_connections=wanted, keepalive_expiry=None)


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(httpfast, settings, _limits(settings))


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(httpfast, settings, _limits(settings))
