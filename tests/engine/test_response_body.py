"""H1Engine, bodies: how a response ends and whether the connection lives on (RFC 9112, 6.3 and 9.3)."""

from __future__ import annotations

import pytest

from httpfast import RemoteProtocolError
from httpfast._cext.h1 import H1Engine

from .reading import CHUNKED, answered, asked, assert_refused, bare_head, chunked, outcome_of, response

UPGRADE = ((b"Connection", b"upgrade"), (b"Upgrade", b"websocket"))
SWITCHING = response(b"Connection: upgrade", b"Upgrade: websocket", status=b"101 Switching Protocols")
NEXT = response(b"Content-Length: 4", status=b"201 Created", body=b"EVIL")


def test_body_of_content_length_ends_with_its_last_octet():
    engine, exchange = answered(response(b"Content-Length: 5", body=b"hell"))
    assert not exchange.is_complete

    engine.receive_data(b"o")

    assert exchange.is_complete
    assert exchange.take_body() == b"hello"
    assert engine.is_reusable


@pytest.mark.parametrize("collect", [False, True], ids=["stream", "collect"])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 100_000, 3_000_000])
def test_body_of_any_size_arrives_whole(size: int, collect: bool):
    engine, exchange = asked(collect=collect)
    body = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    stream = response(b"Content-Length: %d" % size, body=body)

    for start in range(0, len(stream), 65_537):
        engine.receive_data(stream[start : start + 65_537])

    assert exchange.unread_bytes == size
    assert exchange.take_body() == body
    assert exchange.is_complete
    assert engine.is_reusable


def test_body_taken_piece_by_piece_is_the_same_body():
    engine, exchange = answered(response(b"Content-Length: 6", body=b"ab"))

    first = exchange.take_body()
    nothing = exchange.take_body()
    engine.receive_data(b"cdef")

    assert (first, nothing, exchange.take_body(), exchange.take_body()) == (b"ab", b"", b"cdef", b"")


def test_body_taken_piece_by_piece_of_a_collecting_exchange_is_the_same_body():
    engine, exchange = asked(collect=True)
    engine.receive_data(response(b"Content-Length: 20000", body=b"a" * 1000))

    first = exchange.take_body()
    engine.receive_data(b"b" * 19_000)

    assert first + exchange.take_body() == b"a" * 1000 + b"b" * 19_000


def test_body_outlives_its_connection():
    engine, exchange = answered(response(b"Content-Length: 5", body=b"hello"))
    second, _ = engine.begin("GET", b"/", bare_head((b"Host", b"a")))

    with pytest.raises(RemoteProtocolError):
        engine.receive_data(b"nonsense")

    assert exchange.take_body() == b"hello"
    assert not second.is_complete


def test_body_without_framing_ends_with_the_connection():
    engine, exchange = answered(response(body=b"hel"))
    engine.receive_data(b"lo")
    assert not exchange.is_complete

    engine.receive_eof()

    assert exchange.is_complete
    assert exchange.take_body() == b"hello"
    assert not engine.is_reusable


def test_engine_after_the_peers_close_is_dead():
    engine, _ = answered(response(body=b"x"))

    engine.receive_eof()

    assert engine.is_dead


def test_body_without_framing_over_tls_without_close_notify_is_refused():
    """H1-21: anyone on the path could have cut it there (RFC 9112, 9.8)."""
    engine, exchange = answered(response(body=b"hello"))

    with pytest.raises(RemoteProtocolError, match=r"close_notify.*RFC 9112, 9\.8"):
        engine.receive_eof(is_truncation=True)

    assert not exchange.is_complete
    assert engine.is_dead


@pytest.mark.parametrize(
    "stream",
    [response(b"Content-Length: 5", body=b"hello"), chunked(b"5\r\nhello\r\n0\r\n\r\n")],
    ids=["sized", "chunked"],
)
def test_body_with_framing_needs_no_close_notify(stream: bytes):
    """H1-21: its own end has been seen."""
    engine, exchange = answered(stream)

    engine.receive_eof(is_truncation=True)

    assert exchange.is_complete
    assert exchange.take_body() == b"hello"
    assert not engine.is_reusable


# H1-01: two framings at once


