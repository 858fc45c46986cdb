"""The process that fuzzes one target, under libFuzzer's driver: `python -P -m tests.fuzz.child TARGET ARGUMENTS...`.

It runs with the sanitizers' library preloaded and the build of `HTTPFAST_BUILD=fuzz` first on the path. It says
"slowest: N us" whenever an input takes more of the processor's time than any before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from time import thread_time_ns

SLOWEST_NS = 1_000_000_000
"""Nanoseconds of the processor's time that an input may take."""


def timed(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, with its slowest input told."""
    slowest = 0

    def run_timed(octets: bytes) -> None:
        nonlocal slowest
        began = thread_time_ns()
        run(octets)
        took = thread_time_ns() - began
        if took > slowest * 5 // 4:
            os.write(2, b"slowest: %d us\n" % (took // 1000))
            slowest = took
            assert took <= SLOWEST_NS, f"{took / 1e9:.1f} seconds"

    return run_timed


def main(name: str, arguments: list[str]) -> None:
    """Fuzz. Does not return."""
    # libFuzzer takes it where nobody else does, and tells its figures.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if name in ("h1", "hpack"):
        import _fuzz_native  # type: ignore[import-not-found]

        _fuzz_native.run(name, arguments)
    if name == "h2":
        import _fuzz_native

        from .engines import h2

        _fuzz_native.run(h2, arguments)
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["httpfast"], enable_loader_override=False):
        import httpfast  # noqa: F401

        from .targets import TARGETS
    atheris.Setup(["fuzz", *arguments], timed(TARGETS[name].run))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
