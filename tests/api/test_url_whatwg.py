"""The WHATWG's own URL cases: no crash, the same host or none, and every difference explained."""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest

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
    path = WPT / "setters_tests.json"
    if not path.is_file():
        pytest.skip(f"the WHATWG's setter cases are not here: {path}")
    names = {"protocol": "scheme", "pathname": "path", "hash": "fragment", "hostname": "host", "search": "query"}
    names |= {name: name for name in ("username", "password", "host")}

    for setter, cases in json.loads(path.read_text("utf-8")).items():
        part = names.get(setter)
        for case in cases if part is not None else ():
            value = case["new_value"]
            argument = value.encode("ascii", "ignore") if part == "query" else value
            base = _accepted(lambda case=case: URL(case["href"]))
            if base is None:
                continue
            changed = _accepted(functools.partial(base.copy_with, **{part: argument}))
            if changed is not None and part not in ("scheme", "host"):
                assert URL(str(changed)).raw_host == base.raw_host
                assert changed.port == base.port
