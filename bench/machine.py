"""What results depend on besides the clients: the machine, the interpreter, versions, the commit."""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import os
import platform
import ssl
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .clients import Entry
from .remote import ROOT


def cpu_model() -> str:
    """The processor's name, as far as the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit of this tree, with a plus sign where files were changed since; None outside of git."""
    with suppress(OSError, subprocess.SubprocessError):
        words = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip() or None
    return None


def version(entry: Entry) -> str:
    """The version of an installed client."""
    if entry.program is not None:
        done = subprocess.run([entry.program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip() or "unknown"
    if entry.distribution is None:
        return f"Python {platform.python_version()}"
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(entry.distribution)
    # httpfast run from its tree without being installed.
    return str(getattr(importlib.import_module(entry.package), "__version__", "unknown"))


def describe(entries: Iterable[Entry]) -> dict[str, Any]:
    """The head of a results file."""
    versions = {entry.name: version(entry) for entry in entries}
    with suppress(importlib.metadata.PackageNotFoundError):
        versions["uvloop"] = importlib.metadata.version("uvloop")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "openssl": ssl.OPENSSL_VERSION,
        },
        "versions": versions,
    }
