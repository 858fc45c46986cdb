"""The servers that clients are measured against: nginx where it is installed, else the embedded one of `bench.server`.

Both serve /bytes/N (for the sizes of the cases) and /json over plain and TLS ports of 127.0.0.1, on a core that the
clients do not use. nginx: one worker, sendfile, no access log, keep-alive without end, TLS 1.3, a throw-away CA. It has
two ports more for HTTP/2, one over TLS and a plain one, so that nobody negotiates HTTP/2 in a case of HTTP/1.1.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .cases import CASES, JSON_PATH
from .memory import SPARE_DESCRIPTORS, raise_descriptor_limit
from .nginx import NginxProcess, find_nginx
from .remote import on_core
from .server import EmbeddedServer, content, write_certificates
from .server.routes import DOCUMENT

BACKLOG = 4096
MOST_CONNECTIONS = 16_384
MOST_STREAMS = 1_024
"""HTTP/2: requests at once on a connection. With nginx's default, 128, cases with more in flight would compare how many
connections clients open, and not what a stream costs."""

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    http2_max_concurrent_streams {streams};
    client_body_buffer_size 1m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    open_file_cache max=16;
    ssl_certificate {server_file};
    ssl_certificate_key {server_file};
    ssl_protocols TLSv1.3;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        listen 127.0.0.1:{h2_port} ssl http2;
        listen 127.0.0.1:{h2c_port} http2;
        root {directory}/files;
        location = {json_path} {{ default_type application/json; return 200 '{document}'; }}
    }}
}}
"""


class Server(Protocol):
    """A running server: its URLs without a slash at the end, and the CA of those with TLS."""

    name: str
    url: str
    tls_url: str
    ca_file: str

    @property
    def h2_url(self) -> str | None:
        """HTTP/2 over TLS; None of a server that has no HTTP/2."""


class Nginx:
    """nginx in a temporary folder. Raises RuntimeError if it does not start: it may be built without HTTP/2."""

    def __init__(self, executable: str, core: int | None) -> None:
        self._executable = executable
        self._core = core
        version = subprocess.run([executable, "-v"], capture_output=True, text=True, timeout=10, check=False).stderr
        self.name = version.strip().rpartition(" ")[2] or "nginx"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-nginx-")
        self._process: NginxProcess | None = None
        self._sockets: list[socket.socket] = []
        try:
            self._start(Path(self._folder.name))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self, folder: Path) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) for _ in range(4)]
        port, tls_port, h2_port, h2c_port = (int(listener.getsockname()[1]) for listener in self._sockets)
        self.url, self.tls_url = f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"
        # HTTP/2 by prior knowledge, and over TLS.
        self.h2c_url, self.h2_url = f"http://127.0.0.1:{h2c_port}", f"https://127.0.0.1:{h2_port}"
        certificates = write_certificates(folder)
        self.ca_file = str(certificates.ca_file)
        for size in {case.size for case in CASES}:
            file = folder / "files" / "bytes" / str(size)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content(size))
        configuration = _CONFIGURATION.format(
            # As root the worker would become another user, who may not enter the temporary folder.
            user="" if os.geteuid() else "user root;",
            directory=folder,
            connections=raise_descriptor_limit(MOST_CONNECTIONS) - SPARE_DESCRIPTORS,
            server_file=certificates.server_file,
            port=port,
            tls_port=tls_port,
            h2_port=h2_port,
            h2c_port=h2c_port,
            streams=MOST_STREAMS,
            json_path=JSON_PATH,
            document=DOCUMENT.decode().replace("\\", "\\\\"),
        )
        (folder / "nginx.conf").write_text(configuration)
        with on_core(self._core):
            self._process = NginxProcess(self._executable, folder, self._sockets)
        self._process.wait_for_answer(port, JSON_PATH, 200)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.end()
        for listener in self._sockets:
            listener.close()
        self._folder.cleanup()


class Embedded(EmbeddedServer):
    """The embedded server, on a core of its own. It is Python: what it cannot serve faster bounds requests a second."""

    h2_url = None

    def __init__(self, core: int | None) -> None:
        super().__init__(uds=False)
        self._core = core

    def __enter__(self) -> Self:
        with on_core(self._core):
            self.start()
        self.name = f"bench.server on {self.loop_name}"
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"
        return self


def open_server(kind: str, core: int | None) -> Nginx | Embedded:
    """The server called `kind`: "nginx", "embedded", or "auto": nginx if there is one.

    Raises:
        RuntimeError: nginx was asked for, and there is none.
    """
    executable = None if kind == "embedded" else find_nginx()
    if executable is None:
        if kind == "nginx":
            raise RuntimeError("nginx was not found")
        return Embedded(core)
    return Nginx(executable, core)
