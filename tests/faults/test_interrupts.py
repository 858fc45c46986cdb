"""The blocking client's twin of cancellation: the k-th system call raises, or a signal interrupts a wait. [POOL-03]

Python's socket objects are patched where they are used: dials, TLS, waits for readiness. A plain connection reads and
writes by the system's own calls, which no patch reaches: there a signal's handler raises, as Ctrl-C does.
The scenarios stand in `scenarios.py`.
"""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..drivers.facade import Driver
from ..peers import Call, Expect, PeerConnection, ReadHead, ReadRequest, ScriptedPeer, Send, WaitForClose
from .scenarios import CASES, Case, steps
from .stage import staged

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
# A TLS record of the type handshake starts so (RFC 8446, 5.1).
TLS_HANDSHAKE = b"\x16\x03"

CALLS = [
    (socket, "getaddrinfo"),
    (socket.socket, "bind"),
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (socket.socket, "getsockopt"),
    (socket.socket, "setblocking"),
    (socket.socket, "setsockopt"),
    (ssl.SSLContext, "wrap_socket"),
    (ssl.SSLSocket, "do_handshake"),
    (ssl.SSLSocket, "recv_into"),
    (ssl.SSLSocket, "send"),
    (ssl.SSLSocket, "settimeout"),
]


class Interrupted(BaseException):
    """What Ctrl-C raises, but for pytest, which would stop the run."""


class Fault:
    """Raises in the `step`-th call (1, 2, ...) of this thread, and only then."""

    def __init__(self, step: int, error: Callable[[], BaseException]) -> None:
        self.step = step
        self.error = error
        self.calls = 0
        self.thread = threading.get_ident()
        self.was_reached = False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == self.thread:
                self.calls += 1
                if self.calls == self.step:
                    self.was_reached = True
                    raise self.error()
            return function(*arguments, **options)

        return call


@contextmanager
def fault_at(step: int, error: Callable[[], BaseException]) -> Iterator[Fault]:
    fault = Fault(step, error)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, fault.wrap(getattr(owner, name)))
        yield fault
    # Connections keep the methods that they were made with.
    fault.step = 0


ERRORS: dict[str, Callable[[], BaseException]] = {
    "KeyboardInterrupt": Interrupted,
    "ECONNRESET": lambda: ConnectionResetError(104, "Connection reset by peer"),
    "EPIPE": lambda: BrokenPipeError(32, "Broken pipe"),
    "EMFILE": lambda: OSError(24, "Too many open files"),
    "ENOBUFS": lambda: OSError(105, "No buffer space available"),
    "MemoryError": MemoryError,
    "timeout": lambda: TimeoutError("timed out"),
}

ALONE = [case for case in CASES if case.scenario.is_alone]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("error", list(ERRORS))
@pytest.mark.parametrize("case", ALONE, ids=str)
async def test_error_in_every_call_leaves_nothing_behind(
    sync_driver: Driver, embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, case: Case, error: str
) -> None:
    """[POOL-03, POOL-09]"""
    kind = type(ERRORS[error]())
    is_systems = issubclass(kind, OSError)
    # After a failed write an answer is awaited, which here does not come: the peer knows nothing of the failure.
    timeout = httpfast.Timeout(5, read=0.3)
    with staged(sync_driver, case, embedded_server, monkeypatch, timeout=timeout) as stage:
        for step in steps():
            await stage.prepare()
            # Errors of the system come out as the client's own; what is none stays what it is.
            with fault_at(step, ERRORS[error]) as fault, suppress(httpfast.TransportError if is_systems else kind):
                await case.scenario.play(stage)

            await stage.look()
            if not fault.was_reached:
                break
        # A kept connection that turns out to be dead is no reason to fail a request that can be sent again.
        is_kept = case.start == "kept" or case.requests > 1
        await stage.look_twice(may_be_sent_again=is_systems and is_kept and case.scenario.is_safe)


