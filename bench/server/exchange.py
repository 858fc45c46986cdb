"""One request and its response, as a live handler sees them: framing, informational responses, HEAD, closing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .inbox import Body, ClientGone
from .wire import Answer, Fields, RequestHead, encode_chunk, encode_head, reason

if TYPE_CHECKING:
    from .connection import Connection


class Exchange:
    """Handlers call `answer`, or `start`, `write` and `finish`; or they take the `connection` in their own hands.

    A handler sets `resets_unread` to close at once although the request's body has not been read, and `keeps_unread` to
    stay open although the client still waits for 100 Continue.
    """

    def __init__(self, connection: Connection, request: RequestHead) -> None:
        self.connection = connection
        self.request = request
        self.body = Body(connection.inbox, request, lambda: self.inform(100))
        self.closes = False
        self.has_started = False
        self.keeps_unread = False
        self.resets_unread = False
        self.is_head = request.method == "HEAD"
        self._is_chunked = False
        self._is_unwanted = False

    def inform(self, status: int, fields: Fields = ()) -> None:
        """Send an informational (1xx) response."""
        lines = [f"HTTP/1.1 {status} {reason(status)}", *(f"{name}: {value}" for name, value in fields)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def answer(self, answer: Answer) -> None:
        """Send a whole response in one write."""
        self._decide_closing(answer.closes)
        body = b"" if self.is_head else answer.body
        self.connection.send_message(answer.head_for(self.request, closes=self.closes), body)

    async def start(self, status: int, fields: Fields, length: int | None = None, *, closes: bool = False) -> None:
        """Send a head. Without `length` the body is chunked, or ended by closing (`closes`, or an HTTP/1.0 client)."""
        self._is_chunked = length is None and not closes and not self.request.is_http10
        self._decide_closing(closes or (length is None and self.request.is_http10))
        if self._is_chunked:
            fields = (*fields, ("Transfer-Encoding", "chunked"))
        elif length is not None:
            fields = (*fields, ("Content-Length", str(length)))
        self.connection.send_message(encode_head(self.request, status, fields, closes=self.closes))
        await self.connection.drained()

    async def start_tunnel(self, status: int, fields: Fields) -> None:
        """Send the head after which both sides speak another protocol: 101, or 2xx to CONNECT (RFC 9110, 9.3.6)."""
        self.has_started = True
        lines = [f"HTTP/1.1 {status} {reason(status)}", *(f"{name}: {value}" for name, value in fields)]
        self.connection.send_message(("\r\n".join(lines) + "\r\n").encode("latin-1"))
        await self.connection.drained()

    async def write(self, data: bytes | memoryview) -> None:
        """Send a piece of the body, one chunk if it is chunked; waits while the client does not read."""
        if self.is_head or not data:
            return
        self.send(encode_chunk(data) if self._is_chunked else data)
        await self.connection.drained()

    async def write_all(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Send pieces of the body one after the other."""
        if not self.is_head:
            for piece in pieces:
                await self.write(piece)

    def finish(self, trailers: Fields = ()) -> None:
        """End a body; `trailers` only go out if it is chunked."""
        if self._is_chunked and not self.is_head:
            lines = ["0", *(f"{name}: {value}" for name, value in trailers), "", ""]
            self.send("\r\n".join(lines).encode("latin-1"))

    def send(self, data: bytes | memoryview) -> None:
        """Send raw octets."""
        self.connection.transport.write(data)

    async def client_closed(self) -> None:
        """Wait until the client ends its side, dropping what it sends."""
        try:
            while True:
                await self.connection.inbox.take(1 << 20)
        except ClientGone:
            return

    async def end(self) -> None:
        """Leave the connection as the response promised: with the request read to its end, or closed."""
        if not self.closes:
            await self.body.drop()
        elif self.body.is_complete or self.resets_unread:
            self.connection.transport.close()
        else:
            await self.connection.linger(None if self._is_unwanted else self.body)

    def _decide_closing(self, wanted: bool) -> None:
        # A client that still waits for 100 Continue may or may not send its body after a final response: only
        # closing is unambiguous (RFC 9110, 10.1.1).
        self._is_unwanted = self.body.is_unwanted and not self.keeps_unread
        self.closes = wanted or not self.request.keeps_alive or self._is_unwanted
        self.has_started = True
        self.body.forgo()
