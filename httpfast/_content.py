"""Turning the body arguments of requests and responses into a stream and the header fields that describe it.

Framing is decided here, by what is known about the length (RFC 9112, 6.1 and 6.2); it is written and enforced by the
engines. Nothing here reads a body before it is sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping

from ._exceptions import StreamClosed, StreamConsumed
from ._types import AsyncByteStream, ByteStream, SyncByteStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from ._types import PrimitiveData, RequestContent, RequestData, RequestFiles, ResponseContent

__all__ = [
    "AsyncIteratorByteStream",
    "ByteStream",
    "IteratorByteStream",
    "UnattachedStream",
    "encode_json",
    "encode_request",
    "encode_response",
]


class IteratorByteStream(SyncByteStream):
    """A body that an iterable gives, or a file open for reading in binary mode.

    It can be read again where the iterable allows that, and a file where it can be rewound to where it stood.

    Args:
        stream: an iterable of bytes. With a `read` method, that is called instead.
    """

    # Bytes read from a file at a time.
    CHUNK_SIZE = 65_536

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self._is_stream_consumed = False
        # Where a file stood at first.
        self._offset: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        read: Callable[[int], bytes] | None = getattr(self._stream, "read", None)
        if read is None:
            if self._is_stream_consumed and hasattr(self._stream, "__next__"):
                raise StreamConsumed()
            self._is_stream_consumed = True
            yield from self._stream
            return
        self._rewind()
        while chunk := read(self.CHUNK_SIZE):
            yield chunk

    def _rewind(self) -> None:
        file: Any = self._stream
        if not self._is_stream_consumed:
            self._is_stream_consumed = True
            self._offset = _call_or_none(file, "tell")
        elif self._offset is None or _call_or_none(file, "seek", self._offset) is None:
            raise StreamConsumed()


class AsyncIteratorByteStream(AsyncByteStream):
    """A body that an async iterable gives. It can be read again where the iterable allows that.

    Args:
        stream: an async iterable of bytes. With an `aread` method, that is called instead.
    """

    # Bytes read from a file at a time.
    CHUNK_SIZE = 65_536

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream
        self._is_stream_consumed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._is_stream_consumed and hasattr(self._stream, "__anext__"):
            raise StreamConsumed()
        self._is_stream_consumed = True
        aread: Any = getattr(self._stream, "aread", None)
        if aread is not None:
            while chunk := await aread(self.CHUNK_SIZE):
                yield chunk
            return
        iterator = self._stream.__aiter__()
        try:
            async for part in iterator:
                yield part
        finally:
            await finish_iterator(iterator)


class UnattachedStream(AsyncByteStream, SyncByteStream):
    """The body of a request or response that was pickled: the data stayed with the original."""

    def __iter__(self) -> Iterator[bytes]:
        raise StreamClosed()

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise StreamClosed()


async def finish_iterator(iterator: AsyncIterator[Any]) -> None:
    """Close an async generator that may have been left half-way; the event loop would, later and in another task."""
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


def encode_request(
    content: RequestContent | None = None,
    data: RequestData | None = None,
    files: RequestFiles | None = None,
    json: Any | None = None,
    boundary: bytes | None = None,
) -> tuple[dict[str, str], SyncByteStream | AsyncByteStream]:
    """Return the header fields and the stream for a request's body arguments.

    Args:
        content: the body itself.
        data: form fields. Anything but a mapping is taken as `content`, as the requests package does, with a warning.
        files: files to upload; makes the body multipart/form-data (RFC 7578), with `data` as further fields.
        json: a value to send as JSON.
        boundary: the multipart boundary; random if None.

    Raises:
        TypeError: an argument has a type that cannot be sent.
        ValueError: `json` holds a number that JSON does not have.
        LocalProtocolError: a part's header field would break out of its line.
    """
    if data is not None and not isinstance(data, Mapping):
        import warnings

        warnings.warn("Use 'content=<...>' to upload raw bytes/text content.", DeprecationWarning, stacklevel=2)
        return _encode_content(data)
    if content is not None:
        return _encode_content(content)
    if files:
        from ._multipart import MultipartStream

        multipart = MultipartStream(data=data or {}, files=files, boundary=boundary)
        return multipart.get_headers(), multipart
    if data:
        return _encode_form(data)
    if json is not None:
        return encode_json(json)
    return {}, ByteStream(b"")


def encode_response(
    content: ResponseContent | None = None,
    text: str | None = None,
    html: str | None = None,
    json: Any | None = None,
) -> tuple[dict[str, str], SyncByteStream | AsyncByteStream]:
    """Return the header fields and the stream for a response's body arguments, of which the first given one counts.

    Args:
        content: the body itself.
        text: sent as text/plain in UTF-8.
        html: sent as text/html in UTF-8.
        json: a value to send as JSON.

    Raises:
        TypeError: an argument has a type that cannot be sent.
        ValueError: `json` holds a number that JSON does not have.
    """
    if content is not None:
        return _encode_content(content)
    if text is not None:
        return _typed(text.encode("utf-8"), "text/plain; charset=utf-8")
    if html is not None:
        return _typed(html.encode("utf-8"), "text/html; charset=utf-8")
    if json is not None:
        return encode_json(json)
    return {}, ByteStream(b"")


def encode_json(json: Any) -> tuple[dict[str, str], ByteStream]:
    """Return the header fields and the stream for a value as JSON: compact, in UTF-8 (RFC 8259).

    Raises:
        TypeError: the value holds an object that JSON has no form for.
        ValueError: the value holds a NaN or an infinity, or contains itself.
    """
    return _typed(json_bytes(json), "application/json")


# Triples of (name, lower-case name, value), as `Headers` keeps them.
JSON_FIELD = (b"Content-Type", b"content-type", b"application/json")
FIELDS_OF_CONTENT = frozenset({b"content-length", b"content-type", b"transfer-encoding", b"expect"})


def length_field(size: int) -> tuple[bytes, bytes, bytes]:
    """The Content-Length field for a body of `size` octets."""
    return b"Content-Length", b"content-length", b"%d" % size


def json_bytes(json: Any) -> bytes:
    """Return a value as JSON. Raises as `encode_json`."""
    return _json_encoder()(json).encode("utf-8")


_json_text: Callable[[Any], str] | None = None


def _json_encoder() -> Callable[[Any], str]:
    """Return what makes JSON text of a value. It has no state, so one is made for all."""
    global _json_text

    if _json_text is None:
        from json import JSONEncoder

        _json_text = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    return _json_text


_raw_decode: Callable[[str], tuple[Any, int]] | None = None


def parse_json(content: bytes, **kwargs: Any) -> Any:
    """Do what `json.loads` does, with less ado for what nearly all JSON is: an object or an array in UTF-8.

    Args, Raises: as `json.loads`.
    """
    global _raw_decode

    import json

    # Where somebody has put a faster one in its place, that is called.
    if not kwargs and content[:1] in (b"{", b"[") and content[1:2] != b"\0" and json.loads.__module__ == "json":
        if _raw_decode is None:
            _raw_decode = json.JSONDecoder().raw_decode
        try:
            text = content.decode()
            value, end = _raw_decode(text)
        except ValueError:
            # json.loads knows best why.
            text, value, end = "", None, -1
        if end == len(text):
            return value
    return json.loads(content, **kwargs)


def _encode_content(
    content: RequestContent,
) -> tuple[dict[str, str], SyncByteStream | AsyncByteStream]:
    if isinstance(content, str):
        content = content.encode("utf-8")
    elif isinstance(content, (bytearray, memoryview)):
        content = bytes(content)
    if isinstance(content, bytes):
        return {"Content-Length": str(len(content))} if content else {}, ByteStream(content)

    # A dict is iterable too, but giving one here is a mistake for data= or json=.
    if isinstance(content, Iterable) and not isinstance(content, dict):
        length = remaining_length(content)
        if length is None:
            return {"Transfer-Encoding": "chunked"}, IteratorByteStream(content)
        return {"Content-Length": str(length)}, IteratorByteStream(content)
    if isinstance(content, AsyncIterable):
        return {"Transfer-Encoding": "chunked"}, AsyncIteratorByteStream(content)
    raise TypeError(f"Unexpected type for 'content', {type(content)!r}")  # pyright: ignore[reportUnknownArgumentType]


def _encode_form(data: RequestData) -> tuple[dict[str, str], ByteStream]:
    from urllib.parse import urlencode

    fields = [
        (name, item if isinstance(item, bytes) else primitive_to_str(item))  # pyright: ignore[reportUnknownArgumentType]
        for name, value in data.items()
        for item in (value if isinstance(value, (list, tuple)) else (value,))  # pyright: ignore[reportUnknownVariableType]
    ]
    return _typed(urlencode(fields).encode("ascii"), "application/x-www-form-urlencoded")


def _typed(body: bytes, content_type: str) -> tuple[dict[str, str], ByteStream]:
    return {"Content-Length": str(len(body)), "Content-Type": content_type}, ByteStream(body)


def primitive_to_str(value: PrimitiveData) -> str:
    """Return a form field's value as text: JSON's words for the booleans, nothing for None."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "" if value is None else str(value)


def remaining_length(source: Any, *, from_start: bool = False) -> int | None:
    """Return how many bytes a file has from where it stands, or None if that cannot be told without reading it.

    Args:
        source: any object, which need not be a file.
        from_start: return how many it has in all.
    """
    import io
    import os

    try:
        offset: int = source.tell()
        source.seek(0, io.SEEK_END)
        end: int = source.tell()
        source.seek(offset)
    except (AttributeError, OSError):
        pass
    else:
        return max(0, end if from_start else end - offset)

    try:
        status = os.fstat(source.fileno())
    except (AttributeError, OSError):
        return None
    # Only a regular file's size says how much there is to read: that of a pipe is 0. S_IFREG under the S_IFMT mask.
    return status.st_size if status.st_mode & 0o170000 == 0o100000 and not hasattr(source, "tell") else None


def _call_or_none(file: Any, method: str, *args: int) -> int | None:
    try:
        result = getattr(file, method)(*args)
    except (AttributeError, OSError):
        return None
    # Some file-likes return nothing from seek().
    return 0 if result is None else int(result)
