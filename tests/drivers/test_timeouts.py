"""Each timeout ends the wait that it is for, with its own exception, and leaves the pool usable."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic

import pytest

import httpfast

from ..conftest import Origin
from ..peers import ReadHead, ReadRequest, ScriptedPeer, Send, Stall, WaitFor
from .facade import Driver

SHORT = 0.1
LATE = 5.0
"""Seconds after which a timeout of SHORT must have fired, on a busy machine too."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def only(**phases: float) -> httpfast.Timeout:
    return httpfast.Timeout(None, **phases)


@pytest.fixture
def full_listener() -> Iterator[str]:
    """The URL of a listener that accepts nothing and whose backlog is full: a SYN to it is not answered."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.05)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        else:
            pytest.skip("this system takes connections beyond the backlog")
        yield f"http://127.0.0.1:{address[1]}"


@pytest.mark.parametrize("timeout", [only(connect=SHORT), only(total=SHORT)], ids=["connect", "total"])
async def test_connect_timeout(driver: Driver, full_listener: str, timeout: httpfast.Timeout) -> None:
    client = driver.client(timeout=timeout)

    started = monotonic()
    with pytest.raises(httpfast.ConnectTimeout) as caught:
        await client.get(full_listener)

    assert SHORT * 0.9 < monotonic() - started < LATE
    assert caught.value.request.url == full_listener
    await client.rest()
    assert client.counts == (0, 0)


@pytest.mark.parametrize("timeout", [only(connect=SHORT), only(total=SHORT)], ids=["connect", "total"])
async def test_connect_timeout_covers_the_tls_handshake(driver: Driver, timeout: httpfast.Timeout) -> None:
    with ScriptedPeer([Stall()]) as peer:
        client = driver.client(timeout=timeout)

        with pytest.raises(httpfast.ConnectTimeout):
            await client.get(peer.url.replace("http:", "https:"))
        await client.rest()

        assert client.counts == (0, 0)


@pytest.mark.parametrize("path", ["/stall-head", "/stall-body", "/drip/100?interval=5"])
@pytest.mark.parametrize("timeout", [only(read=SHORT), only(total=SHORT)], ids=["read", "total"])
async def test_read_timeout(driver: Driver, embedded: Origin, path: str, timeout: httpfast.Timeout) -> None:
    client = driver.client(verify=embedded.verify)
    await client.get(f"{embedded.url}/json")

    started = monotonic()
    with pytest.raises(httpfast.ReadTimeout) as caught:
        await client.get(embedded.url + path, timeout=timeout)

    assert SHORT * 0.9 < monotonic() - started < LATE
    assert caught.value.request.url == embedded.url + path
    await client.rest()
    assert client.counts == (0, 0)
    assert (await client.get(f"{embedded.url}/json")).status_code == 200


@pytest.mark.parametrize("path", ["/stall-body", "/drip/100?interval=5"])
async def test_read_timeout_of_a_streamed_body(driver: Driver, embedded: Origin, path: str) -> None:
    client = driver.client(verify=embedded.verify)

    with pytest.raises(httpfast.ReadTimeout):
        async with client.stream("GET", embedded.url + path, timeout=only(read=SHORT)) as response:
            await client.read(response)
    await client.rest()

    assert response.is_closed
    assert client.counts == (0, 0)


async def test_read_timeout_begins_anew_with_each_read(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/drip/12?interval=0.05", timeout=only(read=0.5))

    assert len(response.content) == 12
    assert response.elapsed.total_seconds() > 0.5


async def test_total_timeout_ends_a_drip(driver: Driver, embedded: Origin) -> None:
    """An octet now and then keeps a read timeout from firing for ever; the total one counts from the start."""
    client = driver.client(verify=embedded.verify)

    started = monotonic()
    with pytest.raises(httpfast.ReadTimeout):
        await client.get(f"{embedded.url}/drip/1000?interval=0.02", timeout=only(read=5, total=0.4))

    assert 0.3 < monotonic() - started < LATE
    await client.rest()
    assert client.counts == (0, 0)


async def test_total_timeout_ends_a_streamed_drip(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    with pytest.raises(httpfast.ReadTimeout):
        async with client.stream(
            "GET", f"{embedded.url}/drip/1000?interval=0.02", timeout=only(read=5, total=0.4)
        ) as response:
            await client.read(response)


async def test_total_timeout_spans_redirects(driver: Driver) -> None:
    hop = b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(hop), ReadRequest(), Stall()]) as peer:
        client = driver.client(follow_redirects=True, timeout=only(total=0.3))

        started = monotonic()
        with pytest.raises(httpfast.ReadTimeout):
            await client.get(peer.url)

        assert monotonic() - started < LATE


@pytest.mark.parametrize("body", ["bytes", "iterator"])
@pytest.mark.parametrize("timeout", [only(write=SHORT), only(total=SHORT)], ids=["write", "total"])
async def test_write_timeout(driver: Driver, timeout: httpfast.Timeout, body: str) -> None:
    with ScriptedPeer([ReadHead(), Stall()]) as peer:
        client = driver.client(timeout=timeout)
        pieces = [bytes(1_000_000)] * 50

        started = monotonic()
        with pytest.raises(httpfast.WriteTimeout):
            await client.post(peer.url, content=b"".join(pieces) if body == "bytes" else driver.body(pieces))

        assert SHORT * 0.9 < monotonic() - started < LATE
        await client.rest()
        assert client.counts == (0, 0)


async def test_pool_timeout(driver: Driver) -> None:
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), Send(HEAD), WaitFor(go), Send(b"0123456789"), ReadRequest(), Send(OK)]) as peer:
        client = driver.client(limits=httpfast.Limits(max_connections=1))
        response = await client.open("GET", peer.url)

        started = monotonic()
        with pytest.raises(httpfast.PoolTimeout) as caught:
            await client.get(peer.url, timeout=only(pool=SHORT))

        assert SHORT * 0.9 < monotonic() - started < LATE
        assert caught.value.request.url == peer.url
        go.set()
        assert await client.read(response) == b"0123456789"
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


async def test_total_timeout_covers_the_wait_for_the_pool(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, limits=httpfast.Limits(max_connections=1))
    response = await client.open("GET", f"{embedded.url}/bytes/1000000")

    with pytest.raises(httpfast.PoolTimeout):
        await client.get(embedded.url, timeout=only(total=SHORT))
    await client.read(response)

    assert client.counts == (1, 1)


async def test_pool_timeout_of_nothing_is_immediate(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, limits=httpfast.Limits(max_connections=1))
    response = await client.open("GET", f"{embedded.url}/bytes/1000000")

    with pytest.raises(httpfast.PoolTimeout):
        await client.get(embedded.url, timeout=only(pool=0))
    await client.close_response(response)


@pytest.mark.parametrize("timeout", [None, only(), httpfast.Timeout(30.0)], ids=["None", "none", "30"])
async def test_slow_answer_within_the_timeout_is_awaited(
    driver: Driver, embedded: Origin, timeout: httpfast.Timeout | None
) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/delay/0.2", timeout=timeout)

    assert response.text == "late\n"


async def test_timeouts_of_one_request_do_not_stay_with_the_connection(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    first = await client.get(f"{embedded.url}/json", timeout=only(read=0.05, write=0.05))
    second = await client.get(f"{embedded.url}/delay/0.3", timeout=None)
    third = await client.get(f"{embedded.url}/delay/0.3", timeout=only(write=0.05))

    assert second.headers["x-connection"] == first.headers["x-connection"] == third.headers["x-connection"]


async def test_read_timeout_does_not_run_while_nobody_reads(driver: Driver) -> None:
    """The caller's own pauses between two reads of a stream are no fault of the peer."""
    go = threading.Event()
    script = [ReadRequest(), Send(HEAD + b"01234"), WaitFor(go), Send(b"56789")]
    with ScriptedPeer(script) as peer:
        client = driver.client()

        async with client.stream("GET", peer.url, timeout=only(read=0.2)) as response:
            pieces = client.pieces(response)
            assert await anext(pieces) == b"01234"
            await driver.blocking(threading.Event().wait, 0.4)
            go.set()
            assert b"".join([piece async for piece in pieces]) == b"56789"
