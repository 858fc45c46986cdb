"""What a fault does at its place: see `proxy.py`. Values; times in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .proxy import Act, Ended, Link


@dataclass(frozen=True)
class Pass:
    """Nothing: what comes is passed on."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.send(rest)


@dataclass(frozen=True)
class Stall:
    """Nothing more, for ever; the connection stays open."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        await link.sleep()


@dataclass(frozen=True)
class Mute:
    """As a router does that has forgotten the connection: nothing passes any more, either way."""

    async def run(self, link: Link, rest: bytes) -> None:
        link.is_mute = True


@dataclass(frozen=True)
class HalfClose:
    """FIN, over TLS without close_notify, and the client is still read."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        link.client.finish()
        if link.is_relaying and not rest:
            # While it is idle: what the client writes goes on to the origin, as it would.
            return
        await link.sleep()


@dataclass(frozen=True)
class Notify:
    """close_notify, then FIN: the orderly end of TLS at a place that is none of HTTP's."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        await link.client.write_raw(link.client.close_notify())
        link.client.finish()
        if rest or not link.is_relaying:
            await link.sleep()


@dataclass(frozen=True)
class Close:
    """Close the socket, both directions of it."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        link.client.close()
        raise Ended


@dataclass(frozen=True)
class Reset:
    """RST."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        link.client.reset()
        raise Ended


@dataclass(frozen=True)
class Pace:
    """From here on pieces of a size, each a segment and a record of its own."""

    size: int = 1
    pause: float = 0.0

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        link.piece, link.pause = self.size, self.pause
        await link.send(rest)


@dataclass(frozen=True)
class Delay:
    """Wait, then go on."""

    seconds: float

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        await asyncio.sleep(self.seconds)
        await link.send(rest)


@dataclass(frozen=True)
class Flip:
    """Change bits of the octet here."""

    bits: int

    async def run(self, link: Link, rest: bytes) -> None:
        await link.send(bytes((rest[0] ^ self.bits,)) + rest[1:])


@dataclass(frozen=True)
class FlipRecord:
    """Change an octet of the TLS record that carries what is here."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        record = bytearray(link.client.record(rest))
        record[-1] ^= 1
        await link.client.write_raw(bytes(record))


@dataclass(frozen=True)
class CutRecord:
    """Half of the TLS record that carries what is here, and FIN."""

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        record = link.client.record(rest)
        await link.client.write_raw(record[: len(record) // 2])
        link.client.finish()
        await link.sleep()


@dataclass(frozen=True)
class Again:
    """The last octets of what was sent once more.

    Args:
        size: how many.
        is_apart: in a segment of their own.
    """

    size: int
    is_apart: bool = False

    async def run(self, link: Link, rest: bytes) -> None:
        if self.is_apart:
            await link.client.flush()
        await link.send(rest[-self.size :])


@dataclass(frozen=True)
class Say:
    """Other octets, and then what `then` does; by default nothing more, for ever.

    Args:
        octets: also as a function of the link, for frames of the stream that is hit.
    """

    octets: bytes | Callable[[Link], bytes]
    then: Act = Stall()

    async def run(self, link: Link, rest: bytes) -> None:
        await link.send(self.octets if isinstance(self.octets, bytes) else self.octets(link))
        await self.then.run(link, rest)


@dataclass(frozen=True)
class Drop:
    """What else comes in DATA of the stream that is hit does not pass."""

    async def run(self, link: Link, rest: bytes) -> None:
        link.dropped.add(link.stream)


@dataclass(frozen=True)
class Answer:
    """Answer in the origin's place while it goes on being sent the request."""

    octets: Callable[[Link], bytes]

    async def run(self, link: Link, rest: bytes) -> None:
        await link.send(self.octets(link))
        assert link.origin is not None
        link.origin.write(rest)


@dataclass(frozen=True)
class Refuse:
    """Nobody listens. Done by `FaultProxy.refuse`, before there is a link."""

    async def run(self, link: Link, rest: bytes) -> None:
        raise AssertionError("a connection was accepted")


@dataclass(frozen=True)
class EndUpload:
    """The origin gets FIN in the middle of the request, as from a proxy that has lost its client."""

    async def run(self, link: Link, rest: bytes) -> None:
        assert link.origin is not None
        link.origin.write_eof()
        await link.sleep()


@dataclass(frozen=True)
class Raw:
    """Octets past TLS, where it expects records."""

    octets: bytes

    async def run(self, link: Link, rest: bytes) -> None:
        await link.client.flush()
        await link.client.write_raw(self.octets)
