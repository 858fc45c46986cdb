"""Programs that serve, as child processes of one run of the tests: started on free ports, with a folder of their own.

Most of them cannot be handed a listening socket, so their ports are chosen free and taken a moment later; a start that
fails for that reason is tried again.
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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
ATTEMPTS = 3
PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/opt/homebrew/sbin"
TURN = 0.02
"""Seconds between two looks at a program that has not done yet what is waited for."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class Daemon(ABC):
    """A program in processes of its own, for as long as the `with` block lasts."""

    program: str
    names: tuple[str, ...]
    """Of its ports, in order."""
    stop_signal = signal.SIGTERM
    environment: ClassVar[dict[str, str]] = {}
    """What its environment has beside that of the tests."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

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
    def is_listening_on(self, ports: list[int]) -> None:
        """It listens on these ports now, in the order of `names`."""

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        assert self._temporary is not None, f"{self.program} is not started"
        return Path(self._temporary.name)

    @property
    def pid(self) -> int:
        """The process id of the first process."""
        return self._processes[0].pid

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
        self.is_listening_on(ports)
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

    def wait_until(self, is_done: Callable[[], bool], what: str) -> None:
        """Block until it has done something. Raises RuntimeError, with its logs, when it ends or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT
        while not is_done():
            for process in self._processes:
                # The pause between two looks, cut short by its end.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(TURN)
                    raise RuntimeError(f"{self.program} has ended:\n{self.logs()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.program} has not {what} within {START_TIMEOUT} s:\n{self.logs()}")

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Write a file; its path."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def _launch(self, ports: list[int]) -> None:
        for number, arguments in enumerate(self.commands(ports)):
            with (self.directory / f"output-{number}.log").open("wb") as output:
                self._processes.append(
                    subprocess.Popen(
                        [str(self.executable()), *arguments],
                        cwd=self.directory,
                        env=os.environ | self.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        for port in ports:
            self.wait_until(lambda port=port: accepts(port), f"listened on port {port}")  # type: ignore[misc]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