@pytest.mark.parametrize("order", [1, -1], ids=["te-first", "cl-first"])
@pytest.mark.parametrize("length", [b"0", b"3", b"5", b"9999"])
def test_content_length_with_transfer_encoding_is_read_as_chunked_and_ends_the_connection(order: int, length: bytes):
    """H1-01: RFC 9112, 6.3, item 3."""
    fields = [b"Transfer-Encoding: chunked", b"Content-Length: " + length][::order]

    engine, exchange = answered(response(*fields, body=b"5\r\nhello\r\n0\r\n\r\n"))

    assert exchange.take_body() == b"hello"
    assert exchange.is_complete
    assert not engine.is_reusable


@pytest.mark.parametrize(
    ("stream", "is_persistent"),
    [
        (response(b"Content-Length: 0"), True),
        (chunked(b"0\r\n\r\n"), True),
        (response(b"Content-Length: 0", b"Connection: close"), False),
        (response(b"Content-Length: 0", version=b"HTTP/1.0"), False),
        (response(), False),
        (chunked(b"0\r\n\r\n", b"Content-Length: 0"), False),
    ],
    ids=["sized", "chunked", "close", "http-1.0", "until-close", "two-framings"],
)
def test_response_that_ends_the_connection_is_not_persistent(stream: bytes, is_persistent: bool):
    """H1-01, H1-16: a driver tells by it whether a 408 was sent to an idle connection (RFC 9112, 9.3)."""
    _, exchange = answered(stream)

    assert exchange.is_persistent is is_persistent


# H1-13: responses that have no body whatever their fields say


@pytest.mark.parametrize("framing", [b"Content-Length: 4", b"Transfer-Encoding: chunked", b"X: none"], ids=repr)
@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", b"204 No Content"), ("GET", b"304 Not Modified"), ("HEAD", b"200 OK"), ("HEAD", b"404 Not Found")],
)
def test_response_without_body_by_rule_ends_with_its_head(method: str, status: bytes, framing: bytes):
    """H1-13: RFC 9112, 6.3, item 1."""
    engine, exchange = answered(response(framing, status=status), method)

    assert exchange.is_complete
    assert exchange.take_body() == b""
    assert engine.is_reusable


@pytest.mark.parametrize("together", [True, False], ids=["same-read", "later-read"])
@pytest.mark.parametrize(("method", "status"), [("GET", b"204 X"), ("GET", b"304 X"), ("HEAD", b"200 OK")])
def test_response_without_body_by_rule_that_sends_one_ends_the_connection(method: str, status: bytes, together: bool):
    """H1-13: those octets must not become the head of the next answer."""
    engine, exchange = asked(method)
    head = response(b"Content-Length: 4", status=status)

    for read in [head + b"body"] if together else [head, b"body"]:
        engine.receive_data(read)

    assert exchange.is_complete
    assert exchange.take_body() == b""
    assert engine.has_surplus
    assert not engine.is_reusable


def test_informational_response_with_content_length_has_no_body():
    """H1-13: what follows is the next head."""
    early = response(b"Content-Length: 4", status=b"103 Early Hints")

    _, exchange = answered(early + response(b"Content-Length: 2", body=b"ok"))

    assert exchange.informational == [(103, [(b"Content-Length", b"4")])]
    assert exchange.take_body() == b"ok"


def test_informational_response_that_sends_a_body_is_refused():
    """H1-13."""
    early = response(b"Content-Length: 4", status=b"103 Early Hints")

    assert_refused(early + b"body" + response(b"Content-Length: 0"), "illegal status line")


def test_205_is_framed_like_any_other():
    _, exchange = answered(response(b"Content-Length: 2", status=b"205 Reset Content", body=b"ok"))

    assert exchange.take_body() == b"ok"


# H1-14, H1-15: octets nobody asked for

COMPLETE = {
    "sized": response(b"Content-Length: 5", body=b"hello"),
    "empty": response(b"Content-Length: 0"),
    "chunked": chunked(b"5\r\nhello\r\n0\r\n\r\n"),
    "trailers": chunked(b"0\r\nA: b\r\n\r\n"),
    "204": response(status=b"204 No Content"),
    "close": response(b"Content-Length: 0", b"Connection: close"),
}


