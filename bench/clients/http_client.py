"""http.client of the standard library: one connection, which it keeps open."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from . import Body, Settings


class Sync:
    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.base_url)
        host, port = str(url.hostname), url.port
        if settings.ca_file is None:
            self._connection = http.client.HTTPConnection(host, port)
        else:
            context = ssl.create_default_context(cafile=settings.ca_file)
            self._connection = http.client.HTTPSConnection(host, port, context=context)

    def get(self, path: str) -> Body:
        self._connection.request("GET", path)
        return self._connection.getresponse().read()

    def close(self) -> None:
        self._connection.close()


def open_sync(settings: Settings) -> Sync:
    """A blocking connection."""
    return Sync(settings)
