"""`httpx_transport()`: real clients of httpx and httpx2 on httpfast's connections."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer, content
from tests.peers import Close, ReadHead, ReadRequest, ScriptedPeer, Send, Stall, WaitForClose

ROOT = Path(__file__).parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def _leave_nothing_behind(no_leaks: None) -> None:
    """See `no_leaks`."""


@pytest.fixture(params=["httpx", "httpx2"])
def package(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param, reason=f"{request.param}, whose clients this is for, is not installed")


@pytest.fixture
def client(package: Any) -> Iterator[Any]:
    with package.Client(transport=httpfast.httpx_transport()) as client:
        yield client


@pytest.fixture
def with_client(package: Any) -> Callable[[Callable[[Any], Coroutine[Any, Any, None]]], None]:
    """Runs a coroutine function that is given an async client of the package's."""

    def run(use: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with package.AsyncClient(transport=httpfast.async_httpx_transport()) as client:
                await use(client)

        asyncio.run(main())

    return run


def chunks() -> Iterator[bytes]:
    yield b"a" * 100_000
    yield b"b"


async def async_chunks() -> AsyncIterator[bytes]:
    for chunk in chunks():
        yield chunk


BODY_DIGEST = hashlib.sha256(b"".join(chunks())).hexdigest()


# What comes back


def test_response_is_one_of_the_package(package: Any, client: Any, embedded_server: EmbeddedServer) -> None:
    response = client.get(f"{embedded_server.url}/json")

    assert type(response) is package.Response
    assert response.json()["items"]
    assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "OK")
    assert response.request.url == f"{embedded_server.url}/json"
    assert response.elapsed.total_seconds() > 0
    assert set(response.extensions) == {"http_version", "reason_phrase", "network_stream"}


def test_async_response_is_one_of_the_package(
    package: Any, with_client: Callable[..., None], embedded_server: EmbeddedServer
) -> None:
    async def use(client: Any) -> None:
        response = await client.get(f"{embedded_server.url}/gzip")

        assert type(response) is package.Response
        assert response.json()

    with_client(use)


def test_body_is_decoded_by_the_package(client: Any) -> None:
    encoded = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(encoded)
    with ScriptedPeer([ReadRequest(), Send(head + encoded, chunk=1)]) as peer, client.stream("GET", peer.url) as reply:
        assert reply.read() == b"hello"
        assert reply.num_bytes_downloaded == len(encoded)


