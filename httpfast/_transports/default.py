"""The transports that go to the network: one request in, one response out, over a pool of connections.

handle_request ──► pool.checkout / acquire ──► connection ──► Response
                       ▲                            │
                       └──── once more, when an idle connection turned out to be closed already
"""

from __future__ import annotations

import os
import sys
from weakref import WeakSet

from .._cext.h1 import check_request
from .._cext.plain import checkout, exchange_of, whole_response
from .._config import DEFAULT_HTTP2_WINDOW, DEFAULT_LIMITS
from .._exceptions import RemoteProtocolError, UnsupportedProtocol
from .._response import Response
from .._types import AsyncByteStream, ByteStream, SyncByteStream
from .base import AsyncBaseTransport, BaseTransport
from .connector import FORWARD, Route, run
from .pull_pool import Pool
from .replay import Attempts, repeated, was_too_late
from .trace import report_of
from .tunnels import (
    by_upgrade,
    check_connect,
    connect_instead,
    ready_to_connect,
    ready_to_connect_async,
)
from .upload import async_stream, blocking_stream, send_body, send_body_async, upload, upload_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from .._cext.exchange import Exchange
    from .._cext.pool import PoolState
    from .._config import Limits
    from .._pool_stats import PoolStats
    from .._request import Request
    from .._types import CertTypes, ProxyTypes
    from .connector import SocketOption
    from .proxy import ProxyRoute
    from .pull import AnyConnection as ThreadConnection
    from .pull_trio import AnyConnection as TrioConnection
    from .pull_trio import TrioPool
    from .push import AnyConnection as LoopConnection
    from .push_pool import AsyncPool
    from .trace import Report

    AsyncConnection: TypeAlias = "LoopConnection | TrioConnection"
    AnyConnection: TypeAlias = "AsyncConnection | ThreadConnection"

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]

_NO_TIMEOUTS: dict[str, Any] = {}

# Proxies named by requests whose routes a transport keeps. One that comes again after that gets new connections.
_MAX_NAMED_PROXIES = 1_024

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
    if exchange.key[0] != FORWARD:
        _check_origin(exchange)
    check_request(exchange)


def _check_origin(exchange: Exchange) -> None:
    """Raises UnsupportedProtocol when the URL's scheme is neither HTTP's nor WebSocket's, or it has no host."""
    scheme, host = exchange.key[0], exchange.key[1]
    if scheme not in (b"http", b"https", b"ws", b"wss"):
        if not scheme:
            raise UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.")
        raise UnsupportedProtocol(f"Request URL has an unsupported protocol '{scheme.decode('ascii')}://'.")
    if not host:
        raise UnsupportedProtocol("Request URL is missing a host.")


def _trio_token() -> object | None:
    """What tells one run of trio from another; None outside of trio, also where it shares a thread with asyncio."""
    trio = sys.modules.get("trio")
    if trio is None or not trio.lowlevel.in_trio_task():
        return None
    token: object = trio.lowlevel.current_trio_token()
    return token


def _body_of(exchange: Exchange, request: Request) -> SyncByteStream | AsyncByteStream:
    """The body as a stream, whether or not it is ready."""
    return request.stream if exchange.body_sent is None else ByteStream(exchange.body_sent)


def _streamed_response(
    exchange: Exchange, connection: AnyConnection, stream: SyncByteStream | AsyncByteStream, report: Report | None
) -> Response:
    response = Response.__new__(Response)
    state = response.__dict__
    state["status_code"] = exchange.status_code
    state["_head"] = exchange
    state["_connection"] = connection
    state["stream"] = stream
    if report is not None and report.stopwatch is not None:
        state["_stopwatch"] = report.stopwatch
    return response


def _proxy_route(proxy: ProxyTypes | None, trust_env: bool) -> ProxyRoute | None:
    if proxy is None:
        return None
    from .proxy import ProxyRoute, proxy_of

    return ProxyRoute(proxy_of(proxy), trust_env=trust_env)


