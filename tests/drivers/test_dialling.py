"""Making connections: addresses, Happy Eyeballs (RFC 8305), retries, socket options, TLS, and their failures."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest
import trustme

import httpfast
from bench.server import Certificates

from ..conftest import Origin
from ..peers import Close, ReadRequest, ScriptedPeer, Send, StartTLS
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = ("127.0.0.1", 1)


@pytest.fixture
def dead_address() -> Iterator[tuple[str, int]]:
    """An address that answers no SYN: its backlog is full and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.05)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            pytest.skip("this system takes connections beyond the backlog")
        yield listener.getsockname()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Callable[..., None]:
    """Makes every name resolve to the given addresses, or fail with the given error."""

    real = socket.getaddrinfo

    def answer(*addresses: tuple[Any, ...], error: Exception | None = None) -> None:
        def look_up(host: Any, port: Any, *arguments: Any, **options: Any) -> list[Any]:
            if str(host)[:1].isdigit() or ":" in str(host):
                # uvloop looks up the address itself, too, when it connects a socket.
                return real(host, port, type=socket.SOCK_STREAM)
            if error is not None:
                raise error
            return [
                (
                    socket.AF_INET6 if len(address) == 4 else socket.AF_INET,
                    socket.SOCK_STREAM,
                    socket.IPPROTO_TCP,
                    "",
                    address,
                )
                for address in addresses
            ]

        async def look_up_async(*arguments: Any, **options: Any) -> list[Any]:
            return look_up(*arguments[:2])

        if driver.name == "trio":
            monkeypatch.setattr("trio.socket.getaddrinfo", look_up_async)
        elif driver.is_async:
            # An instance of uvloop's loop takes no attributes, but its Python subclass does.
            monkeypatch.setattr(type(driver.loop), "getaddrinfo", lambda loop, *a, **k: look_up_async(*a, **k))  # type: ignore[attr-defined]
        else:
            monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return answer


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", ["refused", "dead", "refused and dead", "two dead", "other family", "no route"])
async def test_dead_address_first_does_not_keep_the_connection_from_being_made(
    driver: Driver, resolve: Callable[..., None], dead_address: tuple[str, int], kind: str
) -> None:
    if kind in ("other family", "no route") and not has_ipv6():
        pytest.skip("no IPv6")
    dead: dict[str, list[tuple[Any, ...]]] = {
        "refused": [REFUSED],
        "dead": [dead_address],
        "refused and dead": [REFUSED, dead_address],
        "two dead": [dead_address, dead_address],
        "other family": [("::1", 1, 0, 0)],
        "no route": [("2001:db8::1", 80, 0, 0)],
    }
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        resolve(*dead[kind], (peer.host, peer.port))
        client = driver.client(timeout=10)

        started = monotonic()
        response = await client.get("http://name.example/")

        assert response.text == "ok"
        assert monotonic() - started < 3
        assert peer.connections == 1
    await client.rest()


async def test_all_addresses_refused_is_a_connect_error(driver: Driver, resolve: Callable[..., None]) -> None:
    resolve(REFUSED, REFUSED, REFUSED)
    client = driver.client()

    with pytest.raises(httpfast.ConnectError) as caught:
        await client.get("http://name.example/")

    assert caught.value.request.url == "http://name.example/"
    assert client.counts == (0, 0)


async def test_all_addresses_dead_is_a_connect_timeout(
    driver: Driver, resolve: Callable[..., None], dead_address: tuple[str, int]
) -> None:
    resolve(*[dead_address] * 50)
    client = driver.client(timeout=0.5)

    started = monotonic()
    with pytest.raises(httpfast.ConnectTimeout):
        await client.get("http://name.example/")

    assert monotonic() - started < 3
    await client.rest()


async def test_last_of_fifty_addresses_is_found_and_the_others_are_closed(
    driver: Driver, resolve: Callable[..., None]
) -> None:
    """[POOL-10] The driver's fixture counts the sockets."""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        resolve(*[REFUSED] * 49, (peer.host, peer.port))
        client = driver.client(timeout=10)

        assert (await client.get("http://name.example/")).text == "ok"

        assert peer.connections == 1
    await client.rest()


