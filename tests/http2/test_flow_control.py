"""HTTP/2 of the client, RFC 9113, 5.2 and 6.9: windows of streams and of the connection, both ways. [H2-01]"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

import httpfast
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.plain import exchange_of

from ..drivers.facade import Driver
from ..peers import TIMEOUT, PeerConnection, ScriptError, Send, Step
from .frames import (
    DEFAULT_WINDOW,
    MAX_FRAME_SIZE,
    MAX_WINDOW,
    Code,
    Flag,
    Frame,
    Kind,
    Setting,
    answer,
    data,
    frame,
    headers,
    ping,
    read_frames,
    rst_stream,
    settings,
    status,
    window_update,
)
from .peer import Greet, Peer, Read, ReadAll, ReadRequest, ReadReset, read_frame
from .scenarios import ends_connection, ends_stream, means_nothing

FENCE = b"a fence."


@dataclass(frozen=True)
class ReadData(Step):
    """Read exactly so many octets of DATA, in all of the streams, and see by a PING that no more of them come."""

    size: int
    streams: tuple[int, ...] = (1,)
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        left = self.size
        while left > 0:
            left -= self._octets(read_frame(connection, deadline))
        connection.sock.sendall(ping(FENCE))
        while (found := read_frame(connection, deadline)).payload != FENCE:
            left -= self._octets(found)
        if left:
            raise ScriptError(f"{-left} octets of DATA more than the windows allow")

    def _octets(self, found: Frame) -> int:
        if found.kind in (Kind.RST_STREAM, Kind.GOAWAY):
            raise ScriptError(f"the client sent {found!r}")
        return len(found.payload) if found.kind == Kind.DATA and found.stream in self.streams else 0


@dataclass(frozen=True)
class SendBody(Step):
    """Send DATA as the client's windows allow it.

    Args:
        stream: whose.
        size: octets of the body.
        padding: octets of padding in each frame.
        ends: END_STREAM on the last.
    """

    stream: int
    size: int
    padding: int | None = None
    ends: bool = True
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        left, sent = self.size, 0
        largest = MAX_FRAME_SIZE - (0 if self.padding is None else 1 + self.padding)
        while left:
            size = min(left, largest)
            cost = size + (0 if self.padding is None else 1 + self.padding)
            while sent + cost > self.window(connection, self.stream) or sent + cost > self.window(connection, 0):
                read_frame(connection, deadline)
            left -= size
            sent += cost
            connection.sock.settimeout(self.timeout)
            connection.sock.sendall(data(self.stream, bytes(size), ends=self.ends and not left, padding=self.padding))

    def window(self, connection: PeerConnection, stream: int) -> int:
        """All that the client has granted so far."""
        granted = DEFAULT_WINDOW
        for found in read_frames(bytes(connection.received)):
            if found.kind == Kind.WINDOW_UPDATE and found.stream == stream:
                granted += found.increment
            elif found.kind == Kind.SETTINGS and stream and Setting.INITIAL_WINDOW_SIZE in found.settings:
                granted += found.settings[Setting.INITIAL_WINDOW_SIZE] - DEFAULT_WINDOW
        return granted


@dataclass(frozen=True)
class SendPadded(Step):
    """Send frames of 257 octets again and again, as far as the window of the first stream allows; and the end."""

    octets: bytes
    count: int
    timeout: float = TIMEOUT

    def run(self, connection: PeerConnection) -> None:
        deadline = time.monotonic() + self.timeout
        sent = 0
        window = SendBody(1, 0)
        for _ in range(self.count):
            # Without the frames' headers.
            sent += 257 * 1_000
            while sent > window.window(connection, 1):
                read_frame(connection, deadline)
            connection.sock.settimeout(self.timeout)
            connection.sock.sendall(self.octets)
        connection.sock.sendall(data(1, b"", ends=True))


async def upload(driver: Driver, script: list[Step], size: int) -> Peer:
    """A request with so many octets of body, and another one on the same connection. Returns the peer."""
    with Peer([*script, ReadRequest(3), Send(answer(3))]) as peer:
        client = driver.client(http1=False)

        response = await client.post(peer.url, content=bytes(size))

        assert response.text == "ok"
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert peer.heads()[0].body == bytes(size)
    return peer


# Our DATA


async def test_upload_stops_at_the_windows_it_begins_with(driver: Driver) -> None:
    """RFC 9113, 6.9.2: 65,535 octets, for the stream and for the connection. [H2-12]"""
    script = [
        Greet(),
        ReadData(DEFAULT_WINDOW),
        Send(window_update(1, 100)),
        ReadData(0),
        Send(window_update(0, 60)),
        ReadData(60),
        Send(window_update(0, 100_000)),
        ReadData(40),
        Send(window_update(1, 100_000)),
        ReadRequest(1),
        Send(answer(1)),
    ]

    await upload(driver, script, 100_000)


async def test_window_of_the_connection_is_shared_by_uploads(driver: Driver) -> None:
    """RFC 9113, 6.9.1: streams with room of their own are held back by it, and all of them go on."""
    script = [
        Greet(((Setting.INITIAL_WINDOW_SIZE, 1_000_000),)),
        ReadRequest(1),
        Send(answer(1)),
        ReadData(DEFAULT_WINDOW, (3, 5)),
        Send(window_update(0, 5)),
        ReadData(5, (3, 5)),
        Send(window_update(0, 200_000)),
        ReadData(120_000 - DEFAULT_WINDOW - 5, (3, 5)),
        Send(answer(3) + answer(5)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        outcomes = await driver.gather(*(client.post(peer.url, content=bytes(60_000)) for _ in range(2)))

        assert [getattr(outcome, "text", outcome) for outcome in outcomes] == ["ok", "ok"]
        assert [len(request.body) for request in peer.heads()] == [0, 60_000, 60_000]


async def test_initial_window_changes_those_of_open_streams(driver: Driver) -> None:
    """RFC 9113, 6.9.2: by the difference. The connection's is not one of them."""
    script = [
        Greet(((Setting.INITIAL_WINDOW_SIZE, 0),)),
        ReadRequest(1),
        Send(answer(1)),
        ReadData(0, (3,)),
        Send(settings((Setting.INITIAL_WINDOW_SIZE, 10))),
        ReadData(10, (3,)),
        Send(settings((Setting.INITIAL_WINDOW_SIZE, 1_000_000))),
        ReadData(DEFAULT_WINDOW - 10, (3,)),
        Send(window_update(0, 1_000_000)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        assert (await client.post(peer.url, content=bytes(80_000))).text == "ok"


async def test_window_below_zero_is_filled_up_first(driver: Driver) -> None:
    """RFC 9113, 6.9.2. [H2-12] SETTINGS that shrink the window of an upload make it negative."""
    script = [
        Greet(),
        ReadData(DEFAULT_WINDOW),
        Send(settings((Setting.INITIAL_WINDOW_SIZE, 16_384)) + window_update(0, 1_000_000)),
        ReadData(0),
        Send(window_update(1, DEFAULT_WINDOW - 16_384)),
        ReadData(0),
        Send(window_update(1, 7)),
        ReadData(7),
        Send(settings((Setting.INITIAL_WINDOW_SIZE, 16_484))),
        ReadData(100),
        Send(window_update(1, 1_000_000)),
        ReadRequest(1),
        Send(answer(1)),
    ]

    await upload(driver, script, 90_000)


async def test_empty_body_needs_no_window(driver: Driver) -> None:
    """RFC 9113, 6.9: frames without octets go out whatever the window."""
    script = [
        Greet(((Setting.INITIAL_WINDOW_SIZE, 0),)),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        assert (await client.post(peer.url, content=driver.body([]))).text == "ok"


async def test_streamed_upload_waits_for_the_window(driver: Driver) -> None:
    """RFC 9113, 6.9. [H2-12] Piece by piece, with the end after the last of them."""
    script = [
        Greet(),
        ReadData(DEFAULT_WINDOW),
        Send(window_update(0, 50_000) + window_update(1, 50_000)),
        ReadRequest(1),
        Send(answer(1)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.post(peer.url, content=driver.body([b"a" * 30_000, b"b" * 30_000, b"c" * 30_000]))

        assert response.text == "ok"
        assert peer.heads()[0].body == b"a" * 30_000 + b"b" * 30_000 + b"c" * 30_000


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_peer_that_grants_nothing_is_a_write_timeout(driver: Driver, is_streamed: bool) -> None:
    """[H2-12] The stream is given up, and the connection serves on."""
    script = [Greet(), ReadReset(1, Code.CANCEL), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False, timeout=httpfast.Timeout(5, write=0.05, read=None if is_streamed else 0.05))
        body = driver.body([bytes(50_000), bytes(50_000)]) if is_streamed else bytes(100_000)

        with pytest.raises(httpfast.WriteTimeout):
            await client.post(peer.url, content=body)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        await client.rest()
        assert client.counts == (1, 1)


# WINDOW_UPDATE


async def test_window_update_of_zero_on_a_stream_is_an_error_of_it(driver: Driver) -> None:
    """RFC 9113, 6.9. [H2-12]"""
    await ends_stream(driver, window_update(1, 0), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.9")


async def test_window_update_of_zero_on_the_connection_ends_it(driver: Driver) -> None:
    """RFC 9113, 6.9. [H2-12]"""
    await ends_connection(driver, window_update(0, 0), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.9")


async def test_window_of_a_stream_over_the_limit_is_an_error_of_it(driver: Driver) -> None:
    """RFC 9113, 6.9.1. [H2-12]"""
    octets = window_update(1, MAX_WINDOW - DEFAULT_WINDOW) + window_update(1, 1)

    await ends_stream(driver, octets, Code.FLOW_CONTROL_ERROR, match=r"RFC 9113, 6\.9\.1")


async def test_window_of_the_connection_over_the_limit_ends_it(driver: Driver) -> None:
    """RFC 9113, 6.9.1. [H2-12]"""
    octets = window_update(0, MAX_WINDOW - DEFAULT_WINDOW) + window_update(0, 1)

    await ends_connection(driver, octets, Code.FLOW_CONTROL_ERROR, match=r"RFC 9113, 6\.9\.1")


async def test_windows_at_the_limit_are_right(driver: Driver) -> None:
    """RFC 9113, 6.9.1: 2^31-1 octets."""
    octets = window_update(1, MAX_WINDOW - DEFAULT_WINDOW) + window_update(0, MAX_WINDOW - DEFAULT_WINDOW)

    await means_nothing(driver, octets + answer(1))


async def test_initial_window_that_lifts_a_stream_over_the_limit_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.9.2. [H2-12]"""
    octets = window_update(1, MAX_WINDOW - DEFAULT_WINDOW) + settings((Setting.INITIAL_WINDOW_SIZE, 65_536))

    await ends_connection(driver, octets, Code.FLOW_CONTROL_ERROR, match=r"RFC 9113, 6\.9\.2")


@pytest.mark.parametrize("size", [0, 3, 5])
@pytest.mark.parametrize("stream", [0, 1])
async def test_window_update_of_a_wrong_size_ends_the_connection(driver: Driver, size: int, stream: int) -> None:
    """RFC 9113, 6.9."""
    octets = frame(Kind.WINDOW_UPDATE, 0, stream, bytes(size))

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 6\.9")


# Their DATA


@pytest.mark.parametrize("padding", [None, 255], ids=["bare", "padded"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_download_larger_than_the_window_goes_on(driver: Driver, is_streamed: bool, padding: int | None) -> None:
    """RFC 9113, 6.9.1. [H2-14] The client gives back what it has taken, padding too."""
    size = 9_000_000
    script = [Greet(), ReadRequest(1), Send(headers(1, status(200))), SendBody(1, size, padding)]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        if is_streamed:
            async with client.stream("GET", peer.url) as response:
                received = 0
                async for piece in client.pieces(response):
                    received += len(piece)
        else:
            received = len((await client.get(peer.url)).content)

        assert received == size


async def test_small_frames_that_are_mostly_padding_do_not_use_the_window_up(driver: Driver) -> None:
    """RFC 9113, 6.1 and 6.9.1. [H2-14] The caller takes one octet in 257, and gives back all of them."""
    script = [Greet(), ReadRequest(1), Send(headers(1, status(200)))]
    # More than a window of 4 MiB, of which the caller sees 20,000 octets.
    octets = data(1, b"x", padding=255) * 1_000
    with Peer([*script, SendPadded(octets, 20)]) as peer:
        client = driver.client(http1=False)

        async with client.stream("GET", peer.url) as response:
            received = 0
            async for piece in client.pieces(response):
                received += len(piece)

        assert received == 20_000


async def test_data_beyond_the_window_of_a_stream_is_an_error_of_it(driver: Driver) -> None:
    """RFC 9113, 6.9.1. [H2-12] Nobody reads the body, so nothing is given back; the server sends on all the same."""
    with Peer(
        [
            Greet(),
            ReadRequest(1),
            Send(headers(1, status(200))),
            SendBody(1, 4_194_304, ends=False),
            Send(data(1, bytes(MAX_FRAME_SIZE))),
            # The next request may be on its way already.
            ReadAll((ReadReset(1, Code.FLOW_CONTROL_ERROR), Read(Kind.HEADERS, 3))),
            Send(answer(3)),
        ]
    ) as peer:
        client = driver.client(http1=False)

        response = await client.open("GET", peer.url)
        # The blocking client reads the first response's octets while it waits for the second's.
        assert (await client.get(peer.url)).text == "ok"
        with pytest.raises(httpfast.RemoteProtocolError, match=r"RFC 9113, 6\.9"):
            await client.read(response)

        assert peer.connections == 1


def test_window_of_the_connection_is_given_back_once_for_cancelled_downloads() -> None:
    """RFC 9113, 6.9.1. [H2-13] 10,000 streams that were reset while their octets were on the way."""
    engine = H2Engine()
    request = httpfast.Request("GET", "https://host/")
    engine.open()
    engine.receive_octets(settings())
    sent = engine.take_output()
    start = DEFAULT_WINDOW + sum(found.increment for found in read_frames(sent) if found.kind == Kind.WINDOW_UPDATE)
    fields = RequestFields(((b"Host", b"host", b"a"),))
    payload = bytes(MAX_FRAME_SIZE)
    received = granted = 0
    windows = []

    for stream in range(1, 20_001, 2):
        place = engine.begin(exchange_of(request), fields)
        engine.receive_octets(headers(stream, status(200)))
        engine.receive_octets(frame(Kind.DATA, 0, stream, payload))
        engine.give_up(place)
        # What was on its way; the padding too.
        engine.receive_octets(data(stream, payload[:-256], padding=255) * 3)
        engine.receive_octets(rst_stream(stream, Code.CANCEL))
        engine.take_news()
        received += 4 * MAX_FRAME_SIZE
        output = b" " * 24 + engine.take_output()
        grants = [found for found in read_frames(output) if found.kind == Kind.WINDOW_UPDATE and found.stream == 0]
        granted += sum(found.increment for found in grants)
        windows.append(start + granted - received)

    assert received == 655_360_000
    assert granted > 0
    assert granted <= received
    assert max(windows) <= start, "something was given back twice"
    assert min(windows) >= start // 2 - 4 * MAX_FRAME_SIZE, "something was not given back"


async def test_cancelled_downloads_leave_the_connection_as_it_was(driver: Driver) -> None:
    """[H2-13] Each is reset once; the connection serves on."""
    script: list[Step] = [Greet()]
    for stream in range(1, 101, 2):
        script += [
            ReadRequest(stream),
            Send(headers(stream, status(200)) + data(stream, bytes(1000))),
            ReadReset(stream, Code.CANCEL),
            Send(data(stream, bytes(1000)) * 3),
        ]
    with Peer([*script, ReadRequest(101), Send(answer(101))]) as peer:
        client = driver.client(http1=False)

        for _ in range(50):
            await client.close_response(await client.open("GET", peer.url))
        response = await client.get(peer.url)

        assert response.text == "ok"
        assert peer.connections == 1
        assert peer.codes() == [("RST_STREAM", stream, Code.CANCEL) for stream in range(1, 101, 2)]


async def test_end_of_a_body_in_flight_is_not_waited_for_by_padding(driver: Driver) -> None:
    """RFC 9113, 6.1: END_STREAM counts when the frame's padding has come too."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(
            headers(1, status(200)) + frame(Kind.DATA, Flag.PADDED | Flag.END_STREAM, 1, b"\x04ok" + bytes(4)), chunk=2
        ),
    ]
    with Peer(script) as peer:
        assert (await driver.client(http1=False).get(peer.url)).text == "ok"
