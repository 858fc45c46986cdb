"""HpackDecoder: what a block means, what is an error, what is too large, and what is kept.

RFC 7541; RFC 9113, 6.5.2.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc

import pytest

from httpfast import RemoteProtocolError
from httpfast._cext.hpack import HpackDecoder, HpackError
from httpfast._cext.huffman import huffman_encoded

from .hpack_blocks import Field, coded, decoded, indexed, inserted, integer, literal, plain, update

GET: Field = (b":method", b"GET")
STATUS = indexed(8)


def field_of_size(size: int, name: bytes = b"n") -> Field:
    """A field that takes so many octets of table (4.1)."""
    return name, b"v" * (size - 32 - len(name))


# What is read


@pytest.mark.parametrize("name", [2, b":method"], ids=["name by index", "name by octets"])
@pytest.mark.parametrize(("prefix_bits", "first", "is_inserted"), [(6, 0x40, True), (4, 0x00, False), (4, 0x10, False)])
def test_literal_is_read_and_inserted_where_it_says_so(
    name: int | bytes, prefix_bits: int, first: int, is_inserted: bool
):
    decoder = HpackDecoder()

    assert decoded(literal(name, b"PUT", prefix_bits, first), decoder) == ((b":method", b"PUT"),)
    assert decoder.entries_by_index == (((b":method", b"PUT"),) if is_inserted else ())


def test_empty_block_is_an_empty_list():
    assert decoded(b"") == ()


def test_name_and_value_may_be_empty():
    assert decoded(literal(b"", b"")) == ((b"", b""),)
    assert decoded(b"\x00" + coded(b"") + coded(b"")) == ((b"", b""),)


def test_name_by_index_is_that_of_an_entry():
    decoder = HpackDecoder()
    decoded(inserted(b"x", b"1") + inserted(b"y", b"2"), decoder)

    assert decoded(literal(63, b"3") + literal(62, b"4"), decoder) == ((b"x", b"3"), (b"y", b"4"))


def test_entry_whose_name_it_has_may_be_evicted_by_its_insertion():
    """4.4: the name is taken before the table changes."""
    decoder = HpackDecoder()
    decoded(update(64) + inserted(*field_of_size(64)), decoder)

    assert decoded(inserted(62, b"w" * 31), decoder) == ((b"n", b"w" * 31),)
    assert decoder.entries_by_index == ((b"n", b"w" * 31),)


def test_bytearray_and_memoryview_are_blocks_too():
    assert decoded(bytearray(b"\x82")) == (GET,)
    assert decoded(memoryview(b"\x82")) == (GET,)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 126, 127, 128, 254, 255, 256, 511, 512, 513, 1023, 1024, 20_000])
def test_string_of_any_length_is_read(size: int):
    value = bytes(48 + i % 75 for i in range(size))

    assert decoded(b"\x00" + plain(b"n") + plain(value)) == ((b"n", value),)
    assert decoded(b"\x00" + coded(huffman_encoded(b"n")) + coded(huffman_encoded(value))) == ((b"n", value),)


def test_result_cannot_be_changed_and_shares_the_tables_objects():
    decoder = HpackDecoder()
    first = decoded(indexed(2) + inserted(b"n", b"v"), decoder)
    second = decoded(indexed(62) + indexed(2), decoder)

    assert type(first) is tuple
    assert type(first[0]) is tuple
    assert second[0] is first[1]
    assert second[1] is first[0] is decoded(indexed(2) + indexed(3))[0]


# The dynamic table


def test_entries_fill_the_table_to_its_last_octet():
    decoder = HpackDecoder()
    fields = [field_of_size(1024, b"%d" % number) for number in range(4)]
    decoded(b"".join(inserted(*field) for field in fields), decoder)

    assert decoder.size == 4096
    assert decoder.entries_by_index == tuple(reversed(fields))


def test_one_octet_more_evicts_the_oldest_only():
    decoder = HpackDecoder()
    fields = [field_of_size(1024, b"%d" % number) for number in range(4)]
    decoded(b"".join(inserted(*field) for field in fields), decoder)
    decoded(inserted(*field_of_size(33)), decoder)

    assert decoder.size == 3 * 1024 + 33
    assert decoder.entries_by_index == (field_of_size(33), *reversed(fields[1:]))


@pytest.mark.parametrize(("size", "is_kept"), [(4096, True), (4097, False)])
def test_entry_larger_than_the_table_only_empties_it(size: int, is_kept: bool):
    decoder = HpackDecoder()
    decoded(inserted(b"x", b"y"), decoder)

    assert decoded(inserted(*field_of_size(size)), decoder) == (field_of_size(size),)
    assert decoder.entries_by_index == ((field_of_size(size),) if is_kept else ())
    assert decoder.size == (size if is_kept else 0)


def test_table_of_many_small_entries_is_right_while_it_turns():
    decoder = HpackDecoder()
    expected: list[Field] = []
    for number in range(1000):
        field = (b"%d" % number, b"")
        decoded(inserted(*field), decoder)
        expected.insert(0, field)
        while sum(32 + len(name) for name, _ in expected) > 4096:
            expected.pop()
        if number % 37 == 0:
            assert decoder.entries_by_index == tuple(expected)
            for index in range(len(expected)):
                assert decoded(indexed(62 + index), decoder) == (expected[index],)


def test_size_update_evicts_and_may_grow_again():
    decoder = HpackDecoder()
    decoded(inserted(*field_of_size(100, b"a")) + inserted(*field_of_size(100, b"b")), decoder)

    decoded(update(100), decoder)
    assert decoder.entries_by_index == (field_of_size(100, b"b"),)
    decoded(update(99) + update(4096), decoder)
    assert decoder.entries_by_index == ()
    assert (decoder.max_size, decoder.size) == (4096, 0)


def test_table_of_no_octets_takes_nothing():
    decoder = HpackDecoder(0)

    assert decoded(update(0) + inserted(b"n", b"v"), decoder) == ((b"n", b"v"),)
    assert decoder.entries_by_index == ()


@pytest.mark.parametrize("size", [8192, 65536])
def test_peer_may_use_the_size_we_allow(size: int):
    decoder = HpackDecoder(size)

    assert decoder.max_size == 4096
    decoded(update(size), decoder)
    assert decoder.max_size == size
    for number in range(size // 64):
        decoded(inserted(*field_of_size(64, b"%d" % number)), decoder)
    assert decoder.size == size


# Size updates that are due (4.2)


def test_lowered_size_has_to_be_acknowledged_at_the_start_of_the_next_block():
    decoder = HpackDecoder()
    decoder.set_max_size(1000)

    with pytest.raises(HpackError, match="without the size update to 1000"):
        decoder.decode_block(STATUS)


@pytest.mark.parametrize("size", [1000, 500, 0])
def test_lowered_size_is_acknowledged_by_any_smaller_one(size: int):
    decoder = HpackDecoder()
    decoder.set_max_size(1000)

    assert decoded(update(size) + STATUS, decoder) == ((b":status", b"200"),)
    assert decoder.max_size == size
    assert decoded(STATUS, decoder) == ((b":status", b"200"),)


def test_size_lowered_and_raised_has_to_be_acknowledged_at_its_lowest():
    decoder = HpackDecoder()
    decoder.set_max_size(100)
    decoder.set_max_size(50)
    decoder.set_max_size(8192)

    with pytest.raises(HpackError, match="8192 octets where 50 are due"):
        decoder.decode_block(update(8192) + STATUS)


def test_size_lowered_and_raised_is_acknowledged_by_two_updates():
    decoder = HpackDecoder()
    decoder.set_max_size(50)
    decoder.set_max_size(8192)

    assert decoded(update(50) + update(8192) + STATUS, decoder) == ((b":status", b"200"),)
    assert decoder.max_size == 8192


def test_raised_size_asks_for_nothing():
    decoder = HpackDecoder()
    decoder.set_max_size(8192)

    assert decoded(STATUS, decoder) == ((b":status", b"200"),)
    assert decoder.max_size == 4096


def test_known_block_does_not_pass_where_an_update_is_due():
    decoder = HpackDecoder()
    decoded(STATUS, decoder)
    decoder.set_max_size(0)

    with pytest.raises(HpackError, match="without the size update"):
        decoder.decode_block(STATUS)


# Errors

EOS = b"\xff\xff\xff\xff"
BAD_BLOCKS = {
    "index 0": (indexed(0), "Index 0"),
    "index past the static table": (indexed(62), "Index 62 of 61"),
    "index past the end": (inserted(b"n", b"v") + indexed(63), "Index 63 of 62"),
    "largest index": (indexed(2**31 - 1), "Index 2147483647"),
    "name's index past the end": (inserted(62, b"v"), "Index 62"),
    "name's index past the end, plain": (literal(62, b"v"), "Index 62"),
    "name's index past the end, never": (literal(62, b"v", 4, 0x10), "Index 62"),
    "index of an entry that is gone": (inserted(b"n", b"v") + inserted(*field_of_size(4097)) + indexed(62), "Index 62"),
    "block ends after the first octet": (b"\x40", "ends within a field"),
    "block ends before the value": (b"\x40" + plain(b"n"), "ends within a field"),
    "block ends before the value, by index": (b"\x44", "ends within a field"),
    "block ends within the name": (b"\x40\x02n", "string of 2 octets, of which the block has 1"),
    "block ends within the value": (b"\x44\x03ab", "string of 3 octets, of which the block has 2"),
    "length of 2**31 - 1": (b"\x44" + integer(2**31 - 1, 7), "string of 2147483647"),
    "block ends within an index": (b"\xff", "ends within an integer"),
    "block ends within an index's octets": (b"\xff\x80\x80", "ends within an integer"),
    "block ends within a length": (b"\x44\x7f\xff", "ends within an integer"),
    "block ends within an update": (b"\x3f", "ends within an integer"),
    "index of 2**31": (indexed(2**31), "integer of 2147483648"),
    "index of 2**32": (indexed(2**32), "integer of 4294967296"),
    "index of 2**35 + 126": (b"\xff\xff\xff\xff\xff\x7f", "integer of 34359738494"),
    "length of 2**31": (b"\x44" + integer(2**31, 7), "integer of"),
    "update of 2**31": (update(2**31), "integer of"),
    "six octets after the prefix": (b"\xff\x80\x80\x80\x80\x80\x00", "more than six octets"),
    "zeroes without end": (b"\xff" + b"\x80" * 100_000, "more than six octets"),
    "update above the limit": (update(4097), "4097 octets, beyond the limit of 4096"),
    "update after a field": (STATUS + update(0), "after a field"),
    "three updates": (update(0) + update(1) + update(2), "More than two"),
    "EOS in a value": (b"\x44" + coded(EOS), "EOS"),
    "EOS in a name": (b"\x40" + coded(EOS) + plain(b"v"), "EOS"),
    "padding of 8 bits": (b"\x44" + coded(huffman_encoded(b"aaaaaaaa") + b"\xff"), "padding"),
    "padding with zeroes": (b"\x44" + coded(b"\x18"), "padding"),
    "padding of a name": (b"\x40" + coded(b"\xff") + plain(b"v"), "padding"),
    "code that the string cuts": (b"\x44" + coded(b"\xff\xff\xfe"), "padding"),
}


@pytest.mark.parametrize("before", [b"", STATUS, STATUS * 3 + literal(b"n", b"v")], ids=["alone", "after 1", "after 4"])
@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_bad_block_is_an_error(name: str, before: bytes):
    """H2-05, H2-06."""
    block, message = BAD_BLOCKS[name]
    if before and block[0] & 0xE0 == 0x20:
        message = "after a field"

    with pytest.raises(HpackError, match=message) as caught:
        HpackDecoder().decode_block(before + block)

    assert isinstance(caught.value, RemoteProtocolError)
    assert "RFC 7541" in str(caught.value)


@pytest.mark.parametrize(
    "value", [0, 1, 14, 15, 30, 31, 61, 62, 63, 64, 126, 127, 128, 254, 255, 16383, 16384, 2**21, 2**28]
)
def test_integer_at_each_boundary_is_what_it_says(value: int):
    """By the complaint about an index, whose prefixes have 7, 6 and 4 bits, and by the size update, of 5."""
    decoder = HpackDecoder(2**31 - 1)
    decoded(update(value), decoder)
    assert decoder.max_size == value

    blocks = [indexed(value), inserted(value, b""), literal(value, b"")] if not 0 < value < 62 else []
    for block in blocks[: 1 if value == 0 else 3]:
        with pytest.raises(HpackError, match=f"Index {value} of 61 "):
            HpackDecoder().decode_block(block)


@pytest.mark.parametrize("octets", [b"\x9f\x00", b"\x9f\x80\x00", b"\x9f\x80\x80\x80\x00"], ids=["1 zero", "2", "4"])
def test_integer_with_zeroes_in_front_is_read(octets: bytes):
    """5.1 allows them; five octets after the prefix are where we stop."""
    decoder = HpackDecoder()

    assert decoded(b"\x3f" + octets, decoder) == ()
    assert decoder.max_size == 31 + 31


def test_largest_integer_is_read():
    decoder = HpackDecoder(2**31 - 1)

    decoded(update(2**31 - 1), decoder)

    assert decoder.max_size == 2**31 - 1


# Lists beyond the limits (H2-03)


def test_list_at_its_limit_of_octets_is_read_and_one_octet_more_is_not():
    """RFC 9113, 6.5.2 counts as the table does."""
    block = indexed(2) + literal(*field_of_size(100))
    size = 32 + len(b":methodGET") + 100

    assert HpackDecoder(max_list_size=size).decode_block(block) == (GET, field_of_size(100))
    assert HpackDecoder(max_list_size=size - 1).decode_block(block) is None


def test_list_at_its_limit_of_fields_is_read_and_one_more_is_not():
    assert HpackDecoder(max_fields=3).decode_block(STATUS * 3) == ((b":status", b"200"),) * 3
    assert HpackDecoder(max_fields=3).decode_block(STATUS * 4) is None


def test_list_of_no_fields_allowed_is_too_large_with_one():
    assert HpackDecoder(max_fields=0).decode_block(b"") == ()
    assert HpackDecoder(max_fields=0).decode_block(STATUS) is None
    assert HpackDecoder(max_list_size=sys.maxsize).decode_block(STATUS) == ((b":status", b"200"),)


@pytest.mark.parametrize("limits", [{"max_list_size": 200}, {"max_fields": 3}], ids=["octets", "fields"])
def test_table_is_in_step_after_a_list_that_was_too_large(limits: dict[str, int]):
    decoder, unlimited = HpackDecoder(**limits), HpackDecoder()
    blocks = [
        b"".join(inserted(b"%d" % number, b"v" * 20) for number in range(10)),
        indexed(62) * 10 + inserted(b"last", b"one") + literal(b"not", b"kept"),
        inserted(62, b"two"),
    ]
    assert decoder.decode_block(blocks[0]) is None
    assert decoder.decode_block(blocks[1]) is None
    assert decoder.decode_block(blocks[2]) == ((b"last", b"two"),)
    for block in blocks:
        unlimited.decode_block(block)

    assert decoder.entries_by_index == unlimited.entries_by_index
    assert decoded(indexed(63), decoder) == ((b"last", b"one"),)


def test_error_after_the_limit_is_an_error_all_the_same():
    with pytest.raises(HpackError, match="Index 0"):
        HpackDecoder(max_fields=1).decode_block(STATUS * 2 + indexed(0))


def test_too_large_list_is_not_kept_as_a_known_block():
    decoder = HpackDecoder(max_fields=1)
    for _ in range(5):
        assert decoder.decode_block(STATUS * 2) is None
    assert decoder.decode_block(STATUS) == ((b":status", b"200"),)


# Blocks that come again


def test_indexed_block_gives_the_same_object_while_the_table_stays():
    decoder = HpackDecoder()
    decoded(inserted(b"server", b"x") + inserted(b"n", b"v"), decoder)
    block = STATUS + indexed(62) + indexed(63)
    first = decoded(block, decoder)

    assert decoded(block, decoder) is first
    assert decoded(STATUS, decoder) == ((b":status", b"200"),)
    assert decoded(block, decoder) is first


def test_indexed_block_means_another_list_once_the_table_has_changed():
    decoder = HpackDecoder()
    decoded(inserted(b"a", b"1"), decoder)
    block = STATUS + indexed(62)
    assert decoded(block, decoder) == ((b":status", b"200"), (b"a", b"1"))
    assert decoded(block, decoder) == ((b":status", b"200"), (b"a", b"1"))

    decoded(inserted(b"b", b"2"), decoder)
    assert decoded(block, decoder) == ((b":status", b"200"), (b"b", b"2"))
    decoded(update(0), decoder)
    with pytest.raises(HpackError, match="Index 62"):
        decoder.decode_block(block)


def test_block_of_the_static_table_gives_the_same_object_whatever_the_table():
    decoder = HpackDecoder()
    first = decoded(STATUS + indexed(16), decoder)
    decoded(inserted(b"a", b"1"), decoder)

    assert decoded(STATUS + indexed(16), decoder) is first


def test_block_with_literals_is_kept_from_its_second_time_on():
    decoder = HpackDecoder()
    block = STATUS + literal(28, b"1024")
    first, second, third = (decoded(block, decoder) for _ in range(3))

    assert first == second
    assert second is third


def test_block_that_inserts_inserts_each_time():
    """As nginx sends: every field to be inserted, none of them by index. It gives the same object all the same."""
    decoder, other = HpackDecoder(), HpackDecoder()
    block = STATUS + inserted(54, b"nginx") + literal(28, b"5") + inserted(b"x-a", b"b" * 100)
    results = []
    for number in range(60):
        results.append(decoded(block, decoder))
        for piece in (STATUS, inserted(54, b"nginx"), literal(28, b"5"), inserted(b"x-a", b"b" * 100)):
            decoded(piece + literal(b"number", b"%d" % number), other)
        assert decoder.entries_by_index == other.entries_by_index
        assert decoder.size == other.size

    assert set(results) == {results[0]}
    assert all(result is results[1] for result in results[1:])


def test_block_that_inserts_what_is_too_large_empties_the_table_each_time():
    decoder = HpackDecoder()
    decoded(update(100), decoder)
    block = inserted(b"n", b"v" * 80)
    for _ in range(4):
        decoded(inserted(b"a", b"b"), decoder)
        assert decoder.size == 34
        assert decoded(block, decoder) == ((b"n", b"v" * 80),)
        assert decoder.size == 0


def test_block_that_inserts_and_uses_the_table_is_read_each_time():
    decoder = HpackDecoder()
    decoded(inserted(b"a", b"0"), decoder)
    block = inserted(62, b"1") + indexed(63)

    assert decoded(block, decoder) == ((b"a", b"1"), (b"a", b"0"))
    for _ in range(3):
        assert decoded(block, decoder) == ((b"a", b"1"), (b"a", b"1"))


def test_block_with_an_update_is_read_each_time():
    decoder = HpackDecoder()
    block = update(0) + update(4096) + inserted(b"a", b"b")
    for _ in range(4):
        decoded(inserted(b"x", b"y"), decoder)
        assert decoded(block, decoder) == ((b"a", b"b"),)
        assert decoder.entries_by_index == ((b"a", b"b"),)


@pytest.mark.parametrize("count", [63, 64, 65])
def test_block_of_many_insertions_inserts_all_of_them_each_time(count: int):
    decoder = HpackDecoder(65536)
    decoded(update(65536), decoder)
    fields = tuple((b"%d" % number, b"") for number in range(count))
    block = b"".join(inserted(*field) for field in fields)
    for times in range(1, 5):
        assert decoded(block, decoder) == fields
        assert decoder.entries_by_index == tuple(reversed(fields)) * times


def test_blocks_that_differ_in_one_octet_are_told_apart():
    decoder = HpackDecoder()
    for size in (1, 7, 8, 9, 15, 16, 17, 100):
        for position in range(size):
            block = bytearray([0x82] * size)
            for octet in (0x83, 0x82, 0x83):
                block[position] = octet
                fields = decoded(block, decoder)
                assert fields == tuple((b":method", b"POST" if octet == 0x83 else b"GET") for octet in block)


def test_what_is_kept_of_blocks_is_bounded():
    decoder = HpackDecoder()
    results = []
    for number in range(2000):
        block = bytes([0x82 + (number >> shift) % 4 for shift in range(0, 12, 2)])
        results.append(decoded(block, decoder))
    before = [sys.getrefcount(result) for result in results]
    del decoder
    after = [sys.getrefcount(result) for result in results]
    held = sum(before) - sum(after)

    assert 0 < held <= 32


def test_long_block_is_not_kept():
    decoder = HpackDecoder()

    assert decoded(b"\x82" * 513, decoder) == decoded(b"\x82" * 513, decoder)
    assert decoded(b"\x82" * 513, decoder) is not decoded(b"\x82" * 513, decoder)


def test_decoder_frees_what_it_held():
    name, value = b"n" * 50, b"v" * 50
    decoder = HpackDecoder()
    fields = decoded(inserted(name, value), decoder)
    decoded(indexed(62), decoder)
    decoded(indexed(62) + indexed(62), decoder)
    before = sys.getrefcount(fields[0])
    del decoder
    after = sys.getrefcount(fields[0])

    # The table, two known blocks with one and two of it, and what is asked about: the list and the call.
    assert (before, after) == (6, 2)


def test_error_frees_the_fields_before_it():
    decoder = HpackDecoder()
    fields = decoded(inserted(b"n", b"v"), decoder)
    before = sys.getrefcount(fields[0])
    for _ in range(100):
        with pytest.raises(HpackError):
            decoder.decode_block(indexed(62) * 10 + indexed(0))

    after = sys.getrefcount(fields[0])
    assert after == before


# Hostile peers


def peak_of(decoder: HpackDecoder, block: bytes) -> int:
    """Octets of Python's memory that reading a block takes at most."""
    gc.collect()
    tracemalloc.start()
    try:
        decoder.decode_block(block)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bomb_is_a_list_too_large_and_takes_little_memory():
    """H2-04: an entry as large as the table, named 16,000 times: 64 MiB of list in 16 KiB of block."""
    decoder = HpackDecoder()
    decoded(inserted(*field_of_size(4096)), decoder)

    assert peak_of(decoder, indexed(62) * 16_000) < 64 * 1024
    assert decoder.decode_block(indexed(62) * 16_000) is None
    assert decoded(indexed(62), decoder) == (field_of_size(4096),)


