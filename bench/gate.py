"""A server for the memory case: GET /gate/N is answered when N requests for it have come, so all N have a connection.

`python -m bench.gate` prints its port as a line when it listens and exits when stdin ends. GET /open answers how many
connections are open, itself not counted. It serves this bench only: requests without a body, not pipelined.
"""

from __future__ import annotations

import asyncio
import sys

from .memory import BODY_BYTES, raise_descriptor_limit
from .server import content

DESCRIPTORS = 65_536
BACKLOG = 4096


def answer(body: bytes) -> bytes:
    """A whole response."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Gate:
    """What the connections share: who waits, and the answer."""

    def __init__(self) -> None:
        self.open = 0
        self._waiting: list[asyncio.Transport] = []
        self._answer = answer(content(BODY_BYTES))

    def arrive(self, transport: asyncio.Transport, wanted: int) -> None:
        """One more at the gate; it opens for all when there are as many as wanted."""
        self._waiting.append(transport)
        if len(self._waiting) >= wanted:
            for waiting in self._waiting:
                waiting.write(self._answer)
            self._waiting = []


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a stream protocol's is one
        self._gate.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.open -= 1

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.endswith(b"\r\n\r\n"):
            return
        path = self._head.split(b" ", 2)[1]
        self._head = b""
        if path == b"/open":
            self._transport.write(answer(b"%d" % (self._gate.open - 1)))
        else:
            self._gate.arrive(self._transport, int(path.rpartition(b"/")[2]))


async def main() -> None:
    """Listen, print the port, and serve until stdin ends."""
    raise_descriptor_limit(DESCRIPTORS)
    gate = Gate()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(gate), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
