"""What callers read of an asynchronous response: its body, and the octets under it. The same on every event loop."""

from __future__ import annotations

from time import monotonic

from .._exceptions import ProtocolError, ReadError, ReadTimeout, WriteError
from .._types import AsyncByteStream
from .connector import NEVER, connect_error, has_news

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, Self, TypeAlias

    from .._cext.exchange import Exchange
    from .pull_trio import AnyConnection as TrioConnection
    from .push import AnyConnection as LoopConnection

    Connection: TypeAlias = "LoopConnection | TrioConnection"

__all__ = ["AsyncNetworkStream", "ResponseStream"]


class ResponseStream(AsyncByteStream):
    """A response's body as it arrives. Reading pauses by itself while the caller does not keep up."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        connection, exchange = self._connection, self._exchange
        try:
            # What follows a tunnel's head is no content, but for `network_stream`.
            while not exchange.is_tunnel:
                data: bytes = connection.take_body(exchange)
                if data:
                    return data
                if exchange.error is not None:
                    raise exchange.error
                if exchange.is_complete:
                    break
                progress = connection.wait_body(exchange)
                if progress is not None:
                    await progress
        except BaseException:
            connection.abandon(exchange)
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what has not been read. The connection is closed if the response is not complete."""
        self._connection.abandon(self._exchange)

    def __del__(self) -> None:
        # A response that was dropped unread would keep its place in the pool for ever.
        if self._exchange.connection is not None:
            self._connection.abandon_soon(self._exchange)


class AsyncNetworkStream:
    """The octets under a response: raw after `101 Switching Protocols` or CONNECT, else for `get_extra_info` only.

    In HTTP/2 they are those of one stream (RFC 9113, 8.5), and `is_shared`: the connection carries others too. Some
    tasks may write there while one reads.
    """

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self.is_shared: bool = connection.is_shared
        self._connection: Any = connection
        self._exchange = exchange
        self._rest = b""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            ReadTimeout, ReadError
        """
        exchange = self._exchange
        if self.is_shared and not exchange.is_tunnel:
            raise ReadError("Only a stream that a CONNECT has opened can be read as raw octets")
        if not self._rest:
            progress = self._connection.wait_raw(exchange, NEVER if timeout is None else timeout)
            if progress is not None:
                try:
                    await progress
                except ProtocolError as error:
                    if not exchange.unread_bytes:
                        raise ReadError(str(error)) from error
            self._rest = self._connection.take_body(exchange)
            if not self._rest and exchange.error is not None:
                if isinstance(exchange.error, (ReadError, ReadTimeout)):
                    raise exchange.error
                raise ReadError(str(exchange.error)) from exchange.error
        data, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write octets.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            WriteTimeout, WriteError
        """
        if self.is_shared and not self._exchange.is_tunnel:
            raise WriteError("Only a stream that a CONNECT has opened can be written to as raw octets")
        progress = self._connection.write_raw(self._exchange, buffer, NEVER if timeout is None else timeout)
        if progress is not None:
            await progress

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        """Put TLS on an upgraded connection, as the client. What is returned is to be used from then on.

        Args:
            server_hostname: for SNI and the certificate check.
            timeout: seconds; None for no limit.

        Raises:
            ConnectTimeout, ConnectError: the connection is closed.
            ReadError: it is not an upgraded one, is a stream of HTTP/2, or octets have come already.
        """
        if self.is_shared:
            raise ReadError("TLS within a stream of HTTP/2 is not supported")
        if not self._exchange.is_tunnel or self._rest or self._exchange.unread_bytes:
            raise ReadError("Only an upgraded connection without unread octets can go on over TLS")
        ends = NEVER if timeout is None else monotonic() + timeout
        try:
            await self._connection.start_tls(ssl_context, server_hostname or "", ends)
        except BaseException as error:
            self._connection.close()
            if isinstance(error, OSError):
                raise connect_error(error) from error
            raise
        return self

    async def aclose(self) -> None:
        """Close the connection; in HTTP/2 the stream."""
        if self.is_shared:
            self._connection.close_raw(self._exchange)
        else:
            self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `client_addr`, `server_addr`, `socket` or `is_readable`; None for anything else."""
        if info == "is_readable":
            if self.is_shared and self._exchange.is_tunnel:
                return has_news(self._exchange)
            return self._connection.is_readable()
        return self._connection.get_extra_info(info)
