"""H2Engine: one exchange and the frames that it is made of (RFC 9113, 5, 6 and 8)."""

from __future__ import annotations

import pytest

from httpfast import LocalProtocolError
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.h2_sender import error_name

from .h2_octets import (
    ACK,
    CANCEL,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PING,
    PREFACE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    ask,
    begun,
    data,
    exchange_for,
    frame,
    frames_of,
    goaway,
    headers,
    opened,
    outcome_of,
    reset,
    settings,
    window_update,
)

STREAM_WINDOW = 4 * 1024 * 1024
CONNECTION_WINDOW = 2**30


def sent(engine: H2Engine) -> list[Frame]:
    return frames_of(engine.take_output())


# The beginning


def test_start_is_preface_and_settings():
    """RFC 9113, 3.4."""
    engine = H2Engine()

    engine.open()

    octets = engine.take_output()
    assert octets.startswith(PREFACE)
    first, second = frames_of(octets)
    assert (first.kind, first.flags, first.stream) == (SETTINGS, 0, 0)
    assert b"\0\2\0\0\0\0" in first.payload  # ENABLE_PUSH is 0
    assert (second.kind, second.stream) == (WINDOW_UPDATE, 0)
    assert second.number == CONNECTION_WINDOW - DEFAULT_WINDOW


def test_request_before_the_settings_of_the_server_goes_out():
    """RFC 9113, 3.4: a client need not wait."""
    engine = H2Engine()
    engine.open()
    engine.take_output()

    _, exchange = ask(engine)

    assert [each.kind for each in sent(engine)] == [HEADERS]
    engine.receive_octets(settings() + headers(1, end=True))
    assert exchange.is_complete


def test_settings_are_acknowledged():
    """RFC 9113, 6.5.3."""
    engine = H2Engine()
    engine.open()
    engine.take_output()

    engine.receive_octets(settings({INITIAL_WINDOW_SIZE: 10}) + settings(ack=True) + settings())

    assert sent(engine) == [Frame(SETTINGS, 1, 0, b"")] * 2


def test_ping_is_answered_with_its_octets():
    """RFC 9113, 6.7."""
    engine = opened()

    engine.receive_octets(frame(6, b"12345678"))

    assert sent(engine) == [Frame(6, 1, 0, b"12345678")]


