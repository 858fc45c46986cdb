"""The servers of the soak: an nginx for nearly all requests, and the origin that misbehaves, each in its own processes.

nginx closes connections after some requests and when they were idle for a while, and `reload` has it start over with
new workers while the old ones end what they have begun: faults that hit connections on which all is well otherwise.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench.memory import SPARE_DESCRIPTORS, raise_descriptor_limit
from bench.nginx import NginxProcess, find_nginx
from bench.remote import environment, on_core
from bench.server import Child, write_certificates

from .cards import HUGE_BYTES, LARGE, PAD

CONNECTIONS = 16_384

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
worker_shutdown_timeout 10s;
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests {keepalive_requests};
    keepalive_timeout {keepalive_timeout};
    client_max_body_size 0;
    client_body_buffer_size 1m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    open_file_cache max=16;
    ssl_certificate {server_file};
    ssl_certificate_key {server_file};
    ssl_session_cache shared:tls:1m;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{h1};
        listen 127.0.0.1:{h1_tls} ssl;
        listen 127.0.0.1:{h2} ssl http2;
        listen 127.0.0.1:{h2c} http2;
        root {directory}/files;
        location = /small {{ return 200 "$http_x_token{pad}"; }}
        location = /large {{ add_header x-token $http_x_token always; }}
        location = /huge {{ }}
        location = /put {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        location = /post {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


class Origin:
    """`tests.soak.origin` in a process of its own. `ports`: by name."""

    def __init__(self, directory: str, core: int | None) -> None:
        with on_core(core):
            self._child = Child("tests.soak.origin", directory, env=environment())
        self.ports: dict[str, int] = json.loads(self._child.ready)

    def close(self) -> None:
        """End it."""
        self._child.stop()


class Nginx:
    """nginx: its `process`, and `ports`: h1, h1_tls, h2, h2c."""

    def __init__(self, directory: Path, origin: int, core: int | None, requests: int, idle: str) -> None:
        executable = find_nginx()
        if executable is None:
            raise RuntimeError("nginx is not installed")
        listeners = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(4)]
        names = ("h1", "h1_tls", "h2", "h2c")
        self.ports = {name: int(sock.getsockname()[1]) for name, sock in zip(names, listeners, strict=True)}
        files = directory / "files"
        files.mkdir()
        (files / "large").write_bytes(LARGE)
        with (files / "huge").open("wb") as file:
            file.truncate(HUGE_BYTES)
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                # As root the workers would change to another user, who cannot enter the temporary directory.
                user="" if os.geteuid() else "user root;",
                directory=directory,
                connections=raise_descriptor_limit(CONNECTIONS) - SPARE_DESCRIPTORS,
                keepalive_requests=requests,
                keepalive_timeout=idle,
                server_file=write_certificates(directory).server_file,
                origin=origin,
                pad=PAD.decode(),
                **self.ports,
            )
        )
        with on_core(core):
            self.process = NginxProcess(executable, directory, listeners)
        for listener in listeners:
            listener.close()


class Servers:
    """Both, with a certificate made for them.

    Args:
        core: where they run; None for anywhere.
        keepalive_requests: after which nginx closes a connection.
        keepalive_timeout: after which it closes an idle one, in nginx's notation.

    Attributes:
        urls: by protocol ("h1", "h2") and place (see `cards.Card`); no slash at the end. "h2c" has HTTP/2 without TLS.
        ca_file: the root that has signed the certificate.
    """

    def __init__(self, core: int | None = None, keepalive_requests: int = 997, keepalive_timeout: str = "2s") -> None:
        self._core = core
        self._requests = keepalive_requests
        self._idle = keepalive_timeout

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-"))
            self.ca_file = str(write_certificates(directory).ca_file)
            origin = Origin(directory, self._core)
            stack.callback(origin.close)
            self.nginx = Nginx(Path(directory), origin.ports["h1"], self._core, self._requests, self._idle)
            stack.callback(self.nginx.process.end)
            front = self.nginx.ports
            plain, tls = "http://127.0.0.1:{}".format, "https://localhost:{}".format
            self.urls = {
                "h1": {
                    "front": plain(front["h1"]),
                    "front-tls": tls(front["h1_tls"]),
                    "origin": plain(origin.ports["h1"]),
                },
                "h2": {
                    "front": tls(front["h2"]),
                    "origin": tls(origin.ports["h2"]),
                    "wreck": tls(origin.ports["wreck"]),
                },
                "h2c": {"front": plain(front["h2c"])},
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
