"""Cookies against what peers have done to other clients, and against browsers' own tests (RFC 6265bis).

Rows: CK-01 domains, CK-02 host-only, CK-03 Secure, paths and prefixes, CK-04 size and number, CK-05 files.
"""

from __future__ import annotations

import copy
import functools
import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from http.cookiejar import CookieJar, LWPCookieJar, MozillaCookieJar
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import Cookies
from httpfast._cookie_jar import MAX_COOKIES, MAX_COOKIES_PER_DOMAIN, MAX_FIELD_BYTES, is_public_suffix
from tests.cookie_exchange import respond, sent

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


# ---- CK-01: a public suffix, a single label, a trailing dot, mixed case, an address


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.co.uk", "co.uk"),
        ("example.co.uk", ".co.uk"),
        ("example.co.uk", "CO.uk"),
        ("example.co.uk", "uk"),
        ("a.b.example.com.au", "com.au"),
        # By the owner of the name, not by a registry.
        ("mine.github.io", "github.io"),
        ("mine.s3.amazonaws.com", "s3.amazonaws.com"),
        # By a wildcard: *.ck, *.kawasaki.jp.
        ("example.anything.ck", "anything.ck"),
        ("a.b.kawasaki.jp", "b.kawasaki.jp"),
        # Names beyond ASCII, in A-labels: 公司.cn and 香港.
        ("example.公司.cn", "xn--55qx5d.cn"),
        ("example.香港", "xn--j6w193g"),
        # Not on the list: the last label is a suffix.
        ("a.b.unlisted", "unlisted"),
        ("localhost", "local"),
        ("intranet", "intranet.local"),
        # With the trailing dot of a full name, on either side (CVE-2022-27779).
        ("example.co.uk.", "co.uk."),
        ("example.co.uk.", "co.uk"),
        ("example.co.uk", "co.uk."),
        ("example.com.", "com."),
        ("example.com", "example.com."),
        ("example.com.", "example.com"),
        # No address has subdomains, and none is below another name.
        ("127.0.0.1", "0.0.1"),
        ("127.0.0.1", ".0.0.1"),
        ("127.0.0.1", "0.1"),
        ("[::ffff:127.0.0.1]", "0.0.1"),
        ("[::1]", ":1]"),
    ],
)
def test_domain_for_more_than_the_site_is_refused(host: str, domain: str) -> None:
    """[CK-01] (CVE-2018-20852, CVE-2022-27779, CVE-2023-46218)."""
    assert not respond(Cookies(), f"http://{host}/", f"a=1; Domain={domain}")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.co.uk", "example.co.uk"),
        ("www.example.co.uk", "Example.CO.UK"),
        ("a.mine.github.io", "mine.github.io"),
        # Exceptions to the wildcards: !www.ck, !city.kawasaki.jp.
        ("a.www.ck", "www.ck"),
        ("a.city.kawasaki.jp", "city.kawasaki.jp"),
        ("a.b.unlisted", "b.unlisted"),
        ("a.svc.cluster.local", "svc.cluster.local"),
        ("www.例子.公司.cn", "xn--fsqu00a.xn--55qx5d.cn"),
    ],
)
def test_domain_of_the_site_is_taken(host: str, domain: str) -> None:
    """[CK-01]."""
    cookies = respond(Cookies(), f"http://{host}/", f"a=1; Domain={domain}")

    assert sent(cookies, f"http://{domain}/") == "a=1"
    assert sent(cookies, f"http://other.{domain}/") == "a=1"
    assert sent(cookies, f"http://not{domain}/") is None


@pytest.mark.parametrize("host", ["github.io", "co.uk", "localhost", "com", "anything.ck", "co.uk."])
def test_suffix_that_names_itself_sets_a_host_only_cookie(host: str) -> None:
    """[CK-01] (RFC 6265bis, 5.7, step 5)."""
    for domain in (host, f".{host}", host.upper()):
        cookies = respond(Cookies(), f"http://{host}/", f"a=1; Domain={domain}")

        assert sent(cookies, f"http://{host}/") == "a=1"
        assert sent(cookies, f"http://victim.{host}/") is None