def test_unknown_frames_settings_and_priorities_mean_nothing():
    """RFC 9113, 5.5, 6.3 and 6.5.2."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(
        frame(0xFA, b"anything", 1) + frame(0x10, b"", 0) + frame(2, bytes(5), 1) + frame(2, bytes(5), 99)
    )
    engine.receive_octets(settings({0xFFFF: 1}) + headers(1, end=True))

    assert exchange.is_complete


# Requests


def test_request_without_a_body_is_one_frame():
    engine = opened()

    ask(engine)

    (only,) = sent(engine)
    assert (only.kind, only.flags, only.stream) == (HEADERS, END_STREAM | END_HEADERS, 1)


def test_streams_are_numbered_in_odd_numbers():
    """RFC 9113, 5.1.1."""
    engine = opened()

    assert [ask(engine)[0].id for _ in range(3)] == [1, 3, 5]


def test_request_with_a_body_ends_with_its_last_data():
    engine = opened()

    stream, _ = ask(engine, "POST", content=b"hello")

    head, body = sent(engine)
    assert (head.kind, head.flags) == (HEADERS, END_HEADERS)
    assert body == Frame(DATA, END_STREAM, 1, b"hello")
    assert stream.is_sent


def test_request_body_in_pieces_ends_with_an_empty_frame():
    engine = opened()
    stream, _ = ask(engine, "POST", pieces=True)

    engine.write_body(stream, b"one")
    engine.write_body(stream, b"")
    engine.write_body(stream, b"two")
    engine.finish_body(stream)

    assert [(each.payload, each.flags) for each in sent(engine)[1:]] == [(b"one", 0), (b"two", 0), (b"", END_STREAM)]
    assert stream.is_sent


def test_frames_of_a_body_keep_to_the_frame_size_of_the_server():
    """RFC 9113, 4.2."""
    engine = opened({MAX_FRAME_SIZE: 20000})

    ask(engine, "POST", content=b"x" * 50000)

    assert [len(each.payload) for each in sent(engine)[1:]] == [20000, 20000, 10000]


def test_large_head_goes_on_in_continuation_frames():
    """RFC 9113, 6.10."""
    engine = opened()

    ask(engine, fields=[(b"X-Large", b"\xff" * 40000)], content=b"x")

    head, *rest, body = sent(engine)
    assert (head.kind, head.flags, len(head.payload)) == (HEADERS, 0, 16384)
    assert [each.kind for each in rest] == [9] * len(rest)
    assert [each.flags for each in rest] == [0] * (len(rest) - 1) + [END_HEADERS]
    assert body.payload == b"x"


def test_more_body_than_content_length_is_refused():
    """RFC 9113, 8.1.1."""
    engine = opened()
    stream, _ = ask(engine, "POST", fields=[(b"Content-Length", b"3")], pieces=True)
    engine.take_output()

    with pytest.raises(LocalProtocolError, match="Too much data"):
        engine.write_body(stream, b"four")

    assert engine.take_output() == b""


def test_less_body_than_content_length_is_refused():
    """RFC 9113, 8.1.1."""
    engine = opened()
    stream, _ = ask(engine, "POST", fields=[(b"Content-Length", b"3")], pieces=True)
    engine.write_body(stream, b"ab")

    with pytest.raises(LocalProtocolError, match="1 octets short"):
        engine.finish_body(stream)

    assert not stream.is_sent


def test_whole_body_of_another_length_is_refused_before_anything_is_written():
    engine = opened()
    exchange = exchange_for("POST", fields=[(b"Content-Length", b"3")], content=b"four")

    with pytest.raises(LocalProtocolError, match="Content-Length promises 3"):
        begun(engine, exchange)

    assert engine.take_output() == b""
    assert ask(engine)[0].id == 1


def test_request_without_host_is_refused():
    """RFC 9113, 8.3.1."""
    with pytest.raises(LocalProtocolError, match="Host"):
        RequestFields(((b"Accept", b"accept", b"*/*"),))


@pytest.mark.parametrize("name", [b":path", b":status", b"a b", b"", b"a:b"])
def test_field_that_is_none_is_refused(name: bytes):
    """INJ-12."""
    with pytest.raises(LocalProtocolError):
        RequestFields(((b"Host", b"host", b"a"), (name, name, b"b")))


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\rb", b"a\0b"])
def test_value_with_a_control_character_is_refused(value: bytes):
    """INJ-12."""
    with pytest.raises(LocalProtocolError):
        RequestFields(((b"Host", b"host", b"a"), (b"B", b"b", value)))


# Responses


def test_response_is_head_body_and_trailers():
    """RFC 9113, 8.1."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(
        headers(1, (b"a", b"b"), (b"a", b"c"))
        + data(1, b"he")
        + data(1, b"")
        + data(1, b"llo", padding=7)
        + headers(1, (b"t", b"u"), status=None, end=True)
    )

    outcome = outcome_of(exchange)
    assert outcome.status == 200
    assert outcome.fields == ((b"a", b"b"), (b"a", b"c"))
    assert outcome.body == b"hello"
    assert outcome.trailers == ((b"t", b"u"),)
    assert outcome.is_complete
    assert exchange.http_version == b"HTTP/2"
    assert exchange.stream_id == 1


def test_responses_interleave():
    engine = opened()
    first, second = ask(engine)[1], ask(engine)[1]

    engine.receive_octets(headers(3, status=b"404") + headers(1) + data(3, b"b") + data(1, b"a"))
    engine.receive_octets(data(1, b"A", end=True) + data(3, b"B", end=True))

    assert (first.status_code, first.take_body(), first.is_complete) == (200, b"aA", True)
    assert (second.status_code, second.take_body(), second.is_complete) == (404, b"bB", True)


