"""HPACK against independent implementations: recorded stories of many encoders, the package hpack, and nghttp2.

What we encode they must decode, what they encode we must decode, and of any octets all must say the same, but for the
differences that stand in known_differences.toml.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast._cext.hpack import HpackDecoder, HpackEncoder, HpackError
from httpfast._cext.huffman import huffman_encoded

from ..differences import Difference, is_explained, known_differences
from . import nghttp2
from .hpack_blocks import Field, coded, decoded, indexed, inserted, integer, literal, plain, sent, triples, update
from .reading import shared_json

try:
    import hpack
except ImportError:
    hpack = None

STORIES = shared_json("hpack/hpack_stories_00-19.json")

needs_stories = pytest.mark.skipif(
    STORIES is None, reason="no ../shared/data/hpack/hpack_stories_00-19.json beside the project"
)
needs_hpack = pytest.mark.skipif(hpack is None, reason="the package hpack is not installed")
needs_nghttp2 = pytest.mark.skipif(not nghttp2.available(), reason="libnghttp2 is not installed")

SIZES = st.one_of(st.sampled_from([0, 31, 32, 64, 100, 1000, 4095, 4096]), st.integers(0, 4096))


# Recorded stories


def stories() -> list[tuple[str, str]]:
    return [(story, encoder) for story, rows in (STORIES or {}).items() for encoder in rows["encoders"]]


def pairs(fields: list[list[str]]) -> tuple[Field, ...]:
    return tuple((name.encode(), value.encode()) for name, value in fields)


@needs_stories
def test_stories_are_all_there():
    assert sum(len(rows["wire"]) for story in STORIES.values() for rows in story["encoders"].values()) == 2590


@needs_stories
@pytest.mark.parametrize(("story", "encoder"), stories())
def test_story_is_decoded_as_it_was_recorded(story: str, encoder: str):
    rows = STORIES[story]["encoders"][encoder]
    sizes = rows.get("header_table_size") or {}
    decoder = HpackDecoder()
    for number, (block, fields) in enumerate(zip(rows["wire"], STORIES[story]["headers"], strict=True)):
        if str(number) in sizes:
            decoder.set_max_size(sizes[str(number)])
        assert decoded(bytes.fromhex(block), decoder) == pairs(fields)


def heads_of(story: str) -> list[tuple[tuple[Field, ...], tuple[Field, ...]]]:
    """The story's lists, parted into pseudo-fields and fields."""
    lists = [pairs(fields) for fields in STORIES[story]["headers"]]
    return [
        (tuple(f for f in fields if f[0].startswith(b":")), tuple(f for f in fields if not f[0].startswith(b":")))
        for fields in lists
    ]


@needs_stories
@pytest.mark.parametrize("story", STORIES or {})
def test_story_that_we_encode_is_decoded_by_all(story: str):
    """With each head sent twice, so that known heads take part; and never larger than without a table."""
    encoder, decoder = HpackEncoder(), HpackDecoder()
    theirs: list[Any] = [hpack.Decoder()] if hpack else []
    theirs += [nghttp2.Inflater()] if nghttp2.available() else []
    size = raw_size = 0
    for pseudo, fields in heads_of(story):
        head = triples(*fields)
        for _ in range(2):
            block = encoder.encode(pseudo, head)
            size += len(block)
            raw_size += sum(len(name) + len(value) + 3 for name, value in pseudo + fields)
            assert decoded(block, decoder) == pseudo + fields
            for other in theirs:
                assert fields_of(other, block) == pseudo + fields
            assert encoder.entries_by_index == decoder.entries_by_index
    assert size < raw_size


def fields_of(decoder: Any, block: bytes) -> tuple[Field, ...]:
    """What another decoder makes of a block."""
    if isinstance(decoder, nghttp2.Inflater):
        return decoder.decode(block)
    return tuple((bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True))


# Heads made up, both ways

