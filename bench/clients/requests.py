"""requests: one session, without the environment's proxies and netrc (`trust_env`), which it would read each time."""

from __future__ import annotations

import requests

from . import Body, Settings


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session = requests.Session()
        self._session.trust_env = False
        if settings.ca_file is not None:
            self._session.verify = settings.ca_file

    def get(self, path: str) -> Body:
        return self._session.get(self._base + path).content

    def close(self) -> None:
        self._session.close()


def open_sync(settings: Settings) -> Sync:
    """A blocking session."""
    return Sync(settings)
