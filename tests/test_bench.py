"""The bench: its arithmetic, its load, and a quick run of it all on the embedded server."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trustme", reason="the bench's servers need the package 'trustme'")

from bench import __main__ as bench
from bench import chart, load, memory, table
from bench.cases import CASES, CASES_BY_NAME, Case
from bench.clients import BASELINE, CLIENTS, Entry
from bench.clients.floor import Reading
from bench.figures import percentile, ratio, round_size, running_order, spread
from bench.remote import Worker, WorkerError
from bench.run import Lineup
from bench.summary import summarise

QUICK = [
    "async-64",
    "async-64-asyncio",
    "async-64-tls",
    "async-10m",
    "async-stream",
    "async-json",
    "sync-tls",
    "latency-2000",
    # Only Linux tells a process's own memory.
    *(["memory"] if memory.is_measurable() else []),
    "import",
    "create",
]


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 5), (90, 9), (91, 10), (99, 10), (100, 10)])
def test_percentile_is_the_smallest_value_that_so_many_are_not_above(percent: float, expected: float) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_spread_of_an_infinite_upper_quartile_is_none_there_only() -> None:
    assert spread([3.0, 1.0, 2.0, math.inf, math.inf]) == {"q1": 2.0, "median": 3.0, "q3": None}


def test_ratio_is_the_median_over_rounds_and_not_the_ratio_of_medians() -> None:
    own = {0: 1.0, 1: 20.0, 2: 3.0}
    other = {0: 2.0, 1: 10.0, 2: 4.0}

    assert ratio(own, other) == 0.75


def test_ratio_looks_only_at_rounds_that_both_have_a_finite_figure_for() -> None:
    own = {0: 8.0, 1: math.inf, 2: 6.0, 3: 9.0}
    other = {0: math.inf, 1: 1.0, 2: 2.0}

    assert ratio(own, other) == 3.0
    assert ratio(own, {}) is None


def test_running_order_differs_between_rounds_and_not_between_runs() -> None:
    names = [entry.name for entry in CLIENTS]
    orders = [running_order(names, number) for number in range(5)]

    assert all(sorted(order) == sorted(names) for order in orders)
    assert len({tuple(order) for order in orders}) == 5
    assert orders == [running_order(names, number) for number in range(5)]


@pytest.mark.parametrize(
    ("rate", "seconds", "in_flight", "expected"),
    [(1000.0, 0.5, 1, 500), (1000.0, 0.5, 64, 448), (10.0, 0.5, 64, 128), (1e9, 10.0, 1, 1_000_000)],
)
def test_round_size_is_a_multiple_of_the_requests_in_flight(
    rate: float, seconds: float, in_flight: int, expected: int
) -> None:
    assert round_size(rate, seconds, in_flight) == expected


def test_summary_compares_cpu_time_per_request_in_the_same_round() -> None:
    clients = {
        "httpfast": {0: {"cpu": 1.0, "wall": 2.0, "requests": 100}, 1: {"cpu": 4.0, "wall": 2.0, "requests": 100}},
        BASELINE: {0: {"cpu": 1.0, "wall": 1.0, "requests": 50}, 1: {"cpu": 2.0, "wall": 1.0, "requests": 50}},
    }

    summary = summarise("closed", clients)["httpfast"]

    assert summary["value"]["median"] == pytest.approx(25_000)
    assert summary["to_baseline"] == pytest.approx(0.75)
    assert summary["to_httpfast"] == 1
    assert summary["requests_per_second"] == 50


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_check_accepts_the_same_octets_in_any_buffer(wrap: type[bytes]) -> None:
    load.check(wrap(b"octets"), b"octets")


@pytest.mark.parametrize("body", [b"", b"octet", b"octets!", b"octetS", memoryview(b"0ctets")])
def test_check_refuses_any_other_body(body: bytes) -> None:
    with pytest.raises(load.WrongBody):
        load.check(body, b"octets")


class Fake:
    """A client whose answers are those of a function."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def get(self, path: str) -> Any:
        return self._answer()

    get_stream = get

    async def post_json(self, path: str, value: Any) -> Any:
        return self._answer()

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("name", ["async-64", "async-stream"])
def test_load_fails_on_one_wrong_body_among_right_ones(name: str) -> None:
    bodies = iter([b"right"] * 100 + [b"wrong"] + [b"right"] * 1000)
    request = load.async_request(Fake(lambda: next(bodies)), CASES_BY_NAME[name], b"right")

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(load.closed_async(request, 640, 64))

    assert raised.group_contains(load.WrongBody)


