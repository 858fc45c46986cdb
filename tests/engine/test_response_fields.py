"""H1Engine, field lines: what is a field, what is refused, and what the framing fields say (RFC 9112, 5 and 6)."""

from __future__ import annotations

import pytest

from .reading import answered, assert_refused, chunked, outcome_of, response, shared_json
from .test_request_head import CONTROLS, TCHAR, octet_id

CONTENT_LENGTHS = shared_json("wpt/content-lengths.json")

# Browsers fall back to a body that ends with the connection; we call these what RFC 9110, 8.6 does: invalid.
STRICTER_THAN_WPT = {
    "Content-Length: aaaah\r\nContent-Length: aaaah": "not a number",
    "Content-Length: aaaah, aaaah": "not a number",
    "Content-Length: aaaah": "not a number",
    "Content-Length: 42s": "not a number",
    "Content-Length: 30s": "not a number",
    "Content-Length: -1": "a sign is no digit",
    "Content-Length: 0x20": "'x' is no digit",
}


def test_fields_are_kept_in_order_with_names_as_received():
    _, exchange = answered(response(b"X-b: 1", b"x-B: 2", b"A: 3", b"Content-Length: 0"))

    assert exchange.fields == [(b"X-b", b"1"), (b"x-B", b"2"), (b"A", b"3"), (b"Content-Length", b"0")]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"A:", (b"A", b"")),
        (b"A: ", (b"A", b"")),
        (b"A:b", (b"A", b"b")),
        (b"A: \t b \t c\t ", (b"A", b"b \t c")),
        (b"A: b: c", (b"A", b"b: c")),
        (b"A::", (b"A", b":")),
        (TCHAR + b": 1", (TCHAR, b"1")),
        (b"Long-Name: \xff\x80", (b"Long-Name", b"\xff\x80")),
    ],
    ids=["no-value", "blank-value", "no-space", "outer-blanks", "colon-inside", "colon-value", "tchars", "obs-text"],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_field_line_is_name_and_stripped_value(line: bytes, field: tuple[bytes, bytes], end: bytes):
    _, exchange = answered(b"HTTP/1.1 200 OK" + end + line + end + b"Content-Length: 0" + end + end)

    assert exchange.fields == [field, (b"Content-Length", b"0")]
    assert exchange.is_complete


@pytest.mark.parametrize("octet", [octet for octet in CONTROLS if octet != 10], ids=octet_id)
@pytest.mark.parametrize("place", [b"%bb", b"a%bb", b"a%b"], ids=["first", "inside", "last"])
@pytest.mark.parametrize("name", [b"A", b"X-Longer-Than-Framing"])
def test_value_with_a_control_character_is_refused(octet: int, place: bytes, name: bytes):
    """H1-10: bare CR, NUL and the rest; in short names too, which no framing field has."""
    if octet == 13 and place == b"a%b":
        place = b"a%b\r"  # one CR before the LF is the line's end

    assert_refused(response(name + b": " + place % bytes([octet]), b"Content-Length: 0"), "illegal header line")


@pytest.mark.parametrize("octet", [octet for octet in range(256) if octet not in TCHAR and octet != 10], ids=octet_id)
def test_name_with_an_octet_that_is_no_tchar_is_refused(octet: int):
    """H1-10, H1-11; at the end a colon would be the colon, and the value then begins with one."""
    for name in (b"%ba", b"a%ba", b"a%b"):
        if octet == ord(":") and name != b"%ba":
            continue
        assert_refused(response(name % bytes([octet]) + b": 1", b"Content-Length: 0"), "illegal header line")


@pytest.mark.parametrize(
    "line",
    [b"A : 1", b"A\t: 1", b"A", b"no colon here", b": 1", b":", b" A: 1", b"\tA: 1", b" ", b"Content-Length : 5"],
    ids=repr,
)
@pytest.mark.parametrize("place", ["first", "second"])
def test_line_that_is_no_field_is_refused(line: bytes, place: str):
    """H1-09 (a folded first line), H1-11."""
    lines = (line, b"Content-Length: 0") if place == "first" else (b"Content-Length: 0", line)

    assert_refused(response(*lines), "illegal header line")


