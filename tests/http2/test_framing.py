"""HTTP/2 of the client, RFC 9113, 3 and 4: the preface, the frame's layout and size, field blocks between frames.

[H2-01]
"""

from __future__ import annotations

import ssl

import pytest

import httpfast
from bench.server import Certificates

from ..drivers.facade import Driver
from ..peers import Close, Script, Send, Stall, StartTLS, WaitForClose
from .frames import (
    MAX_FRAME_SIZE,
    SETTINGS_ACK,
    Code,
    Flag,
    Kind,
    Setting,
    answer,
    block,
    continuation,
    data,
    frame,
    headers,
    ping,
    settings,
    status,
    window_update,
)
from .peer import Greet, Peer, Read, ReadGoaway, ReadPreface, ReadRequest
from .scenarios import ANSWER, ends_connection, means_nothing

HEAD = status(200)


async def test_client_begins_with_the_preface_and_settings(driver: Driver) -> None:
    """RFC 9113, 3.4: the magic octets, then SETTINGS, which may be empty. Push is off: nobody could take it (8.4)."""
    with Peer(ANSWER) as peer:
        await driver.client(http1=False).get(peer.url)

        first = peer.frames()[0]
        assert (first.kind, first.flags, first.stream) == (Kind.SETTINGS, 0, 0)
        assert first.settings[Setting.ENABLE_PUSH] == 0


async def test_client_does_not_wait_for_the_servers_settings(driver: Driver) -> None:
    """RFC 9113, 3.4: requests may go out right behind the preface."""
    script = [ReadPreface(), ReadRequest(1), Send(settings() + answer(1))]
    with Peer(script) as peer:
        response = await driver.client(http1=False).get(peer.url)

        assert response.text == "ok"


@pytest.mark.parametrize(
    "octets",
    [ping(), SETTINGS_ACK, headers(1, HEAD, ends=True), window_update(0, 1), frame(0x77)],
    ids=["ping", "ack", "headers", "window", "unknown"],
)
async def test_server_that_does_not_begin_with_settings_ends_the_connection(driver: Driver, octets: bytes) -> None:
    """RFC 9113, 3.4."""
    script = [ReadPreface(), ReadRequest(1), Send(octets), ReadGoaway(Code.PROTOCOL_ERROR), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match=r"RFC 9113, 3\.4"):
            await client.get(peer.url)
        assert (await client.get(peer.url)).text == "ok"


async def test_settings_of_http2_over_tls_come_by_alpn(driver: Driver, ca: Certificates) -> None:
    """RFC 9113, 3.2: `h2` is chosen in the handshake; both versions were offered."""
    context = ca.server_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Peer(ANSWER, tls=context) as peer:
        client = driver.client(http2=True, verify=client_context(ca))

        response = await client.get(peer.url)

        assert response.http_version == "HTTP/2"
        assert peer.heads()[0][b":scheme"] == b"https"


def client_context(ca: Certificates) -> ssl.SSLContext:
    """A context that offers both versions."""
    context = ca.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_unknown_frame_is_ignored(driver: Driver) -> None:
    """RFC 9113, 4.1 and 5.5: frames of unknown types, on any stream, with any flags."""
    unknown = b"".join(frame(kind, 0xFF, stream, b"?" * 32) for kind in (0x0A, 0x10, 0xFF) for stream in (0, 1, 9))

    response = await means_nothing(driver, unknown + headers(1, HEAD) + unknown + data(1, b"ok", ends=True) + unknown)

    assert response.text == "ok"


async def test_undefined_flags_are_ignored(driver: Driver) -> None:
    """RFC 9113, 4.1."""
    undefined = 0xFF & ~(Flag.END_STREAM | Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY)
    octets = (
        frame(Kind.HEADERS, undefined | Flag.END_HEADERS, 1, HEAD)
        + frame(Kind.PING, 0xFF & ~Flag.ACK, 0, bytes(8))
        + frame(Kind.DATA, 0xFF & ~(Flag.END_STREAM | Flag.PADDED), 1, b"o")
        + frame(Kind.DATA, 0xFF & ~Flag.PADDED, 1, b"k")
    )

    assert (await means_nothing(driver, octets)).text == "ok"


async def test_reserved_bit_is_ignored(driver: Driver) -> None:
    """RFC 9113, 4.1: of a frame's stream identifier, and of those in payloads."""
    reserved = 1 << 31
    octets = (
        frame(Kind.PING, 0, reserved, bytes(8))
        + frame(Kind.WINDOW_UPDATE, 0, reserved, (reserved | 1).to_bytes(4, "big"))
        + headers(reserved | 1, HEAD)
        + data(reserved | 1, b"ok", ends=True)
    )

    assert (await means_nothing(driver, octets)).text == "ok"


async def test_frame_of_the_largest_size_is_taken(driver: Driver) -> None:
    """RFC 9113, 4.2: 16,384 octets are always allowed."""
    body = bytes(range(256)) * 64
    octets = headers(1, HEAD) + data(1, body) + data(1, b"", ends=True)
    assert len(body) == MAX_FRAME_SIZE

    assert (await means_nothing(driver, octets)).content == body


@pytest.mark.parametrize("kind", [Kind.DATA, Kind.HEADERS, Kind.SETTINGS, Kind.CONTINUATION, 0x77])
async def test_frame_above_the_largest_size_ends_the_connection(driver: Driver, kind: int) -> None:
    """RFC 9113, 4.2. [H2-20] Its header is enough: the payload never comes."""
    stream = 0 if kind == Kind.SETTINGS else 1
    first = headers(1, HEAD, is_whole=kind != Kind.CONTINUATION) if kind != Kind.HEADERS else b""

    await ends_connection(
        driver, first + frame(kind, 0, stream, size=MAX_FRAME_SIZE + 1), Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 4\.2"
    )


