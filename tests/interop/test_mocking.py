"""Tools that answer requests in place of the network: respx, pytest-httpx and vcrpy. What they mock must not go out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from tests.peers import ScriptedPeer

if TYPE_CHECKING:
    import httpx

NOWHERE = "https://api.nowhere.example"


@pytest.fixture
def unreachable() -> Iterator[str]:
    """The URL of a server whose test fails if anybody connects to it."""
    with ScriptedPeer() as peer:
        yield peer.url


def needs(package: str) -> Any:
    return pytest.importorskip(package, reason=f"{package}, which this tries, is not installed")


@pytest.fixture(params=["httpcore", "httpx"])
def respx(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A router of respx's, in either of its modes; "httpcore" is its default."""
    respx = needs("respx")
    assert respx.mocks.DEFAULT_MOCKER == "httpcore"
    with respx.mock(using=request.param) as router:
        yield router


@pytest.fixture
def httpx_mocker(request: pytest.FixtureRequest) -> Any:
    """The fixture of pytest-httpx."""
    needs("pytest_httpx")
    return request.getfixturevalue("httpx_mock")


# respx


@pytest.mark.aliased
def test_respx_answers_a_blocking_client(respx: Any) -> None:
    import httpx

    route = respx.post(f"{NOWHERE}/items", json={"a": 1}).respond(201, json={"id": 7}, headers={"X-Mine": "yes"})

    with httpx.Client(base_url=NOWHERE) as client:
        response = client.post("/items", json={"a": 1}, headers={"X-Asked": "so"})

    assert client.__class__ is httpfast.Client
    assert (response.status_code, response.json(), response.headers["x-mine"]) == (201, {"id": 7}, "yes")
    assert response.request.method == "POST"
    assert route.call_count == 1
    assert route.calls.last.request.headers["x-asked"] == "so"
    assert json.loads(route.calls.last.request.content) == {"a": 1}


@pytest.mark.aliased
def test_respx_answers_an_async_client(respx: Any) -> None:
    import httpx

    respx.get(f"{NOWHERE}/a").mock(return_value=httpx.Response(200, text="hello"))

    async def main() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{NOWHERE}/a")).text

    assert asyncio.run(main()) == "hello"


@pytest.mark.aliased
def test_respx_answers_the_functions_and_httpfast_itself(respx: Any) -> None:
    import httpx

    respx.get(NOWHERE).respond(text="a")

    assert httpx.get(NOWHERE).text == httpfast.get(NOWHERE).text == "a"


@pytest.mark.aliased
def test_respx_answers_streams_uploads_and_redirects(respx: Any) -> None:
    import httpx

    respx.get(f"{NOWHERE}/old").respond(302, headers={"Location": "/new"})
    respx.get(f"{NOWHERE}/new").respond(stream=httpx.ByteStream(b"abc"))
    upload = respx.put(f"{NOWHERE}/up").respond(204)

    with httpx.Client(follow_redirects=True) as client:
        with client.stream("GET", f"{NOWHERE}/old") as response:
            assert b"".join(response.iter_bytes()) == b"abc"
        client.put(f"{NOWHERE}/up", content=iter([b"x", b"y"]))

    assert upload.calls.last.request.read() == b"xy"


@pytest.mark.aliased
def test_respx_raises_what_it_is_told_to(respx: Any) -> None:
    import httpx

    respx.get(NOWHERE).mock(side_effect=httpx.ConnectTimeout("too slow"))

    with httpx.Client() as client, pytest.raises(httpx.ConnectTimeout, match="too slow") as caught:
        client.get(NOWHERE)

    assert caught.value.request.url == NOWHERE


