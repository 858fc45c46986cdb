"""The `trace` extension over HTTP/2: its events are those that httpx 0.28.1 tells of the same server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import Event, StreamEnded

import httpfast
from bench.server import Certificates

from ..drivers.facade import Caller, Driver
from ..peers import TIMEOUT, ScriptedPeer
from .serving import Serve, Server, server_context

Events = list[tuple[str, set[str]]]
"""Each event's name, and what it says."""


def steps(*names: str) -> list[str]:
    """`.started` and `.complete` of each; of those that end in "!", `.failed`."""
    return [
        event
        for name in names
        for event in (f"{name.rstrip('!')}.started", f"{name.rstrip('!')}.{'failed' if '!' in name else 'complete'}")
    ]


DIAL = steps("connection.connect_tcp", "connection.start_tls", "http2.send_connection_init")
HEAD = steps("http2.send_request_headers", "http2.send_request_body", "http2.receive_response_headers")
BODY = steps("http2.receive_response_body", "http2.response_closed")

SCENARIOS: dict[str, list[str]] = {
    "get": DIAL + HEAD + BODY,
    "second": HEAD + BODY,
    "post": DIAL + HEAD + BODY,
    "streamed": DIAL + HEAD + BODY,
    "closed unread": DIAL + HEAD + steps("http2.response_closed"),
    "reset": DIAL + HEAD[:-1] + ["http2.receive_response_headers.failed"] + steps("http2.response_closed"),
    "cut body": DIAL + HEAD + steps("http2.receive_response_body!", "http2.response_closed"),
}

NOT_TOLD = {"http2.receive_remote_settings.started", "http2.receive_remote_settings.complete"}
"""Of httpx's events: SETTINGS are the connection's, and are read by whoever reads next, not for a request."""

WITHOUT_STREAM_ID = {"http2.send_request_headers.started"}
"""The number of a stream is chosen when its head is written: httpx knows it before that."""


PATHS = {"reset": "reset", "cut body": "cut"}


class Play:
    """A server, and what was told of the requests to it.

    Attributes:
        url: of the server.
        events: what was told.
    """

    def __init__(self) -> None:
        self.url = ""
        self.events: Events = []
        self._has_head = threading.Event()

    def note(self, name: str, info: dict[str, Any]) -> None:
        self.events.append((name, set(info)))
        if name == "http2.receive_response_headers.complete":
            self._has_head.set()

    async def note_async(self, name: str, info: dict[str, Any]) -> None:
        self.note(name, info)

    def answer(self, server: Server, event: Event) -> None:
        if not isinstance(event, StreamEnded):
            return
        stream = event.stream_id or 0
        path = server.heads[stream][":path"]
        if path == "/":
            server.respond(stream)
            return
        if path == "/cut":
            server.head(stream, 200, ("content-length", "10"))
            # Not before it has been told of: both in one read are one failure.
            assert self._has_head.wait(TIMEOUT)
        server.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)


@contextmanager
def play() -> Iterator[Play]:
    played = Play()
    with ScriptedPeer([Serve(played.answer)], tls=server_context("h2", "http/1.1")) as peer:
        played.url = peer.url
        yield played


def told_by_httpx(scenario: str, ca: Certificates) -> Events:
    """Play a scenario with httpx."""
    httpx = pytest.importorskip("httpx", reason="httpx is not installed")
    pytest.importorskip("h2", reason="h2 is not installed")
    with play() as played, httpx.Client(http2=True, verify=ca.client_context(), trust_env=False) as client:
        url, extensions = played.url, {"trace": played.note}
        if scenario == "second":
            client.get(url)
        if scenario == "post":
            client.post(url, content=b"x", extensions=extensions)
        elif scenario in ("streamed", "closed unread"):
            with client.stream("GET", url, extensions=extensions) as response:
                if scenario == "streamed":
                    response.read()
        elif scenario in ("reset", "cut body"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"{url}/{PATHS[scenario]}", extensions=extensions)
        else:
            client.get(url, extensions=extensions)
    return played.events


async def told(driver: Driver, scenario: str, ca: Certificates) -> Events:
    """Play a scenario with httpfast."""
    with play() as played:
        client = driver.client(http2=True, verify=ca.client_context())
        note = played.note_async if driver.is_async else played.note
        await request(client, scenario, played.url, {"trace": note})
    return played.events


async def request(client: Caller, scenario: str, url: str, extensions: dict[str, Any]) -> None:
    if scenario == "second":
        await client.get(url)
    if scenario == "post":
        await client.post(url, content=b"x", extensions=extensions)
    elif scenario in ("streamed", "closed unread"):
        async with client.stream("GET", url, extensions=extensions) as response:
            if scenario == "streamed":
                await client.read(response)
    elif scenario in ("reset", "cut body"):
        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(f"{url}/{PATHS[scenario]}", extensions=extensions)
    else:
        await client.get(url, extensions=extensions)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_events_are_told_in_order(driver: Driver, ca: Certificates, scenario: str) -> None:
    assert [name for name, _ in await told(driver, scenario, ca)] == SCENARIOS[scenario]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_events_are_those_of_httpx(sync_driver: Driver, ca: Certificates, scenario: str) -> None:
    theirs = [
        (name, said - {"stream_id"} if name in WITHOUT_STREAM_ID else said)
        for name, said in told_by_httpx(scenario, ca)
        if name not in NOT_TOLD
    ]

    assert await told(sync_driver, scenario, ca) == theirs
