"""H2Engine: the streams of CONNECT (RFC 9113, 8.5; RFC 8441)."""

from __future__ import annotations

import hpack
import pytest

from httpfast import LocalProtocolError, Request
from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.h2_sender import H2Stream
from httpfast._cext.plain import exchange_of

from .test_h2_growing_windows import DATA, HEADERS, SETTINGS, frame, frames

RST_STREAM = 3
END_STREAM, END_HEADERS = 0x1, 0x4
OK = b"\x88"
NO_CONTENT = b"\x89"
TAKES_CONNECT = frame(SETTINGS, 0, b"\x00\x08\x00\x00\x00\x01")


def begun(engine: H2Engine, protocol: str | None = "websocket") -> tuple[Exchange, H2Stream]:
    extensions = {"target": b"example.org:443"} if protocol is None else {"protocol": protocol}
    exchange = exchange_of(Request("CONNECT", "https://example.org/chat", extensions=extensions))
    return exchange, engine.begin(exchange, RequestFields(exchange.fields_sent))


@pytest.fixture
def engine() -> H2Engine:
    engine = H2Engine()
    engine.open()
    engine.receive_octets(TAKES_CONNECT)
    engine.take_output()
    return engine


def said(engine: H2Engine) -> list[tuple[int, int, int, bytes]]:
    return frames(engine.take_output())


def head_of(payload: bytes) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in hpack.Decoder().decode(payload)]


@pytest.mark.parametrize("protocol", ["", "web socket", "a\r\nb: c", "a\0", "a,b"])
def test_protocol_that_is_no_token_is_refused(engine: H2Engine, protocol: str) -> None:
    """RFC 8441, 4; INJ-12."""
    with pytest.raises(LocalProtocolError, match="token"):
        begun(engine, protocol)

    assert said(engine) == []


def test_extended_connect_does_not_end_its_stream(engine: H2Engine) -> None:
    begun(engine)

    [(kind, flags, stream, payload)] = said(engine)

    assert (kind, flags, stream) == (HEADERS, END_HEADERS, 1)
    assert head_of(payload)[:5] == [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", "/chat"),
    ]


def test_connect_has_two_pseudo_fields(engine: H2Engine) -> None:
    begun(engine, None)

    [(_, flags, _, payload)] = said(engine)

    assert flags == END_HEADERS
    assert [field for field in head_of(payload) if field[0].startswith(":")] == [
        (":method", "CONNECT"),
        (":authority", "example.org:443"),
    ]


def test_extended_connect_before_settings_is_a_local_error() -> None:
    engine = H2Engine()
    engine.open()
    engine.take_output()

    with pytest.raises(LocalProtocolError, match="RFC 8441, 3"):
        begun(engine)

    assert engine.take_output() == b""


@pytest.mark.parametrize("head", [OK, NO_CONTENT])
def test_success_opens_a_tunnel(engine: H2Engine, head: bytes) -> None:
    exchange, _ = begun(engine)

    engine.receive_octets(frame(HEADERS, 1, head, END_HEADERS) + frame(DATA, 1, b"raw"))

    assert exchange.is_tunnel
    assert exchange.take_body() == b"raw"
    assert not exchange.is_complete


def test_success_that_ends_the_stream_is_no_tunnel(engine: H2Engine) -> None:
    exchange, _ = begun(engine)

    engine.receive_octets(frame(HEADERS, 1, OK, END_HEADERS | END_STREAM))

    assert exchange.is_complete
    assert not exchange.is_tunnel


def test_content_length_means_nothing_in_a_tunnel(engine: H2Engine) -> None:
    exchange, _ = begun(engine)
    head = OK + hpack.Encoder().encode([("content-length", "1")])

    engine.receive_octets(frame(HEADERS, 1, head, END_HEADERS) + frame(DATA, 1, b"more than one"))

    assert exchange.error is None
    assert exchange.take_body() == b"more than one"


@pytest.mark.parametrize("late", [frame(DATA, 1, b"x"), frame(HEADERS, 1, OK, END_HEADERS)])
def test_frame_behind_the_peers_end_of_a_tunnel_is_a_stream_error(engine: H2Engine, late: bytes) -> None:
    exchange, _ = begun(engine)
    engine.receive_octets(frame(HEADERS, 1, OK, END_HEADERS) + frame(DATA, 1, b"", END_STREAM))
    said(engine)

    engine.receive_octets(late)

    assert exchange.error is not None
    assert said(engine) == [(RST_STREAM, 0, 1, b"\x00\x00\x00\x05")]


def test_two_tunnels_end_apart(engine: H2Engine) -> None:
    first, stream = begun(engine)
    second, _ = begun(engine)
    engine.receive_octets(frame(HEADERS, 1, OK, END_HEADERS) + frame(HEADERS, 3, OK, END_HEADERS))

    engine.give_up(stream)
    engine.receive_octets(frame(DATA, 1, b"late") + frame(DATA, 3, b"there"))

    assert (first.take_body(), second.take_body()) == (b"", b"there")
