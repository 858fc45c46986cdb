"""aiohttp: one session with its C parser, `limit=0` (no limit), and `DummyCookieJar`, its way to have no cookies.

Idle connections are kept for longer than its default of 15 seconds, since a round of all clients may take that long.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp

from . import Body, Settings

KEEPALIVE = 3600.0


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        context = True if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=KEEPALIVE)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def get(self, path: str) -> Body:
        async with self._session.get(self._base + path) as response:
            return await response.read()

    async def get_stream(self, path: str) -> Body:
        async with self._session.get(self._base + path) as response:
            return b"".join([chunk async for chunk in response.content.iter_any()])

    async def post_json(self, path: str, value: Any) -> Any:
        async with self._session.post(self._base + path, json=value) as response:
            return await response.json()

    async def close(self) -> None:
        await self._session.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous client; it needs a running loop."""
    return Async(settings)
