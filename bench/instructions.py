"""Instructions of the client per request, counted by callgrind: a figure that repeats on a loaded machine too.

`python -m bench.instructions` counts every case and compares it with `bench/instructions.json`, which `--update`
writes. A rise of more than 5 % over that baseline fails the run. Only the user's half is counted: no kernel, no server;
so a system call saved shows in `python -m bench` and not here.

Cases with h2 in their name are HTTP/2, over TLS or by prior knowledge (h2c), and need nginx; the others have the
embedded server. Each case runs twice under callgrind, with few and with many requests: the difference is free of
start-up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cases import PAYLOAD

if TYPE_CHECKING:
    import httpfast

BASELINE = Path(__file__).with_name("instructions.json")
ALLOWED_RISE = 0.05
FEW, MANY = 100, 600
TIMEOUT = 300.0

CASES = (
    "sync get",
    "sync get tls",
    "async get",
    "async get tls",
    "async get 100 KB",
    "async stream",
    "async post json",
    "sync get h2c",
    "sync get h2 tls",
    "async get h2c",
    "async get h2 tls",
)


def is_http2(case: str) -> bool:
    return "h2" in case


def options_of(case: str, context: ssl.SSLContext) -> dict[str, Any]:
    """A client's arguments."""
    return {"verify": context, "http2": is_http2(case), "http1": not is_http2(case)}


def run_sync(case: str, url: str, count: int, context: ssl.SSLContext) -> None:
    import httpfast

    with httpfast.Client(**options_of(case, context)) as client:
        assert client.get(f"{url}/bytes/1024").http_version == ("HTTP/2" if is_http2(case) else "HTTP/1.1")
        for _ in range(count):
            assert len(client.get(f"{url}/bytes/1024").content) == 1024


def request_of(case: str, client: httpfast.AsyncClient, url: str) -> Callable[[], Awaitable[None]]:
    """A coroutine function that does the case's request once."""
    size = 100_000 if case.endswith("KB") else 1024

    async def get() -> None:
        assert len((await client.get(f"{url}/bytes/{size}")).content) == size

    async def stream() -> None:
        async with client.stream("GET", f"{url}/bytes/{size}") as response:
            assert sum([len(chunk) async for chunk in response.aiter_bytes()]) == size

    async def post() -> None:
        assert (await client.post(f"{url}/echo", json=PAYLOAD)).json()["length"] > 900

    return {"stream": stream, "post json": post}.get(case.removeprefix("async "), get)


async def run_async(case: str, url: str, count: int, context: ssl.SSLContext) -> None:
    import httpfast

    async with httpfast.AsyncClient(**options_of(case, context)) as client:
        version = (await client.get(f"{url}/bytes/1024")).http_version
        assert version == ("HTTP/2" if is_http2(case) else "HTTP/1.1")
        request = request_of(case, client, url)
        for _ in range(count):
            await request()


def run(case: str, url: str, count: int, ca_file: str) -> None:
    """`count` requests of a case in turn, in this process."""
    context = ssl.create_default_context(cafile=ca_file)
    if case.startswith("sync"):
        run_sync(case, url, count, context)
    else:
        # Stock asyncio: how a loop spends its own instructions is the same everywhere, and so is the count.
        asyncio.run(run_async(case, url, count, context))


def instructions(case: str, url: str, count: int, ca_file: str) -> int:
    """What a process that runs a case executes in all. Raises RuntimeError when it fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m", __spec__.name]
    command += ["--run", case, "--url", url, "--count", str(count), "--ca-file", ca_file]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{case}: {done.stderr[-2000:]}")
    return int(found[1])


def count_all(cases: list[str], url: str, tls_url: str, ca_file: str) -> dict[str, int]:
    """Instructions per request by case, against one server."""
    counted = {}
    for case in cases:
        few, many = (instructions(case, tls_url if "tls" in case else url, count, ca_file) for count in (FEW, MANY))
        counted[case] = (many - few) // (MANY - FEW)
        print(f"{case:<20} {counted[case]:>9,} instructions per request", flush=True)
    return counted


def measure(cases: list[str]) -> dict[str, int]:
    """Instructions per request by case; without those of HTTP/2 where there is no nginx."""
    from bench.nginx import find_nginx
    from bench.server import EmbeddedServer
    from bench.servers import Nginx

    counted: dict[str, int] = {}
    http1, http2 = [case for case in cases if not is_http2(case)], [case for case in cases if is_http2(case)]
    if http1:
        with EmbeddedServer(uds=False) as embedded:
            counted |= count_all(http1, embedded.url, embedded.tls_url, embedded.ca_file)
    executable = find_nginx()
    if http2 and executable is None:
        print(f"nginx is not installed, left out: {', '.join(http2)}")
    elif http2 and executable is not None:
        with Nginx(executable, None) as nginx:
            counted |= count_all(http2, nginx.h2c_url, nginx.h2_url, nginx.ca_file)
    return counted


def setting() -> dict[str, str]:
    """What the counts depend on besides httpfast."""
    return {"python": platform.python_version(), "machine": platform.machine(), "openssl": ssl.OPENSSL_VERSION}


def compare(counted: dict[str, int], baseline: dict[str, Any]) -> list[str]:
    """The cases that cost more than the baseline allows, each as a line."""
    rises = []
    for case, count in counted.items():
        before = baseline["instructions"].get(case)
        if before is None:
            print(f"{case:<20} is not in the baseline")
        else:
            change = count / before - 1
            print(f"{case:<20} {change:+7.2%} of the baseline")
            if change > ALLOWED_RISE:
                rises.append(f"{case}: {before:,} -> {count:,} ({change:+.1%}, at most {ALLOWED_RISE:+.0%})")
    return rises


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="make what is counted now the baseline")
    parser.add_argument("--case", action="append", choices=CASES, help="only this case; may be repeated")
    for name in ("--run", "--url", "--ca-file"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        run(options.run, options.url, options.count, options.ca_file)
        return 0

    counted = measure(options.case or list(CASES))
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"setting": None, "instructions": {}}
    if options.update:
        kept = baseline["instructions"] if baseline["setting"] == setting() else {}
        BASELINE.write_text(json.dumps({"setting": setting(), "instructions": {**kept, **counted}}, indent=2) + "\n")
        return 0
    if baseline["setting"] != setting():
        print(f"The baseline was counted elsewhere ({baseline['setting']}): nothing to compare with here")
        return 0
    rises = compare(counted, baseline)
    for line in rises:
        print(line, file=sys.stderr)
    return 1 if rises else 0


if __name__ == "__main__":
    sys.exit(main())
