"""HpackEncoder: which representation each field gets, what the table has then, and heads that come again (RFC 7541)."""

from __future__ import annotations

import sys

import pytest

from httpfast._cext.hpack import HpackDecoder, HpackEncoder
from httpfast._cext.huffman import huffman_encoded

from .hpack_blocks import REQUEST, Field, coded, decoded, indexed, integer, plain, sent, triples, update

FIELDS = triples(
    (b"Accept", b"*/*"),
    (b"User-Agent", b"test/1.0"),
    (b"X-Trace", b"on"),
    (b"Content-Length", b"12"),
    (b"Accept", b"*/*"),
)


def one(name: bytes, value: bytes, encoder: HpackEncoder | None = None) -> bytes:
    """The block of a single field."""
    return (encoder or HpackEncoder()).encode((), triples((name, value)))


def string(octets: bytes) -> bytes:
    """As short as it goes."""
    short = huffman_encoded(octets)
    return coded(short) if len(short) < len(octets) else plain(octets)


# Representations


def test_pseudo_fields_come_first_and_names_go_out_in_lower_case():
    assert decoded(HpackEncoder().encode(REQUEST, FIELDS)) == sent(REQUEST, FIELDS)


def test_no_fields_are_an_empty_block():
    assert HpackEncoder().encode((), ()) == b""


def test_new_field_is_inserted_and_then_an_index():
    encoder = HpackEncoder()

    assert one(b"x-new", b"value", encoder) == b"\x40" + string(b"x-new") + string(b"value")
    assert encoder.entries_by_index == ((b"x-new", b"value"),)
    assert one(b"x-new", b"value", encoder) == indexed(62)
    assert one(b"user-agent", b"x", encoder) == b"\x7a" + string(b"x")
    assert one(b"x-new", b"value", encoder) == indexed(63)


def test_empty_value_that_the_static_table_has_is_an_index():
    assert one(b"accept", b"") == indexed(19)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        (b":path", 4),
        (b"age", 21),
        (b"content-disposition", 25),
        (b"content-length", 28),
        (b"content-location", 29),
        (b"content-range", 30),
        (b"date", 33),
        (b"etag", 34),
        (b"expires", 36),
        (b"if-match", 39),
        (b"if-modified-since", 40),
        (b"if-none-match", 41),
        (b"if-range", 42),
        (b"if-unmodified-since", 43),
        (b"last-modified", 44),
        (b"location", 46),
        (b"range", 50),
        (b"retry-after", 53),
    ],
)
def test_field_whose_value_rarely_repeats_is_not_inserted(name: bytes, index: int):
    encoder = HpackEncoder()
    for _ in range(3):
        assert one(name, b"some value", encoder) == integer(index, 4) + string(b"some value")
    assert encoder.entries_by_index == ()


@pytest.mark.parametrize(
    ("name", "index", "value"),
    [
        (b"authorization", 23, b"Basic dXNlcjpwYXNz"),
        (b"authorization", 23, b"Bearer " + b"x" * 500),
        (b"authorization", 23, b""),
        (b"proxy-authorization", 49, b"Basic dXNlcjpwYXNz"),
        (b"cookie", 32, b"a=b"),
        (b"cookie", 32, b"a=" + b"b" * 17),
        (b"set-cookie", 55, b"a=" + b"b" * 17),
    ],
)
def test_secret_is_never_indexed(name: bytes, index: int, value: bytes):
    """H2-24; RFC 7541, 6.2.3 and 7.1.3."""
    encoder = HpackEncoder()
    for _ in range(3):
        assert one(name, value, encoder) == integer(index, 4, 0x10) + string(value)
    assert encoder.entries_by_index == ()


@pytest.mark.parametrize("name", [b"cookie", b"set-cookie"])
def test_cookie_of_twenty_octets_is_inserted(name: bytes):
    encoder = HpackEncoder()

    assert one(name, b"a=" + b"b" * 18, encoder)[0] & 0xC0 == 0x40
    assert one(name, b"a=" + b"b" * 18, encoder) == indexed(62)


@pytest.mark.parametrize("value", [b"", b"a", b"\xff\xff", b"{}~{}", b"0000", b"'''", bytes(range(256))])
def test_string_is_coded_where_that_is_shorter(value: bytes):
    assert one(b"date", value).startswith(integer(33, 4) + string(value) if value else indexed(33))


