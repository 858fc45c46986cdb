"""Cookies beside http.cookiejar, which httpx and requests have: the same Set-Cookie lines, the same Cookie field.

Rows CK-01 to CK-04. Any responses of several hosts set cookies of few names, so that they meet; then each host is asked
what it would be sent. Every difference falls into a class of known_differences.toml; each class has an example that
still differs.
"""

from __future__ import annotations

import json
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast import URL, Cookies, Headers
from httpfast._cookie_jar import RequestAdapter, ResponseAdapter, is_public_suffix
from tests.cookie_exchange import respond, sent
from tests.differences import Difference, known_differences

HOSTS = ("example.org", "www.example.org", "other.example.org", "example.co.uk", "127.0.0.1")
URLS = tuple(f"{scheme}://{host}{path}" for scheme in ("http", "https") for host in HOSTS for path in ("/", "/a/b"))

Response = tuple[str, list[str]]

pairs = st.builds(
    "{}={}".format, st.sampled_from(["a", "b", "__Host-a", "__Secure-a"]), st.sampled_from(["1", "2", ""])
)
attributes = st.sampled_from(
    [
        "",
        "; Path=/",
        "; Path=/a",
        "; Secure",
        "; HttpOnly",
        "; Max-Age=0",
        "; Max-Age=100",
        "; Expires=Wed, 01 Jan 2020 00:00:00 GMT",
        "; Domain=example.org",
        "; Domain=.example.org",
        "; Domain=www.example.org",
        "; Domain=co.uk",
        "; Domain=0.0.1",
    ]
)
lines = st.builds(lambda pair, some: pair + "".join(some), pairs, st.lists(attributes, max_size=3))
exchanges = st.lists(st.tuples(st.sampled_from(URLS), st.lists(lines, min_size=1, max_size=2)), min_size=1, max_size=4)


def request_to(url: str) -> Any:
    class Request:
        def __init__(self) -> None:
            self.url, self.headers = URL(url), Headers()

    return Request()


def theirs(responses: list[Response]) -> dict[str, set[str]]:
    """What http.cookiejar would send to each URL."""
    jar = CookieJar(policy=DefaultCookiePolicy())
    for url, some in responses:
        jar.extract_cookies(ResponseAdapter(some), RequestAdapter(request_to(url)))  # type: ignore[arg-type]
    found = {}
    for url in URLS:
        request = request_to(url)
        jar.add_cookie_header(RequestAdapter(request))  # type: ignore[arg-type]
        found[url] = crumbs(request.headers.get("cookie"))
    return found


def ours(responses: list[Response]) -> dict[str, set[str]]:
    """What we would."""
    cookies = Cookies()
    for url, some in responses:
        respond(cookies, url, *some)
    return {url: crumbs(sent(cookies, url)) for url in URLS}


def crumbs(field: str | None) -> set[str]:
    return set(field.split("; ")) if field else set()


def classes(responses: list[Response]) -> set[str]:
    """The classes of differences that there may be in what these responses set."""
    found = set()
    for url, some in responses:
        host = URL(url).host
        for line in some:
            pair, *rest = [part.strip() for part in line.split(";")]
            lower = [part.lower() for part in rest]
            domains = [part.partition("=")[2].removeprefix(".") for part in lower if part.startswith("domain=")]
            if len({part.partition("=")[0] for part in lower}) < len(lower):
                found.add("an attribute twice")
            if pair.startswith("__"):
                found.add("a prefix")
            if not domains:
                found.add("host-only")
            if any(domain == "0.0.1" for domain in domains):
                found.add("an address")
            if any(is_public_suffix(domain) for domain in domains):
                found.add("a public suffix")
            if "max-age=0" in lower or any(part.startswith("expires=") for part in lower):
                found.add("expired")
            if domains and not all(host == domain or host.endswith(f".{domain}") for domain in domains):
                found.add("another's domain")
            if any(part.startswith("path=/a") for part in lower) and not URL(url).path.startswith("/a"):
                found.add("another's path")
    is_secure = any("secure" in line.lower() for _, some in responses for line in some)
    if is_secure and any(url.startswith("http:") for url, _ in responses):
        found.add("plain http beside Secure")
    return found


KNOWN = {entry.about: entry for entry in known_differences("http.cookiejar")}


@settings(max_examples=600, deadline=None)
@given(exchanges)
def test_what_is_sent_is_what_http_cookiejar_sends_or_there_is_a_reason_not_to(responses: list[Response]) -> None:
    """CK-01, CK-02, CK-03"""
    mine, other = ours(responses), theirs(responses)

    if mine != other:
        assert classes(responses) & set(KNOWN), "unexplained"


@settings(max_examples=300, deadline=None)
@given(exchanges)
def test_cookies_without_a_reason_to_differ_are_the_same(responses: list[Response]) -> None:
    """CK-01, CK-02, CK-03: of any responses, those lines that no entry is about, which leaves enough of them."""
    plain = [
        (url, [f"{line}; Domain=example.org" if "Domain" not in line else line for line in some])
        for url, some in responses
        if "example.org" in url
    ]
    kept = [(url, [line for line in some if not classes([(url, [line])]) & set(KNOWN)]) for url, some in plain]
    if classes(kept) & set(KNOWN):
        return

    assert ours(kept) == theirs(kept)


@pytest.mark.parametrize("entry", KNOWN.values(), ids=lambda entry: entry.about)
def test_known_difference_is_one(entry: Difference) -> None:
    """CK-01, CK-02, CK-03"""
    responses = [(url, some) for url, some in json.loads(entry.example)]

    assert ours(responses) != theirs(responses)
    assert entry.about in classes(responses)
