"""The server: GET /gate/N?TOKEN is answered when N such requests are there, each with its own target as the body.

`python -m tests.scale.gate DIRECTORY` prints its ports and ends with its stdin. One port speaks HTTP/1.1, one HTTP/1.1
over TLS, one HTTP/2 with prior knowledge, one HTTP/2 over TLS; a connection of HTTP/2 may have 100 streams at a time.
GET /facts tells how many connections there were and are, and how many requests came at once, this one aside.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection as H2
from h2.events import RequestReceived
from h2.settings import SettingCodes

from bench.memory import raise_descriptor_limit
from bench.server import write_certificates
from tests.drivers.facade import loop_factory

STREAMS = 100
BACKLOG = 4096
HANDSHAKE_TIMEOUT = 900.0
DESCRIPTORS = 65_536


class Gate:
    """What the connections share."""

    def __init__(self) -> None:
        self.accepted = 0
        self.open = 0
        self.most = 0
        self._waiting: list[Callable[[], None]] = []

    def arrive(self, answer: Callable[[], None], wanted: int) -> None:
        """One more at the gate; it opens for all when there are as many as wanted."""
        self._waiting.append(answer)
        self.most = max(self.most, len(self._waiting))
        if len(self._waiting) >= wanted:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each()

    def facts(self) -> bytes:
        """How many connections, and requests at once; of connections one is the asker's."""
        found = {"accepted": self.accepted - 1, "open": self.open - 1, "most": self.most}
        self.accepted -= 1
        self.most = 0
        return json.dumps(found).encode()


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.gate.accepted += 1
        self.gate.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.gate.open -= 1


class H1Connection(Connection):
    """HTTP/1.1: requests without a body, not pipelined."""

    _head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        target = self._head.split(b" ", 2)[1]
        self._head = b""
        if target == b"/facts":
            self._answer(self.gate.facts())
        else:
            self.gate.arrive(lambda: self._answer(target), wanted(target))

    def _answer(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class H2Connection(Connection):
    """HTTP/2."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._h2 = H2(H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = STREAMS
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                fields: dict[bytes, bytes] = dict(event.headers or ())
                self._arrive(event.stream_id or 0, fields[b":path"])
        self._flush()

    def _arrive(self, stream: int, target: bytes) -> None:
        self.gate.arrive(lambda: self._answer(stream, target), wanted(target))

    def _answer(self, stream: int, body: bytes) -> None:
        self._h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
        self._h2.send_data(stream, body, end_stream=True)
        self._flush()

    def _flush(self) -> None:
        if octets := self._h2.data_to_send():
            self.transport.write(octets)


def wanted(target: bytes) -> int:
    """How many the gate waits for."""
    return int(target.partition(b"?")[0].rpartition(b"/")[2])


def server_context(directory: str, protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificates(directory).server_file)
    context.set_alpn_protocols([protocol])
    return context


async def serve(directory: str) -> None:
    """Listen, print the ports as JSON, and serve until stdin ends."""
    raise_descriptor_limit(DESCRIPTORS)
    gate = Gate()
    loop = asyncio.get_running_loop()
    contexts = [server_context(directory, protocol) for protocol in ("http/1.1", "h2")]
    kinds: dict[str, tuple[type[Connection], ssl.SSLContext | None]] = {
        "h1": (H1Connection, None),
        "h1-tls": (H1Connection, contexts[0]),
        "h2": (H2Connection, None),
        "h2-tls": (H2Connection, contexts[1]),
    }
    ports = {}
    for name, (kind, context) in kinds.items():
        patience: dict[str, Any] = {} if context is None else {"ssl_handshake_timeout": HANDSHAKE_TIMEOUT}
        server = await loop.create_server(partial(kind, gate), "127.0.0.1", 0, ssl=context, backlog=BACKLOG, **patience)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory("uvloop" if sys.platform != "win32" else "asyncio")) as runner:
        runner.run(serve(sys.argv[1]))
