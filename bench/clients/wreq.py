"""wreq (Rust: BoringSSL, tokio): one client, no limits set (its default). Bodies are its memoryviews without copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wreq
import wreq.blocking

from . import Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    return {} if settings.ca_file is None else {"tls_verify": Path(settings.ca_file)}


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = wreq.Client(**_options(settings))

    async def get(self, path: str) -> Body:
        response = await self._client.get(self._base + path)
        return await response.bytes()

    async def get_stream(self, path: str) -> Body:
        response = await self._client.get(self._base + path)
        async with response.stream() as stream:
            # Of an answer without trailers every item is a memoryview.
            return b"".join([chunk async for chunk in stream])

    async def post_json(self, path: str, value: Any) -> Any:
        response = await self._client.post(self._base + path, json=value)
        return await response.json()

    async def close(self) -> None:
        self._client.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = wreq.blocking.Client(**_options(settings))

    def get(self, path: str) -> Body:
        return self._client.get(self._base + path).bytes()

    def close(self) -> None:
        self._client.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(settings)
