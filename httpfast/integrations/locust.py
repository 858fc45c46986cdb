"""A user class for Locust:

    from httpfast.integrations.locust import HttpFastUser

    class Visitor(HttpFastUser):
        @task
        def look(self):
            self.client.get("/")

Locust runs its users as greenlets of one thread, which httpfast's sockets would hold up: what waits in compiled code
does not give way to other greenlets. So all requests of a process run on one event loop, uvloop's if it is there, in a
thread that gevent does not know; a greenlet waits for its request as for anything that another thread does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import gevent
from gevent import monkey
from gevent.event import Event
from locust import User
from locust.exception import CatchResponseError, LocustError

from .._async_client import AsyncClient
from .._exceptions import HTTPError, HTTPStatusError, InvalidURL
from .._response import Response

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["CaughtResponse", "HttpFastSession", "HttpFastUser"]

T = TypeVar("T")

# Locust shows what is logged, from INFO on: a line a request is too much of it. Who wants them sets the level.
_logger = logging.getLogger("httpfast")
if _logger.level == logging.NOTSET:
    _logger.setLevel(logging.WARNING)

# The system's own, whatever gevent has put in their places: they are between threads, not greenlets.
_start_thread: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")
_make_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")


class _LoopThread:
    """An event loop in a thread of its own, for as long as the process lives."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        is_ready = _make_lock()
        is_ready.acquire()
        _start_thread(self._run, (is_ready,))
        is_ready.acquire()

    def _run(self, is_ready: Any) -> None:
        # Made here: gevent's selectors, which asyncio's own loop is given, belong to the thread that makes them.
        make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
        with suppress(ImportError):
            import uvloop

            make_loop = uvloop.new_event_loop
        self._loop = make_loop()
        is_ready.release()
        self._loop.run_forever()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, while this greenlet waits. One that is killed cancels it."""
        box = _Box(coroutine)
        watcher = gevent.get_hub().loop.async_()
        # Before there is anything to tell: what is sent to a watcher that has not been started is lost.
        done = Event()
        watcher.start(done.set)
        try:
            self._loop.call_soon_threadsafe(box.start, self._loop, watcher)
            done.wait()
        finally:
            # The loop may be about to send: a watcher that is closed meanwhile is freed memory.
            with box.lock:
                box.is_abandoned = True
                watcher.stop()
                watcher.close()
            if box.task is None or not box.task.done():
                self._loop.call_soon_threadsafe(box.cancel)
        return cast("T", box.result())


class _Box:
    """A coroutine on its way from a greenlet to the loop, and its result on the way back."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.task: asyncio.Task[Any] | None = None
        self.is_abandoned = False
        self.lock = _make_lock()

    def start(self, loop: asyncio.AbstractEventLoop, watcher: Any) -> None:
        """In the loop's thread."""

        def finished(task: asyncio.Task[Any]) -> None:
            with self.lock:
                if not self.is_abandoned:
                    watcher.send()
                elif not task.cancelled():
                    # Nobody is there to hear of it; asked for, it is not complained about.
                    task.exception()

        self.task = loop.create_task(self.coroutine)
        self.task.add_done_callback(finished)

    def cancel(self) -> None:
        """In the loop's thread, after `start`."""
        if self.task is not None:
            self.task.cancel()

    def result(self) -> Any:
        """What the coroutine returned or raised."""
        assert self.task is not None
        return self.task.result()


_threads: list[_LoopThread] = []


def _loop_thread() -> _LoopThread:
    # Made when a user is, in the process that runs it: Locust forks before that.
    if not _threads:
        _threads.append(_LoopThread())
    return _threads[0]


