"""ASGIWebSocketTransport: WebSockets answered by an ASGI application in this process (ASGI 3.0, WebSocket messages).

    session ──frames──► ASGIWebSocketStream.write ──► inbox ──receive()──► application
            ◄─frames─── ASGIWebSocketStream.read  ◄── outbox ◄──send()────

The application runs in a task of its own, from the request until the stream is closed. Either direction holds so many
octets until the other side waits. Requests for anything but a WebSocket go to `ASGITransport`.
"""

from __future__ import annotations

from collections import deque
from io import StringIO
from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from .._exceptions import ReadError, ReadTimeout, WriteError, WriteTimeout
from .._response import Response
from .._transports.asgi import DISCONNECT_GRACE, MAX_HELD_BYTES, ASGITransport
from .._types import AsyncByteStream
from ._exceptions import WebSocketDisconnect, WebSocketUpgradeError
from ._handshake import accept_value
from ._tasks import Background, Signal, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Any

    from .._request import Request
    from .._transports.asgi import ASGIApp
    from .._transports.asgi import Message as ASGIMessage

__all__ = ["ASGIWebSocketStream", "ASGIWebSocketTransport"]

_SCHEMES = {"http": "ws", "https": "wss"}


class ASGIWebSocketTransport(ASGITransport):
    """A transport whose answers come from an ASGI application, WebSockets included.

    Args:
        app, raise_app_exceptions, root_path, client: as for `ASGITransport`. What the application raises while a
            WebSocket is open closes it with code 1011.
        initial_receive_timeout: seconds that the application has to accept a WebSocket or to refuse it.
    """

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
        initial_receive_timeout: float = 1.0,
    ) -> None:
        super().__init__(app, raise_app_exceptions, root_path, client)
        self._initial_receive_timeout = initial_receive_timeout
        self._streams: set[ASGIWebSocketStream] = set()

    async def handle_async_request(self, request: Request) -> Response:
        """Have the application answer one request. As `ASGITransport`, and for a WebSocket

        Raises:
            WebSocketDisconnect: the application refused it, or failed (1011).
            WebSocketUpgradeError: the application refused it with a response.
            RuntimeError: the application did neither accept it nor refuse it.
        """
        if request.url.scheme not in ("ws", "wss") and request.headers.get("Upgrade", "").lower() != "websocket":
            return await super().handle_async_request(request)

        stream = ASGIWebSocketStream(self.app, self._websocket_scope(request))
        self._streams.add(stream)
        try:
            accepted = await stream.open(self._initial_receive_timeout)
        except BaseException:
            self._streams.discard(stream)
            await stream.aclose()
            raise
        headers = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Accept", accept_value(request.headers.get("Sec-WebSocket-Key", "")).encode()),
            *accepted.get("headers", ()),
        ]
        if accepted.get("subprotocol") is not None:
            headers.append((b"Sec-WebSocket-Protocol", accepted["subprotocol"].encode()))
        return Response(
            101, headers=headers, stream=_NoContent(stream, self._streams), extensions={"network_stream": stream}
        )

    async def aclose(self) -> None:
        """End the applications whose responses and WebSockets are still open."""
        while self._streams:
            await self._streams.pop().aclose()
        await super().aclose()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def _websocket_scope(self, request: Request) -> dict[str, Any]:
        scope = self._scope(request)
        del scope["method"]
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        return scope | {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": _SCHEMES.get(scope["scheme"], scope["scheme"]),
            "subprotocols": [name.strip() for name in offered.split(",") if name.strip()],
            "extensions": {"websocket.http.response": {}},
        }


class _NoContent(AsyncByteStream):
    """The body of a 101: nothing, but closing the response ends the application."""

    def __init__(self, stream: ASGIWebSocketStream, streams: set[ASGIWebSocketStream]) -> None:
        self._stream = stream
        self._streams = streams

    async def __aiter__(self) -> AsyncIterator[bytes]:
        nothing: tuple[bytes, ...] = ()
        for part in nothing:
            yield part

    async def aclose(self) -> None:
        self._streams.discard(self._stream)
        await self._stream.aclose()


