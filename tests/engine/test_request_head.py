"""RequestHead: what may stand in a request's fields, and what they say about framing (RFC 9110, 5; 9112, 6)."""

from __future__ import annotations

from typing import Any

import pytest

from httpfast import LocalProtocolError
from httpfast._cext.headers import RequestHead

from .reading import CHUNKED, HOST, bare_head, request_head

TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CONTROLS = [octet for octet in (*range(32), 127) if octet != 9]


def octet_id(octet: int) -> str:
    return f"0x{octet:02x}"


def test_head_with_fields_is_encoded_in_order_with_names_as_given():
    head = bare_head((b"HOST", b"a"), (b"x-b", b"1"), (b"X-B", b"2"))

    assert head.block == b"HOST: a\r\nx-b: 1\r\nX-B: 2\r\n\r\n"


def test_head_without_fields_is_the_empty_line():
    assert RequestHead(()).block == b"\r\n"


def test_value_with_outer_white_space_is_stripped():
    assert bare_head((b"A", b" \t b \t c\t ")).block == b"A: b \t c\r\n\r\n"


@pytest.mark.parametrize("value", [b"", b" ", b"\t \t"], ids=["empty", "space", "blanks"])
def test_value_without_visible_octets_is_sent_empty(value: bytes):
    assert bare_head((b"A", value)).block == b"A: \r\n\r\n"


def test_value_with_any_octet_that_is_no_control_is_sent_as_it_is():
    value = bytes(octet for octet in range(33, 256) if octet != 127)

    assert bare_head((b"A", value)).block == b"A: " + value + b"\r\n\r\n"


@pytest.mark.parametrize("octet", CONTROLS, ids=octet_id)
@pytest.mark.parametrize("place", [b"%bb", b"a%bb", b"a%b"], ids=["first", "inside", "last"])
def test_value_with_a_control_character_is_refused(octet: int, place: bytes):
    """INJ-02, INJ-07: CR, LF, NUL and the rest, wherever they stand and whichever field it is."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9110, 5\.5"):
        bare_head((b"X-Any", place % bytes([octet])))


@pytest.mark.parametrize(
    "name", [b"Upgrade", b"Expect", b"Content-Type", b"Connection", b"Content-Length", b"Transfer-Encoding", b"Cookie"]
)
@pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nX: y", b"a\rX: y", b"100-continue\r\n\r\nGET / HTTP/1.1", b"\0"])
def test_value_that_begins_another_line_is_refused_in_each_field(name: bytes, value: bytes):
    """INJ-07: through Upgrade, Expect and the type of a body."""
    with pytest.raises(LocalProtocolError):
        request_head((name, value))


@pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nX: y", b"a\rX: y", b"\n", b"a\0"])
def test_host_with_a_line_end_or_nul_is_refused(value: bytes):
    """INJ-05."""
    with pytest.raises(LocalProtocolError, match="Host"):
        bare_head((b"Host", value))


@pytest.mark.parametrize("octet", [octet for octet in range(256) if octet not in TCHAR], ids=octet_id)
def test_name_with_an_octet_that_is_no_tchar_is_refused(octet: int):
    """INJ-03: colon, space, controls, separators, anything beyond ASCII; first, inside and last."""
    for name in (b"%ba", b"a%ba", b"a%b"):
        with pytest.raises(LocalProtocolError, match=r"RFC 9110, 5\.1"):
            bare_head((name % bytes([octet]), b"1"))


def test_name_that_is_empty_is_refused():
    """INJ-03."""
    with pytest.raises(LocalProtocolError, match="not a token"):
        bare_head((b"", b"1"))


def test_name_of_every_tchar_is_sent():
    assert bare_head((TCHAR, b"1")).block == TCHAR + b": 1\r\n\r\n"


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(("A", b"a", b"1"), id="str-name"),
        pytest.param((b"A", "a", b"1"), id="str-lower"),
        pytest.param((b"A", b"a", "1"), id="str-value"),
        pytest.param((b"A", b"a", 1), id="int-value"),
        pytest.param((bytearray(b"A"), b"a", b"1"), id="bytearray-name"),
        pytest.param((b"A", b"a"), id="pair"),
    ],
)
def test_field_that_is_not_three_bytes_is_an_error_before_anything_is_encoded(field: Any):
    """INJ-02: an object whose text differs per call never comes this far."""
    with pytest.raises((TypeError, ValueError)):
        RequestHead((field,))


def test_message_about_a_long_value_shows_no_more_than_64_octets_and_never_the_value():
    with pytest.raises(LocalProtocolError) as caught:
        bare_head((b"X" * 1000, b"secret\n"))

    assert "secret" not in str(caught.value)
    assert str(caught.value).count("X") == 64


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ([], -1),
        ([(b"Content-Length", b"0")], 0),
        ([(b"Content-Length", b"42")], 42),
        ([(b"content-length", b" 42\t")], 42),
        ([(b"Content-Length", b"042")], 42),
        ([(b"Content-Length", b"9223372036854775807")], 2**63 - 1),
    ],
    ids=["absent", "zero", "digits", "outer-blanks", "leading-zero", "largest"],
)
def test_content_length_that_is_valid_is_known(fields: list[tuple[bytes, bytes]], length: int):
    assert request_head(*fields).content_length == length


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"-1", b"+5", b"5,5", b"5 5", b"0x10", b"1_0", b"5.0", b"1e3", b"a", b"\xd9\xa3", b"\xb2"),
        *(b"9223372036854775808", b"18446744073709551621", b"9" * 5000),
    ],
    ids=lambda value: repr(value[:45]),
)
def test_content_length_that_is_not_one_number_is_refused(value: bytes):
    """INJ-10."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9110, 8\.6"):
        request_head((b"Content-Length", value))


