"""The plugin by which coverage.py sees lines of the core: Cython's own, with C files in a folder of their own.

Cython puts each line of a source into the C file that it makes of it, beside the call that traces it. Its plugin
expects that file beside the source; `setup.py` keeps it in build/cython-coverage. What stands in a .pxd is in the C
file of each module that uses it: its lines are those of all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Cython.Coverage import Plugin, canonical_filename

ROOT = Path(__file__).parents[1]
C_FILES = ROOT / "build" / "cython-coverage"


class OutOfTree(Plugin):  # type: ignore[misc]
    """See the module's docstring."""

    def configure(self, config: Any) -> None:
        """Called before anything is traced: all C files are read now, for a line of a .pxd may be the first to run."""
        super().configure(config)
        # Cython's own: absolute path -> (C file, name in it, {line: code}).
        self._c_files_map: dict[str, tuple[str, str, dict[int, str]]] = {}
        for path in sorted(C_FILES.rglob("*.c")):
            for name, lines in self._parse_cfile_lines(str(path)).items():
                source = find_source(name)
                if source is not None:
                    self._c_files_map.setdefault(source, (str(path), name, {}))[2].update(lines)

    def _find_source_files(self, filename: str) -> tuple[str | None, str | None]:
        """Nothing beside what was read."""
        return None, None


def find_source(name: str) -> str | None:
    """The path of a source that a C file names, which is relative to the source root or to its module's folder."""
    for folder in (ROOT, ROOT / "cext", ROOT / "cext" / "httpfast" / "_cext"):
        if (folder / name).exists():
            return str(canonical_filename(str(folder / name)))
    return None


def coverage_init(registry: Any, options: Any) -> None:
    plugin = OutOfTree()
    registry.add_configurer(plugin)
    registry.add_file_tracer(plugin)
