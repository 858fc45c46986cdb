"""Content codings against what peers have done to other clients (RFC 9110, 8.4).

Rows: DEC-01 bombs read in chunks, DEC-02 many codings, DEC-03 bombs read at once under a limit, DEC-04 what is an error
and what is not, DEC-05 windows and formats, DEC-06 bodies that are given up. The peak of memory of a bomb of 400 MiB is
measured in test_response_body.py.
"""

from __future__ import annotations

import functools
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from httpfast import DecodingError, Response, SyncByteStream, _decoders
from httpfast._decoders import PIECE_BYTES, content_decoder
from tests.peers import Call, PeerConnection, ReadRequest, ScriptedPeer, ScriptError, Send, Stall

if TYPE_CHECKING:
    from tests.drivers.facade import Driver

brotli = pytest.importorskip("brotli", reason="brotli, which makes the bodies, is not installed")
zstandard = pytest.importorskip("zstandard", reason="zstandard, which makes the bodies, is not installed")

MEBIBYTE = 1 << 20
BOMB_BYTES = 64 * MEBIBYTE


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate bare": bare_deflate,
    "br": functools.partial(brotli.compress, quality=5),
    "zstd": zstandard.compress,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "zstd, br": lambda data: brotli.compress(zstandard.compress(data)),
    "br, gzip": lambda data: gzip.compress(brotli.compress(data, quality=5)),
}


@functools.cache
def bomb(name: str) -> bytes:
    return COMPRESS[name](bytes(BOMB_BYTES))


class Stream(SyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.given += 1
            yield chunk


def response_with(coding: str, *chunks: bytes) -> Response:
    return Response(200, headers={"Content-Encoding": coding.removesuffix(" bare")}, stream=Stream(*chunks))


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes that Python objects have taken on top since the last call; a library's own are not among them."""
    tracemalloc.start()
    before = 0

    def since() -> int:
        nonlocal before
        now, most = tracemalloc.get_traced_memory()
        taken = most - before
        before = now
        tracemalloc.reset_peak()
        return taken

    yield since
    tracemalloc.stop()


@pytest.mark.parametrize("name", COMPRESS)
def test_first_and_second_chunk_of_a_bomb_take_little_memory(name: str, peak: Callable[[], int]) -> None:
    """[DEC-01] (CVE-2025-66471, CVE-2026-44432): also where the second read follows what the first has left over."""
    raw = bomb(name)
    chunks = response_with(name, raw, raw).iter_bytes(1024)

    for _ in range(2):
        peak()
        assert len(next(chunks)) == 1024
        # Two pieces, what is cut off them, and the codings in between.
        assert peak() < 2 * MEBIBYTE


@pytest.mark.parametrize("name", COMPRESS)
def test_bomb_in_small_segments_takes_little_memory(name: str, peak: Callable[[], int]) -> None:
    """[DEC-01]: the body as it comes from a socket."""
    raw = bomb(name)
    chunks = response_with(name, *[raw[start : start + 1000] for start in range(0, len(raw), 1000)]).iter_bytes(1024)

    peak()
    total = sum(map(len, chunks))

    assert total == BOMB_BYTES
    assert peak() < 2 * MEBIBYTE


def test_codings_split_over_fields_count_together() -> None:
    """[DEC-02] (CVE-2023-23916): of any kind, in any letter case, before anything is decoded."""
    data = b"x"
    for compress in (zlib.compress, gzip.compress, zlib.compress, gzip.compress, zlib.compress):
        data = compress(data)
    fields = [
        ("Content-Encoding", "deflate, GZIP"),
        ("content-encoding", "Deflate"),
        ("CONTENT-ENCODING", "gzip,deflate"),
    ]

    assert Response(200, headers=fields, stream=Stream(data)).read() == b"x"
    with pytest.raises(DecodingError, match="6 content codings"):
        Response(200, headers=[*fields, ("Content-Encoding", "br")], stream=Stream(data)).read()


def test_a_thousand_codings_are_refused_at_once() -> None:
    """[DEC-02] (CVE-2022-32206)."""
    response = Response(200, headers={"Content-Encoding": "gzip, " * 1_000}, stream=Stream(bomb("gzip")))

    with pytest.raises(DecodingError, match="1000 content codings"):
        response.read()


@pytest.mark.parametrize("name", COMPRESS)
def test_bomb_that_is_read_at_once_stops_at_the_limit(name: str, peak: Callable[[], int]) -> None:
    """[DEC-03] (CVE-2025-13836)."""
    response = response_with(name, bomb(name))
    response._max_content_bytes = MEBIBYTE

    peak()
    with pytest.raises(DecodingError, match="limit of 1048576 bytes"):
        response.read()

    assert peak() < 4 * MEBIBYTE
    assert response.is_closed


def flipped(data: bytes, index: int) -> bytes:
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


TEXT = b"hello, hello, world"
GZIP = gzip.compress(TEXT, mtime=0)
ZLIB = zlib.compress(TEXT)
BARE = bare_deflate(TEXT)
BROTLI = brotli.compress(TEXT)
ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)
SKIPPABLE = bytes.fromhex("502a4d18 02000000 6162")
# A name, a comment, an extra field and a checksum of the head (RFC 1952, 2.3.1).
GZIP_FIELDS = bytes.fromhex("1f8b081c 00000000 00ff 0300") + b"abc" + b"name\0" + b"comment\0"
GZIP_CHECKED = bytes.fromhex("1f8b0802 00000000 00ff")
DICTIONARY = zlib.compressobj(zdict=b"hello, world")

