"""h11 and httptools (llhttp) as independent readers of the same octets: what each makes of one answer."""

from __future__ import annotations

from dataclasses import dataclass

import h11
import httptools

Field = tuple[bytes, bytes]


@dataclass
class Verdict:
    """What an oracle has read. `problem` is its complaint, None when it read the stream to the end of the response."""

    status: int = 0
    reason: bytes = b""
    fields: tuple[Field, ...] = ()
    body: bytes = b""
    trailers: tuple[Field, ...] = ()
    is_complete: bool = False
    problem: str | None = None


def read_by_h11(stream: bytes, method: str = "GET") -> Verdict:
    """The stream, and then the end of the connection, as h11 reads them."""
    verdict = Verdict()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "example.org")]))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(stream)
        while not verdict.is_complete:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(b"")
            elif isinstance(event, h11.Response):
                verdict.status = event.status_code
                verdict.reason = bytes(event.reason)
                verdict.fields = tuple((bytes(name), bytes(value)) for name, value in event.headers.raw_items())
            elif isinstance(event, h11.Data):
                verdict.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                verdict.trailers = tuple((bytes(name), bytes(value)) for name, value in event.headers.raw_items())
                verdict.is_complete = True
            elif not isinstance(event, h11.InformationalResponse):
                raise AssertionError(f"h11 gave {event!r}")
    except h11.RemoteProtocolError as error:
        verdict.problem = str(error)
    return verdict


class _Listener:
    """Takes llhttp's callbacks. Fields that come after the head are trailers."""

    def __init__(self) -> None:
        self.verdict = Verdict()
        self.parser: httptools.HttpResponseParser | None = None
        self.has_head = False

    def on_message_begin(self) -> None:
        if not self.verdict.is_complete:
            self.has_head = False
            self.verdict = Verdict()

    def on_status(self, status: bytes) -> None:
        if not self.verdict.is_complete:
            self.verdict.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.verdict.is_complete:
            return
        if self.has_head:
            self.verdict.trailers += ((name, value),)
        else:
            self.verdict.fields += ((name, value),)

    def on_headers_complete(self) -> None:
        if not self.verdict.is_complete and self.parser is not None:
            self.has_head = True
            self.verdict.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self.verdict.is_complete:
            self.verdict.body += body

    def on_message_complete(self) -> None:
        if self.verdict.status >= 200:
            self.verdict.is_complete = True


def read_by_llhttp(stream: bytes) -> Verdict:
    """The stream as llhttp reads it. It is told neither of the method nor of the connection's end."""
    listener = _Listener()
    parser = listener.parser = httptools.HttpResponseParser(listener)
    try:
        parser.feed_data(stream)
    except httptools.HttpParserError as error:
        if not listener.verdict.is_complete:
            listener.verdict.problem = str(error)
    return listener.verdict
