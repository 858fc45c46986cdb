"""Makes `import httpx` and `import httpx2` mean httpfast, in this process, for everything imported afterwards.

In a program's first lines:

    import httpfast

    httpfast.alias_httpx()

Or from outside, for a program that is left as it is:

    python -m httpfast.alias program.py [argument ...]
    python -m httpfast.alias -m module [argument ...]

What is imported under those names is a view: a module that keeps no names of its own, but finds them in httpfast when
they are asked for, and assigns them there. So `httpx.Client is httpfast.Client`, and a test that patches
`httpx.Client.send` or `httpx.get` patches httpfast's. httpx's private modules (`httpx._types`, `httpx._models`, ...)
are views too, because libraries reach into them: of httpfast's module of that name, if it has one, and of the modules
where httpfast keeps what httpx has there. Only `__version__` differs: a library that asks is told the version of httpx
whose API this is.

httpcore stays what it is, but what tools do to its connections and pools, as respx does, counts for httpfast's requests
too: see `_httpcore_gateway`.

Nothing installed is touched. `importlib.metadata.version("httpx")` is about distributions, not modules: it gives the
version of httpx where that is installed as well, and raises `PackageNotFoundError` where it is not. Child processes
start without the alias; each has to make its own.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["alias_httpx"]

# The packages that httpfast stands in for, and the version of each whose API it has.
_VERSIONS = {"httpx": "0.28.1", "httpx2": "2.16.2"}

# What these packages are built on. Tools patch it in place of them: see `_httpcore_gateway`.
_CORES = ("httpcore", "httpcore2")

# Where httpfast has what httpx has in a private module, and libraries take from there: module and name, or the module
# only where the name is the same. Public names need no entry, a private module gives them all.
_ELSEWHERE: dict[str, dict[str, str]] = {
    "__version__": {},
    "_auth": {},
    "_client": {},
    "_config": {},
    "_content": {"encode_urlencoded_data": "_content:_encode_form"},
    "_decoders": dict.fromkeys(("ByteChunker", "LineDecoder", "TextChunker", "TextDecoder"), "_alias_names"),
    "_main": {},
    "_models": {},
    "_multipart": {"get_multipart_boundary_from_content_type": "_multipart:boundary_of"},
    "_transports.default": dict.fromkeys(
        ("AsyncResponseStream", "ResponseStream", "map_httpcore_exceptions"), "_alias_names"
    ),
    "_urlparse": {"ParseResult": "_urlparse:UrlParts", "urlparse": "_urlparse:parse"},
    "_urls": {},
    "_utils": {
        "URLPattern": "_mounts",
        "get_environment_proxies": "_mounts:environment_proxies",
        "peek_filelike_length": "_content:remaining_length",
        "primitive_value_to_str": "_content:primitive_to_str",
        "to_bytes": "_alias_names",
        "to_str": "_alias_names",
        "unquote": "_alias_names",
    },
}


def alias_httpx() -> None:
    """Let `import httpx` and `import httpx2` give httpfast to all that is imported from now on. Again is harmless.

    For programs, not for libraries: it concerns the whole process. It has to come before the first import of either
    name, also by a library.

    Raises:
        RuntimeError: httpx or httpx2 has been imported.
    """
    for package in _VERSIONS:
        imported = sys.modules.get(package)
        if imported is not None and not isinstance(imported, _View):
            raise RuntimeError(_too_late(package, imported))
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
        for core in _CORES:
            if core in sys.modules:
                _open_gateway(sys.modules[core])


def _open_gateway(core: ModuleType) -> None:
    from ._httpcore_gateway import open_gateway

    open_gateway(core)


def _too_late(package: str, imported: ModuleType) -> str:
    users = sorted(
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in (package, "httpfast")
        and any(
            # Not isinstance(): it runs code of objects that stand in for others.
            value is imported or (issubclass(type(value), type) and value.__module__ == package)
            for value in list(getattr(module, "__dict__", {}).values())
        )
    )
    shown = ", ".join(users[:5])
    return (
        f"{package} was imported before httpfast.alias_httpx() was called"
        + (f", by {shown}" if users else "")
        + f". Call alias_httpx() before whatever imports {package}, in the program's first lines, "
        "or start the program by `python -m httpfast.alias`."
    )


class _View(ModuleType):
    """A module of httpx. Its names are those of `_homes`, the first that has one; they are assigned and deleted there.

    What the import system sets (`__spec__`, submodules, ...) is the view's own.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, __doc__)
        package, _, inner = name.partition(".")
        counterpart = _counterpart(inner)
        own = vars(self)
        own["_elsewhere"] = _ELSEWHERE.get(inner, {})
        own["_homes"] = [] if counterpart is None else [import_module(counterpart.name)]
        if inner:
            # Every module of httpx holds the names that it imports from others, and some libraries take them from it.
            own["_homes"] += [import_module("httpfast"), import_module("httpfast._types")]
        # Deleted names are missing until they are assigned again, in their old places: `mock.patch` undoes so.
        own["_deleted"] = {}
        if inner in ("", "__version__"):
            own["__version__"] = _VERSIONS[package]

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        place = self._place(name)
        if place is not None and name not in own["_deleted"]:
            return getattr(*place)
        if place is None and "__path__" in own and not name.startswith("__"):
            # httpx imports its modules itself: they are attributes before anybody imports them.
            module = f"{self.__name__}.{name}"
            try:
                return import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {self.__name__!r}, which is httpfast, has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _View) and name == "__version__":
            return  # the import system binds the submodule; the package's attribute of that name is a text
        if name.startswith("__") or isinstance(value, _View):
            super().__setattr__(name, value)
        else:
            own = vars(self)
            home, other = own["_deleted"].pop(name, None) or self._place(name) or (own["_homes"][0], name)
            setattr(home, other, value)

    def __delattr__(self, name: str) -> None:
        own = vars(self)
        place = None if name in own or name in own["_deleted"] else self._place(name)
        if place is None:
            super().__delattr__(name)
        else:
            delattr(*place)
            own["_deleted"][name] = place

    def __dir__(self) -> list[str]:
        own = vars(self)
        names = {name for name in own if name.startswith("__")}
        names.update(own["_elsewhere"], own["_homes"][0].__all__, dir(own["_homes"][0]))
        return sorted(names.difference(own["_deleted"]))

    def _place(self, name: str) -> tuple[ModuleType, str] | None:
        """The module of httpfast that has what is called `name` here, and its name there."""
        own = vars(self)
        if name in own["_elsewhere"]:
            module, _, other = own["_elsewhere"][name].partition(":")
            return import_module(f"httpfast.{module}"), other or name
        for home in own["_homes"]:
            # Submodules are attributes too, but httpx's own are views, and have a path only if they are packages.
            if name != "__path__" and hasattr(home, name) and not _is_submodule(home, name):
                return home, name
        return None


