"""Certificates that have to be refused, and those that have to be accepted, on every way to an origin.

[TLS-01, TLS-02] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import httpfast

from ..certificates import BAD, GOOD, HOST, HOSTS, Authority, refuses_weak_keys
from ..names import Names
from ..peers import Close, ReadRequest, ScriptedPeer, Send, StartTLS
from ..proxies.scripts import KINDS, TUNNEL, ReadConnect, Relay, proxy, url_of
from .facade import Caller, Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROUTES = ("direct", *KINDS)

REASONS = {
    "expired": "expired",
    "not yet valid": "not yet valid",
    "self-signed": "self.signed",
    "unknown authority": "self.signed|unable to get",
    "intermediate left out": "unable to get",
    "intermediate is no authority": "invalid CA|unsuitable|issuer",
    "intermediate expired": "expired",
    "authority for other names": "subtree|not permitted",
    "for clients only": "purpose",
    "unknown critical extension": "unhandled critical extension",
    "weak key": "too weak|too small|weak key|key",
    "wrong address": "IP address mismatch",
    "name like an address": "IP address mismatch",
}
"""Of refusals; those of the others are that the name does not match."""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest, authority: Authority) -> Iterator[dict[str, Any]]:
    """The arguments of a transport that goes a way. The proxy's own certificate is beyond reproach."""
    if request.param == "direct":
        yield {}
        return
    with proxy(request.param, authority.server_context("localhost")) as peer:
        yield {"proxy": httpfast.Proxy(url_of(request.param, peer), ssl_context=authority.client_context())}


def client_of(driver: Driver, verify: ssl.SSLContext | bool, **route: Any) -> Caller:
    return driver.client(transport=driver.transport(verify=verify, **route))


@pytest.mark.parametrize("kind", BAD)
async def test_bad_certificate_is_a_connect_error(
    driver: Driver, route: dict[str, Any], monkeypatch: pytest.MonkeyPatch, authority: Authority, kind: str
) -> None:
    """[TLS-01]"""
    if kind == "weak key" and not refuses_weak_keys():
        pytest.skip("OpenSSL takes keys of 1,024 bits here")
    Names(monkeypatch, driver)
    steps = [StartTLS(authority.server_context(kind), may_fail=True)]
    with ScriptedPeer(steps, steps) as origin:
        client = client_of(driver, authority.client_context(), **route)

        for _ in range(2):
            with pytest.raises(httpfast.ConnectError, match=r"(?i)" + REASONS.get(kind, "hostname mismatch")) as caught:
                await client.get(f"https://{HOSTS.get(kind, HOST)}:{origin.port}/secret", headers={"X-Secret": "1"})

        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert client.counts == (0, 0)
        assert not any(b"secret" in received for received in origin.received)


@pytest.mark.parametrize("kind", GOOD)
async def test_good_certificate_is_accepted(
    driver: Driver, route: dict[str, Any], monkeypatch: pytest.MonkeyPatch, authority: Authority, kind: str
) -> None:
    """[TLS-01]"""
    Names(monkeypatch, driver)
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=authority.server_context(kind)) as origin:
        client = client_of(driver, authority.client_context(), **route)

        assert (await client.get(f"https://{HOSTS.get(kind, HOST)}:{origin.port}")).text == "ok"
        await client.rest()


