"""The same as `stepper`, under trio: a scope is cancelled at the k-th suspension of a coroutine within it.

Cancellation in trio is level-triggered: until the scope is left, every checkpoint raises. So a coroutine that came to
its end without another checkpoint has lost nothing.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

import trio

from .stepper import LATE, TURNS, TWICE


class Stepped:
    """Awaits a coroutine and cancels `inner` at the `step`-th suspension (1, 2, ...)."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        step: int,
        mode: str,
        inner: trio.CancelScope,
        outer: trio.CancelScope,
    ) -> None:
        self.coroutine = coroutine
        self.step = step
        self.mode = mode
        self.inner = inner
        self.outer = outer
        self.was_reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        suspensions = 0
        value: Any = None
        failure: BaseException | None = None
        while True:
            try:
                trap = self.coroutine.send(value) if failure is None else self.coroutine.throw(failure)
            except StopIteration as stop:
                return stop.value
            value = failure = None
            suspensions += 1
            if suspensions == self.step:
                self.was_reached = True
                if self.mode != LATE:
                    # The runner looks for a cancellation after it has noted how to abort this wait.
                    self.inner.cancel()
            elif self.mode == TWICE and suspensions == self.step + 1:
                self.outer.cancel()
            try:
                value = yield trap
            except BaseException as error:
                failure = error
            if self.mode == LATE and suspensions == self.step:
                # What it waited for is there; the next checkpoint raises.
                self.inner.cancel()


async def cancelled_at(coroutine: Coroutine[Any, Any, Any], step: int, mode: str) -> bool:
    """Run a coroutine in a scope and cancel that. False when it came to its end first.

    Raises whatever the coroutine raises but the cancellation.
    """
    if mode == TURNS:
        return await cancelled_after_turns(coroutine, step)
    with trio.CancelScope() as outer, trio.CancelScope() as inner:
        stepped = Stepped(coroutine, step, mode, inner, outer)
        await stepped
    return stepped.was_reached


async def cancelled_after_turns(coroutine: Coroutine[Any, Any, Any], turns: int) -> bool:
    """As `cancelled_at`, after so many turns of the loop, whatever the coroutine does by then."""

    async def cancel() -> None:
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    with trio.CancelScope() as scope:
        # Beside the scope, not within: what ends it is not to be ended by it.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel)
            await coroutine
            nursery.cancel_scope.cancel()
    return scope.cancelled_caught
