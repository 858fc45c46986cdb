"""Never more streams than the server allows, whichever way they end (RFC 9113, 5.1.2), by the server's own count."""

from __future__ import annotations

import random

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream, refused

STREAMS = 8
REQUESTS = 25


@pytest.mark.timeout(120)
async def test_crowd_never_has_more_streams_than_the_server_allows(driver: Driver) -> None:
    """Answers, answers before the upload has ended, streams left early: of 32 at once, for 2 connections."""
    with ScriptedOrigin(max_streams=STREAMS) as origin:

        async def drop(stream: Stream) -> None:
            await stream.respond(body=b"early")

        early = origin.on("/early", drop)
        client = driver.client(**origin.options, timeout=60, limits=httpfast.Limits(max_connections=2))
        await client.get(origin.url)

        async def work(index: int) -> None:
            chance = random.Random(index)
            for _ in range(REQUESTS):
                kind, body = chance.random(), content(chance.randrange(2000, 90_000))
                if kind < 0.3:
                    assert (await client.post(early, content=body)).content == b"early"
                elif kind < 0.5:
                    pieces = driver.body([body[:1000], body[1000:]])
                    assert (await client.post(early, content=pieces)).content == b"early"
                elif kind < 0.7:
                    async with client.stream("GET", f"{origin.url}/bytes/300000") as response:
                        assert response.status_code == 200
                else:
                    assert len((await client.get(f"{origin.url}/bytes/1000")).content) == 1000

        assert await driver.gather(*(work(index) for index in range(32))) == [None] * 32
        await client.rest()

        assert refused(origin.streams) == []
        assert max(connection.most_open for connection in origin.connections) == STREAMS
        assert len(origin.connections) == 2
