"""Does this interpreter live through allocations that fail, without httpfast? `test_short_of_memory.py` runs this.

CPython 3.12.1 and 3.13.0 do not: they crash in `json.dumps`, say, and `async for` ends in a SystemError. CPython 3.11.7
does.
"""

from __future__ import annotations

import _testcapi
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

ROUNDS = 20
STEPS = 400


async def pieces() -> AsyncIterator[int]:
    for number in range(3):
        yield number


async def joined() -> list[int]:
    return [piece async for piece in pieces()]


def iterate() -> None:
    with suppress(StopIteration):
        joined().send(None)


def torture(function: Callable[[], object]) -> None:
    """Let each allocation of a piece of Python fail in turn, some times over."""
    for _ in range(ROUNDS):
        for step in range(STEPS):
            _testcapi.set_nomemory(step, step + 1)
            try:
                function()
            except MemoryError:
                _testcapi.remove_mem_hooks()
            finally:
                _testcapi.remove_mem_hooks()


if __name__ == "__main__":
    torture(iterate)
    torture(lambda: json.dumps({"a": 1}))