def test_repeated_fields_and_their_spelling_are_kept(client: Any) -> None:
    head = b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(head)]) as peer:
        response = client.get(peer.url)

    assert response.reason_phrase == "Fine"
    assert response.headers.raw[:2] == [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert dict(client.cookies) == {"a": "1", "b": "2"}


def test_connections_are_kept_and_redirects_followed(client: Any, embedded_server: EmbeddedServer) -> None:
    responses = [client.get(f"{embedded_server.url}/redirect/2", follow_redirects=True) for _ in range(2)]

    assert [len(response.history) for response in responses] == [2, 2]
    assert len({response.headers["x-connection"] for response in responses}) == 1


# What goes out


def test_request_arrives_as_the_package_made_it(package: Any, client: Any) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        request = client.build_request("PUT", f"{peer.url}/a/%7eb?q=a b", json={"a": 1}, headers={"X-Case": "Kept"})
        client.send(request)

        head, _, body = peer.requests[0][0].partition(b"\r\n\r\n")

    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT " + request.url.raw_path + b" HTTP/1.1"
    assert lines[1:] == [name + b": " + value for name, value in request.headers.raw]
    assert body == request.content


def test_target_that_httpfast_would_spell_otherwise_is_sent_as_it_is(package: Any, client: Any) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        url = package.URL(peer.url).copy_with(raw_path=b"/a/../b?[x]=`")
        response = client.get(url)

        line = peer.requests[0][0].split(b"\r\n")[0]

    assert line == b"GET " + response.request.url.raw_path + b" HTTP/1.1"


def test_iterator_is_streamed_up(client: Any, embedded_server: EmbeddedServer) -> None:
    echo = client.post(f"{embedded_server.url}/echo", content=chunks()).json()

    assert echo["sha256"] == BODY_DIGEST
    assert ["Transfer-Encoding", "chunked"] in echo["headers"]


def test_async_iterator_is_streamed_up(with_client: Callable[..., None], embedded_server: EmbeddedServer) -> None:
    async def use(client: Any) -> None:
        response = await client.post(f"{embedded_server.url}/echo", content=async_chunks())

        assert response.json()["sha256"] == BODY_DIGEST

    with_client(use)


def test_multipart_is_sent_by_blocking_and_async_clients(
    client: Any, with_client: Callable[..., None], embedded_server: EmbeddedServer
) -> None:
    def arguments() -> dict[str, Any]:
        return {"data": {"a": "b"}, "files": {"f": ("n.txt", b"x" * 10)}}

    async def use(other: Any) -> None:
        assert (await other.post(f"{embedded_server.url}/echo", **arguments())).json()["length"] > 10

    assert client.post(f"{embedded_server.url}/echo", **arguments()).json()["length"] > 10
    with_client(use)


def test_error_of_a_body_that_is_sent_passes_unchanged(client: Any, embedded_server: EmbeddedServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.post(f"{embedded_server.url}/echo", content=broken())


# Streams


def test_stream_that_is_closed_early_gives_up_its_connection(client: Any, embedded_server: EmbeddedServer) -> None:
    with client.stream("GET", f"{embedded_server.url}/bytes/10000000") as response:
        first = next(response.iter_raw())

    assert content(10_000_000).startswith(first)
    assert response.is_closed
    again = client.get(f"{embedded_server.url}/json")
    assert again.headers["x-connection"] != response.headers["x-connection"]


def test_async_stream_that_is_closed_early_gives_up_its_connection(
    with_client: Callable[..., None], embedded_server: EmbeddedServer
) -> None:
    async def use(client: Any) -> None:
        async with client.stream("GET", f"{embedded_server.url}/bytes/10000000") as response:
            async for _ in response.aiter_raw():
                break

        assert response.is_closed
        again = await client.get(f"{embedded_server.url}/json")
        assert again.headers["x-connection"] != response.headers["x-connection"]

    with_client(use)


def test_large_stream_arrives_whole(client: Any, embedded_server: EmbeddedServer) -> None:
    with client.stream("GET", f"{embedded_server.url}/chunked/1000000") as response:
        assert b"".join(response.iter_bytes()) == content(1_000_000)


# Errors


def test_body_that_ends_too_early_is_the_packages_error(
    package: Any, client: Any, embedded_server: EmbeddedServer
) -> None:
    with (
        client.stream("GET", f"{embedded_server.url}/drop-after/5") as response,
        pytest.raises(package.RemoteProtocolError) as caught,
    ):
        response.read()

    assert caught.value.request is response.request
    assert isinstance(caught.value.__cause__, httpfast.RemoteProtocolError)


def test_async_body_that_ends_too_early_is_the_packages_error(
    package: Any, with_client: Callable[..., None], embedded_server: EmbeddedServer
) -> None:
    async def use(client: Any) -> None:
        async with client.stream("GET", f"{embedded_server.url}/drop-after/5") as response:
            with pytest.raises(package.RemoteProtocolError) as caught:
                await response.aread()

            assert caught.value.request is response.request

    with_client(use)


def test_connection_refused_is_the_packages_error(package: Any, client: Any) -> None:
    with pytest.raises(package.ConnectError) as caught:
        client.get("http://127.0.0.1:1/")

    assert caught.value.request.url == "http://127.0.0.1:1/"


@pytest.mark.parametrize("path", ["/stall-head", "/stall-body"])
def test_timeout_of_the_request_counts(package: Any, client: Any, embedded_server: EmbeddedServer, path: str) -> None:
    with pytest.raises(package.ReadTimeout):
        client.get(embedded_server.url + path, timeout=package.Timeout(5, read=0.05))


def test_async_timeout_of_the_client_counts(package: Any, embedded_server: EmbeddedServer) -> None:
    async def main() -> None:
        transport = httpfast.async_httpx_transport()
        async with package.AsyncClient(transport=transport, timeout=package.Timeout(5, read=0.05)) as client:
            with pytest.raises(package.ReadTimeout) as caught:
                await client.get(f"{embedded_server.url}/stall-head")

            assert str(caught.value.request.url).endswith("/stall-head")

    asyncio.run(main())


def test_pool_that_is_full_is_the_packages_pool_timeout(package: Any, embedded_server: EmbeddedServer) -> None:
    transport = httpfast.httpx_transport(limits=httpfast.Limits(max_connections=1))
    with (
        package.Client(transport=transport, timeout=package.Timeout(5, pool=0.05)) as client,
        client.stream("GET", f"{embedded_server.url}/bytes/10000000"),
        pytest.raises(package.PoolTimeout),
    ):
        client.get(f"{embedded_server.url}/json")


def test_unsupported_scheme_is_the_packages_error(package: Any, client: Any) -> None:
    with pytest.raises(package.UnsupportedProtocol):
        client.get("ftp://a.example/")


def test_url_that_is_no_url_to_httpfast_is_the_packages_invalid_url(package: Any, client: Any) -> None:
    with pytest.raises(package.InvalidURL):
        client.get("http://a.example.1/")


def test_control_characters_in_a_field_are_the_packages_error(package: Any, client: Any) -> None:
    with ScriptedPeer() as peer, pytest.raises(package.LocalProtocolError):
        client.get(peer.url, headers={"x": "a\x01b"})


def test_object_that_is_no_request_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"builtins\.object"):
        httpfast.httpx_transport().handle_request(object())


# Extensions


def test_trace_and_sni_hostname_are_obeyed(client: Any, embedded_server: EmbeddedServer, package: Any) -> None:
    seen: list[str] = []
    transport = httpfast.httpx_transport(verify=False)
    with package.Client(transport=transport) as client:
        response = client.get(
            embedded_server.tls_url.replace("localhost", "127.0.0.1") + "/json",
            extensions={"trace": lambda name, info: seen.append(name), "sni_hostname": "localhost"},
        )

        tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        assert tls.server_hostname == "localhost"
    assert "connection.start_tls.complete" in seen
    assert "http11.receive_response_body.complete" in seen


def test_upgraded_connection_can_be_read_and_written(client: Any, embedded_server: EmbeddedServer) -> None:
    fields = {"Connection": "upgrade", "Upgrade": "echo"}
    with client.stream("GET", f"{embedded_server.url}/upgrade", headers=fields) as response:
        stream = response.extensions["network_stream"]
        stream.write(b"hello")

        assert response.status_code == 101
        assert stream.read(5, timeout=5) == b"hello"


# As part of a client


def test_requests_of_subclasses_are_known(package: Any, client: Any, embedded_server: EmbeddedServer) -> None:
    class Mine(package.Request):  # type: ignore[name-defined, misc]
        pass

    assert client.send(Mine("GET", f"{embedded_server.url}/json")).status_code == 200


def test_one_transport_serves_both_packages(embedded_server: EmbeddedServer) -> None:
    packages = [pytest.importorskip(name, reason=f"{name} is not installed") for name in ("httpx", "httpx2")]
    transport = httpfast.httpx_transport()
    connections = set()
    for package in packages:
        response = package.Client(transport=transport).get(f"{embedded_server.url}/json")
        assert type(response) is package.Response
        connections.add(response.headers["x-connection"])
    transport.close()

    assert len(connections) == 1


def test_mount_uses_it_for_its_urls(package: Any, embedded_server: EmbeddedServer) -> None:
    with package.Client(mounts={"http://127.0.0.1": httpfast.httpx_transport()}) as client:
        stream = client.get(f"{embedded_server.url}/json").extensions["network_stream"]

    assert type(stream).__module__.startswith("httpfast.")


def test_arguments_are_those_of_the_transport() -> None:
    with pytest.raises(TypeError, match="nothing"):
        httpfast.httpx_transport(nothing=1)
    with pytest.raises(TypeError, match="nothing"):
        httpfast.async_httpx_transport(nothing=1)


def test_closing_the_client_closes_the_connections(package: Any) -> None:
    with (
        ScriptedPeer([ReadRequest(), Send(OK), WaitForClose()]) as peer,
        package.Client(transport=httpfast.httpx_transport()) as client,
    ):
        assert client.get(peer.url).text == "ok"


def test_stale_connection_is_replaced_unseen(client: Any) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), ReadHead(), Close()], [ReadRequest(), Send(OK)]) as peer:
        assert [client.get(peer.url).text for _ in range(2)] == ["ok", "ok"]


def test_cancelled_request_leaves_nothing_behind(package: Any) -> None:
    async def main(url: str) -> None:
        async with package.AsyncClient(transport=httpfast.async_httpx_transport()) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.get(url)

    with ScriptedPeer([ReadRequest(), Stall()]) as peer:
        asyncio.run(main(peer.url))


def test_trio_is_as_good_a_loop(package: Any, embedded_server: EmbeddedServer) -> None:
    trio = pytest.importorskip("trio", reason="trio, which this runs on, is not installed")

    async def main() -> None:
        async with package.AsyncClient(transport=httpfast.async_httpx_transport()) as client:
            assert (await client.get(f"{embedded_server.url}/json")).status_code == 200

    trio.run(main)


def test_import_of_httpfast_loads_neither_httpx_nor_the_transport() -> None:
    code = "import sys, httpfast; httpfast.Client().close(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )

    assert not {"httpx", "httpx2", "httpfast._httpx_transport"} & set(loaded.stdout.split())
