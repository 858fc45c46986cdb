"""Server-sent events: a response's body read as a stream of events (WHATWG HTML, 9.2.6).

    octets ──► lines (CR, LF or CRLF, however the octets are cut) ──► fields ──► ServerSentEvent at each blank line

A line is over at its CR: the LF that may follow belongs to it and is passed over, so that no event waits for the next
octets. Text is UTF-8, whatever the response says. What a stream has begun when it ends is no event.

Reconnecting is the caller's: each event has the `id` to send as Last-Event-ID, and the `retry` that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._content import finish_iterator
from ._defaults import DEFAULT_MAX_EVENT_SIZE_BYTES
from ._exceptions import TransportError, request_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ._headers import Headers
    from ._response import Response
    from ._types import HeaderTypes

__all__ = ["EventSource", "SSEError", "ServerSentEvent", "event_stream_headers"]

_BOM = b"\xef\xbb\xbf"

# No retry time that makes sense has more digits; int() takes quadratic time for long ones.
_MAX_RETRY_DIGITS = 18


class SSEError(TransportError):
    """A response is no stream of server-sent events, or one event is too large."""


@dataclass(frozen=True)
class ServerSentEvent:
    """One event.

    Args:
        event: its type.
        data: its lines, joined by line feeds.
        id: the last id that the stream has given, in this event or an earlier one.
        retry: milliseconds to wait before the next connection, where this event says so.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> object:
        """The data, parsed as JSON.

        Raises:
            json.JSONDecodeError: it is none.
        """
        import json

        return json.loads(self.data)


class EventParser:
    """Turns the octets of an event stream into events. Takes time in proportion to the octets.

    Args:
        max_event_size: octets of the fields of one event, and of a line whose end has not come; None for no limit.
    """

    def __init__(self, max_event_size: int | None = None) -> None:
        self._max_event_size = max_event_size
        # The parts of a line whose end has not come.
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        # The last octet was a CR.
        self._after_cr = False
        self._is_first_line = True
        self._last_event_id = ""
        self._reset()

    def _reset(self) -> None:
        self._type = ""
        self._data: list[str] = []
        self._retry: int | None = None
        self._has_field = False
        self._event_bytes = 0

    def feed(self, octets: bytes) -> Iterator[ServerSentEvent]:
        """The events that end in these octets.

        Raises:
            SSEError: an event is too large.
        """
        if self._after_cr and octets:
            self._after_cr = False
            if octets.startswith(b"\n"):
                octets = octets[1:]
        # Of bytes, unlike text, splitlines knows CR, LF and CRLF as ends and nothing else.
        for line in octets.splitlines(keepends=True):
            if not line.endswith((b"\n", b"\r")):
                self._parts.append(line)
                self._parts_bytes += len(line)
                self._check(self._parts_bytes)
                return
            line = line.rstrip(b"\r\n")
            if self._parts:
                line = b"".join((*self._parts, line))
                self._parts.clear()
                self._parts_bytes = 0
            event = self._end_line(line)
            if event is not None:
                yield event
        self._after_cr = octets.endswith(b"\r")

    def _end_line(self, line: bytes) -> ServerSentEvent | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return None
        self._event_bytes += len(line)
        self._check(0)
        name, _, rest = line.partition(b":")
        value = rest.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value
        elif name == b"id" and "\0" not in value:
            self._last_event_id = value
        elif name == b"retry" and value.isascii() and value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
            self._retry = int(value)
        else:
            return None
        self._has_field = True
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        if self._has_field:
            event = ServerSentEvent(self._type or "message", "\n".join(self._data), self._last_event_id, self._retry)
        else:
            event = None
        self._reset()
        return event

    def _check(self, unfinished: int) -> None:
        if self._max_event_size is not None and self._event_bytes + unfinished > self._max_event_size:
            raise SSEError(f"A server-sent event is larger than {self._max_event_size} bytes")


class EventSource:
    """The events of a response, which has to be a streamed one for them to come as they are sent.

    Iterate over it, with `async for` in async code; once, as over any stream.

    Args:
        response: the response.
        max_event_size: octets that one event may have; None for no limit.

    Raises: on iteration
        SSEError: the response's Content-Type is not text/event-stream, or an event is too large.
        RequestError: the response broke off.
    """

    def __init__(self, response: Response, max_event_size: int | None = DEFAULT_MAX_EVENT_SIZE_BYTES) -> None:
        self._response = response
        self._max_event_size = max_event_size

    @property
    def response(self) -> Response:
        """The response whose events these are."""
        return self._response

    def _begin(self) -> EventParser:
        kind = self._response.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind.lower() != "text/event-stream":
            raise SSEError(f"Expected a response with content type 'text/event-stream', got {kind[:64]!r}")
        return EventParser(self._max_event_size)

    def __iter__(self) -> Iterator[ServerSentEvent]:
        with request_context(self._response._request):
            parser = self._begin()
            for octets in self._response.iter_bytes():
                yield from parser.feed(octets)

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        with request_context(self._response._request):
            parser = self._begin()
            pieces = self._response.aiter_bytes()
            try:
                async for octets in pieces:
                    for event in parser.feed(octets):
                        yield event
            finally:
                await finish_iterator(pieces)


def event_stream_headers(headers: HeaderTypes | None) -> Headers:
    """The fields of a request for events; the caller's win."""
    from ._headers import Headers

    return Headers({"Accept": "text/event-stream", "Cache-Control": "no-store"}) | Headers(headers)
