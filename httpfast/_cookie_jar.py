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
    takes white space of Unicode off attributes' names     SP and HTAB only (5.6)
    keeps a dict for each path that once had a cookie      none

A pair without a name is the exception, and stays as http.cookiejar has it: by the RFC, `=a=1` is sent as `a=1`, so that
it passes for a cookie named "a".

Imported when a cookie is first set, sent or received, for http.cookiejar takes as long to import as all the rest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from time import time
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from urllib.request import Request as UrllibRequest

    from publicsuffixlist import PublicSuffixList

    from ._request import Request
    from ._url import URL

    def escape_path(path: str) -> str: ...
    def http2time(text: str) -> float | None: ...
    def path_of_urllib(request: object) -> str: ...
else:
    # Their types are nowhere else.
    from http.cookiejar import escape_path, http2time
    from http.cookiejar import request_path as path_of_urllib

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
# A path that `escape_path` leaves as it is.
_IS_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/;:@&=+$,!*'()-]*").fullmatch

Attributes: TypeAlias = dict[str, tuple[str, Any]]
"""By names in lower case: the name as it was written, and the value, or None where there is none to have."""


def is_sendable(name: str, value: Any) -> bool:
    """Whether a name and a value make one `name=value` in a Cookie field, and nothing more (RFC 6265bis, 4.1.1)."""
    return _NOT_IN_NAME(str(name)) is None and _NOT_IN_VALUE(str(value)) is None


class RequestAdapter:
    """What http.cookiejar asks of a urllib request, answered for one of ours."""

    unverifiable = False

    def __init__(self, request: Request) -> None:
        scheme, host, _ = request.url._origin_key
        if not scheme:
            raise ValueError(f"unknown url type: {str(request.url)!r}")
        self.type = scheme.decode("ascii")
        self.host = self.origin_req_host = host.decode("ascii")
        self.path = escaped(request.url.raw_path.partition(b"?")[0].decode("ascii"))
        self._request = request

    def get_full_url(self) -> str:
        # Built of what is sent: user and password have no say in which host this is.
        url: URL = self._request.url
        return f"{self.type}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"

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


def _read(line: str) -> tuple[str, Attributes] | None:
    """The pair and the attributes of a Set-Cookie line (RFC 6265bis, 5.6), or None for one that is not heeded."""
    if len(line) > MAX_LINE_BYTES or _CONTROL(line) is not None:
        return None
    pair, *attributes = line.split(";")
    name, _, value = pair.partition("=")
    name, value = name.strip(" \t"), value.strip(" \t")
    if _NOT_IN_FILE_NAME(name) is not None or "\t" in value or _octets(name) + _octets(value) > MAX_PAIR_BYTES:
        return None
    return pair, _effective_attributes(attributes)


def accepted_lines(lines: list[str]) -> list[str]:
    """Return the Set-Cookie lines that a user agent heeds, in the form that a jar of the user's cannot misread."""
    accepted: list[str] = []
    for line in lines[:MAX_LINES]:
        read = _read(line)
        if read is not None:
            pair, attributes = read
            texts = [name if value is None else f"{name}={value}" for name, value in attributes.values()]
            accepted.append("; ".join([pair, *texts]))
    return accepted


def cookie_of(line: str, host: str, request_path: str, now: int) -> Cookie | None:
    """The cookie that a Set-Cookie line is about (RFC 6265bis, 5.7, steps 1 to 7), as http.cookiejar has them.

    Args:
        host: of the request, see `host_of`.
        request_path: see `path_of`.
        now: seconds since the epoch.
    """
    read = _read(line)
    if read is None:
        return None
    pair, attributes = read
    name, equals, value = pair.partition("=")
    name = name.strip()
    if not name:
        return None
    domain: str | None = attributes.pop("domain", _NONE)[1]
    path = attributes.pop("path", _NONE)[1]
    max_age, date = attributes.pop("max-age", _NONE)[1], attributes.pop("expires", _NONE)[1]
    expires = _seconds_of(date) if max_age is None else now + max_age
    is_secure = attributes.pop("secure", None) is not None
    return Cookie(
        0,  # version
        name,
        value.strip() if equals else None,
        None,  # port
        False,
        host if domain is None else f".{domain.removeprefix('.')}",
        domain is not None,
        domain is not None and domain.startswith("."),
        # All up to the last slash, or "/" (RFC 6265bis, 5.1.4).
        request_path.rpartition("/")[0] or "/" if path is None else escaped(path),
        path is not None,
        is_secure,
        expires,
        expires is None,  # to be discarded at the end of the session
        None,  # comment
        None,
        dict(attributes.values()),
    )


_NONE: tuple[str, Any] = ("", None)


def _seconds_of(date: str | None) -> int | None:
    """A date, in seconds since the epoch, or None for one that cannot be read."""
    if date is None:
        return None
    with suppress(ValueError, OverflowError):
        seconds = http2time(date.removeprefix('"').removesuffix('"'))
        return None if seconds is None else int(seconds)
    return None


