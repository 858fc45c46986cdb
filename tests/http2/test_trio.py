"""HTTP/2 under trio: a connection without a task of its own, whose users read and write for each other.

What holds for every driver is tested elsewhere. Here it is cancellation: of the task that reads for all, of one in the
middle of a write, of all at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

import httpfast
from httpfast._cext.hpack import HpackDecoder

from .. import servers
from ..peers import TIMEOUT, Close, PeerConnection, ScriptedPeer, ScriptError, Signal, StartTLS, Step, WaitFor

trio = pytest.importorskip("trio", reason="trio, which this is about, is not installed")
trio_abc = pytest.importorskip("trio.abc", reason="trio, which this is about, is not installed")
trio_testing = pytest.importorskip("trio.testing", reason="trio, which this is about, is not installed")

pytestmark = pytest.mark.usefixtures("no_leaks")

SECONDS = 10.0
"""What a whole scenario may take: far less than the timeouts of its requests, which must not be what ends it."""

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS_200 = b"\x88"
WIDE = (1 << 31) - 1
LARGE = 24 * 1024 * 1024
"""Octets of a body that no pair of sockets holds."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


LAST_WORDS = frame(GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4))
"""A GOAWAY after stream 1."""


def answer(stream: int, body: bytes = b"") -> bytes:
    """A whole response."""
    head = frame(HEADERS, END_HEADERS, stream, STATUS_200)
    pieces = [body[start : start + 16384] for start in range(0, len(body), 16384)]
    return head + b"".join(frame(DATA, 0, stream, piece) for piece in pieces) + frame(DATA, END_STREAM, stream)


@dataclass(frozen=True)
class Greet(Step):
    """Read the preface and send SETTINGS, with windows that hold nothing back."""

    def run(self, connection: PeerConnection) -> None:
        assert connection.take(len(PREFACE), time.monotonic() + TIMEOUT) == PREFACE
        widen = (4).to_bytes(2, "big") + WIDE.to_bytes(4, "big")
        connection.sock.settimeout(TIMEOUT)
        connection.sock.sendall(
            frame(SETTINGS, 0, 0, widen) + frame(WINDOW_UPDATE, 0, 0, (WIDE - 65535).to_bytes(4, "big"))
        )


@dataclass(frozen=True)
class Frames(Step):
    """Read frames until `enough` says so of one; each is noted as "HEADERS 1", or "DATA 1 END" with its flag.

    Args:
        enough: called with the notes so far.
        respond: called with each note; what it returns is sent.
    """

    notes: list[str]
    enough: Callable[[list[str]], bool]
    respond: Callable[[str, PeerConnection], bytes] | None = None

    def run(self, connection: PeerConnection) -> None:
        names = {DATA: "DATA", HEADERS: "HEADERS", RST_STREAM: "RST_STREAM"}
        deadline = time.monotonic() + TIMEOUT
        while not self.enough(self.notes):
            head = connection.take(9, deadline)
            payload = connection.take(int.from_bytes(head[:3], "big"), deadline)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind > WINDOW_UPDATE:
                raise ScriptError(f"no frame: {head!r}")
            if kind not in names:
                continue
            note = f"{names[kind]} {stream}"
            if kind == RST_STREAM:
                note += f" {int.from_bytes(payload, 'big')}"
            elif flags & END_STREAM:
                note += " END"
            if kind == HEADERS:
                connection.requests.append(payload)
            self.notes.append(note)
            connection.peer.notify()
            if self.respond is not None and (octets := self.respond(note, connection)):
                connection.sock.settimeout(TIMEOUT)
                connection.sock.sendall(octets)


