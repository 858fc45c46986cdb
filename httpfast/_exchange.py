"""What a client does around the transport: authentication, redirects, event hooks and cookies, for one call of `send`.

It is one generator without IO. It yields steps, and a driver, sync or async, carries them out:

    authenticate ─► hooks(request) ─► SEND ─► hooks(response) ─┬─ no redirect ─► authenticate ─► done
         ▲               ▲                                     │                      │
         │               └─────────────── redirect ◄───────────┘                      │
         └──────────────────────────── another round ◄────────────────────────────────┘
"""

from __future__ import annotations

from ._exceptions import DecodingError, InvalidURL, RemoteProtocolError, TooManyRedirects, UnsupportedProtocol
from ._headers import Headers
from ._request import Request
from ._url import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ._base_client import BaseClient
    from ._response import Response
    from ._types import RedirectTypes

    Step = tuple[str, Any, Any]

__all__ = [
    "AUTHENTICATE",
    "CLOSE",
    "DRAIN",
    "HOOK",
    "READ",
    "SEND",
    "check_body",
    "exchange_steps",
    "is_small",
    "redirect_request",
    "shares_credentials",
]

# What a driver has to do, and what it sends back into the generator.
AUTHENTICATE = "authenticate"  # give the auth flow a response (None at first): the next request, or None at its end
SEND = "send"  # hand a request to its transport: the response
HOOK = "hook"  # call a hook with an argument
READ = "read"  # read a response's body
DRAIN = "drain"  # read a redirect's body, or close it if there is too much of it
CLOSE = "close"  # close a response

# RFC 9110, 15.4: what follows these is a GET, except after a HEAD; after 301 only a POST changes.
_SEE_OTHER = 303
_FOUND = 302
_MOVED_PERMANENTLY = 301

# Fields of the request that carry what only its first origin may see (RFC 9110, 15.4); clients may name more.
_OF_ORIGIN = ("Authorization",)

# Where a redirect may lead, besides on within a scheme of the caller's own.
_FOLLOWED_SCHEMES = ("http", "https", "ws", "wss")
_PLAIN_SCHEMES = ("http", "ws")

# Fields that are about the body, and go with it (RFC 9110, 15.4; CVE-2023-45803).
_OF_BODY = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Type",
    "Expect",
    "Trailer",
    "Transfer-Encoding",
)

# Bytes of a redirect's body, encoded or decoded, that are read to keep its connection: more is not worth the wait.
MAX_REDIRECT_BODY_BYTES = 64 * 1024


def exchange_steps(
    client: BaseClient, request: Request, follow_redirects: RedirectTypes, response: Response | None = None
) -> Generator[Step, Any, Response]:
    """The steps of one `send`; returns the final response.

    Args:
        response: when it is there, the request was sent already, without authentication, and this is its answer.

    Raises:
        TooManyRedirects, RemoteProtocolError, UnsupportedProtocol: a redirect cannot be followed.
        RuntimeError: an auth flow yields nothing.
    """
    # The responses that auth flows asked for more after; redirects in between are told by each response's own history.
    history: list[Response] = []
    # How many those were: they count towards the limit in later rounds, too.
    detours = 0
    current = request
    if response is None:
        current = yield AUTHENTICATE, None, None
        if current is None:
            raise RuntimeError("The auth flow has ended without yielding a request.")
        _share_timeout(request, current)
    while True:
        hops = list(history)
        response = yield from _follow(client, current, follow_redirects, hops, detours, response)
        detours += len(hops) - len(history)
        try:
            current = yield AUTHENTICATE, response, None
            if current is None:
                return response
            _share_timeout(request, current)
            response.history = list(history)
            yield READ, response, None
        except BaseException:
            yield CLOSE, response, None
            raise
        history.append(response)
        response = None


def _share_timeout(request: Request, other: Request) -> None:
    """Let a request that an auth flow made, for a token say, end in the time of the call that it is made for."""
    if other is not request and "timeout" not in other.extensions:
        for name in ("timeout", "deadline"):
            if name in request.extensions:
                other.extensions[name] = request.extensions[name]


def _follow(
    client: BaseClient,
    request: Request,
    follow_redirects: RedirectTypes,
    history: list[Response],
    detours: int,
    response: Response | None,
) -> Generator[Step, Any, Response]:
    """Send a request, and those that redirects ask for. `history` grows by each redirect."""
    hooks = client._event_hooks
    while True:
        if len(history) + detours > client.max_redirects:
            raise TooManyRedirects("Exceeded maximum allowed redirects.", request=request)
        if response is None:
            for hook in hooks["request"]:
                yield HOOK, hook, request
            received: Response = yield SEND, request, None
            response = received
        try:
            for hook in hooks["response"]:
                yield HOOK, hook, response
            response.history = list(history)
            if not response.has_redirect_location:
                return response
            if not follow_redirects:
                offer_next_request(client, request, response)
                return response
            following = redirect_request(client, request, response)
            _check_scheme(client, request, following, refuses_downgrade=follow_redirects == "secure")
            request = following
            history.append(response)
            yield DRAIN, response, None
        except BaseException:
            yield CLOSE, response, None
            raise
        response = None


