"""Where redirects lead, and with what: rows RED-07 .. RED-09 and RED-13 .. RED-15 of the reliability catalogue.

RED-10 and RED-12, and what else has to be seen on the wire, are in `tests/drivers/test_redirects_on_the_wire.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from time import monotonic
from typing import Any

import pytest

import httpfast
from httpfast import Request, Response
from tests.redirects import Caller, path_of_redirects


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


# RED-07: other schemes

OTHER_SCHEMES = [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "file:/etc/passwd",
    "data:text/html,x",
    "ftp://b.example/",
    "unix:/run/docker.sock",
    "gopher://b.example/_x",
    "javascript:alert(1)",
    "http+unix://%2Frun%2Fdocker.sock/",
]


@pytest.mark.parametrize("location", OTHER_SCHEMES)
@pytest.mark.parametrize("pattern", ["file://", "all://"])
def test_redirect_does_not_reach_what_is_mounted_beside_http(caller: Caller, location: str, pattern: str) -> None:
    """RED-07: a server must not choose what the caller reads from a disk."""
    reached: list[Request] = []

    def note(request: Request) -> Response:
        reached.append(request)
        return Response(200)

    # The pattern for http says more than "all://" does: the first request goes to the client's own transport.
    mounts = {pattern: httpfast.MockTransport(note), "https://": None}
    caller.open(path_of_redirects(location), mounts=mounts)

    with pytest.raises((httpfast.UnsupportedProtocol, httpfast.RemoteProtocolError)):
        caller.get()

    assert reached == []
    assert len(caller.seen) == 1


def test_scheme_of_the_callers_own_may_redirect_within_itself(caller: Caller) -> None:
    """RED-07"""
    answer = path_of_redirects("/2")
    caller.open(path_of_redirects(), mounts={"http+unix://": httpfast.MockTransport(answer)})

    assert caller.get("http+unix://socket/1").text == "arrived"


@pytest.mark.parametrize("location", ["https:///end", "https:/end"])
def test_redirect_without_a_host_stays_on_the_host(caller: Caller, location: str) -> None:
    """RED-07: as in httpx."""
    caller.open(path_of_redirects(location))

    caller.get()

    assert caller.urls[1] == "https://a.example/end"


@pytest.mark.parametrize(
    "location", ["https://:443/end", "https://@/end", "https://:x@/end", "//", "https://user@:80/"]
)
def test_redirect_to_an_empty_host_goes_nowhere_else(caller: Caller, location: str) -> None:
    """RED-07: it is an error, or the same host."""
    caller.open(path_of_redirects(location))

    try:
        caller.get()
    except httpfast.RemoteProtocolError:
        assert len(caller.seen) == 1
    else:
        assert caller.seen[1].url.host == "a.example"


# RED-08: methods and bodies

BODIES: dict[str, dict[str, Any]] = {
    "bytes": {"content": b"body"},
    "json": {"json": {"a": 1}},
    "form": {"data": {"a": "1"}},
    "files": {"files": {"a": ("name", b"octets")}},
    "none": {},
}
ABOUT_BODY = {
    "Content-Type": "text/x",
    "Content-Encoding": "x",
    "Content-Language": "en",
    "Content-Location": "/there",
    "Expect": "100-continue",
    "Trailer": "X",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("body", BODIES)
def test_method_and_body_after_a_redirect(caller: Caller, status: int, method: str, body: str) -> None:
    """RED-08: RFC 9110, 15.4."""
    is_get = method not in ("GET", "HEAD") and (status in (302, 303) or (status == 301 and method == "POST"))
    caller.open(path_of_redirects("/end", status=status))

    caller.request(method, headers=ABOUT_BODY if body != "files" else {"Expect": "100-continue"}, **BODIES[body])

    first, second = caller.seen
    assert second.method == ("GET" if is_get else method)
    assert caller.bodies[1] == (b"" if is_get else caller.bodies[0])
    names = {"content-length", "transfer-encoding", *[name.lower() for name in ABOUT_BODY]}
    kept = {name: value for name, value in first.headers.items() if name in names}
    assert {name: value for name, value in second.headers.items() if name in names} == ({} if is_get else kept)


@pytest.mark.parametrize(("status", "is_sent_again"), [(302, False), (303, False), (307, True), (308, True)])
def test_body_that_can_be_read_once_is_not_sent_half(caller: Caller, status: int, is_sent_again: bool) -> None:
    """RED-08"""

    def pieces() -> Iterator[bytes]:
        yield b"piece"

    async def pieces_async() -> AsyncIterator[bytes]:
        yield b"piece"

    # As on a network, where nobody has the body in memory after it was sent.
    class Forgetful(httpfast.BaseTransport, httpfast.AsyncBaseTransport):
        def __init__(self) -> None:
            self.bodies: list[bytes] = []

        def handle_request(self, request: Request) -> Response:
            self.bodies.append(b"".join(request.stream))  # type: ignore[arg-type]
            return answer(request)

        async def handle_async_request(self, request: Request) -> Response:
            self.bodies.append(b"".join([piece async for piece in request.stream]))  # type: ignore[union-attr]
            return answer(request)

    answer = path_of_redirects("/end", status=status)
    transport = Forgetful()
    kind: Any = httpfast.AsyncClient if caller.is_async else httpfast.Client
    caller.client = kind(transport=transport, follow_redirects=True)

    if is_sent_again:
        with pytest.raises(httpfast.StreamConsumed):
            caller.request("POST", content=pieces_async() if caller.is_async else pieces())
        assert transport.bodies == [b"piece"]
    else:
        caller.request("POST", content=pieces_async() if caller.is_async else pieces())
        assert transport.bodies == [b"piece", b""]


# RED-09: limits


@pytest.mark.parametrize("where", ["argument", "attribute", "default"])
@pytest.mark.parametrize("limit", [0, 1, 7])
def test_limit_on_redirects_holds_wherever_it_was_set(caller: Caller, where: str, limit: int) -> None:
    """RED-09"""
    settings = {"max_redirects": limit} if where == "argument" else {}
    client = caller.open(lambda request: Response(302, headers={"Location": "/loop"}), **settings)
    if where == "attribute":
        client.max_redirects = limit
    if where == "default":
        limit = 20

    with pytest.raises(httpfast.TooManyRedirects):
        caller.get()

    assert len(caller.seen) == limit + 1


class Insistent(httpfast.Auth):
    """Asks again, for ever."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        while True:
            yield request


