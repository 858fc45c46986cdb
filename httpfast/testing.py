"""Answers in place of the network, for tests: what the pytest fixture `httpfast_mock` gives, and usable without pytest.

It replaces the methods that send: `HTTPTransport.handle_request` and `AsyncHTTPTransport.handle_async_request`. So it
answers every client of the process that would use the network, and the clients of httpx with a transport of ours; not
those with a transport of another kind, such as `ASGITransport`. Redirects, cookies, authentication and hooks work as
they do with a server. The names are pytest-httpx's.

pytest finds the fixture in `httpfast_pytest`, which imports this when a test asks for it.
"""

from __future__ import annotations

import json as _json
from collections.abc import Awaitable, Callable, Mapping
from re import Pattern
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast
from urllib.parse import parse_qsl

from ._content import encode_json, encode_response
from ._exceptions import RequestError, TimeoutException
from ._headers import Headers
from ._query_params import QueryParams
from ._request import Request
from ._response import Response
from ._transports.default import AsyncHTTPTransport, HTTPTransport
from ._url import URL

if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn, Self

    from ._type_aliases import HeaderTypes, QueryParamTypes, ResponseContent
    from ._types import AsyncByteStream, SyncByteStream

__all__ = ["HTTPMock"]

Callback = Callable[[Request], Response | Awaitable[Response | None] | None]


class Matchers(TypedDict, total=False):
    """Which requests are meant. Whatever is not said does not matter."""

    url: str | URL | Pattern[str] | None
    """The whole URL, with its query in any order of its parameters; or a pattern that its text begins with."""
    method: str | None
    match_params: QueryParamTypes | None
    """The whole query; `url` is then without one."""
    match_headers: Mapping[str, str] | None
    """Fields among the request's."""
    match_content: bytes | None
    match_json: Any
    """The body, read as JSON; None does not matter, as anywhere: `match_content=b"null"`."""
    match_data: Mapping[str, str] | None
    """The body, read as an urlencoded form."""
    match_extensions: Mapping[str, Any] | None
    """Extensions among the request's."""


class Registration(Matchers, total=False):
    """Which requests are answered, and how often."""

    is_optional: bool | None
    """Whether it may go unrequested."""
    is_reusable: bool | None
    """Whether it answers more than one request."""