@pytest.mark.parametrize("error", list(ERRORS))
async def test_error_when_a_connected_socket_is_set_up_leaves_nothing_behind(
    sync_driver: Driver, embedded_server: EmbeddedServer, error: str
) -> None:
    """The dial has ended, the connection is not yet the pool's: somebody has to close the socket."""
    client = sync_driver.client(timeout=5)

    for step in steps():
        client.transport.close()
        fault = Fault(step, ERRORS[error])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "settimeout", fault.wrap(socket.socket.settimeout))
            with suppress(httpfast.TransportError, Interrupted, MemoryError):
                await client.get(f"{embedded_server.url}/json")
        assert client.counts in ((0, 0), (1, 1))
        if not fault.was_reached:
            return


class Interrupt(Exception):
    """Raised by the signal's handler."""


@pytest.fixture
def interrupts() -> Iterator[Callable[[PeerConnection], None]]:
    """A step for a peer: it signals the main thread until the handler has run there.

    Once is not enough: a signal that comes just before a call of the system does not interrupt that call.
    """
    arrived = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if not arrived.is_set():
            arrived.set()
            raise Interrupt

    def interrupt(connection: PeerConnection) -> None:
        thread = threading.main_thread()
        for _ in range(500):
            signal.pthread_kill(thread.ident or 0, signal.SIGUSR1)
            if arrived.wait(0.01):
                return

    previous = signal.signal(signal.SIGUSR1, handle)
    yield interrupt
    arrived.set()
    signal.signal(signal.SIGUSR1, previous)


needs_signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")


@needs_signals
@pytest.mark.parametrize("phase", ["head", "body", "stream", "upload", "continue", "tls"])
async def test_signal_in_a_wait_raises_and_leaves_nothing_behind(
    sync_driver: Driver, interrupts: Callable[[PeerConnection], None], phase: str
) -> None:
    steps = {
        "head": [ReadRequest(), Call(interrupts), WaitForClose()],
        "body": [ReadRequest(), Send(HEAD + b"01234"), Call(interrupts), WaitForClose()],
        "stream": [ReadRequest(), Send(HEAD + b"01234"), Call(interrupts), WaitForClose()],
        "upload": [ReadHead(), Call(interrupts), WaitForClose()],
        "continue": [ReadHead(), Call(interrupts), WaitForClose()],
        # The ClientHello is there: the client waits in its handshake.
        "tls": [Expect(TLS_HANDSHAKE), Call(interrupts), WaitForClose()],
    }[phase]
    with ScriptedPeer(steps, [ReadRequest(), Send(OK)]) as peer:
        client = sync_driver.client(timeout=20, limits=httpfast.Limits(max_connections=1))

        async def call() -> None:
            if phase == "stream":
                async with client.stream("GET", peer.url) as response:
                    await client.read(response)
            elif phase == "upload":
                await client.post(peer.url, content=bytes(50_000_000))
            elif phase == "continue":
                await client.post(peer.url, content=b"body", headers={"Expect": "100-continue"})
            else:
                await client.get(peer.url.replace("http:", "https:") if phase == "tls" else peer.url)

        with pytest.raises(Interrupt):
            await call()

        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"


@needs_signals
async def test_signal_in_the_wait_for_the_pool_leaves_the_line(
    sync_driver: Driver, interrupts: Callable[[PeerConnection], None]
) -> None:
    ready = threading.Event()

    def interrupt(connection: PeerConnection) -> None:
        ready.wait(5)
        interrupts(connection)

    script = [ReadRequest(), Send(HEAD), Call(interrupt), Send(b"0123456789"), ReadRequest(), Send(OK)]
    with ScriptedPeer(script) as peer:
        client = sync_driver.client(timeout=20, limits=httpfast.Limits(max_connections=1))
        response = await client.open("GET", peer.url)

        ready.set()
        with pytest.raises(Interrupt):
            await client.get(peer.url)

        assert client.state.waiting == 0
        assert await client.read(response) == b"0123456789"
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


@needs_signals
async def test_signal_whose_handler_returns_interrupts_nothing(sync_driver: Driver) -> None:
    """PEP 475: the call goes on."""
    seen = threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: seen.set())

    def interrupt(connection: PeerConnection) -> None:
        while not seen.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            seen.wait(0.01)

    try:
        with ScriptedPeer([ReadRequest(), Call(interrupt), Send(OK)]) as peer:
            client = sync_driver.client(timeout=20)

            assert (await client.get(peer.url)).text == "ok"
    finally:
        signal.signal(signal.SIGUSR1, previous)
