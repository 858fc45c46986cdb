"""What a response and a request mean to `Cookies`, without a client: cookies that are set, a field that is sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from httpfast import URL, Cookies, Headers


def respond(cookies: Cookies, url: str, *lines: str | bytes) -> Cookies:
    """Let a response to `url` set cookies by its Set-Cookie lines."""
    fields = [(b"Set-Cookie", line if isinstance(line, bytes) else line.encode()) for line in lines]
    response: Any = SimpleNamespace(headers=Headers(fields), request=SimpleNamespace(url=URL(url), headers=Headers()))
    cookies.extract_cookies(response)
    return cookies


def sent(cookies: Cookies, url: str, headers: Headers | None = None) -> str | None:
    """Return the Cookie field of a request to `url`."""
    request: Any = SimpleNamespace(url=URL(url), headers=Headers() if headers is None else headers)
    cookies.set_cookie_header(request)
    value: str | None = request.headers.get("cookie")
    return value
