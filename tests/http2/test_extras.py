"""Beyond httpx, over HTTP/2: priorities, hints, keep-alive, windows; and what goes over HTTP/1.1 all the same."""

from __future__ import annotations

import ssl
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import Event, PingReceived, RemoteSettingsChanged, RequestReceived
from h2.settings import SettingCodes

import httpfast
from bench.server import Certificates

from ..drivers.facade import Driver, Network
from ..hints import Told, listening_client
from ..peers import TIMEOUT, Call, PeerConnection, ReadRequest, ScriptedPeer, Send, Stall
from .serving import Serve, Server, server_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"


def answer(server: Server, event: Event) -> None:
    if isinstance(event, RequestReceived):
        server.respond(event.stream_id or 0)


def stream_of(event: RequestReceived) -> int:
    assert event.stream_id is not None
    return event.stream_id


# RFC 9218


@pytest.mark.parametrize(("own", "sent"), [(None, "u=1, i"), ("u=7", "u=7")])
async def test_priority_is_sent_unless_the_request_has_its_own(driver: Driver, own: str | None, sent: str) -> None:
    serve = Serve(answer)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)
        headers = {} if own is None else {"Priority": own}

        await client.get(peer.url, headers=headers, extensions={"priority": "u=1, i"})
        await client.get(peer.url)

        assert serve.server.heads[1]["priority"] == sent
        assert "priority" not in serve.server.heads[3]


# RFC 8297


@pytest.mark.parametrize("way", ["extension", "hook"])
async def test_hint_is_told_before_the_final_head_is_sent(driver: Driver, way: str) -> None:
    told = Told()

    def hint(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(stream_of(event), 103, ("link", "</a.css>"))
            assert told.event.wait(TIMEOUT)
            server.respond(stream_of(event))

    with ScriptedPeer([Serve(hint)]) as peer:
        client, arguments = listening_client(driver, told, way, http1=False)

        response = await client.get(peer.url, **arguments)

        assert [(hint.status_code, hint.headers["link"], hint.http_version) for hint in told.hints] == [
            (103, "</a.css>", "HTTP/2")
        ]
        assert (response.status_code, response.text) == (200, "ok")
        assert response.extensions["informational"] == [(103, [(b"link", b"</a.css>")])]


async def test_hints_nobody_listens_to_are_kept_with_the_response(driver: Driver) -> None:
    def hint(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(stream_of(event), 103, ("link", "</a.css>"))
            server.respond(stream_of(event))

    with ScriptedPeer([Serve(hint)]) as peer:
        client = driver.client(http1=False)

        response = await client.get(peer.url)

        assert response.extensions["informational"] == [(103, [(b"link", b"</a.css>")])]


async def test_error_of_a_hint_hook_ends_the_request_only(driver: Driver) -> None:
    def hint(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id == 1:
            server.head(1, 103)
        elif isinstance(event, RequestReceived):
            server.respond(stream_of(event))

    with ScriptedPeer([Serve(hint)]) as peer:
        client, arguments = listening_client(driver, Told(error=RuntimeError("no")), "extension", http1=False)

        with pytest.raises(RuntimeError, match="no"):
            await client.get(peer.url, **arguments)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


# PINGs as signs of life


async def test_server_without_a_sign_of_life_fails_the_request(driver: Driver) -> None:
    until = lambda server: bool(server.heads)  # noqa: E731
    with ScriptedPeer([Serve(lambda server, event: None, until=until), Stall()]) as peer:
        client = driver.client(http1=False, http2_keepalive=0.2, timeout=None)

        began = time.monotonic()
        with pytest.raises(httpfast.ReadError, match="PING"):
            await client.get(peer.url)
        lasted = time.monotonic() - began
        await client.rest()

        assert 0.35 <= lasted < 2
        assert client.counts == (0, 0)


async def test_server_that_answers_pings_has_all_the_time(driver: Driver) -> None:
    def late(server: Server, event: Event) -> None:
        if isinstance(event, PingReceived) and sum(isinstance(event, PingReceived) for event in server.events) == 3:
            server.respond(1)

    with ScriptedPeer([Serve(late)]) as peer:
        client = driver.client(http1=False, http2_keepalive=0.25, timeout=None)

        response = await client.get(peer.url)

        assert response.text == "ok"
        assert peer.connections == 1


async def test_idle_connection_of_a_dead_server_is_closed(loop_driver: Driver) -> None:
    until = lambda server: bool(server.heads)  # noqa: E731
    with ScriptedPeer([Serve(answer, until=until), Stall()]) as peer:
        client = loop_driver.client(http1=False, http2_keepalive=0.1)
        await client.get(peer.url)

        assert client.counts == (1, 1)
        pause = threading.Event()
        for _ in range(2000):
            if client.counts == (0, 0):
                break
            await loop_driver.blocking(pause.wait, 0.001)

        assert client.counts == (0, 0)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_keepalive_has_to_be_a_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="http2_keepalive"):
        httpfast.Client(http2=True, http2_keepalive=seconds)
    with pytest.raises(ValueError, match="http2_keepalive"):
        httpfast.AsyncClient(http2=True, http2_keepalive=seconds)


# Windows


def announced(server: Server) -> list[int]:
    """The sizes of windows that the client has said, one after another."""
    return [
        event.changed_settings[SettingCodes.INITIAL_WINDOW_SIZE].new_value
        for event in server.events
        if isinstance(event, RemoteSettingsChanged) and SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings
    ]


def pouring(size: int) -> Any:
    """Answers with as much as the windows take, up to `size` octets."""
    left = {"octets": size}

    def pour(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(1, 200, ("content-length", str(size)))
        while 1 in server.heads and left["octets"]:
            room = min(server.h2.local_flow_control_window(1), 16_384, left["octets"])
            if room <= 0:
                break
            left["octets"] -= room
            server.send(1, bytes(room), ends=not left["octets"])

    return pour


async def test_growing_window_grows_when_a_round_trip_fills_it(driver: Driver) -> None:
    serve = Serve(pouring(8_000_000))
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False, http2_window=0)

        response = await client.get(peer.url)

        sizes = announced(serve.server)
        assert len(response.content) == 8_000_000
        assert sizes[0] == 262_144
        # It says when the first has come; whether that is too small again depends on how busy both sides are.
        assert len(sizes) > 1
        assert all(after >= 2 * before for before, after in pairwise(sizes))


async def test_window_of_a_fixed_size_stays_so(driver: Driver) -> None:
    serve = Serve(pouring(2_000_000))
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False, http2_window=100_000)

        response = await client.get(peer.url)

        assert len(response.content) == 2_000_000
        assert announced(serve.server) == [100_000]


async def test_body_that_is_not_read_fills_its_window_and_no_more(driver: Driver) -> None:
    serve = Serve(pouring(1_000_000))
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False, http2_window=65_535)

        response = await client.open("GET", peer.url)
        await driver.blocking(peer.wait_until, lambda: serve.server.h2.local_flow_control_window(1) == 0)
        content = await client.read(response)

        assert len(content) == 1_000_000