async def test_octets_in_any_cut_are_the_same_frames(driver: Driver) -> None:
    """RFC 9113, 4.1: frames know nothing of segments."""
    octets = (
        ping()
        + headers(1, HEAD, is_whole=False, padding=3)
        + continuation(1, block((b"a", b"b")))
        + data(1, b"hello ", padding=7)
        + data(1, b"", padding=0)
        + data(1, b"world")
        + headers(1, block((b"t", b"v")), ends=True)
    )
    script = [Greet(), ReadRequest(1), Send(octets, chunk=1), Read(Kind.PING, flags=Flag.ACK, payload=b"12345678")]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.get(peer.url)

        assert response.text == "hello world"
        assert response.headers["a"] == "b"
        assert dict(response.trailers) == {"t": "v"}


@pytest.mark.parametrize(
    "between",
    [ping(), settings(), data(1, b"x"), headers(1, HEAD), continuation(3, b""), frame(0x77), window_update(0, 1)],
    ids=["ping", "settings", "data", "headers", "continuation-of-another", "unknown", "window"],
)
async def test_frame_within_a_field_block_ends_the_connection(driver: Driver, between: bytes) -> None:
    """RFC 9113, 4.3 and 6.10."""
    octets = headers(1, HEAD, is_whole=False) + between + continuation(1, b"")

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR)


async def test_field_block_in_many_continuations_is_one_head(driver: Driver) -> None:
    """RFC 9113, 4.3 and 6.10: cut anywhere, also within a field, and with an empty frame."""
    fields = status(200, (b"first", b"1"), (b"second", b"2" * 40))
    octets = (
        headers(1, fields[:5], is_whole=False)
        + continuation(1, fields[5:11], is_whole=False)
        + continuation(1, b"", is_whole=False)
        + continuation(1, fields[11:])
        + data(1, b"ok", ends=True)
    )

    response = await means_nothing(driver, octets)

    assert response.headers["second"] == "2" * 40
    assert response.headers["first"] == "1"


async def test_end_of_stream_on_headers_counts_after_continuation(driver: Driver) -> None:
    """RFC 9113, 6.10: CONTINUATION has no END_STREAM; the one on HEADERS holds for both."""
    fields = status(200, (b"a", b"b"))

    response = await means_nothing(
        driver, headers(1, fields[:5], ends=True, is_whole=False) + continuation(1, fields[5:])
    )

    assert response.content == b""
    assert response.headers["a"] == "b"


@pytest.mark.parametrize("stream", [0, 1], ids=["no-stream", "stream"])
async def test_continuation_without_headers_ends_the_connection(driver: Driver, stream: int) -> None:
    """RFC 9113, 6.10."""
    await ends_connection(driver, continuation(stream, HEAD), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.10")


async def test_continuation_after_end_headers_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.10: after HEADERS, or a CONTINUATION, with END_HEADERS."""
    octets = headers(1, HEAD, is_whole=False) + continuation(1, b"") + continuation(1, b"")

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.10")


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"],
)
async def test_greeting_of_another_protocol_is_an_error(
    driver: Driver, ca: Certificates, greeting: bytes, is_tls: bool
) -> None:
    """RFC 9113, 3.4 and 4.2. [H2-21] As a frame, "HTT" is one of 4,740,180 octets; an alert is no SETTINGS."""
    context = ca.server_context()
    context.set_alpn_protocols(["h2"])
    script: Script = [ReadPreface(), Send(greeting), Close()]
    with Peer(script, tls=context if is_tls else None) as peer:
        client = driver.client(http1=False, verify=client_context(ca))

        # An event loop may see the end before the connection is handed to the request.
        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ReadError, httpfast.ConnectError)):
            await client.get(peer.url)
        await client.rest()
        assert client.counts == (0, 0)


async def test_silent_server_is_a_read_timeout(driver: Driver) -> None:
    """[H2-21] Nothing comes, not even SETTINGS."""
    with Peer([ReadPreface(), ReadRequest(1), Stall()]) as peer:
        client = driver.client(http1=False, timeout=httpfast.Timeout(5, read=0.05))

        with pytest.raises(httpfast.ReadTimeout):
            await client.get(peer.url)


async def test_server_that_closes_before_settings_is_an_error(driver: Driver) -> None:
    """[H2-21]"""
    with Peer([ReadPreface(), ReadRequest(1), Close()]) as peer:
        client = driver.client(http1=False)

        with pytest.raises((httpfast.RemoteProtocolError, httpfast.ReadError)):
            await client.get(peer.url)
        await client.rest()
        assert client.counts == (0, 0)


@pytest.mark.parametrize("chosen", [[], ["http/1.1"]], ids=["none", "http/1.1"])
async def test_tls_without_h2_is_an_error_where_only_h2_is_spoken(
    driver: Driver, ca: Certificates, chosen: list[str]
) -> None:
    """RFC 9113, 3.2. [H2-21] ALPN that chooses nothing, or something else than was asked for."""
    context = ca.server_context()
    if chosen:
        context.set_alpn_protocols(chosen)
    with Peer([StartTLS(context, may_fail=True), WaitForClose(quiet=True)]) as peer:
        client = driver.client(http1=False, verify=client_context(ca))

        with pytest.raises(httpfast.ConnectError):
            await client.get(f"https://localhost:{peer.port}")
        await client.rest()
        assert client.counts == (0, 0)
