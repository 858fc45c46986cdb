"""hishel, a cache for httpx, and tenacity, which tries things again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from tests.peers import Close, ReadRequest, ScriptedPeer, Send

FRESH = b'HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nETag: "1"\r\nContent-Length: 5\r\n\r\nhello'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


def needs(package: str) -> Any:
    return pytest.importorskip(package, reason=f"{package}, which this tries, is not installed")


# hishel


@pytest.mark.aliased
def test_hishel_answers_a_second_request_from_its_cache(tmp_path: Path) -> None:
    hishel = needs("hishel")
    import httpx
    from hishel.httpx import CacheTransport

    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    transport = CacheTransport(httpx.HTTPTransport(), storage=storage, rfc=True)
    # One request only: a second one would not be answered.
    with ScriptedPeer([ReadRequest(), Send(FRESH)]) as peer, httpx.Client(transport=transport) as client:
        assert isinstance(client, httpfast.Client)
        first, second = client.get(peer.url), client.get(peer.url)

    assert first.text == second.text == "hello"
    assert [response.extensions["caching"]["from_cache"] for response in (first, second)] == [False, True]


@pytest.mark.aliased
def test_hishel_answers_an_async_client_from_its_cache(tmp_path: Path) -> None:
    hishel = needs("hishel")
    needs("anysqlite")
    import httpx
    from hishel.httpx import AsyncCacheTransport

    async def main(url: str) -> list[bool]:
        storage = hishel.AsyncSqliteStorage(database_path=tmp_path / "cache.db")
        transport = AsyncCacheTransport(httpx.AsyncHTTPTransport(), storage=storage, rfc=True)
        async with httpx.AsyncClient(transport=transport) as client:
            responses = [await client.get(url) for _ in range(2)]
        assert [response.text for response in responses] == ["hello", "hello"]
        return [response.extensions["caching"]["from_cache"] for response in responses]

    with ScriptedPeer([ReadRequest(), Send(FRESH)]) as peer:
        assert asyncio.run(main(peer.url)) == [False, True]


@pytest.mark.aliased
@pytest.mark.parametrize("path", ["/gzip", "/redirect/1", "/chunked/100000"])
def test_hishels_clients_cache(path: str, tmp_path: Path, embedded_server: EmbeddedServer) -> None:
    hishel = needs("hishel")
    from hishel.httpx import CacheClient

    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    with CacheClient(storage=storage, follow_redirects=True) as client:
        assert isinstance(client, httpfast.Client)
        first, second = client.get(embedded_server.url + path), client.get(embedded_server.url + path)

    assert first.content == second.content != b""
    assert second.extensions["caching"]["from_cache"]


@pytest.mark.aliased
def test_hishels_async_client_caches(tmp_path: Path, embedded_server: EmbeddedServer) -> None:
    hishel = needs("hishel")
    needs("anysqlite")
    from hishel.httpx import AsyncCacheClient

    async def main() -> bool:
        async with AsyncCacheClient(storage=hishel.AsyncSqliteStorage(database_path=tmp_path / "cache.db")) as client:
            await client.get(f"{embedded_server.url}/json")
            response = await client.get(f"{embedded_server.url}/json")
            return bool(response.extensions["caching"]["from_cache"])

    assert asyncio.run(main())


def test_hishel_caches_over_the_transport(tmp_path: Path) -> None:
    hishel = needs("hishel")
    import httpx
    from hishel.httpx import CacheTransport

    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    transport = CacheTransport(httpfast.httpx_transport(), storage=storage, rfc=True)
    with ScriptedPeer([ReadRequest(), Send(FRESH)]) as peer, httpx.Client(transport=transport) as client:
        assert not isinstance(client, httpfast.Client)
        assert [client.get(peer.url).text for _ in range(2)] == ["hello", "hello"]


# tenacity


def test_tenacity_tries_again_after_errors_and_busy_answers() -> None:
    tenacity = needs("tenacity")

    def is_transient(error: BaseException) -> bool:
        status = error.response.status_code if isinstance(error, httpfast.HTTPStatusError) else None
        return isinstance(error, httpfast.TransportError) or status == 503

    @tenacity.retry(retry=tenacity.retry_if_exception(is_transient), stop=tenacity.stop_after_attempt(3), reraise=True)
    def fetch(client: httpfast.Client, url: str) -> str:
        return client.get(url).raise_for_status().text

    transport = httpfast.HTTPTransport(replay=False)
    with (
        ScriptedPeer([ReadRequest(), Send(BUSY), ReadRequest(), Close()], [ReadRequest(), Send(FRESH)]) as peer,
        httpfast.Client(transport=transport) as client,
    ):
        assert fetch(client, peer.url) == "hello"
    assert fetch.statistics["attempt_number"] == 3


def test_tenacity_tries_coroutines_again() -> None:
    tenacity = needs("tenacity")

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(httpfast.TransportError), stop=tenacity.stop_after_attempt(2)
    )
    async def fetch(client: httpfast.AsyncClient, url: str) -> str:
        return (await client.get(url)).text

    async def main(url: str) -> str:
        async with httpfast.AsyncClient(transport=httpfast.AsyncHTTPTransport(replay=False)) as client:
            return await fetch(client, url)

    with ScriptedPeer([ReadRequest(), Close()], [ReadRequest(), Send(FRESH)]) as peer:
        assert asyncio.run(main(peer.url)) == "hello"