def test_user_may_set_a_cookie_for_any_domain() -> None:
    """[CK-01]: the list is against peers."""
    cookies = Cookies()
    cookies.set("a", "1", domain="co.uk")

    assert sent(cookies, "http://example.co.uk/") == "a=1"


def suffix_cases() -> Iterator[tuple[str, str | None]]:
    path = DATA / "psl" / "tests.txt"
    if not path.is_file():
        pytest.skip(f"the cases of the Public Suffix List are not here: {path}")
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("//"):
            name, registrable = line.split()
            # A null name and a leading dot are no names that get here.
            if name != "null" and not name.startswith("."):
                yield name, None if registrable == "null" else registrable


def test_cases_of_the_public_suffix_list_hold() -> None:
    """[CK-01]: a name has no registrable domain if, and only if, it is a suffix; what is above one, is."""
    count = 0
    for name, registrable in suffix_cases():
        # As they get here: in lower case and A-labels.
        name = ".".join(_a_label(label) for label in name.lower().split("."))
        count += 1
        assert is_public_suffix(name) is (registrable is None), name
        if registrable is not None:
            registrable = ".".join(_a_label(label) for label in registrable.split("."))
            assert not is_public_suffix(registrable)
            assert is_public_suffix(registrable.partition(".")[2])
            assert respond(Cookies(), f"http://{name}/", f"a=1; Domain={registrable}")
            suffix = registrable.partition(".")[2]
            assert not respond(Cookies(), f"http://{name}/", f"a=1; Domain={suffix}")

    assert count > 50


def _a_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def test_list_of_suffixes_is_loaded_for_a_domain_attribute_only() -> None:
    """[CK-01]: most cookies are host-only, and pay nothing for the list."""
    code = """
import sys
from types import SimpleNamespace as N
from httpfast import URL, Cookies, Headers
def respond(line):
    request = N(url=URL("http://www.a.com/"), headers={})
    Cookies().extract_cookies(N(headers=Headers({"Set-Cookie": line}), request=request))
    return "publicsuffixlist" in sys.modules
print(*[respond("a=1; " + text) for text in ("Path=/", "Domain=other.com", "Domain=com", "Domain=a.com")])
"""

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.split() == ["False", "False", "False", "True"]


# ---- CK-02: host-only


def test_host_only_cookie_stays_so_beside_one_of_a_sibling() -> None:
    """[CK-02] (CVE-2026-54279): neither replaces the other, nor widens it."""
    cookies = respond(Cookies(), "http://example.com/", "a=host; Path=/")
    respond(cookies, "http://evil.example.com/", "a=domain; Domain=example.com; Path=/")

    assert sent(cookies, "http://example.com/") in ("a=host; a=domain", "a=domain; a=host")
    assert sent(cookies, "http://www.example.com/") == "a=domain"
    respond(cookies, "http://evil.example.com/", "a=; Domain=example.com; Path=/; Max-Age=0")
    assert sent(cookies, "http://example.com/") == "a=host"


def test_sibling_cannot_set_or_delete_a_host_only_cookie() -> None:
    """[CK-02]."""
    cookies = respond(Cookies(), "http://a.example.com/", "a=1; Path=/")
    respond(cookies, "http://b.example.com/", "a=2; Path=/; Domain=a.example.com", "a=; Path=/; Max-Age=0")

    assert sent(cookies, "http://a.example.com/") == "a=1"
    assert sent(cookies, "http://b.example.com/") is None


