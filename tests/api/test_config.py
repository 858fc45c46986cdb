"""Timeout, Limits and Proxy as values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from httpfast import URL, InvalidURL, Limits, Proxy, Timeout
from httpfast._config import DEFAULT_LIMITS, DEFAULT_MAX_REDIRECTS, DEFAULT_TIMEOUT_CONFIG, UNSET

FOUR = ("connect", "read", "write", "pool")


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (Timeout(5.0), (5.0, 5.0, 5.0, 5.0)),
        (Timeout(None), (None, None, None, None)),
        (Timeout(5.0, read=None), (5.0, None, 5.0, 5.0)),
        (Timeout(None, connect=1), (1, None, None, None)),
        (Timeout(connect=1, read=2, write=3, pool=4), (1, 2, 3, 4)),
        (Timeout((1, 2)), (1, 2, None, None)),
        (Timeout((1, 2, 3)), (1, 2, 3, None)),
        (Timeout((1, 2, 3, 4)), (1, 2, 3, 4)),
        (Timeout(Timeout(5.0, pool=1)), (5.0, 5.0, 5.0, 1)),
        (Timeout(Timeout(5.0), pool=1), (5.0, 5.0, 5.0, 1)),
    ],
)
def test_timeout_has_four_parts(timeout: Timeout, expected: tuple[float | None, ...]) -> None:
    assert timeout.as_dict() == dict(zip(FOUR, expected, strict=True))
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == expected
    assert timeout.total is None


@pytest.mark.parametrize("given", [{}, {"connect": 1.0}, {"connect": 1.0, "read": 1.0, "write": 1.0}])
def test_timeout_without_a_default_needs_all_four(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must either include a default, or set all four parameters explicitly"):
        Timeout(**given)


@pytest.mark.parametrize("wrong", [(), (1,), (1, 2, 3, 4, 5)])
def test_timeout_tuple_of_another_length_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="A tuple of timeouts is"):
        Timeout(wrong)


def test_total_is_in_the_dict_only_when_set() -> None:
    timeout = Timeout(5.0, total=30.0)

    assert timeout.as_dict() == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0, "total": 30.0}
    assert Timeout(timeout).total == 30.0
    assert Timeout(timeout, total=1.0).total == 1.0
    assert timeout != Timeout(5.0)


def test_timeout_compares_by_value() -> None:
    assert Timeout(5.0) == Timeout(connect=5.0, read=5.0, write=5.0, pool=5.0)
    assert Timeout(5.0) != Timeout(5.0, read=6.0)
    assert Timeout(5.0) != 5.0


def test_repr_of_timeout_collapses() -> None:
    assert repr(Timeout(5.0)) == "Timeout(timeout=5.0)"
    assert repr(Timeout(None)) == "Timeout(timeout=None)"
    assert repr(Timeout(None, read=5.0)) == "Timeout(connect=None, read=5.0, write=None, pool=None)"
    assert repr(Timeout(5.0, total=9.0)) == "Timeout(timeout=5.0, total=9.0)"


def test_extension_of_a_timeout_is_one_dict_until_it_changes() -> None:
    timeout = Timeout(5.0)
    first = timeout._extension
    assert timeout._extension is first == timeout.as_dict()

    timeout.read = 1.0

    assert timeout._extension["read"] == 1.0
    assert first["read"] == 5.0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("value", [Timeout(5.0, read=1.0, total=3.0), Limits(max_connections=5), Limits()])
def test_values_can_be_duplicated(value: Any, duplicate: Any) -> None:
    assert duplicate(value) == value


def test_limits_have_httpx_defaults() -> None:
    limits = Limits()

    assert (limits.max_connections, limits.max_keepalive_connections, limits.keepalive_expiry) == (None, None, 5.0)
    assert limits.max_connections_per_host is None
    assert Limits(max_connections=100, max_keepalive_connections=20) == DEFAULT_LIMITS
    assert Timeout(5.0) == DEFAULT_TIMEOUT_CONFIG
    assert DEFAULT_MAX_REDIRECTS == 20
    assert repr(UNSET) == "UNSET"


def test_limits_compare_and_show_their_values() -> None:
    assert Limits(max_connections=1) != Limits(max_connections=2)
    assert Limits(max_connections_per_host=1) != Limits()
    assert Limits() != 5
    assert repr(Limits(max_connections=100)) == (
        "Limits(max_connections=100, max_keepalive_connections=None, keepalive_expiry=5.0)"
    )
    assert repr(Limits(max_connections_per_host=6)).endswith("keepalive_expiry=5.0, max_connections_per_host=6)")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_proxy_takes_user_and_password_out_of_the_url(scheme: str) -> None:
    proxy = Proxy(f"{scheme}://us%40er:p%20w@proxy.example:8080", auth=("other", "x"), headers={"X": "1"})

    assert str(proxy.url) == f"{scheme}://proxy.example:8080"
    assert proxy.auth == ("us@er", "p w")
    assert proxy.raw_auth == (b"us@er", b"p w")
    assert proxy.headers["x"] == "1"
    assert proxy.ssl_context is None


def test_proxy_without_userinfo_uses_its_auth() -> None:
    assert Proxy(URL("http://proxy.example"), auth=("ü", "ß")).raw_auth == ("ü".encode(), "ß".encode())
    assert Proxy("http://proxy.example").auth is None
    assert Proxy("http://proxy.example").raw_auth is None
    assert Proxy("http://user@proxy.example").auth == ("user", "")


def test_repr_of_proxy_shows_no_secret() -> None:
    proxy = Proxy("http://user:secret@proxy.example", headers={"Proxy-Authorization": "secret", "X": "1"})

    assert repr(proxy) == (
        "Proxy('http://proxy.example', auth=('user', '********'), "
        "headers={'proxy-authorization': '[secure]', 'x': '1'})"
    )
    assert repr(Proxy("http://proxy.example")) == "Proxy('http://proxy.example')"


def test_proxy_of_another_scheme_is_refused_without_showing_its_password() -> None:
    with pytest.raises(ValueError, match="Unknown scheme for proxy URL") as caught:
        Proxy("ftp://user:secret@proxy.example")

    assert "secret@" not in str(caught.value)
    with pytest.raises(ValueError, match="Unknown scheme"):
        Proxy("proxy.example:8080")
    with pytest.raises(InvalidURL):
        Proxy("http://proxy.example\r\n")