def test_informational_responses_come_before_the_final_one():
    """RFC 9110, 15.2."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(headers(1, (b"link", b"a"), status=b"103") + headers(1, status=b"100"))

    assert (exchange.status_code, exchange.continued) == (0, True)
    assert exchange.informational == [(103, [(b"link", b"a")])]
    engine.receive_octets(headers(1, end=True))
    assert exchange.status_code == 200


@pytest.mark.parametrize("status", [b"204", b"304", b"200"])
def test_response_without_content_may_state_a_length(status: bytes):
    """RFC 9110, 8.6: of HEAD and 304, the length is that of another response."""
    engine = opened()
    _, exchange = ask(engine, "HEAD" if status == b"200" else "GET")

    engine.receive_octets(headers(1, (b"content-length", b"10"), status=status) + data(1, b"", end=True))

    assert exchange.is_complete
    assert exchange.take_body() == b""


def test_collected_response_is_news_once():
    engine = opened()
    _, exchange = ask(engine, collect=True)
    engine.take_news()

    engine.receive_octets(headers(1) + data(1, b"a"))
    assert engine.take_news() == []
    engine.receive_octets(data(1, b"b", end=True))

    assert engine.take_news() == [exchange]
    assert engine.take_news() == []


def test_streamed_response_is_news_with_each_read():
    engine = opened()
    _, exchange = ask(engine)
    engine.take_news()

    for octets in (headers(1), data(1, b"a"), data(1, b"b")):
        engine.receive_octets(octets)
        assert engine.take_news() == [exchange]


def test_complete_response_to_a_request_that_is_not_all_sent_ends_it():
    """RFC 9113, 8.1: the rest is not wanted."""
    engine = opened()
    _, exchange = ask(engine, "POST", pieces=True)
    engine.take_output()

    engine.receive_octets(headers(1, status=b"413", end=True))

    assert exchange.is_complete
    assert sent(engine) == [Frame(RST_STREAM, 0, 1, bytes(4))]
    engine.receive_octets(reset(1, NO_ERROR) + window_update(1, 5))
    assert exchange.error is None


def test_body_of_a_closed_stream_is_not_written():
    """RFC 9113, 5.1: a frame on a closed stream could cost the whole connection."""
    engine = opened()
    stream, _ = ask(engine, "POST", pieces=True)
    engine.receive_octets(reset(1))
    engine.take_output()

    engine.write_body(stream, b"more")
    engine.write_body(stream, b"more")
    engine.finish_body(stream)

    assert engine.take_output() == b""


# Streams that end in other ways


@pytest.mark.parametrize("code", [0, 1, 2, 7, 8, 11, 13, 99])
def test_reset_by_the_server_is_an_error_with_its_name(code: int):
    """RFC 9113, 6.4."""
    engine = opened()
    _, exchange = ask(engine)
    _, other = ask(engine)

    engine.receive_octets(headers(1) + data(1, b"a") + reset(1, code))

    assert error_name(code) in str(exchange.error)
    assert not exchange.is_complete
    assert exchange in engine.take_news()
    engine.receive_octets(headers(3, end=True))
    assert other.is_complete


@pytest.mark.parametrize(("code", "refused"), [(REFUSED_STREAM, True), (CANCEL, False)])
def test_refused_stream_can_be_sent_again(code: int, refused: bool):
    """RFC 9113, 8.7."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(reset(1, code))

    assert exchange.was_refused is refused


