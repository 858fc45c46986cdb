"""The client that is bombed: reads a command a line, does what it says, and prints what that has cost.

`python -m tests.bombs.target DRIVER`, a driver being "sync" or the name of a loop. A command has `act` (a function
here), `url`, `warm` (the URL of a harmless response) and `http2`.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpfast

from ..drivers.facade import drive, loop_factory

TIMEOUT = 20.0
SHORT = 0.3
"""Seconds to wait for a body that does not come."""

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What sets the peak back to what there is now (proc(5))."""


def peak_bytes() -> int:
    """The most memory of this process that was in RAM since it was last reset."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def settle() -> None:
    """Give back what is free, so that the next row cannot hide in it."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text(RESET_PEAK)


class Either:
    """A client, blocking or not, by coroutines."""

    def __init__(self, is_async: bool, **options: Any) -> None:
        self.is_async = is_async
        self.client: Any = (httpfast.AsyncClient if is_async else httpfast.Client)(**options)

    async def get(self, url: str, **arguments: Any) -> httpfast.Response:
        made = self.client.get(url, **arguments)
        response: httpfast.Response = await made if self.is_async else made
        return response

    async def open(self, url: str) -> httpfast.Response:
        made = self.client.send(self.client.build_request("GET", url), stream=True)
        response: httpfast.Response = await made if self.is_async else made
        return response

    async def chunks(self, response: httpfast.Response, size: int, most: int | None) -> int:
        """Read that many pieces; returns the octets."""
        total = count = 0
        if self.is_async:
            pieces = response.aiter_bytes(size)
            async for piece in pieces:
                total, count = total + len(piece), count + 1
                if count == most:
                    break
            await pieces.aclose()  # type: ignore[attr-defined]
        else:
            for piece in response.iter_bytes(size):
                total, count = total + len(piece), count + 1
                if count == most:
                    break
        return total

    async def close_response(self, response: httpfast.Response) -> None:
        if self.is_async:
            await response.aclose()
        else:
            response.close()

    async def close(self) -> None:
        if self.is_async:
            await self.client.aclose()
        else:
            self.client.close()


async def get(either: Either, url: str) -> None:
    await either.get(url)


async def get_shortly(either: Either, url: str) -> None:
    await either.get(url, timeout=SHORT)


async def get_twice(either: Either, url: str) -> None:
    await either.get(url)
    await either.get(url)


async def ten_gets(either: Either, url: str) -> None:
    for _ in range(10):
        await either.get(url)


async def hundred_gets(either: Either, url: str) -> None:
    await failing_gets(either, url, 100)


async def gets(either: Either, url: str) -> None:
    await failing_gets(either, url, 300)


async def failing_gets(either: Either, url: str, count: int) -> None:
    """All of them fail; the last one tells how."""
    for number in range(count):
        try:
            await either.get(url)
        except httpfast.RemoteProtocolError:
            if number == count - 1:
                raise


async def redirect(either: Either, url: str) -> None:
    response = await either.get(url, follow_redirects=True)
    if response.text != "ok":
        raise AssertionError(response.text)


async def stream(either: Either, url: str) -> None:
    response = await either.open(url)
    await either.chunks(response, 1024, None)
    await either.close_response(response)


async def two_chunks(either: Either, url: str) -> None:
    response = await either.open(url)
    total = await either.chunks(response, 1024, 2)
    await either.close_response(response)
    if total != 2048:
        raise AssertionError(total)


async def unread(either: Either, url: str) -> None:
    """Open a response and leave it there, then see what has become of it."""
    response = await either.open(url)
    # What comes meanwhile is what is measured.
    if either.is_async:
        await asyncio.sleep(SHORT)
        await either.chunks(response, 1024, None)
    else:
        time.sleep(SHORT)
        response.close()


async def digest(either: Either, url: str) -> None:
    await either.get(url, auth=httpfast.DigestAuth("user", "password"))


async def tunnel(either: Either, url: str) -> None:
    """The peer is a proxy."""
    through = Either(either.is_async, proxy=url, timeout=TIMEOUT, trust_env=False)
    try:
        await through.get("https://origin.example/")
    finally:
        await through.close()


def _url(template: str) -> Callable[[Either, str], Awaitable[None]]:
    async def parse(either: Either, url: str) -> None:
        await either.get(template.replace("*", "a" * 1_000_000))

    return parse


ACTS: dict[str, Callable[[Either, str], Awaitable[None]]] = {
    "get": get,
    "get_shortly": get_shortly,
    "get_twice": get_twice,
    "ten_gets": ten_gets,
    "hundred_gets": hundred_gets,
    "gets": gets,
    "redirect": redirect,
    "stream": stream,
    "two_chunks": two_chunks,
    "unread": unread,
    "digest": digest,
    "tunnel": tunnel,
    "url_path": _url("http://host.example/*"),
    "url_host": _url("http://*/"),
    "url_idn": _url("http://\N{LATIN SMALL LETTER U WITH DIAERESIS}*.example/"),
    "url_userinfo": _url("http://*:*@host.example/"),
    "url_ipv6": _url("http://[::*]/"),
}


async def measure(is_async: bool, command: dict[str, Any]) -> dict[str, Any]:
    """Do what the command says. Returns octets on top, seconds of CPU time, and how it ended."""
    options = {"http1": not command["http2"], "http2": command["http2"]}
    either = Either(is_async, timeout=TIMEOUT, trust_env=False, **options)
    with suppress(httpfast.HTTPError):
        await either.get(command["warm"])
    settle()
    before, started = peak_bytes(), time.process_time()
    try:
        await ACTS[command["act"]](either, command["url"])
        ended = "ok"
    except (httpfast.HTTPError, httpfast.InvalidURL) as error:
        ended = type(error).__name__
    spent, after = time.process_time() - started, peak_bytes()
    await either.close()
    return {"extra": after - before, "cpu": spent, "ended": ended}


def main(driver: str) -> None:
    """Measure until stdin ends."""
    is_async = driver != "sync"
    runner = asyncio.Runner(loop_factory=loop_factory(driver)) if is_async else None
    print("ready", flush=True)
    for line in sys.stdin:
        coroutine = measure(is_async, json.loads(line))
        print(json.dumps(drive(coroutine) if runner is None else runner.run(coroutine)), flush=True)
    if runner is not None:
        runner.close()


if __name__ == "__main__":
    main(sys.argv[1])