@pytest.mark.parametrize("size", [-1, 1, 65_534, 268_435_457, 2**31])
def test_window_of_an_impossible_size_is_refused_when_the_client_is_made(size: int) -> None:
    with pytest.raises(ValueError, match="http2_window"):
        httpfast.Client(http2=True, http2_window=size)
    with pytest.raises(ValueError, match="http2_window"):
        httpfast.AsyncClient(http2=True, http2_window=size)


@pytest.mark.parametrize("size", [0, 65_535, 268_435_456])
def test_window_of_a_possible_size_is_taken(size: int) -> None:
    httpfast.Client(http2=True, http2_window=size).close()


# What goes over HTTP/1.1


def contexts(ca: Certificates, kind: str) -> dict[str, Any]:
    """Arguments by which a client trusts the run's certificates: its own context, or one of the caller's."""
    if kind == "own":
        return {"verify": str(ca.ca_file)}
    context = ssl.create_default_context(cafile=str(ca.ca_file))
    return {"verify": context}


@pytest.mark.filterwarnings("ignore:`verify=<str>`:DeprecationWarning")
@pytest.mark.parametrize("kind", ["own", "caller's"])
async def test_upgrade_goes_over_a_connection_of_http1(driver: Driver, ca: Certificates, kind: str) -> None:
    spoken: list[str | None] = []

    def note(connection: PeerConnection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)
        spoken.append(connection.sock.selected_alpn_protocol())

    upgrade = [Call(note), ReadRequest(), Send(SWITCH), Send(b"raw")]
    scripts = [[Call(note), Serve(answer)], upgrade]
    with ScriptedPeer(*scripts, tls=server_context("h2", "http/1.1")) as peer:
        client = driver.client(http2=True, **contexts(ca, kind))

        before = await client.get(peer.url)
        response = await client.open("GET", peer.url, headers={"Upgrade": "echo", "Connection": "Upgrade"})
        octets = await Network(response).read_exactly(3)
        await client.close_response(response)
        after = await client.get(peer.url)

        assert (response.status_code, octets) == (101, b"raw")
        assert [before.http_version, after.http_version] == ["HTTP/2", "HTTP/2"]
        assert spoken == ["h2", "http/1.1"]


@pytest.mark.parametrize("content", [None, b"x" * 100_000])
async def test_request_that_needs_http1_is_repeated_over_it(
    driver: Driver, ca: Certificates, content: bytes | None
) -> None:
    def refuse(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id == 1:
            server.h2.reset_stream(1, ErrorCodes.HTTP_1_1_REQUIRED)
        elif isinstance(event, RequestReceived):
            server.respond(stream_of(event))

    with ScriptedPeer([Serve(refuse)], [ReadRequest(), Send(OK)], tls=server_context("h2", "http/1.1")) as peer:
        client = driver.client(http2=True, verify=ca.client_context())

        response = await client.request("GET" if content is None else "POST", peer.url, content=content)
        again = await client.get(peer.url)

        assert (response.http_version, response.text) == ("HTTP/1.1", "old")
        assert (again.http_version, again.text) == ("HTTP/2", "ok")
        assert peer.requests[1][0].endswith(content or b"\r\n\r\n")


async def test_request_that_needs_http1_fails_where_only_http2_is_allowed(driver: Driver) -> None:
    def refuse(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.h2.reset_stream(stream_of(event), ErrorCodes.HTTP_1_1_REQUIRED)

    with ScriptedPeer([Serve(refuse)]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="HTTP_1_1_REQUIRED"):
            await client.get(peer.url)

        assert peer.connections == 1
