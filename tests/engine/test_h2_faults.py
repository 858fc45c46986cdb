"""H2Engine: what the peer may not do, what that costs, and what it may do without cost (RFC 9113, 5.4 and 10.5)."""

from __future__ import annotations

import pytest

from httpfast import RemoteProtocolError
from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine

from .h2_octets import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_WINDOW,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    ask,
    block,
    data,
    frame,
    frames_of,
    goaway,
    headers,
    opened,
    reset,
    settings,
    window_update,
)
from .hpack_blocks import indexed, inserted, update

BLOCK = block((b":status", b"200"))

# Stream 1 is closed by its response, 3 is open and has a head, 5 has been reset by the server, 7 by us; 9 is idle.
CONNECTION_FAULTS = {
    "frame-too-large": (frame(0xFA, bytes(16385)), FRAME_SIZE_ERROR),
    "data-too-large": (frame(DATA, bytes(16385), 3), FRAME_SIZE_ERROR),
    "data-without-stream": (frame(DATA, b"a", 0), PROTOCOL_ERROR),
    "data-idle": (data(9, b"a"), PROTOCOL_ERROR),
    "data-even": (data(2, b"a"), PROTOCOL_ERROR),
    "data-closed": (data(1, b"a"), STREAM_CLOSED),
    "data-closed-empty": (data(1), STREAM_CLOSED),
    "data-padding-of-its-size": (frame(DATA, b"\x06hello", 3, PADDED), PROTOCOL_ERROR),
    "data-padding-too-long": (frame(DATA, b"\xffhello", 3, PADDED), PROTOCOL_ERROR),
    "headers-without-stream": (headers(0), PROTOCOL_ERROR),
    "headers-idle": (headers(9), PROTOCOL_ERROR),
    "headers-even": (headers(4), PROTOCOL_ERROR),
    "headers-closed": (headers(1), STREAM_CLOSED),
    "headers-padding-too-long": (frame(HEADERS, b"\x50" + BLOCK, 3, PADDED | END_HEADERS), PROTOCOL_ERROR),
    "headers-no-room-for-priority": (frame(HEADERS, b"\0\0\0", 3, PRIORITIZED | END_HEADERS), FRAME_SIZE_ERROR),
    "headers-no-padding-length": (frame(HEADERS, b"", 3, PADDED | END_HEADERS), FRAME_SIZE_ERROR),
    "block-broken-off": (frame(HEADERS, b"\x40\x05ab", 3, END_HEADERS), COMPRESSION_ERROR),
    "block-index-zero": (frame(HEADERS, indexed(0), 3, END_HEADERS), COMPRESSION_ERROR),
    "block-index-past-the-end": (frame(HEADERS, indexed(62), 3, END_HEADERS), COMPRESSION_ERROR),
    "block-table-too-large": (frame(HEADERS, update(4097) + BLOCK, 3, END_HEADERS), COMPRESSION_ERROR),
    "block-on-a-stream-of-ours-broken": (frame(HEADERS, indexed(0), 7, END_HEADERS), COMPRESSION_ERROR),
    "continuation-alone": (frame(CONTINUATION, BLOCK, 3, END_HEADERS), PROTOCOL_ERROR),
    "continuation-other-stream": (
        frame(HEADERS, BLOCK, 3) + frame(CONTINUATION, b"", 5, END_HEADERS),
        PROTOCOL_ERROR,
    ),
    "frame-in-a-block": (frame(HEADERS, BLOCK, 3) + frame(PING, bytes(8)), PROTOCOL_ERROR),
    "data-in-a-block": (frame(HEADERS, BLOCK, 3) + data(3, b"a"), PROTOCOL_ERROR),
    "unknown-in-a-block": (frame(HEADERS, BLOCK, 3) + frame(0xFA), PROTOCOL_ERROR),
    "settings-on-a-stream": (frame(SETTINGS, b"", 3), PROTOCOL_ERROR),
    "settings-odd-size": (frame(SETTINGS, bytes(7)), FRAME_SIZE_ERROR),
    "settings-ack-with-payload": (frame(SETTINGS, bytes(6), flags=ACK), FRAME_SIZE_ERROR),
    "settings-push": (settings({2: 1}), PROTOCOL_ERROR),
    "settings-push-2": (settings({2: 2}), PROTOCOL_ERROR),
    "settings-window-too-large": (settings({4: 2**31}), FLOW_CONTROL_ERROR),
    "settings-frame-size-too-small": (settings({5: 16383}), PROTOCOL_ERROR),
    "settings-frame-size-too-large": (settings({5: 2**24}), PROTOCOL_ERROR),
    "settings-overflow-a-window": (window_update(3, MAX_WINDOW - 65535) + settings({4: 65536}), FLOW_CONTROL_ERROR),
    "push-promise": (frame(PUSH_PROMISE, bytes([0, 0, 0, 2]) + BLOCK, 3, END_HEADERS), PROTOCOL_ERROR),
    "ping-on-a-stream": (frame(PING, bytes(8), 3), PROTOCOL_ERROR),
    "ping-too-short": (frame(PING, bytes(7)), FRAME_SIZE_ERROR),
    "ping-too-long": (frame(PING, bytes(9)), FRAME_SIZE_ERROR),
    "goaway-on-a-stream": (frame(GOAWAY, bytes(8), 3), PROTOCOL_ERROR),
    "goaway-too-short": (frame(GOAWAY, bytes(7)), FRAME_SIZE_ERROR),
    "window-update-too-short": (frame(WINDOW_UPDATE, bytes(3), 3), FRAME_SIZE_ERROR),
    "window-update-too-long": (frame(WINDOW_UPDATE, bytes(5)), FRAME_SIZE_ERROR),
    "window-update-of-nothing": (window_update(0, 0), PROTOCOL_ERROR),
    "window-update-overflow": (window_update(0, MAX_WINDOW), FLOW_CONTROL_ERROR),
    "window-update-idle": (window_update(9, 1), PROTOCOL_ERROR),
    "reset-without-stream": (reset(0), PROTOCOL_ERROR),
    "reset-idle": (reset(9), PROTOCOL_ERROR),
    "reset-too-short": (frame(RST_STREAM, bytes(3), 3), FRAME_SIZE_ERROR),
    "reset-too-long": (frame(RST_STREAM, bytes(5), 3), FRAME_SIZE_ERROR),
    "priority-without-stream": (frame(PRIORITY, bytes(5)), PROTOCOL_ERROR),
}