def _check_scheme(client: BaseClient, request: Request, following: Request, refuses_downgrade: bool) -> None:
    """Let no server have a say in what the caller has mounted beside HTTP, such as files (CVE-2024-2004 and its like).

    Args:
        refuses_downgrade: nor lead a call that began with TLS on without it (RFC 9110, 17.11; CVE-2022-27774).

    Raises:
        UnsupportedProtocol
    """
    scheme = following.url.scheme
    if refuses_downgrade and scheme in _PLAIN_SCHEMES and request.url.scheme not in _PLAIN_SCHEMES:
        raise UnsupportedProtocol(
            f"A redirect leads from {request.url.scheme}:// to {scheme}://, which follow_redirects='secure' refuses.",
            request=following,
        )
    if client._mounts and scheme not in _FOLLOWED_SCHEMES and scheme != request.url.scheme:
        raise UnsupportedProtocol(f"Request URL has an unsupported protocol '{scheme}://'.", request=following)


def is_small(response: Response) -> bool:
    """Whether the body of a redirect is to be read; if a transport has received more than that, it is dropped here."""
    state = response.__dict__
    raw = state.get("_raw")
    if raw is None:
        length = response.headers.get("Content-Length", "0")
        if length.isdecimal() and (len(length) > 18 or int(length) > MAX_REDIRECT_BODY_BYTES):
            return False
    elif len(raw) > MAX_REDIRECT_BODY_BYTES:
        state.pop("_content", None)
        state["_raw"] = b""
        return False
    response._max_content_bytes = MAX_REDIRECT_BODY_BYTES
    return True


def check_body(response: Response, limit: int) -> None:
    """Refuse a body that its transport has given whole, and that is larger than the caller takes.

    Raises:
        DecodingError
    """
    state = response.__dict__
    for name in ("_raw", "_content"):
        body = state.get(name)
        if body is not None and len(body) > limit:
            raise DecodingError(f"The body is larger than the limit of {limit} bytes.", request=response._request)


def offer_next_request(client: BaseClient, request: Request, response: Response) -> None:
    """Set `response.next_request`. A Location that leads nowhere is no error while nobody follows it."""
    try:
        response.next_request = redirect_request(client, request, response)
    except RemoteProtocolError:
        response.next_request = None


def redirect_request(client: BaseClient, request: Request, response: Response) -> Request:
    """The request that a redirect asks for (RFC 9110, 15.4).

    Raises:
        RemoteProtocolError: Location is no URL.
    """
    method = _redirect_method(request, response)
    url = _redirect_url(request, response)
    is_trusted = shares_credentials(request.url, url)
    headers = _redirect_headers(request, url, method, () if is_trusted else (*_OF_ORIGIN, *client.sensitive_headers))
    is_bodiless = method != request.method and method == "GET"
    # Those that are bound to no host yet belong to the one that redirects, not to the one it leads to.
    client._bind_cookies(request.url)
    following = Request(
        method,
        url,
        headers=headers,
        cookies=client._cookies,
        stream=None if is_bodiless else request.stream,
        extensions=request.extensions,
    )
    if not is_bodiless and "_content" in request.__dict__:
        following._content = request._content
    if not is_trusted or "_left_origin" in request.__dict__:
        # Whoever sends it by hand: the client's auth is for another origin.
        following.__dict__["_left_origin"] = True
    return following


def _redirect_method(request: Request, response: Response) -> str:
    method, status = request.method, response.status_code
    if status == _SEE_OTHER and method != "HEAD":
        return "GET"
    # Only 303 changes a QUERY: its answer may be somewhere else, but the question stays.
    if status == _FOUND and method not in ("HEAD", "QUERY"):
        return "GET"
    if status == _MOVED_PERMANENTLY and method == "POST":
        return "GET"
    return method


def _redirect_url(request: Request, response: Response) -> URL:
    location = response.headers["Location"]
    try:
        url = URL(location)
        if url.scheme and not url.host:
            # "https:/path": some servers leave the authority out.
            url = url.copy_with(host=request.url.host)
        if url.is_relative_url:
            url = request.url.join(url)
    except InvalidURL as error:
        raise RemoteProtocolError(f"Invalid URL in location header: {error}.", request=request) from None
    if request.url.fragment and not url.fragment:
        url = url.copy_with(fragment=request.url.fragment)
    return url


def shares_credentials(url: URL, following: URL) -> bool:
    """Whether a redirect stays on its origin, or goes to https on the same host (RFC 9110, 15.4 and 17.16.4)."""
    (scheme, host, port), (to_scheme, to_host, to_port) = url._origin_key, following._origin_key
    if host != to_host:
        return False
    return (scheme, port) == (to_scheme, to_port) or (scheme, port, to_scheme, to_port) == (b"http", 80, b"https", 443)


def _redirect_headers(request: Request, url: URL, method: str, dropped: tuple[str, ...]) -> Headers:
    headers = Headers(request.headers)
    for name in dropped:
        headers.pop(name, None)
    if request.url._origin_key != url._origin_key:
        # It is for the way to one origin: another scheme alone may lead past the proxy, or through it in a tunnel.
        headers.pop("Proxy-Authorization", None)
        headers["Host"] = url._host_header.decode("ascii")
    if (headers._get_raw(b"authorization") or b"")[:7].lower() == b"digest ":
        # It answers for the target that it was made for (RFC 7616, 3.4.6). Elsewhere servers refuse it with 400;
        # without it they ask anew.
        del headers["Authorization"]
    if method != request.method and method == "GET":
        for name in _OF_BODY:
            headers.pop(name, None)
    # Cookies are chosen anew for the new URL.
    headers.pop("Cookie", None)
    return headers
