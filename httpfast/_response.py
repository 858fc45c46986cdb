"""The response: its head and what follows from it, and its body once it is read.

A transport may make a response with `Response.__new__` and set `status_code`, `_head` and either `stream` or `_raw`:
everything else has a default on the class or is made when asked for.
"""

from __future__ import annotations

from ._content import ByteStream, UnattachedStream, encode_response, parse_json
from ._exceptions import HTTPStatusError, ResponseNotRead
from ._headers import Headers
from ._request import LazyAttribute
from ._response_body import ResponseBody
from ._response_fields import charset_of, is_text_encoding, links_of
from ._status_codes import codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Any

    from ._cookies import Cookies
    from ._request import Request
    from ._timings import Stopwatch, Timings
    from ._types import AsyncByteStream, HeaderTypes, ResponseContent, ResponseExtensions, SyncByteStream
    from ._url import URL

__all__ = ["Response"]

# The statuses that say where else to send the request (RFC 9110, 15.4).
_REDIRECTS_BY_LOCATION = frozenset({301, 302, 303, 307, 308})

_ERROR_KINDS = {1: "Informational response", 3: "Redirect response", 4: "Client error", 5: "Server error"}

# Bound to this object and its IO, or to be made anew.
_NOT_PICKLED = frozenset(
    {"extensions", "stream", "is_closed", "_connection", "_decoder", "_head", "_raw", "_stopwatch"}
)


def _make_headers(response: Response) -> Headers:
    return Headers() if response._head is None else Headers._received(response._head)


def _make_extensions(response: Response) -> dict[str, Any]:
    head = response._head
    if head is None:
        return {}
    extensions: dict[str, Any] = {"http_version": head.http_version}
    if head.stream_id:
        extensions["stream_id"] = head.stream_id
    else:
        extensions["reason_phrase"] = head.reason_phrase
    if head.informational is not None:
        extensions["informational"] = head.informational
    if response._connection is not None:
        extensions["network_stream"] = response._connection.network_stream(head)
    return extensions


