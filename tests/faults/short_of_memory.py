"""Every allocation of a request fails in turn, in a process of its own: a program, run by `test_short_of_memory.py`.

    python -m tests.faults.short_of_memory URL SCENARIO [STRIDE [FIRST]]

Of the first allocation, the second, and so on, every STRIDE-th is tried, from FIRST on. Prints, as JSON, how many calls
ended how, and what was not as it has to be: a request is to end in its own response, in a MemoryError or in an error of
httpfast's; the next one in its response; and no slot and no descriptor is to be missing after that. This is the
blocking client's half; `short_of_memory_loops` has that of event loops.

A URL has the routes /bytes/5000, /chunked/5000, /drain and /echo of the test servers, which send x-token back.
"""

from __future__ import annotations

import _testcapi
import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import httpfast

MOST_STEPS = 6_000
# Python keeps freed memory for the next object of a kind, so that a request does not need the same number twice.
STEPS_WITHOUT_FAILURE = 40
TIMEOUT = 5.0
"""Seconds of a client. The servers answer at once: whatever ends by it has hung."""

BODY = bytes(i % 251 for i in range(5_000))
PIECES = (BODY[:2_000], b"", BODY[2_000:])

Options = dict[str, Any]
Call = Callable[[httpfast.Client, str, dict[str, str]], bool]


def pieces() -> Iterator[bytes]:
    """A body whose length is not known before."""
    yield from PIECES


def get(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    return client.get(f"{url}/bytes/5000", headers=headers).content == BODY


def plain(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    """As a client does that repeats itself, by the shortest way."""
    return client.get(f"{url}/bytes/5000").content == BODY


def fields(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    response = client.get(f"{url}/bytes/5000", headers={"X-A": "b" * 300, **headers}, params={"a": headers["x-token"]})
    return response.content == BODY and response.headers["x-token"] == headers["x-token"]


def post_json(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    response = client.post(f"{url}/drain", json={"a": 1}, headers=headers)
    return response.text == "7" and response.headers["x-token"] == headers["x-token"]


def upload(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    response = client.post(f"{url}/drain", content=pieces(), headers=headers)
    return response.text == "5000" and response.headers["x-token"] == headers["x-token"]


def stream(client: httpfast.Client, url: str, headers: dict[str, str]) -> bool:
    with client.stream("GET", f"{url}/chunked/5000", headers=headers) as response:
        return b"".join(response.iter_raw()) == BODY


CALLS: dict[str, Call] = {
    "get": get,
    "plain": plain,
    "fields": fields,
    "json": post_json,
    "upload": upload,
    "stream": stream,
    # The same on a new connection each time, with name resolution, handshake and preface.
    "new": get,
}


def descriptors() -> int:
    """How many are open."""
    return len(os.listdir("/proc/self/fd"))


def bare(error: BaseException) -> BaseException:
    """Without what keeps alive what the frames were working on: its traceback, and the errors that it came of."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


class Account:
    """What has come of the calls.

    Attributes:
        outcomes: how many ended in success, or in which exception.
        faults: what must not be.
    """

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.faults: list[str] = []
        self.successes = 0

    def note(self, step: object, error: BaseException | None, is_right: bool, began: float) -> None:
        """A call with a failure in it has ended."""
        name = "success" if error is None else type(error).__name__
        self.outcomes[name] = self.outcomes.get(name, 0) + 1
        self.successes = self.successes + 1 if error is None else 0
        if error is None and not is_right:
            self.faults.append(f"step {step}: another response than its own")
        if isinstance(error, httpfast.TimeoutException) or monotonic() - began > TIMEOUT:
            self.faults.append(f"step {step}: it hung, {error!r}")
        if error is not None and not isinstance(error, (MemoryError, httpfast.TransportError)):
            self.faults.append(f"step {step}: {error!r}")

    def look(self, step: object, state: Any, before: int) -> None:
        """Whether slots and descriptors are where they were.

        Args:
            before: descriptors that there were at the beginning.
        """
        if state.connections != state.idle or state.waiting:
            self.faults.append(f"step {step}: {state.connections} connections, {state.idle} of them idle")
        if descriptors() - before > state.connections:
            # What an exception had hold of may be a cycle.
            gc.collect()
            if descriptors() - before > state.connections:
                self.faults.append(f"step {step}: a descriptor beside those of {state.connections} connections")

    @property
    def is_hopeless(self) -> bool:
        return len(self.faults) > 20


def token(step: int) -> dict[str, str]:
    """A field of the request's own. Each comes in some requests, so that HPACK's tables take it up, and then goes."""
    return {"x-token": f"token-{step // 3}"}


def torture(url: str, scenario: str, options: Options, stride: int = 1, first: int = 0) -> Account:
    """Let an allocation of a request fail, then a later one, and so on, until a request needs no more of them.

    Args:
        scenario: one of `CALLS`.
        options: of the client.
        stride, first: which of the allocations.
    """
    account = Account()
    call = CALLS[scenario]
    before = descriptors()
    client = httpfast.Client(trust_env=False, timeout=TIMEOUT, **options)
    for step in range(5):
        call(client, url, token(step))
    transport: Any = client._transport
    for step in range(first, MOST_STEPS, stride):
        if scenario == "new":
            transport.close()
        headers, error, is_right, began = token(step // stride), None, True, monotonic()
        _testcapi.set_nomemory(step, step + 1)
        try:
            is_right = call(client, url, headers)
        except BaseException as caught:
            _testcapi.remove_mem_hooks()
            error = bare(caught)
            del caught
        finally:
            _testcapi.remove_mem_hooks()
        account.note(step, error, is_right, began)
        account.look(step, transport._pool.state, before)
        check(account, step, client, url, headers)
        if account.is_hopeless or account.successes >= max(STEPS_WITHOUT_FAILURE // stride, 4):
            break
    client.close()
    gc.collect()
    if descriptors() != before:
        account.faults.append(f"in the end: {descriptors()} descriptors instead of {before}")
    return account


def check(account: Account, step: int, client: httpfast.Client, url: str, headers: dict[str, str]) -> None:
    """The next requests: its own response for each."""
    try:
        if not (fields(client, url, headers) and upload(client, url, headers)):
            account.faults.append(f"step {step}: the next request has got another response")
    except Exception as error:
        account.faults.append(f"step {step}: the next request has failed: {error!r}")


def watch() -> None:
    """End the process when it hangs, with the stacks of its threads."""
    import faulthandler

    faulthandler.dump_traceback_later(float(os.environ.get("SHORT_OF_MEMORY_LIMIT", "50")), exit=True)


def main(url: str, name: str, stride: str = "1", first: str = "0") -> None:
    """`name` is a scenario, with "h2-" before it for HTTP/2 and "loop-" before that for an event loop."""
    watch()
    options: Options = {"verify": False}
    rest = name.removeprefix("loop-")
    if rest.startswith("h2-"):
        options |= {"http2": True, "http1": url.startswith("https")}
    scenario = rest.removeprefix("h2-")
    if name.startswith("loop-"):
        from .short_of_memory_loops import torture_on_a_loop as chosen
    else:
        chosen = torture
    threads = threading.active_count()
    account = chosen(url, scenario, options, int(stride), int(first))
    if threading.active_count() != threads:
        account.faults.append(f"in the end: {threading.active_count()} threads instead of {threads}")
    print(json.dumps({"outcomes": account.outcomes, "faults": account.faults}))


if __name__ == "__main__":
    main(*sys.argv[1:])