def test_load_fails_on_a_wrong_document() -> None:
    request = load.async_request(Fake(lambda: {"items": []}), CASES_BY_NAME["async-json"], {"items": [1]})

    with pytest.raises(load.WrongBody):
        asyncio.run(load.closed_async(request, 1, 1))


def test_open_loop_counts_what_never_ends_as_failed_and_as_infinitely_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "DRAIN", 0.02)
    numbers = iter(range(10))

    async def request() -> None:
        if next(numbers) >= 5:
            await asyncio.Event().wait()

    async def run() -> dict[str, Any]:
        return await load.OpenLoop(request, 1000, 10).run()

    figures = asyncio.run(run())

    assert figures["failed"] == 5
    assert figures["requests"] == 10
    assert figures["p50"] is not None
    assert figures["p90"] is None


def test_open_loop_counts_latency_from_the_schedule_when_the_client_falls_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "OUTSTANDING", 1)
    clock = FakeClock()
    monkeypatch.setattr(load.time, "perf_counter", clock)

    async def request() -> None:
        clock.now += 1.0

    async def run() -> dict[str, Any]:
        return await load.OpenLoop(request, 1_000_000, 4).run()

    figures = asyncio.run(run())

    # One after the other, each a second long, all due at once: the k-th ends after k seconds.
    assert figures["p50"] == pytest.approx(2.0, abs=0.01)
    assert figures["p99"] == pytest.approx(4.0, abs=0.01)
    assert figures["late"] == 3
    assert figures["failed"] == 0


class FakeClock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_open_loop_reports_an_error_and_goes_on() -> None:
    numbers = iter(range(20))

    async def request() -> None:
        if next(numbers) == 3:
            raise ConnectionResetError("gone")

    async def run() -> dict[str, Any]:
        return await load.OpenLoop(request, 5000, 20).run()

    figures = asyncio.run(run())

    assert (figures["failed"], figures["error"]) == (1, "ConnectionResetError('gone')")


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x\r\n\r\nhello\r\n\r\nyou"


@pytest.mark.parametrize("size", [1, 2, 7, 20, len(ANSWER)])
def test_floor_reads_an_answer_however_it_is_split_and_then_another(size: int) -> None:
    reading = Reading()

    for _ in range(2):
        pieces = [ANSWER[start : start + size] for start in range(0, len(ANSWER), size)]
        bodies = [reading.feed(piece) for piece in pieces]

        assert bodies == [None] * (len(pieces) - 1) + [ANSWER[-12:]]


@pytest.mark.parametrize("octets", [ANSWER + b"x", ANSWER.replace(b"200", b"404"), b"HTTP/1.1 200 OK\r\n\r\n"])
def test_floor_refuses_what_it_does_not_know(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"after the response|not an answer"):
        Reading().feed(octets)


def test_client_that_is_not_installed_is_left_out_with_a_line_that_says_so() -> None:
    entries = [Entry("ghost", "ghost", "no_such_package_at_all"), Entry("floor", None, "asyncio")]

    lineup = Lineup(CASES_BY_NAME["sync"], entries)

    assert lineup.left_out == {"ghost": "it is not installed"}
    assert lineup.in_order(0) == ["floor"]


def test_client_that_fails_is_left_out_and_others_go_on() -> None:
    lineup = Lineup(CASES_BY_NAME["sync"], [Entry("floor", None, "asyncio"), Entry("other", None, "asyncio")])

    def fail() -> None:
        raise WorkerError("it died")

    lineup.play(0, "other", fail)
    lineup.play(0, "floor", lambda: {"cpu": 1.0})

    assert lineup.left_out == {"other": "it died"}
    assert lineup.in_order(1) == ["floor"]
    assert lineup.rounds["floor"] == {0: {"cpu": 1.0}}