def test_bomb_of_small_fields_is_bounded_by_their_number():
    decoder = HpackDecoder()

    assert decoder.decode_block(STATUS * 1_000_000) is None
    assert peak_of(decoder, STATUS * 1_000_000) < 1_100_000  # the block itself is copied once


def test_many_literals_beyond_the_limit_take_no_more_memory_than_one():
    decoder = HpackDecoder()
    block = literal(b"n", b"v" * 1000) * 2000

    assert decoder.decode_block(block) is None
    assert peak_of(decoder, block) < len(block) + 400_000


def test_long_huffman_string_takes_linear_time():
    """H2-05. In time that grows with the square of its length this string would take hours."""
    decoder = HpackDecoder(max_list_size=2**26)
    for octets in (b"0" * 8_000_000, b"\xff" * 2_000_000):
        block = b"\x00" + plain(b"n") + coded(huffman_encoded(octets))
        started = time.perf_counter()
        fields = decoder.decode_block(block)
        taken = time.perf_counter() - started

        assert fields == ((b"n", octets),)
        assert taken < 5


def test_insertions_and_evictions_take_constant_time():
    """A table of 64 KiB full of small entries, and 200,000 more of them."""
    decoder = HpackDecoder(65536, max_fields=10)
    block = inserted(b"", b"") * 200_000
    started = time.perf_counter()

    assert decoder.decode_block(update(65536) + block) is None
    assert time.perf_counter() - started < 5
    assert decoder.size == 65536
