"""A connection of HTTP/2 that breaks while many threads write to it."""

from __future__ import annotations

import socket
import threading

import pytest

import httpfast

from ..drivers.facade import TURNS, Driver
from ..peers import Expect, Reset, ScriptedPeer, Send, WaitFor

WRITERS = 31
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("attempt", range(8))
async def test_reset_under_many_writers_fails_each_of_them(sync_driver: Driver, attempt: int) -> None:
    """The lock for writing may go to a thread that waits for the GIL just as the leader closes the socket."""
    are_all_begun = threading.Event()
    # The peer reads nothing, and the system holds little: one thread waits for the peer, the others for that one.
    options = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)]
    padding = {"X-Padding": "x" * 100_000}
    with ScriptedPeer([Expect(PREFACE), Send(EMPTY_SETTINGS), WaitFor(are_all_begun), Reset()]) as peer:
        transport = sync_driver.transport(http1=False, socket_options=options)
        client = sync_driver.client(transport=transport, timeout=10)

        async def post() -> None:
            await client.post(peer.url, headers=padding)

        async def look() -> None:
            pause = threading.Event()
            for _ in range(TURNS):
                if [connection.served for connection in client.transport._pool._open] == [WRITERS]:
                    break
                pause.wait(0.001)
            are_all_begun.set()

        *outcomes, looked = await sync_driver.gather(*(post() for _ in range(WRITERS)), look())

        assert looked is None
        assert {type(outcome) for outcome in outcomes} <= {
            httpfast.ReadError,
            httpfast.WriteError,
            httpfast.RemoteProtocolError,
        }
        await client.rest()
        assert client.counts == (0, 0)
