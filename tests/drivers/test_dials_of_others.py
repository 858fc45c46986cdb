"""A dial belongs to the request that waits for it, and so do its limits, whoever it was started for."""

from __future__ import annotations

import asyncio
import threading

import pytest

import httpfast
from bench.server import Certificates

from ..peers import ReadRequest, ScriptedPeer, Send, Stall, StartTLS, WaitFor
from .facade import Driver

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("limit", ["connect", "total"])
async def test_dial_that_was_started_for_an_impatient_request_does_not_fail_a_patient_one(
    loop_driver: Driver, ca: Certificates, limit: str
) -> None:
    """Two dials; the second to begin is the first to end. It serves who came first; the other one gets the slow one."""
    go = threading.Event()
    tls = StartTLS(ca.server_context())
    slow = [Stall()]
    quick = [tls, ReadRequest(), Send(HEAD), WaitFor(go), Send(b"ok")]
    again = [tls, ReadRequest(), Send(HEAD + b"ok")]
    with ScriptedPeer(slow, quick, again) as peer:
        url = peer.url.replace("http://127.0.0.1", "https://localhost")
        client = loop_driver.client(verify=ca.client_context(), timeout=5)
        short = httpfast.Timeout(5, connect=0.3) if limit == "connect" else httpfast.Timeout(5, total=0.3)

        impatient = asyncio.ensure_future(client.open("GET", url, timeout=short))
        await loop_driver.blocking(peer.wait_until, lambda: peer.connections == 1)
        patient = asyncio.ensure_future(client.get(url))
        # Its head is there before its time is over; the rest of it comes when the patient one has its answer.
        response = await impatient

        assert (await patient).text == "ok"
        go.set()
        await client.close_response(response)
        assert peer.connections == 3


async def test_dial_that_was_started_for_a_patient_request_does_not_keep_an_impatient_one_waiting(
    loop_driver: Driver, ca: Certificates
) -> None:
    go = threading.Event()
    quick = [StartTLS(ca.server_context()), ReadRequest(), Send(HEAD), WaitFor(go), Send(b"ok")]
    with ScriptedPeer([Stall()], quick) as peer:
        url = peer.url.replace("http://127.0.0.1", "https://localhost")
        client = loop_driver.client(verify=ca.client_context(), timeout=4)

        patient = asyncio.ensure_future(client.open("GET", url))
        await loop_driver.blocking(peer.wait_until, lambda: peer.connections == 1)
        impatient = asyncio.ensure_future(client.get(url, timeout=httpfast.Timeout(4, connect=0.3)))
        response = await patient

        with pytest.raises(httpfast.ConnectTimeout):
            await asyncio.wait_for(impatient, 2)
        go.set()
        assert await client.read(response) == b"ok"
        await client.rest()
        assert client.counts == (1, 1)
