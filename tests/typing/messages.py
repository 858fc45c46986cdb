"""What type checkers see of requests, responses and bodies. Checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, assert_type

import httpfast


def requests() -> None:
    request = httpfast.Request("GET", "https://example.org/", params={"a": 1}, headers=[(b"a", b"b")], content="text")
    assert_type(request.method, str)
    assert_type(request.url, httpfast.URL)
    assert_type(request.headers, httpfast.Headers)
    assert_type(request.content, bytes)
    assert_type(request.read(), bytes)
    assert_type(request.stream, httpfast.SyncByteStream | httpfast.AsyncByteStream)
    assert_type(request.extensions, dict[str, Any])


def heads(response: httpfast.Response) -> None:
    assert_type(response.status_code, int)
    assert_type(response.reason_phrase, str)
    assert_type(response.http_version, str)
    assert_type(response.url, httpfast.URL)
    assert_type(response.request, httpfast.Request)
    assert_type(response.next_request, httpfast.Request | None)
    assert_type(response.history, list[httpfast.Response])
    assert_type(response.headers, httpfast.Headers)
    assert_type(response.trailers, httpfast.Headers)
    assert_type(response.timings, httpfast.Timings)
    assert_type(response.cookies, httpfast.Cookies)
    assert_type(response.links, dict[str | None, dict[str, str]])
    assert_type(response.elapsed, timedelta)
    assert_type(response.extensions, dict[str, Any])
    assert_type(response.raise_for_status(), httpfast.Response)


def facts(response: httpfast.Response) -> None:
    assert_type(response.is_informational, bool)
    assert_type(response.is_success, bool)
    assert_type(response.is_redirect, bool)
    assert_type(response.has_redirect_location, bool)
    assert_type(response.is_client_error, bool)
    assert_type(response.is_server_error, bool)
    assert_type(response.is_error, bool)
    assert_type(response.is_closed, bool)
    assert_type(response.is_stream_consumed, bool)


def bodies(response: httpfast.Response) -> None:
    assert_type(response.content, bytes)
    assert_type(response.text, str)
    assert_type(response.json(), Any)
    assert_type(response.json(parse_float=str), Any)
    assert_type(response.encoding, str | None)
    assert_type(response.charset_encoding, str | None)
    assert_type(response.num_bytes_downloaded, int)
    assert_type(response.stream, httpfast.SyncByteStream | httpfast.AsyncByteStream)
    assert_type(response.read(), bytes)
    assert_type(response.iter_bytes(1024), Iterator[bytes])
    assert_type(response.iter_raw(), Iterator[bytes])
    assert_type(response.iter_text(chunk_size=10), Iterator[str])
    assert_type(response.iter_lines(), Iterator[str])
    assert_type(response.close(), None)
    response.encoding = "latin-1"
    response.default_encoding = "utf-8"
    response.default_encoding = lambda octets: "utf-8"


async def async_bodies(response: httpfast.Response, request: httpfast.Request) -> None:
    assert_type(await request.aread(), bytes)
    assert_type(await response.aread(), bytes)
    assert_type(response.aiter_bytes(), AsyncIterator[bytes])
    assert_type(response.aiter_raw(1024), AsyncIterator[bytes])
    assert_type(response.aiter_text(), AsyncIterator[str])
    assert_type(response.aiter_lines(), AsyncIterator[str])
    assert_type(await response.aclose(), None)


class Numbers(httpfast.SyncByteStream):
    """A body of a user's own."""

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"%d" % number for number in range(3))

    def close(self) -> None:
        """Nothing to release."""


class AsyncNumbers(httpfast.AsyncByteStream):
    """A body of a user's own, for event loops."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    async def aclose(self) -> None:
        """Nothing to release."""


def responses() -> None:
    assert_type(httpfast.Response(200, text="a"), httpfast.Response)
    httpfast.Response(200, html="<p>")
    httpfast.Response(200, json={"a": 1}, headers={"b": "c"}, request=httpfast.Request("GET", "http://a/"))
    httpfast.Response(200, content=b"a", extensions={"http_version": b"HTTP/2"}, history=[])
    httpfast.Response(httpfast.codes.OK, stream=Numbers())
    httpfast.Response(200, stream=AsyncNumbers())
    httpfast.Response(200, stream=httpfast.ByteStream(b"a"))
    assert_type(httpfast.codes.get_reason_phrase(404), str)
    assert_type(httpfast.codes.is_error(500), bool)
    assert_type(httpfast.codes.NOT_FOUND.value, int)
