"""A real nginx in the foreground, with a configuration made for one test or benchmark.

Its listening sockets are opened here and inherited by nginx, so that a restart keeps the ports (`bench.nginx`).
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.nginx import NginxProcess, find_nginx
from bench.server import Certificates, content

from . import servers

FILES = {"1k": 1024, "100k": 100_000, "10m": 10_000_000}
"""Static files below /static/: name and octets; each is `content(size)`."""

ZEROES = ("100m", 100_000_000)
"""A sparse static file: zeroes only."""

_CONFIGURATION = """
{user}
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    types {{ text/plain txt; }}
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests {keepalive_requests};
    keepalive_timeout {keepalive_timeout}s;
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    ssl_certificate {server_file};
    ssl_certificate_key {server_file};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:1m;
    {streams}
    open_file_cache max=16;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl{http2};
        listen unix:{uds};
        root {directory}/files;
        add_header x-connection $connection always;
        add_header x-token $http_x_token always;
        location /static/ {{ alias {directory}/files/; }}
        location = /empty {{ return 204; }}
        location = /hello {{ default_type text/plain; return 200 "hello\\n"; }}
        location = /connection {{ default_type text/plain; return 200 "$connection $connection_requests"; }}
        location /chunked/ {{ alias {directory}/files/; ssi on; ssi_types *; }}
        location /gzip/ {{ alias {directory}/files/; gzip on; gzip_types text/plain; gzip_min_length 0; }}
        location = /discard {{ default_type text/plain; return 200 "$content_length"; }}
        location = /upload {{
            proxy_http_version 1.1;
            proxy_request_buffering on;
            proxy_hide_header x-connection;
            proxy_hide_header x-token;
            proxy_pass http://unix:{uds}:/discard;
        }}
    }}
}}
"""


def _descriptors() -> int:
    """How many files a process may have open here, up to what tests can use."""
    import resource  # Not on Windows, where this module must still be importable.

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65_536 if soft == resource.RLIM_INFINITY else min(soft, 65_536)


class Nginx:
    """Start nginx; plain, TLS and Unix-socket listeners on one set of locations.

    /static/{1k,100k,10m,100m,text.txt}, /chunked/... (the same files, chunked), /gzip/text.txt (chunked gzip if
    accepted), /empty (204), /hello, /connection ("SERIAL REQUESTS" of this connection), /upload (reads the whole body,
    answers its length; any method), /discard (answers at once, then drops the body). Responses carry `x-connection` and
    repeat `x-token`.

    Args:
        keepalive_requests: requests after which nginx closes a connection.
        keepalive_timeout: seconds after which nginx closes an idle connection; 0 turns keep-alive off.
        workers: worker processes.
        http2: offer HTTP/2 on the TLS port.
        streams: of one connection at a time, in HTTP/2.
        certificates: whose server certificate to present; by default that of the test run.

    Attributes, once started: `port`, `url`, `tls_port`, `tls_url` (localhost), `uds`, `ca_file`, `pid`.
    """

    def __init__(
        self,
        *,
        keepalive_requests: int = 1_000_000,
        keepalive_timeout: int = 75,
        workers: int = 1,
        http2: bool = False,
        streams: int = 128,
        certificates: Certificates | None = None,
    ) -> None:
        self._keepalive_requests = keepalive_requests
        self._keepalive_timeout = keepalive_timeout
        self._workers = workers
        self._http2 = http2
        self._streams = streams
        self._certificates = certificates
        self._process: NginxProcess | None = None
        self._sockets: list[socket.socket] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.port = 0
        self.url = ""
        self.tls_port = 0
        self.tls_url = ""
        self.uds = ""
        self.ca_file = ""

    @staticmethod
    def available() -> bool:
        """Whether this machine has nginx and can hand it sockets."""
        return find_nginx() is not None

    @property
    def pid(self) -> int:
        """The master's process id, 0 when stopped."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it and wait for its first answer. Raises RuntimeError, with nginx's log, if none comes."""
        try:
            self._open()
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def restart(self, *, graceful: bool = False) -> None:
        """Stop and start again on the same ports; connections are cut, or with `graceful` closed once they are idle."""
        self._end(signal.SIGQUIT if graceful else signal.SIGTERM)
        self._launch()

    def stop(self) -> None:
        """Stop it within 5 seconds and remove its files; from then on its ports refuse. May be called twice."""
        self._end(signal.SIGTERM)
        for sock in self._sockets:
            sock.close()
        self._sockets = []
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def error_log(self) -> str:
        """What nginx logged so far."""
        with suppress(OSError):
            return (self._directory / "error.log").read_text()
        return ""

    @property
    def _directory(self) -> Path:
        if self._temporary is None:
            raise RuntimeError("nginx is not started")
        return Path(self._temporary.name)

    def _open(self) -> None:
        """Make the directory, the sockets and the files."""
        self._temporary = tempfile.TemporaryDirectory(prefix="nginx-")
        self.uds = str(self._directory / "http.sock")
        unix = socket.socket(socket.AF_UNIX)
        self._sockets.append(unix)
        unix.bind(self.uds)
        unix.listen(4096)
        self._sockets += [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(2)]
        self.port, self.tls_port = (int(sock.getsockname()[1]) for sock in self._sockets[1:])
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://localhost:{self.tls_port}"
        self._write_files()
        self._write_configuration()

    def _write_files(self) -> None:
        files = self._directory / "files"
        files.mkdir()
        for name, size in FILES.items():
            (files / name).write_bytes(content(size))
        with (files / ZEROES[0]).open("wb") as file:
            file.truncate(ZEROES[1])
        (files / "text.txt").write_text("".join(f"line {n} of a text that compresses\n" for n in range(2_000)))

    def _write_configuration(self) -> None:
        certificates = self._certificates or servers.certificates()
        self.ca_file = str(certificates.ca_file)
        configuration = _CONFIGURATION.format(
            # As root the workers would change to another user, who cannot enter the temporary directory.
            user="" if os.geteuid() else "user root;",
            workers=self._workers,
            connections=_descriptors() - 64,
            directory=self._directory,
            keepalive_requests=self._keepalive_requests,
            keepalive_timeout=self._keepalive_timeout,
            server_file=certificates.server_file,
            port=self.port,
            tls_port=self.tls_port,
            http2=" http2" if self._http2 else "",
            streams=f"http2_max_concurrent_streams {self._streams};" if self._http2 else "",
            uds=self.uds,
        )
        (self._directory / "nginx.conf").write_text(configuration)

    def _launch(self) -> None:
        executable = find_nginx()
        if executable is None:
            raise RuntimeError("nginx was not found")
        self._process = NginxProcess(executable, self._directory, self._sockets)
        self._process.wait_for_answer(self.port, "/empty", 204)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
