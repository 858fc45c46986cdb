"""The asynchronous session: two tasks of its own, and any number of the caller's. As `_sync`, which says more.

receiver    reads the network and fills the inbox; waits while that is full, and the peer then has to
upkeep      answers pings and Close frames, sends the keepalive pings and misses their answers
"""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from wsproto.events import BytesMessage, TextMessage

from .._defaults import (
    DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
    DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
    DEFAULT_MAX_MESSAGE_SIZE_BYTES,
    DEFAULT_QUEUE_SIZE,
)
from . import _conversation
from ._asgi import ASGIWebSocketStream
from ._conversation import FAREWELL_TIMEOUT, READ_BYTES, Conversation, check_close, check_mode
from ._exceptions import HTTPXWSException, WebSocketInvalidTypeReceived, WebSocketNetworkError, again
from ._keepalive import Keepalive
from ._tasks import Background, Signal, in_trio, new_event, new_lock, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Literal, Protocol, Self

    from wsproto.connection import Connection
    from wsproto.events import Event as WSEvent

    from .._response import Response
    from ._tasks import Event

    JSONMode = Literal["text", "binary"]

    class AsyncNetworkStream(Protocol):
        """What a session needs of a network stream. One task reads while another writes."""

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...
        async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...
        async def aclose(self) -> None: ...


__all__ = ["AsyncWebSocketSession"]


