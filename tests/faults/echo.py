"""The origin of the fault matrix: it answers each request by what makes the answer its own, and keeps count of tokens.

A request carries a token that no other has. Its answer holds the token and the SHA-256 of the body that has arrived,
and is filled up to a size with octets that depend on the token: an answer that was crossed, shortened or patched
together from two is not what `answer_to` says. `Ledger.seen` tells lost requests and doubled ones.

HTTP/1.1 is served by h11, HTTP/2 by `tests/http2/origin.py` on the h2 library. Neither shares code with httpfast.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Self
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

import h11
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from ..http2.origin import Connection, ScriptedOrigin, Stream
from .lab import Lab, turns

PATH = "/echo"
CHUNK = 1_000
"""Octets of a chunk."""


def answer_to(token: str, body: bytes, size: int) -> bytes:
    """The answer's body, `size` octets of it: no two tokens have the same octets at any place beyond chance."""
    start = f"{token} {hashlib.sha256(body).hexdigest()}\n".encode()
    return start + hashlib.shake_128(start).hexdigest((max(size - len(start), 0) + 1) // 2).encode()


class Ledger:
    """How often each token has come, by its request's head."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._refused: set[str] = set()

    def is_first(self, token: str) -> bool:
        """True once: a request that is not looked at does not count as seen."""
        with self._lock:
            is_first = token not in self._refused
            self._refused.add(token)
            return is_first

    def note(self, token: str) -> None:
        with self._lock:
            self._seen[token] += 1

    def seen(self, token: str) -> int:
        with self._lock:
            return self._seen[token]


class EchoOrigin:
    """The two servers, each on its port of 127.0.0.1.

    Args:
        lab: on whose loop the one for HTTP/1.1 runs.

    Attributes:
        ports: by protocol, "h1" and "h2".
        ledger: see `Ledger`.
    """

    def __init__(self, lab: Lab) -> None:
        self.ledger = Ledger()
        self.ports: dict[str, int] = {}
        self._lab = lab
        self._h2 = ScriptedOrigin()
        self._open: set[asyncio.Task[None]] = set()
        self._looked_at: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._h2)
        self._h2.on(PATH, self._answer_stream)
        self.ports["h2"] = urlsplit(self._h2.url).port or 0
        self._server = self._lab.run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256))
        self.ports["h1"] = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self._lab.run(turns())
        self._lab.call(self._server.close)
        self._stack.close()

    def rest(self) -> None:
        """Wait until nobody is connected. Raises AssertionError when somebody stays."""
        # Of a client that has left already the origin may not even know yet: it accepts in the turns to come.
        self._lab.run(turns())
        self._h2.run(turns())
        self._lab.run(self._closed())
        self._h2.wait_until(lambda: all(connection.is_lost for connection in self._h2.connections))
        # The sockets are closed a turn after that.
        self._h2.run(turns())
        self._h2.call(self._h2.connections.clear)

    def violations(self) -> Iterator[Exception]:
        """What the h2 library found wrong in what clients sent, each once."""
        while self._h2.errors:
            yield self._h2.errors.pop()

    async def _closed(self) -> None:
        if self._open:
            _, left = await asyncio.wait(self._open, timeout=5)
            assert not left, f"{len(left)} connections of the origin stay open"
        # Transports close their sockets in the turn after that.
        await turns()

    async def _answer_stream(self, stream: Stream) -> None:
        token = stream["x-token"]
        query = parse_qs(urlsplit(stream.path).query)
        if stream.connection.last_id is not None and stream.id > stream.connection.last_id:
            # It came with what has been said goodbye to since.
            return
        if "once" in query and self.ledger.is_first(token):
            if query["once"] == ["refuse"]:
                stream.reset(ErrorCodes.REFUSED_STREAM)
                return
            last = self._looked_at.get(stream.connection, 0)
            if stream.connection.last_id is None:
                # All later ones have not been looked at (RFC 9113, 6.8), nor are they from now on.
                stream.connection.goaway(last_id=last)
                return
        self.ledger.note(token)
        self._looked_at[stream.connection] = max(self._looked_at.get(stream.connection, 0), stream.id)
        body = await stream.read()
        stream.body.clear()
        size = int(query["size"][0])
        try:
            await stream.respond(body=answer_to(token, body, size), fields=[("x-token", token)])
        except ProtocolError:
            # To the library a connection is over when its client has said goodbye.
            if stream.connection.goaway_code is None:
                raise

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError, h11.RemoteProtocolError):
                await self._converse(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._open.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                server.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                head, body = event, bytearray()
                self.ledger.note(dict(head.headers)[b"x-token"].decode())
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                writer.write(self._answer(server, head, bytes(body)))
                await writer.drain()
                if server.our_state is not h11.DONE:
                    return
                server.start_next_cycle()
            else:
                return

    def _answer(self, server: h11.Connection, head: h11.Request, body: bytes) -> bytes:
        query = parse_qs(urlsplit(head.target.decode()).query)
        token = dict(head.headers)[b"x-token"].decode()
        content = answer_to(token, body, int(query["size"][0]))
        is_chunked = query.get("framing") == ["chunked"]
        fields = [
            ("x-token", token),
            ("transfer-encoding", "chunked") if is_chunked else ("content-length", str(len(content))),
        ]
        parts = [server.send(h11.Response(status_code=200, headers=fields))]
        parts += [server.send(h11.Data(data=content[start : start + CHUNK])) for start in range(0, len(content), CHUNK)]
        return b"".join(part or b"" for part in (*parts, server.send(h11.EndOfMessage())))
