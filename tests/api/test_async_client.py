"""The client for event loops: what differs from the blocking one, and that the rest is the same, on each loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

import httpfast
from httpfast import AsyncClient, Request, Response
from tests.conftest import Origin

URL = "https://a.example/"

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a new loop of each kind."""
    if request.param == "asyncio":
        return asyncio.run
    pytest.importorskip("uvloop")
    return httpfast.run


def echo(request: Request) -> Response:
    return Response(200, json={"method": request.method, "url": str(request.url), "fields": dict(request.headers)})


async def echo_async(request: Request) -> Response:
    await asyncio.sleep(0)
    return echo(request)


def client_of(handler: Any = echo, **settings: Any) -> AsyncClient:
    return AsyncClient(transport=httpfast.MockTransport(handler), **settings)


# Requests


def test_requests_are_made_as_by_the_blocking_client() -> None:
    settings: dict[str, Any] = {"headers": {"X": "1"}, "params": {"k": "v"}, "cookies": {"a": "1"}, "base_url": URL}
    for method, url, arguments in (
        ("GET", "/x", {}),
        ("GET", "/x", {"params": {"k": "w"}}),
        ("POST", "/x", {"json": {"a": 1}}),
        ("PUT", "https://b.example", {"data": {"a": "1"}, "headers": {"Y": "2"}}),
    ):
        made = AsyncClient(**settings).build_request(method, url, **arguments)
        expected = httpfast.Client(**settings).build_request(method, url, **arguments)

        assert (made.method, made.url, made.content) == (expected.method, expected.url, expected.content)
        assert made.headers.raw == expected.headers.raw
        assert made.extensions == expected.extensions


@pytest.mark.parametrize("handler", [echo, echo_async])
@pytest.mark.parametrize("method", ["get", "options", "head", "delete", "post", "put", "patch", "query"])
def test_each_method_has_a_coroutine(run: Run, method: str, handler: Any) -> None:
    async def main() -> Response:
        async with client_of(handler) as client:
            response: Response = await getattr(client, method)(URL, headers={"X-Own": "1"}, params={"k": "v"})
            return response

    response = run(main())

    assert response.request.method == method.upper()
    assert response.json()["fields"]["x-own"] == "1"
    assert response.url == URL + "?k=v"


@pytest.mark.parametrize("method", ["post", "put", "patch", "query"])
def test_methods_with_a_body_take_one(run: Run, method: str) -> None:
    async def main() -> list[bytes]:
        client = client_of(lambda request: Response(200, content=request.content))
        bodies: list[dict[str, Any]] = [{"content": b"x=1"}, {"data": {"x": "1"}}, {"json": {"x": 1}}]
        return [(await getattr(client, method)(URL, **body)).content for body in bodies]

    assert run(main()) == [b"x=1", b"x=1", b'{"x":1}']


def test_stream_is_open_within_its_block_and_closed_after_it(run: Run, embedded: Origin) -> None:
    async def main() -> None:
        async with AsyncClient(verify=embedded.verify) as client:
            async with client.stream("GET", embedded.large) as response:
                assert not response.is_closed
                with pytest.raises(httpfast.ResponseNotRead):
                    _ = response.content
                with pytest.raises(RuntimeError, match="elapsed"):
                    _ = response.elapsed
                chunks = response.aiter_bytes(1024)
                assert len(await anext(chunks)) == 1024
                await chunks.aclose()  # type: ignore[attr-defined]
            assert response.is_closed
            assert response.elapsed.total_seconds() > 0

    run(main())


def test_response_is_closed_when_reading_is_cancelled(run: Run) -> None:
    class Endless(httpfast.AsyncByteStream):
        is_closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.sleep(3600)

        async def aclose(self) -> None:
            self.is_closed = True

    async def main(hooks: dict[str, Any]) -> None:
        stream = Endless()
        client = client_of(lambda request: Response(200, stream=stream), event_hooks=hooks)
        call = asyncio.create_task(client.get(URL))
        while not stream.is_closed and not call.done():
            await asyncio.sleep(0)
            call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()

    async def hook(response: Response) -> None:
        pass

    run(main({}))
    run(main({"response": [hook]}))


def test_response_is_closed_when_a_hook_is_cancelled(run: Run) -> None:
    class Stream(httpfast.AsyncByteStream):
        closings = 0

        async def aclose(self) -> None:
            self.closings += 1

    async def main() -> int:
        stream, is_in_hook = Stream(), asyncio.Event()

        async def hook(response: Response) -> None:
            is_in_hook.set()
            await asyncio.sleep(3600)

        client = client_of(lambda request: Response(200, stream=stream), event_hooks={"response": [hook]})
        call = asyncio.create_task(client.get(URL))
        await is_in_hook.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return stream.closings

    assert run(main()) == 1


def test_cookies_of_one_call_are_deprecated(run: Run) -> None:
    async def main() -> Response:
        with pytest.warns(DeprecationWarning, match="per-request cookies"):
            return await client_of(cookies={"a": "1"}).get(URL, cookies={"b": "2"})

    assert run(main()).json()["fields"]["cookie"] == "a=1; b=2"


def test_blocking_body_is_refused_whatever_the_transport(run: Run) -> None:
    def body() -> Iterator[bytes]:
        yield b""

    async def main() -> None:
        for client in (client_of(), AsyncClient()):
            with pytest.raises(RuntimeError, match="Attempted to send a sync request with an AsyncClient instance"):
                await client.post(URL, content=body())

    run(main())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://a.example/", "Request URL has an unsupported protocol 'ftp://'."),
        ("/path", "Request URL is missing an 'http://' or 'https://' protocol."),
    ],
)
def test_urls_that_no_connection_can_be_made_for(run: Run, url: str, message: str) -> None:
    async def main() -> None:
        async with AsyncClient() as client:
            await client.get(url)

    with pytest.raises(httpfast.UnsupportedProtocol) as caught:
        run(main())

    assert str(caught.value) == message
    assert caught.value.request.method == "GET"