@pytest.mark.aliased
def test_respx_lets_no_request_out_that_it_does_not_know(respx: Any, unreachable: str) -> None:
    import httpx
    from respx.models import AllMockedAssertionError

    respx.get(NOWHERE).respond()
    httpx.get(NOWHERE)

    with pytest.raises(AllMockedAssertionError):
        httpx.get(unreachable)
    with pytest.raises(AllMockedAssertionError):
        httpx.post(unreachable, content=iter([b"a"]))

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            with pytest.raises(AllMockedAssertionError):
                await client.get(unreachable)

    asyncio.run(main())


@pytest.mark.aliased
def test_respx_answers_for_a_client_with_a_proxy(respx: Any, unreachable: str) -> None:
    import httpx

    respx.get(f"{NOWHERE}/a").respond(text="a")

    with httpx.Client(proxy=unreachable) as client:
        assert client.get(f"{NOWHERE}/a").text == "a"


@pytest.mark.aliased
def test_respx_lets_through_what_it_is_told_to(respx: Any, embedded_server: EmbeddedServer) -> None:
    import httpx

    respx.get(NOWHERE).respond(201)
    respx.route(host="127.0.0.1").pass_through()

    with httpx.Client() as client:
        assert client.get(NOWHERE).status_code == 201
        echo = client.post(f"{embedded_server.url}/echo?a=b", content=b"abc", headers={"X-Token": "t"})
        with client.stream("GET", f"{embedded_server.url}/chunked/100000") as streamed:
            assert len(streamed.read()) == 100_000
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"{embedded_server.url}/stall-head", timeout=0.05)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{embedded_server.url}/drop-after/5")

    assert (echo.json()["length"], echo.json()["target"], echo.headers["x-token"]) == (3, "/echo?a=b", "t")
    assert isinstance(echo.extensions["network_stream"], httpfast._transports.pull.NetworkStream)

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            assert (await client.get(NOWHERE)).status_code == 201
            echo = await client.post(f"{embedded_server.url}/echo", content=b"abc")
            assert echo.json()["length"] == 3

    asyncio.run(main())


@pytest.mark.aliased
def test_respx_leaves_everything_as_it_was(embedded_server: EmbeddedServer) -> None:
    respx = needs("respx")
    import httpx

    with httpx.Client() as client:
        for _ in range(2):
            with respx.mock:
                respx.get(url__startswith=embedded_server.url).respond(418)
                assert client.get(f"{embedded_server.url}/json").status_code == 418
            assert client.get(f"{embedded_server.url}/json").status_code == 200


@pytest.mark.aliased
def test_respx_fixture_and_decorator_work(request: pytest.FixtureRequest) -> None:
    respx = needs("respx")
    respx_mock = request.getfixturevalue("respx_mock")
    import httpx

    respx_mock.get(f"{NOWHERE}/f").respond(text="fixture")
    assert httpx.get(f"{NOWHERE}/f").text == "fixture"

    @respx.mock
    def decorated() -> None:
        respx.get(f"{NOWHERE}/d").respond(text="decorator")
        assert httpx.get(f"{NOWHERE}/d").text == "decorator"

    decorated()


def test_respx_answers_clients_with_the_transport(unreachable: str) -> None:
    respx = needs("respx")
    import httpx

    with (
        respx.mock(using="httpx") as router,
        httpx.Client(transport=httpfast.httpx_transport()) as client,
    ):
        router.get(unreachable).respond(text="mocked")

        assert not isinstance(client, httpfast.Client)
        assert client.get(unreachable).text == "mocked"


# pytest-httpx


@pytest.mark.aliased
def test_pytest_httpx_answers_both_clients(httpx_mocker: Any) -> None:
    import httpx

    httpx_mocker.add_response(url=f"{NOWHERE}/a?b=c", method="POST", json={"ok": True}, match_json={"x": 1})
    httpx_mocker.add_response(url=f"{NOWHERE}/async", text="async")

    assert httpx.post(f"{NOWHERE}/a", params={"b": "c"}, json={"x": 1}).json() == {"ok": True}

    async def main() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{NOWHERE}/async")).text

    assert asyncio.run(main()) == "async"
    assert [request.method for request in httpx_mocker.get_requests()] == ["POST", "GET"]


