"""A table of the lines that tests have reached, and whether they are enough: a program, run by `make coverage`."""

from __future__ import annotations

import sys
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[1]
CORE = ROOT / "cext" / "httpfast" / "_cext"
ENGINES = ("h1", "h2", "h2_sender", "h2_heads", "hpack", "huffman", "headers", "buffer", "exchange")
LEAST = 95.0
"""Per cent of an engine's lines."""


def main() -> int:
    """Print the table. Returns 1 when an engine has less than `LEAST`."""
    data = coverage.Coverage()
    data.load()
    package = Path(__import__("httpfast").__file__).parent
    core = [*sorted(CORE.glob("*.pyx")), *sorted(CORE.glob("*.pxd"))]
    rows = [row for path in core if (row := measure(data, path, path.name)) is not None]
    python = [measure(data, path, str(path.relative_to(package.parent))) for path in sorted(package.rglob("*.py"))]
    rows += [row for row in python if row is not None]
    print(f"{'file':44} {'lines':>6} {'missed':>6} {'%':>6}")
    poor = []
    for name, lines, missed in rows:
        share = 100.0 * (lines - len(missed)) / lines
        is_engine = name.endswith(".pyx") and name.removesuffix(".pyx") in ENGINES
        is_poor = is_engine and share < LEAST
        poor += [name] if is_poor else []
        print(f"{name:44} {lines:6} {len(missed):6} {share:6.1f}{' engine' if is_engine else ''}")
        if is_engine and missed:
            print("    missed:", *missed)
    seen = {name for name, _, _ in rows}
    poor += [f"{engine}.pyx" for engine in ENGINES if f"{engine}.pyx" not in seen]
    if poor:
        print(f"below {LEAST} %:", *poor, file=sys.stderr)
    return 1 if poor else 0


def measure(data: coverage.Coverage, path: Path, name: str) -> tuple[str, int, list[int]] | None:
    """Name, number of lines and the lines missed; None for a file without any, or that nothing has traced."""
    if path.suffix != ".py" and not data.get_data().file_tracer(str(path)):
        return None
    try:
        _, lines, _, missed, _ = data.analysis2(str(path))
    except coverage.exceptions.NoSource:
        return None
    return (name, len(lines), missed) if lines else None


if __name__ == "__main__":
    sys.exit(main())
