"""One face for the blocking session and the asynchronous one, as `tests.drivers.facade` has it for clients."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ..drivers.facade import Caller, settle


class Session:
    """A session whose methods are all coroutines."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **keywords: Any) -> Any:
            return await settle(getattr(self.session, name)(*arguments, **keywords))

        return call

    @property
    def subprotocol(self) -> str | None:
        value: str | None = self.session.subprotocol
        return value

    @property
    def is_full(self) -> bool:
        full: bool = self.session._conversation.is_full
        return full

    @property
    def has_ended(self) -> bool:
        return self.session._conversation.ended is not None


@asynccontextmanager
async def opened(client: Caller, url: str, **arguments: Any) -> AsyncIterator[Session]:
    """A session of `client.websocket(...)`; `http` in the URL becomes `ws`."""
    url = "ws" + url.removeprefix("http") if url.startswith("http") else url
    if client.driver.is_async:
        async with client.client.websocket(url, **arguments) as session:
            yield Session(session)
    else:
        with client.client.websocket(url, **arguments) as session:
            yield Session(session)


async def happened(event: Any, timeout: float = 5.0) -> bool:
    """Wait for what `ping` returns."""
    if isinstance(event, threading.Event):
        return event.wait(timeout)
    await event.wait()
    return True


async def until(client: Caller, condition: Callable[[], bool]) -> None:
    """Wait until the session's own threads or tasks have come so far."""
    pause = threading.Event()
    for _ in range(5000):
        if condition():
            return
        await client.driver.blocking(pause.wait, 0.001)
    raise AssertionError("it did not come so far")
