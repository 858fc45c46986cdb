"""HTTP/2 on event loops: what a dial makes where it may be spoken. Imported only then.

The connection itself, whose callbacks do the work, is compiled: `httpfast._cext.aio_h2`.
"""

from __future__ import annotations

import asyncio

from .._cext.aio_h2 import H2Connection
from .async_streams import AsyncNetworkStream
from .connector import NOT_H1, NOT_H2
from .push import transport_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._cext.exchange import Exchange
    from .push import AnyConnection, Connection

__all__ = ["Negotiator", "SharedConnection"]

# Octets that a server may send before a transport has handed itself out.
_EARLY_BYTES = 16384


class SharedConnection(H2Connection, asyncio.BufferedProtocol):  # pyright: ignore[reportIncompatibleMethodOverride]
    """H2Connection as event loops know it."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> AsyncNetworkStream:
        """The octets of a tunnel, and what there is to know about the connection under any response."""
        return AsyncNetworkStream(self, exchange)

    def get_extra_info(self, info: str) -> Any:
        """See `AsyncNetworkStream.get_extra_info`."""
        return None if self.transport is None else transport_info(self.transport, info)


class Negotiator(asyncio.BufferedProtocol):
    """Stands in for a connection until TLS has negotiated what is spoken (ALPN, RFC 7301).

    Args:
        make_h1, make_h2: make a connection; None where that is not to be spoken.
    """

    def __init__(
        self, make_h1: Callable[[], Connection] | None, make_h2: Callable[[], SharedConnection] | None
    ) -> None:
        self._make_h1 = make_h1
        self._make_h2 = make_h2
        self._memory = bytearray(_EARLY_BYTES)
        self._early = b""
        self.connection: AnyConnection | None = None
        self.refusal = ""

    def connection_made(self, transport: Any) -> None:
        ssl_object = transport.get_extra_info("ssl_object")
        is_h2 = self._make_h1 is None if ssl_object is None else ssl_object.selected_alpn_protocol() == "h2"
        make = self._make_h2 if is_h2 else self._make_h1
        if make is None:
            self.refusal = NOT_H1 if is_h2 else NOT_H2
            transport.abort()
            return
        connection = self.connection = make()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        while self._early:
            buffer = connection.get_buffer(len(self._early))
            size = min(len(buffer), len(self._early))
            buffer[:size] = self._early[:size]
            self._early = self._early[size:]
            connection.buffer_updated(size)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._memory

    def buffer_updated(self, nbytes: int) -> None:
        # TLS on top of a transport may hand out octets before it hands out itself.
        self._early += self._memory[:nbytes]
