"""Connections are shared by requests that agree in everything that makes a connection, and by no others.

[POOL-01, TLS-03, TLS-05] in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

import httpfast
from bench.server import Certificates, EmbeddedServer

from ..drivers.facade import Caller, Driver

SAME_CLIENT = ["plain", "plain by name", "tls", "tls by name", "tls sni a", "tls sni b"]
TRANSPORTS = ["default", "uds", "local address", "no verify", "own context", "options", "other limits"]


def unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def target(server: EmbeddedServer, kind: str) -> tuple[str, dict[str, Any]]:
    """The URL and the extensions of a kind of request."""
    scheme, port = ("https", server.tls_port) if kind.startswith("tls") else ("http", server.port)
    host = "localhost" if kind.endswith("by name") else "127.0.0.1"
    extensions = {"sni_hostname": f"{kind[-1]}.example"} if " sni " in kind else {}
    return f"{scheme}://{host}:{port}/json", extensions


@pytest.mark.parametrize(("one", "other"), list(combinations(SAME_CLIENT, 2)))
async def test_requests_that_differ_in_the_key_share_no_connection(
    driver: Driver, embedded_server: EmbeddedServer, one: str, other: str
) -> None:
    client = driver.client(verify=unchecked())

    seen = []
    for kind in (one, other, one, other):
        url, extensions = target(embedded_server, kind)
        seen.append((await client.get(url, extensions=extensions)).headers["x-connection"])

    assert seen[0] == seen[2] != seen[1] == seen[3]
    assert client.counts == (2, 2)


@pytest.mark.parametrize(("one", "other"), list(combinations(TRANSPORTS, 2)))
async def test_transports_share_no_connection(
    driver: Driver, embedded_server: EmbeddedServer, ca: Certificates, one: str, other: str
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "default": {"verify": ca.client_context()},
        "uds": {"verify": ca.client_context(), "uds": embedded_server.uds},
        "local address": {"verify": ca.client_context(), "local_address": "127.0.0.1"},
        "no verify": {"verify": False},
        "own context": {"verify": unchecked()},
        "options": {"verify": ca.client_context(), "socket_options": [(1, 9, 1)]},
        "other limits": {"verify": ca.client_context(), "limits": httpfast.Limits(max_connections=1)},
    }
    url = f"{embedded_server.url}/json"
    clients = [driver.client(transport=driver.transport(**settings[kind])) for kind in (one, other)]

    seen = [(await client.get(url)).headers["x-connection"] for client in clients * 2]

    assert seen[0] == seen[2] != seen[1] == seen[3]


async def test_verify_false_of_one_client_is_not_another_ones(driver: Driver, embedded_server: EmbeddedServer) -> None:
    """[TLS-03]"""
    careless, careful = driver.client(verify=False), driver.client(verify=True)

    assert (await careless.get(f"{embedded_server.tls_url}/json")).status_code == 200
    with pytest.raises(httpfast.ConnectError):
        await careful.get(f"{embedded_server.tls_url}/json")
    assert (await careless.get(f"{embedded_server.tls_url}/json")).status_code == 200


async def test_checked_and_unchecked_name_share_no_connection(
    driver: Driver, embedded_server: EmbeddedServer, ca: Certificates
) -> None:
    """[TLS-05] A connection whose certificate was checked for one name serves that name only."""
    client = driver.client(verify=ca.client_context())

    await client.get(f"{embedded_server.tls_url}/json")
    with pytest.raises(httpfast.ConnectError):
        await client.get(f"{embedded_server.tls_url}/json", extensions={"sni_hostname": "other.example"})
    await client.rest()

    assert client.counts == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("localhost", "LOCALHOST"),
        lambda url: url.replace("//", "//user:secret@"),
        lambda url: url + "?query",
        lambda url: url + "#fragment",
    ],
    ids=["case", "userinfo", "query", "fragment"],
)
async def test_what_is_not_in_the_key_does_not_part_connections(
    driver: Driver, embedded_server: EmbeddedServer, ca: Certificates, change: Callable[[str], str]
) -> None:
    client: Caller = driver.client(verify=ca.client_context())
    url = f"{embedded_server.tls_url}/json"

    first = await client.get(url)
    second = await client.get(change(url))

    assert first.headers["x-connection"] == second.headers["x-connection"]
