"""H1Engine, sending: the exact octets of requests, and what is refused before the first of them (RFC 9112, 3 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from httpfast import LocalProtocolError, RemoteProtocolError
from httpfast._cext.exchange import Exchange
from httpfast._cext.h1 import H1Engine
from httpfast._cext.headers import RequestHead

from .reading import CHUNKED, HOST, asked, bare_head, request_head, response

JOIN_LIMIT = 64 * 1024
COMPLETE = response(b"Content-Length: 0")


def sized(length: int) -> RequestHead:
    return bare_head(HOST, (b"Content-Length", b"%d" % length))


def uploading(head: RequestHead) -> tuple[H1Engine, Exchange, bytes]:
    """An engine whose head is out and whose body follows."""
    engine = H1Engine()
    exchange, octets = engine.begin("POST", b"/", head, None)
    return engine, exchange, octets


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "DELETE", "OPTIONS", "QUERY", "PURGE", "m-search", "!#$%&'*+-.^_`|~0"]
)
def test_request_without_body_is_line_fields_and_empty_line(method: str):
    _, octets = H1Engine().begin(method, b"/a?b=c", bare_head(HOST, (b"Accept", b"*/*")))

    assert octets == method.encode() + b" /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize(
    "target", [b"*", b"example.org:443", b"http://example.org/?q", b"/%0D%0A", b'/"<>\\^`{|}', b"/" + b"x" * 100_000]
)
def test_target_of_visible_octets_goes_out_as_it_is(target: bytes):
    _, octets = H1Engine().begin("GET", target, request_head())

    assert octets == b"GET " + target + b" HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.mark.parametrize("octet", [*range(33), *range(127, 256)], ids=lambda octet: f"0x{octet:02x}")
def test_target_with_an_octet_that_is_not_visible_ascii_is_refused(octet: int):
    for target in (b"%b/", b"/a%bb", b"/a%b"):
        with pytest.raises(LocalProtocolError, match=r"RFC 9112, 3\.2"):
            H1Engine().begin("GET", target % bytes([octet]), request_head())


def test_target_that_is_empty_is_refused():
    with pytest.raises(LocalProtocolError, match="empty"):
        H1Engine().begin("GET", b"", request_head())


@pytest.mark.parametrize(
    "method",
    ["", " ", "GET ", " GET", "GE T", "GET\r", "GET\n", "G\r\nX: y", "GET\0", "G\tT", "G:T", "G(T", "GÉT", "G\udc80T"],
    ids=repr,
)
def test_method_that_is_no_token_is_refused(method: str):
    """INJ-01."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9110, 9\.1"):
        H1Engine().begin(method, b"/", request_head())


def test_method_with_a_lone_surrogate_is_refused():
    """INJ-01: no encoding of it exists, which is no reason for another exception."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9110, 9\.1"):
        H1Engine().begin("GE\ud800T", b"/", request_head())


def test_request_without_host_is_refused():
    """INJ-05."""
    with pytest.raises(LocalProtocolError, match=r"Host.*RFC 9112, 3\.2"):
        H1Engine().begin("GET", b"/", bare_head((b"Accept", b"*/*")))


@pytest.mark.parametrize("size", [1, 5, JOIN_LIMIT, JOIN_LIMIT + 1, 1_000_000])
def test_body_of_bytes_follows_the_head(size: int):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    _, octets = H1Engine().begin("POST", b"/", sized(size), body)

    assert octets == b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: %d\r\n\r\n" % size + body


@pytest.mark.parametrize("size", [1, 10, 255, JOIN_LIMIT, 1_000_000])
def test_body_of_bytes_under_a_chunked_head_is_one_chunk_and_the_last(size: int):
    _, octets = H1Engine().begin("POST", b"/", request_head(CHUNKED), b"x" * size)

    assert octets.endswith(b"\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")
    assert octets.count(b"\r\n\r\n") == 2


def test_body_that_is_empty_under_a_chunked_head_is_the_last_chunk():
    _, octets = H1Engine().begin("POST", b"/", request_head(CHUNKED), b"")

    assert octets == b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(("promised", "body"), [(0, b"x"), (4, b"12345"), (6, b"12345"), (5, b""), (2**63 - 1, b"x")])
def test_body_that_differs_from_content_length_is_refused(promised: int, body: bytes):
    """INJ-10."""
    with pytest.raises(LocalProtocolError, match=f"{len(body)} octets.*{promised}"):
        H1Engine().begin("POST", b"/", sized(promised), body)


def test_body_without_any_framing_field_is_refused():
    """INJ-10: a server would take these octets for the next request."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9112, 6\.2"):
        H1Engine().begin("POST", b"/", request_head(), b"GET /evil HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "begin",
    [
        lambda engine: engine.begin("G T", b"/", request_head()),
        lambda engine: engine.begin("GET", b"/ /", request_head()),
        lambda engine: engine.begin("GET", b"/", bare_head()),
        lambda engine: engine.begin("GET", b"/", sized(1), b""),
    ],
    ids=["method", "target", "host", "length"],
)
def test_request_that_is_refused_leaves_the_connection_as_it_was(begin: Callable[[H1Engine], Any]):
    engine = H1Engine()

    with pytest.raises(LocalProtocolError):
        begin(engine)

    assert engine.is_reusable
    exchange, _ = engine.begin("GET", b"/", request_head())
    engine.receive_data(COMPLETE)
    assert exchange.is_complete
    assert engine.is_reusable


