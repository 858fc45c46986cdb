"""nginx."""

from __future__ import annotations

import os
import signal

from bench.server import Certificates, EmbeddedServer

from .base import H2Server

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{ worker_connections 4096; }}
http {{
    log_format target "$request_uri";
    access_log {directory}/access.log target;
    default_type application/octet-stream;
    keepalive_requests {keepalive_requests};
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        listen 127.0.0.1:{h2c} http2;
        root {files};
        location = /echo {{
            default_type application/json;
            return 200 '{{"method":"$request_method","target":"$request_uri","headers":[["x-token","$http_x_token"]]}}';
        }}
        location = /trailers {{ add_trailer x-note "$request_method"; try_files /bytes/1024 =404; }}
        location = /drain {{
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:{inner};
        }}
    }}
    server {{
        listen 127.0.0.1:{inner};
        access_log off;
        location = /drain {{ default_type text/plain; return 200 "$content_length"; }}
    }}
}}
"""


class Nginx(H2Server):
    """Its reload is a new process; the old one says goodbye.

    Args:
        keepalive_requests: requests after which a connection is closed.
    """

    program = "nginx"
    package = "nginx-light"
    names = ("tls", "h2c", "inner")

    def __init__(
        self, certificates: Certificates, origin: EmbeddedServer, *, keepalive_requests: int = 1_000_000
    ) -> None:
        super().__init__(certificates, origin)
        self._keepalive_requests = keepalive_requests

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        configuration = _CONFIGURATION.format(
            # As root its workers would change to another user, who cannot enter the folder.
            user="" if os.geteuid() else "user root;",
            directory=self.directory,
            files=self.write_files(),
            certificate=self.certificate,
            keepalive_requests=self._keepalive_requests,
            **dict(zip(self.names, ports, strict=True)),
        )
        return [["-p", str(self.directory), "-c", self.write("nginx.conf", configuration)]]

    def leave(self) -> None:
        """See `H2Server`."""
        os.kill(self.pid, signal.SIGHUP)