# Fields and frames that cost one stream, here number 3, which waits for its response, and nobody else.
STREAM_FAULTS = {
    "priority-too-short": (frame(PRIORITY, bytes(4), 3), FRAME_SIZE_ERROR),
    "no-status": (headers(3, (b"a", b"b"), status=None), PROTOCOL_ERROR),
    "no-fields": (headers(3, status=None), PROTOCOL_ERROR),
    "status-short": (headers(3, status=b"20"), PROTOCOL_ERROR),
    "status-long": (headers(3, status=b"2000"), PROTOCOL_ERROR),
    "status-zero": (headers(3, status=b"000"), PROTOCOL_ERROR),
    "status-sign": (headers(3, status=b"+20"), PROTOCOL_ERROR),
    "status-empty": (headers(3, status=b""), PROTOCOL_ERROR),
    "status-101": (headers(3, status=b"101"), PROTOCOL_ERROR),
    "status-twice": (headers(3, (b":status", b"200")), PROTOCOL_ERROR),
    "status-late": (headers(3, (b"a", b"b"), (b":status", b"200"), status=None), PROTOCOL_ERROR),
    "path": (headers(3, (b":path", b"/")), PROTOCOL_ERROR),
    "unknown-pseudo-field": (headers(3, (b":x", b"/")), PROTOCOL_ERROR),
    "upper-case": (headers(3, (b"Server", b"a")), PROTOCOL_ERROR),
    "name-empty": (headers(3, (b"", b"a")), PROTOCOL_ERROR),
    "name-space": (headers(3, (b"a b", b"a")), PROTOCOL_ERROR),
    "name-colon": (headers(3, (b"a:b", b"a")), PROTOCOL_ERROR),
    "name-nul": (headers(3, (b"a\0", b"a")), PROTOCOL_ERROR),
    "name-high": (headers(3, (b"\xff", b"a")), PROTOCOL_ERROR),
    "value-nul": (headers(3, (b"a", b"b\0c")), PROTOCOL_ERROR),
    "value-cr": (headers(3, (b"a", b"b\rc")), PROTOCOL_ERROR),
    "value-lf": (headers(3, (b"a", b"b\nc")), PROTOCOL_ERROR),
    "connection": (headers(3, (b"connection", b"close")), PROTOCOL_ERROR),
    "keep-alive": (headers(3, (b"keep-alive", b"1")), PROTOCOL_ERROR),
    "proxy-connection": (headers(3, (b"proxy-connection", b"a")), PROTOCOL_ERROR),
    "transfer-encoding": (headers(3, (b"transfer-encoding", b"chunked")), PROTOCOL_ERROR),
    "upgrade": (headers(3, (b"upgrade", b"h2c")), PROTOCOL_ERROR),
    "lengths": (headers(3, (b"content-length", b"1"), (b"content-length", b"2")), PROTOCOL_ERROR),
    "length-sign": (headers(3, (b"content-length", b"+1")), PROTOCOL_ERROR),
    "length-too-long": (headers(3, (b"content-length", b"2")) + data(3, b"a", end=True), PROTOCOL_ERROR),
    "length-too-long-no-data": (headers(3, (b"content-length", b"1"), end=True), PROTOCOL_ERROR),
    "length-too-short": (headers(3, (b"content-length", b"2")) + data(3, b"abc", end=True), PROTOCOL_ERROR),
    "length-and-trailers": (
        headers(3, (b"content-length", b"2")) + data(3, b"a") + headers(3, (b"a", b"b"), status=None, end=True),
        PROTOCOL_ERROR,
    ),
    "data-on-204": (headers(3, status=b"204") + data(3, b"a", end=True), PROTOCOL_ERROR),
    "data-on-304": (headers(3, status=b"304") + data(3, b"a", end=True), PROTOCOL_ERROR),
    "data-before-head": (data(3, b"a"), PROTOCOL_ERROR),
    "end-before-head": (data(3, b"", end=True), PROTOCOL_ERROR),
    "informational-end": (headers(3, status=b"103", end=True), PROTOCOL_ERROR),
    "informational-only": (headers(3, status=b"103") + data(3, b"", end=True), PROTOCOL_ERROR),
    "informational-many": (headers(3, status=b"103") * 33, PROTOCOL_ERROR),
    "trailers-without-end": (headers(3) + headers(3, (b"a", b"b"), status=None), PROTOCOL_ERROR),
    "trailers-status": (headers(3) + headers(3, end=True), PROTOCOL_ERROR),
    "trailers-pseudo": (headers(3) + headers(3, (b":path", b"/"), status=None, end=True), PROTOCOL_ERROR),
    "trailers-upper-case": (headers(3) + headers(3, (b"A", b"/"), status=None, end=True), PROTOCOL_ERROR),
    "window-update-of-nothing": (window_update(3, 0), PROTOCOL_ERROR),
    "window-update-overflow": (window_update(3, MAX_WINDOW), FLOW_CONTROL_ERROR),
    "too-many-fields": (frame(HEADERS, BLOCK + indexed(2) * 1000, 3, END_HEADERS), ENHANCE_YOUR_CALM),
    "too-many-octets": (
        frame(HEADERS, BLOCK + inserted(b"a", b"x" * 4000) + indexed(62) * 100, 3, END_HEADERS),
        ENHANCE_YOUR_CALM,
    ),
}


