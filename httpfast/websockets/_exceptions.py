"""What can go wrong with a WebSocket. None of it is an `HTTPError`: that a request for one fails is told by those.

    Exception
    └── HTTPXWSException
        ├── WebSocketUpgradeError            the server answered otherwise than by opening a WebSocket
        ├── WebSocketDisconnect              the WebSocket was closed, by either side
        ├── WebSocketInvalidTypeReceived     text came where bytes were asked for, or the reverse
        └── WebSocketNetworkError            the connection was lost

The base class has httpx2's name, so that programs can move over.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wsproto.events import Event

    from .._response import Response


class HTTPXWSException(Exception):
    """Base of the errors of WebSockets."""


class WebSocketUpgradeError(HTTPXWSException):
    """The server did not open a WebSocket (RFC 6455, 4.1).

    Args:
        response: what it answered. A body of up to 64 KiB has been read.
        reason: which rule the answer breaks, if it is a 101.
    """

    def __init__(self, response: Response, reason: str = "") -> None:
        super().__init__(response, reason)
        self.response = response
        self.reason = reason

    def __str__(self) -> str:
        return self.reason or f"The server answered {self.response.status_code} in place of 101 Switching Protocols"


class WebSocketDisconnect(HTTPXWSException):
    """The WebSocket was closed.

    Args:
        code: why (RFC 6455, 7.4). 1000 is the normal end, 1005 an end without a code; 1002, 1007 and 1009 are given
            where this side refused what came.
        reason: the same for a person to read.
    """

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason: str = reason or ""

    def __str__(self) -> str:
        return f"{int(self.code)} {self.reason}".rstrip()


class WebSocketInvalidTypeReceived(HTTPXWSException):
    """A message is not of the kind that was asked for.

    Args:
        event: the message.
    """

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self.event = event

    def __str__(self) -> str:
        return f"Received a {type(self.event).__name__}"


class WebSocketNetworkError(HTTPXWSException):
    """The connection was lost, ended without a Close frame, or a ping was not answered in time."""


def again(error: HTTPXWSException) -> HTTPXWSException:
    """The same error as a new object: one that is raised more than once collects the tracebacks of all."""
    fresh = type(error)(*error.args)
    fresh.__cause__ = error.__cause__
    return fresh
