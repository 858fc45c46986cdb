"""H1Engine, chunked bodies and trailers: RFC 9112, 7.1, to the letter, for a lenient reader is a smuggler's friend."""

from __future__ import annotations

import pytest

from .reading import answered, assert_refused, chunked, outcome_of, request_head
from .test_request_head import CONTROLS, octet_id

LAST = b"0\r\n\r\n"


def octet_wise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (LAST, b""),
        (b"000\r\n\r\n", b""),
        (b"0" * 16 + b"\r\n\r\n", b""),
        (b"5\r\nhello\r\n" + LAST, b"hello"),
        (b"05\r\nhello\r\n" + LAST, b"hello"),
        (b"000000000000000a\r\n0123456789\r\n" + LAST, b"0123456789"),
        (b"a\r\n0123456789\r\n" + LAST, b"0123456789"),
        (b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
        (b"1f\r\n" + b"x" * 31 + b"\r\n1F\r\n" + b"y" * 31 + b"\r\n" + LAST, b"x" * 31 + b"y" * 31),
        (b"2\r\n\r\n\r\n" + LAST, b"\r\n"),
        (b"5\r\n0\r\n\r\n\r\n" + LAST, b"0\r\n\r\n"),
        (b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" + LAST, b"abc"),
        (b"5;\r\nhello\r\n0;\r\n\r\n", b"hello"),
        (b"5;a\r\nhello\r\n" + LAST, b"hello"),
        (b'5;a=b;c="d; \t\xff"\r\nhello\r\n0;x=y\r\n\r\n', b"hello"),
        (b"5 ;a=b\r\nhello\r\n" + LAST, b"hello"),
        (b"5 \t \r\nhello\r\n0  \r\n\r\n", b"hello"),
    ],
    ids=[
        *("last", "zeros", "sixteen-zeros", "one", "zero-led", "sixteen-digits", "lower", "upper", "both-cases"),
        *("crlf-inside", "last-chunk-inside", "three", "empty-extension", "extension", "quoted", "blank-extension"),
        "padded-size",
    ],
)
def test_chunks_are_joined(octets: bytes, body: bytes):
    for reads in ([chunked(octets)], octet_wise(chunked(octets))):
        outcome = outcome_of(reads)

        assert not outcome.failed
        assert outcome.is_complete
        assert outcome.is_reusable
        assert outcome.body == body
        assert outcome.trailers is None


@pytest.mark.parametrize(
    "size",
    [
        b"",
        b" 5",
        b"\t5",
        b"0x5",
        b"-1",
        b"+5",
        b"1_0",
        b"5h",
        b"5.0",
        b"5 5",
        b"5\t5",
        b"5,",
        b"5:",
        b"\xb25",
        b"g",
        b"@",
        b"`",
        b"5\0",
        b"5\x0b",
        b'"5"',
        b"00000000000000005",
        b"0" * 17,
        b"8000000000000000",
        b"ffffffffffffffff",
        b"10000000000000005",
        b"100000000000000000000000000000005",
    ],
    ids=repr,
)
def test_chunk_size_that_is_not_hexadecimal_digits_is_refused(size: bytes):
    """H1-04: 2**63 and above too; none may wrap round to 5."""
    assert_refused(chunked(size + b"\r\nhello\r\n" + LAST), "chunk")


def test_chunk_size_at_its_largest_is_waited_for_without_memory():
    """H1-04: 2**63 - 1."""
    engine, exchange = answered(chunked(b"7fffffffffffffff\r\nabc"))

    assert exchange.take_body() == b"abc"
    assert not exchange.is_complete
    assert not engine.is_dead


@pytest.mark.parametrize("first", [b"a", b"\0", b"\r", b"\n", b"0", b" ", b";"], ids=repr)
@pytest.mark.parametrize("second", [b"b", b"\0", b"\r", b"\n", b"0", b" "], ids=repr)
def test_chunk_data_that_is_not_ended_by_crlf_is_refused(first: bytes, second: bytes):
    """H1-05: two arbitrary octets in its place."""
    if first + second == b"\r\n":
        assert outcome_of([chunked(b"5\r\nhello\r\n" + LAST)]).is_complete
        return

    assert_refused(chunked(b"5\r\nhello" + first + second + LAST), "illegal end of a chunk's line")


