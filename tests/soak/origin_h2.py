"""The HTTP/2 of the origin that misbehaves, by the `h2` library (RFC 9113)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection as H2
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from hyperframe.frame import DataFrame, GoAwayFrame

from .cards import PAD
from .origin import BAD_GZIP, Ledger, reset


class H2Connection(asyncio.Protocol):
    """One connection of HTTP/2."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._requests: dict[int, tuple[str, bytes]] = {}
        self._last: int | None = None
        # Fields are sent as they are given: one of the faults is a field that may not be.
        settings: dict[str, Any] = {"normalize_outbound_headers": False, "validate_outbound_headers": False}
        self._h2 = H2(H2Configuration(client_side=False, header_encoding=None, **settings))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            # The library has written its GOAWAY.
            self._flush()
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()
        if self._last is not None and not self._requests:
            self._transport.close()

    def _flush(self) -> None:
        if (octets := self._h2.data_to_send()) and not self._transport.is_closing():
            self._transport.write(octets)

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            if self._last is not None and event.stream_id > self._last:
                return
            fields: dict[bytes, bytes] = dict(event.headers or ())
            self._requests[event.stream_id] = (fields[b":path"].decode(), fields.get(b"x-token", b""))
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, StreamReset):
            self._requests.pop(event.stream_id or 0, None)
        elif isinstance(event, StreamEnded):
            found = self._requests.get(event.stream_id or 0)
            if found is not None:
                # What has gone by now is the client's business.
                with suppress(ProtocolError):
                    self._misbehave(event.stream_id or 0, *found)

    def _answer(
        self, stream: int, status: int, body: bytes, *fields: tuple[str, str], length: int | None = None
    ) -> None:
        size = str(len(body) if length is None else length)
        self._h2.send_headers(stream, [(":status", str(status)), *fields, ("content-length", size)])
        self._h2.send_data(stream, body, end_stream=True)
        del self._requests[stream]

    def _reset(self, stream: int, code: ErrorCodes) -> None:
        self._h2.reset_stream(stream, code)
        del self._requests[stream]

    def _misbehave(self, stream: int, path: str, token: bytes) -> None:
        whole = token + PAD
        half = whole[: len(whole) // 2]
        match path:
            case "/echo":
                self._answer(stream, 200, whole)
            case "/error-500":
                self._answer(stream, 500, whole)
            case "/bad-gzip":
                self._answer(stream, 200, BAD_GZIP, ("content-encoding", "gzip"))
            case "/cut-body":
                self._answer(stream, 200, half, length=len(whole))
            case "/bad-head":
                self._answer(stream, 200, whole, ("X-Upper", "case"))
            case "/stall" | "/reset-body":
                self._h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(whole)))])
                self._h2.send_data(stream, half)
                if path == "/reset-body":
                    self._reset(stream, ErrorCodes.INTERNAL_ERROR)
            case "/reset-head":
                self._reset(stream, ErrorCodes.CANCEL)
            case "/refuse":
                if self._ledger.refuses(token):
                    self._reset(stream, ErrorCodes.REFUSED_STREAM)
                else:
                    self._answer(stream, 200, whole)
            case "/goaway":
                if self._last is None:
                    # What is open is answered; what comes later is not looked at (RFC 9113, 6.8).
                    self._last = max(self._requests)
                    self._flush()
                    self._transport.write(GoAwayFrame(0, last_stream_id=self._last).serialize())
                self._answer(stream, 200, whole)
            case "/close-idle":
                self._answer(stream, 200, whole)
                self._flush()
                self._transport.close()
            case "/reset-connection":
                self._h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(whole)))])
                self._flush()
                reset(self._transport)
            case "/bad-frame":
                # DATA of stream 0 (RFC 9113, 6.1).
                self._flush()
                self._transport.write(DataFrame(1, b"x").serialize()[:5] + bytes(4) + b"x")
            case "/goaway-error":
                self._flush()
                goaway = GoAwayFrame(0, last_stream_id=stream, error_code=ErrorCodes.INTERNAL_ERROR)
                self._transport.write(goaway.serialize())
                self._transport.close()
            case _:
                self._answer(stream, 404, path.encode())
