"""An HTTP/2 server of the package h2 on a scripted peer's connection, for what a test answers event by event.

with ScriptedPeer([Serve(answer)]) as peer:
    ...  # answer(server, event) calls server.respond(event.stream_id, b"hello") for each RequestReceived
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings

from .. import servers
from ..peers import TIMEOUT, PeerConnection, Step

LARGE_WINDOW = 1 << 30


def server_context(*protocols: str) -> ssl.SSLContext:
    """A server's TLS context with the run's certificate that offers these protocols (RFC 7301)."""
    context = servers.certificates().server_context()
    context.set_alpn_protocols(list(protocols))
    return context


Reaction = Callable[["Server", Event], object]


class Server:
    """One connection's server.

    Attributes:
        heads: the fields of each request, by stream.
        events: everything that has come, in order.
    """

    def __init__(self, connection: PeerConnection, settings: dict[int, int], *, takes_much: bool) -> None:
        self.connection = connection
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.local_settings = Settings(
            client=False, initial_values={SettingCodes(c): v for c, v in settings.items()}
        )
        self.heads: dict[int, dict[str, str]] = {}
        self.events: list[Event] = []
        self.takes_much = takes_much

    def start(self) -> None:
        """Send the preface."""
        self.h2.initiate_connection()
        if self.takes_much:
            self.h2.increment_flow_control_window(LARGE_WINDOW)
        self.flush()

    def flush(self) -> None:
        """Write what there is to write."""
        self.connection.sock.settimeout(TIMEOUT)
        self.connection.sock.sendall(self.h2.data_to_send())

    def head(self, stream: int, status: int = 200, *fields: tuple[str, str], ends: bool = False) -> None:
        """Send a head."""
        self.h2.send_headers(stream, [(":status", str(status)), *fields], end_stream=ends)
        self.flush()

    def send(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Send DATA, as much as the windows allow at once."""
        for start in range(0, len(data) or 1, 16_384):
            piece = data[start : start + 16_384]
            self.h2.send_data(stream, piece, end_stream=ends and start + 16_384 >= len(data))
        self.flush()

    def respond(self, stream: int, data: bytes = b"ok", status: int = 200, *fields: tuple[str, str]) -> None:
        """Send a whole response."""
        self.head(stream, status, *fields, ("content-length", str(len(data))))
        self.send(stream, data, ends=True)

    def serve(self, react: Reaction, until: Callable[[Server], bool] | None = None) -> bool:
        """Read and react until the client closes; True when `until` came first."""
        while data := self._read():
            for event in self.h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.heads[event.stream_id or 0] = dict(event.headers or ())  # type: ignore[arg-type]
                if isinstance(event, DataReceived) and self.takes_much:
                    self._take(event)
                self.events.append(event)
                react(self, event)
                self.connection.peer.notify()
            with suppress(OSError):
                # The client may have closed meanwhile.
                self.flush()
            if until is not None and until(self):
                return True
        return False

    def of(self, kind: type[Event], stream: int) -> list[Any]:
        """The events of a kind on a stream."""
        return [event for event in self.events if isinstance(event, kind) and event.stream_id == stream]  # type: ignore[attr-defined]

    def _take(self, event: DataReceived) -> None:
        try:
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        except StreamClosedError:
            return

    def _read(self) -> bytes:
        try:
            return self.connection.receive(time.monotonic() + TIMEOUT)
        except OSError:
            return b""


@dataclass(frozen=True)
class Serve(Step):
    """Speak HTTP/2 until the client closes.

    Args:
        react: called with the server and each event.
        settings: beside h2's own.
        takes_much: grant what has come again, and a large window from the beginning.
        until: end the step, and leave the connection to the next one, when it is true.
        before: called before the server's preface is sent; returns the octets that it has read.
    """

    react: Reaction
    settings: dict[int, int] = field(default_factory=dict)
    takes_much: bool = True
    until: Callable[[Server], bool] | None = None
    before: Callable[[PeerConnection], bytes] | None = None
    servers: list[Server] = field(default_factory=list)

    def run(self, connection: PeerConnection) -> None:
        server = Server(connection, self.settings, takes_much=self.takes_much)
        self.servers.append(server)
        # It asks for nothing: the test may end at any time.
        connection.settle()
        early = b"" if self.before is None else self.before(connection)
        server.start()
        server.h2.receive_data(early)
        if not server.serve(self.react, self.until):
            connection.close()

    @property
    def may_be_stopped(self) -> bool:
        return True

    @property
    def server(self) -> Server:
        """That of the first connection."""
        return self.servers[0]
