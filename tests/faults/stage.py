"""What a scenario of `scenarios.py` is played on: a client with few connections, its server, what has to hold after.

with staged(driver, case, server, monkeypatch) as stage:
    await stage.prepare()
    ...                       # play, and disturb
    await stage.look()        # slots, streams, tasks, descriptors are back, a plain request works
    await stage.look_twice()  # no request has come to the server more often than it was made
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from .. import servers
from ..drivers.facade import TURNS, Driver, TrioDriver
from ..http2.origin import ScriptedOrigin, Stream
from ..leftovers import descriptors
from ..peers import Call, PeerConnection, ScriptedPeer, ScriptError
from ..proxies.scripts import KINDS, proxy, url_of
from ..websockets.frames import TEXT, EchoClose, Handshake, frame, read_frame

if TYPE_CHECKING:
    from .scenarios import Case

_names = itertools.count(1)


class Stage:
    """One client and where it goes to.

    Attributes:
        url: of the server, over the case's layer, without a trailing slash.
        port: of the server without TLS.
        silent: the port of a listener that takes connections and never reads.
        sockets_url: where WebSockets are opened.
        origin: the server, where HTTP/2 is spoken.
    """

    def __init__(self, driver: Driver, case: Case) -> None:
        self.driver = driver
        self.case = case
        self.url = ""
        self.port = 0
        self.silent = 0
        self.sockets_url = ""
        self.origin: ScriptedOrigin | None = None
        self.limit = 1 if case.place == "h2" else 3
        self._name = f"stage{next(_names)}"
        self._tokens = itertools.count(1)
        self._sockets = 0

    def start(self, **options: Any) -> None:
        """Make the client."""
        limits = httpfast.Limits(max_connections=self.limit)
        options.setdefault("verify", servers.client_context())
        if "proxy" in options:
            # One transport for all, where the client would have another for its proxy.
            verify, proxy = options.pop("verify"), options.pop("proxy")
            options["transport"] = self.driver.transport(limits=limits, verify=verify, proxy=proxy)
        self.client = self.driver.client(limits=limits, **options)
        self._sockets = len(descriptors(("socket:",)))
        self._tasks = self._count_tasks()

    def once(self) -> dict[str, str]:
        """A field that makes a request known to its server."""
        return {"x-once": f"{self._name}.{next(self._tokens)}"}

    async def prepare(self) -> None:
        """Bring the pool into the state in which the scenario begins."""
        if self.case.start == "kept":
            await self.client.get(f"{self.url}/json")
        elif self.driver.is_async:
            await self.client.transport.aclose()
        else:
            self.client.transport.close()

    async def look(self) -> None:
        """Raises AssertionError when something is not back where it was, or the client does not work."""
        if self.origin is not None:
            self.origin.refusals = 0
        await self.client.rest()
        assert self.client.state is None or self.client.state.waiting == 0
        await self._settle()
        assert (await self.client.get(f"{self.url}/json", timeout=10)).status_code == 200
        connections, idle = self.client.counts
        # None may be left where the server has said goodbye.
        fewest = 0 if self.case.scenario.name == "parted" else 1
        assert fewest <= connections == idle <= self.limit

    async def look_twice(self, *, may_be_sent_again: bool = False) -> None:
        """Raises AssertionError when the server got a request more often than the client was asked for it."""
        most = self.case.requests * (2 if may_be_sent_again else 1)
        found: Counter[str] = Counter()
        if self.origin is not None:
            for stream in self.origin.streams:
                if not stream.was_refused and stream.get("x-once") is not None:
                    found[stream["x-once"]] += 1
        else:
            found.update((await self.client.get(f"{self.url}/seen/{self._name}", timeout=10)).json())
        doubled = {token: count for token, count in found.items() if count > most}
        assert not doubled, f"sent more than {most} times: {doubled}"

    def _count_tasks(self) -> int:
        if isinstance(self.driver, TrioDriver):
            return 0
        try:
            return len(asyncio.all_tasks())
        except RuntimeError:
            return 0

    async def _settle(self) -> None:
        """Wait some turns for what was told to end."""
        for _ in range(TURNS if self.driver.is_async else 1):
            # A server within this process has sockets of its own, which close when they see fit.
            open_sockets = len(descriptors(("socket:",))) - self._sockets
            are_closed = self.case.place != "h1" or open_sockets == self.client.counts[0]
            if are_closed and self._count_tasks() <= self._tasks:
                return
            await self.driver.turn()
        assert self._count_tasks() <= self._tasks, f"tasks are left over: {asyncio.all_tasks()}"
        raise AssertionError(f"{open_sockets} sockets are open for {self.client.counts[0]} connections")


def program(origin: ScriptedOrigin) -> None:
    """What the origin of HTTP/2 answers beside what it has built in."""

    async def early(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        await stream.respond(413, b"too large")

    async def expecting(stream: Stream) -> None:
        await stream.inform(100)
        await stream.respond(body=await stream.read())

    async def part(stream: Stream) -> None:
        stream.connection.goaway()
        await stream.respond()

    async def redirect(stream: Stream) -> None:
        hops = int(stream.path[-1])
        if hops:
            await stream.respond(302, b"hop", [("location", f"/redirect{hops - 1}")])
        else:
            await stream.respond(body=b"arrived\n")

    async def late_window(stream: Stream) -> None:
        # The stream's first window is used up: from now on the client waits.
        await stream.until(lambda: len(stream.body) >= origin.window)
        await stream.respond(body=str(len(await stream.read())).encode())

    async def challenge(stream: Stream) -> None:
        if (stream.get("authorization") or "").startswith("Digest "):
            await stream.respond(body=b"known\n")
        else:
            fields = [("www-authenticate", 'Digest realm="tests", nonce="5f1a", qop="auth", algorithm=SHA-256')]
            await stream.respond(401, b"who?", fields)

    for hops in range(4):
        origin.on(f"/redirect{hops}", redirect)
    origin.on("/early", early)
    origin.on("/continue", expecting)
    origin.on("/goaway", part)
    origin.on("/late-window", late_window)
    origin.on("/digest", challenge)


def echo_once(connection: PeerConnection) -> None:
    """Open a WebSocket, send one message back, close when the client does; it may leave at any time."""
    connection.settle()
    with suppress(ScriptError, OSError):
        Handshake().run(connection)
        _, text = read_frame(connection)
        connection.sock.sendall(frame(TEXT, text))
        EchoClose().run(connection)
    connection.close()


class SlowNames:
    """Makes `name.example` two addresses, of which the first refuses; the look-up on a loop suspends a few times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, driver: Driver, port: int) -> None:
        real = socket.getaddrinfo
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        addresses = [(*kind, ("127.0.0.1", 1)), (*kind, ("127.0.0.1", port))]

        def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
            return addresses if host in ("name.example", b"name.example") else real(host, *arguments, **options)

        async def look_up_async(host: Any, *arguments: Any, **options: Any) -> Any:
            for _ in range(3):
                await driver.turn()
            return look_up(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        if driver.name == "trio":
            monkeypatch.setattr("trio.socket.getaddrinfo", look_up_async)
        elif driver.is_async:
            # An instance of uvloop's loop takes no attributes, but its Python subclass does.
            loop: Any = type(driver.loop)  # type: ignore[attr-defined]
            monkeypatch.setattr(loop, "getaddrinfo", lambda _, *a, **k: look_up_async(*a, **k))


@contextmanager
def staged(
    driver: Driver, case: Case, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, *, timeout: Any = 20
) -> Iterator[Stage]:
    """A stage for a case; its servers end with the block, its client with the driver."""
    stage = Stage(driver, case)
    with ExitStack() as stack:
        options: dict[str, Any] = {"timeout": timeout}
        if case.place == "h2":
            origin = stack.enter_context(ScriptedOrigin(tls=case.layer == "tls", max_streams=4))
            program(origin)
            stage.origin, stage.url = origin, origin.url
            options |= origin.options
        else:
            stage.url = server.tls_url if case.layer == "tls" else server.url
            stage.port = server.port
        if case.place == "websocket":
            pytest.importorskip("wsproto", reason="wsproto is not installed")
            sockets = stack.enter_context(ScriptedPeer([Call(echo_once)], repeats_last=True))
            stage.sockets_url = sockets.url.replace("http", "ws")
        if case.place in KINDS:
            tls = servers.server_context() if case.place == "https proxy" else None
            peer = stack.enter_context(proxy(case.place, tls, is_tolerant=True))
            context = servers.client_context()
            options["proxy"] = httpfast.Proxy(
                url_of(case.place, peer), ssl_context=context if case.place == "https proxy" else None
            )
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        stage.silent = listener.getsockname()[1]
        if case.scenario.looks_up_names:
            SlowNames(monkeypatch, driver, stage.port)
        stage.start(**options)
        yield stage