async def test_nothing_grows_with_the_names_that_were_looked_up(driver: Driver, resolve: Callable[..., None]) -> None:
    """[POOL-10] Names are not kept; of URLs so many, and no more."""
    resolve(error=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    client = driver.client()

    for number in range(1_200):
        with pytest.raises(httpfast.ConnectError):
            await client.get(f"http://name{number}.example/")
    await client.rest()

    assert client.counts == (0, 0)
    assert client.state.waiting == 0
    assert len(client.client._parts_of) <= 1_024


async def test_unknown_name_is_a_connect_error(driver: Driver, resolve: Callable[..., None]) -> None:
    resolve(error=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    client = driver.client()

    with pytest.raises(httpfast.ConnectError, match="not known"):
        await client.get("http://name.example/")

    assert client.counts == (0, 0)


async def test_refused_address_is_a_connect_error(driver: Driver) -> None:
    client = driver.client()

    with pytest.raises(httpfast.ConnectError):
        await client.get("http://127.0.0.1:1/")

    assert client.counts == (0, 0)


async def test_retries_dial_again(
    driver: Driver, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpfast._transports.connector.BACKOFF", 0.01)
    attempts: list[int] = []
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        resolve((peer.host, peer.port))
        transport = driver.transport(retries=3)
        client = driver.client(transport=transport)
        fail_first_sockets(monkeypatch, attempts, failures=3)

        assert (await client.get("http://name.example/")).text == "ok"
        assert len(attempts) == 4
    await client.rest()


async def test_retries_come_to_an_end(
    driver: Driver, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpfast._transports.connector.BACKOFF", 0.01)
    attempts: list[int] = []
    resolve(REFUSED)
    client = driver.client(transport=driver.transport(retries=2))
    fail_first_sockets(monkeypatch, attempts, failures=99)

    with pytest.raises(httpfast.ConnectError, match="no more sockets"):
        await client.get("http://name.example/")

    assert len(attempts) == 3
    assert client.counts == (0, 0)


def fail_first_sockets(monkeypatch: pytest.MonkeyPatch, attempts: list[int], failures: int) -> None:
    """Let the first sockets that dials make fail."""
    from httpfast._transports import pull, push
    from httpfast._transports.connector import open_socket

    modules = [pull, push]
    if "trio" in sys.modules:
        from httpfast._transports import pull_trio

        modules.append(pull_trio)

    def open_or_fail(*arguments: Any) -> socket.socket:
        attempts.append(len(attempts))
        if len(attempts) <= failures:
            raise OSError("no more sockets")
        return open_socket(*arguments)

    for module in modules:
        monkeypatch.setattr(module, "open_socket", open_or_fail)


async def test_local_address_is_where_connections_come_from(driver: Driver, embedded: Origin) -> None:
    client = driver.client(transport=driver.transport(verify=embedded.verify, local_address="127.0.0.1"))

    async with client.stream("GET", f"{embedded.url}/bytes/1000000") as response:
        address = response.extensions["network_stream"].get_extra_info("client_addr")

    assert address[0] == "127.0.0.1"


async def test_local_address_that_is_not_ours_is_a_connect_error(driver: Driver, embedded: Origin) -> None:
    client = driver.client(transport=driver.transport(verify=embedded.verify, local_address="192.0.2.1"))

    with pytest.raises(httpfast.ConnectError):
        await client.get(embedded.url)

    assert client.counts == (0, 0)


async def test_socket_options_are_set(driver: Driver, embedded: Origin) -> None:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    client = driver.client(transport=driver.transport(verify=embedded.verify, socket_options=options))

    async with client.stream("GET", f"{embedded.url}/bytes/1000000") as response:
        sock = response.extensions["network_stream"].get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_missing_unix_socket_is_a_connect_error(driver: Driver) -> None:
    client = driver.client(transport=driver.transport(uds="/nonexistent/socket"))

    with pytest.raises(httpfast.ConnectError):
        await client.get("http://any.example/")

    assert client.counts == (0, 0)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_certificate_is_checked_against_the_host(
    driver: Driver, embedded_server: Any, ca: Certificates, name: str
) -> None:
    if name == "[::1]" and not embedded_server.has_ipv6:
        pytest.skip("no IPv6")
    client = driver.client(verify=ca.client_context())

    response = await client.get(f"https://{name}:{embedded_server.tls_port}/json")

    assert response.status_code == 200


def other_context(kind: str) -> ssl.SSLContext:
    """A server's context with a certificate that the run's clients must refuse."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


async def test_unknown_authority_is_a_connect_error(driver: Driver, ca: Certificates) -> None:
    with ScriptedPeer([StartTLS(other_context("authority"), may_fail=True)]) as peer:
        client = driver.client(verify=ca.client_context())

        with pytest.raises(httpfast.ConnectError, match=r"(?i)certificate verify failed"):
            await client.get(f"https://localhost:{peer.port}")

        await client.rest()
        assert client.counts == (0, 0)


async def test_wrong_name_is_a_connect_error(driver: Driver, embedded_server: Any, ca: Certificates) -> None:
    client = driver.client(verify=ca.client_context())

    with pytest.raises(httpfast.ConnectError, match=r"(?i)hostname mismatch"):
        await client.get(f"{embedded_server.tls_url}/json", extensions={"sni_hostname": "other.example"})

    await client.rest()
    assert client.counts == (0, 0)


async def test_verify_false_checks_nothing(driver: Driver) -> None:
    context = other_context("authority")
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=context) as peer:
        client = driver.client(verify=False)

        assert (await client.get(f"https://127.0.0.1:{peer.port}")).text == "ok"
        await client.close()


@pytest.mark.parametrize(
    "steps",
    [[Close()], [Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")], [Send(b"\x15\x03\x03\x00\x02\x02\x28"), Close()]],
    ids=["close", "text", "alert"],
)
async def test_no_tls_on_the_other_side_is_a_connect_error(driver: Driver, steps: list[Any]) -> None:
    with ScriptedPeer(steps) as peer:
        client = driver.client(timeout=5)

        with pytest.raises(httpfast.ConnectError):
            await client.get(f"https://127.0.0.1:{peer.port}")

        await client.rest()
        assert client.counts == (0, 0)


@pytest.mark.parametrize(
    ("url", "message"),
    [("ftp://a.example/", "unsupported protocol 'ftp://'"), ("/path", "missing an 'http://'")],
)
async def test_url_that_cannot_be_dialled_is_unsupported(driver: Driver, url: str, message: str) -> None:
    client = driver.client()

    with pytest.raises(httpfast.UnsupportedProtocol, match=message):
        await client.get(url)

    assert client.counts == (0, 0)


async def test_hundred_failing_handshakes_leave_nothing(driver: Driver, ca: Certificates) -> None:
    with ScriptedPeer([StartTLS(other_context("authority"), may_fail=True)], repeats_last=True) as peer:
        client = driver.client(verify=ca.client_context())

        for _ in range(100):
            with pytest.raises(httpfast.ConnectError):
                await client.get(f"https://localhost:{peer.port}")
        await client.rest()

        assert client.counts == (0, 0)
