"""How the tests of H2Engine write frames by hand, read them, and ask: no sockets, no clock.

Independent of the code under test: RFC 9113, 4.1 and 6, with field blocks of plain literals (RFC 7541, 6.2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import httpfast
from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.h2_sender import H2Stream
from httpfast._cext.plain import exchange_of

from .hpack_blocks import Field, literal

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

NO_ERROR, PROTOCOL_ERROR = 0, 1
FLOW_CONTROL_ERROR = 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 5, 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5

MAX_WINDOW = LAST_ID = 2**31 - 1
DEFAULT_WINDOW = 65535


class Frame(NamedTuple):
    """A frame as it was written."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The payload of RST_STREAM and WINDOW_UPDATE."""
        return int.from_bytes(self.payload[:4], "big")

    @property
    def goaway_code(self) -> int:
        return int.from_bytes(self.payload[4:8], "big")


def frame(kind: int, payload: bytes = b"", stream: int = 0, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def frames_of(octets: bytes) -> list[Frame]:
    """The frames of what was written, after the preface if it is there. Nothing may be left over."""
    return list(_frames_of(octets.removeprefix(PREFACE)))


def _frames_of(octets: bytes) -> Iterator[Frame]:
    while octets:
        size = int.from_bytes(octets[:3], "big")
        assert len(octets) >= 9 + size, "a frame is cut off"
        yield Frame(octets[3], octets[4], int.from_bytes(octets[5:9], "big"), octets[9 : 9 + size])
        octets = octets[9 + size :]


def settings(values: dict[int, int] | None = None, *, ack: bool = False) -> bytes:
    payload = b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in (values or {}).items())
    return frame(SETTINGS, payload, flags=ACK if ack else 0)


def block(*fields: Field) -> bytes:
    """A field block that changes no table."""
    return b"".join(literal(name, value) for name, value in fields)


def headers(
    stream: int, *fields: Field, end: bool = False, status: bytes | None = b"200", flags: int = END_HEADERS
) -> bytes:
    pseudo = () if status is None else ((b":status", status),)
    return frame(HEADERS, block(*pseudo, *fields), stream, flags | (END_STREAM if end else 0))


def data(stream: int, octets: bytes = b"", *, end: bool = False, padding: int | None = None) -> bytes:
    flags = END_STREAM if end else 0
    if padding is not None:
        return frame(DATA, bytes([padding]) + octets + bytes(padding), stream, flags | PADDED)
    return frame(DATA, octets, stream, flags)


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, code.to_bytes(4, "big"), stream)


def goaway(last: int, code: int = NO_ERROR, text: bytes = b"") -> bytes:
    return frame(GOAWAY, last.to_bytes(4, "big") + code.to_bytes(4, "big") + text)


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, size.to_bytes(4, "big"), stream)


def opened(values: dict[int, int] | None = None) -> H2Engine:
    """An engine whose peer has said its SETTINGS; what it has to write so far is taken."""
    engine = H2Engine()
    engine.open()
    engine.receive_octets(settings(values))
    engine.take_output()
    return engine


def exchange_for(
    method: str = "GET",
    path: str = "/",
    fields: Iterable[Field] = (),
    content: bytes | None = None,
    *,
    pieces: bool = False,
    collect: bool = False,
) -> Exchange:
    """An exchange as transports make it. `pieces`: its body is not known yet."""
    request = httpfast.Request(
        method,
        f"https://www.example.com{path}",
        headers=list(fields),
        content=iter(()) if pieces else content,
    )
    if collect:
        request.__dict__["_wants_whole"] = True
    return exchange_of(request)


def begun(engine: H2Engine, exchange: Exchange) -> H2Stream:
    """The request is out, but for its body if that comes in pieces."""
    return engine.begin(exchange, RequestFields(exchange.fields_sent), whole=exchange.body_sent is not None)


def ask(
    engine: H2Engine,
    method: str = "GET",
    path: str = "/",
    fields: Iterable[Field] = (),
    content: bytes | None = None,
    *,
    pieces: bool = False,
    collect: bool = False,
) -> tuple[H2Stream, Exchange]:
    exchange = exchange_for(method, path, fields, content, pieces=pieces, collect=collect)
    return begun(engine, exchange), exchange


@dataclass(frozen=True)
class Outcome:
    """All that can be seen of an exchange."""

    error: str | None
    status: int
    fields: tuple[Field, ...]
    body: bytes
    trailers: tuple[Field, ...] | None
    informational: tuple[tuple[int, tuple[Field, ...]], ...]
    continued: bool
    is_complete: bool
    was_refused: bool


def outcome_of(exchange: Exchange, body: bytes = b"") -> Outcome:
    """What has become of an exchange. `body`: octets of it that were taken before."""
    return Outcome(
        error=None if exchange.error is None else str(exchange.error),
        status=exchange.status_code,
        fields=tuple(exchange.fields),
        body=body + exchange.take_body(),
        trailers=None if exchange.trailers is None else tuple(exchange.trailers),
        informational=tuple((status, tuple(found)) for status, found in exchange.informational or ()),
        continued=exchange.continued,
        is_complete=exchange.is_complete,
        was_refused=exchange.was_refused,
    )
