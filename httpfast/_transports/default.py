"""The transports that go to the network: one request in, one response out, over a pool of connections.

handle_request ──► pool.checkout / acquire ──► connection ──► Response
                       ▲                            │
                       └──── once more, when an idle connection turned out to be closed already
"""

from __future__ import annotations

import os
from weakref import WeakSet

from .._cext.h1 import check_request
from .._cext.plain import PIECE_BYTES, checkout, exchange_of, whole_response
from .._config import DEFAULT_LIMITS
from .._content import finish_iterator
from .._exceptions import ReadError, RemoteProtocolError, UnsupportedProtocol, WriteError
from .._response import Response
from .._types import AsyncByteStream, SyncByteStream
from .base import AsyncBaseTransport, BaseTransport
from .connector import Route
from .pool import AsyncPool, Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from typing import Any

    from .._cext.exchange import Exchange
    from .._config import Limits
    from .._request import Request
    from .._types import CertTypes, ProxyTypes
    from .connector import SocketOption
    from .pull import Connection as ThreadConnection
    from .push import Connection

    AnyConnection = Connection | ThreadConnection

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]

# Seconds to wait for 100 Continue before the body goes out all the same (RFC 9110, 10.1.1): what Go and curl wait.
CONTINUE_TIMEOUT = 1.0

# RFC 9110, 9.2.2: sent twice, these have the effect of once.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})

_NO_TIMEOUTS: dict[str, Any] = {}

# Pools of threads, to be emptied in a child process: it must never write to its parent's sockets.
_transports: WeakSet[HTTPTransport] = WeakSet()


def _forget_connections() -> None:
    for transport in list(_transports):
        inherited, transport._pool = transport._pool, Pool(transport._route, transport._limits)
        inherited.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


def _check(exchange: Exchange) -> None:
    """Refuse what cannot be sent, before a connection is made for it.

    Raises:
        UnsupportedProtocol, LocalProtocolError
    """
    scheme, host = exchange.key[0], exchange.key[1]
    if scheme not in (b"http", b"https"):
        if not scheme:
            raise UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.")
        raise UnsupportedProtocol(f"Request URL has an unsupported protocol '{scheme.decode('ascii')}://'.")
    if not host:
        raise UnsupportedProtocol("Request URL is missing a host.")
    check_request(exchange)


def _may_replay(exchange: Exchange, connection: AnyConnection, error: BaseException) -> bool:
    """True when the peer closed an idle connection before it met this request, which can then be sent again.

    Once octets of it were written nobody can tell whether it was processed: that allows it for idempotent methods, and
    with an Idempotency-Key, only (RFC 9110, 9.2.2).
    """
    return (
        connection.served > 1
        and not exchange.was_answered
        and exchange.body_sent is not None
        and isinstance(error, (ReadError, WriteError, RemoteProtocolError))
        and (
            not exchange.wrote_request
            or exchange.method in IDEMPOTENT_METHODS
            or any(name == b"idempotency-key" for _, name, _ in exchange.fields_sent)
        )
    )


def _was_too_late(exchange: Exchange, connection: AnyConnection) -> bool:
    """True when the answer is the 408 that an idle connection was closed with, and not meant for this request."""
    return (
        exchange.status_code == 408
        and connection.served > 1
        and not exchange.is_persistent
        and exchange.body_sent is not None
    )


def _streamed_response(
    exchange: Exchange, connection: AnyConnection, stream: SyncByteStream | AsyncByteStream
) -> Response:
    response = Response.__new__(Response)
    state = response.__dict__
    state["status_code"] = exchange.status_code
    state["_head"] = exchange
    state["_connection"] = connection
    state["stream"] = stream
    return response


def _refuse_unsupported(proxy: ProxyTypes | None, http1: bool, http2: bool) -> None:
    if proxy is not None:
        raise NotImplementedError("httpfast does not support proxies yet")
    if not http1:
        raise NotImplementedError("httpfast does not support HTTP/2 yet: http1 cannot be turned off")


# ALPN (RFC 7301): the one protocol that is spoken.
_ALPN = ("http/1.1",)


