"""The WHATWG's own URL cases: no crash, the same host or none, and every difference explained.

Row: URL-01. The oracle is ada, the parser of Node.js, where it is installed: what we take it takes too, and as the same
host, or there is a reason below.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import URL, InvalidURL

WPT = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "wpt"
SPECIAL_SCHEMES = ("http", "https", "ws", "wss", "ftp")


def _accepted(make: Any) -> URL | None:
    """Return the URL that `make` gives, or None if it is refused in the documented way."""
    try:
        url: URL = make()
    except InvalidURL:
        return None
    return url


def _cases(name: str) -> list[dict[str, Any]]:
    path = WPT / name
    if not path.is_file():
        pytest.skip(f"the WHATWG's URL cases are not here: {path}")
    return [case for case in json.loads(path.read_text("utf-8")) if isinstance(case, dict)]


# Why a URL that browsers take is refused. The first that fits is the reason.
REFUSED_ON_PURPOSE = [
    ("control characters are refused, not dropped: a request must not depend on what was dropped", r"[\x00-\x1f\x7f]"),
    ("a backslash is no slash: refused where it would end a host", r"\\"),
    ("three slashes: browsers drop one, RFC 3986 reads an empty host", r"^///"),
    ("a relative reference with a colon first has an empty scheme, as in httpx", r"^::"),
    ("IDNA 2008 (RFC 5891) has no mapping of compatibility characters and no symbols, as in httpx", r"[^\x00-\x7f]"),
    ("the same, escaped", r"%[89A-Fa-f][0-9A-Fa-f]"),
    ("a leading zero is octal to some and not to others (RFC 6943, 3.1.1)", r"//(%30|0)|\.(%30|0)"),
    ("surrogates are no characters: refused, not replaced", "[\ud800-\udfff]"),
]
# Why a URL that browsers refuse is taken, by its host.
TAKEN_ON_PURPOSE = [
    ("an inner space of a host is escaped, as in httpx; no name server knows the name", r"%20"),
    ("an IPv6 zone is needed for link-local addresses", r"^[0-9a-f:]+%"),
    ("A-labels are sent as they are: nothing is mapped, so no other host can be meant", r"(^|\.)xn--"),
    ("the length of names and labels is the resolver's business", r"^.{254}|[^.]{64}"),
]
# Why a path differs, by the input.
PATH_ON_PURPOSE = [
    ("an escaped dot is no dot segment (RFC 3986, 6.2.2: only after decoding, which is the server's)", r"%2[eE]"),
    ("a backslash is no slash", r"\\"),
    ("spaces at an end are escaped, not dropped", r"^ | $"),
    ("a colon first is an empty scheme, as in httpx", r"^:"),
]


def _explained(reasons: list[tuple[str, str]], text: str) -> bool:
    return any(re.search(pattern, text) for _, pattern in reasons)


def _address(host: str) -> str:
    host = host.removeprefix("[").removesuffix("]")
    return ipaddress.IPv6Address(host).compressed if ":" in host else host


@pytest.mark.parametrize("name", ["urltestdata.json", "ada_extra_urltestdata.json"])
def test_whatwg_urls_name_the_same_host_or_are_refused(name: str) -> None:
    """[URL-01] (CVE-2019-9636)."""
    unexplained = []
    agreed = 0
    for case in _cases(name):
        text, base, fails = case["input"], case.get("base"), case.get("failure", False)
        if base is not None and base.startswith("about:"):
            base = None
        url = _accepted(lambda text=text, base=base: URL(text) if base is None else URL(base).join(text))
        is_special = case.get("protocol", "").removesuffix(":") in SPECIAL_SCHEMES
        if url is None:
            if is_special and not fails and not _explained(REFUSED_ON_PURPOSE, text):
                unexplained.append(("refused", text, base))
            continue
        # No request is made of a URL without a host, or of another scheme.
        if not url.host or url.scheme not in SPECIAL_SCHEMES:
            continue
        if fails:
            if not _explained(TAKEN_ON_PURPOSE, url.raw_host.decode()):
                unexplained.append(("taken", text, base))
            continue
        expected = (case["protocol"], _address(case["hostname"]), case["port"])
        actual = (f"{url.scheme}:", _address(url.raw_host.decode()), "" if url.port is None else str(url.port))
        if actual != expected:
            unexplained.append(("another host", text, base))
        elif url.raw_path.decode().partition("?")[0] != case["pathname"] and not _explained(PATH_ON_PURPOSE, text):
            unexplained.append(("another path", text, base))
        else:
            agreed += 1

    assert unexplained == []
    assert agreed > 0


@pytest.mark.parametrize("name", ["toascii.json", "IdnaTestV2-removed.json"])
def test_whatwg_names_become_the_same_a_labels_or_are_refused(name: str) -> None:
    """[URL-01]."""
    unexplained = []
    for case in _cases(name):
        text, expected = case["input"], case["output"]
        url = _accepted(lambda text=text: URL(f"https://{text}/x"))
        if url is None:
            if expected is not None and not _explained(REFUSED_ON_PURPOSE, text):
                unexplained.append(("refused", text))
        elif expected is None:
            if not _explained(TAKEN_ON_PURPOSE, url.raw_host.decode()):
                unexplained.append(("taken", text))
        elif url.raw_host.decode() != expected:
            unexplained.append(("another host", text))

    assert unexplained == []


def test_whatwg_setter_values_change_their_own_part_only() -> None:
    """[URL-01]."""
    path = WPT / "setters_tests.json"
    if not path.is_file():
        pytest.skip(f"the WHATWG's setter cases are not here: {path}")
    names = {"protocol": "scheme", "pathname": "path", "hash": "fragment", "hostname": "host", "search": "query"}
    names |= {name: name for name in ("username", "password", "host")}

    for setter, cases in json.loads(path.read_text("utf-8")).items():
        part = names.get(setter, "")
        for case in cases if part else ():
            value = case["new_value"]
            argument = value.encode("ascii", "ignore") if part == "query" else value
            base = _accepted(lambda case=case: URL(case["href"]))
            if base is None:
                continue
            changed = _accepted(functools.partial(base.copy_with, **{part: argument}))
            if changed is not None and part not in ("scheme", "host"):
                assert URL(str(changed)).raw_host == base.raw_host
                assert changed.port == base.port


def test_whatwg_escapes_are_the_same() -> None:
    """[URL-01]: in UTF-8, which is all that there is here."""
    cases = [case for case in _cases("percent-encoding.json") if case["input"].isprintable()]

    for case in cases:
        url = URL(f"http://a/{case['input']}?{case['input']}#{case['input']}")
        assert url.query.decode() == case["output"]["utf-8"]
        assert str(url).endswith(f"#{case['output']['utf-8']}")
    assert len(cases) > 3


def test_a_labels_of_any_kind_are_sent_as_they_are_or_refused() -> None:
    """[URL-01]: what they decode to is for showing only, and never fails."""
    for case in _cases("punycode_tests.json"):
        label = f"xn--{case['encoded']}"
        url = _accepted(lambda label=label: URL(f"http://{label}.example/"))
        if url is not None:
            assert url.raw_host.decode() == f"{label.lower()}.example".replace(" ", "%20")
            assert url.host
            assert _accepted(lambda url=url: URL(str(url))) == url


def test_text_that_has_no_a_label_is_refused() -> None:
    """[URL-01]."""
    for case in _cases("bad_punycode_tests.json"):
        assert _accepted(lambda case=case: URL(f"http://{case['decoded']}.example/")) is None


def test_names_of_any_length_are_taken_as_they_are() -> None:
    """[URL-01]: RFC 1035 limits what a resolver takes."""
    for case in _cases("verifydnslength_tests.json"):
        url = _accepted(lambda case=case: URL(case["input"]))
        assert url is None or str(url).isascii()


# ---- ada

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

Place = tuple[str, str, int]


def _our_place(url: URL | None) -> Place | None:
    """Where a request would go: scheme, host and port. None if there would be none."""
    if url is None or url.scheme not in SPECIAL_SCHEMES or not url.host:
        return None
    host = url.raw_host.decode()
    return url.scheme, _address(host.partition("%")[0]), DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def _oracle_place(text: str) -> Place | None:
    ada_url = pytest.importorskip("ada_url", reason="ada-url is not installed (dependency group oracle)")
    try:
        url = ada_url.URL(text)
    except ValueError:
        return None
    scheme = url.protocol.removesuffix(":")
    if scheme not in SPECIAL_SCHEMES:
        return None
    return scheme, _address(url.hostname), int(url.port) if url.port else DEFAULT_PORTS[scheme]


def _agrees(text: str) -> bool:
    """Whether we refuse a URL, or see what the oracle sees, or have a reason to take what it does not."""
    url = _accepted(lambda: URL(text))
    ours = _our_place(url)
    if url is None or ours is None:
        return True
    theirs = _oracle_place(text)
    if theirs is None:
        return _explained(TAKEN_ON_PURPOSE, url.raw_host.decode())
    return ours == theirs


def test_oracle_sees_no_other_host_in_the_whatwg_cases() -> None:
    """[URL-01]: nor in what the setters' cases start from, nor in names."""
    texts = []
    for name in ("urltestdata.json", "ada_extra_urltestdata.json"):
        for case in _cases(name):
            texts += [case["input"], case.get("href", "")]
    for name in ("toascii.json", "IdnaTestV2-removed.json"):
        texts += [f"https://{case['input']}/x" for case in _cases(name)]
    texts += [case["input"] for case in _cases("verifydnslength_tests.json")]

    assert [text for text in texts if not _agrees(text)] == []
    assert len(texts) > 1_500
    assert sum(_our_place(_accepted(lambda text=text: URL(text))) is not None for text in texts) > 500


