"""Cancelling a coroutine at its k-th suspension, and looking whether everything is as before.

[POOL-02, POOL-03] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

EARLY = "early"
"""As soon as the task suspends."""

LATE = "late"
"""When what it waits for is there, in the same turn of the loop, before the task runs on."""

TWICE = "twice"
"""As soon as it suspends, and again at the first suspension of what cleans up."""

TURNS = "turns"
"""After a number of turns of the loop, whatever the tasks of a dial do by then."""

MODES = (EARLY, LATE, TWICE, TURNS)


class Stepped:
    """Awaits a coroutine and cancels its task at the `step`-th suspension (1, 2, ...)."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], step: int, mode: str) -> None:
        self.coroutine = coroutine
        self.step = step
        self.mode = mode
        self.was_reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        suspensions = 0
        failure: BaseException | None = None
        while True:
            try:
                future = self.coroutine.send(None) if failure is None else self.coroutine.throw(failure)
            except StopIteration as stop:
                return stop.value
            failure = None
            suspensions += 1
            if suspensions == self.step:
                self.was_reached = True
                if self.mode == LATE and future is not None:
                    # Called before the task's own callback, which is added when this has yielded.
                    future.add_done_callback(lambda _: task.cancel())
                    future._asyncio_future_blocking = True
                else:
                    task.cancel()
            elif self.mode == TWICE and suspensions == self.step + 1:
                task.cancel()
            try:
                yield future
            except BaseException as error:
                failure = error


async def cancelled_at(coroutine: Coroutine[Any, Any, Any], step: int, mode: str) -> bool:
    """Run a coroutine in a task and cancel it. False when it came to its end first.

    Raises whatever the coroutine raises but the cancellation; AssertionError when it swallows that.
    """
    if mode == TURNS:
        return await cancelled_after_turns(coroutine, step)
    stepped = Stepped(coroutine, step, mode)

    async def run() -> Any:
        return await stepped

    task = asyncio.get_running_loop().create_task(run())
    await asyncio.wait([task])
    if stepped.was_reached:
        assert task.cancelled(), f"the cancellation was lost: {task!r}"
        return True
    task.result()
    return False


async def cancelled_after_turns(coroutine: Coroutine[Any, Any, Any], turns: int) -> bool:
    """As `cancelled_at`, after so many turns of the loop, whatever the coroutine does by then."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    if task.done():
        task.result()
        return False
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), f"the cancellation was lost: {task!r}"
    return True
