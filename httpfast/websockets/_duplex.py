"""The network under a blocking session: read by one thread while others write, and ended by any.

A TLS session may not be used by two threads at once (OpenSSL), and a thread that waits inside it would keep the others
out. So the socket is made non-blocking: threads wait for it outside, and a lock is held for the moment of each call.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from .._exceptions import ReadTimeout
from ._conversation import READ_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")

    class NetworkStream(Protocol):
        """What a session needs of a network stream."""

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...
        def write(self, buffer: bytes, timeout: float | None = None) -> None: ...
        def close(self) -> None: ...


__all__ = ["Duplex", "SocketDuplex", "TurnDuplex", "duplex"]

# Seconds: as good as no time at all, where 0 would mean another thing.
_AT_ONCE = 1e-6


class Duplex:
    """A stream of which nothing more is known. Its `close` has to wake a thread that reads or writes.

    Args:
        stream: the network stream.
    """

    def __init__(self, stream: NetworkStream) -> None:
        self.stream = stream

    def read(self) -> bytes:
        """Some octets, b"" at the end. Raises what the stream does."""
        return self.stream.read(READ_BYTES)

    def write(self, octets: bytes, timeout: float | None = None) -> None:
        """Write all octets.

        Args:
            timeout: seconds; None for no limit.

        Raises: what the stream does.
        """
        self.stream.write(octets, timeout)

    def shut_down(self) -> None:
        """End reading and writing, in whatever thread they are."""
        with suppress(Exception):
            self.stream.close()


class SocketDuplex(Duplex):
    """A stream over a socket.

    Args:
        stream: the network stream. What it has read already is taken from it first; then it is only used to close.
        sock: its socket, or its SSLSocket.
    """

    def __init__(self, stream: NetworkStream, sock: socket.socket) -> None:
        super().__init__(stream)
        self._sock = sock
        self._lock = threading.Lock()
        # What came along with the handshake's answer is with the stream; this also looks at the socket, once.
        try:
            self._early: bytes | None = stream.read(1 << 30, _AT_ONCE)
        except ReadTimeout:
            self._early = None
        sock.setblocking(False)

    def read(self) -> bytes:
        """Some octets, b"" at the end. Raises OSError."""
        early, self._early = self._early, None
        if early is not None:
            return early
        return self._call(partial(self._sock.recv, READ_BYTES), selectors.EVENT_READ, None)

    def write(self, octets: bytes, timeout: float | None = None) -> None:
        """Write all octets.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            TimeoutError: they were not written in time, or only some of them were.
            OSError
        """
        deadline = None if timeout is None else monotonic() + timeout
        left = memoryview(octets)
        while left:
            left = left[self._call(partial(self._sock.send, left), selectors.EVENT_WRITE, deadline) :]

    def _call(self, step: Callable[[], T], event: int, deadline: float | None) -> T:
        """Do a step as soon as the socket lets it."""
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                awaited = selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                awaited = selectors.EVENT_WRITE
            except (BlockingIOError, InterruptedError):
                awaited = event
            self._wait(awaited, deadline)

    def _wait(self, event: int, deadline: float | None) -> None:
        left = None if deadline is None else deadline - monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, event)
            if (left is not None and left <= 0) or not selector.select(left):
                raise TimeoutError("The peer took nothing more in time")

    def shut_down(self) -> None:
        """End reading and writing, in whatever thread they are."""
        with suppress(OSError):
            # SSLSocket's own method would turn the connection to plain text under the other threads.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


class TurnDuplex(Duplex):
    """A stream that only one thread at a time may use, such as TLS within the TLS of a proxy: they take turns.

    A write that the peer does not take keeps out the reader too, until the session ends it.

    Args:
        stream: the network stream.
        fd: the descriptor at the bottom, which becomes readable when there may be something to read.
    """

    def __init__(self, stream: NetworkStream, fd: int) -> None:
        super().__init__(stream)
        self._fd = fd
        self._lock = threading.Lock()

    def read(self) -> bytes:
        """Some octets, b"" at the end. Raises what the stream does."""
        while True:
            try:
                with self._lock:
                    return self.stream.read(READ_BYTES, _AT_ONCE)
            except ReadTimeout:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._fd, selectors.EVENT_READ)
                    selector.select()

    def write(self, octets: bytes, timeout: float | None = None) -> None:
        """Write all octets. Raises what the stream does."""
        with self._lock:
            self.stream.write(octets, timeout)


def duplex(stream: Any) -> Duplex:
    """The best that can be made of a network stream. Raises as its `read`."""
    if getattr(stream, "is_shared", False):
        # Others use its socket too.
        return Duplex(stream)
    info = getattr(stream, "get_extra_info", lambda name: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType, reportUnknownVariableType]
    sock = info("socket")
    if isinstance(sock, socket.socket):
        tls = info("ssl_object")
        # TLS that is not the socket's own, such as within a proxy's, is the stream's business.
        if tls is None or tls is sock:
            return SocketDuplex(stream, sock)
    elif sock is not None and hasattr(sock, "fileno"):
        return TurnDuplex(stream, sock.fileno())
    return Duplex(stream)
