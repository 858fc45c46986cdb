"""What the pools have in common. They carry out what `PoolState` decides.

    request ──► checkout ─────────────► an idle connection
                   └── acquire ──► line ──► a connection set free by another request, or one fresh from a dial

One for an event loop (`push_pool`), one for threads (`pull_pool`), one for trio (`pull_trio`).
"""

from __future__ import annotations

from .._cext.buffer import expect_large_blocks
from .._cext.pool import PoolState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._config import Limits

__all__ = ["new_state"]

expect_large_blocks()


def new_state(limits: Limits, *, late_binding: bool, multiplex: bool = False) -> PoolState:
    """The decisions of a new pool. See `PoolState` for `late_binding`."""
    return PoolState(
        limits.max_connections,
        limits.max_keepalive_connections,
        limits.max_connections_per_host,
        limits.keepalive_expiry,
        late_binding=late_binding,
        multiplex=multiplex,
    )
