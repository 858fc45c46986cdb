"""The origin that misbehaves on demand: `python -m tests.soak.origin DIRECTORY` prints its ports, and ends with stdin.

The path says what goes wrong (`cards`). One port speaks HTTP/1.1 (RFC 9112), two speak HTTP/2 over TLS (`origin_h2`):
on the second of these it is the connection that goes wrong. DIRECTORY has the certificate.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import socket
import ssl
import sys

from bench.memory import raise_descriptor_limit
from bench.server import write_certificates
from tests.drivers.facade import loop_factory

from .cards import PAD

BACKLOG = 4096
LINGER = 2.0
"""Seconds for a client to take an early answer and close."""

BAD_GZIP = gzip.compress(b"x" * 5_000, mtime=0)[:-8] + bytes(8)
"""With a wrong checksum."""

_TOKEN = re.compile(rb"(?i)\r\nx-token: *([^\r]*)\r\n")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n")


class Ledger:
    """What all connections share: the tokens that may come once, and those of requests that were refused."""

    def __init__(self) -> None:
        self._once: set[bytes] = set()
        self._refused: set[bytes] = set()

    def upload(self, path: str, token: bytes, body: bytes) -> tuple[int, bytes]:
        """The answer to a body: 409 if it was carried out before and may not be twice."""
        if path == "/post":
            if token in self._once:
                return 409, b"twice"
            self._once.add(token)
        return 200, token + b" " + hashlib.sha256(body).hexdigest().encode()

    def refuses(self, token: bytes) -> bool:
        """True the first time."""
        if token in self._refused:
            self._refused.discard(token)
            return False
        self._refused.add(token)
        return True


def reset(transport: asyncio.Transport) -> None:
    """Close by RST."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    transport.abort()


class H1Connection(asyncio.Protocol):
    """One connection of HTTP/1.1."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._octets = bytearray()
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a stream protocol's is one

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._octets += data
        end = self._octets.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._octets[: end + 4])
        path = head.split(b" ", 2)[1].decode()
        token = found[1] if (found := _TOKEN.search(head)) else b""
        if path == "/early-413":
            self._is_over = True
            self._answer(413, token + PAD, "Connection: close\r\n")
            asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
            return
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if len(self._octets) < end + 4 + length:
            return
        body = bytes(self._octets[end + 4 : end + 4 + length])
        del self._octets[: end + 4 + length]
        if path in ("/put", "/post"):
            self._answer(*self._ledger.upload(path, token, body))
        else:
            self._misbehave(path, token)

    def _answer(self, status: int, body: bytes, fields: str = "", behind: bytes = b"") -> None:
        head = b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, fields.encode(), len(body))
        self._transport.write(head + body + behind)

    def _misbehave(self, path: str, token: bytes) -> None:
        write, whole = self._transport.write, token + PAD
        half = whole[: len(whole) // 2]
        match path:
            case "/echo":
                self._answer(200, whole)
            case "/error-500":
                self._answer(500, whole)
            case "/reset-body" | "/cut-body" | "/stall":
                write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(whole), half))
                if path == "/reset-body":
                    reset(self._transport)
                elif path == "/cut-body":
                    self._transport.close()
            case "/cut-chunked":
                write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(whole), whole))
                self._transport.close()
            case "/bad-gzip":
                self._answer(200, BAD_GZIP, "Content-Encoding: gzip\r\n")
            case "/bad-head":
                write(b"HTTP/1.1 200 X\r\nContent Length: %d\r\n\r\n%b" % (len(whole), whole))
            case "/two-lengths":
                write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\nContent-Length: 1\r\n\r\n%b" % (len(whole), whole))
            case "/no-answer":
                self._transport.close()
            case "/reset-head":
                reset(self._transport)
            case "/surplus":
                # One more response, for nobody: whoever uses this connection again takes it for the answer. In one
                # segment with the first: one that comes when the next request is out cannot be told from its answer.
                more = b"crossed" + PAD
                self._answer(200, whole, behind=b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(more), more))
            case "/close-idle":
                self._answer(200, whole)
                self._transport.close()
            case _:
                self._answer(404, path.encode())


async def serve(directory: str) -> None:
    """Listen, print the ports as JSON, and serve until stdin ends."""
    from .origin_h2 import H2Connection

    raise_descriptor_limit(65_536)
    loop = asyncio.get_running_loop()
    ledger = Ledger()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificates(directory).server_file)
    context.set_alpn_protocols(["h2"])
    h1 = await loop.create_server(lambda: H1Connection(ledger), "127.0.0.1", 0, backlog=BACKLOG)
    h2 = [
        await loop.create_server(lambda: H2Connection(ledger), "127.0.0.1", 0, ssl=context, backlog=BACKLOG)
        for _ in range(2)
    ]
    ports = [server.sockets[0].getsockname()[1] for server in (h1, *h2)]
    print(json.dumps(dict(zip(("h1", "h2", "wreck"), ports, strict=True))), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory("uvloop" if sys.platform != "win32" else "asyncio")) as runner:
        runner.run(serve(sys.argv[1]))