@pytest.mark.parametrize("size", [*range(120, 135), 200, 253, 254, 255, 256, 16_000, 20_000])
@pytest.mark.parametrize("octet", [b"a", b"\xf9", b"X", b"&"], ids=["5 bits", "28 bits", "8 bits", "8 bits too"])
def test_string_of_any_length_is_encoded(size: int, octet: bytes):
    assert one(b"date", octet * size) == integer(33, 4) + string(octet * size)
    assert decoded(one(b"date", octet * size)) == ((b"date", octet * size),)


def test_head_of_forty_kibibytes_is_encoded():
    fields = triples(*((b"x-%d" % number, b"~" * 1000) for number in range(40)))
    encoder, decoder = HpackEncoder(), HpackDecoder()
    for _ in range(3):
        assert decoded(encoder.encode(REQUEST, fields), decoder) == sent(REQUEST, fields)
        assert encoder.entries_by_index == decoder.entries_by_index


# The dynamic table


def test_entries_fill_the_table_to_its_last_octet_and_the_next_evicts_the_oldest():
    encoder = HpackEncoder()
    fields = [(b"x-%d" % number, b"v" * (1024 - 32 - 3)) for number in range(4)]
    encoder.encode((), triples(*fields))
    assert encoder.size == 4096
    assert encoder.entries_by_index == tuple(reversed(fields))

    one(b"a", b"", encoder)
    assert encoder.size == 3 * 1024 + 33
    assert encoder.entries_by_index == ((b"a", b""), *reversed(fields[1:]))
    assert one(*fields[0], encoder)[0] & 0xC0 == 0x40


@pytest.mark.parametrize(("size", "is_inserted"), [(3072, True), (3073, False)])
def test_field_of_more_than_three_quarters_of_the_table_is_not_inserted(size: int, is_inserted: bool):
    encoder = HpackEncoder()
    one(b"x-other", b"value", encoder)
    before = encoder.insertions

    one(b"n", b"v" * (size - 33), encoder)

    assert (encoder.insertions > before) is is_inserted
    assert (b"x-other", b"value") in encoder.entries_by_index


