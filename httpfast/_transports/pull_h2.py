"""HTTP/2 for threads. Imported only where it is spoken.

The connection itself is compiled: `httpfast._cext.blocking_h2`.
"""

from __future__ import annotations

from .._cext.blocking_h2 import BlockingH2Connection
from .pull import NetworkStream, socket_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._cext.exchange import Exchange

__all__ = ["SharedConnection"]


class SharedConnection(BlockingH2Connection):
    """BlockingH2Connection with what a response offers of it."""

    __slots__ = ()

    def network_stream(self, exchange: Exchange) -> NetworkStream:
        """The octets of a tunnel, and what there is to know about the connection under any response."""
        return NetworkStream(self, exchange)

    def get_extra_info(self, info: str) -> Any:
        """See `NetworkStream.get_extra_info`."""
        return socket_info(self.sock, info)