@pytest.mark.aliased
def test_pytest_httpx_streams_calls_back_and_raises(httpx_mocker: Any) -> None:
    import httpx
    from pytest_httpx import IteratorStream

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"url": str(request.url)})

    httpx_mocker.add_response(stream=IteratorStream([b"a", b"b"]), url=f"{NOWHERE}/stream")
    httpx_mocker.add_callback(answer, url=f"{NOWHERE}/call")
    httpx_mocker.add_exception(httpx.ReadTimeout("slow"), url=f"{NOWHERE}/slow")

    with httpx.Client() as client:
        with client.stream("GET", f"{NOWHERE}/stream") as response:
            assert list(response.iter_raw()) == [b"a", b"b"]
        assert client.get(f"{NOWHERE}/call").json() == {"url": f"{NOWHERE}/call"}
        with pytest.raises(httpx.ReadTimeout, match="slow"):
            client.get(f"{NOWHERE}/slow")


@pytest.mark.aliased
def test_pytest_httpx_lets_no_request_out_that_it_does_not_know(httpx_mocker: Any, unreachable: str) -> None:
    import httpx

    httpx_mocker._options.assert_all_requests_were_expected = False

    with pytest.raises(httpx.TimeoutException, match="No response can be found"):
        httpx.get(unreachable)


@pytest.mark.aliased
def test_pytest_httpx_sees_the_proxy(httpx_mocker: Any) -> None:
    import httpx

    proxy = "http://user:word@localhost:3128"
    httpx_mocker.add_response(proxy_url=f"{proxy}/", text="by proxy", is_reusable=True)

    with httpx.Client(proxy=proxy) as client:
        assert client.get(NOWHERE).text == "by proxy"

    async def main() -> str:
        async with httpx.AsyncClient(proxy=proxy) as client:
            return (await client.get(NOWHERE)).text

    assert asyncio.run(main()) == "by proxy"
    assert len(httpx_mocker.get_requests(proxy_url=f"{proxy}/")) == 2
    assert not httpx_mocker.get_requests(proxy_url="http://localhost:1/")


# vcrpy


@pytest.mark.aliased
def test_vcr_records_and_plays_back(tmp_path: Path) -> None:
    vcr = needs("vcr")
    import httpx

    cassette = str(tmp_path / "cassette.yaml")

    def ask(url: str) -> list[Any]:
        with httpx.Client() as client:
            echo = client.post(f"{url}/echo", content=b"abc").json()
            return [echo["length"], client.get(f"{url}/gzip").json(), client.get(f"{url}/json").headers["x-connection"]]

    with EmbeddedServer(tls=False, uds=False) as server:
        url = server.url
        with vcr.use_cassette(cassette) as tape:
            first = ask(url)
            assert tape.play_count == 0

    # The server is gone: what comes now is off the tape.
    with vcr.use_cassette(cassette, record_mode="none") as tape:
        assert ask(url) == first
        assert tape.play_count == 3
        with pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException):
            httpx.get(f"{url}/other")


@pytest.mark.aliased
def test_vcr_records_and_plays_back_async(tmp_path: Path) -> None:
    vcr = needs("vcr")
    import httpx

    cassette = str(tmp_path / "cassette.yaml")

    async def ask(url: str) -> list[Any]:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            redirected = await client.get(f"{url}/redirect/1")
            async with client.stream("GET", f"{url}/chunked/5000") as streamed:
                return [redirected.status_code, len(redirected.history), await streamed.aread()]

    with EmbeddedServer(tls=False, uds=False) as server:
        url = server.url
        with vcr.use_cassette(cassette):
            first = asyncio.run(ask(url))
    with vcr.use_cassette(cassette, record_mode="none") as tape:
        assert asyncio.run(ask(url)) == first
        assert tape.play_count == 3
