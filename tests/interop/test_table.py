"""docs/interop.md: each line of its table names tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_line_of_the_table_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "interop.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]

    assert len(lines) == 15
    for line in lines:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", line.rsplit("|", 2)[1])
        assert named, line
        for file, test in named:
            assert f"def {test or 'test_'}" in (ROOT / file).read_text(), (file, test)
