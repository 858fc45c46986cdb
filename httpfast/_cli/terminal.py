"""Where a command's output goes: what is shown, what is told beside it, and octets as they are.

    standard output is          `out` shows on    a body goes
    a terminal                  it                to `out`, text made fit for it, binary content summed up
    a file or a pipe            standard error    to `octets`, unchanged
    an object without a         it                to `out`, without colours
    descriptor, as in tests

`err` is standard error: errors, progress, timings.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from .text import visible, visible_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO, TextIO

__all__ = ["FILE_FAILURE", "OutputError", "Terminal", "writing"]

FILE_FAILURE = 3
"""Exit status: a file or the standard output could not be written, or a file not be read."""


class OutputError(Exception):
    """What was to be written cannot be: the text says what and why; empty where nobody reads any more.

    No OSError, for the client would take one in the middle of a dial for the network's.
    """


class _Console(Console):
    """A console that leaves its process alone when its reader has gone."""

    def on_broken_pipe(self) -> None:
        raise OutputError


def _console(file: TextIO) -> Console:
    # No wrapping: what is shown does not depend on the width of the terminal, and can be copied.
    return _Console(file=file, soft_wrap=True, highlight=False, markup=False, emoji=False)


class Terminal:
    """What a command writes to.

    Args:
        out: shows heads and bodies.
        err: tells about errors, progress and timings.
        octets: takes bodies as they are; None if `out` shows them.
    """

    def __init__(self, out: Console, err: Console, octets: BinaryIO | None = None) -> None:
        self.out = out
        self.err = err
        self.octets = octets

    @classmethod
    def of_process(cls, *, is_raw: bool = False) -> Terminal:
        """The terminal, or what stands in its place, that this process was started with.

        Args:
            is_raw: bodies go to it as they are, even to a terminal.

        Raises:
            OutputError: the standard output is closed.
        """
        stdout, stderr = sys.stdout, sys.stderr
        if stderr is None:
            stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
        err = _console(stderr)
        if stdout is None:
            raise OutputError("The standard output is closed")
        if is_raw or (_is_descriptor(stdout) and not stdout.isatty()):
            return cls(err, err, stdout.buffer)
        if hasattr(stdout, "reconfigure"):
            # A character that the terminal's encoding does not have is no reason to show nothing.
            stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        return cls(_console(stdout), err)

    @property
    def is_piped(self) -> bool:
        """Whether bodies go on as they are."""
        return self.octets is not None

    def show(self, text: Text) -> None:
        """Show lines that are fit to be shown.

        Raises:
            OutputError
        """
        with writing("the output"):
            self.out.print(text)

    def tell(self, text: Text | str) -> None:
        """Tell something beside the output; plain text is made fit for it.

        Raises:
            OutputError
        """
        with writing("the standard error"):
            self.err.print(Text(visible(text)) if isinstance(text, str) else text)

    def tell_error(self, kind: str, message: str) -> None:
        """Tell what has gone wrong; silent if nobody listens."""
        text = Text.assemble((kind, "red"), ": ", visible_line(message))
        try:
            self.err.print(text)
        except (OSError, OutputError):
            return

    def write(self, data: bytes) -> None:
        """Write octets of a body, at once.

        Raises:
            OutputError: empty if the reader has gone.
        """
        assert self.octets is not None
        try:
            with writing("the standard output"):
                self.octets.write(data)
                self.octets.flush()
        except OutputError:
            self._forget_output()
            raise

    def _forget_output(self) -> None:
        """Let the interpreter's last flush of the standard output succeed: the failure is known."""
        assert self.octets is not None
        if not _is_descriptor(self.octets):
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.octets.fileno())
        os.close(null)


@contextmanager
def writing(name: str) -> Generator[None]:
    """Raises OutputError for the system's errors in the block."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputError from error
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}") from error


def _is_descriptor(file: TextIO | BinaryIO) -> bool:
    try:
        return file.fileno() >= 0
    except (AttributeError, OSError, ValueError):
        return False
