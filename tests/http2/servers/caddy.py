"""Caddy, which is Go's net/http."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from .base import H2Server


class Caddy(H2Server):
    """Files of its own, and for the rest in front of the embedded server."""

    program = "caddy"
    package = "caddy"
    names = ("tls", "h2c", "admin")

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        tls, h2c, admin = (f"127.0.0.1:{port}" for port in ports)
        routes = [
            {
                "match": [{"path": ["/bytes/*"]}],
                "handle": [{"handler": "file_server", "root": self.write_files()}],
            },
            {"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": self.origin}]}]},
        ]
        common: dict[str, Any] = {"routes": routes, "automatic_https": {"disable": True}, "logs": {}}
        configuration = {
            "admin": {"listen": admin, "config": {"persist": False}},
            "storage": {"module": "file_system", "root": str(self.directory)},
            "logging": {
                "logs": {
                    "default": {"level": "ERROR"},
                    "access": {
                        "writer": {"output": "file", "filename": str(self.directory / self.access_log)},
                        "include": ["http.log.access"],
                    },
                }
            },
            "apps": {
                "tls": {"certificates": {"load_files": [{"certificate": self.certificate, "key": self.certificate}]}},
                "http": {
                    "grace_period": "20s",
                    "servers": {
                        "tls": common | {"listen": [tls], "protocols": ["h1", "h2"], "tls_connection_policies": [{}]},
                        "h2c": common | {"listen": [h2c], "protocols": ["h1", "h2", "h2c"]},
                    },
                },
            },
        }
        return [["run", "--config", self.write("caddy.json", json.dumps(configuration))]]

    def leave(self) -> None:
        """See `H2Server`."""
        reload = Request(
            f"http://127.0.0.1:{self.ports['admin']}/load",
            (self.directory / "caddy.json").read_bytes(),
            # Without the second it would do nothing, for nothing has changed.
            {"Content-Type": "application/json", "Cache-Control": "must-revalidate"},
        )
        build_opener(ProxyHandler({})).open(reload, timeout=30).close()