class AsyncWebSocketSession:
    """An open WebSocket, for use in an `async with` statement. Any task may send, and any receive.

    Args:
        stream, max_message_size_bytes, queue_size, keepalive_ping_interval_seconds, keepalive_ping_timeout_seconds,
        response: as for `WebSocketSession`.

    Attributes:
        subprotocol: what the server chose, or None.
        response: the response that opened it, or None.
    """

    def __init__(
        self,
        stream: AsyncNetworkStream,
        *,
        max_message_size_bytes: int = DEFAULT_MAX_MESSAGE_SIZE_BYTES,
        queue_size: int = DEFAULT_QUEUE_SIZE,
        keepalive_ping_interval_seconds: float | None = DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS,
        keepalive_ping_timeout_seconds: float | None = DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS,
        response: Response | None = None,
    ) -> None:
        self.stream = stream
        self.response = response
        self.subprotocol: str | None = None if response is None else response.headers.get("Sec-WebSocket-Protocol")
        self._conversation = Conversation(max_message_size_bytes, queue_size)
        self.connection: Connection = self._conversation.connection
        # Within this process a connection cannot be lost unnoticed.
        self._ping_interval = None if isinstance(stream, ASGIWebSocketStream) else keepalive_ping_interval_seconds
        self._ping_timeout = keepalive_ping_timeout_seconds
        # For those who wait to receive, for the receiver, and for the upkeep.
        self._news = Signal()
        self._room = Signal()
        self._duty = Signal()
        self._write_lock = new_lock()
        self._background = Background()
        self._is_running = False
        self._has_begun_closing = False
        self._is_over = False

    async def __aenter__(self) -> Self:
        self._background.start(self._receive_all())
        self._background.start(self._keep_up())
        self._is_running = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A cancelled task does not wait for the peer.
        timeout = _conversation.CLOSE_TIMEOUT if error is None or isinstance(error, Exception) else 0.0
        await self._close(1000, None, timeout)

    # To the peer

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises as `send`."""
        await self.send(TextMessage(data=data))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises as `send`."""
        await self.send(BytesMessage(data=data))

    async def send_json(self, data: Any, mode: JSONMode = "text") -> None:
        """Send a message of JSON. Raises as `send`, and as `json.dumps`.

        Args:
            data: what `json.dumps` takes.
            mode: "text" or "binary".

        Raises:
            ValueError: the mode is another one.
        """
        check_mode(mode)
        text = json.dumps(data)
        if mode == "text":
            await self.send_text(text)
        else:
            await self.send_bytes(text.encode())

    async def send(self, event: WSEvent) -> None:
        """Send an event of wsproto. Waits while the peer does not read.

        Raises:
            WebSocketDisconnect: the WebSocket has been closed.
            WebSocketNetworkError: the connection was lost.
        """
        await self._write(lambda: self._conversation.encode(event))

    async def ping(self, payload: bytes = b"") -> Event:
        """Send a ping. Raises as `send`.

        Args:
            payload: up to 125 octets; random ones if empty.

        Returns: an event that is set when the answer comes, and stays unset if the WebSocket ends before.
        """
        answered = new_event()
        await self._write(lambda: self._conversation.ping(payload, answered))
        return answered

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket: send a Close frame, wait a second at most for the peer's, and end the connection.

        Who waits to receive is woken with a `WebSocketDisconnect`. Closing again does nothing.

        Args:
            code: why (RFC 6455, 7.4), from 1000 to 4999.
            reason: the same for a person to read; cut off after 123 octets.

        Raises:
            ValueError: that is no code.
        """
        check_close(code)
        await self._close(code, reason, _conversation.CLOSE_TIMEOUT)

    # From the peer

    async def receive(self, timeout: float | None = None) -> WSEvent:
        """Wait for the next message.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            TimeoutError: none came in time.
            WebSocketDisconnect: there will be none: the WebSocket was closed.
            WebSocketNetworkError: there will be none: the connection was lost.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while (event := self._conversation.take()) is None:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("No message came in time")
            await self._news.wait(left)
        self._room.notify()
        return event

    async def receive_text(self, timeout: float | None = None) -> str:
        """Wait for the next message, which has to be text. As `receive`, and

        Raises:
            WebSocketInvalidTypeReceived: it is not.
        """
        event = await self.receive(timeout)
        if isinstance(event, TextMessage):
            return event.data
        raise WebSocketInvalidTypeReceived(event)

    async def receive_bytes(self, timeout: float | None = None) -> bytes:
        """Wait for the next message, which has to be binary. As `receive`, and

        Raises:
            WebSocketInvalidTypeReceived: it is not.
        """
        event = await self.receive(timeout)
        if isinstance(event, BytesMessage):
            return bytes(event.data)
        raise WebSocketInvalidTypeReceived(event)

    async def receive_json(self, timeout: float | None = None, mode: JSONMode = "text") -> Any:
        """Wait for the next message and parse it as JSON. As `receive_text` or, with mode "binary", `receive_bytes`.

        Raises:
            json.JSONDecodeError: it is none.
            ValueError: the mode is another one.
        """
        check_mode(mode)
        return json.loads(await (self.receive_text(timeout) if mode == "text" else self.receive_bytes(timeout)))

    # Steps

    async def _write(self, encode: Callable[[], bytes]) -> None:
        """Write the octets of a frame. They are made when it is this frame's turn. Raises as `send` and `encode`."""
        async with self._write_lock:
            octets = encode()
            if not octets:
                return
            try:
                await self.stream.write(octets)
            except Exception as error:
                await self._lose(f"Writing failed: {error}", error)
                ended = self._conversation.ended
                raise (again(ended) if ended is not None else WebSocketNetworkError("Writing failed")) from error
            except BaseException:
                # asyncio's transports have taken the whole frame before they let anybody wait. On trio part of it may
                # have been written, and nothing can follow that.
                if in_trio():
                    self._conversation.lose("Sending a frame was cancelled")
                    self._notify_all()
                raise

    async def _lose(self, text: str, cause: Exception | None = None) -> None:
        """The connection is of no more use: end it, and wake whoever uses it."""
        self._conversation.lose(text, cause)
        self._notify_all()
        with suppress(Exception):
            await self._close_stream()

    async def _close_stream(self) -> None:
        await self.stream.aclose()
        if self.response is not None:
            # A stream may go on to write what it has taken, to a peer that does not read; the response does not.
            await self.response.aclose()

    def _notify_all(self) -> None:
        for signal in (self._news, self._room, self._duty):
            signal.notify()

    async def _close(self, code: int, reason: str | None, timeout: float) -> None:
        if self._has_begun_closing:
            return
        self._has_begun_closing = True
        conversation = self._conversation
        deadline = monotonic() + (timeout if self._is_running else 0.0)
        conversation.begin_closing(code, reason)
        # The receiver goes on to look for the peer's Close frame, even if nobody wants what lies before it.
        self._notify_all()
        try:
            # Even if there is nothing to write: the upkeep may be about to answer the peer's Close frame.
            if not isinstance(conversation.ended, WebSocketNetworkError):
                with suppress(HTTPXWSException):
                    farewell = self._write(lambda: conversation.close_frame(code, reason))
                    await within(max(timeout, FAREWELL_TIMEOUT), farewell, shielded=True)
            while conversation.ended is None and (left := deadline - monotonic()) > 0:
                await self._news.wait(left)
        finally:
            await self._end()

    async def _end(self) -> None:
        """Let go of everything."""
        self._is_over = True
        self._conversation.lose("The session is closed")
        self._notify_all()
        try:
            await self._background.close()
        finally:
            await self._close_stream()

    async def _receive_all(self) -> None:
        """The receiver."""
        conversation = self._conversation
        while conversation.ended is None:
            try:
                conversation.feed(await self.stream.read(READ_BYTES))
            except Exception as error:
                # Whatever the stream's errors are: its end is the session's.
                conversation.lose(f"Reading failed: {error}", error)
            while not conversation.advance():
                self._news.notify()
                await self._room.wait()
            self._news.notify()
            if conversation.owes:
                self._duty.notify()
        self._notify_all()

    async def _keep_up(self) -> None:
        """The upkeep."""
        keepalive = Keepalive(self._ping_interval, self._ping_timeout, monotonic(), self._duty.notify)
        try:
            while (encode := await self._next_duty(keepalive)) is not None:
                if not await within(self._ping_timeout, self._write(encode)):
                    raise TimeoutError("The peer took nothing more in time")
        except Exception as error:
            await self._lose(f"Keeping the connection up failed: {error}", error)

    async def _next_duty(self, keepalive: Keepalive) -> Callable[[], bytes] | None:
        """Wait for something to write; None when there will be nothing. Raises TimeoutError for a missing pong."""
        conversation = self._conversation
        while not self._is_over:
            # Once this side closes, its Close frame is all that there is to write, and `close` does that.
            if not self._has_begun_closing:
                if conversation.owes:
                    return conversation.take_owed
                if conversation.ended is None and keepalive.step(monotonic(), conversation.is_full):
                    return lambda: conversation.ping(b"", keepalive)
            if conversation.ended is not None:
                return None
            wait = keepalive.at - monotonic()
            await self._duty.wait(None if self._has_begun_closing or wait == inf else max(wait, 0.0))
        return None
