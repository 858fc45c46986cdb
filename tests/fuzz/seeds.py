"""What the runs of each target begin with: public data beside the project, where it is, and cases of the suite."""

from __future__ import annotations

import gzip
import zlib
from base64 import b64decode
from collections.abc import Iterator

from ..engine import h2_octets as h2
from ..engine.hpack_blocks import coded, indexed, inserted, literal, update
from ..engine.reading import shared_json
from ..engine.test_any_split import STREAMS
from . import engines

_SOME = 40


def h1() -> Iterator[bytes]:
    """Responses of the suite and of llhttp's, as answers to all kinds of requests."""
    streams = list(STREAMS.values())
    if (found := shared_json("llhttp/llhttp_response_cases.json")) is not None:
        streams += [b64decode(case["raw_b64"]) for case in found["cases"]]
    for number, stream in enumerate(streams):
        for options in (0, engines.COLLECT | engines.AGAIN, engines.END | number % 8, engines.DIRECT | number % 8 | 8):
            yield bytes([options, number % 256]) + stream


def hpack() -> Iterator[bytes]:
    """Stories of other encoders, and blocks that change tables."""
    blocks = (indexed(2), inserted(1, b"a"), indexed(62), literal(b"x", b"y"), coded(b"\xf1\xe3\xc2"), update(0))
    for options in (0, 1, engines.SHORT_LISTS, engines.LARGE_ENCODER | engines.CHANGES, engines.DECODES_ONLY):
        yield bytes([options]) + b"".join(sized(block) for block in blocks[:4])
        yield bytes([options]) + sized(blocks[5] + b"".join(blocks[:4])) + bytes([249]) + sized(blocks[0])
    found = shared_json("hpack/hpack_stories_00-19.json")
    for story in (found or {}).values():
        for number, encoder in enumerate(story["encoders"].values() if isinstance(story, dict) else ()):
            wire = [bytes.fromhex(block) for block in encoder["wire"][:4]]
            yield bytes([6 if number % 2 else 0]) + b"".join(sized(block) for block in wire if len(block) < 2048)