NAMES = [
    b"accept",
    b"cookie",
    b"authorization",
    b"content-length",
    b"x-a",
    b"x-b",
    b"x-request-id",
    b"user-agent",
    b"date",
]
names = st.one_of(st.sampled_from(NAMES), st.text("abcxyz-09", min_size=1, max_size=12).map(str.encode))
values = st.one_of(
    st.sampled_from([b"", b"*/*", b"a=b", b"gzip, deflate", b"x" * 30, b"a=" + b"b" * 30, b"v" * 3000]),
    st.text("abc019 =;,/", max_size=30).map(str.encode),
    st.binary(max_size=30).map(lambda octets: octets.replace(b"\0", b"0")),
)
pseudos = st.builds(
    lambda method, path: (
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", b"example.org"),
        (b":path", path),
    ),
    st.sampled_from([b"GET", b"POST", b"DELETE"]),
    st.sampled_from([b"/", b"/a", b"/index.html", b"/a/b?c=d"]),
)
heads = st.tuples(pseudos, st.lists(st.tuples(names, values), max_size=8).map(lambda fields: triples(*fields)))
# A change of the table's size, or the head of this number among those drawn, so that heads come again.
steps = st.lists(st.one_of(st.integers(0, 3).map(lambda n: ("head", n)), SIZES.map(lambda n: ("size", n))), max_size=20)


@settings(max_examples=300, deadline=None)
@given(st.lists(heads, min_size=4, max_size=4), steps)
def test_heads_are_decoded_by_all_while_the_table_changes(drawn: list[Any], script: list[tuple[str, int]]):
    encoder, decoder = HpackEncoder(), HpackDecoder()
    package = hpack.Decoder(2**24) if hpack else None
    inflater = nghttp2.Inflater() if nghttp2.available() else None
    for what, number in script:
        if what == "size":
            encoder.set_max_size(number)
            decoder.set_max_size(number)
            if package is not None:
                package.max_allowed_table_size = number
            if inflater is not None:
                inflater.set_max_size(number)
            continue
        head = drawn[number]
        block = encoder.encode(*head)
        assert decoded(block, decoder) == sent(*head)
        assert encoder.entries_by_index == decoder.entries_by_index
        assert encoder.size == decoder.size
        if package is not None:
            assert fields_of(package, block) == sent(*head)
            assert tuple(package.header_table.dynamic_entries) == decoder.entries_by_index
        if inflater is not None:
            assert inflater.decode(block) == sent(*head)


@needs_hpack
@settings(max_examples=300, deadline=None)
@given(st.lists(heads, min_size=4, max_size=4), steps, st.booleans())
def test_what_the_package_hpack_encodes_is_decoded(drawn: list[Any], script: list[tuple[str, int]], huffman: bool):
    encoder, decoder = hpack.Encoder(), HpackDecoder()
    for what, number in script:
        if what == "size":
            if number == encoder.header_table_size:
                continue  # the same size a second time would make it forget to announce the first
            encoder.header_table_size = number
            decoder.set_max_size(number)
            # It would announce each of them, where 4.2 has the smallest and the last, which are all that we allow.
            changes = encoder.table_size_changes
            encoder.table_size_changes = [min(changes), number] if min(changes) < number else [number]
            continue
        fields = sent(*drawn[number])
        assert decoded(encoder.encode(fields, huffman=huffman), decoder) == fields
        assert tuple(encoder.header_table.dynamic_entries) == decoder.entries_by_index


@needs_nghttp2
@settings(max_examples=300, deadline=None)
@given(st.lists(heads, min_size=4, max_size=4), steps)
def test_what_nghttp2_encodes_is_decoded(drawn: list[Any], script: list[tuple[str, int]]):
    encoder, decoder = nghttp2.Deflater(), HpackDecoder()
    for what, number in script:
        if what == "size":
            encoder.set_max_size(number)
            decoder.set_max_size(number)
            continue
        fields = sent(*drawn[number])
        assert decoded(encoder.encode(fields), decoder) == fields


# Any octets

strings = st.one_of(
    st.binary(max_size=20).map(plain),
    st.binary(max_size=20).map(lambda octets: coded(huffman_encoded(octets))),
    st.binary(max_size=8).map(coded),
    st.sampled_from([b"", b"\x00", b"\x80", b"\x81\xff", b"\x84\xff\xff\xff\xff", b"\x7f\x00", b"\x7f", b"\x05abc"]),
)
indices = st.one_of(st.integers(0, 70), st.sampled_from([127, 128, 2**14, 2**31 - 1, 2**31, 2**32, 2**35]))
representations = st.one_of(
    indices.map(indexed),
    st.builds(lambda index, value: integer(index, 6, 0x40) + value, indices, strings),
    st.builds(lambda index, value: integer(index, 4) + value, indices, strings),
    st.builds(lambda name, value: b"\x40" + name + value, strings, strings),
    st.builds(lambda first, name, value: first + name + value, st.sampled_from([b"\x00", b"\x10"]), strings, strings),
    st.builds(inserted, st.sampled_from([b"n", b"m" * 60]), st.sampled_from([b"v", b"w" * 2000, b"x" * 4063])),
    st.builds(literal, st.integers(1, 61), st.binary(max_size=4)),
    st.one_of(SIZES, st.sampled_from([4097, 2**31])).map(update),
    st.binary(max_size=6),
)
blocks = st.one_of(st.binary(max_size=60), st.lists(representations, max_size=8).map(b"".join))


