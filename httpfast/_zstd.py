"""Undoing the zstd content coding (RFC 8878, in the profile of RFC 9659). Imported when the first such body arrives."""

from __future__ import annotations

from ._decoders import PIECE_BYTES, Decoder, corrupt, slices
from ._exceptions import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Largest window a frame may ask for: 8 MiB, RFC 9659, 3.
MAX_WINDOW_LOG = 23


class ZstandardDecoder(Decoder):
    """Any number of frames (RFC 8878, 3.1), through the zstandard package: a block at a time, which bounds its output.

    Args:
        module: zstandard.
    """

    def __init__(self, module: Any) -> None:
        self._error: type[Exception] = module.ZstdError
        self._decompressor: Any = module.ZstdDecompressor(max_window_size=1 << MAX_WINDOW_LOG)
        self._blocks = ZstdBlocks()
        # The frame being read: None before each.
        self._frame: Any = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for block in self._blocks.cut(data):
            piece = self._decompress(block)
            if piece:
                yield piece

    def _decompress(self, data: bytes | memoryview) -> bytes:
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        try:
            decoded: bytes = self._frame.decompress(data)
        except self._error as exc:
            raise corrupt("zstd", exc) from exc
        if self._frame.eof:
            if self._frame.unused_data:
                raise DecodingError("The zstd body's frames do not end where their blocks do (RFC 8878, 3.1.1).")
            self._frame = None
        return decoded

    def flush(self) -> bytes:
        if self._frame is not None:
            raise DecodingError("The zstd body ended inside a frame (RFC 8878, 3.1.1).")
        return b""


class ZstdBlocks:
    """Cuts a zstd stream where its blocks end (RFC 8878, 3.1.1), for a decompressor that cannot limit its output.

    A block decodes to at most 128 KiB, so that is the most which one of the slices decodes to. What a slice holds is
    not judged here: the decompressor does that, and a wrong cut could only change the size of the pieces.
    """

    _FRAME = 0xFD2FB528
    _SKIPPABLE_FRAMES = 0x184D2A5

    # Bytes of each kind of header that are needed to know what follows.
    _FRAME_START_BYTES = 5
    _SKIPPABLE_START_BYTES = 8
    _BLOCK_START_BYTES = 3

    def __init__(self) -> None:
        self._is_in_frame = False
        self._has_checksum = False
        # A header that is being collected, and the length it will have.
        self._header = bytearray()
        self._header_bytes = self._FRAME_START_BYTES
        # Bytes behind the header that need no look.
        self._opaque_bytes = 0

    def cut(self, data: bytes) -> Iterator[memoryview]:
        """Yield `data` in slices, each of which ends where a block or frame does, or with `data`.

        Raises:
            DecodingError: the data is not zstd.
        """
        view = memoryview(data)
        start = position = 0
        while position < len(view):
            if self._opaque_bytes:
                taken = min(self._opaque_bytes, len(view) - position)
                position += taken
                self._opaque_bytes -= taken
            else:
                taken = min(self._header_bytes - len(self._header), len(view) - position)
                self._header += view[position : position + taken]
                position += taken
                if len(self._header) < self._header_bytes:
                    break
                self._read_header()
                if self._header:
                    continue
            # An empty last block ends its frame with nothing behind its header.
            if not self._opaque_bytes:
                yield view[start:position]
                start = position
        if start < position:
            yield view[start:position]

    def _read_header(self) -> None:
        header = self._header
        if self._is_in_frame:
            block = int.from_bytes(header, "little")
            is_last, is_run, size = block & 1, block >> 1 & 3 == 1, block >> 3
            self._opaque_bytes = 1 if is_run else size
            if is_last:
                self._opaque_bytes += 4 if self._has_checksum else 0
                self._is_in_frame = False
        elif int.from_bytes(header[:4], "little") == self._FRAME:
            descriptor = header[4]
            is_single_segment = descriptor & 0x20
            content_size_bytes = (1 if is_single_segment else 0, 2, 4, 8)[descriptor >> 6]
            dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
            self._opaque_bytes = (0 if is_single_segment else 1) + dictionary_bytes + content_size_bytes
            self._has_checksum = bool(descriptor & 4)
            self._is_in_frame = True
        elif int.from_bytes(header[:4], "little") >> 4 == self._SKIPPABLE_FRAMES:
            if len(header) < self._SKIPPABLE_START_BYTES:
                self._header_bytes = self._SKIPPABLE_START_BYTES
                return
            self._opaque_bytes = int.from_bytes(header[4:], "little")
        else:
            raise DecodingError(f"The zstd body has {bytes(header[:4])!r} where a frame must start (RFC 8878, 3.1).")
        header.clear()
        self._header_bytes = self._BLOCK_START_BYTES if self._is_in_frame else self._FRAME_START_BYTES


class CompressionZstdDecoder(Decoder):
    """Any number of frames (RFC 8878, 3.1), through Python 3.14's compression.zstd.

    Args:
        module: compression.zstd, or one with the same interface.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._frame: Any = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for part in slices(data):
            rest: bytes | memoryview | None = part
            while rest is not None:
                piece, rest = self._decompress(rest)
                if piece:
                    yield piece

    def _decompress(self, data: bytes | memoryview) -> tuple[bytes, bytes | None]:
        """Return a piece, and the input to go on with (may be empty, while there is more to give) or None."""
        if self._frame is None:
            limit = {self._module.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
            self._frame = self._module.ZstdDecompressor(options=limit)
        frame = self._frame
        try:
            piece: bytes = frame.decompress(data, PIECE_BYTES)
        except self._module.ZstdError as exc:
            raise corrupt("zstd", exc) from exc
        if frame.eof:
            self._frame = None
            return piece, frame.unused_data or None
        return piece, None if frame.needs_input else b""

    def flush(self) -> bytes:
        if self._frame is not None:
            raise DecodingError("The zstd body ended inside a frame (RFC 8878, 3.1.1).")
        return b""
