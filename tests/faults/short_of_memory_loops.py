"""Every allocation of a request fails in turn, on an event loop: the other half of `short_of_memory`.

An event loop does not live through a failure of its own: it loses what it wanted to call next. So memory is short only
while httpfast's code runs, which is a window: from a resumption of the request's coroutine to its next suspension, or a
callback of its connection's. In window after window the first allocation fails, then the second, and so on.

What httpfast calls of the loop is inside, and there a future may be done whose waiter is not told: that the loop could
not store the call. So whoever awaits here looks at the future itself, once a turn.
"""

from __future__ import annotations

import _testcapi
import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from time import monotonic
from typing import Any

import httpfast
from httpfast._transports.push import Connection
from httpfast._transports.push_h2 import SharedConnection

from .short_of_memory import BODY, PIECES, TIMEOUT, Account, Options, bare, descriptors, token

# As in `short_of_memory`, for one window.
STEPS_WITHOUT_FAILURE = 6
MOST_WINDOWS = 60
MOST_STEPS = 2_000
TURNS = 10_000

CALLBACKS = ("get_buffer", "buffer_updated", "eof_received", "connection_lost", "flush")


class Windows:
    """Counts windows, and lets memory be short in one of them.

    Attributes:
        count: windows since `arm`.
        was_short: the window has come.
    """

    def __init__(self) -> None:
        self.count = 0
        self.was_short = False
        self._chosen = 0
        self._step = 0
        self._depth = 0

    def arm(self, chosen: int, step: int) -> None:
        """From now on: the `step`-th allocation (0, 1, ...) of the window with this number (1, 2, ...) fails."""
        self.count, self.was_short, self._chosen, self._step = 0, False, chosen, step

    def disarm(self) -> None:
        self._chosen = 0

    def enter(self) -> None:
        self._depth += 1
        if self._depth == 1 and self._chosen:
            self.count += 1
            if self.count == self._chosen:
                self.was_short = True
                _testcapi.set_nomemory(self._step, self._step + 1)

    def leave(self) -> None:
        _testcapi.remove_mem_hooks()
        self._depth -= 1


WINDOWS = Windows()


def windowed(original: Callable[..., Any]) -> Callable[..., Any]:
    """A callback of a connection's, which has one argument or none."""

    def without(self: Any) -> Any:
        WINDOWS.enter()
        try:
            return original(self)
        finally:
            WINDOWS.leave()

    def with_argument(self: Any, argument: Any) -> Any:
        WINDOWS.enter()
        try:
            return original(self, argument)
        finally:
            WINDOWS.leave()

    return without if original.__name__ in ("eof_received", "flush") else with_argument


class Windowed:
    """Awaits a coroutine, each of whose steps is a window."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, None, Any]:
        send, throw = self.coroutine.send, self.coroutine.throw
        failure: BaseException | None = None
        while True:
            WINDOWS.enter()
            try:
                future = send(None) if failure is None else throw(failure)
            except StopIteration as stop:
                return stop.value
            finally:
                WINDOWS.leave()
            failure = None
            if future is not None:
                future._asyncio_future_blocking = False
            try:
                yield
                while future is not None and not future.done():
                    yield
            except BaseException as error:
                failure = error


async def pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


async def get(client: httpfast.AsyncClient, url: str, headers: dict[str, str]) -> bool:
    return (await client.get(f"{url}/bytes/5000", headers=headers)).content == BODY


async def fields(client: httpfast.AsyncClient, url: str, headers: dict[str, str]) -> bool:
    response = await client.get(f"{url}/bytes/5000", headers={"X-A": "b" * 300, **headers})
    return response.content == BODY and response.headers["x-token"] == headers["x-token"]


async def upload(client: httpfast.AsyncClient, url: str, headers: dict[str, str]) -> bool:
    response = await client.post(f"{url}/drain", content=pieces(), headers=headers)
    return response.text == "5000" and response.headers["x-token"] == headers["x-token"]


async def stream(client: httpfast.AsyncClient, url: str, headers: dict[str, str]) -> bool:
    async with client.stream("GET", f"{url}/chunked/5000", headers=headers) as response:
        return b"".join([piece async for piece in response.aiter_raw()]) == BODY


CALLS = {"get": get, "fields": fields, "upload": upload, "stream": stream}


def torture_on_a_loop(url: str, scenario: str, options: Options, stride: int = 1, first: int = 0) -> Account:
    """As `short_of_memory.torture`, on asyncio's own loop; `scenario` is one of `CALLS`."""
    for owner in (Connection, SharedConnection):
        for name in CALLBACKS:
            if hasattr(owner, name):
                setattr(owner, name, windowed(getattr(owner, name)))
    with asyncio.Runner() as runner:
        return runner.run(_torture(url, scenario, options, stride, first))


async def _torture(url: str, scenario: str, options: Options, stride: int, first: int) -> Account:
    account = Account()
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context.get("exception")))
    call = CALLS[scenario]
    before = descriptors()
    client = httpfast.AsyncClient(trust_env=False, timeout=TIMEOUT, **options)
    for step in range(5):
        await call(client, url, token(step))
    transport: Any = client._transport
    turn = 0
    for chosen in range(1, MOST_WINDOWS):
        account.successes = 0
        for step in range(first, MOST_STEPS, stride):
            turn += 1
            headers, error, is_right, began = token(turn), None, True, monotonic()
            coroutine = call(client, url, headers)
            WINDOWS.arm(chosen, step)
            try:
                is_right = await Windowed(coroutine)
            except BaseException as caught:
                error = bare(caught)
                del caught
            coroutine.close()
            WINDOWS.disarm()
            account.note((chosen, step), error, is_right, began)
            await _rest(transport)
            account.look((chosen, step), transport._pool.state, before)
            await _check(account, (chosen, step), client, url, headers)
            if account.is_hopeless or not WINDOWS.was_short or account.successes >= STEPS_WITHOUT_FAILURE:
                break
        if account.is_hopeless or (not WINDOWS.was_short and account.successes):
            break
    await client.aclose()
    gc.collect()
    if descriptors() != before:
        account.faults.append(f"in the end: {descriptors()} descriptors instead of {before}")
    account.faults += [f"told to the loop: {error!r}" for error in complaints if not isinstance(error, MemoryError)]
    return account


async def _rest(transport: Any) -> None:
    """What was given up closes within some turns of the loop."""
    for _ in range(TURNS):
        state = transport._pool.state
        if state.connections == state.idle and len(transport._pool._open) == state.connections:
            return
        await asyncio.sleep(0)


async def _check(
    account: Account, step: object, client: httpfast.AsyncClient, url: str, headers: dict[str, str]
) -> None:
    try:
        if not (await fields(client, url, headers) and await upload(client, url, headers)):
            account.faults.append(f"step {step}: the next request has got another response")
    except Exception as error:
        account.faults.append(f"step {step}: the next request has failed: {error!r}")