def hello(client: str, case: str) -> dict[str, Any]:
    nowhere = {"base_url": "http://127.0.0.1:9", "ca_file": None, "core": None}
    return {"client": client, "case": case, "in_flight": 1, **nowhere}


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
def test_worker_that_dies_is_an_error_that_names_its_status() -> None:
    worker = Worker(hello("floor", "async-1"))
    os.kill(worker.pid, signal.SIGKILL)

    try:
        with pytest.raises(WorkerError, match="died with status -9"):
            worker.ask({"do": "warm", "seconds": 1}, 10)
    finally:
        worker.close()


def test_worker_whose_requests_fail_says_why_and_lives_on() -> None:
    worker = Worker(hello("floor", "async-1"))

    try:
        for _ in range(2):
            with pytest.raises(WorkerError, match="ConnectionRefusedError"):
                worker.ask({"do": "warm", "seconds": 1}, 10)
    finally:
        worker.close()


def test_client_without_the_request_of_a_case_is_left_out() -> None:
    with pytest.raises(WorkerError, match="no get_stream"):
        Worker(hello("floor", "async-stream"))


def test_every_case_has_a_name_of_its_own_and_a_table() -> None:
    assert len(CASES_BY_NAME) == len(CASES)
    assert {case.kind for case in CASES} == set(table.COLUMNS)
    assert set(chart.PANELS) <= set(CASES_BY_NAME)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What a quick run of httpfast and the floor writes: the results, and the folder with all files."""
    pytest.importorskip("uvloop", reason="the package 'uvloop' is not installed")
    file = tmp_path_factory.mktemp("bench") / "results" / "latest.json"
    arguments = ["--quick", "--server", "embedded", "--clients", "httpfast", "floor", "--output", str(file)]

    status = bench.main([*arguments, "--cases", *QUICK])

    assert status == 0
    return json.loads(file.read_text()), file.parent


def test_results_tell_the_machine_the_versions_and_the_commit(results: tuple[dict[str, Any], Path]) -> None:
    document, _ = results

    assert set(document) == {"date", "commit", "machine", "versions", "plan", "cases", "bars"}
    assert set(document["machine"]) == {"cpu", "cores", "system", "python", "openssl"}
    assert set(document["versions"]) >= {"httpfast", "floor"}
    assert document["plan"]["rounds"] == 2


@pytest.mark.parametrize("case", [CASES_BY_NAME[name] for name in QUICK], ids=QUICK)
def test_results_have_every_round_and_a_summary_of_each_client(
    case: Case, results: tuple[dict[str, Any], Path]
) -> None:
    document, _ = results
    result = next(result for result in document["cases"] if result["name"] == case.name)
    expected = (
        {"httpfast"} if case.kind in ("import", "create") or case.request == "get_stream" else {"httpfast", "floor"}
    )
    assert set(result["clients"]) == expected
    for row in result["clients"].values():
        assert sorted(figures["round"] for figures in row["rounds"]) == [0, 1]
        assert row["value"]["median"] is None or row["value"]["median"] > 0
    assert result["clients"]["httpfast"]["to_httpfast"] == 1
    assert result["loop"] == (case.loop if case.mode == "async" and case.kind in ("closed", "open") else None)
    assert table.lines(result)[1].startswith(f"{case.name}: ")


def test_chart_is_well_formed_and_names_each_client_in_each_panel(results: tuple[dict[str, Any], Path]) -> None:
    _, folder = results
    root = ElementTree.parse(folder / "chart.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    shown = [name for name in chart.PANELS if name in QUICK]
    assert texts.count("httpfast") == texts.count("raw loop") == len(shown) == 2


def test_chart_breaks_bars_that_are_longer_than_the_axis(results: tuple[dict[str, Any], Path]) -> None:
    document, _ = results
    slow = json.loads(json.dumps(document))
    [case] = [result for result in slow["cases"] if result["name"] == "async-64"]
    case["clients"]["httpfast"]["value"]["median"] = 10.0
    case["clients"]["a <slow> one"] = {"value": {"median": 12_345.6}}
    slow["cases"] = [case]

    drawn = chart.draw(slow)

    assert ElementTree.fromstring(drawn) is not None
    assert drawn.count("<path") == 2
    assert "12,346 \N{MICRO SIGN}s" in drawn