@dataclass(frozen=True)
class Say(Step):
    """Send octets."""

    octets: bytes

    def run(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(TIMEOUT)
        connection.sock.sendall(self.octets)


def echo_path(note: str, connection: PeerConnection) -> bytes:
    """Answer a request with its number on the connection."""
    kind, stream, *_ = note.split()
    return answer(int(stream), b"stream %s" % stream.encode()) if kind == "HEADERS" else b""


def after(*expected: str) -> Callable[[list[str]], bool]:
    return lambda notes: all(note in notes for note in expected)


def run(main: Callable[[httpfast.AsyncClient], Awaitable[None]], **arguments: Any) -> None:
    """Run a scenario with a client. Raises trio.TooSlowError when it hangs."""

    async def scenario() -> None:
        arguments.setdefault("timeout", 60.0)
        with trio.fail_after(SECONDS):
            async with httpfast.AsyncClient(
                http1=False, http2=True, verify=servers.client_context(), trust_env=False, **arguments
            ) as client:
                await main(client)
                pool = client._transport._pool
                if pool is not None:
                    assert pool.state.connections == pool.state.idle, "a lease is left over"

    trio.run(scenario)


async def until(peer: ScriptedPeer, condition: Callable[[], bool]) -> None:
    """Wait until the peer has seen something, while the run goes on."""
    with trio.fail_after(TIMEOUT):
        while not condition():
            await trio.sleep(0)


@pytest.fixture(params=["plain", "tls"])
def opening(request: pytest.FixtureRequest) -> tuple[Step, ...]:
    """How a script begins."""
    return (Greet(),) if request.param == "plain" else (StartTLS(alpn_context()), Greet())


def alpn_context() -> Any:
    context = servers.certificates().server_context()
    context.set_alpn_protocols(["h2"])
    return context


def url_of(peer: ScriptedPeer, opening: tuple[Step, ...]) -> str:
    return f"https://localhost:{peer.port}" if len(opening) > 1 else peer.url


def test_cancelled_leader_hands_over_to_another_task(opening: tuple[Step, ...]) -> None:
    notes: list[str] = []
    script = (
        *opening,
        Frames(notes, after("HEADERS 1 END", "HEADERS 3 END", "RST_STREAM 1 8")),
        Say(answer(3, b"second")),
    )

    async def main(client: httpfast.AsyncClient) -> None:
        bodies: list[bytes] = []
        url = url_of(peer, opening)

        async def follow() -> None:
            bodies.append((await client.get(url)).content)

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as leader:
                    leader.start_soon(client.get, url)
                    await until(peer, lambda: "HEADERS 1 END" in notes)
                    nursery.start_soon(follow)
                    await until(peer, lambda: "HEADERS 3 END" in notes)
                    scope.cancel()
        assert bodies == [b"second"]

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1


def test_leader_whose_time_is_over_hands_over_to_another_task() -> None:
    notes: list[str] = []
    script = (Greet(), Frames(notes, after("RST_STREAM 1 8", "HEADERS 3 END")), Say(answer(3, b"second")))

    async def main(client: httpfast.AsyncClient) -> None:
        bodies: list[bytes] = []

        async def lead() -> None:
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(peer.url, timeout=httpfast.Timeout(60, read=0.1))

        async def follow() -> None:
            bodies.append((await client.get(peer.url)).content)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lead)
            await until(peer, lambda: "HEADERS 1 END" in notes)
            nursery.start_soon(follow)
        assert bodies == [b"second"]

    with ScriptedPeer(script) as peer:
        run(main)


def test_follower_whose_time_is_over_leaves_the_leader_alone() -> None:
    notes: list[str] = []
    script = (Greet(), Frames(notes, after("HEADERS 1 END", "RST_STREAM 3 8")), Say(answer(1, b"first")))

    async def main(client: httpfast.AsyncClient) -> None:
        bodies: list[bytes] = []

        async def lead() -> None:
            bodies.append((await client.get(peer.url)).content)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lead)
            await until(peer, lambda: "HEADERS 1 END" in notes)
            with pytest.raises(httpfast.ReadTimeout):
                await client.get(peer.url, timeout=httpfast.Timeout(60, read=0.1))
        assert bodies == [b"first"]

    with ScriptedPeer(script) as peer:
        run(main)