def test_reset_after_a_complete_response_changes_nothing():
    """H2-11."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(headers(1, end=True) + reset(1, NO_ERROR))

    assert exchange.is_complete
    assert exchange.error is None


def test_stream_given_up_is_reset_once_and_what_is_on_its_way_is_ignored():
    """RFC 9113, 5.1."""
    engine = opened()
    stream, exchange = ask(engine)
    engine.take_output()

    engine.give_up(stream)
    engine.give_up(stream)

    assert sent(engine) == [Frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))]
    engine.receive_octets(headers(1) + data(1, b"late") + window_update(1, 1) + headers(1, status=None, end=True))
    assert exchange.status_code == 0
    assert not engine.is_dead


def test_timeout_in_silence_asks_for_a_sign_of_life_and_holds_streams_back_until_it_comes():
    """RFC 9113, 6.7."""
    engine = opened()
    stream, _ = ask(engine)
    other, _ = ask(engine)
    engine.take_output()

    engine.cancel(stream, 10.0, 5.0)
    engine.cancel(other, 10.0, 5.0)

    first, asked, second = sent(engine)
    assert (first.kind, asked.kind, second.kind) == (RST_STREAM, PING, RST_STREAM)
    assert engine.is_doubted
    assert engine.streams_left() == 0
    engine.receive_octets(frame(PING, asked.payload, flags=ACK))
    assert not engine.is_doubted
    assert engine.streams_left() > 0


def test_cancellations_and_short_limits_hold_streams_back_only_when_they_come_to_nothing_for_a_while():
    engine = opened()
    streams = [ask(engine)[0] for _ in range(4)]
    engine.take_output()

    engine.cancel(streams[0], 10.0, 0.0)
    engine.cancel(streams[1], 10.9, 0.5)
    assert not engine.is_doubted
    assert [each.kind for each in sent(engine)] == [RST_STREAM, PING, RST_STREAM]
    engine.cancel(streams[2], 11.1, 0.0)
    assert engine.is_doubted
    engine.receive_octets(headers(7, end=True))
    ask(engine)
    engine.take_output()
    engine.cancel(ask(engine)[0], 20.0, 0.0)
    assert not engine.is_doubted
    assert [each.kind for each in sent(engine)] == [HEADERS, RST_STREAM, PING]


def test_caller_that_has_enough_of_a_body_asks_nobody():
    engine = opened()
    stream, _ = ask(engine)
    engine.receive_octets(headers(1) + data(1, b"enough"))
    engine.take_output()

    engine.cancel(stream, 10.0, 0.0)

    assert [each.kind for each in sent(engine)] == [RST_STREAM]
    assert not engine.is_doubted


def test_cancel_of_a_closed_stream_does_nothing():
    engine = opened()
    stream, _ = ask(engine)
    engine.receive_octets(headers(1, end=True))
    engine.take_output()

    engine.cancel(stream, 10.0, 5.0)

    assert sent(engine) == []
    assert not engine.is_doubted


def test_stream_given_up_in_the_middle_of_a_frame_ignores_the_rest():
    engine = opened()
    stream, _ = ask(engine)
    _, other = ask(engine)
    late = data(1, b"0123456789", padding=4)
    engine.receive_octets(headers(1) + late[:14])

    engine.give_up(stream)
    engine.receive_octets(late[14:] + headers(3) + data(3, b"ok", end=True))

    assert other.take_body() == b"ok"


def test_end_of_input_fails_what_is_not_complete():
    engine = opened()
    done, cut, waiting = (ask(engine)[1] for _ in range(3))
    engine.receive_octets(headers(1, end=True) + headers(3) + data(3, b"a"))

    engine.receive_octets(b"")

    assert done.error is None
    assert "without sending a complete response" in str(cut.error)
    assert "without sending a complete response" in str(waiting.error)
    assert engine.is_dead
    assert engine.streams_left() == 0


# GOAWAY


def test_goaway_fails_what_is_above_its_last_stream_and_lets_the_rest_finish():
    """RFC 9113, 6.8; H2-10."""
    engine = opened()
    first, second, third = (ask(engine)[1] for _ in range(3))

    engine.receive_octets(goaway(3, 0))

    assert (first.error, second.error) == (None, None)
    assert third.was_refused
    assert "has not looked at the request" in str(third.error)
    assert engine.take_news() == [third]
    engine.receive_octets(headers(1, end=True) + headers(3) + data(3, b"a", end=True))
    assert first.is_complete
    assert second.is_complete


def test_goaway_ends_new_requests():
    engine = opened()

    engine.receive_octets(goaway(2**31 - 1))

    assert engine.is_draining
    assert engine.streams_left() == 0
    with pytest.raises(LocalProtocolError, match="no room"):
        ask(engine)


def test_goaway_in_two_steps():
    """RFC 9113, 6.8: first 2^31-1, then the last one."""
    engine = opened()
    first, second = ask(engine)[1], ask(engine)[1]

    engine.receive_octets(goaway(2**31 - 1))
    assert (first.error, second.error) == (None, None)
    engine.receive_octets(goaway(1) + headers(1, end=True))

    assert first.is_complete
    assert second.was_refused


def test_frames_for_a_stream_that_goaway_ended_are_ignored():
    """RFC 9113, 6.8: the server may have begun to answer; nothing of that is an error."""
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(goaway(0) + headers(1) + data(1, b"a") + reset(1))

    assert exchange.was_refused
    assert not engine.is_dead


def test_end_of_input_after_goaway_with_an_error_names_it():
    engine = opened()
    _, exchange = ask(engine)

    engine.receive_octets(goaway(1, 11) + b"")
    engine.receive_octets(b"")

    assert "ENHANCE_YOUR_CALM" in str(exchange.error)
    assert engine.goaway_code == 11


# Numbers and places


def test_stream_numbers_run_out():
    """RFC 9113, 5.1.1; H2-16."""
    engine = opened()
    engine.number_from(2**31 - 3)

    last_but_one, last = ask(engine), ask(engine)

    assert (last_but_one[0].id, last[0].id) == (2**31 - 3, 2**31 - 1)
    assert engine.streams_left() == 0
    with pytest.raises(LocalProtocolError, match="no room"):
        ask(engine)
    engine.receive_octets(headers(2**31 - 3, end=True) + headers(2**31 - 1) + data(2**31 - 1, b"a", end=True))
    assert last[1].take_body() == b"a"
    assert engine.streams_left() == 0


def test_places_are_what_the_server_says():
    """H2-19."""
    engine = opened({3: 2})
    assert engine.streams_left() == 2
    ask(engine)
    ask(engine)

    with pytest.raises(LocalProtocolError, match="no room"):
        ask(engine)

    engine.receive_octets(headers(1, end=True))
    assert engine.streams_left() == 1


@pytest.mark.parametrize(("limit", "left"), [(0, 0), (1, 0), (3, 1), (2**32 - 1, 2**32 - 3)])
def test_places_change_while_streams_are_open(limit: int, left: int):
    """H2-19: a limit below what is open ends nothing."""
    engine = opened({3: 2})
    first, second = ask(engine)[1], ask(engine)[1]

    engine.receive_octets(settings({3: limit}))

    assert engine.streams_left() == left
    engine.receive_octets(headers(1, end=True) + headers(3, end=True))
    assert first.is_complete
    assert second.is_complete
    assert engine.streams_left() == limit


def test_reset_streams_give_their_places_back():
    engine = opened({3: 1})

    for number in range(1, 41, 2):
        stream, _ = ask(engine)
        if number % 4 == 1:
            engine.give_up(stream)
        else:
            engine.receive_octets(reset(number))
        assert engine.streams_left() == 1
