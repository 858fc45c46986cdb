"""Load runs: what is counted, and how it is shown."""

from __future__ import annotations

from array import array
from collections import Counter
from pathlib import Path

import pytest

from bench.server import EmbeddedServer
from httpfast._cli.load import LoadResult, histogram, percentile, summary
from tests.cli.conftest import Invoke
from tests.peers import Close, ReadRequest, ScriptedPeer, Send

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_every_request_is_sent_and_counted(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.url}/bytes/10", "--repeat", "25", "--concurrency", "4")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("25 requests, 4 at a time, in ")
    assert lines[1].startswith("  answered   25 (")
    assert "250 octets of content)" in lines[1]
    assert lines[2] == "  status 200 25"


def test_at_most_so_many_connections_are_open(invoke: Invoke) -> None:
    script = [ReadRequest(), Send(EMPTY)] * 6

    with ScriptedPeer(script) as peer:
        result = invoke(peer.url, "--repeat", "6")

    assert peer.connections == 1
    assert result.exit_code == 0


def test_failures_and_other_answers_are_counted_and_status_1(invoke: Invoke) -> None:
    other = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    with ScriptedPeer([ReadRequest(), Send(other)], [ReadRequest(), Close()], [ReadRequest(), Send(EMPTY)]) as peer:
        result = invoke(peer.url, "--repeat", "3", "-m", "POST")

    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("3 requests")
    assert lines[1].startswith("  answered   2 ")
    assert lines[2:5] == ["  status 200 1", "  status 503 1", "  RemoteProtocolError 1"]


def test_nothing_but_failures_is_shown_too(invoke: Invoke) -> None:
    with ScriptedPeer([ReadRequest(), Close()], repeats_last=True) as peer:
        result = invoke(peer.url, "--repeat", "2")

    assert result.exit_code == 1
    assert "latency" not in result.stdout


def test_files_and_credentials_go_with_each_request(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"content of the file")

    with ScriptedPeer([ReadRequest(), Send(EMPTY)] * 2) as peer:
        invoke(peer.url, "--repeat", "2", "-f", "file", str(path), "--auth", "user", "hunter2")

    [received] = peer.received
    assert received.count(b"content of the file") == 2
    assert received.count(b'filename="a.txt"') == 2
    assert received.count(b"Authorization: Basic dXNlcjpodW50ZXIy") == 2


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (50, 50), (90, 90), (99, 99), (99.9, 100), (100, 100)])
def test_percentiles_are_values_that_occurred(share: float, expected: float) -> None:
    assert percentile(array("d", range(1, 101)), share) == expected


def test_percentile_of_one_value_is_that() -> None:
    assert percentile(array("d", [3.0]), 50) == 3


def test_histogram_counts_every_value_once() -> None:
    latencies = array("d", [0.0011, 0.002, 0.0021, 0.03, 1e9])

    rows = histogram(latencies)

    assert rows[0] == (0.002, 2)
    assert rows[1] == (0.005, 1)
    assert rows[-1] == (float("inf"), 1)
    assert sum(count for _, count in rows) == 5
    assert histogram(array("d")) == []


def test_summary_is_the_same_for_the_same_result() -> None:
    result = LoadResult(
        array("d", [0.0015] * 39 + [0.004]), Counter({200: 40}), Counter({"ReadTimeout": 2}), octets=400, seconds=0.5
    )

    assert summary(result, concurrency=3, block="#").plain.splitlines() == [
        "42 requests, 3 at a time, in 500.0 ms",
        "  answered   40 (80.0 a second, 400 octets of content)",
        "  status 200 40",
        "  ReadTimeout 2",
        "latency of those that were answered",
        "  least         1.50 ms",
        "  mean          1.56 ms",
        "  50 %          1.50 ms",
        "  90 %          1.50 ms",
        "  99 %          4.00 ms",
        "  99.9 %        4.00 ms",
        "  most          4.00 ms",
        "  to 2 ms      " + "#" * 40 + " 39",
        "  to 5 ms      ## 1",
    ]
