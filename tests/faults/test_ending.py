"""A connection of an event loop between the error that ends it and the turn in which it is told: it serves nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from bench.server import Certificates

from ..drivers.facade import Driver
from ..http2.origin import ScriptedOrigin
from ..peers import Call, PeerConnection, ReadRequest, ScriptedPeer, Send, Signal, WaitFor, WaitForClose

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RUBBISH = b"\xff" * 64


def send_below_tls(connection: PeerConnection) -> None:
    """Octets that are no record."""
    socket.socket.send(connection.sock, RUBBISH)


@pytest.mark.parametrize("turns", range(6))
async def test_idle_connection_that_tls_has_given_up_is_not_used(
    loop_driver: Driver, ca: Certificates, turns: int
) -> None:
    """However many turns the loop has had since: to the transport it is over before the connection hears of it."""
    go, done = threading.Event(), threading.Event()
    broken = [ReadRequest(), Send(OK), WaitFor(go), Call(send_below_tls), Signal(done), WaitForClose()]
    with ScriptedPeer(broken, [ReadRequest(), Send(OK)], tls=ca.server_context()) as peer:
        client = loop_driver.client(verify=ca.client_context())
        await client.get(peer.url)
        # This blocks the loop; a loop trusts what it has seen within the last millisecond.
        go.set()
        assert done.wait(5)
        time.sleep(0.002)
        for _ in range(turns):
            await asyncio.sleep(0)

        response = await client.post(peer.url, content=b"x")

        assert response.text == "ok"
        assert len(peer.requests[0]) == 1
        await client.close()


@pytest.mark.parametrize("turns", range(6))
async def test_idle_connection_of_http2_that_was_reset_is_not_used(loop_driver: Driver, turns: int) -> None:
    with ScriptedOrigin(tls=True) as origin:
        client = loop_driver.client(**origin.options)
        await client.get(origin.url)
        connection = origin.connections[0]
        origin.call(connection.abort)
        origin.wait_until(lambda: connection.is_lost)
        origin.call(lambda: None)
        # As above: longer than the loop trusts what it has seen.
        time.sleep(0.002)
        for _ in range(turns):
            await asyncio.sleep(0)

        response = await client.post(origin.url, content=b"x")

        assert response.text == "ok"
        assert len(origin.connections) == 2
