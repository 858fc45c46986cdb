"""Which connection carries which request, and how many there are (RFC 9113, 5.1.2 and 9.1)."""

from __future__ import annotations

import gc
from contextlib import aclosing
from typing import Any

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Caller, Driver
from .origin import ScriptedOrigin, Stream

ONE = httpfast.Limits(max_connections=1)


async def statuses(driver: Driver, client: Caller, urls: list[str]) -> list[Any]:
    """What requests made at once return or raise."""

    async def one(url: str) -> Any:
        return (await client.get(url)).status_code

    return await driver.gather(*(one(url) for url in urls))


async def test_burst_to_a_cold_origin_makes_one_connection(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)

        assert await statuses(driver, client, [origin.url] * 80) == [200] * 80
        await client.rest()

        assert len(origin.connections) == 1
        assert client.counts == (1, 1)


async def test_requests_one_after_another_use_one_connection(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)

        for _ in range(20):
            assert (await client.get(origin.url)).text == "ok"

        assert len(origin.connections) == 1
        assert [*origin.connections[0].streams] == [*range(1, 41, 2)]


async def test_thousand_requests_at_once_all_succeed(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer, max_streams=128) as origin:
        client = driver.client(**origin.options, timeout=30)

        assert await statuses(driver, client, [origin.url] * 1000) == [200] * 1000
        await client.rest()

        assert client.state.waiting == 0
        assert all(connection.most_open <= 128 for connection in origin.connections)


async def test_limit_of_streams_is_kept_by_waiting_where_no_connection_may_be_added(driver: Driver) -> None:
    """RFC 9113, 5.1.2: once the server's SETTINGS are known nothing is refused."""
    with ScriptedOrigin(max_streams=5) as origin:
        client = driver.client(**origin.options, limits=ONE, timeout=20)
        await client.get(origin.url)

        assert await statuses(driver, client, [origin.url] * 60) == [200] * 60

        assert len(origin.connections) == 1
        assert origin.connections[0].most_open <= 5
        assert not any(stream.was_refused for stream in origin.streams)


async def test_cold_burst_to_a_server_that_takes_few_streams_loses_nothing(driver: Driver) -> None:
    """The client learns the limit after it has begun: what is refused has not been looked at, and is sent again."""
    with ScriptedOrigin(max_streams=5) as origin:
        client = driver.client(**origin.options, limits=ONE, timeout=20)

        assert await statuses(driver, client, [origin.url] * 30) == [200] * 30

        assert sum(not stream.was_refused for stream in origin.streams) == 30


async def test_next_connection_begins_with_the_limit_that_the_last_one_was_told(driver: Driver) -> None:
    """Its own SETTINGS have not come when the requests that waited for it are sent (RFC 9113, 5.1.2)."""
    with ScriptedOrigin(max_streams=2) as origin:
        client = driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        held = [await client.open("GET", f"{origin.url}/stall") for _ in range(2)]

        assert await statuses(driver, client, [origin.url] * 6) == [200] * 6

        assert not any(stream.was_refused for stream in origin.streams)
        assert all(connection.most_open <= 2 for connection in origin.connections)
        for response in held:
            await client.close_response(response)


async def test_cold_burst_without_a_limit_of_connections_loses_nothing(driver: Driver) -> None:
    with ScriptedOrigin(max_streams=5) as origin:
        client = driver.client(**origin.options, timeout=20)

        assert await statuses(driver, client, [origin.url] * 30) == [200] * 30

        assert sum(not stream.was_refused for stream in origin.streams) == 30


async def test_next_connection_is_made_when_all_streams_are_taken(driver: Driver) -> None:
    with ScriptedOrigin(max_streams=3) as origin:
        gate = origin.gate()

        async def held(stream: Stream) -> None:
            await gate.wait()
            await stream.respond()

        url = origin.on("/held", held)
        client = driver.client(**origin.options)
        # The limit is known from here on.
        await client.get(origin.url)
        responses = []

        async def one() -> int:
            responses.append(await client.get(url))
            return responses[-1].status_code

        async def release() -> int:
            await driver.blocking(
                origin.wait_until, lambda: sum(s.path == "/held" and not s.was_refused for s in origin.streams) == 7
            )
            gate.open()
            return 0

        assert await driver.gather(*(one() for _ in range(7)), release()) == [200] * 7 + [0]

        # Of what a new connection was sent before its limit was known some was refused, and went elsewhere.
        assert [len([s for s in c.streams.values() if not s.was_refused]) for c in origin.connections] == [4, 3, 1]


