"""A process of Python's that says when it is ready, and ends when nobody has a use for it any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT = 5.0


class Child:
    """`python -m MODULE ARGUMENTS...`. Its standard output begins with a line; the end of its standard input ends it.

    Args:
        env: its environment; None for this process's own.
        patience: seconds after which it is killed when it does not end.

    Attributes:
        ready: the line.

    Raises:
        RuntimeError: it has ended without saying anything.
    """

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str] | None = None, patience: float = STOP_TIMEOUT
    ) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=env)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        self._patience = patience
        self.ready = self.stdout.readline()
        if not self.ready:
            self.stop()
            raise RuntimeError(f"the process did not start: {' '.join(command)}")

    def stop(self) -> None:
        """End it."""
        self.stdin.close()
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
