"""Content codings: each decodes at any split, in bounded pieces, and accepts nothing but a complete body."""

from __future__ import annotations

import gzip
import os
import sys
import types
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import _decoders
from httpfast._chunks import Chunker, LineDecoder, TextDecoder
from httpfast._decoders import IDENTITY, PIECE_BYTES, BrotliDecoder, Decoder, accept_encoding, content_decoder
from httpfast._exceptions import DecodingError
from httpfast._zstd import CompressionZstdDecoder, ZstandardDecoder

brotli = pytest.importorskip("brotli")
zstandard = pytest.importorskip("zstandard")

SKIPPABLE_FRAME = bytes.fromhex("5a2a4d18 03000000 616263")


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:7]) + gzip.compress(data[7:])


def two_frames(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    empty = zstandard.compress(b"")
    return bytes(empty + compressor.compress(data[:7]) + SKIPPABLE_FRAME + compressor.compress(data[7:]) + empty)


def stream_of_unknown_size(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return bytes(compressor.compress(data) + compressor.flush())


FORMATS = {
    "gzip": ("gzip", gzip.compress),
    "gzip members": ("gzip", two_members),
    "deflate": ("deflate", zlib.compress),
    "deflate bare": ("deflate", bare_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd frames": ("zstd", two_frames),
    "zstd unsized": ("zstd", stream_of_unknown_size),
}
BODIES = {
    "empty": b"",
    "short": b"hello, world",
    "text": b"the same words again and " * 300,
    "noise": bytes(range(256)) * 3,
    "large": b"0123456789abcdef" * 50_000,
}


def split(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def decode_split(decoder: Decoder, data: bytes, size: int) -> bytes:
    decoded = [piece for part in split(data, size) for piece in decoder.pieces(part)]
    return b"".join(decoded) + decoder.flush()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(("coding", "compress"), FORMATS.values(), ids=FORMATS)
def test_body_decodes_the_same_at_any_split_and_in_one_go(coding, compress, body):
    encoded = compress(body)
    sizes = [size for size in (1, 2, 3, 1000, 1 << 20) if len(encoded) / size < 10_000]

    assert sizes
    for size in sizes:
        assert decode_split(content_decoder([coding]), encoded, size) == body
    assert content_decoder([coding]).decode_whole(encoded) == body
    assert content_decoder([coding]).decode(encoded) == body


@pytest.mark.parametrize("name", ["gzip", "deflate", "deflate bare", "br", "zstd", "zstd unsized"])
def test_truncated_body_is_an_error_at_every_length(name):
    coding, compress = FORMATS[name]
    encoded = compress(b"hello, hello, world")

    for length in range(1, len(encoded)):
        with pytest.raises(DecodingError):
            decode_split(content_decoder([coding]), encoded[:length], 1)
        with pytest.raises(DecodingError):
            content_decoder([coding]).decode_whole(encoded[:length])


@pytest.mark.parametrize("name", ["gzip members", "zstd frames"])
def test_body_cut_inside_its_last_member_is_an_error(name):
    coding, compress = FORMATS[name]
    encoded = compress(b"hello, hello, world")

    with pytest.raises(DecodingError):
        decode_split(content_decoder([coding]), encoded[:-3], 5)
    with pytest.raises(DecodingError):
        content_decoder([coding]).decode_whole(encoded[:-3])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_no_body_at_all_is_no_error(coding):
    assert content_decoder([coding]).flush() == b""
    assert content_decoder([coding]).decode_whole(b"") == b""
    assert content_decoder([coding]).decode(b"") == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_body_in_another_format_is_an_error(coding):
    with pytest.raises(DecodingError):
        content_decoder([coding]).decode_whole(b"this is no compressed data, just text")
    with pytest.raises(DecodingError):
        decode_split(content_decoder([coding]), b"this is no compressed data, just text", 1)


def test_gzip_with_wrong_checksum_is_an_error():
    encoded = bytearray(gzip.compress(b"hello"))
    encoded[-8] ^= 1

    with pytest.raises(DecodingError, match="gzip body is corrupt"):
        content_decoder(["gzip"]).decode_whole(bytes(encoded))


@pytest.mark.parametrize(
    ("name", "trailing", "is_accepted"),
    [
        ("gzip", b"garbage", True),
        ("gzip", b"\0" * 512, True),
        ("gzip", b"\x1f", True),
        ("gzip", b"\x1f\x8b", False),
        ("deflate", b"garbage", True),
        ("deflate bare", b"garbage", True),
        ("br", b"garbage", False),
        ("zstd", b"garbage", False),
        ("zstd", SKIPPABLE_FRAME, True),
    ],
)
def test_bytes_behind_the_body_get_the_same_verdict_at_any_split(name, trailing, is_accepted):
    coding, compress = FORMATS[name]
    encoded = compress(b"hello") + trailing
    ways = [
        *(lambda size=size: decode_split(content_decoder([coding]), encoded, size) for size in (1, 2, 7, 1000)),
        lambda: content_decoder([coding]).decode_whole(encoded),
    ]

    for decode in ways:
        if is_accepted:
            assert decode() == b"hello"
        else:
            with pytest.raises(DecodingError):
                decode()


@given(flips=st.lists(st.integers(0, 10_000), min_size=1, max_size=3), size=st.integers(1, 40))
@pytest.mark.parametrize("name", FORMATS)
def test_corrupt_body_decodes_alike_at_any_split_or_is_a_decoding_error(name, flips, size):
    coding, compress = FORMATS[name]
    encoded = bytearray(compress(b"hello, hello, world" * 3))
    for flip in flips:
        encoded[flip // 8 % len(encoded)] ^= 1 << flip % 8

    def outcome(decode):
        try:
            return decode()
        except DecodingError:
            return DecodingError

    whole = outcome(lambda: content_decoder([coding]).decode_whole(bytes(encoded)))
    assert outcome(lambda: decode_split(content_decoder([coding]), bytes(encoded), size)) == whole


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bomb_comes_in_bounded_pieces(coding):
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
    size = 64 << 20
    bomb = compress[coding](bytes(size))

    total = largest = 0
    decoder = content_decoder([coding])
    for piece in decoder.pieces(bomb):
        total += len(piece)
        largest = max(largest, len(piece))
    decoder.flush()

    assert total == size
    assert largest <= 2 * PIECE_BYTES


def test_bomb_is_not_decoded_past_what_is_asked_for():
    decoder = content_decoder(["gzip", "gzip"])

    first = next(iter(decoder.pieces(gzip.compress(gzip.compress(bytes(64 << 20))))))

    assert len(first) <= PIECE_BYTES


def test_many_small_members_take_linear_time():
    encoded = gzip.compress(b"x") * 20_000

    assert content_decoder(["gzip"]).decode_whole(encoded) == b"x" * 20_000


def test_codings_are_undone_in_reverse():
    body = b"hello " * 1000
    encoded = brotli.compress(gzip.compress(zlib.compress(body)))

    assert content_decoder(["deflate", "gzip", "br"]).decode_whole(encoded) == body
    assert decode_split(content_decoder([" Deflate", "GZIP ", "identity", "br"]), encoded, 3) == body
    with pytest.raises(DecodingError):
        decode_split(content_decoder(["deflate", "gzip", "br"]), encoded[:-1], 3)


@pytest.mark.parametrize("codings", [[], ["identity"], ["x-unknown"], [""], ["compress", "dcb"]])
def test_unknown_codings_leave_the_body_as_it_is(codings):
    decoder = content_decoder(codings)

    assert decoder is IDENTITY
    assert decode_split(decoder, b"abc", 2) == b"abc"
    assert list(decoder.pieces(b"")) == []


def test_more_than_five_codings_are_refused():
    content_decoder(["gzip"] * 5 + ["identity", "unknown"])

    with pytest.raises(DecodingError, match="6 content codings"):
        content_decoder(["gzip"] * 6)


def test_codings_are_counted_before_any_is_looked_up(monkeypatch):
    """Without a package for it each `br` is an attempt to import one."""

    def find_no_more():
        raise AssertionError("looked up")

    monkeypatch.setattr("httpfast._decoders._find_brotli", find_no_more)

    with pytest.raises(DecodingError, match="80000 content codings"):
        content_decoder(["br"] * 80_000)


def test_zstd_window_over_8_mib_is_refused():
    def with_window(log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(window_log=log)
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return bytes(compressor.compress(bytes(1000)) + compressor.flush())

    assert content_decoder(["zstd"]).decode_whole(with_window(23)) == bytes(1000)
    with pytest.raises(DecodingError, match="zstd body is corrupt"):
        content_decoder(["zstd"]).decode_whole(with_window(24))


def test_brotli_large_window_is_refused():
    # 0x11 is no WBITS value of RFC 7932, 9.1: the large-window format uses it, here for a window of 2**30 bytes.
    with pytest.raises(DecodingError, match="br body is corrupt"):
        list(content_decoder(["br"]).pieces(b"\x11\x1e"))


def test_brotli_that_cannot_limit_its_output_is_fed_little_at_a_time():
    fed = []

    class Decompressor:
        def __init__(self):
            self._decompressor = brotli.Decompressor()

        def process(self, data):
            fed.append(len(data))
            return self._decompressor.process(data)

        def is_finished(self):
            return self._decompressor.is_finished()

    module = types.SimpleNamespace(Decompressor=Decompressor, error=brotli.error)
    body = os.urandom(1000)

    assert decode_split(BrotliDecoder(module), brotli.compress(body), 300) == body
    assert max(fed) <= 8


def test_brotlicffi_of_old_ends_with_finish():
    class Decompressor:
        def __init__(self):
            self._decompressor = brotli.Decompressor()

        def decompress(self, data):
            return self._decompressor.process(data)

        def finish(self):
            if not self._decompressor.is_finished():
                raise brotli.error("unfinished")

    module = types.SimpleNamespace(Decompressor=Decompressor, error=brotli.error)
    encoded = brotli.compress(b"hello")

    assert BrotliDecoder(module).decode_whole(encoded) == b"hello"
    with pytest.raises(DecodingError, match="ended before"):
        BrotliDecoder(module).decode_whole(encoded[:-1])


class ScriptedZstd:
    """The interface of compression.zstd over the zstandard package, for Pythons before 3.14."""

    ZstdError = zstandard.ZstdError
    DecompressionParameter = types.SimpleNamespace(window_log_max=100)

    class ZstdDecompressor:
        def __init__(self, options):
            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << options[100])
            self._frame = decompressor.decompressobj()
            self._ready = b""
            self.unused_data = b""

        def decompress(self, data, max_length):
            if data:
                self._ready += self._frame.decompress(data)
            piece, self._ready = self._ready[:max_length], self._ready[max_length:]
            if self.eof:
                self.unused_data = self._frame.unused_data
            return piece

        @property
        def eof(self):
            return self._frame.eof and not self._ready

        @property
        def needs_input(self):
            return not self._ready and not self._frame.eof


@pytest.fixture(params=["scripted", "compression.zstd"])
def zstd_module(request):
    if request.param == "scripted":
        return ScriptedZstd
    return pytest.importorskip("compression.zstd", reason="compression.zstd came with Python 3.14")


@pytest.mark.parametrize("name", ["zstd", "zstd frames", "zstd unsized"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_compression_zstd_decodes_the_same_at_any_split(zstd_module, body, name):
    encoded = FORMATS[name][1](body)

    for size in (1, 3, 1000, 1 << 20):
        assert decode_split(CompressionZstdDecoder(zstd_module), encoded, size) == body
    assert CompressionZstdDecoder(zstd_module).decode_whole(encoded) == body


def test_compression_zstd_bounds_pieces_and_refuses_bad_bodies(zstd_module):
    encoded = zstandard.compress(bytes(1 << 20))

    assert max(map(len, CompressionZstdDecoder(zstd_module).pieces(encoded))) <= PIECE_BYTES
    with pytest.raises(DecodingError):
        CompressionZstdDecoder(zstd_module).decode_whole(encoded[:-1])
    with pytest.raises(DecodingError):
        CompressionZstdDecoder(zstd_module).decode_whole(b"no zstd at all")


@pytest.fixture
def fresh_accept_encoding(monkeypatch):
    monkeypatch.setattr(_decoders, "_accept_encoding", None)
    return monkeypatch


def test_accept_encoding_names_what_is_installed(fresh_accept_encoding):
    assert accept_encoding() == b"gzip, deflate, br, zstd"


def test_accept_encoding_without_packages_names_what_python_has(fresh_accept_encoding):
    for module in ("brotli", "brotlicffi", "zstandard", "_zstd"):
        fresh_accept_encoding.setitem(sys.modules, module, None)

    assert accept_encoding() == b"gzip, deflate"


def test_codings_without_packages_are_passed_over(monkeypatch):
    for module in ("brotli", "brotlicffi", "zstandard", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)

    assert content_decoder(["br", "zstd"]) is IDENTITY


def test_zstandard_is_preferred_over_compression_zstd(monkeypatch):
    monkeypatch.setitem(sys.modules, "compression", types.ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", ScriptedZstd)

    assert isinstance(content_decoder(["zstd"]), ZstandardDecoder)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert isinstance(content_decoder(["zstd"]), CompressionZstdDecoder)


@given(parts=st.lists(st.binary(max_size=30)), size=st.integers(1, 20))
def test_chunker_cuts_to_size_and_loses_nothing(parts, size):
    chunker: Chunker[bytes] = Chunker(size)

    chunks = [chunk for part in parts for chunk in chunker.feed(part)]
    last = list(chunker.flush())

    assert b"".join(chunks + last) == b"".join(parts)
    assert all(len(chunk) == size for chunk in chunks)
    assert all(0 < len(chunk) < size for chunk in last)
    assert list(chunker.flush()) == []


@pytest.mark.parametrize("size", [0, -1])
def test_chunk_size_that_is_not_positive_is_refused(size):
    with pytest.raises(ValueError, match="1 or more"):
        Chunker(size)


@given(parts=st.lists(st.text(alphabet="ab\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", max_size=6)))
def test_lines_are_those_of_splitlines_at_any_split(parts):
    decoder = LineDecoder()

    lines = [line for part in parts for line in decoder.feed(part)] + decoder.flush()

    assert lines == "".join(parts).splitlines()
    assert decoder.flush() == []


@given(data=st.binary(max_size=40), size=st.integers(1, 7))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii", "shift_jis", "utf-16", "utf-32", "utf-7", "big5"])
def test_text_is_that_of_decode_at_any_split(encoding, data, size):
    decoder = TextDecoder(encoding)

    text = "".join(decoder.feed(part) for part in split(data, size)) + decoder.flush()

    assert text == data.decode(encoding, errors="replace")


@pytest.mark.parametrize("encoding", ["iso-2022-jp", "iso-2022-kr", "iso2022_jp_2004"])
@pytest.mark.parametrize("size", [1, 4, 9, 15, 16, 40])
def test_escape_sequence_that_does_not_end_is_decoded_as_in_a_whole_body(encoding, size):
    """Python's incremental decoders raise "pending buffer overflow" for it, which nobody expects of a text."""
    body = b"a\x1b$" + b"\xee" * 12 + b"b\x1b$" + b"c" * 20 + b"\x1b$Bd\x1b$" + b"e" * 10

    decoder = TextDecoder(encoding)
    text = [decoder.feed(body[start : start + size]) for start in range(0, len(body), size)]

    assert "".join([*text, decoder.flush()]) == body.decode(encoding, "replace")
    assert len(decoder._unfed) < 16


def test_text_decoder_that_cannot_replace_raises():
    with pytest.raises(UnicodeError):
        TextDecoder("undefined").feed(b"a")
