"""Scripted peers: what a server does to a connection, octet by octet, written down as a list of steps.

    with ScriptedPeer([ReadRequest(), Send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok", chunk=1)]) as peer:
        ...  # a client of peer.url

One script a connection, in order of acceptance. A script that has run out leaves its connection open and goes on
recording what arrives, until the client closes or the peer stops; end it with `Close()` or `Reset()` to do otherwise.
A client that does not do what a script expects is a ScriptError, raised when the `with` block ends; so is a script that
was not finished by then, unless it was stalling, and a connection for which there is no script. Nothing here sleeps:
threads block on sockets and events.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

TIMEOUT = 5.0
"""Seconds that a step waits for the client unless it says otherwise."""

GRACE = 1.0
"""Seconds that unfinished scripts get when the peer stops; what the client did last may still be on its way."""

STOP_TIMEOUT = 3.0
"""Seconds after that for threads to end; with the grace and the closing connection, below 5."""

MAX_HEAD = 16 * 1024 * 1024
READ_SIZE = 64 * 1024


class ScriptError(AssertionError):
    """The client did not do what the script expects of it."""


class _Stopped(Exception):
    """The peer stops while a script that may be stopped runs."""


class PeerConnection:
    """One accepted connection: what its script reads from and writes to."""

    def __init__(self, sock: socket.socket, index: int, peer: ScriptedPeer) -> None:
        self.sock = sock
        self.index = index
        self.peer = peer
        self.received = bytearray()
        self.requests: list[bytes] = []
        self.step: Step | None = None
        self.is_settled = False
        self._unread = bytearray()

    def receive(self, deadline: float) -> bytes:
        """Some octets, or b"" at the end of input. Raises ScriptError past `deadline` (monotonic seconds)."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise ScriptError("the client sent nothing more in time")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(READ_SIZE)
        except TimeoutError:
            raise ScriptError("the client sent nothing more in time") from None
        if not data and self.peer.is_cut:
            raise ScriptError("the peer was stopped first")
        self.received += data
        self.peer.notify()
        return data

    def settle(self) -> None:
        """From now on the script asks for nothing more."""
        self.is_settled = True
        self.peer.notify()

    def fill(self, deadline: float) -> None:
        """Make more octets readable. Raises ScriptError if the client closed."""
        data = self.receive(deadline)
        if not data:
            raise ScriptError(f"the client closed after {len(self.received)} octets: {bytes(self.received[-64:])!r}")
        self._unread += data

    def take(self, size: int, deadline: float) -> bytes:
        """Exactly `size` octets."""
        while len(self._unread) < size:
            self.fill(deadline)
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data

    def take_until(self, end: bytes, deadline: float) -> bytes:
        """Octets up to and including `end`."""
        start = 0
        while (found := self._unread.find(end, start)) < 0:
            if len(self._unread) > MAX_HEAD:
                raise ScriptError(f"{end!r} did not come within {MAX_HEAD} octets")
            start = max(0, len(self._unread) - len(end) + 1)
            self.fill(deadline)
        return self.take(found + len(end), deadline)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


@dataclass(frozen=True)
class Step(ABC):
    """One thing that a peer does on a connection."""

    @abstractmethod
    def run(self, connection: PeerConnection) -> None:
        """Do it. Raises ScriptError when the client does something else than expected."""

    @property
    def may_be_stopped(self) -> bool:
        """Whether it is no failure that the peer stops during this step."""
        return False


@dataclass(frozen=True)
class Expect(Step):
    """Read exactly as many octets as `data` has, and compare."""

    data: bytes
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        seen = connection.take(len(self.data), time.monotonic() + self.timeout)
        if seen != self.data:
            raise ScriptError(f"expected {self.data!r}, saw {seen!r}")


