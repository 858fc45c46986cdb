"""The request that a caller describes and a transport sends.

Fields are put in order here, and the automatic ones added (Host, and the framing of the body). Whether the method,
target and fields are valid HTTP is judged where the head is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from ._content import ByteStream, UnattachedStream, encode_request
from ._exceptions import RequestNotRead
from ._headers import Headers
from ._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._cext.plain import Parts
    from ._headers import Fields
    from ._types import (
        AsyncByteStream,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RequestContent,
        RequestData,
        RequestExtensions,
        RequestFiles,
        SyncByteStream,
    )

__all__ = ["Request"]

# Bound to IO or to a client's settings, or to be made anew.
_NOT_PICKLED = frozenset({"extensions", "stream", "_parts", "_ready_fields", "_wants_whole"})

# Methods whose meaning expects content: without any, its absence is stated (RFC 9110, 8.6).
_METHODS_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH", "QUERY"})


class LazyAttribute:
    """An attribute whose value is made when it is first asked for, and is then an ordinary one.

    It defines no `__set__`, so that what is in an instance's `__dict__` comes first: assignment needs no code.

    Args:
        make: called with the instance; returns the value.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value


def _make_headers(request: Request) -> Headers:
    if request._parts is None:
        return Headers()
    return Headers._of(request._parts.fields if request._ready_fields is None else request._ready_fields)


def _make_extensions(request: Request) -> dict[str, Any]:
    # A copy: whoever changes it means this request only.
    return {} if request._parts is None else {"timeout": request._parts.timeouts.copy()}


def _make_stream(request: Request) -> SyncByteStream | AsyncByteStream:
    return ByteStream(request.__dict__.get("_content", b""))


class Request:
    """An HTTP request.

    Args:
        method: any token; upper-cased.
        url: where to send it.
        params: replaces the URL's query.
        headers: fields, which come before the automatic ones except Host and win over them.
        cookies: sent in a Cookie field.
        content: the body: bytes, str, a file open in binary mode, or an iterable or async iterable of bytes.
        data: form fields for the body.
        files: files for a multipart body.
        json: a value to be the body as JSON.
        stream: the body as a transport reads it. No field is added then, not even Host.
        extensions: what goes along to the transport: `timeout`, `trace`, `sni_hostname`, `target`.

    Raises:
        InvalidURL: the URL cannot be sent.
        TypeError: an argument has a type that cannot be sent.
        LocalProtocolError: a part of a multipart body would break out of its lines.

    Source: RFC 9110, 3.4 and 7.2; RFC 9112, 3.2 and 6.
    """

    method: str
    url: URL
    # The whole body. Absent while a streamed one has not been read.
    _content: bytes
    # What `headers` and `extensions` are made of when a client has put the request together; with a body, the fields
    # are those of `_ready_fields`.
    _parts: Parts | None = None
    _ready_fields: Fields | None = None
    # For our transports: the caller is to be woken once, when the whole body is there.
    _wants_whole: bool = False

    if TYPE_CHECKING:
        headers: Headers
        extensions: dict[str, Any]
        stream: SyncByteStream | AsyncByteStream
    else:
        headers = LazyAttribute(_make_headers)
        extensions = LazyAttribute(_make_extensions)
        # Absent from the instance, the body is `_content` and nobody has asked for a stream of it.
        stream = LazyAttribute(_make_stream)

    def __init__(
        self,
        method: str,
        url: URL | str,
        *,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        content: RequestContent | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: Any | None = None,
        stream: SyncByteStream | AsyncByteStream | None = None,
        extensions: RequestExtensions | None = None,
    ) -> None:
        self.method = method.upper()
        if params is not None:
            self.url = URL(url, params=params)
        else:
            # A URL never changes, so it can be shared.
            self.url = url if url.__class__ is URL else URL(url)  # pyright: ignore[reportAttributeAccessIssue]
        self.headers = Headers(headers)
        if extensions is not None:
            self.extensions = dict(extensions)
        if cookies:
            from ._cookies import Cookies

            if not isinstance(cookies, Cookies):
                cookies = Cookies(cookies)
            cookies.set_cookie_header(self)

        if stream is not None:
            # Copies of a request, and requests received by a server, are to be just what they were.
            self.stream = stream
            return
        if content is None and data is None and json is None and not files:
            self._content = b""
            self._add_fields({})
            return
        boundary: bytes | None = None
        if files:
            from ._multipart import boundary_of

            boundary = boundary_of(self.headers._get_raw(b"content-type"))
        fields, self.stream = encode_request(content=content, data=data, files=files, json=json, boundary=boundary)
        self._add_fields(fields)
        if isinstance(self.stream, ByteStream):
            self.read()

    def _add_fields(self, of_body: dict[str, str]) -> None:
        """Add the automatic fields: Host first, those of the body last, and none that the caller has set."""
        given = self.headers._fields
        names = {name for _, name, _ in given}
        is_framed = b"content-length" in names or b"transfer-encoding" in names

        first: tuple[tuple[bytes, bytes, bytes], ...] = ()
        if b"host" not in names:
            host = self.url._host_header
            if host:
                first = ((b"Host", b"host", host),)
        last: list[tuple[bytes, bytes, bytes]] = []
        for key, value in of_body.items():
            name = key.lower().encode("ascii")
            # One kind of framing excludes the other (RFC 9112, 6.2).
            if name not in names and not (is_framed and name in (b"content-length", b"transfer-encoding")):
                last.append((key.encode("ascii"), name, value.encode("ascii")))
        if not is_framed and self.method in _METHODS_WITH_CONTENT and not _frames(of_body):
            first += ((b"Content-Length", b"content-length", b"0"),)

        if first or last:
            self.headers = Headers._of((*first, *given, *last))

    @property
    def content(self) -> bytes:
        """The whole body.

        Raises:
            RequestNotRead: the body is a stream, and `read()` or `aread()` has not been called.
        """
        try:
            return self._content
        except AttributeError:
            raise RequestNotRead() from None

    def read(self) -> bytes:
        """Read the body into memory, and return it. It can be sent any number of times afterwards.

        Raises:
            StreamConsumed: the body could be read once, and has been.
        """
        if "_content" not in self.__dict__:
            if not isinstance(self.stream, Iterable):
                raise RuntimeError("Attempted to read an async request body with 'read()': use 'aread()'.")
            self._take(b"".join(self.stream))
        return self._content

    async def aread(self) -> bytes:
        """Read the body into memory, and return it. It can be sent any number of times afterwards.

        Raises:
            StreamConsumed: the body could be read once, and has been.
        """
        if "_content" not in self.__dict__:
            if not isinstance(self.stream, AsyncIterable):
                raise RuntimeError("Attempted to read a sync request body with 'aread()': use 'read()'.")
            self._take(b"".join([part async for part in self.stream]))
        return self._content

    def _take(self, content: bytes) -> None:
        self._content = content
        if not isinstance(self.stream, ByteStream):
            self.stream = ByteStream(content)

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__}({self.method!r}, {self.url._masked_text!r})>"

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_PICKLED}
        state["headers"] = self.headers
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.extensions = {}
        self.stream = UnattachedStream()


def _frames(fields: dict[str, str]) -> bool:
    return "Content-Length" in fields or "Transfer-Encoding" in fields
