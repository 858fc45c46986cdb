"""Hypercorn, whose HTTP/2 is the library h2."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from .base import H2Server


class Hypercorn(H2Server):
    """An application beside this file.

    It cannot leave: from its GOAWAY on it answers nothing any more, not even what it has accepted.
    """

    program = "hypercorn"
    package = "hypercorn"
    can_leave = False

    @classmethod
    def executable(cls) -> str | None:
        """See `Daemon`."""
        return sys.executable if find_spec("hypercorn") is not None else None

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        application = f"{Path(__file__).with_name('hypercorn_app.py')}:application"
        tls, h2c = (f"127.0.0.1:{port}" for port in ports)
        return [
            [
                *("-m", "hypercorn", "--workers", "0", "--bind", tls, "--insecure-bind", h2c),
                *("--certfile", self.certificate, "--keyfile", self.certificate, application),
            ]
        ]
