"""ASGITransport: what the application sees, how its response comes, and that no task of it is left, on each loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

import httpfast
from httpfast import ASGITransport, AsyncClient, RemoteProtocolError, Request, Response
from httpfast._transports import asgi

URL = "http://a.example/"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine on a loop of each kind. Fails a test that leaves tasks, or has the loop complain."""
    factory = None
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop", reason="uvloop is not to be had for this platform").new_event_loop
    complaints: list[dict[str, Any]] = []

    async def watched(scenario: Coroutine[Any, Any, Any]) -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        result = await scenario
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left over: {left}"
        return result

    with asyncio.Runner(loop_factory=factory) as runner:
        yield lambda scenario: runner.run(watched(scenario))
    gc.collect()
    assert not complaints, f"the event loop complained: {complaints}"


def client_of(app: Any, **settings: Any) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app, **settings))


async def get(app: Any, **settings: Any) -> Response:
    async with client_of(app, **settings) as client:
        return await client.get(URL)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes, more_body: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more_body}


def end(body: bytes = b"") -> Message:
    return {"type": "http.response.body", "body": body}


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    await send(start(200, (b"X-App", b"1")))
    await send(end(b"hello"))


async def fails(scope: Message, receive: Receive, send: Send) -> None:
    raise LookupError("of the application")


async def fails_after_head(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    raise LookupError("of the application")


async def fails_in_body(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    await send(part(b"octets"))
    raise LookupError("of the application")


async def fails_after_body(scope: Message, receive: Receive, send: Send) -> None:
    await hello(scope, receive, send)
    raise LookupError("of the application")


async def endless(scope: Message, receive: Receive, send: Send) -> None:
    await send(start())
    while True:
        await send(part(b"x" * 1000))


async def scope_of(method: str, url: str, settings: dict[str, Any] | None = None, **arguments: Any) -> Message:
    """What an application sees of a request."""
    seen: Message = {}

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen.update(scope)
        await hello(scope, receive, send)

    async with client_of(app, **(settings or {})) as client:
        await client.request(method, url, **arguments)
    return seen


# What the application sees


def test_scope_describes_the_request(run: Run) -> None:
    url = "https://a.example:8443/caf%C3%A9/b%2Fc?d=e%20f"

    scope = run(scope_of("PUT", url, headers={"X-One": "1"}))

    headers = scope.pop("headers")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "https",
        "path": "/café/b/c",
        "raw_path": b"/caf%C3%A9/b%2Fc",
        "query_string": b"d=e%20f",
        "server": ("a.example", 8443),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
    assert (b"host", b"a.example:8443") in headers
    assert (b"x-one", b"1") in headers
    assert all(name == name.lower() for name, _ in headers)


def test_settings_reach_the_application(run: Run) -> None:
    scope = run(scope_of("GET", URL, {"root_path": "/mounted", "client": ("192.0.2.1", 5)}))

    assert (scope["root_path"], scope["client"], scope["server"]) == ("/mounted", ("192.0.2.1", 5), ("a.example", None))


async def pieces() -> AsyncIterator[bytes]:
    yield b"ab"
    yield b"cd"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"), [(None, [b""]), (b"abcd", [b"abcd", b""]), (pieces, [b"ab", b"cd", b""])]
)
def test_request_body_comes_in_its_parts_and_then_the_disconnect(
    run: Run, content: Any, expected: list[bytes], stream: bool
) -> None:
    async def scenario() -> list[Message]:
        messages: list[Message] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            while not messages or messages[-1]["more_body"]:
                messages.append(await receive())
            await hello(scope, receive, send)
            messages.append(await receive())

        async with client_of(app) as client:
            request = client.build_request("POST", URL, content=content() if callable(content) else content)
            response = await client.send(request, stream=stream)
            assert await response.aread() == b"hello"
        return messages

    messages = run(scenario())

    assert messages.pop() == {"type": "http.disconnect"}
    assert {message["type"] for message in messages} == {"http.request"}
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]
    assert [message["body"] for message in messages if message["body"]] == [body for body in expected if body]


