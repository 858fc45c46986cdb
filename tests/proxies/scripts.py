"""Steps of scripted proxies: what they read before a tunnel stands, and the tunnel itself.

with ScriptedPeer([ReadConnect(), Send(TUNNEL), Relay()], repeats_last=True) as proxy:
    ...  # whatever name a client asks for, it gets 127.0.0.1 and the port it has asked for
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass

from ..peers import READ_SIZE, TIMEOUT, PeerConnection, ReadRequest, ScriptedPeer, ScriptError, Send, StartTLS, Step

TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOCKS_OPEN = b"\x05\x00"
SOCKS_DONE = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
CONNECT = re.compile(rb"CONNECT [!-~]+:([0-9]+) HTTP/1\.1\r\n")
KINDS = ("connect", "https proxy", "socks")
"""What `proxy` makes."""


@dataclass(frozen=True)
class ReadConnect(Step):
    """Read a CONNECT request, and record it."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        head = connection.take_until(b"\r\n\r\n", time.monotonic() + self.timeout)
        if not CONNECT.match(head):
            raise ScriptError(f"no CONNECT: {head[:128]!r}")
        connection.requests.append(head)
        connection.peer.notify()


@dataclass(frozen=True)
class ReadGreeting(Step):
    """Read the methods that a SOCKS5 client offers (RFC 1928, 3), and record them."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        head = connection.take(2, deadline)
        connection.requests.append(head + connection.take(head[1], deadline))
        connection.peer.notify()


@dataclass(frozen=True)
class ReadLogin(Step):
    """Read a SOCKS5 client's user and password (RFC 1929, 2), and record them."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        login = connection.take(2, deadline)
        login += connection.take(login[1] + 1, deadline)
        connection.requests.append(login + connection.take(login[-1], deadline))
        connection.peer.notify()


@dataclass(frozen=True)
class ReadCommand(Step):
    """Read a SOCKS5 command (RFC 1928, 4), and record it."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        head = connection.take(5, deadline)
        size = {1: 3, 3: head[4], 4: 15}.get(head[3])
        if size is None:
            raise ScriptError(f"no type of address: {head!r}")
        connection.requests.append(head + connection.take(size + 2, deadline))
        connection.peer.notify()


@dataclass(frozen=True)
class Relay(Step):
    """Carry octets between the client and 127.0.0.1, until either side closes; then close both.

    Args:
        port: where to; by default what the client has asked for.
    """

    port: int | None = None

    def run(self, connection: PeerConnection) -> None:
        connection.settle()
        port = asked_port(connection.requests[-1]) if self.port is None else self.port
        client = connection.sock
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as origin:
            origin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(TIMEOUT)
            if rest := bytes(connection._unread):
                origin.sendall(rest)
            with suppress(OSError):
                while carry(client, origin):
                    pass
            if isinstance(client, ssl.SSLSocket):
                with suppress(OSError, ValueError):
                    client.setblocking(False)
                    client.unwrap()
        connection.close()

    @property
    def may_be_stopped(self) -> bool:
        return True


@dataclass(frozen=True)
class Serve(Step):
    """Answer every request by the same octets, until the client closes or the peer stops."""

    answer: bytes

    def run(self, connection: PeerConnection) -> None:
        connection.settle()
        with suppress(OSError, ScriptError):
            while True:
                ReadRequest().run(connection)
                connection.sock.sendall(self.answer)

    @property
    def may_be_stopped(self) -> bool:
        return True


@dataclass(frozen=True)
class Tolerant(Step):
    """Steps that a client may leave at any time; that is the end of them."""

    steps: tuple[Step, ...]

    def run(self, connection: PeerConnection) -> None:
        try:
            for step in self.steps:
                step.run(connection)
        except (ScriptError, ConnectionError):
            # A client that closes with octets unread, such as TLS session tickets, resets the connection.
            connection.close()

    @property
    def may_be_stopped(self) -> bool:
        return True


def asked_port(request: bytes) -> int:
    """The port that a CONNECT request or a SOCKS5 command is for."""
    match = CONNECT.match(request)
    return int(match[1]) if match else int.from_bytes(request[-2:], "big")


def carry(client: socket.socket, origin: socket.socket) -> bool:
    """Wait for octets and pass them on. False at the end of either side."""
    ready = select.select([client, origin], [], [])[0]
    for source, sink in ((client, origin), (origin, client)):
        if source in ready:
            data = source.recv(READ_SIZE)
            while isinstance(source, ssl.SSLSocket) and source.pending():
                data += source.recv(READ_SIZE)
            if not data:
                return False
            sink.sendall(data)
    return True


def proxy(kind: str, tls: ssl.SSLContext | None = None, *, is_tolerant: bool = False) -> ScriptedPeer:
    """A proxy that opens a tunnel for everybody.

    Args:
        kind: one of `KINDS`.
        tls: the https proxy's context.
        is_tolerant: clients may close before they have their tunnel.
    """
    steps: tuple[Step, ...] = (ReadConnect(), Send(TUNNEL), Relay())
    if kind == "socks":
        steps = (ReadGreeting(), Send(SOCKS_OPEN), ReadCommand(), Send(SOCKS_DONE), Relay())
    elif kind == "https proxy" and tls is not None:
        # Not by the peer's own `tls`: its handshake is one of the steps. Its URL is made by `url_of`.
        steps = (StartTLS(tls), *steps)
    return ScriptedPeer((Tolerant(steps),) if is_tolerant else steps, repeats_last=True)


def url_of(kind: str, peer: ScriptedPeer) -> str:
    """How a client names it."""
    schemes = {"connect": "http://127.0.0.1", "https proxy": "https://localhost", "socks": "socks5h://127.0.0.1"}
    return f"{schemes[kind]}:{peer.port}"


def socks_address(host: str, port: int) -> bytes:
    """A name and a port in a SOCKS5 command."""
    return b"\x03" + bytes([len(host)]) + host.encode("ascii") + port.to_bytes(2, "big")
