"""What libraries take from httpx's private modules and httpfast has in another form. Imported by `alias` only.

Transports that libraries build on httpcore need the streams and the mapping of errors; httpcore itself is not imported
here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, AnyStr, Generic

from . import _chunks, _exceptions
from ._types import AsyncByteStream, SyncByteStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator

__all__ = [
    "AsyncResponseStream",
    "ByteChunker",
    "LineDecoder",
    "ResponseStream",
    "TextChunker",
    "TextDecoder",
    "map_httpcore_exceptions",
    "to_bytes",
    "to_str",
    "unquote",
]


def to_bytes(value: str | bytes, encoding: str = "utf-8") -> bytes:
    """Return `value`, encoded if it is text."""
    return value if isinstance(value, bytes) else value.encode(encoding)


def to_str(value: str | bytes, encoding: str = "utf-8") -> str:
    """Return `value`, decoded if it is bytes."""
    return value if isinstance(value, str) else value.decode(encoding)


def unquote(value: str) -> str:
    """Return `value` without the double quotes around it, if there are any."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


class LineDecoder(_chunks.LineDecoder):
    """Cuts text into lines."""

    def decode(self, text: str) -> list[str]:
        """Return the lines that `text` completes."""
        return self.feed(text)


class TextDecoder(_chunks.TextDecoder):
    """Decodes bytes to text as they arrive."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(encoding)

    def decode(self, data: bytes) -> str:
        """Return the text that `data` completes."""
        return self.feed(data)


class _Chunker(Generic[AnyStr]):
    def __init__(self, chunk_size: int | None = None) -> None:
        self._chunker: _chunks.Chunker[AnyStr] | None = None if chunk_size is None else _chunks.Chunker(chunk_size)

    def decode(self, content: AnyStr) -> list[AnyStr]:
        """Return the chunks that `content` completes, or itself if there is no size."""
        return list(_chunks.feed(self._chunker, content))

    def flush(self) -> list[AnyStr]:
        """Return what is left, if anything is."""
        return [] if self._chunker is None else list(self._chunker.flush())


class ByteChunker(_Chunker[bytes]):
    """Cuts bytes into chunks of one size; None passes them on as they come."""


class TextChunker(_Chunker[str]):
    """Cuts text into chunks of one size; None passes it on as it comes."""


@contextmanager
def map_httpcore_exceptions() -> Generator[None]:
    """Raise httpcore's errors as ours of the same name, and others as they are."""
    try:
        yield
    except Exception as error:
        for kind in type(error).__mro__:
            ours = getattr(_exceptions, kind.__name__, None)
            if kind.__module__.partition(".")[0] in ("httpcore", "httpcore2") and ours is not None:
                raise ours(str(error)) from error
        raise


class ResponseStream(SyncByteStream):
    """The body of a response of httpcore's."""

    def __init__(self, httpcore_stream: Iterable[bytes]) -> None:
        self._httpcore_stream = httpcore_stream

    def __iter__(self) -> Iterator[bytes]:
        with map_httpcore_exceptions():
            yield from self._httpcore_stream

    def close(self) -> None:
        stream: Any = self._httpcore_stream
        if hasattr(stream, "close"):
            stream.close()


class AsyncResponseStream(AsyncByteStream):
    """The body of a response of httpcore's, for async code."""

    def __init__(self, httpcore_stream: AsyncIterable[bytes]) -> None:
        self._httpcore_stream = httpcore_stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with map_httpcore_exceptions():
            async for chunk in self._httpcore_stream:
                yield chunk

    async def aclose(self) -> None:
        stream: Any = self._httpcore_stream
        if hasattr(stream, "aclose"):
            await stream.aclose()
