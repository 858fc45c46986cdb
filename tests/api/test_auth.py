"""Authentication schemes, and how the clients choose and run them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import pytest

import httpfast
from httpfast import Request, Response

URL = "https://a.example/start"
Flow = Generator[Request, Response, None]


class Caller:
    """Either client over a handler that answers 200 to who is authorised, and 401 else."""

    def __init__(self, kind: str) -> None:
        self.is_async = kind == "async"
        self.seen: list[tuple[str, str, str | None]] = []

    def open(self, handler: Any = None, **settings: Any) -> Any:
        def note(request: Request) -> Response:
            self.seen.append((request.method, str(request.url), request.headers.get("Authorization")))
            if handler is not None:
                return handler(request)  # type: ignore[no-any-return]
            return Response(200 if "Authorization" in request.headers else 401, content=b"body")

        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        self.client: Any = kind(transport=httpfast.MockTransport(note), **settings)
        return self.client

    def get(self, url: str = URL, **arguments: Any) -> Response:
        return self.wait(self.client.get(url, **arguments))

    def wait(self, result: Any) -> Any:
        return asyncio.run(result) if self.is_async else result

    @property
    def authorizations(self) -> list[str | None]:
        return [authorization for _, _, authorization in self.seen]


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


BASIC = "Basic dXNlcjpwdw=="


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [
        ("user", "pw", BASIC),
        (b"user", b"pw", BASIC),
        ("user", "", "Basic dXNlcjo="),
        ("", "pw", "Basic OnB3"),
        ("é", "ü:x", "Basic w6k6w7w6eA=="),
        (b"\xe9", "", "Basic 6To="),
    ],
)
def test_basic_field(username: str | bytes, password: str | bytes, field: str) -> None:
    request = Request("GET", URL)

    assert next(httpfast.BasicAuth(username, password).sync_auth_flow(request)) is request

    assert request.headers["Authorization"] == field


# Which scheme is used


def sign(request: Request) -> Request:
    request.headers["Authorization"] = "signed"
    return request


@pytest.mark.parametrize(
    ("auth", "field"), [(("user", "pw"), BASIC), (httpfast.BasicAuth("user", "pw"), BASIC), (sign, "signed")]
)
def test_auth_may_be_a_tuple_a_scheme_or_a_function(caller: Caller, auth: Any, field: str) -> None:
    caller.open(auth=auth)
    caller.get()
    caller.open()
    caller.get(auth=auth)
    caller.client.auth = auth
    caller.get()

    assert caller.authorizations == [field] * 3


@pytest.mark.parametrize("auth", ["user:pw", 1, ["user", "pw"]])
def test_other_auth_is_refused(caller: Caller, auth: Any) -> None:
    with pytest.raises(TypeError, match='Invalid "auth" argument'):
        caller.open(auth=auth)
    caller.open()
    with pytest.raises(TypeError, match='Invalid "auth" argument'):
        caller.get(auth=auth)


def test_auth_of_the_call_wins_then_the_clients_then_the_urls(caller: Caller) -> None:
    with_userinfo = "https://url:pw@a.example/"
    of_url = "Basic dXJsOnB3"

    caller.open(auth=("user", "pw"))
    caller.get(with_userinfo, auth=sign)
    caller.get(with_userinfo)
    caller.get(with_userinfo, auth=None)
    caller.get(auth=None)
    caller.open()
    caller.get(with_userinfo)
    caller.get(with_userinfo, headers={"Authorization": "own"})
    caller.get(headers={"Authorization": "own"})

    assert caller.authorizations == ["signed", BASIC, of_url, None, of_url, of_url, "own"]


@pytest.mark.parametrize(
    ("userinfo", "field"),
    [
        ("user:pw", BASIC),
        ("user", "Basic dXNlcjo="),
        ("a%40b:p%20w", "Basic YUBiOnAgdw=="),
        (":pw", "Basic OnB3"),
        (":", None),
    ],
)
def test_userinfo_is_unquoted(caller: Caller, userinfo: str, field: str | None) -> None:
    caller.open()

    response = caller.get(f"https://{userinfo}@a.example/")

    assert caller.authorizations == [field]
    assert response.request.headers["Host"] == "a.example"


# Flows


class Repeat(httpfast.Auth):
    """Asks again until it is told to stop, and notes what it was sent and that it was closed."""

    requires_request_body = True
    requires_response_body = True

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.contents: list[bytes] = []
        self.closings = 0

    def auth_flow(self, request: Request) -> Flow:
        try:
            self.contents.append(request.content)
            response = yield request
            for number in range(self.times):
                self.contents.append(response.content)
                request.headers["Authorization"] = str(number)
                response = yield request
        finally:
            self.closings += 1


def test_flow_sees_the_bodies_and_the_answers_before_go_into_history(caller: Caller) -> None:
    auth = Repeat(2)
    caller.open(auth=auth)

    response = caller.wait(caller.client.post(URL, content=b"sent"))

    assert auth.contents == [b"sent", b"body", b"body"]
    assert (auth.closings, response.status_code, response.request.method) == (1, 200, "POST")
    assert [earlier.status_code for earlier in response.history] == [401, 200]
    assert [len(earlier.history) for earlier in response.history] == [0, 1]
    assert caller.authorizations == [None, "0", "1"]


def test_flow_reads_a_streamed_body_so_that_it_can_be_sent_again(caller: Caller) -> None:
    async def pieces_async() -> AsyncGenerator[bytes, None]:
        yield b"piece"

    def pieces() -> Iterator[bytes]:
        yield b"piece"

    auth = Repeat()
    caller.open(auth=auth)

    response = caller.wait(caller.client.post(URL, content=pieces_async() if caller.is_async else pieces()))

    assert (auth.contents[0], response.request.content, len(caller.seen)) == (b"piece", b"piece", 2)


def test_flow_is_closed_when_sending_fails(caller: Caller) -> None:
    def refuse(request: Request) -> Response:
        raise httpfast.ConnectError("refused")

    auth = Repeat()
    caller.open(refuse, auth=auth)

    with pytest.raises(httpfast.ConnectError):
        caller.get()

    assert auth.closings == 1


def test_redirects_and_auth_count_alike_in_history(caller: Caller) -> None:
    def answer(request: Request) -> Response:
        if request.url.path == "/start":
            return Response(302, headers={"Location": "/end"})
        return Response(200 if "Authorization" in request.headers else 401)

    caller.open(answer, auth=Repeat())

    response = caller.get(follow_redirects=True)

    # The flow begins anew with its own request; what led to the 401 is in that one's history no more, as in httpx.
    assert [(earlier.status_code, earlier.url.path) for earlier in response.history] == [(401, "/end"), (302, "/start")]
    assert response.url.path == "/end"


def test_flow_without_end_is_stopped(caller: Caller) -> None:
    auth = Repeat(1_000)
    caller.open(auth=auth, max_redirects=5)

    with pytest.raises(httpfast.TooManyRedirects):
        caller.get()

    assert (len(caller.seen), auth.closings) == (6, 1)


class Token(httpfast.Auth):
    """Fetches a token from another server first."""

    requires_response_body = True

    def auth_flow(self, request: Request) -> Flow:
        answer = yield Request("POST", "https://login.example/token")
        request.headers["Authorization"] = answer.text
        yield request


def test_request_of_a_flow_ends_in_the_time_of_its_call(caller: Caller) -> None:
    times: list[Any] = []

    def note(request: Request) -> Response:
        times.append((request.extensions["timeout"]["read"], request.extensions["deadline"]))
        return Response(200, content=b"token")

    caller.open(note, auth=Token())

    response = caller.get(timeout=httpfast.Timeout(3, total=7))

    assert times[0] == times[1]
    assert times[0][0] == 3
    assert [url for _, url, _ in caller.seen] == ["https://login.example/token", URL]
    assert caller.authorizations == [None, "token"]
    assert [earlier.url.host for earlier in response.history] == ["login.example"]


def test_error_of_a_flow_names_the_request(caller: Caller) -> None:
    class Broken(httpfast.Auth):
        def auth_flow(self, request: Request) -> Flow:
            yield request
            raise httpfast.ProtocolError("no challenge")

    caller.open(auth=Broken())

    with pytest.raises(httpfast.ProtocolError) as caught:
        caller.get()

    assert caught.value.request.url == URL


def test_flow_that_yields_nothing_is_an_error(caller: Caller) -> None:
    class Empty(httpfast.Auth):
        def auth_flow(self, request: Request) -> Flow:
            yield from ()

    caller.open(auth=Empty())

    with pytest.raises(RuntimeError, match="without yielding a request"):
        caller.get()

    assert caller.seen == []


def test_flow_may_be_written_for_each_client(caller: Caller) -> None:
    class Both(httpfast.Auth):
        def sync_auth_flow(self, request: Request) -> Flow:
            request.headers["Authorization"] = "sync"
            yield request

        async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
            await asyncio.sleep(0)
            request.headers["Authorization"] = "async"
            yield request

    caller.open(auth=Both())

    caller.get()

    assert caller.authorizations == ["async" if caller.is_async else "sync"]


def test_flow_may_return_on_success_without_another_request(caller: Caller) -> None:
    class Once(httpfast.Auth):
        def auth_flow(self, request: Request) -> Flow:
            response = yield request
            if response.status_code == 200:
                return
            request.headers["Authorization"] = "now"
            yield request

    caller.open(auth=Once())

    assert [caller.get().status_code, caller.get(headers={"Authorization": "own"}).status_code] == [200, 200]
    assert caller.authorizations == [None, "now", "own"]
