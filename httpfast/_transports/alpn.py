"""What a TLS context offers to speak (ALPN, RFC 7301).

The protocols that a context offers are one list for all who use it. A context of the caller's may serve several
clients, which do not all speak HTTP/2; and one client has connections that must not: those for requests with Upgrade.
"""

from __future__ import annotations

import os
import ssl
from threading import RLock
from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["making", "offering"]

# A context's list is for all of its connections, and is read when one is made: held while that is done, and while the
# list is another one. Loops of other threads make theirs without it.
making = RLock()

if hasattr(os, "register_at_fork"):
    # Else a child could inherit it from a thread that it has not.
    os.register_at_fork(before=making.acquire, after_in_parent=making.release, after_in_child=making.release)

# What contexts offer: as the first transport wanted it that they were given to.
_usual: WeakKeyDictionary[ssl.SSLContext, tuple[str, ...]] = WeakKeyDictionary()


def offering(context: ssl.SSLContext, protocols: tuple[str, ...]) -> ssl.SSLContext:
    """The context, or another one in its place, which offers these protocols."""
    with making:
        usual = _usual.setdefault(context, protocols)
        if usual == protocols:
            context.set_alpn_protocols(list(protocols))
            return context
    return OfferingContext(context, protocols, usual)


class OfferingContext(ssl.SSLContext):
    """Makes connections with another context, which cannot be copied, and a list of protocols of its own.

    Args:
        below: the context.
        offered: for connections made by way of this one.
        usual: what the context offers otherwise.
    """

    _below: ssl.SSLContext
    _offered: list[str]
    _usual: list[str]

    def __new__(cls, below: ssl.SSLContext, offered: tuple[str, ...], usual: tuple[str, ...]) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._below, context._offered, context._usual = below, list(offered), list(usual)
        return context

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext.wrap_socket`. The handshake has to be the caller's."""
        with making:
            self._below.set_alpn_protocols(self._offered)
            try:
                return self._below.wrap_socket(*arguments, **options)
            finally:
                self._below.set_alpn_protocols(self._usual)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See `ssl.SSLContext.wrap_bio`."""
        with making:
            self._below.set_alpn_protocols(self._offered)
            try:
                return self._below.wrap_bio(*arguments, **options)
            finally:
                self._below.set_alpn_protocols(self._usual)
