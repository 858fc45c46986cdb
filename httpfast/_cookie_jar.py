"""The cookie jar behind `Cookies`: http.cookiejar's, held to RFC 6265bis where it is laxer.

    what http.cookiejar does                               here
    lets the first of two attributes count                 the last (5.6)
    takes any octets in a name or value                    a control character, or 4,096 octets: not taken (5.6, 5.7)
    takes Domain=.0.0.1 from 127.0.0.1                     an address matches itself only (5.1.3)
    takes Domain=co.uk from example.co.uk                  a public suffix: not taken, or host-only (5.7, step 5)
    sends a host-only cookie to subdomains as well         to that host only (5.8.3)
    lets plain http overwrite a Secure cookie              keeps the secure one (5.7, step 9)
    lets any site delete any other's domain cookies        who may not set a cookie may not delete it (5.7)
    takes __Host- and __Secure- names like others          what the prefix promises must hold (5.7, steps 20 and 21)
    keeps any number of cookies                            the oldest of a domain go first, then of all (6.1)
    sends any number of octets                             8,190 of what peers set, those of the longest paths
    cannot load a file that it saved a tab or "," in       a tab in a pair, "," in a name: not taken (4.1.1)

A pair without a name is the exception, and stays as http.cookiejar has it: by the RFC, `=a=1` is sent as `a=1`, so that
it passes for a cookie named "a".

Imported when a cookie is first set, sent or received, for http.cookiejar takes as long to import as all the rest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from urllib.request import Request as UrllibRequest

    from publicsuffixlist import PublicSuffixList

    from ._request import Request
    from ._url import URL

# RFC 6265bis, 5.6 and 5.7.
MAX_PAIR_BYTES = 4_096
MAX_ATTRIBUTE_BYTES = 1_024
# Beyond these a line is hostile, and is not taken apart.
MAX_LINE_BYTES = 16_384
MAX_LINES = 1_000
# Chromium's limits; RFC 6265bis, 6.1 asks for at least 50 and 3,000.
MAX_COOKIES_PER_DOMAIN = 180
MAX_COOKIES = 3_300
# curl's; Apache's LimitRequestFieldSize, and less than nginx's 8 KiB for a line. A sibling host could lock a client out
# of a site with more (CVE-2022-32205).
MAX_FIELD_BYTES = 8_190
# 400 days (RFC 6265bis, 5.6.2).
MAX_AGE_SECONDS = 34_560_000
# Attributes of cookies that nobody sends any more, but http.cookiejar still knows.
_RFC_2965_ATTRIBUTES = frozenset({"version", "port", "comment", "commenturl", "discard"})
SECURE_SCHEMES = ("https", "wss")

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_NOT_IN_NAME = re.compile(r"[\x00-\x1f\x7f;=]").search
_NOT_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f;]").search
_INTEGER = re.compile(r"-?[0-9]+").fullmatch
# What http.cookiejar writes into a file and then cannot load: LWPCookieJar and MozillaCookieJar.
_NOT_IN_FILE_NAME = re.compile(r"[\t,]").search
_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}").fullmatch


def is_sendable(name: str, value: Any) -> bool:
    """Whether a name and a value make one `name=value` in a Cookie field, and nothing more (RFC 6265bis, 4.1.1)."""
    return _NOT_IN_NAME(str(name)) is None and _NOT_IN_VALUE(str(value)) is None


class RequestAdapter:
    """What http.cookiejar asks of a urllib request, answered for one of ours."""

    unverifiable = False

    def __init__(self, request: Request) -> None:
        url: URL = request.url
        scheme, host, _ = url._origin_key
        if not scheme:
            raise ValueError(f"unknown url type: {str(url)!r}")
        self.type = scheme.decode("ascii")
        self.host = self.origin_req_host = host.decode("ascii")
        self._request = request
        # Built of what is sent: user and password have no say in which host this is.
        self._url = f"{self.type}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return name in self._request.headers

    def get_header(self, name: str, default: str | None = None) -> str | None:
        value: str | None = self._request.headers.get(name, default)
        return value

    def header_items(self) -> list[tuple[str, str]]:
        return list(self._request.headers.items())

    def add_unredirected_header(self, name: str, value: str) -> None:
        self._request.headers[name] = value


class ResponseAdapter:
    """What http.cookiejar asks of a urllib response: the Set-Cookie lines."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def info(self) -> ResponseAdapter:
        return self

    def get_all(self, name: str, default: Any = None) -> Any:
        return self._lines if name.lower() == "set-cookie" else default


