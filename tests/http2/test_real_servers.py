"""The same exchanges with each real server of HTTP/2, over TLS and by prior knowledge."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ..drivers.facade import Caller, Driver
from .servers import ALL, H2Server, Nginx

DRIVERS = ("sync", "asyncio", "uvloop")
LAYERS = ("tls", "h2c")
LARGE = 10_000_000
WORKERS = 32

pytestmark = pytest.mark.parametrize("driver", DRIVERS, indirect=True)

_numbers = count()


@dataclass(frozen=True)
class Server:
    """A server by one of its ports."""

    real: H2Server
    url: str
    ca: Certificates

    def client(self, driver: Driver, **arguments: Any) -> Caller:
        """A client that speaks HTTP/2 with it."""
        if self.url.startswith("https"):
            arguments |= {"verify": self.ca.client_context(), "http2": True}
        else:
            arguments |= {"http1": False}
        return driver.client(**{"timeout": 20} | arguments)


@pytest.fixture(scope="module", params=ALL)
def real_server(
    request: pytest.FixtureRequest, ca: Certificates, embedded_server: EmbeddedServer
) -> Iterator[H2Server]:
    """Each of the servers."""
    kind = ALL[request.param]
    if not kind.is_installed():
        pytest.skip(f"{kind.package} is not installed")
    with kind(ca, embedded_server) as server:
        yield server


@pytest.fixture(params=LAYERS)
def server(request: pytest.FixtureRequest, real_server: H2Server, ca: Certificates) -> Server:
    """Each of them, over TLS and by prior knowledge."""
    return Server(real_server, real_server.url if request.param == "tls" else real_server.h2c_url, ca)


@pytest.fixture
def tls_server(real_server: H2Server, ca: Certificates) -> Server:
    """Each of them, over TLS."""
    return Server(real_server, real_server.url, ca)


@pytest.fixture(scope="module")
def hasty_nginx(ca: Certificates, embedded_server: EmbeddedServer) -> Iterator[Nginx]:
    """An nginx that closes a connection after 100 requests."""
    if not Nginx.is_installed():
        pytest.skip(f"{Nginx.package} is not installed")
    with Nginx(ca, embedded_server, keepalive_requests=100) as server:
        yield server


def new_token() -> str:
    """A token that no other request has."""
    return f"t{next(_numbers)}"


def connection_of(response: httpfast.Response) -> object:
    """The connection that a response came on, also when it has closed since."""
    connection: object = response.extensions["network_stream"]._connection
    return connection


def digest(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


DIGEST = digest(content(LARGE))


async def test_get_small(driver: Driver, server: Server) -> None:
    client = server.client(driver)

    responses = [await client.get(f"{server.url}/bytes/1024") for _ in range(3)]

    assert [response.http_version for response in responses] == ["HTTP/2"] * 3
    assert [response.extensions["stream_id"] for response in responses] == [1, 3, 5]
    assert all(response.content == content(1024) for response in responses)
    assert all(int(response.headers["content-length"]) == 1024 for response in responses)
    await client.rest()


async def test_get_with_query_and_fields(driver: Driver, server: Server) -> None:
    if not server.real.echoes:
        return await _get_file_with_query(driver, server)
    client = server.client(driver)

    seen = (await client.get(f"{server.url}/echo?a=b%20c&d=%C3%A9", headers={"X-Token": "one"})).json()

    assert (seen["method"], seen["target"]) == ("GET", "/echo?a=b%20c&d=%C3%A9")
    assert {name.lower(): value for name, value in seen["headers"]}["x-token"] == "one"
    await client.rest()
    return None


async def _get_file_with_query(driver: Driver, server: Server) -> None:
    client = server.client(driver)
    assert (await client.get(f"{server.url}/bytes/1024?a=b%20c", headers={"X-Token": "one"})).content == content(1024)
    await client.rest()


async def test_head_of_a_large_file(driver: Driver, tls_server: Server) -> None:
    client = tls_server.client(driver)

    response = await client.head(f"{tls_server.url}/bytes/{LARGE}")

    assert (response.status_code, response.content) == (200, b"")
    assert (await client.get(f"{tls_server.url}/bytes/1024")).extensions["stream_id"] == 3
    await client.rest()


async def test_download_whole(driver: Driver, server: Server) -> None:
    client = server.client(driver)

    response = await client.get(f"{server.url}/bytes/{LARGE}")

    assert digest(response.content) == DIGEST
    await client.rest()
    assert client.counts == (1, 1)


async def test_download_in_pieces(driver: Driver, tls_server: Server) -> None:
    client = tls_server.client(driver)
    seen = hashlib.sha256()

    async with client.stream("GET", f"{tls_server.url}/bytes/{LARGE}") as response:
        async for piece in client.pieces(response):
            seen.update(piece)

    assert seen.digest() == DIGEST
    await client.rest()
    assert client.counts == (1, 1)


async def test_body_read_late_goes_on_beyond_its_window(driver: Driver, tls_server: Server) -> None:
    if tls_server.real.may_stall:
        return
    client = tls_server.client(driver, timeout=5)

    async with client.stream("GET", f"{tls_server.url}/bytes/{LARGE}") as response:
        # Meanwhile the server sends as much of the first as it may.
        other = await client.get(f"{tls_server.url}/bytes/{LARGE}")
        seen = await client.read(response)

    assert digest(other.content) == digest(seen) == DIGEST
    await client.rest()
    assert client.counts == (1, 1)


async def test_upload_whole(driver: Driver, server: Server) -> None:
    client = server.client(driver)

    response = await client.post(f"{server.url}/drain", content=content(LARGE))

    assert response.status_code == 200
    assert server.real.drained(response) == LARGE
    await client.rest()
    assert client.counts == (1, 1)


async def test_upload_in_pieces_without_a_length(driver: Driver, tls_server: Server) -> None:
    client = tls_server.client(driver)
    body = content(1_000_000)
    pieces = driver.body([body[start : start + 30_000] for start in range(0, len(body), 30_000)])

    response = await client.post(f"{tls_server.url}/drain", content=pieces)

    assert response.status_code == 200
    assert tls_server.real.drained(response) == len(body)
    await client.rest()
    assert client.counts == (1, 1)


async def test_hundred_at_once_share_one_connection(driver: Driver, server: Server) -> None:
    client = server.client(driver)

    async def one(number: int) -> tuple[object, int, bool]:
        if server.real.echoes:
            response = await client.get(f"{server.url}/echo?number={number}", headers={"X-Token": f"token-{number}"})
            seen = response.json()
            fields = {name.lower(): value for name, value in seen["headers"]}
            is_own = (seen["target"], fields["x-token"]) == (f"/echo?number={number}", f"token-{number}")
        else:
            response = await client.get(f"{server.url}/bytes/1024")
            is_own = response.content == content(1024)
        return connection_of(response), response.extensions["stream_id"], is_own

    answers = await driver.gather(*(one(number) for number in range(100)))

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert {connection for connection, _, _ in answers} == {answers[0][0]}
    assert {stream for _, stream, _ in answers} == set(range(1, 201, 2))
    assert all(is_own for _, _, is_own in answers)
    await client.rest()
    assert client.counts == (1, 1)


async def test_large_and_small_both_ways_at_once(driver: Driver, tls_server: Server) -> None:
    client = tls_server.client(driver)

    async def download() -> bool:
        return digest((await client.get(f"{tls_server.url}/bytes/{LARGE}")).content) == DIGEST

    async def upload() -> bool:
        response = await client.post(f"{tls_server.url}/drain", content=content(1_000_000))
        return tls_server.real.drained(response) == 1_000_000

    async def small() -> bool:
        return (await client.get(f"{tls_server.url}/bytes/1024")).content == content(1024)

    beside = [] if tls_server.real.may_stall else [download()]
    outcomes = await driver.gather(download(), upload(), *(small() for _ in range(20)), upload(), *beside)

    assert outcomes == [True] * (23 + len(beside))
    await client.rest()
    assert client.counts == (1, 1)


async def test_cancelled_download_leaves_the_connection_to_others(driver: Driver, tls_server: Server) -> None:
    client = tls_server.client(driver)

    async def give_up() -> object:
        async with client.stream("GET", f"{tls_server.url}/bytes/{LARGE}") as response:
            async with aclosing(client.pieces(response)) as pieces:
                async for _ in pieces:
                    break
            return connection_of(response)

    async def complete() -> object:
        response = await client.get(f"{tls_server.url}/bytes/{LARGE}")
        assert digest(response.content) == DIGEST
        return connection_of(response)

    first = await give_up()
    beside = [] if tls_server.real.may_stall else [complete()]
    others = await driver.gather(*(give_up() for _ in range(8)), *beside, *(give_up() for _ in range(8)))
    last = await complete()

    assert {first, *others, last} == {first}
    await client.rest()
    assert client.counts == (1, 1)


async def test_cancelled_task_leaves_the_connection_to_others(driver: Driver, tls_server: Server) -> None:
    if not driver.is_async or driver.name == "trio":
        return
    client = tls_server.client(driver)
    first = connection_of(await client.get(f"{tls_server.url}/bytes/1024"))

    for turns in range(10):
        task = asyncio.ensure_future(client.get(f"{tls_server.url}/bytes/{LARGE}"))
        for _ in range(turns):
            await driver.turn()
        # It may have come to its end within so many turns.
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task

    response = await client.get(f"{tls_server.url}/bytes/{LARGE}")
    assert digest(response.content) == DIGEST
    assert connection_of(response) is first
    await client.rest()
    assert client.counts == (1, 1)


async def test_trailers(driver: Driver, tls_server: Server) -> None:
    path = tls_server.real.trailers_at
    if path is None:
        return
    client = tls_server.client(driver)

    response = await client.get(f"{tls_server.url}{path}", headers={"TE": "trailers"})

    assert response.content
    assert response.trailers["x-note"] in ("GET", "the end")
    assert "x-note" not in response.headers
    await client.rest()


async def test_server_that_leaves_loses_and_doubles_nothing(driver: Driver, tls_server: Server) -> None:
    if not tls_server.real.can_leave:
        return
    client = tls_server.client(driver)
    tokens: set[str] = set()
    used: list[object] = []
    deadline = monotonic() + 20

    async def work(number: int) -> None:
        rest = 5
        while rest and monotonic() < deadline:
            token = new_token()
            response = await client.get(f"{tls_server.url}/bytes/1024?token={token}")
            assert response.content == content(1024)
            tokens.add(token)
            used.append(connection_of(response))
            if number == 0 and len(used) > 100 and not has_left:
                has_left.append(True)
                await driver.blocking(tls_server.real.leave)
            if used[-1] is not used[0]:
                rest -= 1

    has_left: list[bool] = []
    outcomes = await driver.gather(*(work(number) for number in range(WORKERS)))

    assert outcomes == [None] * WORKERS
    assert len(set(used)) >= 2, "the server has not left"
    served = tls_server.real.served(tokens)
    assert {token: times for token, times in served.items() if times != 1} == {}
    await client.rest()


async def test_uploads_and_downloads_under_way_survive_a_server_that_leaves(driver: Driver, tls_server: Server) -> None:
    if not tls_server.real.can_leave:
        return
    # A server that leaves may reset connections which it has not accepted yet: those are dialled again.
    context = tls_server.ca.client_context()
    client = driver.client(transport=driver.transport(verify=context, http2=True, retries=3), timeout=20)
    tokens = [new_token() for _ in range(WORKERS)]

    async def download() -> bool:
        seen = hashlib.sha256()
        async with client.stream("GET", f"{tls_server.url}/bytes/{LARGE}") as response:
            async for piece in client.pieces(response):
                seen.update(piece)
        return seen.digest() == DIGEST

    async def upload(token: str) -> bool:
        response = await client.post(f"{tls_server.url}/drain?token={token}", content=content(300_000))
        return response.status_code == 200 and tls_server.real.drained(response) == 300_000

    async def leave() -> bool:
        await driver.blocking(tls_server.real.leave)
        return True

    uploads = [upload(token) for token in tokens]
    beside = [] if tls_server.real.may_stall else [download()]
    outcomes = await driver.gather(download(), *uploads[:16], leave(), *uploads[16:], *beside)

    assert outcomes == [True] * (WORKERS + 2 + len(beside))
    served = tls_server.real.served(set(tokens))
    assert {token: times for token, times in served.items() if times != 1} == {}
    await client.rest()


async def test_upload_survives_a_server_that_leaves(driver: Driver, tls_server: Server) -> None:
    if not tls_server.real.can_leave:
        return
    client = tls_server.client(driver)
    await client.get(f"{tls_server.url}/bytes/1024")
    piece = content(100_000)
    # The first is more than most windows: that it has gone shows that the server has looked at the request.
    pieces = driver.body([content(3_000_000), tls_server.real.leave, *[piece] * 9])

    response = await client.post(f"{tls_server.url}/drain", content=pieces)

    assert tls_server.real.drained(response) == 3_900_000
    await client.rest()


async def test_nginx_that_leaves_every_hundred_requests_loses_and_doubles_nothing(
    driver: Driver, hasty_nginx: Nginx, ca: Certificates
) -> None:
    server = Server(hasty_nginx, hasty_nginx.url, ca)
    client = server.client(driver)
    tokens = [new_token() for _ in range(2_000)]

    async def one(token: str) -> bool:
        return (await client.get(f"{server.url}/bytes/1024?token={token}")).content == content(1024)

    outcomes = await driver.gather(*(one(token) for token in tokens))

    assert [outcome for outcome in outcomes if outcome is not True] == []
    served = hasty_nginx.served(set(tokens))
    assert {token: times for token, times in served.items() if times != 1} == {}
    await client.rest()
