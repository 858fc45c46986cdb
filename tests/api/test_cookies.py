"""Cookies: which are kept, which are sent, and that a client without any pays nothing."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from http.cookiejar import Cookie, CookieJar
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import CookieConflict, Cookies, Headers
from httpfast._cookie_jar import MAX_COOKIES_PER_DOMAIN, MAX_LINES, user_cookie
from tests.cookie_exchange import respond, sent

# ---- the mapping


@pytest.mark.parametrize("source", [{"a": "1", "b": "2"}, [("a", "1"), ("b", "2")], (("a", "1"), ("b", "2"))])
def test_cookies_of_names_and_values_go_to_every_host(source: Any) -> None:
    cookies = Cookies(source)

    assert dict(cookies) == {"a": "1", "b": "2"}
    assert sent(cookies, "http://example.com/x") == "a=1; b=2"
    assert sent(cookies, "https://other.example:8443/") == "a=1; b=2"


def test_mapping_operations() -> None:
    cookies = Cookies({"a": "1"})
    cookies["b"] = "2"
    cookies["a"] = "3"

    assert cookies["a"] == cookies.get("a") == "3"
    assert cookies.get("zz") is None
    assert cookies.get("zz", "default") == "default"
    assert len(cookies) == 2
    assert list(cookies) == ["a", "b"]
    assert "a" in cookies
    del cookies["a"]
    assert dict(cookies) == {"b": "2"}
    with pytest.raises(KeyError, match="a"):
        _ = cookies["a"]


def test_same_name_on_two_domains_conflicts_unless_one_is_named() -> None:
    cookies = Cookies()
    cookies.set("a", "1", domain="one.example")
    cookies.set("a", "2", domain="two.example", path="/p")

    with pytest.raises(CookieConflict, match="Multiple cookies exist with name=a"):
        _ = cookies["a"]
    assert cookies.get("a", domain="one.example") == "1"
    assert cookies.get("a", path="/p") == "2"
    assert cookies.get("a", domain="one.example", path="/p") is None


def test_delete_and_clear_take_a_domain_and_a_path() -> None:
    cookies = Cookies()
    for domain in ("one.example", "two.example"):
        for path in ("/", "/p"):
            cookies.set("a", "1", domain=domain, path=path)

    cookies.delete("a", domain="one.example", path="/p")
    assert len(cookies) == 3
    cookies.clear(domain="two.example", path="/p")
    assert len(cookies) == 2
    cookies.clear(domain="two.example")
    assert [cookie.domain for cookie in cookies.jar] == ["one.example"]
    cookies.delete("a")
    assert not cookies
    cookies.clear()
    with pytest.raises(KeyError):
        cookies.delete("a", domain="one.example", path="/")
    with pytest.raises(ValueError, match="together with a domain"):
        cookies.clear(path="/")


def test_update_replaces_by_name_domain_and_path() -> None:
    cookies = Cookies({"a": "1"})
    other = Cookies()
    other.set("a", "2", domain="one.example")
    cookies.update(other)
    cookies.update({"a": "3"})
    cookies.update()

    assert sorted((cookie.domain, cookie.value) for cookie in cookies.jar) == [("", "3"), ("one.example", "2")]


def test_cookies_of_cookies_are_a_copy_and_of_a_jar_are_not() -> None:
    first = Cookies({"a": "1"})
    jar = CookieJar()

    second, shared = Cookies(first), Cookies(jar)
    second["a"] = "2"
    shared["b"] = "3"

    assert first["a"] == "1"
    assert shared.jar is jar
    assert [cookie.name for cookie in jar] == ["b"]


@pytest.mark.parametrize("wrong", [5, "a=1", object()])
def test_cookies_of_another_type_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="Invalid type for cookies"):
        Cookies(wrong)


def test_repr_shows_each_cookie_with_its_domain_and_no_value() -> None:
    """CLI-02: a value may be a session, and what is printed is logged."""
    cookies = Cookies({"a": "1"})
    cookies.set("b", "2", domain="one.example")

    assert repr(cookies) == "<Cookies[<Cookie a=[secure] for  />, <Cookie b=[secure] for one.example />]>"
    assert repr(Cookies()) == "<Cookies[]>"


def test_empty_cookies_load_no_cookie_machinery() -> None:
    code = (
        "import sys, httpfast._cookies as c; k = c.Cookies(); k.set_cookie_header(None); dict(k); repr(k); k.clear();"
        "k.update(c.Cookies()); k.get('a'); bool(k); assert k._is_empty; print('http.cookiejar' in sys.modules)"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "False"


# ---- what is sent


def test_cookie_header_of_the_caller_stays() -> None:
    assert sent(Cookies({"a": "1"}), "http://example.com/", Headers({"Cookie": "mine=1"})) == "mine=1"


def test_nothing_to_send_sets_no_header() -> None:
    cookies = Cookies()
    cookies.set("a", "1", domain="one.example")

    assert sent(cookies, "http://two.example/") is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.com/p", "a=1"),
        ("http://example.com/p/q", "a=1"),
        ("http://EXAMPLE.com:8080/p", "a=1"),
        ("http://u:pw@example.com/p", "a=1"),
        ("http://example.com/pq", None),
        ("http://example.com/", None),
        ("http://www.example.com/p", None),
        ("http://notexample.com/p", None),
        ("http://example.com@evil.com/p", None),
        ("http://example.com.evil.com/p", None),
    ],
)
def test_host_only_cookie_goes_to_its_host_and_path(url: str, expected: str | None) -> None:
    cookies = respond(Cookies(), "http://example.com/p/x", "a=1; Path=/p")

    assert sent(cookies, url) == expected


@pytest.mark.parametrize("domain", ["example.com", ".example.com", "EXAMPLE.com"])
def test_domain_cookie_goes_to_subdomains(domain: str) -> None:
    cookies = respond(Cookies(), "http://www.example.com/", f"a=1; Domain={domain}")

    assert sent(cookies, "http://example.com/") == "a=1"
    assert sent(cookies, "http://deep.www.example.com/") == "a=1"
    assert sent(cookies, "http://badexample.com/") is None


def test_domain_cookie_set_by_the_user_goes_to_subdomains() -> None:
    cookies = Cookies()
    cookies.set("a", "1", domain="example.com")

    assert sent(cookies, "http://www.example.com/") == "a=1"
    assert sent(cookies, "http://other.com/") is None


def test_secure_cookie_goes_over_https_only() -> None:
    cookies = respond(Cookies(), "https://example.com/", "a=1; Secure")

    assert sent(cookies, "http://example.com/") is None
    assert sent(cookies, "https://example.com/") == "a=1"


def test_expired_cookie_is_removed() -> None:
    cookies = respond(Cookies(), "http://example.com/", "a=1; Max-Age=100")
    respond(cookies, "http://example.com/", "a=gone; Max-Age=0")

    assert not cookies


def test_cookie_that_a_response_sets_and_deletes_is_gone() -> None:
    cookies = respond(Cookies(), "http://example.com/", "a=1", "b=2", "a=gone; Max-Age=0")

    assert list(cookies) == ["b"]


@pytest.mark.parametrize("age", ["9" * 1_000, "34560001"])
def test_age_is_at_most_400_days(age: str) -> None:
    (cookie,) = respond(Cookies(), "http://example.com/", f"a=1; Max-Age={age}").jar

    assert cookie.expires is not None
    assert cookie.expires <= time.time() + 400 * 24 * 3_600


def test_negative_age_deletes() -> None:
    assert not respond(Cookies({}), "http://example.com/", "a=1", f"a=1; Max-Age=-{'9' * 1_000}")


SET_COOKIE = st.lists(
    st.sampled_from(
        ["a", "=", ";", ",", " ", '"', "\t", "é", "path=/", "domain=", ".example.com", "max-age=", "9" * 40]
    )
    | st.sampled_from(
        ["expires=", "Wed, 09 Jun 2099 10:18:14 GMT", "9999999999-01-01", "secure", "version=1", "__Host-"]
    ),
    max_size=12,
).map("".join)


@given(st.lists(SET_COOKIE, max_size=4))
def test_any_set_cookie_lines_are_taken_or_ignored_without_a_warning(lines: list[str]) -> None:
    # Warnings are errors in this suite; http.cookiejar warns where it fails.
    cookies = respond(Cookies(), "http://www.example.com/", *lines)

    field = sent(cookies, "http://www.example.com/")
    assert field is None or field.replace("\t", "").isprintable()


def test_host_without_dots_and_address_get_their_cookies_back() -> None:
    for url in ("http://localhost:8000/", "http://127.0.0.1:8000/", "http://[::1]:8000/"):
        cookies = respond(Cookies(), url, "a=1")

        assert sent(cookies, url) == "a=1"
        assert sent(cookies, "http://www.localhost/") is None


def test_bound_cookies_go_to_one_host_only() -> None:
    cookies = Cookies({"a": "1"})
    cookies.set("b", "2", domain="other.example")
    cookies._bind("example.com")

    assert sent(cookies, "http://example.com/") == "a=1"
    assert sent(cookies, "http://evil.com/") is None
    assert sent(cookies, "http://other.example/") == "b=2"


def test_request_without_scheme_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="unknown url type: '/x'"):
        sent(Cookies({"a": "1"}), "/x")


# ---- what is refused


@pytest.mark.parametrize("bad", ["a\r\nX: 1", "a\n", "a\x00", "a\x7f", "a;b", "a\x1b"])
def test_user_cannot_set_a_cookie_that_would_be_two(bad: str) -> None:
    cookies = Cookies()

    for name, value in ((bad, "1"), ("a", bad)):
        with pytest.raises(ValueError, match="cannot be sent"):
            cookies.set(name, value)
        with pytest.raises(ValueError, match="cannot be sent"):
            Cookies({name: value})
    with pytest.raises(ValueError, match="cannot be sent"):
        cookies.set("a=b", "1")
    assert not cookies


def test_refusal_does_not_show_the_value() -> None:
    with pytest.raises(ValueError, match="cannot be sent") as caught:
        Cookies({"session": "topsecret\r\n"})

    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("bad", ["1\r\nX: 1", "1;b=2", "1\x00"])
def test_bad_cookie_put_straight_into_the_jar_is_not_sent(bad: str) -> None:
    cookies = Cookies({"good": "1"})
    cookies.jar.set_cookie(user_cookie("a", bad, "", "/"))

    assert sent(cookies, "http://example.com/") == "good=1"


@pytest.mark.parametrize("line", [b"a=1\x00", b"a=\x012", b"a\x7f=1", b"a=1; Path=/\x08", b"a=1\rb=2"])
def test_set_cookie_with_a_control_character_is_not_stored(line: bytes) -> None:
    assert not respond(Cookies(), "http://example.com/", line)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "com"),
        ("www.example.com", ".com"),
        ("www.example.com", "com."),
        ("www.example.com", "other.com"),
        ("www.example.com", "ww.example.com"),
        ("www.example.com", "deep.www.example.com"),
        ("www.example.com", "example.com."),
        ("example.com", "www.example.com"),
        ("notexample.com", "example.com"),
        ("127.0.0.1", "0.0.1"),
        ("127.0.0.1", ".0.0.1"),
        ("127.0.0.1", "1"),
        ("[::1]", "1"),
        ("localhost", "local"),
        ("localhost", ".local"),
        ("intranet", "host"),
    ],
)
def test_domain_that_is_not_the_host_or_above_is_refused(host: str, domain: str) -> None:
    assert not respond(Cookies(), f"http://{host}/", f"a=1; Domain={domain}")


def test_address_may_name_itself() -> None:
    cookies = respond(Cookies(), "http://127.0.0.1/", "a=1; Domain=127.0.0.1")

    assert sent(cookies, "http://127.0.0.1/") == "a=1"
    assert sent(cookies, "http://1.127.0.0.1.example/") is None


def test_plain_http_does_not_replace_or_hide_a_secure_cookie() -> None:
    cookies = respond(Cookies(), "https://example.com/", "a=1; Secure; Path=/login")

    respond(cookies, "http://example.com/", "a=evil; Path=/login")
    respond(cookies, "http://example.com/", "a=evil; Path=/login/x")
    respond(cookies, "http://www.example.com/", "a=evil; Domain=example.com; Path=/login")
    respond(cookies, "http://example.com/", "a=other; Path=/loginx", "b=2")

    assert sent(cookies, "https://example.com/login/x") == "a=1; b=2"
    assert sent(cookies, "https://example.com/loginx") == "a=other; b=2"


def test_https_replaces_a_secure_cookie() -> None:
    cookies = respond(Cookies(), "https://example.com/", "a=1; Secure")
    respond(cookies, "https://example.com/", "a=2")

    assert sent(cookies, "http://example.com/") == "a=2"


@pytest.mark.parametrize(
    ("url", "line", "is_kept"),
    [
        ("https://example.com/", "__Secure-a=1; Secure", True),
        ("https://example.com/", "__Secure-a=1", False),
        ("http://example.com/", "__Secure-a=1; Secure", False),
        ("https://example.com/", "__Host-a=1; Secure; Path=/", True),
        ("https://example.com/", "__host-a=1; Secure; Path=/", True),
        ("https://example.com/", "__Host-a=1; Secure", False),
        ("https://example.com/", "__Host-a=1; Secure; Path=/x", False),
        ("https://example.com/", "__Host-a=1; Path=/", False),
        ("https://example.com/", "__Host-a=1; Secure; Path=/; Domain=example.com", False),
        ("http://example.com/", "__Host-a=1; Secure; Path=/", False),
    ],
)
def test_name_with_a_prefix_must_keep_its_promise(url: str, line: str, is_kept: bool) -> None:
    assert bool(respond(Cookies(), url, line)) is is_kept


def test_overlong_cookies_and_attributes_are_left_out() -> None:
    cookies = respond(
        Cookies(),
        "http://example.com/x",
        "big=" + "x" * 4_094,
        "fits=" + "x" * 4_092,
        "path=1; Path=/" + "x" * 1_024,
        "huge=1; Comment=" + "x" * 1_000_000,
    )

    assert sorted(cookies) == ["fits", "path"]
    assert cookies.get("path", path="/") == "1"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("a=1; Path=/x; Path=/", "/"),
        ("a=1; Path=/; path=/p", "/p"),
        ("a=1; Path=/x; Path=", "/p"),
        ("a=1; Path", "/p"),
        ("a=1; \tpath\t=\t/ ", "/"),
        ('a=1; Version=1000; Port="1"; Path=/', "/"),
        ("a=1; Max-Age=50,399; Path=/", "/"),
        ("a=1; Domain=; Path=/", "/"),
        ("a=1; Domain=evil.com; Domain=example.com; Path=/", "/"),
    ],
)
def test_last_valid_attribute_counts_and_an_invalid_one_costs_no_cookie(line: str, path: str) -> None:
    cookies = respond(Cookies(), "http://example.com/p/q", line)

    assert [(cookie.value, cookie.path) for cookie in cookies.jar] == [("1", path)]


@pytest.mark.parametrize("attribute", ["Secure", "seCURe", "Secure=", "Secure=no", " \tSecure"])
def test_secure_in_any_form_is_secure(attribute: str) -> None:
    cookies = respond(Cookies(), "https://example.com/", f"a=1; {attribute}")

    assert sent(cookies, "http://example.com/") is None


def test_other_attributes_stay_with_the_cookie() -> None:
    (cookie,) = respond(Cookies(), "https://example.com/", "a=1; SameSite=Lax; HttpOnly").jar

    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.has_nonstandard_attr("HttpOnly")


@pytest.mark.parametrize("space", ["\xa0", "\x85"])
def test_attribute_begins_and_ends_with_what_is_not_a_space_or_a_tab(space: str) -> None:
    """RFC 6265bis, 5.6: other white space is part of a name, and makes it that of no attribute."""
    cookies = respond(Cookies(), "http://example.com/p/q", f"a=1; {space}Path=/; Domain{space}=evil.com")

    assert [(cookie.domain, cookie.path) for cookie in cookies.jar] == [("example.com", "/p")]


@pytest.mark.parametrize("date", ["", "never", "0", "9999999999-01-01", "Wed, 09 Jun 99999 10:18:14 GMT"])
def test_date_that_cannot_be_read_is_none(date: str) -> None:
    (cookie,) = respond(Cookies(), "http://example.com/", f"a=1; Expires={date}; Path=/").jar

    assert cookie.expires is None
    assert cookie.discard


def test_age_counts_whatever_the_date_says() -> None:
    for line in ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:10 GMT", "a=1; Expires=never; Max-Age=60"):
        (cookie,) = respond(Cookies(), "http://example.com/", line).jar

        assert not cookie.is_expired()
        assert not cookie.has_nonstandard_attr("Expires")


def test_cookies_that_come_and_go_leave_nothing() -> None:
    """A server could fill the memory with paths and domains of cookies that it deletes again."""
    cookies = Cookies()
    for number in range(100):
        respond(cookies, f"http://h{number}.example.com/", f"a=1; Path=/{number}", f"b=2; Path=/{number}")
        respond(cookies, f"http://h{number}.example.com/", f"a=; Path=/{number}; Max-Age=0")
        cookies.delete("b")
    cookies.set("kept", "1", domain="example.com")
    cookies.set("left", "1", domain="example.com")
    cookies.delete("left")

    assert [*cookies.jar._cookies] == ["example.com"]  # type: ignore[attr-defined]
    cookies.clear(domain="example.com")
    assert not cookies.jar._cookies  # type: ignore[attr-defined]


def test_jar_is_one_for_urllib_too() -> None:
    jar = Cookies().jar
    response: Any = SimpleNamespace(info=lambda: SimpleNamespace(get_all=lambda name, default: ["a=1; Path=/x"]))
    jar.extract_cookies(response, urllib.request.Request("http://example.com/x/y"))
    request = urllib.request.Request("http://example.com/x/z?q")

    jar.add_cookie_header(request)

    assert request.get_header("Cookie") == "a=1"


def test_cookies_of_a_host_are_bounded_and_the_oldest_go_first() -> None:
    cookies = Cookies({"mine": "1"})
    for start in range(0, 2_000, 500):
        respond(cookies, "http://example.com/", *[f"n{number}=1" for number in range(start, start + 500)])

    names = list(cookies)
    assert len(names) == MAX_COOKIES_PER_DOMAIN + 1
    assert "mine" in names
    assert names[-1] == "n1999"


def test_set_cookie_lines_of_one_response_are_bounded() -> None:
    cookies = respond(Cookies(), "http://example.com/", *[f"n{number}=1" for number in range(MAX_LINES + 500)])

    assert list(cookies)[-1] == f"n{MAX_LINES - 1}"


def test_password_of_the_url_does_not_become_part_of_a_domain() -> None:
    cookies = respond(Cookies(), "http://user:secret@example.com/", "a=1")

    assert [cookie.domain for cookie in cookies.jar] == ["example.com"]


def test_jar_of_the_user_keeps_its_own_policy() -> None:
    class Keeper(CookieJar):
        def set_cookie(self, cookie: Cookie) -> None:
            cookie.value = f"kept-{cookie.value}"
            super().set_cookie(cookie)

    cookies = respond(Cookies(Keeper()), "http://example.com/", "a=1; Path=/")

    assert sent(cookies, "http://example.com/") == "a=kept-1"
