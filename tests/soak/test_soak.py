"""A slice of the soak, with ten times its faults; and what finds fault with it finds it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import httpfast
from bench.remote import ROOT, environment
from tests.nginx import Nginx

from .cards import COMMON, H1, H2, LARGE, PAD, SENT_HASHES, Card, deal, fault_share
from .crews import judge
from .meters import MIB, Sample, growth, is_measurable, rss_slope, slope
from .run import verdict
from .tally import Tallies

GOOD = {
    "violated": 0,
    "done": 10_000_000,
    "rss_slope": 0.2,
    "rss_growth": 1.0,
    "descriptors_growth": 0.0,
    "descriptors_before": 9,
    "descriptors_after": 9,
    "threads_before": 1,
    "threads_after": 1,
}


@pytest.mark.skipif(not Nginx.available(), reason="nginx is not installed")
@pytest.mark.skipif(not is_measurable(), reason="memory and descriptors are read from /proc")
def test_slice_of_the_soak_passes(tmp_path: Path) -> None:
    """In a process of its own, whose memory and descriptors are measured. The passage of time is the very thing."""
    report, plot = tmp_path / "soak.json", tmp_path / "soak.svg"
    slicing = ["--minutes", "0.1", "--round", "3000", "--faults", "10", "--reload", "2", "--interval", "0.2"]

    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", *slicing, "--anywhere", "--json", str(report), "--svg", str(plot)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(report.read_text())
    assert result["violations"] == []
    assert result["reloads"] > 0
    assert set(result["outcomes"]["h1"]) == {card.name for card in (*COMMON, *H1)}
    assert result["requests"]["h1"] > 2 * result["requests"]["h2"] > 0
    assert result["descriptors_after"] == result["descriptors_before"]
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_one_request_in_a_hundred_meets_a_fault(protocol: str) -> None:
    assert 0.009 <= fault_share(protocol) <= 0.015  # type: ignore[arg-type]


def test_deck_is_full_and_has_every_card() -> None:
    for protocol, own in (("h1", H1), ("h2", H2)):
        cards = deal(protocol, 1)  # type: ignore[arg-type]

        assert len(cards) == 10_000
        assert {card.name for card in cards} == {card.name for card in (*COMMON, *own)} | {"small"}


def answer(status: int, body: bytes, token: str | None = None) -> httpfast.Response:
    return httpfast.Response(status, content=body, headers={} if token is None else {"x-token": token})


CROSSED = [
    (Card("small", 1), answer(200, b"b-1" + PAD)),
    (Card("small", 1), answer(200, b"a-1" + PAD[:-1])),
    (Card("small", 1), answer(500, b"a-1" + PAD)),
    (Card("large", 1), answer(200, LARGE, "b-1")),
    (Card("large", 1), answer(200, LARGE)),
    (Card("large", 1), answer(200, LARGE[:-1], "a-1")),
    (Card("put", 1, upload=20_000), answer(200, b"a-1 " + SENT_HASHES[200_000])),
    (Card("post", 1, upload=20_000), answer(409, b"twice")),
    (Card("cut-body", 1, must_fail=True), answer(200, b"a-1" + PAD)),
]


@pytest.mark.parametrize(("card", "response"), CROSSED)
def test_answer_that_is_not_the_one_is_a_violation(card: Card, response: httpfast.Response) -> None:
    tallies = Tallies()

    judge(tallies.new(), "h1", card, "a-1", response, response.content)

    assert tallies.summary()["violated"] == 1
    assert "a-1" in tallies.summary()["violations"][0]


def test_right_answers_are_none() -> None:
    tallies = Tallies()
    tally = tallies.new()

    judge(tally, "h1", Card("small", 1), "a-1", answer(200, b"a-1" + PAD), b"a-1" + PAD)
    judge(tally, "h1", Card("large", 1), "a-1", answer(200, LARGE, "a-1"), LARGE)
    hashed = b"a-1 " + SENT_HASHES[20_000]
    judge(tally, "h2", Card("put", 1, upload=20_000), "a-1", answer(200, hashed), hashed)

    assert tallies.summary()["violated"] == 0
    assert tallies.summary()["requests"] == {"h1": 2, "h2": 1}


def test_error_that_a_card_does_not_name_is_a_violation() -> None:
    tallies = Tallies()
    tally = tallies.new()
    card = Card("cut-body", 1, errors=(httpfast.RemoteProtocolError,))

    tally.failed("h1", card, "a-1", httpfast.RemoteProtocolError("cut"))
    tally.failed("h1", card, "a-2", httpfast.ReadError("reset"))
    tally.failed("h1", card, "a-3", KeyError("x"))

    assert tallies.summary()["violated"] == 2
    assert tallies.done == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"violated": 1}, "1 violations"),
        ({"rss_slope": 1.0}, "memory grows by 1.00 MiB"),
        ({"done": 50_000, "rss_growth": 16.0}, "memory grew by 16.0 MiB"),
        ({"descriptors_growth": 11.0}, "descriptors grew by 11"),
        ({"descriptors_after": 10}, "descriptors at the end: 10"),
        ({"threads_after": 2}, "threads at the end: 2"),
    ],
)
def test_verdict_names_what_is_wrong(change: dict[str, float], said: str) -> None:
    assert verdict(GOOD) == []
    assert [failure[: len(said)] for failure in verdict(GOOD | change)] == [said]


def test_slope_is_that_of_the_line_and_leaves_the_warm_up_out() -> None:
    leaking = [Sample(n, n * 100_000, (50 + n) * MIB, 10) for n in range(101)]
    filling = [Sample(n, n * 100_000, (50 + min(n, 15)) * MIB, 10) for n in range(101)]

    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert rss_slope(leaking) == pytest.approx(10)
    assert rss_slope(filling) == pytest.approx(0)
    assert rss_slope([]) == 0
    assert growth([1, 1, 1, 1, 5, 9, 9, 9]) == 8
