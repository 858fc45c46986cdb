"""curl_cffi (curl-impersonate): one session, `max_clients` for the case, no impersonation, `discard_cookies`.

For HTTP/2: `PIPEWAIT`, so that requests wait for the first connection and share it. A blocking session has a handle for
each thread, and so a connection for each.
"""

from __future__ import annotations

from typing import Any

from curl_cffi import AsyncSession, CurlHttpVersion, CurlOpt, Session

from . import HTTP2, Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"discard_cookies": True}
    if settings.http2:
        options |= {"http_version": "v2tls", "curl_options": {CurlOpt.PIPEWAIT: 1}}
    return options if settings.ca_file is None else options | {"verify": settings.ca_file}


def _name(version: int) -> str:
    return HTTP2 if version == CurlHttpVersion.V2_0 else f"curl's HTTP version {version}"


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session: AsyncSession[Any] = AsyncSession(max_clients=settings.in_flight, **_options(settings))

    async def get(self, path: str) -> Body:
        body: bytes = (await self._session.get(self._base + path)).content
        return body

    async def get_stream(self, path: str) -> Body:
        async with self._session.stream("GET", self._base + path) as response:
            return b"".join([chunk async for chunk in response.aiter_content()])

    async def post_json(self, path: str, value: Any) -> Any:
        return (await self._session.post(self._base + path, json=value)).json()

    async def version(self, path: str) -> str:
        return _name((await self._session.get(self._base + path)).http_version)

    async def close(self) -> None:
        await self._session.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session: Session[Any] = Session(**_options(settings))

    def get(self, path: str) -> Body:
        body: bytes = self._session.get(self._base + path).content
        return body

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
