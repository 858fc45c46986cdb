"""What came of the requests."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .cards import Card

SHOWN = 40
"""Violations that are kept word for word."""


class NoAnswer(Exception):
    """The response is not the one to its request, or there should be none."""


@dataclass
class Tally:
    """What one worker has seen; it belongs to one thread.

    Attributes:
        done: requests that have ended, one way or another.
        outcomes: (protocol, card, outcome) -> how often; "ok" is a right answer.
        violations: what must not be.
    """

    done: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    violated: int = 0

    def ended(self, protocol: str, card: Card, outcome: str) -> None:
        """A request has ended as it may."""
        self.done += 1
        self.outcomes[protocol, card.name, outcome] += 1

    def failed(self, protocol: str, card: Card, token: str, error: BaseException) -> None:
        """A request has ended in an exception; whether it may, its card says."""
        if isinstance(error, card.errors):
            self.ended(protocol, card, type(error).__name__)
            return
        self.done += 1
        self.violated += 1
        self.outcomes[protocol, card.name, f"wrong: {type(error).__name__}"] += 1
        if len(self.violations) < SHOWN:
            self.violations.append(f"{protocol} {card.place} {card.name} of {token}: {error!r}"[:400])


class Tallies:
    """Those of all workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Tally] = []
        self.extra: list[str] = []

    def new(self) -> Tally:
        tally = Tally()
        with self._lock:
            self._all.append(tally)
        return tally

    @property
    def done(self) -> int:
        """Requests so far."""
        return sum(tally.done for tally in self._all)

    def violation(self, text: str) -> None:
        """Something that no request has seen."""
        self.extra.append(text)

    def summary(self) -> dict[str, Any]:
        """All of it, for JSON."""
        outcomes: Counter[tuple[str, str, str]] = Counter()
        for tally in self._all:
            outcomes += tally.outcomes
        table: dict[str, dict[str, dict[str, int]]] = {}
        for (protocol, card, outcome), count in sorted(outcomes.items()):
            table.setdefault(protocol, {}).setdefault(card, {})[outcome] = count
        return {
            "done": self.done,
            "requests": {name: sum(sum(row.values()) for row in cards.values()) for name, cards in table.items()},
            "outcomes": table,
            "violated": sum(tally.violated for tally in self._all) + len(self.extra),
            "violations": [*self.extra, *[text for tally in self._all for text in tally.violations]][:SHOWN],
        }
