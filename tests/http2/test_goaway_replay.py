"""What is sent again, and what never (RFC 9113, 6.8, 8.7; RFC 9110, 9.2.2). [H2-08, H2-10, H2-11]"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

import httpfast
from bench.server import content

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream

ENDINGS = ["close", "abort"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_refused_stream_is_sent_again(driver: Driver, layer: dict[str, bool], method: str) -> None:
    """RFC 9113, 8.7: REFUSED_STREAM says that nothing was processed, whatever the method."""
    with ScriptedOrigin(**layer, refusals=1) as origin:
        client = driver.client(**origin.options)

        response = await client.request(method, f"{origin.url}/echo", content=b"body")

        assert response.text == "body"
        assert [stream.was_refused for stream in origin.streams] == [True, False]


async def test_server_that_refuses_everything_meets_few_attempts(driver: Driver) -> None:
    """[H2-08]"""
    with ScriptedOrigin(refusals=1_000_000) as origin:
        client = driver.client(**origin.options)

        with pytest.raises(httpfast.RemoteProtocolError, match="REFUSED_STREAM"):
            await client.post(origin.url, content=b"body")
        await client.rest()

        assert 2 <= len(origin.streams) <= 5


async def test_burst_to_a_server_that_refuses_everything_meets_few_attempts(driver: Driver) -> None:
    """[H2-08]"""
    with ScriptedOrigin(refusals=1_000_000) as origin:
        client = driver.client(**origin.options)

        outcomes = await driver.gather(*(client.get(origin.url) for _ in range(30)))
        await client.rest()

        assert [type(outcome) for outcome in outcomes] == [httpfast.RemoteProtocolError] * 30
        assert len(origin.streams) <= 150


async def test_refused_stream_is_not_sent_again_where_replay_is_off(driver: Driver) -> None:
    with ScriptedOrigin(refusals=1) as origin:
        transport = driver.transport(**origin.options, replay=False)
        client = driver.client(transport=transport)

        with pytest.raises(httpfast.RemoteProtocolError, match="REFUSED_STREAM"):
            await client.get(origin.url)

        assert len(origin.streams) == 1
        assert (await client.get(origin.url)).text == "ok"


async def test_refused_upload_whose_body_is_spent_is_not_sent_again(driver: Driver) -> None:
    async def refuse(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        stream.reset(ErrorCodes.REFUSED_STREAM)

    with ScriptedOrigin() as origin:
        url = origin.on("/refuse", refuse)
        client = driver.client(**origin.options, timeout=5)

        with pytest.raises(httpfast.RemoteProtocolError, match="REFUSED_STREAM"):
            await client.post(url, content=driver.body([content(40_000)] * 10))

        assert len(origin.streams) == 1
        assert (await client.get(origin.url)).text == "ok"


async def test_refused_request_goes_to_the_connection_that_others_use(driver: Driver) -> None:
    """Where no other may be made, it need not wait until that one is idle."""
    with ScriptedOrigin() as origin:
        limits = httpfast.Limits(max_connections=1)
        client = driver.client(**origin.options, limits=limits, timeout=httpfast.Timeout(5, pool=0.5))

        async with client.stream("GET", f"{origin.url}/stall"):
            origin.refusals = 1
            assert (await client.get(origin.url)).text == "ok"

        assert len(origin.connections) == 1


@pytest.mark.parametrize("code", [ErrorCodes.INTERNAL_ERROR, ErrorCodes.CANCEL, ErrorCodes.ENHANCE_YOUR_CALM])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_stream_reset_with_another_code_is_not_sent_again(driver: Driver, method: str, code: ErrorCodes) -> None:
    """[H2-11]"""

    async def refuse(stream: Stream) -> None:
        await stream.read()
        stream.reset(code)

    with ScriptedOrigin() as origin:
        url = origin.on("/refuse", refuse)
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.RemoteProtocolError, match=code.name):
            await client.request(method, url, content=b"body")

        assert len(origin.streams) == 2
        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_request_above_the_last_id_of_goaway_is_sent_again(
    driver: Driver, layer: dict[str, bool], method: str
) -> None:
    """[H2-10] The server has not looked at it: also a POST."""
    seen: list[int] = []

    async def leaving(stream: Stream) -> None:
        seen.append(stream.id)
        if len(seen) == 1:
            stream.connection.goaway(0)
            stream.connection.close()
        else:
            await stream.respond(body=await stream.read())

    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/leaving", leaving)
        client = driver.client(**origin.options)

        response = await client.request(method, url, content=b"body")

        assert response.text == "body"
        assert len(origin.connections) == 2
        assert seen == [1, 1]


async def test_requests_up_to_the_last_id_of_goaway_are_answered(driver: Driver, layer: dict[str, bool]) -> None:
    """[H2-10] Their connection goes on until they are; what comes after them goes to another."""
    with ScriptedOrigin(**layer) as origin:
        gate = origin.gate()

        async def late(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=b"late")

        url = origin.on("/late", late)
        client = driver.client(**origin.options, timeout=5)

        async def one() -> str:
            return (await client.get(url)).text

        async def after() -> str:
            await driver.blocking(origin.wait_until, lambda: len(origin.streams) == 5)
            origin.call(origin.connections[0].goaway)
            # The answer comes on another connection, once the client has read the goodbye.
            while len(origin.connections) == 1:
                assert (await client.get(origin.url)).text == "ok"
            gate.open()
            return "after"

        outcomes = await driver.gather(*(one() for _ in range(5)), after())
        await client.rest()

        assert outcomes == ["late"] * 5 + ["after"]
        assert len(origin.connections) == 2
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].is_lost)
        assert client.counts == (1, 1)


async def test_two_step_goaway_loses_nothing(driver: Driver) -> None:
    """[H2-10] RFC 9113, 6.8: first with the highest number, then with the last one that was looked at."""

    async def leaving(stream: Stream) -> None:
        connection = stream.connection
        if connection is origin.connections[0] and len(connection.streams) == 10:
            connection.goaway(2**31 - 1)
            connection.goaway(9)
        await stream.respond(body=stream["x-token"].encode())

    with ScriptedOrigin() as origin:
        url = origin.on("/leaving", leaving)
        client = driver.client(**origin.options, timeout=5)

        async def one(index: int) -> str:
            return (await client.post(url, content=b"x", headers={"x-token": str(index)})).text

        assert await driver.gather(*(one(index) for index in range(30))) == [str(index) for index in range(30)]


@pytest.mark.parametrize("per_connection", [1, 7])
async def test_goaway_after_every_few_requests_loses_and_doubles_nothing(driver: Driver, per_connection: int) -> None:
    """[H2-10] As nginx does after keepalive_requests."""
    tokens: list[str] = []

    async def counting(stream: Stream) -> None:
        connection = stream.connection
        if len(connection.streams) == per_connection:
            connection.goaway()
        tokens.append(stream["x-token"])
        await stream.respond(body=stream["x-token"].encode())

    with ScriptedOrigin() as origin:
        url = origin.on("/counting", counting)
        client = driver.client(**origin.options, timeout=20)

        async def worker(index: int) -> list[str]:
            return [
                (await client.post(url, content=b"x", headers={"x-token": f"{index} {turn}"})).text for turn in range(8)
            ]

        outcomes = await driver.gather(*(worker(index) for index in range(8)))

        assert outcomes == [[f"{index} {turn}" for turn in range(8)] for index in range(8)]
        assert sorted(tokens) == sorted(f"{index} {turn}" for index in range(8) for turn in range(8))


async def test_goaway_with_an_error_is_named(driver: Driver) -> None:
    async def calm(stream: Stream) -> None:
        stream.connection.goaway(stream.id, ErrorCodes.ENHANCE_YOUR_CALM)
        # Not `close`, by which a reset might overtake the goodbye.
        stream.connection.end()

    with ScriptedOrigin() as origin:
        url = origin.on("/calm", calm)
        client = driver.client(**origin.options, timeout=5)

        with pytest.raises(httpfast.RemoteProtocolError, match="ENHANCE_YOUR_CALM"):
            await client.post(url, content=b"x")
        await client.rest()

        assert len(origin.streams) == 1
        assert (await client.get(origin.url)).text == "ok"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_unsafe_request_whose_connection_dies_is_not_sent_again(
    driver: Driver, layer: dict[str, bool], method: str, ending: str
) -> None:
    """It may have been processed."""

    async def die(stream: Stream) -> None:
        await stream.read()
        getattr(stream.connection, ending)()

    with ScriptedOrigin(**layer) as origin:
        url = origin.on("/die", die)
        client = driver.client(**origin.options, timeout=5)
        await client.get(origin.url)

        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ReadError, httpfast.WriteError)):
            await client.request(method, url, content=b"body")
        await client.rest()

        assert sum(stream.path == "/die" for stream in origin.streams) == 1
        assert (await client.get(origin.url)).text == "ok"


async def test_request_on_a_new_connection_that_dies_is_not_sent_again(driver: Driver) -> None:
    async def die(stream: Stream) -> None:
        stream.connection.close()

    with ScriptedOrigin() as origin:
        url = origin.on("/die", die)
        client = driver.client(**origin.options, timeout=5)

        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ReadError)):
            await client.get(url)

        assert len(origin.streams) == 1


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_idle_connection_closed_by_the_server_is_replaced(
    driver: Driver, layer: dict[str, bool], method: str, ending: str
) -> None:
    """Nothing was sent on it that could have been processed: it was closed before."""
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=5)
        await client.get(origin.url)
        origin.call(getattr(origin.connections[0], ending))
        for _ in range(3):
            # Until the origin's loop has gone round, which it has to before the socket is closed.
            origin.call(lambda: None)
        for _ in range(50):
            await driver.turn()

        response = await client.request(method, f"{origin.url}/echo", content=b"body")

        assert response.text == "body"
        assert len(origin.connections) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_idle_connection_that_says_goodbye_is_replaced(
    driver: Driver, layer: dict[str, bool], method: str
) -> None:
    """GOAWAY without closing: what nginx and others do with idle connections."""
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=5)
        await client.get(origin.url)
        origin.call(origin.connections[0].goaway)

        response = await client.request(method, f"{origin.url}/echo", content=b"body")

        assert response.text == "body"
        assert len(origin.connections) == 2
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].is_lost)


async def test_goodbye_while_requests_wait_for_a_stream_loses_none(driver: Driver) -> None:
    """They wait for room on a connection that will never have it again."""
    with ScriptedOrigin(max_streams=2) as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=b"held")

        url = origin.on("/held", held)
        limits = httpfast.Limits(max_connections=1)
        client = driver.client(**origin.options, limits=limits, timeout=5)
        await client.get(origin.url)

        async def one(path: str) -> str:
            return (await client.get(path)).text

        async def release() -> None:
            await driver.blocking(origin.wait_until, lambda: sum(s.path == "/held" for s in origin.streams) == 2)
            origin.call(origin.connections[0].goaway)
            gate.open()

        outcomes = await driver.gather(one(url), one(url), *(one(url) for _ in range(6)), release())

        assert outcomes == ["held"] * 8 + [None]
        assert len(origin.connections) >= 2


async def test_goodbye_between_the_hand_over_and_the_request_loses_nothing(loop_driver: Driver) -> None:
    """A waiter is given a connection in one turn of the loop, and runs in the next: a GOAWAY may come in between."""
    goaway = GoAwayFrame(0, last_stream_id=2**31 - 1).serialize()
    parted: list[Any] = []

    with ScriptedOrigin(max_streams=1) as origin:
        client = loop_driver.client(**origin.options, limits=httpfast.Limits(max_connections=1), timeout=5)
        await client.get(origin.url)
        held = await client.open("GET", f"{origin.url}/stall")
        pool = client.transport._pool
        acquire = pool.acquire

        async def acquire_and_part(*arguments: Any, **options: Any) -> Any:
            connection = await acquire(*arguments, **options)
            if not parted:
                parted.append(connection)
                connection.get_buffer(len(goaway))[: len(goaway)] = goaway
                connection.buffer_updated(len(goaway))
            return connection

        pool.acquire = acquire_and_part
        waiting = asyncio.ensure_future(client.post(f"{origin.url}/echo", content=b"body"))
        while client.state.waiting == 0:
            await asyncio.sleep(0)
        await client.close_response(held)

        assert (await waiting).text == "body"
        assert parted[0].is_closed
        assert len(origin.connections) == 2
