"""The parent's side of the bench's processes: a client in one of its own (`bench.worker`), the gate (`bench.gate`)."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from .server import Child

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT = 60.0
STOP_TIMEOUT = 3.0


class WorkerError(Exception):
    """A worker said that it could not, said nothing for too long, or died."""


def environment() -> dict[str, str]:
    """The environment without proxies and CA bundles of this machine, which some clients would look at.

    Compiled modules may be cached, as they are for whoever installs a package.
    """
    names = {"http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file"}
    names.add("pythondontwritebytecode")
    return {name: value for name, value in os.environ.items() if name.lower() not in names}


def cores() -> tuple[int | None, int | None]:
    """The cores of the clients and of the server; None where there are no two, or no way to choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[-1], available[0]) if len(available) > 1 else (None, None)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Processes that are started in here run on `core`."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """A client's process.

    Args:
        hello: the first line, see `bench.worker`. The answer is in `ready`.

    Raises:
        WorkerError: the client does not start, or has no such request.
    """

    def __init__(self, hello: dict[str, Any]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `close`
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=environment(),
            cwd=ROOT,
        )
        # A thread, since pipes cannot be waited for with a timeout on every system.
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.ready = self.ask(hello, START_TIMEOUT)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def ask(self, command: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send a command and wait for its answer, for `timeout` seconds at most. Raises WorkerError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise WorkerError(f"no answer within {timeout:.0f} seconds") from None
        except OSError:
            line = ""
        if not line:
            raise WorkerError(f"it died{self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer and answer["error"] is not None and len(answer) == 1:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        try:
            code = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            return ""
        self._errors.seek(0)
        words = self._errors.read()[-300:].decode("utf-8", "replace").strip()
        return f" with status {code}" + (f": {words}" if words else "")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(OSError):  # It died before it had read everything.
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


class GateProcess:
    """The server of the memory case, `bench.gate`, in a process of its own. `url` has no slash at the end."""

    def __init__(self, core: int | None) -> None:
        self._core = core

    def __enter__(self) -> Self:
        try:
            with on_core(self._core):
                self._child = Child("bench.gate", patience=STOP_TIMEOUT)
        except RuntimeError as error:
            raise WorkerError(str(error)) from error
        self.url = f"http://127.0.0.1:{int(self._child.ready)}"
        return self

    def count(self) -> int:
        """Connections that are open now."""
        address = urlsplit(self.url)
        with socket.create_connection((str(address.hostname), int(address.port or 0)), START_TIMEOUT) as client:
            client.sendall(b"GET /open HTTP/1.1\r\nHost: gate\r\n\r\n")
            return int(client.recv(4096).rpartition(b"\r\n\r\n")[2])

    def __exit__(self, *exception: object) -> None:
        self._child.stop()
