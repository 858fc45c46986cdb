"""Undoing Content-Encoding (RFC 9110, 8.4) in bounded pieces.

A decoder is fed the body as it arrives and gives pieces of about `PIECE_BYTES`, so that a small body which expands
a thousandfold is never in memory at once unless the caller keeps it. The compression libraries are imported when the
first body needs them. This module reads no headers and does no IO.

    Decoder                what each content coding implements
    ├── IdentityDecoder    no coding
    ├── GzipDecoder        RFC 1952
    ├── DeflateDecoder     RFC 1950, and bare RFC 1951 as sent by some servers
    ├── BrotliDecoder      RFC 7932, with brotli or brotlicffi
    ├── ChainDecoder       several codings, undone in reverse
    └── in _zstd           RFC 8878 in the profile of RFC 9659, with zstandard or compression.zstd (Python 3.14)
"""

from __future__ import annotations

from ._exceptions import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# Largest piece asked of a decompressor. brotli may give up to twice as much, zstd blocks end at 128 KiB by themselves.
PIECE_BYTES = 128 * 1024

# Compressed bytes handed to a decompressor at a time. zlib and brotli copy what is left of their input at every call,
# so feeding them a large body whole would take time quadratic in its size.
INPUT_BYTES = 16 * 1024

# More codings than this are refused before any work; curl's limit is the same (CVE-2022-32206).
MAX_CODINGS = 5

# One brotli meta-block gives up to 16 MiB (RFC 7932, 9.2) and takes some 13 bytes to say so. Versions that cannot limit
# their output are fed fewer bytes than that at a time, which bounds a piece to what one meta-block gives: 16 MiB.
UNLIMITED_BROTLI_INPUT_BYTES = 8


class Decoder:
    """One body's decoder: feed it with `pieces` (or `decode`), then call `flush` at the end of the body."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data`, the next part of the body, decodes to: pieces of bounded size, none of them empty.

        Raises:
            DecodingError: the body is corrupt.
        """
        raise NotImplementedError("The 'pieces' method must be implemented.")

    def flush(self) -> bytes:
        """Take note of the end of the body. Returns b"": decoding is eager, nothing is ever left to give.

        Raises:
            DecodingError: the body ended too early.
        """
        raise NotImplementedError("The 'flush' method must be implemented.")

    def decode(self, data: bytes) -> bytes:
        """Return what `data`, the next part of the body, decodes to, however large.

        Raises:
            DecodingError: the body is corrupt.
        """
        return b"".join(self.pieces(data))

    def decode_whole(self, data: bytes) -> bytes:
        """Decode a complete body in one go. For a decoder that has not been used yet.

        Raises:
            DecodingError: the body is corrupt, or ends too early.
        """
        decoded = self.decode(data)
        self.flush()
        return decoded


