"""Authentication schemes (RFC 9110, 11): each a generator that yields requests and is sent their responses."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from ._request import Request
    from ._response import Response

__all__ = ["Auth", "BasicAuth", "FunctionAuth"]


class Auth:
    """Base of the schemes. A subclass defines `auth_flow`; one that does IO overrides the two methods below it.

    `requires_request_body` and `requires_response_body` say whether the flow looks at `request.content` and at
    `response.content`: they are read before the flow goes on then.
    """

    requires_request_body = False
    requires_response_body = False

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request, changed as needed; each further yield sends another one.

        The value of a yield is the response. The response to the last request is the one that the caller gets.
        """
        yield request

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Drive `auth_flow` for a `Client`."""
        if self.requires_request_body:
            request.read()
        flow = self.auth_flow(request)
        try:
            step = next(flow)
            while True:
                response = yield step
                if self.requires_response_body:
                    response.read()
                step = flow.send(response)
        except StopIteration:
            return
        finally:
            flow.close()

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        """Drive `auth_flow` for an `AsyncClient`."""
        if self.requires_request_body:
            await request.aread()
        flow = self.auth_flow(request)
        try:
            step = next(flow)
            while True:
                response = yield step
                if self.requires_response_body:
                    await response.aread()
                step = flow.send(response)
        except StopIteration:
            return
        finally:
            flow.close()


class FunctionAuth(Auth):
    """A function as a scheme.

    Args:
        func: is given the request and returns it, changed as needed.
    """

    def __init__(self, func: Callable[[Request], Request]) -> None:
        self._func = func

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        yield self._func(request)


class BasicAuth(Auth):
    """The Basic scheme (RFC 7617).

    Args:
        username: str is sent as UTF-8. It cannot hold a colon.
        password: likewise, but may.
    """

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        from base64 import b64encode

        userinfo = b":".join(part.encode("utf-8") if isinstance(part, str) else part for part in (username, password))
        self._auth_header = f"Basic {b64encode(userinfo).decode('ascii')}"

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        request.headers["Authorization"] = self._auth_header
        yield request
