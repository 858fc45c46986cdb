"""H2Engine: flow control in both directions (RFC 9113, 5.2 and 6.9)."""

from __future__ import annotations

import pytest

from httpfast import LocalProtocolError
from httpfast._cext.h2 import H2Engine

from .h2_octets import (
    DATA,
    END_STREAM,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    WINDOW_UPDATE,
    Frame,
    ask,
    data,
    frames_of,
    headers,
    opened,
    settings,
    window_update,
)

STREAM_WINDOW = 4 * 1024 * 1024
CONNECTION_WINDOW = 2**30


def sent(engine: H2Engine) -> list[Frame]:
    return frames_of(engine.take_output())


def body_sent(engine: H2Engine, stream: int = 1) -> tuple[bytes, bool]:
    """The octets of the body that have gone out since the last call, and whether that was the end."""
    found = [each for each in sent(engine) if each.kind == DATA and each.stream == stream]
    return b"".join(each.payload for each in found), any(each.flags & END_STREAM for each in found)


# Windows of the body that is sent


def test_body_waits_for_the_window_of_the_stream():
    """RFC 9113, 6.9."""
    engine = opened({INITIAL_WINDOW_SIZE: 3})
    stream, exchange = ask(engine, "POST", content=b"0123456789")
    engine.take_news()

    assert body_sent(engine) == (b"012", False)
    engine.receive_octets(window_update(1, 4))
    assert body_sent(engine) == (b"3456", False)
    assert engine.take_news() == []
    engine.receive_octets(window_update(1, 100))

    assert body_sent(engine) == (b"789", True)
    assert engine.take_news() == [exchange]
    assert engine.windows(stream)[0] == 97


def test_body_waits_for_the_window_of_the_connection():
    """RFC 9113, 6.9.1."""
    engine = opened({INITIAL_WINDOW_SIZE: 2**20})
    ask(engine, "POST", content=b"a" * 65000)
    ask(engine, "POST", content=b"b" * 65000)
    assert (len(body_sent(engine)[0]), engine.windows()[0]) == (65000, 0)

    engine.receive_octets(window_update(0, 65000))

    assert body_sent(engine, 3) == (b"b" * (65000 - 535), True)


def test_window_of_a_stream_shrinks_below_zero_and_comes_back():
    """RFC 9113, 6.9.2; H2-12."""
    engine = opened({INITIAL_WINDOW_SIZE: 10})
    stream, _ = ask(engine, "POST", content=b"x" * 25)
    assert body_sent(engine) == (b"x" * 10, False)

    engine.receive_octets(settings({INITIAL_WINDOW_SIZE: 4}))
    assert engine.windows(stream)[0] == -6
    engine.receive_octets(window_update(1, 6))
    assert body_sent(engine) == (b"", False)
    engine.receive_octets(window_update(1, 1))
    assert body_sent(engine) == (b"x", False)

    engine.receive_octets(settings({INITIAL_WINDOW_SIZE: 100}))
    assert body_sent(engine) == (b"x" * 14, True)


def test_piece_while_another_one_waits_is_refused():
    engine = opened({INITIAL_WINDOW_SIZE: 1})
    stream, _ = ask(engine, "POST", pieces=True)
    engine.write_body(stream, b"abc")
    assert stream.has_unsent

    with pytest.raises(LocalProtocolError, match="before the one ahead"):
        engine.write_body(stream, b"d")

    engine.finish_body(stream)
    engine.receive_octets(window_update(1, 2))
    assert body_sent(engine) == (b"abc", True)


def test_stream_given_up_while_its_body_waits_writes_no_more_of_it():
    engine = opened({INITIAL_WINDOW_SIZE: 1})
    stream, _ = ask(engine, "POST", content=b"abc")
    engine.give_up(stream)
    engine.take_output()

    engine.receive_octets(window_update(0, 100) + window_update(1, 100) + settings({INITIAL_WINDOW_SIZE: 50}))

    assert body_sent(engine) == (b"", False)
    assert not stream.has_unsent


# Windows of the body that comes


def flood(engine: H2Engine, stream: int, octets: int, padding: int | None = None) -> None:
    """So many octets of DATA, as the window counts them."""
    extra = 0 if padding is None else padding + 1
    while octets:
        size = min(octets, 16384)
        engine.receive_octets(data(stream, b"x" * (size - extra), padding=padding))
        octets -= size


def test_collected_body_is_granted_as_it_comes():
    engine = opened()
    stream, _ = ask(engine, collect=True)
    engine.receive_octets(headers(1))
    engine.take_output()

    flood(engine, 1, STREAM_WINDOW * 3)

    granted = sum(each.number for each in sent(engine) if (each.kind, each.stream) == (WINDOW_UPDATE, 1))
    assert granted + engine.windows(stream)[1] == STREAM_WINDOW * 3
    assert not engine.is_dead


def test_window_of_the_connection_is_granted_whoever_reads():
    """H2-13, H2-22: of streams that nobody reads, and of those that were given up."""
    engine = opened()
    rounds = CONNECTION_WINDOW // STREAM_WINDOW // 2 + 8
    granted = 0
    frames = data(1, b"x" * 16384) * (STREAM_WINDOW // 16384)
    stream, _ = ask(engine)
    engine.receive_octets(headers(1))
    engine.give_up(stream)
    for _ in range(rounds):
        engine.receive_octets(frames)
        granted += sum(each.number for each in sent(engine) if (each.kind, each.stream) == (WINDOW_UPDATE, 0))

    assert granted > 0
    assert granted + engine.windows()[1] == rounds * STREAM_WINDOW


def test_more_data_than_the_window_of_the_stream_ends_it():
    """RFC 9113, 6.9.1: nobody has read."""
    engine = opened()
    _, exchange = ask(engine)
    engine.receive_octets(headers(1))

    flood(engine, 1, STREAM_WINDOW)
    assert exchange.error is None
    engine.take_output()
    engine.receive_octets(data(1, b"x"))

    assert "window" in str(exchange.error)
    assert sent(engine) == [Frame(RST_STREAM, 0, 1, b"\0\0\0\3")]