async def test_common_name_alone_is_refused_by_the_default_context(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    """[TLS-01] The contexts above are the tests' own; this is the one that `verify=True` makes."""
    Names(monkeypatch, driver)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    bad = [StartTLS(authority.server_context("common name only"), may_fail=True)]
    good = [StartTLS(authority.server_context("name")), ReadRequest(), Send(OK)]
    with ScriptedPeer(bad, good) as origin:
        client = client_of(driver, True)
        url = f"https://{HOST}:{origin.port}"

        with pytest.raises(httpfast.ConnectError, match=r"(?i)hostname mismatch"):
            await client.get(url)
        assert (await client.get(url)).text == "ok"
        await client.rest()


async def test_final_dot_of_a_host_is_not_part_of_its_certificate(
    driver: Driver, route: dict[str, Any], monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    Names(monkeypatch, driver)
    with ScriptedPeer([ReadRequest(), Send(OK)], tls=authority.server_context("name")) as origin:
        client = client_of(driver, authority.client_context(), **route)

        assert (await client.get(f"https://{HOST}.:{origin.port}")).text == "ok"
        await client.rest()


async def test_refusal_is_followed_by_a_good_connection(
    driver: Driver, route: dict[str, Any], monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    """The place in the pool is free again, and nothing of the refusal is remembered."""
    Names(monkeypatch, driver)
    bad = [StartTLS(authority.server_context("expired"), may_fail=True)]
    good = [StartTLS(authority.server_context("name")), ReadRequest(), Send(OK)]
    with ScriptedPeer(bad, good) as origin:
        limits = httpfast.Limits(max_connections=1)
        transport = driver.transport(verify=authority.client_context(), limits=limits, **route)
        client = driver.client(transport=transport)
        url = f"https://{HOST}:{origin.port}"

        with pytest.raises(httpfast.ConnectError):
            await client.get(url)
        assert (await client.get(url)).text == "ok"
        await client.rest()


# An https proxy has a certificate too: its own name, its own roots


PROXY_PROBLEMS = ("expired", "unknown authority", "wrong name", "common name only", "self-signed")


@pytest.mark.parametrize("origin_is_good", [True, False], ids=["good origin", "bad origin"])
@pytest.mark.parametrize("proxy_is_good", [True, False], ids=["good proxy", "bad proxy"])
async def test_each_certificate_is_checked_against_its_own_roots(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, origin_is_good: bool, proxy_is_good: bool
) -> None:
    """[TLS-02] Two authorities; what is good for the one side is bad for the other."""
    Names(monkeypatch, driver)
    of_proxy, of_origin = Authority("Root of proxies"), Authority("Root of origins")
    proxy_server = (of_proxy if proxy_is_good else of_origin).server_context("proxy.example")
    origin_server = (of_origin if origin_is_good else of_proxy).server_context("origin.example")
    with ExitStack() as stack:
        steps = [StartTLS(origin_server, may_fail=True), ReadRequest(), Send(OK)]
        origin = stack.enter_context(ScriptedPeer(steps if origin_is_good and proxy_is_good else steps[:1]))
        tunnel = [ReadConnect(), Send(TUNNEL), Relay()] if proxy_is_good else []
        peer = stack.enter_context(ScriptedPeer([StartTLS(proxy_server, may_fail=True), *tunnel]))
        one = httpfast.Proxy(f"https://proxy.example:{peer.port}", ssl_context=of_proxy.client_context())
        client = client_of(driver, of_origin.client_context(), proxy=one)
        url = f"https://origin.example:{origin.port}"

        if proxy_is_good and origin_is_good:
            assert (await client.get(url)).text == "ok"
            await client.rest()
        else:
            with pytest.raises(httpfast.ConnectError, match="certificate verify failed"):
                await client.get(url)
            assert client.counts == (0, 0)
            assert origin.connections == (1 if proxy_is_good else 0)


@pytest.mark.parametrize("kind", PROXY_PROBLEMS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_bad_certificate_of_a_proxy_is_a_connect_error(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, authority: Authority, kind: str, scheme: str
) -> None:
    """[TLS-02] Before it is told where to, and before it sees the credentials."""
    Names(monkeypatch, driver)
    with ScriptedPeer([StartTLS(authority.server_context(kind), may_fail=True)]) as peer:
        one = httpfast.Proxy(f"https://user:sesame@{HOST}:{peer.port}", ssl_context=authority.client_context())
        client = client_of(driver, False, proxy=one)

        with pytest.raises(httpfast.ConnectError, match="certificate verify failed"):
            await client.get(f"{scheme}://127.0.0.1:1/")

        assert client.counts == (0, 0)
        assert not re.search(rb"CONNECT|GET|Proxy-Authorization", peer.received[0])


async def test_proxys_certificate_for_the_origin_is_not_the_proxys(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    """[TLS-02] Each against its own name: neither side may show the other's."""
    Names(monkeypatch, driver)
    with ScriptedPeer([StartTLS(authority.server_context("origin.example"), may_fail=True)]) as peer:
        one = httpfast.Proxy(f"https://proxy.example:{peer.port}", ssl_context=authority.client_context())
        client = client_of(driver, authority.client_context(), proxy=one)

        with pytest.raises(httpfast.ConnectError, match=r"(?i)hostname mismatch"):
            await client.get("https://origin.example/")
    with (
        ScriptedPeer([StartTLS(authority.server_context("proxy.example"), may_fail=True)]) as origin,
        proxy("https proxy", authority.server_context("proxy.example")) as peer,
    ):
        one = httpfast.Proxy(f"https://proxy.example:{peer.port}", ssl_context=authority.client_context())
        client = client_of(driver, authority.client_context(), proxy=one)

        with pytest.raises(httpfast.ConnectError, match=r"(?i)hostname mismatch"):
            await client.get(f"https://origin.example:{origin.port}/")
        assert client.counts == (0, 0)


async def test_sni_override_is_for_the_origin_not_for_the_proxy(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    """[TLS-02, TLS-05]"""
    Names(monkeypatch, driver)
    with (
        ScriptedPeer([ReadRequest(), Send(OK)], tls=authority.server_context("inner.example")) as origin,
        proxy("https proxy", authority.server_context("proxy.example")) as peer,
    ):
        one = httpfast.Proxy(f"https://proxy.example:{peer.port}", ssl_context=authority.client_context())
        client = client_of(driver, authority.client_context(), proxy=one)
        url = f"https://127.0.0.1:{origin.port}"

        assert (await client.get(url, extensions={"sni_hostname": "inner.example"})).text == "ok"
        await client.rest()


async def test_unverified_origin_does_not_make_the_proxy_unverified(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    """[TLS-02] verify=False is about origins; the proxy has its own context, here the default one."""
    Names(monkeypatch, driver)
    with ScriptedPeer([StartTLS(authority.server_context("proxy.example"), may_fail=True), Close()]) as peer:
        client = client_of(driver, False, proxy=f"https://proxy.example:{peer.port}")

        with pytest.raises(httpfast.ConnectError, match="certificate verify failed"):
            await client.get("https://origin.example/")
        assert client.counts == (0, 0)
