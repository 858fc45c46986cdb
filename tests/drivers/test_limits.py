"""Many requests at once, the pool's limits and their order, idle connections that age, servers that come and go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer, content

from ..conftest import Origin
from ..nginx import Nginx
from ..peers import Close, ReadRequest, ScriptedPeer, Send, WaitFor
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_1000_requests_at_once_each_get_their_own_answer(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify, timeout=50, limits=httpfast.Limits(max_connections=100))

    async def ask(number: int) -> None:
        response = await client.get(origin.small, headers={"x-token": str(number)})
        assert response.headers["x-token"] == str(number)
        assert response.content == content(1024)

    outcomes = await driver.gather(*(ask(number) for number in range(1000)))

    assert outcomes == [None] * 1000
    connections, idle = client.counts
    assert connections == idle <= 100


async def test_1000_connections_at_once(loop_driver: Driver, embedded_server: EmbeddedServer) -> None:
    client = loop_driver.client(timeout=50, limits=httpfast.Limits())

    async def ask() -> int:
        return (await client.get(f"{embedded_server.url}/delay/0.5")).status_code

    assert await loop_driver.gather(*(ask() for _ in range(1000))) == [200] * 1000
    assert client.counts == (1000, 1000)


async def test_max_connections_is_never_passed(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, timeout=30, limits=httpfast.Limits(max_connections=3))

    async def ask() -> int:
        response = await client.get(f"{embedded.url}/delay/0.005")
        assert client.state.connections <= 3
        return response.status_code

    assert await driver.gather(*(ask() for _ in range(60))) == [200] * 60
    assert client.counts == (3, 3)


async def test_max_connections_per_host_leaves_room_for_other_hosts(driver: Driver, embedded: Origin) -> None:
    limits = httpfast.Limits(max_connections=10, max_connections_per_host=1)
    client = driver.client(verify=embedded.verify, limits=limits)
    held = await client.open("GET", f"{embedded.url}/bytes/1000000")
    other = (
        embedded.url.replace("127.0.0.1", "localhost")
        if not embedded.is_tls
        else (embedded.url.replace("localhost", "127.0.0.1"))
    )

    with pytest.raises(httpfast.PoolTimeout):
        await client.get(f"{embedded.url}/json", timeout=httpfast.Timeout(5, pool=0.05))
    assert (await client.get(f"{other}/json")).status_code == 200
    await client.read(held)

    assert (await client.get(f"{embedded.url}/json")).status_code == 200
    assert client.counts == (2, 2)


async def test_max_keepalive_connections_closes_the_others(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, limits=httpfast.Limits(max_keepalive_connections=2))
    responses = [await client.open("GET", f"{embedded.url}/bytes/3000000") for _ in range(5)]

    for response in responses:
        await client.read(response)
    await client.rest()

    assert client.counts == (2, 2)


@pytest.mark.parametrize("limits", [httpfast.Limits(max_keepalive_connections=0), httpfast.Limits(keepalive_expiry=0)])
async def test_nothing_is_kept_when_nothing_may_be(driver: Driver, embedded: Origin, limits: httpfast.Limits) -> None:
    client = driver.client(verify=embedded.verify, limits=limits)

    first = await client.get(f"{embedded.url}/json")
    await driver.blocking(threading.Event().wait, 0.01)
    second = await client.get(f"{embedded.url}/json")

    assert first.headers["x-connection"] != second.headers["x-connection"]


async def test_idle_connection_to_another_host_makes_room(driver: Driver, embedded: Origin) -> None:
    client = driver.client(limits=httpfast.Limits(max_connections=1))
    with ScriptedPeer([ReadRequest(), Send(OK)]) as one, ScriptedPeer([ReadRequest(), Send(OK)]) as two:
        await client.get(one.url)
        await client.get(two.url)
        await client.rest()

        assert client.counts == (1, 1)


async def test_waiting_requests_are_served_in_order(loop_driver: Driver) -> None:
    client = loop_driver.client(timeout=30, limits=httpfast.Limits(max_connections=1))
    steps = [step for _ in range(20) for step in (ReadRequest(), Send(OK))]
    with ScriptedPeer(steps) as peer:
        await loop_driver.gather(*(client.get(f"{peer.url}/{number}") for number in range(20)))

        assert [request.split()[1] for request in peer.requests[0]] == [b"/%d" % number for number in range(20)]


async def test_waiting_threads_are_served_in_order(sync_driver: Driver) -> None:
    client = sync_driver.client(timeout=30, limits=httpfast.Limits(max_connections=1))
    go = threading.Event()
    steps = [step for _ in range(8) for step in (ReadRequest(), Send(OK))]
    with ScriptedPeer([ReadRequest(), WaitFor(go), Send(OK), *steps]) as peer:
        threads = []
        for number in range(9):
            thread = threading.Thread(target=client.client.get, args=(f"{peer.url}/{number}",))
            thread.start()
            threads.append(thread)
            if number:
                client.wait_for_waiters(number)
            else:
                peer.wait_until(lambda: any(peer.requests))
        go.set()
        for thread in threads:
            thread.join()

        assert [request.split()[1] for request in peer.requests[0]] == [b"/%d" % number for number in range(9)]


async def test_waiting_request_takes_the_connection_that_comes_free(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, timeout=30, limits=httpfast.Limits(max_connections=2))

    outcomes = await driver.gather(*(client.get(f"{embedded.url}/bytes/{number}") for number in range(20)))

    assert [outcome.content for outcome in outcomes] == [content(number) for number in range(20)]
    assert len({outcome.headers["x-connection"] for outcome in outcomes}) <= 2


async def test_slot_of_a_failed_dial_goes_to_the_next_in_line(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, timeout=30, limits=httpfast.Limits(max_connections=1))

    outcomes = await driver.gather(
        *(client.get("http://127.0.0.1:1/" if n % 2 else f"{embedded.url}/json") for n in range(20))
    )

    assert all(isinstance(outcome, httpfast.ConnectError) for outcome in outcomes[1::2])
    assert all(outcome.status_code == 200 for outcome in outcomes[::2])


async def test_idle_connection_expires(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify, limits=httpfast.Limits(keepalive_expiry=0.1))

    first = await client.get(f"{embedded.url}/json")
    await driver.blocking(threading.Event().wait, 0.15)
    second = await client.get(f"{embedded.url}/json")
    await client.rest()

    assert first.headers["x-connection"] != second.headers["x-connection"]
    assert client.counts == (1, 1)


async def test_idle_connection_expires_without_another_request(loop_driver: Driver, embedded: Origin) -> None:
    client = loop_driver.client(verify=embedded.verify, limits=httpfast.Limits(keepalive_expiry=0.1))

    await client.get(f"{embedded.url}/json")
    assert client.counts == (1, 1)
    await loop_driver.blocking(threading.Event().wait, 0.4)

    assert client.counts == (0, 0)


async def test_warmest_connection_is_used_first(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    responses = [await client.open("GET", f"{embedded.url}/bytes/3000000") for _ in range(3)]
    for response in responses:
        await client.read(response)

    after = await client.get(f"{embedded.url}/json")

    assert after.headers["x-connection"] == responses[-1].headers["x-connection"]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("graceful", [False, True], ids=["cut", "graceful"])
async def test_requests_succeed_after_the_server_was_restarted(
    driver: Driver, nginx_server: Nginx, ca: Certificates, is_tls: bool, graceful: bool
) -> None:
    with Nginx(certificates=ca) as server:
        client = driver.client(verify=ca.client_context())
        url = server.tls_url if is_tls else server.url
        responses = [await client.open("GET", f"{url}/static/10m") for _ in range(5)]
        for response in responses:
            await client.read(response)
        assert client.counts == (5, 5)

        await driver.blocking(lambda: server.restart(graceful=graceful))
        outcomes = await driver.gather(*(client.get(f"{url}/static/1k") for _ in range(10)))

        assert [outcome.content for outcome in outcomes] == [content(1024)] * 10
        await client.close()


async def test_nginx_that_closes_after_some_requests_loses_none(driver: Driver, nginx_server: Nginx) -> None:
    with Nginx(keepalive_requests=3) as server:
        client = driver.client(timeout=30, limits=httpfast.Limits(max_connections=5))

        outcomes = await driver.gather(*(client.get(f"{server.url}/static/1k") for _ in range(100)))

        assert [outcome.content for outcome in outcomes] == [content(1024)] * 100
        await client.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_idempotent_request_is_retried_once_when_a_kept_connection_was_closed(
    driver: Driver, method: str
) -> None:
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(answer), ReadRequest(), Close()], [ReadRequest(), Send(answer)]) as peer:
        client = driver.client()

        await client.get(peer.url)
        response = await client.request(method, f"{peer.url}/again", headers={"x-token": "t"})

        assert response.status_code == 204
        assert peer.connections == 2
        assert peer.requests[0][1] == peer.requests[1][0]
    await client.rest()


async def test_request_is_retried_once_only(driver: Driver) -> None:
    closing = [ReadRequest(), Close()]
    with ScriptedPeer([ReadRequest(), Send(OK), *closing], closing) as peer:
        client = driver.client()

        await client.get(peer.url)
        with pytest.raises(httpfast.RemoteProtocolError, match="disconnected"):
            await client.get(peer.url)

        assert peer.connections == 2


async def test_first_request_of_a_connection_is_not_retried(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Close()]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError, match="disconnected"):
            await client.get(peer.url)

        assert peer.connections == 1


@pytest.mark.parametrize("body", ["bytes", "iterator"])
async def test_post_is_not_sent_twice(driver: Driver, body: str) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Close()]) as peer:
        client = driver.client()

        await client.get(peer.url)
        with pytest.raises(httpfast.RemoteProtocolError, match="disconnected"):
            await client.post(peer.url, content=b"once" if body == "bytes" else driver.body([b"once"]))

        assert peer.connections == 1


async def test_post_with_an_idempotency_key_is_retried(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Close()], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        await client.get(peer.url)
        response = await client.post(peer.url, content=b"once", headers={"Idempotency-Key": "k"})

        assert response.text == "ok"
        assert peer.requests[1][0].endswith(b"once")


async def test_retry_can_be_turned_off(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Close()]) as peer:
        client = driver.client(transport=driver.transport(replay=False))

        await client.get(peer.url)
        with pytest.raises(httpfast.RemoteProtocolError, match="disconnected"):
            await client.get(peer.url)

        assert peer.connections == 1


async def test_unix_socket(driver: Driver, embedded_server: EmbeddedServer) -> None:
    path = embedded_server.uds
    if path is None or not Path(path).exists():
        pytest.skip("this system has no Unix sockets")
    client = driver.client(transport=driver.transport(uds=path))

    responses = [await client.get("http://any.example/echo") for _ in range(2)]

    assert ["Host", "any.example"] in responses[0].json()["headers"]
    assert responses[0].headers["x-connection"] == responses[1].headers["x-connection"]
