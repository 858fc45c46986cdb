"""What a row of the fault matrix is, and the octets and ends that rows have in common."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hyperframe.frame import RstStreamFrame

from .acts import Drop, Say
from .proxy import Act, Link

DRIVERS = ("sync", "asyncio", "uvloop", "trio")
PROTOCOLS = ("h1", "h2")
VIAS = ("direct", "connect")
LAYERS = ("plain", "tls")
PHASES = ("connect", "tunnel", "tls", "opened", "request", "upload", "head", "body", "end", "idle", "origin")

OWN = "own answer"
CONNECT_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = "ConnectTimeout", "ReadTimeout", "WriteTimeout"
POOL_TIMEOUT = "PoolTimeout"
CONNECT, READ, WRITE = "ConnectError", "ReadError", "WriteError"
PEER, PROXY = "RemoteProtocolError", "ProxyError"

WAITS = 0.3
"""Seconds of every limit where a fault can only be met by waiting."""

PATIENT = 5.0
"""Seconds of every limit elsewhere."""


class Effect(Enum):
    """What a fault does to the request that it hits."""

    HARMLESS = "harmless"
    """It gets its own answer."""

    OVERTAKES = "overtakes"
    """It gets its own answer. What comes behind that may meet the connection's next request, which then ends in one of
    the exceptions, if it must not be sent again (RFC 9112, 9.3.1)."""

    MAY_FAIL = "may fail"
    """It gets its own answer, where it may be sent again and where it was over already; else one of the exceptions."""

    FATAL = "fatal"
    """It ends in one of the exceptions, never in an answer that passes for its own."""


@dataclass(frozen=True)
class Fault:
    """A row.

    Attributes:
        name: unique among the rows.
        phase: see `proxy.py`; `origin` is done by the origin, for requests whose query says so.
        act: what is done.
        offset: octets into the phase.
        effect: on the request that is hit.
        ends: what it may end in beside its own answer: exceptions, or the status of another answer.
        dial_ends: the same where no connection stands yet, in the phase `connect`: over TLS, or through a tunnel.
        waits: whether limits of time have to end it.
        total: seconds that all of it may take, where octets keep coming.
        hits_all: it is done to all requests, not to the first that comes to its place.
        spares: over HTTP/2 it hits a stream, and other requests of the connection must not notice.
        loses: octets of a body are lost unnoticed until its end: a streamed body cannot be right up to there.
        lies: the server says that it has not looked at requests that it has: they are sent again, of any method.
        protocols, vias, layers: where it makes sense; `hole` says why not elsewhere.
        states: "fresh" connections, or "warm" ones that have served a request.
        framings: of the answer, over HTTP/1.1.
        size: octets of the answer.
        upload: octets of the request's body, where it matters.
        query: for the origin.
    """

    name: str
    phase: str
    act: Act
    offset: int = 0
    effect: Effect = Effect.FATAL
    ends: tuple[str, ...] = ()
    dial_ends: tuple[str, ...] = ()
    waits: bool = False
    total: float | None = None
    hits_all: bool = False
    spares: bool = False
    lies: bool = False
    loses: bool = False
    protocols: tuple[str, ...] = PROTOCOLS
    vias: tuple[str, ...] = VIAS
    layers: tuple[str, ...] = LAYERS
    hole: str = ""
    states: tuple[str, ...] = ("warm",)
    framings: tuple[str, ...] = ("length",)
    size: int = 20_000
    upload: int = 0
    query: str = ""


def frame(data: bytes, kind: int, flags: int = 0, stream: int = 0) -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    return len(data).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + data


def reset(code: int) -> Say:
    """RST_STREAM for the stream that is hit, and no more DATA of it."""

    def octets(link: Link) -> bytes:
        return RstStreamFrame(link.stream, error_code=code).serialize()

    return Say(octets, Drop())


def early_answer(link: Link) -> bytes:
    """413 to the stream that is hit, :status as a literal (RFC 7541, 6.2.2); then NO_ERROR (RFC 9113, 8.1)."""
    return frame(b"\x08\x03413", 1, 0x5, link.stream) + RstStreamFrame(link.stream, error_code=0).serialize()


EARLY_413 = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
RUBBISH = bytes(range(128, 256)) * 2
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
"""handshake_failure (RFC 8446, 6)."""

LAST = 2**31 - 1
BROKEN = (PEER, READ, WRITE)
"""What a connection that ends may be: by FIN (`RemoteProtocolError`), by RST, or found while writing."""

AT_ONCE = (*BROKEN, CONNECT)
"""The same when it ends, or speaks out of turn, before a request was written: to an event loop the dial has failed."""

DIAL = (CONNECT, PEER, PROXY)
ONLY_TLS = ("tls",)
ONLY_H1, ONLY_H2 = ("h1",), ("h2",)
BOTH_STATES = ("fresh", "warm")


IN_TLS: dict[str, Any] = {"layers": ONLY_TLS, "hole": "no TLS"}
IN_FRAMES: dict[str, Any] = {"protocols": ONLY_H2, "hole": "HTTP/1.1 has no frames"}


def row(phase: str, name: str, act: Act, ends: tuple[str, ...] = (), **rest: Any) -> Fault:
    """A fault of a phase: fatal if it names an end, else harmless, unless `effect` says otherwise."""
    effect = rest.pop("effect", Effect.FATAL if ends else Effect.HARMLESS)
    return Fault(f"{phase}: {name}", phase, act, ends=ends, effect=effect, **rest)
