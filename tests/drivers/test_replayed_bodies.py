"""Which bodies go along when a request is sent again because its idle connection was closed (RFC 9110, 9.2.2)."""

from __future__ import annotations

import pytest

import httpfast
from bench.server import content

from ..peers import Close, ReadHead, ReadRequest, ScriptedPeer, Send
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = [ReadRequest(), Send(OK), ReadHead(), Close()]
"""One answer; then the connection is closed when the next request's head is there."""

LARGE = content(1_000_000)
"""Written in pieces."""


@pytest.mark.parametrize("size", [1_000, 65_536, 65_537, 1_000_000])
async def test_whole_body_is_sent_again_whatever_its_size(driver: Driver, size: int) -> None:
    """Octets that the caller has given as octets can be sent again."""
    with ScriptedPeer(CLOSING, [ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        await client.get(peer.url)
        response = await client.put(peer.url, content=LARGE[:size])

        assert response.text == "ok"
        assert peer.connections == 2
        assert peer.requests[1][0].endswith(b"\r\n\r\n" + LARGE[:size])


async def test_large_body_of_a_post_is_not_sent_twice(driver: Driver) -> None:
    with ScriptedPeer(CLOSING) as peer:
        client = driver.client()

        await client.get(peer.url)
        with pytest.raises((httpfast.WriteError, httpfast.ReadError, httpfast.RemoteProtocolError)):
            await client.post(peer.url, content=LARGE)

        assert peer.connections == 1


async def test_body_of_an_iterator_is_not_sent_twice(driver: Driver) -> None:
    """What was taken from it is gone."""
    with ScriptedPeer(CLOSING) as peer:
        client = driver.client()

        await client.get(peer.url)
        with pytest.raises((httpfast.WriteError, httpfast.ReadError, httpfast.RemoteProtocolError)):
            await client.put(peer.url, content=driver.body([LARGE[:100_000]] * 10))

        assert peer.connections == 1


@pytest.mark.parametrize("size", [10, 200_000])
async def test_body_that_does_not_fit_its_length_is_not_sent_twice(driver: Driver, size: int) -> None:
    """The error is the caller's; another connection would not help."""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        await client.get(peer.url)
        with pytest.raises(httpfast.LocalProtocolError):
            await client.put(peer.url, content=LARGE[:size], headers={"Content-Length": str(size + 1)})

        assert peer.connections == 1
