"""Patterns of `mounts=` and proxies from the environment: which requests each is for (POOL-07)."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping

import pytest

from httpfast import URL, InvalidURL
from httpfast._mounts import URLPattern, environment_proxies

# (pattern, URL, whether it is for it)
MATCHES = [
    # Schemes.
    ("all://", "http://a.com", True),
    ("all://", "https://a.com:123", True),
    ("", "https://a.com:123", True),
    ("http://", "http://a.com", True),
    ("http://", "https://a.com", False),
    ("HTTP://", "http://a.com", True),
    ("https://", "http://a.com:443", False),
    ("http://*", "http://a.com", True),
    ("http://*", "https://a.com", False),
    ("all://*", "https://[::1]", True),
    ("://a.com", "https://a.com", True),
    # One name.
    ("all://a.com", "http://a.com", True),
    ("all://a.com", "https://a.com/path?query", True),
    ("all://a.com", "http://www.a.com", False),
    ("all://a.com", "http://nota.com", False),
    ("all://a.com", "http://a.com.evil.net", False),
    ("all://a.com", "http://axcom", False),
    ("all://a.com", "http://b.com/?a.com", False),
    ("all://a.com", "http://a.com@b.com", False),
    ("http://a.com", "https://a.com", False),
    ("all://A.Com", "http://a.cOM", True),
    ("all://a.com.", "http://a.com", True),
    ("all://a.com", "http://a.com.", True),
    ("all://müller.de", "http://xn--mller-kva.de", True),
    ("all://xn--mller-kva.de", "http://MÜLLER.de", True),
    ("all://user:password@a.com/path", "http://a.com", True),
    ("all://localhost", "http://localhost:8000", True),
    ("all://localhost", "http://localhost.a.com", False),
    # Names under a name: the dot is the boundary.
    ("all://*.a.com", "http://www.a.com", True),
    ("all://*.a.com", "http://x.y.a.com.", True),
    ("all://*.a.com", "http://a.com", False),
    ("all://*.a.com", "http://nota.com", False),
    ("all://*a.com", "http://a.com", True),
    ("all://*a.com", "http://www.a.com", True),
    ("all://*a.com", "http://a.com.", True),
    ("all://*a.com", "http://nota.com", False),
    ("all://*a.com", "http://a.com.evil.net", False),
    ("all://*.a.com.", "http://www.a.com", True),
    ("all://*.müller.de", "http://www.xn--mller-kva.de", True),
    ("all://*.MÜLLER.de", "http://www.müller.de", True),
    ("https://*.a.com", "http://www.a.com", False),
    # Ports: what the request goes to, written or not.
    ("all://a.com:8080", "http://a.com:8080", True),
    ("all://a.com:8080", "http://a.com", False),
    ("all://a.com:8080", "http://a.com:80", False),
    ("all://a.com:443", "https://a.com", True),
    ("all://a.com:443", "http://a.com", False),
    ("http://a.com:80", "http://a.com", True),
    ("http://a.com:80", "http://a.com:8080", False),
    ("http://a.com", "http://a.com:443", True),
    ("all://:8080", "http://a.com:8080", True),
    ("all://:8080", "http://a.com", False),
    ("all://*:8080", "http://a.com:8080", True),
    ("all://*.a.com:8080", "http://www.a.com:8080", True),
    ("all://[::1]:81", "http://[::1]:81", True),
    ("all://[::1]:81", "http://[::1]", False),
    ("all://a.com:", "http://a.com:8080", True),
    # Addresses: their numbers count.
    ("all://127.0.0.1", "http://127.0.0.1:8000", True),
    ("all://127.0.0.1", "http://127.0.0.10", False),
    ("all://127.0.0.1", "http://127.1", True),
    ("all://127.0.0.1", "http://127.0.0.1.", True),
    ("all://127.0.0.1", "http://127.0.0.1.evil.net", False),
    ("all://127.0.0.1", "http://[::ffff:127.0.0.1]", True),
    ("all://[::ffff:7f00:1]", "http://127.0.0.1", True),
    ("all://127.0.0.1", "http://[::127.0.0.1]", False),
    ("all://[::1]", "http://[0:0:0:0:0:0:0:1]", True),
    ("all://[FD00::A]", "http://[fd00::a]", True),
    ("all://[::1]", "http://[::2]", False),
    ("all://*127.0.0.1", "http://127.0.0.1", True),
    ("all://*.0.0.1", "http://127.0.0.1", False),
    # Zones (RFC 4007): no zone is any zone, and a zone is no name.
    ("all://[fe80::1]", "http://[fe80::1%eth0]", True),
    ("all://[fe80::1%25eth0]", "http://[fe80::1%eth0]", True),
    ("all://[fe80::1%eth0]", "http://[fe80::1%eth1]", False),
    ("all://[fe80::1%eth0]", "http://[fe80::1]", False),
    ("all://*eth0", "http://[fe80::1%eth0]", False),
    # Networks.
    ("all://10.0.0.0/8", "http://10.255.0.1", True),
    ("all://10.0.0.0/8", "https://10.0.0.0:8443", True),
    ("all://10.1.2.3/8", "http://10.0.0.1", True),
    ("all://10.0.0.0/8", "http://11.0.0.1", False),
    ("all://10.0.0.0/8", "http://10.a.com", False),
    ("all://10.0.0.0/8", "http://[::ffff:10.0.0.1]", True),
    ("all://10.0.0.0/8", "http://[::a00:1]", False),
    ("http://10.0.0.0/8", "https://10.0.0.1", False),
    ("all://192.168.1.128/25", "http://192.168.1.127", False),
    ("all://192.168.1.128/25", "http://192.168.1.128", True),
    ("all://1.2.3.4/32", "http://1.2.3.4", True),
    ("all://1.2.3.4/32", "http://1.2.3.5", False),
    ("all://0.0.0.0/0", "http://255.1.2.3", True),
    ("all://0.0.0.0/0", "http://a.com", False),
    ("all://0.0.0.0/0", "http://[::1]", False),
    ("all://[fd00::]/8", "http://[fdff::1]", True),
    ("all://[fd00::]/8", "http://[fdff::1%eth0]", True),
    ("all://[fd00::]/8", "http://[fe80::1]", False),
    ("all://[::1]/128", "http://[::1]", True),
    ("all://[::]/0", "http://[2001:db8::1]", True),
    ("all://[::]/0", "http://10.0.0.1", False),
    ("all://[::ffff:10.0.0.0]/104", "http://10.0.0.1", True),
    ("all://10.0.0.0/", "http://10.0.0.1", False),
    ("all://a.com/8", "http://a.com", True),
    # A URL without a host.
    ("all://*a.com", "/a.com", False),
    ("all://10.0.0.0/8", "/10.0.0.1", False),
]


@pytest.mark.parametrize(("pattern", "url", "expected"), MATCHES)
def test_pattern_matches_the_urls_it_is_for(pattern: str, url: str, expected: bool) -> None:
    """[POOL-07]: dot boundary, CIDR, port, "*", IPv6 brackets and zone, case, trailing dot, IPv4-mapped."""
    assert URLPattern(pattern).matches(URL(url)) is expected


@pytest.mark.parametrize("scheme", ["http", "all", "localhost"])
def test_pattern_of_a_plain_scheme_is_refused_with_the_form_to_use(scheme: str) -> None:
    with pytest.raises(ValueError, match="Proxy keys should use proper URL forms rather than plain scheme") as caught:
        URLPattern(scheme)

    assert str(caught.value).endswith(f'Instead of "{scheme}", use "{scheme}://"')


@pytest.mark.parametrize(
    "pattern",
    [
        "all://a.com:port",
        "all://a.com:65536",
        "all://[::1",
        "all://[::g]",
        "all://300.1.1.1",
        "all://a\nb.com",
        "all://a%zz.com",
        "all://*.",
        "all://*..",
        "all://10.0.0.0/33",
        "all://10.0.0.0/8x",
        "all://10.0.0.0/-8",
        "all://10.0.0.0/٨",
        "all://10.0.0.0/8/",
        "all://10.0.0.0/8?query",
        "all://10.0.0.0/8#fragment",
        "all://10.0.0.0:80/8",
        "all://10.0.0.0/8:80",
        "all://user@10.0.0.0/8",
        "all://*10.0.0.0/8",
        "all://[fd00::]/129",
        "all://[fe80::%eth0]/10",
    ],
)
def test_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidURL):
        URLPattern(pattern)


def test_patterns_sort_by_port_then_host_then_network_then_scheme() -> None:
    expected = [
        "http://a.com:123",
        "all://:123",
        "http://www.a.com",
        "all://www.a.com",
        "http://a.com",
        "https://10.1.0.0/16",
        "all://10.1.0.0/16",
        "all://10.0.0.0/8",
        "all://[fd00::]/64",
        "all://[fd00::]/8",
        "https://",
        "http://",
        "all://",
    ]
    shuffled = [URLPattern(pattern) for pattern in expected]
    random.Random(0).shuffle(shuffled)

    assert [pattern.pattern for pattern in sorted(shuffled)] == expected


def test_patterns_are_equal_by_text_and_can_be_keys() -> None:
    mounts = {URLPattern("all://a.com"): 1}
    mounts[URLPattern("all://a.com")] = 2

    assert list(mounts.values()) == [2]
    assert URLPattern("all://a.com") != URLPattern("http://a.com")
    assert URLPattern("all://a.com") != "all://a.com"


def test_repr_shows_the_pattern_without_its_userinfo() -> None:
    assert repr(URLPattern("all://*.a.com:80")) == "URLPattern('all://*.a.com:80')"
    assert repr(URLPattern("all://user:password@a.com")) == "URLPattern('all://[secure]@a.com')"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"HTTP_PROXY": "http://p"}, {"http://": "http://p"}),
        ({"HTTPS_PROXY": "http://p"}, {"https://": "http://p"}),
        ({"ALL_PROXY": "socks5://p:1080"}, {"all://": "socks5://p:1080"}),
        ({"all_proxy": "http://p"}, {"all://": "http://p"}),
        ({"https_proxy": "http://p", "HTTP_PROXY": "https://q"}, {"http://": "https://q", "https://": "http://p"}),
        ({"TRAVIS_APT_PROXY": "http://p", "ftp_proxy": "http://p"}, {}),
        # Without a scheme; with space around.
        ({"HTTP_PROXY": "p:3128"}, {"http://": "http://p:3128"}),
        ({"HTTP_PROXY": " http://p "}, {"http://": "http://p"}),
        # Lower case wins, an empty one too.
        ({"http_proxy": "http://low", "HTTP_PROXY": "http://up"}, {"http://": "http://low"}),
        ({"http_proxy": "", "HTTP_PROXY": "http://up"}, {}),
        ({"HTTP_PROXY": ""}, {}),
        ({"no_proxy": "", "NO_PROXY": "*", "ALL_PROXY": "http://p"}, {"all://": "http://p"}),
        # httpoxy: CVE-2016-5386.
        ({"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://p"}, {}),
        ({"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://p", "ALL_PROXY": "http://q"}, {"all://": "http://q"}),
        ({"REQUEST_METHOD": "GET", "HTTPS_PROXY": "http://p"}, {"https://": "http://p"}),
        ({"REQUEST_METHOD": "", "HTTP_PROXY": "http://p"}, {}),
        # NO_PROXY turns all off.
        ({"NO_PROXY": "*", "ALL_PROXY": "http://p"}, {}),
        ({"NO_PROXY": "a.com, * ", "HTTP_PROXY": "http://p"}, {}),
    ],
)
def test_environment_names_the_proxies(environ: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    """[POOL-07]: lower and upper case, no scheme, httpoxy."""
    if sys.platform == "win32" and "REQUEST_METHOD" in environ:
        pytest.skip("names of variables have no case on Windows; see the test of its own")

    assert environment_proxies(environ) == expected


@pytest.mark.parametrize(
    ("entry", "pattern"),
    [
        ("a.com", "all://*a.com"),
        (".a.com", "all://*.a.com"),
        ("*.a.com", "all://*.a.com"),
        ("a.com.", "all://*a.com."),
        ("a.com:8080", "all://*a.com:8080"),
        (".a.com:8080", "all://*.a.com:8080"),
        ("localhost", "all://localhost"),
        ("LocalHost", "all://LocalHost"),
        ("müller.de", "all://*müller.de"),
        ("127.0.0.1", "all://127.0.0.1"),
        ("127.0.0.1:8080", "all://127.0.0.1:8080"),
        ("192.168.0.0/16", "all://192.168.0.0/16"),
        ("::1", "all://[::1]"),
        ("[::1]", "all://[::1]"),
        ("[::1]:81", "all://[::1]:81"),
        ("fe80::1%eth0", "all://[fe80::1%eth0]"),
        ("fd00::/8", "all://[fd00::]/8"),
        ("[fd00::]/8", "all://[fd00::]/8"),
        ("http://a.com", "http://a.com"),
        ("https://a.com:8443", "https://a.com:8443"),
        # Not to be read: passed over, no error.
        (".", None),
        ("a.com/path", None),
        ("a.com:port", None),
        ("10.0.0.0/33", None),
        ("10.0.0.0/8:80", None),
        ("300.1.1.1", None),
        ("192.168.", None),
        ("10.1", None),
        (":::", None),
        ("[::1", None),
        ("http://[", None),
        ("a\x00b", None),
    ],
)
def test_no_proxy_entry_becomes_a_pattern(entry: str, pattern: str | None) -> None:
    """[POOL-07]: the forms of an entry."""
    proxies = environment_proxies({"NO_PROXY": f" ,{entry} , ", "ALL_PROXY": "http://p"})

    assert proxies == {"all://": "http://p"} | ({} if pattern is None else {pattern: None})


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_proxied"),
    [
        ("", "http://a.com", True),
        ("a.com", "http://a.com", False),
        ("a.com", "http://www.a.com", False),
        ("a.com", "http://nota.com", True),
        ("a.com", "http://a.com.net", True),
        (".b.com", "http://b.com", True),
        (".b.com", "http://www.b.com", False),
        ("A.COM", "http://a.com.", False),
        ("a.com:8080", "http://a.com:8080", False),
        ("a.com:8080", "http://a.com", True),
        ("a.com:443", "https://a.com", False),
        ("x.com,a.com", "http://a.com", False),
        ("x.com , a.com", "http://a.com", False),
        ("x.com a.com", "http://a.com", False),
        ("localhost", "http://localhost:1", False),
        ("localhost", "http://a.localhost", True),
        ("10.0.0.0/8", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://11.1.2.3", True),
        ("127.0.0.1", "http://127.0.0.2", True),
        ("[::1]:81", "http://[::1]:81", False),
        ("::1", "http://[0::1]", False),
        ("fd00::/8", "http://[fdab::1]", False),
        ("https://a.com", "http://a.com", True),
        ("*", "http://a.com", False),
    ],
)
def test_no_proxy_decides_whether_the_proxy_is_used(no_proxy: str, url: str, is_proxied: bool) -> None:
    """[POOL-07]: the first of the sorted patterns that matches decides, as in a client."""
    proxies = environment_proxies({"NO_PROXY": no_proxy, "ALL_PROXY": "http://p"})
    patterns = sorted(URLPattern(key) for key in proxies)

    chosen = next((proxies[pattern.pattern] for pattern in patterns if pattern.matches(URL(url))), None)

    assert chosen == ("http://p" if is_proxied else None)


def test_environment_of_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")

    assert environment_proxies() == {}
    monkeypatch.setenv("HTTP_PROXY", "http://p")
    assert environment_proxies() == {"http://": "http://p"}


def test_upper_and_lower_case_do_not_differ_on_windows_for_a_cgi_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._mounts._NAMES_HAVE_NO_CASE", True)

    assert environment_proxies({"REQUEST_METHOD": "GET", "http_proxy": "http://p"}) == {}


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_settings_of_the_system_count_where_no_variable_is_set(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"http": "http://system", "gopher": "http://g"})
    monkeypatch.setattr("httpfast._mounts.os.environ", {})
    monkeypatch.setattr(sys, "platform", platform)

    assert environment_proxies() == {"http://": "http://system"}
    assert environment_proxies({}) == {}
    monkeypatch.setattr("httpfast._mounts.os.environ", {"ALL_PROXY": "http://p"})
    assert environment_proxies() == {"all://": "http://p"}
