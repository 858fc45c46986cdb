"""HTTP/2 of the client, RFC 9113, 5 and 6.1 to 6.4: states and numbers of streams, and the frames on them. [H2-01]"""

from __future__ import annotations

import threading

import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send, Step, WaitFor, WaitForClose
from .frames import (
    LAST_STREAM,
    Code,
    Flag,
    Kind,
    answer,
    block,
    data,
    frame,
    headers,
    rst_stream,
    status,
    window_update,
    word,
)
from .peer import Greet, Peer, Read, ReadGoaway, ReadRequest, ReadRequests, ReadReset
from .scenarios import ANSWER, ends_connection, ends_stream, means_nothing

HEAD = status(200)
TRAILERS = block((b"t", b"v"))

FRAMES = {
    "data": lambda stream: data(stream, b"x"),
    "headers": lambda stream: headers(stream, HEAD),
    "rst": lambda stream: rst_stream(stream, Code.CANCEL),
    "window": lambda stream: window_update(stream, 1),
    "continuation": lambda stream: headers(stream, HEAD, is_whole=False) + frame(Kind.CONTINUATION, 4, stream),
}


# 5.1 and 5.1.1: states and numbers


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("stream", [3, LAST_STREAM], ids=["next", "last"])
async def test_frame_on_an_idle_stream_ends_the_connection(driver: Driver, name: str, stream: int) -> None:
    """RFC 9113, 5.1: only HEADERS and PRIORITY may come on an idle stream, and a server opens none of ours. [H2-16]"""
    await ends_connection(driver, FRAMES[name](stream), Code.PROTOCOL_ERROR, match=r"RFC 9113, 5\.1")


@pytest.mark.parametrize("name", FRAMES)
async def test_frame_on_an_even_stream_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 5.1.1: a server's streams come by PUSH_PROMISE only, which is off. [H2-16]"""
    await ends_connection(driver, FRAMES[name](2), Code.PROTOCOL_ERROR)