async def test_connections_never_pass_their_limit(driver: Driver) -> None:
    with ScriptedOrigin(max_streams=2) as origin:
        client = driver.client(**origin.options, limits=httpfast.Limits(max_connections=3), timeout=20)

        assert await statuses(driver, client, [origin.url] * 50) == [200] * 50

        open_at_once = sum(not connection.is_lost for connection in origin.connections)
        assert open_at_once <= 3
        assert client.counts[0] <= 3


async def test_pool_timeout_when_all_streams_and_connections_are_taken(driver: Driver) -> None:
    """[H2-19]"""
    with ScriptedOrigin(max_streams=1) as origin:
        timeout = httpfast.Timeout(5, pool=0.05)
        client = driver.client(**origin.options, limits=ONE, timeout=timeout)
        await client.get(origin.url)
        held = await client.open("GET", f"{origin.url}/stall")

        with pytest.raises(httpfast.PoolTimeout):
            await client.get(origin.url)
        await client.close_response(held)

        assert client.state.waiting == 0
        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_no_stream_at_all_is_a_pool_timeout(driver: Driver) -> None:
    """[H2-19] MAX_CONCURRENT_STREAMS 0: nothing may be sent, and another connection would not help."""
    with ScriptedOrigin() as origin:

        async def forbid(stream: Stream) -> None:
            await stream.send_head(200)
            await stream.send(b"begun")
            stream.connection.allow(0)
            await stream.send(b" and forbidden")
            await stream.hang()

        url = origin.on("/forbid", forbid)
        client = driver.client(**origin.options, limits=ONE, timeout=httpfast.Timeout(5, pool=0.05))

        async with client.stream("GET", url) as response, aclosing(client.pieces(response)) as pieces:
            received = b""
            while len(received) < len(b"begun and forbidden"):
                received += await anext(pieces)
            for _ in range(2):
                with pytest.raises(httpfast.PoolTimeout):
                    await client.get(origin.url)

        assert [[*connection.streams] for connection in origin.connections] == [[1]]
        assert client.state.waiting == 0


async def test_limit_that_is_raised_lets_waiting_requests_go(driver: Driver) -> None:
    """[H2-19]"""
    with ScriptedOrigin(max_streams=2) as origin:

        async def raising(stream: Stream) -> None:
            if sum(other.path == "/raise" for other in origin.streams) == 2:
                stream.connection.allow(10)
            await stream.until(lambda: sum(other.path == "/raise" for other in origin.streams) == 8)
            await stream.respond()

        url = origin.on("/raise", raising)
        client = driver.client(**origin.options, limits=ONE)
        await client.get(origin.url)

        assert await statuses(driver, client, [url] * 8) == [200] * 8
        assert len(origin.connections) == 1


async def test_limit_that_is_lowered_is_kept_from_then_on(driver: Driver) -> None:
    """[H2-19]"""
    with ScriptedOrigin(max_streams=10) as origin:

        async def lower(stream: Stream) -> None:
            stream.connection.allow(2)
            await stream.respond()

        client = driver.client(**origin.options, limits=ONE, timeout=20)
        await client.get(origin.on("/lower", lower))
        connection = origin.connections[0]
        await client.get(origin.url)
        connection.most_open = 0

        assert await statuses(driver, client, [origin.url] * 40) == [200] * 40

        assert connection.most_open <= 2
        assert not any(stream.was_refused for stream in origin.streams)


async def test_least_loaded_connection_is_chosen(driver: Driver) -> None:
    with ScriptedOrigin(max_streams=4) as origin:
        client = driver.client(**origin.options, timeout=20)
        await client.get(origin.url)
        held = [await client.open("GET", f"{origin.url}/stall") for _ in range(6)]
        first, second = origin.connections
        assert (len(first.streams), len(second.streams)) == (5, 2)

        # The second carries two, the first four: after three are given up it carries one.
        for response in held[:3]:
            await client.close_response(response)
        response = await client.get(origin.url)
        await client.close_response(held[3])
        for late in held[4:]:
            await client.close_response(late)

        assert response.text == "ok"
        assert (len(first.streams), len(second.streams)) == (6, 2)


