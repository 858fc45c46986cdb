"""nghttpd, of the nghttp2 project: files only."""

from __future__ import annotations

import httpfast
from bench.server import content

from .base import H2Server


class Nghttpd(H2Server):
    """A process each for TLS and for prior knowledge. It sends the body of an upload back."""

    program = "nghttpd"
    package = "nghttp2-server"
    echoes = False
    trailers_at = "/bytes/1024"
    can_leave = False

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        options = ["-a", "127.0.0.1", "-d", self.write_files(), "--echo-upload", "--trailer", "x-note: GET"]
        tls, h2c = map(str, ports)
        return [[*options, tls, self.certificate, self.certificate], [*options, "--no-tls", h2c]]

    def drained(self, response: httpfast.Response) -> int:
        """See `H2Server`."""
        size = len(response.content)
        assert response.content == content(size)
        return size
