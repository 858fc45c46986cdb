"""Targets of what reads streams above the engines: `proxy`, `decoders`, `sse` and `websocket`."""

from __future__ import annotations

from functools import cache
from typing import Any

from httpfast import DecodingError, Proxy, ProxyError, RemoteProtocolError, Request, Response
from httpfast._decoders import PIECE_BYTES, content_decoder
from httpfast._sse import EventParser, SSEError
from httpfast._transports.connector import NEVER, Endpoint, Route, dial, run
from httpfast._transports.proxy import ProxyRoute
from httpfast.websockets import HTTPXWSException
from httpfast.websockets._conversation import Conversation
from httpfast.websockets._handshake import check

from .engines import cut
from .values import as_received

# Proxies

_TLS: Any = object()
_OPENED = "opened"


class _Peer:
    """A proxy that says what it says, whatever it is told; and the network to it."""

    def __init__(self, reads: list[bytes]) -> None:
        self.reads = reads
        self.ends = 0
        self.is_closed = False

    async def connect(self, route: Route, host: str, port: int, ends: float) -> _Peer:
        return self

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing is tried again")

    async def read(self, max_bytes: int, ends: float) -> bytes:
        if not self.reads:
            self.ends += 1
            assert self.ends < 3, "reads on behind the end"
            return b""
        read = self.reads[0][:max_bytes]
        self.reads[0] = self.reads[0][max_bytes:]
        if not self.reads[0]:
            del self.reads[0]
        return read

    async def write(self, data: bytes, ends: float) -> None:
        assert data

    async def secure(self, context: object, name: str, ends: float) -> None:
        raise AssertionError("the proxy is a plain one")

    async def open(self, context: object, name: str, ends: float) -> str:
        return _OPENED

    def close(self) -> None:
        self.is_closed = True


@cache
def _routes() -> tuple[tuple[Route, Endpoint], ...]:
    found = []
    for url in ("http://proxy", "http://user:pass@proxy", "socks5://proxy", "socks5://user:pass@proxy"):
        route = Route(lambda http2: _TLS, proxy=ProxyRoute(Proxy(url)))
        found += [(route, Endpoint((b"https", host, 443), route)) for host in (b"example.com", b"10.0.0.1")]
    return tuple(found)


def proxy(octets: bytes) -> None:
    """What a proxy says to CONNECT or in SOCKS5: a tunnel, or a documented error and a closed connection."""
    if len(octets) < 2:
        return
    route, endpoint = _routes()[octets[0] & 7]
    stream = octets[2:]
    whole = _dialled(route, endpoint, [stream] if stream else [])
    pieces = _dialled(route, endpoint, cut(stream, octets[1]))
    if endpoint.proxy is not None and endpoint.proxy.is_socks:
        assert pieces == whole
    else:
        # What stands behind the head is an error only if it came with it: without it a tunnel, or what the status says.
        assert pieces[0] == whole[0] or pieces[0] in (_OPENED, "ProxyError")


def _dialled(route: Route, endpoint: Endpoint, reads: list[bytes]) -> tuple[str, int]:
    """What a dial ends in, and how many octets it has left."""
    peer = _Peer(reads)
    try:
        made: str = run(dial(peer, route, endpoint, None, NEVER))
    except (ProxyError, RemoteProtocolError) as error:
        assert peer.is_closed
        made = type(error).__name__
    else:
        assert not peer.is_closed
    return made, sum(map(len, peer.reads))


# Content codings, and text

_CODINGS = ("gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate", "deflate, gzip, gzip", "identity, br, foo")
_CHARSETS = ("utf-8", "utf-16", "shift_jis", "iso-2022-jp", "gb18030", "utf-7", "utf-8-sig", "cp037")

# Octets after which a bomb is known to be one.
_ENOUGH = 1 << 20


def decoders(octets: bytes) -> None:
    """A body in one or some codings, whole and in pieces; and as text of some charset."""
    if len(octets) < 2:
        return
    options, data = octets[0], octets[2:]
    pieces = cut(data, octets[1])
    if options & 8:
        return _check_text(_CHARSETS[options & 7], data, pieces)
    codings = _CODINGS[options & 7].split(",")
    split = _decoded(codings, pieces)
    if split is not None and len(split) >= _ENOUGH:
        return None
    whole = _decoded(codings, [data])
    if whole is not None and len(whole) >= _ENOUGH:
        return None
    assert split == whole
    try:
        assert content_decoder(codings).decode_whole(data) == whole
    except DecodingError:
        assert whole is None
    return None


def _decoded(codings: list[str], reads: list[bytes]) -> bytes | None:
    """The body, or as much of it as is enough; None when it is corrupt."""
    found = []
    size = 0
    decoder = content_decoder(codings)
    try:
        for read in reads:
            for piece in decoder.pieces(read):
                # Those of brotli may be twice as large.
                assert 0 < len(piece) <= 2 * PIECE_BYTES
                found.append(piece)
                size += len(piece)
                if size >= _ENOUGH:
                    return b"".join(found)
        decoder.flush()
    except DecodingError:
        return None
    return b"".join(found)


def _check_text(charset: str, data: bytes, pieces: list[bytes]) -> None:
    kind = {"Content-Type": f"text/plain; charset={charset}"}
    text = Response(200, headers=kind, content=data).text
    assert "".join(Response(200, headers=kind, content=iter(pieces)).iter_text()) == text
    for _ in Response(200, headers=kind, content=iter(pieces)).iter_lines():
        pass


# Server-sent events


def sse(octets: bytes) -> None:
    """A stream of events, whole and in pieces: the same ones, unless one is too large."""
    if not octets:
        return
    split = _events(cut(octets[1:], octets[0]))
    whole = _events([octets[1:]])
    if split is not None and whole is not None:
        assert split == whole


def _events(reads: list[bytes]) -> list[Any] | None:
    parser = EventParser(512)
    try:
        return [event for read in reads for event in parser.feed(read)]
    except SSEError:
        return None


# WebSockets


def websocket(octets: bytes) -> None:
    """The answer to a handshake, up to an empty line, and frames in pieces: messages, and the end."""
    if len(octets) < 2:
        return
    head, _, frames = octets[2:].partition(b"\n\n")
    _check_handshake(octets[0], head)
    sizes = [4096, 100, 1, 1 << 20]
    conversation = Conversation(sizes[octets[0] & 3], 4)
    if octets[0] & 4:
        conversation.ping(b"ping", _Pong())
    for number, read in enumerate([*cut(frames, octets[1]), b""]):
        conversation.feed(read)
        while not conversation.advance():
            assert conversation.take() is not None
        conversation.take_owed()
        if octets[0] & 8 and number == 2:
            conversation.close_frame(1000, "")
    assert conversation.ended is not None
    try:
        while conversation.take() is not None:
            pass
    except HTTPXWSException:
        return
    raise AssertionError("the end of a conversation is not told")


class _Pong:
    def set(self) -> None:
        pass


def _check_handshake(options: int, head: bytes) -> None:
    fields = [line.partition(b":") for line in head.split(b"\n") if line]
    asked = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "a, b"}
    response = Response(
        101 if options & 16 else 200,
        headers=[(as_received(name), as_received(value)) for name, _, value in fields],
        request=Request("GET", "https://example.com/", headers=asked),
        extensions={"network_stream": None, "http_version": b"HTTP/2" if options & 32 else b"HTTP/1.1"},
    )
    try:
        check(response)
    except HTTPXWSException:
        return
    assert response.headers.get("Sec-WebSocket-Extensions") is None
