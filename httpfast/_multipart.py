"""The multipart/form-data body of an upload (RFC 7578), written as browsers do (WHATWG HTML, 4.10.21.8).

Files are read while the body is sent, never before. Names and file names cannot break out of their header line: they
are escaped; what a caller gives as a part's header field is refused if it could.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ._content import primitive_to_str, remaining_length
from ._exceptions import LocalProtocolError, StreamConsumed
from ._types import AsyncByteStream, SyncByteStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from ._types import FileTypes, PrimitiveData, RequestData, RequestFiles

__all__ = ["MultipartStream"]

# Bytes read from a file at a time.
CHUNK_BYTES = 64 * 1024

# ESC stays as it is: browsers leave it, and it ends no line.
_ESCAPES = {code: f"%{code:02X}" for code in (*range(0x1B), *range(0x1C, 0x20), ord('"'))} | {ord("\\"): "\\\\"}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class MultipartStream(SyncByteStream, AsyncByteStream):
    """A multipart/form-data body: first the fields, then the files, each in the order given.

    It can be read again if every file in it can be rewound.

    Args:
        data: the plain fields; a list or tuple of values makes a field of each.
        files: a mapping, or a sequence of pairs, from field name to file. A file is its content (bytes, str or an
            object with `read`) or a tuple (file name, content[, content type[, header fields]]).
        boundary: what separates the parts; 128 random bits if None.

    Raises:
        TypeError: a name, value or file has a type that cannot be sent.
        LocalProtocolError: the boundary or a part's header field would break out of its line.
    """

    def __init__(self, data: RequestData, files: RequestFiles, boundary: bytes | None = None) -> None:
        if boundary is None:
            import os

            # Unguessable, so that a file's content cannot be made to end its part (CVE-2025-22150).
            boundary = os.urandom(16).hex().encode("ascii")
        elif b"\r" in boundary or b"\n" in boundary:
            raise LocalProtocolError(f"A multipart boundary must not hold a line break: {boundary[:64]!r}")
        self.boundary = boundary
        self.content_type = f"multipart/form-data; boundary={boundary.decode('ascii')}"
        self.fields: list[_DataPart | _FilePart] = [
            _DataPart(name, item)  # pyright: ignore[reportUnknownArgumentType]
            for name, value in data.items()
            for item in (value if isinstance(value, (list, tuple)) else (value,))  # pyright: ignore[reportUnknownVariableType]
        ]
        pairs = files.items() if isinstance(files, Mapping) else files
        self.fields.extend(_FilePart(name, file) for name, file in pairs)

    def get_content_length(self) -> int | None:
        """Return the body's length in bytes, or None if a file does not tell its own."""
        # Each part has b"--" boundary CRLF before it and CRLF behind, and b"--" boundary b"--" CRLF ends the body.
        total = len(self.boundary) + 6
        for field in self.fields:
            length = field.get_content_length()
            if length is None:
                return None
            total += len(self.boundary) + 6 + len(field.head) + length
        return total

    def get_headers(self) -> dict[str, str]:
        """Return the request's header fields: the framing, then Content-Type."""
        length = self.get_content_length()
        framing = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        return {**framing, "Content-Type": self.content_type}

    def __iter__(self) -> Iterator[bytes]:
        # Small pieces gather here and leave with the next large one: each piece that is yielded costs a write.
        pending = b""
        for field in self.fields:
            pending += b"--%b\r\n%b" % (self.boundary, field.head)
            for chunk in field.chunks():
                pending += chunk
                if len(pending) >= CHUNK_BYTES:
                    yield pending
                    pending = b""
            pending += b"\r\n"
        yield b"%b--%b--\r\n" % (pending, self.boundary)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class _DataPart:
    """A plain field. `head` is its header section with the empty line behind it."""

    def __init__(self, name: str, value: PrimitiveData | bytes) -> None:
        if not isinstance(name, str):
            raise TypeError(f"Invalid type for name. Expected str, got {type(name)}: {name!r}")
        if value is not None and not isinstance(value, (str, bytes, int, float)):
            raise TypeError(f"Invalid type for value. Expected primitive type, got {type(value)}: {value!r}")
        self.name = name
        self.head = b"Content-Disposition: form-data; %b\r\n\r\n" % _parameter("name", name)
        self._content = value if isinstance(value, bytes) else primitive_to_str(value).encode("utf-8")

    def get_content_length(self) -> int | None:
        return len(self._content)

    def chunks(self) -> Iterator[bytes]:
        yield self._content