class _Proxies:
    """The proxies of one transport: its own, and those that requests have named.

    Args:
        route: of the transport.
        trust_env: see `ProxyRoute`.
    """

    def __init__(self, route: Route, trust_env: bool) -> None:
        self._route = route
        self._trust_env = trust_env
        self._named: dict[object, ProxyRoute] = {}

    def direct(self, exchange: Exchange, request: Request) -> None:
        """Send an exchange by way of its proxy, if it has one.

        Raises:
            UnsupportedProtocol
            TypeError, ValueError, InvalidURL, ImportError: the request's `proxy` is none.
        """
        via, key = self._route.proxy, exchange.key
        if exchange.has_proxy:
            via = self._route_of(request.extensions["proxy"])
            key = (*key[:3], key[3] if len(key) > 3 else None, via)
        elif via is None:
            return
        _check_origin(exchange)
        target, fields = exchange.target, exchange.fields_sent
        if via is not None and not via.is_socks and key[0] == b"http":
            key = via.forward_key
            target, fields = via.forwarded(request.url, target, fields)
        exchange.reroute(key, target, fields)

    def _route_of(self, proxy: ProxyTypes | None) -> ProxyRoute | None:
        """The route through a proxy; the same for the same proxy, so that its connections are shared."""
        if proxy is None:
            return None
        from .proxy import identity_of, proxy_of

        chosen = proxy_of(proxy)
        identity = identity_of(chosen)
        route = self._named.get(identity)
        if route is None:
            route = _proxy_route(chosen, self._trust_env)
            assert route is not None
            if len(self._named) >= _MAX_NAMED_PROXIES:
                # From a copy: another thread may be here too.
                self._named.pop(next(iter(tuple(self._named))), None)
            self._named[identity] = route
        return route


def _alpn(http1: bool, http2: bool) -> tuple[str, ...]:
    """The protocols to offer (RFC 7301)."""
    return (("h2",) if http2 else ()) + (("http/1.1",) if http1 else ())


def _context_maker(
    verify: ssl.SSLContext | str | bool, cert: CertTypes | None, trust_env: bool, http1: bool
) -> Callable[[bool], ssl.SSLContext]:
    """A callable that makes the TLS context when the first https connection needs it.

    Files that the caller names are read now, so that a mistake shows where it was made.
    """
    if isinstance(verify, str) or cert is not None:
        from .._tls import create_ssl_context
        from .alpn import OfferingContext

        named = create_ssl_context(verify=verify, cert=cert, trust_env=trust_env)
        return lambda offers_h2: OfferingContext(named, _alpn(http1, offers_h2))

    def make_context(offers_h2: bool) -> ssl.SSLContext:
        from .._tls import create_ssl_context, default_context

        if verify is True:
            return default_context(trust_env, _alpn(http1, offers_h2))
        from .alpn import OfferingContext

        return OfferingContext(create_ssl_context(verify=verify), _alpn(http1, offers_h2))

    return make_context


