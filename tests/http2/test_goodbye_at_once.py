"""A server that says goodbye on a connection before a request has come: one that is being restarted, mostly."""

from __future__ import annotations

from time import monotonic

import pytest

from ..drivers.facade import Driver
from ..peers import TIMEOUT, Call, Expect, PeerConnection, ScriptedPeer, Send, WaitForClose
from .test_real_servers import DRIVERS
from .test_streamed_in_threads import END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, STATUS_200, frame

GOAWAY = 7
NO_ERROR = bytes(4)
BODY = b"once"


def read_request(connection: PeerConnection) -> None:
    """Read until the request's body has come."""
    while BODY not in connection.received:
        connection.receive(monotonic() + TIMEOUT)


@pytest.mark.parametrize("driver", DRIVERS, indirect=True)
async def test_goodbye_before_the_first_request_is_no_error(driver: Driver) -> None:
    """No request was lost: another connection serves it (RFC 9113, 6.8)."""
    leaving = [Send(frame(SETTINGS, 0, 0) + frame(GOAWAY, 0, 0, bytes(4) + NO_ERROR)), Expect(PREFACE), WaitForClose()]
    serving = [
        Expect(PREFACE),
        Send(frame(SETTINGS, 0, 0)),
        Call(read_request),
        Send(frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200)),
    ]
    with ScriptedPeer(leaving, serving) as peer:
        client = driver.client(http1=False)

        response = await client.post(peer.url, content=BODY)

        assert (response.status_code, peer.connections) == (200, 2)
        await client.rest()
        assert client.counts == (1, 1)
