"""The `trace` extension and the debug loggers: what is told about a request, in which order, and what is kept quiet.

`SCENARIOS` holds the events of httpx 0.28.1; each is compared with httpx itself where that is installed. `DIFFERENCES`
says where httpfast's are others.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer

from ..peers import Close, ReadRequest, ScriptedPeer, Send
from ..proxies.scripts import TUNNEL, ReadConnect, proxy, url_of
from ..servers import client_context, server_context
from .facade import Caller, Driver, drive

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRETS = ("sesame", "dXNlcjpzZXNhbWU", "cookie-value")


def steps(*names: str) -> list[str]:
    """`.started` and `.complete` of each; of those that end in "!", `.failed`."""
    return [
        event
        for name in names
        for event in (f"{name.rstrip('!')}.started", f"{name.rstrip('!')}.{'failed' if '!' in name else 'complete'}")
    ]


CONNECT = steps("connection.connect_tcp")
TLS = steps("connection.connect_tcp", "connection.start_tls")
HEAD = steps("http11.send_request_headers", "http11.send_request_body", "http11.receive_response_headers")
BODY = steps("http11.receive_response_body", "http11.response_closed")
CLOSED = steps("http11.response_closed")
SOCKS = steps("socks.connect_tcp", "socks.setup_socks5_connection")

SCENARIOS: dict[str, list[str]] = {
    "plain": CONNECT + HEAD + BODY,
    "tls": TLS + HEAD + BODY,
    "unix socket": steps("connection.connect_unix_socket") + HEAD + BODY,
    "kept connection": HEAD + BODY,
    "post": CONNECT + HEAD + BODY,
    "streamed upload": CONNECT + HEAD + BODY,
    "no body": CONNECT + HEAD + BODY,
    "streamed": CONNECT + HEAD + BODY,
    "closed unread": CONNECT + HEAD + CLOSED,
    "refused": steps("connection.connect_tcp!"),
    "retried": steps(
        "connection.connect_tcp!",
        "connection.retry",
        "connection.connect_tcp!",
        "connection.retry",
        "connection.connect_tcp!",
    ),
    "bad certificate": steps("connection.connect_tcp", "connection.start_tls!"),
    "slow": CONNECT + HEAD[:-1] + ["http11.receive_response_headers.failed"] + CLOSED,
    "cut body": CONNECT + HEAD + steps("http11.receive_response_body!", "http11.response_closed"),
    "forwarded": CONNECT + HEAD + BODY,
    "forwarded over tls": TLS + HEAD + BODY,
    "tunnel": CONNECT + HEAD + steps("proxy.start_tls") + HEAD + BODY,
    "tunnel over tls": TLS + HEAD + steps("proxy.start_tls") + HEAD + BODY,
    "socks": SOCKS + HEAD + BODY,
    "socks tls": SOCKS + steps("socks.start_tls") + HEAD + BODY,
}

OF_CONNECT = steps("http11.send_request_headers", "http11.receive_response_headers")
DIFFERENCES: dict[str, tuple[list[str], str]] = {
    "tunnel": (CONNECT + OF_CONNECT + steps("proxy.start_tls") + HEAD + BODY, "CONNECT has no body to send"),
    "tunnel over tls": (TLS + OF_CONNECT + steps("proxy.start_tls") + HEAD + BODY, "CONNECT has no body to send"),
}

KEYS: dict[str, set[str]] = {
    "connection.connect_tcp": {"host", "port", "local_address", "timeout", "socket_options"},
    "connection.connect_unix_socket": {"path", "timeout", "socket_options"},
    "connection.start_tls": {"ssl_context", "server_hostname", "timeout"},
    "proxy.start_tls": {"ssl_context", "server_hostname", "timeout"},
    "socks.start_tls": {"ssl_context", "server_hostname", "timeout"},
    # httpx does not have the last two here, for it does not use them.
    "socks.connect_tcp": {"host", "port", "timeout", "local_address", "socket_options"},
    # httpx adds the stream, and the credentials.
    "socks.setup_socks5_connection": {"host", "port"},
    # httpx repeats those of connect_tcp.
    "connection.retry": set(),
    "http11.send_request_headers": {"request"},
    "http11.send_request_body": {"request"},
    "http11.receive_response_headers": {"request"},
    "http11.receive_response_body": {"request"},
    "http11.response_closed": set(),
}
"""What `.started` says; `.complete` says `return_value`, `.failed` says `exception`."""

FROM_HTTPX = {"socks.connect_tcp", "socks.setup_socks5_connection", "connection.retry"}
"""Of `KEYS`, those that are others in httpx."""

Told = list[tuple[str, dict[str, Any]]]


class Play:
    """One scenario, for httpx's blocking client or a driver of httpfast.

    Args:
        library: httpx or httpfast.
        driver: None for httpx.
    """

    def __init__(self, library: ModuleType, driver: Driver | None, server: EmbeddedServer, stack: ExitStack) -> None:
        self.library = library
        self.driver = driver
        self.server = server
        self.stack = stack
        self.told: Told = []

    @property
    def extensions(self) -> dict[str, Any]:
        """With a listener that keeps what it is told."""

        def tell(name: str, info: Any) -> None:
            self.told.append((name, dict(info)))

        async def tell_async(name: str, info: Any) -> None:
            tell(name, info)

        return {"trace": tell_async if self.driver is not None and self.driver.is_async else tell}

    def client(self, **arguments: Any) -> Any:
        """A client over a transport of its own, as a `Caller` or like one."""
        arguments.setdefault("verify", client_context())
        if self.driver is not None:
            return self.driver.client(transport=self.driver.transport(**arguments), timeout=1.0)
        client = self.library.Client(transport=self.library.HTTPTransport(**arguments), timeout=1.0)
        return HTTPXCaller(self.stack.enter_context(client))

    def proxy(self, url: str) -> Any:
        """A proxy; over TLS if its URL says so."""
        context = client_context() if url.startswith("https") else None
        return self.library.Proxy(url, ssl_context=context)

    async def run(self, name: str) -> list[str]:
        """Play it; the names of the events."""
        scenario: Callable[[], Awaitable[None]] = getattr(self, name.replace(" ", "_"))
        await scenario()
        return [event for event, _ in self.told]

    async def get(self, url: str, **arguments: Any) -> None:
        await self.client(**arguments).get(url, extensions=self.extensions)

    async def fail(self, url: str, error: str, **arguments: Any) -> None:
        with pytest.raises(getattr(self.library, error)):
            await self.client(**arguments).get(url, extensions=self.extensions)

    async def plain(self) -> None:
        await self.get(f"{self.server.url}/json")

    async def tls(self) -> None:
        await self.get(f"{self.server.tls_url}/json")

    async def unix_socket(self) -> None:
        await self.get("http://any.example/json", uds=self.server.uds)

    async def kept_connection(self) -> None:
        client = self.client()
        for extensions in ({}, self.extensions):
            await client.get(f"{self.server.url}/json", extensions=extensions)

    async def post(self) -> None:
        await self.client().post(f"{self.server.url}/echo", content=b"body", extensions=self.extensions)

    async def streamed_upload(self) -> None:
        body: Any = iter([b"bo", b"dy"]) if self.driver is None else self.driver.body([b"bo", b"dy"])
        await self.client().post(f"{self.server.url}/echo", content=body, extensions=self.extensions)

    async def no_body(self) -> None:
        await self.get(f"{self.server.url}/status/204")

    async def streamed(self) -> None:
        client = self.client()
        async with client.stream("GET", f"{self.server.url}/chunked/10000", extensions=self.extensions) as response:
            await client.read(response)

    async def closed_unread(self) -> None:
        client = self.client()
        async with client.stream("GET", f"{self.server.url}/bytes/10000000", extensions=self.extensions):
            pass
        await client.rest()

    async def refused(self) -> None:
        await self.fail("http://127.0.0.1:1/", "ConnectError")

    async def retried(self) -> None:
        await self.fail("http://127.0.0.1:1/", "ConnectError", retries=2)

    async def bad_certificate(self) -> None:
        client = self.client()
        extensions = self.extensions | {"sni_hostname": "other.example"}
        with pytest.raises(self.library.ConnectError):
            await client.get(f"{self.server.tls_url}/json", extensions=extensions)

    async def slow(self) -> None:
        client = self.client()
        with pytest.raises(self.library.ReadTimeout):
            await client.get(f"{self.server.url}/delay/9", extensions=self.extensions, timeout=0.1)

    async def cut_body(self) -> None:
        peer = self.stack.enter_context(
            ScriptedPeer([ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), Close()])
        )
        await self.fail(peer.url, "RemoteProtocolError")

    async def forwarded(self) -> None:
        await self.get(f"{self.server.url}/json", proxy=self.proxy(self.server.url))

    async def forwarded_over_tls(self) -> None:
        await self.get(f"{self.server.url}/json", proxy=self.proxy(self.server.tls_url))

    async def through(self, kind: str, url: str) -> None:
        peer = self.stack.enter_context(proxy(kind, server_context()))
        await self.get(f"{url}/json", proxy=self.proxy(url_of(kind, peer)))

    async def tunnel(self) -> None:
        await self.through("connect", self.server.tls_url)

    async def tunnel_over_tls(self) -> None:
        await self.through("https proxy", self.server.tls_url)

    async def socks(self) -> None:
        await self.through("socks", self.server.url)

    async def socks_tls(self) -> None:
        await self.through("socks", self.server.tls_url)


class HTTPXCaller(Caller):
    """httpx's blocking client with the face of a driver's."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.driver = BLOCKING

    async def rest(self) -> None:
        pass


