"""Cookies as users see them: a mapping over an http.cookiejar.CookieJar (RFC 6265bis).

The jar, and all that it imports, comes to be when the first cookie does; a client that never meets one pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

from ._exceptions import CookieConflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.cookiejar import Cookie, CookieJar

    from ._request import Request
    from ._response import Response
    from ._types import CookieTypes

__all__ = ["Cookies"]


class _LazyJar:
    """Makes `Cookies.jar` at the first look, and leaves it in the instance."""

    def __get__(self, cookies: Cookies, owner: type[Cookies] | None = None) -> CookieJar:
        from ._cookie_jar import StrictJar

        jar: CookieJar = cookies.__dict__.setdefault("jar", StrictJar())
        return jar


class Cookies(MutableMapping[str, str]):
    """Cookies by name; `set`, `get` and `delete` also take a domain and a path.

    Args:
        cookies: a mapping or pairs of names and values, which are sent to every host; other `Cookies`, which are
            copied; or a CookieJar, which is used as it is, under its own policy.

    Raises:
        TypeError: an argument of another type.
        ValueError: a name or value that cannot go into a Cookie field.
    """

    if TYPE_CHECKING:
        jar: CookieJar
    else:
        jar = _LazyJar()

    def __init__(self, cookies: CookieTypes | None = None) -> None:
        if cookies is None:
            return
        if isinstance(cookies, Cookies):
            self.update(cookies)
        elif isinstance(cookies, Mapping):
            for name, value in cookies.items():
                self.set(name, value)
        elif isinstance(cookies, (list, tuple)):
            for name, value in cookies:
                self.set(name, value)
        elif hasattr(cookies, "set_cookie"):
            self.jar = cookies
        else:
            raise TypeError(f"Invalid type for cookies: {type(cookies)}")

    @property
    def _is_empty(self) -> bool:
        """Whether there is no cookie at all; makes no jar."""
        jar = self.__dict__.get("jar")
        return jar is None or next(iter(jar), None) is None

    def extract_cookies(self, response: Response) -> None:
        """Take in the cookies that a response sets.

        Args:
            response: with its `request`, whose URL tells which cookies it may set.

        Raises:
            RuntimeError: the response has no request.
        """
        # Headers that were never looked at need not be decoded to see that there is nothing to do.
        if response.headers._get_raw(b"set-cookie") is None:
            return
        from ._cookie_jar import RequestAdapter, ResponseAdapter, StrictJar, accepted_lines

        lines = response.headers.get_list("set-cookie")
        if not isinstance(self.jar, StrictJar):
            lines = accepted_lines(lines)
        self.jar.extract_cookies(ResponseAdapter(lines), RequestAdapter(response.request))  # type: ignore[arg-type]

    def set_cookie_header(self, request: Request) -> None:
        """Give a request the Cookie field that its URL asks for; one that it has already stays as it is."""
        if self._is_empty:
            return
        from ._cookie_jar import RequestAdapter

        self.jar.add_cookie_header(RequestAdapter(request))  # type: ignore[arg-type]

    def _bind(self, host: str, *, is_secure: bool = False) -> None:
        """Make the cookies that were set without a domain go to `host` only.

        Args:
            host: in A-labels, IPv6 without brackets.
            is_secure: and only over TLS, as nobody has said that they may go in the clear.
        """
        if self._is_empty:
            return
        unbound = [cookie for cookie in self.jar if not cookie.domain]
        if not unbound:
            return
        from copy import copy

        for cookie in unbound:
            # A copy: other `Cookies` may hold the same object.
            bound = copy(cookie)
            bound.domain = host
            bound.secure = bound.secure or is_secure
            try:
                self.jar.clear("", cookie.path, cookie.name)
            except KeyError:
                # Another thread was faster.
                continue
            self.jar.set_cookie(bound)

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Set a cookie, for this session and for http and https alike.

        Args:
            name: its name.
            value: its value, as it is to be sent.
            domain: the host that it goes to, and its subdomains; by default every host.
            path: the path that it goes to, and all below.

        Raises:
            ValueError: a control character or ";" in the name or the value, or "=" in the name.
        """
        from ._cookie_jar import is_sendable, user_cookie

        if not is_sendable(name, value):
            # The value may be a secret, so only the name is shown.
            raise ValueError(f"Cookie {name[:64]!r} has a character that cannot be sent (RFC 6265bis, 4.1.1)")
        self.jar.set_cookie(user_cookie(name, value, domain, path))

    def get(  # type: ignore[override]
        self, name: str, default: str | None = None, domain: str | None = None, path: str | None = None
    ) -> str | None:
        """Return the value of a cookie.

        Args:
            name: its name.
            default: for when there is none.
            domain: its domain, exactly, where the name alone is not enough.
            path: its path, likewise.

        Raises:
            CookieConflict: several cookies fit.
        """
        found = [cookie for cookie in self._matching(name, domain, path) if cookie.value is not None]
        if len(found) > 1:
            raise CookieConflict(f"Multiple cookies exist with name={name}")
        return found[0].value if found else default

    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Delete all cookies of a name, or those of a domain and a path only.

        Raises:
            KeyError: domain and path are given, and there is no such cookie.
        """
        if domain is not None and path is not None:
            self.jar.clear(domain, path, name)
            return
        for cookie in self._matching(name, domain, path):
            self.jar.clear(cookie.domain, cookie.path, cookie.name)

    def _matching(self, name: str, domain: str | None, path: str | None) -> list[Cookie]:
        if self._is_empty:
            return []
        return [
            cookie
            for cookie in self.jar
            if cookie.name == name and domain in (None, cookie.domain) and path in (None, cookie.path)
        ]

    def clear(self, domain: str | None = None, path: str | None = None) -> None:
        """Delete all cookies, or those of a domain, or those of a domain and a path.

        Raises:
            ValueError: a path without a domain.
            KeyError: there are no such cookies.
        """
        if domain is None:
            if path is not None:
                raise ValueError("Cookies of a path are cleared together with a domain")
            if not self._is_empty:
                self.jar.clear()
        elif path is None:
            self.jar.clear(domain)
        else:
            self.jar.clear(domain, path)

    def update(self, cookies: CookieTypes | None = None) -> None:  # type: ignore[override]
        """Add cookies, in place of those with the same name, domain and path."""
        added = cookies if isinstance(cookies, Cookies) else Cookies(cookies)
        if not added._is_empty:
            for cookie in added.jar:
                self.jar.set_cookie(cookie)

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __delitem__(self, name: str) -> None:
        self.delete(name)

    def __len__(self) -> int:
        return 0 if self._is_empty else len(self.jar)

    def __iter__(self) -> Iterator[str]:
        return iter([] if self._is_empty else [cookie.name for cookie in self.jar])

    def __bool__(self) -> bool:
        return not self._is_empty

    def __repr__(self) -> str:
        cookies = [] if self._is_empty else list(self.jar)
        # A value may be a session: whoever wants to see it asks for it, as by `dict(cookies)`.
        shown = ", ".join([f"<Cookie {cookie.name}=[secure] for {cookie.domain} />" for cookie in cookies])
        return f"<Cookies[{shown}]>"
