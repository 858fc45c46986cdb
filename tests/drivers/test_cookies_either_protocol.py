"""Cookies from a server's field to the next request's, over HTTP/1.1 and HTTP/2: rows CK-01 to CK-04 of the catalogue.

Every variant of these rows is in `tests/api/test_cookies_catalogue.py`; the names are names of this machine here.
"""

from __future__ import annotations

import pytest

from ..answering import PROTOCOLS, AnsweringPeer, Asked, Said
from ..names import Names
from .facade import Driver

pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Names:
    return Names(monkeypatch, driver)


# Row and case: who sets it, the lines, who is asked next and where, what that one is sent.
CASES: dict[str, tuple[str, list[str], str, str, str | None]] = {
    "CK-01-public-suffix": ("a.co.uk", ["x=1; Domain=co.uk"], "b.co.uk", "/", None),
    "CK-01-one-label": ("a.example", ["x=1; Domain=example"], "b.example", "/", None),
    "CK-01-dot": ("a.example.org", ["x=1; Domain=example.org."], "b.example.org", "/", None),
    "CK-01-mixed-case": ("a.example.org", ["x=1; Domain=EXAMPLE.org"], "b.example.org", "/", "x=1"),
    "CK-01-other-site": ("a.example.org", ["x=1; Domain=example.com"], "example.com", "/", None),
    "CK-01-address": ("127.0.0.1", ["x=1; Domain=0.0.1"], "127.0.0.1", "/", None),
    "CK-01-site": ("a.example.org", ["x=1; Domain=example.org"], "b.example.org", "/", "x=1"),
    "CK-02-host-only": ("example.org", ["x=1"], "a.example.org", "/", None),
    "CK-02-own-host": ("example.org", ["x=1"], "example.org", "/", "x=1"),
    "CK-03-secure-from-http": ("example.org", ["x=1; Secure"], "example.org", "/", None),
    "CK-03-host-prefix": ("example.org", ["__Host-x=1; Path=/", "y=2"], "example.org", "/", "y=2"),
    "CK-03-secure-prefix": ("example.org", ["__Secure-x=1", "y=2"], "example.org", "/", "y=2"),
    "CK-03-path": ("example.org", ["x=1; Path=/a"], "example.org", "/a/b", "x=1"),
    "CK-03-path-of-another": ("example.org", ["x=1; Path=/a"], "example.org", "/ab", None),
    "CK-04-large": ("example.org", [f"x={'1' * 5_000}", "y=2"], "example.org", "/", "y=2"),
    "CK-04-control": ("example.org", ["x=1\tx", "=", "y=2"], "example.org", "/", "y=2"),
}


@pytest.mark.parametrize("case", CASES)
async def test_cookie_goes_where_it_belongs(driver: Driver, names: Names, protocol: str, case: str) -> None:
    """The rows are in the names of the cases."""
    setter, lines, reader, target, expected = CASES[case]

    def answer(asked: Asked) -> Said:
        return Said(fields=[("Set-Cookie", line) for line in lines] if asked.target == "/set" else [])

    with AnsweringPeer(protocol, answer) as peer:
        client = driver.client(**peer.options)

        await client.get(peer.on(setter) + "/set")
        await client.get(peer.on(reader) + target)

        assert peer.asked[1]["cookie"] == expected


async def test_secure_cookie_goes_over_tls_and_stays(driver: Driver, names: Names, protocol: str) -> None:
    """CK-03: nor can plain http put another in its place."""
    lines = [("Set-Cookie", "x=safe; Secure"), ("Set-Cookie", "__Host-y=safe; Secure; Path=/")]
    evil = [("Set-Cookie", "x=evil"), ("Set-Cookie", "x=evil; Max-Age=0"), ("Set-Cookie", "__Host-y=evil; Path=/")]
    with (
        AnsweringPeer(protocol, lambda _: Said(fields=lines), is_tls=True) as peer,
        AnsweringPeer(protocol, lambda _: Said(fields=evil)) as plain,
    ):
        client = driver.client(verify=False, **peer.options)

        await client.get(peer.on("example.org"))
        await client.get(plain.on("example.org"))
        await client.get(peer.on("example.org"))

        assert plain.asked[0]["cookie"] is None
        assert sorted((peer.asked[1]["cookie"] or "").split("; ")) == ["__Host-y=safe", "x=safe"]


async def test_sibling_cannot_set_a_host_only_cookie(driver: Driver, names: Names, protocol: str) -> None:
    """CK-02"""

    def answer(asked: Asked) -> Said:
        is_evil = (asked["host"] or "").startswith("evil.")
        return Said(fields=[("Set-Cookie", "x=evil; Domain=good.example.org" if is_evil else "x=good")])

    with AnsweringPeer(protocol, answer) as peer:
        client = driver.client(**peer.options)

        for host in ("good.example.org", "evil.example.org", "good.example.org"):
            await client.get(peer.on(host))

        assert [asked["cookie"] for asked in peer.asked] == [None, None, "x=good"]


async def test_many_cookies_are_bounded(driver: Driver, names: Names, protocol: str) -> None:
    """CK-04: in number, and in the field that they make."""
    numbers = iter(range(1_000))

    def answer(asked: Asked) -> Said:
        return Said(fields=[("Set-Cookie", f"n{next(numbers)}={'v' * 100}") for _ in range(100)])

    with AnsweringPeer(protocol, answer) as peer:
        client = driver.client(**peer.options)

        for _ in range(4):
            await client.get(peer.on("example.org"))

        assert len(client.client.cookies) == 180
        assert 1_000 < len(peer.asked[3]["cookie"] or "") <= 8_190
