"""What `Client` and `AsyncClient` share: their settings, and how these and the arguments of a call make a request."""

from __future__ import annotations

from enum import Enum
from time import monotonic, perf_counter

from ._auth import Auth, BasicAuth, FunctionAuth
from ._cext.plain import Parts, Settings, info_logger, is_untouched, ready_parts, ready_request, request_with
from ._config import DEFAULT_MAX_REDIRECTS, DEFAULT_TIMEOUT_CONFIG, Timeout
from ._content import FIELDS_OF_CONTENT, JSON_FIELD, json_bytes, length_field
from ._cookies import Cookies
from ._decoders import accept_encoding
from ._headers import Headers
from ._mounts import URLPattern, environment_proxies
from ._query_params import QueryParams
from ._request import Request
from ._url import URL, _parse_cached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ._pool_stats import PoolStats
    from ._response import Response
    from ._types import (
        AuthTypes,
        CookieTypes,
        HeaderTypes,
        ProxyTypes,
        QueryParamTypes,
        RedirectTypes,
        RequestContent,
        RequestData,
        RequestExtensions,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
    )

    EventHooks = Mapping[str, list[Callable[..., Any]]]

__all__ = ["OPENED", "USE_CLIENT_DEFAULT", "BaseClient", "ClientState", "UseClientDefault"]

# URLs that a client remembers with the fields that go to them: about 1 KiB each, and none that is longer than this.
_KNOWN_URLS = 1_024
_KNOWN_DROPPED = 64
_KNOWN_LENGTH = 2_048


class UseClientDefault:
    """The type of `USE_CLIENT_DEFAULT`, which tells an argument left out from None."""


USE_CLIENT_DEFAULT = UseClientDefault()


class ClientState(Enum):
    """Whether a client was used, and was closed."""

    UNOPENED = 1
    OPENED = 2
    CLOSED = 3


def warn_of_cookies() -> None:
    """Cookies belong to a client: given to one call, it is not clear whether later ones send them."""
    import warnings

    warnings.warn(
        "Setting per-request cookies=<...> is being deprecated, because the expected behaviour on cookie persistence "
        "is ambiguous. Set cookies directly on the client instance instead.",
        DeprecationWarning,
        stacklevel=3,
    )


def _default_user_agent() -> str:
    from .__version__ import __version__

    return f"python-httpfast/{__version__}"


# Enum members are slow to look up.
OPENED = ClientState.OPENED