def engine_with_streams() -> tuple[H2Engine, dict[int, Exchange]]:
    engine = opened()
    asked = {number: ask(engine) for number in (1, 3, 5, 7)}
    engine.receive_octets(headers(1, end=True) + headers(3) + reset(5))
    engine.give_up(asked[7][0])
    engine.take_output()
    engine.take_news()
    return engine, {number: exchange for number, (_, exchange) in asked.items()}


def read(engine: H2Engine, octets: bytes, *, by_octet: bool) -> None:
    for piece in (octets[i : i + 1] for i in range(len(octets))) if by_octet else [octets]:
        engine.receive_octets(piece)


def repeat(engine: H2Engine, octets: bytes, times: int) -> None:
    for _ in range(times):
        engine.receive_octets(octets)


@pytest.mark.parametrize("by_octet", [False, True], ids=["whole", "octets"])
@pytest.mark.parametrize("name", CONNECTION_FAULTS)
def test_fault_of_the_connection_ends_all(name: str, by_octet: bool):
    octets, code = CONNECTION_FAULTS[name]
    engine, exchanges = engine_with_streams()

    with pytest.raises(RemoteProtocolError):
        read(engine, octets, by_octet=by_octet)

    assert engine.is_dead
    assert engine.streams_left() == 0
    assert isinstance(exchanges[3].error, RemoteProtocolError)
    assert exchanges[3] in engine.take_news()
    assert exchanges[1].is_complete
    assert exchanges[1].error is None
    last = frames_of(engine.take_output())[-1]
    assert (last.kind, last.stream, last.goaway_code) == (GOAWAY, 0, code)


