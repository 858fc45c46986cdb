"""Heads as octets: strict parsing of requests, encoding of responses (RFC 9110, RFC 9112). No IO, no state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

Fields = Sequence[tuple[str, str]]

MAX_HEAD = 1024 * 1024
"""Octets in a request head; generous, because clients are tested with large ones."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TARGET = re.compile(r"[!-~\x80-\xff]+")
_BODYLESS = frozenset((204, 205, 304))


class BadRequest(Exception):
    """The peer broke the protocol: `status` is the answer it gets before the connection is closed."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class RequestHead:
    """A request line and its fields.

    `path` is without query; for CONNECT it is the authority. `length` is None when no Content-Length was given.
    """

    method: str
    target: str
    path: str
    query_string: str
    is_http10: bool
    fields: tuple[tuple[str, str], ...]
    length: int | None
    is_chunked: bool
    keeps_alive: bool
    expects_continue: bool

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters, percent-decoded; of repeated names the last."""
        return dict(self.query_pairs)

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """Query parameters in order, percent-decoded."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    @property
    def has_body(self) -> bool:
        """Whether octets of a body follow the head."""
        return self.is_chunked or bool(self.length)

    def values(self, name: str) -> list[str]:
        """Every value of the field `name` (lower case)."""
        return _values(self.fields, name)

    def members(self, name: str) -> list[str]:
        """The members of the list-valued field `name` (lower case), lower-cased."""
        return _members(self.fields, name)


def _values(fields: Fields, name: str) -> list[str]:
    return [value for key, value in fields if key.lower() == name]


def _members(fields: Fields, name: str) -> list[str]:
    # RFC 9110, 5.6.1: empty members are ignored.
    return [part.strip().lower() for value in _values(fields, name) for part in value.split(",") if part.strip()]


def parse_fields(lines: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Field lines without their CRLF (RFC 9112, 5). Raises BadRequest."""
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or _FORBIDDEN_IN_VALUE.search(value):
            raise BadRequest(f"malformed field line {line[:64]!r}")
        fields.append((name, value))
    return tuple(fields)


def parse_head(octets: bytes) -> RequestHead:
    """A whole request head, its blank line included (RFC 9112, 3 and 6.3). Raises BadRequest."""
    first, *lines = octets[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise BadRequest(f"malformed request line {first[:64]!r}")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(f"unknown version {version[:16]!r}", 505)
    path, query_string = _split_target(method, target)
    fields = parse_fields(lines)
    is_http10 = version == "HTTP/1.0"
    if len(_values(fields, "host")) != 1 and not is_http10:
        raise BadRequest("a request has exactly one Host field")
    connection = _members(fields, "connection")
    return RequestHead(
        method,
        target,
        path,
        query_string,
        is_http10,
        fields,
        _content_length(fields),
        _is_chunked(fields, is_http10),
        keeps_alive="keep-alive" in connection if is_http10 else "close" not in connection,
        expects_continue="100-continue" in _members(fields, "expect") and not is_http10,
    )


def _split_target(method: str, target: str) -> tuple[str, str]:
    if method == "CONNECT":
        return target, ""
    if target.startswith("/") or target == "*":
        path, _, query = target.partition("?")
        return path, query
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadRequest(f"malformed target {target[:64]!r}")
    return parts.path or "/", parts.query


def _content_length(fields: Fields) -> int | None:
    values = _values(fields, "content-length")
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch("[0-9]{1,18}", values[0]):
        raise BadRequest(f"malformed Content-Length {values!r:.64}")
    return int(values[0])


def _is_chunked(fields: Fields, is_http10: bool) -> bool:
    codings = _members(fields, "transfer-encoding")
    if not codings:
        return False
    if codings != ["chunked"]:
        raise BadRequest(f"unknown transfer codings {codings!r:.64}", 501)
    if is_http10 or _values(fields, "content-length"):
        raise BadRequest("Transfer-Encoding with Content-Length, or in HTTP/1.0")
    return True


def parse_chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; extensions are skipped (RFC 9112, 7.1). Raises BadRequest."""
    size = line.partition(b";")[0].rstrip(b" \t")
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
        raise BadRequest(f"malformed chunk size {line[:64]!r}")
    return int(size, 16)


@dataclass(frozen=True)
class Answer:
    """A whole response that depends on its request only.

    `length` is what Content-Length says; None leaves the field out, because `fields` frame the body or nothing does.
    """

    status: int
    body: bytes | memoryview = b""
    fields: Fields = ()
    length: int | None = None
    closes: bool = False
    version: str = "1.1"

    def head_for(self, request: RequestHead, *, closes: bool) -> bytes:
        """The head up to, not including, its blank line."""
        length = () if self.length is None else (("Content-Length", str(self.length)),)
        return encode_head(request, self.status, (*self.fields, *length), closes=closes, version=self.version)

    @classmethod
    def of(cls, body: bytes | memoryview, media_type: str, status: int = 200, fields: Fields = ()) -> Answer:
        """An answer with Content-Type and the body's length."""
        return cls(status, body, (("Content-Type", media_type), *fields), len(body))

    @classmethod
    def text(cls, text: str, status: int = 200, fields: Fields = ()) -> Answer:
        """An answer of plain text; without body where the status has none."""
        if status in _BODYLESS:
            return cls(status, b"", fields, 0 if status == 205 else None)
        return cls.of(text.encode(), "text/plain; charset=utf-8", status, fields)


def encode_head(request: RequestHead, status: int, fields: Fields, *, closes: bool, version: str = "1.1") -> bytes:
    """A response head up to, not including, its blank line. Repeats the request's `x-token`.

    A 1.0 response, or one to a 1.0 request, says that it keeps the connection; one that closes says so too.
    """
    lines = [f"HTTP/{version} {status} {reason(status)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    if closes:
        lines.append("Connection: close")
    elif request.is_http10 or version == "1.0":
        lines.append("Connection: keep-alive")
    lines += [f"x-token: {token}" for token in request.values("x-token")]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def encode_chunk(data: bytes | memoryview) -> bytes:
    """One chunk (RFC 9112, 7.1); `data` must not be empty, which would end the body."""
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n"))


def reason(status: int) -> str:
    """The registered phrase of `status`, or a plain word."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
