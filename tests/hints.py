"""Who listens to informational responses in tests, on each driver."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import httpfast

from .drivers.facade import Caller, Driver


@dataclass
class Told:
    """What a listener was told.

    Attributes:
        event: set with the first hint.
        error: raised by the listener.
    """

    hints: list[httpfast.Response] = field(default_factory=list)
    event: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def take(self, hint: httpfast.Response) -> None:
        self.hints.append(hint)
        self.event.set()
        if self.error is not None:
            raise self.error

    async def take_async(self, hint: httpfast.Response) -> None:
        self.take(hint)


def listening_client(driver: Driver, told: Told, way: str, **arguments: Any) -> tuple[Caller, dict[str, Any]]:
    """A client whose requests tell, and the arguments that they need for it.

    Args:
        way: "extension" of the request, or "hook" of the client.
    """
    listener = told.take_async if driver.is_async else told.take
    if way == "hook":
        return driver.client(event_hooks={"informational": [listener]}, **arguments), {}
    return driver.client(**arguments), {"extensions": {"informational": listener}}