@pytest.mark.parametrize("domain", ["example.com", ".example.com", "www.example.com"])
def test_other_site_cannot_delete_a_cookie(domain: str) -> None:
    """[CK-02]: who may not set a cookie may not delete it; http.cookiejar lets anybody."""
    cookies = respond(Cookies(), "http://www.example.com/", f"a=1; Path=/; Domain={domain}")

    for line in (f"a=; Path=/; Domain={domain}; Max-Age=0", f"a=; Path=/; Domain={domain}; Expires=Thu, 01 Jan 1970"):
        respond(cookies, "http://evil.net/", line)
        respond(cookies, "http://evilexample.com/", line)

    assert sent(cookies, "http://www.example.com/") == "a=1"
    respond(cookies, "http://www.example.com/", f"a=; Path=/; Domain={domain}; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert not cookies


@pytest.mark.parametrize("copied", ["copy", "update", "deepcopy", LWPCookieJar, MozillaCookieJar])
def test_host_only_cookie_stays_so_when_copied_or_saved(copied: Any, tmp_path: Path) -> None:
    """[CK-02] (CVE-2026-111749): also through the files of http.cookiejar."""
    cookies = respond(Cookies(), "https://example.com/", "host=1; Path=/", "wide=1; Path=/; Domain=example.com")

    if copied == "copy":
        again = Cookies(cookies)
    elif copied == "update":
        again = Cookies()
        again.update(cookies)
    elif copied == "deepcopy":
        again = Cookies()
        for cookie in cookies.jar:
            again.jar.set_cookie(copy.deepcopy(cookie))
    else:
        saved = copied()
        for cookie in cookies.jar:
            saved.set_cookie(cookie)
        saved.save(str(tmp_path / "jar"), ignore_discard=True)
        loaded = copied()
        loaded.load(str(tmp_path / "jar"), ignore_discard=True)
        again = Cookies()
        again.update(Cookies(loaded))

    assert sent(again, "https://example.com/") == "host=1; wide=1"
    assert sent(again, "https://www.example.com/") == "wide=1"


# ---- CK-03: Secure, the root path, prefixes


@pytest.mark.parametrize(
    ("first", "then", "is_replaced"),
    [
        # The path "/" is a prefix of all (CVE-2025-9086).
        ("a=1; Secure; Path=/", "a=evil; Path=/", True),
        ("a=1; Secure; Path=/", "a=evil; Path=/x", True),
        ("a=1; Secure; Path=/", "a=evil; Path=//", True),
        ("a=1; Secure; Path=/x/", "a=evil; Path=/x", True),
        ("a=1; Secure; Path=/x", "a=evil; Path=/", False),
        ("a=1; Secure; Path=/x", "a=evil; Path=/xy", False),
        # To delete is to replace.
        ("a=1; Secure; Path=/", "a=; Path=/; Max-Age=0", True),
        ("a=1; Secure; Path=/", "a=evil; Path=/; Secure", True),
        ("a=1; Secure; Path=/", "b=other; Path=/", False),
        ("a=1; Secure; Path=/", "A=other; Path=/", False),
    ],
)
def test_plain_http_leaves_secure_cookies_alone(first: str, then: str, is_replaced: bool) -> None:
    """[CK-03]: a cookie that would replace or hide one is not taken (RFC 6265bis, 5.7, step 9)."""
    cookies = respond(Cookies(), "https://example.com/", first)
    respond(cookies, "http://example.com/", then)

    kept = [(cookie.value, cookie.secure) for cookie in cookies.jar]
    assert ("1", True) in kept
    assert len(kept) == (1 if is_replaced else 2)


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://example.com/", True),
        ("wss://example.com/", True),
        ("https://example.com:8443/", True),
        ("http://example.com/", False),
        ("http://example.com:443/", False),
        ("ws://example.com/", False),
        ("ftp://example.com/", False),
    ],
)
def test_secure_cookie_goes_over_tls_only(url: str, is_sent: bool) -> None:
    """[CK-03]."""
    cookies = respond(Cookies(), "https://example.com/", "a=1; Secure; Path=/")

    assert sent(cookies, url) == ("a=1" if is_sent else None)


@pytest.mark.parametrize(
    ("path", "target", "is_sent"),
    [
        ("/", "/", True),
        ("/", "/x", True),
        ("/", "", True),
        ("/", "?q", True),
        ("//", "//", True),
        ("//", "/", False),
        ("/x", "/x", True),
        ("/x", "/x/", True),
        ("/x", "/x?q", True),
        ("/x", "/xy", False),
        ("/x/", "/x", False),
        ("/x/", "/x/y", True),
        ("/X", "/x", False),
    ],
)
def test_path_matches_whole_segments(path: str, target: str, is_sent: bool) -> None:
    """[CK-03] (RFC 6265bis, 5.1.4)."""
    cookies = respond(Cookies(), "http://example.com/", f"a=1; Path={path}")

    assert sent(cookies, f"http://example.com{target}") == ("a=1" if is_sent else None)