def test_leader_and_heir_cancelled_together_hand_over_to_the_third() -> None:
    notes: list[str] = []
    script = (Greet(), Frames(notes, after("RST_STREAM 1 8", "RST_STREAM 3 8")), Say(answer(5, b"third")))

    async def main(client: httpfast.AsyncClient) -> None:
        scopes = [trio.CancelScope() for _ in range(3)]
        bodies: list[bytes] = []

        async def get(scope: Any) -> None:
            with scope:
                bodies.append((await client.get(peer.url)).content)

        async with trio.open_nursery() as nursery:
            for number, scope in enumerate(scopes):
                nursery.start_soon(get, scope)
                await until(peer, lambda number=number: f"HEADERS {2 * number + 1} END" in notes)  # type: ignore[misc]
            scopes[0].cancel()
            scopes[1].cancel()
        assert bodies == [b"third"]

    with ScriptedPeer(script) as peer:
        run(main)


def test_nursery_of_fifty_requests_cancelled_leaves_a_connection_that_serves(opening: tuple[Step, ...]) -> None:
    notes: list[str] = []
    resets = [f"RST_STREAM {2 * number + 1} {CANCEL}" for number in range(50)]
    script = (
        *opening,
        Frames(notes, after(*resets)),
        Frames(notes, after("HEADERS 101 END")),
        Say(answer(101, b"still here")),
    )

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(client.get, url)
            await until(peer, lambda: "HEADERS 99 END" in notes)
            nursery.cancel_scope.cancel()

        assert (await client.get(url)).content == b"still here"

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1


def test_each_of_many_tasks_gets_its_own_answer_whatever_the_order(opening: tuple[Step, ...]) -> None:
    decoder = HpackDecoder()

    def answer_all(note: str, connection: PeerConnection) -> bytes:
        if len(connection.requests) < 100:
            return b""
        paths = [dict(decoder.decode_block(block) or ())[b":path"] for block in connection.requests]
        return b"".join(answer(2 * number + 1, path) for number, path in reversed(list(enumerate(paths))))

    script = (*opening, Frames([], lambda notes: len(notes) == 100, answer_all))

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)

        async def get(number: int) -> None:
            assert (await client.get(f"{url}/{number}")).content == b"/%d" % number

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(get, number)

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1


def test_writer_cancelled_half_way_cuts_no_frame_off(opening: tuple[Step, ...]) -> None:
    """The peer reads nothing until the upload was cancelled; then every frame that comes has to be one."""
    notes: list[str] = []
    cancelled = threading.Event()
    script = (
        *opening,
        WaitFor(cancelled),
        Frames(notes, after("RST_STREAM 1 8", "HEADERS 3 END")),
        Say(answer(3, b"second")),
    )

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)
        seen: list[BaseException] = []

        async def upload() -> None:
            try:
                await client.post(url, content=b"x" * LARGE)
            except BaseException as error:
                seen.append(error)
                raise

        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(upload)
                await until(peer, lambda: stuck(client))
                scope.cancel()
        assert [type(error) for error in seen] == [trio.Cancelled]
        cancelled.set()

        assert (await client.get(url)).content == b"second"

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1
    assert "DATA 1" in notes


def stuck(client: httpfast.AsyncClient) -> bool:
    """Whether the system takes no more of what the client writes."""
    pool: Any = client._transport._pool
    return pool is not None and any(connection.has_unwritten for connection in pool._open)


def test_what_a_cancelled_writer_left_is_written_by_a_task_that_only_reads() -> None:
    """The one that waits for its answer was waiting for input before there was something to write."""
    notes: list[str] = []
    cancelled = threading.Event()
    script = (
        Greet(),
        Frames(notes, after("HEADERS 1 END")),
        WaitFor(cancelled),
        Frames(notes, after("RST_STREAM 3 8")),
        Say(answer(1, b"first")),
    )

    async def main(client: httpfast.AsyncClient) -> None:
        bodies: list[bytes] = []

        async def get() -> None:
            bodies.append((await client.get(peer.url)).content)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(get)
            await until(peer, lambda: "HEADERS 1 END" in notes)
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as writers:
                    writers.start_soon(lambda: client.post(peer.url, content=b"x" * LARGE))
                    await until(peer, lambda: stuck(client))
                    scope.cancel()
            cancelled.set()
        assert bodies == [b"first"]

    with ScriptedPeer(script) as peer:
        run(main)


