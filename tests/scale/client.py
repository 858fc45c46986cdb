"""One case, in a process of its own: `python -m tests.scale.client JSON`, which prints what it has found as JSON.

All requests at once, then nothing for a moment, then all at once again.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections import Counter
from typing import Any

import httpfast
from bench.memory import SPARE_DESCRIPTORS, own_bytes, raise_descriptor_limit
from tests.drivers.facade import loop_factory
from tests.soak.meters import descriptors, resident_bytes

TIMEOUT = 900.0
"""Seconds for a request among thousands: the first one waits at the gate until the last one has its connection."""

SETTLE = 0.5
"""Seconds for a client to put its connections away."""

STACK = 256 * 1024
"""Octets for a thread."""


class Case:
    """A case.

    Args:
        command: `protocol` ("h1", "h1-tls", "h2", "h2-tls"), `driver` ("sync" or a loop), `requests` at once, on
            `connections` connections, `url`, `facts` (a URL), `ca_file`.
    """

    def __init__(self, command: dict[str, Any]) -> None:
        self.requests: int = command["requests"]
        self.connections: int = command["connections"]
        self.driver: str = command["driver"]
        self._url: str = command["url"]
        self._facts: str = command["facts"]
        is_h2 = command["protocol"].startswith("h2")
        self._options: dict[str, Any] = {
            "http1": not is_h2,
            "http2": is_h2,
            "limits": httpfast.Limits(max_connections=self.connections, keepalive_expiry=None),
            "timeout": TIMEOUT,
            "trust_env": False,
        }
        if command["protocol"].endswith("tls"):
            import ssl

            self._options["verify"] = ssl.create_default_context(cafile=command["ca_file"])
        # What keeps requests from sharing connections of HTTP/2: a name for SNI is a part of what they are found by.
        self._is_apart = is_h2 and self.connections == self.requests
        self.errors: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Do it. Returns what has come of it."""
        if self.driver != "sync":
            # What a loop's library opens once in a process's life is no leak.
            loop_factory(self.driver)().close()
        open_before = descriptors()
        raise_descriptor_limit(self.connections + SPARE_DESCRIPTORS)
        if self.driver == "sync":
            found = self._blocking()
        else:
            with asyncio.Runner(loop_factory=loop_factory(self.driver)) as runner:
                found = runner.run(self._asynchronous())
        return {**found, "errors": dict(self.errors), "leaked": descriptors() - open_before}

    def _target(self, token: str) -> str:
        return f"/gate/{self.requests}?{token}"

    def _extensions(self, number: int) -> dict[str, Any]:
        return {"sni_hostname": f"name-{number}"} if self._is_apart else {}

    def _note(self, token: str, response: httpfast.Response) -> None:
        if response.status_code != 200 or response.text != self._target(token):
            self.errors[f"{response.status_code}: not the answer to its request"] += 1

    async def _asynchronous(self) -> dict[str, Any]:
        async def get(token: str, number: int) -> None:
            url, extensions = self._url + self._target(token), self._extensions(number)
            try:
                self._note(token, await client.get(url, extensions=extensions))
            except httpfast.HTTPError as error:
                self.errors[repr(error)] += 1

        async def burst(name: str) -> float:
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number in range(self.requests):
                    group.create_task(get(f"{name}-{number}", number))
            return time.monotonic() - started

        async with httpfast.AsyncClient(**self._options) as client:
            # One connection, and all that is loaded with the first.
            await client.get(f"{self._url}/gate/1?first", extensions=self._extensions(0))
            meter = Meter(self._facts)
            first = await burst("first")
            await asyncio.sleep(SETTLE)  # That nothing happens is what is measured.
            meter.idle()
            second = await burst("second")
            return meter.end(first, second)

    def _blocking(self) -> dict[str, Any]:
        threading.stack_size(STACK)

        def get(token: str) -> None:
            try:
                self._note(token, client.get(self._url + self._target(token)))
            except httpfast.HTTPError as error:
                self.errors[repr(error)] += 1

        def burst(name: str) -> float:
            started = time.monotonic()
            threads = [threading.Thread(target=get, args=(f"{name}-{number}",)) for number in range(self.requests)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return time.monotonic() - started

        with httpfast.Client(**self._options) as client:
            client.get(f"{self._url}/gate/1?first")
            meter = Meter(self._facts)
            first = burst("first")
            time.sleep(SETTLE)  # As above.
            meter.idle()
            second = burst("second")
            return meter.end(first, second)


class Meter:
    """Memory before and while all is idle, and what the server has seen."""

    def __init__(self, facts: str) -> None:
        self._facts = facts
        self._seen()
        self._before = (own_bytes(), resident_bytes())

    def _seen(self) -> dict[str, int]:
        seen: dict[str, int] = httpfast.get(self._facts, timeout=TIMEOUT, trust_env=False).json()
        return seen

    def idle(self) -> None:
        """All connections are idle now."""
        self._after = (own_bytes(), resident_bytes())
        self._first = self._seen()

    def end(self, first: float, second: float) -> dict[str, Any]:
        """All requests were made twice, in so many seconds."""
        last = self._seen()
        opened = max(1, self._first["open"] - 1)  # One was there before.
        return {
            "seconds": [first, second],
            "at_once": [self._first["most"], last["most"]],
            "open": [self._first["open"], last["open"]],
            "accepted": [self._first["accepted"], last["accepted"]],
            "own_per_connection": (self._after[0] - self._before[0]) / opened,
            "rss_per_connection": (self._after[1] - self._before[1]) / opened,
            "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


if __name__ == "__main__":
    print(json.dumps(Case(json.loads(sys.argv[1])).run()))
