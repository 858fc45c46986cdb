"""Every allocation of a request fails in turn, in a process of its own: a program, run by `test_system_errors.py`.

    python -m tests.faults.short_of_memory URL SCENARIO

Prints, as JSON, how many calls ended how, and what was not as it has to be; see `torture`.
"""

from __future__ import annotations

import _testcapi
import json
import sys
from typing import Any

import httpfast

MOST_STEPS = 3_000
# Python keeps freed memory for the next object of a kind, so that a request does not need the same number twice.
STEPS_WITHOUT_FAILURE = 40


def torture(url: str, scenario: str) -> dict[str, Any]:
    """Let the first allocation of a request fail, then the second, and so on, until a request needs no more.

    Args:
        scenario: "get", "fields", "json", or "new" for a get on a new connection.
    """
    client = httpfast.Client(trust_env=False, verify=False, timeout=5)

    def call() -> httpfast.Response:
        if scenario == "json":
            return client.post(url.replace("/json", "/drain"), json={"a": 1})
        if scenario == "fields":
            return client.get(url, headers={"X-A": "b"}, params={"a": "b"})
        return client.get(url)

    outcomes: dict[str, int] = {}
    faults: list[str] = []
    for _ in range(5):
        call()
    successes = 0
    for step in range(MOST_STEPS):
        if scenario == "new":
            client._transport.close()
        name = "success"
        _testcapi.set_nomemory(step, step + 1)
        try:
            call()
        except BaseException as error:
            _testcapi.remove_mem_hooks()
            name = type(error).__name__
            if not isinstance(error, (MemoryError, httpfast.TransportError)):
                faults.append(f"step {step}: {error!r}")
        finally:
            _testcapi.remove_mem_hooks()
        outcomes[name] = outcomes.get(name, 0) + 1
        state = client._transport._pool.state  # type: ignore[attr-defined]
        if state.connections != state.idle or state.waiting:
            faults.append(f"step {step}: {state.connections} connections, {state.idle} of them idle")
            break
        if client.get(url).status_code != 200:
            faults.append(f"step {step}: the next request has failed")
        successes = successes + 1 if name == "success" else 0
        if successes == STEPS_WITHOUT_FAILURE:
            break
    client.close()
    return {"outcomes": outcomes, "faults": faults}


if __name__ == "__main__":
    print(json.dumps(torture(*sys.argv[1:])))
