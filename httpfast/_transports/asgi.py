"""ASGITransport: requests are answered by an ASGI application in this process, without a network.

The application sees what a server would show it (ASGI 3.0, HTTP message format). It runs in one of two ways:

    whole      the caller wants the body at once, as `client.get()` does: the application is awaited in the caller's own
               task. What it does to context variables and cancel scopes is what the caller sees, as in httpx.
    streamed   anything else: the application runs in a task of its own, the response is there when its head is, and
               the body comes as it is sent. The task ends before the body does, or with `aclose()`.

The event loop is only touched by the functions at the end. On trio, where a task needs a nursery, all is whole.
"""

from __future__ import annotations

import sys
from collections import deque

from .._content import finish_iterator
from .._exceptions import RemoteProtocolError
from .._response import Response
from .._types import AsyncByteStream, ByteStream, SyncByteStream
from .base import AsyncBaseTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
    from typing import Any

    from .._request import Request

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

__all__ = ["ASGITransport"]

# Octets that a streamed body may be ahead of its reader before `send` waits; uvicorn's high-water mark.
MAX_HELD_BYTES = 65_536

# Seconds that an application which waits for messages has to end after `http.disconnect`, before it is cancelled.
DISCONNECT_GRACE = 1.0


class ASGITransport(AsyncBaseTransport):
    """A transport whose answers come from an ASGI application.

    A response that is asked for as a stream arrives while the application makes it. Closing it early tells the
    application so (`http.disconnect`) and then cancels it. No task outlives its response.

    Args:
        app: the application: a coroutine function of scope, receive and send.
        raise_app_exceptions: whether the application's exceptions are raised: by the call before the response has
            begun, then by reading or closing the body. If not, they become a 500, or the body's end.
        root_path: the path that the application is mounted on.
        client: host and port that the application is told the request comes from.

    Source: ASGI 3.0, HTTP connection scope.
    """

    def __init__(
        self,
        app: ASGIApp,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
    ) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self.root_path = root_path
        self.client = client
        # The streamed responses that are not closed.
        self._calls: set[_StreamedCall] = set()

    async def handle_async_request(self, request: Request) -> Response:
        """Have the application answer one request.

        Raises:
            RemoteProtocolError: the application returned without a complete response.
            TypeError: the request's stream is none.
            Exception: what the application raised, if `raise_app_exceptions`.
        """
        scope = self._scope(request)
        if request._wants_whole or _in_trio():
            call = _Call(request, self.raise_app_exceptions)
            await call.run(self.app, scope)
            call.check()
            return Response(call.status, headers=call.fields, stream=ByteStream(b"".join(call.parts)))

        streamed = _StreamedCall(request, self.raise_app_exceptions, self._calls.discard)
        self._calls.add(streamed)
        await streamed.start(self.app, scope)
        try:
            return Response(streamed.status, headers=streamed.fields, stream=_BodyStream(streamed))
        except BaseException:
            await streamed.close()
            raise

    async def aclose(self) -> None:
        """End the applications whose responses are still open."""
        while self._calls:
            await self._calls.pop().close()

    def _scope(self, request: Request) -> dict[str, Any]:
        url = request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "server": (url.host, url.port),
            "client": self.client,
            "root_path": self.root_path,
        }


