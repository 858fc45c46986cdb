"""What the pages show, runs: each block of Python and each command, and it prints what the page says."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from .blocks import Block, blocks, commands, is_as_told, pages
from .conftest import Site

ALL = [block for page in pages() for block in blocks(page)]
PYTHON_PAGES = list(dict.fromkeys(block.page for block in ALL if block.is_python))
BY_COMMAND = [block for block in ALL if block.command]
COMMANDS = [(block, *found) for block in ALL if block.language in ("", "sh") for found in commands(block)]


@pytest.fixture
def folder(tmp_path: Path, site: Site) -> Path:
    """A folder with the files that examples read, and nothing else."""
    made = tmp_path / "here"
    made.mkdir()
    shutil.copy(site.ca_file, made / "proxy-ca.pem")
    return made


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_blocks_of_python_run_and_print_what_the_page_says(page: str, site: Site, folder: Path) -> None:
    report = folder.parent / "report.json"

    done = site.run([sys.executable, "-W", "error", "-m", "tests.docs.page", page, str(report)], folder)

    assert done.returncode == 0, done.stderr
    ran = {row["place"]: row for row in json.loads(report.read_text("utf-8"))}
    for block in ALL:
        if block.page == page and block.is_python:
            row = ran[block.place]
            assert not row["error"], f"{block.place}\n{row['error']}"
            for line, told in block.outputs().items():
                seen = row["printed"].get(str(line), [])
                assert seen, f"{page}:{line} printed nothing"
                assert [text for text in seen if not is_as_told(told, text)] == [], f"{page}:{line}: {told!r}"
    assert "Exception ignored" not in done.stderr, done.stderr


needs_shell = pytest.mark.skipif(os.name != "posix", reason="commands are those of a POSIX shell")


@needs_shell
@pytest.mark.parametrize("block", BY_COMMAND, ids=lambda block: block.place)
def test_block_runs_by_its_command(block: Block, site: Site, folder: Path) -> None:
    for module in block.needs:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module}, which this example needs, is not installed")
    (folder / "test_example.py").write_text(block.code, "utf-8")

    done = site.run(block.command.replace("FILE", "test_example.py"), folder)

    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{block.place}\n{printed}"
    # Some programs go on after an error.
    assert "Traceback" not in printed, printed
    assert block.prints in printed, printed


@needs_shell
@pytest.mark.parametrize(("block", "command", "output"), COMMANDS, ids=[f"{b.page}:{c}" for b, c, _ in COMMANDS])
def test_command_ends_well_and_prints_what_the_page_says(
    block: Block, command: str, output: str | None, site: Site, folder: Path
) -> None:
    if "jq" in command and shutil.which("jq") is None:
        pytest.skip("jq, which this example needs, is not installed")
    (folder / "photo.jpg").write_bytes(bytes(100))
    (folder / "folder").mkdir()
    (folder / "Downloads").mkdir()

    done = site.run(command, folder)

    assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"
    if output is not None:
        assert done.stdout.splitlines() == output.splitlines()


def test_every_block_that_is_not_run_says_why() -> None:
    unrun = [block for block in ALL if block.language == "python" and not (block.is_python or block.command)]

    assert [block.place for block in unrun if not block.reason] == []
    assert {block.language for block in ALL} <= {"", "python", "sh", "text"}


def test_outputs_are_compared_as_they_stand() -> None:
    block = Block("p.md", 5, "python", "print(\n    1,\n    2,\n)  # -> 1 2\nx = '# -> no'\nprint(3)  # a remark\n")

    assert block.outputs() == {5: "1 2"}
    assert is_as_told("1 2", "1 2\n")
    assert is_as_told("<... ms>", "<12 ms>")
    assert not is_as_told("1 2", "1 23")
    assert not is_as_told("1.2", "1 2")