class BaseClient:
    """The settings of a client. See `Client` for the arguments."""

    _transport: Any
    _transport_type: type[Any]

    def __init__(
        self,
        *,
        auth: AuthTypes | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        follow_redirects: RedirectTypes = False,
        max_redirects: int = DEFAULT_MAX_REDIRECTS,
        event_hooks: EventHooks | None = None,
        base_url: URLTypes = "",
        trust_env: bool = True,
        default_encoding: str | Callable[[bytes], str] = "utf-8",
        sensitive_headers: Iterable[str] = (),
        timings: bool = False,
        max_body_bytes: int | None = None,
    ) -> None:
        # URL text -> what a request needs to go there; emptied when a setting changes.
        self._parts_of: dict[str, Parts] = {}
        self._base_url = self._enforce_trailing_slash(URL(base_url))
        self._auth = self._build_auth(auth)
        self._params = QueryParams(params)
        self.headers = Headers(headers)
        self._cookies = Cookies(cookies)
        self._timeout = Timeout(timeout)
        self.follow_redirects: RedirectTypes = follow_redirects
        self.max_redirects = max_redirects
        self.event_hooks = {} if event_hooks is None else event_hooks
        self._trust_env = trust_env
        self._default_encoding = default_encoding
        self.sensitive_headers = sensitive_headers
        self.timings = timings
        self.max_body_bytes = max_body_bytes
        self._state = ClientState.UNOPENED

    # Settings

    @property
    def is_closed(self) -> bool:
        """Whether the client was closed."""
        return self._state is ClientState.CLOSED

    @property
    def trust_env(self) -> bool:
        """Whether environment variables are obeyed."""
        return self._trust_env

    @property
    def timeout(self) -> Timeout:
        """The default timeouts. Assigned: a number of seconds, a tuple, a `Timeout` or None."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: TimeoutTypes) -> None:
        self._timeout = Timeout(timeout)

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Functions called with each "request" before it is sent, and each "response" when its head is there.

        Beyond httpx, "informational" ones are called with each response of status 1xx, such as 103 Early Hints, as soon
        as it has come; 100 Continue is not told.
        """
        return self._event_hooks

    @event_hooks.setter
    def event_hooks(self, event_hooks: EventHooks) -> None:
        self._event_hooks = {
            "request": list(event_hooks.get("request", [])),
            "response": list(event_hooks.get("response", [])),
        }
        if "informational" in event_hooks:
            self._event_hooks["informational"] = list(event_hooks["informational"])

    @property
    def auth(self) -> Auth | None:
        """The scheme for requests that name none. Assigned: an `Auth`, a (username, password) tuple or a function."""
        return self._auth

    @auth.setter
    def auth(self, auth: AuthTypes) -> None:
        self._auth = self._build_auth(auth)

    @property
    def sensitive_headers(self) -> tuple[str, ...]:
        """Names of fields that go to no other origin than the caller has named. Assigned: any iterable of names."""
        return self._sensitive_headers

    @sensitive_headers.setter
    def sensitive_headers(self, names: Iterable[str]) -> None:
        if isinstance(names, (str, bytes)):
            raise TypeError(f"sensitive_headers takes several names, not one {type(names).__name__}")
        self._sensitive_headers = tuple(names)

    @property
    def base_url(self) -> URL:
        """What relative URLs are appended to. Its path ends with a slash."""
        return self._base_url

    @base_url.setter
    def base_url(self, url: URLTypes) -> None:
        self._base_url = self._enforce_trailing_slash(URL(url))
        self._parts_of.clear()

    @property
    def headers(self) -> Headers:
        """Fields for all requests. Those assigned come after the automatic ones, and replace them."""
        return self._headers

    @headers.setter
    def headers(self, headers: HeaderTypes) -> None:
        merged = Headers(
            {
                b"Accept": b"*/*",
                b"Accept-Encoding": accept_encoding(),
                b"Connection": b"keep-alive",
                b"User-Agent": _default_user_agent().encode("ascii"),
            }
        )
        merged.update(headers)
        self._headers = merged

    @property
    def cookies(self) -> Cookies:
        """The cookies that requests send and responses change."""
        return self._cookies

    @cookies.setter
    def cookies(self, cookies: CookieTypes) -> None:
        self._cookies = Cookies(cookies)

    @property
    def params(self) -> QueryParams:
        """Query parameters for all requests."""
        return self._params

    @params.setter
    def params(self, params: QueryParamTypes) -> None:
        self._params = QueryParams(params)
        self._parts_of.clear()

    # Making a request

    def build_request(
        self,
        method: str,
        url: URLTypes,
        *,
        content: RequestContent | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: Any | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> Request:
        """The request that `request` would send: these arguments merged with the client's settings.

        Args and Raises: as for `Request`, and timeout: see `Timeout`.
        """
        if (
            params is None
            and headers is None
            and cookies is None
            and timeout is USE_CLIENT_DEFAULT
            and extensions is None
            and data is None
            and files is None
        ):
            if content is None and json is None:
                ready = ready_request(self, method, url, False)
            else:
                ready = self._compose(method, url, content, json, False)
            if ready is not None:
                if "jar" in self._cookies.__dict__:
                    self._bind_cookies(ready.url)
                    self._cookies.set_cookie_header(ready)
                return ready
        extensions = self._merge_extensions(timeout, extensions)
        merged_url = self._merge_url(url)
        self._bind_cookies(merged_url)
        return Request(
            method,
            merged_url,
            content=content,
            data=data,
            files=files,
            json=json,
            params=self._merge_queryparams(params),
            headers=self._merge_headers(headers),
            cookies=self._merge_cookies(cookies),
            extensions=extensions,
        )

    def _compose(
        self, method: str, url: URLTypes, content: RequestContent | None, json: Any | None, plain: bool
    ) -> Request | None:
        """A request with a body, made of parts that are ready; None when there is more to it. See `request_with`."""
        if json is None:
            if not isinstance(content, bytes) or not content:
                return None
        elif content is not None:
            return None
        parts = ready_parts(self, method, url, plain)
        if parts is None:
            return None
        if isinstance(content, bytes):
            return request_with(parts, method, bytes(content), (length_field(len(content)),), plain)
        body = json_bytes(json)
        return request_with(parts, method, body, (length_field(len(body)), JSON_FIELD), plain)

    def _make_parts(self, url: str) -> Parts | None:
        """Parse a URL and make the fields for it; both are kept for the next request to it.

        Returns: None in a subclass that has its own way to merge a part.
        """
        own = type(self)
        if any(getattr(own, name) is not merge for name, merge in _MERGES):
            return None
        client_fields = self._headers._fields
        request = Request("GET", self._merge_url(url), params=self._merge_queryparams(None), headers=self._headers)
        fields = request.headers._fields
        # A request that expects 100 Continue takes its time over its body.
        takes_content = not any(name in FIELDS_OF_CONTENT for _, name, _ in fields)
        parts = Parts(request.url, fields, client_fields, self._timeout._extension, takes_content)
        if len(url) <= _KNOWN_LENGTH:
            if len(self._parts_of) >= _KNOWN_URLS:
                # Some at a time, from a copy: another thread may be here too.
                for oldest in tuple(self._parts_of)[:_KNOWN_DROPPED]:
                    self._parts_of.pop(oldest, None)
            self._parts_of[url] = parts
        return parts

    def _merge_extensions(
        self, timeout: TimeoutTypes | UseClientDefault, extensions: RequestExtensions | None
    ) -> dict[str, Any]:
        if extensions is not None and "timeout" in extensions:
            return dict(extensions)
        chosen = self._timeout if isinstance(timeout, UseClientDefault) else Timeout(timeout)
        if extensions is None:
            return {"timeout": chosen.as_dict()}
        return {**extensions, "timeout": chosen.as_dict()}

    def _merge_url(self, url: URLTypes) -> URL:
        """An absolute URL as it is; a relative one appended to `base_url`."""
        merge_url = _parse_cached(url) if url.__class__ is str else URL(url)  # pyright: ignore[reportArgumentType]
        if not merge_url.is_relative_url:
            return merge_url
        merged: bytes = self.base_url.raw_path + merge_url.raw_path.lstrip(b"/")
        return self.base_url.copy_with(raw_path=merged)

    def _merge_cookies(self, cookies: CookieTypes | None) -> CookieTypes | None:
        if not cookies:
            return self.cookies
        merged = Cookies(self.cookies)
        merged.update(cookies)
        return merged

    def _bind_cookies(self, url: URL) -> None:
        """Keep the cookies that were given to the client without a domain to the host of its first request."""
        if not self._cookies._is_empty:
            host = url._origin_key[1]
            if host:
                self._cookies._bind(host.decode("ascii"), is_secure=url.scheme in ("https", "wss"))

    def _merge_headers(self, headers: HeaderTypes | None) -> HeaderTypes:
        merged = Headers(self.headers)
        merged.update(headers)
        return merged

    def _merge_queryparams(self, params: QueryParamTypes | None) -> QueryParamTypes | None:
        own = self.params
        return own.merge(params) if params or own else params

    @staticmethod
    def _enforce_trailing_slash(url: URL) -> URL:
        if url.raw_path.endswith(b"/"):
            return url
        return url.copy_with(raw_path=url.raw_path + b"/")

    # The way it goes

    def _set_transports(
        self,
        transport: Any,
        mounts: Mapping[str, Any] | None,
        proxy: ProxyTypes | None,
        settings: Mapping[str, Any],
    ) -> None:
        """Keep what requests go by: a transport, and those that URLs of some pattern have of their own.

        Args:
            transport: the caller's own, which environment variables do not change.
            settings: arguments of those that are made.

        Raises:
            ValueError, InvalidURL: a pattern or a proxy is not valid.
            ImportError: a SOCKS proxy, and socksio is not installed.
        """
        proxies: Mapping[str, ProxyTypes | None] = {}
        if proxy is not None:
            proxies = {"all://": proxy}
        elif self._trust_env and transport is None:
            proxies = environment_proxies()
        self._transport = self._init_transport(transport=transport, **settings)
        mounted = {
            URLPattern(key): None if one is None else self._init_proxy_transport(one, **settings)
            for key, one in proxies.items()
        }
        if mounts is not None:
            mounted.update((URLPattern(key), one) for key, one in mounts.items())
        # What says more goes first.
        self._mounts: dict[URLPattern, Any] = dict(sorted(mounted.items()))

    def _init_transport(self, *, transport: Any = None, **settings: Any) -> Any:
        """The client's own transport. Subclasses of other people's, such as hishel's, put theirs around it here."""
        return self._transport_type(**settings) if transport is None else transport

    def _init_proxy_transport(self, proxy: ProxyTypes, **settings: Any) -> Any:
        """The transport for what goes through a proxy; as `_init_transport`."""
        return self._transport_type(proxy=proxy, **settings)

    def _find_transport(self, url: URL) -> Any:
        """The transport of the first pattern that matches, or the client's own."""
        for pattern, transport in self._mounts.items():
            if pattern.matches(url):
                return self._transport if transport is None else transport
        return self._transport

    def _all_transports(self) -> list[Any]:
        return [self._transport, *(transport for transport in self._mounts.values() if transport is not None)]

    def pool_stats(self) -> PoolStats:
        """How the client's connections are used at this moment: all of its transports' together. Beyond httpx."""
        from ._pool_stats import sum_of

        return sum_of(self._all_transports())

    # Sending it

    def _build_auth(self, auth: AuthTypes | None) -> Auth | None:
        if auth is None:
            return None
        if isinstance(auth, tuple):
            return BasicAuth(username=auth[0], password=auth[1])  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(auth, Auth):
            return auth
        if callable(auth):
            return FunctionAuth(func=auth)
        # What was meant for a password must not be in the message.
        shown = repr(auth.partition(":")[0]) if isinstance(auth, str) else type(auth).__name__
        raise TypeError(f'Invalid "auth" argument: {shown}')

    def _build_request_auth(self, request: Request, auth: AuthTypes | UseClientDefault | None) -> Auth | None:
        """The scheme for a request: the call's, else the client's, else Basic with the URL's userinfo."""
        if isinstance(auth, UseClientDefault):
            # What redirects have led elsewhere is not for the client's auth, also when the caller follows them by hand.
            chosen = None if "_left_origin" in request.__dict__ else self._auth
        else:
            chosen = self._build_auth(auth)
        if chosen is None and request.url._uri_reference.userinfo:
            username, password = request.url.username, request.url.password
            if username or password:
                return BasicAuth(username=username, password=password)
        return chosen

    def _body_limit(self, request: Request) -> int | None:
        limit: int | None = request.extensions.get("max_body_bytes", self.max_body_bytes)
        return limit

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        # Whatever was assigned may be a setting, or stand in the place of a method.
        self.__dict__["_settings"] = None

    def _make_settings(self, version: int) -> Settings:
        """Find out whether requests may take the short way, and keep it until something is assigned.

        Args:
            version: what the core knows the present state of the class by.
        """
        plain = (
            self._state is OPENED
            and self._auth is None
            and self.max_body_bytes is None
            and not self.timings
            and is_untouched(self, self._defined())
        )
        settings = Settings(self, plain, version)
        if self._state is OPENED:
            self.__dict__["_settings"] = settings
        return settings

    @classmethod
    def _defined(cls) -> dict[str, Any]:
        """The attributes that httpfast's own class of client has."""
        raise NotImplementedError

    def _open(self) -> None:
        """Raises RuntimeError when the client was closed."""
        if self._state is ClientState.CLOSED:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        self._state = ClientState.OPENED

    def _enter(self) -> None:
        """Raises RuntimeError when the client was entered or closed before."""
        if self._state is not ClientState.UNOPENED:
            raise RuntimeError(
                {
                    ClientState.OPENED: "Cannot open a client instance more than once.",
                    ClientState.CLOSED: "Cannot reopen a client instance, once it has been closed.",
                }[self._state]
            )
        self._state = ClientState.OPENED

    def _prepare_timeout(self, request: Request) -> None:
        """Give a request made without a client its timeouts, and start the clock of a total one."""
        timeouts = request.extensions.get("timeout")
        if timeouts is None:
            timeouts = self._timeout._extension
            request.extensions = {**request.extensions, "timeout": timeouts}
        total: float | None = timeouts.get("total")
        if total is not None:
            request.extensions = {**request.extensions, "deadline": monotonic() + total}

    def _received(self, request: Request, response: Response, started: float) -> None:
        """Complete a response that has come from a transport."""
        state = response.__dict__
        state["_request"] = request
        state["_started"] = started
        if "_raw" in state:
            state["_finished"] = perf_counter()
        state["default_encoding"] = self._default_encoding
        # Fields that nobody has looked at are those of the head, which knows whether there is a cookie in it.
        if "headers" in state or (head := response._head) is None or head.has_set_cookie:
            self._cookies.extract_cookies(response)
        logger = info_logger()
        if logger is not None:
            logger.info(
                'HTTP Request: %s %s "%s %d %s"',
                request.method,
                request.url if not request.url.userinfo else request.url._masked_text,
                response.http_version,
                response.status_code,
                response.reason_phrase,
            )


# How settings and arguments become one. Requests are made in the short way only where no subclass has its own.
_MERGES = [
    (name, getattr(BaseClient, name))
    for name in ("_merge_headers", "_merge_queryparams", "_merge_cookies", "_merge_url", "headers", "params", "cookies")
]