@pytest.mark.parametrize("redirects", [0, 1, 3])
def test_redirects_and_rounds_of_auth_count_together(caller: Caller, redirects: int) -> None:
    """RED-09: a server can ask for both, each time anew."""

    def answer(request: Request) -> Response:
        left = redirects if request.url.path == "/start" else int(request.url.path[1:])
        return Response(302, headers={"Location": f"/{left - 1}"}) if left else Response(401)

    caller.open(answer, max_redirects=10, auth=Insistent())

    with pytest.raises(httpfast.TooManyRedirects):
        caller.get()

    assert len(caller.seen) == 11


def test_loop_between_two_hosts_ends(caller: Caller) -> None:
    """RED-09"""
    other = {"a.example": "https://b.example/", "b.example": "https://a.example/"}
    caller.open(lambda request: Response(302, headers={"Location": other[request.url.host]}))

    with pytest.raises(httpfast.TooManyRedirects) as caught:
        caller.get()

    assert caught.value.request is not None
    assert len(caller.seen) == 21


def test_limit_begins_anew_with_each_call(caller: Caller) -> None:
    """RED-09"""
    client = caller.open(
        lambda request: Response(302, headers={"Location": "/end"}) if request.url.path == "/start" else Response(200)
    )
    client.max_redirects = 1

    assert [caller.get().status_code for _ in range(3)] == [200] * 3


