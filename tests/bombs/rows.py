"""What a row of the table is, and how its octets are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..peers import PeerConnection, ScriptError, Step

ENDLESS_BYTES = 64 << 20
"""What "without end" comes to: a client that has not given up by then has no limit."""

SEND_TIMEOUT = 20.0

PROTOCOL = ("RemoteProtocolError",)
"""How most of them end."""


@dataclass(frozen=True)
class SendOn(Step):
    """Send `start`, then `piece` again and again until the client closes, stops reading for good, or `limit` octets are
    sent."""

    piece: bytes
    start: bytes = b""
    limit: int = ENDLESS_BYTES

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(SEND_TIMEOUT)
        # In portions that are worth a system call.
        portion = self.piece * max(1, 65_536 // len(self.piece))
        try:
            connection.sock.sendall(self.start)
            for _ in range(max(1, self.limit // len(portion))):
                connection.sock.sendall(portion)
        except TimeoutError:
            raise ScriptError("the client neither read nor closed") from None
        except OSError:
            return

    @property
    def may_be_stopped(self) -> bool:
        return True


@dataclass(frozen=True)
class Row:
    """A bomb or a flood.

    Attributes:
        name: what it is.
        catalogue: the number of the case.
        script: the peer's steps; made when it is needed, for some are large.
        act: what the client does, a function of `target`.
        ends: the exceptions that it may end in, or "ok".
        warm: a harmless response of the same kind, which is read before, so that what is loaded once does not count.
        second: the script of the next connection, if there is one.
    """

    name: str
    catalogue: str
    script: Callable[[], Sequence[Step]]
    act: str = "get"
    ends: tuple[str, ...] = PROTOCOL
    warm: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    second: Callable[[], Sequence[Step]] | None = None