def test_peer_that_stops_reading_ends_the_request_by_its_write_timeout(opening: tuple[Step, ...]) -> None:
    finished = threading.Event()
    script = (*opening, WaitFor(finished))
    second = (*opening, Frames([], after("HEADERS 1 END"), echo_path))

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)
        with pytest.raises(httpfast.WriteTimeout):
            await client.post(url, content=b"x" * LARGE, timeout=httpfast.Timeout(60, write=0.2))

        # That connection takes nothing: the next request has one of its own.
        assert (await client.get(url)).content == b"stream 1"
        finished.set()

    with ScriptedPeer(script, second) as peer:
        run(main)


def test_upload_goes_on_reading_while_the_peer_does_not_read() -> None:
    """A peer that writes before it reads on: a client that did not read while it waits to write would wait for ever."""
    notes: list[str] = []
    script = (
        Greet(),
        Frames(notes, after("HEADERS 1")),
        Say(answer(1, bytes(LARGE))[:-9]),
        Frames(notes, after("DATA 1 END")),
        Say(frame(DATA, END_STREAM, 1)),
    )

    async def body() -> AsyncIterator[bytes]:
        for _ in range(LARGE // 65536):
            yield bytes(65536)

    async def main(client: httpfast.AsyncClient) -> None:
        response = await client.post(peer.url, content=body())
        assert len(response.content) == LARGE

    with ScriptedPeer(script) as peer:
        run(main)


def test_closed_client_ends_leader_and_followers() -> None:
    notes: list[str] = []
    script = (Greet(), Frames(notes, after("HEADERS 5 END")))

    async def main(client: httpfast.AsyncClient) -> None:
        errors: list[Exception] = []

        async def get() -> None:
            try:
                await client.get(peer.url)
            except Exception as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(get)
            await until(peer, lambda: "HEADERS 5 END" in notes)
            await client.aclose()
        # Sent again, as on a connection that was lost, they find that there is no client any more.
        assert [type(error) for error in errors] == [httpfast.ConnectError] * 3

    with ScriptedPeer(script) as peer:
        run(main)


@pytest.mark.parametrize("goodbye", [b"", LAST_WORDS], ids=["FIN", "GOAWAY"])
def test_post_after_the_server_left_an_idle_connection_takes_a_new_one(
    opening: tuple[Step, ...], goodbye: bytes
) -> None:
    left = threading.Event()
    first = (*opening, Frames([], after("HEADERS 1 END"), echo_path), Say(goodbye), Close(), Signal(left))
    second = (*opening, Frames([], after("DATA 1 END"), lambda note, _: answer(1) if note == "DATA 1 END" else b""))

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)
        await client.get(url)
        await trio.to_thread.run_sync(left.wait)

        response = await client.post(url, content=b"not twice")

        assert response.status_code == 200

    with ScriptedPeer(first, second) as peer:
        run(main)
    assert peer.connections == 2


def test_dial_cancelled_is_taken_over_by_a_request_that_rode_on_it() -> None:
    context = alpn_context()
    goes_on = threading.Event()
    first = (WaitFor(goes_on),)
    second = (StartTLS(context), Greet(), Frames([], lambda notes: len(notes) == 5, echo_path))

    async def main(client: httpfast.AsyncClient) -> None:
        url = f"https://localhost:{peer.port}"
        bodies: set[bytes] = set()

        async def get() -> None:
            bodies.add((await client.get(url)).content)

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as dialler:
                    dialler.start_soon(client.get, url)
                    await until(peer, lambda: peer.connections == 1)
                    for _ in range(5):
                        nursery.start_soon(get)
                    await trio_testing.wait_all_tasks_blocked()
                    scope.cancel()
        goes_on.set()
        assert bodies == {b"stream %d" % number for number in (1, 3, 5, 7, 9)}

    with ScriptedPeer(first, second) as peer:
        run(main)
    assert peer.connections == 2