# RED-13: one reading of Location


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("//b.example", "b.example"),
        ("///b.example", None),
        ("////b.example", None),
        ("/\\b.example", None),
        ("\\\\b.example", None),
        ("\\/b.example", None),
        ("https:\\\\b.example", None),
        ("https:/\\b.example", None),
        ("https:/b.example", "a.example"),
        ("https:b.example", None),
        ("/.//b.example", "a.example"),
        ("/..//b.example", "a.example"),
        ("https://b.example\\@a.example", None),
        ("https://a.example\\.b.example", None),
        ("https://b.example:80:80/", None),
        ("https://b.example@c.example/", "c.example"),
        ("https://b.example%40c.example/", None),
        ("https://b.example%2fc.example/", None),
        ("https://b.example%00.c.example/", None),
        ("https://b.example\t.c.example/", None),
        ("https://b.exa mple/", "b.exa%20mple"),
        ("https://\uff42.example/", None),
        ("https://b\u3002example/", "b.example"),
        ("https://b.example\uff0fc.example/", None),
        ("https://b.example\u2100.c.example/", None),
        ("https://[b.example]/", None),
        ("https://[::1/", None),
        ("https://0x7f.1/", "127.0.0.1"),
        ("https://127.1/", "127.0.0.1"),
        ("?//b.example", "a.example"),
        ("#//b.example", "a.example"),
        (";//b.example", "a.example"),
    ],
)
def test_location_is_read_in_one_way(caller: Caller, location: str, host: str | None) -> None:
    """RED-13: the host that is checked is the host that is connected to, or there is none.

    What can be read in two ways leads nowhere, or stays on the host that has sent it.
    """
    answer = path_of_redirects()

    def lead(request: Request) -> Response:
        if request.url.path == "/start" and len(caller.seen) == 1:
            return Response(302, headers=[(b"Location", location.encode("utf-8"))])
        return answer(request)

    caller.open(lead)

    try:
        caller.get(headers={"Authorization": "x"})
    except httpfast.RemoteProtocolError:
        is_refused = True
    else:
        is_refused = False

    if is_refused:
        assert (host, len(caller.seen)) == (None, 1)
        return
    second = caller.seen[1]
    assert second.url.host == (host or "a.example")
    assert second.headers["Host"] == second.url.netloc.decode()
    assert second.url._origin_key[1].decode() == second.url.host
    assert ("Authorization" in second.headers) is (second.url.host == "a.example")
    # Written down and read again, it is the same place.
    assert httpfast.URL(str(second.url)) == second.url


# RED-14: Host


def test_host_of_the_caller_stays_on_its_origin(caller: Caller) -> None:
    """RED-14"""
    caller.open(path_of_redirects("/1", "https://b.example/2", "https://b.example:8443/3", "https://a.example/4"))

    caller.get(headers={"Host": "virtual.example"})

    assert caller.sent("Host") == ["virtual.example", "virtual.example", "b.example", "b.example:8443", "a.example"]


def test_host_of_the_caller_has_no_say_in_cookies(caller: Caller) -> None:
    """RED-14: CVE-2026-6276. They belong to the host of the URL."""
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Domain=virtual.example")]
    client = caller.open(path_of_redirects("/1", "https://virtual.example/2", fields=fields))
    client.cookies.set("c", "3", domain="virtual.example")

    caller.get(headers={"Host": "virtual.example"})

    assert caller.sent("Cookie") == [None, "a=1", "c=3"]


# RED-15: Retry-After. Nothing here waits because a server says so, as in httpx: there is nothing to clamp.


RETRIES = ["1000000000000", "-1", "0", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "soon", "", "1.5"]


@pytest.mark.parametrize("value", RETRIES)
@pytest.mark.parametrize("status", [301, 429, 503])
def test_retry_after_is_not_obeyed(caller: Caller, status: int, value: str) -> None:
    """RED-15"""
    fields = {"Retry-After": value, **({"Location": "/end"} if status == 301 else {})}
    caller.open(lambda request: Response(status if request.url.path == "/start" else 200, headers=fields))

    started = monotonic()
    response = caller.get()

    assert monotonic() - started < 2
    assert response.status_code == (200 if status == 301 else status)
    assert response.headers["Retry-After"] == value
    assert len(caller.seen) == (2 if status == 301 else 1)
