"""The exceptions a caller can meet, and nothing else.

    Exception
    ├── HTTPError                      a request was made (or tried) and did not end well
    │   ├── RequestError               no usable response; `.request` names the request
    │   │   ├── TransportError
    │   │   │   ├── TimeoutException
    │   │   │   │   ├── ConnectTimeout
    │   │   │   │   ├── ReadTimeout
    │   │   │   │   ├── WriteTimeout
    │   │   │   │   └── PoolTimeout
    │   │   │   ├── NetworkError
    │   │   │   │   ├── ConnectError
    │   │   │   │   ├── ReadError
    │   │   │   │   ├── WriteError
    │   │   │   │   └── CloseError
    │   │   │   ├── ProtocolError
    │   │   │   │   ├── LocalProtocolError
    │   │   │   │   └── RemoteProtocolError
    │   │   │   ├── ProxyError
    │   │   │   └── UnsupportedProtocol
    │   │   ├── DecodingError
    │   │   └── TooManyRedirects
    │   └── HTTPStatusError            raised by `Response.raise_for_status()` only
    ├── InvalidURL
    ├── CookieConflict
    └── RuntimeError
        └── StreamError                a body was used in a way its state does not allow
            ├── StreamConsumed
            ├── StreamClosed
            ├── ResponseNotRead
            └── RequestNotRead

This module imports no other module of the package, so that every one of them may import it.
"""

from __future__ import annotations

import copyreg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from ._request import Request
    from ._response import Response

__all__ = [
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
]


class HTTPError(Exception):
    """Base of `RequestError` and `HTTPStatusError`: one `except` for a call and its `raise_for_status()`.

    Args:
        message: what happened, for a person to read.
    """

    _request: Request | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def request(self) -> Request:
        """The request that failed.

        Raises:
            RuntimeError: the exception was made outside a client, which is what fills this in.
        """
        if self._request is None:
            raise RuntimeError("The .request property has not been set.")
        return self._request

    @request.setter
    def request(self, request: Request) -> None:
        self._request = request

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException's own way calls the class with `args` alone, which required keywords refuse.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class RequestError(HTTPError):
    """Base of everything that can go wrong between sending a request and having its response.

    Args:
        message: what happened, for a person to read.
        request: the request, where it is known; the client adds it otherwise.
    """

    def __init__(self, message: str, *, request: Request | None = None) -> None:
        super().__init__(message)
        self._request = request


class TransportError(RequestError):
    """Base of the errors that come from the transport."""


class TimeoutException(TransportError):
    """Base of the timeouts: an operation took longer than its `Timeout` allows."""


class ConnectTimeout(TimeoutException):
    """No connection (name look-up, TCP, TLS and proxy handshake) within the connect timeout."""


class ReadTimeout(TimeoutException):
    """No data from the peer within the read timeout."""


class WriteTimeout(TimeoutException):
    """The peer took no data within the write timeout."""


class PoolTimeout(TimeoutException):
    """No connection of the pool came free within the pool timeout."""


class NetworkError(TransportError):
    """Base of the errors that the operating system's network calls report."""


class ReadError(NetworkError):
    """Receiving from the network failed."""


class WriteError(NetworkError):
    """Sending to the network failed."""


class ConnectError(NetworkError):
    """A connection could not be established: name look-up, TCP or TLS failed."""


class CloseError(NetworkError):
    """A connection could not be closed."""


class ProxyError(TransportError):
    """A proxy refused, or failed at, the connection asked of it."""


class UnsupportedProtocol(TransportError):
    """The URL's scheme is missing, or is one that the transport does not speak."""


class ProtocolError(TransportError):
    """Base of the breaches of HTTP."""


class LocalProtocolError(ProtocolError):
    """This side erred: what the caller asked for is not valid HTTP. Nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer erred: what it sent is not valid HTTP, or ended too early."""


class DecodingError(RequestError):
    """A body does not follow its Content-Encoding, or is larger than the caller takes."""


class TooManyRedirects(RequestError):
    """More redirects than `max_redirects` allows."""


class HTTPStatusError(HTTPError):
    """The response's status is not a success.

    Args:
        message: the text of `Response.raise_for_status()`.
        request: the request that was answered.
        response: the answer.
    """

    def __init__(self, message: str, *, request: Request, response: Response) -> None:
        super().__init__(message)
        self.request = request
        self.response = response


class InvalidURL(Exception):
    """Text that is no URL (RFC 3986), or a URL with a part that must not be sent.

    Args:
        message: which rule was broken, and where.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class CookieConflict(Exception):
    """A cookie was looked up by name alone while several domains or paths have one of that name.

    Args:
        message: which name.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class StreamError(RuntimeError):
    """Base of the errors in the use of a body: the program's own, not the network's.

    Args:
        message: which use.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class StreamConsumed(StreamError):
    """A body that can be read once was asked for a second time."""

    def __init__(self) -> None:
        super().__init__(
            "Attempted to read or stream some content, but the content has already been streamed. "
            "For requests, this could be due to passing a generator as request content, and then receiving "
            "a redirect response or a secondary request as part of an authentication flow."
            "For responses, this could be due to attempting to stream the response content more than once."
        )


class StreamClosed(StreamError):
    """A body was asked for after it was closed."""

    def __init__(self) -> None:
        super().__init__("Attempted to read or stream content, but the stream has been closed.")


class ResponseNotRead(StreamError):
    """The content of a streamed response was asked for before `read()` or `aread()`."""

    def __init__(self) -> None:
        super().__init__("Attempted to access streaming response content, without having called `read()`.")


class RequestNotRead(StreamError):
    """The content of a streaming request was asked for before `read()` or `aread()`."""

    def __init__(self) -> None:
        super().__init__("Attempted to access streaming request content, without having called `read()`.")


class request_context:
    """`with request_context(request):` sets `.request` on any `RequestError` that leaves the block.

    Args:
        request: the request being worked on; with None the block changes nothing.
    """

    def __init__(self, request: Request | None = None) -> None:
        self._request = request

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._request is not None and isinstance(error, RequestError):
            error.request = self._request
