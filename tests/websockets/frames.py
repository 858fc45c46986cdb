"""A WebSocket server octet by octet: frames, and steps for scripted peers (RFC 6455, 5.2)."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import time
from dataclasses import dataclass, field

from ..peers import PeerConnection, ReadRequest, ScriptError, Step

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = None, rsv: int = 0) -> bytes:
    """One frame, valid or not."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, masked | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, masked | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, masked | 127, len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(octet ^ mask[index % 4] for index, octet in enumerate(payload))


def close(code: int, reason: str = "") -> bytes:
    """A Close frame of a server."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def switch(request: bytes, *fields: str, accept: str | None = None) -> bytes:
    """The answer that opens a WebSocket for a request."""
    [key] = re.findall(rb"(?i)\r\nsec-websocket-key: *([^\r]+)", request)
    if accept is None:
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Handshake(Step):
    """Read a request and open a WebSocket; `early` goes along in the same write."""

    early: bytes = b""
    fields: tuple[str, ...] = ()
    accept: str | None = None
    size: int | None = None
    """How many octets of the answer to send."""
    chunk: int | None = None

    def run(self, connection: PeerConnection) -> None:
        ReadRequest().run(connection)
        answer = (switch(connection.requests[-1], *self.fields, accept=self.accept) + self.early)[: self.size]
        chunk = self.chunk or max(1, len(answer))
        for start in range(0, len(answer), chunk):
            connection.sock.sendall(answer[start : start + chunk])


def read_frame(connection: PeerConnection, timeout: float = 5.0) -> tuple[int, bytes]:
    """The next frame of the client: opcode and payload. Raises ScriptError if it is not a masked, final one."""
    deadline = time.monotonic() + timeout
    first, second = connection.take(2, deadline)
    if not second & 0x80 or not first & 0x80 or first & 0x70:
        raise ScriptError(f"not a frame that a client may send: {first:#x} {second:#x}")
    size = second & 0x7F
    if size == 126:
        [size] = struct.unpack("!H", connection.take(2, deadline))
    elif size == 127:
        [size] = struct.unpack("!Q", connection.take(8, deadline))
    mask = connection.take(4, deadline)
    return first & 0x0F, bytes(octet ^ mask[i % 4] for i, octet in enumerate(connection.take(size, deadline)))


@dataclass(frozen=True)
class ExpectFrame(Step):
    """Read one frame and compare; None compares nothing."""

    opcode: int
    payload: bytes | None = None
    seen: list[bytes] = field(default_factory=list)

    def run(self, connection: PeerConnection) -> None:
        opcode, payload = read_frame(connection)
        self.seen.append(payload)
        if opcode != self.opcode or (self.payload is not None and payload != self.payload):
            raise ScriptError(f"expected frame {self.opcode} {self.payload!r}, saw {opcode} {payload[:64]!r}")


@dataclass(frozen=True)
class EchoClose(Step):
    """Read frames up to the client's Close frame, and answer it with the same."""

    def run(self, connection: PeerConnection) -> None:
        while True:
            opcode, payload = read_frame(connection)
            if opcode == CLOSE:
                connection.sock.sendall(frame(CLOSE, payload))
                return