@pytest.mark.parametrize("name", ["data", "headers", "continuation"])
async def test_frame_after_end_of_stream_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 5.1: half-closed (remote) and closed: STREAM_CLOSED. [H2-16] The response itself stands."""
    script = [
        Greet(),
        ReadRequests((1, 3)),
        Send(answer(1) + FRAMES[name](1)),
        ReadGoaway(Code.STREAM_CLOSED),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        outcomes = await driver.gather(client.get(peer.url), client.get(peer.url))

        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        responses = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert [type(error) for error in errors] == [httpfast.RemoteProtocolError]
        assert [response.text for response in responses] == ["ok"]
        assert (await client.get(peer.url)).text == "ok"


@pytest.mark.parametrize("name", ["data", "headers"])
async def test_frame_after_the_servers_reset_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 5.1: closed by RST_STREAM: nothing but PRIORITY follows. [H2-16]"""
    script = [
        Greet(),
        ReadRequests((1, 3)),
        Send(rst_stream(1, Code.INTERNAL_ERROR) + FRAMES[name](1)),
        ReadGoaway(Code.STREAM_CLOSED),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        outcomes = await driver.gather(client.get(peer.url), client.get(peer.url))

        assert [type(outcome) for outcome in outcomes] == [httpfast.RemoteProtocolError] * 2
        assert (await client.get(peer.url)).text == "ok"


async def test_frames_on_a_closed_stream_that_cross_are_ignored(driver: Driver) -> None:
    """RFC 9113, 5.1: WINDOW_UPDATE, RST_STREAM and PRIORITY may have been on their way when the stream ended."""
    late = window_update(1, 1) + rst_stream(1, Code.NO_ERROR) + frame(Kind.PRIORITY, 0, 1, word(0) + b"\x10")

    assert (await means_nothing(driver, answer(1) + late)).text == "ok"


async def test_frames_on_a_stream_that_the_client_has_reset_are_ignored(driver: Driver) -> None:
    """RFC 9113, 5.1 and 5.4.2: they were on their way. Their fields are decoded all the same (4.3)."""
    # Index 62 is the first of the dynamic table: what the ignored head has put there.
    indexed = b"\x88\x40\x06x-late\x05value"
    script = [
        Greet(),
        ReadRequest(1),
        Send(headers(1, HEAD) + data(1, b"x")),
        ReadReset(1, Code.CANCEL),
        Send(data(1, b"late") + headers(1, indexed, ends=True) + window_update(1, 1) + rst_stream(1, Code.CANCEL)),
        ReadRequest(3),
        Send(headers(3, b"\x88\xbe") + data(3, b"ok", ends=True)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.open("GET", peer.url)
        await client.close_response(response)
        second = await client.get(peer.url)

        assert second.text == "ok"
        assert second.headers["x-late"] == "value"
        assert peer.codes() == [("RST_STREAM", 1, Code.CANCEL)]


async def test_streams_have_odd_rising_numbers(driver: Driver) -> None:
    """RFC 9113, 5.1.1."""
    script: list[Step] = [Greet()]
    for stream in (1, 3, 5, 7):
        script += [ReadRequest(stream), Send(answer(stream))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        numbers = [(await client.get(peer.url)).extensions["stream_id"] for _ in range(4)]

        assert numbers == [1, 3, 5, 7]
        assert [found.stream for found in peer.frames(kind=Kind.HEADERS)] == [1, 3, 5, 7]


async def test_response_that_comes_before_the_end_of_the_request_is_whole(driver: Driver) -> None:
    """RFC 9113, 8.1: the rest of the request is not wanted; RST_STREAM with NO_ERROR says so. [H2-11]"""
    script = [
        Greet(),
        Read(Kind.HEADERS, 1),
        Send(answer(1, b"enough", 413) + rst_stream(1, Code.NO_ERROR)),
        ReadReset(1, Code.NO_ERROR),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.post(peer.url, content=b"x" * 100_000)

        assert (response.status_code, response.text) == (413, "enough")
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


# 5.4 and 6.4: RST_STREAM


@pytest.mark.parametrize(
    ("code", "name"),
    [*((code, code.name) for code in Code if code != Code.REFUSED_STREAM), (0x77, "0x77"), (2**32 - 1, "0xffffffff")],
)
async def test_reset_of_the_server_fails_one_request(driver: Driver, code: int, name: str) -> None:
    """RFC 9113, 6.4 and 7. [H2-11] Codes that are not known mean the same; no RST_STREAM answers one (5.4.2).

    HTTP_1_1_REQUIRED is one of them where HTTP/1.1 is not allowed.
    """
    script = [Greet(), ReadRequest(1), Send(rst_stream(1, code)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match=name):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert peer.codes() == []


async def test_reset_in_the_middle_of_a_body_is_no_end_of_it(driver: Driver) -> None:
    """RFC 9113, 6.4 and 8.1: also NO_ERROR, before END_STREAM."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(headers(1, HEAD) + data(1, b"half") + rst_stream(1, Code.NO_ERROR)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="NO_ERROR"):
            await client.get(peer.url)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


async def test_reset_of_a_stream_that_is_read_reaches_its_reader(driver: Driver) -> None:
    """RFC 9113, 6.4: a streamed body ends with the error, after what has come of it."""
    has_head = threading.Event()
    script = [
        Greet(),
        ReadRequest(1),
        Send(headers(1, HEAD) + data(1, b"half")),
        WaitFor(has_head),
        Send(rst_stream(1, Code.INTERNAL_ERROR)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        async with client.stream("GET", peer.url) as response:
            has_head.set()
            with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
                await client.read(response)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


async def test_code_of_a_reset_surfaces_on_a_connection_that_has_served(driver: Driver) -> None:
    """RFC 9113, 8.1 and RFC 9110, 9.2.2. [H2-11] [H2-08] It was processed: nobody asks again in the caller's stead."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequest(3),
        Send(rst_stream(3, Code.INTERNAL_ERROR)),
        ReadRequest(5),
        Send(answer(5)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
            await client.get(peer.url)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


@pytest.mark.parametrize("size", [0, 3, 5])
async def test_reset_of_a_wrong_size_ends_the_connection(driver: Driver, size: int) -> None:
    """RFC 9113, 6.4."""
    await ends_connection(driver, frame(Kind.RST_STREAM, 0, 1, bytes(size)), Code.FRAME_SIZE_ERROR)


async def test_reset_without_a_stream_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.4."""
    await ends_connection(driver, rst_stream(0, Code.CANCEL), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.4")


# 6.1: DATA


async def test_data_without_a_stream_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.1."""
    await ends_connection(driver, data(0, b"x"), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.1")


@pytest.mark.parametrize("size", [1, 2, 100], ids=["all", "all-of-two", "all-of-many"])
async def test_padding_of_data_longer_than_the_frame_ends_the_connection(driver: Driver, size: int) -> None:
    """RFC 9113, 6.1. [H2-14] As long as the payload with its own octet is too long already."""
    octets = headers(1, HEAD) + frame(Kind.DATA, Flag.PADDED, 1, bytes([size]) + bytes(size - 1))

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.1")


async def test_padded_data_without_a_length_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.1 and 4.2. [H2-14]"""
    octets = headers(1, HEAD) + frame(Kind.DATA, Flag.PADDED, 1)

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR)


async def test_padding_is_no_part_of_the_body(driver: Driver) -> None:
    """RFC 9113, 6.1. [H2-14] Padding may be all there is, and need not be zeros for us."""
    octets = (
        headers(1, status(200, (b"content-length", b"5")))
        + data(1, b"he", padding=255)
        + data(1, b"", padding=10)
        + frame(Kind.DATA, Flag.PADDED, 1, b"\x03llo???")
        + data(1, b"", padding=0, ends=True)
    )

    assert (await means_nothing(driver, octets)).content == b"hello"


# 6.2: HEADERS


async def test_headers_without_a_stream_end_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.2."""
    await ends_connection(driver, headers(0, HEAD), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.2")


async def test_padding_of_headers_longer_than_the_frame_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.2. [H2-14]"""
    octets = frame(Kind.HEADERS, Flag.PADDED | Flag.END_HEADERS, 1, bytes([len(HEAD) + 1]) + HEAD)

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.2")


@pytest.mark.parametrize("flags", [Flag.PADDED, Flag.PRIORITY, Flag.PADDED | Flag.PRIORITY])
async def test_headers_shorter_than_their_flags_say_end_the_connection(driver: Driver, flags: int) -> None:
    """RFC 9113, 6.2 and 4.2."""
    octets = frame(Kind.HEADERS, flags | Flag.END_HEADERS, 1, b"\0" * (flags == Flag.PADDED | Flag.PRIORITY))

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR)


async def test_headers_with_padding_and_priority_are_read(driver: Driver) -> None:
    """RFC 9113, 6.2 and 5.3.2: priority signals are ignored."""
    octets = headers(1, status(200, (b"a", b"b")), padding=20, priority=word(0) + b"\xff") + data(1, b"ok", ends=True)

    response = await means_nothing(driver, octets)

    assert (response.text, response.headers["a"]) == ("ok", "b")


# 6.3: PRIORITY


@pytest.mark.parametrize("stream", [1, 2, 99], ids=["open", "even", "idle"])
async def test_priority_is_ignored_in_any_state(driver: Driver, stream: int) -> None:
    """RFC 9113, 5.1, 5.3.2 and 6.3."""
    octets = frame(Kind.PRIORITY, 0, stream, word(0) + b"\x10")

    assert (await means_nothing(driver, octets + answer(1) + octets)).text == "ok"


async def test_priority_without_a_stream_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.3."""
    await ends_connection(driver, frame(Kind.PRIORITY, 0, 0, bytes(5)), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.3")


@pytest.mark.parametrize("size", [4, 6])
async def test_priority_of_a_wrong_size_is_an_error_of_its_stream(driver: Driver, size: int) -> None:
    """RFC 9113, 6.3."""
    await ends_stream(driver, frame(Kind.PRIORITY, 0, 1, bytes(size)), Code.FRAME_SIZE_ERROR)