def test_request_body_may_be_a_blocking_stream_when_the_transport_is_called_itself(run: Run) -> None:
    async def scenario() -> bytes:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            while (message := await receive())["more_body"]:
                await send(part(message["body"]))
            await send(end())

        async with ASGITransport(app) as transport:
            request = Request("POST", URL, content=iter([b"ab", b"cd"]))
            return await (await transport.handle_async_request(request)).aread()

    assert run(scenario()) == b"abcd"


def test_request_body_that_is_not_read_to_its_end_is_closed(run: Run) -> None:
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            yield b"second"
        finally:
            closed.append(True)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with client_of(app) as client:
            await client.post(URL, content=body())
            assert closed == [True]

    run(scenario())


# A response that is wanted whole


def test_response_is_what_the_application_sends(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(201, (b"X-A", b"1"), (b"X-A", b"2")))
        await send(part(b"some"))
        await send(part(b""))
        await send(end(b" more"))

    response = run(get(app))

    assert (response.status_code, response.content) == (201, b"some more")
    assert response.headers.get_list("x-a") == ["1", "2"]


def test_whole_response_is_made_in_the_task_and_context_of_the_caller(run: Run) -> None:
    variable = ContextVar("variable", default="unset")
    tasks: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        variable.set("by the application")
        await hello(scope, receive, send)

    async def scenario() -> None:
        await get(app)

        assert tasks == [asyncio.current_task()]
        assert variable.get() == "by the application"

    run(scenario())


def test_whole_response_is_there_when_the_application_has_returned(run: Run) -> None:
    done: list[bool] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await asyncio.sleep(0)
        done.append(True)

    async def scenario() -> None:
        await get(app)
        assert done == [True]

    run(scenario())


@pytest.mark.parametrize("stream", [False, True])
def test_response_to_head_has_no_body(run: Run, stream: bool) -> None:
    async def scenario() -> bytes:
        async with client_of(hello) as client:
            response = await client.send(client.build_request("HEAD", URL), stream=stream)
            return await response.aread()

    assert run(scenario()) == b""


@pytest.mark.parametrize("app", [fails, fails_after_head, fails_in_body, fails_after_body])
def test_exception_of_the_application_is_raised(run: Run, app: Any) -> None:
    with pytest.raises(LookupError, match="of the application"):
        run(get(app))


