"""The system fails in the middle of a request, for the drivers of event loops, and for all of them: row POOL-09.

`test_interrupts.py` has the blocking client's calls of Python's sockets. What the core calls past Python cannot be
patched: there the system really is out of descriptors, and the peer really resets. Allocations fail in
`test_short_of_memory.py`.
"""

from __future__ import annotations

import os
import resource
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer, content

from ..drivers.facade import Caller, Driver, LoopDriver
from ..peers import ReadHead, ReadRequest, Reset, ScriptedPeer, Send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MOST_STEPS = 100

CALLS = [
    (socket, "getaddrinfo"),
    (socket.socket, "connect"),
    (socket.socket, "getsockopt"),
    (socket.socket, "recv"),
    (socket.socket, "recv_into"),
    (socket.socket, "send"),
    (socket.socket, "setblocking"),
    (socket.socket, "setsockopt"),
    (ssl.SSLContext, "wrap_bio"),
    (ssl.SSLObject, "do_handshake"),
    (ssl.SSLObject, "read"),
    (ssl.SSLObject, "write"),
]

ERRORS: dict[str, Callable[[], BaseException]] = {
    "ECONNRESET": lambda: ConnectionResetError(104, "Connection reset by peer"),
    "EPIPE": lambda: BrokenPipeError(32, "Broken pipe"),
    "EMFILE": lambda: OSError(24, "Too many open files"),
    "ENOBUFS": lambda: OSError(105, "No buffer space available"),
    "MemoryError": lambda: MemoryError("injected"),
}


class Fault:
    """Raises in the `step`-th call (1, 2, ...) of this thread, and only then."""

    def __init__(self, step: int, error: Callable[[], BaseException]) -> None:
        self.step = step
        self.error = error
        self.calls = 0
        self.thread = threading.get_ident()
        self.raised: BaseException | None = None

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == self.thread and not is_the_loops_own(function, arguments):
                self.calls += 1
                if self.calls == self.step:
                    self.raised = self.error()
                    raise self.raised
            return function(*arguments, **options)

        return call


