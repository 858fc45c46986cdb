"""Allocations fail, one in each request, in Python and in the core: row POOL-09.

A slice of them by default; all of them, which takes minutes, with SHORT_OF_MEMORY=all (`make nomemory`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer, content

from ..http2.origin import ScriptedOrigin, Stream

IS_ALL = os.environ.get("SHORT_OF_MEMORY") == "all"
LIMIT = 600.0 if IS_ALL else 50.0
"""Seconds for a scenario."""

SCENARIOS = ["get", "plain", "fields", "json", "upload", "stream", "new"]
LOOP_SCENARIOS = ["loop-get", "loop-fields", "loop-upload", "loop-stream"]

# Every so many allocations fail by default: about a second for each scenario. HTTP/2's server is slower than ours.
STRIDES = {"h1": 2, "h2": 7, "loop-h1": 11, "loop-h2": 17}

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc"),
    pytest.mark.timeout(LIMIT + 20),
]


def token_of(stream: Stream) -> list[tuple[str, str]]:
    token = stream.get("x-token")
    return [] if token is None else [("x-token", token)]


async def answer_bytes(stream: Stream) -> None:
    await stream.respond(body=content(5_000), fields=token_of(stream))


async def answer_pieces(stream: Stream) -> None:
    """Without Content-Length, as in HTTP/1.1 a chunked body is."""
    await stream.send_head(200, token_of(stream))
    await stream.send(content(5_000)[:2_500])
    await stream.send(content(5_000)[2_500:], ends=True)


async def answer_length(stream: Stream) -> None:
    body = await stream.read()
    await stream.respond(body=str(len(body)).encode(), fields=token_of(stream))


@pytest.fixture(params=["plain", "tls"])
def h2_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server of HTTP/2 that reports what the client does wrong."""
    with ScriptedOrigin(tls=request.param == "tls") as origin:
        origin.on("/bytes/5000", answer_bytes)
        origin.on("/chunked/5000", answer_pieces)
        origin.on("/drain", answer_length)
        yield origin.url


def torture(url: str, scenario: str, stride: int) -> dict[str, Any]:
    """Run `short_of_memory`; a crash, or no end, is a failure here."""
    pytest.importorskip("_testcapi", reason="this Python comes without its _testcapi")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.short_of_memory", url, scenario, "1" if IS_ALL else str(stride)],
        capture_output=True,
        text=True,
        timeout=LIMIT + 10,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SHORT_OF_MEMORY_LIMIT": str(LIMIT)},
        check=False,
    )
    if done.returncode < 0 and _fails_without_httpfast("json") < 0:
        pytest.skip("this Python crashes by itself when allocations fail: tests/faults/interpreter_short_of_memory.py")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    has_lost_an_error = any("error return without exception set" in fault for fault in result["faults"])
    if has_lost_an_error and _fails_without_httpfast("async-for"):
        pytest.skip("this Python's `async for` loses errors: tests/faults/interpreter_short_of_memory.py")
    return result


def _fails_without_httpfast(what: str) -> int:
    """How the interpreter ends when it runs out of memory in code of its own: not 0, and below it for a signal."""
    program = Path(__file__).with_name("interpreter_short_of_memory.py")
    command = [sys.executable, "-I", str(program), what]
    return subprocess.run(command, capture_output=True, timeout=50, check=False).returncode


def assert_nothing_is_wrong(result: dict[str, Any], least: int) -> None:
    assert result["faults"] == []
    # It did happen: some allocations have failed, and what comes after the last one is the good path.
    assert result["outcomes"]["MemoryError"] >= least
    assert result["outcomes"]["success"] > 0


@pytest.mark.parametrize("layer", ["plain", "tls"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_allocation_that_fails_is_a_memory_error(embedded_server: EmbeddedServer, scenario: str, layer: str) -> None:
    url = embedded_server.tls_url if layer == "tls" else embedded_server.url

    result = torture(url, scenario, STRIDES["h1"])

    assert_nothing_is_wrong(result, 4)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_allocation_that_fails_over_http2_is_a_memory_error(h2_url: str, scenario: str) -> None:
    result = torture(h2_url, f"h2-{scenario}", STRIDES["h2"])

    assert_nothing_is_wrong(result, 2)


@pytest.mark.parametrize("layer", ["plain", "tls"])
@pytest.mark.parametrize("scenario", LOOP_SCENARIOS)
def test_allocation_that_fails_on_a_loop_is_a_memory_error(
    embedded_server: EmbeddedServer, scenario: str, layer: str
) -> None:
    url = embedded_server.tls_url if layer == "tls" else embedded_server.url

    result = torture(url, scenario, STRIDES["loop-h1"])

    assert_nothing_is_wrong(result, 2)


@pytest.mark.parametrize("scenario", LOOP_SCENARIOS)
def test_allocation_that_fails_on_a_loop_over_http2_is_a_memory_error(h2_url: str, scenario: str) -> None:
    result = torture(h2_url, scenario.replace("loop-", "loop-h2-"), STRIDES["loop-h2"])

    assert_nothing_is_wrong(result, 2)
