"""httpfast: one client, limits for the case, idle connections kept for as long as the server does."""

from __future__ import annotations

import ssl
from typing import Any

import httpfast

from . import TIMEOUT, Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "limits": httpfast.Limits(
            max_connections=settings.in_flight, max_keepalive_connections=settings.in_flight, keepalive_expiry=None
        ),
        "timeout": TIMEOUT,
    }
    if settings.ca_file is not None:
        options["verify"] = ssl.create_default_context(cafile=settings.ca_file)
    return options


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = httpfast.AsyncClient(**_options(settings))

    async def get(self, path: str) -> Body:
        return (await self._client.get(self._base + path)).content

    async def get_stream(self, path: str) -> Body:
        async with self._client.stream("GET", self._base + path) as response:
            return b"".join([chunk async for chunk in response.aiter_bytes()])

    async def post_json(self, path: str, value: Any) -> Any:
        return (await self._client.post(self._base + path, json=value)).json()

    async def close(self) -> None:
        await self._client.aclose()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = httpfast.Client(**_options(settings))

    def get(self, path: str) -> Body:
        return self._client.get(self._base + path).content

    def close(self) -> None:
        self._client.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(settings)
