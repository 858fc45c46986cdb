"""URLs of any text: refused as documented or in normal form, in linear time, and never with another host."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import URL, InvalidURL

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