@pytest.mark.parametrize("name", ["__Host-a", "__HOST-a", "__Secure-a", "__secure-a"])
def test_name_with_a_prefix_is_not_to_be_had_over_plain_http(name: str) -> None:
    """[CK-03]: also without a value, and from a subdomain."""
    cookies = Cookies()
    for url in ("http://example.com/", "http://evil.example.com/"):
        for attributes in ("", "; Secure; Path=/", "; Domain=example.com", "; Secure; Path=/; Domain=example.com"):
            respond(cookies, url, f"{name}=evil{attributes}", f"{name}{attributes}")

    assert not cookies


# ---- CK-04: many, large, invalid


def test_ten_thousand_cookies_are_bounded_in_linear_time(caplog: pytest.LogCaptureFixture) -> None:
    """[CK-04] (CVE-2025-58186)."""
    cookies = Cookies()
    hosts = [f"h{number}.example.com" for number in range(100)]
    start = time.process_time()
    for host in hosts:
        respond(cookies, f"http://{host}/", *[f"n{number}=1; Path=/" for number in range(100)])
    elapsed = time.process_time() - start

    assert len(cookies) == MAX_COOKIES
    assert sent(cookies, f"http://{hosts[0]}/") is None
    assert (sent(cookies, f"http://{hosts[-1]}/") or "").count("n") == 100
    # In seconds; the usual figure is a tenth of it.
    assert elapsed < 10
    assert not caplog.records


def test_secure_cookies_are_not_driven_out_by_plain_http() -> None:
    """[CK-04] RFC 6265bis, 5.7: those that are not Secure go first, and expired ones before them."""
    cookies = respond(Cookies(), "https://example.com/", "sid=1; Secure; Domain=example.com")
    fillers = [f"f{number}=1; Domain=example.com" for number in range(MAX_COOKIES_PER_DOMAIN)]

    respond(cookies, "http://example.com/", *fillers)
    respond(cookies, "http://example.com/", "sid=2; Domain=example.com")

    assert cookies["sid"] == "1"
    assert len(cookies) == MAX_COOKIES_PER_DOMAIN


def test_secure_cookies_of_a_full_jar_are_minded_in_linear_time() -> None:
    """[CK-04]: each line of plain http is compared with those of its name only."""
    cookies = Cookies()
    for number in range(MAX_COOKIES // MAX_COOKIES_PER_DOMAIN):
        lines = [f"n{number}-{line}=1; Secure; Path=/" for line in range(MAX_COOKIES_PER_DOMAIN)]
        respond(cookies, f"https://h{number}.example.com/", *lines)

    start = time.process_time()
    respond(cookies, "http://evil.example.com/", *[f"x{line}=1; Domain=example.com" for line in range(1_000)])

    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "line",
    [
        "a=" + "x" * 1_000_000,
        "x" * 1_000_000,
        "x" * 1_000_000 + "=1",
        "a=1; " * 200_000,
        "a=1" + ";" * 1_000_000,
        "a=1; Path=" + "/" * 1_000_000,
        "a=1; Expires=" + "9" * 1_000_000,
        "=" * 1_000_000,
        '"' * 1_000_000,
        "a=" + "\\" * 1_000_000,
    ],
    ids=lambda line: line[:12],
)
def test_megabyte_line_is_not_taken_apart(line: str) -> None:
    """[CK-04]."""
    start = time.process_time()
    cookies = respond(Cookies(), "http://example.com/", line)

    assert time.process_time() - start < 0.1
    assert not cookies


@pytest.mark.parametrize(
    "line",
    [
        'a=1; Expires="' + "\\" * 8_000,
        "a=1; Expires=" + "9 " * 8_000,
        "a=1; Expires=" + "1-" * 500,
        "a=1; " + "x;" * 8_000,
        "a=1; " + "x=1;" * 4_000,
        '"' + '\\"' * 2_000,
        " " * 16_000,
    ],
    ids=lambda line: line[:12],
)
def test_line_within_the_limits_takes_little_time(line: str) -> None:
    """[CK-04]: no expression of http.cookiejar backtracks over what gets that far."""
    start = time.process_time()
    for _ in range(10):
        respond(Cookies(), "http://example.com/", line)

    assert time.process_time() - start < 1


