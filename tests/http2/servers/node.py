"""Node.js and its module http2, which is nghttp2."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from .base import H2Server


class Node(H2Server):
    """A server in JavaScript, beside this file."""

    program = "node"
    package = "nodejs"

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        script = Path(__file__).with_name("node_server.js")
        log = str(self.directory / self.access_log)
        return [[str(script), self.certificate, *map(str, ports), log]]

    def leave(self) -> None:
        """See `H2Server`."""
        os.kill(int((self.directory / f"{self.access_log}.pid").read_text()), signal.SIGUSR2)
