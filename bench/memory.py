"""What an idle connection costs in the client's process: the whole pool opened at once, then measured while idle.

The figure is the process's own memory (USS: private pages of /proc/self/smaps_rollup, Linux only) after against before,
over the number of connections: C and Python heap, thread stacks, everything but what the kernel holds for a socket.
Beside it: what of the heaps is in use. The rest are holes that the burst of requests has left, and the next one fills.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from .clients import AsyncClient
from .load import check
from .server import content

SMAPS = Path("/proc/self/smaps_rollup")
BODY_BYTES = 1024
SPARE_DESCRIPTORS = 100
"""What a process has open besides connections, at most."""

SETTLE = 0.3
"""Seconds for a client to put its connections away."""


def is_measurable() -> bool:
    """Whether this system tells a process's own memory."""
    return SMAPS.exists()


def own_bytes() -> int:
    """Octets in pages that only this process has."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc: give back what is free, for otherwise a peak would count as held.
    lines = SMAPS.read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


class _MallocInfo(ctypes.Structure):
    """glibc's struct mallinfo2 (mallinfo(3))."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    ]


def heap_bytes() -> int | None:
    """Octets in use in the heaps of Python and glibc, which a Rust core does without; None where one does not tell."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return None
    tell.restype = _MallocInfo
    gc.collect()
    with tempfile.TemporaryFile() as report:
        # CPython writes its figures to the descriptor of stderr and nowhere else.
        stderr = os.dup(2)
        os.dup2(report.fileno(), 2)
        sys._debugmallocstats()
        os.dup2(stderr, 2)
        os.close(stderr)
        report.seek(0)
        found = re.search(rb"# bytes in allocated blocks\s*=\s*([\d,]+)", report.read())
    if found is None:
        return None
    info = tell()
    return int(found[1].replace(b",", b"")) + int(info.uordblks) + int(info.hblkhd)


def raise_descriptor_limit(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted` or as far as the hard limit allows; returns what it is then."""
    try:
        import resource
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


async def hold(client: AsyncClient, connections: int) -> dict[str, Any]:
    """Open `connections` at once, at `bench.gate`, and measure them idle. Returns octets before and after."""
    expected = content(BODY_BYTES)
    check(await client.get("/gate/1"), expected)
    before, heap_before = own_bytes(), heap_bytes()

    async def get() -> None:
        check(await client.get(f"/gate/{connections}"), expected)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(get())
    await asyncio.sleep(SETTLE)
    # One connection was there before.
    return {
        "before": before,
        "after": own_bytes(),
        "heap_before": heap_before,
        "heap_after": heap_bytes(),
        "opened": connections - 1,
    }
