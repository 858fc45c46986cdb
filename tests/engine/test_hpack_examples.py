"""RFC 7541, Appendix C, octet by octet: blocks, fields and tables; and Appendix A, the static table."""

from __future__ import annotations

import pytest

from httpfast._cext.hpack import HpackDecoder, HpackEncoder

from .hpack_blocks import Field, decoded, indexed, triples

DATES = b"Mon, 21 Oct 2013 20:13:21 GMT", b"Mon, 21 Oct 2013 20:13:22 GMT"
LOCATION = b"https://www.example.com"
COOKIE = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

REQUESTS: list[tuple[Field, ...]] = [
    ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")),
    (
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ),
    (
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ),
]
REQUEST_TABLES: list[tuple[int, tuple[Field, ...]]] = [
    (57, REQUESTS[0][3:]),
    (110, (REQUESTS[1][4], REQUESTS[0][3])),
    (164, (REQUESTS[2][4], REQUESTS[1][4], REQUESTS[0][3])),
]
RESPONSES: list[tuple[Field, ...]] = [
    ((b":status", b"302"), (b"cache-control", b"private"), (b"date", DATES[0]), (b"location", LOCATION)),
    ((b":status", b"307"), (b"cache-control", b"private"), (b"date", DATES[0]), (b"location", LOCATION)),
    (
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", DATES[1]),
        (b"location", LOCATION),
        (b"content-encoding", b"gzip"),
        (b"set-cookie", COOKIE),
    ),
]
RESPONSE_TABLES: list[tuple[int, tuple[Field, ...]]] = [
    (222, tuple(reversed(RESPONSES[0]))),
    (222, (RESPONSES[1][0], *reversed(RESPONSES[0][1:]))),
    (215, (RESPONSES[2][5], RESPONSES[2][4], RESPONSES[2][2])),
]

C_3 = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
C_4 = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]
C_5 = [
    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
    "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
    "4803333037c1c0bf",
    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d"
    "4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b20766572"
    "73696f6e3d31",
]
C_6 = [
    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
    "4883640effc1c0bf",
    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960"
    "d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
]


@pytest.mark.parametrize(
    ("block", "field", "table_size"),
    [
        pytest.param(
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572", (b"custom-key", b"custom-header"), 55, id="C.2.1"
        ),
        pytest.param("040c2f73616d706c652f70617468", (b":path", b"/sample/path"), 0, id="C.2.2"),
        pytest.param("100870617373776f726406736563726574", (b"password", b"secret"), 0, id="C.2.3"),
        pytest.param("82", (b":method", b"GET"), 0, id="C.2.4"),
    ],
)
def test_single_field_is_read_as_in_c_2(block: str, field: Field, table_size: int):
    decoder = HpackDecoder()

    assert decoded(bytes.fromhex(block), decoder) == (field,)
    assert decoder.size == table_size
    assert decoder.entries_by_index == ((field,) if table_size else ())


@pytest.mark.parametrize(("block", "size"), [("2a", 10), ("3f9a0a", 1337), ("3fe11f", 4096)])
def test_integer_is_read_as_in_c_1(block: str, size: int):
    """By the size update, whose prefix has the 5 bits of C.1.1 and C.1.2."""
    decoder = HpackDecoder()

    assert decoded(bytes.fromhex(block), decoder) == ()
    assert decoder.max_size == size


@pytest.mark.parametrize(
    ("blocks", "lists", "tables", "max_size"),
    [
        pytest.param(C_3, REQUESTS, REQUEST_TABLES, 4096, id="C.3"),
        pytest.param(C_4, REQUESTS, REQUEST_TABLES, 4096, id="C.4"),
        pytest.param(C_5, RESPONSES, RESPONSE_TABLES, 256, id="C.5"),
        pytest.param(C_6, RESPONSES, RESPONSE_TABLES, 256, id="C.6"),
    ],
)
def test_blocks_in_turn_are_read_as_in_the_examples(
    blocks: list[str], lists: list[tuple[Field, ...]], tables: list[tuple[int, tuple[Field, ...]]], max_size: int
):
    decoder = HpackDecoder()
    if max_size != 4096:
        decoder.set_max_size(max_size)
        assert decoded(bytes.fromhex("3fe101"), decoder) == ()  # the update to 256 that the examples leave out

    for block, fields, table in zip(blocks, lists, tables, strict=True):
        assert decoded(bytes.fromhex(block), decoder) == fields
        assert (decoder.size, decoder.entries_by_index) == table


def test_requests_in_turn_are_encoded_as_in_c_4():
    encoder = HpackEncoder()

    for block, fields, table in zip(C_4, REQUESTS, REQUEST_TABLES, strict=True):
        assert encoder.encode(fields[:4], triples(*fields[4:])).hex() == block
        assert (encoder.size, encoder.entries_by_index) == table


# Appendix A, by index.
STATIC_TABLE = """
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
STATIC_FIELDS: list[Field] = [
    (name, value) for name, _, value in (line.partition(b" ") for line in STATIC_TABLE.encode().strip().splitlines())
]


def test_static_table_is_that_of_appendix_a():
    blocks = b"".join(indexed(index) for index in range(1, 62))

    assert decoded(blocks) == tuple(STATIC_FIELDS)


NEVER_BY_INDEX = {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"}


@pytest.mark.parametrize("index", range(1, 62))
def test_field_of_the_static_table_is_one_octet(index: int):
    field = STATIC_FIELDS[index - 1]
    block = HpackEncoder().encode((), triples(field))

    if field[0] in NEVER_BY_INDEX:
        assert block == bytes([0x1F, index - 15, 0])
    else:
        assert block == bytes([0x80 | index])


def test_static_table_is_that_of_the_package_hpack():
    table = pytest.importorskip("hpack.table", reason="the package hpack is not installed")

    assert tuple(STATIC_FIELDS) == table.HeaderTable.STATIC_TABLE
