"""The table of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import engines, seeds, streams, values


@dataclass(frozen=True)
class Target:
    """A parser to fuzz.

    Args:
        run: takes an input; what is no documented exception leaves it.
        seeds: the inputs that a run begins with.
        words: for the dictionary: what octets alone hardly ever make.
        largest: octets of an input at most.
        core: None if Python's own edges are to be counted, which atheris does; else the compiled core's are enough, and
            this says whether the target is in `native/_fuzz_native.pyx` too.
        is_python: hardly any compiled code of ours sees the input. Python's objects then come from its own allocator,
            which AddressSanitizer does not watch, and which makes twice as many executions of it.
        full: executions of a full run.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...]
    largest: int = 1024
    core: bool | None = None
    is_python: bool = False
    full: int = 1_000_000


_LENGTHS = (b"0", b"1", b"5", b"4096", b"67108864", b"9223372036854775807", b"9223372036854775808", b"ffffffffffffffff")
_HEAD = (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 101 A\r\n", b"HTTP/1.1 100\r\n\r\n", b"\r\n\r\n", b"\n\n")
_FRAMING = (
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
)
_OTHERS = (
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Set-Cookie: ",
    b"Content-Encoding: ",
    b"Location: ",
    b"0\r\n\r\n",
)
_STATUS = tuple(b"HTTP/1.1 %d \r\n" % status for status in (100, 103, 200, 204, 301, 304, 407, 999))
_H2_FIELDS = (b"\x88", b"\x08\x03200", b"\x0f\x0d\x015", b"\x00\x04te\x01x", b"\x00\x0aconnection\x01a", b"\x5f\x01a")
_CHALLENGE = (
    b"Digest ",
    b'realm="',
    b'nonce="',
    b'qop="auth"',
    b"algorithm=",
    b"-SESS",
    b"SHA-256",
    b'opaque="',
    b'\\"',
)
_COOKIE = (b"; Domain=", b"; Path=", b"; Secure", b"; Max-Age=", b"; Expires=", b"__Host-", b"example.com", b"a.", b"=")
_URL = (b"https://", b"http:", b"[::1]", b"%25", b"xn--", b"//", b"@", b"..", b"%2e", b":443", b"\xff", b"\xef\xbc\x8f")
_NAMES = (b"charset=", b"filename=", b"filename*=UTF-8''", b"rel=", b"<", b"utf-7", b"idna", b"%2F", b"\xff", b"..")
_SSE = (b"data:", b"event:", b"id:", b"retry:", b"\r\n", b"\n\n", b"\xef\xbb\xbf")
_WEBSOCKET = (b"\x81\x01a", b"\x89\x00", b"\x88\x02\x03\xe8", b"\x7e\x01\x00", b"Sec-WebSocket-Accept: ", b"Upgrade: ")
_CODED = (b"\x1f\x8b\x08\0\0\0\0\0", b"\x78\x9c", b"\x28\xb5\x2f\xfd", b"\x4b\x04\0", b"\x03\0", b"\x1b$B", b"+AGE-")
_SOCKS = (b"\x05\x00", b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x01", b"\x05\x00\x00\x03\x05")

TARGETS = {
    "h1": Target(engines.h1, seeds.h1, (*_HEAD, *_FRAMING, *_OTHERS, *_STATUS, *_LENGTHS), core=True, full=100_000_000),
    "hpack": Target(
        engines.hpack,
        seeds.hpack,
        (
            b"\x3f\xe1\x1f",
            b"\x20",
            b"\x40\x01a\x01b",
            b"\xbe",
            b"\x7f\x00",
            b"\xff\xff\xff\xff\x0f",
            b"\xfc\xff",
            *_H2_FIELDS,
        ),
        core=True,
        full=100_000_000,
    ),
    "h2": Target(
        engines.h2,
        seeds.h2_seeds,
        (
            *_H2_FIELDS,
            b"\0\4\0\0\0\x0a",
            b"\0\5\0\0\x40\0",
            b"\0\1\0\0\0\0",
            b"\x7f\xff\xff\xff",
            b"\0\0\0\1",
            b"\0\0\0\7",
        ),
        core=False,
        full=10_000_000,
    ),
    "url": Target(values.url, seeds.url, _URL, 256, is_python=True, full=10_000_000),
    "cookies": Target(values.cookies, seeds.cookies, (*_COOKIE, b"\n", b"\xff"), 512, is_python=True, full=10_000_000),
    "multipart": Target(
        values.multipart,
        seeds.multipart,
        (b"\xff", b"\r\n", b'"', b"Content-Type"),
        256,
        is_python=True,
        full=10_000_000,
    ),
    "proxy": Target(streams.proxy, seeds.proxy, (*_HEAD, *_FRAMING, *_STATUS, *_SOCKS), 512, full=10_000_000),
    "decoders": Target(streams.decoders, seeds.decoders, _CODED, 2048),
    "sse": Target(streams.sse, seeds.sse, _SSE, 1024, is_python=True),
    "digest": Target(values.digest, seeds.digest, (*_CHALLENGE, b"\n", b"\xff"), 512, is_python=True),
    "fields": Target(values.fields, seeds.fields, _NAMES, 512, is_python=True),
    "websocket": Target(streams.websocket, seeds.websocket, (*_WEBSOCKET, *_HEAD[4:]), 1024),
}