def is_the_loops_own(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Whether a loop wakes itself, or sets up what it was given for a transport.

    What fails there ends the loop, or leaves the socket to the garbage collector.
    """
    if isinstance(arguments[0], socket.socket) and arguments[0].family == socket.AF_UNIX:
        return True
    if function.__name__ not in ("setblocking", "setsockopt", "wrap_bio"):
        return False
    frame = sys._getframe(2)
    if frame.f_globals["__name__"] == "httpfast._transports.alpn":
        frame = frame.f_back or frame  # whose call it passes on
    return frame.f_code.co_name == "_wrap" or frame.f_globals["__name__"].startswith(("asyncio.", "trio."))


@contextmanager
def fault_at(step: int, error: Callable[[], BaseException]) -> Iterator[Fault]:
    fault = Fault(step, error)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in CALLS:
            patch.setattr(owner, name, fault.wrap(getattr(owner, name)))
        yield fault
    # Loops keep the methods of sockets that they wait for.
    fault.step = 0


async def get(client: Caller, url: str) -> None:
    assert (await client.get(f"{url}/bytes/100000")).content == content(100_000)


async def upload(client: Caller, url: str) -> None:
    body = client.driver.body([content(60_000), b"end"])
    assert (await client.post(f"{url}/drain", content=body)).text == "60003"


@pytest.mark.parametrize("error", list(ERRORS))
@pytest.mark.parametrize("is_kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("scenario", [get, upload], ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("layer", ["plain", "tls"])
# The blocking client has tests of its own for this: test_interrupts.py.
@pytest.mark.parametrize("driver", ["asyncio", "uvloop", "trio"], indirect=True)
async def test_error_in_every_call_on_a_loop_leaves_nothing_behind(
    driver: Driver,
    embedded_server: EmbeddedServer,
    context: ssl.SSLContext,
    scenario: Callable[..., Any],
    is_kept: bool,
    layer: str,
    error: str,
) -> None:
    """POOL-09"""
    url = embedded_server.tls_url if layer == "tls" else embedded_server.url
    # After a failed write an answer is awaited, which here does not come: the peer knows nothing of the failure.
    timeout = httpfast.Timeout(5, read=0.1, connect=0.2)
    client = driver.client(verify=context, timeout=timeout, limits=httpfast.Limits(max_connections=2))

    for step in range(1, MOST_STEPS):
        if is_kept:
            await client.get(f"{url}/json", timeout=10)
        else:
            await client.transport.aclose()
        with fault_at(step, ERRORS[error]) as fault:
            try:
                await scenario(client, url)
            except (httpfast.TransportError, MemoryError):
                assert fault.raised is not None

        await client.rest()
        forgive(driver, fault.raised)
        assert client.state is None or client.state.waiting == 0
        assert (await client.get(f"{url}/json", timeout=10)).status_code == 200
        if fault.raised is None:
            return
    raise AssertionError("the scenario did not come to its end")


def forgive(driver: Driver, error: BaseException | None) -> None:
    """Loops complain of what is no OSError when a socket raises it. That is theirs to do."""
    if isinstance(driver, LoopDriver):
        driver.complaints = [complaint for complaint in driver.complaints if complaint.get("exception") is not error]


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """So many descriptors can be opened, and no more."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        with open(os.devnull) as null:
            try:
                while True:
                    taken.append(os.dup(null.fileno()))
            except OSError:
                pass
        # The file's own descriptor is free again.
        for _ in range(count - 1):
            os.close(taken.pop())
        if count == 0:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.parametrize("layer", ["plain", "tls"])
@pytest.mark.parametrize("left", [0, 1, 2, 3])
async def test_system_without_descriptors_is_a_connect_error(
    driver: Driver, embedded_server: EmbeddedServer, context: ssl.SSLContext, layer: str, left: int
) -> None:
    """POOL-09: EMFILE. Nobody accepts at the other side, for that would need one more."""
    url = embedded_server.tls_url if layer == "tls" else embedded_server.url
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"{'https' if layer == 'tls' else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        client = driver.client(verify=context, timeout=httpfast.Timeout(5, read=0.1, connect=0.3))
        await client.get(f"{url}/json")

        with descriptors_left(left):
            # What is open already goes on.
            kept = await client.get(f"{url}/json")
            with pytest.raises(httpfast.TransportError) as caught:
                await client.get(dead)

        await client.rest()
        assert kept.status_code == 200
        if left == 0:
            assert caught.type is httpfast.ConnectError
            assert "Too many open files" in str(caught.value)
        assert client.counts == (1, 1)
        assert (await client.get(f"{url}/json")).status_code == 200


@pytest.mark.parametrize(
    ("steps", "method"),
    [
        ((Reset(),), "GET"),
        ((ReadRequest(), Reset()), "GET"),
        ((ReadRequest(), Send(OK[:20]), Reset()), "GET"),
        ((ReadRequest(), Send(OK[:-1]), Reset()), "GET"),
        ((ReadHead(), Reset()), "POST"),
        ((ReadHead(), Send(OK[:20]), Reset()), "POST"),
    ],
    ids=["accepted", "asked", "head", "body", "upload", "upload and head"],
)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["bytes", "pieces"])
async def test_peer_that_resets_is_a_network_error(
    driver: Driver, steps: tuple[Any, ...], method: str, is_streamed: bool
) -> None:
    """POOL-09: ECONNRESET and EPIPE, from the system itself."""
    with ScriptedPeer(steps, [ReadRequest(), Send(OK)]) as peer:
        client = driver.client(timeout=5)
        pieces = [bytes(1_000_000)] * 20
        body: Any = None
        if method == "POST":
            body = driver.body(pieces) if is_streamed else b"".join(pieces)

        with pytest.raises((httpfast.NetworkError, httpfast.RemoteProtocolError)) as caught:
            await client.request(method, peer.url, content=body)

        assert caught.value.request.url == peer.url
        await client.rest()
        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"
