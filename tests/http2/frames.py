"""Frames and field blocks of HTTP/2 as octets (RFC 9113, 4 and 6), right or wrong; without the code under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from ..engine.hpack_blocks import literal

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

LAST_STREAM = 2**31 - 1
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
MAX_FRAME_SIZE = 16_384


class Kind(IntEnum):
    """RFC 9113, 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntFlag):
    """RFC 9113, 6."""

    NONE = 0
    ACK = 0x01
    END_STREAM = 0x01
    END_HEADERS = 0x04
    PADDED = 0x08
    PRIORITY = 0x20


class Code(IntEnum):
    """RFC 9113, 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(IntEnum):
    """RFC 9113, 6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8


@dataclass(frozen=True)
class Frame:
    """One frame as it was read."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self) -> bool:
        return self.kind in (Kind.DATA, Kind.HEADERS) and bool(self.flags & Flag.END_STREAM)

    @property
    def ends_headers(self) -> bool:
        return self.kind in (Kind.HEADERS, Kind.CONTINUATION) and bool(self.flags & Flag.END_HEADERS)

    @property
    def code(self) -> int | None:
        """The error code of an RST_STREAM or a GOAWAY."""
        start = {int(Kind.RST_STREAM): 0, int(Kind.GOAWAY): 4}.get(self.kind)
        return None if start is None else int.from_bytes(self.payload[start : start + 4], "big")

    @property
    def settings(self) -> dict[int, int]:
        """What a SETTINGS frame says."""
        pairs = (self.payload[i : i + 6] for i in range(0, len(self.payload), 6))
        return {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}

    @property
    def increment(self) -> int:
        """Of a WINDOW_UPDATE."""
        return int.from_bytes(self.payload, "big")

    def __repr__(self) -> str:
        name = Kind(self.kind).name if self.kind <= Kind.CONTINUATION else f"frame {self.kind:#x}"
        return f"<{name} flags={self.flags:#x} stream={self.stream} {self.payload[:24]!r}>"


def read_frames(octets: bytes) -> Iterator[Frame]:
    """The complete frames that a client has sent, behind its preface."""
    start = len(PREFACE)
    while len(octets) >= start + 9:
        end = start + 9 + int.from_bytes(octets[start : start + 3], "big")
        if end > len(octets):
            return
        yield Frame(
            octets[start + 3],
            octets[start + 4],
            int.from_bytes(octets[start + 5 : start + 9], "big") & LAST_STREAM,
            octets[start + 9 : end],
        )
        start = end


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, size: int | None = None) -> bytes:
    """Any frame. `size` is what its header says, if not the payload's; bit 32 of `stream` is the reserved one."""
    return (
        (len(payload) if size is None else size).to_bytes(3, "big")
        + bytes([kind, flags])
        + stream.to_bytes(4, "big")
        + payload
    )


def word(value: int) -> bytes:
    """Four octets."""
    return value.to_bytes(4, "big")


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(Kind.SETTINGS, payload=b"".join(name.to_bytes(2, "big") + word(value) for name, value in pairs))


SETTINGS_ACK = frame(Kind.SETTINGS, Flag.ACK)


def block(*fields: tuple[bytes, bytes]) -> bytes:
    """A field block of literals that leave the dynamic table as it is."""
    return b"".join(literal(name, value) for name, value in fields)


def status(code: int | bytes, *fields: tuple[bytes, bytes]) -> bytes:
    """The field block of a response's head."""
    return block((b":status", code if isinstance(code, bytes) else b"%d" % code), *fields)


def headers(
    stream: int,
    fields: bytes,
    *,
    ends: bool = False,
    is_whole: bool = True,
    padding: int | None = None,
    priority: bytes = b"",
) -> bytes:
    """A HEADERS frame. `is_whole`: END_HEADERS; `ends`: END_STREAM; `priority`: its five octets."""
    flags = (Flag.END_STREAM if ends else 0) | (Flag.END_HEADERS if is_whole else 0)
    flags |= Flag.PRIORITY if priority else 0
    return _padded(Kind.HEADERS, flags, stream, priority + fields, padding)


def continuation(stream: int, fields: bytes, *, is_whole: bool = True) -> bytes:
    """A CONTINUATION frame."""
    return frame(Kind.CONTINUATION, Flag.END_HEADERS if is_whole else 0, stream, fields)


def data(stream: int, octets: bytes, *, ends: bool = False, padding: int | None = None) -> bytes:
    """A DATA frame."""
    return _padded(Kind.DATA, Flag.END_STREAM if ends else 0, stream, octets, padding)


def _padded(kind: int, flags: int, stream: int, payload: bytes, padding: int | None) -> bytes:
    if padding is not None:
        flags |= Flag.PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    return frame(kind, flags, stream, payload)


def rst_stream(stream: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(Kind.RST_STREAM, 0, stream, word(code))


def ping(octets: bytes = b"12345678", *, is_answer: bool = False) -> bytes:
    """A PING frame."""
    return frame(Kind.PING, Flag.ACK if is_answer else 0, 0, octets)


def goaway(last: int, code: int = Code.NO_ERROR, debug: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frame(Kind.GOAWAY, 0, 0, word(last) + word(code) + debug)


def window_update(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, word(increment))


def push_promise(stream: int, promised: int, fields: bytes) -> bytes:
    """A PUSH_PROMISE frame."""
    return frame(Kind.PUSH_PROMISE, Flag.END_HEADERS, stream, word(promised) + fields)


def answer(stream: int, body: bytes = b"ok", code: int = 200) -> bytes:
    """A whole response with Content-Length."""
    head = status(code, (b"content-length", b"%d" % len(body)))
    return headers(stream, head) + data(stream, body, ends=True)
