"""`Response.timings`: what a stopwatch makes of events, by a clock of the test's; and that every driver takes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from httpfast._timings import Stopwatch, Timings
from tests.conftest import Origin
from tests.drivers.facade import Driver
from tests.http2.origin import ScriptedOrigin
from tests.peers import Close, ReadRequest, ScriptedPeer, Send


class Story:
    """Events, each some seconds after the one before."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stopwatch = Stopwatch(lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def step(self, name: str, seconds: float, *, looked_up_after: float | None = None, **info: Any) -> None:
        self.stopwatch.take(f"{name}.started", info)
        stream = SimpleNamespace(looked_up=None if looked_up_after is None else self.now + looked_up_after)
        self.wait(seconds)
        self.stopwatch.take(f"{name}.complete", {"return_value": stream})

    def dial(self, host: str = "a.example") -> None:
        self.step("connection.connect_tcp", 3.0, looked_up_after=1.0, host=host)
        self.step("connection.start_tls", 4.0)

    def exchange(self, *, is_fresh: bool = True) -> None:
        self.stopwatch.begin(is_fresh=is_fresh)
        self.step("http11.send_request_headers", 1.0)
        self.step("http11.send_request_body", 2.0)
        self.step("http11.receive_response_headers", 4.0)

    @property
    def timings(self) -> Timings:
        return self.stopwatch.timings


def test_each_part_is_told_apart() -> None:
    story = Story()
    story.wait(0.5)

    story.dial()
    story.exchange()
    story.step("http11.receive_response_body", 8.0)

    assert story.timings == Timings(queue=0.5, dns=1.0, connect=2.0, tls=4.0, send=3.0, first_byte=4.0, body=8.0)
    assert story.timings.total == story.now - 100.0


def test_body_is_nothing_until_it_was_read() -> None:
    story = Story()
    story.exchange()
    story.wait(100.0)

    assert story.timings.body == 0.0
    assert story.timings.total == 7.0


def test_look_up_of_an_address_takes_nothing() -> None:
    story = Story()
    story.dial("127.0.0.1")

    assert (story.timings.dns, story.timings.connect) == (0.0, 3.0)


def test_handshake_with_a_proxy_is_part_of_connecting() -> None:
    story = Story()
    story.step("connection.connect_tcp", 1.0, host="127.0.0.1")
    story.step("connection.start_tls", 1.0)
    story.step("http11.send_request_headers", 2.0, request=object())
    story.step("http11.receive_response_headers", 4.0)
    story.step("proxy.start_tls", 8.0)
    story.exchange()

    assert (story.timings.connect, story.timings.tls) == (7.0, 9.0)


def test_dial_whose_connection_another_request_has_is_a_wait() -> None:
    story = Story()
    story.dial()
    story.exchange(is_fresh=False)
    story.step("connection.start_tls", 64.0)

    assert story.timings == Timings(queue=7.0, dns=0.0, connect=0.0, tls=0.0, send=3.0, first_byte=4.0, body=0.0)


def test_what_was_tried_in_vain_is_a_wait() -> None:
    story = Story()
    story.stopwatch.begin(is_fresh=False)
    story.step("http11.send_request_headers", 1.0)
    story.step("http11.response_closed", 0.0)

    story.dial()
    story.exchange()

    assert story.timings == Timings(queue=1.0, dns=1.0, connect=2.0, tls=4.0, send=3.0, first_byte=4.0, body=0.0)


def test_failed_dial_is_a_wait() -> None:
    story = Story()
    story.step("connection.connect_tcp", 8.0, host="127.0.0.1")
    story.stopwatch.take("connection.start_tls.started", {})
    story.wait(16.0)
    story.stopwatch.take("connection.start_tls.failed", {"exception": OSError()})
    story.step("connection.retry", 32.0)

    story.dial()
    story.exchange()

    assert story.timings.queue == 56.0
    assert (story.timings.connect, story.timings.tls) == (2.0, 4.0)


async def test_first_request_dials_and_the_second_does_not(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, timings=True)

    first = (await client.get(embedded.large)).timings
    second = (await client.get(embedded.large)).timings

    assert first.connect > 0
    assert (first.tls > 0) == embedded.is_tls
    assert (second.dns, second.connect, second.tls) == (0.0, 0.0, 0.0)
    for timings in (first, second):
        assert min(timings.queue, timings.send, timings.first_byte, timings.body) > 0


async def test_timings_of_http2(driver: Driver) -> None:
    with ScriptedOrigin(tls=True) as origin:
        client = driver.client(**origin.options, timings=True)
        response = await client.get(origin.url)

    assert response.http_version == "HTTP/2"
    assert min(response.timings.connect, response.timings.tls, response.timings.first_byte) > 0


async def test_one_request_can_ask(driver: Driver, embedded_server: EmbeddedServer) -> None:
    client = driver.client()

    response = await client.get(embedded_server.url, extensions={"timings": True})
    other = await client.get(embedded_server.url)

    assert response.timings.total <= response.elapsed.total_seconds()
    with pytest.raises(RuntimeError, match="timings=True"):
        _ = other.timings


async def test_each_response_of_a_redirect_has_its_own(driver: Driver, embedded_server: EmbeddedServer) -> None:
    client = driver.client(timings=True, follow_redirects=True)

    response = await client.get(embedded_server.url + "/redirect/1")

    assert response.history[0].timings.connect > 0
    assert response.timings.connect == 0.0


async def test_replayed_request_counts_its_own_dial(driver: Driver) -> None:
    answer = [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]

    with ScriptedPeer([*answer, ReadRequest(), Close()], answer) as peer:
        client = driver.client(timings=True)
        await client.get(peer.url)

        timings = (await client.get(peer.url)).timings

    assert timings.connect > 0
    assert timings.queue > 0


async def test_trace_and_timings_go_together(driver: Driver, embedded_server: EmbeddedServer) -> None:
    told: list[str] = []

    def listen(name: str, info: Any) -> None:
        told.append(name)

    async def listen_async(name: str, info: Any) -> None:
        told.append(name)

    client = driver.client(timings=True)
    extensions = {"trace": listen_async if driver.is_async else listen}

    response = await client.get(embedded_server.url, extensions=extensions)

    assert "http11.receive_response_body.complete" in told
    assert response.timings.first_byte > 0


async def test_other_transports_take_none(driver: Driver) -> None:
    client = driver.client(transport=httpfast.MockTransport(lambda request: httpfast.Response(204)), timings=True)

    response = await client.get("http://a.example/")

    with pytest.raises(RuntimeError):
        _ = response.timings
