"""Rows of the fault matrix: the response, what comes behind it, idle connections, and what an origin may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperframe.frame import GoAwayFrame, PingFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from .acts import (
    Again,
    Close,
    CutRecord,
    Delay,
    Flip,
    FlipRecord,
    HalfClose,
    Mute,
    Notify,
    Pace,
    Pass,
    Raw,
    Reset,
    Say,
    Stall,
)
from .table import (
    BOTH_STATES,
    BROKEN,
    IN_FRAMES,
    IN_TLS,
    LAST,
    ONLY_H1,
    ONLY_H2,
    ONLY_TLS,
    PEER,
    READ,
    READ_TIMEOUT,
    RUBBISH,
    TIMED_OUT,
    WAITS,
    WRONG,
    Effect,
    Fault,
    frame,
    reset,
    row,
)


def _head() -> Iterator[Fault]:
    unanswered: dict[str, Any] = {"effect": Effect.MAY_FAIL, "states": BOTH_STATES}
    yield row("head", "never comes", Stall(), (READ_TIMEOUT,), waits=True)
    yield row("head", "stalls", Stall(), (READ_TIMEOUT,), waits=True, offset=12)
    yield row("head", "drips", Pace(1, 0.02), (READ_TIMEOUT,), waits=True, total=WAITS)
    yield row("head", "octet by octet", Pace(1), size=500)
    yield row("head", "late", Delay(0.05))
    yield row("head", "closed before it", Close(), BROKEN, **unanswered)
    yield row("head", "reset before it", Reset(), BROKEN, **unanswered)
    yield row("head", "FIN before it", HalfClose(), BROKEN, **unanswered)
    yield row("head", "cut, closed", Close(), BROKEN, offset=12, states=BOTH_STATES)
    yield row("head", "cut, reset", Reset(), BROKEN, offset=12, states=BOTH_STATES)
    yield row("head", "cut, FIN", HalfClose(), (PEER,), offset=12, states=BOTH_STATES)
    yield row("head", "rubbish", Say(RUBBISH), (PEER,))
    yield row(
        "head", "corrupt version", Flip(0x01), (PEER,), offset=1, protocols=ONLY_H1, hole="there is none in HTTP/2"
    )
    yield row(
        "head", "corrupt line end", Flip(0x0C), (PEER,), offset=13, protocols=ONLY_H1, hole="there are none in HTTP/2"
    )
    yield row("head", "corrupt length of a frame", Flip(0x80), (PEER,), **IN_FRAMES)
    yield row("head", "corrupt stream of a frame", Flip(0x10), (PEER,), offset=5, **IN_FRAMES)
    yield row("head", "corrupt field block", Flip(0xFF), (PEER,), offset=9, protocols=ONLY_H2, hole="no HPACK")
    yield row(
        "head",
        "endless",
        Say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000),
        (PEER,),
        protocols=ONLY_H1,
        hole="tests/http2/test_floods.py",
    )
    yield row(
        "head",
        "103 without end",
        Say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
        (PEER,),
        protocols=ONLY_H1,
        hole="tests/http2/test_messages.py",
    )
    yield row(
        "head",
        "408 and closed",
        Say(TIMED_OUT, HalfClose()),
        ("408",),
        effect=Effect.MAY_FAIL,
        lies=True,
        states=BOTH_STATES,
        protocols=ONLY_H1,
        hole="over HTTP/2 it is GOAWAY",
    )
    yield row("head", "corrupt record", FlipRecord(), BROKEN, **IN_TLS, **unanswered)
    yield row("head", "cut record, FIN", CutRecord(), BROKEN, **IN_TLS, offset=12)
    yield row("head", "close_notify before it", Notify(), BROKEN, **IN_TLS, **unanswered)
    yield row("head", "close_notify in it", Notify(), BROKEN, **IN_TLS, offset=12)


def _between_frames() -> Iterator[Fault]:
    only: dict[str, Any] = {"protocols": ONLY_H2, "hole": "HTTP/1.1 has no frames"}

    def here(name: str, octets: bytes, ends: tuple[str, ...] = (), **rest: Any) -> Fault:
        return row("head", f"{name} before it", Say(octets, Pass()), ends, **only, **rest)

    yield here("PING", PingFrame(0, opaque_data=b"12345678").serialize())
    yield here("SETTINGS", SettingsFrame(0, settings={3: 50}).serialize())
    yield here("unknown frame", frame(b"?" * 100, 0xFA))
    yield here("GOAWAY of later streams", GoAwayFrame(0, last_stream_id=LAST).serialize())
    yield here("GOAWAY of all", GoAwayFrame(0, last_stream_id=0).serialize(), lies=True)
    yield here("WINDOW_UPDATE of 0", WindowUpdateFrame(0, window_increment=1).serialize()[:-4] + bytes(4), (PEER,))
    yield here("window too large", WindowUpdateFrame(0, window_increment=LAST).serialize(), (PEER,))
    yield here(
        "PUSH_PROMISE",
        PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"]).serialize(),
        (PEER,),
    )
    yield here("DATA on stream 0", frame(b"x", 0), (PEER,))
    yield here("SETTINGS of 5 octets", frame(b"12345", 4), (PEER,))
    yield here("CONTINUATION of nothing", frame(b"", 9, 0, 1), (PEER,))
    yield here("frame too large", frame(b"x" * 20_000, 0xFA), (PEER,))
    yield here("RST_STREAM of an idle stream", RstStreamFrame(LAST, error_code=8).serialize(), (PEER,))


def _body() -> Iterator[Fault]:
    two: dict[str, Any] = {"framings": ("length", "chunked")}
    cut: dict[str, Any] = {**two, "offset": 1_500}
    yield row("body", "never comes", Stall(), (READ_TIMEOUT,), waits=True, **two)
    yield row("body", "stalls", Stall(), (READ_TIMEOUT,), waits=True, **cut)
    yield row("body", "drips", Pace(1, 0.02), (READ_TIMEOUT,), waits=True, total=WAITS, **two)
    yield row("body", "octet by octet", Pace(1), size=500, **two)
    yield row("body", "late", Delay(0.05), **cut)
    yield row("body", "FIN before it", HalfClose(), (PEER,), **two)
    yield row("body", "cut, FIN", HalfClose(), (PEER,), **cut)
    yield row("body", "cut, closed", Close(), BROKEN, **cut)
    yield row("body", "cut, reset", Reset(), BROKEN, **cut)
    yield row(
        "body",
        "last octet missing, FIN",
        HalfClose(),
        (PEER,),
        size=900,
        offset=899,
        protocols=ONLY_H1,
        hole="the length of a frame decides",
    )
    yield row(
        "body",
        "last line missing, FIN",
        HalfClose(),
        (PEER,),
        size=900,
        offset=907,
        framings=("chunked",),
        protocols=ONLY_H1,
        hole="no chunks",
    )
    yield row(
        "body", "corrupt chunk size", Flip(0x55), (PEER,), framings=("chunked",), protocols=ONLY_H1, hole="no chunks"
    )
    yield row("body", "corrupt type of a frame", Flip(0x80), (PEER,), offset=3, spares=True, loses=True, **IN_FRAMES)
    yield row("body", "corrupt length of a frame", Flip(0x80), (PEER,), **IN_FRAMES)
    yield row("body", "corrupt stream of a frame", Flip(0x10), (PEER,), offset=5, **IN_FRAMES)
    # An event loop gives out nothing of a read with a bad record in it: on a warm connection a GET would be sent again.
    yield row(
        "body",
        "corrupt record",
        FlipRecord(),
        BROKEN,
        layers=ONLY_TLS,
        hole="HTTP has no checksum: only TLS can tell",
        states=("fresh",),
        **cut,
    )
    yield row("body", "cut record, FIN", CutRecord(), BROKEN, **IN_TLS, **cut)
    yield row("body", "close_notify in it", Notify(), BROKEN, **IN_TLS, **cut)
    stream: dict[str, Any] = {"protocols": ONLY_H2, "hole": "HTTP/1.1 has no streams", "spares": True}
    for name, code in (("INTERNAL_ERROR", 2), ("CANCEL", 8), ("NO_ERROR", 0)):
        yield row("body", f"RST_STREAM {name}", reset(code), (PEER,), **stream)


def _end() -> Iterator[Fault]:
    alone: dict[str, Any] = {
        "protocols": ONLY_H1,
        "hole": "others share a connection of HTTP/2",
        "framings": ("length", "chunked"),
    }
    shared: dict[str, Any] = {"protocols": ONLY_H2, "hole": "HTTP/1.1 shares nothing", "effect": Effect.MAY_FAIL}
    over: dict[str, Any] = {**alone, "effect": Effect.OVERTAKES}
    yield row("end", "closed", Close(), BROKEN, **over)
    yield row("end", "reset", Reset(), BROKEN, **over)
    yield row("end", "FIN", HalfClose(), BROKEN, **over)
    yield row("end", "closed on others", Close(), BROKEN, **shared)
    yield row("end", "reset on others", Reset(), BROKEN, **shared)
    yield row("end", "FIN on others", HalfClose(), BROKEN, **shared)
    yield row("end", "tail again", Again(7), **alone)
    # What comes behind an answer may come when the next request is out: then it is that one's answer, and none.
    late: dict[str, Any] = {**alone, "effect": Effect.MAY_FAIL}
    yield row("end", "tail again, later", Again(7, is_apart=True), (PEER,), **late)
    yield row("end", "rubbish", Say(RUBBISH, Pass()), **alone)
    yield row("end", "another answer", Say(WRONG, Pass()), **alone)
    yield row("end", "last frame again", Again(20_000), (PEER,), **shared)


def _idle() -> Iterator[Fault]:
    yield row("idle", "closed", Close())
    yield row("idle", "reset", Reset())
    yield row("idle", "FIN", HalfClose())
    yield row("idle", "rubbish", Say(RUBBISH, Pass()))
    yield row("idle", "forgotten by a router", Mute(), (READ_TIMEOUT,), waits=True)
    yield row("idle", "408 and closed", Say(TIMED_OUT, Close()), protocols=ONLY_H1, hole="over HTTP/2 it is GOAWAY")
    yield row("idle", "another answer", Say(WRONG, Pass()), protocols=ONLY_H1, hole="no stream is open")
    yield row("idle", "GOAWAY", Say(GoAwayFrame(0, last_stream_id=LAST).serialize(), Pass()), **IN_FRAMES)
    yield row("idle", "GOAWAY and closed", Say(GoAwayFrame(0, last_stream_id=0).serialize(), Close()), **IN_FRAMES)
    yield row("idle", "PING", Say(PingFrame(0, opaque_data=b"12345678").serialize(), Pass()), **IN_FRAMES)
    yield row("idle", "close_notify", Notify(), **IN_TLS)
    yield row("idle", "rubbish below TLS", Raw(RUBBISH), layers=ONLY_TLS, protocols=ONLY_H1, hole="a row of its own")
    # What has come on an idle connection of HTTP/2 is for its loop to read: it may be a PING, no reason to leave it.
    yield row(
        "idle",
        "rubbish below TLS, shared",
        Raw(RUBBISH),
        (READ,),
        effect=Effect.MAY_FAIL,
        layers=ONLY_TLS,
        protocols=ONLY_H2,
        hole="a row of its own",
    )


def _origin() -> Iterator[Fault]:
    only: dict[str, Any] = {"protocols": ONLY_H2, "hole": "HTTP/1.1 cannot say so", "hits_all": True}
    yield row("origin", "REFUSED_STREAM", Pass(), query="once=refuse", **only)
    yield row("origin", "GOAWAY before it looked", Pass(), query="once=goodbye", **only)


ANSWERS = (*_head(), *_between_frames(), *_body(), *_end(), *_idle(), *_origin())
