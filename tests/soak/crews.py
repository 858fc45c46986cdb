"""Who makes the requests: threads with one blocking client, tasks on asyncio and uvloop, a little trio.

A crew works in shifts of some thousand requests, in a thread of its own; its client and its event loop live on from
shift to shift for a while, so that in between connections grow old. Every request is checked where it ends.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import httpfast
from tests.drivers.facade import loop_factory

from .cards import SENT, Card, deal
from .front import Servers
from .tally import NoAnswer, Tallies, Tally

THREADS = 6
TASKS = 64
TRIO_TASKS = 32
CONNECTIONS = 40
"""Below the tasks', so that requests wait for connections."""

TIMEOUT = 30.0
"""Seconds for each wait of a request that has no limit of its own."""

SHIFTS_PER_CLIENT = 6
PATIENCE = 300.0
"""Seconds after which a shift counts as hung."""

LIMITS = httpfast.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=2.0)

Play = tuple[Literal["h1", "h2"], Card, str]
"""A request to make: protocol, card, URL."""


def plays(urls: dict[str, dict[str, str]], h1: int, h2: int, seed: int, times: int) -> list[Play]:
    """Decks of both protocols, so many of each, shuffled together."""
    found: list[Play] = []
    protocols: tuple[tuple[Literal["h1", "h2"], int], ...] = (("h1", h1), ("h2", h2))
    for protocol, decks in protocols:
        for number in range(decks):
            found += [
                (protocol, card, urls[protocol][card.place] + card.path)
                for card in deal(protocol, seed * 1_000 + number, times)
            ]
    random.Random(seed).shuffle(found)
    return found


class Crew(ABC):
    """One kind of caller.

    Args:
        servers: where requests go.
        tallies: where their ends are noted.
        deck: what to request, again and again.
    """

    name: str

    def __init__(self, servers: Servers, tallies: Tallies, deck: Sequence[Play], seed: int) -> None:
        self.tallies = tallies
        # All have the same, from different places on.
        start = seed * len(deck) // 7 % len(deck)
        self.plays: Iterator[Play] = (deck[index % len(deck)] for index in itertools.count(start))
        self.context: ssl.SSLContext = ssl.create_default_context(cafile=servers.ca_file)
        self.random = random.Random(seed)
        self._seed = seed
        self._serials = itertools.count()
        self._shifts = 0
        self._executor = ThreadPoolExecutor(1, f"crew {self.name}")

    def start(self, count: int) -> Future[None]:
        """Begin a shift of so many requests."""
        return self._executor.submit(self._work, count)

    def close(self) -> None:
        """Close the client, and the loop."""
        self._executor.submit(self.finish).result(PATIENCE)
        self._executor.shutdown()

    def token(self) -> str:
        """One that no other request has."""
        return f"{self.name}-{self._seed}-{next(self._serials)}"

    def options(self) -> dict[str, Any]:
        """For a client: HTTP/1.1 for http URLs, HTTP/2 for https ones if the server has it."""
        return {"http2": True, "verify": self.context, "limits": LIMITS, "timeout": TIMEOUT, "trust_env": False}

    def _work(self, count: int) -> None:
        self._shifts += 1
        if self._shifts % SHIFTS_PER_CLIENT == 0:
            self.renew()
        self.work(count)

    @abstractmethod
    def work(self, count: int) -> None:
        """Make so many requests."""

    def renew(self) -> None:
        """Go on with another client."""
        return

    def finish(self) -> None:
        """Close what is open; in the crew's thread."""
        return


def arguments_of(card: Card, token: str) -> dict[str, Any]:
    """Arguments of the request, but for method and URL."""
    found: dict[str, Any] = {"headers": {"x-token": token}}
    if card.upload:
        found["content"] = SENT[card.upload]
    if card.timeout is not None:
        found["timeout"] = httpfast.Timeout(TIMEOUT, read=card.timeout)
    return found


def judge(tally: Tally, protocol: str, card: Card, token: str, response: httpfast.Response, body: bytes) -> None:
    """Note a response: right, or a violation."""
    echoed = response.headers.get("x-token")
    if card.must_fail or not card.is_answer(token.encode(), response.status_code, echoed, body):
        seen = f"{response.status_code} {echoed} {body[:64]!r} ({len(body)} octets)"
        tally.failed(protocol, card, token, NoAnswer(seen))
    else:
        tally.ended(protocol, card, "ok")


