"""The functions for a single request, and `run`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import httpfast
from httpfast import Request, Response
from tests.conftest import Origin
from tests.peers import ReadRequest, ScriptedPeer, Send


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Requests that would have gone to the network, each answered with its own body."""
    seen: list[Request] = []

    def answer(self: httpfast.HTTPTransport, request: Request) -> Response:
        seen.append(request)
        if request.url.path == "/redirect":
            return Response(302, headers={"Location": "/end"})
        return Response(200, content=request.read())

    monkeypatch.setattr(httpfast.HTTPTransport, "handle_request", answer)
    return seen


URL = "https://a.example/"


@pytest.mark.parametrize("method", ["get", "options", "head", "delete", "post", "put", "patch", "request"])
def test_each_function_sends_its_method(answered: list[Request], method: str) -> None:
    arguments = ("PURGE", URL) if method == "request" else (URL,)

    response = getattr(httpfast, method)(
        *arguments,
        params={"k": "v"},
        headers={"X-Own": "1"},
        cookies={"a": "1"},
        auth=("user", "pw"),
        timeout=httpfast.Timeout(3),
        verify=False,
        trust_env=False,
    )

    (request,) = answered
    assert response.request is request
    assert request.method == ("PURGE" if method == "request" else method.upper())
    assert request.url == URL + "?k=v"
    assert (request.headers["X-Own"], request.headers["Cookie"]) == ("1", "a=1")
    assert request.headers["Authorization"] == "Basic dXNlcjpwdw=="
    assert request.extensions["timeout"]["read"] == 3


@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_functions_with_a_body_take_each_kind(answered: list[Request], method: str) -> None:
    send = getattr(httpfast, method)

    assert send(URL, content=b"x").content == b"x"
    assert send(URL, data={"a": "1"}).content == b"a=1"
    assert send(URL, json=[1]).content == b"[1]"
    assert b'filename="f"' in send(URL, files={"a": ("f", b"1")}).content


@pytest.mark.parametrize("method", ["get", "options", "head", "delete"])
def test_functions_without_a_body_take_none(method: str) -> None:
    with pytest.raises(TypeError):
        getattr(httpfast, method)(URL, content=b"x")


def test_redirects_are_followed_on_demand(answered: list[Request]) -> None:
    assert httpfast.get(URL + "redirect").status_code == 302
    assert httpfast.get(URL + "redirect", follow_redirects=True).url.path == "/end"


def test_request_goes_through_the_proxy_that_is_given() -> None:
    with ScriptedPeer([ReadRequest(), Send(b"HTTP/1.1 204 No Content\r\n\r\n")]) as peer:
        assert httpfast.get("http://a.example/", proxy=peer.url).status_code == 204

    assert peer.received[0].startswith(b"GET http://a.example/ HTTP/1.1\r\n")


def test_single_request_over_the_network(embedded: Origin) -> None:
    response = httpfast.get(embedded.small, verify=embedded.verify)

    assert (response.status_code, len(response.content)) == (200, 1024)


def test_stream_is_read_within_its_block(embedded: Origin) -> None:
    with httpfast.stream("GET", embedded.large, verify=embedded.verify) as response:
        assert sum(map(len, response.iter_bytes())) == 10_000_000

    assert response.is_closed


def test_invalid_url_is_refused() -> None:
    with pytest.raises(httpfast.InvalidURL):
        httpfast.get("https://a.example:port/")
    with pytest.raises(httpfast.UnsupportedProtocol):
        httpfast.get("invalid://a.example/")


# run


def test_run_returns_what_the_coroutine_returns() -> None:
    async def main() -> Any:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0], asyncio.get_running_loop().get_debug()

    pytest.importorskip("uvloop")
    assert httpfast.run(main()) == ("uvloop", False)
    assert httpfast.run(main(), debug=True) == ("uvloop", True)


def test_run_works_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)

    assert httpfast.run(main()) == "asyncio"


def test_run_finishes_what_is_left_over() -> None:
    events: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            events.append("closed")

    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            events.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(forever())
        generator = numbers()
        await anext(generator)
        await asyncio.sleep(0)
        events.append("returned")
        main.kept = task, generator  # type: ignore[attr-defined]

    httpfast.run(main())

    assert events == ["returned", "cancelled", "closed"]


def test_run_passes_errors_on_and_refuses_to_nest() -> None:
    async def fail() -> None:
        raise LookupError("from inside")

    async def nest() -> None:
        inner = asyncio.sleep(0)
        try:
            httpfast.run(inner)
        finally:
            inner.close()

    with pytest.raises(LookupError, match="from inside"):
        httpfast.run(fail())
    with pytest.raises(RuntimeError, match="running event loop"):
        httpfast.run(nest())