@dataclass(frozen=True)
class ReadHead(Step):
    """Read a request head up to its blank line and record it as a request; the body stays unread."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        head = connection.take_until(b"\r\n\r\n", time.monotonic() + self.timeout)
        connection.requests.append(head)
        connection.peer.notify()


@dataclass(frozen=True)
class ReadRequest(Step):
    """Read a whole request by its framing, chunked or by length, and record its octets as they came.

    With `informs`, sends `100 Continue` after the head if the head has an Expect field.
    """

    timeout: float = TIMEOUT
    informs: bool = True

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        head = connection.take_until(b"\r\n\r\n", deadline)
        if self.informs and re.search(rb"(?i)\r\nexpect:[ \t]*100-continue\r\n", head):
            connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.requests.append(head + self._body(connection, head, deadline))
        connection.peer.notify()

    def _body(self, connection: PeerConnection, head: bytes, deadline: float) -> bytes:
        if head.startswith(b"CONNECT "):
            return b""
        if re.search(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", head):
            return self._chunks(connection, deadline)
        length = re.search(rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", head)
        return connection.take(int(length[1]), deadline) if length else b""

    def _chunks(self, connection: PeerConnection, deadline: float) -> bytes:
        parts = []
        while True:
            line = connection.take_until(b"\r\n", deadline)
            parts.append(line)
            if not re.fullmatch(rb"[0-9A-Fa-f]+(;.*)?\r\n", line):
                raise ScriptError(f"malformed chunk size {line[:64]!r}")
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            parts.append(connection.take(size + 2, deadline))
            if not parts[-1].endswith(b"\r\n"):
                raise ScriptError(f"chunk data is not followed by CRLF: {parts[-1][-64:]!r}")
        while parts[-1] != b"\r\n":
            parts.append(connection.take_until(b"\r\n", deadline))
        return b"".join(parts)


@dataclass(frozen=True)
class Send(Step):
    """Send `data`, in pieces of `chunk` octets if given, each its own segment (TCP_NODELAY).

    A client may close before all of it was sent: that ends the step, not the script, unless `must_arrive` is set.
    """

    data: bytes
    chunk: int | None = None
    must_arrive: bool = False
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(self.timeout)
        size = self.chunk or max(1, len(self.data))
        try:
            for start in range(0, len(self.data), size):
                connection.sock.sendall(self.data[start : start + size])
        except TimeoutError:
            raise ScriptError(f"the client did not read {len(self.data)} octets in {self.timeout} s") from None
        except OSError as error:
            if self.must_arrive:
                raise ScriptError(f"the client closed during {self!r:.128}") from error

    @property
    def may_be_stopped(self) -> bool:
        return not self.must_arrive


@dataclass(frozen=True)
class Close(Step):
    """Close the socket; over TLS without close_notify, which is a truncation (see `CloseNotify`)."""

    def run(self, connection: PeerConnection) -> None:
        connection.close()


@dataclass(frozen=True)
class CloseNotify(Step):
    """End the TLS session with close_notify, not waiting for the client's; the socket stays open."""

    def run(self, connection: PeerConnection) -> None:
        if not isinstance(connection.sock, ssl.SSLSocket):
            raise ScriptError("CloseNotify on a connection without TLS")
        connection.sock.setblocking(False)
        with suppress(ssl.SSLWantReadError, OSError):
            connection.sock.unwrap()


@dataclass(frozen=True)
class Reset(Step):
    """Close by RST: SO_LINGER with 0 seconds."""

    def run(self, connection: PeerConnection) -> None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


@dataclass(frozen=True)
class HalfClose(Step):
    """Send FIN and go on reading."""

    def run(self, connection: PeerConnection) -> None:
        # The base class's method: SSLSocket's would drop the TLS session, and with it what the client still sends.
        with suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_WR)


@dataclass(frozen=True)
class WaitForClose(Step):
    """Wait until the client closes or resets. What it sends meanwhile is recorded, or with `quiet` an error."""

    timeout: float = TIMEOUT
    quiet: bool = False

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        try:
            while data := connection.receive(deadline):
                if self.quiet:
                    raise ScriptError(f"the client sent {data[:64]!r} where it had to close")
        except ScriptError:
            raise
        except OSError:
            return


@dataclass(frozen=True)
class Stall(Step):
    """Neither read nor write until the peer stops."""

    def run(self, connection: PeerConnection) -> None:
        connection.settle()
        connection.peer.stopping.wait()
        raise _Stopped


@dataclass(frozen=True)
class WaitFor(Step):
    """Wait until the test sets `event`."""

    event: threading.Event
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        if not self.event.wait(self.timeout):
            raise ScriptError("the test did not set the event in time")


@dataclass(frozen=True)
class Signal(Step):
    """Set `event`, for which the test waits."""

    event: threading.Event

    def run(self, connection: PeerConnection) -> None:
        self.event.set()


@dataclass(frozen=True)
class StartTLS(Step):
    """Shake hands as a TLS server, such as behind a CONNECT; with `may_fail` the client may refuse."""

    context: ssl.SSLContext
    may_fail: bool = False
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(self.timeout)
        plain = connection.sock
        try:
            connection.sock = self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            connection.sock.do_handshake()
        except OSError as error:
            if not self.may_fail:
                raise ScriptError(f"the TLS handshake failed: {error!r}") from error

    @property
    def may_be_stopped(self) -> bool:
        return self.may_fail


