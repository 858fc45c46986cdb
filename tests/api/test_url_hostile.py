"""URLs of any text: refused as documented or in normal form, in linear time, and never with another host.

Rows: URL-02 hosts that parsers disagree on, URL-03 linear time.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import URL, BasicAuth, InvalidURL, Request
from httpfast._mounts import URLPattern, environment_proxies

PIECES = st.lists(
    st.sampled_from([*"aZ09.:/?#[]@!$&'()*+,;=%-_~ \"<>\\^`{|}\té中\u2028\ud800", "http:", "//", "..", "%41", "%2f"])
    | st.sampled_from(["example.com", "127.0.0.1", "[::1]", ":80", "u:p@", "xn--", "0x7f", "中国"]),
    max_size=12,
).map("".join)


def _accepted(make: Any) -> URL | None:
    """Return the URL that `make` gives, or None if it is refused in the documented way."""
    try:
        url: URL = make()
    except InvalidURL:
        return None
    return url


@given(PIECES | PIECES.map("http://".__add__))
def test_any_text_is_refused_or_has_a_stable_normal_form(text: str) -> None:
    url = _accepted(lambda: URL(text))
    if url is not None:
        printed = str(url)

        assert printed.isascii()
        assert printed.isprintable()
        assert " " not in printed
        assert repr(url)
        assert url.host is not None
        # "a:b" and the like: a part that was relative may not be so when it is read alone.
        again = _accepted(lambda: URL(printed))
        assert again is None or again.raw_host == url.raw_host
        if url.is_absolute_url:
            assert again == url
            assert (again.raw_path, again.userinfo, again.port) == (url.raw_path, url.userinfo, url.port)


@given(
    st.sampled_from(["username", "password", "path", "fragment", "query", "raw_path", "userinfo", "params"]),
    PIECES,
)
def test_no_other_part_can_change_the_host(name: str, value: str) -> None:
    base = URL("https://u:p@good.com:8443/a/b?c#d")
    argument: Any = value
    if name in ("query", "raw_path", "userinfo"):
        argument = value.encode("ascii", "ignore")
    if name == "params":
        argument = {"k": value.encode("utf-8", "ignore").decode()}

    changed = _accepted(lambda: base.copy_with(**{name: argument}))

    if changed is not None:
        assert URL(str(changed))._origin_key == base._origin_key
        assert re.fullmatch(rb"/[!-~]*", changed.raw_path)


@given(PIECES)
def test_joined_url_is_absolute_and_reads_back(reference: str) -> None:
    joined = _accepted(lambda: URL("http://good.com/a/b?c").join(reference))
    if joined is not None and joined.scheme == "http" and joined.host:
        assert URL(str(joined)) == joined
        if "//" not in reference:
            assert joined.host == "good.com"


# What the host is, or None: refused.
DISPUTED_HOSTS = [
    # Brackets (CVE-2024-11168, CVE-2025-0938).
    ("http://[::1]/", b"::1"),
    ("http://[::1", None),
    ("http://::1]/", None),
    ("http://[::1]]/", None),
    ("http://[[::1]]/", None),
    ("http://[::1]example.com/", None),
    ("http://[::1]80/", None),
    ("http://example.com[::1]/", None),
    ("http://exa[mple.com/", None),
    ("http://[example.com]/", None),
    ("http://[127.0.0.1]/", None),
    ("http://[v1.example]/", None),
    ("http://[]/", None),
    ("http://[::1%]/", None),
    # Zones.
    ("http://[fe80::1%25eth0]/", b"fe80::1%eth0"),
    ("http://[fe80::1%eth0]/", b"fe80::1%eth0"),
    ("http://[::1%.example.com]/", None),
    ("http://[::1%25.example.com]/", None),
    ("http://[::1%eth0]@example.com/", b"example.com"),
    ("http://[::1%a]b]/", None),
    # Userinfo.
    ("http://a@b@c/", b"c"),
    ("http://a:b@c:d@e/", b"e"),
    ("http://@a/", b"a"),
    ("http://a@/", b""),
    ("http://a%40b/", None),
    ("http://a#@b/", b"a"),
    ("http://a?@b/", b"a"),
    ("http://a;@b/", b"b"),
    # Backslashes (CVE-2022-35949).
    ("http://a\\@b/", None),
    ("http://a\\b/", None),
    ("http:\\\\a/", None),
    ("http:../\\\\a", None),
    ("http:\\/../a", None),
    ("http://a/\\b", b"a"),
    ("http://u:p\\@a/", None),
    # IPv4 in other bases and lengths.
    ("http://127.1/", b"127.0.0.1"),
    ("http://0x7f.1/", b"127.0.0.1"),
    ("http://0x7f000001/", b"127.0.0.1"),
    ("http://2130706433/", b"127.0.0.1"),
    ("http://127.0.0.1./", b"127.0.0.1"),
    ("http://0177.0.0.1/", None),
    ("http://127.0.0.01/", None),
    ("http://00.0.0.0/", None),
    ("http://256.0.0.1/", None),
    ("http://1.2.3.4.5/", None),
    ("http://4294967296/", None),
    ("http://0x/", b"0.0.0.0"),
    ("http://a.1/", None),
    ("http://1.a/", b"1.a"),
    ("http://\uff11\uff12\uff17.0.0.1/", None),
    ("http://%31%32%37.0.0.1/", b"127.0.0.1"),
    # Ports.
    ("http://a:65535/", b"a"),
    ("http://a:65536/", None),
    ("http://a:0x50/", None),
    ("http://a:-1/", None),
    ("http://a:80:80/", None),
    ("http://a:\uff18\uff10/", None),
    ("http://a:/", b"a"),
    # Escapes and characters that are dots, slashes or nothing to some.
    ("http://a%2fb/", None),
    ("http://a%00b/", None),
    ("http://a%2eb/", b"a.b"),
    ("http://a%C2%ADb/", None),
    ("http://a。b/", b"a.b"),
    ("http://a\uff0fb/", None),
    ("http://faß.de/", b"xn--fa-hia.de"),
    ("http://℃/", None),
    ("http://a\u200db/", None),
]


@pytest.mark.parametrize(("text", "host"), DISPUTED_HOSTS)
def test_disputed_host_has_one_reading_or_is_refused(text: str, host: bytes | None) -> None:
    """[URL-02] (CVE-2024-11168, CVE-2025-0938, CVE-2025-47912)."""
    url = _accepted(lambda: URL(text))

    assert (None if url is None else url.raw_host) == host


HOSTILE = {
    "labels": "http://" + "a." * 500_000,
    "long label": "http://" + "a" * 1_000_000,
    "dots": "http://h" + "/.." * 330_000,
    "at signs": "http://" + "@" * 1_000_000,
    "colons": "http://" + ":" * 1_000_000,
    "brackets": "http://[" + "]" * 1_000_000,
    "idn": "http://" + "é" * 1_000_000,
    "a-labels": "http://" + "xn--a." * 160_000,
    "numbers": "http://" + "1." * 500_000,
    "userinfo": "http://" + "u:" * 500_000 + "@h",
    "escapes": "http://" + "%41" * 330_000,
    "query": "http://h/?" + "é" * 1_000_000,
    "port": "http://h:" + "0" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name: str) -> None:
    """[URL-03] (CVE-2022-45061, CVE-2024-3651)."""
    for text in (HOSTILE[name], HOSTILE[name][:65_000]):
        best = 1.0
        for _ in range(3):
            start = time.process_time()
            url = _accepted(lambda text=text: URL(text))
            if url is not None:
                _ = url.host, str(url), repr(url), url.raw_path
            best = min(best, time.process_time() - start)

        # In seconds; the usual figure is a hundredth of it.
        assert best < 0.05


def _best_time(call: Callable[[], Any]) -> float:
    """Seconds of processor time that a call takes, at the best of three."""
    best = 1.0
    for _ in range(3):
        start = time.process_time()
        with suppress(InvalidURL):
            call()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_reference_or_part_takes_linear_time(name: str) -> None:
    """[URL-03]: as a Location field, and as each part of a URL."""
    base = URL("https://user:password@a.example/b/c?d#e")
    for text in (HOSTILE[name], HOSTILE[name][:65_000]):
        rest = text.removeprefix("http://")
        calls: list[Callable[[], Any]] = [functools.partial(base.join, text), functools.partial(base.join, rest)]
        calls += [
            functools.partial(base.copy_with, **{part: rest})
            for part in ("host", "username", "password", "path", "fragment")
        ]
        calls += [
            functools.partial(base.copy_with, **{part: rest.encode()})
            for part in ("netloc", "userinfo", "query", "raw_path")
            if rest.isascii()
        ]
        calls.append(functools.partial(base.__eq__, rest))
        for call in calls:
            assert _best_time(call) < 0.05


@pytest.mark.parametrize("character", ["a", ":", "%", "é", "@", "%41"])
def test_hostile_credentials_take_linear_time(character: str) -> None:
    """[URL-03]: userinfo, and the Authorization field that is made of it."""
    text = character * (60_000 // len(character))

    def authorize() -> str:
        url = URL(f"http://{text}:{text}@h/") if character == "a" and len(text) < 30_000 else URL(f"http://{text}@h/")
        flow = BasicAuth(url.username, url.password).sync_auth_flow(Request("GET", url))
        return str(next(flow).headers["Authorization"])

    assert _best_time(authorize) < 0.05
    assert (
        _best_time(lambda: next(BasicAuth("u", character * 1_000_000).sync_auth_flow(Request("GET", "http://h"))))
        < 0.05
    )


@pytest.mark.parametrize("reference", ["../a:/.//evil.example", "./a:b", "../a://b"])
def test_reference_whose_path_would_read_as_a_scheme_is_refused(reference: str) -> None:
    """RFC 3986, 4.2. Behind a host or a scheme such a path is one."""
    with pytest.raises(InvalidURL, match="first segment has a ':'"):
        URL("").join(reference)

    assert URL("http://h/x/y").join(reference).host == "h"
    assert str(URL("b/c").join("./a:b")) == "b/a:b"


@pytest.mark.parametrize("name", ["labels", "a-labels", "idn", "numbers", "brackets"])
def test_hostile_mount_pattern_takes_linear_time(name: str) -> None:
    """[URL-03]: NO_PROXY and the keys of mounts."""
    host = HOSTILE[name].removeprefix("http://")

    for wildcard in ("", "*", "*."):
        assert _best_time(functools.partial(URLPattern, f"all://{wildcard}{host}")) < 0.05
    assert _best_time(lambda: environment_proxies({"NO_PROXY": host})) < 0.05
