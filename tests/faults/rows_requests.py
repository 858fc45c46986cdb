"""Rows of the fault matrix: from the connect to the last octet of the request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperframe.frame import SettingsFrame

from .acts import Answer, Close, Delay, EndUpload, Flip, HalfClose, Notify, Pace, Pass, Refuse, Reset, Say, Stall
from .proxy import TUNNEL, Act
from .table import (
    ALERT,
    AT_ONCE,
    BAD_REQUEST,
    BOTH_STATES,
    BROKEN,
    CONNECT,
    CONNECT_TIMEOUT,
    DIAL,
    EARLY_413,
    IN_TLS,
    ONLY_H1,
    ONLY_H2,
    ONLY_TLS,
    PEER,
    PROXY,
    READ_TIMEOUT,
    RUBBISH,
    WRITE_TIMEOUT,
    Effect,
    Fault,
    early_answer,
    row,
)


def _connect() -> Iterator[Fault]:
    fresh = ("fresh",)
    yield row("connect", "refused", Refuse(), (CONNECT,), hits_all=True, states=fresh)
    yield row("connect", "accepted and closed", Close(), AT_ONCE, dial_ends=DIAL, states=fresh)
    yield row("connect", "accepted and reset", Reset(), AT_ONCE, dial_ends=DIAL, states=fresh)
    yield row("connect", "accepted, FIN", HalfClose(), AT_ONCE, dial_ends=DIAL, states=fresh)
    yield row(
        "connect",
        "accepted and ignored",
        Stall(),
        (READ_TIMEOUT,),
        dial_ends=(CONNECT_TIMEOUT,),
        waits=True,
        states=fresh,
    )
    yield row("connect", "rubbish at once", Say(RUBBISH), AT_ONCE, dial_ends=DIAL, states=fresh)
    yield row("connect", "late", Delay(0.05), states=fresh)


def _tunnel() -> Iterator[Fault]:
    only: dict[str, Any] = {
        "vias": ("connect",),
        "layers": ONLY_TLS,
        "states": ("fresh",),
        "hole": "there is a tunnel through a proxy to https origins only",
    }
    whole = len(TUNNEL)

    def here(name: str, act: Act, ends: tuple[str, ...] = (), **rest: Any) -> Fault:
        return row("tunnel", name, act, ends, **only, **rest)

    yield here("no answer", Stall(), (CONNECT_TIMEOUT,), waits=True)
    yield here("answer stalls", Stall(), (CONNECT_TIMEOUT,), waits=True, offset=20)
    yield here("answer drips", Pace(1, 0.05), (CONNECT_TIMEOUT,), waits=True)
    yield here("answer octet by octet", Pace(1), size=500)
    yield here("answer late", Delay(0.05))
    yield here("closed", Close(), DIAL)
    yield here("reset", Reset(), DIAL)
    yield here("answer cut, FIN", HalfClose(), DIAL, offset=20)
    yield here("answer cut, reset", Reset(), DIAL, offset=20)
    yield here("rubbish", Say(RUBBISH), (PEER,))
    yield here("302", Say(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), (PROXY,))
    yield here("407", Say(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), (PROXY,))
    yield here("502 and closed", Say(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\nno", Close()), (PROXY,))
    yield here("100 before it", Say(b"HTTP/1.1 100 Continue\r\n\r\n", Pass()))
    yield here("endless head", Say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000), (PEER,))
    yield here("early octets", Say(TUNNEL + b"early"), (PROXY,))
    yield here("opened and closed", Say(TUNNEL, Close()), (CONNECT,))
    yield here("opened and reset", Say(TUNNEL, Reset()), (CONNECT,))
    yield here("opened and FIN", Say(TUNNEL, HalfClose()), (CONNECT,))
    yield here("last octet missing", Stall(), (CONNECT_TIMEOUT,), waits=True, offset=whole - 1)


def _tls() -> Iterator[Fault]:
    only: dict[str, Any] = {"layers": ONLY_TLS, "states": ("fresh",), "hole": "no TLS"}

    def here(name: str, act: Act, ends: tuple[str, ...] = (CONNECT,), **rest: Any) -> Fault:
        return row("tls", name, act, ends, **only, **rest)

    yield here("no answer to the hello", Stall(), (CONNECT_TIMEOUT,), waits=True)
    yield here("flight stalls", Stall(), (CONNECT_TIMEOUT,), waits=True, offset=400)
    yield here("flight drips", Pace(1, 0.02), (CONNECT_TIMEOUT,), waits=True)
    yield here("flight octet by octet", Pace(1), (), size=500)
    yield here("flight late", Delay(0.05), ())
    yield here("closed", Close())
    yield here("reset", Reset())
    yield here("flight cut, FIN", HalfClose(), offset=400)
    yield here("flight cut, reset", Reset(), offset=400)
    yield here("flight corrupt", Flip(1), offset=300)
    yield here("first octet corrupt", Flip(0x40))
    # RFC 8446, 5.1: the version of a record is to be ignored.
    yield here("version of a record corrupt", Flip(1), (), offset=2)
    yield here("alert", Say(ALERT, HalfClose()))
    yield here("plain text", Say(BAD_REQUEST, HalfClose()))
    yield here("rubbish", Say(RUBBISH))


def _opened() -> Iterator[Fault]:
    fresh: dict[str, Any] = {"states": ("fresh",)}
    # A request of which nothing was written yet is sent again.
    early: dict[str, Any] = {**fresh, "effect": Effect.MAY_FAIL}
    yield row("opened", "and closed", Close(), AT_ONCE, **early)
    yield row("opened", "and reset", Reset(), AT_ONCE, **early)
    yield row("opened", "and FIN", HalfClose(), AT_ONCE, **early)
    yield row("opened", "and ignored", Stall(), (READ_TIMEOUT,), waits=True, **fresh)
    yield row(
        "opened",
        "HTTP/1.1 spoken to HTTP/2",
        Say(BAD_REQUEST, HalfClose()),
        AT_ONCE,
        protocols=ONLY_H2,
        hole="it is an answer of HTTP/1.1",
        **early,
    )
    yield row(
        "opened",
        "HTTP/2 spoken to HTTP/1.1",
        Say(SettingsFrame(0).serialize()),
        AT_ONCE,
        protocols=ONLY_H1,
        hole="it is the preface of HTTP/2",
        **fresh,
    )
    yield row("opened", "and close_notify", Notify(), AT_ONCE, **IN_TLS, **early)


def _request() -> Iterator[Fault]:
    cut: dict[str, Any] = {"offset": 10, "states": BOTH_STATES, "effect": Effect.MAY_FAIL}
    yield row("request", "closed in its head", Close(), BROKEN, **cut)
    yield row("request", "reset in its head", Reset(), BROKEN, **cut)
    yield row("request", "FIN in its head", HalfClose(), BROKEN, **cut)
    yield row("request", "head never arrives", Stall(), (READ_TIMEOUT,), waits=True, offset=10)


def _upload() -> Iterator[Fault]:
    much: dict[str, Any] = {"offset": 5_000, "upload": 300_000}
    again: dict[str, Any] = {**much, "effect": Effect.MAY_FAIL, "states": BOTH_STATES}
    yield row("upload", "nobody reads on", Stall(), (READ_TIMEOUT, WRITE_TIMEOUT), waits=True, **much)
    yield row("upload", "closed", Close(), BROKEN, **again)
    yield row("upload", "reset", Reset(), BROKEN, **again)
    yield row("upload", "FIN", HalfClose(), BROKEN, **again)
    yield row("upload", "origin loses it", EndUpload(), BROKEN, **again)
    yield row(
        "upload",
        "413, and read on",
        Say(EARLY_413, HalfClose()),
        ("413",),
        protocols=ONLY_H1,
        hole="a row of its own",
        **much,
    )
    yield row(
        "upload",
        "413, and closed",
        Say(EARLY_413, Close()),
        ("413", *BROKEN),
        effect=Effect.MAY_FAIL,
        protocols=ONLY_H1,
        hole="over HTTP/2 it is the stream that ends",
        **much,
    )
    yield row(
        "upload",
        "413 on the stream",
        Answer(early_answer),
        ("413",),
        spares=True,
        protocols=ONLY_H2,
        hole="HTTP/1.1 has no streams",
        **much,
    )


REQUESTS = (*_connect(), *_tunnel(), *_tls(), *_opened(), *_request(), *_upload())