@pytest.mark.parametrize("surplus", [b"\r\n", b"\0", b"H", NEXT], ids=["crlf", "nul", "octet", "response"])
@pytest.mark.parametrize("together", [True, False], ids=["same-read", "while-idle"])
@pytest.mark.parametrize("name", COMPLETE)
def test_octets_after_a_complete_response_end_the_connection(name: str, together: bool, surplus: bytes):
    """H1-14 (same segment), H1-15 (while idle): never part of this response, never of the next."""
    engine, exchange = asked()
    body = outcome_of([COMPLETE[name]]).body

    for read in [COMPLETE[name] + surplus] if together else [COMPLETE[name], surplus]:
        engine.receive_data(read)

    assert exchange.is_complete
    assert exchange.status_code != 201
    assert exchange.take_body() == body
    assert engine.has_surplus
    assert not engine.is_reusable


def test_octets_before_the_first_request_end_the_connection():
    """H1-15."""
    engine = H1Engine()

    engine.receive_data(NEXT)

    assert engine.has_surplus
    assert not engine.is_reusable


def test_idle_connection_closed_with_408_is_neither_answer_nor_usable():
    """H1-16: the driver retries on another connection; the octets are nobody's answer."""
    engine, exchange = answered(COMPLETE["sized"])

    engine.receive_data(response(b"Connection: close", status=b"408 Request Timeout"))
    engine.receive_eof()

    assert exchange.status_code == 200
    assert engine.has_surplus
    assert engine.is_dead


def test_idle_connection_closed_without_octets_is_dead_and_no_error():
    """H1-16."""
    engine, _ = answered(COMPLETE["sized"])

    engine.receive_eof()

    assert engine.is_dead
    assert not engine.is_reusable


def test_connection_closed_before_any_octet_of_the_answer_says_so():
    """H1-16: `was_answered` is what allows the retry."""
    engine, exchange = asked()

    with pytest.raises(RemoteProtocolError, match="without sending a response"):
        engine.receive_eof()

    assert not exchange.was_answered
    assert engine.is_dead


# H1-20: the end of the stream at every octet

