"""TLS between two buffers: octets of the socket go in and come out, who carries them is another's business.

    put(octets of the socket) ──► shake / read ──► octets of the application
    octets of the application ──► write ──► output() ──► octets for the socket

Nothing here waits, so nothing is lost when a task that waits is cancelled: what has been encrypted is there, in order,
and whoever comes next goes on. `trio.SSLStream` cannot do that. Cancelled half-way through `send_all` it is broken for
good, and with it all other exchanges of an HTTP/2 connection; shielded from that, a task could not be cancelled for as
long as the peer does not read.
"""

from __future__ import annotations

import ssl

__all__ = ["TLSLayer"]

_READ_BYTES = 65536


class TLSLayer:
    """A TLS client on top of a socket's octets, or of another layer: to an origin, inside a tunnel through a proxy.

    Args:
        context: the client's TLS context.
        name: the server's, for SNI and the certificate check.
        below: the layer whose content this one's records are, or None.
    """

    def __init__(self, context: ssl.SSLContext, name: str, below: TLSLayer | None = None) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    @property
    def has_input(self) -> bool:
        """Whether octets have come from the socket that nobody has read from here."""
        return bool(
            self._incoming.pending or self.object.pending() or (self._below is not None and self._below.has_input)
        )

    @property
    def has_output(self) -> bool:
        """Whether there is something for the socket."""
        return bool(self._outgoing.pending or (self._below is not None and self._below.has_output))

    def put(self, data: bytes | memoryview) -> None:
        """Take in what was read from the socket; b"" is its end."""
        layer = self
        while layer._below is not None:
            layer = layer._below
        layer._take_in(data)

    def output(self) -> bytes:
        """What to write to the socket: in this order, and all of it."""
        data = self._outgoing.read()
        if self._below is None:
            return data
        if data:
            self._below.write(data)
        return self._below.output()

    def shake(self) -> None:
        """Go on with the handshake. Raises ssl.SSLWantReadError until it is done; other OSErrors when it fails."""
        while True:
            try:
                return self.object.do_handshake()
            except ssl.SSLWantReadError:
                if not self._fill():
                    raise

    def read(self, size: int) -> bytes:
        """At most `size` octets; b"" after the peer's close_notify.

        Raises:
            ssl.SSLWantReadError: it takes more octets of the socket, after what is in `output` was written.
            ssl.SSLEOFError: the socket has ended without a close_notify; it may be an attacker's doing.
            OSError
        """
        while True:
            try:
                return self.object.read(size)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                if not self._fill():
                    raise

    def read_into(self, buffer: memoryview) -> int:
        """As `read`, into a buffer; the number of octets."""
        while True:
            try:
                # With a buffer the number comes back, whatever typeshed says.
                return self.object.read(len(buffer), buffer)  # type: ignore[return-value]
            except ssl.SSLZeroReturnError:
                return 0
            except ssl.SSLWantReadError:
                if not self._fill():
                    raise

    def write(self, data: bytes) -> None:
        """Encrypt octets into `output`. Raises as `read`; then nothing of them has gone."""
        left = memoryview(data)
        while left:
            left = left[self.object.write(left) :]

    def _take_in(self, data: bytes | memoryview) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _fill(self) -> bool:
        """Take in what the layer below has read. False when that is nothing."""
        if self._below is None:
            return False
        try:
            data = self._below.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLEOFError:
            data = b""
        self._take_in(data)
        return True