class _Blocking:
    is_async = False


BLOCKING: Any = _Blocking()


@pytest.fixture
def play(driver: Driver, embedded_server: EmbeddedServer) -> Iterator[Play]:
    with ExitStack() as stack:
        yield Play(httpfast, driver, embedded_server, stack)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_events_are_those_of_httpx(driver: Driver, play: Play, name: str) -> None:
    expected, _ = DIFFERENCES.get(name, (SCENARIOS[name], ""))

    assert await play.run(name) == expected
    for event, info in play.told:
        step, _, kind = event.rpartition(".")
        assert set(info) == {"started": KEYS[step], "complete": {"return_value"}, "failed": {"exception"}}[kind], event
        if kind == "failed":
            assert isinstance(info["exception"], httpfast.TransportError)


@pytest.mark.parametrize("name", SCENARIOS)
def test_table_is_what_httpx_does(embedded_server: EmbeddedServer, name: str) -> None:
    httpx = pytest.importorskip("httpx", reason="httpx, which this compares with, is not installed")
    if httpx.__version__ != "0.28.1":
        pytest.skip(f"compares with httpx 0.28.1, not {httpx.__version__}")
    with ExitStack() as stack:
        play = Play(httpx, None, embedded_server, stack)

        assert drive(play.run(name)) == SCENARIOS[name]
        for event, info in play.told:
            step, _, kind = event.rpartition(".")
            if kind == "started":
                assert (set(info) == KEYS[step]) is (step not in FROM_HTTPX), event


