"""The servers that other tests rely on: framing as judged by h11, one test a behaviour. No httpfast in here."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest

from bench.server import EmbeddedServer, content

from . import servers
from .nginx import FILES, ZEROES, Nginx
from .peers import (
    Call,
    Close,
    CloseNotify,
    Expect,
    HalfClose,
    ReadHead,
    ReadRequest,
    Reset,
    ScriptedPeer,
    ScriptError,
    Send,
    Signal,
    Stall,
    StartTLS,
    Step,
    WaitFor,
    WaitForClose,
)
from .servers import TIMEOUT, Client, dial

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


LISTENERS = ("plain", "tls", "uds") if os.name == "posix" else ("plain", "tls")


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(certificates=servers.certificates(), loop=request.param) as running:
        yield running


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[Client]:
    with dial(server) as connected:
        yield connected


# target, status, body (None: not looked at here), framing
PLAIN_ROUTES: list[tuple[str, int, bytes | None, str]] = [
    ("/", 200, None, "length"),
    ("/bytes/0", 200, b"", "length"),
    ("/bytes/1024", 200, content(1024), "length"),
    ("/bytes/300000", 200, content(300_000), "length"),
    ("/bytes/20000000", 200, content(20_000_000), "length"),
    ("/chunked/0", 200, b"", "chunked"),
    ("/chunked/5000?size=7", 200, content(5000), "chunked"),
    ("/chunked/2000000?size=65536", 200, content(2_000_000), "chunked"),
    ("/close/300000", 200, content(300_000), "close"),
    ("/connection-close/300000", 200, content(300_000), "length"),
    ("/status/200", 200, b"status 200\n", "length"),
    ("/status/204", 204, b"", "none"),
    ("/status/205", 205, b"", "length"),
    ("/status/304", 304, b"", "none"),
    ("/status/599", 599, b"status 599\n", "length"),
    ("/redirect/0", 200, b"arrived\n", "length"),
    ("/redirect/2", 302, None, "length"),
    ("/redirect-to?url=/x", 302, None, "length"),
    ("/echo", 200, None, "length"),
    ("/echo-body", 200, b"", "length"),
    ("/drain", 200, b"0", "length"),
    ("/head", 200, content(1000), "length"),
    ("/delay/0", 200, b"late\n", "length"),
    ("/drip/20?interval=0", 200, content(20), "length"),
    ("/gzip", 200, None, "length"),
    ("/deflate", 200, None, "length"),
    ("/br", 200, None, "length"),
    ("/zstd", 200, None, "length"),
    ("/cookies/set?a=1", 200, None, "length"),
    ("/cookies", 200, None, "length"),
    ("/trailers", 200, content(64), "chunked"),
    ("/early-hints", 200, b"final\n", "length"),
    ("/informational/3", 200, b"final\n", "length"),
    ("/http10", 200, b"an HTTP/1.0 answer\n", "length"),
    ("/http10-keepalive", 200, b"an HTTP/1.0 answer\n", "length"),
    ("/upgrade", 426, None, "length"),
    ("/early-413", 413, b"too large\n", "length"),
    ("/continue", 200, None, "length"),
    ("/refuse-continue", 417, b"no\n", "length"),
    ("/connections", 200, None, "length"),
    ("/idle-close/60000", 200, None, "length"),
    ("/json", 200, None, "length"),
    ("/sse", 200, None, "chunked"),
    ("/nothing-here", 404, None, "length"),
]

CLOSING = ("/close/", "/connection-close/", "/http10", "/early-413")


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(("target", "status", "body", "framing"), PLAIN_ROUTES, ids=[row[0] for row in PLAIN_ROUTES])
def test_route_answers_in_its_framing_and_keeps_the_connection_as_it_says(
    server: EmbeddedServer, listener: str, target: str, status: int, body: bytes | None, framing: str
) -> None:
    closes = target.startswith(CLOSING) and target != "/http10-keepalive"
    with dial(server, listener) as client:
        reply = client.get(target)
        has_length, has_coding = "content-length" in reply.headers, "transfer-encoding" in reply.headers

        assert reply.status == status
        assert body is None or reply.body == body
        assert (has_length, has_coding) == (framing == "length", framing == "chunked")
        assert reply.headers["x-connection"].isdigit()
        if closes:
            assert client.read_to_end() == b""
        # h11 never uses a connection again after a response of HTTP/1.0, whatever that says.
        elif target != "/http10-keepalive":
            assert client.get("/status/200").headers["x-connection"] == reply.headers["x-connection"]


@pytest.mark.parametrize(("target", "status", "body", "framing"), PLAIN_ROUTES, ids=[row[0] for row in PLAIN_ROUTES])
def test_head_gives_the_same_head_and_no_body(
    client: Client, target: str, status: int, body: bytes | None, framing: str
) -> None:
    closes = target.startswith("/http10") or target.startswith(CLOSING)
    reply = client.request("HEAD", target, {"x-token": "t"})

    assert (reply.status, reply.body, reply.headers["x-token"]) == (status, b"", "t")
    assert ("content-length" in reply.headers) == (framing == "length")
    assert body is None or framing != "length" or reply.headers["content-length"] == str(len(body))
    if not closes:
        assert client.get("/bytes/3").body == content(3)


def test_every_listener_is_reached_by_localhost_too(server: EmbeddedServer) -> None:
    with Client(socket.create_connection(("localhost", server.port))) as client:
        assert client.get("/bytes/3").body == content(3)
    if server.has_ipv6:
        with Client(socket.create_connection(("::1", server.port))) as client:
            assert client.get("/bytes/3").body == content(3)


def test_echo_reports_the_request_as_it_came(client: Client) -> None:
    headers = {"Transfer-Encoding": "chunked", "X-Twice": "a, b", "x-token": "7f"}
    reply = client.request("PATCH", "/echo?q=%20", headers, b"abc" * 1000, {"x-sum": "1"})
    report = reply.json()

    assert (report["method"], report["target"], report["length"]) == ("PATCH", "/echo?q=%20", 3000)
    assert report["sha256"] == hashlib.sha256(b"abc" * 1000).hexdigest()
    assert report["trailers"] == [["x-sum", "1"]]
    assert ["X-Twice", "a, b"] in report["headers"]
    assert reply.headers["x-token"] == "7f"


@pytest.mark.parametrize("coding", [{}, {"Transfer-Encoding": "chunked"}], ids=["length", "chunked"])
def test_echo_body_gives_the_body_back_in_its_framing(client: Client, coding: dict[str, str]) -> None:
    reply = client.request("PUT", "/echo-body", coding, content(100_000))

    assert reply.body == content(100_000)
    assert ("transfer-encoding" in reply.headers) == bool(coding)


@pytest.mark.parametrize("target", ["/bytes/5", "/status/204", "/json", "/chunked/5"])
def test_a_body_that_the_route_ignores_is_dropped(client: Client, target: str) -> None:
    client.request("POST", target, body=content(100_000))

    assert client.get("/bytes/3").body == content(3)


def peak_memory(pid: int) -> int:
    """Octets of the process's largest resident size so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_body_of_100_mb_streams_in_flat_memory(server: EmbeddedServer, listener: str, is_chunked: bool) -> None:
    piece, count = content(1_000_000), 100
    framing = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": "100000000"}
    with dial(server, listener) as client:
        client.request("POST", "/drain", framing | {"Content-Length": "1000000"} if not is_chunked else framing, piece)
        before = peak_memory(server.pid)
        client.send_head("POST", "/drain", framing)
        for _ in range(count):
            client.send(h11.Data(data=piece))
        client.send(h11.EndOfMessage())

        assert client.reply().body == b"100000000"
        assert peak_memory(server.pid) - before < 16 * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("listener", LISTENERS)
