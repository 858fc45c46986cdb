"""Steps of scripted peers that have the records of TLS in hand: how many leave at once, and what comes between them."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .peers import TIMEOUT, PeerConnection, ScriptError, Step

T = TypeVar("T")


class Records:
    """A TLS server between two buffers, above a peer's connection.

    Args:
        connection: where records come from and go to.
        context: the server's.
    """

    def __init__(self, connection: PeerConnection, context: ssl.SSLContext, timeout: float = TIMEOUT) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + timeout
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def carry(self, step: Callable[[], T]) -> T:
        """Repeat a step until it has what it needs. What it writes last is kept until `flush`."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                data = self._connection.receive(self._deadline)
                if not data:
                    raise ScriptError("the client closed in the middle of TLS") from None
                self._incoming.write(data)

    def read_head(self) -> bytes:
        """A request's head."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.carry(lambda: self.tls.read(65536))
        return head

    def flush(self) -> None:
        """Send what has been written, in one piece."""
        if data := self._outgoing.read():
            self._connection.sock.sendall(data)


@dataclass(frozen=True)
class AnswerInRecords(Step):
    """Shake hands, and answer each request by records that leave in one piece.

    Args:
        context: the server's.
        answers: for each request, its records.
        greeting: what goes out together with the last octets of the handshake, before any request.
    """

    context: ssl.SSLContext
    answers: Sequence[Sequence[bytes]]
    greeting: bytes = b""

    def run(self, connection: PeerConnection) -> None:
        records = Records(connection, self.context)
        records.carry(records.tls.do_handshake)
        if self.greeting:
            records.tls.write(self.greeting)
        records.flush()
        for answer in self.answers:
            connection.requests.append(records.read_head())
            connection.peer.notify()
            for record in answer:
                records.tls.write(record)
            records.flush()


@dataclass(frozen=True)
class ReadHello(Step):
    """Read a ClientHello: one record (RFC 8446, 5.1)."""

    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        head = connection.take(5, deadline)
        connection.take(int.from_bytes(head[3:], "big"), deadline)


@dataclass(frozen=True)
class BreakHandshake(Step):
    """Answer a ClientHello by the first octets of a server's flight, and something else behind them.

    Args:
        context: the server's.
        size: octets of the flight.
        rest: what follows.
    """

    context: ssl.SSLContext
    size: int
    rest: bytes = b""

    def run(self, connection: PeerConnection) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        deadline = time.monotonic() + TIMEOUT
        while not outgoing.pending:
            incoming.write(connection.receive(deadline))
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
        connection.sock.sendall(outgoing.read()[: self.size] + self.rest)


@dataclass(frozen=True)
class Drip(Step):
    """Send octets one by one, until they are all sent, the client closes or the peer stops.

    Args:
        octet: each of them.
        pause: seconds between two.
        first: what is sent at once, before them.
    """

    octet: bytes
    pause: float = 0.05
    first: bytes = b""

    def run(self, connection: PeerConnection) -> None:
        connection.settle()
        never: threading.Event = connection.peer.stopping
        try:
            connection.sock.sendall(self.first)
            while not never.wait(self.pause):
                connection.sock.sendall(self.octet)
        except OSError:
            connection.close()

    @property
    def may_be_stopped(self) -> bool:
        return True