async def test_origins_do_not_share_a_connection(driver: Driver) -> None:
    """Neither by port nor by name: coalescing would need a look at the certificate. [H2-23]"""
    with ScriptedOrigin(tls=True) as one, ScriptedOrigin(tls=True) as other:
        client = driver.client(**one.options)

        await client.get(one.url)
        await client.get(other.url)
        await client.get(one.url.replace("localhost", "127.0.0.1"))

        assert [len(connection.streams) for connection in one.connections] == [1, 1]
        assert [len(connection.streams) for connection in other.connections] == [1]


async def test_idle_connection_is_evicted_for_another_origin(driver: Driver) -> None:
    with ScriptedOrigin() as one, ScriptedOrigin() as other:
        client = driver.client(**one.options, limits=ONE)

        await client.get(one.url)
        await client.get(other.url)
        await driver.blocking(one.wait_until, lambda: one.connections[0].is_lost)

        assert client.counts == (1, 1)
        assert one.connections[0].goaway_code == 0


@pytest.mark.parametrize("kept", [0, 1])
async def test_no_more_idle_connections_are_kept_than_allowed(driver: Driver, kept: int) -> None:
    with ScriptedOrigin(max_streams=1) as origin:
        limits = httpfast.Limits(max_keepalive_connections=kept)
        client = driver.client(**origin.options, limits=limits, timeout=20)
        await client.get(origin.url)
        held = [await client.open("GET", f"{origin.url}/stall") for _ in range(3)]

        for response in held:
            await client.close_response(response)
        await client.rest()

        assert client.counts == (kept, kept)


async def test_expired_connection_is_not_used_again(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, limits=httpfast.Limits(keepalive_expiry=0.0))

        await client.get(origin.url)
        await client.get(origin.url)

        assert len(origin.connections) == 2
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].is_lost)


async def test_client_closed_with_streams_under_way_fails_them_all(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=5)

        async def close() -> None:
            await driver.blocking(origin.wait_until, lambda: len(origin.streams) == 10)
            await client.close()

        outcomes = await driver.gather(*(client.get(f"{origin.url}/hang") for _ in range(10)), close())

        assert all(isinstance(outcome, httpfast.TransportError) for outcome in outcomes[:10]), outcomes
        assert not any(isinstance(outcome, httpfast.TimeoutException) for outcome in outcomes[:10])
        assert outcomes[10] is None
        assert client.counts == (0, 0)
        await driver.blocking(origin.wait_until, lambda: origin.connections[0].is_lost)


async def test_closed_client_says_goodbye(driver: Driver) -> None:
    """RFC 9113, 6.8: GOAWAY with NO_ERROR before the connection is closed."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        await client.close()

        await driver.blocking(origin.wait_until, lambda: origin.connections[0].is_lost)
        assert origin.connections[0].goaway_code == 0


async def test_large_and_small_bodies_at_once_arrive_whole(driver: Driver, layer: dict[str, bool]) -> None:
    sizes = [5_000_000, 1, 70_000, 0, 1_000_000] * 6
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=30)

        async def one(size: int) -> bool:
            return (await client.get(f"{origin.url}/bytes/{size}")).content == content(size)

        assert await driver.gather(*(one(size) for size in sizes)) == [True] * len(sizes)
        assert len(origin.connections) == 1


async def test_responses_are_freed_without_the_garbage_collector(driver: Driver) -> None:
    """What a connection remembers of a request must not keep its response in memory."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await client.get(f"{origin.url}/bytes/100000")
                async with client.stream("GET", f"{origin.url}/stall"):
                    pass
            kinds = [f"{type(found).__module__}.{type(found).__name__}" for found in gc.get_objects()]
        finally:
            gc.enable()

        assert kinds.count("httpfast._cext.exchange.Exchange") <= 1
        assert kinds.count("httpfast._cext.h2.H2Stream") <= 1