class HTTPMock:
    """Answers the requests that would go to the network, while its `with` block lasts.

    Of the answers that match a request the first that has not been given is given, and then the last one again if it
    is reusable. A request that none matches raises `TimeoutException`, and does not go out.

    Args:
        assert_all_responses_were_requested: the end of the block raises AssertionError if an answer was not given,
            unless it is optional.
        assert_all_requests_were_expected: likewise if a request was not answered.
        can_send_already_matched_responses: answers are reusable unless they say otherwise.
        should_mock: requests for which this is False go to the network.
    """

    def __init__(
        self,
        *,
        assert_all_responses_were_requested: bool = True,
        assert_all_requests_were_expected: bool = True,
        can_send_already_matched_responses: bool = False,
        should_mock: Callable[[Request], bool] = lambda request: True,
    ) -> None:
        self._are_required = assert_all_responses_were_requested
        self._are_expected = assert_all_requests_were_expected
        self._are_reusable = can_send_already_matched_responses
        self._should_mock = should_mock
        self._answers: list[_Answer] = []
        self._requests: list[Request] = []
        self._unexpected: list[Request] = []
        # Clients may be used from several threads.
        self._lock = Lock()

    def add_response(
        self,
        status_code: int = 200,
        http_version: str = "HTTP/1.1",
        headers: HeaderTypes | None = None,
        content: ResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        stream: SyncByteStream | AsyncByteStream | None = None,
        json: Any = None,
        **matchers: Unpack[Registration],
    ) -> None:
        """Answer a request with a response.

        Args:
            http_version: what the response says of its protocol.
            status_code, headers, content, text, html, stream, json: as for `Response`. Octets are taken as they come
                from a server: with a Content-Encoding among the headers they are decoded.
            matchers: see `Matchers` and `Registration`.
        """
        if json is not None:
            # What the test does to the value later does not count.
            content, json = encode_json(json)[1]._stream, None
            headers = Headers(headers)
            headers.setdefault("Content-Type", "application/json")

        def answer(request: Request) -> Response:
            extensions = {"http_version": http_version.encode("ascii")}
            if stream is not None:
                return Response(status_code, headers=headers, stream=stream, extensions=extensions)
            fields, body = encode_response(content, text, html, json)
            made = Response(status_code, headers=headers, stream=body, extensions=extensions)
            for name, value in fields.items():
                made.headers.setdefault(name, value)
            return made

        self.add_callback(answer, **matchers)

    def add_callback(self, callback: Callback, **matchers: Unpack[Registration]) -> None:
        """Answer a request by a function.

        Args:
            callback: is given the request, its body read, and returns the response; None if it has none. It may be a
                coroutine function for an `AsyncClient`.
            matchers: see `Matchers` and `Registration`.
        """
        is_optional, is_reusable = matchers.pop("is_optional", None), matchers.pop("is_reusable", None)
        answer = _Answer(
            _Matcher(**cast("Matchers", matchers)),
            callback,
            is_optional=not self._are_required if is_optional is None else is_optional,
            is_reusable=self._are_reusable if is_reusable is None else is_reusable,
        )
        with self._lock:
            self._answers.append(answer)

    def add_exception(self, exception: BaseException, **matchers: Unpack[Registration]) -> None:
        """Answer a request by raising.

        Args:
            exception: what is raised. A `RequestError` is given the request.
            matchers: see `Matchers` and `Registration`.
        """

        def fail(request: Request) -> NoReturn:
            if isinstance(exception, RequestError):
                exception.request = request
            raise exception

        self.add_callback(fail, **matchers)

    def get_requests(self, **matchers: Unpack[Matchers]) -> list[Request]:
        """The requests that have come and match, in order."""
        matcher = _Matcher(**matchers)
        with self._lock:
            return [request for request in self._requests if matcher.matches(request)]

    def get_request(self, **matchers: Unpack[Matchers]) -> Request | None:
        """The one request that has come and matches; None if there is none.

        Raises:
            AssertionError: there are several.
        """
        found = self.get_requests(**matchers)
        if len(found) > 1:
            raise AssertionError(f"{len(found)} requests match, where one is asked for:\n{_listed(found)}")
        return found[0] if found else None

    def reset(self) -> None:
        """Forget all answers and requests."""
        with self._lock:
            for rows in (self._answers, self._requests, self._unexpected):
                rows.clear()

    def check(self) -> None:
        """What the end of the block does.

        Raises:
            AssertionError: an answer was not given, or a request not answered.
        """
        with self._lock:
            unused = [answer.matcher for answer in self._answers if not (answer.count or answer.is_optional)]
            unexpected = self._unexpected if self._are_expected else []
            faults = [
                f"{what}:\n{_listed(rows)}"
                for what, rows in (("Not requested", unused), ("Not expected", unexpected))
                if rows
            ]
        if faults:
            raise AssertionError("\n".join(faults))

    def __enter__(self) -> Self:
        mock = self
        self._replaced = HTTPTransport.handle_request, AsyncHTTPTransport.handle_async_request
        send, send_async = self._replaced

        def handle_request(transport: HTTPTransport, request: Request) -> Response:
            if not mock._should_mock(request):
                return send(transport, request)
            request.read()
            response = mock._find(request).callback(request)
            if isinstance(response, Awaitable):
                raise TypeError("A coroutine function cannot answer a blocking client")
            return mock._checked(response, request)

        async def handle_async_request(transport: AsyncHTTPTransport, request: Request) -> Response:
            if not mock._should_mock(request):
                return await send_async(transport, request)
            await request.aread()
            response = mock._find(request).callback(request)
            if isinstance(response, Awaitable):
                response = await response
            return mock._checked(response, request)

        HTTPTransport.handle_request = handle_request  # type: ignore[assignment, method-assign]
        AsyncHTTPTransport.handle_async_request = handle_async_request  # type: ignore[assignment, method-assign]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        HTTPTransport.handle_request, AsyncHTTPTransport.handle_async_request = self._replaced  # type: ignore[method-assign]
        # An exception of the block is what its reader has to see.
        if exc_type is None:
            self.check()

    def _find(self, request: Request) -> _Answer:
        """The answer to a request, which is counted."""
        with self._lock:
            self._requests.append(request)
            matching = [answer for answer in self._answers if answer.matcher.matches(request)]
            for answer in matching:
                if not answer.count:
                    break
            else:
                if not matching or not (answer := matching[-1]).is_reusable:
                    self._refuse(request)
            answer.count += 1
            return answer

    def _checked(self, response: Response | None, request: Request) -> Response:
        if response is None:
            with self._lock:
                self._refuse(request)
        return response

    def _refuse(self, request: Request) -> NoReturn:
        self._unexpected.append(request)
        message = f"No answer for {_shown(request)}"
        if self._answers:
            message += f" among:\n{_listed(self._answers)}"
        raise TimeoutException(message, request=request)