def updates_of(block: bytes) -> int:
    """How many size updates the block begins with."""
    count, at = 0, 0
    while at < len(block) and block[at] & 0xE0 == 0x20:
        count += 1
        if block[at] & 0x1F == 0x1F:
            at += 1
            while at < len(block) and block[at] & 0x80:
                at += 1
        at += 1
    return count


def what_is_read(decoder: HpackDecoder, block: bytes) -> tuple[Field, ...] | str:
    """The fields, or the complaint."""
    try:
        return decoded(block, decoder)
    except HpackError as error:
        return str(error)


def compare(who: str, ours: tuple[Field, ...] | str, theirs: tuple[Field, ...] | Exception) -> bool:
    """True when both have read the block. Fails on a difference that no entry explains."""
    if isinstance(ours, str):
        if not isinstance(theirs, Exception):
            assert is_explained(who, "us", ours, b""), ours
        return False
    if isinstance(theirs, Exception):
        assert is_explained(who, "them", str(theirs), b""), theirs
        return False
    assert ours == theirs
    return True


@needs_hpack
@settings(max_examples=2000, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=4))
def test_any_octets_are_read_as_the_package_hpack_reads_them_or_there_is_a_reason_not_to(drawn: list[bytes]):
    decoder, package = HpackDecoder(max_list_size=2**24), hpack.Decoder(2**24)
    for block in drawn:
        theirs: tuple[Field, ...] | Exception
        try:
            theirs = fields_of(package, block)
        except hpack.HPACKError as error:
            theirs = error
        if not compare("hpack", what_is_read(decoder, block), theirs):
            return
        assert tuple(package.header_table.dynamic_entries) == decoder.entries_by_index


@needs_nghttp2
@settings(max_examples=2000, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=4))
def test_any_octets_are_read_as_nghttp2_reads_them_or_there_is_a_reason_not_to(drawn: list[bytes]):
    decoder, inflater = HpackDecoder(max_list_size=2**24), nghttp2.Inflater()
    for block in drawn:
        theirs: tuple[Field, ...] | Exception
        try:
            theirs = inflater.decode(block)
        except nghttp2.Nghttp2Error as error:
            theirs = error
        if not compare("nghttp2", what_is_read(decoder, block), theirs):
            return


@needs_hpack
@pytest.mark.parametrize("entry", known_differences("hpack"), ids=lambda entry: entry.problem)
def test_known_difference_from_hpack_is_one(entry: Difference):
    assert entry.explains(str(what_is_read(HpackDecoder(), entry.example)), b"")
    assert fields_of(hpack.Decoder(), entry.example) == ((b":method", b"GET"),)


@needs_nghttp2
@pytest.mark.parametrize("entry", known_differences("nghttp2"), ids=lambda entry: entry.problem)
def test_known_difference_from_nghttp2_is_one(entry: Difference):
    assert entry.explains(str(what_is_read(HpackDecoder(), entry.example)), b"")
    assert nghttp2.Inflater().decode(entry.example) == ((b":method", b"GET"),)


@settings(max_examples=1000, deadline=None)
@given(st.lists(blocks, min_size=1, max_size=6))
def test_block_that_comes_again_is_read_as_by_a_decoder_that_knows_none(drawn: list[bytes]):
    """Each block three times; `other` meets each in a form of its own, so that it cannot know it."""
    decoder, other = HpackDecoder(), HpackDecoder()
    count = 0
    for block in drawn * 3:
        if updates_of(block):
            continue
        count += 1
        ours = what_is_read(decoder, block)
        theirs = what_is_read(other, block + literal(b"n", b"%d" % count))
        if isinstance(ours, str) or isinstance(theirs, str):
            return
        assert (*ours, (b"n", b"%d" % count)) == theirs
        assert decoder.entries_by_index == other.entries_by_index
        assert decoder.size == other.size