@pytest.mark.parametrize(
    ("app", "status", "content"),
    [
        (fails, 500, b""),
        (fails_after_head, 200, b""),
        (fails_in_body, 200, b"octets"),
        (fails_after_body, 200, b"hello"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_exception_that_is_not_raised_ends_the_response(
    run: Run, app: Any, status: int, content: bytes, stream: bool
) -> None:
    async def scenario() -> None:
        async with client_of(app, raise_app_exceptions=False) as client:
            response = await client.send(client.build_request("GET", URL), stream=stream)
            assert (response.status_code, await response.aread()) == (status, content)

    run(scenario())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("messages", [[], [start()], [start(), part(b"octets")]])
def test_response_that_is_not_complete_is_a_protocol_error(run: Run, messages: list[Message], stream: bool) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async def scenario() -> None:
        async with client_of(app) as client:
            response = await client.send(client.build_request("GET", URL), stream=stream)
            await response.aread()

    with pytest.raises(RemoteProtocolError, match="without sending"):
        run(scenario())


@pytest.mark.parametrize("messages", [[end()], [start(), start()], [start(), end(), end()]])
def test_message_out_of_order_is_an_error_of_the_application(run: Run, messages: list[Message]) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    with pytest.raises(RuntimeError, match=r"http\.response"):
        run(get(app))


def test_messages_of_an_unknown_type_are_left_alone(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await hello(scope, receive, send)

    assert run(get(app)).content == b"hello"


# A response that is streamed


def test_streamed_response_comes_while_the_application_makes_it(run: Run) -> None:
    async def scenario() -> None:
        turns: asyncio.Queue[bytes] = asyncio.Queue()

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(start(200, (b"X-App", b"1")))
            while body := await turns.get():
                await send(part(body))
            await send(end())

        async with client_of(app) as client, client.stream("GET", URL) as response:
            assert (response.status_code, response.headers["x-app"]) == (200, "1")
            chunks = response.aiter_bytes()
            for body in (b"one", b"two"):
                turns.put_nowait(body)
                assert await anext(chunks) == body
            turns.put_nowait(b"")
            assert [chunk async for chunk in chunks] == []
            assert response.is_closed

    run(scenario())


def test_streamed_response_ends_when_the_application_has_returned(run: Run) -> None:
    done: list[bool] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        for _ in range(5):
            await asyncio.sleep(0)
        done.append(True)

    async def scenario() -> None:
        async with client_of(app) as client:
            async with client.stream("GET", URL) as response:
                assert await response.aread() == b"hello"
                assert done == [True]
            async with client.stream("GET", URL) as response:
                pass
            assert done == [True, True]

    run(scenario())


def test_streamed_response_holds_no_more_than_the_limit_ahead_of_its_reader(run: Run) -> None:
    async def scenario() -> None:
        sent = 0

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send(start())
            for _ in range(1000):
                sent += 1000
                await send(part(b"x" * 1000))
            await send(end())

        async with client_of(app) as client, client.stream("GET", URL) as response:
            for _ in range(10):
                await asyncio.sleep(0)
            assert sent <= asgi.MAX_HELD_BYTES + 1000
            assert len(await response.aread()) == 1_000_000

    run(scenario())


def test_streamed_response_sees_the_context_of_its_caller(run: Run) -> None:
    variable = ContextVar("variable", default=b"unset")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(end(variable.get()))

    async def scenario() -> bytes:
        variable.set(b"by the caller")
        async with client_of(app) as client, client.stream("GET", URL) as response:
            return await response.aread()

    assert run(scenario()) == b"by the caller"


def test_exception_before_the_head_is_raised_by_the_call(run: Run) -> None:
    async def scenario() -> None:
        async with ASGITransport(fails) as transport:
            with pytest.raises(LookupError, match="of the application"):
                await transport.handle_async_request(Request("GET", URL))

    run(scenario())


@pytest.mark.parametrize("app", [fails_after_head, fails_in_body, fails_after_body])
def test_exception_after_the_head_is_raised_by_reading_and_once(run: Run, app: Any) -> None:
    async def scenario() -> None:
        async with client_of(app) as client, client.stream("GET", URL) as response:
            with pytest.raises(LookupError, match="of the application"):
                await response.aread()
            await response.aclose()

    run(scenario())


def test_exception_that_was_not_met_by_reading_is_raised_by_closing(run: Run) -> None:
    async def scenario() -> None:
        async with client_of(fails_after_body) as client:
            response = await client.send(client.build_request("GET", URL), stream=True)
            with pytest.raises(LookupError, match="of the application"):
                await response.aclose()

    run(scenario())


# Closing


def test_close_before_the_end_is_told_to_an_application_that_listens(run: Run) -> None:
    async def scenario() -> list[Any]:
        seen: list[Any] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await receive()
            await send(start())
            await send(part(b"first"))
            seen.append(await receive())
            await asyncio.sleep(0)
            await send(part(b"nobody reads this"))
            seen.append("ended by itself")

        async with client_of(app) as client, client.stream("GET", URL) as response:
            assert await anext(response.aiter_bytes()) == b"first"
        return seen

    assert run(scenario()) == [{"type": "http.disconnect"}, "ended by itself"]


def test_close_before_the_end_cancels_an_application_that_does_not_listen(run: Run) -> None:
    async def scenario() -> list[str]:
        seen: list[str] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(start())
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                seen.append("cleaned up")

        async with client_of(app) as client:
            async with client.stream("GET", URL):
                pass
            return list(seen)

    assert run(scenario()) == ["cleaned up"]


def test_close_cancels_a_listener_that_does_not_end_within_the_grace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "DISCONNECT_GRACE", 0.001)

    async def scenario() -> list[str]:
        seen: list[str] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                pass
            await send(start())
            seen.append((await receive())["type"])
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async with client_of(app) as client, client.stream("GET", URL) as response:
            # The application is to be in its second `receive`.
            await asyncio.sleep(0)
            assert response.status_code == 200
        return seen

    assert run(scenario()) == ["http.disconnect", "cancelled"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_ends_an_endless_body(run: Run, method: str) -> None:
    async def scenario() -> None:
        async with client_of(endless) as client:
            async with client.stream(method, URL):
                pass
            async with client.stream("GET", URL) as response:
                async for _ in response.aiter_bytes(10_000):
                    break

    run(scenario())


def test_exception_of_an_application_that_was_told_to_end_is_not_raised(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("while ending")

    async def scenario() -> None:
        async with client_of(app) as client, client.stream("GET", URL):
            pass

    run(scenario())


def test_cancelled_call_cancels_the_application(run: Run) -> None:
    async def scenario() -> None:
        ended = False

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            nonlocal ended
            try:
                await asyncio.Event().wait()
            finally:
                ended = True

        async with client_of(app) as client:
            for stream in (False, True):
                request = client.build_request("GET", URL)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await client.send(request, stream=stream)
                assert ended
                ended = False

    run(scenario())


def test_cancelled_read_cancels_the_application(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with client_of(app) as client:
            response = await client.send(client.build_request("GET", URL), stream=True)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await response.aread()
            assert len(asyncio.all_tasks()) == 1

    run(scenario())


def test_application_that_cancels_itself_cancels_the_read(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        raise asyncio.CancelledError

    async def scenario() -> None:
        async with client_of(app) as client, client.stream("GET", URL) as response:
            with pytest.raises(asyncio.CancelledError):
                await response.aread()

    run(scenario())


def test_application_that_is_cancelled_before_it_runs_cancels_the_call(run: Run) -> None:
    async def scenario() -> None:
        async with client_of(endless) as client:
            before = asyncio.all_tasks()
            call = asyncio.create_task(client.send(client.build_request("GET", URL), stream=True))
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - before - {call}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(scenario())


@pytest.mark.parametrize("stream", [False, True])
def test_exception_of_the_request_body_while_it_is_closed_is_raised(run: Run, stream: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            yield b"second"
        finally:
            raise LookupError("while closing the body")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with client_of(app) as client:
            response = await client.send(client.build_request("POST", URL, content=body()), stream=stream)
            await response.aread()

    with pytest.raises(LookupError, match="while closing the body"):
        run(scenario())


def test_closing_the_client_ends_the_applications_of_open_responses(run: Run) -> None:
    async def scenario() -> None:
        async with client_of(endless) as client:
            responses = [await client.send(client.build_request("GET", URL), stream=True) for _ in range(3)]
            assert len(asyncio.all_tasks()) == 4
        assert len(asyncio.all_tasks()) == 1
        for response in responses:
            await response.aclose()

    run(scenario())


def test_response_that_is_dropped_cancels_its_application(run: Run) -> None:
    async def scenario() -> None:
        client = client_of(endless)
        response = await client.send(client.build_request("GET", URL), stream=True)
        assert len(asyncio.all_tasks()) == 2
        del response
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(scenario())


def test_redirects_and_cookies_work_as_over_a_network(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await send(start(302, (b"Location", b"/next"), (b"Set-Cookie", b"a=1")))
            await send(end())
            return
        await send(start())
        await send(end(dict(scope["headers"])[b"cookie"]))

    async def scenario() -> None:
        async with AsyncClient(transport=ASGITransport(app), follow_redirects=True) as client:
            assert (await client.get(URL)).content == b"a=1"
            async with client.stream("GET", URL) as response:
                assert await response.aread() == b"a=1"

    run(scenario())


def test_body_stream_is_an_async_one(run: Run) -> None:
    async def scenario() -> None:
        async with client_of(hello) as client, client.stream("GET", URL) as response:
            assert isinstance(response.stream, httpfast.AsyncByteStream)
            with pytest.raises(RuntimeError, match="sync"):
                response.read()

    run(scenario())