def sized(block: bytes) -> bytes:
    """A block as `engines.hpack` reads it."""
    size = len(block)
    return (bytes([size]) if size < 240 else bytes([239 + size // 256, size % 256])) + block


def h2_seeds() -> Iterator[bytes]:
    """Conversations, in frames as they are and as records; and what clients have sent, of nghttp2's."""
    head = (h2.headers(1, (b"content-length", b"5")), h2.headers(3), h2.headers(5, end=True))
    body = (h2.data(1, b"hello", end=True), h2.data(3, b"a", padding=3), h2.data(3, b"", end=True))
    trailers = h2.headers(3, (b"a", b"b"), end=True, status=None)
    conversations: list[tuple[bytes, ...]] = [
        (h2.settings(), *head, *body),
        (h2.settings({4: 10, 5: 16384, 1: 0}), h2.window_update(0, 100), h2.window_update(3, 100), *head, *body[:2]),
        (*head[:2], body[1], trailers, h2.goaway(3), h2.reset(7)),
        (h2.headers(1, status=b"103"), *head, h2.goaway(2**31 - 1), h2.frame(h2.PING, b"12345678"), h2.reset(3, 7)),
        (
            h2.frame(h2.HEADERS, h2.block((b":status", b"200")), 1, 0),
            h2.frame(h2.CONTINUATION, h2.block((b"a", b"b")), 1, h2.END_HEADERS),
            h2.data(1, b"x" * 100),
            h2.settings(ack=True),
        ),
    ]
    for conversation in conversations:
        stream = b"".join(conversation)
        yield bytes([engines.RAW | engines.IS_GREETED | engines.IS_CUT, 7]) + stream
        records = b"".join(record(frame) for frame in h2.frames_of(stream))
        for options in (engines.IS_GREETED, engines.SMALL_WINDOWS | engines.IS_GREETED | engines.HAS_END, 0):
            yield bytes([options, 1]) + records + bytes([engines.GIVE_UP, 0, 1, engines.WRITE, 0, 3, engines.ASK, 0, 4])
    found = shared_json("nghttp2/fuzz_corpus.json")
    for row in (found or {"inputs": []})["inputs"]:
        yield bytes([engines.RAW | engines.IS_CUT, 3]) + b64decode(row["b64"]).removeprefix(h2.PREFACE)[:2000]


def record(frame: h2.Frame) -> bytes:
    """A frame as `engines.h2` reads it."""
    where = engines._STREAM_IDS.index(frame.stream) if frame.stream in engines._STREAM_IDS else 0
    size = len(frame.payload)
    sizes = bytes([size]) if size < 224 else bytes([224 + size // 256, size % 256])
    return bytes([frame.kind, frame.flags, where]) + sizes + frame.payload


def url() -> Iterator[bytes]:
    """URLs of the WPT, each with its base as what it is resolved against."""
    yield "https://jo%40x:a%20b@müller.de:1234/pa%20th?q=1#f".encode() + b"\xff../b\xff/x y"
    found = shared_json("wpt/urltestdata.json")
    for case in found or ():
        if isinstance(case, dict):
            text = case["input"].encode("utf-8", "replace")
            base = (case.get("base") or "https://example.com/a/b?c").encode("utf-8", "replace")
            yield base + b"\xff" + text + b"\xff" + text[:20]
            yield text + b"\xff" + b"../x?y#z"


def cookies() -> Iterator[bytes]:
    """Cookies of the WPT, and some that are hostile."""
    yield b"\0a=b; Domain=example.com; Path=/x; Secure; HttpOnly\nc=d; Max-Age=0\xffa=c; Domain=.com"
    yield b"\x01__Host-a=b; Secure; Path=/\n__Secure-x=1; Secure\xff=a=1; Expires=Wed, 09 Jun 2031 10:18:14 GMT"
    for name in ("name", "value", "attributes_path", "attributes_max_age", "attributes_expires", "attributes_invalid"):
        for case in (shared_json(f"wpt/cookies/{name}.json") or ())[:_SOME]:
            lines = case["cookie"] if isinstance(case["cookie"], list) else [case["cookie"]]
            yield b"\0" + "\n".join(lines).encode("utf-8", "replace")


def multipart() -> Iterator[bytes]:
    yield b"name\xfffile.txt\xfftext/plain\xffX-A\xffb\xffcontent"
    yield b'n"\r\na\xff\xc3\xa9"\r\n\xff\xffContent-Type\xffa/b\xff--x\r\n\r\n'
    yield b"\\\xffC:\\x.png\xff\xff\xffmultipart/form-data; boundary=\xff"


def digest() -> Iterator[bytes]:
    yield b'Digest realm="a", nonce="b", qop="auth", opaque="c", algorithm=MD5\xffDigest realm=a, nonce="d", stale=1'
    yield b'Basic realm="x", Digest realm="\\"", nonce="b", algorithm=SHA-256-sess, qop="auth,auth-int"\nFoo abc=='
    yield b'Digest realm=a, nonce=b, algorithm=SHA-512-256, userhash=true\nDigest nonce="a", qop=""'


def fields() -> Iterator[bytes]:
    yield b'text/html; charset="utf-8"\xff<a>; rel="next", <b>; rel=x\xffinline; filename="a.txt"\xffx/y.tar.gz\xffabc'
    yield b"text/plain; charset*=utf-8''latin-1\xff<>\xffattachment; filename*=UTF-8''..%2f%00a\xff%2e%2e\xff\xe9"
    yield b'a/b;charset=zlib\xff\xffinline; filename="\\"..\\\\con.txt"\xffCOM1\xff+/v8'


def proxy() -> Iterator[bytes]:
    for kind in range(8):
        yield bytes([kind, 3]) + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        yield (
            bytes([kind, 0])
            + b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        yield bytes([kind, 9]) + b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        yield bytes([kind, 5]) + b"\x05\x02\x01\x00\x05\x00\x00\x03\x04name\x00\x00rest"
        yield bytes([kind, 5]) + b"\x05\x00\x05\x05\x00\x04" + bytes(18)


def decoders() -> Iterator[bytes]:
    text = b"hello, world " * 9
    plain = (gzip.compress(text), zlib.compress(text), b"\x0b\x02\x80abc\x03", zlib.compress(text)[2:-4], text)
    for number, data in enumerate(plain):
        for options in range(8):
            yield bytes([options, number * 50]) + data
    yield bytes([3, 9]) + b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello"
    yield bytes([0, 9]) + gzip.compress(b"a") + gzip.compress(b"b") + b"\x1f"
    yield bytes([0, 9]) + gzip.compress(bytes(1 << 21))
    for options in range(8, 16):
        yield bytes([options, 0]) + "ab\r\ncéあ\u2028x".encode("utf-8" if options % 2 else "utf-16")


def sse() -> Iterator[bytes]:
    yield b"\x07\xef\xbb\xbfevent: a\r\ndata: b\ndata:c\r\rid: 1\nretry: 10\n\n: comment\ndata\n\n"


def websocket() -> Iterator[bytes]:
    head = b"Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\n"
    yield b"\x10\x05" + head + b"\x81\x02hi\x89\x01p\x01\x01a\x80\x01b\x88\x02\x03\xe8"
    yield b"\x14\x00Sec-WebSocket-Protocol: a\n\n\x8a\x04ping\x82\x7e\x00\x80" + bytes(128) + b"\x88\x00"
    yield b"\x22\x05\n\n\x81\x7f" + bytes(7) + b"\x05abcde\x83\x80"