def test_field_of_received_cookies_is_bounded() -> None:
    """[CK-04] (CVE-2022-32205): a sibling's cookies do not make requests that servers refuse."""
    cookies = Cookies({"mine": "m" * 10_000})
    respond(cookies, "http://example.com/", "session=1; Path=/app")
    for number in range(20):
        respond(cookies, "http://evil.example.com/", f"n{number}={'x' * 4_000}; Domain=example.com; Path=/")

    field = sent(cookies, "http://example.com/app/") or ""

    received = [pair for pair in field.split("; ") if not pair.startswith("mine=")]
    # The longest path comes first, and what the user has set goes in any case.
    assert field.startswith("session=1; ")
    assert f"mine={'m' * 10_000}" in field
    assert len("; ".join(received)) <= MAX_FIELD_BYTES
    assert len(received) == 3


def test_what_the_user_set_is_not_driven_out() -> None:
    """[CK-04]: with or without a domain."""
    cookies = Cookies({"mine": "1"})
    cookies.set("wide", "1", domain="example.com")
    for start in range(0, 1_000, 500):
        lines = [f"n{number}=1; Domain=example.com; Path=/" for number in range(start, start + 500)]
        respond(cookies, "http://example.com/", *lines)

    names = list(cookies)
    assert {"mine", "wide"} <= set(names)
    assert len(names) <= MAX_COOKIES_PER_DOMAIN + 2


