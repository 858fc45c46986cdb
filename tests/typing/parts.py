"""What type checkers see of authentication, transports, hooks and errors. Checked, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, MutableMapping
from typing import Any, assert_type

import httpfast


class Token(httpfast.Auth):
    """A scheme of a user's own: one flow for both clients."""

    requires_response_body = True

    def auth_flow(self, request: httpfast.Request) -> Generator[httpfast.Request, httpfast.Response, None]:
        response = yield request
        assert_type(response, httpfast.Response)
        if response.status_code == 401:
            request.headers["X-Token"] = response.json()["token"]
            yield request


class AwaitedToken(httpfast.Auth):
    """One that waits for something in its flow."""

    requires_request_body = True

    async def async_auth_flow(self, request: httpfast.Request) -> AsyncGenerator[httpfast.Request, httpfast.Response]:
        yield request

    def sync_auth_flow(self, request: httpfast.Request) -> Generator[httpfast.Request, httpfast.Response, None]:
        yield request


def schemes(request: httpfast.Request) -> None:
    clients = [
        httpfast.Client(auth=Token()),
        httpfast.Client(auth=AwaitedToken()),
        httpfast.Client(auth=("user", b"pass")),
        httpfast.Client(auth=httpfast.BasicAuth("user", "pass")),
        httpfast.Client(auth=httpfast.DigestAuth(b"user", "pass")),
        httpfast.Client(auth=httpfast.NetRCAuth(None)),
        httpfast.Client(auth=httpfast.FunctionAuth(lambda request: request)),
        httpfast.Client(auth=lambda request: request),
    ]
    assert_type(clients, list[httpfast.Client])
    assert_type(Token().sync_auth_flow(request), Generator[httpfast.Request, httpfast.Response, None])
    assert_type(Token().async_auth_flow(request), AsyncGenerator[httpfast.Request, httpfast.Response])
    assert_type(Token.requires_request_body, bool)
    assert_type(Token.requires_response_body, bool)


class Canned(httpfast.BaseTransport):
    """A transport of a user's own."""

    def handle_request(self, request: httpfast.Request) -> httpfast.Response:
        return httpfast.Response(200, text=request.url.path)


class AsyncCanned(httpfast.AsyncBaseTransport):
    """A transport of a user's own, for event loops."""

    async def handle_async_request(self, request: httpfast.Request) -> httpfast.Response:
        return httpfast.Response(200, text=request.url.path)


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """An ASGI application as its specification types it."""
    await send({"type": "http.response.start", "status": 200})


def wsgi_application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application."""
    start_response("200 OK", [])
    return [b""]


async def answer(request: httpfast.Request) -> httpfast.Response:
    """A handler that waits."""
    return httpfast.Response(200)


def transports() -> None:
    httpfast.Client(transport=Canned())
    httpfast.Client(transport=httpfast.HTTPTransport(http2=True, retries=2, local_address="127.0.0.1", replay=False))
    httpfast.Client(transport=httpfast.HTTPTransport(uds="/run/socket", socket_options=[(1, 2, 3)]))
    httpfast.Client(transport=httpfast.WSGITransport(app=wsgi_application))
    httpfast.Client(mounts={"https://": Canned(), "all://": None})
    httpfast.AsyncClient(transport=AsyncCanned())
    httpfast.AsyncClient(transport=httpfast.AsyncHTTPTransport(limits=httpfast.Limits(), proxy="http://localhost"))
    httpfast.AsyncClient(transport=httpfast.ASGITransport(app=application))
    httpfast.AsyncClient(transport=httpfast.MockTransport(answer))
    with Canned() as entered:
        assert_type(entered, Canned)


def hooks() -> None:
    def on_request(request: httpfast.Request) -> None: ...
    async def on_response(response: httpfast.Response) -> None: ...

    httpfast.Client(event_hooks={"request": [on_request], "response": [print]})
    httpfast.AsyncClient(event_hooks={"response": [on_response], "informational": [print]})


def errors(request: httpfast.Request, response: httpfast.Response) -> None:
    try:
        response.raise_for_status()
    except httpfast.HTTPStatusError as error:
        assert_type(error.request, httpfast.Request)
        assert_type(error.response, httpfast.Response)
    except httpfast.HTTPError as error:
        assert_type(error.request, httpfast.Request)
    tree: dict[type[Exception], tuple[type[Exception], ...]] = {
        httpfast.HTTPError: (httpfast.HTTPStatusError, httpfast.RequestError),
        httpfast.RequestError: (httpfast.TransportError, httpfast.DecodingError, httpfast.TooManyRedirects),
        httpfast.TimeoutException: (
            httpfast.ConnectTimeout,
            httpfast.ReadTimeout,
            httpfast.WriteTimeout,
            httpfast.PoolTimeout,
        ),
        httpfast.NetworkError: (httpfast.ConnectError, httpfast.ReadError, httpfast.WriteError, httpfast.CloseError),
        httpfast.ProtocolError: (httpfast.LocalProtocolError, httpfast.RemoteProtocolError),
        httpfast.TransportError: (httpfast.ProxyError, httpfast.UnsupportedProtocol, httpfast.SSEError),
        httpfast.StreamError: (
            httpfast.StreamConsumed,
            httpfast.StreamClosed,
            httpfast.ResponseNotRead,
            httpfast.RequestNotRead,
        ),
        Exception: (httpfast.InvalidURL, httpfast.CookieConflict),
    }
    assert_type(tree[httpfast.HTTPError], tuple[type[Exception], ...])
    assert_type(httpfast.ReadTimeout("late", request=request).request, httpfast.Request)
