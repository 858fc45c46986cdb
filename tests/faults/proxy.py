"""A proxy that does faults: what stands between a client and a server that works.

    client ──[CONNECT]──[TLS]── Link ── origin          the proxy ends TLS, and so knows where in a message it is

A fault is data: in which phase, how far into it, what is done there, and to how many (see `matrix.py` for the table).
Until one is armed, everything passes as it is. What is done there is an act, of `acts.py`.

Phases, in the order of a request: `connect` (when it is accepted), `tunnel` (the answer to CONNECT), `tls` (what the
server sends of the handshake), `opened` (before anything of HTTP), `request` (its head) and `upload` (its body), `head`
and `body` (of the response), `end` (behind the response), `idle` (when `strike` is called).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import Protocol

from .lab import TIMEOUT, Lab, turns
from .places import BODY, HEAD, PREFACE, H1Reader, H2Reader, Piece

TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
READ_SIZE = 65_536
LINGER_NOT = struct.pack("ii", 1, 0)

GRACE = 2.0
"""Seconds within which a client that was closed has to have closed its sockets."""


class Ended(Exception):
    """An act has put an end to a link, or to one direction of it."""


class Act(Protocol):
    """What is done at a fault's place."""

    async def run(self, link: Link, rest: bytes) -> None:
        """Do it. `rest` is what would have been sent; it is sent only by what the act does. Raises Ended."""


