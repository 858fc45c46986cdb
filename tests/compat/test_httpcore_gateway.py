"""What is done to httpcore's classes counts for httpfast's requests under the alias: each test in its own process."""

from __future__ import annotations

import importlib.util

import pytest

from bench.server import EmbeddedServer
from tests.aliased import needs, run_aliased

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("httpcore") is None, reason="httpcore, whose patching this is about, is not installed"
)

PREPARED = """
import asyncio
from unittest import mock
import httpcore, httpx

def answer(self, request):
    return httpcore.Response(299, headers=[(b"X-From", b"patch")], content=b"mocked", extensions={"a": request.method})

async def answer_async(self, request):
    return answer(self, request)

def is_mocked(response):
    return (response.status_code, response.headers["x-from"], response.content) == (299, "patch", b"mocked")

async def get(url):
    async with httpx.AsyncClient() as client:
        return await client.get(url)
"""

CLASSES = {
    "pool": ("_sync.connection_pool.ConnectionPool", "_async.connection_pool.AsyncConnectionPool"),
    "connection": ("_sync.connection.HTTPConnection", "_async.connection.AsyncHTTPConnection"),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_patched_method_gets_every_request_until_it_is_put_back(kind: str, embedded_server: EmbeddedServer) -> None:
    blocking, asynchronous = CLASSES[kind]
    run_aliased(
        PREPARED
        + f"""
url = {embedded_server.url!r} + "/json"
with httpx.Client() as client:
    assert client.get(url).status_code == 200
    for _ in range(2):
        with (
            mock.patch("httpcore.{blocking}.handle_request", answer),
            mock.patch("httpcore.{asynchronous}.handle_async_request", answer_async),
        ):
            assert is_mocked(client.get(url))
            assert is_mocked(client.post("https://nowhere.example/", content=iter([b"a"])))
            assert is_mocked(httpx.get(url)) and is_mocked(httpfast.get(url))
            assert is_mocked(asyncio.run(get(url)))
            with client.stream("GET", url) as response:
                assert response.read() == b"mocked"
        assert client.get(url).status_code == asyncio.run(get(url)).status_code == 200
"""
    )


def test_patched_proxy_pool_gets_the_requests_of_transports_with_a_proxy() -> None:
    run_aliased(
        PREPARED
        + """
with (
    mock.patch("httpcore._sync.http_proxy.HTTPProxy.handle_request", answer),
    mock.patch("httpcore._async.http_proxy.AsyncHTTPProxy.handle_async_request", answer_async),
):
    with httpx.Client(proxy="http://127.0.0.1:1") as client:
        assert is_mocked(client.get("https://nowhere.example/"))

    async def main():
        async with httpx.AsyncClient(proxy="http://127.0.0.1:1") as client:
            assert is_mocked(await client.get("https://nowhere.example/"))

    asyncio.run(main())
"""
    )


def test_patch_sees_what_httpcore_would_see() -> None:
    run_aliased(
        PREPARED
        + """
seen = []

def look(self, request):
    assert isinstance(self, httpcore.ConnectionPool) and isinstance(request, httpcore.Request)
    seen.append((request, b"".join(request.stream)))
    return answer(self, request)

with mock.patch.object(httpcore.ConnectionPool, "handle_request", look):
    response = httpx.put("https://u:p@Nowhere.example:8443/a%20b?c=d", content=b"body", timeout=3)
request, body = seen[0]
assert (request.method, body) == (b"PUT", b"body")
assert request.url == httpcore.URL(scheme=b"https", host=b"nowhere.example", port=8443, target=b"/a%20b?c=d")
assert (b"Host", b"nowhere.example:8443") in request.headers and (b"Content-Length", b"4") in request.headers
assert request.extensions["timeout"] == {"connect": 3, "read": 3, "write": 3, "pool": 3}
assert response.extensions["a"] == b"PUT"
"""
    )


def test_errors_that_a_patch_raises_are_httpfasts() -> None:
    run_aliased(
        PREPARED
        + """
def body():
    yield b"a"
    raise httpcore.ReadError("in the middle")

def fail(self, request):
    if request.url.target == b"/body":
        return httpcore.Response(200, content=body())
    raise httpcore.ConnectTimeout("late")

with mock.patch.object(httpcore.ConnectionPool, "handle_request", fail):
    for path, kind in (("/", httpx.ConnectTimeout), ("/body", httpx.ReadError)):
        try:
            httpx.get("https://nowhere.example" + path)
        except kind as error:
            assert error.request.url.path == path
        else:
            raise AssertionError("not raised")
"""
    )


def test_request_that_a_patch_lets_through_is_sent_by_httpfast(embedded_server: EmbeddedServer) -> None:
    run_aliased(
        PREPARED
        + f"""
url = {embedded_server.url!r}
send, send_async = httpcore.ConnectionPool.handle_request, httpcore.AsyncConnectionPool.handle_async_request

def through(self, request):
    request.headers.append((b"X-Token", b"added"))
    return send(self, request)

async def through_async(self, request):
    return await send_async(self, request)

def refuse(*arguments, **named):
    raise AssertionError("httpcore has connected by itself")

with (
    mock.patch.object(httpcore.ConnectionPool, "handle_request", through),
    mock.patch.object(httpcore.AsyncConnectionPool, "handle_async_request", through_async),
    mock.patch("socket.create_connection", refuse),
    mock.patch("anyio.connect_tcp", refuse),
    httpx.Client() as client,
):
    echo = client.post(url + "/echo", content=b"abc")
    assert echo.json()["length"] == 3 and echo.headers["x-token"] == "added"
    assert client.post(url + "/echo", content=iter([b"abc", b"d"])).json()["length"] == 4
    assert len({{client.get(url + "/json").headers["x-connection"] for _ in range(3)}}) == 1
    with client.stream("GET", url + "/bytes/10000000") as response:
        next(response.iter_raw())
    for path, kind in (("/drop-after/5", httpx.RemoteProtocolError), ("/stall-body", httpx.ReadTimeout)):
        try:
            client.get(url + path, timeout=0.2)
        except kind as error:
            assert error.request.url == url + path
        else:
            raise AssertionError("not raised")
    gateway = vars(client._transport)["_pool_of_httpcore"]
    assert gateway.connections == [] and gateway._requests == []

    async def main():
        async with httpx.AsyncClient() as client:
            assert (await client.post(url + "/echo", content=b"abc")).json()["length"] == 3
            async with client.stream("GET", url + "/bytes/10000000") as response:
                async for _ in response.aiter_raw():
                    break
            try:
                await client.get(url + "/stall-head", timeout=0.05)
            except httpx.ReadTimeout:
                pass
            assert vars(client._transport)["_pool_of_httpcore"].connections == []

    asyncio.run(main())
"""
    )


def test_let_through_requests_use_the_proxy(embedded_server: EmbeddedServer) -> None:
    run_aliased(
        PREPARED
        + f"""
send = httpcore.HTTPProxy.handle_request
with (
    mock.patch.object(httpcore.HTTPProxy, "handle_request", lambda self, request: send(self, request)),
    httpx.Client(proxy={embedded_server.url!r}) as client,
):
    assert client.get("http://nowhere.example/echo").json()["target"] == "http://nowhere.example/echo"
"""
    )


def test_httpcore_that_was_imported_before_the_alias_counts_too(embedded_server: EmbeddedServer) -> None:
    run_aliased(
        PREPARED
        + f"""
url = {embedded_server.url!r} + "/json"
with mock.patch.object(httpcore.ConnectionPool, "handle_request", answer):
    assert is_mocked(httpx.get(url))
assert httpx.get(url).status_code == 200
""",
        before="import httpcore",
    )


def test_httpcore_itself_is_what_it_was(embedded_server: EmbeddedServer) -> None:
    run_aliased(
        PREPARED
        + f"""
import inspect

assert type(httpcore).__name__ == "module" and httpcore.__spec__.loader is httpcore.__loader__
assert "ConnectionPool" in inspect.getsource(httpcore)
with httpcore.ConnectionPool() as pool:
    assert pool.request("GET", {embedded_server.url!r} + "/json").status == 200
"""
    )


def test_process_without_httpcore_pays_nothing() -> None:
    run_aliased("""
import sys
import httpx

assert "httpfast._httpcore_gateway" not in sys.modules and "httpcore" not in sys.modules
assert "wraps" not in vars(httpx.HTTPTransport.handle_request) and not vars(httpx.HTTPTransport.handle_request)
""")


def test_transport_with_a_proxy_shows_a_proxy_pool(embedded_server: EmbeddedServer) -> None:
    run_aliased(
        PREPARED
        + f"""
for proxy, port in (("http://u:p@127.0.0.1:3128", 3128), ("http://127.0.0.1", None), ("https://127.0.0.1", None)):
    transport, other = httpx.HTTPTransport(proxy=proxy), httpx.AsyncHTTPTransport(proxy=proxy)
    assert isinstance(transport._pool, httpcore.HTTPProxy) and isinstance(other._pool, httpcore.AsyncHTTPProxy)
    assert not isinstance(transport._pool, httpcore.AsyncHTTPProxy)
    for shown in (transport._pool, other._pool):
        assert shown._proxy_url.scheme == proxy.split(":")[0].encode()
        assert (shown._proxy_url.host, shown._proxy_url.port) == (b"127.0.0.1", port)
        assert shown._proxy_headers == ([(b"Proxy-Authorization", b"Basic dTpw")] if "@" in proxy else [])
assert not isinstance(httpx.HTTPTransport()._pool, httpcore.HTTPProxy)
assert not isinstance(httpx.AsyncHTTPTransport()._pool, httpcore.AsyncHTTPProxy)

# They work as ever.
with httpx.Client(proxy={embedded_server.url!r}) as client:
    assert client.get("http://nowhere.example/json").status_code == 200
    assert isinstance(client._mounts and client._transport_for_url(httpx.URL("http://a.b"))._pool, httpcore.HTTPProxy)

async def main():
    async with httpx.AsyncClient(proxy={embedded_server.url!r}) as client:
        assert (await client.get("http://nowhere.example/json")).status_code == 200
        assert isinstance(client._transport_for_url(httpx.URL("http://a.b"))._pool, httpcore.AsyncHTTPProxy)

asyncio.run(main())
"""
    )


def test_transport_with_a_socks_proxy_shows_a_socks_pool() -> None:
    needs("socksio")
    run_aliased(
        PREPARED
        + """
assert isinstance(httpx.HTTPTransport(proxy="socks5://127.0.0.1")._pool, httpcore.SOCKSProxy)
assert isinstance(httpx.AsyncHTTPTransport(proxy="socks5://127.0.0.1")._pool, httpcore.AsyncSOCKSProxy)
"""
    )


@pytest.mark.parametrize("order", ["httpcore, httpcore2", "httpcore2, httpcore"])
def test_both_cores_count_when_both_are_imported(order: str, embedded_server: EmbeddedServer) -> None:
    needs("httpcore2")
    run_aliased(
        f"import {order}"
        + PREPARED
        + f"""
import httpcore2

url = {embedded_server.url!r}
for core in (httpcore, httpcore2):
    response = core.Response(299, headers=[(b"X-From", b"patch")], content=b"mocked")
    with mock.patch.object(core.ConnectionPool, "handle_request", return_value=response):
        assert is_mocked(httpx.get(url + "/json"))
    assert httpx.get(url + "/json").status_code == 200
assert isinstance(httpx.HTTPTransport(proxy=url)._pool, httpcore.HTTPProxy)

# What is read of the octets under a response raises the errors of both.
with httpx.Client() as client, client.stream("GET", url + "/bytes/10000000") as response:
    for kind in (httpcore.ReadError, httpcore2.ReadError, httpfast.ReadError):
        try:
            response.extensions["network_stream"].read(1)
        except kind:
            pass
        else:
            raise AssertionError("not raised")
"""
    )


def test_spec_of_httpcore_is_as_good_as_before() -> None:
    run_aliased("""
import importlib.util

spec = importlib.util.find_spec("httpcore")
assert spec.origin.endswith("__init__.py") and "ConnectionPool" in spec.loader.get_source("httpcore")
assert importlib.util.find_spec("httpcore._models").name == "httpcore._models"
""")
