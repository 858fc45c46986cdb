"""Does this interpreter live through allocations that fail, without httpfast? `test_short_of_memory.py` runs this.

CPython 3.12.1 and 3.13.0 do not: they crash in `json.dumps`, say. CPython 3.11.7 does.
"""

from __future__ import annotations

import _testcapi
import json

ROUNDS = 20
STEPS = 400


def torture() -> None:
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
    torture()