class ThreadCrew(Crew):
    """Threads that share a blocking client."""

    name = "threads"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = threading.Lock()
        self._client: httpfast.Client | None = None
        self._pool: list[Tally] = [self.tallies.new() for _ in range(THREADS)]

    def renew(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    finish = renew

    def work(self, count: int) -> None:
        if self._client is None:
            self._client = httpfast.Client(**self.options())
        client = self._client
        left = iter(range(count))
        threads = [threading.Thread(target=self._thread, args=(client, tally, left)) for tally in self._pool]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _thread(self, client: httpfast.Client, tally: Tally, left: Iterator[int]) -> None:
        while True:
            with self._lock:
                if next(left, None) is None:
                    return
                protocol, card, url = next(self.plays)
                token = self.token()
            try:
                self._play(client, tally, protocol, card, url, token)
            except Exception as error:  # noqa: BLE001, RUF100 -- whatever it is: the card says whether it may be
                tally.failed(protocol, card, token, error)

    def _play(self, client: httpfast.Client, tally: Tally, protocol: str, card: Card, url: str, token: str) -> None:
        arguments = arguments_of(card, token)
        match card.way:
            case "stream":
                with client.stream(card.method, url, **arguments) as response:
                    body = b"".join(response.iter_bytes())
                judge(tally, protocol, card, token, response, body)
            case "leave":
                with client.stream(card.method, url, **arguments) as response:
                    next(response.iter_raw())
                tally.ended(protocol, card, "left")
            case "abandon":
                client.send(client.build_request(card.method, url, **arguments), stream=True)
                tally.ended(protocol, card, "abandoned")
            case "cancel" | "hurry":
                # A thread cannot be cancelled; a time limit that is too short comes nearest.
                arguments["timeout"] = 0.0001 + self.random.random() * 0.003
                try:
                    response = client.request(card.method, url, **arguments)
                except httpfast.TimeoutException:
                    tally.ended(protocol, card, "in time")
                else:
                    judge(tally, protocol, card, token, response, response.content)
            case _:
                response = client.request(card.method, url, **arguments)
                judge(tally, protocol, card, token, response, response.content)


class AsyncCrew(Crew):
    """What the asynchronous crews share: all but how a request is cancelled."""

    async def worker(
        self, client: httpfast.AsyncClient, tally: Tally, left: Iterator[int], cancel: Callable[..., Awaitable[Any]]
    ) -> None:
        """Make requests one after another as long as there are some `left`."""
        for _ in left:
            protocol, card, url = next(self.plays)
            token = self.token()
            try:
                await self._play(client, tally, protocol, card, url, token, cancel)
            except Exception as error:  # noqa: BLE001, RUF100 -- whatever it is: the card says whether it may be
                tally.failed(protocol, card, token, error)

    async def _play(
        self,
        client: httpfast.AsyncClient,
        tally: Tally,
        protocol: str,
        card: Card,
        url: str,
        token: str,
        cancel: Callable[..., Awaitable[Any]],
    ) -> None:
        arguments = arguments_of(card, token)
        match card.way:
            case "stream":
                async with client.stream(card.method, url, **arguments) as response:
                    body = b"".join([piece async for piece in response.aiter_bytes()])
                judge(tally, protocol, card, token, response, body)
            case "leave":
                async with client.stream(card.method, url, **arguments) as response:
                    pass
                tally.ended(protocol, card, "left")
            case "abandon":
                await client.send(client.build_request(card.method, url, **arguments), stream=True)
                tally.ended(protocol, card, "abandoned")
            case "cancel":
                response = await cancel(self.random, client.request(card.method, url, **arguments))
                if response is None:
                    tally.ended(protocol, card, "cancelled")
                else:
                    judge(tally, protocol, card, token, response, response.content)
            case _:
                if card.way == "hurry":
                    arguments["timeout"] = 0.0001 + self.random.random() * 0.005
                response = await client.request(card.method, url, **arguments)
                judge(tally, protocol, card, token, response, response.content)


async def cancelled_task(chance: random.Random, request: Any) -> httpfast.Response | None:
    """The request in a task that is cancelled after some turns of the loop, or some time. None if it came too soon."""
    task = asyncio.ensure_future(request)
    if chance.random() < 0.5:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
    else:
        # Anywhere in an exchange: these take about as long.
        await asyncio.sleep(chance.random() * 0.004)
    task.cancel()
    try:
        response: httpfast.Response = await task
    except asyncio.CancelledError:
        return None
    return response


class LoopCrew(AsyncCrew):
    """Tasks on an event loop."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name = name
        super().__init__(*arguments)
        self._runner = asyncio.Runner(loop_factory=loop_factory(name))
        self._client: httpfast.AsyncClient | None = None
        self._tally = self.tallies.new()

    def work(self, count: int) -> None:
        self._runner.get_loop().set_exception_handler(self._complain)
        self._runner.run(self._shift(count))

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.tallies.violation(f"{self.name}: the event loop complained: {context}"[:400])

    async def _shift(self, count: int) -> None:
        if self._client is None:
            self._client = httpfast.AsyncClient(**self.options())
        left = iter(range(count))
        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(self.worker(self._client, self._tally, left, cancelled_task))

    def renew(self) -> None:
        self._runner.run(self._close_client())

    def finish(self) -> None:
        self.renew()
        self._runner.close()

    async def _close_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class TrioCrew(AsyncCrew):
    """Tasks of trio; a run and a client for each shift."""

    name = "trio"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tally = self.tallies.new()

    def work(self, count: int) -> None:
        import trio

        async def cancelled_scope(chance: random.Random, request: Any) -> httpfast.Response | None:
            response: httpfast.Response | None = None
            with trio.move_on_after(chance.random() * 0.004):
                response = await request
            return response

        async def shift() -> None:
            left = iter(range(count))
            async with httpfast.AsyncClient(**self.options()) as client, trio.open_nursery() as nursery:
                for _ in range(TRIO_TASKS):
                    nursery.start_soon(self.worker, client, self._tally, left, cancelled_scope)

        trio.run(shift)
        # What was dropped in the run is not to be found in the next one.
        gc.collect()


def make_crews(servers: Servers, tallies: Tallies, decks: tuple[int, int], seed: int, times: int = 1) -> list[Crew]:
    """One of each kind; trio's last.

    Args:
        decks: how many decks of HTTP/1.1 and of HTTP/2 are shuffled together.
        times: see `cards.deal`.
    """
    arguments = (servers, tallies, plays(servers.urls, *decks, seed, times))
    return [
        LoopCrew("uvloop", *arguments, seed + 1),
        ThreadCrew(*arguments, seed + 2),
        LoopCrew("asyncio", *arguments, seed + 3),
        TrioCrew(*arguments, seed + 4),
    ]
