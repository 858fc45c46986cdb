"""Which requests are sent once more, and how (RFC 9110, 9.2.2; RFC 9113, 8.7)."""

from __future__ import annotations

from .._exceptions import LocalProtocolError, ProtocolError, ReadError, WriteError
from .._types import ByteStream
from .tunnels import H1_SCHEMES, by_upgrade

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._cext.exchange import Exchange
    from .._request import Request
    from .default import AnyConnection

__all__ = ["Attempts", "repeated", "was_too_late"]

# RFC 9110, 9.2.2: sent twice, these have the effect of once.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})

# How often a request is sent that a server of HTTP/2 refuses each time: that it gives up connections says nothing
# against the next one, but one that refuses streams has too much to do.
_MAX_GOODBYES = 16
_MAX_REFUSALS = 3


class Attempts:
    """The attempts at a request that have failed."""

    __slots__ = ("_count", "_goodbyes", "_refusals")

    def __init__(self) -> None:
        self._count = self._goodbyes = self._refusals = 0

    def may_go_on(
        self, request: Request, exchange: Exchange, connection: AnyConnection, error: BaseException, http1: bool
    ) -> bool:
        """One more has failed: True when the request can be sent again.

        It was not looked at: the server says so (RFC 9113, 8.7), or the peer closed an idle connection before it met
        this request. Once octets of it were written nobody can tell in that case whether it was processed: that allows
        it for idempotent methods, and with an Idempotency-Key, only (RFC 9110, 9.2.2).

        Args:
            http1: it may be spoken.
        """
        self._count += 1
        if not isinstance(error, ReadError | WriteError | ProtocolError):
            return False
        is_at_hand = exchange.body_sent is not None or not exchange.was_begun or type(request.stream) is ByteStream
        if exchange.needs_h1:
            return is_at_hand and http1 and exchange.key[0] in H1_SCHEMES
        if exchange.was_refused:
            return is_at_hand and self._may_be_refused_again(connection)
        if self._count > 1 or not is_at_hand or isinstance(error, LocalProtocolError):
            return False
        if connection.is_shared and not connection.is_closed:
            # HTTP/2: it is the stream that the server has ended (RFC 9113, 8.7 names the code that allows it).
            return False
        if exchange.status_code == 408:
            return not connection.is_shared
        return (
            connection.served > 1
            and not exchange.was_answered
            and (
                not exchange.wrote_request
                or exchange.method in IDEMPOTENT_METHODS
                or exchange.upgrade is not None
                or any(name == b"idempotency-key" for _, name, _ in exchange.fields_sent)
            )
        )

    def _may_be_refused_again(self, connection: AnyConnection) -> bool:
        """The server has refused the connection, or the stream alone."""
        if connection.is_draining:
            self._goodbyes += 1
            return self._goodbyes < _MAX_GOODBYES
        self._refusals += 1
        return self._refusals < _MAX_REFUSALS


def repeated(exchange: Exchange, http1: bool) -> Exchange:
    """A new exchange of the same request."""
    if exchange.upgrade is not None and http1:
        return by_upgrade(exchange.upgrade.again())
    repeated = exchange.again()
    return by_upgrade(repeated) if exchange.needs_h1 else repeated


def was_too_late(exchange: Exchange, connection: AnyConnection) -> bool:
    """True when the answer is the 408 that an idle connection was closed with, and not meant for this request."""
    return (
        exchange.status_code == 408
        and connection.served > 1
        and not exchange.is_persistent
        and exchange.body_sent is not None
    )
