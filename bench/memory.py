"""What an idle connection costs in the client's process: the whole pool opened at once, then measured while idle.

The figure is the process's own memory (USS: private pages of /proc/self/smaps_rollup, Linux only) after against before,
over the number of connections: C and Python heap, thread stacks, everything but what the kernel holds for a socket.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
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
    before = own_bytes()

    async def get() -> None:
        check(await client.get(f"/gate/{connections}"), expected)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(get())
    await asyncio.sleep(SETTLE)
    # One connection was there before.
    return {"before": before, "after": own_bytes(), "opened": connections - 1}
