"""One cell of the fault matrix: requests before the fault, during it and after it, and the judgement on them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpfast

from .. import servers
from ..drivers.facade import Caller, Driver
from ..http2.origin import server_context
from .acts import Refuse
from .echo import PATH, EchoOrigin, answer_to
from .lab import Lab
from .matrix import Cell
from .proxy import FaultProxy
from .table import OWN, PATIENT, WAITS, Effect

SLACK = 0.25
"""Seconds beyond its deadline in which a request has to have ended."""

TRIES = 20
"""How often to look whether a pool is at rest."""

_numbers = itertools.count(1)


@dataclass
class Outcome:
    """What came of a request: OWN, the name of an exception, the status of another answer, or what must never be."""

    method: str
    token: str
    end: str
    seconds: float
    detail: str = ""


@dataclass
class Result:
    """What came of a cell.

    Attributes:
        complaints: what must not be; empty for a cell that has passed.
        late: requests that took longer than they may, or met a limit of time that they had no reason to meet. On a
            machine that is busy with other things that says nothing, so that such a cell is tried again.
        left: what the cells that ran with it left behind.
        tries: how often it was run.
    """

    cell: Cell
    during: list[Outcome] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    left: str = ""
    tries: int = 1

    @property
    def has_passed(self) -> bool:
        return not (self.complaints or self.late or self.left)

    def __str__(self) -> str:
        text = "; ".join((*self.complaints, *self.late, *([f"left behind: {self.left}"] if self.left else ())))
        return f"{self.cell.name}: {text or 'passed'}"


class Trial:
    """A cell as it is run: its proxy, its client, its requests."""

    def __init__(self, cell: Cell, driver: Driver, lab: Lab, origin: EchoOrigin) -> None:
        self.cell = cell
        self.driver = driver
        self.origin = origin
        self.result = Result(cell)
        protocol = "h2" if cell.protocol == "h2" else "http/1.1"
        context = server_context(protocol) if cell.layer == "tls" else None
        self.proxy = FaultProxy(lab, origin.ports[cell.protocol], cell.protocol, context, is_tunnel=cell.is_tunnel)

    async def run(self) -> Result:
        """All of it. Never raises but for an error of the test's own."""
        fault, proxy = self.cell.fault, self.proxy
        await self.driver.blocking(proxy.open)
        client = self._client()
        try:
            if self.cell.state == "warm":
                self._all_own("before", await self._at_once(client, ("GET", "POST")))
            proxy.arm(fault)
            if isinstance(fault.act, Refuse):
                await self.driver.blocking(proxy.refuse)
            if fault.phase == "idle":
                await self.driver.blocking(proxy.strike)
            self.result.during = await self._during(client)
            self._judge()
            if isinstance(fault.act, Refuse):
                await self.driver.blocking(proxy.open)
            await self.driver.blocking(proxy.heal)
            self._all_own("after", await self._at_once(client, ("GET",)))
            self._all_own("after", await self._at_once(client, ("POST", "GET", "PUT")))
            await self._look_at_pool(client)
        finally:
            await client.close()
            await self.driver.blocking(proxy.close)
        self.result.complaints += proxy.complaints
        return self.result

    def _client(self) -> Caller:
        arguments: dict[str, Any] = {"timeout": PATIENT, "verify": servers.client_context()}
        if self.cell.protocol == "h2":
            arguments |= {"http2": True, "http1": self.cell.layer == "tls"}
        if self.cell.via == "connect":
            arguments["proxy"] = f"http://127.0.0.1:{self.proxy.port}"
        return self.driver.client(**arguments)

    def _url(self, query: str) -> str:
        host = "https://localhost" if self.cell.layer == "tls" else "http://127.0.0.1"
        # What a proxy is asked for does not matter to this one.
        return f"{host}:{self.proxy.port}{PATH}?{query}"

    async def _at_once(self, client: Caller, methods: Iterable[str]) -> list[Outcome]:
        """Requests that nothing is to happen to."""
        return await self._gather(self._request(client, method, PATIENT, "size=3000") for method in methods)

    async def _during(self, client: Caller) -> list[Outcome]:
        fault = self.cell.fault
        limit = WAITS if fault.waits else PATIENT
        timeout = httpfast.Timeout(PATIENT, total=fault.total) if fault.total is not None else limit
        query = f"size={fault.size}&framing={self.cell.framing}&{fault.query}"
        methods = ("POST", "PUT", "POST") if fault.upload else ("GET", "POST", "STREAM")
        outcomes = await self._gather(self._request(client, method, timeout, query, fault.upload) for method in methods)
        self.look_at_time(outcomes, limit)
        return outcomes

    async def _gather(self, requests: Iterable[Any]) -> list[Outcome]:
        outcomes = await self.driver.gather(*requests)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes

    async def _request(
        self, client: Caller, method: str, timeout: float | httpfast.Timeout, query: str, upload: int = 0
    ) -> Outcome:
        token = f"t{next(_numbers)}"
        body = b"" if method in ("GET", "STREAM") else token.encode() * (max(upload, 1_000) // len(token))
        arguments: dict[str, Any] = {
            "headers": {"x-token": token},
            "timeout": timeout,
            **({"content": body} if body else {}),
        }
        size = int(query.partition("=")[2].partition("&")[0])
        expected = answer_to(token, body, size)
        start = time.monotonic()
        try:
            end = await self._exchange(client, method, self._url(query), expected, arguments)
            detail = ""
        except Exception as error:
            end, detail = type(error).__name__, str(error)
            if not isinstance(error, httpfast.TransportError):
                end = f"undocumented {end}"
        return Outcome(method, token, end, time.monotonic() - start, detail)

    async def _exchange(self, client: Caller, method: str, url: str, expected: bytes, arguments: dict[str, Any]) -> str:
        """Send a request; what came of it."""
        if method != "STREAM":
            response = await client.request(method, url, **arguments)
            content = response.content
        else:
            content = b""
            async with client.stream("GET", url, **arguments) as response, aclosing(client.pieces(response)) as pieces:
                async for piece in pieces:
                    content += piece
                    if not expected.startswith(content) and not self.cell.fault.loses:
                        return "wrong octets"
        if response.status_code != 200:
            return str(response.status_code)
        if response.headers.get("x-token") != arguments["headers"]["x-token"]:
            return "crossed"
        return OWN if content == expected else "wrong octets"

    def _all_own(self, when: str, outcomes: list[Outcome]) -> None:
        """Requests that nothing happens to get their answers, and come once."""
        for outcome in outcomes:
            if outcome.end.endswith("Timeout"):
                self.result.late.append(f"{when}: {outcome}")
            elif outcome.end != OWN:
                self.result.complaints.append(f"{when}: {outcome}")
            seen = self.origin.ledger.seen(outcome.token)
            most = 1 if outcome.method == "POST" else 2
            if outcome.end == OWN and not 1 <= seen <= most:
                self.result.complaints.append(f"{when}: {outcome} has come {seen} times")

    def look_at_time(self, outcomes: list[Outcome], limit: float) -> None:
        """Note requests that have not ended within their limit, in seconds, and the slack."""
        deadline = (self.cell.fault.total or limit) + SLACK
        for outcome in outcomes:
            if outcome.seconds > deadline:
                self.result.late.append(f"{outcome} ended after {outcome.seconds:.3f} s, not within {deadline} s")

    def _judge(self) -> None:
        """Whether the table allows what came of the requests that were made during the fault."""
        cell, fault = self.cell, self.cell.fault
        hit = [outcome for outcome in self.result.during if outcome.end != OWN]
        if fault.phase != "origin" and not isinstance(fault.act, Refuse) and not self.proxy.hits:
            self._complain_of("the fault was never done", hit)
        for outcome in hit:
            is_spared = cell.effect is Effect.OVERTAKES and outcome.method != "POST"
            if cell.effect is Effect.HARMLESS or is_spared or outcome.end not in cell.ends:
                self._complain_of(f"{outcome} is not allowed", [outcome])
        if cell.effect is Effect.FATAL and not (hit or self._was_sent_again()):
            self.result.complaints.append("the request that was hit passes for answered")
        is_of_one = not fault.hits_all and fault.phase != "idle" and (cell.protocol == "h1" or fault.spares)
        if is_of_one and len(hit) > 1:
            self._complain_of(f"one request was hit, and {len(hit)} failed: {hit}", hit)
        if fault.hits_all and cell.effect is Effect.FATAL and len(hit) != len(self.result.during):
            self.result.complaints.append("not all requests that were hit have failed")
        self._count()

    def _complain_of(self, text: str, outcomes: list[Outcome]) -> None:
        """What comes of timeouts alone may be the machine's fault: the cell is tried again for it."""
        is_of_time = bool(outcomes) and all(outcome.end.endswith("Timeout") for outcome in outcomes)
        (self.result.late if is_of_time else self.result.complaints).append(text)

    def _was_sent_again(self) -> bool:
        """Whether a connection of HTTP/2 was lost while only idempotent requests were on it, none of them answered."""
        is_early = self.cell.protocol == "h2" and self.cell.fault.phase == "head"
        return is_early and any(self.origin.ledger.seen(outcome.token) > 1 for outcome in self.result.during)

    def _count(self) -> None:
        for outcome in self.result.during:
            seen = self.origin.ledger.seen(outcome.token)
            most = 1 if outcome.method == "POST" and not self.cell.fault.lies else 2
            if seen > most:
                self.result.complaints.append(f"doubled: {outcome} has come {seen} times")
            if outcome.end == OWN and not seen:
                self.result.complaints.append(f"lost: {outcome} has never come")

    async def _look_at_pool(self, client: Caller) -> None:
        """No connection stays in use. A dial that a loop made for nobody in the end may still be on its way."""
        pause = threading.Event()
        for tries_left in reversed(range(TRIES)):
            try:
                await client.rest()
                return
            except AssertionError as error:
                if not tries_left:
                    self.result.complaints.append(str(error))
            # Nobody tells when it has come.
            await self.driver.blocking(pause.wait, 0.05)