class _Call:
    """One call of the application: what it is sent, and the whole of what it sends."""

    def __init__(self, request: Request, raises: bool) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.parts: deque[bytes] = deque()
        # The response has been sent to its end.
        self.is_complete = False
        # The caller does not want what is missing.
        self.is_given_up = False
        # The application has returned or raised.
        self.has_ended = False
        self.error: BaseException | None = None
        self._raises = raises
        self._has_body = request.method != "HEAD"
        self._chunks = _chunks(request.stream)
        self._has_read_request = False
        # Set when there is nothing to receive any more but `http.disconnect`.
        self._over = _new_event()
        # How many times `receive` is waiting for that.
        self._listeners = 0

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Call the application and note how it ended. Raises what is no Exception, such as CancelledError."""
        try:
            try:
                await app(scope, self.receive, self.send)
            finally:
                self._over.set()
                # A generator that a forgotten task of the application is still in cannot be closed.
                if not getattr(self._chunks, "ag_running", False):
                    await finish_iterator(self._chunks)
        except Exception as error:
            self.error = error
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.has_ended = True

    def check(self) -> None:
        """Look at how the application ended.

        Raises:
            RemoteProtocolError: it returned without a complete response.
            BaseException: what it raised, once.
        """
        error, self.error = self.error, None
        was_complete, self.is_complete = self.is_complete, True
        if error is not None:
            try:
                if self._raises or not isinstance(error, Exception):
                    raise error
            finally:
                # A traceback that held the error would hold this frame, and this frame the error.
                del error
            self.status = self.status or 500
        elif not was_complete:
            seen = "a complete response" if self.status else "a response"
            raise RemoteProtocolError(f"The ASGI application returned without sending {seen}")

    async def receive(self) -> Message:
        """The application's `receive`: the request's body, then `http.disconnect` when the response is over."""
        if self._has_read_request or self.is_given_up:
            self._listeners += 1
            try:
                await self._over.wait()
            finally:
                self._listeners -= 1
            return {"type": "http.disconnect"}
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._has_read_request = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(self, message: Message) -> None:
        """The application's `send`.

        Raises:
            RuntimeError: the message must not come at this point.
        """
        kind = message["type"]
        if kind == "http.response.start":
            if self.status:
                raise RuntimeError("'http.response.start' was sent twice")
            self.fields = list(message.get("headers", ()))
            self.status = message["status"]
        elif kind == "http.response.body":
            if not self.status:
                raise RuntimeError("'http.response.body' was sent before 'http.response.start'")
            if self.is_complete:
                raise RuntimeError("'http.response.body' was sent after the end of the response")
            body = message.get("body", b"")
            if body and self._has_body and not self.is_given_up:
                self.parts.append(bytes(body))
            if not message.get("more_body", False):
                self.is_complete = True
                self._over.set()


class _StreamedCall(_Call):
    """A call in a task of its own, whose response is read while it is sent."""

    def __init__(self, request: Request, raises: bool, forget: Callable[[_StreamedCall], None]) -> None:
        super().__init__(request, raises)
        self._forget = forget
        self._task: asyncio.Task[None] | None = None
        self._held_bytes = 0
        # For the reader: something was sent, or the application has ended.
        self._news = _new_event()
        # For `send`: there is room for more of the body.
        self._room = _new_event()

    async def start(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Start the application and wait for the response's head. Raises as `check`."""
        self._task = _start(self.run(app, scope))
        # A task that is cancelled before its first step runs nothing of `run`.
        self._task.add_done_callback(self._note_end)
        try:
            while not self.status and not self.has_ended:
                self._news.clear()
                await self._news.wait()
            if not self.status:
                self.check()
        except BaseException:
            await self.close()
            raise

    async def send(self, message: Message) -> None:
        """The application's `send`, which waits for the reader of a long body."""
        held = len(self.parts)
        await super().send(message)
        self._news.set()
        if len(self.parts) > held:
            self._held_bytes += len(self.parts[-1])
        elif message["type"] == "http.response.body" and not self.is_complete:
            # Sending to nobody is no error (ASGI 2.0), but an endless loop of it must let its cancellation in.
            await _pause()
        while self._held_bytes > MAX_HELD_BYTES and not self.is_complete and not self.is_given_up:
            self._room.clear()
            await self._room.wait()

    async def next_part(self) -> bytes:
        """The next part of the body; b"" when the application has ended. Raises as `check`."""
        while not self.parts:
            if self.has_ended:
                if not self.is_given_up:
                    self.check()
                return b""
            self._news.clear()
            await self._news.wait()
        part = self.parts.popleft()
        self._held_bytes -= len(part)
        self._room.set()
        return part

    async def close(self) -> None:
        """Have the application end: in its own time if its response is complete, else now. Raises as `check`."""
        self._forget(self)
        task = self._task
        if task is None:
            return
        try:
            if not self.has_ended and self.is_complete:
                # What it does after the response, such as background tasks, belongs to the call.
                self._room.set()
                await _wait(task)
            elif not self.has_ended:
                self.is_given_up = True
                self._over.set()
                self._room.set()
                if self._listeners:
                    await _wait(task, DISCONNECT_GRACE)
        finally:
            self._task = None
            self._held_bytes = 0
            self.parts.clear()
            if not task.done():
                self.is_given_up = True
                task.cancel()
                await _wait(task)
        if not self.is_given_up:
            self.check()
        # How an application takes it that nobody wants its response is not the caller's business.
        self.error = None

    def abandon(self) -> None:
        """Cancel the application of a response that was dropped. May be called in any thread."""
        task = self._task
        if task is not None and not task.done():
            self.is_given_up = True
            _cancel_soon(task)
        self._forget(self)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() and self.error is None:
            import asyncio

            self.error = asyncio.CancelledError()
        self.has_ended = True
        self._over.set()
        self._news.set()


class _BodyStream(AsyncByteStream):
    """The body of a streamed response."""

    def __init__(self, call: _StreamedCall) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self._call.next_part():
            yield part

    async def aclose(self) -> None:
        """End the application. Raises what it raised before, unless that was raised already."""
        await self._call.close()

    def __del__(self) -> None:
        self._call.abandon()


def _chunks(stream: SyncByteStream | AsyncByteStream) -> AsyncIterator[bytes]:
    """A request's body, of either kind."""
    if isinstance(stream, AsyncByteStream):
        return stream.__aiter__()
    if isinstance(stream, SyncByteStream):
        return _iterate(stream)
    raise TypeError(f"A request's stream must be an AsyncByteStream or a SyncByteStream, not {type(stream)!r}")


async def _iterate(stream: SyncByteStream) -> AsyncIterator[bytes]:
    for chunk in stream:
        yield chunk


# What is asked of the event loop.


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()


def _new_event() -> asyncio.Event:
    if _in_trio():
        # It has the `set` and `wait` that a whole call needs.
        event: asyncio.Event = sys.modules["trio"].Event()
        return event

    import asyncio

    return asyncio.Event()


def _start(call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    import asyncio

    return asyncio.get_running_loop().create_task(call)


async def _wait(task: asyncio.Task[None], timeout: float | None = None) -> None:
    """Wait for the end of a task, however it ends; for `timeout` seconds at most."""
    import asyncio

    await asyncio.wait((task,), timeout=timeout)


async def _pause() -> None:
    """Let the other tasks run, once."""
    import asyncio

    await asyncio.sleep(0)


def _cancel_soon(task: asyncio.Task[None]) -> None:
    loop = task.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)
