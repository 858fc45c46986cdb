"""Runs the blocks of Python of a page, in order, each as a program of its own in this process:

    python -m tests.docs.page docs/PAGE.md REPORT

REPORT becomes a list in JSON, one row a block: its place, what each line printed, and the traceback of an error or "".
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from .blocks import ROOT, Block, blocks


class Listener(io.StringIO):
    """A standard output that knows which line of the page prints."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self._open: dict[int, str] = {}
        self.printed: dict[int, list[str]] = {}

    def write(self, text: str) -> int:
        """`print` writes the end of its line by itself."""
        line = self._line(sys._getframe(1))
        if line is not None:
            if text == "\n":
                self.printed.setdefault(line, []).append(self._open.pop(line, ""))
            else:
                self._open[line] = self._open.get(line, "") + text
        return super().write(text)

    def _line(self, frame: FrameType | None) -> int | None:
        while frame is not None:
            if frame.f_code.co_filename == self._page:
                return frame.f_lineno
            frame = frame.f_back
        return None


def run(block: Block) -> dict[str, Any]:
    """Run a block as a program; top-level `await` as in IPython."""
    listener, error = Listener(block.page), ""
    names: dict[str, Any] = {"__name__": "__main__"}
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    sys.stdout = listener
    try:
        code = compile(block.as_in_page, block.page, "exec", flags, dont_inherit=True)
        coroutine = eval(code, names)
        if inspect.iscoroutine(coroutine):
            asyncio.run(coroutine)
    # Whatever it is, it is the report: the other blocks are run all the same.
    except BaseException:
        error = traceback.format_exc()
    finally:
        sys.stdout = sys.__stdout__
    return {"place": block.place, "printed": listener.printed, "error": error}


def main(page: str, report: str) -> None:
    rows = [run(block) for block in blocks(ROOT / page) if block.is_python]
    Path(report).write_text(json.dumps(rows), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
