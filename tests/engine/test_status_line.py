"""H1Engine, status lines: HTTP-version SP status-code [SP reason-phrase] (RFC 9112, 4). H1-12 as one written table."""

from __future__ import annotations

import pytest

from .reading import answered, assert_refused, outcome_of, response

STATUS_LINE = b"HTTP/1.1 200 OK\r\n"
OCTETS = {"LF": b"\n", "CR": b"\r", "TAB": b"\t", "SP": b" ", "NUL": b"\0", "COLON": b":"}

SAME = "the octet that stands there anyway"
TEXT = "reason-phrase = 1*( HTAB / SP / VCHAR / obs-text ): this octet is part of it"
BARE_LF = "a bare LF ends a line of the head (RFC 9112, 2.2); the CR LF after it is the empty line, the rest the body"

# (octet, position) -> (reason phrase, why). Everything else is refused: it damages the version, the two spaces or the
# status code, it is a control character, or it makes a field line without a colon.
REPLACED = {
    ("SP", 8): (b"OK", SAME),
    ("SP", 12): (b"OK", SAME),
    ("CR", 15): (b"OK", SAME),
    ("LF", 16): (b"OK", SAME),
    ("TAB", 13): (b"\tK", TEXT),
    ("SP", 13): (b" K", TEXT),
    ("COLON", 13): (b":K", TEXT),
    ("TAB", 14): (b"O\t", TEXT),
    ("SP", 14): (b"O ", TEXT),
    ("COLON", 14): (b"O:", TEXT),
    ("TAB", 15): (b"OK\t", TEXT + ", before a bare LF"),
    ("SP", 15): (b"OK ", TEXT + ", before a bare LF"),
    ("COLON", 15): (b"OK:", TEXT + ", before a bare LF"),
    ("LF", 14): (b"O", BARE_LF),
    ("LF", 15): (b"OK", BARE_LF),
}
INSERTED = {
    ("SP", 12): (b" OK", TEXT),
    ("SP", 13): (b" OK", TEXT),
    ("TAB", 13): (b"\tOK", TEXT),
    ("COLON", 13): (b":OK", TEXT),
    ("SP", 14): (b"O K", TEXT),
    ("TAB", 14): (b"O\tK", TEXT),
    ("COLON", 14): (b"O:K", TEXT),
    ("SP", 15): (b"OK ", TEXT),
    ("TAB", 15): (b"OK\t", TEXT),
    ("COLON", 15): (b"OK:", TEXT),
    ("LF", 15): (b"OK", BARE_LF),
    ("LF", 16): (b"OK", BARE_LF),
}
ENDS_THE_HEAD = {("LF", 14), ("LF", 15), ("LF", 16)}
POSITIONS = [(name, position) for name in OCTETS for position in range(len(STATUS_LINE))]


def check(line: bytes, accepted: tuple[bytes, str] | None, ends_the_head: bool) -> None:
    stream = line + b"Content-Length: 0\r\n\r\n"
    if accepted is None:
        assert_refused(stream, "illegal status line|illegal header line")
        return

    for reads in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        outcome = outcome_of(reads, eof=True)

        assert not outcome.failed
        assert (outcome.status, outcome.http_version, outcome.reason) == (200, b"HTTP/1.1", accepted[0])
        assert outcome.fields == (() if ends_the_head else ((b"Content-Length", b"0"),))
        assert outcome.body == (b"Content-Length: 0\r\n\r\n" if ends_the_head else b"")


@pytest.mark.parametrize(("name", "position"), POSITIONS)
def test_status_line_with_one_octet_replaced_is_refused_or_as_the_table_says(name: str, position: int):
    """H1-12."""
    line = STATUS_LINE[:position] + OCTETS[name] + STATUS_LINE[position + 1 :]

    check(line, REPLACED.get((name, position)), (name, position) in ENDS_THE_HEAD - {("LF", 16)})


