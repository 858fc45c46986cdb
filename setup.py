"""Builds the compiled core. Everything else about the package is in pyproject.toml.

`cext/` is a source root whose folders mirror the import path: `cext/httpfast/_cext/h1.pyx` becomes the module
`httpfast._cext.h1`, relative cimports resolve, and a changed .pxd rebuilds each module that cimports it.

HTTPFAST_BUILD chooses the variant:
  release    (default) optimised, Cython's run-time checks off
  debug      bounds, wraparound, None and overflow checks on, assertions on, no optimisation
  sanitize   debug, with AddressSanitizer and UndefinedBehaviorSanitizer (run with LD_PRELOAD of libasan)
  coverage   debug, with Cython line tracing, for coverage.py's Cython plugin
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE_ROOT = Path("cext")
VARIANTS = ("release", "debug", "sanitize", "coverage")

variant = os.environ.get("HTTPFAST_BUILD", "release")
if variant not in VARIANTS:
    raise SystemExit(f"HTTPFAST_BUILD must be one of {', '.join(VARIANTS)}, not {variant!r}")
checked = variant != "release"

directives: dict[str, object] = {
    "language_level": 3,
    "auto_pickle": False,
    "autotestdict": False,
    "boundscheck": checked,
    "wraparound": checked,
    "initializedcheck": checked,
    "nonecheck": checked,
    "overflowcheck": checked,
    "cdivision": not checked,
    "linetrace": variant == "coverage",
}

compile_args: list[str] = []
link_args: list[str] = []
macros: list[tuple[str, str | None]] = []
if sys.platform == "win32":
    libraries = ["ws2_32"]
    compile_args += ["/Od"] if checked else ["/O2"]
else:
    libraries = []
    compile_args += ["-O0", "-g", "-UNDEBUG"] if checked else ["-O3"]
    compile_args += ["-Wno-unreachable-code", "-fno-strict-aliasing"]
if variant == "sanitize":
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    compile_args += [*flags, "-O1"]
    link_args += flags
if variant == "coverage":
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
if not checked:
    macros += [("CYTHON_WITHOUT_ASSERTIONS", None)]


def extension(source: Path) -> Extension:
    """One compiled module per .pyx, named after its path below the source root."""
    name = ".".join(source.relative_to(SOURCE_ROOT).with_suffix("").parts)
    return Extension(
        name,
        [source.as_posix()],
        define_macros=macros,
        libraries=libraries,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


setup(
    ext_modules=cythonize(
        [extension(source) for source in sorted(SOURCE_ROOT.rglob("*.pyx"))],
        include_path=[str(SOURCE_ROOT)],
        compiler_directives=directives,
        # A variant has C files of its own: switching variants must never reuse the other's code.
        build_dir=f"build/cython-{variant}",
        annotate=os.environ.get("HTTPFAST_ANNOTATE") == "1",
    ),
)
