"""The blocking session: two threads of its own, and any number of the caller's.

    receiver    reads the network and fills the inbox; waits while that is full, and the peer then has to
    upkeep      answers pings and Close frames, sends the keepalive pings and misses their answers

One lock guards the conversation and is never held while anything blocks. Writing has its own, so that frames stay
whole; the receiver never waits for it: a peer that does not read before it has written cannot stall the two of us.
"""

from __future__ import annotations

import json
import threading
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
from ._conversation import FAREWELL_TIMEOUT, Conversation, check_close, check_mode
from ._duplex import Duplex, duplex
from ._exceptions import HTTPXWSException, WebSocketInvalidTypeReceived, WebSocketNetworkError, again
from ._keepalive import Keepalive

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Literal, Self

    from wsproto.connection import Connection
    from wsproto.events import Event

    from .._response import Response
    from ._duplex import NetworkStream

    JSONMode = Literal["text", "binary"]

# Seconds that the session's threads have to end; they take longer only if a stream's `close` does not wake them.
_JOIN_TIMEOUT = 5.0


class WebSocketSession:
    """An open WebSocket, for use in a `with` statement. Any thread may send, and any receive.

    Args:
        stream: the network stream under the response that opened it (`response.extensions["network_stream"]`).
        max_message_size_bytes: a larger message ends the session with code 1009.
        queue_size: messages that wait to be received before no more are read.
        keepalive_ping_interval_seconds: between two pings; None to send none.
        keepalive_ping_timeout_seconds: for the answer to one, before the connection counts as lost; None for no limit.
        response: the response that opened it.

    Attributes:
        subprotocol: what the server chose, or None.
        response: the response that opened it, or None.
    """

    def __init__(
        self,
        stream: NetworkStream,
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
        self._ping_interval = keepalive_ping_interval_seconds
        self._ping_timeout = keepalive_ping_timeout_seconds
        self._duplex: Duplex | None = None
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        # For those who wait to receive, for the receiver, and for the upkeep.
        self._news = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._duty = threading.Condition(self._lock)
        self._write_lock = threading.Lock()
        self._has_begun_closing = False
        self._is_over = False

    def __enter__(self) -> Self:
        self._duplex = duplex(self.stream)
        for target in (self._receive_all, self._keep_up):
            thread = threading.Thread(target=target, args=(self._duplex,), daemon=True, name="httpfast-websocket")
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Ctrl-C and the like do not wait for the peer.
        self._close(1000, None, _conversation.CLOSE_TIMEOUT if error is None or isinstance(error, Exception) else 0.0)

    # To the peer

    def send_text(self, data: str) -> None:
        """Send a text message. Raises as `send`."""
        self.send(TextMessage(data=data))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises as `send`."""
        self.send(BytesMessage(data=data))

    def send_json(self, data: Any, mode: JSONMode = "text") -> None:
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
            self.send_text(text)
        else:
            self.send_bytes(text.encode())

    def send(self, event: Event) -> None:
        """Send an event of wsproto. Blocks while the peer does not read.

        Raises:
            WebSocketDisconnect: the WebSocket has been closed.
            WebSocketNetworkError: the connection was lost.
        """
        self._write(lambda: self._conversation.encode(event))

    def ping(self, payload: bytes = b"") -> threading.Event:
        """Send a ping. Raises as `send`.

        Args:
            payload: up to 125 octets; random ones if empty.

        Returns: an event that is set when the answer comes, and stays unset if the WebSocket ends before.
        """
        answered = threading.Event()
        self._write(lambda: self._conversation.ping(payload, answered))
        return answered

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket: send a Close frame, wait a second at most for the peer's, and end the connection.

        Who waits to receive is woken with a `WebSocketDisconnect`. Closing again does nothing.

        Args:
            code: why (RFC 6455, 7.4), from 1000 to 4999.
            reason: the same for a person to read; cut off after 123 octets.

        Raises:
            ValueError: that is no code.
        """
        check_close(code)
        self._close(code, reason, _conversation.CLOSE_TIMEOUT)

    # From the peer

    def receive(self, timeout: float | None = None) -> Event:
        """Wait for the next message.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            TimeoutError: none came in time.
            WebSocketDisconnect: there will be none: the WebSocket was closed.
            WebSocketNetworkError: there will be none: the connection was lost.
        """
        deadline = None if timeout is None else monotonic() + timeout
        with self._lock:
            while (event := self._conversation.take()) is None:
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("No message came in time")
                self._news.wait(left)
            self._room.notify()
        return event

    def receive_text(self, timeout: float | None = None) -> str:
        """Wait for the next message, which has to be text. As `receive`, and

        Raises:
            WebSocketInvalidTypeReceived: it is not.
        """
        event = self.receive(timeout)
        if isinstance(event, TextMessage):
            return event.data
        raise WebSocketInvalidTypeReceived(event)

    def receive_bytes(self, timeout: float | None = None) -> bytes:
        """Wait for the next message, which has to be binary. As `receive`, and

        Raises:
            WebSocketInvalidTypeReceived: it is not.
        """
        event = self.receive(timeout)
        if isinstance(event, BytesMessage):
            return bytes(event.data)
        raise WebSocketInvalidTypeReceived(event)

    def receive_json(self, timeout: float | None = None, mode: JSONMode = "text") -> Any:
        """Wait for the next message and parse it as JSON. As `receive_text` or, with mode "binary", `receive_bytes`.

        Raises:
            json.JSONDecodeError: it is none.
            ValueError: the mode is another one.
        """
        check_mode(mode)
        return json.loads(self.receive_text(timeout) if mode == "text" else self.receive_bytes(timeout))

    # Steps

    def _write(self, encode: Callable[[], bytes], timeout: float | None = None) -> None:
        """Write the octets of a frame. They are made when it is this frame's turn. Raises as `send` and `encode`.

        Args:
            encode: makes them, with the lock held.
            timeout: seconds; None for no limit.
        """
        deadline = None if timeout is None else monotonic() + timeout
        if not self._write_lock.acquire(timeout=-1 if timeout is None else timeout):
            raise WebSocketNetworkError("The peer took nothing more in time")
        try:
            with self._lock:
                octets = encode()
            if not octets or self._duplex is None:
                return
            try:
                self._duplex.write(octets, None if deadline is None else max(deadline - monotonic(), 0.0))
            except BaseException as error:
                # Part of a frame may have been written: nothing can follow it.
                self._lose(f"Writing failed: {error}", error)
                if not isinstance(error, Exception):
                    raise
                with self._lock:
                    ended = self._conversation.ended
                raise (again(ended) if ended is not None else WebSocketNetworkError("Writing failed")) from error
        finally:
            self._write_lock.release()

    def _lose(self, text: str, cause: BaseException | None = None) -> None:
        """The connection is of no more use: end it, and wake whoever uses it."""
        with self._lock:
            self._conversation.lose(text, cause)
            self._notify_all()
        if self._duplex is not None:
            self._duplex.shut_down()

    def _notify_all(self) -> None:
        for condition in (self._news, self._room, self._duty):
            condition.notify_all()

    def _close(self, code: int, reason: str | None, timeout: float) -> None:
        conversation = self._conversation
        deadline = monotonic() + (timeout if self._threads else 0.0)
        with self._lock:
            if self._has_begun_closing:
                return
            self._has_begun_closing = True
            conversation.begin_closing(code, reason)
            is_lost = isinstance(conversation.ended, WebSocketNetworkError)
            # The receiver goes on to look for the peer's Close frame, even if nobody wants what lies before it.
            self._notify_all()
        try:
            # Even if there is nothing to write: the upkeep may be about to answer the peer's Close frame.
            if not is_lost:
                with suppress(HTTPXWSException):
                    self._write(lambda: conversation.close_frame(code, reason), max(timeout, FAREWELL_TIMEOUT))
            with self._lock:
                while conversation.ended is None and (left := deadline - monotonic()) > 0:
                    self._news.wait(left)
        finally:
            self._end()

    def _end(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._is_over = True
            self._conversation.lose("The session is closed")
            self._notify_all()
        if self._duplex is not None:
            self._duplex.shut_down()
        for thread in self._threads:
            thread.join(_JOIN_TIMEOUT)
        self._threads.clear()
        self.stream.close()

    def _receive_all(self, network: Duplex) -> None:
        """The receiver."""
        conversation = self._conversation
        while True:
            try:
                octets = network.read()
            except Exception as error:
                # Whatever the stream's errors are: its end is the session's.
                with self._lock:
                    conversation.lose(f"Reading failed: {error}", error)
                    self._notify_all()
                return
            with self._lock:
                conversation.feed(octets)
                while not conversation.advance():
                    self._news.notify_all()
                    self._room.wait()
                if conversation.ended is not None:
                    self._notify_all()
                    return
                self._news.notify_all()
                if conversation.owes:
                    self._duty.notify_all()

    def _keep_up(self, network: Duplex) -> None:
        """The upkeep."""
        keepalive = Keepalive(self._ping_interval, self._ping_timeout, monotonic(), self._duty.notify_all)
        while True:
            try:
                with self._lock:
                    encode = self._next_duty(keepalive)
                if encode is None:
                    return
                self._write(encode, self._ping_timeout)
            except Exception as error:
                self._lose(f"Keeping the connection up failed: {error}", error)
                return

    def _next_duty(self, keepalive: Keepalive) -> Callable[[], bytes] | None:
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
            self._duty.wait(None if self._has_begun_closing or wait == inf else max(wait, 0.0))
        return None
