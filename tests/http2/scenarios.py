"""What most tests of conformance come to: something wrong ends a connection, or a stream, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send, Step, WaitForClose
from .frames import Code, answer
from .peer import Greet, Peer, ReadGoaway, ReadRequest, ReadReset

ANSWER: list[Step] = [Greet(), ReadRequest(1), Send(answer(1))]
"""The script of a connection for one request."""


async def ends_connection(
    driver: Driver, octets: bytes, code: Code, *, method: str = "GET", match: str = "RFC", **arguments: Any
) -> None:
    """The octets, sent after a request has come, are an error of the connection (RFC 9113, 5.4.1).

    The request fails, a GOAWAY with the code goes out, the connection closes, and the next request gets another one.
    """
    script = [Greet(), ReadRequest(1), Send(octets), ReadGoaway(code), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match=match):
            await client.request(method, peer.url, **arguments)
        response = await client.get(peer.url)

        assert response.text == "ok"
        assert peer.connections == 2
        await client.rest()
        assert client.counts == (1, 1)


async def ends_stream(
    driver: Driver, octets: bytes, code: Code, *, method: str = "GET", match: str = "RFC", **arguments: Any
) -> None:
    """The octets, sent after a request has come, are an error of its stream (RFC 9113, 5.4.2).

    The request fails, an RST_STREAM with the code goes out, and the connection serves the next request.
    """
    script = [Greet(), ReadRequest(1), Send(octets), ReadReset(1, code), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match=match):
            await client.request(method, peer.url, **arguments)
        response = await client.get(peer.url)

        assert response.text == "ok"
        assert response.extensions["stream_id"] == 3
        assert peer.connections == 1
        await client.rest()
        assert client.counts == (1, 1)


async def means_nothing(driver: Driver, octets: bytes, *, method: str = "GET", **arguments: Any) -> httpfast.Response:
    """The octets hold a whole response, and the connection serves the next request. Returns the first response."""
    script = [Greet(), ReadRequest(1), Send(octets), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        first = await client.request(method, peer.url, **arguments)
        second = await client.get(peer.url)

        assert second.text == "ok"
        assert peer.connections == 1
        assert peer.codes() == []
        await client.rest()
        assert client.counts == (1, 1)
    return first
