"""When to send a keepalive ping, and when the connection counts as lost. The clock is passed in: monotonic seconds."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Keepalive"]


class Keepalive:
    """The keepalive of one WebSocket.

    Args:
        interval: seconds between two pings; None for none at all.
        timeout: seconds for a pong; None for no limit.
        now: the time.
        notify: called when a pong has come, and `at` has changed by that.

    Attributes:
        at: when to call `step` next.
    """

    def __init__(self, interval: float | None, timeout: float | None, now: float, notify: Callable[[], object]) -> None:
        self._interval = inf if interval is None else interval
        self._timeout = inf if timeout is None else timeout
        self._notify = notify
        self._sent_at = now
        self._is_unanswered = False
        self.at = now + self._interval

    def step(self, now: float, is_held_up: bool) -> bool:
        """Whether to send a ping now; its pong is to call `set`.

        Args:
            now: the time.
            is_held_up: whether what the peer has sent waits to be received. A pong that lies behind it is not late.

        Raises:
            TimeoutError: the last one has not been answered in time.
        """
        if now < self.at:
            return False
        if self._is_unanswered:
            if not is_held_up:
                raise TimeoutError(f"A ping was not answered within {self._timeout} s")
            self.at = now + self._timeout
            return False
        self._sent_at = now
        self._is_unanswered = self._timeout != inf
        self.at = now + (self._timeout if self._is_unanswered else self._interval)
        return True

    def set(self) -> None:
        """The pong has come."""
        if self._is_unanswered:
            self._is_unanswered = False
            self.at = self._sent_at + self._interval
            self._notify()