ENDINGS = {
    "sized": response(b"Content-Length: 11", b"A: b", body=b"hello world"),
    "chunked": chunked(b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    "trailers": chunked(b"b\r\nhello world\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
    "early": response(b"A: b", status=b"103 Early Hints") + response(b"Content-Length: 11", body=b"hello world"),
    "head": response(b"Content-Length: 0", b"A: b"),
    "lf": response(b"Content-Length: 2", body=b"ok").replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in ENDINGS for size in range(len(ENDINGS[name]))])
def test_stream_that_ends_early_is_an_error_at_every_octet(name: str, size: int):
    """H1-20: never a silent truncation."""
    engine, exchange = asked()
    engine.receive_data(ENDINGS[name][:size])

    with pytest.raises(RemoteProtocolError, match=r"[Dd]isconnected|peer closed connection"):
        engine.receive_eof()

    assert not exchange.is_complete
    assert engine.is_dead


@pytest.mark.parametrize("name", ENDINGS)
def test_stream_that_ends_after_the_last_octet_is_complete(name: str):
    """H1-20."""
    outcome = outcome_of([ENDINGS[name]], eof=True)

    assert not outcome.failed
    assert outcome.is_complete


def test_message_about_a_short_body_has_both_numbers():
    engine, _ = answered(response(b"Content-Length: 10", body=b"1234"))

    with pytest.raises(RemoteProtocolError, match=r"received 4 bytes, expected 10"):
        engine.receive_eof()


# Persistence (RFC 9112, 9.3)


@pytest.mark.parametrize(
    ("version", "connection", "asked_close", "is_reusable"),
    [
        (b"HTTP/1.1", None, False, True),
        (b"HTTP/1.1", b"keep-alive", False, True),
        (b"HTTP/1.1", b"close", False, False),
        (b"HTTP/1.1", b"CLOSE", False, False),
        (b"HTTP/1.1", b"keep-alive, \tclose", False, False),
        (b"HTTP/1.1", b",,close,,", False, False),
        (b"HTTP/1.1", b"closed, xclose", False, True),
        (b"HTTP/1.1", None, True, False),
        (b"HTTP/1.1", b"keep-alive", True, False),
        (b"HTTP/1.0", None, False, False),
        (b"HTTP/1.0", b"Keep-Alive", False, True),
        (b"HTTP/1.0", b"keep-alive, close", False, False),
    ],
)
def test_connection_persists_as_version_and_options_say(
    version: bytes, connection: bytes | None, asked_close: bool, is_reusable: bool
):
    fields = [b"Content-Length: 0"] + ([b"Connection: " + connection] if connection is not None else [])
    request = ((b"Connection", b"close"),) if asked_close else ()

    engine, exchange = answered(response(*fields, version=version), "GET", *request)

    assert exchange.is_complete
    assert engine.is_reusable is is_reusable


def test_connection_options_in_two_fields_are_one_list():
    engine, _ = answered(response(b"Connection: keep-alive", b"Connection: close", b"Content-Length: 0"))

    assert not engine.is_reusable


@pytest.mark.parametrize("name", [b"Proxy-Connection", b"Keep-Alive", b"X-Connection"])
def test_other_fields_do_not_end_the_connection(name: bytes):
    engine, _ = answered(response(name + b": close", b"Content-Length: 0"))

    assert engine.is_reusable


# H1-18 and CONNECT: tunnels


def test_101_that_was_asked_for_opens_a_tunnel():
    engine, exchange = answered(SWITCHING + b"\x81\x05hello", "GET", *UPGRADE)

    assert exchange.status_code == 101
    assert exchange.is_tunnel
    assert exchange.take_body() == b"\x81\x05hello"
    assert not exchange.is_complete
    assert not engine.is_reusable


def test_tunnel_ends_with_the_connection():
    engine, exchange = answered(SWITCHING + b"abc", "GET", *UPGRADE)
    engine.receive_data(b"HTTP/1.1 200 OK\r\n\r\n")

    engine.receive_eof()

    assert exchange.is_complete
    assert exchange.take_body() == b"abcHTTP/1.1 200 OK\r\n\r\n"
    assert engine.is_dead


@pytest.mark.parametrize(
    ("stream", "asked_upgrade"),
    [
        (SWITCHING, False),
        (response(b"Upgrade: websocket", status=b"101 Switching Protocols"), True),
        (response(b"Connection: upgrade", status=b"101 X", version=b"HTTP/1.0"), True),
        (response(b"Connection: upgrade", b"Upgrade: h2c", status=b"101", version=b"HTTP/2"), True),
    ],
    ids=["not-asked", "no-option", "http-1.0", "http-2"],
)
def test_101_that_is_no_upgrade_is_refused(stream: bytes, asked_upgrade: bool):
    """H1-18."""
    assert_refused(stream, "101 Switching|illegal status line", "GET", UPGRADE if asked_upgrade else ())


@pytest.mark.parametrize("fields", [(), (b"Content-Length: 4",), (b"Transfer-Encoding: chunked",)])
@pytest.mark.parametrize("status", [b"200 Connection established", b"299 X"])
def test_connect_met_by_2xx_is_a_tunnel_whatever_its_framing(fields: tuple[bytes, ...], status: bytes):
    """RFC 9110, 9.3.6: Content-Length and Transfer-Encoding there mean nothing."""
    engine, exchange = answered(response(*fields, status=status, body=b"\x16\x03"), "CONNECT")

    assert exchange.is_tunnel
    assert exchange.take_body() == b"\x16\x03"
    assert not engine.is_reusable


def test_connect_met_by_an_error_is_an_ordinary_response():
    engine, exchange = answered(response(b"Content-Length: 2", status=b"407 X", body=b"no"), "CONNECT")

    assert not exchange.is_tunnel
    assert exchange.is_complete
    assert exchange.take_body() == b"no"
    assert engine.is_reusable


def test_response_without_body_keeps_a_head_with_both_framings_usable():
    """H1-01, H1-13: HEAD has no body by rule; its two framings describe a response that is not here."""
    fields = (b"Content-Length: 3", b"Transfer-Encoding: chunked")

    engine, exchange = answered(response(*fields), "HEAD")

    assert exchange.is_complete
    assert engine.is_reusable


def test_chunked_upload_may_be_answered_by_a_chunked_response():
    engine, exchange = asked("POST", CHUNKED)

    engine.receive_data(chunked(b"1\r\na\r\n0\r\n\r\n"))

    assert exchange.take_body() == b"a"
    assert engine.is_reusable
