"""wreq (Rust: BoringSSL, tokio): one client, no limits set (its default). Bodies are its memoryviews without copies.

HTTP/2 is what it offers first; for its cases `http2_only` is set. It takes one connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wreq
import wreq.blocking

from . import HTTP2, Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"http2_only": True} if settings.http2 else {}
    return options if settings.ca_file is None else options | {"tls_verify": Path(settings.ca_file)}


def _name(version: Any) -> str:
    return HTTP2 if version == wreq.Version.HTTP_2 else str(version)


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

    async def version(self, path: str) -> str:
        return _name((await self._client.get(self._base + path)).version)

    async def close(self) -> None:
        self._client.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = wreq.blocking.Client(**_options(settings))

    def get(self, path: str) -> Body:
        return self._client.get(self._base + path).bytes()

    def version(self, path: str) -> str:
        return _name(self._client.get(self._base + path).version)

    def close(self) -> None:
        self._client.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(settings)