@pytest.mark.parametrize("name", CONNECTION_FAULTS)
def test_dead_engine_ignores_what_comes_and_writes_nothing(name: str):
    """H2-09."""
    engine, _ = engine_with_streams()
    with pytest.raises(RemoteProtocolError):
        engine.receive_octets(CONNECTION_FAULTS[name][0])
    engine.take_output()

    engine.receive_octets(frame(PING, bytes(8)) + CONNECTION_FAULTS[name][0] + headers(3, end=True))
    engine.receive_octets(b"")

    assert engine.take_output() == b""


@pytest.mark.parametrize("first", [frame(PING, bytes(8)), settings(ack=True), headers(1), b"HTTP/1.1 400 Bad Request"])
def test_server_that_does_not_begin_with_settings_is_refused(first: bytes):
    """RFC 9113, 3.4; H2-21."""
    engine = H2Engine()
    engine.open()
    _, exchange = ask(engine)
    engine.take_output()

    with pytest.raises(RemoteProtocolError):
        engine.receive_octets(first)

    assert exchange.error is not None
    assert [each.kind for each in frames_of(engine.take_output())] == [GOAWAY]


@pytest.mark.parametrize("by_octet", [False, True], ids=["whole", "octets"])
@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_fault_of_a_stream_ends_only_that(name: str, by_octet: bool):
    octets, code = STREAM_FAULTS[name]
    engine = opened()
    _, before = ask(engine)
    _, exchange = ask(engine)
    _, after = ask(engine)
    engine.take_output()

    read(engine, octets, by_octet=by_octet)

    assert isinstance(exchange.error, RemoteProtocolError)
    assert not exchange.is_complete
    assert exchange in engine.take_news()
    resets = [each for each in frames_of(engine.take_output()) if each.kind == RST_STREAM]
    assert [(each.stream, each.number) for each in resets] == [(3, code)]
    # The others go on, and the tables are still in step.
    engine.receive_octets(headers(1, end=True))
    engine.receive_octets(frame(HEADERS, BLOCK + inserted(b"a", b"b") + indexed(62), 5, END_HEADERS | END_STREAM))
    assert before.is_complete
    assert after.fields == [(b"a", b"b"), (b"a", b"b")]


# Floods (H2-02, H2-07)