def _context_maker(
    verify: ssl.SSLContext | str | bool, cert: CertTypes | None, trust_env: bool
) -> Callable[[], ssl.SSLContext]:
    """A callable that makes the TLS context when the first https connection needs it.

    Files that the caller names are read now, so that a mistake shows where it was made.
    """
    if isinstance(verify, str) or cert is not None:
        from .._tls import create_ssl_context

        context = create_ssl_context(verify=verify, cert=cert, trust_env=trust_env)
        context.set_alpn_protocols(_ALPN)
        return lambda: context

    def make_context() -> ssl.SSLContext:
        from .._tls import create_ssl_context, default_context

        if verify is True:
            return default_context(trust_env, _ALPN)
        context = create_ssl_context(verify=verify)
        context.set_alpn_protocols(_ALPN)
        return context

    return make_context


def _upload(connection: ThreadConnection, exchange: Exchange, stream: SyncByteStream | AsyncByteStream) -> None:
    """Send a request whose body comes in pieces, and wait for its response."""
    if not isinstance(stream, SyncByteStream):
        raise RuntimeError("Attempted to send an async request with a sync Client instance.")
    connection.begin(exchange)
    if exchange.expects_continue:
        connection.wait_continue(exchange, CONTINUE_TIMEOUT)
    if not exchange.is_refused:
        for piece in _pieces(stream):
            if not connection.write_body(exchange, piece):
                break
        else:
            connection.end_body(exchange)
    connection.read_response(exchange)


async def _upload_async(connection: Connection, exchange: Exchange, stream: SyncByteStream | AsyncByteStream) -> None:
    """Send a request whose body comes in pieces, and wait for its response."""
    if not isinstance(stream, AsyncByteStream):
        raise RuntimeError("Attempted to send a sync request with an AsyncClient instance.")
    connection.begin(exchange)
    if exchange.expects_continue:
        progress = connection.wait_continue(exchange, CONTINUE_TIMEOUT)
        if progress is not None:
            await progress
    if not exchange.is_refused:
        pieces = _async_pieces(stream)
        try:
            async for piece in pieces:
                if exchange.is_refused:
                    break
                progress = connection.write_body(exchange, piece)
                if progress is not None:
                    await progress
            else:
                connection.end_body(exchange)
        finally:
            await finish_iterator(pieces)
    progress = connection.wait_response(exchange)
    if progress is not None:
        await progress


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


