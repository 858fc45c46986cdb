"""Reading the body of a response: raw, decoded, as text or as lines, at once or while it arrives.

The body is in one of three states:

    streamed         `stream` is in the instance's `__dict__`: the body is read from it, once
    received whole   `_raw` is set and there is no stream: the transport had the whole body before it made the response.
                     `read()` decodes it in one go; a stream is made only if somebody asks for one
    read             `_content` is in the instance's `__dict__`: the decoded body. A transport sets it at once for a
                     body that is received whole and has no coding

Nothing here looks at the head, but for Content-Encoding and the encoding of text.
"""

from __future__ import annotations

from time import perf_counter

from ._chunks import Body, Chunker, LineDecoder, TextDecoder, cut, feed
from ._content import ByteStream, UnattachedStream, finish_iterator
from ._decoders import IDENTITY, content_decoder
from ._exceptions import DecodingError, RequestError, StreamClosed, StreamConsumed
from ._request import LazyAttribute
from ._types import AsyncByteStream, SyncByteStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from ._decoders import Decoder
    from ._headers import Headers
    from ._request import Request

__all__ = ["ResponseBody"]


class _Stream:
    """The `stream` of a response: kept in the instance's `__dict__`, and made of `_raw` when first asked for."""

    def __get__(self, body: ResponseBody | None, owner: type | None = None) -> Any:
        if body is None:
            return self
        state = body.__dict__
        if "stream" not in state:
            state["stream"] = UnattachedStream() if body._raw is None else ByteStream(body._raw)
        return state["stream"]

    def __set__(self, body: ResponseBody, stream: SyncByteStream | AsyncByteStream) -> None:
        state = body.__dict__
        raw = state.pop("_raw", None)
        # A wrapper round a body that was received whole but not yet read by the client: it is to be read from there.
        if raw is not None and body._finished is None and state.get("_content", raw) is raw:
            state.pop("_content", None)
            body.is_closed = body.is_stream_consumed = False
            body._num_bytes_downloaded = 0
        state["stream"] = stream


