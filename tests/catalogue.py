"""The catalogue of known attacks on clients and of their failures: its rows, and which tests are about which.

    python -m tests.catalogue               a table: the cases of each row, by client and by protocol
    python -m tests.catalogue --write       docs/catalogue.md: each row, what has to hold, and where its tests are
    python -m pytest --row H1-05            the tests of a row, or of several: --row H1-05 --row RED

A test says which rows it is about in its docstring, its class's, or in the name of a parameter's case: "H1-05". Where
it names none, the rows in brackets in its module's docstring are its rows: "[POOL-02, POOL-03]". What fails when a row
lacks a test for a client or a protocol that it can happen with is `tests/test_catalogue.py`.

Which client a case is for is told by its fixtures and parameters; "shared" is what all clients have in common and what
is tested without any: engines, models, decisions.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .catalogue_rows import AREAS, ROWS, Row

CLIENTS = ("sync", "asyncio", "uvloop", "trio", "shared")
PROTOCOLS = ("h1", "h2")
FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "catalogue.md"

_ROW = re.compile(r"\b(?:INJ|H1|RED|CK|DEC|H2|TLS|POOL|URL|CLI)-\d\d\b")
_BRACKETS = re.compile(r"\[[^\]\n]*\]")
_DRIVERS = ("driver", "loop_driver")
_KINDS = {"sync": "sync", "async": "asyncio", "asyncio": "asyncio", "uvloop": "uvloop", "trio": "trio"}


def rows_of(item: pytest.Item) -> set[str]:
    """The rows that a test is about."""
    if not isinstance(item, pytest.Function):
        return set()
    own = " ".join(filter(None, (item.function.__doc__, item.cls and item.cls.__doc__, item.name)))
    named = set(_ROW.findall(own))
    if not named:
        named = set(_ROW.findall(" ".join(_BRACKETS.findall(item.module.__doc__ or ""))))
    return named


def client_of(item: pytest.Function) -> str:
    """Which client a case is for."""
    parameters = _parameters(item)
    for name in _DRIVERS:
        if name in parameters:
            return str(parameters[name])
    if "sync_driver" in item.fixturenames:
        return "sync"
    for value in parameters.values():
        if isinstance(value, str) and value in _KINDS:
            return _KINDS[value]
    return "shared"


def protocol_of(item: pytest.Function) -> str:
    """Which version of HTTP a case is over: "h1", "h2", or "" where none is spoken."""
    stated = str(_parameters(item).get("protocol", ""))[:2]
    if stated in PROTOCOLS:
        return stated
    words = set(re.split(r"[\[\]-]", item.name))
    if item.path.parent.name == "http2" or re.search(r"_h2|hpack|http2|_shared", item.path.name) or "h2" in words:
        return "h2"
    uses_network = any(name in item.fixturenames for name in (*_DRIVERS, "sync_driver"))
    return "h1" if uses_network or item.path.parent.name in ("engine", "proxies", "faults") else ""


def _parameters(item: pytest.Function) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else callspec.params


@dataclass
class Found:
    """The cases of one row."""

    clients: Counter[str] = field(default_factory=Counter)
    protocols: Counter[str] = field(default_factory=Counter)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    @property
    def cases(self) -> int:
        return self.clients.total()

    def missing(self, row: Row) -> list[str]:
        """What the row needs and no test has."""
        if not row.clients and not self.cases:
            return ["any test"]
        wanted = [(client, protocol) for client in row.clients for protocol in row.protocols or ("",)]
        return [
            f"{client} over {protocol}" if protocol else client
            for client, protocol in wanted
            if not ((client, protocol) in self.pairs if protocol else self.clients[client])
        ]


def survey(items: Iterable[pytest.Item]) -> dict[str, Found]:
    """What there is of each row. Rows that nobody has heard of are among them, too."""
    found: dict[str, Found] = defaultdict(Found)
    for item in items:
        for name in rows_of(item):
            assert isinstance(item, pytest.Function)
            client, protocol = client_of(item), protocol_of(item)
            entry = found[name]
            entry.clients[client] += 1
            entry.protocols[protocol] += 1
            entry.pairs.add((client, protocol))
            entry.files.add(item.path.relative_to(FOLDER.parent).as_posix())
    return found


def table(found: dict[str, Found]) -> str:
    """A line for each row: how many cases for each client and each protocol."""
    heads = ["row", "cases", *CLIENTS, *PROTOCOLS, "missing"]
    lines = [heads]
    for row in ROWS:
        entry = found.get(row.name, Found())
        counts = [entry.clients[client] for client in CLIENTS] + [entry.protocols[protocol] for protocol in PROTOCOLS]
        shown = [str(count or "-") for count in (entry.cases, *counts)]
        lines.append([row.name, *shown, ", ".join(entry.missing(row))])
    widths = [max(len(line[index]) for line in lines) for index in range(len(heads) - 1)]
    text = [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:], strict=True)),
                line[-1],
            ]
        ).rstrip()
        for line in lines
    ]
    cases = sum(found[row.name].cases for row in ROWS if row.name in found)
    return "\n".join([*text, "", f"{len(ROWS)} rows, {cases} cases"])


def page(found: dict[str, Found]) -> str:
    """The text of docs/catalogue.md. It has no counts: those change with every test, and with what is installed."""
    text = [
        "# Catalogue of attacks and failures",
        "",
        "<!-- Made by `make catalogue CATALOGUE_ARGS=--write`; a test holds it current. -->",
        "",
        "What has been done to HTTP clients, or has gone wrong with them, and what httpfast does then: a row for each,",
        "with the files that have its tests. `python -m pytest --row H1-05` runs those of one row, `make catalogue`",
        "counts them.",
        "",
        "A row is tested with each of the clients (blocking, and on asyncio, uvloop and trio), over HTTP/1.1 and",
        "HTTP/2, as far as it can happen there. What the clients have in common, such as the parsing of a URL, is",
        "tested without them. What httpfast does about whole classes of attacks is in the",
        "[threat model](threat-model.md).",
    ]
    for area, title in AREAS.items():
        text += ["", f"## {area}: {title}", "", "| Row | Case | What has to hold | Tests |", "|---|---|---|---|"]
        for row in ROWS:
            if row.area == area:
                files = sorted(found[row.name].files) if row.name in found else []
                shown = ", ".join(f"`{name.removeprefix('tests/')}`" for name in files)
                text.append(f"| {row.name} | {row.case} | {row.expected} | {shown} |")
    return "\n".join([*text, "", "The files are below `tests/`.", ""])


class _Collected:
    """A plugin that keeps what pytest has collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def collect() -> list[pytest.Item]:
    """Every test of the suite. Nothing is run."""
    collected = _Collected()
    arguments = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(FOLDER)]
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main(arguments, plugins=[collected])
    if status != pytest.ExitCode.OK:
        raise SystemExit(f"the tests cannot be collected:\n{said.getvalue()[-4000:]}")
    return collected.items


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue", description="The cases of each row.")
    parser.add_argument("--write", nargs="?", const=str(PAGE), metavar="FILE", help="write the page, and where to")
    options = parser.parse_args()
    found = survey(collect())
    print(table(found))
    if options.write:
        Path(options.write).write_text(page(found), "utf-8")
    return 1 if any(found[row.name].missing(row) for row in ROWS) else 0


if __name__ == "__main__":
    sys.exit(main())
