"""URLs: their parts, their normal form, and what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from httpfast import URL, InvalidURL, Origin, QueryParams
from httpfast._url import _PARSED, _PARSED_MAX, _parse_cached

SPECIAL_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

# ---- parts


def test_url_with_every_part() -> None:
    url = URL("HTTPS://jo%40email.com:a%20secret@MÜLLER.de:1234/pa%20th?search=ab#anchor%20link")

    assert url.scheme == "https"
    assert url.raw_scheme == b"https"
    assert url.userinfo == b"jo%40email.com:a%20secret"
    assert (url.username, url.password) == ("jo@email.com", "a secret")
    assert url.host == "müller.de"
    assert url.raw_host == b"xn--mller-kva.de"
    assert url.port == 1234
    assert url.netloc == b"xn--mller-kva.de:1234"
    assert url.path == "/pa th"
    assert url.query == b"search=ab"
    assert url.params == QueryParams({"search": "ab"})
    assert url.raw_path == b"/pa%20th?search=ab"
    assert url.fragment == "anchor link"
    assert url.is_absolute_url
    assert not url.is_relative_url
    assert str(url) == "https://jo%40email.com:a%20secret@xn--mller-kva.de:1234/pa%20th?search=ab#anchor%20link"
    assert url._origin_key == (b"https", b"xn--mller-kva.de", 1234)
    assert url._host_header == b"xn--mller-kva.de:1234"
    assert url._target == b"/pa%20th?search=ab"


def test_empty_path_is_kept_in_text_and_is_a_slash_in_a_request() -> None:
    url = URL("http://example.com")

    assert str(url) == "http://example.com"
    assert url.path == "/"
    assert url.raw_path == b"/"


@pytest.mark.parametrize(
    ("text", "raw_path"), [("http://a/p", b"/p"), ("http://a/p?", b"/p?"), ("http://a?", b"/?"), ("http://a?b", b"/?b")]
)
def test_empty_query_differs_from_none(text: str, raw_path: bytes) -> None:
    assert URL(text).raw_path == raw_path
    assert str(URL(text)) == text


@pytest.mark.parametrize("text", ["", "/x", "x/y", "?q", "#f", "://example.com", "http:", "http://", "mailto:a@b.c"])
def test_url_without_scheme_or_host_is_relative(text: str) -> None:
    url = URL(text)

    assert url.is_relative_url
    with pytest.raises(ValueError, match="URL must be absolute"):
        _ = url.origin


@pytest.mark.parametrize("scheme", SPECIAL_PORTS)
def test_default_port_is_left_out(scheme: str) -> None:
    port = SPECIAL_PORTS[scheme]

    assert URL(f"{scheme}://a:{port}/").port is None
    assert URL(f"{scheme.upper()}://a:0{port}/") == f"{scheme}://a/"
    assert URL(f"{scheme}://a:{port + 1}/").port == port + 1
    assert URL(f"{scheme}://a:/").port is None
    assert URL(f"{scheme}://a/")._origin_key == (scheme.encode(), b"a", port)


def test_port_of_an_unknown_scheme_has_no_default() -> None:
    assert URL("foo://a")._origin_key == (b"foo", b"a", 0)
    assert URL("foo://a:80").port == 80


# ---- percent-encoding

ASCII = "".join(map(chr, range(0x20, 0x7F)))
ENDS_PART = {"http://": "/?#\\", "http://a/": "?#", "http://a/?": "#", "http://a/#": ""}


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("http://a/", "", "!$%&'()*+,-./0:;=@A[\\]^_a|~"),
        ("http://a/?", "", "!$%&'()*+,-./0:;=?@A[\\]^_`a{|}~"),
        ("http://a/#", "", "!#$%&'()*+,-./0:;=?@A[\\]^_a{|}~"),
        ("http://", "@a/", "!$%&'()*+,-.0:A_a~"),
    ],
)
def test_each_part_escapes_its_own_set(before: str, after: str, kept: str) -> None:
    for character in ASCII:
        if character in ENDS_PART[before]:
            continue
        expected = character if character in kept or character.isalnum() else f"%{ord(character):02X}"

        assert str(URL(f"{before}x{character}{after}")) == f"{before}x{expected}{after}"


@pytest.mark.parametrize("text", ["/%20", "/%zz", "/%", "/%2f%2F", "/?%20%97", "/#%41%zz"])
def test_escapes_stay_as_they_are(text: str) -> None:
    assert str(URL(f"http://a{text}")) == f"http://a{text}"


def test_text_beyond_ascii_is_escaped_as_utf_8() -> None:
    assert str(URL("http://é:ü@a/é?ü#日")) == "http://%C3%A9:%C3%BC@a/%C3%A9?%C3%BC#%E6%97%A5"


@pytest.mark.parametrize(
    "text", ["http://a/\ud800", "http://a/?\ud800", "http://\ud800/", "http://\ud800@a/", "#\udfff"]
)
def test_surrogate_is_refused(text: str) -> None:
    with pytest.raises(InvalidURL):
        URL(text)


def test_params_are_form_encoded_and_replace_the_query() -> None:
    assert str(URL("http://a/?x=1", params={"b": "c d", "e": "f/g%"})) == "http://a/?b=c+d&e=f%2Fg%25"
    assert str(URL("http://a/?x=1", params={})) == "http://a/"
    assert str(URL("http://a/?x=1", params=None)) == "http://a/"
    assert str(URL("http://a/", params={"b": 1}, query=b"c=2")) == "http://a/?b=1"


# ---- paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a//../b", "/a/b"),
        ("/.a/..b/c.", "/.a/..b/c."),
        ("/a/%2e%2e/b", "/a/%2e%2e/b"),
    ],
)
def test_dot_segments_are_removed(path: str, expected: str) -> None:
    assert URL(f"http://a{path}").raw_path.decode() == expected
    assert URL("http://a").copy_with(path=path).raw_path.decode() == expected


def test_path_that_looks_like_an_authority_reads_back_as_a_path() -> None:
    url = URL("http:////evil.com/x")

    assert url.host == ""
    assert URL(str(url)).host == ""
    assert URL(str(url)) == url


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"scheme": "https", "host": "a", "path": "b"}, "For absolute URLs, path must be empty or begin with '/'"),
        ({"path": "//b"}, "Relative URLs cannot have a path starting with '//'"),
        ({"path": ":b"}, "Relative URLs cannot have a path starting with ':'"),
        ({"path": "a://b"}, "Relative URLs cannot have a path whose first segment has a ':'"),
        ({"path": "a?b"}, "Invalid URL component 'path'"),
        ({"query": b"a#b"}, "Invalid URL component 'query'"),
        ({"scheme": "~"}, "Invalid URL component 'scheme'"),
        ({"host": "a:b:c]"}, "Invalid IPv6 address: '[a:b:c]]'"),
        ({"userinfo": b"a@b"}, "Invalid URL component 'userinfo'"),
        ({"path": "/\n"}, "Invalid non-printable ASCII character in URL path component, '\\n' at position 1."),
        ({"path": "/" + "x" * 65_536}, "URL component 'path' too long"),
    ],
)
def test_invalid_component_is_named(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL(**parts)

    assert str(caught.value) == message


# ---- hosts


@pytest.mark.parametrize(
    ("given_host", "raw_host", "host"),
    [
        ("EXAMPLE.com", "example.com", "example.com"),
        ("中国.icom.museum", "xn--fiqs8s.icom.museum", "中国.icom.museum"),
        ("www.中国.museum", "www.xn--fiqs8s.museum", "www.中国.museum"),
        ("xn--fiqs8s.icom.museum", "xn--fiqs8s.icom.museum", "中国.icom.museum"),
        ("faß.de", "xn--fa-hia.de", "faß.de"),
        ("ශ්\u200dරී.com", "xn--10cl1a0b660p.com", "ශ්\u200dරී.com"),
        ("a。b", "a.b", "a.b"),
        ("xn--a", "xn--a", "xn--a"),
        ("xn--" + "a" * 100, "xn--" + "a" * 100, "xn--" + "a" * 100),
        ("ex%41mple.com", "example.com", "example.com"),
        ("m%C3%BCller.de", "xn--mller-kva.de", "müller.de"),
        ("a_b.example", "a_b.example", "a_b.example"),
        ("exam le.com", "exam%20le.com", "exam%20le.com"),
        ("exam%20le.com", "exam%20le.com", "exam%20le.com"),
        ("{host}", "{host}", "{host}"),
        ("a.", "a.", "a."),
    ],
)
def test_host_has_one_form_for_the_network_and_one_for_people(given_host: str, raw_host: str, host: str) -> None:
    url = URL(f"http://{given_host}/")

    assert url.raw_host.decode() == raw_host
    assert url.host == host
    assert URL(str(url)) == url


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F.1", "127.0.0.1"),
        ("127.0x0.1", "127.0.0.1"),
        ("%31%32%37.1", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("1.2.3.", "1.2.0.3"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("1.0xyz", "1.0xyz"),
        ("023b76x43144", "023b76x43144"),
    ],
)
def test_host_that_resolvers_read_as_a_number_becomes_that_address(host: str, normal: str) -> None:
    assert URL(f"http://{host}/").host == normal


@pytest.mark.parametrize(
    "host",
    [
        "999.999.999.999",
        "256.0.0.1",
        "1.2.3.4.5",
        "1..2",
        "0177.0.0.1",
        "0177.1",
        "08",
        "4294967296",
        "0x100000000",
        "example.1",
        "example.0x1",
        "1_0.0.0.1.2",
        "99999999999999999999",
    ],
)
def test_host_that_ends_in_a_number_and_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidURL, match="Invalid IPv4 address"):
        URL(f"http://{host}/")


@pytest.mark.parametrize("host", ["::1", "2001:db8::ff00:42:8329", "::ffff:192.168.0.1", "fe80::1%eth0", "fe80::1%1"])
def test_ipv6_address_has_brackets_in_text_only(host: str) -> None:
    for url in (URL(f"https://[{host}]:8443/"), URL(scheme="https", host=host, port=8443, path="/")):
        assert url.host == host
        assert url.netloc.decode() == f"[{host}]:8443"
        assert str(url) == f"https://[{host}]:8443/"
        assert url._origin_key == (b"https", host.encode(), 8443)


def test_ipv6_address_is_lower_case() -> None:
    assert URL("http://[2001:DB8::A]/").host == "2001:db8::a"


def test_ipv6_zone_is_not_told_to_the_peer() -> None:
    url = URL("http://[fe80::1%25eth0]:8080/")

    assert url.host == "fe80::1%eth0"
    assert url._host_header == b"[fe80::1]:8080"
    assert URL("http://[::1]/")._host_header == b"[::1]"


@pytest.mark.parametrize(
    "host",
    [
        "[]",
        "[::1",
        "::1]",
        "[::1]]",
        "[::1]x",
        "[::1]80",
        "[::1]9",
        "[::1][::2]",
        "[::g]",
        "[1.2.3.4]",
        "[v1.a]",
        "[::1%]",
        "[::1%.example.com]",
        "[::1%a.example.com]",
        "[::1%a/b]",
        "[::1%25251]",
        "[::1%0d%0a]",
        "[" + "1:" * 20_000 + "]",
    ],
)
def test_malformed_ipv6_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidURL):
        URL(f"http://{host}/")


@pytest.mark.parametrize(
    "host",
    [
        "☃.com",
        "😇",
        "-é",
        "a\u00adb",
        "\uff27\uff4f.com",
        "é" * 300,
        "a<b",
        "a>b",
        "a^b",
        "a|b",
        "a%2Fb",
        "a%3Ab",
        "a%40b",
        "a%23b",
        "a%3Fb",
        "a%5Cb",
        "a%25b",
        "a%00b",
        "a%0d%0ab",
        "a%7Fb",
        "a%FFb",
        "a%",
        " a",
        "a ",
        "%20a",
    ],
)
def test_host_with_a_character_that_no_name_has_is_refused(host: str) -> None:
    with pytest.raises(InvalidURL):
        URL(f"http://{host}/")


@pytest.mark.parametrize(
    "host", ["a/b", "a@b", "a?b", "a#b", "a\\b", "a\r\nb", "a b ", "a:80", "evil.com/x@good.com", "a]", "[a"]
)
def test_host_argument_cannot_become_another_part(host: str) -> None:
    with pytest.raises(InvalidURL):
        URL("http://good.com/").copy_with(host=host)


def test_message_shows_the_host_and_is_short() -> None:
    with pytest.raises(InvalidURL) as snow:
        URL("https://☃.com/")
    with pytest.raises(InvalidURL) as long:
        URL("https://" + "é" * 60_000)

    assert str(snow.value) == "Invalid IDNA hostname: '☃.com'"
    assert len(str(long.value)) < 120


@pytest.mark.parametrize(
    "port", ["abc", "65536", "99999", "-1", "+80", "8 0", "1_0", "\uff18\uff10", "0x50", "80:80", "1" * 5_000]
)
def test_malformed_port_is_refused(port: str) -> None:
    with pytest.raises(InvalidURL, match="Invalid port: "):
        URL(f"http://a:{port}/")


def test_port_argument_is_checked_too() -> None:
    for port in (-1, 65_536, True):
        with pytest.raises(InvalidURL, match="Invalid port: "):
            URL("http://a/").copy_with(port=port)
    assert URL("http://a:1/").copy_with(port=0).port == 0


# ---- text that parsers read differently


@pytest.mark.parametrize(
    ("text", "host", "userinfo"),
    [
        ("http://a@b@c/", "c", b"a%40b"),
        ("http://good.com:80@evil.com/", "evil.com", b"good.com:80"),
        ("http://good.com%2F@evil.com/", "evil.com", b"good.com%2F"),
        ("http://a:b:c@d/", "d", b"a:b:c"),
        ("http://good.com#@evil.com/", "good.com", b""),
        ("http://good.com?@evil.com/", "good.com", b""),
    ],
)
def test_last_at_sign_of_the_authority_ends_the_userinfo(text: str, host: str, userinfo: bytes) -> None:
    assert (URL(text).host, URL(text).userinfo) == (host, userinfo)


@pytest.mark.parametrize(
    "text",
    [
        "http://good.com\\@evil.com/",
        "http://evil.com\\.good.com/",
        "http:\\\\evil.com/",
        "http:/\\evil.com/",
        "\\\\evil.com/",
        "/\\evil.com/",
        "\\/evil.com/",
        "///evil.com/",
        "////evil.com/",
    ],
)
def test_text_in_which_browsers_see_another_host_is_refused(text: str) -> None:
    with pytest.raises(InvalidURL):
        URL("http://good.com/").join(text)


def test_backslash_in_a_path_is_only_a_character() -> None:
    assert URL("http://a/b\\c").raw_path == b"/b\\c"
    assert URL("foo://a\\b/").host == "a\\b"


CONTROLS = [*map(chr, range(0x20)), "\x7f"]
ANYWHERE = ["{}http://a", "ht{}tp://a", "http://u{}@a", "http://a{}b", "http://a:8{}0", "http://a/{}", "?{}", "#{}"]


@pytest.mark.parametrize("text", ANYWHERE)
def test_control_character_in_text_is_refused(text: str) -> None:
    for character in CONTROLS:
        with pytest.raises(InvalidURL, match="Invalid non-printable ASCII character in URL"):
            URL(text.format(character))


@pytest.mark.parametrize("name", ["scheme", "host", "path", "fragment", "userinfo", "netloc", "query", "raw_path"])
def test_control_character_in_an_argument_is_refused(name: str) -> None:
    for character in CONTROLS:
        value = f"x{character}"
        argument = value.encode() if name in ("userinfo", "netloc", "query", "raw_path") else value

        with pytest.raises(InvalidURL):
            URL("http://a/", **{name: argument})


@pytest.mark.parametrize("name", ["username", "password", "params"])
def test_control_character_in_a_value_is_escaped(name: str) -> None:
    for character in CONTROLS:
        argument = {"k": character} if name == "params" else character

        assert f"%{ord(character):02X}" in str(URL("http://a/", **{name: argument}))


def test_position_of_a_control_character_is_told() -> None:
    with pytest.raises(InvalidURL) as caught:
        URL("http://a.com/b\x00")

    assert str(caught.value) == "Invalid non-printable ASCII character in URL, '\\x00' at position 14."


def test_url_may_have_65536_characters() -> None:
    assert URL("http://a/" + "x" * (65_536 - 9))
    with pytest.raises(InvalidURL, match="URL too long"):
        URL("http://a/" + "x" * (65_537 - 9))
    with pytest.raises(InvalidURL, match="URL too long"):
        URL("http://a/" + "x" * 65_537, params={"a": "b"})


# ---- changing


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "https://u:p@a.com:8443/x?y#z"),
        ({"scheme": "http"}, "http://u:p@a.com:8443/x?y#z"),
        ({"host": "b.com"}, "https://u:p@b.com:8443/x?y#z"),
        ({"host": "::1"}, "https://u:p@[::1]:8443/x?y#z"),
        ({"port": None}, "https://u:p@a.com/x?y#z"),
        ({"port": 443}, "https://u:p@a.com/x?y#z"),
        ({"netloc": b"b.com:1"}, "https://u:p@b.com:1/x?y#z"),
        ({"netloc": b"b.com"}, "https://u:p@b.com/x?y#z"),
        ({"netloc": b"[::1]:1"}, "https://u:p@[::1]:1/x?y#z"),
        ({"username": "v"}, "https://v@a.com:8443/x?y#z"),
        ({"username": "v@w:", "password": "q/ %"}, "https://v%40w%3A:q%2F%20%@a.com:8443/x?y#z"),
        ({"username": None, "password": None}, "https://a.com:8443/x?y#z"),
        ({"userinfo": b"v:w"}, "https://v:w@a.com:8443/x?y#z"),
        ({"path": "/a b"}, "https://u:p@a.com:8443/a%20b?y#z"),
        ({"raw_path": b"/a"}, "https://u:p@a.com:8443/a#z"),
        ({"raw_path": b"/a?"}, "https://u:p@a.com:8443/a?#z"),
        ({"raw_path": b"/a?b?c"}, "https://u:p@a.com:8443/a?b?c#z"),
        ({"query": None, "fragment": None}, "https://u:p@a.com:8443/x"),
        ({"query": b""}, "https://u:p@a.com:8443/x?#z"),
        ({"params": {"b": "c"}}, "https://u:p@a.com:8443/x?b=c#z"),
        ({"params": {}}, "https://u:p@a.com:8443/x#z"),
    ],
)
def test_copy_with_changes_what_it_is_told(changes: dict[str, Any], expected: str) -> None:
    url = URL("https://u:p@a.com:8443/x?y#z")

    assert str(url.copy_with(**changes)) == str(URL(str(url), **changes)) == expected
    assert str(url) == "https://u:p@a.com:8443/x?y#z"


def test_copy_with_takes_only_parts_of_the_right_type() -> None:
    url = URL("http://a")

    with pytest.raises(TypeError, match=r"'foo' is an invalid keyword argument for URL\(\)"):
        url.copy_with(foo="bar")
    with pytest.raises(TypeError, match="Argument 'query' must be bytes but got str"):
        url.copy_with(query="a=b")
    with pytest.raises(TypeError, match="Argument 'port' must be int but got str"):
        url.copy_with(port="80")


def test_scheme_cannot_bring_in_other_parts() -> None:
    with pytest.raises(InvalidURL, match="Invalid URL component 'scheme'"):
        URL("https://good.com/").copy_with(scheme="https://x:y@evil.com/")


def test_params_can_be_changed_one_by_one() -> None:
    url = URL("http://a/?b=1&c=2")

    assert url.copy_set_param("b", "3") == "http://a/?b=3&c=2"
    assert url.copy_add_param("b", "3") == "http://a/?b=1&b=3&c=2"
    assert url.copy_remove_param("b") == "http://a/?c=2"
    assert url.copy_remove_param("b").copy_remove_param("c") == "http://a/"
    assert url.copy_merge_params({"c": "9", "d": "4"}) == "http://a/?b=1&c=9&d=4"


# RFC 3986, 5.4, of a base of "http://a/b/c/d;p?q".
RESOLVED = {
    "g:h": "g:h",
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q#s",
    "g#s": "http://a/b/c/g#s",
    "g?y#s": "http://a/b/c/g?y#s",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y#s",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
    "../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "g#s/../x": "http://a/b/c/g#s/../x",
    "http:g": "http://a/b/c/g",
    "?": "http://a/b/c/d;p?",
    "g//h": "http://a/b/c/g//h",
}


@pytest.mark.parametrize(("reference", "expected"), RESOLVED.items())
def test_join_resolves_references(reference: str, expected: str) -> None:
    base = URL("http://a/b/c/d;p?q")

    assert str(base.join(reference)) == str(base.join(URL(reference))) == expected


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("http://a", "b", "http://a/b"),
        ("http://a?q", "b", "http://a/b"),
        ("http://u:p@a:8/b", "//c", "http://c"),
        ("http://u:p@a:8/b", "/c", "http://u:p@a:8/c"),
        ("/a/b", "c", "/a/c"),
        ("/a/b", "../../c", "/c"),
        ("http://[::1]:8/a", "b", "http://[::1]:8/b"),
        ("https://a/", "//b:443/", "https://b/"),
        ("foo://a/b", "c", "foo://a/c"),
    ],
)
def test_join_takes_over_the_parts_above(base: str, reference: str, expected: str) -> None:
    assert str(URL(base).join(reference)) == expected


# ---- as a value


def test_url_equals_its_text_in_any_form() -> None:
    url = URL("http://EXAMPLE.com:80/a b")

    assert url == "http://example.com/a%20b" == url
    assert url == "HTTP://example.com/a b"
    assert url == URL("http://example.com/a%20b")
    assert url != "http://example.com/"
    assert url != "http://[invalid"
    assert url != 5
    assert len({url, URL("http://example.com/a%20b")}) == 1
    assert hash(url) == hash(str(url))


def test_repr_masks_the_password_and_str_does_not() -> None:
    assert repr(URL("http://u:secret@a/")) == "URL('http://u:[secure]@a/')"
    assert repr(URL("http://u:se:cr@et@a/")) == "URL('http://u:[secure]@a/')"
    assert repr(URL("http://u@a/?q#f")) == "URL('http://u@a/?q#f')"
    assert str(URL("http://u:secret@a/")) == "http://u:secret@a/"


def test_url_is_immutable() -> None:
    url: Any = URL("http://a/")

    for name in ("scheme", "host", "port", "path", "query", "raw_path", "fragment", "netloc"):
        with pytest.raises(AttributeError):
            setattr(url, name, "x")


@pytest.mark.parametrize("wrong", [5, None, b"http://a", object()])
def test_url_of_another_type_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError) as caught:
        URL(wrong)

    assert str(caught.value) == f"Invalid type for url.  Expected str or httpfast.URL, got {type(wrong)}: {wrong!r}"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda url: pickle.loads(pickle.dumps(url)), URL])
def test_copies_are_equal(duplicate: Any) -> None:
    url = URL("http://u:p@中国.com:8/?x#y")
    _ = url._origin_key, url._target, str(url)

    assert duplicate(url) == url
    assert duplicate(url).host == "中国.com"


def test_raw_is_deprecated() -> None:
    with pytest.warns(UserWarning, match=r"URL\.raw is deprecated\."):
        raw = URL("https://a:1/b?c").raw

    assert raw == (b"https", b"a", 1, b"/b?c")


def test_origin_is_scheme_host_and_effective_port() -> None:
    origin = URL("https://u:p@EXAMPLE.com/a?b#c").origin

    assert (origin.scheme, origin.host, origin.port) == ("https", "example.com", 443)
    assert origin == Origin("https://example.com:443") == pickle.loads(pickle.dumps(origin))
    assert len({origin, Origin("https://example.com/x"), Origin("http://example.com")}) == 2
    assert repr(origin) == "Origin(scheme='https', host='example.com', port=443)"
    assert Origin("http://[::1]/") == Origin("http://[0:0::1]/") == pickle.loads(pickle.dumps(Origin("http://[::1]/")))
    assert Origin("foo://a").port is None
    with pytest.raises(AttributeError):
        origin.host = "evil.com"


def test_parsed_urls_are_kept_by_text_within_bounds() -> None:
    assert _parse_cached("http://cached.example/") is _parse_cached("http://cached.example/")
    assert _parse_cached("http://a/" + "x" * 3_000) is not _parse_cached("http://a/" + "x" * 3_000)

    for number in range(2 * _PARSED_MAX):
        _parse_cached(f"http://a/{number}")

    assert len(_PARSED) <= _PARSED_MAX
    assert _parse_cached(f"http://a/{2 * _PARSED_MAX - 1}") is _parse_cached(f"http://a/{2 * _PARSED_MAX - 1}")