class ResponseBody:
    """The part of `Response` that reads. What is said of a blocking method holds for its async twin."""

    is_closed: bool = False
    is_stream_consumed: bool = False

    _request: Request | None = None
    # What `headers` is made of: set by transports.
    _head: Any = None
    # The whole body as received: set by transports that have it when they make the response.
    _raw: bytes | None = None
    # Clock readings in seconds, set by the client: when the request was begun and when the body was read or closed.
    _started: float = 0.0
    _finished: float | None = None
    # Bytes that read() and aread() take into memory, as they come and after decoding; None is no limit.
    _max_content_bytes: int | None = None
    # The same while one of the two is at work: what is iterated over has no limit.
    _max_raw_bytes: int | None = None

    if TYPE_CHECKING:
        _num_bytes_downloaded: int
        headers: Headers
        stream: SyncByteStream | AsyncByteStream

        @property
        def encoding(self) -> str | None: ...
    else:
        stream = _Stream()
        # Of a body that was received whole and needs no decoding, all of it.
        _num_bytes_downloaded = LazyAttribute(lambda body: len(body._raw or b"") if "_content" in body.__dict__ else 0)

    def read(self) -> bytes:
        """Read the whole body, decode it, and return it; the response is closed then.

        Raises:
            DecodingError: the body does not follow its Content-Encoding, or is larger than `max_body_bytes`: of the
                client, or of the request's extensions.
            StreamConsumed: the body has been read in part.
            StreamClosed: the response is closed.
            RuntimeError: the response came from an async client.
        """
        state = self.__dict__
        if "_content" not in state:
            if self._is_whole():
                self._content = self._decode_whole()
            else:
                body = Body(self._max_content_bytes)
                self._max_raw_bytes = self._max_content_bytes
                try:
                    for piece in self.iter_bytes():
                        body.add(piece)
                except RequestError as exc:
                    self._own(exc)
                    raise
                self._content = body.join()
        content: bytes = state["_content"]
        return content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the decoded body; after `read()`, over the content.

        Args:
            chunk_size: bytes in each chunk but the last, 1 or more; None takes them as they come, never empty.

        Raises: as `read()`.
        """
        return self.iter_raw(chunk_size) if self._is_plain() else self._iter_decoded(chunk_size)

    def _iter_decoded(self, chunk_size: int | None) -> Iterator[bytes]:
        content = self.__dict__.get("_content")
        if content is not None:
            yield from cut(content, chunk_size)
            return
        try:
            decoder = self._get_content_decoder()
            if decoder is IDENTITY:
                yield from self.iter_raw(chunk_size)
            elif chunk_size is None:
                for raw in self.iter_raw():
                    yield from decoder.pieces(raw)
                decoder.flush()
            else:
                chunker: Chunker[bytes] = Chunker(chunk_size)
                for raw in self.iter_raw():
                    for piece in decoder.pieces(raw):
                        yield from chunker.feed(piece)
                decoder.flush()
                yield from chunker.flush()
        except RequestError as exc:
            self._own(exc)
            raise

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        """Iterate over the decoded body as text.

        Args:
            chunk_size: characters in each chunk but the last, 1 or more; None takes them as they come, never empty.

        Raises: as `read()`.
        """
        decoder = TextDecoder(self.encoding or "utf-8")
        chunker: Chunker[str] | None = None if chunk_size is None else Chunker(chunk_size)
        for piece in self.iter_bytes():
            yield from feed(chunker, decoder.feed(piece))
        yield from feed(chunker, decoder.flush())
        if chunker is not None:
            yield from chunker.flush()

    def iter_lines(self) -> Iterator[str]:
        """Iterate over the lines of the decoded body, as `str.splitlines` cuts them.

        Raises: as `read()`.
        """
        decoder = LineDecoder()
        for text in self.iter_text():
            yield from decoder.feed(text)
        yield from decoder.flush()

    def iter_raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Iterate over the body as it was sent. The response is closed at the end, and if the iteration is given up.

        Args:
            chunk_size: bytes in each chunk but the last, 1 or more; None takes them as they come, never empty.

        Raises:
            StreamConsumed: the body has been read already.
            StreamClosed: the response is closed.
            RuntimeError: the response came from an async client.
        """
        stream = self._begin()
        if not isinstance(stream, SyncByteStream):
            raise RuntimeError("Attempted to call a sync iterator on an async stream.")
        chunker: Chunker[bytes] | None = None if chunk_size is None else Chunker(chunk_size)
        self.is_stream_consumed = True
        self._num_bytes_downloaded = 0
        try:
            for chunk in stream:
                self._num_bytes_downloaded += len(chunk)
                if self._max_raw_bytes is not None:
                    self._check_downloaded(self._max_raw_bytes)
                if chunker is not None:
                    yield from chunker.feed(chunk)
                elif chunk:
                    yield chunk
            if chunker is not None:
                yield from chunker.flush()
        except RequestError as exc:
            self._own(exc)
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back, or close it if the body has not been read to its end. May be called again.

        Raises:
            RuntimeError: the response came from an async client.
        """
        if self._is_whole():
            self.is_closed = True
            return
        stream = self.stream
        if not isinstance(stream, SyncByteStream):
            raise RuntimeError("Attempted to call an sync close on an async stream.")
        if not self.is_closed:
            self.is_closed = True
            try:
                stream.close()
            except RequestError as exc:
                self._own(exc)
                raise
            finally:
                self._stop_clock()

    async def aread(self) -> bytes:
        """Do what `read()` does, for a response from an async client."""
        state = self.__dict__
        if "_content" not in state:
            if self._is_whole():
                self._content = self._decode_whole()
            else:
                body = Body(self._max_content_bytes)
                self._max_raw_bytes = self._max_content_bytes
                pieces = self.aiter_bytes()
                try:
                    async for piece in pieces:
                        body.add(piece)
                except RequestError as exc:
                    self._own(exc)
                    raise
                finally:
                    await finish_iterator(pieces)
                self._content = body.join()
        content: bytes = state["_content"]
        return content

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Do what `iter_bytes()` does, for a response from an async client."""
        return self.aiter_raw(chunk_size) if self._is_plain() else self._aiter_decoded(chunk_size)

    async def _aiter_decoded(self, chunk_size: int | None) -> AsyncIterator[bytes]:
        content = self.__dict__.get("_content")
        if content is not None:
            for chunk in cut(content, chunk_size):
                yield chunk
            return
        chunker: Chunker[bytes] | None = None if chunk_size is None else Chunker(chunk_size)
        try:
            decoder = self._get_content_decoder()
            source = self.aiter_raw()
            try:
                async for raw in source:
                    for piece in decoder.pieces(raw):
                        for chunk in feed(chunker, piece):
                            yield chunk
            finally:
                await finish_iterator(source)
            decoder.flush()
        except RequestError as exc:
            self._own(exc)
            raise
        if chunker is not None:
            for chunk in chunker.flush():
                yield chunk

    async def aiter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        """Do what `iter_text()` does, for a response from an async client."""
        decoder = TextDecoder(self.encoding or "utf-8")
        chunker: Chunker[str] | None = None if chunk_size is None else Chunker(chunk_size)
        pieces = self.aiter_bytes()
        try:
            async for piece in pieces:
                for chunk in feed(chunker, decoder.feed(piece)):
                    yield chunk
        finally:
            await finish_iterator(pieces)
        for chunk in feed(chunker, decoder.flush()):
            yield chunk
        if chunker is not None:
            for chunk in chunker.flush():
                yield chunk

    async def aiter_lines(self) -> AsyncIterator[str]:
        """Do what `iter_lines()` does, for a response from an async client."""
        decoder = LineDecoder()
        texts = self.aiter_text()
        try:
            async for text in texts:
                for line in decoder.feed(text):
                    yield line
        finally:
            await finish_iterator(texts)
        for line in decoder.flush():
            yield line

    async def aiter_raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Do what `iter_raw()` does, for a response from an async client."""
        stream = self._begin()
        if not isinstance(stream, AsyncByteStream):
            raise RuntimeError("Attempted to call an async iterator on an sync stream.")
        chunker: Chunker[bytes] | None = None if chunk_size is None else Chunker(chunk_size)
        self.is_stream_consumed = True
        self._num_bytes_downloaded = 0
        chunks = stream.__aiter__()
        try:
            async for raw in chunks:
                self._num_bytes_downloaded += len(raw)
                if self._max_raw_bytes is not None:
                    self._check_downloaded(self._max_raw_bytes)
                if chunker is not None:
                    for chunk in chunker.feed(raw):
                        yield chunk
                elif raw:
                    yield raw
            if chunker is not None:
                for chunk in chunker.flush():
                    yield chunk
        except RequestError as exc:
            self._own(exc)
            raise
        finally:
            try:
                await finish_iterator(chunks)
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        """Do what `close()` does, for a response from an async client."""
        if self._is_whole():
            self.is_closed = True
            return
        stream = self.stream
        if not isinstance(stream, AsyncByteStream):
            raise RuntimeError("Attempted to call an async close on an sync stream.")
        if not self.is_closed:
            self.is_closed = True
            try:
                await stream.aclose()
            except RequestError as exc:
                self._own(exc)
                raise
            finally:
                self._stop_clock()

    def _stop_clock(self) -> None:
        """Note when the body ended, for `elapsed`. Only a client starts the clock."""
        if self._started and self._finished is None:
            self._finished = perf_counter()

    def _begin(self) -> SyncByteStream | AsyncByteStream:
        raw = self._raw
        if raw is not None and not self._started and self.__dict__.get("_content") is raw:
            # No client has it yet: a transport around the one that received it may read it as if it were to come.
            return self.stream
        if self.is_stream_consumed:
            raise StreamConsumed()
        if self.is_closed:
            raise StreamClosed()
        return self.stream

    def _is_plain(self) -> bool:
        """Whether a transport's head says that there is nothing to decode, and nobody has changed what it says."""
        state = self.__dict__
        head = self._head
        return (
            head is not None
            and not head.has_content_encoding
            and "headers" not in state
            and "_content" not in state
            and "_decoder" not in state
        )

    def _is_whole(self) -> bool:
        return self._raw is not None and "stream" not in self.__dict__

    def _decode_whole(self) -> bytes:
        """Return the content of a body that was received whole; the response is consumed and closed then."""
        raw = self._raw
        if self.is_stream_consumed:
            raise StreamConsumed()
        if self.is_closed or raw is None:
            raise StreamClosed()
        self.is_stream_consumed = self.is_closed = True
        self._num_bytes_downloaded = len(raw)
        try:
            decoder = self._get_content_decoder()
            if self._max_content_bytes is None:
                return decoder.decode_whole(raw)
            self._check_downloaded(self._max_content_bytes)
            body = Body(self._max_content_bytes)
            for piece in decoder.pieces(raw):
                body.add(piece)
            decoder.flush()
            return body.join()
        except RequestError as exc:
            self._own(exc)
            raise

    def _check_downloaded(self, limit: int) -> None:
        """Octets that decode to nothing, such as those behind the end of a gzip stream, count as well."""
        if self._num_bytes_downloaded > limit:
            raise DecodingError(f"The body is larger than the limit of {limit} bytes.")

    def _get_content_decoder(self) -> Decoder:
        """Return the decoder of this body. Tools that record responses use it, and delete `_decoder` for a new one."""
        state = self.__dict__
        if "_decoder" not in state:
            if self.headers._get_raw(b"content-encoding") is None:
                state["_decoder"] = IDENTITY
            else:
                state["_decoder"] = content_decoder(self.headers.get_list("content-encoding", split_commas=True))
        decoder: Decoder = state["_decoder"]
        return decoder

    def _own(self, exc: RequestError) -> None:
        if self._request is not None:
            exc.request = self._request
