"""What the site has beside the files in docs/: the pages at the top of the repository, and the results of benchmarks.

MkDocs calls the functions, and Griffe, which reads the sources for the API reference, the extension at the end.

Links are written for who reads the repository (`../README.md`, `docs/http2.md`); here they are made to fit the site,
where all pages lie side by side.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from griffe import Extension, Module, Object
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from typing import Any

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

# File at the top -> name of its page. A page called README would take the place of index.md.
PAGES = {
    "README.md": "about.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}

# The target of a relative link, without what leads out of docs/ or into it.
_LINK = re.compile(r"\]\((?!\w+:)(?:\.\./|docs/)?([\w.-]+\.md)?")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is not in docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    for path in sorted((ROOT / "bench" / "results").rglob("*")):
        if path.is_file():
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links between pages fit the site."""
    return _LINK.sub(lambda link: "](" + PAGES.get(link[1] or "", link[1] or ""), markdown)


# Arguments that share a description, and go on in the next line.
_MORE_NAMES = re.compile(r"(\n +(?:\w+, )*\w+),\n +(?=(?:\w+, )*\w+[:,])")


class AsWritten(Extension):
    """Lets Griffe see what it passes over, but Python and readers do not."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Put the names of arguments that share a description on one line."""
        if obj.docstring is not None:
            obj.docstring.value = _MORE_NAMES.sub(r"\1, ", obj.docstring.value)

    def on_module_members(self, *, mod: Module, **kwargs: Any) -> None:
        """Add the folders in the folder of a module that have no `__init__.py`."""
        path = mod.filepath
        if isinstance(path, Path) and path.name == "__init__.py":
            for folder in sorted({source.parent for source in path.parent.glob("*/*.py")}):
                init = folder / "__init__.py"
                if not init.exists():
                    mod.set_member(folder.name, Module(folder.name, filepath=init, parent=mod))