def test_oracle_sees_no_other_host_in_what_the_setters_make() -> None:
    """[URL-01]: a part that is set gives the URL that its text is."""
    path = WPT / "setters_tests.json"
    if not path.is_file():
        pytest.skip(f"the WHATWG's setter cases are not here: {path}")
    parts = {"protocol": "scheme", "username": "username", "password": "password", "host": "netloc"}
    parts |= {"hostname": "host", "port": "port", "pathname": "path", "search": "query", "hash": "fragment"}
    disagreed, count = [], 0

    for setter, cases in json.loads(path.read_text("utf-8")).items():
        for case in cases if setter in parts else ():
            value: Any = case["new_value"]
            if setter in ("host", "search"):
                value = value.encode("ascii", "ignore")
            elif setter == "port":
                value = int(value) if value.isascii() and value.isdecimal() else None
            changed = _accepted(functools.partial(URL, case["href"], **{parts[setter]: value}))
            if changed is not None:
                count += 1
                if _our_place(changed) is not None and _oracle_place(str(changed)) != _our_place(changed):
                    disagreed.append((case["href"], setter, case["new_value"]))

    assert disagreed == []
    assert count > 100


@given(
    st.lists(
        st.sampled_from([*"aZ09.:/?#[]@!$&'()*+,;=%-_~ \"<>\\^`{|}\té中\u2028\u200d\u00ad", "..", "//", "http:"])
        | st.sampled_from(["example.com", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", ":80", ":0", "u:p@", "xn--", "%00"])
        | st.sampled_from(
            ["0x7f", "0300", "1.2", "%31", "%2e", "%2F", "%40", "%5B", "faß", "。", "\uff11\uff12\uff17", "℃", "İ"]
        ),
        min_size=1,
        max_size=8,
    ).map("".join),
    st.sampled_from(["http://", "https://", "HTTP:", "wss:/", "ftp:///", ""]),
)
def test_oracle_sees_no_other_host_in_any_text(text: str, scheme: str) -> None:
    """[URL-01]: the one who checks a URL and the one who connects see the same, whoever they are."""
    assert _agrees(scheme + text)
