"""The bench's cases of HTTP/2: who takes part, the load, the bars, h2load, and a quick run on nginx."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trustme", reason="the bench's servers need the package 'trustme'")

from bench import __main__ as bench
from bench import bars, load
from bench.bars import Bar
from bench.cases import CASES_BY_NAME
from bench.clients import BY_NAME, CLIENTS
from bench.h2load import H2load, octets_received
from bench.nginx import find_nginx
from bench.remote import Worker, WorkerError
from bench.run import takes_part
from bench.server import EmbeddedServer
from bench.servers import Nginx

NAMES = [name for name, case in CASES_BY_NAME.items() if case.http2]

REPORT = """\
TLS Protocol: TLSv1.3
Application protocol: h2
progress: 100% done

finished in 4.66ms, 21463.83 req/s, 24.05MB/s
requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 114.75KB (117504) total, 12.51KB (12806) headers (space savings 39.88%), 100.00KB (102400) data
                     min         max         mean         sd        +/- sd
"""


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    executable = find_nginx()
    if executable is None:
        pytest.skip("nginx is not installed")
    with Nginx(executable, None) as server:
        yield server


def test_http2_cases_are_for_clients_that_show_their_version_and_for_h2load_only() -> None:
    without = {entry.name for entry in CLIENTS if not any(takes_part(entry, CASES_BY_NAME[name]) for name in NAMES)}

    assert without == {"floor", "gufo_http", "aiohttp", "requests", "urllib3", "http_client"}
    assert not any(takes_part(BY_NAME["h2load"], case) for case in CASES_BY_NAME.values() if not case.http2)


def test_client_of_one_thread_takes_part_in_the_blocking_case_but_not_where_threads_share_it() -> None:
    assert takes_part(BY_NAME["pycurl"], CASES_BY_NAME["h2-sync"])
    assert not takes_part(BY_NAME["pycurl"], CASES_BY_NAME["h2-sync-32"])


@pytest.mark.parametrize("name", ["h2-1", "h2-sync"])
def test_client_that_gets_http_1_1_in_a_case_of_http2_is_left_out(name: str) -> None:
    with EmbeddedServer(uds=False) as server:
        where = {"base_url": server.tls_url, "ca_file": server.ca_file, "core": None, "in_flight": 1}

        with pytest.raises(WorkerError, match=r"it spoke HTTP/1\.1, and not HTTP/2"):
            Worker({"client": "httpfast", "case": name, **where})


def test_cases_are_chosen_by_pattern() -> None:
    assert [case.name for case in bench.chosen(["h2-*"], True)] == NAMES
    assert [case.name for case in bench.chosen(["sync", "h2-6?"], True)] == ["sync", "h2-64"]


def test_cases_of_http2_are_left_out_with_a_line_where_the_server_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert [case.name for case in bench.chosen(["sync", "h2-64"], False)] == ["sync"]
    assert capsys.readouterr().out == "The server has no HTTP/2, left out: h2-64\n"


def test_pattern_that_fits_no_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.parse(["--cases", "h2-*", "h3-*"])

    assert "no case is called h3-*" in capsys.readouterr().err


def test_burst_has_all_its_requests_open_at_once_and_the_next_one_waits_for_the_last() -> None:
    is_open, seen = 0, []

    async def request() -> None:
        nonlocal is_open
        is_open += 1
        await asyncio.sleep(0)
        seen.append(is_open)
        await asyncio.sleep(0)
        is_open -= 1

    asyncio.run(load.bursts_async(request, 21, 7))

    assert seen == [7] * 21


class Fake:
    """A blocking client that counts who asks."""

    def __init__(self, bodies: Iterator[bytes]) -> None:
        self._bodies = bodies
        self._barrier = threading.Barrier(32, timeout=10)
        self.threads: set[int] = set()

    def get(self, path: str) -> bytes:
        self._barrier.wait()
        self.threads.add(threading.get_ident())
        return next(self._bodies)

    def version(self, path: str) -> str:
        return "HTTP/2"

    def close(self) -> None:
        pass


def test_threads_share_one_client_and_the_requests_evenly() -> None:
    client = Fake(iter([b"body"] * 64))

    with ThreadPoolExecutor(32) as threads:
        load.closed_threads(threads, client, CASES_BY_NAME["h2-sync-32"], b"body", 64)

        assert len(client.threads) == 32


def test_threads_fail_on_one_wrong_body() -> None:
    client = Fake(iter([b"body"] * 20 + [b"bodY"] + [b"body"] * 11))

    with ThreadPoolExecutor(32) as threads, pytest.raises(load.WrongBody):
        load.closed_threads(threads, client, CASES_BY_NAME["h2-sync-32"], b"body", 32)


def result(name: str, ratio: float | None, median: float = 10.0, left_out: str | None = None) -> dict[str, Any]:
    """A case's results as far as bars look at them; without httpfast if `ratio` is None."""
    row = {"to_baseline": ratio, "value": {"median": median}}
    return {
        "name": name,
        "clients": {} if ratio is None else {"httpfast": row},
        "left_out": {} if left_out is None else {"httpfast": left_out},
    }


