"""The server as a child process: started and stopped by a context manager."""

from __future__ import annotations

import json
import os
import ssl
import tempfile
from types import TracebackType
from typing import Self

from .certificates import Certificates
from .child import Child


class EmbeddedServer:
    """`python -m bench.server` in a process of its own, on free ports.

    Args:
        tls: also listen on a TLS port.
        uds: also listen on a Unix socket, where there are any.
        certificates: whose server certificate to present; by default a CA is made for this server.
        loop: `auto` (uvloop if installed), `asyncio` or `uvloop`.

    Attributes, once started: `port`, `url` (`http://127.0.0.1:PORT`), `tls_port`, `tls_url` (`https://localhost:PORT`),
    `uds` (path or None), `ca_file` (PEM path), `has_ipv6`, `loop_name`, `pid`. URLs have no trailing slash.
    """

    def __init__(
        self, *, tls: bool = True, uds: bool = True, certificates: Certificates | None = None, loop: str = "auto"
    ) -> None:
        self._wants_tls = tls
        self._wants_uds = uds and os.name == "posix"
        self._certificates = certificates
        self._loop = loop
        self._process: Child | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.port = 0
        self.url = ""
        self.tls_port: int | None = None
        self.tls_url = ""
        self.uds: str | None = None
        self.ca_file = ""
        self.has_ipv6 = False
        self.loop_name = ""
        self.pid = 0

    def start(self) -> Self:
        """Start the process and wait until it listens. Raises RuntimeError if it exits first."""
        self._directory = tempfile.TemporaryDirectory(prefix="bench-server-")
        certdir = self._directory.name if self._certificates is None else str(self._certificates.directory)
        arguments = ["--port", "0", "--loop", self._loop]
        if self._wants_tls:
            arguments += ["--tls-port", "0", "--certdir", certdir]
        if self._wants_uds:
            arguments += ["--uds", f"{self._directory.name}/http.sock"]
        try:
            self._process = Child("bench.server", *arguments)
        except RuntimeError:
            self.stop()
            raise
        self._take_report(json.loads(self._process.ready))
        return self

    def _take_report(self, ready: dict[str, object]) -> None:
        self.port = int(str(ready["port"]))
        self.url = f"http://127.0.0.1:{self.port}"
        if ready["tls_port"] is not None:
            self.tls_port = int(str(ready["tls_port"]))
            self.tls_url = f"https://localhost:{self.tls_port}"
            self.ca_file = str(ready["ca_file"])
        self.uds = None if ready["uds"] is None else str(ready["uds"])
        self.has_ipv6 = ready["has_ipv6"] is True
        self.loop_name = str(ready["loop"])
        self.pid = int(str(ready["pid"]))

    def stop(self) -> None:
        """End the process: by closing its stdin, or by SIGKILL if it takes over 5 seconds. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def ssl_context(self) -> ssl.SSLContext:
        """A client's context that trusts this server's CA only."""
        return ssl.create_default_context(cafile=self.ca_file)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
