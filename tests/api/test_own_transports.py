"""Subclasses of clients that put a transport of their own around the client's, by the methods that httpx has for it."""

from __future__ import annotations

from typing import Any

import pytest

import httpfast


def subclass_of(base: type[Any], seen: list[tuple[Any, dict[str, Any]]]) -> type[Any]:
    """A client that keeps what its transports are made of."""

    class Subclass(base):  # type: ignore[misc]
        def _init_transport(self, **settings: Any) -> Any:
            seen.append((None, settings))
            return super()._init_transport(**settings)

        def _init_proxy_transport(self, proxy: Any, **settings: Any) -> Any:
            seen.append((proxy, settings))
            return super()._init_proxy_transport(proxy, **settings)

    return Subclass


CLIENTS = [(httpfast.Client, httpfast.HTTPTransport), (httpfast.AsyncClient, httpfast.AsyncHTTPTransport)]


@pytest.mark.parametrize(("base", "kind"), CLIENTS, ids=["sync", "async"])
def test_subclass_that_makes_the_transports_is_asked_for_them(base: type[Any], kind: type[Any]) -> None:
    seen: list[tuple[Any, dict[str, Any]]] = []

    client = subclass_of(base, seen)(proxy="http://proxy.example:3128", http2=True)

    assert [proxy for proxy, _ in seen] == [None, "http://proxy.example:3128"]
    # Exactly httpx's arguments: subclasses that were written for it take no others.
    assert {frozenset(settings) - {"transport"} for _, settings in seen} == {
        frozenset(("verify", "cert", "trust_env", "http1", "http2", "limits"))
    }
    assert all(settings["http2"] for _, settings in seen)
    assert [type(transport) for transport in client._all_transports()] == [kind, kind]


@pytest.mark.parametrize(("base", "kind"), CLIENTS, ids=["sync", "async"])
def test_transport_of_the_caller_is_taken_as_it_is(base: type[Any], kind: type[Any]) -> None:
    seen: list[tuple[Any, dict[str, Any]]] = []
    own = kind()

    client = subclass_of(base, seen)(transport=own)

    assert client._transport is own
    assert seen[0][1]["transport"] is own


@pytest.mark.parametrize(("base", "kind"), CLIENTS, ids=["sync", "async"])
def test_settings_beyond_httpx_reach_the_transport(base: type[Any], kind: type[Any]) -> None:
    client = base(http2=True, http2_keepalive=7.0, http2_window=100_000)

    route = client._transport._route
    assert (route.h2_keepalive, route.h2_window) == (7.0, 100_000)
