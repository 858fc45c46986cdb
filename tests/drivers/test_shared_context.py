"""One TLS context in the hands of clients that do not speak the same versions of HTTP, in several threads. [TLS-05]"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from httpfast._transports.alpn import offering
from httpfast._transports.pull import _wrap
from httpfast._transports.tls_layer import TLSLayer

MOMENT = 0.05
"""Seconds that a thread gets for what it must not be able to do meanwhile: the passage of time is what is tested."""


class Meddled(ssl.SSLContext):
    """Lets another thread meddle just before a connection is made, or the list is set: once."""

    meddle: Callable[[], object] | None = None
    meddle_with_list: Callable[[], object] | None = None

    def _let_it(self) -> None:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        meddle, self.meddle_with_list = self.meddle_with_list, None
        if meddle is not None:
            meddle()
        super().set_alpn_protocols(alpn_protocols)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        self._let_it()
        return super().wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self._let_it()
        return super().wrap_socket(*arguments, **options)


def hello(context: ssl.SSLContext) -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_client_that_begins_does_not_change_what_another_offers_meanwhile() -> None:
    context = Meddled(ssl.PROTOCOL_TLS_CLIENT)
    offering(context, ("http/1.1",))
    h2 = offering(context, ("h2",))
    is_making, is_set = threading.Event(), threading.Event()
    said: list[bytes] = []
    thread = threading.Thread(target=lambda: said.append(hello(h2)))

    def before_it_is_made() -> None:
        is_making.set()
        is_set.wait(MOMENT)

    def before_it_is_set() -> None:
        context.meddle = before_it_is_made
        thread.start()
        is_making.wait(MOMENT)

    context.meddle_with_list = before_it_is_set
    offering(context, ("http/1.1",))
    is_set.set()
    thread.join()

    assert b"\x02h2" in said[0]
    assert b"\x02h2" not in hello(context)


def test_connection_of_the_first_client_is_not_made_with_what_another_offers() -> None:
    context = Meddled(ssl.PROTOCOL_TLS_CLIENT)
    offering(context, ("http/1.1",))
    h2 = offering(context, ("h2",))
    ours, theirs = socket.socketpair()
    said: list[bytes] = []

    def connect_in_threads() -> None:
        sock = _wrap(ours, context, "localhost", float("inf"))
        sock.setblocking(False)
        with suppress(ssl.SSLWantReadError), sock:
            sock.do_handshake()
        said.append(theirs.recv(65536))

    def connect_under_trio() -> None:
        layer = TLSLayer(context, "localhost")
        with suppress(ssl.SSLWantReadError):
            layer.object.do_handshake()
        said.append(layer._outgoing.read())

    threads = [threading.Thread(target=connect) for connect in (connect_in_threads, connect_under_trio)]

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

    assert len(said) == 2
    assert not any(b"\x02h2" in one for one in said)