class HTTPTransport(BaseTransport):
    """Sends requests over the network, blocking. May be shared by threads.

    Args:
        verify: True to check certificates against certifi's bundle, False not to, or a context.
        cert: a client certificate: path, or (certificate, key[, password]).
        trust_env: obey SSL_CERT_FILE and SSL_CERT_DIR.
        http1: speak HTTP/1.1 where the server does not speak HTTP/2.
        http2: speak HTTP/2 where the server does. Without http1: always, also to http:// URLs.
        limits: how many connections.
        proxy: the URL of an http, https, socks5 or socks5h proxy, or a `Proxy`. A request may name its own in its
            extension "proxy"; None there means no proxy.
        uds: path of a Unix socket to connect to, whatever the URL's host.
        local_address: the address to connect from.
        retries: how often to dial again after a connection could not be made.
        socket_options: for each TCP socket, as `socket.setsockopt` takes them.
        replay: send a request once more when the idle connection it was written to turns out to be closed; and when a
            server of HTTP/2 says that it has not looked at it.
        http2_keepalive: seconds of silence on an HTTP/2 connection after which its server has to answer a PING within
            as many again; None for no PING. A blocking transport does so while it waits for a response.
        http2_window: octets that a server may send ahead on a stream, 65,535 to 268,435,456; 0: as many as the
            connection turns out to take.
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
        http2_keepalive: float | None = None,
        http2_window: int = DEFAULT_HTTP2_WINDOW,
    ) -> None:
        self._route = Route(
            _context_maker(verify, cert, trust_env, http1),
            uds=uds,
            local_address=local_address,
            retries=retries,
            socket_options=socket_options,
            proxy=_proxy_route(proxy, trust_env),
            http1=http1,
            http2=http2 or not http1,
            h2_keepalive=http2_keepalive,
            h2_window=http2_window,
        )
        self._proxies = _Proxies(self._route, trust_env)
        self._has_proxy = proxy is not None
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
        # What was begun before the client was closed is not begun again after that.
        closings = pool.closings
        report: Report | None = None
        connection: ThreadConnection | None = None
        may_connect = False
        if exchange.is_special or self._has_proxy:
            if exchange.is_traced:
                report = report_of(request, is_async=False)
            self._proxies.direct(exchange, request)
            if exchange.protocol is not None:
                may_connect = check_connect(exchange, self._route)
                if may_connect and exchange.method != "CONNECT":
                    exchange, connection = self._over_h2(exchange)
        attempts: Attempts | None = None
        fresh = False
        while True:
            if connection is None and not fresh:
                connection = pool.checkout(exchange)
            if connection is None:
                _check(exchange)
                timeouts = request.extensions.get("timeout") or _NO_TIMEOUTS
                connection = pool.acquire(
                    exchange.key, timeouts, exchange.deadline, fresh=fresh, trace=report, closings=closings
                )
            try:
                if may_connect:
                    ready_to_connect(connection, exchange)
                if report is not None:
                    self._report(report, connection, exchange, request)
                elif exchange.body_sent is not None:
                    connection.send(exchange)
                else:
                    upload(connection, exchange, blocking_stream(request.stream))
                if exchange.status_code == 408 and self._replay and was_too_late(exchange, connection):
                    raise RemoteProtocolError("The idle connection had timed out")
                break
            except BaseException as error:
                self._give_up(pool, connection, exchange)
                if not self._replay:
                    raise
                attempts = attempts or Attempts()
                http1 = self._route.http1
                if not attempts.may_go_on(request, exchange, connection, error, http1):
                    raise
            fresh = not (exchange.was_refused or exchange.needs_h1)
            exchange = repeated(exchange, http1)
            connection = None
        if exchange.is_complete and exchange.collect:
            pool.release(connection)
            return whole_response(exchange, connection)
        stream: SyncByteStream | None = None
        try:
            from .pull import ResponseStream

            stream = ResponseStream(pool, connection, exchange)
            if report is not None:
                from .traced import TracedStream

                stream = TracedStream(stream, report, request, connection, exchange)
            return _streamed_response(exchange, connection, stream, report)
        except BaseException:
            # MemoryError, KeyboardInterrupt: nobody else would give the connection's place back.
            if stream is None:
                pool.give_up(connection, exchange)
            else:
                stream.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def pool_stats(self) -> PoolStats:
        """How its connections are used at this moment."""
        return self._pool.stats()

    def _over_h2(self, upgrade: Exchange) -> tuple[Exchange, ThreadConnection | None]:
        """What is to be sent for an Upgrade where HTTP/2 may be spoken, and on which connection, if there is one."""
        exchange = connect_instead(upgrade)
        if not self._route.http1:
            return exchange, None
        connection: Any = self._pool.checkout(exchange)
        if connection is None:
            return by_upgrade(upgrade), None
        if connection.is_shared and connection.takes_connect_protocol:
            return exchange, connection
        self._pool.release(connection)
        return by_upgrade(upgrade), None

    def _report(self, report: Report, connection: ThreadConnection, exchange: Exchange, request: Request) -> None:
        """Send a request and wait for its response's head, one step at a time."""
        from .traced import report_steps

        stream = blocking_stream(_body_of(exchange, request))
        run(
            report_steps(
                report,
                request,
                connection,
                exchange,
                lambda: connection.begin(exchange),
                lambda: send_body(connection, exchange, stream),
                lambda: connection.read_response(exchange),
            )
        )

    def _give_up(self, pool: Pool, connection: ThreadConnection, exchange: Exchange) -> None:
        if exchange.was_begun:
            pool.give_up(connection, exchange)
        else:
            # Refused before anything was written: the connection is as good as before.
            pool.release(connection)


