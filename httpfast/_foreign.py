"""Requests, bodies and errors that cross to a package with models of its own: httpx, httpx2, httpcore.

A package is given as its module and is never imported here: whoever hands us one of its objects has imported it.
"""

from __future__ import annotations

from ._content import finish_iterator
from ._exceptions import InvalidURL, RequestError
from ._types import AsyncByteStream, SyncByteStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

__all__ = [
    "AsyncNetworkStream",
    "AsyncRequestBody",
    "AsyncResponseBody",
    "NetworkStream",
    "RequestBody",
    "ResponseBody",
    "raised_as",
]


class raised_as:
    """Context manager: an error of ours leaves it as the package's error of the same name, or of its nearest base.

    Args:
        package: has the exception classes.
        request: what httpx's errors tell as theirs; None for a package whose errors do not.
    """

    def __init__(self, package: Any, request: Any = None) -> None:
        self._package = package
        self._request = request

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, (RequestError, InvalidURL)):
            return
        for base in type(error).__mro__:
            theirs = getattr(self._package, base.__name__, None)
            if theirs is not None:
                if self._request is None or not isinstance(error, RequestError):
                    raise theirs(str(error)) from error
                raise theirs(str(error), request=self._request) from error


class ResponseBody:
    """A body of ours, as another package reads it.

    Args:
        stream: the body. It is closed by this one's `close()`.
        package: has the exception classes.
        request: see `raised_as`.
    """

    def __init__(self, stream: SyncByteStream, package: Any, request: Any = None) -> None:
        self._stream = stream
        self._errors = raised_as(package, request)

    def __iter__(self) -> Iterator[bytes]:
        with self._errors:
            yield from self._stream

    def close(self) -> None:
        """Give up what has not been read."""
        with self._errors:
            self._stream.close()


class AsyncResponseBody:
    """As `ResponseBody`, for async code."""

    # No async generator: one that a reader leaves half-way is ended by nobody in time.
    _chunks: AsyncIterator[bytes] | None = None

    def __init__(self, stream: AsyncByteStream, package: Any, request: Any = None) -> None:
        self._stream = stream
        self._errors = raised_as(package, request)

    def __aiter__(self) -> Self:
        self._chunks = self._stream.__aiter__()
        return self

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            raise StopAsyncIteration
        with self._errors:
            return await self._chunks.__anext__()

    async def aclose(self) -> None:
        """Give up what has not been read."""
        chunks, self._chunks = self._chunks, None
        with self._errors:
            if chunks is not None:
                await finish_iterator(chunks)
            await self._stream.aclose()


class RequestBody(SyncByteStream):
    """A body that another package sends, as ours. What its iteration raises is the caller's, and passes unchanged."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)


class AsyncRequestBody(AsyncByteStream):
    """As `RequestBody`, for async code."""

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()


class NetworkStream:
    """The octets under a response of ours, for readers who know another package's errors.

    Args:
        stream: the response's `network_stream`.
        package: has the exception classes.
    """

    def __init__(self, stream: Any, package: Any) -> None:
        self._stream = stream
        self._errors = raised_as(package)
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream. `timeout` is seconds; None for no limit."""
        with self._errors:
            data: bytes = self._stream.read(max_bytes, timeout)
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write octets. `timeout` is seconds; None for no limit."""
        with self._errors:
            self._stream.write(buffer, timeout)


class AsyncNetworkStream:
    """As `NetworkStream`, for async code."""

    def __init__(self, stream: Any, package: Any) -> None:
        self._stream = stream
        self._errors = raised_as(package)
        self.aclose = stream.aclose
        self.get_extra_info = stream.get_extra_info

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes` octets, b"" at the end of the stream. `timeout` is seconds; None for no limit."""
        with self._errors:
            data: bytes = await self._stream.read(max_bytes, timeout)
            return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write octets. `timeout` is seconds; None for no limit."""
        with self._errors:
            await self._stream.write(buffer, timeout)