def test_upload_with_content_length_goes_out_unframed():
    engine, _, octets = uploading(sized(6))

    pieces = [engine.send_body(b"abc"), engine.send_body(b""), engine.send_body(b"def"), engine.send_end()]

    assert octets == b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 6\r\n\r\n"
    assert pieces == [b"abc", b"", b"def", b""]


def test_upload_that_is_chunked_frames_each_piece_and_ends_with_the_last_chunk():
    engine, _, octets = uploading(request_head(CHUNKED))

    pieces = [engine.send_body(b"abc"), engine.send_body(b"x" * 300), engine.send_end()]

    assert octets == b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert pieces == [b"3\r\nabc\r\n", b"12c\r\n" + b"x" * 300 + b"\r\n", b"0\r\n\r\n"]


def test_upload_of_an_empty_piece_does_not_end_a_chunked_body():
    engine, _, _ = uploading(request_head(CHUNKED))

    assert engine.send_body(b"") == b""
    assert engine.send_body(b"a") == b"1\r\na\r\n"


@pytest.mark.parametrize(
    "data", [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"a.b.c.d")[::2]], ids=["bytearray", "view", "strided"]
)
def test_upload_takes_any_buffer(data: Any):
    engine, _, _ = uploading(sized(4))

    assert engine.send_body(data) == b"abcd"
    assert engine.send_end() == b""


@pytest.mark.parametrize("data", ["abc", None, 3, 1.5], ids=repr)
def test_upload_of_what_is_no_buffer_is_a_type_error(data: Any):
    """`bytes(3)` would be three NUL octets that nobody wrote."""
    engine, _, _ = uploading(request_head(CHUNKED))

    with pytest.raises(TypeError):
        engine.send_body(data)


def test_upload_past_content_length_is_refused_and_kills_the_connection():
    """INJ-10."""
    engine, _, _ = uploading(sized(5))
    engine.send_body(b"1234")

    with pytest.raises(LocalProtocolError, match="Too much data for declared Content-Length"):
        engine.send_body(b"56")

    assert engine.is_dead


def test_upload_short_of_content_length_is_refused_and_kills_the_connection():
    """INJ-10."""
    engine, _, _ = uploading(sized(5))
    engine.send_body(b"123")

    with pytest.raises(LocalProtocolError, match="Too little data for declared Content-Length: 2 octets short"):
        engine.send_end()

    assert engine.is_dead


def test_upload_without_framing_takes_no_octets():
    engine, _, _ = uploading(request_head())

    with pytest.raises(LocalProtocolError, match="Too much data"):
        engine.send_body(b"x")


def test_upload_without_framing_may_end_at_once():
    engine, exchange, octets = uploading(request_head())

    assert octets == b"POST / HTTP/1.1\r\nHost: example.org\r\n\r\n"
    assert engine.send_end() == b""
    engine.receive_data(COMPLETE)
    assert exchange.is_complete
    assert engine.is_reusable


@pytest.mark.parametrize("head", [request_head(), sized(0)])
def test_answer_to_an_upload_of_nothing_is_never_an_early_one(head: RequestHead):
    engine, exchange, _ = uploading(head)

    engine.receive_data(COMPLETE)

    assert exchange.is_complete
    assert engine.is_reusable


def test_upload_after_its_end_takes_no_octets():
    engine, _, _ = uploading(request_head(CHUNKED))
    engine.send_end()

    with pytest.raises(LocalProtocolError):
        engine.send_body(b"x")