# Life


class Witness(httpfast.AsyncBaseTransport):
    """Notes what happens to it. It is falsy, as a container of recorded calls would be."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __len__(self) -> int:
        return 0

    async def __aenter__(self) -> Any:
        self.events.append("enter")
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.events.append("exit")

    async def handle_async_request(self, request: Request) -> Response:
        self.events.append("request")
        return Response(200)

    async def aclose(self) -> None:
        self.events.append("close")


def test_block_enters_and_exits_the_transport(run: Run) -> None:
    transport = Witness()

    async def main() -> None:
        async with AsyncClient(transport=transport) as client:
            await client.get(URL)
            assert not client.is_closed
        assert client.is_closed
        await client.aclose()

    run(main())
    assert transport.events == ["enter", "request", "exit"]


def test_aclose_closes_the_transport_once(run: Run) -> None:
    transport = Witness()

    async def main() -> None:
        client = AsyncClient(transport=transport)
        await client.aclose()
        await client.aclose()
        with pytest.raises(RuntimeError, match=r"Cannot send a request, as the client has been closed\."):
            await client.get(URL)
        with pytest.raises(RuntimeError, match=r"Cannot reopen a client instance, once it has been closed\."):
            await client.__aenter__()

    run(main())
    assert transport.events == ["close"]


def test_client_is_opened_once(run: Run) -> None:
    async def main() -> None:
        used = client_of()
        await used.get(URL)
        async with client_of() as entered:
            for client in (used, entered):
                with pytest.raises(RuntimeError, match=r"Cannot open a client instance more than once\."):
                    await client.__aenter__()

    run(main())


# Transports of other people


def test_patched_transport_class_is_obeyed_at_once(run: Run, embedded: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    async def teapot(self: Any, request: Request) -> Response:
        return Response(418)

    async def main() -> list[int]:
        statuses = []
        async with AsyncClient(verify=embedded.verify) as client:
            statuses.append((await client.get(embedded.small)).status_code)
            monkeypatch.setattr(httpfast.AsyncHTTPTransport, "handle_async_request", teapot)
            statuses.append((await client.get(embedded.small)).status_code)
            monkeypatch.undo()
            statuses.append((await client.get(embedded.small)).status_code)
        return statuses

    assert run(main()) == [200, 418, 200]


def test_patched_choice_of_transport_is_obeyed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    other = httpfast.MockTransport(lambda request: Response(418))

    async def main() -> list[int]:
        client = client_of()
        before = await client.get(URL)
        # By the path that tools know from httpx.
        monkeypatch.setattr("httpfast._client.AsyncClient._transport_for_url", lambda self, url: other)
        return [before.status_code, (await client.get(URL)).status_code]

    assert run(main()) == [200, 418]


def test_subclassed_transport_is_called_for_each_request(run: Run, embedded: Origin) -> None:
    class Counting(httpfast.AsyncHTTPTransport):
        count = 0

        async def handle_async_request(self, request: Request) -> Response:
            self.count += 1
            return await super().handle_async_request(request)

    async def main() -> int:
        transport = Counting(verify=embedded.verify)
        async with AsyncClient(transport=transport) as client:
            for _ in range(3):
                assert len((await client.get(embedded.small)).content) == 1024
        return transport.count

    assert run(main()) == 3


class Wrapper(httpfast.AsyncBaseTransport):
    """A transport around ours that does something to each response."""

    def __init__(self, verify: Any, change: Callable[[Response], Coroutine[Any, Any, Response]]) -> None:
        self.inner = httpfast.AsyncHTTPTransport(verify=verify)
        self.change = change

    async def handle_async_request(self, request: Request) -> Response:
        return await self.change(await self.inner.handle_async_request(request))

    async def aclose(self) -> None:
        await self.inner.aclose()


class Doubled(httpfast.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.stream:
            yield chunk + chunk

    async def aclose(self) -> None:
        await self.stream.aclose()


async def replace_stream(response: Response) -> Response:
    response.stream = Doubled(response.stream)
    return response


async def rebuild(response: Response) -> Response:
    return Response(response.status_code, headers=response.headers.raw, stream=Doubled(response.stream))


async def rebuild_from_raw(response: Response) -> Response:
    return Response(200, content=b"".join([chunk async for chunk in response.aiter_raw()]) * 2)


async def rebuild_from_read(response: Response) -> Response:
    body = await response.aread()
    await response.aclose()
    return Response(200, content=body * 2)


@pytest.mark.parametrize("size", [0, 1024, 1_000_000])
@pytest.mark.parametrize("change", [replace_stream, rebuild, rebuild_from_raw, rebuild_from_read])
def test_wrapper_does_what_it_likes_with_a_response(
    run: Run, embedded: Origin, change: Callable[[Response], Coroutine[Any, Any, Response]], size: int
) -> None:
    async def main() -> None:
        async with AsyncClient(transport=Wrapper(embedded.verify, change)) as client:
            for _ in range(2):
                response = await client.get(f"{embedded.url}/bytes/{size}")
                assert len(response.content) == size * 2
                assert response.is_closed
            async with client.stream("GET", f"{embedded.url}/bytes/{size}") as response:
                assert len(await response.aread()) == size * 2

    run(main())


def test_response_without_an_async_stream_is_refused(run: Run) -> None:
    class Nonsense(httpfast.SyncByteStream):
        pass

    with pytest.raises(TypeError, match="AsyncByteStream"):
        run(client_of(lambda request: Response(200, stream=Nonsense())).get(URL))
