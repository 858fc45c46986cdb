"""Does this interpreter live through allocations that fail, without httpfast? `test_short_of_memory.py` runs this.

    python interpreter_short_of_memory.py json | async-for

CPython 3.11.7 does. CPython 3.12.1 and 3.13.0 do not: they crash in `json.dumps`, and `async for` over an object with
`__anext__` ends in a SystemError.
"""

from __future__ import annotations

import _testcapi
import json
import sys
from collections.abc import Generator
from contextlib import suppress
from typing import Self

ROUNDS = 20
STEPS = 400


class Pause:
    """Suspends whoever awaits it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Pieces:
    """Three, with a pause before each and before the end."""

    def __init__(self) -> None:
        self._left = 3

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        await Pause()
        self._left -= 1
        if self._left < 0:
            raise StopAsyncIteration
        return b"piece"


async def joined() -> bytes:
    return b"".join([piece async for piece in Pieces()])


def iterate() -> None:
    """Let each allocation between two pauses fail in turn."""
    for window in range(1, 6):
        for step in range(STEPS):
            coroutine = joined()
            with suppress(StopIteration, MemoryError):
                for turn in range(1, 6):
                    if turn == window:
                        _testcapi.set_nomemory(step, step + 1)
                    try:
                        coroutine.send(None)
                    finally:
                        _testcapi.remove_mem_hooks()
            coroutine.close()


def dump() -> None:
    """Let each allocation of a piece of the standard library fail in turn, some times over."""
    for _ in range(ROUNDS):
        for step in range(STEPS):
            _testcapi.set_nomemory(step, step + 1)
            try:
                json.dumps({"a": 1})
            except MemoryError:
                _testcapi.remove_mem_hooks()
            finally:
                _testcapi.remove_mem_hooks()


if __name__ == "__main__":
    {"json": dump, "async-for": iterate}[sys.argv[1]]()