def test_begin_while_a_response_is_due_is_refused_and_harms_nothing():
    engine, exchange = asked()

    with pytest.raises(LocalProtocolError, match=r"not idle.*RFC 9112, 9\.3"):
        engine.begin("GET", b"/", request_head())

    engine.receive_data(COMPLETE)
    assert exchange.is_complete
    assert engine.is_reusable


def test_begin_while_the_body_of_an_answered_request_is_due_is_refused():
    engine, exchange, _ = uploading(sized(5))
    engine.receive_data(COMPLETE)

    with pytest.raises(LocalProtocolError, match="not idle"):
        engine.begin("GET", b"/", request_head())

    assert exchange.is_complete


def test_begin_on_a_dead_engine_is_refused():
    engine, _ = asked()
    with pytest.raises(RemoteProtocolError):
        engine.receive_data(b"SSH-2.0-x\r\n")

    with pytest.raises(LocalProtocolError):
        engine.begin("GET", b"/", request_head())


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(COMPLETE + b"HTTP/1.1 200 ", id="surplus"),
        pytest.param(response(b"Content-Length: 0", b"Connection: close"), id="connection-close"),
        pytest.param(response(b"Content-Length: 0", version=b"HTTP/1.0"), id="http-1.0"),
    ],
)
def test_begin_on_a_connection_that_may_not_be_reused_is_refused(stream: bytes):
    """H1-14: what came before the request must not be able to answer it, and a verdict once given stands."""
    engine, _ = asked()
    engine.receive_data(stream)

    with pytest.raises(LocalProtocolError):
        engine.begin("GET", b"/", request_head())

    assert not engine.is_reusable


def test_exchanges_one_after_the_other_keep_their_own_answers():
    engine = H1Engine()
    exchanges = []

    for number in range(3):
        exchange, _ = engine.begin("GET", b"/", request_head())
        engine.receive_data(response(b"Content-Length: 1", b"X-Number: %d" % number, body=b"%d" % number))
        exchanges.append(exchange)

    assert [exchange.fields[1][1] for exchange in exchanges] == [b"0", b"1", b"2"]
    assert [exchange.take_body() for exchange in exchanges] == [b"0", b"1", b"2"]


def test_request_head_may_serve_many_requests():
    head = sized(1)
    engine = H1Engine()

    first = engine.begin("POST", b"/", head, b"a")[1]
    engine.receive_data(COMPLETE)
    second = engine.begin("POST", b"/", head, b"b")[1]

    assert first[:-1] == second[:-1]
    assert (first[-1:], second[-1:]) == (b"a", b"b")


# Expect: 100-continue (RFC 9110, 10.1.1)


def test_expect_is_known_to_the_exchange_and_sends_the_head_alone():
    """H1-19."""
    _, exchange, octets = uploading(bare_head(HOST, CHUNKED, (b"Expect", b"100-continue")))

    assert exchange.expects_continue
    assert not exchange.continued
    assert octets.endswith(b"Expect: 100-continue\r\n\r\n")


def test_expect_met_by_100_continues_and_the_final_response_follows():
    """H1-19."""
    engine, exchange, _ = uploading(bare_head(HOST, CHUNKED, (b"Expect", b"100-continue")))

    engine.receive_data(b"HTTP/1.1 100 Continue\r\n\r\n")

    assert exchange.continued
    assert not exchange.is_refused
    assert exchange.status_code == 0
    engine.send_body(b"a")
    engine.send_end()
    engine.receive_data(COMPLETE)
    assert exchange.is_complete
    assert engine.is_reusable


@pytest.mark.parametrize(
    "head",
    [bare_head(HOST, CHUNKED, (b"Expect", b"100-continue")), bare_head(HOST, (b"Content-Length", b"5"))],
    ids=["chunked-expect", "sized"],
)
def test_answer_before_the_request_has_ended_makes_the_connection_unusable(head: RequestHead):
    """H1-19: the server may or may not read what is left; nobody knows where the next request would begin."""
    engine, exchange, _ = uploading(head)

    engine.receive_data(response(b"Content-Length: 0", status=b"417 Expectation Failed"))

    assert exchange.is_complete
    assert exchange.is_refused
    assert not exchange.continued
    assert not engine.is_reusable
    assert not engine.is_dead


def test_answer_before_the_request_has_ended_stays_when_the_rest_is_sent_after_all():
    engine, exchange, _ = uploading(sized(5))
    engine.receive_data(response(b"Content-Length: 0", status=b"413 Content Too Large"))

    sent = engine.send_body(b"12345") + engine.send_end()

    assert sent == b"12345"
    assert exchange.status_code == 413
    assert not engine.is_reusable
