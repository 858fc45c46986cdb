"""Targets of the engines: `h1`, `hpack` and `h2`. The first two are in `native/_fuzz_native.pyx` too, for speed."""

from __future__ import annotations

from functools import cache
from typing import Any

from httpfast import RemoteProtocolError
from httpfast._cext.exchange import Exchange
from httpfast._cext.h1 import H1Engine
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.h2_sender import H2Stream
from httpfast._cext.headers import RequestHead
from httpfast._cext.hpack import HpackDecoder, HpackEncoder, HpackError

from ..engine.h2_octets import GOAWAY, exchange_for, frames_of, outcome_of, settings
from ..engine.reading import CHUNKED, Field, request_head

# The first octet of an input to `h1`: which of H1_REQUESTS, and what else. DIRECT has a meaning in Cython only.
KIND = 0x07
COLLECT, END, TRUNCATION, DIRECT, AGAIN = 0x08, 0x10, 0x20, 0x40, 0x80


@cache
def h1_requests() -> tuple[tuple[str, RequestHead, bytes | None], ...]:
    """What the octets answer: method, head, and the body if it is sent at once."""
    return (
        ("GET", request_head(), b""),
        ("HEAD", request_head(), b""),
        ("CONNECT", request_head(), b""),
        ("GET", request_head((b"Connection", b"upgrade"), (b"Upgrade", b"websocket")), b""),
        ("POST", request_head((b"Content-Length", b"2")), b"ab"),
        ("POST", request_head(CHUNKED), None),
        ("GET", request_head((b"Connection", b"close")), b""),
        ("PUT", request_head((b"Content-Length", b"9"), (b"Expect", b"100-continue")), None),
    )


def cut(stream: bytes, seed: int) -> list[bytes]:
    """The stream in pieces: octet by octet for 0, else as the seed says, of 1 to 32 octets."""
    if seed == 0:
        return [stream[i : i + 1] for i in range(len(stream))]
    found, start = [], 0
    while start < len(stream):
        seed = (seed * 73 + 41) & 0xFF
        size = 1 + (seed & 31)
        found.append(stream[start : start + size])
        start += size
    return found


def h1(octets: bytes) -> None:
    """A response, whole and in pieces: the same comes of it. A second octet for the cuts, then the stream.

    With AGAIN the pieces come to the engine that has had the whole, as the answer to a second request.
    """
    if len(octets) < 2:
        return
    options, seed, stream = octets[0], octets[1], octets[2:]
    engine = H1Engine()
    whole = _answered(engine, [stream] if stream else [], options)
    if not (options & AGAIN and engine.is_reusable):
        engine = H1Engine()
    split = _answered(engine, cut(stream, seed), options)
    assert split == whole


def _answered(engine: H1Engine, reads: list[bytes], options: int) -> tuple[Any, ...]:
    method, head, content = h1_requests()[options & KIND]
    collect = bool(options & COLLECT)
    exchange, _ = engine.begin(method, b"/", head, content, collect=collect)
    body = []
    try:
        for read in reads:
            engine.receive_data(read)
            if not collect:
                body.append(exchange.take_body())
        if options & END:
            engine.receive_eof(is_truncation=bool(options & TRUNCATION))
    except RemoteProtocolError:
        assert engine.is_dead
        assert not engine.is_reusable
        assert not exchange.is_complete
        return True, b"".join([*body, exchange.take_body()])
    return (
        False,
        b"".join([*body, exchange.take_body()]),
        exchange.status_code,
        exchange.http_version,
        exchange.raw,
        exchange.fields,
        exchange.reason_phrase,
        exchange.trailers,
        exchange.informational,
        exchange.is_complete,
        exchange.is_tunnel,
        engine.is_reusable,
        engine.has_surplus,
    )


TABLE_SIZES = (4096, 0, 64, 100, 1000, 8192, 65536, 4095)

# The first octet of an input to `hpack`: which of TABLE_SIZES, and what else.
SHORT_LISTS, LARGE_ENCODER, CHANGES, DECODES_ONLY = 0x08, 0x10, 0x20, 0x40


def hpack(octets: bytes) -> None:
    """Blocks for one decoder; what it reads is encoded, and read again.

    A block has its size ahead: an octet up to 239, or 240 to 247 with another one. 248 and above change the sizes of
    tables instead.
    """
    if not octets:
        return
    options = octets[0]
    decoder = HpackDecoder(TABLE_SIZES[options & 7], max_list_size=300 if options & SHORT_LISTS else 262144)
    mirror = HpackDecoder()
    encoder = HpackEncoder(65536 if options & LARGE_ENCODER else 4096)
    at = 1
    while at < len(octets):
        size = octets[at]
        at += 1
        if size >= 248:
            table_size = TABLE_SIZES[size & 7]
            if options & CHANGES:
                decoder.set_max_size(table_size)
            mirror.set_max_size(table_size)
            encoder.set_max_size(table_size)
            continue
        if size >= 240:
            if at == len(octets):
                return
            size = (size - 239) * 256 + octets[at]
            at += 1
        block = octets[at : at + size]
        at += size
        try:
            fields = decoder.decode_block(block)
        except HpackError:
            return
        assert decoder.size <= decoder.max_size
        if fields is not None and not options & DECODES_ONLY:
            _check_round(encoder, mirror, fields)


def _check_round(encoder: HpackEncoder, mirror: HpackDecoder, fields: tuple[Field, ...]) -> None:
    triples = tuple((name, name, value) for name, value in fields)
    for _ in range(2):
        assert mirror.decode_block(encoder.encode((), triples)) == fields
        assert encoder.size == mirror.size <= encoder.max_size