@dataclass(frozen=True)
class Call(Step):
    """Run a function of the test in the peer's thread."""

    function: Callable[[PeerConnection], object]

    def run(self, connection: PeerConnection) -> None:
        self.function(connection)


Script = Sequence[Step]


class ScriptedPeer:
    """A listener on 127.0.0.1 that runs one script a connection, each in a thread.

    Args:
        scripts: for the first, second, ... connection.
        tls: a server's context; every script then starts with a handshake, and `url` is https.
        repeats_last: the last script also serves all later connections.

    Attributes:
        url: `http://127.0.0.1:PORT`, or https with `localhost`; no trailing slash.
        connections: how many were accepted.
        requests: for each connection the recorded requests, raw.
        received: for each connection every octet that arrived (within TLS, if any).
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, repeats_last: bool = False) -> None:
        opening = () if tls is None else (StartTLS(tls),)
        self._scripts = [(*opening, *script) for script in scripts]
        self._repeats_last = repeats_last
        self._scheme, self._name = ("http", "127.0.0.1") if tls is None else ("https", "localhost")
        self._accepted: list[PeerConnection] = []
        self._errors: list[ScriptError] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.stopping = threading.Event()
        self.is_cut = False
        self.host = "127.0.0.1"
        self.port = 0
        self.url = ""

    def start(self) -> Self:
        """Listen on a free port."""
        self._listener = socket.create_server((self.host, 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{self._scheme}://{self._name}:{self.port}"
        self._spawn(self._accept, self._listener)
        return self

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._accepted)

    @property
    def requests(self) -> list[list[bytes]]:
        """For each connection, the octets of its requests so far."""
        return [list(connection.requests) for connection in self._accepted]

    @property
    def received(self) -> list[bytes]:
        """For each connection, every octet that has arrived so far."""
        return [bytes(connection.received) for connection in self._accepted]

    def wait_until(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        """Block until `condition` holds, looked at whenever something happened here. Raises ScriptError in the end."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise ScriptError(f"it did not become true within {timeout} s; connections: {self.connections}")

    def notify(self) -> None:
        """Let `wait_until` look again."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> list[ScriptError]:
        """Close everything within 5 seconds; returns what went wrong in the scripts."""
        self.stopping.set()
        if self._listener is not None:
            # Not every system wakes a thread from accept() when the socket is closed: a connection does.
            with suppress(OSError):
                socket.create_connection((self.host, self.port), timeout=1).close()
        deadline = time.monotonic() + STOP_TIMEOUT
        for thread in self._threads[:1]:
            thread.join(max(0.0, deadline - time.monotonic()))
        with suppress(ScriptError):
            self.wait_until(lambda: all(connection.is_settled for connection in self._accepted), GRACE)
        self.is_cut = True
        for connection in list(self._accepted):
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            self._errors.append(ScriptError(f"a thread of the peer did not stop within {STOP_TIMEOUT} s"))
        if self._listener is not None:
            self._listener.close()
        return self._errors

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name=f"peer-{self.port}")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = PeerConnection(sock, len(self._accepted), self)
            self._accepted.append(connection)
            self.notify()
            script = self._script_for(connection.index)
            if script is None:
                self._fail(connection, ScriptError(f"there are scripts for {len(self._scripts)} connections only"))
                connection.close()
                connection.settle()
            else:
                self._spawn(self._run, connection, script)

    def _script_for(self, index: int) -> Script | None:
        if index < len(self._scripts):
            return self._scripts[index]
        return self._scripts[-1] if self._repeats_last and self._scripts else None

    def _run(self, connection: PeerConnection, script: Script) -> None:
        try:
            for step in script:
                connection.step = step
                step.run(connection)
            connection.step = None
            self._record_the_rest(connection)
        except _Stopped:
            pass
        except Exception as error:
            if not (self.is_cut and connection.step is not None and connection.step.may_be_stopped):
                self._fail(connection, error)
        finally:
            connection.close()
            connection.settle()

    def _record_the_rest(self, connection: PeerConnection) -> None:
        connection.settle()
        if connection.sock.fileno() < 0:
            return
        with suppress(OSError):
            connection.sock.settimeout(None)
            while data := connection.sock.recv(READ_SIZE):
                connection.received += data
                self.notify()

    def _fail(self, connection: PeerConnection, error: Exception) -> None:
        where = "the end" if connection.step is None else f"{connection.step!r:.160}"
        failure = ScriptError(f"connection {connection.index + 1}, at {where}: {error}")
        failure.__cause__ = error
        self._errors.append(failure)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failures = self.stop()
        if error is not None:
            for failure in failures:
                error.add_note(f"peer: {failure}")
        elif failures:
            raise failures[0]