@pytest.mark.parametrize("fold", [b" ", b"\t", b"  \t"], ids=["space", "tab", "blanks"])
@pytest.mark.parametrize("rest", [b"b", b"", b"X-Evil: 1", b"Content-Length: 5"], ids=repr)
def test_obs_fold_is_refused_and_never_a_new_field(fold: bytes, rest: bytes):
    """H1-09."""
    assert_refused(response(b"A: a", fold + rest, b"Content-Length: 0"), "illegal header line")


def test_obs_fold_after_a_framing_field_is_refused():
    """H1-09: readers that unfold see 'chunked abc', others 'chunked'."""
    assert_refused(response(b"Transfer-Encoding: chunked", b"  abc", body=b"0\r\n\r\n"), "illegal header line")


# Content-Length (RFC 9110, 8.6)


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((b"Content-Length: 5",), 5),
        ((b"CONTENT-LENGTH:5",), 5),
        ((b"content-length:\t5 \t",), 5),
        ((b"Content-Length: 05",), 5),
        ((b"Content-Length: 5,5",), 5),
        ((b"Content-Length: 5, 5 ,\t5",), 5),
        ((b"Content-Length: 5", b"Content-Length: 5"), 5),
        ((b"Content-Length: 5", b"Content-Length: 5,5"), 5),
        ((b"Content-Length: 0",), 0),
        ((b"Content-Length: " + b"0" * 100 + b"5",), 5),
    ],
    ids=["plain", "case", "blanks", "zero-led", "list", "spaced-list", "twice", "twice-list", "zero", "many-zeros"],
)
def test_content_length_that_names_one_number_frames_the_body(lines: tuple[bytes, ...], length: int):
    """H1-02."""
    engine, exchange = answered(response(*lines, body=b"x" * length))

    assert exchange.take_body() == b"x" * length
    assert exchange.is_complete
    assert engine.is_reusable


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"-6", b"+5", b"0x10", b"1_0", b"5,", b",5", b"5,,5", b"5;5", b"5 5", b"5.", b"1e1", b"a", b"5a"),
        *(b"\xb2", b"\xd9\xa3", b"9223372036854775808", b"18446744073709551621"),
        *(b"340282366920938463463374607431768211461", b"9" * 9999),
    ],
    ids=lambda value: repr(value[:45]),
)
def test_content_length_that_is_no_number_is_refused(value: bytes):
    """H1-03."""
    assert_refused(response(b"Content-Length: " + value, body=b"x" * 5), r"Content-Length.*RFC 9110, 8\.6")


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5,6",),
        (b"Content-Length: 5, 5, 6",),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 6", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Content-Length: 5", b"Content-Length: 4"),
        (b"Content-Length: 0", b"Content-Length: 5"),
    ],
)
def test_content_length_that_differs_is_refused(lines: tuple[bytes, ...]):
    """H1-02."""
    assert_refused(response(*lines, body=b"x" * 6), "Content-Length")


def test_content_length_at_its_largest_is_waited_for_without_memory():
    """H1-03: 2**63 - 1 is a number; the peer's claim alone takes no memory."""
    engine, exchange = answered(response(b"Content-Length: 9223372036854775807", body=b"abc"))

    assert exchange.take_body() == b"abc"
    assert not exchange.is_complete
    assert not engine.is_reusable


@pytest.mark.skipif(CONTENT_LENGTHS is None, reason="no ../shared/data/wpt/content-lengths.json beside the project")
@pytest.mark.parametrize("case", CONTENT_LENGTHS or [], ids=lambda case: repr(case["input"]))
def test_content_length_of_the_web_platform_tests(case: dict[str, object]):
    """H1-02: 28 cases; a null output is a network error."""
    text = str(case["input"])
    body = b"x" * 50
    stream = response(*text.encode("latin-1").split(b"\r\n"), body=body)

    if case["output"] is None or text in STRICTER_THAN_WPT:
        assert_refused(stream, "Content-Length")
    else:
        assert outcome_of([stream]).body == body[: int(str(case["output"]))]