@pytest.mark.parametrize(
    "octets",
    [
        b"5\nhello\r\n" + LAST,
        b"5\rhello\r\n" + LAST,
        b"5\r\rhello\r\n" + LAST,
        b"5\n\rhello\r\n" + LAST,
        b"5;a=b\nhello\r\n" + LAST,
        b"5;a=b\rhello\r\n" + LAST,
        b"5;a\r=b\r\nhello\r\n" + LAST,
        b'5;a="\n"\r\nhello\r\n' + LAST,
        b"5 \nhello\r\n" + LAST,
        b"5\r\nhello\n" + LAST,
        b"5\r\nhello\r" + LAST,
        b"0\n\r\n",
        b"0\n\n",
        b"0;a\n\r\n",
    ],
    ids=repr,
)
def test_chunk_line_with_a_bare_cr_or_lf_is_refused(octets: bytes):
    """H1-06."""
    assert_refused(chunked(octets), "chunk")


@pytest.mark.parametrize("octet", CONTROLS, ids=octet_id)
def test_chunk_extension_with_a_control_character_is_refused(octet: int):
    """H1-06."""
    extension = b"5;a=" + bytes([octet]) + b"b\r\nhello\r\n" + LAST

    assert_refused(chunked(extension), "chunk")


@pytest.mark.parametrize("octets", [b"\r\n5\r\nhello\r\n" + LAST, b"\n5\r\nhello\r\n" + LAST], ids=["crlf", "lf"])
def test_chunk_after_an_empty_line_is_refused(octets: bytes):
    assert_refused(chunked(octets), "illegal chunk header")


def test_body_before_an_illegal_chunk_was_received():
    outcome = outcome_of([chunked(b"5\r\nhello\r\nzz\r\n")])

    assert outcome.failed
    assert outcome.body == b"hello"


# Trailers (RFC 9112, 7.1.2)


@pytest.mark.parametrize(
    ("lines", "trailers"),
    [
        (b"A: b\r\n", ((b"A", b"b"),)),
        (b"A:\r\n", ((b"A", b""),)),
        (b"a: \t b c\t\r\nA:2\r\n", ((b"a", b"b c"), (b"A", b"2"))),
        (b"A: \xff:\r\n", ((b"A", b"\xff:"),)),
    ],
    ids=["one", "empty-value", "two", "obs-text"],
)
def test_trailers_are_kept_apart_from_the_fields(lines: bytes, trailers: tuple[tuple[bytes, bytes], ...]):
    stream = chunked(b"5\r\nhello\r\n0\r\n" + lines + b"\r\n", b"X: 1")

    for reads in ([stream], octet_wise(stream)):
        outcome = outcome_of(reads)

        assert outcome.trailers == trailers
        assert outcome.fields == ((b"Transfer-Encoding", b"chunked"), (b"X", b"1"))
        assert outcome.is_reusable


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 5",
        b"Content-Length: nonsense",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Host: evil",
        b"Set-Cookie: a=b",
        b"Connection: close",
        b"Content-Encoding: gzip",
        b"Location: /evil",
    ],
)
def test_trailers_that_may_not_be_there_have_no_effect(line: bytes):
    """H1-23: RFC 9110, 6.5.1."""
    engine, exchange = answered(chunked(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n"))

    assert exchange.take_body() == b"hello"
    assert exchange.fields == [(b"Transfer-Encoding", b"chunked")]
    assert not exchange.has_set_cookie
    assert not exchange.has_content_encoding
    assert engine.is_reusable


@pytest.mark.parametrize(
    "lines",
    [
        b"A : b\r\n\r\n",
        b": b\r\n\r\n",
        b"A\r\n\r\n",
        b" A: b\r\n\r\n",
        b"A: b\r\n c\r\n\r\n",
        b"A: b\r\n\tc\r\n\r\n",
        b"A: b\0\r\n\r\n",
        b"A: b\rc\r\n\r\n",
        b"A: b\r\r\n\r\n",
        b"A: b\n\r\n",
        b"A: b\r\n\n",
        b"A: b\n\n",
        b"\n\r\n",
        b"\n\n",
        b"\r\r\n\r\n",
        b"A\xff: b\r\n\r\n",
        b"A: b\x7f\r\n\r\n",
    ],
    ids=repr,
)
def test_trailer_line_that_is_no_field_is_refused(lines: bytes):
    """H1-09 (a folded one), H1-10, H1-11: bare LF too, which only the head's lines may end with."""
    assert_refused(chunked(b"5\r\nhello\r\n0\r\n" + lines), "illegal trailer line")


def test_trailers_of_one_response_are_not_those_of_the_next():
    engine, first = answered(chunked(b"0\r\nA: b\r\n\r\n"))
    second, _ = engine.begin("GET", b"/", request_head())
    engine.receive_data(chunked(LAST))

    assert first.trailers == [(b"A", b"b")]
    assert second.trailers is None
