"""niquests: one session, `pool_maxsize` for the case, HTTP/3 off, no environment, not multiplexed.

HTTP/2 is off but for its cases. There too it is not multiplexed, and takes a connection for each caller. It does so
too when it is and each caller gathers its own answer: `multiplexed` is for one caller with many requests.
"""

from __future__ import annotations

from typing import Any

import niquests

from . import HTTP2, Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    return {"pool_maxsize": settings.in_flight, "disable_http2": not settings.http2, "disable_http3": True}


def _prepare(session: Any, settings: Settings) -> None:
    session.trust_env = False
    if settings.ca_file is not None:
        session.verify = settings.ca_file


def _name(version: int | None) -> str:
    return HTTP2 if version == 20 else f"HTTP version {version}"


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session = niquests.AsyncSession(**_options(settings))
        _prepare(self._session, settings)

    async def get(self, path: str) -> Body:
        return (await self._session.get(self._base + path)).content or b""

    async def get_stream(self, path: str) -> Body:
        response = await self._session.get(self._base + path, stream=True)
        # A chunk size of -1: chunks as they come.
        body = b"".join([chunk async for chunk in await response.iter_content(-1)])
        await response.close()
        return body

    async def post_json(self, path: str, value: Any) -> Any:
        return (await self._session.post(self._base + path, json=value)).json()

    async def version(self, path: str) -> str:
        return _name((await self._session.get(self._base + path)).http_version)

    async def close(self) -> None:
        await self._session.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session = niquests.Session(**_options(settings))
        _prepare(self._session, settings)

    def get(self, path: str) -> Body:
        return self._session.get(self._base + path).content or b""

    def version(self, path: str) -> str:
        return _name(self._session.get(self._base + path).http_version)

    def close(self) -> None:
        self._session.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous session."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking session."""
    return Sync(settings)