class Fault(Protocol):
    """What a proxy has to know of a fault."""

    @property
    def phase(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def act(self) -> Act: ...
    @property
    def hits_all(self) -> bool: ...


class Side:
    """The client's end of a link: its octets, or those within its TLS.

    Args:
        context: the server's, if there is to be TLS.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unsent = bytearray()
        self._is_finished = False

    async def read(self) -> bytes:
        """Some octets; b"" at the end, of whatever kind."""
        while self.tls is not None:
            try:
                return self.tls.read(READ_SIZE)
            except ssl.SSLWantReadError:
                data = await self.read_raw()
                if not data:
                    return b""
                self._incoming.write(data)
            except ssl.SSLError:
                return b""
        return await self.read_raw()

    async def read_raw(self) -> bytes:
        """Some octets of the socket's."""
        with suppress(OSError):
            return await self.reader.read(READ_SIZE)
        return b""

    def send(self, data: bytes) -> None:
        """Put octets where `flush` finds them: what is sent between two of those leaves in one piece."""
        self._unsent += data

    async def flush(self) -> None:
        """Write what there is."""
        data = bytes(self._unsent)
        self._unsent.clear()
        await self.write_raw(self.record(data) if data else b"")

    def record(self, data: bytes) -> bytes:
        """Octets as they go onto the wire: as records where there is TLS."""
        if self.tls is None:
            return data
        # A client that has ended its TLS takes nothing more.
        with suppress(ssl.SSLError):
            for start in range(0, len(data), 16_384):
                self.tls.write(data[start : start + 16_384])
        return self._outgoing.read()

    async def write_raw(self, data: bytes) -> None:
        """Write past TLS. That the client may have left is none of the proxy's business."""
        with suppress(OSError):
            if data and not self._is_finished and not self.writer.is_closing():
                self.writer.write(data)
            await self.writer.drain()

    async def handshake(self, link: Link, context: ssl.SSLContext) -> None:
        """Shake hands; the fault of this phase counts octets of what the server sends. Raises Ended."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        sent, is_done = 0, False
        while not is_done:
            try:
                tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                # The client has sent an alert, or left.
                await self.write_raw(self._outgoing.read())
                raise Ended from error
            if flight := self._outgoing.read():
                await link.pass_raw("tls", flight, sent)
                sent += len(flight)
            if not is_done:
                data = await self.read_raw()
                if not data:
                    raise Ended
                self._incoming.write(data)
        self.tls = tls

    def close_notify(self) -> bytes:
        """The record that ends the server's direction."""
        assert self.tls is not None
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self._outgoing.read()

    def finish(self) -> None:
        """Send FIN, and go on reading. What is written from now on is dropped."""
        self._is_finished = True
        with suppress(OSError):
            self.writer.write_eof()

    def close(self) -> None:
        """Close both directions. The system sends RST if there is something unread, or comes later."""
        self.writer.close()

    def reset(self) -> None:
        """Close by RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.writer.transport.abort()

    async def drain(self) -> None:
        """Read and drop, to the end."""
        while await self.read_raw():
            pass


class Link:
    """One connection of the client's, from its acceptance to its end.

    Attributes:
        stream: that of HTTP/2 which the fault has hit.
        dropped: streams whose DATA is not passed on any more.
        is_mute: nothing is passed on any more, and nobody is told.
        is_asleep: one direction does nothing more.
        piece: octets that leave at once; None for as many as there are.
        pause: seconds between two such pieces.
        over: set when the proxy is closed.
    """

    def __init__(self, proxy: FaultProxy, client: Side) -> None:
        self.proxy = proxy
        self.client = client
        self.origin: asyncio.StreamWriter | None = None
        self.stream = 0
        self.dropped: set[int] = set()
        self.is_mute = False
        self.is_relaying = False
        self.is_asleep = False
        self.piece: int | None = None
        self.pause = 0.0
        self.over = asyncio.Event()
        is_h2 = proxy.protocol == "h2"
        self._answers: H1Reader | H2Reader = H2Reader() if is_h2 else H1Reader()
        self._requests: H1Reader | H2Reader = H2Reader(PREFACE) if is_h2 else H1Reader()

    @property
    def is_tls(self) -> bool:
        return self.client.tls is not None

    async def serve(self) -> None:
        """All of it; also the client's end of the connection, which has to come once the client is closed."""
        try:
            await self._meet()
            await self._relay()
        except Ended:
            pass
        finally:
            if self.origin is not None:
                self.origin.close()
        if not self.client.writer.is_closing():
            # As servers do when their client has ended its direction.
            self.client.finish()
            await self.client.drain()

    async def sleep(self) -> None:
        """Do nothing more, until the proxy is closed. Raises Ended."""
        self.is_asleep = True
        await self.over.wait()
        raise Ended

    async def send(self, data: bytes) -> None:
        """To the client, at this link's pace."""
        while self.piece is not None and data:
            self.client.send(data[: self.piece])
            data = data[self.piece :]
            await self.client.flush()
            # With a pause what is tested is the passage of time; without one others get their turn.
            await asyncio.sleep(self.pause)
            if self.over.is_set():
                raise Ended
        self.client.send(data)

    async def pass_raw(self, phase: str, data: bytes, before: int) -> None:
        """Octets below TLS, with what the fault of this phase does to them. `before`: how many went before them."""
        fault = self.proxy.fault
        if fault is not None and before <= fault.offset < before + len(data) and self.proxy.claim(phase):
            await self.send(data[: fault.offset - before])
            await fault.act.run(self, data[fault.offset - before :])
        else:
            await self.send(data)
        await self.client.flush()

    async def _meet(self) -> None:
        if self.proxy.claim("connect") and self.proxy.fault is not None:
            await self.proxy.fault.act.run(self, b"")
            await self.client.flush()
        if self.proxy.is_tunnel:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = await self.client.read_raw()
                if not data:
                    raise Ended
                head += data
            if not head.startswith(b"CONNECT localhost:"):
                self.proxy.complaints.append(f"no CONNECT to the origin: {head[:64]!r}")
                raise Ended
            await self.pass_raw("tunnel", TUNNEL, 0)
        if self.proxy.context is not None:
            await self.client.handshake(self, self.proxy.context)
        if self.proxy.claim("opened") and self.proxy.fault is not None:
            await self.proxy.fault.act.run(self, b"")
            await self.client.flush()

    async def _relay(self) -> None:
        reader, self.origin = await asyncio.open_connection("127.0.0.1", self.proxy.origin_port)
        self.is_relaying = True
        directions = (asyncio.create_task(self._up()), asyncio.create_task(self._down(reader)))
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        self.is_relaying = False
        for direction in directions:
            direction.cancel()
        for outcome in await asyncio.gather(*directions, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, Ended):
                raise outcome

    async def _up(self) -> None:
        """From the client to the origin."""
        assert self.origin is not None
        while data := await self.client.read():
            for piece in self._requests.feed(data):
                fault = self._fault_in(
                    piece, "upload" if piece.part == BODY else "request" if piece.part == HEAD else ""
                )
                if self.is_mute:
                    await self.sleep()
                cut = len(piece.octets) if fault is None else fault.offset - piece.offset
                if not self.origin.is_closing():
                    with suppress(OSError):
                        self.origin.write(piece.octets[:cut])
                        await self.origin.drain()
                if fault is not None:
                    await fault.act.run(self, piece.octets[cut:])
                    await self.client.flush()

    async def _down(self, reader: asyncio.StreamReader) -> None:
        """From the origin to the client."""
        while True:
            data = b""
            with suppress(OSError):
                data = await reader.read(READ_SIZE)
            if not data:
                break
            for piece in self._answers.feed(data):
                await self._pass(piece)
            await self.client.flush()
        self.client.finish()
        # It is the client's turn to close.
        await self.sleep()

    async def _pass(self, piece: Piece) -> None:
        if self.is_mute:
            await self.sleep()
        if piece.part == BODY and piece.stream in self.dropped:
            return
        fault = self._fault_in(piece, piece.part)
        if fault is None:
            await self.send(piece.octets)
        else:
            cut = fault.offset - piece.offset
            await self.send(piece.octets[:cut])
            await fault.act.run(self, piece.octets[cut:])
        if piece.ends and self.proxy.claim("end") and self.proxy.fault is not None:
            self.stream = piece.stream
            await self.proxy.fault.act.run(self, piece.octets)

    def _fault_in(self, piece: Piece, phase: str) -> Fault | None:
        """The fault, if its place is in this piece."""
        fault = self.proxy.fault
        if fault is None or not piece.offset <= fault.offset < piece.offset + len(piece.octets):
            return None
        if not phase or not self.proxy.claim(phase):
            return None
        self.stream = piece.stream
        return fault


async def _close(writer: asyncio.StreamWriter | None) -> None:
    """Close a socket; what could not be written by now is nobody's."""
    if writer is not None:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


class FaultProxy:
    """A listener on 127.0.0.1.

    Args:
        lab: on whose loop it runs.
        origin_port: where everything goes.
        protocol: what is spoken, "h1" or "h2".
        context: a server's, if clients speak TLS.
        is_tunnel: clients ask for a tunnel first.

    Attributes:
        fault: what is armed.
        hits: how often it was done.
        complaints: what a client did that it must not.
    """

    def __init__(
        self,
        lab: Lab,
        origin_port: int,
        protocol: str,
        context: ssl.SSLContext | None = None,
        *,
        is_tunnel: bool = False,
    ) -> None:
        self.origin_port = origin_port
        self.protocol = protocol
        self.context = context
        self.is_tunnel = is_tunnel
        self.fault: Fault | None = None
        self.hits = 0
        self.complaints: list[str] = []
        self.links: list[Link] = []
        self.port = 0
        self._lab = lab
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def open(self) -> None:
        """Listen. Blocks, as `refuse`, `strike` and `close` do."""
        self._lab.run(self._listen())

    def arm(self, fault: Fault) -> None:
        """From now on do this; to the first that comes to its place, or to all. Nothing may be on its way."""
        self.hits = 0
        self.fault = fault

    def heal(self) -> None:
        """Everything passes again. What hangs for good is reset, for over HTTP/2 a client would go on with it."""
        self.fault = None
        self._lab.run(self._heal())

    def claim(self, phase: str) -> bool:
        """True when the fault is of this phase and is to be done here and now."""
        fault = self.fault
        if fault is None or fault.phase != phase or (self.hits and not fault.hits_all):
            return False
        self.hits += 1
        return True

    def refuse(self) -> None:
        """Stop listening, until `open`."""
        self._lab.run(self._stop_listening())

    def strike(self) -> None:
        """Do the armed fault to all connections that are idle now."""
        self._lab.run(self._strike())

    def close(self) -> None:
        """Stop, once the clients have been closed: what they have not closed by now is a complaint."""
        self._lab.run(self._close())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        # What was accepted just now gets its transport in the turns to come; asyncio loses it if the server is closed.
        await turns()
        if self._server is not None:
            self._server.close()
            self._server = None
        # The listener is closed in the next turn.
        await turns()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(self, Side(reader, writer))
        self.links.append(link)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await link.serve()
        except asyncio.CancelledError:
            # By `close`, which has complained.
            pass
        except Exception as error:
            self.complaints.append(f"the proxy failed: {error!r}")
        finally:
            for end in (writer, link.origin):
                await _close(end)
            self._tasks.discard(task)

    async def _strike(self) -> None:
        assert self.fault is not None
        for link in self.links:
            if link.is_relaying:
                self.hits += 1
                with suppress(Ended):
                    await self.fault.act.run(link, b"")
                await link.client.flush()

    async def _heal(self) -> None:
        for link in self.links:
            link.piece = None
            if link.is_mute or link.is_asleep:
                link.client.reset()

    async def _close(self) -> None:
        await self._stop_listening()
        for link in self.links:
            link.over.set()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=min(GRACE, TIMEOUT))
            if left:
                self.complaints.append(f"{len(left)} connections of the client stay open")
                for task in left:
                    task.cancel()
                await asyncio.wait(left)
        # Transports close their sockets in the turn after that.
        await turns()
        self.links.clear()