# What is decoded, and to what (None: DecodingError), with what httpx 0.28.1 does where that differs. The rule: a body
# that is not complete is an error, as in browsers; what follows a complete one is ignored where httpx does so.
VERDICTS: list[tuple[str, str, bytes, bytes | None]] = [
    # Nothing at all is no error: HEAD, 204 and 304, and servers that announce a coding for an empty body.
    ("gzip", "no body", b"", b""),
    ("deflate", "no body", b"", b""),
    ("br", "no body", b"", b""),
    ("zstd", "no body", b"", b""),
    ("gzip, br, zstd", "no body", b"", b""),
    # Complete.
    ("gzip", "one member", GZIP, TEXT),
    ("gzip", "two members", GZIP + GZIP, TEXT + TEXT),  # httpx: the first
    ("gzip", "an empty member first", gzip.compress(b"") + GZIP, TEXT),  # httpx: nothing
    ("gzip", "all the fields of a head", GZIP_FIELDS + GZIP[10:], TEXT),
    (
        "gzip",
        "a checked head",
        GZIP_CHECKED + (zlib.crc32(GZIP_CHECKED) & 0xFFFF).to_bytes(2, "little") + GZIP[10:],
        TEXT,
    ),
    ("deflate", "zlib", ZLIB, TEXT),
    ("deflate", "bare", BARE, TEXT),
    ("deflate", "bare, stored", bytes.fromhex("01 0100 feff 61"), b"a"),
    ("deflate", "bare, empty", bytes.fromhex("0300"), b""),
    ("br", "a stream", BROTLI, TEXT),
    ("br", "an empty stream", brotli.compress(b""), b""),
    ("zstd", "a frame", ZSTD, TEXT),
    ("zstd", "two frames", ZSTD + ZSTD, TEXT + TEXT),
    ("zstd", "an empty frame first", zstandard.compress(b"") + ZSTD, TEXT),
    ("zstd", "skippable frames around", SKIPPABLE + ZSTD + SKIPPABLE, TEXT),
    ("zstd", "a skippable frame only", SKIPPABLE, b""),
    # More behind it.
    ("gzip", "garbage behind", GZIP + b"garbage", TEXT),
    ("gzip", "padding behind", GZIP + bytes(512), TEXT),
    ("gzip", "one octet of a member behind", GZIP + b"\x1f", TEXT),
    ("gzip", "a member cut short behind", GZIP + GZIP[:-1], None),  # httpx: the first
    ("gzip", "a corrupt member behind", GZIP + flipped(GZIP, -5), None),  # httpx: the first
    ("deflate", "garbage behind zlib", ZLIB + b"garbage", TEXT),
    ("deflate", "garbage behind bare", BARE + b"garbage", TEXT),
    ("br", "garbage behind", BROTLI + b"garbage", None),
    ("br", "two streams", BROTLI + BROTLI, None),
    ("zstd", "garbage behind", ZSTD + b"garbage", None),
    ("zstd", "part of a magic number behind", ZSTD + ZSTD[:3], None),
    # Cut short: httpx gives what there is, but for zstd.
    ("gzip", "the head only", GZIP[:10], None),
    ("gzip", "part of the head", GZIP[:5], None),
    ("gzip", "no trailer", GZIP[:-8], None),
    ("gzip", "half the trailer", GZIP[:-4], None),
    ("deflate", "no checksum", ZLIB[:-4], None),
    ("deflate", "bare, cut", BARE[:-1], None),
    ("deflate", "one octet", b"\x78", None),
    ("br", "cut", BROTLI[:-1], None),
    ("zstd", "no checksum", ZSTD[:-4], None),
    ("zstd", "cut", ZSTD[:7], None),
    ("zstd", "a skippable frame cut", SKIPPABLE[:-1], None),
    # Corrupt.
    ("gzip", "a wrong CRC", flipped(GZIP, -8), None),
    ("gzip", "a wrong length", flipped(GZIP, -4), None),
    ("gzip", "another method", flipped(GZIP, 2), None),
    ("gzip", "reserved flags", GZIP[:3] + b"\xe0" + GZIP[4:], None),
    ("gzip", "a wrong CRC of the head", GZIP_CHECKED + b"\0\0" + GZIP[10:], None),
    ("gzip", "zlib", ZLIB, None),
    ("gzip", "text", TEXT, None),
    ("gzip", "nulls", bytes(100), None),
    ("deflate", "a wrong checksum", flipped(ZLIB, -1), None),
    ("deflate", "a dictionary wanted", DICTIONARY.compress(TEXT) + DICTIONARY.flush(), None),
    ("deflate", "gzip", GZIP, None),
    ("deflate", "text", TEXT, None),
    ("br", "text", TEXT, None),
    ("zstd", "a wrong checksum", flipped(ZSTD, -1), None),
    ("zstd", "text", TEXT, None),
    ("zstd", "gzip", GZIP, None),
    # Several codings: each is held to the same.
    ("deflate, gzip", "complete", gzip.compress(ZLIB), TEXT),
    ("deflate, gzip", "the inner one cut", gzip.compress(ZLIB[:-1]), None),
    ("gzip, br", "garbage behind the inner one", brotli.compress(GZIP + b"garbage"), TEXT),
    # What is not known stays.
    ("x-unknown", "text", TEXT, TEXT),
    ("identity", "text", TEXT, TEXT),
]


