"""A server that answers by a function, over HTTP/1.1 or HTTP/2: for what has to be the same over both.

with AnsweringPeer("h2", lambda asked: Said(body=b"ok")) as peer:
    client = driver.client(**peer.options)
    ...  # peer.asked holds the requests
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from h2.events import DataReceived, Event, RequestReceived, StreamEnded

from .http2.serving import Serve, Server, server_context
from .peers import PeerConnection, ReadRequest, ScriptedPeer, ScriptError, Step

PROTOCOLS = ("h1", "h2")
IDLE = 60.0
"""Seconds that a connection may be idle."""


@dataclass(frozen=True)
class Asked:
    """A request. Names of fields are in lower case; the host is a field `host` in either protocol."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""

    def __getitem__(self, name: str) -> str | None:
        """The value of a field; several are joined as their own RFCs say."""
        found = [value for key, value in self.fields if key == name]
        return ("; " if name == "cookie" else ", ").join(found) if found else None


@dataclass(frozen=True)
class Said:
    """A response."""

    status: int = 200
    fields: Iterable[tuple[str, str]] = ()
    body: bytes = b""


Answer = Callable[[Asked], Said]


@dataclass(frozen=True)
class _Converse(Step):
    """Speak HTTP/1.1 until the client closes."""

    answer: Answer
    asked: list[Asked] = field(default_factory=list)

    def run(self, connection: PeerConnection) -> None:
        connection.settle()
        try:
            while True:
                ReadRequest(timeout=IDLE).run(connection)
                asked = _parsed(connection.requests[-1])
                self.asked.append(asked)
                connection.sock.sendall(_octets(self.answer(asked), asked.method))
        except (ScriptError, OSError):
            # It has closed, maybe before it had all of the answer.
            connection.close()


def _parsed(octets: bytes) -> Asked:
    head, _, body = octets.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.partition(":") for line in lines]
    return Asked(method, target, tuple((name.lower(), value.strip()) for name, _, value in pairs), body)


def _octets(said: Said, method: str) -> bytes:
    lines = [f"HTTP/1.1 {said.status} Said", *(f"{name}: {value}" for name, value in said.fields)]
    if said.status not in (204, 304):
        lines.append(f"Content-Length: {len(said.body)}")
    head = "\r\n".join([*lines, "", ""]).encode("utf-8")
    return head if method == "HEAD" or said.status in (204, 304) else head + said.body


class _Reaction:
    """Answers each request of HTTP/2 when it is complete."""

    def __init__(self, answer: Answer, asked: list[Asked]) -> None:
        self.answer, self.asked = answer, asked
        self.heads: dict[tuple[Server, int], list[tuple[str, str]]] = {}
        self.bodies: dict[tuple[Server, int], bytes] = {}

    def __call__(self, server: Server, event: Event) -> None:
        stream: int = getattr(event, "stream_id", None) or 0
        key = server, stream
        if isinstance(event, RequestReceived):
            fields: Any = event.headers
            self.heads[key] = [(str(name), str(value)) for name, value in fields]
        elif isinstance(event, DataReceived):
            self.bodies[key] = self.bodies.get(key, b"") + bytes(event.data or b"")
        elif isinstance(event, StreamEnded):
            head = dict(self.heads[key])
            fields = [("host", head[":authority"])]
            fields += [pair for pair in self.heads.pop(key) if not pair[0].startswith(":")]
            asked = Asked(head[":method"], head[":path"], tuple(fields), self.bodies.pop(key, b""))
            self.asked.append(asked)
            self._say(server, stream, self.answer(asked), asked.method)

    def _say(self, server: Server, stream: int, said: Said, method: str) -> None:
        fields = [(name.lower(), value.encode("utf-8").decode("latin-1")) for name, value in said.fields]
        if method == "HEAD" or said.status in (204, 304):
            server.head(stream, said.status, *fields, ends=True)
        else:
            server.respond(stream, said.body, said.status, *fields)


class AnsweringPeer(ScriptedPeer):
    """See the module.

    Args:
        protocol: one of `PROTOCOLS`.
        answer: is called in the thread of a connection.
        is_tls: speak TLS, with the run's certificate for localhost.
    """

    def __init__(self, protocol: str, answer: Answer, *, is_tls: bool = False) -> None:
        self.asked: list[Asked] = []
        self.protocol = protocol
        step = Serve(_Reaction(answer, self.asked)) if protocol == "h2" else _Converse(answer, self.asked)
        context = server_context("h2" if protocol == "h2" else "http/1.1") if is_tls else None
        super().__init__([step], tls=context, repeats_last=True)

    @property
    def options(self) -> dict[str, Any]:
        """What a client has to be told: HTTP/2 with prior knowledge or by ALPN."""
        return {"http1": self.protocol == "h1", "http2": self.protocol == "h2"}

    def on(self, host: str) -> str:
        """The URL of this server under another name, without a slash at its end."""
        return f"{self.url.partition('://')[0]}://{host}:{self.port}"
