"""Name look-ups of every driver, answered by the test."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .drivers.facade import Driver


class Names:
    """Makes every name resolve to 127.0.0.1, and keeps those that were asked for. Addresses are left alone.

    Attributes:
        asked: the names, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
        self.asked: list[str] = []
        real = socket.getaddrinfo

        def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
            name = host.decode("ascii") if isinstance(host, bytes) else str(host)
            if not (name[:1].isdigit() or ":" in name):
                self.asked.append(name)
                host = "127.0.0.1"
            return real(host, port, *arguments, **options)

        async def look_up_async(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
            return look_up(host, port, *arguments, **options)

        def look_up_one(host: str) -> str:
            self.asked.append(host)
            return "127.0.0.1"

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "gethostbyname", look_up_one)
        if driver.name == "trio":
            monkeypatch.setattr("trio.socket.getaddrinfo", look_up_async)
        elif driver.is_async:
            # An instance of uvloop's loop takes no attributes, but its Python subclass does.
            monkeypatch.setattr(
                type(driver.loop),  # type: ignore[attr-defined]
                "getaddrinfo",
                lambda loop, *arguments, **options: look_up_async(*arguments, **options),
            )
