"""A scripted server of HTTP/2: the steps of `tests.peers`, and a few that read frames.

    with Peer([Greet(), ReadRequest(1), Send(answer(1))]) as peer:
        ...  # a client of peer.url, with http1=False for prior knowledge

What a script sends is octets, mostly made by `frames`, so that it can be wrong in any way. What the client has sent is
kept: `peer.frames(0)` are those on the first connection. A client that resets a stream or says goodbye where the script
waits for something else is a ScriptError, which names the frame.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import hpack

from ..peers import TIMEOUT, PeerConnection, ScriptedPeer, ScriptError, Step
from .frames import LAST_STREAM, PREFACE, Frame, Kind, read_frames, settings


def read_frame(connection: PeerConnection, deadline: float) -> Frame:
    """The next frame."""
    header = connection.take(9, deadline)
    stream = int.from_bytes(header[5:], "big")
    if stream > LAST_STREAM:
        raise ScriptError(f"the client has set the reserved bit: {header!r}")
    return Frame(header[3], header[4], stream, connection.take(int.from_bytes(header[:3], "big"), deadline))


@dataclass(frozen=True)
class Greet(Step):
    """Read the client's preface with its SETTINGS, and send SETTINGS (RFC 9113, 3.4)."""

    pairs: tuple[tuple[int, int], ...] = ()
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        ReadPreface(self.timeout).run(connection)
        connection.sock.sendall(settings(*self.pairs))


@dataclass(frozen=True)
class ReadPreface(Step):
    """Read the client's preface with its SETTINGS."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        preface = connection.take(len(PREFACE), deadline)
        if preface != PREFACE:
            raise ScriptError(f"the client begins with {preface!r}")
        first = read_frame(connection, deadline)
        if first.kind != Kind.SETTINGS or first.flags:
            raise ScriptError(f"the client's first frame is {first!r}")


@dataclass(frozen=True)
class Read(Step):
    """Read frames up to the first of this kind; None: of any stream, with any payload or code."""

    kind: int
    stream: int | None = None
    payload: bytes | None = None
    code: int | None = None
    flags: int = 0
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        while not self.is_met_by(found := read_frame(connection, deadline)):
            if found.kind in (Kind.RST_STREAM, Kind.GOAWAY):
                raise ScriptError(f"the client sent {found!r} with code {found.code}")

    def is_met_by(self, found: Frame) -> bool:
        return (
            found.kind == self.kind
            and found.flags & self.flags == self.flags
            and (self.stream is None or found.stream == self.stream)
            and (self.payload is None or found.payload == self.payload)
            and (self.code is None or found.code == self.code)
        )


def ReadReset(stream: int, code: int) -> Read:
    """Read frames up to the RST_STREAM of a stream. Another code is a ScriptError."""
    return Read(Kind.RST_STREAM, stream, code=code)


def ReadGoaway(code: int) -> Read:
    """Read frames up to the GOAWAY. Another code is a ScriptError."""
    return Read(Kind.GOAWAY, 0, code=code)


@dataclass(frozen=True)
class ReadAll(Step):
    """Read frames until each of these was met, in whichever order."""

    reads: tuple[Read, ...]
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        left = list(self.reads)
        while left:
            found = read_frame(connection, deadline)
            left = [read for read in left if not read.is_met_by(found)]


@dataclass(frozen=True)
class ReadRequests(Step):
    """Read frames until the requests on these streams are complete, in whichever order."""

    streams: tuple[int, ...]
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        left, unfinished = set(self.streams), 0
        while left:
            found = read_frame(connection, deadline)
            if found.kind in (Kind.RST_STREAM, Kind.GOAWAY):
                raise ScriptError(f"the client sent {found!r} with code {found.code}")
            if found.ends_stream:
                unfinished = found.stream
            # END_STREAM of a head that goes on in CONTINUATION frames counts at their end.
            if unfinished and (found.kind == Kind.DATA or found.ends_headers):
                left.discard(unfinished)
                unfinished = 0


def ReadRequest(stream: int) -> ReadRequests:
    """Read frames until the request on this stream is complete."""
    return ReadRequests((stream,))


@dataclass
class Request:
    """A request as `hpack` has read it."""

    stream: int
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    is_complete: bool = False

    def __getitem__(self, name: bytes) -> bytes:
        return dict(self.fields)[name]


class Peer(ScriptedPeer):
    """A scripted peer, and what its clients have sent by frames."""

    def frames(self, index: int = 0, kind: int | None = None) -> list[Frame]:
        """The frames that have come on a connection so far; only those of a kind if that is given."""
        return [found for found in read_frames(self.received[index]) if kind is None or found.kind == kind]

    def heads(self, index: int = 0) -> list[Request]:
        """The requests that have come on a connection so far, in order."""
        decoder: Any = hpack.Decoder(max_header_list_size=2**24)
        requests: dict[int, Request] = {}
        octets = b""
        for found in self.frames(index):
            request = requests.setdefault(found.stream, Request(found.stream)) if found.stream else Request(0)
            if found.kind in (Kind.HEADERS, Kind.CONTINUATION):
                octets += found.payload
                if found.ends_headers:
                    request.fields = [(bytes(name), bytes(value)) for name, value in decoder.decode(octets, raw=True)]
                    octets = b""
            elif found.kind == Kind.DATA:
                request.body += found.payload
            request.is_complete |= found.ends_stream
        return list(requests.values())

    def codes(self, index: int = 0) -> list[tuple[str, int, int | None]]:
        """The errors that the client has told on a connection: kind, stream, code."""
        return [
            (Kind(found.kind).name, found.stream, found.code)
            for found in self.frames(index)
            if found.kind in (Kind.RST_STREAM, Kind.GOAWAY)
        ]
