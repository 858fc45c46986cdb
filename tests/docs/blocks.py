"""The fenced blocks of a page, and what the page says of each: how it is run, or why not, and what it prints.

A comment right above a fence is for its block:

    <!-- not run: REASON -->                          it is not
    <!-- run by: COMMAND; needs: MODULE, ...; prints: TEXT -->
                                                      COMMAND runs it, FILE in it being the block; it is skipped without
                                                      these modules; TEXT is somewhere in what it prints

In a block of Python, a comment `# -> TEXT` at the end of a `print` is what that prints, each time, `...` standing for
anything. In a block of the shell that begins with `$ `, what follows a command is its output.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (not run|run by): ([^>]*?)(?:; needs: ([^>;]*?))?(?:; prints: ([^>;]*?))? -->\n *\Z")
_ARROW = "# -> "


@dataclass(frozen=True)
class Block:
    """One block. `line` is where its code begins in the page, from 1; `needs` are modules."""

    page: str
    line: int
    language: str
    code: str
    reason: str = ""
    command: str = ""
    needs: tuple[str, ...] = ()
    prints: str = ""

    @property
    def is_python(self) -> bool:
        """Whether this is Python that is run as it is."""
        return self.language == "python" and not self.reason and not self.command

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"

    @property
    def as_in_page(self) -> str:
        """The code, with so many empty lines before it that line numbers are the page's."""
        return "\n" * (self.line - 1) + self.code

    def outputs(self) -> dict[int, str]:
        """What each `print` is said to print, by the line of the page that the statement begins on."""
        begins = {}
        for node in ast.walk(ast.parse(self.as_in_page)):
            if isinstance(node, ast.Expr):
                begins[node.end_lineno] = node.lineno
        found = {}
        for token in tokenize.generate_tokens(io.StringIO(self.as_in_page).readline):
            if token.type == tokenize.COMMENT and token.string.startswith(_ARROW):
                found[begins[token.start[0]]] = token.string.removeprefix(_ARROW).strip()
        return found


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        indent, language, code = fence.groups()
        comment = _COMMENT.search(text, 0, fence.start())
        kind, told, needs, prints = comment.groups("") if comment else ("", "", "", "")
        found.append(
            Block(
                page=page.relative_to(ROOT).as_posix(),
                line=text.count("\n", 0, fence.start(3)) + 1,
                language=language,
                code=re.sub(f"^{indent}", "", code, flags=re.MULTILINE),
                reason=told if kind == "not run" else "",
                command=told if kind == "run by" else "",
                needs=tuple(re.split(r",\s*", needs)) if needs else (),
                prints=prints,
            )
        )
    return found


def is_as_told(told: str, seen: str) -> bool:
    """Whether an output is what the page says; `...` stands for anything on one line."""
    pattern = ".*".join(re.escape(part) for part in told.split("..."))
    return re.fullmatch(pattern, seen.rstrip("\n")) is not None


def commands(block: Block) -> list[tuple[str, str | None]]:
    """The commands of a block of the shell that run httpfast, each with the output that the page shows, or None."""
    if not re.search(r"^(\$ )?(.*\| )?httpfast ", block.code, re.MULTILINE):
        return []
    if block.code.startswith("$ "):
        parts = re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]
        return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]
    lines = block.code.splitlines()
    return [(line, None) for line in lines if re.match(r"(?!pip |make ).*\bhttpfast ", line)]