class Response(ResponseBody):
    """An HTTP response.

    Args:
        status_code: three digits.
        headers: the fields.
        content: the body: bytes, str, a file open in binary mode, or an iterable or async iterable of bytes.
        text: the body as text/plain.
        html: the body as text/html.
        json: a value to be the body as JSON.
        stream: the body as a transport gives it. No field is added then.
        request: what was answered.
        extensions: what the transport tells: `http_version`, `reason_phrase` (HTTP/1), `stream_id` (HTTP/2),
            `informational` ((status, fields) pairs of the 1xx responses before it), `network_stream`.
        history: the responses that led here, oldest first.
        default_encoding: the text encoding where Content-Type names none; or a callable that is given the content and
            returns it.

    Raises:
        TypeError: an argument has a type that cannot be a body.
        DecodingError: `content` does not follow the Content-Encoding in `headers`.

    Source: RFC 9110, 3.4 and 15.
    """

    status_code: int
    # When the next request of a redirect is not sent, it is offered here.
    next_request: Request | None = None
    default_encoding: str | Callable[[bytes], str | None] = "utf-8"

    # The connection that it came on, for `network_stream`, and what `timings` are of: set by transports.
    _connection: Any = None
    _stopwatch: Stopwatch | None = None

    if TYPE_CHECKING:
        headers: Headers
        extensions: dict[str, Any]
        history: list[Response]
    else:
        headers = LazyAttribute(_make_headers)
        extensions = LazyAttribute(_make_extensions)
        history = LazyAttribute(lambda response: [])

    def __init__(
        self,
        status_code: int,
        *,
        headers: HeaderTypes | None = None,
        content: ResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        json: Any = None,
        stream: SyncByteStream | AsyncByteStream | None = None,
        request: Request | None = None,
        extensions: ResponseExtensions | None = None,
        history: list[Response] | None = None,
        default_encoding: str | Callable[[bytes], str | None] = "utf-8",
    ) -> None:
        self.status_code = status_code
        self.headers = Headers(headers)
        self._request = request
        self.next_request = None
        self.extensions = {} if extensions is None else dict(extensions)
        self.history = [] if history is None else list(history)
        self.is_closed: bool = False
        self.is_stream_consumed = False
        self.default_encoding = default_encoding
        if stream is not None:
            # What a transport received has the fields that it has.
            self.stream: SyncByteStream | AsyncByteStream = stream
            return

        fields, stream = encode_response(content, text, html, json)
        for key, value in fields.items():
            # A length that was given excludes the chunked coding (RFC 9112, 6.2).
            if key != "Transfer-Encoding" or "Content-Length" not in self.headers:
                self.headers.setdefault(key, value)
        if isinstance(stream, ByteStream):
            self._raw = stream._stream
            self.read()
            # This is no download: none is counted, and a stream assigned later does not take the content's place.
            self._num_bytes_downloaded = 0
            del self._raw
        self.stream = stream

    # The head, and what it means.

    @property
    def request(self) -> Request:
        """The request that this answers.

        Raises:
            RuntimeError: the response was made without one.
        """
        if self._request is None:
            raise RuntimeError("The request instance has not been set on this response.")
        return self._request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    @property
    def url(self) -> URL:
        """The URL of the request that this answers.

        Raises:
            RuntimeError: the response was made without a request.
        """
        return self.request.url

    @property
    def http_version(self) -> str:
        """The protocol of the response, such as "HTTP/1.1" or "HTTP/2"."""
        version: bytes = self.extensions.get("http_version", b"HTTP/1.1")
        return version.decode("ascii", errors="ignore")

    @property
    def timings(self) -> Timings:
        """Where the time of this exchange went. Beyond httpx.

        Raises:
            RuntimeError: nobody has asked for it, with `Client(timings=True)` or `extensions={"timings": True}`; or the
                response has not come over httpfast's own transport.
        """
        if self._stopwatch is None:
            raise RuntimeError("No timings were taken: ask for them with Client(timings=True), or in the extensions")
        return self._stopwatch.timings

    @property
    def reason_phrase(self) -> str:
        """The reason phrase received; where none can be (HTTP/2), the one registered for the status, or ""."""
        phrase: bytes | None = self.extensions.get("reason_phrase")
        if phrase is None:
            return codes.get_reason_phrase(self.status_code)
        return phrase.decode("ascii", errors="ignore")

    @property
    def is_informational(self) -> bool:
        """Whether the status is 1xx."""
        return 100 <= self.status_code <= 199

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code <= 299

    @property
    def is_redirect(self) -> bool:
        """Whether the status is 3xx; `has_redirect_location` tells those that lead somewhere."""
        return 300 <= self.status_code <= 399

    @property
    def is_client_error(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status_code <= 499

    @property
    def is_server_error(self) -> bool:
        """Whether the status is 5xx."""
        return 500 <= self.status_code <= 599

    @property
    def is_error(self) -> bool:
        """Whether the status is 4xx or 5xx."""
        return 400 <= self.status_code <= 599

    @property
    def has_redirect_location(self) -> bool:
        """Whether the response says where else to send the request (RFC 9110, 15.4)."""
        return self.status_code in _REDIRECTS_BY_LOCATION and "Location" in self.headers

    def raise_for_status(self) -> Response:
        """Return this response if its status is 2xx.

        Raises:
            HTTPStatusError: it is not.
            RuntimeError: the response was made without a request.
        """
        if self._request is None:
            raise RuntimeError(
                "Cannot call `raise_for_status` as the request instance has not been set on this response."
            )
        if self.is_success:
            return self
        kind = _ERROR_KINDS.get(self.status_code // 100, "Invalid status code")
        lines = [f"{kind} '{self.status_code} {self.reason_phrase}' for url '{self.url._masked_text}'"]
        if self.has_redirect_location:
            lines.append(f"Redirect location: '{self.headers['location']}'")
        lines.append(
            f"For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/{self.status_code}"
        )
        raise HTTPStatusError("\n".join(lines), request=self._request, response=self)

    @property
    def cookies(self) -> Cookies:
        """The cookies that this response sets.

        Raises:
            RuntimeError: the response was made without a request, and so it is not known whose cookies they are.
        """
        state = self.__dict__
        if "_cookies" not in state:
            from ._cookies import Cookies

            cookies = Cookies()
            cookies.extract_cookies(self)
            state["_cookies"] = cookies
        found: Cookies = state["_cookies"]
        return found

    @property
    def trailers(self) -> Headers:
        """The trailer fields that came after the body (RFC 9110, 6.5), kept apart from `headers`. Beyond httpx.

        Empty until the body has been read to its end.
        """
        head = self._head
        return Headers(None if head is None or not head.trailers else head.trailers)

    @property
    def links(self) -> dict[str | None, dict[str, str]]:
        """The Link field (RFC 8288), each link by its relation or else by its URL."""
        value = self.headers.get("link")
        links = [] if value is None else links_of(value)
        return {link.get("rel") or link.get("url"): link for link in links}

    @property
    def elapsed(self) -> timedelta:
        """The time from sending the request to having read, or closed, this response.

        Raises:
            RuntimeError: it has not been read or closed, or no client received it.
        """
        state = self.__dict__
        if "_elapsed" not in state:
            if self._finished is None:
                raise RuntimeError("'.elapsed' may only be accessed after the response has been read or closed.")
            from datetime import timedelta

            state["_elapsed"] = timedelta(seconds=self._finished - self._started)
        elapsed: timedelta = state["_elapsed"]
        return elapsed

    @elapsed.setter
    def elapsed(self, elapsed: timedelta) -> None:
        self._elapsed = elapsed

    @property
    def num_bytes_downloaded(self) -> int:
        """Bytes of the body received so far, before decoding."""
        return self._num_bytes_downloaded

    def __repr__(self) -> str:
        return f"<Response [{self.status_code} {self.reason_phrase}]>"

    # The body once it is read.

    @property
    def content(self) -> bytes:
        """The decoded body.

        Raises:
            ResponseNotRead: neither `read()` nor `aread()` has been called on a streamed response.
        """
        try:
            content: bytes = self.__dict__["_content"]
        except KeyError:
            raise ResponseNotRead() from None
        return content

    @property
    def charset_encoding(self) -> str | None:
        """The charset that Content-Type names, in lower case, known or not; None if it names none."""
        content_type = self.headers.get("Content-Type")
        return None if content_type is None else charset_of(content_type)

    @property
    def encoding(self) -> str | None:
        """The encoding of the text: the one assigned, or that of Content-Type, or that of `default_encoding`.

        Assigning it raises ValueError once `text` has been asked for.
        """
        state = self.__dict__
        if "_encoding" not in state:
            encoding = self.charset_encoding
            if encoding is None or not is_text_encoding(encoding):
                default = self.default_encoding
                if isinstance(default, str):
                    encoding = default
                else:
                    encoding = default(state["_content"]) if "_content" in state else None
            state["_encoding"] = encoding or "utf-8"
        found: str = state["_encoding"]
        return found

    @encoding.setter
    def encoding(self, value: str) -> None:
        if "_text" in self.__dict__:
            raise ValueError("Setting encoding after `text` has been accessed is not allowed.")
        self._encoding = value

    @property
    def text(self) -> str:
        """The decoded body as text; what is not in `encoding` becomes U+FFFD.

        Raises:
            ResponseNotRead: neither `read()` nor `aread()` has been called on a streamed response.
        """
        state = self.__dict__
        if "_text" not in state:
            content = self.content
            state["_text"] = content.decode(self.encoding or "utf-8", errors="replace") if content else ""
        text: str = state["_text"]
        return text

    def json(self, **kwargs: Any) -> Any:
        """Return the value of a JSON body in UTF-8, UTF-16 or UTF-32.

        Args:
            kwargs: for `json.loads`.

        Raises:
            ResponseNotRead: neither `read()` nor `aread()` has been called on a streamed response.
            json.JSONDecodeError: the body is not JSON.
            UnicodeDecodeError: the body is not in the encoding that its first bytes suggest.
        """
        return parse_json(self.content, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _NOT_PICKLED}
        state["headers"] = self.headers
        state["_num_bytes_downloaded"] = self._num_bytes_downloaded
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.is_closed = True
        self.extensions = {}
        self.stream = UnattachedStream()
