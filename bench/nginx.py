"""nginx as a process: found, handed its sockets, waited for and ended.

Its listening sockets are made by who starts it, and inherited by the mechanism of nginx's binary upgrade (the variable
NGINX): the ports are free for certain, and connections are accepted from the first moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0


def find_nginx() -> str | None:
    """The path of nginx, which is often outside of a user's PATH; None if there is none that takes our sockets."""
    if os.name != "posix":
        return None
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


class NginxProcess:
    """nginx with the configuration `nginx.conf` of a folder, which has to keep it in the foreground.

    Args:
        executable: see `find_nginx`.
        folder: also what relative paths of the configuration are relative to.
        listeners: sockets of the addresses in the configuration. They stay the caller's to close.
    """

    def __init__(self, executable: str, folder: Path, listeners: Sequence[socket.socket]) -> None:
        self._folder = folder
        for listener in listeners:
            # nginx takes them for sockets of its own. One that blocks would hold a worker in accept() when another was
            # faster, as after a reload, and nobody would serve the connections that it has.
            listener.setblocking(False)
        descriptors = [listener.fileno() for listener in listeners]
        self._process = subprocess.Popen(
            [executable, "-p", str(folder), "-c", str(folder / "nginx.conf")],
            env=os.environ | {"NGINX": "".join(f"{descriptor};" for descriptor in descriptors)},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """The master's process id."""
        return self._process.pid

    def wait_for_answer(self, port: int, path: str, status: int) -> None:
        """Wait until a GET has this answer. Raises RuntimeError, with nginx's log, if it never has.

        Args:
            port: one without TLS.
        """
        deadline = time.monotonic() + START_TIMEOUT
        with socket.create_connection(("127.0.0.1", port), START_TIMEOUT) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            # The socket is open even if nginx has died, so look after it now and then.
            client.settimeout(0.1)
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(TimeoutError):
                    if client.recv(64).startswith(f"HTTP/1.1 {status} ".encode()):
                        return
                    break
        log = self._folder / "error.log"
        raise RuntimeError(f"nginx did not start: {log.read_text()[-500:] if log.exists() else 'it left no log'}")

    def reload(self) -> None:
        """Have it start new workers, and the old ones end when they have nothing left to do."""
        self._process.send_signal(signal.SIGHUP)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, with SIGTERM or SIGQUIT, and if that does not help, with SIGKILL."""
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