@pytest.mark.parametrize("second", [b"5", b"6"], ids=["same", "other"])
def test_content_length_twice_is_refused(second: bytes):
    """INJ-10."""
    with pytest.raises(LocalProtocolError, match="twice"):
        request_head((b"Content-Length", b"5"), (b"Content-Length", second))


@pytest.mark.parametrize("fields", [(CHUNKED, (b"Content-Length", b"5")), ((b"Content-Length", b"5"), CHUNKED)])
def test_content_length_with_transfer_encoding_is_refused_in_either_order(fields: Any):
    """INJ-10."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9112, 6\.2"):
        request_head(*fields)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED", b" chunked\t"])
def test_transfer_encoding_chunked_is_known_in_any_case(value: bytes):
    assert request_head((b"Transfer-Encoding", value)).is_chunked


@pytest.mark.parametrize(
    "value",
    [b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"chunked,", b"xchunked", b"chunked;a=b"],
)
def test_transfer_encoding_other_than_chunked_is_refused(value: bytes):
    with pytest.raises(LocalProtocolError, match=r"RFC 9112, 6\.1"):
        request_head((b"Transfer-Encoding", value))


def test_transfer_encoding_twice_is_refused():
    with pytest.raises(LocalProtocolError, match=r"RFC 9112, 6\.1"):
        request_head(CHUNKED, CHUNKED)


def test_host_twice_is_refused():
    """INJ-05."""
    with pytest.raises(LocalProtocolError, match=r"RFC 9112, 3\.2"):
        bare_head(HOST, HOST)


@pytest.mark.parametrize(("fields", "has_host"), [((), False), ((HOST,), True), (((b"hOsT", b""),), True)])
def test_host_presence_is_known_whatever_its_case_and_value(fields: Any, has_host: bool):
    assert bare_head(*fields).has_host is has_host


@pytest.mark.parametrize(
    ("value", "asks_close"),
    [
        (b"close", True),
        (b"Close", True),
        (b"keep-alive, close", True),
        (b"TE,\tclose ,x", True),
        (b"keep-alive", False),
        (b"closed", False),
        (b"", False),
    ],
)
def test_connection_close_is_found_in_the_list(value: bytes, asks_close: bool):
    assert request_head((b"Connection", value)).asks_close is asks_close


def test_connection_in_two_fields_is_read_as_one_list():
    head = request_head((b"Connection", b"close"), (b"Connection", b"upgrade"), (b"Upgrade", b"websocket"))

    assert head.asks_close
    assert head.asks_upgrade


@pytest.mark.parametrize(
    ("fields", "asks_upgrade"),
    [
        (((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")), True),
        (((b"Upgrade", b"websocket"),), False),
        (((b"Connection", b"upgrade"),), False),
        ((), False),
    ],
    ids=["both", "only-upgrade", "only-connection", "neither"],
)
def test_upgrade_needs_the_upgrade_field_and_the_connection_option(fields: Any, asks_upgrade: bool):
    """RFC 9110, 7.8: Upgrade names the protocol, Connection: upgrade makes it hop by hop; one alone asks nothing."""
    assert request_head(*fields).asks_upgrade is asks_upgrade


@pytest.mark.parametrize(
    ("value", "expects"), [(b"100-continue", True), (b"100-Continue", True), (b"100", False), (b"", False)]
)
def test_expect_continue_is_known_in_any_case(value: bytes, expects: bool):
    assert request_head((b"Expect", value)).expects_continue is expects
