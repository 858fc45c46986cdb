"""What tests of and with servers share: one certificate authority a run, and a client that reads as h11 does."""

from __future__ import annotations

import atexit
import json
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import h11

from bench.server import Certificates, EmbeddedServer, write_certificates

if TYPE_CHECKING:
    from .nginx import Nginx

TIMEOUT = 10.0
"""Seconds that a client waits for its server."""


@cache
def certificates() -> Certificates:
    """This process's throw-away CA with a certificate for localhost, 127.0.0.1 and ::1; deleted at exit."""
    directory = tempfile.TemporaryDirectory(prefix="tests-ca-")
    atexit.register(directory.cleanup)
    return write_certificates(directory.name)


@cache
def client_context() -> ssl.SSLContext:
    """A client's context that trusts the shared CA only; shared, so do not change it."""
    return certificates().client_context()


@cache
def server_context() -> ssl.SSLContext:
    """A server's context with the shared certificate; shared, so do not change it."""
    return certificates().server_context()


@dataclass
class Reply:
    """A response as h11 read it."""

    status: int
    version: bytes
    headers: dict[str, str]
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    informational: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


def decoded(fields: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields}


class Client:
    """A socket that speaks HTTP/1.1 by h11, one request at a time; closes with the `with` block."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.pushed = 0
        self.h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)

    def send(self, *events: h11.Event) -> None:
        for event in events:
            # Sending nothing is no no-op: a closed Unix socket answers it with EPIPE.
            if data := self.h11.send(event):
                self.sock.sendall(data)

    def send_head(self, method: str, target: str, headers: dict[str, str] | None = None) -> None:
        fields = {"Host": "localhost"} | (headers or {})
        self.send(h11.Request(method=method, target=target, headers=list(fields.items())))

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        trailers: dict[str, str] | None = None,
    ) -> Reply:
        headers = dict(headers or {})
        if body and "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(body))
        self.send_head(method, target, headers)
        self.send(h11.Data(data=body), h11.EndOfMessage(headers=list((trailers or {}).items())))
        return self.reply()

    def get(self, target: str, headers: dict[str, str] | None = None) -> Reply:
        return self.request("GET", target, headers)

    def event(self) -> Any:
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(self.sock.recv(1 << 20))
        return event

    def reply(self) -> Reply:
        """The next response, whole; ready for another request if the connection persists."""
        informational = []
        while isinstance(event := self.event(), h11.InformationalResponse):
            informational.append(event.status_code)
        reply = Reply(event.status_code, event.http_version, decoded(event.headers), informational=informational)
        parts = []
        while isinstance(event := self.event(), h11.Data):
            parts.append(bytes(event.data))
        reply.body = b"".join(parts)
        reply.trailers = decoded(event.headers)
        if self.persists:
            self.h11.start_next_cycle()
        return reply

    @property
    def persists(self) -> bool:
        return (self.h11.our_state, self.h11.their_state) == (h11.DONE, h11.DONE)

    def push(self, piece: bytes, count: int) -> None:
        """Send `piece` `count` times, past h11; `pushed` says how many octets the system took."""
        for _ in range(count):
            left = memoryview(piece)
            while left:
                sent = self.sock.send(left)
                self.pushed += sent
                left = left[sent:]

    def read(self, size: int) -> bytes:
        """Exactly `size` raw octets, less only if the server closes."""
        data = b""
        while len(data) < size and (piece := self.sock.recv(size - len(data))):
            data += piece
        return data

    def read_to_end(self) -> bytes:
        """What else comes until the server closes."""
        parts = []
        while data := self.sock.recv(1 << 20):
            parts.append(data)
        return b"".join(parts)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()


def dial(server: EmbeddedServer | Nginx, listener: str = "plain") -> Client:
    if listener == "uds":
        assert server.uds is not None
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(server.uds)
        return Client(sock)
    if listener == "tls":
        sock = socket.create_connection(("127.0.0.1", server.tls_port or 0))
        return Client(client_context().wrap_socket(sock, server_hostname="localhost"))
    return Client(socket.create_connection(("127.0.0.1", server.port)))