def test_table_is_that_of_the_peer_while_it_turns():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    for number in range(600):
        fields = triples(
            (b"x-%d" % (number % 150), b"%d" % (number // 3)), (b"x-%d" % number, b""), (b"accept", b"*/*")
        )
        assert decoded(encoder.encode(REQUEST, fields), decoder) == sent(REQUEST, fields)
        assert encoder.entries_by_index == decoder.entries_by_index
        assert encoder.size == decoder.size


def test_value_that_differs_each_time_stays_out_of_the_table():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    one(b"x-request-id", b"0", encoder)
    decoded(one(b"x-request-id", b"0"), decoder)
    for number in range(1, 50):
        block = one(b"x-request-id", b"%d" % number, encoder)
        assert block == integer(62, 4) + string(b"%d" % number)
        assert decoded(block, decoder) == ((b"x-request-id", b"%d" % number),)

    assert encoder.entries_by_index == ((b"x-request-id", b"0"),)


def test_value_that_comes_twice_is_inserted():
    encoder = HpackEncoder()
    one(b"x-a", b"0", encoder)

    assert one(b"x-a", b"1", encoder) == integer(62, 4) + string(b"1")
    assert one(b"x-a", b"1", encoder) == integer(62, 6, 0x40) + string(b"1")
    assert one(b"x-a", b"1", encoder) == indexed(62)


def test_value_after_one_that_was_of_use_is_inserted():
    encoder = HpackEncoder()
    one(b"x-a", b"0", encoder)
    assert one(b"x-a", b"0", encoder) == indexed(62)

    assert one(b"x-a", b"1", encoder) == integer(62, 6, 0x40) + string(b"1")


# The table's size (H2-20)


def test_smaller_size_is_announced_once_and_obeyed():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    decoded(encoder.encode((), triples((b"x-a", b"1"), (b"x-b", b"2"))), decoder)
    encoder.set_max_size(40)
    decoder.set_max_size(40)

    block = encoder.encode(REQUEST[:2], ())
    assert block == update(40) + indexed(2) + indexed(7)
    decoded(block, decoder)
    assert encoder.entries_by_index == decoder.entries_by_index == ((b"x-b", b"2"),)
    assert encoder.encode(REQUEST[:2], ()) == indexed(2) + indexed(7)


def test_size_zero_empties_the_table_and_inserts_nothing():
    encoder, decoder = HpackEncoder(), HpackDecoder(0)
    encoder.set_max_size(0)
    block = encoder.encode(REQUEST, FIELDS)

    assert block[0] == 0x20
    assert decoded(block, decoder) == sent(REQUEST, FIELDS)
    assert encoder.entries_by_index == ()
    assert encoder.encode(REQUEST, FIELDS) == block[1:]


def test_size_lowered_and_raised_between_two_blocks_is_announced_by_both():
    """4.2."""
    encoder, decoder = HpackEncoder(), HpackDecoder()
    decoded(one(b"x-a", b"1", encoder), decoder)
    for size in (2000, 100, 0, 300, 3000):
        encoder.set_max_size(size)
        decoder.set_max_size(size)

    block = encoder.encode(REQUEST[:1], ())
    assert block == update(0) + update(3000) + indexed(2)
    decoded(block, decoder)
    assert encoder.entries_by_index == decoder.entries_by_index == ()


def test_size_that_comes_back_to_what_it_was_is_announced():
    encoder = HpackEncoder()
    encoder.set_max_size(100)
    encoder.set_max_size(4096)

    assert encoder.encode(REQUEST[:1], ()) == update(100) + update(4096) + indexed(2)


@pytest.mark.parametrize("size", [4096, 8192, 2**32 - 1])
def test_size_beyond_our_limit_changes_nothing(size: int):
    encoder = HpackEncoder()
    encoder.set_max_size(size)

    assert encoder.max_size == 4096
    assert encoder.encode(REQUEST[:1], ()) == indexed(2)


@pytest.mark.parametrize("size", [65536, 2**32 - 1])
def test_size_is_raised_up_to_the_limit(size: int):
    encoder, decoder = HpackEncoder(limit=65536), HpackDecoder(65536)
    assert encoder.max_size == 4096
    encoder.set_max_size(size)
    fields = triples(*((b"x-%d" % number, b"") for number in range(1500)))
    unlimited = HpackDecoder(65536, max_fields=2000)

    block = encoder.encode((), fields)
    assert block.startswith(update(65536))
    assert decoder.decode_block(block) is None
    assert unlimited.decode_block(block) == sent((), fields)
    assert encoder.entries_by_index == decoder.entries_by_index
    assert len(encoder.entries_by_index) == 1500
    assert decoded(encoder.encode((), fields[700:900]), decoder) == sent((), fields[700:900])


def test_limit_below_the_default_is_announced_with_the_first_block():
    encoder = HpackEncoder(100)

    assert encoder.encode(REQUEST[:1], ()) == update(100) + indexed(2)


@pytest.mark.parametrize("limit", [-1, 65537])
def test_limit_out_of_range_is_refused(limit: int):
    with pytest.raises(ValueError, match="0 to 65536"):
        HpackEncoder(limit)


# Heads that come again


def test_repeated_head_is_the_same_object_once_the_table_stays():
    encoder = HpackEncoder()
    first, second, third = (encoder.encode(REQUEST, FIELDS) for _ in range(3))

    assert first != second
    assert second is third


def test_equal_head_of_other_objects_is_encoded_alike():
    encoder = HpackEncoder()
    encoder.encode(REQUEST, FIELDS)
    block = encoder.encode(REQUEST, FIELDS)
    copies = tuple(field for field in REQUEST), tuple(field for field in FIELDS)

    assert copies[0] is not REQUEST
    assert encoder.encode(*copies) == block
    assert encoder.encode(REQUEST, copies[1]) == block


def test_head_is_encoded_anew_once_the_table_has_changed():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    for _ in range(3):
        decoded(encoder.encode(REQUEST, FIELDS), decoder)
    stale = encoder.encode(REQUEST, FIELDS)
    decoded(one(b"x-new", b"value", encoder), decoder)
    fresh = encoder.encode(REQUEST, FIELDS)

    assert fresh != stale
    assert decoded(fresh, decoder) == sent(REQUEST, FIELDS)
    assert encoder.encode(REQUEST, FIELDS) is fresh


def test_head_is_encoded_anew_after_a_change_of_size():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    for _ in range(3):
        decoded(encoder.encode(REQUEST, FIELDS), decoder)
    for sizes in ((0, 4096), (4095,), (4096,)):
        for size in sizes:
            encoder.set_max_size(size)
            decoder.set_max_size(size)
        for _ in range(3):
            assert decoded(encoder.encode(REQUEST, FIELDS), decoder) == sent(REQUEST, FIELDS)


def test_block_with_an_update_is_not_kept():
    encoder = HpackEncoder()
    encoder.set_max_size(10)
    head = REQUEST[:2]

    assert [encoder.encode(head, ()) for _ in range(3)] == [update(10) + b"\x82\x87", b"\x82\x87", b"\x82\x87"]


def test_head_whose_insertion_was_put_off_is_inserted_the_next_time():
    encoder = HpackEncoder()
    one(b"x-a", b"0", encoder)
    head = triples((b"x-a", b"1"))
    blocks = [encoder.encode((), head) for _ in range(4)]

    assert [block[0] >> 6 for block in blocks] == [0, 1, 2, 2]
    assert blocks[2] is blocks[3]


def test_many_heads_in_turn_are_right_and_what_is_kept_is_bounded():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    heads = [((*REQUEST[:3], (b":path", b"/%d" % number)), FIELDS) for number in range(500)]
    for head in heads * 3:
        assert decoded(encoder.encode(*head), decoder) == sent(*head)

    pseudos = [pseudo for pseudo, _ in heads]
    del head
    held = sum(sys.getrefcount(pseudos[number]) - 3 for number in range(len(pseudos)))
    assert 0 < held <= 64


def test_large_block_is_not_kept():
    encoder = HpackEncoder()
    head = triples((b"date", b"~" * 5000))

    assert encoder.encode((), head) == encoder.encode((), head)
    assert encoder.encode((), head) is not encoder.encode((), head)


def test_encoder_frees_what_it_held():
    value = bytes([120]) * 50
    fields = ((b"X-A", b"x-a", value),)
    pseudo = (*REQUEST,)[:2]
    before = sys.getrefcount(value), sys.getrefcount(fields), sys.getrefcount(pseudo)
    encoder = HpackEncoder()
    for _ in range(3):
        encoder.encode(pseudo, fields)
    assert sys.getrefcount(value) > before[0]
    assert sys.getrefcount(fields) > before[1]
    assert sys.getrefcount(pseudo) > before[2]
    del encoder

    assert (sys.getrefcount(value), sys.getrefcount(fields), sys.getrefcount(pseudo)) == before


# What is no head


BAD_HEADS: dict[str, tuple[object, object]] = {
    "no pseudo-fields": (None, ()),
    "no fields": ((), None),
    "a list": ([], ()),
    "pairs for triples": ((), REQUEST),
    "triples for pairs": (FIELDS, ()),
    "str": ((), ((b"A", b"a", "b"),)),
    "None": ((), ((b"A", None, b"b"),)),
    "bytearray": (((b":path", bytearray(b"/")),), ()),
    "a list for a field": (([b":path", b"/"],), ()),
    "a good one before": ((), (*FIELDS, (b"X-B", b"x-b", 1))),
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_what_is_no_head_is_refused_and_changes_nothing(name: str):
    encoder = HpackEncoder()
    pseudo, fields = BAD_HEADS[name]

    with pytest.raises(TypeError):
        encoder.encode(pseudo, fields)  # type: ignore[arg-type]

    assert (encoder.size, encoder.insertions, encoder.entries_by_index) == (0, 0, ())
    assert encoder.encode(REQUEST[:1], ()) == indexed(2)


def test_same_names_of_different_fields_are_told_apart():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    fields: list[Field] = [(b"ab", b"c"), (b"a", b"bc"), (b"abc", b""), (b"ab", b"c"), (b"a", b"bc")]

    assert decoded(encoder.encode((), triples(*fields)), decoder) == tuple(fields)
    assert encoder.entries_by_index == ((b"abc", b""), (b"a", b"bc"), (b"ab", b"c"))
