"""`pool_stats()`: what a pool says of itself, and what a client makes of its transports' answers."""

from __future__ import annotations

import pytest

import httpfast
from bench.server import EmbeddedServer
from httpfast._cext.pool import PoolState
from httpfast._pool_stats import PoolStats, stats_of
from tests.drivers.facade import Driver
from tests.http2.origin import ScriptedOrigin, Stream
from tests.pool.connections import Connection

KEY = (b"https", b"a.example", 443)


def counts(stats: PoolStats) -> tuple[int, int, int, int, int]:
    return stats.connecting, stats.idle, stats.active, stats.requests, stats.waiting


def test_each_state_of_a_connection_is_counted() -> None:
    state = PoolState(2)
    waiters = [state.enter(KEY), state.enter(KEY), state.enter(KEY)]
    assert counts(stats_of(state)) == (2, 0, 0, 0, 1)

    connection = Connection()
    state.adopt(connection, waiters[0].origin)
    assert counts(stats_of(state)) == (1, 0, 1, 1, 1)

    state.leave(waiters[2])
    state.leave(waiters[1])
    state.leave(waiters[0])
    state.release(connection, 0.0)
    assert counts(stats_of(state)) == (1, 1, 0, 0, 0)

    state.vacate(waiters[1].origin)
    state.drop(connection)
    assert stats_of(state) == PoolStats()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ((b"http", b"a.example", 80), "http://a.example:80"),
        ((b"https", b"::1", 8443), "https://[::1]:8443"),
        ((b"https", b"a.example", 443, "other.example"), "https://a.example:443"),
    ],
)
def test_origins_have_names(key: tuple[bytes, bytes, int], name: str) -> None:
    state = PoolState()
    state.enter(key)

    assert list(stats_of(state).origins) == [name]


def test_keys_of_one_origin_are_one_row() -> None:
    state = PoolState()
    state.enter(KEY)
    state.enter((*KEY, "other.example"))

    assert stats_of(state).origins["https://a.example:443"].connecting == 2


async def test_client_counts_its_connections(driver: Driver, embedded_server: EmbeddedServer) -> None:
    client = driver.client()
    assert client.client.pool_stats() == PoolStats()

    async with client.stream("GET", embedded_server.url + "/bytes/1000000") as response:
        busy = client.client.pool_stats()
        await client.read(response)
    await client.rest()
    idle = client.client.pool_stats()

    assert counts(busy) == (0, 0, 1, 1, 0)
    assert counts(idle) == (0, 1, 0, 0, 0)
    assert idle.connections == 1
    assert idle.origins == {embedded_server.url: PoolStats(idle=1)}


async def test_requests_that_share_a_connection_are_counted(driver: Driver) -> None:
    async def answer_in_parts(stream: Stream) -> None:
        await stream.send_head()
        await rest.wait()
        await stream.send(b"ok", ends=True)

    with ScriptedOrigin() as origin:
        rest = origin.gate()
        origin.on("/", answer_in_parts)
        client = driver.client(**origin.options)
        responses = [await client.open("GET", origin.url) for _ in range(2)]

        stats = client.client.pool_stats()
        rest.open()
        for response in responses:
            await client.read(response)

    assert counts(stats) == (0, 0, 1, 2, 0)


async def test_transports_of_mounts_are_added_up(driver: Driver, embedded_server: EmbeddedServer) -> None:
    mock = httpfast.MockTransport(lambda request: httpfast.Response(204))
    client = driver.client(mounts={"http://127.0.0.1": driver.transport(), "http://mock.example": mock})

    await client.get(embedded_server.url)
    await client.get("http://mock.example")
    await client.get(embedded_server.url.replace("127.0.0.1", "localhost"))
    await client.rest()

    stats = client.client.pool_stats()
    assert stats.idle == 2
    assert len(stats.origins) == 2


def test_proxy_that_forwards_is_named_without_its_credentials(embedded_server: EmbeddedServer) -> None:
    proxy = embedded_server.url.replace("://", "://user:hunter2@")
    with httpfast.Client(proxy=proxy, trust_env=False) as client:
        client.get("http://a.example/")

        assert list(client.pool_stats().origins) == [embedded_server.url]
