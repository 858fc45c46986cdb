"""A streamed response gives out what has come before its stream is reset: the head, and octets of the body."""

from __future__ import annotations

import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send
from .frames import Code, data, headers, rst_stream, status
from .peer import Greet, Peer, ReadRequest


async def test_head_and_octets_are_given_out_before_the_reset_that_came_with_them(driver: Driver) -> None:
    """RFC 9113, 5.4.2."""
    octets = headers(1, status(b"200")) + data(1, b"some") + rst_stream(1, Code.INTERNAL_ERROR)
    with Peer([Greet(), ReadRequest(1), Send(octets)]) as peer:
        client = driver.client(http1=False)

        response = await client.open("GET", peer.url)
        received = b""

        async def read() -> None:
            nonlocal received
            async for piece in client.pieces(response):
                received += piece

        with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
            await read()
        assert response.status_code == 200
        assert received == b"some"
        await client.rest()


async def test_whole_response_is_an_error_when_its_stream_is_reset(driver: Driver) -> None:
    """RFC 9113, 5.4.2."""
    octets = headers(1, status(b"200")) + data(1, b"some") + rst_stream(1, Code.INTERNAL_ERROR)
    with Peer([Greet(), ReadRequest(1), Send(octets)]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
            await client.get(peer.url)
        await client.rest()
