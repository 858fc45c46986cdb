"""Beyond httpx, over HTTP/1.1: the `priority` extension (RFC 9218), and hints as they come (RFC 8297)."""

from __future__ import annotations

import threading

import pytest

import httpfast

from ..hints import Told, listening_client
from ..peers import Close, ReadRequest, ScriptedPeer, Send, WaitFor
from .facade import Driver

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def priorities(request: bytes) -> list[bytes]:
    return [line[10:] for line in request.split(b"\r\n") if line.lower().startswith(b"priority: ")]


@pytest.mark.parametrize("priority", ["u=1, i", b"u=1, i"])
async def test_priority_extension_is_sent_as_a_field(driver: Driver, priority: str | bytes) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), Close()]) as peer:
        client = driver.client()

        await client.get(peer.url, extensions={"priority": priority})

        assert priorities(peer.requests[0][0]) == [b"u=1, i"]


async def test_priority_field_of_the_request_wins(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), Close()]) as peer:
        client = driver.client()

        await client.get(peer.url, headers={"Priority": "u=7"}, extensions={"priority": "u=1"})

        assert priorities(peer.requests[0][0]) == [b"u=7"]


@pytest.mark.parametrize("way", ["extension", "hook"])
async def test_hint_is_told_before_the_final_head_is_sent(driver: Driver, way: str) -> None:
    told = Told()
    with ScriptedPeer([ReadRequest(), Send(HINTS), WaitFor(told.event), Send(OK), Close()]) as peer:
        client, arguments = listening_client(driver, told, way)

        response = await client.get(peer.url, **arguments)

        assert [(hint.status_code, hint.headers["link"]) for hint in told.hints] == [(103, "</a.css>; rel=preload")]
        assert (response.status_code, response.text) == (200, "ok")
        assert response.extensions["informational"] == [(103, [(b"Link", b"</a.css>; rel=preload")])]


async def test_hints_nobody_listens_to_are_kept_with_the_response(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(HINTS + HINTS + OK), Close()]) as peer:
        client = driver.client()

        response = await client.get(peer.url)

        assert [status for status, _ in response.extensions["informational"]] == [103, 103]


async def test_error_of_a_hint_hook_ends_the_request(driver: Driver) -> None:
    told = Told(error=RuntimeError("no"))
    go = threading.Event()
    with ScriptedPeer([ReadRequest(), Send(HINTS), WaitFor(go), Close()]) as peer:
        client, arguments = listening_client(driver, told, "hook")

        with pytest.raises(RuntimeError, match="no"):
            await client.get(peer.url, **arguments)
        go.set()
        await client.rest()

        assert client.counts == (0, 0)


async def test_response_without_hints_has_no_extension(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), Close()]) as peer:
        client = driver.client()

        response: httpfast.Response = await client.get(peer.url)

        assert "informational" not in response.extensions