def accepted_lines(lines: list[str]) -> list[str]:
    """Return the Set-Cookie lines that a user agent heeds (RFC 6265bis, 5.6), in the form that cannot be misread."""
    accepted: list[str] = []
    for line in lines[:MAX_LINES]:
        if len(line) > MAX_LINE_BYTES or _CONTROL(line) is not None:
            continue
        pair, *attributes = line.split(";")
        name, _, value = pair.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if _NOT_IN_FILE_NAME(name) is None and "\t" not in value and _octets(name) + _octets(value) <= MAX_PAIR_BYTES:
            accepted.append("; ".join([pair, *_effective_attributes(attributes)]))
    return accepted


def _octets(text: str) -> int:
    return len(text.encode())


def _effective_attributes(texts: list[str]) -> list[str]:
    """Return the attributes that count: the last of each name, without the invalid and overlong ones.

    http.cookiejar lets the first count, drops the cookie for an invalid one, and reads "Secure=" as not secure.
    """
    effective: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        spelling, value = name.strip(" \t"), value.strip(" \t")
        name = spelling.lower()
        if len(value) > MAX_ATTRIBUTE_BYTES or name in _RFC_2965_ATTRIBUTES or _NOT_IN_FILE_NAME(name):
            continue
        if name in ("secure", "httponly"):
            effective[name] = spelling
        elif name == "max-age":
            if _INTEGER(value):
                # A number that is too large for a float would cost all cookies of the response.
                effective[name] = f"max-age={max(min(int(value), MAX_AGE_SECONDS), 0)}"
        elif name in ("path", "domain"):
            effective.pop(name, None)
            if value.strip("."):
                effective[name] = f"{name}={value}"
        elif name:
            # `Cookie.has_nonstandard_attr` minds the case.
            effective[name] = f"{spelling}={value}"
    return list(effective.values())


def host_of(request: Any) -> str:
    """Return the host as http.cookiejar has it: IPv6 in brackets, and ".local" added to what has no dot."""
    host: str = f"[{request.host}]" if ":" in request.host else request.host
    return host if "." in host else f"{host}.local"


