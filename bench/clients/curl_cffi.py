"""curl_cffi (curl-impersonate): one session, `max_clients` for the case, no impersonation, `discard_cookies`."""

from __future__ import annotations

from typing import Any

from curl_cffi import AsyncSession, Session

from . import Body, Settings


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"discard_cookies": True}
    return options if settings.ca_file is None else options | {"verify": settings.ca_file}


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

    async def close(self) -> None:
        await self._session.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._session: Session[Any] = Session(**_options(settings))

    def get(self, path: str) -> Body:
        body: bytes = self._session.get(self._base + path).content
        return body

    def close(self) -> None:
        self._session.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous session."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking session."""
    return Sync(settings)