@pytest.mark.parametrize(
    ("coding", "raw", "expected"),
    [pytest.param(coding, raw, expected, id=f"{coding}: {what}") for coding, what, raw, expected in VERDICTS],
)
def test_body_is_decoded_or_an_error_as_the_table_says(coding: str, raw: bytes, expected: bytes | None) -> None:
    """[DEC-04]: the same at once, in one chunk and octet by octet."""
    codings = coding.split(", ")
    chunks = [raw[start : start + 1] for start in range(len(raw))]
    ways: list[Callable[[], bytes]] = [
        lambda: content_decoder(codings).decode_whole(raw),
        lambda: response_with(coding, raw).read(),
        lambda: b"".join(response_with(coding, *chunks).iter_bytes()),
        lambda: b"".join(response_with(coding, *chunks).iter_bytes(4)),
    ]

    for decode in ways:
        if expected is None:
            with pytest.raises(DecodingError):
                decode()
        else:
            assert decode() == expected


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"gzip, br"])
@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        ("HEAD", b"200 OK", 20),
        ("HEAD", b"200 OK", 0),
        ("GET", b"204 No Content", None),
        ("GET", b"304 Not Modified", 20),
    ],
)
async def test_response_that_has_no_body_is_not_decoded(
    driver: Driver, method: str, status: bytes, length: int | None, coding: bytes
) -> None:
    """[DEC-04]: HEAD, 204 and 304 tell the coding of a body that is not there (RFC 9110, 9.3.2 and 15.4.5)."""
    head = b"HTTP/1.1 " + status + b"\r\nContent-Encoding: " + coding + b"\r\n"
    if length is not None:
        head += b"Content-Length: %d\r\n" % length
    with ScriptedPeer([ReadRequest(), Send(head + b"\r\n"), ReadRequest(), Send(head + b"\r\n")]) as peer:
        client = driver.client()

        for _ in range(2):
            response = await client.request(method, peer.url)
            assert response.content == b""
        assert peer.connections == 1


