"""Requests of many kinds with a token each, for programs that make a great many of them, and servers that answer them.

HTTP/1.1 goes to the embedded server, plain; HTTP/2 to nginx, over TLS, with few streams a connection. A response that
does not repeat its request's token, or whose body is not what was asked for, is a `Crossed`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer, content

from .. import servers
from ..drivers.facade import TURNS, Caller, Driver
from ..leftovers import descriptors
from ..nginx import Nginx

PROTOCOLS = ("h1", "h2")
FEW_STREAMS = 8
"""That a connection of HTTP/2 may have at a time, so that requests wait for one."""

MANY_STREAMS = 64
"""More than there are threads: nginx counts some that were reset for a while after, and would refuse new ones."""

REQUESTS = 20_000
"""After which nginx says goodbye to a connection. Many more, many of them reset, and it takes them for a flood."""


class Crossed(Exception):
    """A response that belongs to another request."""


@dataclass(frozen=True)
class Place:
    """A server, and how many connections a client may have to it.

    Attributes:
        streams: that a connection has at a time; 1 for HTTP/1.1.
        bodies: paths of known content, with its size.
        upload: a path that answers the length of what was posted; nginx's, that of its Content-Length.
        endless: the path of a body that does not end before it is left.
    """

    protocol: str
    url: str
    connections: int
    streams: int
    bodies: tuple[tuple[str, int], ...]
    upload: str
    endless: str

    @property
    def most(self) -> int:
        """How many requests can be under way."""
        return self.connections * self.streams

    def client(self, driver: Driver, **options: Any) -> Caller:
        """A client of it."""
        limits = httpfast.Limits(max_connections=self.connections)
        is_h2 = self.protocol == "h2"
        return driver.client(http2=is_h2, verify=servers.client_context(), limits=limits, **options)


@contextmanager
def place(protocol: str, streams: int = FEW_STREAMS) -> Iterator[Place]:
    """A server that runs as long as the block. Raises RuntimeError where there is none for that protocol."""
    if protocol == "h1":
        with EmbeddedServer(tls=False, uds=False) as server:
            sizes = (100, 100, 5_000, 60_000, 300_000)
            bodies = [(f"/bytes/{size}", size) for size in sizes]
            bodies += [("/connection-close/10", 10), ("/chunked/5000", 5000)]
            yield Place(protocol, server.url, 10, 1, tuple(bodies), "/drain", "/drip/1000000")
        return
    if not Nginx.available():
        raise RuntimeError("nginx is not installed")
    with Nginx(http2=True, streams=streams, keepalive_requests=REQUESTS) as nginx:
        bodies = [("/static/1k", 1024), ("/static/1k", 1024), ("/chunked/1k", 1024), ("/static/100k", 100_000)]
        # It drops what is posted there. A stream that is reset while nginx asks upstream counts for long after that.
        yield Place(protocol, nginx.tls_url, 2, streams, tuple(bodies), "/discard", "/static/100m")


async def ask(client: Caller, there: Place, chance: random.Random, *, once: bool = True, **options: Any) -> None:
    """One request of some kind. Raises Crossed, and what the client raises.

    Args:
        once: bodies that can be sent only once are among them. HTTP/2 needs others for what a server has not looked at.
    """
    token = f"{chance.getrandbits(64):x}"
    options["headers"] = {"x-token": token}
    kind = chance.random()
    path, size = chance.choice(there.bodies)
    in_pieces = kind < 0.05 and (once or there.protocol == "h1")
    if kind < 0.15:
        length = 1 + int(chance.expovariate(1 / 20_000))
        body: Any = content(length)
        if in_pieces:
            body = client.driver.body([body[:1000], body[1000:]])
        response = await client.post(there.url + there.upload, content=body, **options)
        expected = b"" if in_pieces and there.protocol == "h2" else str(length).encode()
    elif kind < 0.25:
        async with client.stream("GET", there.url + path, **options) as response:
            if kind < 0.2:
                await client.read(response)
        expected = content(size) if kind < 0.2 else b""
        if kind >= 0.2:
            check_token(response, token)
            return
    else:
        response = await client.get(there.url + path, **options)
        expected = content(size)
    check_token(response, token)
    if response.content != expected:
        raise Crossed(f"{len(response.content)} octets of body, not {len(expected)}: {response!r}")


def check_token(response: httpfast.Response, token: str) -> None:
    """Raises Crossed when the response is not that of the request with this token."""
    if response.status_code != 200 or response.headers.get_list("x-token") != [token]:
        raise Crossed(f"{response!r} with the token {response.headers.get('x-token')}, not {token}")


async def look(client: Caller, there: Place, sockets: int) -> None:
    """Raises AssertionError when something is not back, or the client has not all its places left.

    Args:
        sockets: how many this process had open before the client was used.
    """
    await client.rest()
    assert client.state is None or client.state.waiting == 0
    async with AsyncExitStack() as held:
        for _ in range(there.most):
            await held.enter_async_context(client.stream("GET", there.url + there.endless))
        # As many as there may be, and not one more.
        assert client.counts == (there.connections, 0)
        with pytest.raises(httpfast.PoolTimeout):
            await client.get(there.url + there.bodies[0][0], timeout=httpfast.Timeout(20, pool=0.05))
    await client.rest()
    assert client.state.waiting == 0
    for _ in range(TURNS):
        if len(descriptors(("socket:",))) - sockets == client.counts[0]:
            break
        await client.driver.turn()
    assert len(descriptors(("socket:",))) - sockets == client.counts[0]
