"""Real proxies as child processes: squid, tinyproxy and dante, each configured for one run of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import abstractmethod
from typing import ClassVar

from bench.server import Certificates

from ..daemons import Daemon

USER, PASSWORD = "user", "sesame"
"""What proxies that ask for credentials take."""


class RealProxy(Daemon):
    """A proxy in a process of its own, for as long as the `with` block lasts.

    Args:
        certificates: what an https proxy shows.

    Attributes, once started: `urls`, by name, with credentials where the proxy asks for them.
    """

    # Names are asked for once, for a second: those of the tests that exist stand in the file of hosts.
    environment: ClassVar[dict[str, str]] = {"RES_OPTIONS": "timeout:1 attempts:1"}

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self._certificates = certificates
        self.urls: dict[str, str] = {}

    @abstractmethod
    def make_urls(self, ports: list[int]) -> dict[str, str]:
        """What clients go to."""

    def is_listening_on(self, ports: list[int]) -> None:
        """See `Daemon`."""
        self.urls = self.make_urls(ports)


class Squid(RealProxy):
    """Plain and over TLS, each with and without Basic authentication."""

    program = "squid"
    names = ("squid", "squid-auth", "squid-tls", "squid-tls-auth")
    # By SIGTERM it takes two seconds to say goodbye to nobody; its helpers end with their pipes.
    stop_signal = signal.SIGKILL

    @classmethod
    def is_installed(cls) -> bool:
        """Whether this machine has it, with OpenSSL: Debian's package `squid-openssl`."""
        if not super().is_installed():
            return False
        version = subprocess.run([str(cls.executable()), "-v"], capture_output=True, text=True, check=False).stdout
        return "--with-openssl" in version

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `RealProxy`."""
        certificate = self.write("server.pem", self._certificates.server_file.read_text())
        answers = f'case $line in "{USER} {PASSWORD}") echo OK;; *) echo ERR;; esac'
        helper = self.write("helper.sh", f"#!/bin/sh\nwhile read -r line; do {answers}; done\n", 0o755)
        tls = f"tls-cert={certificate} tls-key={certificate}"
        configuration = self.write(
            "squid.conf",
            f"""
http_port 127.0.0.1:{ports[0]} name=open
http_port 127.0.0.1:{ports[1]} name=closed
https_port 127.0.0.1:{ports[2]} name=open-tls {tls}
https_port 127.0.0.1:{ports[3]} name=closed-tls {tls}
auth_param basic program {helper}
auth_param basic children 2 startup=1
auth_param basic realm tests
acl asks myportname closed closed-tls
acl known proxy_auth REQUIRED
http_access deny asks !known
http_access allow all
dns_timeout 1 seconds
dns_retransmit_interval 1 seconds
connect_timeout 2 seconds
cache deny all
cache_log {self.directory}/cache.log
access_log none
netdb_filename none
pid_filename {self.directory}/squid.pid
coredump_dir {self.directory}
shutdown_lifetime 0 seconds
max_filedescriptors 1024
pinger_enable off
""",
        )
        return [["-N", "-f", configuration]]

    def make_urls(self, ports: list[int]) -> dict[str, str]:
        """See `RealProxy`."""
        return {
            "squid": f"http://127.0.0.1:{ports[0]}",
            "squid-auth": f"http://{USER}:{PASSWORD}@127.0.0.1:{ports[1]}",
            "squid-tls": f"https://localhost:{ports[2]}",
            "squid-tls-auth": f"https://{USER}:{PASSWORD}@localhost:{ports[3]}",
        }


class Tinyproxy(RealProxy):
    """With and without Basic authentication. It closes its connection after each request that it forwards."""

    program = "tinyproxy"
    names = ("tinyproxy", "tinyproxy-auth")

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `RealProxy`."""
        settings = "Listen 127.0.0.1\nTimeout 60\nMaxClients 200\nLogLevel Warning\n"
        credentials = ("", f"BasicAuth {USER} {PASSWORD}\n")
        return [
            ["-d", "-c", self.write(f"tinyproxy-{port}.conf", f"Port {port}\n{settings}{extra}")]
            for port, extra in zip(ports, credentials, strict=True)
        ]

    def make_urls(self, ports: list[int]) -> dict[str, str]:
        """See `RealProxy`."""
        return {
            "tinyproxy": f"http://127.0.0.1:{ports[0]}",
            "tinyproxy-auth": f"http://{USER}:{PASSWORD}@127.0.0.1:{ports[1]}",
        }


class Dante(RealProxy):
    """SOCKS5 without authentication: its users would have to be the system's."""

    program = "danted"
    names = ("dante",)

    def commands(self, ports: list[int]) -> list[list[str]]:
        """See `RealProxy`."""
        user = "user.unprivileged: nobody\n" if os.geteuid() == 0 else ""
        configuration = self.write(
            "danted.conf",
            f"""
logoutput: {self.directory}/danted.log
internal: 127.0.0.1 port = {ports[0]}
external: lo
clientmethod: none
socksmethod: none
{user}
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: ::/0 }}
""",
        )
        return [["-f", configuration, "-p", f"{self.directory}/danted.pid"]]

    def make_urls(self, ports: list[int]) -> dict[str, str]:
        """See `RealProxy`."""
        return {"dante": f"socks5h://127.0.0.1:{ports[0]}"}