def test_a_client_that_does_not_read_is_not_read_from(server: EmbeddedServer, listener: str) -> None:
    with dial(server, listener) as client:
        before = peak_memory(server.pid)
        client.send_head("POST", "/echo-body", {"Content-Length": "100000000"})
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.push(content(1_000_000), 100)

        assert client.pushed < 50_000_000
        assert peak_memory(server.pid) - before < 16 * 1024 * 1024


@pytest.mark.parametrize("target", ["/redirect/2", "/redirect-to?url=/redirect/1&status=308"])
def test_redirects_give_a_relative_location(client: Client, target: str) -> None:
    reply = client.get(target)

    assert reply.status == (308 if "308" in target else 302)
    assert reply.headers["location"] == "/redirect/1"


def test_codings_decode_to_the_same_document(client: Client) -> None:
    brotli, zstandard = pytest.importorskip("brotli"), pytest.importorskip("zstandard")
    plain = client.get("/json").body
    decoders = {
        "/gzip": lambda data: zlib.decompress(data, 31),
        "/deflate": zlib.decompress,
        "/deflate?raw=1": lambda data: zlib.decompress(data, -15),
        "/br": brotli.decompress,
        "/zstd": zstandard.decompress,
    }

    for target, decode in decoders.items():
        reply = client.get(target)
        assert reply.headers["content-encoding"] == target[1:].partition("?")[0]
        assert decode(reply.body) == plain


