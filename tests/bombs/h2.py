"""Bombs and floods of HTTP/2 (RFC 9113, 10.5; RFC 7541, 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..engine.hpack_blocks import coded, indexed, inserted, plain
from ..http2.floods import FLOODS
from ..http2.frames import (
    Code,
    Kind,
    answer,
    continuation,
    data,
    frame,
    goaway,
    headers,
    ping,
    push_promise,
    rst_stream,
    status,
)
from ..http2.peer import Greet, Read, ReadAll, ReadRequest
from ..peers import Send, Step, WaitForClose
from .h1 import BOMB_BYTES, MIB, bomb, encoded
from .rows import Row, SendOn

HEAD = headers(1, status(200))

MORE_FLOODS = {
    "DATA of much padding": data(1, b"", padding=255),
    "large unknown frames": frame(0x77, 0xFF, 1, b"x" * 16_384),
    "GOAWAY": goaway(1),
    "PUSH_PROMISE": push_promise(1, 2, status(200)),
}

BROKEN = ("RemoteProtocolError", "ReadError", "WriteError")
"""Where the peer is still sending when the client closes, its system may be told before its answer is read."""


def script(*octets: bytes, on: bytes = b"") -> Callable[[], Sequence[Step]]:
    """The octets as an answer; then `on` without end."""
    last: Step = SendOn(on) if on else WaitForClose()
    return lambda: [Greet(), ReadRequest(1), Send(b"".join(octets), timeout=20), last, WaitForClose()]


def next_request(stream: int) -> Step:
    """Read the head of a request; that the client has reset the stream before it is expected here."""
    return ReadAll((Read(Kind.HEADERS, stream),))


def block_in_frames(fields: bytes, size: int = 16_000) -> bytes:
    """A response's head of a field block that does not fit into one frame."""
    pieces = [fields[at : at + size] for at in range(0, len(fields), size)]
    octets = headers(1, pieces[0], is_whole=len(pieces) == 1, ends=True)
    for number, piece in enumerate(pieces[1:], 2):
        octets += continuation(1, piece, is_whole=number == len(pieces))
    return octets


def _floods() -> list[Row]:
    rows = [
        Row(f"flood of {name}", "H2-07", script(HEAD, on=octets), ends=BROKEN)
        for name, octets in (FLOODS | MORE_FLOODS).items()
    ]
    closed = script(HEAD, data(1, b"", ends=True), on=rst_stream(1, Code.CANCEL))
    rows.append(
        Row(
            "flood of RST_STREAM on a stream that has ended",
            "H2-07",
            closed,
            act="get_twice",
            # Who looks at an idle connection before it is used again finds that it is none to use.
            ends=("ok", *BROKEN),
            second=lambda: [Greet(), ReadRequest(1), Send(answer(1)), WaitForClose()],
        )
    )
    pieces = (ping() * 900 + data(1, b"x")) * 20
    rows.append(Row("PING whose answers are not read", "H2-07", script(HEAD, on=pieces), ends=BROKEN))
    return rows


def _resets(code: int, count: int) -> list[Step]:
    steps: list[Step] = [Greet()]
    for stream in range(1, 2 * count, 2):
        steps += [ReadRequest(stream), Send(rst_stream(stream, code))]
    return [*steps, WaitForClose()]


def rows(bomb_bytes: int = BOMB_BYTES) -> tuple[Row, ...]:
    """All of them; `bomb_bytes`: see `h1.rows`."""
    start = headers(1, indexed(8), is_whole=False)
    name = indexed(8) + b"\x00" + plain(b"a")
    found = [
        Row(
            "CONTINUATION of 16 KB without end",
            "H2-02",
            script(start, on=continuation(1, b"x" * 16_000, is_whole=False)),
        ),
        Row("empty CONTINUATION without end", "H2-02", script(start, on=continuation(1, b"", is_whole=False))),
        Row(
            "a field list of 100,000 small fields",
            "H2-03",
            script(block_in_frames(indexed(8) + b"\x00\x01a\x01b" * 40_000)),
        ),
        Row("4 KiB entry, indexed 16,000 times", "H2-04", script(block_in_frames(_hpack_bomb()))),
        Row("4 KiB entry, indexed 12,000 times on each of 100 streams", "H2-04", _bombs_on_streams, act="hundred_gets"),
        Row("HPACK integer of 100,000 octets", "H2-05", script(block_in_frames(b"\xff" + b"\x80" * 100_000))),
        # "0" is five bits of zero: 240,000 of them are within the limit of a list, 320,000 are not.
        Row(
            "Huffman string of 150,000 octets",
            "H2-05",
            script(block_in_frames(name + coded(bytes(150_000)))),
            ends=("ok",),
        ),
        Row("Huffman string of 200,000 octets", "H2-05", script(block_in_frames(name + coded(bytes(200_000))))),
        Row("heads of 103 without end", "H1-17", script(on=headers(1, status(103)))),
        Row(
            "heads of 103 of 16 KB without end",
            "H1-17",
            script(on=headers(1, status(103, *[(b"a", b"x" * 250)] * 60))),
        ),
        *_floods(),
        Row("every stream is refused, 300 requests", "H2-08", lambda: _resets(Code.REFUSED_STREAM, 900), act="gets"),
        Row("every stream is reset, 300 requests", "H2-08", lambda: _resets(Code.INTERNAL_ERROR, 300), act="gets"),
        Row(
            "DATA beyond the window of a stream nobody reads",
            "H2-22",
            script(HEAD, on=data(1, b"x" * 16_384)),
            act="unread",
            # A blocking client that does not read its response reads nothing at all.
            ends=("ok", "RemoteProtocolError"),
        ),
        Row(
            "redirect with DATA without end",
            "RED-10",
            lambda: [
                Greet(),
                ReadRequest(1),
                Send(headers(1, status(302, (b"location", b"/next"))) + data(1, b"x" * 16_384) * 8),
                next_request(3),
                Send(answer(3)),
                WaitForClose(),
            ],
            act="redirect",
            ends=("ok",),
        ),
        Row(
            f"{bomb_bytes // MIB} MiB of zeros, gzip",
            "DEC-01",
            lambda: [Greet(), ReadRequest(1), Send(_coded_answer(bomb_bytes)), WaitForClose()],
            act="two_chunks",
            ends=("ok",),
        ),
    ]
    return tuple(found)


def _coded_answer(size: int) -> bytes:
    body = bomb("gzip", size)
    head = headers(1, status(200, (b"content-encoding", b"gzip")))
    return (
        head + b"".join(data(1, body[at : at + 16_384]) for at in range(0, len(body), 16_384)) + data(1, b"", ends=True)
    )


def _hpack_bomb(times: int = 16_000) -> bytes:
    return indexed(8) + inserted(b"x-bomb", b"x" * 3_900) + indexed(62) * times


def _bombs_on_streams() -> Sequence[Step]:
    steps: list[Step] = [Greet()]
    for stream in range(1, 200, 2):
        steps += [next_request(stream), Send(headers(stream, _hpack_bomb(12_000), ends=True))]
    return [*steps, WaitForClose()]


def warm_gzip() -> bytes:
    """A small body in gzip, for HTTP/2."""
    body = encoded(b"x" * 1_000, "gzip")
    return headers(1, status(200, (b"content-encoding", b"gzip"))) + data(1, body, ends=True)
