"""What the asynchronous side asks of the event loop; nothing else in this package knows which one it is.

asyncio, with uvloop, and trio. On trio the tasks are system tasks with a cancel scope of their own, not children of a
nursery: what starts them is not always what ends them, and nurseries have to be left in the order they were entered.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Protocol

from .._transports.asgi import _in_trio as in_trio

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["Background", "Event", "Signal", "in_trio", "new_event", "new_lock", "within"]


class Event(Protocol):
    """What `asyncio.Event` and `trio.Event` have in common."""

    def set(self) -> None:
        """Let it happen."""

    def is_set(self) -> bool:  # pyright: ignore[reportReturnType]
        """Whether it has happened."""

    async def wait(self) -> Any:
        """Wait for it."""


def _trio() -> Any:
    return sys.modules["trio"]


def new_event() -> Event:
    """An event for the running loop."""
    event: Event = _trio().Event() if in_trio() else asyncio.Event()
    return event


def new_lock() -> Any:
    """A lock for the running loop, for use in `async with`; who waits longest gets it first."""
    return _trio().Lock() if in_trio() else asyncio.Lock()


class Signal:
    """Wakes those who wait, as often as it is notified. Who is woken looks again at what it waits for."""

    def __init__(self) -> None:
        self._event: Event | None = None

    def notify(self) -> None:
        """Wake all who wait now."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the next `notify`, for `timeout` seconds at most."""
        if self._event is None:
            self._event = new_event()
        await within(timeout, self._event.wait())


async def within(timeout: float | None, work: Coroutine[Any, Any, Any], *, shielded: bool = False) -> bool:
    """Do something, or give it up.

    Args:
        timeout: seconds; None for no limit.
        shielded: do it even in a task that has been cancelled. (On asyncio cancellation comes once, and is past then.)

    Returns: whether it was done in time. Raises what it raises.
    """
    if timeout is None:
        await work
        return True
    if in_trio():
        trio = _trio()
        with trio.move_on_after(timeout, shield=shielded) as scope:
            await work
        return not scope.cancelled_caught
    try:
        async with asyncio.timeout(timeout):
            await work
    except TimeoutError:
        return False
    return True


class Background:
    """Tasks that live as long as what they work for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        # On trio: what cancels a task, and what happens when it ends.
        self._scopes: list[tuple[Any, Any]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task. It must not raise."""
        if not in_trio():
            self._tasks.add(asyncio.get_running_loop().create_task(work))
            return
        from contextvars import copy_context

        trio = _trio()
        scope, ended = trio.CancelScope(), trio.Event()
        self._scopes.append((scope, ended))

        async def run() -> None:
            try:
                with scope:
                    await work
            finally:
                ended.set()

        trio.lowlevel.spawn_system_task(run, name="httpfast.websockets", context=copy_context())

    async def close(self, grace: float = 0.0) -> None:
        """Give the tasks `grace` seconds to end, then cancel them; return when they have ended."""
        if self._scopes:
            await self._close_on_trio(grace)
        tasks: set[asyncio.Task[None]] = self._tasks - {asyncio.current_task()} if self._tasks else set()
        try:
            if tasks and grace:
                await asyncio.wait(tasks, timeout=grace)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            self._tasks.clear()

    async def _close_on_trio(self, grace: float) -> None:
        trio = _trio()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(grace):
                for _, ended in self._scopes:
                    await ended.wait()
            for scope, _ in self._scopes:
                scope.cancel()
            for _, ended in self._scopes:
                await ended.wait()
        self._scopes.clear()
