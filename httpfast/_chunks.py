"""Gathering a decoded body, making text of it, and cutting either into chunks and lines."""

from __future__ import annotations

import codecs
import sys

from ._exceptions import DecodingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, AnyStr, Generic
else:
    AnyStr = None

    class Generic:
        # Importing typing for one base class would cost more than the rest of this module.
        def __class_getitem__(cls, item):
            return cls


class Chunker(Generic[AnyStr]):
    """Cuts what it is fed into chunks of one size; only the last may be shorter.

    Args:
        size: bytes or characters a chunk.

    Raises:
        ValueError: the size is not positive.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"chunk_size must be 1 or more, not {size}")
        self._size = size
        self._held: list[AnyStr] = []
        self._held_size = 0

    def feed(self, data: AnyStr) -> Iterator[AnyStr]:
        """Yield the chunks that `data` completes."""
        self._held.append(data)
        self._held_size += len(data)
        size = self._size
        if self._held_size < size:
            return
        whole = data[:0].join(self._held)  # pyright: ignore[reportArgumentType]
        end = len(whole) - len(whole) % size
        self._held = [whole[end:]]
        self._held_size = len(whole) - end
        for start in range(0, end, size):
            yield whole[start : start + size]

    def flush(self) -> Iterator[AnyStr]:
        """Yield what is left, if anything is."""
        if self._held_size:
            yield self._held[0][:0].join(self._held)  # pyright: ignore[reportArgumentType]
            self._held, self._held_size = [], 0


class TextDecoder:
    """Decodes bytes to text as they arrive; what does not belong becomes U+FFFD.

    Args:
        encoding: a text encoding that Python has.

    Raises:
        LookupError: it has not.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        # What the decoder cannot hold itself; see `_decode_less`.
        self._unfed = b""

    def feed(self, data: bytes) -> str:
        """Return the text that `data` completes."""
        return self._decode(data, False)

    def flush(self) -> str:
        """Return the text for a character that was cut short, if one was."""
        text = self._decode(b"", True)
        # Python's decoder of utf-8-sig keeps a byte order mark that was cut short, and says nothing.
        held = self._decoder.getstate()[0]
        return text + held.decode(self._encoding, "replace") if held else text

    def _decode(self, data: bytes, is_last: bool) -> str:
        if self._unfed:
            data, self._unfed = self._unfed + data, b""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(data, is_last)
        except UnicodeError:
            # UTF-16 and UTF-32 without a byte order mark: only here an error, bytes.decode() reads them.
            name = codecs.lookup(self._encoding).name
            if name not in ("utf-16", "utf-32"):
                text = self._decode_less(data, before)
                if text is None:
                    raise
                return text
            self._decoder = codecs.getincrementaldecoder(f"{name}-{sys.byteorder[0]}e")(errors="replace")
            return self._decoder.decode(before[0] + data, is_last)

    def _decode_less(self, data: bytes, before: tuple[bytes, int]) -> str | None:
        """Decode all but the end of `data`, which waits for more; None if that fails too.

        Python's decoders of ISO 2022 look up to 16 octets ahead for the end of an escape sequence, hold 8, and raise an
        error in between, whatever is to be done about errors.
        """
        for size in range(1, 16):
            self._decoder.setstate(before)
            try:
                text = self._decoder.decode(data[:-size], False)
            except UnicodeError:
                continue
            self._unfed = data[-size:]
            return text
        return None


class LineDecoder:
    r"""Cuts text into lines as `str.splitlines` does, whatever the parts it comes in.

    A "\r" at the end of a part waits for the next: the two may be one "\r\n".
    """

    def __init__(self) -> None:
        self._held: list[str] = []
        self._ends_with_cr = False

    def feed(self, text: str) -> list[str]:
        """Return the lines that `text` completes, without their ends."""
        if self._ends_with_cr:
            text = "\r" + text
        self._ends_with_cr = text.endswith("\r")
        if self._ends_with_cr:
            text = text[:-1]
        # The full stop makes a last line of what follows the last line break, also when that is nothing.
        lines = f"{text}.".splitlines()
        rest = lines.pop()[:-1]
        if lines:
            lines[0] = "".join((*self._held, lines[0]))
            self._held.clear()
        if rest:
            self._held.append(rest)
        return lines

    def flush(self) -> list[str]:
        """Return the last line, if it had no end."""
        if not self._held and not self._ends_with_cr:
            return []
        line = "".join(self._held)
        self._held.clear()
        self._ends_with_cr = False
        return [line]


class Body:
    """Gathers a body in memory, up to a limit in bytes."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._limit is not None and self._size > self._limit:
            raise DecodingError(f"The decoded body is larger than the limit of {self._limit} bytes.")

    def join(self) -> bytes:
        return b"".join(self._pieces)


def cut(content: bytes, chunk_size: int | None) -> Iterator[bytes]:
    if chunk_size is None:
        if content:
            yield content
        return
    chunker: Chunker[bytes] = Chunker(chunk_size)
    yield from chunker.feed(content)
    yield from chunker.flush()


def feed(chunker: Chunker[Any] | None, data: Any) -> Iterator[Any]:
    """Return what to give on of `data`, which is bytes or text: never empty."""
    if chunker is not None:
        return chunker.feed(data)
    return iter((data,) if data else ())
