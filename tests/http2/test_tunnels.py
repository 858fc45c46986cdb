"""CONNECT over HTTP/2: a stream whose octets are raw (RFC 9113, 8.5), and what else it may speak (RFC 8441)."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

import httpfast
from bench.server import Certificates

from ..drivers.facade import Caller, Driver, Network, settle
from ..peers import Close, PeerConnection, ScriptedPeer, Stall
from .serving import Serve, Server

TAKES_CONNECT: dict[int, int] = {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1, SettingCodes.MAX_CONCURRENT_STREAMS: 100}
ASK: dict[str, Any] = {"extensions": {"protocol": b"websocket"}}


def echo(server: Server, event: Event) -> None:
    """Open each CONNECT as a tunnel that echoes, and answer everything else."""
    if isinstance(event, RequestReceived):
        assert event.stream_id is not None
        if server.heads[event.stream_id][":method"] == "CONNECT":
            server.head(event.stream_id)
        else:
            server.respond(event.stream_id)
    elif isinstance(event, DataReceived) and event.data:
        assert event.stream_id is not None
        server.send(event.stream_id, event.data)


def swallow(server: Server, event: Event) -> None:
    """As `echo`, but nothing comes back."""
    if not isinstance(event, DataReceived):
        echo(server, event)


async def opened(client: Caller, url: str, way: str = "extended") -> tuple[httpfast.Response, Network]:
    extensions = {"protocol": "websocket"} if way == "extended" else {"target": b"example.org:443"}
    response = await client.open("CONNECT", url, extensions=extensions)
    assert response.status_code == 200
    return response, Network(response)


async def over_tls(network: Network, ca: Certificates) -> None:
    await settle(network.stream.start_tls(ca.client_context()))


# The head


async def test_extended_connect_says_its_protocol_scheme_authority_and_path(driver: Driver) -> None:
    serve = Serve(echo, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        response = await client.open("CONNECT", f"{peer.url}/chat?a=b", headers={"X-Own": "1"}, **ASK)
        await client.close_response(response)

        head = serve.server.heads[1]
        assert {name: value for name, value in head.items() if name.startswith(":")} == {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "http",
            ":authority": f"127.0.0.1:{peer.port}",
            ":path": "/chat?a=b",
        }
        assert head["x-own"] == "1"
        assert response.http_version == "HTTP/2"


async def test_connect_has_its_target_as_authority_and_neither_scheme_nor_path(driver: Driver) -> None:
    serve = Serve(echo, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        response, _ = await opened(client, peer.url, "plain")
        await client.close_response(response)

        pseudo = {name: value for name, value in serve.server.heads[1].items() if name.startswith(":")}
        assert pseudo == {":method": "CONNECT", ":authority": "example.org:443"}


async def test_extended_connect_waits_for_settings(driver: Driver) -> None:
    def before(connection: PeerConnection) -> bytes:
        preface = connection.receive(time.monotonic() + 5)
        # Time enough for a request behind it: another client's whole exchange.
        with httpfast.Client(http1=False, trust_env=False) as other:
            other.get(peer.url)
        connection.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.sock.recv(1)
        return preface

    held = Serve(echo, TAKES_CONNECT, before=before)
    with ScriptedPeer([held], [Serve(echo)]) as peer:
        client = driver.client(http1=False)

        response, _ = await opened(client, peer.url)
        await client.close_response(response)

        assert held.server.heads[1][":protocol"] == "websocket"


async def test_settings_that_do_not_come_are_a_read_timeout(driver: Driver) -> None:
    with ScriptedPeer([Stall()]) as peer:
        client = driver.client(http1=False, timeout=httpfast.Timeout(5, read=0.1))

        with pytest.raises(httpfast.ReadTimeout):
            await client.open("CONNECT", peer.url, **ASK)

        await client.rest()


async def test_total_timeout_counts_while_settings_do_not_come(driver: Driver) -> None:
    with ScriptedPeer([Stall()]) as peer:
        client = driver.client(http1=False, timeout=httpfast.Timeout(5, total=0.1))

        began = time.monotonic()
        with pytest.raises(httpfast.TimeoutException):
            await client.open("CONNECT", peer.url, **ASK)

        assert time.monotonic() - began < 3
        await client.rest()


async def test_connection_lost_before_its_settings_is_no_timeout(driver: Driver) -> None:
    with ScriptedPeer([Close()], repeats_last=True) as peer:
        client = driver.client(http1=False, timeout=30)

        with pytest.raises((httpfast.NetworkError, httpfast.RemoteProtocolError)):
            await client.open("CONNECT", peer.url, **ASK)

        await client.rest()
        assert client.counts == (0, 0)


async def test_server_that_does_not_take_extended_connect_is_not_asked(driver: Driver) -> None:
    serve = Serve(echo)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.LocalProtocolError, match="RFC 8441, 3"):
            await client.open("CONNECT", peer.url, **ASK)
        response = await client.get(peer.url)

        assert response.text == "ok"
        assert [head[":method"] for head in serve.server.heads.values()] == ["GET"]
        assert client.counts == (1, 1)


async def test_extended_connect_without_http2_is_a_local_error(driver: Driver, ca: Certificates) -> None:
    with ScriptedPeer([Stall()], tls=ca.server_context()) as peer:
        old, new = driver.client(verify=ca.client_context()), driver.client(verify=ca.client_context(), http2=True)

        with pytest.raises(httpfast.LocalProtocolError, match="not turned on"):
            await old.open("CONNECT", peer.url, **ASK)
        assert peer.connections == 0
        with pytest.raises(httpfast.LocalProtocolError, match="does not speak"):
            await new.open("CONNECT", peer.url, **ASK)


async def test_connect_with_content_is_a_local_error(driver: Driver) -> None:
    with ScriptedPeer([Serve(echo, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.LocalProtocolError, match="no content"):
            await client.request("CONNECT", peer.url, content=b"x")


@pytest.mark.parametrize("fields", [[], [("content-length", "6")]])
async def test_connect_that_is_refused_is_a_response_like_others(driver: Driver, fields: list[tuple[str, str]]) -> None:
    def refuse(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id == 1:
            server.head(1, 403, *fields)
            server.send(1, b"sorry!", ends=True)
        elif isinstance(event, RequestReceived):
            echo(server, event)

    with ScriptedPeer([Serve(refuse, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        refused = await client.request("CONNECT", peer.url, **ASK)
        response = await client.get(peer.url)

        assert (refused.status_code, refused.text) == (403, "sorry!")
        assert (response.text, peer.connections) == ("ok", 1)


# Octets


@pytest.mark.parametrize("way", ["extended", "plain"])
async def test_tunnels_and_requests_share_a_connection(driver: Driver, way: str) -> None:
    with ScriptedPeer([Serve(echo, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        async def talk(number: int) -> None:
            response, network = await opened(client, peer.url, way)
            for count in (1, 1000, 20_000):
                octets = bytes([number]) * count
                await network.write(octets)
                assert await network.read_exactly(count) == octets
                assert (await client.get(peer.url)).text == "ok"
            await client.close_response(response)

        outcomes = await driver.gather(*(talk(number) for number in range(16)))

        assert outcomes == [None] * 16
        assert peer.connections == 1
        await client.rest()


async def test_octets_behind_the_head_are_there_at_once(driver: Driver) -> None:
    def early(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(1)
            server.send(1, b"early", ends=True)

    with ScriptedPeer([Serve(early, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url)
        assert await network.read(2) == b"ea"
        assert await network.read_exactly(3) == b"rly"
        assert await network.read() == b""
        await client.close_response(response)


async def test_end_of_the_peers_side_leaves_ours_open(driver: Driver) -> None:
    def half(server: Server, event: Event) -> None:
        if isinstance(event, RequestReceived):
            server.head(1)
            server.send(1, b"", ends=True)

    serve = Serve(half, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url, "plain")
        assert await network.read() == b""
        await network.write(b"still here")
        await network.close()
        await driver.blocking(peer.wait_until, lambda: bool(serve.server.of(StreamEnded, 1)))

        assert b"".join(event.data for event in serve.server.of(DataReceived, 1)) == b"still here"
        assert serve.server.of(StreamReset, 1) == []
        await client.close_response(response)


async def test_reset_of_a_tunnel_is_a_read_error_and_a_write_error(driver: Driver) -> None:
    def cut(server: Server, event: Event) -> None:
        if isinstance(event, DataReceived):
            server.h2.reset_stream(1, ErrorCodes.CANCEL)
        else:
            echo(server, event)

    with ScriptedPeer([Serve(cut, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url)
        await network.write(b"x")
        with pytest.raises(httpfast.ReadError, match="CANCEL"):
            await network.read()
        with pytest.raises(httpfast.WriteError):
            await network.write(b"y")
        await client.close_response(response)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


async def test_read_timeout_of_a_tunnel_leaves_it_open(driver: Driver) -> None:
    with ScriptedPeer([Serve(echo, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False, timeout=httpfast.Timeout(5, total=60))

        response, network = await opened(client, peer.url)
        with pytest.raises(httpfast.ReadTimeout):
            await network.read(timeout=0.05)
        await network.write(b"x")
        assert await network.read(timeout=5) == b"x"
        await client.close_response(response)


async def test_write_waits_for_the_window_and_times_out(driver: Driver) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    serve = Serve(swallow, settings, takes_much=False)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        response, network = await opened(client, peer.url)
        await network.write(bytes(1000))
        with pytest.raises(httpfast.WriteTimeout):
            await network.write(bytes(1), timeout=0.1)
        # Others are not held back.
        assert (await client.get(peer.url)).text == "ok"
        await client.close_response(response)
        await driver.blocking(peer.wait_until, lambda: bool(serve.server.of(StreamReset, 3)))

        assert sum(len(event.data) for event in serve.server.of(DataReceived, 3)) == 1000


async def test_large_write_goes_on_as_the_window_grows(driver: Driver) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    serve = Serve(swallow, settings)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        response, network = await opened(client, peer.url)
        await network.write(bytes(100_000))
        await driver.blocking(
            peer.wait_until, lambda: sum(len(event.data) for event in serve.server.of(DataReceived, 3)) == 100_000
        )
        await client.close_response(response)


async def test_one_reads_while_another_writes_more_than_the_windows_hold(driver: Driver) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 5000}
    with ScriptedPeer([Serve(echo, settings)]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        async def write() -> None:
            for _ in range(20):
                await network.write(bytes(50_000))

        async def read() -> int:
            return len(await network.read_exactly(1_000_000))

        outcomes = await driver.gather(write(), read())

        assert outcomes == [None, 1_000_000]
        await client.close_response(response)


async def test_many_write_at_once_while_one_reads(driver: Driver) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 5000}
    with ScriptedPeer([Serve(echo, settings)]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        async def write(number: int) -> None:
            for _ in range(5):
                await network.write(bytes([number]) * 20_000)

        async def read() -> list[int]:
            data = await network.read_exactly(500_000)
            return [data.count(number) for number in range(5)]

        outcomes = await driver.gather(read(), *(write(number) for number in range(5)))

        assert outcomes == [[100_000] * 5, *[None] * 5]
        await client.close_response(response)


async def test_room_for_who_writes_is_no_news_for_who_reads(driver: Driver) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    with ScriptedPeer([Serve(swallow, settings)]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        outcomes = await driver.gather(network.read(timeout=0.2), network.write(bytes(10_000)))

        assert [type(outcome) for outcome in outcomes] == [httpfast.ReadTimeout, type(None)]
        await client.close_response(response)


# The end


@pytest.mark.parametrize("way", ["extended", "plain"])
async def test_closing_ends_the_stream_only(driver: Driver, way: str) -> None:
    serve = Serve(echo, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url, way)
        await network.close()
        with pytest.raises(httpfast.ReadError):
            await network.read()
        with pytest.raises(httpfast.WriteError):
            await network.write(b"x")
        await client.close_response(response)
        await driver.blocking(peer.wait_until, lambda: bool(serve.server.of(StreamReset, 1)))

        assert [event.error_code for event in serve.server.of(StreamReset, 1)] == [ErrorCodes.CANCEL]
        assert len(serve.server.of(StreamEnded, 1)) == (1 if way == "plain" else 0)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert client.counts == (1, 1)


@pytest.mark.parametrize("closed", ["stream", "response"])
async def test_closing_wakes_who_reads_and_who_writes(driver: Driver, closed: str) -> None:
    settings = {**TAKES_CONNECT, SettingCodes.INITIAL_WINDOW_SIZE: 1000}
    serve = Serve(swallow, settings, takes_much=False)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)
        response, network = await opened(client, peer.url)

        async def close() -> None:
            await driver.blocking(peer.wait_until, lambda: bool(serve.server.of(DataReceived, 3)))
            await (network.close() if closed == "stream" else client.close_response(response))

        outcomes = await driver.gather(network.read(timeout=None), network.write(bytes(2000), timeout=None), close())

        assert [type(outcome) for outcome in outcomes] == [httpfast.ReadError, httpfast.WriteError, type(None)]
        await client.close_response(response)
        assert (await client.get(peer.url)).text == "ok"


async def test_lost_connection_ends_its_tunnels(driver: Driver) -> None:
    def vanish(server: Server, event: Event) -> None:
        if isinstance(event, DataReceived):
            socket.socket.shutdown(server.connection.sock, socket.SHUT_RDWR)
        else:
            echo(server, event)

    with ScriptedPeer([Serve(vanish, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url)
        await network.write(b"x")
        with pytest.raises(httpfast.ReadError):
            await network.read()
        with pytest.raises(httpfast.WriteError):
            await network.write(b"y")
        await client.close_response(response)
        await client.rest()

        assert client.counts == (0, 0)


async def test_response_dropped_unread_ends_its_tunnel(driver: Driver) -> None:
    serve = Serve(echo, TAKES_CONNECT)
    with ScriptedPeer([serve]) as peer:
        client = driver.client(http1=False)

        response, network = await opened(client, peer.url)
        del response, network
        await client.rest()
        await client.get(peer.url)

        assert serve.server.of(StreamReset, 1)
        assert peer.connections == 1


async def test_other_responses_give_no_raw_octets_and_tunnels_no_tls(driver: Driver, ca: Certificates) -> None:
    with ScriptedPeer([Serve(echo, TAKES_CONNECT)]) as peer:
        client = driver.client(http1=False)

        plain = Network(await client.get(peer.url))
        with pytest.raises(httpfast.ReadError, match="CONNECT"):
            await plain.read()
        with pytest.raises(httpfast.WriteError, match="CONNECT"):
            await plain.write(b"x")
        response, network = await opened(client, peer.url)
        with pytest.raises(httpfast.ReadError, match="TLS"):
            await over_tls(network, ca)
        await network.write(b"x")
        assert await network.read() == b"x"
        assert network.stream.get_extra_info("server_addr")[1] == peer.port
        assert network.stream.get_extra_info("is_readable") is False
        await client.close_response(response)
