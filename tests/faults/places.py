"""Where in a stream of messages an octet stands: in which head or body, and how far from its beginning.

Both readers are fed what passes a proxy in one direction, and cut it into pieces. They trust what they read: in front
of the fault stands a server, or a client, that does as the RFCs say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = "head"
BODY = "body"
OTHER = ""

PREFACE = 24
"""Octets that a client of HTTP/2 begins with."""

DATA, HEADERS = 0, 1
END_STREAM = 0x1


@dataclass(frozen=True)
class Piece:
    """Octets that belong together.

    Attributes:
        part: HEAD, BODY, or OTHER for what belongs to no message. Frames count with their headers.
        offset: of its first octet, from the beginning of that head or body.
        stream: of HTTP/2; 0 for HTTP/1.1.
        ends: a message ends behind it.
    """

    octets: bytes
    part: str
    offset: int
    stream: int = 0
    ends: bool = False


class H1Reader:
    """HTTP/1.1: heads, and bodies by length or in chunks whose data holds no CRLF (RFC 9112, 6 and 7)."""

    def __init__(self) -> None:
        self._head = b""
        self._offset = 0
        self._left: int | None = 0
        self._tail = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Cut what comes next."""
        while data:
            if self._head.endswith(b"\r\n\r\n"):
                piece, data = self._body(data)
            else:
                piece, data = self._next_head(data)
            yield piece

    def _next_head(self, data: bytes) -> tuple[Piece, bytes]:
        offset = len(self._head)
        before = self._head[-3:]
        end = (before + data).find(b"\r\n\r\n")
        size = len(data) if end < 0 else end + 4 - len(before)
        self._head += data[:size]
        ends = False
        if end >= 0:
            length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", self._head)
            is_chunked = re.search(rb"(?i)\r\ntransfer-encoding: *chunked", self._head) is not None
            self._left = None if is_chunked else int(length[1]) if length else 0
            self._offset, self._tail = 0, b""
            ends = self._left == 0
            if ends:
                self._head = b""
        return Piece(data[:size], HEAD, offset, ends=ends), data[size:]

    def _body(self, data: bytes) -> tuple[Piece, bytes]:
        if self._left is None:
            end = (self._tail + data).find(b"0\r\n\r\n")
            # Any line may end in a 0; only the last one is followed by an empty one.
            size = len(data) if end < 0 else end + 5 - len(self._tail)
            self._tail = (self._tail + data)[-4:]
            ends = end >= 0
        else:
            size = min(self._left, len(data))
            self._left -= size
            ends = self._left == 0
        piece = Piece(data[:size], BODY, self._offset, ends=ends)
        self._offset += size
        if ends:
            self._head = b""
        return piece, data[size:]


class H2Reader:
    """HTTP/2: frames (RFC 9113, 4.1). A head is a HEADERS frame, a body all DATA frames of a stream.

    Args:
        skips: octets before the first frame.
    """

    def __init__(self, skips: int = 0) -> None:
        self._skips = skips
        self._header = b""
        self._left = 0
        self._offsets: dict[int, int] = {}

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Cut what comes next. Octets of a frame's header are kept until it is complete."""
        if self._skips:
            size = min(self._skips, len(data))
            self._skips -= size
            yield Piece(data[:size], OTHER, 0)
            data = data[size:]
        while data:
            start = b""
            if not self._left:
                size = 9 - len(self._header)
                self._header += data[:size]
                data = data[size:]
                if len(self._header) < 9:
                    return
                start, self._left = self._header, int.from_bytes(self._header[:3], "big")
            octets = data[: self._left]
            data = data[self._left :]
            self._left -= len(octets)
            yield self._piece(start + octets, starts=bool(start))
            if not self._left:
                self._header = b""

    def _piece(self, octets: bytes, *, starts: bool) -> Piece:
        kind, flags = self._header[3], self._header[4]
        stream = int.from_bytes(self._header[5:], "big")
        if kind not in (DATA, HEADERS):
            return Piece(octets, OTHER, 0, stream)
        key = stream if kind == DATA else -stream
        offset = 0 if kind == HEADERS and starts else self._offsets.get(key, 0)
        self._offsets[key] = offset + len(octets)
        ends = bool(flags & END_STREAM) and not self._left
        return Piece(octets, BODY if kind == DATA else HEAD, offset, stream, ends)