async def test_values_are_those_of_the_request(driver: Driver, play: Play, embedded_server: EmbeddedServer) -> None:
    await play.tls()

    said = dict(play.told)
    started = said["connection.connect_tcp.started"]
    assert (started["host"], started["port"], started["timeout"]) == ("localhost", embedded_server.tls_port, 1.0)
    assert (started["local_address"], started["socket_options"]) == (None, None)
    started = said["connection.start_tls.started"]
    assert isinstance(started["ssl_context"], ssl.SSLContext)
    assert started["server_hostname"] == "localhost"
    assert isinstance(said["http11.send_request_headers.started"]["request"], httpfast.Request)
    version, status, reason, fields = said["http11.receive_response_headers.complete"]["return_value"]
    assert (version, status, reason) == (b"HTTP/1.1", 200, b"OK")
    assert b"x-connection" in {name.lower() for name, _ in fields}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_streams_that_are_told_about_know_their_addresses(
    driver: Driver, embedded_server: EmbeddedServer, scheme: str
) -> None:
    """As libraries look at them: while the request goes on."""
    seen: list[tuple[str, Any, Any, bool]] = []

    def look(name: str, info: Any) -> None:
        stream = info.get("return_value")
        if hasattr(stream, "get_extra_info"):
            has_tls = stream.get_extra_info("ssl_object") is not None
            address = stream.get_extra_info("server_addr")
            seen.append((name, address[1], stream.get_extra_info("client_addr")[0], has_tls))
            assert stream.get_extra_info("socket") is not None
            assert stream.get_extra_info("no such thing") is None

    async def look_async(name: str, info: Any) -> None:
        look(name, info)

    client = driver.client(verify=client_context())
    port = embedded_server.tls_port if scheme == "https" else embedded_server.port
    await client.get(f"{scheme}://127.0.0.1:{port}/json", extensions={"trace": look_async if driver.is_async else look})

    expected = [("connection.connect_tcp.complete", port, "127.0.0.1", False)]
    if scheme == "https":
        expected.append(("connection.start_tls.complete", port, "127.0.0.1", True))
    assert seen == expected
    await client.rest()


EVERY = [event for name in ("tls",) for event in SCENARIOS[name]]