def test_invalid_lines_leave_no_trace(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """[CK-04] (CVE-2025-69230): nothing logged, warned of or printed, a thousand times over."""
    caplog.set_level(logging.DEBUG)
    lines = [
        b"a=\x00",
        b"=",
        b";",
        b"a=1; Expires=never",
        b"a=1; Max-Age=nan; Domain=com",
        b"\xff\xfe=\xfd",
        b"a=1; Version=x",
        b"a=1; Domain=" + b"." * 99,
        b"a=1; Path=\xff; Max-Age=" + b"9" * 5_000,
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(100):
            respond(Cookies(), "http://example.com/", *lines)

    assert not caplog.records
    assert capfd.readouterr() == ("", "")


# ---- CK-05: files


HOSTILE_TEXT = st.lists(
    st.sampled_from([*"a1=; \t,\"'\\#$%é\x85\u2028", "Path=/", "Domain=example.com", "HttpOnly", "#HttpOnly_", "TRUE"])
    | st.sampled_from(["Max-Age=9", "Secure", "version=1", "domain_dot", "expires=", "Set-Cookie3:", "# Netscape"]),
    max_size=10,
).map("".join)


@pytest.mark.parametrize("jar_class", [LWPCookieJar, MozillaCookieJar])
@given(lines=st.lists(HOSTILE_TEXT, max_size=4))
def test_hostile_cookie_cannot_break_a_file(
    jar_class: Any, lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """[CK-05] (CVE-2026-86412): a file of http.cookiejar that saves what we took in, loads again."""
    path = str(tmp_path_factory.getbasetemp() / f"{jar_class.__name__}.txt")
    cookies = Cookies(jar_class(path))
    respond(cookies, "https://www.example.com/p/", "good=1; Path=/; Secure; Domain=example.com", *lines)
    jar: Any = cookies.jar

    jar.save(ignore_discard=True)
    loaded = jar_class(path)
    loaded.load(ignore_discard=True)

    # For the hosts that they were for, and no others. LWPCookieJar cuts a name at a space.
    assert {cookie.domain for cookie in loaded} == {cookie.domain for cookie in jar}
    assert {cookie.name for cookie in loaded} == {
        cookie.name.split()[0] if jar_class is LWPCookieJar else cookie.name for cookie in jar
    }


@pytest.mark.parametrize("line", ["a\tb=1", "a=1\t2", "a,b=1", "a\tb", "a,b"])
def test_pair_that_no_file_can_hold_is_not_taken(line: str) -> None:
    """[CK-05]: none is allowed to servers (RFC 6265bis, 4.1.1)."""
    assert not respond(Cookies(), "http://example.com/", line)
    assert respond(Cookies(), "http://example.com/", " a =\t1,2\t; x,y=1; Path=/")["a"] == "1,2"


def test_cookies_are_not_pickled_unknowingly() -> None:
    """[CK-05] (CVE-2026-34993): there is no way to save here, and the jar refuses to be pickled."""
    import pickle

    cookies = respond(Cookies(), "http://example.com/", "a=1")

    assert not [name for name in dir(cookies) if "save" in name or "load" in name]
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(cookies)


# ---- Browsers' tests

NAMELESS = (
    "a pair without a name stays as http.cookiejar has it, named by its text, and '=text' is not taken: by RFC 6265bis "
    "it is sent as if it were a pair, and passes for a cookie of another name"
)
LINE_FEED = "a line feed cannot be in a field (RFC 9110, 5.5): browsers see the line cut there, we never do"
# What of the browsers' tests is not so here, and why. http.cookiejar, which is what httpx has, differs in 43 of the
# 166: an attribute with a bad value costs the cookie (8); overlong attributes count (6) and overlong cookies are kept
# (6); the first of two attributes counts, not the last (4); "Secure=" is not secure (1); prefixes promise nothing (1);
# what is not ASCII cannot be sent (6); a line feed is part of a value (1); and these pairs without a name (10).
KNOWN_DIFFERENCES = {
    "Set a nameless cookie (that has an = in its value)": NAMELESS,
    "Set a nameless cookie (that has multiple ='s in its value)": NAMELESS,
    "Set a nameless cookie": NAMELESS,
    "Return the most recent nameless cookie, without leading =": NAMELESS,
    "Return the most recent nameless cookie, even if preceded by =": NAMELESS,
    "Return the most recent nameless cookie, even if preceded by =, in addition to other valid cookie": NAMELESS,
    "Set nameless cookie, given `Set-Cookie: =test16`": NAMELESS,
    "Overwrite nameless cookie": NAMELESS,
    "Set max-size name-less cookie": NAMELESS,
    "Set nameless cookie followed by '=' to its value": NAMELESS,
    "Set cookie but ignore value after LF": LINE_FEED,
}


@functools.cache
def browser_cases() -> list[tuple[str, str, list[str], str]]:
    """(name, URL, Set-Cookie lines, Cookie field)."""
    folder = DATA / "wpt" / "cookies"
    cases = []
    for path in sorted(folder.glob("*.json")):
        scheme = "https" if path.stem == "attributes_secure" else "http"
        place = "size" if path.stem.startswith("size") else "attributes"
        for case in json.loads(path.read_text("utf-8")):
            lines = case["cookie"] if isinstance(case["cookie"], list) else [case["cookie"]]
            cases.append(
                (case["name"], f"{scheme}://web-platform.test:8000/cookies/{place}/x", lines, case["expected"])
            )
    if not cases:
        pytest.skip(f"the browsers' cookie tests are not here: {folder}")
    return cases


def test_browsers_tests_hold_but_for_known_differences() -> None:
    """[CK-01] to [CK-05]: names, values, sizes and attributes as in the web platform's tests."""
    differences = []
    for name, url, lines, expected in browser_cases():
        cookies = Cookies()
        for line in lines:
            respond(cookies, url, line)
        if (sent(cookies, url) or "") != expected:
            differences.append(name)

    assert sorted(differences) == sorted(KNOWN_DIFFERENCES)


def test_difference_from_browsers_is_on_the_side_of_caution() -> None:
    """A pair without a name cannot pass for one of a name, as `=a=1` does in browsers."""
    cookies = respond(Cookies(), "https://example.com/", "=__Host-a=1", "==a=1", "=a")

    assert sent(cookies, "https://example.com/") is None


def test_jar_of_the_user_gets_no_line_that_we_refuse() -> None:
    """A CookieJar of the user's has a policy of its own; lines that no user agent heeds do not reach it."""
    cookies = respond(Cookies(CookieJar()), "http://example.com/", "a=1\x00", "b=" + "x" * 5_000, "c=1; Path=/")

    assert list(cookies) == ["c"]