class HTTPTransport(BaseTransport):
    """Sends requests over the network, blocking. May be shared by threads.

    Args:
        verify: True to check certificates against certifi's bundle, False not to, or a context.
        cert: a client certificate: path, or (certificate, key[, password]).
        trust_env: obey SSL_CERT_FILE and SSL_CERT_DIR.
        http1: speak HTTP/1.1.
        http2: speak HTTP/2 where the server does; HTTP/1.1 is spoken until it is supported.
        limits: how many connections.
        proxy: not supported yet.
        uds: path of a Unix socket to connect to, whatever the URL's host.
        local_address: the address to connect from.
        retries: how often to dial again after a connection could not be made.
        socket_options: for each TCP socket, as `socket.setsockopt` takes them.
        replay: send a request once more when the idle connection it was written to turns out to be closed.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: CertTypes | None = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        proxy: ProxyTypes | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[SocketOption] | None = None,
        *,
        replay: bool = True,
    ) -> None:
        _refuse_unsupported(proxy, http1, http2)
        self._route = Route(
            _context_maker(verify, cert, trust_env),
            uds=uds,
            local_address=local_address,
            retries=retries,
            socket_options=socket_options,
        )
        self._limits = limits
        self._replay = replay
        self._pool = Pool(self._route, limits)
        _transports.add(self)

    def handle_request(self, request: Request) -> Response:
        """Send one request and return its response.

        Raises:
            TransportError: the request could not be sent or answered.
            RuntimeError: its body is for async code.
        """
        exchange = exchange_of(request)
        pool = self._pool
        connection = pool.checkout(exchange)
        if connection is None:
            _check(exchange)
            connection = pool.acquire(
                exchange.key, request.extensions.get("timeout") or _NO_TIMEOUTS, exchange.deadline
            )
        try:
            if exchange.body_sent is not None:
                connection.send(exchange)
            else:
                _upload(connection, exchange, request.stream)
            if exchange.status_code == 408 and self._replay and _was_too_late(exchange, connection):
                raise RemoteProtocolError("The idle connection had timed out")
        except BaseException as error:
            self._give_up(pool, connection, exchange)
            if not self._replay or not (exchange.status_code == 408 or _may_replay(exchange, connection, error)):
                raise
            connection = pool.acquire(
                exchange.key, request.extensions.get("timeout") or _NO_TIMEOUTS, exchange.deadline, fresh=True
            )
            exchange = exchange.again()
            try:
                connection.send(exchange)
            except BaseException:
                self._give_up(pool, connection, exchange)
                raise
        if exchange.is_complete and exchange.collect:
            pool.release(connection)
            return whole_response(exchange, connection)
        from .pull import ResponseStream

        return _streamed_response(exchange, connection, ResponseStream(pool, connection, exchange))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _give_up(self, pool: Pool, connection: ThreadConnection, exchange: Exchange) -> None:
        if exchange.was_begun:
            pool.drop(connection)
        else:
            # Refused before anything was written: the connection is as good as before.
            pool.release(connection)


class AsyncHTTPTransport(AsyncBaseTransport):
    """Sends requests over the network, on the running event loop.

    It may be used on one event loop after another: connections of a loop that is gone are dropped.

    Args:
        verify, cert, trust_env, http1, http2, limits, proxy, uds, local_address, retries, socket_options, replay: as
            for `HTTPTransport`.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: CertTypes | None = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        proxy: ProxyTypes | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[SocketOption] | None = None,
        *,
        replay: bool = True,
    ) -> None:
        _refuse_unsupported(proxy, http1, http2)
        self._route = Route(
            _context_maker(verify, cert, trust_env),
            uds=uds,
            local_address=local_address,
            retries=retries,
            socket_options=socket_options,
        )
        self._limits = limits
        self._replay = replay
        self._pool: AsyncPool | None = None
        # Imported with the first transport that needs a loop: asyncio takes longer than the rest of the package.
        from asyncio import get_running_loop

        self._running_loop = get_running_loop

    async def handle_async_request(self, request: Request) -> Response:
        """Send one request and return its response.

        Raises:
            TransportError: the request could not be sent or answered.
            RuntimeError: its body is for blocking code.
        """
        exchange = exchange_of(request)
        pool = self._pool
        if pool is None or pool.loop is not self._running_loop():
            pool = self._open_pool()
        connection = checkout(pool.state, exchange)
        if pool.state.discarded:
            pool.close_discarded()
        if connection is None:
            _check(exchange)
            timeouts = request.extensions.get("timeout") or _NO_TIMEOUTS
            connection = await pool.acquire(exchange.key, timeouts, exchange.deadline)
        try:
            if exchange.body_sent is not None:
                await connection.send(exchange)
            else:
                await _upload_async(connection, exchange, request.stream)
            if exchange.status_code == 408 and self._replay and _was_too_late(exchange, connection):
                raise RemoteProtocolError("The idle connection had timed out")
        except BaseException as error:
            self._give_up(connection, exchange)
            if not self._replay or not (exchange.status_code == 408 or _may_replay(exchange, connection, error)):
                raise
            connection = await pool.acquire(
                exchange.key, request.extensions.get("timeout") or _NO_TIMEOUTS, exchange.deadline, fresh=True
            )
            exchange = exchange.again()
            try:
                await connection.send(exchange)
            except BaseException:
                self._give_up(connection, exchange)
                raise
        if exchange.is_complete and exchange.collect:
            return whole_response(exchange, connection)
        from .push import ResponseStream

        return _streamed_response(exchange, connection, ResponseStream(connection, exchange))

    async def aclose(self) -> None:
        """Close all connections; returns when the system has taken back their sockets."""
        pool, self._pool = self._pool, None
        if pool is not None and pool.loop is self._running_loop():
            await pool.aclose()

    def _open_pool(self) -> AsyncPool:
        """The pool of the running loop. What another loop has left behind is dropped: it cannot be awaited any more."""
        if self._pool is not None:
            self._pool.forget()
        self._pool = AsyncPool(self._route, self._limits, self._running_loop())
        return self._pool

    def _give_up(self, connection: Connection, exchange: Exchange) -> None:
        if exchange.was_begun:
            connection.abandon(exchange)
        else:
            # Refused before anything was written: the connection is as good as before.
            connection.release_unused()