def test_cookies_are_set_and_shown(client: Client) -> None:
    assert client.get("/cookies/set?a=1%3B%20Path%3D/").headers["set-cookie"] == "a=1; Path=/"
    assert client.get("/cookies", {"Cookie": "a=1; b=x=y"}).json() == {"cookies": {"a": "1", "b": "x=y"}}


def test_trailers_follow_the_chunks(client: Client) -> None:
    reply = client.get("/trailers")

    assert reply.trailers == {"x-checksum": hashlib.sha256(content(64)).hexdigest(), "x-note": "the end"}


@pytest.mark.parametrize(("target", "seen"), [("/early-hints", [103]), ("/informational/5", [103] * 5)])
def test_informational_responses_come_first(client: Client, target: str, seen: list[int]) -> None:
    assert client.get(target).informational == seen


@pytest.mark.parametrize(("target", "connection"), [("/http10", "close"), ("/http10-keepalive", "keep-alive")])
def test_http10_answers_say_what_becomes_of_the_connection(client: Client, target: str, connection: str) -> None:
    reply = client.get(target)

    assert (reply.version, reply.headers["connection"]) == (b"1.0", connection)


def test_an_http10_keepalive_connection_serves_a_second_request(client: Client) -> None:
    client.sock.sendall(b"GET /http10-keepalive HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
    client.sock.sendall(b"GET /http10 HTTP/1.1\r\nHost: h\r\n\r\n")

    assert client.read_to_end().count(b"HTTP/1.0 200 OK\r\n") == 3


def test_an_http10_client_gets_no_chunks(client: Client) -> None:
    client.sock.sendall(b"GET /chunked/10 HTTP/1.0\r\n\r\n")
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")

    assert b"chunked" not in head
    assert body == content(10)


def test_sse_is_a_stream_of_events(client: Client) -> None:
    reply = client.get("/sse?count=2")

    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.body == b'id: 0\nevent: tick\ndata: {"n": 0}\n\nid: 1\nevent: tick\ndata: {"n": 1}\n\n'


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("is_connect", [False, True], ids=["upgrade", "connect"])
def test_a_tunnel_gives_raw_octets_back(server: EmbeddedServer, listener: str, is_connect: bool) -> None:
    asked = b"CONNECT h:443 HTTP/1.1\r\n" if is_connect else b"GET /upgrade HTTP/1.1\r\n"
    fields = b"Host: h\r\n" if is_connect else b"Host: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n"
    with dial(server, listener) as client:
        client.sock.sendall(asked + fields + b"\r\nearly ")
        expected = b"\r\n\r\nearly "
        seen = b""
        while not seen.endswith(expected):
            seen += client.sock.recv(4096)
        client.sock.sendall(b"later")

        assert seen.startswith(b"HTTP/1.1 200 " if is_connect else b"HTTP/1.1 101 ")
        assert client.sock.recv(4096) == b"later"


def test_continue_is_sent_once_before_the_body_is_read(client: Client) -> None:
    client.send_head("POST", "/continue", {"Expect": "100-continue", "Content-Length": "3"})
    assert client.event().status_code == 100
    client.send(h11.Data(data=b"abc"), h11.EndOfMessage())
    reply = client.reply()

    assert reply.json() == {"expected": True, "length": 3}
    assert reply.informational == []


@pytest.mark.parametrize("target", ["/refuse-continue", "/bytes/5"])
def test_a_final_answer_instead_of_continue_closes(client: Client, target: str) -> None:
    client.send_head("POST", target, {"Expect": "100-continue", "Content-Length": "3"})
    reply = client.reply()

    assert (reply.status, reply.headers["connection"]) == (417 if "refuse" in target else 200, "close")
    assert client.read_to_end() == b""


def test_refuse_continue_with_keep_still_takes_the_body(client: Client) -> None:
    client.send_head("POST", "/refuse-continue?keep=1", {"Expect": "100-continue", "Content-Length": "3"})
    refusal = client.reply()
    client.send(h11.Data(data=b"abc"), h11.EndOfMessage())
    client.h11.start_next_cycle()

    assert refusal.status == 417
    assert client.get("/bytes/3").body == content(3)


@pytest.mark.parametrize("query", ["", "?linger=1"])
def test_early_413_comes_before_the_body_is_read(client: Client, query: str) -> None:
    client.send_head("POST", f"/early-413{query}", {"Content-Length": "100000000"})
    reply = client.reply()

    assert (reply.status, reply.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("listener", LISTENERS)
def test_early_413_with_linger_takes_the_whole_body_and_closes(server: EmbeddedServer, listener: str) -> None:
    with dial(server, listener) as client:
        client.send_head("POST", "/early-413?linger=1", {"Content-Length": "20000000"})
        client.push(content(1_000_000), 20)

        assert client.reply().status == 413
        assert client.read_to_end() == b""


def test_early_413_without_linger_breaks_the_upload(client: Client) -> None:
    client.send_head("POST", "/early-413", {"Content-Length": "100000000"})

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        client.push(content(1_000_000), 100)


def test_connections_counts_what_happened(server: EmbeddedServer) -> None:
    with dial(server) as one, dial(server) as two:
        first = one.get("/bytes/1").headers["x-connection"]
        second = two.get("/connections")
        counts = second.json()

        assert counts["served"][first] == 1
        assert counts["served"][second.headers["x-connection"]] == 1
        assert counts["open"] >= 2
        assert counts["accepted"] >= int(second.headers["x-connection"])
        assert two.get("/connections").json()["served"][second.headers["x-connection"]] == 2


def test_drop_closes_without_an_answer(client: Client) -> None:
    client.send_head("GET", "/drop")

    assert client.read_to_end() == b""


def test_drop_with_reset_resets(client: Client) -> None:
    client.send_head("GET", "/drop?reset=1")

    with pytest.raises(ConnectionResetError):
        client.read_to_end()


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_drop_after_sends_less_than_it_promised(client: Client, size: int) -> None:
    client.send_head("GET", f"/drop-after/{size}")
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")

    assert b"Content-Length: %d\r\n" % (size + 16) in head
    assert body == content(size)


def test_idle_close_answers_and_then_closes(client: Client) -> None:
    assert client.get("/idle-close/1").json() == {"closes_after_ms": 1}
    assert client.read_to_end() == b""


def test_a_request_stops_the_idle_timer(client: Client) -> None:
    client.sock.sendall(b"GET /idle-close/1 HTTP/1.1\r\nHost: h\r\n\r\nGET /delay/0.05 HTTP/1.1\r\nHost: h\r\n\r\n")
    client.sock.shutdown(socket.SHUT_WR)

    assert client.read_to_end().endswith(b"late\n")


@pytest.mark.parametrize(("target", "start"), [("/stall-head", b""), ("/stall-body", b"HTTP/1.1 200 OK\r\n")])
def test_a_stall_lasts_until_the_client_closes(client: Client, target: str, start: bytes) -> None:
    client.send_head("GET", target)
    client.sock.settimeout(0.2)
    seen = client.sock.recv(4096) if start else b""
    with pytest.raises(TimeoutError):
        client.sock.recv(4096)
    client.sock.settimeout(TIMEOUT)
    client.sock.shutdown(socket.SHUT_WR)

    assert seen.startswith(start)
    assert seen.endswith(b"\r\n\r\n" if start else b"")
    assert client.read_to_end() == b""


@pytest.mark.parametrize("listener", LISTENERS)
def test_pipelined_requests_are_answered_in_order(server: EmbeddedServer, listener: str) -> None:
    body = b"POST /drain HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b"
    get = b"GET /bytes/%d HTTP/1.1\r\nHost: h\r\n\r\n"
    script = b"".join(body % (n, b"x" * n) + get % n for n in range(100))
    with dial(server, listener) as client:
        client.sock.sendall(script + b"GET /close/0 HTTP/1.1\r\nHost: h\r\n\r\n")
        seen = client.read_to_end()

    position = 0
    for n in range(100):
        for expected in (str(n).encode(), content(n)):
            position = seen.index(b"\r\n\r\n", position) + 4
            assert seen[position : position + len(expected)] == expected
            position += len(expected)


def test_a_request_may_come_octet_by_octet(client: Client) -> None:
    request = b"POST /drain HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nx: y\r\n\r\n"
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in request:
        client.sock.sendall(bytes([octet]))

    client.send_head("GET", "/bytes/1")
    client.send(h11.EndOfMessage())
    assert client.reply().body == b"3"


def test_a_client_that_half_closes_still_gets_its_answer(client: Client) -> None:
    client.sock.sendall(b"GET /delay/0.05 HTTP/1.1\r\nHost: h\r\n\r\n")
    client.sock.shutdown(socket.SHUT_WR)

    assert client.read_to_end().endswith(b"late\n")


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        (b"GET http://other.example/echo?a=b HTTP/1.1", "http://other.example/echo?a=b"),
        (b"GET /echo HTTP/1.1", "/echo"),
    ],
)
def test_a_target_in_absolute_form_is_served_like_its_path(client: Client, request_line: bytes, target: str) -> None:
    client.sock.sendall(request_line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert json.loads(client.read_to_end().partition(b"\r\n\r\n")[2])["target"] == target


MALFORMED = [
    (b"GET /\r\nHost: h\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\n folded: 1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\nb\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST /drain HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    (b"POST /drain HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    (b"GET /bytes/many HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET /status/100 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET /redirect-to?url=a%0d%0ab HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n", 431),
]


@pytest.mark.parametrize(("octets", "status"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_request_is_refused_and_the_connection_closed(client: Client, octets: bytes, status: int) -> None:
    client.sock.sendall(octets)
    seen = client.read_to_end()

    assert seen.startswith(b"HTTP/1.1 %d " % status)
    assert seen.count(b"HTTP/1.1 4") + seen.count(b"HTTP/1.1 5") == 1
    assert b"\r\nConnection: close\r\n" in seen


def test_the_server_exits_when_its_stdin_closes() -> None:
    command = [sys.executable, "-m", "bench.server", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        _, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 0
    assert ready["tls_port"] is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ready["port"]))


def test_an_embedded_server_makes_its_own_ca() -> None:
    with EmbeddedServer(uds=False) as server:
        sock = socket.create_connection(("127.0.0.1", server.tls_port or 0))
        with Client(server.ssl_context().wrap_socket(sock, server_hostname="localhost")) as client:
            assert client.get("/bytes/3").body == content(3)

    assert not Path(server.ca_file).exists()


needs_nginx = pytest.mark.skipif(not Nginx.available(), reason="nginx is not installed")


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    with Nginx() as running:
        yield running


@needs_nginx
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("place", ["static", "chunked"])
def test_nginx_serves_its_files(nginx: Nginx, listener: str, place: str) -> None:
    with dial(nginx, listener) as client:
        for name, size in FILES.items():
            reply = client.get(f"/{place}/{name}")
            assert reply.body == content(size)
            assert ("transfer-encoding" in reply.headers) == (place == "chunked")
        assert client.request("HEAD", f"/static/{ZEROES[0]}").headers["content-length"] == str(ZEROES[1])


@needs_nginx
def test_nginx_answers_its_small_locations(nginx: Nginx) -> None:
    with dial(nginx) as client:
        text = client.get("/static/text.txt").body
        packed = client.get("/gzip/text.txt", {"Accept-Encoding": "gzip", "x-token": "5"})

        assert (packed.headers["content-encoding"], packed.headers["transfer-encoding"]) == ("gzip", "chunked")
        assert packed.headers["x-token"] == "5"
        assert zlib.decompress(packed.body, 31) == text
        assert client.get("/empty").status == 204
        assert client.get("/hello").body == b"hello\n"
        assert client.get("/connection").body == f"{packed.headers['x-connection']} 5".encode()


@needs_nginx
@pytest.mark.parametrize("coding", [{}, {"Transfer-Encoding": "chunked"}], ids=["length", "chunked"])
def test_nginx_reads_a_whole_upload_before_it_answers(nginx: Nginx, coding: dict[str, str]) -> None:
    with dial(nginx) as client:
        assert client.request("PUT", "/upload", coding, content(5_000_000)).body == b"5000000"
        assert client.request("POST", "/discard", coding, content(10_000)).status == 200
        assert client.get("/hello").body == b"hello\n"


@needs_nginx
def test_nginx_closes_after_the_configured_number_of_requests() -> None:
    with Nginx(keepalive_requests=2) as nginx, dial(nginx) as client:
        client.get("/hello")

        assert client.get("/hello").headers["connection"] == "close"
        assert client.read_to_end() == b""


@needs_nginx
@pytest.mark.parametrize("graceful", [False, True])
def test_nginx_keeps_its_ports_over_a_restart_and_frees_them_when_stopped(graceful: bool) -> None:
    with Nginx() as nginx:
        with dial(nginx) as client:
            client.get("/hello")
            pid = nginx.pid
            nginx.restart(graceful=graceful)
            assert client.read_to_end() == b""
        with dial(nginx, "tls") as client:
            assert client.get("/hello").body == b"hello\n"
        assert nginx.pid != pid
        assert nginx.error_log() == ""

    with pytest.raises(ConnectionRefusedError):
        dial(nginx)


@needs_nginx
def test_nginx_offers_http2_if_asked() -> None:
    context = servers.certificates().client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        Nginx(http2=True) as nginx,
        socket.create_connection(("127.0.0.1", nginx.tls_port)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as session,
    ):
        assert session.selected_alpn_protocol() == "h2"


def call(peer: ScriptedPeer) -> Client:
    """A plain client of `peer`."""
    return Client(socket.create_connection((peer.host, peer.port)))


def test_a_peer_records_requests_by_their_framing() -> None:
    requests = [
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nx: y\r\n\r\n",
        GET,
    ]
    with ScriptedPeer([ReadRequest(), Send(OK)] * 3) as peer, call(peer) as client:
        client.sock.sendall(b"".join(requests))
        assert [client.read(len(OK)) for _ in requests] == [OK] * 3

        assert peer.requests == [requests]
        assert peer.received == [b"".join(requests)]
        assert peer.connections == 1


def test_a_peer_invites_a_body_that_waits_for_continue() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    invitation = b"HTTP/1.1 100 Continue\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer, call(peer) as client:
        client.sock.sendall(head)
        assert client.read(len(invitation)) == invitation
        client.sock.sendall(b"abc")

        assert client.read(len(OK)) == OK
        assert peer.requests == [[head + b"abc"]]


@pytest.mark.parametrize("chunk", [None, 1, 7])
def test_a_peer_sends_whole_or_in_pieces_and_closes(chunk: int | None) -> None:
    with ScriptedPeer([Expect(b"hi"), Send(OK, chunk), Close()]) as peer, call(peer) as client:
        client.sock.sendall(b"hi")

        assert client.read_to_end() == OK


def test_a_peer_resets() -> None:
    with ScriptedPeer([ReadHead(), Reset()]) as peer, call(peer) as client:
        client.sock.sendall(GET)

        with pytest.raises(ConnectionResetError):
            client.read_to_end()


def test_a_peer_half_closes_and_goes_on_reading() -> None:
    with ScriptedPeer([HalfClose(), Expect(b"later"), WaitForClose()]) as peer, call(peer) as client:
        assert client.read_to_end() == b""
        client.sock.sendall(b"later")


def test_a_peer_serves_connections_by_their_own_scripts_and_repeats_the_last() -> None:
    with ScriptedPeer([Send(b"1"), Close()], [Send(b"2"), Close()], repeats_last=True) as peer:
        seen = []
        for _ in range(3):
            with call(peer) as client:
                seen.append(client.read_to_end())

        assert seen == [b"1", b"2", b"2"]
        assert peer.connections == 3
        assert peer.received == [b"", b"", b""]


def test_a_peer_records_what_comes_after_its_script() -> None:
    with ScriptedPeer([ReadRequest()]) as peer, call(peer) as client:
        client.sock.sendall(GET + b"more")
        peer.wait_until(lambda: peer.received == [GET + b"more"])

        assert peer.requests == [[GET]]


def test_a_peer_and_its_test_wait_for_each_other() -> None:
    arrived, go_on = threading.Event(), threading.Event()
    seen: list[int] = []
    steps = [ReadHead(), Signal(arrived), WaitFor(go_on), Call(lambda c: seen.append(c.index)), Send(OK), Close()]
    with ScriptedPeer(steps) as peer, call(peer) as client:
        client.sock.sendall(GET)
        assert arrived.wait(TIMEOUT)
        go_on.set()

        assert client.read_to_end() == OK
        assert seen == [0]


@pytest.mark.parametrize("notifies", [False, True], ids=["truncation", "close_notify"])
def test_a_tls_peer_closes_with_or_without_close_notify(notifies: bool) -> None:
    ending: list[Step] = [CloseNotify(), Close()] if notifies else [Close()]
    with ScriptedPeer([ReadRequest(), Send(b"x"), *ending], tls=servers.server_context()) as peer:
        sock = socket.create_connection((peer.host, peer.port), TIMEOUT)
        context = servers.client_context()
        with context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False) as session:
            session.sendall(GET)
            assert session.recv(1) == b"x"
            if notifies:
                assert session.recv(1) == b""
            else:
                with pytest.raises(ssl.SSLEOFError):
                    session.recv(1)

        assert peer.url == f"https://localhost:{peer.port}"
        assert peer.requests == [[GET]]


def test_a_peer_starts_tls_inside_a_tunnel() -> None:
    established = b"HTTP/1.1 200 OK\r\n\r\n"
    script = [ReadRequest(), Send(established), StartTLS(servers.server_context()), ReadRequest(), Send(OK)]
    with ScriptedPeer(script) as peer, call(peer) as client:
        client.sock.sendall(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.read(len(established)) == established
        with servers.client_context().wrap_socket(client.sock, server_hostname="localhost") as session:
            session.sendall(GET)

            assert session.recv(4096) == OK


def test_a_peer_lets_a_client_refuse_its_certificate() -> None:
    script = [StartTLS(servers.server_context(), may_fail=True), Close()]
    stranger = ssl.create_default_context()
    with ScriptedPeer(script) as peer, call(peer) as client, pytest.raises(ssl.SSLCertVerificationError):
        stranger.wrap_socket(client.sock, server_hostname="localhost")


FAILING_SCRIPTS: list[tuple[str, Step, bytes, str]] = [
    ("expect", Expect(b"ab"), b"ax", "expected b'ab', saw b'ax'"),
    ("request", ReadRequest(), b"GET /", "the client closed after 5 octets"),
    ("quiet", WaitForClose(quiet=True), b"x", "where it had to close"),
    ("notify", CloseNotify(), b"", "without TLS"),
    ("call", Call(lambda connection: 1 / 0), b"", "division by zero"),
    ("event", WaitFor(threading.Event(), timeout=0.01), b"", "did not set the event in time"),
]


@pytest.mark.parametrize(("step", "sent", "message"), [row[1:] for row in FAILING_SCRIPTS], ids=lambda value: None)
def test_a_failed_script_surfaces_when_the_peer_stops(step: Step, sent: bytes, message: str) -> None:
    peer = ScriptedPeer([step]).start()
    with call(peer) as client:
        client.sock.sendall(sent)
    peer.wait_until(lambda: peer.connections == 1)

    with pytest.raises(ScriptError, match=f"connection 1, at .*{message}"):
        peer.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("scripts", "message"),
    [([[ReadRequest(timeout=0.05)]], "sent nothing more in time"), ([], "scripts for 0 connections only")],
    ids=["silent client", "no script"],
)
def test_a_peer_closes_a_connection_that_goes_wrong(scripts: list[list[Step]], message: str) -> None:
    peer = ScriptedPeer(*scripts).start()
    with call(peer) as client:
        assert client.read_to_end() == b""

    assert message in str(peer.stop()[0])


@pytest.mark.parametrize("step", [ReadRequest(timeout=60), WaitForClose(timeout=60)], ids=["request", "close"])
def test_an_unfinished_script_is_an_error_and_is_stopped_in_time(step: Step) -> None:
    peer = ScriptedPeer([step]).start()
    with call(peer):
        peer.wait_until(lambda: peer.connections == 1)
        start = time.monotonic()
        failures = peer.stop()

    assert "the peer was stopped first" in str(failures[0])
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("ending", [Stall(), Send(bytes(100_000_000), timeout=60)], ids=["stall", "unread"])
def test_a_stalled_connection_is_stopped_in_time_without_an_error(ending: Step) -> None:
    peer = ScriptedPeer([ReadRequest(), ending]).start()
    with call(peer) as client:
        client.sock.sendall(GET)
        peer.wait_until(lambda: peer.requests == [[GET]])
        start = time.monotonic()

        assert peer.stop() == []
        assert time.monotonic() - start < 5


def test_a_failing_test_gets_the_peers_errors_as_notes() -> None:
    error = KeyError()
    peer = ScriptedPeer([Expect(b"ab")]).start()
    with call(peer) as client:
        client.sock.sendall(b"ax")
        assert client.read_to_end() == b""
    peer.__exit__(KeyError, error, None)

    assert "expected b'ab', saw b'ax'" in error.__notes__[0]
