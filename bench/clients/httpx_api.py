"""What the adapters of httpfast, httpx and httpx2 share: one API. Not a client in the table."""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any

from . import TIMEOUT, Body, Settings


def _options(settings: Settings, limits: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"limits": limits, "timeout": TIMEOUT}
    if settings.http2:
        options["http2"] = True
    if settings.ca_file is not None:
        options["verify"] = ssl.create_default_context(cafile=settings.ca_file)
    return options


class Async:
    """A package's `AsyncClient` with these limits."""

    def __init__(self, package: ModuleType, settings: Settings, limits: Any) -> None:
        self._base = settings.base_url
        self._client = package.AsyncClient(**_options(settings, limits))

    async def get(self, path: str) -> Body:
        content: bytes = (await self._client.get(self._base + path)).content
        return content

    async def get_stream(self, path: str) -> Body:
        async with self._client.stream("GET", self._base + path) as response:
            return b"".join([chunk async for chunk in response.aiter_bytes()])

    async def post_json(self, path: str, value: Any) -> Any:
        return (await self._client.post(self._base + path, json=value)).json()

    async def version(self, path: str) -> str:
        return str((await self._client.get(self._base + path)).http_version)

    async def close(self) -> None:
        await self._client.aclose()


class Sync:
    """A package's `Client` with these limits."""

    def __init__(self, package: ModuleType, settings: Settings, limits: Any) -> None:
        self._base = settings.base_url
        self._client = package.Client(**_options(settings, limits))

    def get(self, path: str) -> Body:
        content: bytes = self._client.get(self._base + path).content
        return content

    def version(self, path: str) -> str:
        return str(self._client.get(self._base + path).http_version)

    def close(self) -> None:
        self._client.close()
