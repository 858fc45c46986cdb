"""What happens around the transport in one call: redirects, hooks, cookies and timeouts, by both ways through `send`.

A request without auth and hooks goes straight to its transport, all others through the generator. Each scenario runs
both ways, and what a caller, a hook or a server can see of it has to be the same.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import httpfast
from httpfast import Headers, Request, Response
from httpfast._exchange import MAX_REDIRECT_BODY_BYTES

Answer = tuple[int, dict[str, str], bytes]

ORIGIN = "https://a.example"


class Stream(httpfast.SyncByteStream, httpfast.AsyncByteStream):
    """A body that comes in two pieces, and counts how often it is closed."""

    def __init__(self, body: bytes) -> None:
        self.pieces = [body[: len(body) // 2], body[len(body) // 2 :]]
        self.closings = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def close(self) -> None:
        self.closings += 1

    async def aclose(self) -> None:
        self.closings += 1


class Transport(httpfast.BaseTransport, httpfast.AsyncBaseTransport):
    """Answers from a function, in one of the ways in which transports make responses.

    "content": a Response with its content, as mocks do. "stream": one with a stream, as foreign transports do.
    "whole": one that has all of its body when the request is marked to want that, as our transports do.
    """

    def __init__(self, answer: Callable[[Request], Answer | Exception], style: str) -> None:
        self.answer = answer
        self.style = style
        self.seen: list[tuple[Any, ...]] = []
        self.deadlines: list[float | None] = []
        self.streams: list[Stream] = []

    def handle_request(self, request: Request) -> Response:
        body = b"".join(request.stream)
        return self.respond(request, body)

    async def handle_async_request(self, request: Request) -> Response:
        body = b"".join([piece async for piece in request.stream])
        return self.respond(request, body)

    def respond(self, request: Request, body: bytes) -> Response:
        self.seen.append((request.method, str(request.url), request.headers.raw, body))
        self.deadlines.append(request.extensions.get("deadline"))
        answer = self.answer(request)
        if isinstance(answer, Exception):
            raise answer
        status, fields, content = answer
        raw_fields = [(name.encode(), value.encode()) for name, value in fields.items()]
        if self.style == "content" and "Content-Encoding" not in fields:
            return Response(status, headers=raw_fields, content=content)
        if self.style == "whole" and request.__dict__.get("_wants_whole"):
            return received_whole(status, raw_fields, content)
        self.streams.append(Stream(content))
        return Response(status, headers=raw_fields, stream=self.streams[-1])


def received_whole(status: int, fields: list[tuple[bytes, bytes]], content: bytes) -> Response:
    response = Response.__new__(Response)
    names = [name.lower() for name, _ in fields]
    state = response.__dict__
    state["status_code"] = status
    state["_head"] = SimpleNamespace(
        fields=fields,
        has_set_cookie=b"set-cookie" in names,
        http_version=b"HTTP/1.1",
        reason_phrase=httpfast.codes.get_reason_phrase(status).encode(),
        stream_id=0,
        informational=None,
        trailers=None,
    )
    state["_raw"] = content
    if b"content-encoding" not in names:
        state["_content"] = content
        state["_num_bytes_downloaded"] = len(content)
        state["is_closed"] = state["is_stream_consumed"] = True
    return response


def ignore(message: Request | Response) -> None:
    pass


async def ignore_async(message: Request | Response) -> None:
    pass


class Caller:
    """One of the two clients over a scripted transport; `run` is how its calls are made."""

    def __init__(self, kind: str, style: str, way: str) -> None:
        self.is_async = kind == "async"
        self.style = style
        self.way = way

    def open(self, answer: Callable[[Request], Answer | Exception], **settings: Any) -> Any:
        self.transport = Transport(answer, self.style)
        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        if self.way != "fast":
            hook = ignore_async if self.is_async else ignore
            settings["event_hooks"] = {self.way: [hook]}
        self.client: Any = kind(transport=self.transport, **settings)
        return self.client

    def request(self, method: str, url: str, *, stream: bool = False, send: Any = None, **arguments: Any) -> Response:
        request = self.client.build_request(method, url, **arguments)
        return self.send(request, stream=stream, **(send or {}))

    def send(self, request: Request, **arguments: Any) -> Response:
        return self.wait(self.client.send(request, **arguments))

    def read(self, response: Response) -> bytes:
        return self.wait(response.aread() if self.is_async else response.read())

    def close(self, response: Response) -> None:
        self.wait(response.aclose() if self.is_async else response.close())

    def wait(self, result: Any) -> Any:
        return asyncio.run(result) if self.is_async else result


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["content", "stream", "whole"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["fast", "request"])
def caller(request: pytest.FixtureRequest, kind: str) -> Caller:
    """A client of each kind, by each way, over a transport that gives whole bodies."""
    return Caller(kind, "whole", request.param)


def view(response: Response) -> dict[str, Any]:
    """All that a caller can see of a response."""
    try:
        content: Any = response.content
    except httpfast.ResponseNotRead:
        content = "not read"
    try:
        elapsed = response.elapsed.total_seconds() >= 0
    except RuntimeError as error:
        elapsed = str(error)
    following = response.next_request
    return {
        "status": response.status_code,
        "fields": response.headers.raw,
        "content": content,
        "elapsed": elapsed,
        "url": response.url,
        "request": (response.request.method, response.request.headers.raw, response.request.extensions.keys()),
        "state": (response.is_closed, response.is_stream_consumed, response.num_bytes_downloaded),
        "line": (response.http_version, response.reason_phrase, response.encoding, response.default_encoding),
        "cookies": sorted(response.cookies.items()),
        "next": following and (following.method, str(following.url), following.headers.raw, following.content),
        "history": [view(earlier) for earlier in response.history],
    }


def outcome(caller: Caller, scenario: dict[str, Any]) -> dict[str, Any]:
    """Play a scenario and return all that can be seen of it."""
    client = caller.open(scenario["answer"], **scenario.get("client", {}))
    arguments = dict(scenario.get("call", {}))
    if "body" in scenario:
        arguments["content"] = scenario["body"](caller.is_async)
    seen: dict[str, Any] = {}
    try:
        response = caller.request(scenario.get("method", "GET"), scenario.get("url", f"{ORIGIN}/start"), **arguments)
    except Exception as error:
        request = getattr(error, "_request", None)
        seen["error"] = (type(error), str(error), request and (request.method, str(request.url)))
    else:
        seen["response"] = view(response)
        if arguments.get("stream"):
            seen["body"] = caller.read(response)
            seen["afterwards"] = view(response)
    seen["sent"] = caller.transport.seen
    seen["closings"] = [stream.closings for stream in caller.transport.streams]
    seen["jar"] = sorted((cookie.domain, cookie.path, cookie.name, cookie.value) for cookie in client.cookies.jar)
    seen["closed"] = client.is_closed
    return seen


def always(status: int, fields: dict[str, str] | None = None, content: bytes = b"body") -> Callable[[Request], Answer]:
    return lambda request: (status, fields or {}, content)


def redirects(status: int, location: str, *, content: bytes = b"moved", **fields: str) -> Callable[[Request], Answer]:
    """`/start` redirects, all else is answered."""

    def answer(request: Request) -> Answer:
        if request.url.path == "/start":
            return status, {"Location": location, **fields}, content
        return 200, {"X-Path": request.url.path}, b"arrived"

    return answer


def fails(request: Request) -> Exception:
    return httpfast.ConnectError("refused")


def one_piece(is_async: bool) -> Any:
    """A body that can be sent once."""

    async def pieces_async() -> AsyncIterator[bytes]:
        yield b"piece"

    def pieces() -> Iterator[bytes]:
        yield b"piece"

    return pieces_async() if is_async else pieces()


FOLLOW = {"send": {"follow_redirects": True}}
ELSEWHERE = "https://b.example/end"

SCENARIOS: dict[str, dict[str, Any]] = {
    "success": {"answer": always(200)},
    "empty": {"answer": always(204, {}, b"")},
    "error status": {"answer": always(404)},
    "post": {"answer": always(201), "method": "POST", "call": {"json": {"a": 1}}},
    "encoded": {"answer": always(200, {"Content-Encoding": "gzip"}, gzip.compress(b"text"))},
    "corrupt": {"answer": always(200, {"Content-Encoding": "gzip"}, b"no gzip")},
    "charset": {"answer": always(200, {"Content-Type": "text/plain; charset=latin-1"}, b"\xe9")},
    "no connection": {"answer": fails},
    "cookie set": {"answer": always(200, {"Set-Cookie": "a=1; Path=/"})},
    "cookie sent": {"answer": always(200), "client": {"cookies": {"a": "1"}}},
    "base url and params": {
        "answer": always(200),
        "client": {"base_url": "https://a.example/v1", "params": {"k": "v"}, "headers": {"X-Own": "1"}},
        "url": "/items?x=1",
    },
    "not modified": {"answer": always(304, {"Location": "/ignored"}, b""), "call": FOLLOW},
    "redirect without location": {"answer": always(302), "call": FOLLOW},
    "streamed": {"answer": always(200), "call": {"stream": True}},
    "streamed and encoded": {
        "answer": always(200, {"Content-Encoding": "gzip"}, gzip.compress(b"text")),
        "call": {"stream": True},
    },
    "streamed redirect": {"answer": redirects(302, "/end"), "call": {"stream": True, **FOLLOW}},
    "redirect not followed": {"answer": redirects(302, "/end")},
    "redirect not followed, streamed": {"answer": redirects(302, "/end"), "call": {"stream": True}},
    "redirect nowhere, not followed": {"answer": redirects(302, "https://:x/")},
    "redirect nowhere": {"answer": redirects(302, "https://:x/"), "call": FOLLOW},
    "redirect followed": {"answer": redirects(302, "/end"), "call": FOLLOW},
    "redirect followed by the client": {"answer": redirects(302, "/end"), "client": {"follow_redirects": True}},
    "encoded redirect": {
        "answer": redirects(302, "/end", content=gzip.compress(b"moved"), **{"Content-Encoding": "gzip"}),
        "call": FOLLOW,
    },
    "corrupt redirect": {
        "answer": redirects(302, "/end", content=b"no gzip", **{"Content-Encoding": "gzip"}),
        "call": FOLLOW,
    },
    "redirect to another origin": {
        "answer": redirects(307, ELSEWHERE),
        "method": "POST",
        "client": {"cookies": {"a": "1"}},
        "call": {"content": b"body", "headers": {"Authorization": "secret"}, **FOLLOW},
    },
    "redirect sets a cookie": {"answer": redirects(302, "/end", **{"Set-Cookie": "a=1"}), "call": FOLLOW},
    "endless redirects": {
        "answer": always(302, {"Location": "/start"}, b""),
        "client": {"max_redirects": 3},
        "call": FOLLOW,
    },
    "no redirects allowed": {"answer": redirects(302, "/end"), "client": {"max_redirects": 0}, "call": FOLLOW},
    "body that cannot be sent twice": {
        "answer": redirects(307, "/end"),
        "method": "POST",
        "body": one_piece,
        "call": FOLLOW,
    },
    "unsupported scheme": {"answer": redirects(302, "mailto:someone"), "call": FOLLOW},
    "total timeout": {"answer": redirects(302, "/end"), "call": {"timeout": httpfast.Timeout(5, total=9), **FOLLOW}},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_ways_look_the_same(kind: str, style: str, name: str) -> None:
    scenario = SCENARIOS[name]

    fast = outcome(Caller(kind, style, "fast"), scenario)
    by_request_hook = outcome(Caller(kind, style, "request"), scenario)

    assert by_request_hook == fast
    assert fast["sent"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_response_hooks_change_nothing_that_the_caller_sees(kind: str, name: str) -> None:
    scenario = SCENARIOS[name]

    fast = outcome(Caller(kind, "stream", "fast"), scenario)
    by_response_hook = outcome(Caller(kind, "stream", "response"), scenario)

    assert by_response_hook == fast


# Where decoding fails, as much has been downloaded as had come by then.
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "corrupt redirect"])
def test_all_styles_of_transports_look_the_same(kind: str, name: str) -> None:
    streamed = outcome(Caller(kind, "stream", "fast"), SCENARIOS[name])
    whole = outcome(Caller(kind, "whole", "fast"), SCENARIOS[name])

    del streamed["closings"], whole["closings"]
    assert whole == streamed


def test_every_stream_is_closed_once(kind: str) -> None:
    for name in ("success", "redirect followed", "endless redirects", "redirect nowhere", "corrupt", "streamed"):
        seen = outcome(Caller(kind, "stream", "fast"), SCENARIOS[name])

        assert set(seen["closings"]) == {1}, name


@pytest.mark.parametrize(
    ("status", "method", "following"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (301, "HEAD", "HEAD"),
        (302, "POST", "GET"),
        (302, "PUT", "GET"),
        (302, "HEAD", "HEAD"),
        (302, "QUERY", "QUERY"),
        (303, "POST", "GET"),
        (303, "DELETE", "GET"),
        (303, "QUERY", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PATCH", "PATCH"),
    ],
)
def test_redirect_method(caller: Caller, status: int, method: str, following: str) -> None:
    caller.open(redirects(status, "/end"))

    response = caller.request(method, f"{ORIGIN}/start", **FOLLOW)

    assert response.request.method == caller.transport.seen[-1][0] == following
    assert [earlier.status_code for earlier in response.history] == [status]


def test_redirect_to_get_drops_the_body_and_all_that_is_about_it(caller: Caller) -> None:
    caller.open(redirects(303, "/end"))
    about_body = {"Content-Type": "text/x", "Content-Language": "en", "Content-Encoding": "x", "Expect": "100-continue"}

    caller.request("POST", f"{ORIGIN}/start", content=b"body", headers={**about_body, "X-Own": "1"}, **FOLLOW)

    _, _, fields, body = caller.transport.seen[-1]
    names = {name.lower() for name, _ in fields}
    assert body == b""
    assert b"x-own" in names
    assert not names & {b"content-length", b"transfer-encoding", b"expect", *[n.lower().encode() for n in about_body]}


def test_redirect_that_keeps_the_method_sends_the_body_again(caller: Caller) -> None:
    caller.open(redirects(308, "/end"))

    caller.request("POST", f"{ORIGIN}/start", json={"a": 1}, **FOLLOW)

    first, second = caller.transport.seen
    assert first[3] == second[3] == b'{"a":1}'
    assert Headers(second[2])["Content-Length"] == "7"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/end", "https://a.example/end"),
        ("end?q=1", "https://a.example/dir/end?q=1"),
        ("//b.example/end", "https://b.example/end"),
        ("https:/end", "https://a.example/end"),
        ("https:///end", "https://a.example/end"),
        ("https://B.example:443/end#there", "https://b.example/end#there"),
        ("https://ü.example/é", "https://xn--tda.example/%C3%A9"),
    ],
)
def test_redirect_location(caller: Caller, location: str, url: str) -> None:
    def answer(request: Request) -> Answer:
        return (302, {"Location": location}, b"") if request.url.path == "/dir/start" else (200, {}, b"")

    caller.open(answer)

    response = caller.request("GET", f"{ORIGIN}/dir/start", **FOLLOW)

    assert str(response.url) == url


def test_redirect_keeps_the_fragment(caller: Caller) -> None:
    caller.open(redirects(302, "/end"))

    response = caller.request("GET", f"{ORIGIN}/start#here", **FOLLOW)

    assert response.url.fragment == "here"


@pytest.mark.parametrize("location", ["https://:x/", "https://a.example:99999/", "mailto:someone", "http://[::1"])
def test_redirect_to_no_url_is_the_peers_error(caller: Caller, location: str) -> None:
    caller.open(redirects(302, location))

    with pytest.raises(httpfast.RemoteProtocolError, match="Invalid URL in location header") as caught:
        caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert caught.value.request.url.path == "/start"


def test_redirect_to_no_url_is_no_error_while_nobody_follows_it(caller: Caller) -> None:
    caller.open(redirects(302, "https://:x/"))

    response = caller.request("GET", f"{ORIGIN}/start")

    assert (response.status_code, response.content, response.next_request) == (302, b"moved", None)


def test_next_request_can_be_sent(caller: Caller) -> None:
    caller.open(redirects(302, "/end"))
    response = caller.request("GET", f"{ORIGIN}/start")
    assert response.has_redirect_location
    assert response.next_request is not None

    final = caller.send(response.next_request)

    assert (final.content, final.history, final.next_request) == (b"arrived", [], None)


def test_more_redirects_than_allowed_are_an_error(caller: Caller) -> None:
    caller.open(always(302, {"Location": "/again"}, b""), max_redirects=2)

    with pytest.raises(httpfast.TooManyRedirects, match=r"Exceeded maximum allowed redirects\.") as caught:
        caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert len(caller.transport.seen) == 3
    assert caught.value.request.url.path == "/again"


def test_history_grows_by_each_redirect(caller: Caller) -> None:
    def answer(request: Request) -> Answer:
        left = int(request.url.path[1:])
        return (302, {"Location": f"/{left - 1}"}, b"%d" % left) if left else (200, {}, b"")

    caller.open(answer)

    response = caller.request("GET", f"{ORIGIN}/3", **FOLLOW)

    assert [earlier.content for earlier in response.history] == [b"3", b"2", b"1"]
    assert [len(earlier.history) for earlier in response.history] == [0, 1, 2]
    assert all(earlier.elapsed for earlier in response.history)


# Credentials

SECRETS = {"authorization": "Bearer x", "PROXY-Authorization": "Basic y", "Cookie": "session=z"}


@pytest.mark.parametrize(
    "location",
    [
        "https://b.example/end",
        "https://sub.a.example/end",
        "https://a.example:8443/end",
        "http://a.example/end",
        "http://a.example:443/end",
        "//b.example/end",
        "https://a.example.b.example/end",
        "https://a.example@b.example/end",
    ],
)
def test_redirect_to_another_origin_takes_no_credentials_along(caller: Caller, location: str) -> None:
    caller.open(redirects(307, location))

    caller.request("POST", f"{ORIGIN}/start", headers={**SECRETS, "Host": "virtual.example"}, **FOLLOW)

    _, url, fields, _ = caller.transport.seen[-1]
    sent = Headers(fields)
    assert not {"authorization", "proxy-authorization", "cookie"} & set(sent)
    assert sent["Host"] == httpfast.URL(url).netloc.decode()


def test_redirect_within_the_origin_keeps_credentials_but_for_cookies(caller: Caller) -> None:
    caller.open(redirects(302, "https://a.example:443/end"))

    caller.request("GET", f"{ORIGIN}/start", headers={**SECRETS, "Host": "virtual.example"}, **FOLLOW)

    sent = Headers(caller.transport.seen[-1][2])
    assert (sent["Authorization"], sent["Proxy-Authorization"], sent["Host"]) == (
        "Bearer x",
        "Basic y",
        "virtual.example",
    )
    assert "Cookie" not in sent


def test_upgrade_to_https_keeps_credentials_on_default_ports_only(caller: Caller) -> None:
    for start, end, is_kept in (
        ("http://a.example/start", "https://a.example/end", True),
        ("http://a.example:8080/start", "https://a.example/end", False),
        ("http://a.example/start", "https://a.example:8443/end", False),
        ("http://a.example/start", "https://b.example/end", False),
    ):
        caller.open(redirects(302, end))

        caller.request("GET", start, headers=SECRETS, **FOLLOW)

        assert ("Authorization" in Headers(caller.transport.seen[-1][2])) is is_kept, (start, end)


def test_credentials_do_not_come_back_with_the_origin(caller: Caller) -> None:
    def answer(request: Request) -> Answer:
        after = {"/start": "https://b.example/1", "/1": "https://b.example/2", "/2": f"{ORIGIN}/end"}
        location = after.get(request.url.path)
        return (302, {"Location": location}, b"") if location else (200, {}, b"")

    caller.open(answer)

    caller.request("GET", f"{ORIGIN}/start", headers=SECRETS, **FOLLOW)

    assert ["Authorization" in Headers(fields) for _, _, fields, _ in caller.transport.seen] == [True] + [False] * 3


def test_userinfo_is_for_its_own_host(caller: Caller) -> None:
    caller.open(redirects(302, "https://b.example/end"))

    caller.request("GET", "https://user:pw@a.example/start", **FOLLOW)

    assert ["Authorization" in Headers(fields) for _, _, fields, _ in caller.transport.seen] == [True, False]


def test_userinfo_of_a_location_is_not_sent(caller: Caller) -> None:
    caller.open(redirects(302, "https://user:pw@b.example/end"))

    caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert "Authorization" not in Headers(caller.transport.seen[-1][2])


# Cookies


def test_client_cookies_without_a_domain_stay_with_the_first_host(caller: Caller) -> None:
    client = caller.open(redirects(302, ELSEWHERE), cookies={"session": "x"})

    caller.request("GET", f"{ORIGIN}/start", **FOLLOW)
    caller.request("GET", "https://c.example/end")
    caller.request("GET", f"{ORIGIN}/end")

    assert [Headers(fields).get("Cookie") for _, _, fields, _ in caller.transport.seen] == [
        "session=x",
        None,
        None,
        "session=x",
    ]
    assert client.cookies["session"] == "x"


def test_cookies_of_a_request_that_was_made_without_the_client_are_not_bound_elsewhere(caller: Caller) -> None:
    caller.open(redirects(302, ELSEWHERE), cookies={"session": "x"})

    caller.send(Request("GET", f"{ORIGIN}/start"), follow_redirects=True)

    assert "Cookie" not in Headers(caller.transport.seen[-1][2])


def test_binding_cookies_leaves_those_they_were_copied_from(caller: Caller) -> None:
    shared = httpfast.Cookies({"a": "1"})
    caller.open(always(200), cookies=shared)
    caller.request("GET", "https://first.example/")

    caller.open(always(200), cookies=shared)
    caller.request("GET", "https://second.example/")

    assert Headers(caller.transport.seen[0][2])["Cookie"] == "a=1"
    assert [cookie.domain for cookie in shared.jar] == [""]


def test_cookies_are_kept_and_sent_across_redirects(caller: Caller) -> None:
    client = caller.open(redirects(302, "/end", **{"Set-Cookie": "a=1; Path=/"}))

    response = caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert Headers(caller.transport.seen[-1][2])["Cookie"] == "a=1"
    assert (dict(client.cookies), dict(response.cookies)) == ({"a": "1"}, {})


def test_cookie_that_a_redirect_deletes_is_not_sent_on(caller: Caller) -> None:
    client = caller.open(redirects(302, "/end", **{"Set-Cookie": "a=; Max-Age=0; Path=/"}))
    client.cookies.set("a", "1", domain="a.example")

    caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert [Headers(fields).get("Cookie") for _, _, fields, _ in caller.transport.seen] == ["a=1", None]


def test_cookie_field_of_the_request_wins_over_the_clients(caller: Caller) -> None:
    caller.open(always(200), cookies={"a": "1"})

    caller.request("GET", f"{ORIGIN}/", headers={"Cookie": "own=2"})

    assert Headers(caller.transport.seen[0][2]).get_list("Cookie") == ["own=2"]


# Bodies of redirects


@pytest.mark.parametrize("style", ["stream", "whole"])
@pytest.mark.parametrize("declared", [True, False])
def test_large_body_of_a_redirect_is_not_read(kind: str, style: str, declared: bool) -> None:
    large = b"x" * (MAX_REDIRECT_BODY_BYTES + 1)
    fields = {"Content-Length": str(len(large))} if declared else {}
    caller = Caller(kind, style, "fast")
    caller.open(redirects(302, "/end", content=large, **fields))

    response = caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert response.content == b"arrived"
    with pytest.raises(httpfast.ResponseNotRead):
        _ = response.history[0].content
    assert response.history[0].is_closed
    assert all(stream.closings == 1 for stream in caller.transport.streams)


def test_redirect_that_unpacks_to_a_large_body_is_followed(kind: str, style: str) -> None:
    caller = Caller(kind, style, "fast")
    bomb = gzip.compress(b"x" * (MAX_REDIRECT_BODY_BYTES * 100))
    caller.open(redirects(302, "/end", content=bomb, **{"Content-Encoding": "gzip"}))

    response = caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert response.content == b"arrived"
    assert "_content" not in response.history[0].__dict__


def test_octets_behind_a_redirects_body_are_counted(kind: str) -> None:
    """They decode to nothing, and could go on for ever."""
    caller = Caller(kind, "stream", "fast")
    body = gzip.compress(b"moved") + b"\0" * (MAX_REDIRECT_BODY_BYTES + 1)
    caller.open(redirects(302, "/end", content=body, **{"Content-Encoding": "gzip"}))

    response = caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert response.content == b"arrived"
    assert "_content" not in response.history[0].__dict__


def test_body_at_the_limit_is_read(kind: str, style: str) -> None:
    caller = Caller(kind, style, "fast")
    caller.open(redirects(302, "/end", content=b"x" * MAX_REDIRECT_BODY_BYTES))

    response = caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert len(response.history[0].content) == MAX_REDIRECT_BODY_BYTES


# Time


def test_total_timeout_has_one_deadline_for_all_redirects(caller: Caller) -> None:
    caller.open(redirects(302, "/end"))

    caller.request("GET", f"{ORIGIN}/start", timeout=httpfast.Timeout(5, total=7), **FOLLOW)

    first, second = caller.transport.deadlines
    assert first is not None
    assert first == second


def test_each_call_has_a_deadline_of_its_own(caller: Caller) -> None:
    client = caller.open(always(200), timeout=httpfast.Timeout(5, total=7))
    request = client.build_request("GET", ORIGIN)

    caller.send(request)
    caller.send(request)

    first, second = caller.transport.deadlines
    assert first is not None
    assert second is not None
    assert first < second


def test_changing_the_timeouts_of_one_request_leaves_the_others(caller: Caller) -> None:
    client = caller.open(always(200))
    request = client.build_request("GET", ORIGIN)

    request.extensions["timeout"]["read"] = 99

    assert client.build_request("GET", ORIGIN).extensions["timeout"]["read"] == 5.0
    assert client.timeout == httpfast.Timeout(5.0)


# Hooks


def hooks(is_async: bool, call: Callable[[Any], None]) -> Callable[[Any], Any]:
    async def call_async(message: Any) -> None:
        call(message)

    return call_async if is_async else call


def test_hooks_run_for_each_redirect(kind: str) -> None:
    caller = Caller(kind, "stream", "fast")
    client = caller.open(redirects(302, "/end"))
    events: list[Any] = []
    client.event_hooks = {
        "request": [hooks(caller.is_async, lambda request: events.append((request.method, request.url.path)))],
        "response": [
            hooks(caller.is_async, lambda response: events.append((response.status_code, response.is_closed)))
        ],
    }

    caller.request("GET", f"{ORIGIN}/start", **FOLLOW)

    assert events == [("GET", "/start"), (302, False), ("GET", "/end"), (200, False)]


def test_request_hook_sees_the_credentials_and_may_change_the_request(kind: str) -> None:
    caller = Caller(kind, "stream", "fast")
    client = caller.open(always(200), auth=("user", "pw"))
    seen: list[str] = []

    def mark(request: Request) -> None:
        seen.append(request.headers["Authorization"])
        request.headers["X-Mark"] = "1"

    client.event_hooks["request"].append(hooks(caller.is_async, mark))

    caller.request("GET", ORIGIN)

    assert seen == ["Basic dXNlcjpwdw=="]
    assert Headers(caller.transport.seen[0][2])["X-Mark"] == "1"


@pytest.mark.parametrize("status", [200, 302])
def test_error_in_a_response_hook_closes_the_response(kind: str, status: int) -> None:
    def fail(response: Response) -> None:
        response.raise_for_status()
        raise LookupError("by the hook")

    caller = Caller(kind, "stream", "fast")
    client = caller.open(always(status, {"Location": "/end"}))
    client.event_hooks = {"response": [hooks(caller.is_async, fail)]}

    with pytest.raises(httpfast.HTTPStatusError if status == 302 else LookupError):
        caller.request("GET", ORIGIN, **FOLLOW)

    assert [stream.closings for stream in caller.transport.streams] == [1]


def test_error_in_a_request_hook_sends_nothing(kind: str) -> None:
    def fail(request: Request) -> None:
        raise LookupError("by the hook")

    caller = Caller(kind, "stream", "fast")
    client = caller.open(always(200))
    client.event_hooks = {"request": [hooks(caller.is_async, fail)]}

    with pytest.raises(LookupError):
        caller.request("GET", ORIGIN)

    assert caller.transport.seen == []


def test_response_hook_may_read_the_body(kind: str) -> None:
    caller = Caller(kind, "whole", "fast")
    client = caller.open(always(200))
    read: list[bytes] = []

    async def read_async(response: Response) -> None:
        read.append(await response.aread())

    client.event_hooks = {"response": [read_async if caller.is_async else lambda r: read.append(r.read())]}

    response = caller.request("GET", ORIGIN)

    assert read == [response.content] == [b"body"]
