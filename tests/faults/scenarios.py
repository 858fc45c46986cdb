"""The scenarios that are cancelled, interrupted or made to fail at each of their steps: one table, for every driver.

A scenario is a coroutine of a `Stage`. It is played to its end, or disturbed; what it asserts holds where it comes to
its end. `CASES` are its variants: over plain TCP or TLS, on a new connection or a kept one. [POOL-02, POOL-03]
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Network
from ..websockets.sessions import opened
from .stage import Stage

ALL_STEPS = os.environ.get("HTTPFAST_CANCELS") == "all"
"""Whether every step is disturbed; else the first ones are, and of the others some."""

FIRST_STEPS = 6
MOST_STEPS = 3000

HASTY = 0.02
"""Seconds of a timeout that is to pass."""


@dataclass(frozen=True)
class Scenario:
    """A row of the table.

    Attributes:
        place: "h1", "h2" and "websocket" for a server, or one of `proxies.scripts.KINDS` for HTTP/1.1 by that proxy.
        layers, starts: the variants that there are.
        requests: how often a server may see one token: redirects and challenges repeat it.
        is_safe: its requests are idempotent, so that one may be sent again on another connection (RFC 9110, 9.2.2).
        is_alone: it needs nobody else at the same time, so that blocking code can play it in one thread.
        looks_up_names: `name.example` is known.
    """

    name: str
    play: Callable[[Stage], Awaitable[None]]
    place: str = "h1"
    layers: tuple[str, ...] = ("plain",)
    starts: tuple[str, ...] = ("new",)
    requests: int = 1
    is_safe: bool = True
    is_alone: bool = True
    looks_up_names: bool = False


@dataclass(frozen=True)
class Case:
    """One variant of a scenario."""

    scenario: Scenario
    layer: str
    start: str

    def __str__(self) -> str:
        return f"{self.place}-{self.layer}-{self.start}-{self.scenario.name}".replace(" ", "-")

    @property
    def place(self) -> str:
        return self.scenario.place

    @property
    def requests(self) -> int:
        return self.scenario.requests


def steps(*, counts_turns: bool = False) -> Iterator[int]:
    """Which steps to disturb, one after the other; the distance grows unless all are wanted.

    Args:
        counts_turns: they are turns of a loop, of which one that waits makes thousands: their distance grows anyway.
    """
    step = 0 if counts_turns else 1
    for _ in range(MOST_STEPS):
        yield step
        if not ALL_STEPS:
            step += 1 if step < FIRST_STEPS else step
        else:
            step += 1 if step < 60 or not counts_turns else step // 8
    raise AssertionError("the scenario did not come to its end")


# Requests that are answered


async def get(stage: Stage) -> None:
    response = await stage.client.get(f"{stage.url}/bytes/1000", headers=stage.once())
    assert response.content == content(1000)


async def get_by_name(stage: Stage) -> None:
    url = f"http://localhost:{stage.port}/bytes/1000"
    assert (await stage.client.get(url, headers=stage.once())).content == content(1000)


async def get_after_look_up(stage: Stage) -> None:
    url = f"http://name.example:{stage.port}/bytes/1000"
    assert (await stage.client.get(url, headers=stage.once())).content == content(1000)


async def get_large(stage: Stage) -> None:
    response = await stage.client.get(f"{stage.url}/bytes/3000000", headers=stage.once())
    assert response.content == content(3_000_000)


async def get_until_close(stage: Stage) -> None:
    assert (await stage.client.get(f"{stage.url}/close/3000", headers=stage.once())).content == content(3000)


async def read_stream(stage: Stage) -> None:
    path = "/bytes/1000000" if stage.origin else "/chunked/1000000?size=70000"
    async with stage.client.stream("GET", stage.url + path, headers=stage.once()) as response:
        assert b"".join([piece async for piece in stage.client.pieces(response)]) == content(1_000_000)


async def leave_stream(stage: Stage) -> None:
    async with stage.client.stream("GET", f"{stage.url}/bytes/3000000", headers=stage.once()):
        pass


async def follow_redirects(stage: Stage) -> None:
    path = "/redirect3" if stage.origin else "/redirect/3"
    response = await stage.client.get(stage.url + path, headers=stage.once(), follow_redirects=True)
    assert response.text == "arrived\n"


async def answer_challenge(stage: Stage) -> None:
    auth = httpfast.DigestAuth("user", "sesame")
    assert (await stage.client.get(f"{stage.url}/digest", headers=stage.once(), auth=auth)).text == "known\n"


async def within_timeouts(stage: Stage) -> None:
    timeout = httpfast.Timeout(5, total=10)
    response = await stage.client.get(f"{stage.url}/delay/0.01", headers=stage.once(), timeout=timeout)
    assert response.text == "late\n"


# Uploads


async def upload_pieces(stage: Stage) -> None:
    body = stage.driver.body([content(60_000), lambda: None, content(200_000), lambda: None, b"end"])
    response = await stage.client.post(f"{stage.url}/drain", content=body, headers=stage.once())
    assert response.text == "260003"


async def upload_whole(stage: Stage) -> None:
    size = 400_000 if stage.origin else 5_000_000
    response = await stage.client.post(f"{stage.url}/drain", content=content(size), headers=stage.once())
    assert response.text == str(size)


async def upload_refused(stage: Stage) -> None:
    path = "/early" if stage.origin else "/early-413?linger=1"
    response = await stage.client.post(stage.url + path, content=content(3_000_000), headers=stage.once())
    assert response.status_code == 413


async def upload_after_continue(stage: Stage) -> None:
    headers = {"Expect": "100-continue"} | stage.once()
    response = await stage.client.post(f"{stage.url}/continue", content=b"body", headers=headers)
    assert (response.text == "body") if stage.origin else (response.json()["length"] == 4)


async def upload_under_a_closed_window(stage: Stage) -> None:
    response = await stage.client.post(f"{stage.url}/late-window", content=content(200_000), headers=stage.once())
    assert response.text == "200000"


# The pool


async def wait_for_the_pool(stage: Stage) -> None:
    """More than there are connections, or streams."""
    outcomes = await stage.driver.gather(*(get(stage) for _ in range(8)))
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def refused_once(stage: Stage) -> None:
    assert stage.origin is not None
    stage.origin.refusals = 1
    assert (await stage.client.post(f"{stage.url}/echo", content=b"body", headers=stage.once())).text == "body"


async def parted(stage: Stage) -> None:
    assert (await stage.client.get(f"{stage.url}/goaway", headers=stage.once())).text == "ok"
    await get(stage)


# Octets both ways


async def tunnel(stage: Stage) -> None:
    headers = {"Upgrade": "echo", "Connection": "Upgrade"} | stage.once()
    async with stage.client.stream("GET", f"{stage.url}/upgrade", headers=headers) as response:
        network = Network(response)
        await network.write(b"ping")
        assert await network.read_exactly(4) == b"ping"


async def websocket(stage: Stage) -> None:
    async with opened(stage.client, stage.sockets_url) as session:
        await session.send_text("ping")
        assert await session.receive_text() == "ping"


# What fails


async def refused_dial(stage: Stage) -> None:
    with pytest.raises(httpfast.ConnectError):
        await stage.client.get("http://127.0.0.1:1/")


async def failing_handshake(stage: Stage) -> None:
    with pytest.raises(httpfast.ConnectError):
        await stage.client.get(f"{stage.url}/json", extensions={"sni_hostname": "other.example"})


async def connect_timeout(stage: Stage) -> None:
    with pytest.raises(httpfast.ConnectTimeout):
        await stage.client.get(f"https://127.0.0.1:{stage.silent}/", timeout=httpfast.Timeout(20, connect=HASTY))


async def write_timeout(stage: Stage) -> None:
    url = f"{stage.url}/hang" if stage.origin else f"http://127.0.0.1:{stage.silent}/"
    with pytest.raises(httpfast.WriteTimeout):
        await stage.client.post(url, content=bytes(20_000_000), timeout=httpfast.Timeout(20, write=HASTY))


async def head_timeout(stage: Stage) -> None:
    path = "/hang" if stage.origin else "/stall-head"
    with pytest.raises(httpfast.ReadTimeout):
        await stage.client.get(stage.url + path, headers=stage.once(), timeout=httpfast.Timeout(20, read=HASTY))


async def body_timeout(stage: Stage) -> None:
    path = "/stall" if stage.origin else "/stall-body"
    with pytest.raises(httpfast.ReadTimeout):
        await stage.client.get(stage.url + path, headers=stage.once(), timeout=httpfast.Timeout(20, read=HASTY))


async def total_timeout(stage: Stage) -> None:
    path = "/stall" if stage.origin else "/drip/1000"
    with pytest.raises(httpfast.TimeoutException):
        await stage.client.get(stage.url + path, headers=stage.once(), timeout=httpfast.Timeout(20, total=HASTY))


async def pool_timeout(stage: Stage) -> None:
    # Responses that do not end before they are left.
    path, count = ("/stall", 4) if stage.origin else ("/bytes/3000000", stage.limit)
    async with AsyncExitStack() as held:
        for _ in range(count):
            stream = stage.client.stream("GET", stage.url + path, headers=stage.once())
            await held.enter_async_context(stream)
        with pytest.raises(httpfast.PoolTimeout):
            await stage.client.get(f"{stage.url}/bytes/1000", timeout=httpfast.Timeout(20, pool=HASTY))


BOTH_LAYERS = ("plain", "tls")
BOTH_STARTS = ("new", "kept")
KEPT = ("kept",)

SCENARIOS = [
    Scenario("get", get, layers=BOTH_LAYERS, starts=BOTH_STARTS),
    Scenario("get by name", get_by_name),
    Scenario("get after a look-up", get_after_look_up, looks_up_names=True),
    Scenario("get a large body", get_large),
    Scenario("get a body that ends with the connection", get_until_close),
    Scenario("read a stream", read_stream, layers=BOTH_LAYERS, starts=BOTH_STARTS),
    Scenario("leave a stream", leave_stream),
    Scenario("follow redirects", follow_redirects, layers=BOTH_LAYERS, starts=BOTH_STARTS, requests=4),
    Scenario("answer a challenge", answer_challenge, starts=BOTH_STARTS, requests=2),
    Scenario("upload pieces", upload_pieces, layers=BOTH_LAYERS, starts=BOTH_STARTS, is_safe=False),
    Scenario("upload a whole body", upload_whole, is_safe=False),
    Scenario("upload what is refused", upload_refused, is_safe=False),
    Scenario("upload after 100 Continue", upload_after_continue, layers=BOTH_LAYERS, starts=BOTH_STARTS, is_safe=False),
    Scenario("wait for the pool", wait_for_the_pool, starts=BOTH_STARTS, is_alone=False),
    Scenario("within timeouts", within_timeouts),
    Scenario("tunnel", tunnel, is_safe=False),
    Scenario("websocket", websocket, place="websocket", is_safe=False, is_alone=False),
    Scenario("refused dial", refused_dial),
    Scenario("failing handshake", failing_handshake, layers=("tls",)),
    Scenario("connect timeout", connect_timeout),
    Scenario("write timeout", write_timeout, is_safe=False),
    Scenario("head timeout", head_timeout, layers=BOTH_LAYERS),
    Scenario("body timeout", body_timeout),
    Scenario("total timeout", total_timeout),
    Scenario("pool timeout", pool_timeout),
    Scenario("get by CONNECT", get, place="connect", layers=("tls",), starts=BOTH_STARTS),
    Scenario("upload by CONNECT", upload_pieces, place="connect", layers=("tls",), is_safe=False),
    Scenario("get by an https proxy", get, place="https proxy", layers=("tls",), starts=BOTH_STARTS),
    Scenario("get by SOCKS5", get, place="socks", layers=BOTH_LAYERS, starts=BOTH_STARTS),
    Scenario("get", get, place="h2", layers=BOTH_LAYERS, starts=BOTH_STARTS),
    Scenario("get a large body", get_large, place="h2", layers=BOTH_LAYERS),
    Scenario("read a stream", read_stream, place="h2", layers=BOTH_LAYERS, starts=KEPT),
    Scenario("leave a stream", leave_stream, place="h2", layers=BOTH_LAYERS, starts=KEPT),
    Scenario("follow redirects", follow_redirects, place="h2", starts=KEPT, requests=4),
    Scenario("answer a challenge", answer_challenge, place="h2", starts=KEPT, requests=2),
    Scenario("upload a whole body", upload_whole, place="h2", layers=BOTH_LAYERS, is_safe=False),
    Scenario("upload pieces", upload_pieces, place="h2", layers=BOTH_LAYERS, starts=KEPT, is_safe=False),
    Scenario("upload what is refused", upload_refused, place="h2", layers=BOTH_LAYERS, is_safe=False),
    Scenario(
        "upload after 100 Continue",
        upload_after_continue,
        place="h2",
        layers=BOTH_LAYERS,
        starts=KEPT,
        is_safe=False,
    ),
    Scenario(
        "upload under a closed window",
        upload_under_a_closed_window,
        place="h2",
        layers=BOTH_LAYERS,
        starts=KEPT,
        is_safe=False,
    ),
    Scenario("refused once", refused_once, place="h2", layers=BOTH_LAYERS, starts=KEPT, is_safe=False),
    Scenario("parted", parted, place="h2", layers=BOTH_LAYERS, starts=KEPT),
    Scenario(
        "wait for the pool", wait_for_the_pool, place="h2", layers=BOTH_LAYERS, starts=BOTH_STARTS, is_alone=False
    ),
    Scenario("head timeout", head_timeout, place="h2", layers=BOTH_LAYERS, starts=KEPT),
    Scenario("body timeout", body_timeout, place="h2", starts=KEPT),
    Scenario("write timeout", write_timeout, place="h2", starts=KEPT, is_safe=False),
    Scenario("total timeout", total_timeout, place="h2", starts=KEPT),
    Scenario("pool timeout", pool_timeout, place="h2", starts=KEPT),
]

CASES = [
    Case(scenario, layer, start) for scenario in SCENARIOS for layer, start in product(scenario.layers, scenario.starts)
]
