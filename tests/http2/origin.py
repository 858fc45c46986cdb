"""A programmable HTTP/2 server for tests of clients, made of the `h2` library on an event loop in a thread of its own.

    with ScriptedOrigin(max_streams=10) as origin:
        origin.on("/late", late)                    # async def late(stream): ...; a task a stream
        ...
        origin.wait_until(lambda: len(origin.streams) == 3)
        assert origin.streams[0].reset_code == ErrorCodes.CANCEL

Handlers run on the origin's loop. What the test reads of connections and streams are plain facts; what it wants to have
done there goes through `call`. A stream is refused when more are open than SETTINGS allow, as servers do.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any, Self, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PingReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, SettingsFrame

from bench.server import content

from .. import servers

T = TypeVar("T")
Handler = Callable[["Stream"], Awaitable[None]]
Fields = Sequence[tuple[str, str]]

TIMEOUT = 10.0
"""Seconds that `wait_until` and `call` take at most."""

LARGE_WINDOW = 1 << 30
FIRST_WINDOW = 65_535


class Gone(Exception):
    """The client has reset the stream, or the connection is closed: its handler ends."""


@cache
def server_context(*protocols: str) -> ssl.SSLContext:
    """A server's context with the run's certificate that offers these protocols by ALPN; none for no ALPN at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(servers.certificates().server_file)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class Gate:
    """What handlers wait for until the test opens it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def open(self) -> None:
        """Let all through, from now on."""
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


class Stream:
    """One request. Facts for the test: `method`, `path`, `fields`, `body`, `trailers`, `is_ended`, `reset_code`."""

    def __init__(self, connection: Connection, stream_id: int, fields: Fields) -> None:
        self.connection = connection
        self.id = stream_id
        self.fields = [(str(name), str(value)) for name, value in fields]
        known = dict(self.fields)
        self.method = known[":method"]
        self.path = known.get(":path", "")
        self.body = bytearray()
        self.trailers: list[tuple[str, str]] = []
        self.is_ended = False
        self.is_answered = False
        self.was_refused = False
        self.reset_code: int | None = None
        self._is_reading = False
        self._unread = 0

    def __getitem__(self, name: str) -> str:
        """The value of a field."""
        return dict(self.fields)[name]

    def get(self, name: str) -> str | None:
        """The value of a field, or None."""
        return dict(self.fields).get(name)

    async def read(self, size: int | None = None) -> bytes:
        """Read the request's body to its end, or until that many octets have come in all; the window follows."""
        self._is_reading = True
        self._acknowledge()
        await self.until(lambda: self.is_ended or (size is not None and len(self.body) >= size))
        return bytes(self.body)

    def stop_reading(self) -> None:
        """Leave the window as it is from now on."""
        self._is_reading = False

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait. Raises Gone."""
        while True:
            if self.reset_code is not None or self.connection.is_lost:
                raise Gone
            if condition():
                return
            await self.connection.change()

    async def inform(self, status: int, fields: Fields = ()) -> None:
        """Send an informational response."""
        self.connection.h2.send_headers(self.id, [(":status", str(status)), *fields])
        self.connection.flush()

    async def send_head(self, status: int = 200, fields: Fields = (), *, ends: bool = False) -> None:
        self.is_answered = True
        self.connection.h2.send_headers(self.id, [(":status", str(status)), *fields], end_stream=ends)
        self.connection.flush()

    async def send(self, data: bytes, *, ends: bool = False) -> None:
        """Send octets as the client's windows allow. Raises Gone."""
        h2 = self.connection.h2
        start = 0
        while start < len(data):
            await self.until(lambda: h2.local_flow_control_window(self.id) > 0)
            size = min(len(data) - start, h2.local_flow_control_window(self.id), h2.max_outbound_frame_size)
            start += size
            h2.send_data(self.id, data[start - size : start], end_stream=ends and start == len(data))
            self.connection.flush()
        if ends and not data:
            h2.end_stream(self.id)
            self.connection.flush()

    async def send_trailers(self, fields: Fields) -> None:
        self.connection.h2.send_headers(self.id, fields, end_stream=True)
        self.connection.flush()

    async def respond(self, status: int = 200, body: bytes = b"ok", fields: Fields = ()) -> None:
        """A whole response."""
        if self.method == "HEAD" or status in (204, 304):
            await self.send_head(status, fields, ends=True)
            return
        await self.send_head(status, [*fields, ("content-length", str(len(body)))])
        await self.send(body, ends=True)

    def reset(self, code: ErrorCodes) -> None:
        """Send RST_STREAM."""
        with suppress(StreamClosedError):
            # Else the client was first.
            self.connection.h2.reset_stream(self.id, code)
        self.connection.flush()

    async def hang(self) -> None:
        """Do nothing until the client gives up. Raises Gone."""
        await self.until(lambda: False)

    def receive(self, event: DataReceived) -> None:
        self.body += event.data or b""
        self._unread += event.flow_controlled_length or 0
        if self._is_reading:
            self._acknowledge()

    def _acknowledge(self) -> None:
        if self._unread and self.reset_code is None:
            self.connection.h2.acknowledge_received_data(self._unread, self.id)
            self._unread = 0
            self.connection.flush()


