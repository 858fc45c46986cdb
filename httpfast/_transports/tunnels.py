"""CONNECT over HTTP/2: which requests become one, and when it may be sent (RFC 9113, 8.5; RFC 8441).

A request says by its extension `protocol` what it wants to speak on its stream. It is a CONNECT, or a GET with Upgrade
that goes over HTTP/2 as a CONNECT where that can be, and over HTTP/1.1 as it is where not.
"""

from __future__ import annotations

from .._exceptions import LocalProtocolError
from .connector import time_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._cext.exchange import Exchange
    from .connector import Route

__all__ = ["H1_SCHEMES", "by_upgrade", "check_connect", "connect_instead", "ready_to_connect", "ready_to_connect_async"]

# The schemes of keys whose connections may speak HTTP/2, and of those to the same place that speak HTTP/1.1 only.
H1_SCHEMES = {b"https": b"wss", b"http": b"ws"}
_H2_SCHEMES = {b"wss": b"https", b"ws": b"http"}

# What asks for an upgrade in HTTP/1.1, and has no meaning on a stream (RFC 8441, 5).
_UPGRADE_FIELDS = frozenset({b"connection", b"upgrade", b"sec-websocket-key"})


def check_connect(exchange: Exchange, route: Route) -> bool:
    """Whether a request with a `protocol` may go over HTTP/2.

    Raises:
        LocalProtocolError: it has to, and HTTP/2 is off.
    """
    if not route.http2 and exchange.method == "CONNECT":
        raise LocalProtocolError("An extended CONNECT needs HTTP/2, which is not turned on (RFC 8441, 4)")
    return route.http2


def connect_instead(upgrade: Exchange) -> Exchange:
    """The CONNECT in the place of a GET with Upgrade, on connections that other requests to the origin use too."""
    key = upgrade.key
    fields = tuple(field for field in upgrade.fields_sent if field[1] not in _UPGRADE_FIELDS)
    return upgrade.as_connect((_H2_SCHEMES.get(key[0], key[0]), *key[1:]), fields)


def by_upgrade(upgrade: Exchange) -> Exchange:
    """The GET with Upgrade, on connections that speak HTTP/1.1."""
    key = upgrade.key
    upgrade.reroute((H1_SCHEMES.get(key[0], key[0]), *key[1:]), upgrade.target, upgrade.fields_sent)
    return upgrade


def ready_to_connect(connection: Any, exchange: Exchange) -> None:
    """Wait until a connection can say whether it takes an extended CONNECT: its server's SETTINGS do (RFC 8441, 3).

    Raises:
        LocalProtocolError: it speaks HTTP/1.1.
        ReadTimeout
    """
    if _needs_settings(connection, exchange):
        connection.wait_settings(exchange, exchange.read_timeout)


async def ready_to_connect_async(connection: Any, exchange: Exchange) -> None:
    """As `ready_to_connect`, for a connection on an event loop."""
    if _needs_settings(connection, exchange):
        progress = connection.wait_settings(time_left(exchange.read_timeout, exchange.deadline))
        if progress is not None:
            await progress


def _needs_settings(connection: Any, exchange: Exchange) -> bool:
    if exchange.method != "CONNECT":
        return False
    if not connection.is_shared:
        raise LocalProtocolError("An extended CONNECT needs HTTP/2, which the server does not speak (RFC 8441, 4)")
    return True