def _counterpart(inner: str) -> ModuleSpec | None:
    """Where httpfast's module of the same name is, if it has one. The package itself is called ""."""
    try:
        return find_spec(f"httpfast.{inner}" if inner else "httpfast")
    except ModuleNotFoundError:  # what it would be in is no package
        return None


def _is_submodule(module: ModuleType, name: str) -> bool:
    value = getattr(module, name)
    return isinstance(value, ModuleType) and value.__name__ == f"{module.__name__}.{name}"


class _Loader(Loader):
    """Makes views."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _View(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """A view has nothing to run."""


class _CoreLoader(Loader):
    """Loads httpcore, which stays what it is, and lets our transports notice what tools do to it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        # For those who only look for httpcore: its source, its data.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _open_gateway(module)


class _Finder(MetaPathFinder):
    """Answers for httpx, httpx2 and their modules; and for httpcore, which others find."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, inner = fullname.partition(".")
        if fullname in _CORES:
            return self._find_core(fullname)
        if package not in _VERSIONS:
            return None
        counterpart = _counterpart(inner)
        if counterpart is None and inner not in _ELSEWHERE:
            return None
        # A package has an empty path: no other finder may load a file of httpfast's a second time.
        is_package = counterpart is not None and counterpart.submodule_search_locations is not None
        return ModuleSpec(fullname, _Loader(), origin="httpfast", is_package=is_package)

    def _find_core(self, name: str) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if finder is self or find is None else find(name, None)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _CoreLoader(spec.loader)
                return spec
        return None


def _main(arguments: list[str]) -> int:  # pyright: ignore[reportUnusedFunction]
    """Run a program or a module as `python` does, with the alias made. Returns the exit status of a wrong call."""
    import runpy

    is_module = arguments[:1] == ["-m"]
    program = arguments[is_module : is_module + 1]
    if not program or program[0].startswith("-"):
        print("usage: python -m httpfast.alias (program.py | -m module) [argument ...]", file=sys.stderr)
        return 2
    alias_httpx()
    sys.argv[:] = arguments[is_module:]
    if is_module:
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
    else:
        import os

        sys.path[0] = os.path.dirname(os.path.realpath(program[0]))
        runpy.run_path(program[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    # This module was run under another name; the import system must know one finder only.
    from httpfast.alias import _main as main

    sys.exit(main(sys.argv[1:]))
