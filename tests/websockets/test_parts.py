"""Parts of a session alone: when pings are due, what is imported when, streams that are not sockets."""

from __future__ import annotations

import inspect
import pickle
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest

import httpfast

pytest.importorskip("wsproto", reason="wsproto is not installed")

import httpfast.websockets as mine
from httpfast.websockets._handshake import accept_value
from httpfast.websockets._keepalive import Keepalive

from .frames import CLOSE, TEXT, close, frame


def test_accept_value_is_that_of_the_rfc() -> None:
    """RFC 6455, 1.3."""
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_keepalive_pings_at_intervals_from_ping_to_ping() -> None:
    notified: list[int] = []
    keepalive = Keepalive(20.0, 5.0, 100.0, lambda: notified.append(1))

    assert not keepalive.step(119.9, False)
    assert keepalive.step(120.0, False)
    assert keepalive.at == 125.0
    keepalive.set()
    assert keepalive.at == 140.0
    assert notified == [1]
    assert keepalive.step(140.0, False)
    with pytest.raises(TimeoutError, match=r"5\.0 s"):
        keepalive.step(145.0, False)


def test_keepalive_is_patient_while_messages_wait_to_be_received() -> None:
    keepalive = Keepalive(20.0, 5.0, 0.0, lambda: None)
    keepalive.step(20.0, False)

    assert not keepalive.step(25.0, True)
    with pytest.raises(TimeoutError):
        keepalive.step(30.0, False)


def test_keepalive_without_a_timeout_asks_for_no_answer() -> None:
    keepalive = Keepalive(20.0, None, 0.0, lambda: None)

    assert [keepalive.step(time, False) for time in (20.0, 39.0, 40.0, 60.0)] == [True, False, True, True]


def test_keepalive_without_an_interval_is_never_due() -> None:
    assert Keepalive(None, 5.0, 0.0, lambda: None).at == float("inf")


class Pipe:
    """A network stream that is no socket: what it reads is put in, what is written is kept."""

    def __init__(self, *octets: bytes) -> None:
        self.arrived = deque(octets)
        self.written = b""
        self.is_closed = False
        self.changed = threading.Condition()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self.changed:
            self.changed.wait_for(lambda: self.arrived or self.is_closed)
            return self.arrived.popleft() if self.arrived else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self.changed:
            self.written += buffer
            if buffer[0] & 0x0F == CLOSE:
                self.arrived.append(close(1000))
                self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()


def test_session_works_over_any_stream(no_leaks: None) -> None:
    pipe = Pipe(frame(TEXT, b"hello"))

    with mine.WebSocketSession(pipe, keepalive_ping_interval_seconds=None) as ws:
        assert ws.receive_text(5) == "hello"
        ws.send_text("x")

    assert pipe.is_closed
    assert [pipe.written[0], pipe.written[7]] == [0x80 | TEXT, 0x80 | CLOSE]


class OneAtATime:
    """A network stream over a socket that is not shown, and that no two threads may use at once."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.users = 0
        self.met = False

    @contextmanager
    def using(self) -> Iterator[None]:
        self.users += 1
        self.met = self.met or self.users > 1
        try:
            yield
        finally:
            self.users -= 1

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self.using():
            self.sock.settimeout(timeout)
            try:
                return self.sock.recv(max_bytes)
            except TimeoutError:
                raise httpfast.ReadTimeout("nothing came") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self.using():
            self.sock.settimeout(timeout)
            self.sock.sendall(buffer)

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def get_extra_info(self, info: str) -> Any:
        return SimpleNamespace(fileno=self.sock.fileno) if info == "socket" else None


def test_threads_take_turns_on_a_stream_that_is_no_socket(no_leaks: None) -> None:
    near, far = socket.socketpair()
    with near, far:
        stream = OneAtATime(near)

        with mine.WebSocketSession(stream, keepalive_ping_interval_seconds=None) as ws:
            for number in range(200):
                far.sendall(frame(TEXT, b"%d" % number))
                ws.send_text("x")
                assert ws.receive_text(5) == str(number)
            far.sendall(close(1001))
            with pytest.raises(mine.WebSocketDisconnect):
                ws.receive(5)

        assert not stream.met


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(mine.WebSocketDisconnect(1001, "gone")))

    assert (error.code, error.reason, str(error)) == (1001, "gone", "1001 gone")


def test_names_are_those_of_httpx2() -> None:
    theirs: Any = pytest.importorskip("httpx2.websockets", reason="httpx2, which this compares with, is not installed")

    assert set(mine.__all__) == set(theirs.__all__)
    for name in mine.__all__:
        own, expected = getattr(mine, name), getattr(theirs, name)
        if not inspect.isclass(own):
            continue
        members = {member for member in vars(expected) if not member.startswith("_")}
        assert members <= set(dir(own)) | {"subprotocol", "response"}, name
        for member in (*members, "__init__"):
            function = getattr(expected, member, None)
            if inspect.isfunction(function):
                shape, expected_shape = (
                    [(one.name, one.kind) for one in inspect.signature(way).parameters.values()]
                    for way in (getattr(own, member), function)
                )
                assert shape[: len(expected_shape)] == expected_shape, (name, member)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout


def test_importing_the_package_loads_no_websockets() -> None:
    loaded = run("import httpfast, sys; print('wsproto' in sys.modules, 'httpfast.websockets' in sys.modules)")

    assert loaded.split() == ["False", "False"]


@pytest.mark.parametrize(
    "use", ["import httpfast.websockets", "import httpfast; httpfast.Client(verify=False).websocket('ws://a.example')"]
)
def test_missing_wsproto_names_the_extra(use: str) -> None:
    code = f"import sys; sys.modules['wsproto'] = None\ntry:\n    {use}\nexcept ImportError as error:\n    print(error)"

    assert "pip install httpfast[ws]" in run(code)


def test_client_methods_are_not_asked_for_a_stream_that_is_not_there() -> None:
    """A transport that answers 101 without a network stream opens no WebSocket."""

    def answer(request: httpfast.Request) -> httpfast.Response:
        headers = {
            "Upgrade": "WebSocket",
            "Connection": "keep-alive, upgrade",
            "Sec-WebSocket-Accept": accept_value(request.headers["Sec-WebSocket-Key"]),
        }
        assert request.url.scheme == "ws"
        return httpfast.Response(101, headers=headers)

    with (
        httpfast.Client(transport=httpfast.MockTransport(answer)) as client,
        pytest.raises(mine.WebSocketUpgradeError, match="no access"),
        client.websocket("ws://a.example/"),
    ):
        pass