def idle_frames() -> dict[str, bytes]:
    return {
        "ping": frame(PING, bytes(8)),
        "ping-ack": frame(PING, bytes(8), flags=ACK),
        "settings": settings(),
        "settings-ack": settings(ack=True),
        "priority": frame(PRIORITY, bytes(5), 3),
        "window-update": window_update(0, 1),
        "window-update-stream": window_update(3, 1),
        "empty-data": data(3),
        "padding-only": data(3, padding=10),
        "unknown": frame(0xFA, b"x"),
        "reset-closed": reset(5),
        "headers-of-a-reset-stream": headers(7),
        "goaway": goaway(2**31 - 1),
    }


@pytest.mark.parametrize("name", idle_frames())
def test_frames_that_bring_nothing_are_endured_up_to_a_limit(name: str):
    engine, exchanges = engine_with_streams()
    octets = idle_frames()[name]

    with pytest.raises(RemoteProtocolError):
        repeat(engine, octets, 1200)

    assert exchanges[3].error is not None
    assert frames_of(engine.take_output())[-1].goaway_code == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("name", idle_frames())
def test_frames_that_bring_nothing_are_welcome_between_others(name: str):
    if name == "goaway":
        return  # after it the server begins nothing new, and one is enough
    engine, exchanges = engine_with_streams()
    octets = idle_frames()[name]

    for _ in range(50):
        engine.receive_octets(octets * 100 + data(3, b"x"))
        engine.take_output()

    assert exchanges[3].take_body() == b"x" * 50


def test_data_that_nobody_takes_does_not_make_idle_frames_welcome():
    """H2-07: DATA on a stream that was reset, between the frames that bring nothing."""
    engine, _ = engine_with_streams()

    with pytest.raises(RemoteProtocolError):
        repeat(engine, frame(PING, bytes(8)) * 100 + data(7, b"x"), 20)

    assert frames_of(engine.take_output())[-1].goaway_code == ENHANCE_YOUR_CALM


def test_many_settings_in_one_frame_are_refused():
    """H2-07: CVE-2020-11080."""
    engine, exchanges = engine_with_streams()
    engine.receive_octets(frame(SETTINGS, b"\x00\x04\x00\x01\x00\x00" * 64))

    with pytest.raises(RemoteProtocolError, match="64 settings"):
        engine.receive_octets(frame(SETTINGS, b"\x00\x04\x00\x01\x00\x00" * 65))

    assert exchanges[3].error is not None
    assert frames_of(engine.take_output())[-1].goaway_code == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("payload", [b"", b"\x82" * 10, b"\x82" * 16384], ids=["empty", "small", "full"])
def test_endless_field_block_is_refused(payload: bytes):
    """CVE-2024-28182."""
    engine, _ = engine_with_streams()
    engine.receive_octets(frame(HEADERS, BLOCK, 3))

    with pytest.raises(RemoteProtocolError, match="CONTINUATION"):
        repeat(engine, frame(CONTINUATION, payload, 3), 17)

    assert frames_of(engine.take_output())[-1].goaway_code == ENHANCE_YOUR_CALM


def test_field_block_of_as_many_frames_as_allowed_is_read():
    engine, _ = engine_with_streams()
    _, exchange = ask(engine)

    engine.receive_octets(frame(HEADERS, BLOCK, 9))
    for _ in range(15):
        engine.receive_octets(frame(CONTINUATION, block((b"a", b"b")), 9))
    engine.receive_octets(frame(CONTINUATION, b"", 9, END_HEADERS))

    assert exchange.fields == [(b"a", b"b")] * 15


def test_streams_that_were_given_up_are_remembered_within_a_limit():
    """H2-09: what comes for them is never an error, however many they are."""
    engine = opened({INITIAL_WINDOW_SIZE: 1})
    for _ in range(1500):
        stream, _ = ask(engine)
        engine.give_up(stream)
    engine.take_output()

    for number in (1, 3, 2001, 2999):
        engine.receive_octets(headers(number) + data(number, b"a", end=True))

    assert not engine.is_dead
