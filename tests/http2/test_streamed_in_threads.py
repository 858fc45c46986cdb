"""A streamed response whose octets another thread, the leader of its connection, has read."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from httpfast._transports import pull_h2

from ..drivers.facade import Driver
from ..peers import Expect, ScriptedPeer, Send, WaitFor

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
STATUS_200 = b"\x88"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


async def test_rest_that_comes_while_a_piece_is_taken_is_not_lost(
    sync_driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader may read the end of a response just after its caller has taken what was there before."""
    is_open, goes_on = threading.Event(), threading.Event()
    script = [
        Expect(PREFACE),
        Send(frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, STATUS_200)),
        WaitFor(is_open),
        Send(frame(DATA, 0, 1, b"begin")),
        WaitFor(goes_on),
        Send(frame(DATA, END_STREAM, 1, b" and end") + frame(HEADERS, END_HEADERS | END_STREAM, 3, STATUS_200)),
    ]
    with ScriptedPeer(script) as peer:
        client = sync_driver.client(http1=False)
        own_read_body = pull_h2.SharedConnection.read_body

        def read_body(connection: Any, exchange: Any) -> bytes:
            data: bytes = own_read_body(connection, exchange)
            if not goes_on.is_set():
                goes_on.set()
                # What another thread would do now: it waits for its own response, and reads for all.
                assert client.client.get(peer.url).status_code == 200
            return data

        monkeypatch.setattr(pull_h2.SharedConnection, "read_body", read_body)
        async with client.stream("GET", peer.url) as response:
            is_open.set()
            pieces = [piece async for piece in client.pieces(response)]

        assert b"".join(pieces) == b"begin and end"
        await client.rest()
        assert client.counts == (1, 1)
