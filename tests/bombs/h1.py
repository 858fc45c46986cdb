"""Bombs and floods of HTTP/1.1, and those that need no peer: heads, bodies, codings, redirects, cookies, URLs."""

from __future__ import annotations

import functools
import gzip
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from ..peers import ReadRequest, Send, Step, WaitForClose
from .rows import Row, SendOn

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20
BOMB_BYTES = 400 * MIB

FIELDS = b"A: b\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
LARGE_HINT = b"HTTP/1.1 103 Early Hints\r\n" + (b"A: " + b"x" * 250 + b"\r\n") * 1_000 + b"\r\n"
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def zeros(coding: str, size: int) -> bytes:
    """That many octets of zero in one coding. Raises ImportError where it is not installed."""
    piece = bytes(MIB)
    if coding == "br":
        import brotli  # type: ignore[import-untyped]

        compressor = brotli.Compressor(quality=5)
        parts = [compressor.process(piece) for _ in range(size // MIB)]
        return b"".join([*parts, compressor.finish()])
    packer: Any = zlib.compressobj(1, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    if coding == "zstd":
        import zstandard

        packer = zstandard.ZstdCompressor().compressobj()
    parts = [packer.compress(piece) for _ in range(size // MIB)]
    return b"".join([*parts, packer.flush()])


@functools.cache
def bomb(codings: str, size: int) -> bytes:
    """A body of that many zeros in these codings, in the order of the field."""
    first, *others = codings.split(", ")
    body = zeros(first, size)
    for coding in others:
        body = encoded(body, coding)
    return body


def encoded(body: bytes, coding: str) -> bytes:
    """A body in one more coding."""
    if coding == "gzip":
        return gzip.compress(body, mtime=0)
    if coding == "deflate":
        return zlib.compress(body)
    if coding == "br":
        import brotli

        return bytes(brotli.compress(body, quality=5))
    import zstandard

    return bytes(zstandard.compress(body))


def coded_response(codings: str, body: bytes, status: str = "200 OK", location: str = "") -> bytes:
    """A whole response."""
    fields = f"Content-Encoding: {codings}\r\n" + (f"Location: {location}\r\n" if location else "")
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def sends(start: bytes, piece: bytes) -> list[Step]:
    """Octets without end."""
    return [ReadRequest(), SendOn(piece, start), WaitForClose()]


def whole(response: bytes) -> list[Step]:
    return [ReadRequest(), Send(response, timeout=20), WaitForClose()]


def _coding_row(codings: str, size: int) -> Row:
    small = b"x" * 1_000
    for coding in codings.split(", "):
        small = encoded(small, coding)
    return Row(
        f"{size // MIB} MiB of zeros, {codings}",
        "DEC-01",
        lambda: whole(coded_response(codings, bomb(codings, size))),
        act="two_chunks",
        ends=("ok",),
        warm=coded_response(codings, small),
    )


def _redirect_row(name: str, script: Callable[[], Sequence[Step]], warm: bytes = DONE) -> Row:
    second = [ReadRequest(), Send(DONE), WaitForClose()]
    return Row(name, "RED-10", script, act="redirect", ends=("ok",), warm=warm, second=lambda: second)


REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /next\r\n"


def _cookie_response(line: bytes, count: int) -> bytes:
    lines = b"".join(b"Set-Cookie: " + line % number + b"\r\n" if b"%d" in line else line for number in range(count))
    return OK + lines + b"Content-Length: 2\r\n\r\nok"


HEADS = (
    Row("status line without end", "H1-22", lambda: sends(b"HTTP/1.1 200 ", b"x")),
    Row("field value without end", "H1-22", lambda: sends(OK + b"A: ", b"x")),
    Row("field name without end", "H1-22", lambda: sends(OK, b"x")),
    Row("fields without end", "H1-22", lambda: sends(OK, FIELDS)),
    Row("fields without end, of bare LF", "H1-22", lambda: sends(OK, b"A: b\n")),
    Row("CR without end", "H1-22", lambda: sends(OK, b"\r")),
    Row("50,000 heads of 103", "H1-17", lambda: whole(HINT * 50_000 + DONE)),
    Row("heads of 100 without end", "H1-17", lambda: sends(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    Row("heads of 103 of 256 KiB without end", "H1-17", lambda: sends(b"", LARGE_HINT)),
    Row("reply to CONNECT without end", "POOL-05", lambda: sends(OK, FIELDS), act="tunnel"),
)

BODIES = (
    Row("chunk extension of 1 MiB", "H1-07", lambda: whole(CHUNKED + b"5;a=" + b"x" * MIB + b"\r\nhello\r\n0\r\n\r\n")),
    Row("chunk extensions without end", "H1-07", lambda: sends(CHUNKED, b"1;a\r\nx\r\n")),
    Row("chunk size of zeros without end", "H1-07", lambda: sends(CHUNKED, b"0")),
    Row("trailers without end", "H1-23", lambda: sends(CHUNKED + b"0\r\n", FIELDS)),
    Row("one trailer without end", "H1-23", lambda: sends(CHUNKED + b"0\r\nA: ", b"x")),
    Row(
        "1,000,000 chunks of one octet",
        "H1-24",
        lambda: whole(CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"),
        ends=("ok",),
    ),
    Row(
        "1,000,000 chunks of one octet, streamed",
        "H1-24",
        lambda: whole(CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n"),
        act="stream",
        ends=("ok",),
    ),
    Row(
        "a body in 20,000 segments of one octet",
        "H1-24",
        lambda: [
            ReadRequest(),
            Send(OK + b"Content-Length: 20000\r\n\r\n"),
            Send(b"x" * 20_000, chunk=1, timeout=20),
            WaitForClose(),
        ],
        ends=("ok",),
    ),
    Row(
        "Content-Length of 2^62 and a little body",
        "H1-03",
        lambda: [ReadRequest(), Send(OK + b"Content-Length: %d\r\n\r\nx" % 2**62)],
        act="get_shortly",
        ends=("ReadTimeout",),
    ),
)


def codings(size: int) -> tuple[Row, ...]:
    """Those of decompression; brotli and zstandard have to be installed."""
    several = ("gzip", "deflate", "br", "zstd", "gzip, gzip", "zstd, br", "br, gzip")
    return (
        *[_coding_row(each, size) for each in several],
        Row(
            "1,000 content codings",
            "DEC-02",
            lambda: whole(coded_response("gzip, " * 1_000, encoded(b"x", "gzip"))),
            ends=("DecodingError",),
        ),
    )


REDIRECTS = (
    _redirect_row(
        "redirect with a body of 1 GB",
        lambda: [ReadRequest(), SendOn(b"x", REDIRECT + b"Content-Length: 1000000000\r\n\r\n")],
    ),
    _redirect_row(
        "redirect with chunks without end",
        lambda: [ReadRequest(), SendOn(b"5\r\nhello\r\n", REDIRECT + b"Transfer-Encoding: chunked\r\n\r\n")],
    ),
    _redirect_row(
        "redirect with a bomb of gzip",
        lambda: [ReadRequest(), Send(coded_response("gzip", bomb("gzip", 128 * MIB), "302 Found", "/next"))],
        warm=coded_response("gzip", encoded(b"x" * 1_000, "gzip")),
    ),
)

COOKIES = (
    Row(
        "1,000 cookies in each of ten responses",
        "CK-04",
        lambda: [
            step for _ in range(10) for step in (ReadRequest(), Send(_cookie_response(b"name-%d=" + b"v" * 100, 990)))
        ],
        act="ten_gets",
        ends=("ok",),
    ),
    Row("cookie of 200 KiB", "CK-04", lambda: whole(_cookie_response(b"a%d=" + b"x" * 200 * 1024, 1)), ends=("ok",)),
    Row("cookie of 1 MiB", "CK-04", lambda: whole(_cookie_response(b"a%d=" + b"x" * MIB, 1))),
    Row(
        "240 KiB of a Digest challenge",
        "INJ-09",
        lambda: whole(
            b'HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm="x", nonce="'
            + b"n" * 240 * 1024
            + b'"\r\nContent-Length: 0\r\n\r\n'
        ),
        act="digest",
    ),
)

URLS = tuple(
    Row(name, "URL-03", list, act=act, ends=("InvalidURL",))
    for name, act in (
        ("URL with a path of 1 MB", "url_path"),
        ("URL with a host of 1 MB", "url_host"),
        ("URL with an IDN of 1 MB", "url_idn"),
        ("URL with 1 MB of userinfo", "url_userinfo"),
        ("URL with an IPv6 address of 1 MB", "url_ipv6"),
    )
)


def rows(bomb_bytes: int = BOMB_BYTES) -> tuple[Row, ...]:
    """All of them. `bomb_bytes`: what bombs of decompression come to."""
    return (*HEADS, *BODIES, *codings(bomb_bytes), *REDIRECTS, *COOKIES, *URLS)
