"""What a connection received and nobody looked at yet, and request bodies read from it (RFC 9112, 6 and 7.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from .wire import MAX_HEAD, BadRequest, RequestHead, parse_chunk_size, parse_fields

HIGH_WATER = 256 * 1024
"""Unread octets above which the transport stops reading; what keeps memory flat under large uploads."""

MAX_LINE = 16 * 1024
"""Octets in one line of chunked framing."""


class ClientGone(Exception):
    """The client ended its side before what was asked for came."""


class Inbox:
    """A buffer between the transport's callbacks and one reading coroutine, with backpressure."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_ended = False
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False

    def attach(self, transport: asyncio.Transport) -> None:
        """Take the transport whose reading is paused when too much is unread."""
        self._transport = transport

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self.buffer += data
        if len(self.buffer) > HIGH_WATER and not self._is_paused and self._transport is not None:
            self._transport.pause_reading()
            self._is_paused = True
        self._wake()

    def feed_end(self) -> None:
        """No more will come."""
        self.is_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    async def more(self) -> None:
        """Wait until more has come than is there now. Raises ClientGone at the end of input."""
        if self.is_ended:
            raise ClientGone
        self._resume()
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        self._waiter = None

    def take_head(self) -> bytes | None:
        """A head with its blank line, or None if it is not complete. Raises BadRequest when it grows too long."""
        end = self.buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self.buffer) >= MAX_HEAD:
                raise BadRequest("the head is too long", 431)
            self._resume()
            return None
        return self._cut(end + 4)

    def _cut(self, size: int) -> bytes:
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        if len(self.buffer) <= HIGH_WATER // 2:
            self._resume()
        return data

    async def take(self, limit: int) -> bytes:
        """At least one and at most `limit` octets."""
        while not self.buffer:
            await self.more()
        return self._cut(limit)

    async def line(self) -> bytes:
        """One line without its CRLF."""
        while (end := self.buffer.find(b"\r\n", 0, MAX_LINE)) < 0:
            if len(self.buffer) >= MAX_LINE:
                raise BadRequest("a line of chunked framing is too long")
            await self.more()
        return self._cut(end + 2)[:-2]


class Body:
    """A request's body. Asks for it (100 Continue) the first time somebody wants it, if the client waits for that."""

    def __init__(self, inbox: Inbox, request: RequestHead, send_continue: Callable[[], None]) -> None:
        self._inbox = inbox
        self._request = request
        self._send_continue = send_continue
        self._pieces = self._chunks() if request.is_chunked else self._counted(request.length or 0)
        self.is_complete = not request.has_body
        self.trailers: tuple[tuple[str, str], ...] = ()
        self._awaits_invitation = request.expects_continue and request.has_body

    @property
    def is_unwanted(self) -> bool:
        """The client waits for 100 Continue, has sent nothing yet, and nobody asked for the body."""
        return self._awaits_invitation and not self._inbox.buffer

    def invite(self) -> None:
        """Send 100 Continue if it is waited for (RFC 9110, 10.1.1); not after any octet of the body has come."""
        if self.is_unwanted:
            self._send_continue()
        self._awaits_invitation = False

    def forgo(self) -> None:
        """The final response is on its way: from now on the body may be read, but not asked for."""
        self._awaits_invitation = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.invite()
        async for piece in self._pieces:
            yield piece

    async def drop(self) -> int:
        """Read what is left of it; returns the number of octets."""
        size = 0
        async for piece in self:
            size += len(piece)
        return size

    async def _counted(self, left: int) -> AsyncIterator[bytes]:
        while left:
            piece = await self._inbox.take(left)
            left -= len(piece)
            self.is_complete = not left
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := parse_chunk_size(await self._inbox.line()):
            async for piece in self._counted_chunk(size):
                yield piece
            if await self._inbox.line():
                raise BadRequest("chunk data is not followed by CRLF")
        lines = []
        while line := await self._inbox.line():
            lines.append(line.decode("latin-1"))
            if len(lines) > 1_000:
                raise BadRequest("too many trailer fields")
        self.trailers = parse_fields(lines)
        self.is_complete = True

    async def _counted_chunk(self, left: int) -> AsyncIterator[bytes]:
        while left:
            piece = await self._inbox.take(left)
            left -= len(piece)
            yield piece
