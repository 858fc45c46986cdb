"""TLS over a blocking stream that is TLS itself: to an origin, inside a tunnel through an https proxy.

The ssl module puts TLS on a socket's descriptor only. Here an `ssl.SSLObject` works between two buffers, and their
octets go through the socket below. The interface is that of sockets, as far as the blocking driver uses it. With a
timeout of 0 nothing blocks: what cannot be done at once raises SSLWantReadError or SSLWantWriteError, as for SSLSocket.
"""

from __future__ import annotations

import ssl
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _T = TypeVar("_T")

__all__ = ["TLSSocket"]

_READ_BYTES = 65536


class TLSSocket:
    """A TLS client on top of another socket.

    Args:
        below: what carries the octets, TLS itself; owned by this one.
        context: the client's TLS context.
        name: the server's, for SNI and the certificate check.
    """

    def __init__(self, below: ssl.SSLSocket | TLSSocket, context: ssl.SSLContext, name: str) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._timeout = below.gettimeout()
        # Octets that the socket below has not taken, and how many of those given to `send` that has not reported yet.
        self._unsent = b""
        self._unreported = 0

    def __getattr__(self, name: str) -> Any:
        """What is told about a TLS connection: `getpeercert`, `version`, `selected_alpn_protocol` and the like."""
        return getattr(self._tls, name)

    def do_handshake(self) -> None:
        """Make the handshake. Raises OSError."""
        self._carry(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        """At most `size` octets; b"" after the peer's close_notify. Raises OSError: SSLEOFError without that."""
        try:
            return self._carry(lambda: self._tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""

    def recv_into(self, buffer: memoryview | bytearray) -> int:
        """As `recv`, into a buffer; the number of octets."""
        try:
            # With a buffer the number comes back, whatever typeshed says.
            return self._carry(lambda: self._tls.read(len(buffer), buffer))  # type: ignore[return-value]
        except ssl.SSLZeroReturnError:
            return 0

    def send(self, data: bytes | memoryview) -> int:
        """Write some octets; how many. Raises OSError.

        After an SSLWantWriteError it has to be called again with the same octets, as OpenSSL wants it.
        """

        def write() -> int:
            self._unreported = self._tls.write(data)
            return self._unreported

        if self._unreported:
            self._flush()
        else:
            self._carry(write)
        sent, self._unreported = self._unreported, 0
        return sent

    def sendall(self, data: bytes | memoryview) -> None:
        """Write all octets. Raises OSError."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def pending(self) -> int:
        """Octets that have been read from the socket at the bottom, but not from here: 0 when nothing is hidden."""
        return self._tls.pending() + self._incoming.pending + self._below.pending()

    def settimeout(self, value: float | None) -> None:
        """Seconds that each call may take, however many octets come meanwhile; None for no limit."""
        self._timeout = value
        self._below.settimeout(value)

    def gettimeout(self) -> float | None:
        """What was set."""
        return self._timeout

    def fileno(self) -> int:
        """The descriptor at the bottom."""
        return self._below.fileno()

    def getsockname(self) -> Any:
        """Our address."""
        return self._below.getsockname()

    def getpeername(self) -> Any:
        """The proxy's address."""
        return self._below.getpeername()

    def shutdown(self, how: int) -> None:
        """Shut the connection down at the bottom."""
        self._below.shutdown(how)

    def close(self) -> None:
        """Close the connection."""
        self._below.close()

    def _carry(self, step: Callable[[], _T]) -> _T:
        """Repeat a step of TLS, carrying octets between it and the socket, until it is done. Raises TimeoutError."""
        ends = None if not self._timeout else monotonic() + self._timeout
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._receive(ends)
                if data:
                    self._incoming.write(data)
                else:
                    # Without close_notify the step raises SSLEOFError: the end may be an attacker's.
                    self._incoming.write_eof()
            except ssl.SSLError:
                # The alert that says what was wrong.
                self._flush()
                raise
            else:
                self._flush()
                return result

    def _receive(self, ends: float | None) -> bytes:
        if ends is not None:
            left = ends - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._below.settimeout(left)
        try:
            return self._below.recv(_READ_BYTES)
        except ssl.SSLEOFError:
            return b""
        finally:
            if ends is not None:
                self._below.settimeout(self._timeout)

    def _flush(self) -> None:
        if not (self._unsent or self._outgoing.pending):
            return
        octets, self._unsent = self._unsent + self._outgoing.read(), b""
        if self._timeout != 0:
            self._below.sendall(octets)
            return
        start = 0
        try:
            while start < len(octets):
                start += self._below.send(memoryview(octets)[start:])
        finally:
            self._unsent = octets[start:]