class Connection(asyncio.Protocol):
    """One connection. Facts for the test: `streams` by number, `goaway_code`, `acknowledged`, `pings`, `is_lost`."""

    def __init__(self, origin: ScriptedOrigin) -> None:
        self.origin = origin
        self.streams: dict[int, Stream] = {}
        self.goaway_code: int | None = None
        self.acknowledged = self.pings = 0
        self.is_lost = False
        self.last_id: int | None = None
        self.max_streams = origin.max_streams
        self.most_open = 0
        self.transport: Any = None
        self._changes: list[asyncio.Future[None]] = []
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.origin.connections.append(self)
        said = {SettingCodes.INITIAL_WINDOW_SIZE: self.origin.window}
        if self.max_streams is not None:
            said[SettingCodes.MAX_CONCURRENT_STREAMS] = self.max_streams
        self.h2.local_settings = Settings(client=False, initial_values=said)
        self.h2.initiate_connection()
        # The library would end the connection; the origin refuses the stream.
        lenient = {**said, SettingCodes.MAX_CONCURRENT_STREAMS: 2**31 - 1}
        self.h2.local_settings = Settings(client=False, initial_values=lenient)
        self.h2.increment_flow_control_window(self.origin.connection_window - FIRST_WINDOW)
        if self.origin.speaks_first:
            self.flush()
        self.origin.notify()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError as error:
            self.origin.errors.append(error)
            events = []
        for event in events:
            self._take(event)
        self.flush()
        self._changed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._changed()

    def flush(self) -> None:
        octets = self.h2.data_to_send()
        if octets and not self.transport.is_closing():
            self.transport.write(octets)

    async def change(self) -> None:
        """Wait until something has happened."""
        future = asyncio.get_running_loop().create_future()
        self._changes.append(future)
        await future

    # What tests have done by `ScriptedOrigin.call`

    def goaway(self, last_id: int | None = None, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Send GOAWAY; streams above `last_id` (None: above all that there are) are not looked at any more."""
        self.last_id = max(self.streams, default=0) if last_id is None else last_id
        self.flush()
        self.transport.write(GoAwayFrame(0, last_stream_id=self.last_id, error_code=code).serialize())

    def allow(self, max_streams: int) -> None:
        """Send SETTINGS_MAX_CONCURRENT_STREAMS."""
        self.max_streams = max_streams
        self.flush()
        frame = SettingsFrame(0, settings={SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
        self.transport.write(frame.serialize())

    def pause_reading(self) -> None:
        """Take nothing more from the socket."""
        self.transport.pause_reading()

    def close(self) -> None:
        """Close without GOAWAY."""
        self.transport.close()

    def end(self) -> None:
        """Send FIN and go on reading; not over TLS."""
        self.transport.write_eof()

    def abort(self) -> None:
        """Close by RST."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.transport.abort()

    @property
    def open_streams(self) -> int:
        """Streams that neither side has ended."""
        return self.h2.open_inbound_streams

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            if self.last_id is not None and event.stream_id > self.last_id:
                return
            stream = Stream(self, event.stream_id, event.headers or ())  # type: ignore[arg-type]
            self.streams[stream.id] = stream
            self.most_open = max(self.most_open, self.open_streams)
            self.origin.take(stream, is_over=self.max_streams is not None and self.open_streams > self.max_streams)
        elif isinstance(event, ConnectionTerminated):
            self.goaway_code = event.error_code
        elif isinstance(event, SettingsAcknowledged):
            self.acknowledged += 1
        elif isinstance(event, PingReceived):
            self.flush()  # with the answer
            self.pings += 1
        elif isinstance(event, (DataReceived, TrailersReceived, StreamEnded, StreamReset)):
            found = self.streams.get(event.stream_id or 0)
            if found is None:
                return
            if isinstance(event, DataReceived):
                found.receive(event)
            elif isinstance(event, StreamEnded):
                found.is_ended = True
            elif isinstance(event, StreamReset):
                found.reset_code = event.error_code

    def _changed(self) -> None:
        changes, self._changes = self._changes, []
        for future in changes:
            if not future.done():
                future.set_result(None)
        self.origin.notify()


class ScriptedOrigin:
    """The server.

    Args:
        tls: speak TLS with the run's certificate and offer h2 by ALPN; else HTTP/2 with prior knowledge.
        max_streams: SETTINGS_MAX_CONCURRENT_STREAMS, None to say nothing of it.
        window: SETTINGS_INITIAL_WINDOW_SIZE, octets that each upload may send ahead of its handler.
        connection_window: octets that all may.
        speaks_first: send SETTINGS at once, not only with the first answer.
        refusals: how many streams, from the first on, to refuse.

    Attributes:
        url: without a trailing slash.
        connections: in the order of their arrival.
        errors: violations of the protocol by the client, as the `h2` library found them; `stop` raises the first.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        max_streams: int | None = 100,
        window: int = FIRST_WINDOW,
        connection_window: int = LARGE_WINDOW,
        speaks_first: bool = True,
        refusals: int = 0,
    ) -> None:
        self.is_tls = tls
        self.max_streams = max_streams
        self.window = window
        self.connection_window = connection_window
        self.speaks_first = speaks_first
        self.refusals = refusals
        self.connections: list[Connection] = []
        self.errors: list[Exception] = []
        self.url = ""
        self._handlers: dict[str, Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._condition = threading.Condition()
        self._started: Future[None] = Future()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(TIMEOUT)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(TIMEOUT)
        if error is None:
            for failure in (*self.errors, *self._failures):
                raise failure

    @property
    def options(self) -> dict[str, Any]:
        """Arguments for a client that is to speak HTTP/2 with it."""
        return {"http2": True, "verify": servers.client_context()} if self.is_tls else {"http1": False, "http2": True}

    @property
    def streams(self) -> list[Stream]:
        """All requests so far, by connection and number."""
        return [stream for connection in list(self.connections) for stream in list(connection.streams.values())]

    def on(self, path: str, handler: Handler) -> str:
        """Answer requests for `path` (without its query) by a coroutine function. Returns the URL."""
        self._handlers[path] = handler
        return self.url + path

    def gate(self) -> Gate:
        """A gate for handlers."""
        return Gate(self._loop)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function on the origin's loop, and wait for it."""
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function(*arguments))
            except BaseException as error:
                outcome.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return outcome.result(TIMEOUT)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the origin's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)

    def wait_until(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        """Block until a fact is there. Raises AssertionError when it does not come."""
        with self._condition:
            reached = self._condition.wait_for(condition, timeout)
        assert reached, f"it did not happen; {len(self.connections)} connections, {len(self.streams)} streams"

    def notify(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def take(self, stream: Stream, *, is_over: bool) -> None:
        """A request has come: refuse it, or start its handler."""
        if is_over or self.refusals > 0:
            self.refusals -= 0 if is_over else 1
            stream.was_refused = True
            stream.reset(ErrorCodes.REFUSED_STREAM)
            return
        path = stream.path.partition("?")[0]
        handler = self._handlers.get(path)
        task = self._loop.create_task(self._answer(stream, handler or _built_in(path)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, stream: Stream, handler: Handler) -> None:
        try:
            await handler(stream)
        except Gone:
            pass
        except ProtocolError as error:
            # What a handler still sends when the client has just left.
            if stream.reset_code is None and not stream.connection.is_lost:
                self._failures.append(error)
        except Exception as error:
            self._failures.append(error)
        stream.connection._changed()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        context = server_context("h2") if self.is_tls else None
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, ssl=context, backlog=256)
        port = server.sockets[0].getsockname()[1]
        self.url = f"https://localhost:{port}" if self.is_tls else f"http://127.0.0.1:{port}"
        self._started.set_result(None)
        await self._stopping.wait()
        # What was accepted just now gets its transport in the turns to come; asyncio loses it if the server is closed.
        for _ in range(10):
            await asyncio.sleep(0)
        server.close()
        for connection in self.connections:
            connection.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # Transports close their sockets in the turn after that.
        while not all(connection.is_lost for connection in self.connections):
            await asyncio.sleep(0)


def _built_in(path: str) -> Handler:
    """What answers a path that the test has not programmed."""
    name, _, argument = path[1:].partition("/")
    if name == "bytes":
        return lambda stream: stream.respond(body=content(int(argument)))
    if name == "status":
        return lambda stream: stream.respond(int(argument), b"")
    return {"echo": _echo, "drain": _drain, "hang": Stream.hang, "stall": _stall}.get(name, Stream.respond)


async def _echo(stream: Stream) -> None:
    """The body comes back, and the token of the request as a field."""
    body = await stream.read()
    fields = [("x-token", stream["x-token"])] if stream.get("x-token") is not None else []
    await stream.respond(body=body, fields=fields)


async def _drain(stream: Stream) -> None:
    """The body's length in decimal."""
    await stream.respond(body=str(len(await stream.read())).encode())


async def _stall(stream: Stream) -> None:
    """A head, some octets, and nothing more."""
    await stream.send_head(200)
    await stream.send(b"begun")
    await stream.hang()


def refused(streams: Iterable[Stream]) -> list[int]:
    """The numbers of the streams that were refused."""
    return [stream.id for stream in streams if stream.was_refused]