@pytest.mark.parametrize(("ratio", "is_met"), [(0.1, True), (0.45, True), (0.4501, False)])
def test_bar_is_met_up_to_its_ratio(ratio: float, is_met: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "BARS", (Bar("h2-64", 0.45), Bar("h2-512", 0.4)))

    [verdict] = bars.judge([result("h2-64", ratio)])

    assert (verdict["ratio"], verdict["is_met"]) == (ratio, is_met)
    assert bars.lines([verdict])[-1].endswith("met" if is_met else "MISSED")


@pytest.mark.parametrize(("median", "is_met"), [(9.0, True), (10.0, True), (10.1, False)])
def test_bar_beside_another_case_compares_httpfast_with_itself(
    median: float, is_met: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "BARS", (Bar("h2-burst", 1.0, beside="h2-64"),))

    [verdict] = bars.judge([result("h2-64", 0.4), result("h2-burst", 0.4, median)])

    assert verdict["is_met"] is is_met
    assert bars.judge([result("h2-burst", 0.4, median)]) == []


def test_case_that_httpfast_failed_in_misses_its_bar() -> None:
    [verdict] = bars.judge([result("h2-64", 0.1, left_out="it died")])

    assert not verdict["is_met"]
    assert bars.judge([result("h2-64", None)]) == []
    assert [verdict["is_met"] for verdict in bars.judge([result("h2-64", None, left_out="it died")])] == [False]


def test_every_bar_is_of_a_case() -> None:
    assert {bar.case for bar in bars.BARS} | {bar.beside for bar in bars.BARS if bar.beside} <= set(CASES_BY_NAME)


def test_h2load_report_gives_the_octets_of_all_bodies() -> None:
    assert octets_received(REPORT, 100) == 102_400


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("protocol: h2\n", "protocol: http/1.1\n", "did not speak HTTP/2"),
        ("100 2xx, 0 3xx", "99 2xx, 1 3xx", "not all of 100 requests"),
        (REPORT, "Application protocol: h2\n", "not all of 100 requests"),
    ],
)
def test_h2load_report_of_anything_less_is_refused(before: str, after: str, reason: str) -> None:
    with pytest.raises(WorkerError, match=reason):
        octets_received(REPORT.replace(before, after), 100)


def test_h2load_checks_how_many_octets_came(nginx: Nginx) -> None:
    obstacle = BY_NAME["h2load"].obstacle()
    if obstacle is not None:
        pytest.skip(f"h2load: {obstacle}")
    command = {"do": "warm", "seconds": 0.001}

    assert H2load(f"{nginx.h2_url}/bytes/1024", 1024, 8, None).ask(command, 30)["rate"] > 0
    with pytest.raises(WorkerError, match="not of 1023 octets"):
        H2load(f"{nginx.h2_url}/bytes/1024", 1023, 8, None).ask(command, 30)


def test_quick_run_on_nginx_has_every_case_of_http2_with_its_bars(nginx: Nginx, tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    arguments = ["--quick", "--server", "nginx", "--clients", "httpfast", "--output", str(file)]

    status = bench.main([*arguments, "--cases", "h2-*"])

    document = json.loads(file.read_text())
    assert status == 0
    assert [case["name"] for case in document["cases"]] == NAMES
    for case in document["cases"]:
        assert [row["round"] for row in case["clients"]["httpfast"]["rounds"]] == [0, 1]
        assert case["left_out"] == {}
    # Without the baseline only the bar beside another case can be looked at.
    assert [verdict["case"] for verdict in document["bars"]] == ["h2-1000"]
