"""One TLS context in the hands of clients that do not speak the same versions of HTTP, in several threads. [TLS-05]"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from httpfast._transports.alpn import OfferingContext
from httpfast._transports.pull import _wrap
from httpfast._transports.tls_layer import TLSLayer

MOMENT = 0.05
"""Seconds that a thread gets for what it must not be able to do meanwhile: the passage of time is what is tested."""


class Meddled(ssl.SSLContext):
    """Lets others meddle just before a connection is made: once."""

    meddle: Callable[[], object] | None = None

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().wrap_bio(*arguments, **options)


def hello(context: ssl.SSLContext) -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_connection_of_a_client_is_not_made_with_what_another_offers() -> None:
    context = Meddled(ssl.PROTOCOL_TLS_CLIENT)
    h1, h2 = OfferingContext(context, ("http/1.1",)), OfferingContext(context, ("h2",))
    ours, theirs = socket.socketpair()
    said: list[bytes] = []

    def connect_in_threads() -> None:
        sock = _wrap(ours, h1, "localhost", float("inf"))
        sock.setblocking(False)
        with suppress(ssl.SSLWantReadError), sock:
            sock.do_handshake()
        said.append(theirs.recv(65536))

    def connect_on_a_loop() -> None:
        said.append(hello(h1))

    def connect_under_trio() -> None:
        layer = TLSLayer(h1, "localhost")
        with suppress(ssl.SSLWantReadError):
            layer.object.do_handshake()
        said.append(layer._outgoing.read())

    connects = (connect_in_threads, connect_on_a_loop, connect_under_trio)
    threads = [threading.Thread(target=connect) for connect in connects]

    def meddle() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(MOMENT)

    context.meddle = meddle
    assert b"\x02h2" in hello(h2)
    for thread in threads:
        thread.join()
    theirs.close()

    assert len(said) == 3
    assert not any(b"\x02h2" in one for one in said)
