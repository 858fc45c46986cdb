"""Phases from events, by a clock of the test's; and how they are drawn."""

from __future__ import annotations

import re
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from bench.server import EmbeddedServer
from httpfast import Request
from httpfast._cli.timings import BAR_CELLS, Hop, Phase, Timeline, duration, waterfall
from tests.cli.conftest import Invoke

REQUEST = Request("GET", "http://user:hunter2@a.example/")
HEAD = (b"HTTP/1.1", 200, b"OK", [])


def looked_up(when: float) -> SimpleNamespace:
    """A stream whose host's name was known then."""
    return SimpleNamespace(looked_up=when)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Story:
    """Events, each some seconds after the one before."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timeline = Timeline(self.clock)
        self.timeline.begin("GET", REQUEST.url)

    def tell(self, after: float, name: str, **info: Any) -> None:
        self.clock.now += after
        self.timeline.take(name, info)

    def exchange(self, after: float = 0.0, head: tuple[Any, ...] = HEAD, layer: str = "http11") -> None:
        self.tell(after, f"{layer}.send_request_headers.started", request=REQUEST)
        self.tell(1.0, f"{layer}.send_request_headers.complete", return_value=None)
        self.tell(0.0, f"{layer}.send_request_body.started", request=REQUEST)
        self.tell(2.0, f"{layer}.send_request_body.complete", return_value=None)
        self.tell(0.0, f"{layer}.receive_response_headers.started", request=REQUEST)
        self.tell(4.0, f"{layer}.receive_response_headers.complete", return_value=head)

    def body(self, layer: str = "http11") -> None:
        self.tell(0.0, f"{layer}.receive_response_body.started", request=REQUEST)
        self.tell(8.0, f"{layer}.receive_response_body.complete", return_value=None)
        self.tell(0.0, f"{layer}.response_closed.started")
        self.tell(1.0, f"{layer}.response_closed.complete", return_value=None)

    @property
    def phases(self) -> list[list[tuple[str, float]]]:
        return [[(phase.name, phase.end - phase.start) for phase in hop.phases] for hop in self.timeline.hops]


def test_phases_follow_each_other_without_gaps() -> None:
    story = Story()
    story.tell(1.0, "connection.connect_tcp.started", host="a.example")
    story.tell(5.0, "connection.connect_tcp.complete", return_value=looked_up(story.clock.now + 2.0))
    story.tell(0.0, "connection.start_tls.started")
    story.tell(4.0, "connection.start_tls.complete", return_value=None)
    story.exchange()
    story.body()

    assert story.phases == [
        [("queue", 1), ("dns", 2), ("connect", 3), ("tls", 4), ("send", 3), ("first byte", 4), ("body", 8)]
    ]
    [hop] = story.timeline.hops
    assert (hop.method, hop.url, hop.status) == ("GET", "http://a.example/", 200)
    assert [phase.start for phase in hop.phases[1:]] == [phase.end for phase in hop.phases[:-1]]


def test_a_look_up_of_an_address_is_no_phase() -> None:
    story = Story()
    story.tell(0.0, "connection.connect_tcp.started", host="127.0.0.1")
    story.tell(1.0, "connection.connect_tcp.complete", return_value=looked_up(story.clock.now))

    assert story.phases == [[("queue", 0), ("connect", 1)]]


def test_each_exchange_on_one_connection_is_a_hop() -> None:
    story = Story()
    story.exchange(1.0, (b"HTTP/1.1", 302, b"Found", []))
    story.body()
    story.exchange(2.0)
    story.clock.now += 5.0
    story.timeline.end()

    assert story.phases == [
        [("queue", 1), ("send", 3), ("first byte", 4), ("body", 8)],
        [("queue", 3), ("send", 3), ("first byte", 4), ("body", 5)],
    ]
    assert [hop.status for hop in story.timeline.hops] == [302, 200]


def test_a_tunnel_is_a_phase_of_its_own() -> None:
    story = Story()
    story.tell(0.0, "connection.connect_tcp.started", host="proxy.example")
    story.tell(1.0, "connection.connect_tcp.complete", return_value=None)
    story.tell(0.0, "http11.send_request_headers.started", request=object())
    story.tell(1.0, "http11.send_request_headers.complete", return_value=None)
    story.tell(0.0, "http11.receive_response_headers.started", request=object())
    story.tell(2.0, "http11.receive_response_headers.complete", return_value=HEAD)
    story.tell(0.0, "proxy.start_tls.started")
    story.tell(4.0, "proxy.start_tls.complete", return_value=None)
    story.exchange()

    assert story.phases == [
        [("queue", 0), ("connect", 1), ("proxy", 3), ("tls", 4), ("send", 3), ("first byte", 4), ("body", 0)]
    ]


def test_heads_of_http2_are_understood() -> None:
    story = Story()
    story.exchange(0.0, (204, []), layer="http2")

    assert story.timeline.hops[0].status == 204


def test_a_failed_dial_and_its_retry_are_phases() -> None:
    story = Story()
    story.tell(0.0, "connection.connect_tcp.started", host="127.0.0.1")
    story.tell(1.0, "connection.connect_tcp.failed", exception=OSError())
    story.tell(0.0, "connection.retry.started")
    story.tell(2.0, "connection.retry.complete", return_value=None)
    story.tell(0.0, "connection.connect_tcp.started", host="127.0.0.1")
    story.tell(4.0, "connection.connect_tcp.failed", exception=OSError())

    assert story.phases == [[("queue", 0), ("connect", 1), ("wait", 2), ("connect", 4)]]
    assert waterfall(story.timeline.hops).plain.startswith("GET http://a.example/ -> no response\n")


def test_time_that_telling_takes_does_not_count() -> None:
    story = Story()
    story.tell(1.0, "connection.connect_tcp.started", host="127.0.0.1")
    with story.timeline.pause():
        story.clock.now += 50.0
    story.tell(1.0, "connection.connect_tcp.complete", return_value=None)

    assert story.phases == [[("queue", 1), ("connect", 1)]]


def test_waterfall_places_bars_where_the_time_was() -> None:
    hop = Hop(
        10.0, "GET", "http://a.example/", 200, [Phase("queue", 10, 10), Phase("connect", 10, 20), Phase("body", 20, 50)]
    )

    lines = waterfall([hop], block="#").plain.splitlines()

    assert lines == [
        "GET http://a.example/ -> 200",
        "  queue      #" + " " * 39 + "    0.00 ms",
        "  connect    " + "#" * 10 + " " * 30 + "    10.00 s",
        "  body       " + " " * 10 + "#" * 30 + "    30.00 s",
        "  total      " + " " * 40 + "    40.00 s",
    ]


@pytest.mark.parametrize("times", [(0.0, 0.0, 0.0), (0.0, 1e-9, 1.0), (0.0, 1.0, 1.0)])
def test_bars_never_leave_their_row(times: tuple[float, float, float]) -> None:
    first, second, third = times
    hop = Hop(0.0, "GET", "u", 200, [Phase("connect", first, second), Phase("body", second, third)])

    for line in waterfall([hop], block="#").plain.splitlines()[1:3]:
        assert line[13 : 13 + BAR_CELLS].count("#") >= 1
        assert len(line) == 13 + BAR_CELLS + 11


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.00 ms"), (0.00123, "1.23 ms"), (0.0456, "45.6 ms"), (1.5, "1500.0 ms"), (12.0, "12.00 s")],
)
def test_durations_have_a_few_digits(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def rows(text: str) -> list[str]:
    return re.findall(r"^  ([a-z]+(?: byte)?) ", text, re.MULTILINE)


def test_timings_of_a_real_request_have_every_phase(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.tls_url}/bytes/10", "--timings")

    assert rows(result.stderr) == ["queue", "dns", "connect", "tls", "send", "first byte", "body", "total"]
    assert f"GET {embedded_server.tls_url}/bytes/10 -> 200\n" in result.stderr


def test_timings_of_redirects_have_a_waterfall_for_each(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.url}/redirect/1", "--timings", "--follow-redirects", "-v")

    assert re.findall(r" -> (\d+)$", result.stderr, re.MULTILINE) == ["302", "200"]
    assert rows(result.stderr).count("total") == 2


def test_timings_of_a_failure_are_shown_too(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    result = invoke(f"http://127.0.0.1:{port}", "--timings")

    assert result.exit_code == 1
    assert rows(result.stderr) == ["queue", "connect", "total"]
