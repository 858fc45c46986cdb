"""What a TLS context offers to speak (ALPN, RFC 7301).

The protocols that a context offers are one list for all who use it. A context of the caller's may serve several
clients, which do not all speak HTTP/2; and one client has connections that must not: those for requests with Upgrade.
"""

from __future__ import annotations

import os
import ssl
from threading import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["OfferingContext"]

# A context's list is for all of its connections, and is read when one is made: held from its change until then.
_making = RLock()

if hasattr(os, "register_at_fork"):
    # Else a child could inherit it from a thread that it has not.
    os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release)


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
        with _making:
            self._below.set_alpn_protocols(self._offered)
            return self._below.wrap_socket(*arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See `ssl.SSLContext.wrap_bio`."""
        with _making:
            self._below.set_alpn_protocols(self._offered)
            return self._below.wrap_bio(*arguments, **options)
