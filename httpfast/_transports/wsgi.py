"""WSGITransport: requests are answered by a WSGI application in this process, without a network.

The application is called in the caller's thread and sees what a server would show it (PEP 3333).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

from .._exceptions import RemoteProtocolError, UnsupportedProtocol
from .._response import Response
from .._types import SyncByteStream
from .base import BaseTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication

    from .._request import Request

__all__ = ["WSGITransport"]

_DEFAULT_PORTS = {"http": 80, "https": 443}

# PEP 3333 gives these fields variables without the prefix.
_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class WSGITransport(BaseTransport):
    """A transport whose answers come from a WSGI application.

    Args:
        app: the application: a callable of environ and start_response.
        raise_app_exceptions: whether an exception that the application hands to `start_response` is raised. If not, the
            response that goes with it is returned. What the application does not catch is raised in any case.
        script_name: the path that the application is mounted on.
        remote_addr: the address that the application is told the request comes from.
        wsgi_errors: where the application writes its log; None is `sys.stderr`.

    Source: PEP 3333.
    """

    def __init__(
        self,
        app: WSGIApplication,
        raise_app_exceptions: bool = True,
        script_name: str = "",
        remote_addr: str = "127.0.0.1",
        wsgi_errors: TextIO | None = None,
    ) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self.script_name = script_name
        self.remote_addr = remote_addr
        self.wsgi_errors = wsgi_errors

    def handle_request(self, request: Request) -> Response:
        """Have the application answer one request.

        Raises:
            RemoteProtocolError: the application did not call `start_response`, or with a status that is none.
            UnsupportedProtocol: the URL has no port and a scheme other than http and https.
            Exception: what the application raised, or handed to `start_response` if `raise_app_exceptions`.
        """
        request.read()
        head = _Head()
        result = self.app(self._environ(request), head.start)
        body = _Body(result, head)
        try:
            body.begin(result)
            if head.error is not None and self.raise_app_exceptions:
                raise head.error
            return Response(head.status_code(), headers=head.fields(), stream=body)
        except BaseException:
            body.close()
            raise
        finally:
            # Its traceback holds this frame.
            head.error = None

    def _environ(self, request: Request) -> dict[str, Any]:
        from io import BytesIO
        from urllib.parse import unquote_to_bytes

        url = request.url
        port = url.port or _DEFAULT_PORTS.get(url.scheme)
        if port is None:
            raise UnsupportedProtocol(f"A WSGI application needs a port, which {url.scheme!r} URLs have no default for")
        content = request.content
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": url.scheme,
            "wsgi.input": BytesIO(content),
            # Not of PEP 3333, but frameworks know it: the input ends by itself.
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr if self.wsgi_errors is None else self.wsgi_errors,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": self.script_name,
            # Octets as latin-1, whatever they stand for.
            "PATH_INFO": unquote_to_bytes(url.raw_path.partition(b"?")[0]).decode("latin-1"),
            "QUERY_STRING": url.query.decode("ascii"),
            "SERVER_NAME": url.raw_host.decode("ascii"),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.remote_addr,
        }
        for raw_name, raw_value in request.headers.raw:
            name = raw_name.decode("latin-1").upper().replace("-", "_")
            value = raw_value.decode("latin-1")
            if name not in _UNPREFIXED:
                name = "HTTP_" + name
                if name in environ:
                    # Lines of one field are one list (RFC 9110, 5.3), but for cookies (RFC 6265bis, 5.6.3).
                    value = environ[name] + ("; " if name == "HTTP_COOKIE" else ", ") + value
            environ[name] = value
        if content:
            # A body without a length would be none to most applications.
            environ.setdefault("CONTENT_LENGTH", str(len(content)))
        return environ


class _Head:
    """What the application gives to `start_response`."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.error: BaseException | None = None
        # The first octets have been given on: the head cannot change any more.
        self.is_sent = False
        # What was given to the `write` callable and comes before the next part of the result.
        self.written: list[bytes] = []

    def start(
        self, status: str, response_headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """The application's `start_response`.

        Raises:
            RuntimeError: it was called before, and there is no exception that would be a reason to call it again.
            BaseException: the exception given, where it is too late for another head.
        """
        error = None if exc_info is None else exc_info[1]
        try:
            if error is not None and self.is_sent:
                raise error
            if error is None and self.status is not None:
                raise RuntimeError("start_response() was called twice without an exception")
        finally:
            exc_info = None
        self.status, self.headers, self.error = status, list(response_headers), error
        return self.written.append

    def status_code(self) -> int:
        if self.status is None:
            raise RemoteProtocolError("The WSGI application did not call start_response()")
        code = self.status.partition(" ")[0]
        if len(code) != 3 or not code.isascii() or not code.isdigit():
            raise RemoteProtocolError(f"{self.status[:64]!r} is no status line: three digits and a phrase")
        return int(code)

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]


class _Body(SyncByteStream):
    """The application's result, to be iterated once. It is always closed, and once."""

    def __init__(self, result: Iterable[bytes], head: _Head) -> None:
        self._result: Iterable[bytes] | None = result
        self._head = head
        self._parts: Iterator[bytes] = iter(())
        self._first: list[bytes] = []

    def begin(self, result: Iterable[bytes]) -> None:
        """Advance to the first octets; until there are any, the application may change its mind about the head."""
        self._parts = iter(result)
        for part in self._parts:
            self._first += self._take_written()
            if part:
                self._first.append(part)
            if self._first:
                break
        self._head.is_sent = bool(self._first)

    def __iter__(self) -> Iterator[bytes]:
        first, self._first = self._first, []
        yield from first
        for part in self._parts:
            yield from self._take_written()
            yield part
        yield from self._take_written()

    def close(self) -> None:
        """Call the result's own `close`, if it has one."""
        result, self._result = self._result, None
        close = getattr(result, "close", None)
        if close is not None:
            close()

    def _take_written(self) -> list[bytes]:
        written = [data for data in self._head.written if data]
        self._head.written.clear()
        return written
