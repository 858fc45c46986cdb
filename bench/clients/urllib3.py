"""urllib3: one PoolManager."""

from __future__ import annotations

import urllib3

from . import Body, Settings


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._pool = urllib3.PoolManager(ca_certs=settings.ca_file)

    def get(self, path: str) -> Body:
        return self._pool.request("GET", self._base + path).data

    def close(self) -> None:
        self._pool.clear()


def open_sync(settings: Settings) -> Sync:
    """A blocking pool."""
    return Sync(settings)