class HttpFastSession:
    """A client that reports each request to Locust. Its cookies and connections are one user's.

    Args:
        base_url: what relative URLs are appended to.
        request_event: Locust's `events.request`.
        user: whose context goes with the reports.
        options: further arguments of `AsyncClient`.
    """

    def __init__(self, base_url: str, request_event: Any, user: User | None = None, **options: Any) -> None:
        self._report = request_event
        self._user = user
        self._thread = _loop_thread()
        options.setdefault("base_url", base_url)
        options.setdefault("follow_redirects", True)
        self._client = AsyncClient(**options)
        self.request_name: str | None = None

    @property
    def cookies(self) -> Any:
        """The user's cookies."""
        return self._client.cookies

    @property
    def headers(self) -> Any:
        """Fields that go with every request."""
        return self._client.headers

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Report the requests of a `with` block under a name."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def request(
        self,
        method: str,
        url: str,
        *,
        name: str | None = None,
        catch_response: bool = False,
        context: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> Any:
        """Send a request, wait for all of its response, and report it.

        Args:
            name: what it is reported as; by default `url` without its query.
            catch_response: return a `CaughtResponse`, in whose `with` block the caller says what counts as a failure.
            context: goes with the report.
            arguments: as for `AsyncClient.request`.

        Returns:
            The response. Of a request that failed one with status 0, whose attribute `error` is the exception.
        """
        started = time.time()
        took, response, error = self._thread.call(self._send(method, url, arguments))
        if error is None and response.is_error:
            try:
                response.raise_for_status()
            except HTTPStatusError as status_error:
                error = status_error
        shared = {} if self._user is None else self._user.context()
        report = {
            "request_type": method,
            "name": name or self.request_name or str(url).partition("?")[0],
            "url": str(url) if response.status_code == 0 else str((response.history or [response])[0].request.url),
            "response_time": took * 1000,
            "response_length": len(response.content),
            "response": response,
            "context": shared | (context or {}),
            "exception": error,
            "start_time": started,
        }
        caught = CaughtResponse(response, self._report, report)
        if catch_response:
            return caught
        self._report.fire(**report)
        return response

    async def _send(self, method: str, url: str, arguments: dict[str, Any]) -> tuple[float, Response, Exception | None]:
        # Measured here, so that a greenlet that comes late to its turn does not make the server look slow.
        began = time.perf_counter()
        try:
            response = await self._client.request(method, url, **arguments)
        except (HTTPError, InvalidURL) as error:
            failed = Response(0)
            failed.error = error  # type: ignore[attr-defined]
            return time.perf_counter() - began, failed, error
        return time.perf_counter() - began, response, None

    def get(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("GET", url, **arguments)

    def head(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("HEAD", url, **arguments)

    def options(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("OPTIONS", url, **arguments)

    def post(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("POST", url, **arguments)

    def put(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("PUT", url, **arguments)

    def patch(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("PATCH", url, **arguments)

    def delete(self, url: str, **arguments: Any) -> Any:
        """See `request`."""
        return self.request("DELETE", url, **arguments)

    def close(self) -> None:
        """Close the user's connections."""
        self._thread.call(self._client.aclose())


class CaughtResponse:
    """A response that is reported at the end of its `with` block, as what the block has said. Has its attributes."""

    def __init__(self, response: Response, request_event: Any, report: dict[str, Any]) -> None:
        self.response = response
        self._event = request_event
        self._report = report
        self._is_reported = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.response, name)

    def success(self) -> None:
        """Count it as a success, whatever its status."""
        self._end(None)

    def failure(self, reason: object) -> None:
        """Count it as a failure.

        Args:
            reason: an exception, or a text.
        """
        self._end(reason if isinstance(reason, BaseException) else CatchResponseError(reason))

    def _end(self, error: BaseException | None) -> None:
        self._report["exception"] = error
        self._fire()

    def _fire(self) -> None:
        if not self._is_reported:
            self._is_reported = True
            self._event.fire(**self._report)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(exc_value, CatchResponseError | AssertionError | HTTPError):
            self._report["exception"] = exc_value
            self._fire()
            return True
        self._fire()
        return False


class HttpFastUser(User):
    """A user whose `client` is a `HttpFastSession`.

    Attributes:
        client_options: arguments of `AsyncClient` for it, such as `{"http2": True, "timeout": 30}`.
    """

    abstract = True
    client_options: ClassVar[dict[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.host is None:
            raise LocustError("You must specify the base host: the class's `host`, or --host on the command line")
        self.client = HttpFastSession(self.host, self.environment.events.request, self, **self.client_options)

    def on_stop(self) -> None:
        """Closes the user's connections: a subclass that overrides it calls this one."""
        self.client.close()
