"""Gufo HTTP (Rust: reqwest): one client. It has no streamed bodies and no JSON, and its pool has no limit.

It cannot be given a root to trust, so over TLS it does not verify the certificate: an advantage at the handshake only,
which is not part of a round.
"""

from __future__ import annotations

from gufo.http.async_client import HttpClient as AsyncHttpClient
from gufo.http.sync_client import HttpClient as SyncHttpClient

from . import Body, Settings


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = AsyncHttpClient(validate_cert=settings.ca_file is None)

    async def get(self, path: str) -> Body:
        return (await self._client.get(self._base + path)).content

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = SyncHttpClient(validate_cert=settings.ca_file is None)

    def get(self, path: str) -> Body:
        return self._client.get(self._base + path).content

    def close(self) -> None:
        self._client.__exit__(None, None, None)


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(settings)