@pytest.mark.parametrize(("name", "position"), POSITIONS)
def test_status_line_with_one_octet_inserted_is_refused_or_as_the_table_says(name: str, position: int):
    """H1-12."""
    line = STATUS_LINE[:position] + OCTETS[name] + STATUS_LINE[position:]

    check(line, INSERTED.get((name, position)), (name, position) in ENDS_THE_HEAD - {("LF", 14)})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 -12 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 0x2 OK",
        b"HTTP/1.1 2.0 OK",
        b"HTTP/1.1 000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 20\xb2 OK",
        b"HTTP/1.1 200:OK",
        b"HTTP/1.1 OK 200",
        b"HTTP/1.1200 OK",
        b"HTTP/1.1  200 OK",
        b" HTTP/1.1 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/1.01 200 OK",
        b"HTTP/1. 200 OK",
        b"HTTP/1 200 OK",
        b"HTTP/01.1 200 OK",
        b"HTTP/2 200",
        b"HTTP/2.0 200 OK",
        b"HTTP/3 200",
        b"HTTP/1,1 200 OK",
        b"HTTPS/1.1 200 OK",
        b"ICY 200 OK",
        b"<html>an answer of HTTP/0.9</html>",
        b"SSH-2.0-OpenSSH_9.2",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 200 a\0b",
        b"HTTP/1.1 200 a\x7fb",
        b"HTTP/1.1 200 a\x1bb",
        b"HTTP/1.1 200 a\rb",
    ],
    ids=repr,
)
def test_status_line_that_is_not_http_1_is_refused(line: bytes):
    """H1-10, H1-12."""
    assert_refused(line + b"\r\nContent-Length: 0\r\n\r\n", "illegal status line|illegal header line")


@pytest.mark.parametrize("code", [200, 201, 299, 300, 404, 500, 599, 600, 999])
def test_status_code_of_three_digits_from_200_up_is_taken(code: int):
    engine, exchange = answered(response(b"Content-Length: 0", status=b"%d Any" % code))

    assert exchange.status_code == code
    assert exchange.is_complete
    assert engine.is_reusable


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", b""),
        (b" ", b""),
        (b" OK", b"OK"),
        (b" Not Found", b"Not Found"),
        (b"  two", b" two"),
        (b" Ori\xebntatieprobleem", b"Ori\xebntatieprobleem"),
        (b" \xff\x80", b"\xff\x80"),
        (b" a\tb", b"a\tb"),
        (b" " + b"x" * 10_000, b"x" * 10_000),
    ],
    ids=["no-space", "empty", "word", "words", "second-space", "latin", "obs-text", "tab", "long"],
)
def test_reason_phrase_is_kept_as_received(rest: bytes, reason: bytes):
    engine, exchange = answered(b"HTTP/1.1 200" + rest + b"\r\nContent-Length: 0\r\n\r\n")

    assert exchange.reason_phrase == reason
    assert engine.is_reusable


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_http_version_is_that_of_the_response(version: bytes):
    _, exchange = answered(response(b"Content-Length: 0", version=version))

    assert exchange.http_version == version


def test_exchange_before_any_answer_says_so():
    engine, exchange = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")

    assert (exchange.status_code, exchange.http_version, exchange.reason_phrase) == (0, None, b"")
    assert (exchange.fields, exchange.trailers, exchange.informational) == ([], None, None)
    assert exchange.was_answered
    assert not exchange.is_complete
    assert not engine.is_reusable


@pytest.mark.parametrize("start", [b"x", b"H\0", b"HTTP/2", b"HTTP/1,", b"\r\n", b"\n"], ids=repr)
def test_stream_that_begins_otherwise_is_refused_before_its_line_ends(start: bytes):
    """H1-12: an answer of HTTP/0.9 or of another protocol may never send the line end that would show it."""
    assert_refused(start, "illegal status line")


@pytest.mark.parametrize("line", [b"HTTP/2 200\r\n", b"HTTP/2.0 200 OK\r\n", b"HTTP/0.9 200 OK\r\n"])
def test_second_response_with_a_version_that_is_not_1_x_is_refused(line: bytes):
    """H1-18."""
    first = response(b"Content-Length: 0", status=b"103 Early Hints")

    assert_refused(first + line + b"Content-Length: 0\r\n\r\n", "illegal status line")
