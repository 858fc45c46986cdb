"""What both kinds of session have in common: frames in, messages out, and what is owed to the peer (RFC 6455).

    octets ──feed──► [wsproto] ──advance──► inbox ──► the session's `receive`
                                  │
                                  └──► owed: a pong, a Close frame ──take_owed──► octets

No IO, no clock and no lock are in here: the session sees to those. How it ends:

    OPEN ──close_frame()──► CLOSING ──Close frame, or the end of the connection──► ended
    OPEN ──Close frame, a breach of the protocol, a message too large, the end of the connection──► ended
"""

from __future__ import annotations

import secrets
from collections import deque
from io import StringIO
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from ._exceptions import HTTPXWSException, WebSocketDisconnect, WebSocketNetworkError, again

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from wsproto.events import Event

# Octets for one read of the network.
READ_BYTES = 65_536

# wsproto moves what it has not parsed at each frame: the less it is given at a time, the cheaper are tiny frames.
FEED_BYTES = 16_384

# Seconds for the Close frame to leave and the peer's to come.
CLOSE_TIMEOUT = 1.0

# The same for the first of these, where nobody wants to wait: after a cancellation, or Ctrl-C.
FAREWELL_TIMEOUT = 0.1


class Conversation:
    """One WebSocket, seen from the client.

    Args:
        max_message_size_bytes: octets of one message; a larger one ends the conversation with 1009.
        queue_size: messages that the inbox takes before `advance` stops.
    """

    def __init__(self, max_message_size_bytes: int, queue_size: int) -> None:
        self.connection = Connection(ConnectionType.CLIENT)
        self.inbox: deque[Event] = deque()
        # Why nothing more comes; what is in the inbox came before.
        self.ended: HTTPXWSException | None = None
        # This side has begun to close: messages are of no interest any more.
        self.is_closing = False
        self._max_message_size_bytes = max_message_size_bytes
        self._queue_size = max(1, queue_size)
        self._arrived: Iterator[Event] = iter(())
        self._unfed = b""
        # The message under way: its parts, and their octets.
        self._text: StringIO | None = None
        self._bytes: bytearray | None = None
        self._size = 0
        self._pong: Pong | None = None
        self._farewell: CloseConnection | None = None
        # Pings without an answer, in the order that they were sent in: payload and what to set.
        self._pings: deque[tuple[bytes, Any]] = deque()

    # What comes

    @property
    def is_full(self) -> bool:
        """Whether the inbox has no room."""
        return not self.is_closing and len(self.inbox) >= self._queue_size

    def feed(self, octets: bytes) -> None:
        """Take what was read; b"" is the end of the connection. `advance` has returned True before."""
        if not octets:
            self.lose("The connection ended without a Close frame")
        self._unfed = octets

    def advance(self) -> bool:
        """Parse what was fed. Returns False when the inbox is full: to be called again when there is room."""
        while self.ended is None:
            if self.is_full:
                return False
            event = next(self._arrived, None)
            if event is not None:
                self._handle(event)
            elif self._unfed:
                piece, self._unfed = self._unfed[:FEED_BYTES], self._unfed[FEED_BYTES:]
                self.connection.receive_data(piece)
                self._arrived = self.connection.events()
            else:
                break
        return True

    def lose(self, text: str, cause: BaseException | None = None) -> None:
        """The connection is gone."""
        if self.ended is None:
            if self.is_closing:
                self.ended = WebSocketDisconnect(self._closing_code, self._closing_reason)
            else:
                self.ended = WebSocketNetworkError(text)
                self.ended.__cause__ = cause
        self._forget()

    def _handle(self, event: Event) -> None:
        if isinstance(event, (TextMessage, BytesMessage)):
            if not self.is_closing:
                self._add(event)
        elif isinstance(event, Ping):
            # Only the last of several is to be answered (RFC 6455, 5.5.3): a flood of them takes no memory.
            self._pong = event.response()
        elif isinstance(event, Pong):
            self._acknowledge(bytes(event.payload))
        elif isinstance(event, CloseConnection):
            if self.connection.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
                # No Close frame: that is wsproto's way to tell of a breach of the protocol (RFC 6455, 7.1.7).
                self._fail(event.code, event.reason)
            else:
                self._farewell = event.response()
                self.ended = WebSocketDisconnect(event.code, event.reason)
                self._forget()

    def _add(self, event: TextMessage | BytesMessage) -> None:
        data = event.data
        self._size += len(data) if not isinstance(data, str) or data.isascii() else len(data.encode())
        if self._size > self._max_message_size_bytes:
            self._fail(CloseReason.MESSAGE_TOO_BIG, "Message too big")
        elif isinstance(data, str):
            if self._text is None and event.message_finished:
                self.inbox.append(event)
            else:
                self._text = self._text or StringIO()
                self._text.write(data)
                if event.message_finished:
                    self.inbox.append(TextMessage(data=self._text.getvalue()))
        elif self._bytes is None and event.message_finished:
            self.inbox.append(event)
        else:
            if self._bytes is None:
                self._bytes = bytearray()
            self._bytes += data
            if event.message_finished:
                self.inbox.append(BytesMessage(data=bytes(self._bytes)))
        if event.message_finished:
            self._drop_message()

    def _drop_message(self) -> None:
        self._text = self._bytes = None
        self._size = 0

    def _fail(self, code: int, reason: str | None) -> None:
        self._farewell = CloseConnection(code, reason)
        self.ended = WebSocketDisconnect(code, reason)
        self._forget()

    def _forget(self) -> None:
        self._drop_message()
        self._unfed = b""
        self._arrived = iter(())
        self._pong = None
        self._pings.clear()

    def take(self) -> Event | None:
        """The next message, or None when none is there yet.

        Raises:
            WebSocketDisconnect, WebSocketNetworkError: there will be no other.
        """
        if self.inbox:
            return self.inbox.popleft()
        if self.ended is not None:
            raise again(self.ended)
        return None

    # What goes

    def encode(self, event: Event) -> bytes:
        """The octets of a frame to send.

        Raises:
            WebSocketDisconnect, WebSocketNetworkError: the WebSocket is not open any more.
            LocalProtocolError: of wsproto; the event is not one that can be sent.
        """
        if self.ended is not None:
            raise again(self.ended)
        if self.is_closing:
            raise WebSocketDisconnect(self._closing_code, self._closing_reason)
        if isinstance(event, CloseConnection):
            return self.close_frame(event.code, event.reason)
        return bytes(self.connection.send(event))

    def begin_closing(self, code: int, reason: str | None) -> None:
        """From now on nothing is sent but the Close frame, and nothing is of interest but the peer's."""
        if not self.is_closing:
            self.is_closing = True
            self._closing_code, self._closing_reason = code, reason

    def close_frame(self, code: int, reason: str | None) -> bytes:
        """The octets that begin or end the closing handshake; b"" when this side has sent them before."""
        self.begin_closing(code, reason)
        if self._farewell is not None:
            # It has been found out meanwhile why the conversation ends.
            return self.take_owed()
        return self._encode_close(CloseConnection(code, reason))

    @property
    def owes(self) -> bool:
        """Whether `take_owed` has something."""
        return self._pong is not None or self._farewell is not None

    def take_owed(self) -> bytes:
        """The octets of the answers that the peer is owed."""
        pong, self._pong = self._pong, None
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            return self._encode_close(farewell)
        if pong is None or self.connection.state is not ConnectionState.OPEN:
            return b""
        return bytes(self.connection.send(pong))

    def _encode_close(self, event: CloseConnection) -> bytes:
        if self.connection.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return bytes(self.connection.send(event))
        return b""

    # Pings

    def ping(self, payload: bytes, answered: Any) -> bytes:
        """The octets of a ping; `answered.set()` is called when its pong comes. Raises as `encode`, and

        ValueError: the payload has more than 125 octets.
        """
        if len(payload) > 125:
            raise ValueError(f"The payload of a ping has 125 octets at most, not {len(payload)}")
        payload = bytes(payload) or secrets.token_bytes(16)
        octets = self.encode(Ping(payload))
        self._pings.append((payload, answered))
        return octets

    def _acknowledge(self, payload: bytes) -> None:
        """A pong answers its ping and those before it (RFC 6455, 5.5.3); one that answers none means nothing."""
        if any(sent == payload for sent, _ in self._pings):
            while self._pings:
                sent, answered = self._pings.popleft()
                answered.set()
                if sent == payload:
                    return


def check_close(code: int) -> None:
    """Refuse a code that no Close frame may carry.

    Raises:
        ValueError
    """
    if not 1000 <= code <= 4999:
        raise ValueError(f"A close code is a number from 1000 to 4999 (RFC 6455, 7.4), not {code!r}")


def check_mode(mode: str) -> None:
    """Refuse a way to send JSON that there is not.

    Raises:
        ValueError
    """
    if mode not in ("text", "binary"):
        raise ValueError(f"The mode of JSON is 'text' or 'binary', not {mode!r}")