class _FilePart:
    """A file. `head` is its header section with the empty line behind it."""

    def __init__(self, name: str, value: FileTypes) -> None:
        filename: str | None
        content: Any
        content_type: str | None = None
        given: Mapping[str, str] = {}
        if not isinstance(value, tuple):
            filename, content = _base_name(value), value
        elif len(value) == 2:
            filename, content = value
        elif len(value) == 3:
            filename, content, content_type = value
        else:
            filename, content, content_type, given = value
        _refuse_text_files(content)

        headers = dict(given)
        if not any(key.lower() == "content-type" for key in headers):
            content_type = _guess_content_type(filename) if content_type is None else content_type
            if content_type is not None:
                headers["Content-Type"] = content_type

        self.name = name
        self.filename = filename
        self.head = _file_head(name, filename, headers)
        self._content = content.encode("utf-8") if isinstance(content, str) else content
        self._is_consumed = False

    def get_content_length(self) -> int | None:
        if isinstance(self._content, bytes):
            return len(self._content)
        # chunks() starts at the beginning, wherever the file stands.
        return remaining_length(self._content, from_start=True)

    def chunks(self) -> Iterator[bytes]:
        if isinstance(self._content, bytes):
            yield self._content
            return
        try:
            self._content.seek(0)
        except (AttributeError, OSError):
            if self._is_consumed:
                raise StreamConsumed() from None
        self._is_consumed = True
        while chunk := self._content.read(CHUNK_BYTES):
            # A wrapped text file, such as tempfile's, is not known as one before it is read.
            yield chunk.encode("utf-8") if isinstance(chunk, str) else chunk


def _file_head(name: str, filename: str | None, headers: Mapping[str, str]) -> bytes:
    parts = [b"Content-Disposition: form-data; ", _parameter("name", name)]
    if filename:
        parts += [b"; ", _parameter("filename", filename)]
    for key, value in headers.items():
        if _TOKEN.fullmatch(key) is None:
            raise LocalProtocolError(f"Not a header field's name, in a multipart body: {key[:64]!r} (RFC 9110, 5.6.2)")
        if _FORBIDDEN_IN_VALUE.search(value) is not None:
            raise LocalProtocolError(f"A control character in a multipart body's {key} header field (RFC 9110, 5.5)")
        parts.append(f"\r\n{key}: {value}".encode())
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def _parameter(key: str, value: str) -> bytes:
    return f'{key}="{value.translate(_ESCAPES)}"'.encode()


def _base_name(file: Any) -> str:
    from pathlib import Path

    return Path(str(getattr(file, "name", "upload"))).name


def _guess_content_type(filename: str | None) -> str | None:
    if not filename:
        return None
    from mimetypes import guess_type

    return guess_type(filename)[0] or "application/octet-stream"


def _refuse_text_files(content: object) -> None:
    import io

    if isinstance(content, io.StringIO):
        raise TypeError("Multipart file uploads require 'io.BytesIO', not 'io.StringIO'.")
    if isinstance(content, io.TextIOBase):
        raise TypeError("Multipart file uploads must be opened in binary mode, not text mode.")


def boundary_of(content_type: bytes | None) -> bytes | None:
    """Return the boundary that a Content-Type value names (RFC 2046, 5.1.1), or None if it is no form or names none."""
    if content_type is None or not content_type.lower().startswith(b"multipart/form-data"):
        return None
    for parameter in content_type.split(b";")[1:]:
        key, _, value = parameter.strip().partition(b"=")
        if key.lower() == b"boundary":
            return value.strip(b'"')
    return None