def domain_matches(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or, unless it is an address, one of its subdomains (RFC 6265bis, 5.1.3)."""
    domain = domain.removeprefix(".")
    if host == domain:
        return True
    return host.endswith(f".{domain}") and ":" not in host and _IPV4(host) is None


@cache
def _public_suffixes() -> PublicSuffixList:
    # 40 ms, once, when a response first sets a cookie for more than its own host.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def is_public_suffix(domain: str) -> bool:
    """Whether anybody can have names under `domain`, as with "com", "co.uk" and "github.io" (RFC 6265bis, 1.4).

    Args:
        domain: in A-labels and lower case, without a leading dot. A single label always is one.
    """
    return "." not in domain or _public_suffixes().is_public(domain)


class StrictPolicy(DefaultCookiePolicy):
    """Which cookies are taken and sent."""

    def set_ok_name(self, cookie: Cookie, request: UrllibRequest) -> bool:
        name = cookie.name.lower()
        if not is_sendable(cookie.name, "" if cookie.value is None else cookie.value):
            return False
        if name.startswith("__secure-"):
            return cookie.secure and request.type in SECURE_SCHEMES
        if name.startswith("__host-"):
            is_bound = cookie.path == "/" and cookie.path_specified and not cookie.domain_specified
            return is_bound and cookie.secure and request.type in SECURE_SCHEMES
        return True

    def set_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        if not cookie.domain_specified:
            return True
        domain = cookie.domain.removeprefix(".")
        return domain_matches(request.host, domain) and not is_public_suffix(domain)

    def domain_return_ok(self, domain: str, request: UrllibRequest) -> bool:
        return not domain or domain_matches(host_of(request), domain) or domain_matches(request.host, domain)

    def return_ok_domain(self, cookie: Cookie, request: UrllibRequest) -> bool:
        # A cookie that a user set without a domain goes everywhere.
        if not cookie.domain:
            return True
        if not cookie.domain_specified:
            return cookie.domain in (host_of(request), request.host)
        return self.domain_return_ok(cookie.domain, request)

    def return_ok(self, cookie: Cookie, request: UrllibRequest) -> bool:
        # A user may have put it into the jar past `Cookies.set`.
        value = "" if cookie.value is None else cookie.value
        return is_sendable(cookie.name, value) and super().return_ok(cookie, request)


class StrictJar(CookieJar):
    """A CookieJar under `StrictPolicy`, of bounded size."""

    _cookies: dict[str, dict[str, dict[str, Cookie]]]
    _cookies_lock: AbstractContextManager[Any]
    _now: float
    _policy: StrictPolicy

    def __init__(self) -> None:
        super().__init__(policy=StrictPolicy())

    def extract_cookies(self, response: Any, request: UrllibRequest) -> None:
        # Line by line: http.cookiejar lets a line that deletes a cookie not see one that the same response sets.
        lines = response.info().get_all("Set-Cookie", [])
        host = host_of(request)
        with self._cookies_lock:
            secure = {} if request.type in SECURE_SCHEMES else self._secure_by_name()
            for line in lines:
                adapter: Any = ResponseAdapter([line])
                for cookie in self.make_cookies(adapter, request):
                    _limit_to_host(cookie, request)
                    if not self._policy.set_ok(cookie, request) or _shadows(cookie, secure.get(cookie.name, ())):
                        continue
                    if cookie.is_expired():
                        with suppress(KeyError):
                            self.clear(cookie.domain, cookie.path, cookie.name)
                    else:
                        self.set_cookie(cookie)
            for domain in [domain for domain in self._cookies if domain and domain_matches(host, domain)]:
                self._drop_oldest(_flat(self._cookies[domain]), MAX_COOKIES_PER_DOMAIN)
            self._drop_oldest(list(self), MAX_COOKIES)

    def _cookie_from_cookie_tuple(self, attributes: Any, request: UrllibRequest) -> Cookie | None:
        # http.cookiejar would delete what an expired cookie names, before the policy has a say: a Secure one from plain
        # http, or one of any other site. At no time is a cookie expired that far back.
        now, self._now = self._now, float("-inf")
        try:
            cookie: Cookie | None = super()._cookie_from_cookie_tuple(attributes, request)  # type: ignore[misc]
        finally:
            self._now = now
        return cookie  # pyright: ignore[reportUnknownVariableType]

    def _secure_by_name(self) -> dict[str, list[Cookie]]:
        by_name: dict[str, list[Cookie]] = {}
        for cookie in self:
            if cookie.secure:
                by_name.setdefault(cookie.name, []).append(cookie)
        return by_name

    def _cookies_for_request(self, request: UrllibRequest) -> list[Cookie]:
        return self._those_with_room(super()._cookies_for_request(request))  # type: ignore[misc]

    def _those_with_room(self, cookies: list[Cookie]) -> list[Cookie]:
        # The order in which they are sent (RFC 6265bis, 5.8.3).
        cookies.sort(key=lambda cookie: -len(cookie.path))
        chosen: list[Cookie] = []
        room = MAX_FIELD_BYTES
        for cookie in cookies:
            if not isinstance(cookie, UserCookie):
                room -= _octets(cookie.name) + _octets(cookie.value or "") + len("=; ")
                if room < 0:
                    continue
            chosen.append(cookie)
        return chosen

    def _drop_oldest(self, cookies: list[Cookie], most: int) -> None:
        # What a user set is not a peer's to drive out. Those that are Secure go last (RFC 6265bis, 5.7): else
        # whoever can answer over plain http could drive them out, and set others of their names.
        cookies = [cookie for cookie in cookies if not isinstance(cookie, UserCookie)]
        if len(cookies) <= most:
            return
        cookies.sort(key=lambda cookie: (not cookie.is_expired(), cookie.secure))
        for cookie in cookies[: len(cookies) - most]:
            self.clear(cookie.domain, cookie.path, cookie.name)


def _limit_to_host(cookie: Cookie, request: Any) -> None:
    """Make a cookie host-only whose host is a public suffix, or "localhost", and names itself (RFC 6265bis, 5.7)."""
    if cookie.domain_specified and cookie.domain.removeprefix(".") == request.host and is_public_suffix(request.host):
        cookie.domain, cookie.domain_specified, cookie.domain_initial_dot = host_of(request), False, False


def _shadows(cookie: Cookie, secure: Iterable[Cookie]) -> bool:
    """Whether a cookie of plain http would hide or replace one of `secure`, of its name (RFC 6265bis, 5.7, step 9)."""
    for kept in secure:
        if f"{cookie.path}/".startswith(kept.path.rstrip("/") + "/"):
            mine, other = cookie.domain.removeprefix("."), kept.domain.removeprefix(".")
            if domain_matches(mine, other) or domain_matches(other, mine):
                return True
    return False


def _flat(paths: dict[str, dict[str, Cookie]]) -> list[Cookie]:
    return [cookie for names in paths.values() for cookie in names.values()]


class UserCookie(Cookie):
    """A cookie that a user set: the limits on what peers set do not count it."""


def user_cookie(name: str, value: str, domain: str, path: str) -> Cookie:
    """Make the cookie that a user sets: for the session, and for http and https alike."""
    return UserCookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=bool(domain),
        domain_initial_dot=domain.startswith("."),
        path=path,
        path_specified=bool(path),
        secure=False,
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={"HttpOnly": None},  # type: ignore[dict-item]
        rfc2109=False,
    )