class _Matcher:
    """See `Matchers`."""

    def __init__(self, **matchers: Unpack[Matchers]) -> None:
        unknown = set(matchers) - Matchers.__annotations__.keys()
        if unknown:
            raise TypeError(f"No such matchers: {', '.join(sorted(unknown))}")
        self._told: dict[str, Any] = {name: value for name, value in matchers.items() if value is not None}
        url = matchers.get("url")
        self._url = URL(url) if isinstance(url, str) else url
        self._shown_url = self._url
        self._params: list[tuple[str, str]] | None = None
        params = matchers.get("match_params")
        if params is not None:
            self._params = sorted(QueryParams(params).multi_items())
            if isinstance(self._url, URL) and self._url.query:
                raise ValueError("Give the query in url or in match_params, not in both")
        elif isinstance(self._url, URL):
            self._params = sorted(self._url.params.multi_items())
        if isinstance(self._url, URL):
            self._url = self._url.copy_with(query=None, fragment="")

    def matches(self, request: Request) -> bool:
        """Whether a request is meant, whose body has been read."""
        told = self._told
        return (
            self._is_url(request.url)
            and ("method" not in told or told["method"] == request.method)
            and all(request.headers.get(name) == value for name, value in told.get("match_headers", {}).items())
            and ("match_content" not in told or told["match_content"] == request.content)
            and ("match_json" not in told or _is_json(request.content, told["match_json"]))
            and ("match_data" not in told or _is_form(request.content, told["match_data"]))
            and all(
                name in request.extensions and request.extensions[name] == value
                for name, value in told.get("match_extensions", {}).items()
            )
        )

    def _is_url(self, url: URL) -> bool:
        if self._params is not None and self._params != sorted(url.params.multi_items()):
            return False
        if isinstance(self._url, Pattern):
            return self._url.match(str(url)) is not None
        return self._url is None or self._url == url.copy_with(query=None, fragment="")

    def __str__(self) -> str:
        # By its repr a URL shows no password.
        told = self._told | ({} if self._shown_url is None else {"url": self._shown_url})
        return ", ".join(f"{name}={value!r}" for name, value in told.items()) or "any request"


class _Answer:
    """A callback, the requests it is for, and how often it was called."""

    def __init__(self, matcher: _Matcher, callback: Callback, *, is_optional: bool, is_reusable: bool) -> None:
        self.matcher = matcher
        self.callback = callback
        self.is_optional = is_optional
        self.is_reusable = is_reusable
        self.count = 0

    def __str__(self) -> str:
        given = f", given {self.count} times" if self.is_reusable else ", given already"
        return f"{self.matcher}{given if self.count else ''}"


def _is_json(content: bytes, value: Any) -> bool:
    try:
        return bool(_json.loads(content) == value)
    except ValueError:
        return False


def _is_form(content: bytes, fields: Mapping[str, str]) -> bool:
    try:
        return sorted(parse_qsl(content.decode(), keep_blank_values=True)) == sorted(fields.items())
    except ValueError:
        return False


def _shown(row: object) -> str:
    return f"{row.method} {row.url!r}" if isinstance(row, Request) else str(row)


def _listed(rows: Any) -> str:
    return "\n".join(f"- {_shown(row)}" for row in rows)