# The first octet of an input to `h2`. RAW: frames are octets as they come, and not records.
RAW, IS_GREETED, SMALL_WINDOWS, HAS_END, IS_CUT = 0x01, 0x02, 0x04, 0x08, 0x10

_STREAM_IDS = (0, 1, 3, 5, 7, 9, 2, 2**31 - 1)

# Kinds of records that are no frames, but what the client does.
GIVE_UP, WRITE, READ, ASK = 12, 13, 14, 15


@cache
def _h2_requests() -> tuple[tuple[Exchange, RequestFields], ...]:
    exchanges = (
        exchange_for(collect=True),
        exchange_for("POST", content=b"0123456789" * 5),
        exchange_for("HEAD"),
        exchange_for("POST", pieces=True),
        exchange_for("CONNECT"),
    )
    return tuple((exchange, RequestFields(exchange.fields_sent)) for exchange in exchanges)


def h2(octets: bytes) -> None:
    """A connection with requests under way. A second octet for the cuts, then records or raw frames.

    A record is kind and flags, stream, size of the payload, payload; sizes of 224 and above have another octet. With
    IS_CUT all is done a second time, in pieces: the same comes of it.
    """
    if len(octets) < 2:
        return
    options, seed, program = octets[0], octets[1], octets[2:]
    steps = [program] if options & RAW else list(_steps(program))
    whole = _Connection(options).run(steps, None)
    if options & IS_CUT:
        assert _Connection(options).run(steps, seed) == whole


def _steps(program: bytes) -> Any:
    """What happens: octets to receive, or (what the client does, to which stream)."""
    received = b""
    at = 0
    while at + 4 <= len(program):
        kind, flags, where, size = program[at : at + 4]
        at += 4
        if kind & 15 >= GIVE_UP:
            if received:
                yield received
            received = b""
            yield kind & 15, where
            at -= 1
            continue
        if size >= 224:
            size = (size - 224) * 256 + (program[at] if at < len(program) else 0)
            at += 1
        payload = program[at : at + size]
        at += size
        # One bit makes the header lie about the size, one is reserved (RFC 9113, 4.1).
        claimed = len(payload) + (where >> 6 & 1)
        stream = _STREAM_IDS[where & 7] | (where >> 7) << 31
        received += claimed.to_bytes(3, "big") + bytes([kind & 15, flags]) + stream.to_bytes(4, "big") + payload
    if received:
        yield received


class _Connection:
    """An engine with four requests: collected, with a body that may wait for its window, HEAD, and one in pieces."""

    def __init__(self, options: int) -> None:
        self.options = options
        self.engine = H2Engine()
        self.engine.open()
        if options & IS_GREETED:
            self.engine.receive_octets(settings({4: 10 if options & SMALL_WINDOWS else 65535}))
        self.streams: list[H2Stream] = []
        self.exchanges: list[Exchange] = []
        self.given_up: set[int] = set()
        self.bodies: list[bytes] = []
        self.output = b""
        self.has_written = False
        for number in range(4):
            self.ask(number)
        self.engine.take_output()

    def ask(self, number: int) -> None:
        exchange, head = _h2_requests()[number % 5]
        if self.engine.streams_left() == 0:
            return
        exchange = exchange.again()
        self.streams.append(self.engine.begin(exchange, head, whole=exchange.body_sent is not None))
        self.exchanges.append(exchange)
        self.bodies.append(b"")

    def act(self, kind: int, where: int) -> None:
        number = where % len(self.streams)
        if kind == GIVE_UP:
            self.engine.give_up(self.streams[number])
            self.given_up.add(number)
        elif kind == READ:
            self.bodies[number] += self.exchanges[number].take_body()
            self.engine.take_news()
            self.output += self.engine.take_output()
        elif kind == ASK:
            self.ask(where)
        elif number == 3 and not self.has_written:
            # A piece follows another only when that has gone: here it is the only one.
            self.has_written = True
            self.engine.write_body(self.streams[number], b"x" * (where + 1))
            self.engine.finish_body(self.streams[number])

    def run(self, steps: list[Any], seed: int | None) -> tuple[Any, ...]:
        error = None
        try:
            for step in steps:
                if isinstance(step, tuple):
                    self.act(*step)
                else:
                    for read in [step] if seed is None else cut(step, seed):
                        if read:
                            self.engine.receive_octets(read)
        except RemoteProtocolError as found:
            error = str(found)
        output = self.engine.take_output()
        self.check(error, output)
        if self.options & HAS_END:
            self.engine.receive_octets(b"")
            assert self.engine.is_dead
            self.check_resolved()
        return (
            error,
            self.output + output,
            [outcome_of(exchange, body) for exchange, body in zip(self.exchanges, self.bodies, strict=True)],
            [self.engine.windows(), *map(self.engine.windows, self.streams)],
            self.engine.goaway_code,
            self.engine.max_streams,
        )

    def check(self, error: str | None, output: bytes) -> None:
        if error is None:
            assert not self.engine.is_dead
            return
        assert self.engine.is_dead
        assert self.engine.streams_left() == 0
        self.check_resolved()
        last = frames_of(output)[-1]
        assert last.kind == GOAWAY
        assert last.goaway_code != 0
        self.engine.receive_octets(settings())
        assert self.engine.take_output() == b""

    def check_resolved(self) -> None:
        assert all(
            exchange.is_complete or exchange.error is not None
            for number, exchange in enumerate(self.exchanges)
            if number not in self.given_up
        )