@pytest.mark.parametrize("event", EVERY)
@pytest.mark.parametrize("way", ["direct", "connect", "https proxy", "socks"])
async def test_exception_in_the_listener_ends_the_request_and_nothing_else(
    driver: Driver, embedded_server: EmbeddedServer, event: str, way: str
) -> None:
    """At every event: what was made so far is closed, and the place in the pool is free."""

    class Oops(Exception):
        pass

    wanted = event.partition(".")[2]

    def refuse(name: str, info: Any) -> None:
        if name.partition(".")[2] == wanted:
            raise Oops(name)

    async def refuse_async(name: str, info: Any) -> None:
        refuse(name, info)

    with ExitStack() as stack:
        arguments: dict[str, Any] = {"verify": client_context(), "limits": httpfast.Limits(max_connections=1)}
        if way != "direct":
            peer = stack.enter_context(proxy(way, server_context(), is_tolerant=True))
            arguments["proxy"] = httpfast.Proxy(url_of(way, peer), ssl_context=client_context())
        client = driver.client(transport=driver.transport(**arguments))
        url = f"{embedded_server.tls_url}/json"

        with pytest.raises(Oops):
            await client.get(url, extensions={"trace": refuse_async if driver.is_async else refuse})

        await client.rest()
        assert (await client.get(url)).status_code == 200
        await client.rest()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_listener_of_the_wrong_kind_is_a_type_error(
    driver: Driver, embedded_server: EmbeddedServer, scheme: str
) -> None:
    def tell(name: str, info: Any) -> None:
        pass

    async def tell_async(name: str, info: Any) -> None:
        pass

    client = driver.client(verify=client_context())
    url = f"{embedded_server.tls_url if scheme == 'https' else embedded_server.url}/json"

    with pytest.raises(TypeError, match=r"must be a (plain|coroutine) function"):
        await client.get(url, extensions={"trace": tell if driver.is_async else tell_async})

    assert client.counts == (0, 0)
    assert (await client.get(url)).status_code == 200
    await client.rest()


async def test_debug_log_has_a_line_for_each_event(
    driver: Driver, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="httpfast")

    await play.client().get(f"{play.server.tls_url}/json")

    lines = [
        (record.name, record.getMessage().split(" ")[0])
        for record in caplog.records
        if record.levelno == logging.DEBUG and record.name.startswith("httpfast.")
    ]
    assert [f"{name.removeprefix('httpfast.')}.{event}" for name, event in lines] == SCENARIOS["tls"]


async def test_log_below_debug_has_one_line_for_a_request(
    driver: Driver, play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="httpfast")

    await play.client().get(f"{play.server.url}/json")

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("httpfast")]
    assert lines == [f'HTTP Request: GET {play.server.url}/json "HTTP/1.1 200 OK"']


async def test_secrets_are_in_no_log_line(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """Of both directions, and of the proxy: Authorization, Cookie, Set-Cookie, Proxy-Authorization."""
    caplog.set_level(logging.DEBUG)
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=cookie-value\r\nX-Seen: 1\r\nContent-Length: 2\r\n\r\nok"
    tunnel = TUNNEL[:-2] + b"Set-Cookie: a=cookie-value\r\n\r\n"
    script = [ReadConnect(), Send(tunnel), *_over_tls(answer)]
    with ScriptedPeer([ReadRequest(), Send(answer)], script) as peer:
        one = httpfast.Proxy(peer.url, auth=("user", "sesame"), headers={"X-Proxy": "1"})
        client = driver.client(transport=driver.transport(proxy=one, verify=client_context()))
        for scheme in ("http", "https"):
            await client.get(
                f"{scheme}://localhost/",
                headers={"Authorization": "Bearer sesame", "Cookie": "b=cookie-value"},
                auth=("user", "sesame") if scheme == "http" else None,
            )
        await client.rest()

    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("httpfast"))
    assert "X-Seen" in said
    assert "receive_response_headers.complete" in said
    assert not [secret for secret in SECRETS if secret in said]


def _over_tls(answer: bytes) -> list[Any]:
    from ..peers import StartTLS

    return [StartTLS(server_context()), ReadRequest(), Send(answer)]


async def test_control_characters_of_a_peer_are_escaped_in_the_log(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    """No line of the log can be made up by a peer."""
    caplog.set_level(logging.DEBUG)
    with ScriptedPeer(
        [ReadRequest(), Send(b"HTTP/1.1 200 \x1b[2Jfine\xff\r\n\r\n"), Close()], repeats_last=True
    ) as peer:
        client = driver.client()
        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(peer.url)
        await client.rest()

    for record in caplog.records:
        if record.name.startswith("httpfast"):
            assert record.getMessage().isprintable(), record.getMessage()