class ASGIWebSocketStream:
    """The network stream of a session with an application.

    Args:
        app: the application.
        scope: what it is called with.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        self._app = app
        self._scope = scope
        # The server's side of the frames.
        self._connection = Connection(ConnectionType.SERVER)
        self._background = Background()
        self._to_app: deque[ASGIMessage] = deque([{"type": "websocket.connect"}])
        self._to_app_bytes = 0
        self._to_client = bytearray()
        # Answers from before the WebSocket is open.
        self._answers: deque[ASGIMessage] = deque()
        self._is_accepted = False
        self._is_refused = False
        # What the application receives when there is nothing else.
        self._disconnect: ASGIMessage | None = None
        self._has_ended = False
        self._is_closed = False
        self._error: Exception | None = None
        self._text: StringIO | None = None
        self._bytes = bytearray()
        # Anything has changed.
        self._changed = Signal()

    async def open(self, timeout: float) -> ASGIMessage:
        """Start the application. Returns its `websocket.accept`. Raises as `handle_async_request`."""
        self._background.start(self._run())
        message = await self._answer(timeout)
        if message["type"] == "websocket.accept":
            return message
        if message["type"] == "websocket.close":
            raise WebSocketDisconnect(message.get("code", 1000), message.get("reason")) from self._error
        body = bytearray()
        while True:
            part = await self._answer(None)
            body += part.get("body", b"")
            if not part.get("more_body", False):
                break
        response = Response(message["status"], headers=list(message.get("headers", ())), content=bytes(body))
        raise WebSocketUpgradeError(response)

    async def _answer(self, timeout: float | None) -> ASGIMessage:
        if not await within(timeout, self._wait_for_answer()) or not self._answers:
            raise RuntimeError("The application neither accepted the WebSocket nor refused it; does it call accept()?")
        return self._answers.popleft()

    async def _wait_for_answer(self) -> None:
        while not self._answers and not self._has_ended:
            await self._changed.wait()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            self._error = error
        finally:
            self._has_ended = True
            self._changed.notify()
        code = CloseReason.NORMAL_CLOSURE if self._error is None else CloseReason.INTERNAL_ERROR
        reason = None if self._error is None else str(self._error)
        if self._is_accepted:
            self._frame(CloseConnection(code, reason))
        elif self._error is not None:
            self._answers.append({"type": "websocket.close", "code": code, "reason": reason})

    # The application's side

    async def _receive(self) -> ASGIMessage:
        while not self._to_app:
            if self._disconnect is not None:
                return self._disconnect
            await self._changed.wait()
        message = self._to_app.popleft()
        self._to_app_bytes -= _size(message)
        self._changed.notify()
        return message

    async def _send(self, message: ASGIMessage) -> None:
        kind = message["type"]
        if not self._is_accepted:
            if self._is_refused and kind != "websocket.http.response.body":
                raise RuntimeError(f"{kind!r} was sent after the WebSocket was refused")
            if kind == "websocket.accept":
                self._is_accepted = True
            elif kind in ("websocket.close", "websocket.http.response.start"):
                self._is_refused = True
                self._disconnect = {"type": "websocket.disconnect", "code": CloseReason.ABNORMAL_CLOSURE, "reason": ""}
            elif kind != "websocket.http.response.body" or not self._is_refused:
                raise RuntimeError(f"{kind!r} was sent before 'websocket.accept'")
            self._answers.append(message)
            self._changed.notify()
            return
        if kind == "websocket.send":
            if self._is_closed or self._disconnect is not None:
                # As servers do since ASGI 2.4: an application that only sends has to learn that nobody listens.
                raise OSError("The WebSocket is closed")
            text, data = message.get("text"), message.get("bytes")
            if text is not None:
                self._frame(TextMessage(data=text))
            elif data is not None:
                self._frame(BytesMessage(data=bytes(data)))
            else:
                raise RuntimeError("'websocket.send' was sent with neither text nor bytes")
        elif kind == "websocket.close":
            self._frame(CloseConnection(message.get("code", 1000), message.get("reason")))
        else:
            raise RuntimeError(f"{kind!r} was sent after 'websocket.accept'")
        while len(self._to_client) > MAX_HELD_BYTES and not self._is_closed:
            await self._changed.wait()

    def _frame(self, event: Any) -> None:
        """Send something to the client, unless one of the two has closed the WebSocket."""
        state = self._connection.state
        is_close = isinstance(event, CloseConnection)
        if not self._is_closed and (
            state is ConnectionState.OPEN or (is_close and state is ConnectionState.REMOTE_CLOSING)
        ):
            self._to_client += self._connection.send(event)
            self._changed.notify()
        if is_close and self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": event.code, "reason": event.reason or ""}

    # The client's side

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets of frames; b"" when the WebSocket has been closed.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            ReadTimeout, ReadError
        """
        if not await within(timeout, self._wait_for_frames()):
            raise ReadTimeout("The application sent nothing in time")
        if self._is_closed:
            raise ReadError("The stream is closed")
        octets = bytes(self._to_client[:max_bytes])
        del self._to_client[:max_bytes]
        self._changed.notify()
        return octets

    async def _wait_for_frames(self) -> None:
        while not (self._to_client or self._is_closed or self._connection.state is ConnectionState.CLOSED):
            await self._changed.wait()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Take frames for the application.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            WriteTimeout, WriteError
        """
        if self._is_closed or self._connection.state is ConnectionState.CLOSED:
            raise WriteError("The WebSocket is closed")
        self._connection.receive_data(buffer)
        for event in self._connection.events():
            if isinstance(event, Message):
                self._add(event)  # pyright: ignore[reportUnknownArgumentType]
            elif isinstance(event, Ping):
                self._frame(event.response())
            elif isinstance(event, CloseConnection):
                self._disconnect = {
                    "type": "websocket.disconnect",
                    "code": event.code,
                    "reason": event.reason or "",
                }
                self._frame(event.response())
        self._changed.notify()
        if not await within(timeout, self._wait_for_room()):
            raise WriteTimeout("The application received nothing in time")

    def _add(self, event: Message[Any]) -> None:
        data = event.data
        if isinstance(data, str):
            self._text = self._text or StringIO()
            self._text.write(data)
        else:
            self._bytes += data
        if not event.message_finished:
            return
        message: ASGIMessage = {"type": "websocket.receive"}
        if self._text is not None:
            message["text"] = self._text.getvalue()
        else:
            message["bytes"] = bytes(self._bytes)
        self._text = None
        self._bytes.clear()
        self._to_app.append(message)
        self._to_app_bytes += _size(message)

    async def _wait_for_room(self) -> None:
        while self._to_app_bytes > MAX_HELD_BYTES and self._disconnect is None and not self._has_ended:
            await self._changed.wait()

    async def aclose(self) -> None:
        """Tell the application that the client is gone, give it a second to end, then cancel it."""
        self._is_closed = True
        if self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": CloseReason.ABNORMAL_CLOSURE, "reason": ""}
        self._changed.notify()
        await self._background.close(DISCONNECT_GRACE)

    def get_extra_info(self, info: str) -> Any:
        """None: there is no socket."""
        return None


def _size(message: ASGIMessage) -> int:
    return len(message.get("text") or message.get("bytes") or b"")