def escaped(path: str) -> str:
    """A path as cookies have it: what cannot be in a URL is encoded, in upper case."""
    return path if _IS_PLAIN_PATH(path) is not None else escape_path(path)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _effective_attributes(texts: list[str]) -> Attributes:
    """Return the attributes that count: the last of each name, without the invalid and overlong ones.

    http.cookiejar lets the first count, drops the cookie for an invalid one, and reads "Secure=" as not secure.
    """
    effective: Attributes = {}
    for text in texts:
        name, _, value = text.partition("=")
        spelling, value = name.strip(" \t"), value.strip(" \t")
        name = spelling.lower()
        if len(value) > MAX_ATTRIBUTE_BYTES or name in _RFC_2965_ATTRIBUTES or _NOT_IN_FILE_NAME(name):
            continue
        if name in ("secure", "httponly"):
            effective[name] = (spelling, None)
        elif name == "max-age":
            if _INTEGER(value):
                # A number that is too large for a float would cost all cookies of the response.
                effective[name] = (name, max(min(int(value), MAX_AGE_SECONDS), 0))
        elif name in ("path", "domain"):
            effective.pop(name, None)
            if value.strip("."):
                effective[name] = (name, value.lower() if name == "domain" else value)
        elif name:
            # `Cookie.has_nonstandard_attr` minds the case.
            effective[name] = (spelling, value)
    return effective


def host_of(request: Any) -> str:
    """Return the host as http.cookiejar has it: IPv6 in brackets, and ".local" added to what has no dot."""
    host: str = f"[{request.host}]" if ":" in request.host else request.host
    return host if "." in host else f"{host}.local"


def path_of(request: Any) -> str:
    """Return the path of the request's target, as cookies have it."""
    return request.path if isinstance(request, RequestAdapter) else path_of_urllib(request)


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

    _now: int

    def set_ok(self, cookie: Cookie, request: UrllibRequest) -> bool:
        if cookie.version or cookie.port is not None:
            # Not one of `cookie_of`.
            return super().set_ok(cookie, request)
        return self.set_ok_name(cookie, request) and self.set_ok_domain(cookie, request)

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

    def path_return_ok(self, path: str, request: UrllibRequest) -> bool:
        asked = path_of(request)
        return asked == path or (asked.startswith(path) and (path.endswith("/") or asked[len(path)] == "/"))

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
        if not is_sendable(cookie.name, value):
            return False
        if cookie.version or cookie.port is not None:
            return super().return_ok(cookie, request)
        is_safe = not cookie.secure or request.type in SECURE_SCHEMES
        return is_safe and not cookie.is_expired(self._now) and self.return_ok_domain(cookie, request)


class StrictJar(CookieJar):
    """A CookieJar under `StrictPolicy`, of bounded size."""

    _cookies: dict[str, dict[str, dict[str, Cookie]]]
    _cookies_lock: AbstractContextManager[Any]
    _now: int
    _policy: StrictPolicy

    def __init__(self) -> None:
        super().__init__(policy=StrictPolicy())

    def __iter__(self) -> Iterator[Cookie]:
        # Of copies, as http.cookiejar's: cookies may be cleared on the way.
        for paths in list(self._cookies.values()):
            for names in list(paths.values()):
                yield from list(names.values())

    def __len__(self) -> int:
        return sum(len(names) for paths in self._cookies.values() for names in paths.values())

    def make_cookies(self, response: Any, request: Any) -> list[Cookie]:
        lines = response.info().get_all("Set-Cookie", [])
        self._now = self._policy._now = now = int(time())
        host, path = host_of(request), path_of(request)
        return [cookie for line in lines[:MAX_LINES] if (cookie := cookie_of(line, host, path, now)) is not None]

    def extract_cookies(self, response: Any, request: Any) -> None:
        with self._cookies_lock:
            secure = {} if request.type in SECURE_SCHEMES else self._secure_by_name()
            grown: set[str] = set()
            for cookie in self.make_cookies(response, request):
                _limit_to_host(cookie, request)
                if not self._policy.set_ok(cookie, request) or _shadows(cookie, secure.get(cookie.name, ())):
                    continue
                if not cookie.is_expired(self._now):
                    self.set_cookie(cookie)
                    grown.add(cookie.domain)
                elif cookie.name in self._cookies.get(cookie.domain, {}).get(cookie.path, {}):
                    self.clear(cookie.domain, cookie.path, cookie.name)
            for domain in grown & self._cookies.keys():
                self._drop_oldest(_flat(self._cookies[domain]), MAX_COOKIES_PER_DOMAIN)
            if len(self) > MAX_COOKIES:
                self._drop_oldest(list(self), MAX_COOKIES)

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        # http.cookiejar leaves an empty dict for each path and domain that has ever had a cookie.
        with self._cookies_lock:
            super().clear(domain, path, name)
            if domain is not None and path is not None and not self._cookies[domain].get(path):
                self._cookies[domain].pop(path, None)
            if domain is not None and not self._cookies.get(domain):
                self._cookies.pop(domain, None)

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
