"""Small things that httpx2 added to httpx: the QUERY method, origins, `|` of headers; compared with it where it is."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import httpfast
from tests.peers import ReadRequest, ScriptedPeer, Send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def send(way: str, url: str, **arguments: Any) -> httpfast.Response:
    if way == "function":
        return httpfast.query(url, trust_env=False, **arguments)
    if way == "client":
        with httpfast.Client(trust_env=False) as client:
            return client.query(url, **arguments)

    async def query() -> httpfast.Response:
        async with httpfast.AsyncClient(trust_env=False) as client:
            return await client.query(url, **arguments)

    return asyncio.run(query())


@pytest.mark.parametrize("way", ["function", "client", "async client"])
@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ({"content": b"select"}, b"select"),
        ({"json": {"a": 1}}, b'{"a":1}'),
        ({"data": {"a": "1"}}, b"a=1"),
        ({"params": {"p": "1"}, "content": b"x"}, b"x"),
    ],
)
def test_query_sends_a_body(way: str, arguments: dict[str, Any], body: bytes) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        response = send(way, peer.url, **arguments)

        [[request]] = peer.requests
    assert response.text == "ok"
    assert request.startswith(b"QUERY /?p=1 " if "params" in arguments else b"QUERY / ")
    assert request.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_query_stays_a_query_with_its_body_when_redirected(status: int) -> None:
    def answer(request: httpfast.Request) -> httpfast.Response:
        if request.url.path == "/":
            return httpfast.Response(status, headers={"Location": "/other"})
        return httpfast.Response(200, text=f"{request.method} {request.content.decode()}")

    with httpfast.Client(transport=httpfast.MockTransport(answer), follow_redirects=True) as client:
        assert client.query("http://a.example/", content=b"body").text == "QUERY body"


def test_query_becomes_get_by_303() -> None:
    def answer(request: httpfast.Request) -> httpfast.Response:
        if request.url.path == "/":
            return httpfast.Response(303, headers={"Location": "/other"})
        return httpfast.Response(200, text=f"{request.method} {request.content.decode()}")

    with httpfast.Client(transport=httpfast.MockTransport(answer), follow_redirects=True) as client:
        assert client.query("http://a.example/", content=b"body").text == "GET "


# Beside httpx2

SIGNATURES = [
    (None, "query"),
    (None, "websocket"),
    ("Client", "query"),
    ("Client", "sse"),
    ("Client", "websocket"),
    ("AsyncClient", "query"),
    ("AsyncClient", "sse"),
    ("AsyncClient", "websocket"),
    ("EventSource", "__init__"),
    ("ServerSentEvent", "__init__"),
]


def shape(function: Any) -> list[tuple[str, Any, str]]:
    parameters = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, repr(one.default).replace("httpx2", "httpfast")) for one in parameters]


@pytest.mark.parametrize(("owner", "name"), SIGNATURES)
def test_signatures_are_those_of_httpx2(owner: str | None, name: str) -> None:
    httpx2: Any = pytest.importorskip("httpx2", reason="httpx2, which this compares with, is not installed")
    mine, theirs = (package if owner is None else getattr(package, owner) for package in (httpfast, httpx2))

    own, expected = shape(getattr(mine, name)), shape(getattr(theirs, name))

    strip = [(one, kind, "" if "object at" in default else default) for one, kind, default in own]
    assert strip == [(one, kind, "" if "object at" in default else default) for one, kind, default in expected]


@pytest.mark.parametrize(
    "url",
    [
        "https://u:p@EXAMPLE.com/a?b#c",
        "http://a:81",
        "ws://a",
        "wss://a",
        "http://[::0:1]",
        "ftp://a",
        "x://a",
        "http://ä.example",
    ],
)
def test_origins_are_those_of_httpx2(url: str) -> None:
    httpx2: Any = pytest.importorskip("httpx2", reason="httpx2, which this compares with, is not installed")
    mine, theirs = httpfast.URL(url).origin, httpx2.URL(url).origin

    assert (mine.scheme, mine.host, mine.port) == (theirs.scheme, theirs.host, theirs.port)
    assert repr(mine) == repr(theirs)


@pytest.mark.parametrize("url", ["/path", ""])
def test_relative_urls_have_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        _ = httpfast.URL(url).origin


@pytest.mark.parametrize("other", [{"b": "3", "C": "4"}, {}, {"A": "x"}])
def test_merged_headers_are_those_of_httpx2(other: dict[str, str]) -> None:
    httpx2: Any = pytest.importorskip("httpx2", reason="httpx2, which this compares with, is not installed")
    fields = [("A", "1"), ("B", "2"), ("a", "3")]
    mine, theirs = httpfast.Headers(fields), httpx2.Headers(fields)

    assert (mine | other).raw == (theirs | other).raw
    assert (other | mine).raw == (other | theirs).raw
    mine |= other
    theirs |= other
    assert mine.raw == theirs.raw
