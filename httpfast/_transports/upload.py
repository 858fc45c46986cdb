"""Request bodies that go out in pieces: from the stream of a request to its connection."""

from __future__ import annotations

from time import monotonic

from .._cext.plain import PIECE_BYTES
from .._content import finish_iterator
from .._types import AsyncByteStream, SyncByteStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import TypeAlias

    from .._cext.exchange import Exchange
    from .pull import AnyConnection as ThreadConnection
    from .pull_trio import AnyConnection as TrioConnection
    from .push import AnyConnection as LoopConnection

    Connection: TypeAlias = "LoopConnection | TrioConnection"

__all__ = ["async_stream", "blocking_stream", "send_body", "send_body_async", "upload", "upload_async"]

# Seconds to wait for 100 Continue before the body goes out all the same (RFC 9110, 10.1.1): what Go and curl wait.
CONTINUE_TIMEOUT = 1.0


def blocking_stream(stream: SyncByteStream | AsyncByteStream) -> SyncByteStream:
    """The stream. Raises RuntimeError when it is for async code."""
    if not isinstance(stream, SyncByteStream):
        raise RuntimeError("Attempted to send an async request with a sync Client instance.")
    return stream


def async_stream(stream: SyncByteStream | AsyncByteStream) -> AsyncByteStream:
    """The stream. Raises RuntimeError when it is for blocking code."""
    if not isinstance(stream, AsyncByteStream):
        raise RuntimeError("Attempted to send a sync request with an AsyncClient instance.")
    return stream


def upload(connection: ThreadConnection, exchange: Exchange, stream: SyncByteStream) -> None:
    """Send a request, and wait for its response."""
    connection.begin(exchange)
    send_body(connection, exchange, stream)
    connection.read_response(exchange)


async def upload_async(connection: Connection, exchange: Exchange, stream: AsyncByteStream) -> None:
    """Send a request, and wait for its response."""
    connection.begin(exchange)
    await send_body_async(connection, exchange, stream)
    progress = connection.wait_response(exchange)
    if progress is not None:
        await progress


def send_body(connection: ThreadConnection, exchange: Exchange, stream: SyncByteStream) -> None:
    """Send the body of a request whose head is out, for as long as the peer wants it."""
    if exchange.expects_continue:
        connection.wait_continue(exchange, _continue_timeout(exchange))
    if exchange.is_refused:
        return
    for piece in _pieces(stream):
        if not connection.write_body(exchange, piece):
            return
    connection.end_body(exchange)


async def send_body_async(connection: Connection, exchange: Exchange, stream: AsyncByteStream) -> None:
    """Send the body of a request whose head is out, for as long as the peer wants it."""
    if exchange.expects_continue:
        progress = connection.wait_continue(exchange, _continue_timeout(exchange))
        if progress is not None:
            await progress
    if exchange.is_refused:
        return
    pieces = _async_pieces(stream)
    try:
        async for piece in pieces:
            if exchange.is_refused:
                return
            progress = connection.write_body(exchange, piece)
            if progress is not None:
                await progress
    finally:
        await finish_iterator(pieces)
    connection.end_body(exchange)


def _continue_timeout(exchange: Exchange) -> float:
    """Seconds to wait for 100 Continue: no longer than the exchange may take."""
    return min(CONTINUE_TIMEOUT, max(exchange.deadline - monotonic(), 0.0))


def _cut(chunk: bytes) -> Iterator[bytes]:
    """A chunk in pieces small enough that each is written in reasonable time."""
    if len(chunk) <= PIECE_BYTES:
        yield chunk
        return
    view = memoryview(chunk)
    for start in range(0, len(chunk), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])


def _pieces(stream: SyncByteStream) -> Iterator[bytes]:
    for chunk in stream:
        yield from _cut(chunk)


async def _async_pieces(stream: AsyncByteStream) -> AsyncIterator[bytes]:
    chunks = stream.__aiter__()
    try:
        async for chunk in chunks:
            for piece in _cut(chunk):
                yield piece
    finally:
        await finish_iterator(chunks)
