"""The client for event loops."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from time import perf_counter

from ._base_client import (
    OPENED,
    USE_CLIENT_DEFAULT,
    BaseClient,
    ClientState,
    UseClientDefault,
    warn_of_cookies,
)
from ._cext.plain import is_finished, originals, ready_request
from ._config import DEFAULT_HTTP2_WINDOW, DEFAULT_LIMITS, DEFAULT_MAX_REDIRECTS, DEFAULT_TIMEOUT_CONFIG
from ._conversations import AsyncConversations
from ._exceptions import DecodingError, RequestError
from ._exchange import AUTHENTICATE, DRAIN, HOOK, READ, SEND, check_body, exchange_steps, is_small
from ._response_context import AsyncResponseContext
from ._transports.default import AsyncHTTPTransport
from ._types import AsyncByteStream
from ._verbs import AsyncVerbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from ._auth import Auth
    from ._base_client import EventHooks
    from ._config import Limits
    from ._exchange import Step
    from ._request import Request
    from ._response import Response
    from ._transports.base import AsyncBaseTransport
    from ._types import (
        AuthTypes,
        CertTypes,
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
    from ._url import URL

__all__ = ["AsyncClient"]


async def _call(hooks: list[Callable[[Response], Any]], response: Response) -> None:
    for hook in hooks:
        await hook(response)


class AsyncClient(AsyncVerbs, AsyncConversations, BaseClient):
    """An HTTP client: settings, cookies and connections that requests share. For asyncio and loops with its interface.

    Args:
        auth: an `Auth`, a (username, password) tuple for Basic, or a function that is given each request.
        params: query parameters for all requests.
        headers: fields for all requests.
        cookies: cookies for all requests.
        verify: True to check certificates against certifi's bundle, False not to, or a context.
        cert: a client certificate: path, or (certificate, key[, password]).
        trust_env: obey environment variables.
        http1: speak HTTP/1.1 where the server does not speak HTTP/2.
        http2: speak HTTP/2 where the server does. Without http1: always, also to http:// URLs.
        proxy: the URL of an http, https, socks5 or socks5h proxy, or a `Proxy`, for all requests. Left out, environment
            variables may name some: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and NO_PROXY for what goes without.
        mounts: transports for URLs that match a pattern, such as "https://", "all://*.example.org", "all://10.0.0.0/8";
            the one that says most counts. None stands for the client's own transport.
        timeout: seconds, or a `Timeout`.
        follow_redirects: follow them unless a call says otherwise. Beyond httpx, "secure": but none from https to http;
            that is an UnsupportedProtocol.
        limits: how many connections.
        max_redirects: how many redirects one call follows.
        event_hooks: coroutine functions by "request", "response" and, beyond httpx, "informational".
        base_url: what relative URLs are appended to.
        transport: what sends the requests, in place of the network.
        default_encoding: of text for which Content-Type names none; or a callable given the content.
        sensitive_headers: names of fields that, as Authorization, are dropped when a redirect leads to another origin,
            such as "X-Api-Key". Beyond httpx.
        timings: note where the time of requests goes, for `Response.timings`; that costs some itself. Beyond httpx.
        http2_keepalive, http2_window: see the transport. Beyond httpx.
        max_body_bytes: the most octets of a body, as it comes and decoded, that a call reads into memory; more are a
            DecodingError. None is no limit. The request extension `max_body_bytes` overrides it. What is iterated over,
            of `stream`, is not counted. Beyond httpx.

    Raises:
        TypeError, ValueError, InvalidURL: an argument is not one of those.
    """

    _transport_type = AsyncHTTPTransport

    def __init__(
        self,
        *,
        auth: AuthTypes | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        verify: ssl.SSLContext | str | bool = True,
        cert: CertTypes | None = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        proxy: ProxyTypes | None = None,
        mounts: Mapping[str, AsyncBaseTransport | None] | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        follow_redirects: RedirectTypes = False,
        limits: Limits = DEFAULT_LIMITS,
        max_redirects: int = DEFAULT_MAX_REDIRECTS,
        event_hooks: EventHooks | None = None,
        base_url: URLTypes = "",
        transport: AsyncBaseTransport | None = None,
        default_encoding: str | Callable[[bytes], str] = "utf-8",
        sensitive_headers: Iterable[str] = (),
        timings: bool = False,
        http2_keepalive: float | None = None,
        http2_window: int = DEFAULT_HTTP2_WINDOW,
        max_body_bytes: int | None = None,
    ) -> None:
        super().__init__(
            auth=auth,
            params=params,
            headers=headers,
            cookies=cookies,
            timeout=timeout,
            follow_redirects=follow_redirects,
            max_redirects=max_redirects,
            event_hooks=event_hooks,
            base_url=base_url,
            trust_env=trust_env,
            default_encoding=default_encoding,
            sensitive_headers=sensitive_headers,
            timings=timings,
            max_body_bytes=max_body_bytes,
        )

        settings: dict[str, Any] = {
            "verify": verify,
            "cert": cert,
            "trust_env": trust_env,
            "http1": http1,
            "http2": http2,
            "limits": limits,
        }
        # What subclasses made for httpx do not know is told only where it was said.
        if http2_keepalive is not None:
            settings["http2_keepalive"] = http2_keepalive
        if http2_window != DEFAULT_HTTP2_WINDOW:
            settings["http2_window"] = http2_window
        self._set_transports(transport, mounts, proxy, settings)

    @classmethod
    def _defined(cls) -> dict[str, Any]:
        return _DEFINED

    def _transport_for_url(self, url: URL) -> AsyncBaseTransport:
        """The transport for a URL. Tools that intercept requests replace this method."""
        transport: AsyncBaseTransport = self._find_transport(url) if self._mounts else self._transport
        return transport

    async def request(
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
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> Response:
        """Build a request and send it.

        Args:
            content, data, files, json: the body; see `Request`.
            params: added to the query; an empty one clears it.
            headers, cookies: added to the client's.
            auth, follow_redirects, timeout: override the client's.
            extensions: go along to the transport.

        Raises:
            RequestError: there is no usable response.
            InvalidURL: the URL cannot be sent.
            RuntimeError: the client was closed.
        """
        if (
            params is None
            and headers is None
            and cookies is None
            and auth is USE_CLIENT_DEFAULT
            and timeout is USE_CLIENT_DEFAULT
            and extensions is None
            and data is None
            and files is None
        ):
            if content is None and json is None:
                plain = ready_request(self, method, url, True)
            else:
                plain = self._compose(method, url, content, json, True)
            if plain is not None:
                return await self._send_plain(plain, follow_redirects)
        if cookies is not None:
            warn_of_cookies()
        request = self.build_request(
            method,
            url,
            content=content,
            data=data,
            files=files,
            json=json,
            params=params,
            headers=headers,
            cookies=cookies,
            timeout=timeout,
            extensions=extensions,
        )
        return await self.send(request, auth=auth, follow_redirects=follow_redirects)

    def stream(
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
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> AsyncResponseContext:
        """As `request`, but for use in an `async with` statement: the body has not been read when it begins, and the
        response is closed when it ends.
        """
        if (
            content is None
            and data is None
            and files is None
            and json is None
            and params is None
            and headers is None
            and cookies is None
            and auth is USE_CLIENT_DEFAULT
            and timeout is USE_CLIENT_DEFAULT
            and extensions is None
        ):
            return AsyncResponseContext(partial(self._open_stream, method, url, follow_redirects))

        async def open_response() -> Response:
            request = self.build_request(
                method,
                url,
                content=content,
                data=data,
                files=files,
                json=json,
                params=params,
                headers=headers,
                cookies=cookies,
                timeout=timeout,
                extensions=extensions,
            )
            return await self.send(request, auth=auth, follow_redirects=follow_redirects, stream=True)

        return AsyncResponseContext(open_response)

    async def _open_stream(
        self, method: str, url: URLTypes, follow_redirects: RedirectTypes | UseClientDefault
    ) -> Response:
        """A response to be streamed, of a request without arguments."""
        plain = ready_request(self, method, url, True, False)
        if plain is not None:
            return await self._send_plain(plain, follow_redirects)
        request = self.build_request(method, url)
        return await self.send(request, follow_redirects=follow_redirects, stream=True)

    async def send(
        self,
        request: Request,
        *,
        stream: bool = False,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
    ) -> Response:
        """Send a request that `build_request` or the caller made; the request is sent as it is.

        Args:
            stream: return as soon as the response's head is there. The caller reads and closes the response then.
            auth: overrides the client's. None: no authentication but by userinfo in the URL.
            follow_redirects: overrides the client's.

        Raises:
            RequestError: there is no usable response.
            RuntimeError: the client was closed.
        """
        if self._state is not OPENED:
            self._open()
        follow = self.follow_redirects if isinstance(follow_redirects, UseClientDefault) else follow_redirects
        timeouts = request.extensions.get("timeout")
        if timeouts is None or "total" in timeouts:
            self._prepare_timeout(request)
        if auth is USE_CLIENT_DEFAULT and self._auth is None and not request.url._uri_reference.userinfo:
            scheme = None
        else:
            scheme = self._build_request_auth(request, auth)
        hooks = self._event_hooks
        limit = self._body_limit(request)
        request.__dict__["_wants_whole"] = not stream and not hooks["response"] and limit is None
        if scheme is not None or hooks["request"] or hooks["response"]:
            response = await self._drive(exchange_steps(self, request, follow), scheme, request)
        else:
            response = await self._send_single_request(request)
            if 300 <= response.status_code <= 399:
                response = await self._drive(exchange_steps(self, request, follow, response), None, request)
        if limit is not None:
            check_body(response, limit)
        if stream or (response._finished is not None and "_content" in response.__dict__):
            return response
        return await self._read(response)

    async def _drive(self, steps: Generator[Step, Any, Response], auth: Auth | None, request: Request) -> Response:
        """Carry out the steps of an exchange."""
        flow = None if auth is None else auth.async_auth_flow(request)
        wants_whole = request.__dict__.get("_wants_whole", False)
        result: Any = None
        try:
            try:
                kind, subject, argument = next(steps)
                while True:
                    try:
                        if kind is AUTHENTICATE:
                            if flow is None:
                                result = request if subject is None else None
                            else:
                                try:
                                    result = await (anext(flow) if subject is None else flow.asend(subject))
                                except StopAsyncIteration:
                                    result = None
                        elif kind is SEND:
                            subject.__dict__["_wants_whole"] = wants_whole
                            result = await self._send_single_request(subject)
                        elif kind is HOOK:
                            result = await subject(argument)
                        elif kind is READ:
                            result = await self._read(subject)
                        elif kind is DRAIN:
                            await self._drain(subject)
                        else:
                            result = await subject.aclose()
                    except BaseException as error:
                        kind, subject, argument = steps.throw(error)
                    else:
                        kind, subject, argument = steps.send(result)
            except StopIteration as stop:
                final: Response = stop.value
                return final
            except RequestError as error:
                if error._request is None:
                    error.request = request
                raise
        finally:
            if flow is not None:
                await flow.aclose()

    async def _read(self, response: Response) -> Response:
        """Read the body of a response that the caller wants whole."""
        if "_content" not in response.__dict__:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        if response._finished is None:
            response._finished = perf_counter()
        return response

    async def _drain(self, response: Response) -> None:
        """Read the body of a redirect, so that its connection can be used again; a large one is dropped with it."""
        if not is_small(response):
            await response.aclose()
            return
        # What cannot be read is no reason not to go where the redirect leads.
        with suppress(DecodingError):
            await self._read(response)

    async def _send_single_request(self, request: Request) -> Response:
        """Hand one request to its transport."""
        transport = self._transport_for_url(request.url)
        body = request.__dict__.get("stream")
        if body is not None and not isinstance(body, AsyncByteStream):
            raise RuntimeError("Attempted to send a sync request with an AsyncClient instance.")
        hooks = self._event_hooks.get("informational")
        if hooks:
            request.extensions = {"informational": partial(_call, hooks), **request.extensions}
        if self.timings:
            request.extensions = {"timings": True, **request.extensions}
        started = perf_counter()
        try:
            response = await transport.handle_async_request(request)
        except RequestError as error:
            error.request = request
            raise
        self._accept(request, response, started)
        limit = self._body_limit(request)
        if limit is not None:
            response._max_content_bytes = limit
        return response

    async def _send_plain(self, request: Request, follow_redirects: RedirectTypes | UseClientDefault) -> Response:
        """What `send` comes to for a request that `ready_request` found to be plain."""
        started = perf_counter()
        try:
            transport: AsyncBaseTransport = self._transport if not self._mounts else self._find_transport(request.url)
            response = await transport.handle_async_request(request)
        except RequestError as error:
            error.request = request
            raise
        if is_finished(self, request, response, started):
            return response
        self._accept(request, response, started)
        if 300 <= response.status_code <= 399:
            follow = self.follow_redirects if isinstance(follow_redirects, UseClientDefault) else follow_redirects
            response = await self._drive(exchange_steps(self, request, follow, response), None, request)
        if not request._wants_whole or (response._finished is not None and "_content" in response.__dict__):
            return response
        return await self._read(response)

    def _accept(self, request: Request, response: Response, started: float) -> None:
        """Take over a response from a transport."""
        if "_raw" not in response.__dict__ and not isinstance(response.stream, AsyncByteStream):
            raise TypeError("A transport of an AsyncClient must return a response with a AsyncByteStream")
        self._received(request, response, started)

    async def get(
        self,
        url: URLTypes,
        *,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> Response:
        """Send a GET request. See `request`."""
        if (
            params is None
            and headers is None
            and cookies is None
            and auth is USE_CLIENT_DEFAULT
            and timeout is USE_CLIENT_DEFAULT
            and extensions is None
        ):
            # Most requests are this one: it saves them a call and its arguments.
            plain = ready_request(self, "GET", url, True)
            if plain is not None:
                return await self._send_plain(plain, follow_redirects)
        return await self.request(
            "GET",
            url,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        )

    async def post(
        self,
        url: URLTypes,
        *,
        content: RequestContent | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: Any | None = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        auth: AuthTypes | UseClientDefault | None = USE_CLIENT_DEFAULT,
        follow_redirects: RedirectTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        timeout: TimeoutTypes | UseClientDefault = USE_CLIENT_DEFAULT,
        extensions: RequestExtensions | None = None,
    ) -> Response:
        """Send a POST request. See `request`."""
        if (
            (json is not None or content is not None)
            and params is None
            and headers is None
            and cookies is None
            and auth is USE_CLIENT_DEFAULT
            and timeout is USE_CLIENT_DEFAULT
            and extensions is None
            and data is None
            and files is None
        ):
            plain = self._compose("POST", url, content, json, True)
            if plain is not None:
                return await self._send_plain(plain, follow_redirects)
        return await self.request(
            "POST",
            url,
            content=content,
            data=data,
            files=files,
            json=json,
            params=params,
            headers=headers,
            cookies=cookies,
            auth=auth,
            follow_redirects=follow_redirects,
            timeout=timeout,
            extensions=extensions,
        )

    async def aclose(self) -> None:
        """Close the client, its transport and its connections."""
        if self._state is not ClientState.CLOSED:
            self._state = ClientState.CLOSED
            for transport in self._all_transports():
                await transport.aclose()

    async def __aenter__(self) -> Self:
        self._enter()
        for transport in self._all_transports():
            await transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._state = ClientState.CLOSED
        for transport in self._all_transports():
            await transport.__aexit__(exc_type, exc_value, traceback)


_DEFINED = originals(AsyncClient)
