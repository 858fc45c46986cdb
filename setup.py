"""Builds the compiled core. Everything else about the package is in pyproject.toml.

`cext/` is a source root whose folders mirror the import path: `cext/httpfast/_cext/h1.pyx` becomes the module
`httpfast._cext.h1`, relative cimports resolve, and a changed .pxd rebuilds each module that cimports it.

HTTPFAST_BUILD chooses the variant:
  release    (default) optimised, Cython's run-time checks off
  debug      bounds, wraparound, None and overflow checks on, assertions on, no optimisation
  sanitize   debug, with AddressSanitizer and UndefinedBehaviorSanitizer (run with LD_PRELOAD of libasan)
  coverage   debug, with Cython line tracing, for coverage.py's Cython plugin
  fuzz       Cython's checks, Address- and UndefinedBehaviorSanitizer and libFuzzer's counters, and the drivers of
             tests/fuzz/native; needs clang, and is built by `python -m tests.fuzz` into build/fuzz
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE_ROOT = Path("cext")
FUZZ_ROOT = Path("tests/fuzz/native")
VARIANTS = ("release", "debug", "sanitize", "coverage", "fuzz")

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
    # Many Pythons were built with -g, and would build so: larger wheels, with the builder's paths in them.
    compile_args += ["-O0", "-g", "-UNDEBUG"] if checked else ["-O3", "-g0"]
    compile_args += ["-Wno-unreachable-code", "-fno-strict-aliasing"]
if variant == "sanitize":
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
    compile_args += [*flags, "-O1"]
    link_args += flags
if variant == "fuzz":
    # What this code calls is in the library that is preloaded. Comparisons are not traced: it would take a fifth of the
    # time, most of it for reference counts; the dictionaries of tests/fuzz say what a parser looks for.
    compile_args += ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-builtin-memcmp"]
    compile_args += ["-fno-omit-frame-pointer", "-g1", "-O2", "-Wno-unused-function"]
if variant == "coverage":
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
if not checked:
    macros += [("CYTHON_WITHOUT_ASSERTIONS", None)]


def extension(source: Path, root: Path = SOURCE_ROOT) -> Extension:
    """One compiled module per .pyx, named after its path below the source root."""
    name = ".".join(source.relative_to(root).with_suffix("").parts)
    # Edges are counted in what is fuzzed, and not in what fuzzes it.
    is_counted = variant == "fuzz" and root == SOURCE_ROOT
    coverage_args = ["-fsanitize-coverage=inline-8bit-counters,pc-table"] if is_counted else []
    return Extension(
        name,
        [source.as_posix()],
        define_macros=macros,
        libraries=libraries,
        extra_compile_args=[*compile_args, *coverage_args],
        extra_link_args=link_args,
    )


extensions = [extension(source) for source in sorted(SOURCE_ROOT.rglob("*.pyx"))]
if variant == "fuzz":
    extensions += [extension(source, FUZZ_ROOT) for source in sorted(FUZZ_ROOT.rglob("*.pyx"))]

setup(
    ext_modules=cythonize(
        extensions,
        include_path=[str(SOURCE_ROOT)],
        compiler_directives=directives,
        # A variant has C files of its own: switching variants must never reuse the other's code.
        build_dir=f"build/cython-{variant}",
        annotate=os.environ.get("HTTPFAST_ANNOTATE") == "1",
    ),
)
