"""Start-up: what `import` adds to a bare interpreter, and what making a client costs, each in fresh interpreters.

Some clients read the CA bundle when they are made, others at the first connection that needs it; making a client shows
the former only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from .remote import ROOT, environment

TIMEOUT = 60.0

_CREATE = """
import asyncio, json, os, sys, time
{statement}
async def main():
    started = time.perf_counter()
    first = {expression}
    between = time.perf_counter()
    second = {expression}
    ended = time.perf_counter()
    print(json.dumps([between - started, ended - between]), flush=True)
    os._exit(0)
asyncio.run(main())
"""
# In a coroutine because some clients need a running loop; without a shutdown because some complain in theirs.


def run(program: str) -> str:
    """What a fresh interpreter prints. Raises RuntimeError when it fails."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT, env=environment(), check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return done.stdout


def interpreter_seconds(program: str) -> float:
    """Wall time of a fresh interpreter from its start to its end."""
    started = time.perf_counter()
    run(program)
    return time.perf_counter() - started


def create_seconds(statement: str, expression: str) -> tuple[float, float]:
    """Seconds that making a client takes in a fresh interpreter: the first and the second one."""
    first, second = json.loads(run(_CREATE.format(statement=statement, expression=expression)))
    return first, second
