"""`make demo`: a tour of both clients against an embedded server, over HTTP and over TLS with a throw-away CA.

Prints what came and how fast, next to httpx where that is installed. A tour, and no benchmark: the server is Python
too, and shares the machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import httpfast
from bench.server import EmbeddedServer

DOWNLOAD_BYTES = 50_000_000
CONCURRENT = 1_000
IN_FLIGHT = 100
BAR_WIDTH = 40


def say(title: str, what: object) -> None:
    print(f"  {title:<24} {what}")


def show_bar(done: int, total: int, seconds: float) -> None:
    """A progress bar that redraws itself; on something that is no terminal, its last state only."""
    if not sys.stdout.isatty() and done < total:
        return
    filled = BAR_WIDTH * done // total
    rate = done / 1e6 / max(seconds, 1e-9)
    start = "\r" if sys.stdout.isatty() else ""
    end = "\n" if done == total else ""
    bar = "#" * filled + "-" * (BAR_WIDTH - filled)
    print(f"{start}  {'download':<24} [{bar}] {done / 1e6:5.1f} MB  {rate:6.0f} MB/s", end=end, flush=True)


def tour_sync(base_url: str, context: ssl.SSLContext | bool) -> None:
    """The blocking client."""
    with httpfast.Client(base_url=base_url, verify=context) as client:
        response = client.get("/json")
        say("GET /json", f"{response!r} {len(response.json()['items'])} items")
        response = client.post("/echo", json={"hello": "world"}, headers={"X-Token": "abc"})
        say(
            "POST /echo", f"{response!r} sha256 {response.json()['sha256'][:16]}... token {response.headers['x-token']}"
        )
        digest, done, started = hashlib.sha256(), 0, time.perf_counter()
        with client.stream("GET", f"/bytes/{DOWNLOAD_BYTES}") as response:
            total = int(response.headers["Content-Length"])
            for chunk in response.iter_bytes():
                digest.update(chunk)
                done += len(chunk)
                show_bar(done, total, time.perf_counter() - started)
        say("its sha256", digest.hexdigest()[:32] + "...")


async def tour_async(base_url: str, context: ssl.SSLContext | bool) -> None:
    """The async client."""
    async with httpfast.AsyncClient(base_url=base_url, verify=context) as client:
        response = await client.get("/gzip")
        say("GET /gzip", f"{response!r} {response.num_bytes_downloaded} bytes for {len(response.content)}")
        response = await client.post("/echo", data={"a": "1"}, files={"file": ("f.txt", b"contents")})
        say("POST multipart", f"{response!r} {response.json()['length']} bytes arrived")
        done, started = 0, time.perf_counter()
        async with client.stream("GET", f"/bytes/{DOWNLOAD_BYTES}") as response:
            total = int(response.headers["Content-Length"])
            async for chunk in response.aiter_bytes():
                done += len(chunk)
                show_bar(done, total, time.perf_counter() - started)


async def thousand(library: ModuleType, base_url: str, context: ssl.SSLContext) -> float:
    """Seconds for a thousand gets at once over a pool of a hundred connections."""
    limits = library.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with library.AsyncClient(limits=limits, verify=context, timeout=30) as client:
        await client.get(f"{base_url}/bytes/1024")
        started = time.perf_counter()
        responses = await asyncio.gather(*[client.get(f"{base_url}/bytes/1024") for _ in range(CONCURRENT)])
        seconds = time.perf_counter() - started
    if any(response.status_code != 200 or len(response.content) != 1024 for response in responses):
        raise SystemExit("a response was not as it should be")
    return seconds


def hundred(library: ModuleType, base_url: str, context: ssl.SSLContext) -> float:
    """Seconds for a hundred gets one after another."""
    with library.Client(verify=context) as client:
        client.get(f"{base_url}/bytes/1024")
        started = time.perf_counter()
        for _ in range(100):
            if len(client.get(f"{base_url}/bytes/1024").content) != 1024:
                raise SystemExit("a response was not as it should be")
        return time.perf_counter() - started


def compare(server: EmbeddedServer) -> None:
    """The same calls with httpfast and, where it is installed, httpx."""
    libraries: list[ModuleType] = [httpfast]
    try:
        libraries.append(importlib.import_module("httpx"))
    except ImportError:
        print("  (httpx is not installed: no comparison)")
    rows: list[tuple[str, Callable[[ModuleType], float], int]] = []
    context = server.ssl_context()
    for scheme, base_url in (("http", server.url), ("https", server.tls_url)):

        def at_once(library: ModuleType, base_url: str = base_url) -> float:
            main: Callable[..., Awaitable[Any]] = thousand
            return float(httpfast.run(main(library, base_url, context)))  # type: ignore[arg-type]

        def in_turn(library: ModuleType, base_url: str = base_url) -> float:
            return hundred(library, base_url, context)

        rows.append((f"{scheme}: 1,000 gets at once", at_once, CONCURRENT))
        rows.append((f"{scheme}: 100 gets in turn", in_turn, 100))
    for title, measure, count in rows:
        seconds = [measure(library) for library in libraries]
        figures = "   ".join(
            f"{library.__name__} {value * 1e3:7.1f} ms ({count / value:7.0f}/s)"
            for library, value in zip(libraries, seconds, strict=True)
        )
        ratio = f"   {seconds[1] / seconds[0]:.1f} times as fast" if len(seconds) > 1 else ""
        print(f"  {title:<28} {figures}{ratio}")


def main() -> None:
    with EmbeddedServer(tls=True) as server:
        context = server.ssl_context()
        for scheme, base_url in (("HTTP", server.url), ("HTTPS, throw-away CA", server.tls_url)):
            print(f"\nClient over {scheme}: {base_url}")
            tour_sync(base_url, context)
            print(f"\nAsyncClient over {scheme}: {base_url}")
            httpfast.run(tour_async(base_url, context))
        print("\nHow fast")
        compare(server)


if __name__ == "__main__":
    main()
