"""A TLS context that offers protocols of its own, in the place of another one (ALPN, RFC 7301).

The protocols that a context offers are one list for all who use it. A context of the caller's may serve several
clients, which do not all speak HTTP/2; and one client has connections that must not: those for requests with Upgrade.
"""

from __future__ import annotations

import ssl
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["OfferingContext"]

# A context's list is for all of its connections; it is read when one is made.
_lock = Lock()


class OfferingContext(ssl.SSLContext):
    """Makes connections with another context, which cannot be copied, and a list of protocols of its own.

    Args:
        below: the context.
        offered: for connections made by way of this one.
    """

    _below: ssl.SSLContext
    _offered: list[str]

    def __new__(cls, below: ssl.SSLContext, offered: tuple[str, ...]) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._below, context._offered = below, list(offered)
        return context

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext.wrap_socket`. The handshake has to be the caller's."""
        with _lock:
            self._below.set_alpn_protocols(self._offered)
            return self._below.wrap_socket(*arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See `ssl.SSLContext.wrap_bio`."""
        with _lock:
            self._below.set_alpn_protocols(self._offered)
            return self._below.wrap_bio(*arguments, **options)