@pytest.mark.parametrize("log", range(10, 28))
def test_zstd_window_is_at_most_8_mib(log: int) -> None:
    """[DEC-05] (RFC 9659, 3): said by the frame's head, before anything is allocated."""
    parameters = zstandard.ZstdCompressionParameters(window_log=log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    raw = compressor.compress(TEXT) + compressor.flush()

    for response in (response_with("zstd", raw), response_with("zstd", *[raw[at : at + 1] for at in range(len(raw))])):
        if log <= 23:
            assert response.read() == TEXT
        else:
            with pytest.raises(DecodingError, match="zstd body is corrupt"):
                response.read()


def test_zstd_frame_of_one_segment_may_not_claim_more_either() -> None:
    """[DEC-05]: without a window of its own, a frame needs as much as its content (RFC 8878, 3.1.1.1.2)."""
    # The magic number; single segment with eight octets of content size; 1 TiB; one last raw block of nothing.
    raw = bytes.fromhex("28b52ffd e0") + (1 << 40).to_bytes(8, "little") + bytes.fromhex("010000")

    with pytest.raises(DecodingError):
        response_with("zstd", raw).read()


def test_brotli_window_of_16_mib_is_taken_and_a_large_one_refused() -> None:
    """[DEC-05]: RFC 7932, 9.1 ends at 24 bits; the large-window format is not what "br" means."""
    assert response_with("br", brotli.compress(TEXT, lgwin=24)).read() == TEXT
    for raw in (b"\x11\x1e" + BROTLI[1:], b"\x11" + bytes(20)):
        with pytest.raises(DecodingError, match="br body is corrupt"):
            response_with("br", raw).read()


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("window", [9, 12, 15])
@pytest.mark.parametrize("sign", [1, -1], ids=["zlib", "bare"])
def test_deflate_in_either_format_is_the_same_at_any_split(sign: int, window: int, level: int) -> None:
    """[DEC-05]: by the first two octets, which may come one by one."""
    for data in (b"", b"a", TEXT, bytes(range(256)) * 20):
        compressor = zlib.compressobj(level, zlib.DEFLATED, sign * window)
        raw = compressor.compress(data) + compressor.flush()

        for size in (1, 2, 3, len(raw)):
            response = response_with("deflate", *[raw[start : start + size] for start in range(0, len(raw), size)])
            assert response.read() == data


@pytest.fixture
def inflated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the pieces that zlib has made."""
    sizes: list[int] = []
    inflate = _decoders._inflate

    def counting(*arguments: Any) -> Iterator[bytes]:
        for piece in inflate(*arguments):
            sizes.append(len(piece))
            yield piece

    monkeypatch.setattr(_decoders, "_inflate", counting)
    return sizes


async def first_chunk(driver: Driver, response: Response) -> bytes:
    """Take one chunk and give the iteration up."""
    if driver.is_async:
        async with aclosing(response.aiter_bytes(1024)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                return chunk
    with closing(response.iter_bytes(1024)) as blocking:  # type: ignore[type-var]
        return next(blocking)


def answer_with(status: bytes, raw: bytes, length: int) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Encoding: gzip\r\nLocation: /next\r\nContent-Length: %d\r\n\r\n" % (status, length)
    return head + raw


@pytest.mark.parametrize("missing", [0, 1], ids=["received", "coming"])
async def test_body_that_is_given_up_is_decoded_no_further(driver: Driver, inflated: list[int], missing: int) -> None:
    """[DEC-06] (CVE-2026-44432): neither to close a response nor to use its connection again."""
    raw = bomb("gzip")[:50_000]
    with ScriptedPeer([ReadRequest(), Send(answer_with(b"200 OK", raw, len(raw) + missing)), Stall()]) as peer:
        client = driver.client()
        async with client.stream("GET", peer.url) as response:
            chunk = await first_chunk(driver, response)
        await client.close()

        assert chunk == bytes(1024)
        assert response.is_closed
        assert 0 < sum(inflated) <= PIECE_BYTES


@pytest.mark.parametrize("missing", [0, 1], ids=["received", "coming"])
async def test_body_that_is_not_looked_at_is_not_decoded(driver: Driver, inflated: list[int], missing: int) -> None:
    """[DEC-06]."""
    raw = bomb("gzip")[:50_000]
    with ScriptedPeer([ReadRequest(), Send(answer_with(b"200 OK", raw, len(raw) + missing)), Stall()]) as peer:
        client = driver.client()
        async with client.stream("GET", peer.url):
            pass
        await client.close()

        assert inflated == []


async def test_raw_iteration_does_not_decode(driver: Driver, inflated: list[int]) -> None:
    """[DEC-06]."""
    raw = bomb("gzip")
    with ScriptedPeer([ReadRequest(), Send(answer_with(b"200 OK", raw, len(raw))), Stall()]) as peer:
        client = driver.client()
        async with client.stream("GET", peer.url) as response, aclosing(client.pieces(response)) as pieces:
            assert b"".join([piece async for piece in pieces]) == raw

        assert inflated == []


@pytest.mark.parametrize("length", [60_000, 70_000], ids=["small", "large"])
async def test_bomb_in_a_redirect_is_decoded_as_far_as_redirects_are_read(
    driver: Driver, inflated: list[int], length: int
) -> None:
    """[DEC-06]: and what cannot be kept of it is no reason not to go where it leads."""
    raw = (bomb("gzip") * 2)[:length]
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def answer(connection: PeerConnection) -> None:
        # The second request comes on this connection or, if the client drops it, on another.
        with suppress(OSError, ScriptError):
            while True:
                head = connection.take_until(b"\r\n\r\n", time.monotonic() + 5)
                is_next = head.startswith(b"GET /next ")
                connection.sock.sendall(ok if is_next else answer_with(b"302 Found", raw, len(raw)))

    with ScriptedPeer([Call(answer)], repeats_last=True) as peer:
        client = driver.client(follow_redirects=True)
        response = await client.get(peer.url)
        await client.close()

        assert response.text == "ok"
        assert sum(inflated) <= 2 * PIECE_BYTES
