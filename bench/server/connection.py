"""One connection: requests in order of arrival, one answer at a time, keep-alive and pipelining (RFC 9112, 9).

    waiting --head--> fixed answer, written in the same callback --> waiting
                  \\-> live handler in a task: Exchange            --> waiting, or closed

Fixed answers are memoised by the octets of the request: a benchmark's request costs one dict look-up and one write.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable

from .exchange import Exchange
from .inbox import Body, ClientGone, Inbox
from .wire import Answer, BadRequest, RequestHead, parse_head

Buffer = bytes | memoryview
FixedHandler = Callable[[RequestHead, str], Answer | None]
LiveHandler = Callable[[Exchange, str], Awaitable[None]]

JOIN_LIMIT = 64 * 1024
"""Octets of a body up to which one copy to join it to its head is cheaper than a second buffer in the write."""

MEMO_LIMIT = 256
"""Distinct requests whose fixed answers are kept."""

HISTORY_LIMIT = 65_536
"""Connections, the latest, whose number of requests is kept."""

LINGER = 5.0
"""Seconds for which input is dropped after an answer that closes before the request's body has come."""


class Service:
    """What the connections of one server share: the routes, the counts and the memo of fixed answers."""

    def __init__(self, fixed: dict[str, FixedHandler], live: dict[str, LiveHandler]) -> None:
        self.fixed = fixed
        self.live = live
        self.accepted = 0
        self.open: set[Connection] = set()
        self.served: dict[int, int] = {}
        self.seen: dict[str, int] = {}
        self.memo: dict[bytes, tuple[bytes, Buffer]] = {}

    def admit(self, connection: Connection) -> int:
        """Count a new connection; returns its id."""
        self.accepted += 1
        self.open.add(connection)
        self.served[self.accepted] = 0
        self.served.pop(self.accepted - HISTORY_LIMIT, None)
        return self.accepted

    def remember(self, octets: bytes, head: bytes, body: Buffer) -> None:
        """Keep a fixed answer for the next request of the very same octets."""
        if len(self.memo) >= MEMO_LIMIT:
            self.memo.clear()
        self.memo[octets] = (head, body)

    def fixed_answer(self, request: RequestHead) -> Answer | None:
        """The answer if it depends on the request's head only; None if a live handler must see to it."""
        if request.method == "CONNECT":
            return None
        name, argument = split_path(request.path)
        handler = self.fixed.get(name)
        if handler is not None:
            return handler(request, argument)
        return None if name in self.live else Answer.text("no such route\n", 404)

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request, fixed or live."""
        answer = self.fixed_answer(exchange.request)
        if answer is not None:
            exchange.answer(answer)
            return
        name, argument = split_path(exchange.request.path)
        handler = self.live["upgrade" if exchange.request.method == "CONNECT" else name]
        await handler(exchange, argument)


def split_path(path: str) -> tuple[str, str]:
    """`/bytes/10` is the route `bytes` with the argument `10`."""
    name, _, argument = path[1:].partition("/")
    return name, argument


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.inbox = Inbox()
        self.transport: asyncio.Transport
        self.id = 0
        self._tail = b""
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_plain = True
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream protocol gets a Transport
        self.inbox.attach(self.transport)
        self._is_plain = transport.get_extra_info("sslcontext") is None
        self.id = self.service.admit(self)
        self._tail = b"x-connection: %d\r\n\r\n" % self.id

    def connection_lost(self, error: Exception | None) -> None:
        self.service.open.discard(self)
        self.inbox.feed_end()
        if self._task is not None:
            self._task.cancel()
        self._stop_idle_timer()

    def data_received(self, data: bytes) -> None:
        if self._idle_timer is not None:
            self._stop_idle_timer()
        if self._task is None and not self.inbox.buffer:
            known = self.service.memo.get(data)
            if known is not None and self._writable.is_set():
                self.send_message(*known)
                return
        self.inbox.feed(data)
        if self._task is None:
            self._advance()

    def eof_received(self) -> bool:
        self.inbox.feed_end()
        # A client may half-close and still read its answer; TLS transports close by themselves.
        return self._is_plain and self._task is not None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def drained(self) -> None:
        """Wait until the transport takes more."""
        await self._writable.wait()

    def send_message(self, head: bytes, body: Buffer = b"") -> None:
        """Write a final head, this connection's id and what there is of a body, at once. Counts the request."""
        self.service.served[self.id] = self.service.served.get(self.id, 0) + 1
        if len(body) <= JOIN_LIMIT:
            self.transport.write(b"".join((head, self._tail, body)))
        else:
            self.transport.writelines((head + self._tail, body))

    def close_when_idle(self, seconds: float) -> None:
        """Close unless something arrives within `seconds` from now."""
        self._idle_timer = asyncio.get_running_loop().call_later(seconds, self.transport.close)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    async def linger(self, body: Body | None = None) -> None:
        """Close, but first drop what still comes: closing at once would reset the connection under its answer.

        A plain connection is half-closed and read until the client closes; TLS, which cannot be, to the end of `body`.
        """
        try:
            async with asyncio.timeout(LINGER):
                if self._is_plain:
                    self.transport.write_eof()
                    while True:
                        await self.inbox.take(1 << 20)
                elif body is not None:
                    await body.drop()
        except (BadRequest, ClientGone, TimeoutError):
            pass
        self.transport.close()

    def _advance(self) -> None:
        """Serve what is complete in the inbox, up to the first request that needs a task."""
        while self._task is None and self.inbox.buffer and not self.transport.is_closing():
            try:
                octets = self.inbox.take_head()
                if octets is None:
                    return
                self._begin(octets, parse_head(octets))
            except BadRequest as error:
                self._send_refusal(error)
                self._task = asyncio.get_running_loop().create_task(self.linger())

    def _begin(self, octets: bytes, request: RequestHead) -> None:
        self._stop_idle_timer()
        tokens = request.values("x-once")
        for token in tokens:
            self.service.seen[token] = self.service.seen.get(token, 0) + 1
        is_simple = not request.has_body and request.keeps_alive and self._writable.is_set()
        answer = self.service.fixed_answer(request) if is_simple else None
        if answer is None or answer.closes:
            self._task = asyncio.get_running_loop().create_task(self._serve(request))
            return
        head = answer.head_for(request, closes=False)
        body = b"" if request.method == "HEAD" else answer.body
        if not tokens and not request.values("x-token"):
            self.service.remember(octets, head, body)
        self.send_message(head, body)

    async def _serve(self, request: RequestHead) -> None:
        exchange = Exchange(self, request)
        try:
            await self.drained()
            await self.service.handle(exchange)
            await exchange.end()
        except BadRequest as error:
            if exchange.has_started:
                self.transport.abort()
            else:
                self._send_refusal(error)
                await self.linger()
        except ClientGone:
            self.transport.close()
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self.transport.abort()
        self._task = None
        self._advance()
        if self._task is None and self.inbox.is_ended:
            self.transport.close()

    def _send_refusal(self, error: BadRequest) -> None:
        text = f"{error}\n".encode()
        head = f"HTTP/1.1 {error.status} Refused\r\nContent-Length: {len(text)}\r\nConnection: close\r\n"
        self.send_message(head.encode(), text)
