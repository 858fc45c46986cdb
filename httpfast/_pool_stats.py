"""How a client's connections are used: `Client.pool_stats()`."""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._cext.pool import PoolState

__all__ = ["PoolStats", "stats_of", "sum_of"]


@dataclass
class PoolStats:
    """How many connections there are, and how many requests they serve, at one moment.

    Attributes:
        connecting: connections that are being made.
        idle: those that wait for a request.
        active: those that serve one, or several.
        requests: requests that have a connection; over HTTP/2 they may be more than `active`.
        waiting: requests that wait for one, but for those that it is being made for.
        origins: the same by origin, such as "https://example.org:443"; or by proxy, where that forwards the requests.
    """

    connecting: int = 0
    idle: int = 0
    active: int = 0
    requests: int = 0
    waiting: int = 0
    origins: dict[str, PoolStats] = field(default_factory=lambda: dict[str, PoolStats]())

    @property
    def connections(self) -> int:
        """All that count towards `Limits.max_connections`."""
        return self.connecting + self.idle + self.active

    def _add(self, other: PoolStats) -> None:
        self.connecting += other.connecting
        self.idle += other.idle
        self.active += other.active
        self.requests += other.requests
        self.waiting += other.waiting


def _name_of(key: Any) -> str:
    """A pool's key as people write origins. Nothing of it is secret."""
    if len(key) == 2:
        proxy = key[1]
        scheme, host, port = "https" if proxy.is_secure else "http", proxy.host, proxy.port
    else:
        scheme, host, port = key[0].decode("ascii"), key[1].decode("ascii"), key[2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def stats_of(state: PoolState | None) -> PoolStats:
    """Of one pool. A pool of threads has to be locked meanwhile."""
    found = PoolStats()
    for key, connecting, idle, active, requests, waiting in [] if state is None else state.usage():
        one = PoolStats(connecting, idle, active, requests, waiting)
        found.origins.setdefault(_name_of(key), PoolStats())._add(one)
        found._add(one)
    return found


def sum_of(transports: Iterable[Any]) -> PoolStats:
    """Of all these transports; those that keep no connections do not count."""
    found = PoolStats()
    for transport in transports:
        pool_stats = getattr(transport, "pool_stats", None)
        if pool_stats is not None:
            one = pool_stats()
            found._add(one)
            for name, stats in one.origins.items():
                found.origins.setdefault(name, PoolStats())._add(stats)
    return found