class AsyncHTTPTransport(AsyncBaseTransport):
    """Sends requests over the network, on the running event loop: of asyncio, or one like it, or of trio.

    It may be used on one event loop after another: connections of a loop that is gone are dropped.

    Args:
        verify, cert, trust_env, http1, http2, limits, proxy, uds, local_address, retries, socket_options, replay,
            http2_keepalive, http2_window: as for `HTTPTransport`.
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
        http2_keepalive: float | None = None,
        http2_window: int = DEFAULT_HTTP2_WINDOW,
    ) -> None:
        self._route = Route(
            _context_maker(verify, cert, trust_env, http1),
            uds=uds,
            local_address=local_address,
            retries=retries,
            socket_options=socket_options,
            proxy=_proxy_route(proxy, trust_env),
            http1=http1,
            http2=http2 or not http1,
            h2_keepalive=http2_keepalive,
            h2_window=http2_window,
        )
        self._proxies = _Proxies(self._route, trust_env)
        self._has_proxy = proxy is not None
        self._limits = limits
        self._replay = replay
        self._pool: AsyncPool | TrioPool | None = None
        # Imported with the first transport that needs a loop: asyncio takes longer than the rest of the package.
        from asyncio import _get_running_loop

        self._running_loop = _get_running_loop

    async def handle_async_request(self, request: Request) -> Response:
        """Send one request and return its response.

        Raises:
            TransportError: the request could not be sent or answered.
            RuntimeError: its body is for blocking code.
        """
        exchange = exchange_of(request)
        report: Report | None = None
        connection: AsyncConnection | None = None
        may_connect = False
        if exchange.is_special or self._has_proxy:
            if exchange.is_traced:
                report = report_of(request, is_async=True)
            self._proxies.direct(exchange, request)
            may_connect = exchange.protocol is not None and check_connect(exchange, self._route)
        pool = self._pool
        if pool is None or pool.loop is not self._running_loop():
            pool = self._find_pool()
        if may_connect and exchange.method != "CONNECT":
            exchange, connection = self._over_h2(pool.state, exchange)
        attempts: Attempts | None = None
        fresh = False
        while True:
            try:
                if connection is None and not fresh:
                    connection = checkout(pool.state, exchange)
            finally:
                if pool.state.discarded:
                    pool.close_discarded()
            if connection is None:
                _check(exchange)
                timeouts = request.extensions.get("timeout") or _NO_TIMEOUTS
                connection = await pool.acquire(exchange.key, timeouts, exchange.deadline, fresh=fresh, trace=report)
            try:
                if may_connect:
                    await ready_to_connect_async(connection, exchange)
                if report is not None:
                    await self._report(report, connection, exchange, request)
                elif exchange.body_sent is not None:
                    await connection.send(exchange)
                else:
                    await upload_async(connection, exchange, async_stream(request.stream))
                if exchange.status_code == 408 and self._replay and was_too_late(exchange, connection):
                    raise RemoteProtocolError("The idle connection had timed out")
                break
            except BaseException as error:
                self._give_up(connection, exchange)
                if not self._replay:
                    raise
                attempts = attempts or Attempts()
                http1 = self._route.http1
                if not attempts.may_go_on(request, exchange, connection, error, http1):
                    raise
            fresh = not (exchange.was_refused or exchange.needs_h1)
            exchange = repeated(exchange, http1)
            connection = None
        if exchange.is_complete and exchange.collect:
            return whole_response(exchange, connection)
        try:
            from .async_streams import ResponseStream

            stream: AsyncByteStream = ResponseStream(connection, exchange)
            if report is not None:
                from .traced import AsyncTracedStream

                stream = AsyncTracedStream(stream, report, request, connection, exchange)
            return _streamed_response(exchange, connection, stream, report)
        except BaseException:
            # As for threads. To give it up twice does no harm here.
            connection.abandon(exchange)
            raise

    async def aclose(self) -> None:
        """Close all connections; returns when the system has taken back their sockets."""
        pool, self._pool = self._pool, None
        if pool is not None and pool.loop is (_trio_token() or self._running_loop()):
            await pool.aclose()

    def pool_stats(self) -> PoolStats:
        """How its connections are used at this moment."""
        from .._pool_stats import stats_of

        return stats_of(None if self._pool is None else self._pool.state)

    def _over_h2(self, state: PoolState, upgrade: Exchange) -> tuple[Exchange, AsyncConnection | None]:
        """As `HTTPTransport._over_h2`."""
        exchange = connect_instead(upgrade)
        if not self._route.http1:
            return exchange, None
        connection: Any = checkout(state, exchange)
        if connection is None:
            return by_upgrade(upgrade), None
        if connection.is_shared and connection.takes_connect_protocol:
            return exchange, connection
        connection.release_unused()
        return by_upgrade(upgrade), None

    def _find_pool(self) -> AsyncPool | TrioPool:
        """The pool of the running loop. What another loop has left behind is dropped: it cannot be awaited any more.

        Raises:
            RuntimeError: there is no loop.
        """
        pool = self._pool
        token = _trio_token()
        loop = self._running_loop() if token is None else None
        if loop is None and token is None:
            raise RuntimeError("An AsyncClient needs a running event loop: of asyncio, or one like it, or of trio")
        if pool is not None:
            if pool.loop is (token or loop):
                return pool
            pool.forget()
        if token is not None:
            from .pull_trio import TrioPool

            pool = TrioPool(self._route, self._limits, token)
        elif loop is not None:
            from .push_pool import AsyncPool

            pool = AsyncPool(self._route, self._limits, loop)
        assert pool is not None
        self._pool = pool
        return pool

    async def _report(self, report: Report, connection: AsyncConnection, exchange: Exchange, request: Request) -> None:
        """Send a request and wait for its response's head, one step at a time."""
        from .traced import report_steps

        stream = async_stream(_body_of(exchange, request))
        await report_steps(
            report,
            request,
            connection,
            exchange,
            lambda: connection.begin(exchange),
            lambda: send_body_async(connection, exchange, stream),
            lambda: connection.wait_response(exchange),
        )

    def _give_up(self, connection: AsyncConnection, exchange: Exchange) -> None:
        if exchange.was_begun:
            connection.abandon(exchange)
        else:
            # Refused before anything was written: the connection is as good as before.
            connection.release_unused()