# Transfer-Encoding (RFC 9112, 6.1)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED", b"\tchunked "])
def test_transfer_encoding_chunked_is_taken_in_any_case(value: bytes):
    _, exchange = answered(response(b"TRANSFER-encoding:" + value, body=b"1\r\na\r\n0\r\n\r\n"))

    assert exchange.take_body() == b"a"
    assert exchange.is_complete


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"xchunked",
        b"chunkedx",
        b"chunkedchunked",
        b"identity",
        b"gzip",
        b"gzip, chunked",
        b"chunked, identity",
        b"chunked, chunked",
        b"chunked,",
        b",chunked",
        b"chunked;q=1",
        b'"chunked"',
        b"chunke\xc4",
        b"chunked\xa0",
    ],
    ids=repr,
)
def test_transfer_encoding_that_is_not_just_chunked_is_refused(value: bytes):
    """H1-08."""
    stream = response(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n")

    assert_refused(stream, r"Transfer-Encoding.*RFC 9112, 6\.1")


@pytest.mark.parametrize("octet", [b"\x0b", b"\x0c", b"\0", b"\r"], ids=repr)
def test_transfer_encoding_padded_with_a_control_character_is_refused(octet: bytes):
    """H1-08: 'chunked' and a vertical tab, which some readers strip."""
    assert_refused(response(b"Transfer-Encoding: " + octet + b"chunked", body=b"0\r\n\r\n"), "control character")
    assert_refused(response(b"Transfer-Encoding: chunked" + octet + b" ", body=b"0\r\n\r\n"), "control character")


@pytest.mark.parametrize("second", [b"chunked", b"identity", b"gzip"])
def test_transfer_encoding_twice_is_refused(second: bytes):
    """H1-08."""
    assert_refused(chunked(b"0\r\n\r\n", b"Transfer-Encoding: " + second), "Transfer-Encoding")


@pytest.mark.parametrize("fields", [(), (b"Connection: keep-alive",), (b"Content-Length: 5",)])
def test_transfer_encoding_in_http_1_0_is_refused(fields: tuple[bytes, ...]):
    """H1-08."""
    stream = response(b"Transfer-Encoding: chunked", *fields, version=b"HTTP/1.0", body=b"0\r\n\r\n")

    assert_refused(stream, r"HTTP/1\.0")


# Others the engine notes


def test_location_twice_with_different_targets_is_refused():
    """H1-27."""
    assert_refused(response(b"Location: /a", b"location: /b", status=b"302 Found"), "Two different")


def test_location_twice_with_one_target_is_taken():
    """H1-27."""
    engine, exchange = answered(response(b"Location: /a", b"Location:  /a ", b"Content-Length: 0", status=b"302 Found"))

    assert exchange.is_complete
    assert engine.is_reusable


@pytest.mark.parametrize(
    ("line", "has_set_cookie", "has_content_encoding"),
    [
        (b"set-COOKIE: a=b", True, False),
        (b"Content-encoding: gzip", False, True),
        (b"X: 1", False, False),
        (b"Set-Cookies: a=b", False, False),
    ],
)
def test_cookie_and_coding_are_noted_for_the_client(line: bytes, has_set_cookie: bool, has_content_encoding: bool):
    _, exchange = answered(response(line, b"Content-Length: 0"))

    assert exchange.has_set_cookie is has_set_cookie
    assert exchange.has_content_encoding is has_content_encoding


def test_notes_of_an_informational_response_do_not_stay():
    early = response(b"Set-Cookie: a=b", b"Content-Encoding: gzip", status=b"103 Early Hints")

    _, exchange = answered(early + response(b"Content-Length: 0"))

    assert not exchange.has_set_cookie
    assert not exchange.has_content_encoding
