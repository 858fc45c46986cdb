"""Real proxies as child processes: squid, tinyproxy and dante, each configured for one run of the tests.

None of the three can be handed a listening socket, so their ports are chosen free and taken a moment later; a start
that fails for that reason is tried again.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.server import Certificates

USER, PASSWORD = "user", "sesame"
"""What proxies that ask for credentials take."""

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
ATTEMPTS = 3
PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/opt/homebrew/sbin"

# Names are asked for once, for a second: those of the tests that exist stand in the file of hosts.
RESOLVER = "timeout:1 attempts:1"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class RealProxy(ABC):
    """A proxy in a process of its own, for as long as the `with` block lasts.

    Args:
        certificates: what an https proxy shows.

    Attributes, once started: `urls`, by name, with credentials where the proxy asks for them.
    """

    program: str
    names: tuple[str, ...]
    """Of its ports, in order."""
    stop_signal = signal.SIGTERM

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._processes: list[subprocess.Popen[bytes]] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.urls: dict[str, str] = {}

    @classmethod
    def executable(cls) -> str | None:
        """The program's path, or None."""
        return shutil.which(cls.program) or shutil.which(cls.program, path=PATHS)

    @classmethod
    def is_installed(cls) -> bool:
        """Whether this machine has it."""
        return os.name == "posix" and cls.executable() is not None

    @abstractmethod
    def commands(self, ports: list[int]) -> list[list[str]]:
        """Write the configuration; the arguments of each process."""

    @abstractmethod
    def make_urls(self, ports: list[int]) -> dict[str, str]:
        """What clients go to."""

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        assert self._temporary is not None, "the proxy is not started"
        return Path(self._temporary.name)

    def start(self) -> Self:
        """Start it and wait until all its ports accept. Raises RuntimeError, with its logs, when they do not."""
        for attempt in range(ATTEMPTS):
            self._temporary = tempfile.TemporaryDirectory(prefix=f"{self.program}-")
            # It may change to a user of its own.
            self.directory.chmod(0o777)
            ports = free_ports(len(self.names))
            try:
                self._launch(ports)
                break
            except BaseException as error:
                self.stop()
                if attempt == ATTEMPTS - 1 or not isinstance(error, RuntimeError):
                    raise
        self.urls = self.make_urls(ports)
        return self

    def stop(self) -> None:
        """End it within 5 seconds and remove its files. May be called twice."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.send_signal(self.stop_signal)
        for process in processes:
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.cleanup()
            self._temporary = None

    def logs(self) -> str:
        """What it has said so far."""
        said = []
        for path in sorted(self.directory.glob("*.log")):
            with suppress(OSError):
                said.append(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}")
        return "\n".join(said)

    def _launch(self, ports: list[int]) -> None:
        for number, arguments in enumerate(self.commands(ports)):
            with (self.directory / f"output-{number}.log").open("wb") as output:
                self._processes.append(
                    subprocess.Popen(
                        [str(self.executable()), *arguments],
                        cwd=self.directory,
                        env=os.environ | {"RES_OPTIONS": RESOLVER},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        deadline = time.monotonic() + START_TIMEOUT
        for port in ports:
            while not self._accepts(port):
                for process in self._processes:
                    # The pause between two attempts, cut short by its end.
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.02)
                        raise RuntimeError(f"{self.program} has ended:\n{self.logs()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.program} does not listen within {START_TIMEOUT} s:\n{self.logs()}")

    def _accepts(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Write a file; its path."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