def test_server_that_answers_no_ping_is_given_up() -> None:
    finished = threading.Event()
    script = (Greet(), WaitFor(finished))

    async def main(client: httpfast.AsyncClient) -> None:
        with pytest.raises(httpfast.ReadError, match="PING"):
            await client.get(peer.url)
        finished.set()

    with ScriptedPeer(script) as peer:
        run(main, transport=httpfast.AsyncHTTPTransport(http1=False, http2=True, http2_keepalive=0.1))


def test_tasks_cancelled_at_random_leave_a_connection_that_serves(opening: tuple[Step, ...]) -> None:
    """Each is cancelled at another checkpoint; the others get their answers."""
    script = (*opening, Frames([], lambda notes: "HEADERS 999 END" in notes, echo_path))

    async def main(client: httpfast.AsyncClient) -> None:
        url = url_of(peer, opening)
        await client.get(url)

        async def get(turns: int) -> None:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(checked_get)
                    for _ in range(turns):
                        await trio.sleep(0)
                    scope.cancel()

        async def checked_get() -> None:
            assert (await client.get(url)).content.startswith(b"stream ")

        for burst in range(20):
            async with trio.open_nursery() as nursery:
                for turns in range(20):
                    nursery.start_soon(get, (turns * 7 + burst) % 23)
        pool: Any = client._transport._pool
        connection = next(iter(pool._open))
        while connection.served < 500:
            assert (await client.get(url)).content == b"stream %d" % (2 * connection.served - 1)

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1


def test_scenario_is_cancelled_at_each_of_its_checkpoints() -> None:
    """A request, an upload and a streamed body, cancelled at the k-th checkpoint: the next request is served."""
    finished = threading.Event()
    script = (Greet(), Frames([], lambda _: finished.is_set(), reply))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a" * 1000
        yield b"b" * 1000

    async def get(client: httpfast.AsyncClient) -> None:
        await client.get(peer.url)

    async def upload(client: httpfast.AsyncClient) -> None:
        await client.post(peer.url, content=pieces())

    async def stream(client: httpfast.AsyncClient) -> None:
        async with client.stream("GET", peer.url) as response, aclosing(response.aiter_raw()) as pieces:  # type: ignore[type-var]
            async for _ in pieces:
                await trio.sleep(0)

    async def main(client: httpfast.AsyncClient) -> None:
        for scenario in (get, upload, stream):
            for step in range(200):
                if await steps_taken(scenario(client), step) < step:
                    break
                assert (await client.get(peer.url)).status_code == 200
            else:
                raise AssertionError("the scenario has no end")
        # The goodbye of the client is the next that the peer reads.
        finished.set()

    with ScriptedPeer(script) as peer:
        run(main)
    assert peer.connections == 1


def reply(note: str, connection: PeerConnection) -> bytes:
    kind, stream, *rest = note.split()
    return answer(int(stream), bytes(100_000)) if rest == ["END"] and kind != "RST_STREAM" else b""


async def steps_taken(scenario: Coroutine[Any, Any, None], limit: int) -> int:
    """Run a scenario, cancelled when it waits for the `limit`-th time; how often it has waited."""
    count = 0

    class Counter(trio_abc.Instrument):  # type: ignore[misc, name-defined]
        def after_task_step(self, task: Any) -> None:
            nonlocal count
            if task is watched:
                count += 1
                if count == limit:
                    scope.cancel()

    watched = trio.lowlevel.current_task()
    counter = Counter()
    with trio.CancelScope() as scope:
        if limit == 0:
            scope.cancel()
        trio.lowlevel.add_instrument(counter)
        try:
            await scenario
        finally:
            trio.lowlevel.remove_instrument(counter)
    return count
