"""HAProxy."""

from __future__ import annotations

import os
import signal

from .base import H2Server

_CONFIGURATION = """
global
    hard-stop-after 20s
    maxconn 2000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend entrance
    log stdout format raw local0
    # A line that says nothing of the answer is written twice.
    log-format "%HU %ST %B"
    bind 127.0.0.1:{tls} ssl crt {certificate} alpn h2,http/1.1
    bind 127.0.0.1:{h2c} proto h2
    default_backend origin
backend origin
    server origin {origin}
"""


class HAProxy(H2Server):
    """In front of the embedded server. Its reload is a new process under the same master; the old one says goodbye."""

    program = "haproxy"
    package = "haproxy"
    access_log = "output-0.log"

    # Version 2.6.12, some times in a hundred, sends nothing more on a stream although its windows are open. httpx 0.28
    # meets the same.
    may_stall = True

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        configuration = _CONFIGURATION.format(
            certificate=self.certificate, origin=self.origin, **dict(zip(self.names, ports, strict=True))
        )
        return [["-W", "-db", "-f", self.write("haproxy.cfg", configuration)]]

    def leave(self) -> None:
        """See `H2Server`."""
        os.kill(self.pid, signal.SIGUSR2)