class IdentityDecoder(Decoder):
    """Gives what it is given. Holds no state: `IDENTITY` serves every body."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if data:
            yield data

    def flush(self) -> bytes:
        return b""

    def decode(self, data: bytes) -> bytes:
        return data

    def decode_whole(self, data: bytes) -> bytes:
        return data


IDENTITY = IdentityDecoder()


class GzipDecoder(Decoder):
    """gzip: any number of members one after another (RFC 1952, 2.2). Other bytes behind a member are ignored."""

    _MAGIC = b"\x1f\x8b"

    def __init__(self) -> None:
        # The member being read: None before each.
        self._member: Any = None
        self._has_ended_member = False
        # What follows a member, while too short to tell another member from other bytes.
        self._held: bytes = b""
        self._ignores_rest = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for rest in slices(data):
            while rest and not self._ignores_rest:
                if self._member is None:
                    rest = self._open_member(rest)
                    continue
                yield from _inflate("gzip", self._member, rest)
                if not self._member.eof:
                    break
                rest = self._member.unused_data
                self._member = None
                self._has_ended_member = True

    def _open_member(self, data: bytes | memoryview[int]) -> bytes | memoryview[int]:
        """Start a member where `data` begins with one, and return the bytes to feed to it."""
        import zlib

        if self._has_ended_member:
            data = self._held + bytes(data)
            self._held = b""
            if data == self._MAGIC[:1]:
                self._held = data
                return b""
            if not data.startswith(self._MAGIC):
                self._ignores_rest = True
                return b""
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return data

    def flush(self) -> bytes:
        if self._member is not None:
            raise DecodingError("The gzip body ended before its trailer (RFC 1952, 2.3).")
        return b""

    def decode_whole(self, data: bytes) -> bytes:
        import zlib

        if not data:
            return b""
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            decoded = member.decompress(data)
        except zlib.error as exc:
            raise corrupt("gzip", exc) from exc
        if not member.eof:
            self._member = member
            self.flush()
        rest = member.unused_data
        if rest:
            # Further members in slices: decompressobj copies all that follows, once a member.
            self._has_ended_member = True
            decoded = b"".join((decoded, *self.pieces(rest)))
            self.flush()
        return decoded


class DeflateDecoder(Decoder):
    """deflate: the zlib format that RFC 9110, 8.4.1.2 asks for, or bare deflate data. Trailing bytes are ignored."""

    def __init__(self) -> None:
        self._inflater: Any = None
        self._held = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if self._inflater is None:
            data = self._held + data
            if len(data) < 2:
                self._held = data
                return
            self._open(data)
        for part in slices(data):
            if self._inflater.eof:  # pyright: ignore[reportOptionalMemberAccess]
                return
            yield from _inflate("deflate", self._inflater, part)

    def _open(self, data: bytes) -> None:
        import zlib

        # A zlib header is method 8 in the low nibble and a multiple of 31 as a whole (RFC 1950, 2.2). Bare deflate data
        # that begins so would be a stored block with a set bit among its padding, which no compressor writes.
        is_zlib = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)

    def flush(self) -> bytes:
        is_open = bool(self._held) if self._inflater is None else not self._inflater.eof
        if is_open:
            raise DecodingError("The deflate body ended before its last block (RFC 1951, 3.2.3).")
        return b""

    def decode_whole(self, data: bytes) -> bytes:
        import zlib

        if len(data) < 2:
            self._held = data
            return self.flush()
        self._open(data)
        try:
            decoded: bytes = self._inflater.decompress(data)
        except zlib.error as exc:
            raise corrupt("deflate", exc) from exc
        self.flush()
        return decoded


class BrotliDecoder(Decoder):
    """br. Bytes behind the end of the stream are an error: RFC 7932 knows no trailing data.

    Args:
        module: brotli or brotlicffi.
    """

    def __init__(self, module: Any) -> None:
        self._error: type[Exception] = module.error
        self._decompressor: Any = module.Decompressor()
        # Both packages learned to limit their output in 1.2, and this method came with it.
        self._can_limit = hasattr(self._decompressor, "can_accept_more_data")
        self._process: Callable[..., bytes] = (
            self._decompressor.process if hasattr(self._decompressor, "process") else self._decompressor.decompress
        )
        self._has_begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        self._has_begun = True
        try:
            if not self._can_limit:
                for part in slices(data, UNLIMITED_BROTLI_INPUT_BYTES):
                    piece = self._process(bytes(part))
                    if piece:
                        yield piece
                return
            for part in slices(data):
                # can_accept_more_data() turns true while output is still to come (seen with 1.2.1), so only an
                # empty piece says that this input is used up.
                piece = self._process(bytes(part), output_buffer_limit=PIECE_BYTES)
                while piece:
                    yield piece
                    if self._decompressor.is_finished():
                        break
                    piece = self._process(b"", output_buffer_limit=PIECE_BYTES)
        except self._error as exc:
            raise corrupt("br", exc) from exc

    def flush(self) -> bytes:
        if self._has_begun and not self._is_finished():
            raise DecodingError("The br body ended before its last meta-block (RFC 7932, 9.2).")
        return b""

    def _is_finished(self) -> bool:
        if hasattr(self._decompressor, "is_finished"):
            return bool(self._decompressor.is_finished())
        try:
            self._decompressor.finish()
        except self._error:
            return False
        return True

    def decode_whole(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._has_begun = True
        try:
            decoded = self._process(data)
        except self._error as exc:
            raise corrupt("br", exc) from exc
        self.flush()
        return decoded


class ChainDecoder(Decoder):
    """Several codings on one body.

    Args:
        decoders: one for each coding, in the order in which they were applied (RFC 9110, 8.4).
    """

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders[::-1]

    def pieces(self, data: bytes) -> Iterator[bytes]:
        stream: Iterator[bytes] = iter((data,))
        for decoder in self._decoders:
            stream = _pipe(decoder, stream)
        return stream

    def flush(self) -> bytes:
        for decoder in self._decoders:
            decoder.flush()
        return b""

    def decode_whole(self, data: bytes) -> bytes:
        for decoder in self._decoders:
            data = decoder.decode_whole(data)
        return data


def _pipe(decoder: Decoder, stream: Iterator[bytes]) -> Iterator[bytes]:
    for data in stream:
        yield from decoder.pieces(data)


def slices(data: bytes, size: int = INPUT_BYTES) -> Iterator[bytes | memoryview]:
    if len(data) <= size:
        if data:
            yield data
        return
    view = memoryview(data)
    for start in range(0, len(view), size):
        yield view[start : start + size]


def _inflate(coding: str, inflater: Any, data: bytes | memoryview) -> Iterator[bytes]:
    """Yield what zlib makes of `data`, until that or the compressed stream ends."""
    import zlib

    while True:
        try:
            piece: bytes = inflater.decompress(data, PIECE_BYTES)
        except zlib.error as exc:
            raise corrupt(coding, exc) from exc
        if piece:
            yield piece
        data = inflater.unconsumed_tail
        # A full piece may have more behind it that zlib holds itself.
        if inflater.eof or (not data and len(piece) < PIECE_BYTES):
            return


def corrupt(coding: str, exc: Exception) -> DecodingError:
    return DecodingError(f"The {coding} body is corrupt: {exc}")


_CODINGS = frozenset({"gzip", "deflate", "br", "zstd"})


def content_decoder(codings: Iterable[str]) -> Decoder:
    """Return a decoder for a body to which these codings were applied, in this order.

    Args:
        codings: the members of Content-Encoding, in any letter case. Codings that are not known, or whose package is
            not installed, are passed over: the body then keeps them.

    Raises:
        DecodingError: there are more than `MAX_CODINGS`.
    """
    # Counted before any is looked up: that may mean an attempt to import a package.
    known = [name for coding in codings if (name := coding.strip().lower()) in _CODINGS]
    if len(known) > MAX_CODINGS:
        raise DecodingError(f"The body has {len(known)} content codings, and at most {MAX_CODINGS} are undone.")
    makers = [maker for name in known if (maker := _find_maker(name)) is not None]
    if not makers:
        return IDENTITY
    decoders = [maker() for maker in makers]
    return decoders[0] if len(decoders) == 1 else ChainDecoder(decoders)


def _find_maker(coding: str) -> Callable[[], Decoder] | None:
    if coding == "gzip":
        return GzipDecoder
    if coding == "deflate":
        return DeflateDecoder
    if coding == "br":
        return _find_brotli()
    if coding == "zstd":
        return _find_zstd()
    return None


def _find_brotli() -> Callable[[], Decoder] | None:
    module = _import("brotli") or _import("brotlicffi")
    return None if module is None else lambda: BrotliDecoder(module)


def _find_zstd() -> Callable[[], Decoder] | None:
    from ._zstd import CompressionZstdDecoder, ZstandardDecoder

    if (module := _import("zstandard")) is not None:
        return lambda: ZstandardDecoder(module)
    if (module := _import("compression.zstd")) is not None:
        return lambda: CompressionZstdDecoder(module)
    return None


def _import(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        return None


_accept_encoding: bytes | None = None


def accept_encoding() -> bytes:
    """Return the Accept-Encoding value for the codings that can be undone here (RFC 9110, 12.5.3).

    Looks for the packages once, and imports none of them.
    """
    global _accept_encoding

    if _accept_encoding is None:
        import sys

        value = b"gzip, deflate"
        if _is_installed("brotli") or _is_installed("brotlicffi"):
            value += b", br"
        if _is_installed("zstandard") or (sys.version_info >= (3, 14) and _is_installed("_zstd")):
            value += b", zstd"
        _accept_encoding = value
    return _accept_encoding


def _is_installed(module: str) -> bool:
    import sys
    from importlib.util import find_spec

    if module in sys.modules:
        # None is how an import is blocked.
        return sys.modules[module] is not None
    return find_spec(module) is not None
