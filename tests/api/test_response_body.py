"""Reading responses: at once, in chunks, as text and as lines, by blocking and by async code; and pickling them."""

from __future__ import annotations

import asyncio
import codecs
import datetime
import gzip
import os
import pickle
import subprocess
import sys
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast._exceptions import (
    DecodingError,
    ReadError,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
)
from httpfast._headers import Headers
from httpfast._request import Request
from httpfast._response import Response
from httpfast._types import AsyncByteStream, ByteStream, SyncByteStream

REQUEST = Request("GET", "http://a/b")
BODY = b"hello, " * 500


class Stream(SyncByteStream):
    """A body in scripted chunks that records its closing; an exception among the chunks is raised."""

    def __init__(self, *chunks):
        self.chunks = chunks
        self.given = 0
        self.closings = 0

    def __iter__(self):
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            self.given += 1
            yield chunk

    def close(self):
        self.closings += 1


class AsyncStream(AsyncByteStream):
    def __init__(self, *chunks):
        self.chunks = chunks
        self.given = 0
        self.closings = 0
        self.has_finished = False

    async def __aiter__(self):
        try:
            for chunk in self.chunks:
                await asyncio.sleep(0)
                if isinstance(chunk, Exception):
                    raise chunk
                self.given += 1
                yield chunk
        finally:
            self.has_finished = True

    async def aclose(self):
        self.closings += 1


class Reader:
    """Calls the blocking or the async method of a response by the blocking one's name, and gathers what it gives."""

    def __init__(self, is_async):
        self.is_async = is_async
        self.stream = AsyncStream if is_async else Stream

    def __call__(self, response, method, *args):
        if not self.is_async:
            result = getattr(response, method)(*args)
            return list(result) if method.startswith("iter") else result

        async def call():
            result = getattr(response, f"a{method}")(*args)
            return [item async for item in result] if method.startswith("iter") else await result

        return asyncio.run(call())

    def first(self, response, method, *args):
        """Take the first item and give the iteration up."""
        if not self.is_async:
            iterator = getattr(response, method)(*args)
            first = next(iterator)
            iterator.close()
            return first

        async def call():
            iterator = getattr(response, f"a{method}")(*args)
            first = await iterator.__anext__()
            await iterator.aclose()
            # Now, and not when the loop gets round to generators that nobody holds.
            assert response.stream.has_finished
            return first

        return asyncio.run(call())


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def reader(request):
    return Reader(request.param)


def received_whole(body, *, request=REQUEST, **headers):
    """Make a response as a transport does that had the whole body before it made it."""
    response = Response.__new__(Response)
    response.status_code = 200
    response._raw = body
    response._head = SimpleNamespace(
        fields=[(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()],
        has_content_encoding="content_encoding" in headers,
    )
    response._request = request
    return response


# Reading.


@pytest.mark.parametrize("method", ["iter_bytes", "iter_raw"])
@pytest.mark.parametrize(
    ("size", "chunks"),
    [(None, [b"abc", b"d"]), (1, [b"a", b"b", b"c", b"d"]), (3, [b"abc", b"d"]), (4, [b"abcd"]), (9, [b"abcd"])],
)
def test_chunks_are_cut_to_size_and_never_empty(reader, method, size, chunks):
    response = Response(200, stream=reader.stream(b"", b"abc", b"", b"d", b""))

    assert reader(response, method, size) == chunks
    assert response.is_closed
    assert response.stream.closings == 1
    assert response.num_bytes_downloaded == 4


@pytest.mark.parametrize("method", ["iter_bytes", "iter_raw", "iter_text"])
def test_chunk_size_must_be_positive(reader, method):
    with pytest.raises(ValueError, match="chunk_size"):
        reader(Response(200, stream=reader.stream(b"abc")), method, 0)


@pytest.mark.parametrize("method", ["iter_bytes", "iter_raw", "iter_text", "iter_lines"])
def test_empty_body_gives_nothing(reader, method):
    assert reader(Response(200, stream=reader.stream()), method) == []
    assert reader(Response(200, stream=reader.stream(b"")), method) == []


@pytest.mark.parametrize("size", [None, 1, 7, 1000, 10_000])
def test_encoded_body_is_decoded_in_chunks(reader, size):
    raw = gzip.compress(BODY)
    response = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw[:5], raw[5:20], raw[20:]))

    chunks = reader(response, "iter_bytes", size)

    assert b"".join(chunks) == BODY
    assert all(chunks)
    if size is not None:
        assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert response.num_bytes_downloaded == len(raw)


def test_read_gathers_decodes_and_closes(reader):
    raw = zlib.compress(BODY)
    response = Response(
        200, headers={"Content-Encoding": "deflate"}, stream=reader.stream(raw[:9], raw[9:]), request=REQUEST
    )
    with pytest.raises(ResponseNotRead):
        _ = response.content

    assert reader(response, "read") == BODY
    assert reader(response, "read") == response.content == BODY
    assert (response.is_closed, response.is_stream_consumed, response.stream.closings) == (True, True, 1)
    assert response.num_bytes_downloaded == len(raw)
    assert b"".join(reader(response, "iter_bytes", 100)) == BODY
    assert reader(response, "iter_text") == [BODY.decode()]
    assert reader(response, "iter_lines") == [BODY.decode()]


def test_raw_iteration_does_not_decode(reader):
    raw = gzip.compress(BODY)

    response = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw))

    assert reader(response, "iter_raw") == [raw]


@pytest.mark.parametrize("method", ["iter_raw", "iter_bytes", "iter_text", "iter_lines", "read"])
def test_body_is_read_once(reader, method):
    response = Response(200, stream=reader.stream(b"abc"))
    reader(response, "iter_raw")

    with pytest.raises(StreamConsumed):
        reader(response, method)


@pytest.mark.parametrize("method", ["iter_raw", "iter_bytes", "iter_text", "iter_lines", "read"])
def test_closed_body_is_not_read(reader, method):
    response = Response(200, stream=reader.stream(b"abc"))
    reader(response, "close")
    reader(response, "close")

    with pytest.raises(StreamClosed):
        reader(response, method)
    assert (response.stream.given, response.stream.closings) == (0, 1)


@pytest.mark.parametrize("method", ["iter_raw", "iter_bytes", "iter_text", "iter_lines"])
def test_iteration_given_up_closes_the_response_and_decodes_no_more(reader, method):
    parts = [gzip.compress(b"line\n" * 50_000), b"not looked at"]
    response = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(*parts))

    reader.first(response, method)

    assert response.is_closed
    assert (response.stream.given, response.stream.closings) == (1, 1)


@pytest.mark.parametrize("method", ["iter_raw", "iter_bytes", "iter_text", "iter_lines", "read"])
def test_error_of_the_stream_gets_the_request_and_closes(reader, method):
    response = Response(200, stream=reader.stream(b"a\n", ReadError("gone")), request=REQUEST)

    with pytest.raises(ReadError, match="gone") as caught:
        reader(response, method)

    assert caught.value.request is REQUEST
    assert (response.is_closed, response.stream.closings) == (True, 1)


@pytest.mark.parametrize("method", ["iter_bytes", "iter_text", "iter_lines", "read"])
@pytest.mark.parametrize("raw", [b"no gzip at all", gzip.compress(BODY)[:-1]], ids=["corrupt", "truncated"])
def test_decoding_error_gets_the_request_and_closes(reader, method, raw):
    response = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw), request=REQUEST)

    with pytest.raises(DecodingError) as caught:
        reader(response, method)

    assert caught.value.request is REQUEST
    assert (response.is_closed, response.stream.closings) == (True, 1)


def test_codings_in_several_fields_count_together(reader):
    headers = [("Content-Encoding", "gzip, gzip, gzip"), ("content-encoding", "gzip, gzip, gzip")]
    response = Response(200, headers=headers, stream=reader.stream(b"x"), request=REQUEST)

    with pytest.raises(DecodingError, match="6 content codings") as caught:
        reader(response, "read")

    assert caught.value.request is REQUEST


def test_limit_stops_a_bomb(reader):
    raw = gzip.compress(bytes(50 << 20))
    streamed = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw), request=REQUEST)
    whole = received_whole(raw, content_encoding="gzip")

    for response in (streamed, whole):
        response._max_content_bytes = 1 << 20
        with pytest.raises(DecodingError, match="limit of 1048576 bytes"):
            reader(response, "read")
        assert response.is_closed


def test_limit_lets_smaller_bodies_pass(reader):
    raw = gzip.compress(BODY)
    streamed = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw))
    whole = received_whole(raw, content_encoding="gzip")

    for response in (streamed, whole):
        response._max_content_bytes = len(BODY)
        assert reader(response, "read") == BODY


def test_wrong_kind_of_iteration_is_an_error():
    sync, asynchronous = Response(200, stream=Stream(b"a")), Response(200, stream=AsyncStream(b"a"))

    with pytest.raises(RuntimeError, match="Attempted to call a sync iterator on an async stream"):
        asynchronous.read()
    with pytest.raises(RuntimeError, match="sync close on an async stream"):
        asynchronous.close()
    with pytest.raises(RuntimeError, match="Attempted to call an async iterator on an sync stream"):
        asyncio.run(sync.aread())
    with pytest.raises(RuntimeError, match="async close on an sync stream"):
        asyncio.run(sync.aclose())
    assert (sync.stream.given, asynchronous.stream.given) == (0, 0)


@pytest.mark.parametrize("size", [None, 1, 3])
def test_text_is_decoded_across_chunks(reader, size):
    raw = "aé€𝄞".encode()
    response = Response(200, stream=reader.stream(*(raw[i : i + 1] for i in range(len(raw))), b"\xe2\x82"))

    chunks = reader(response, "iter_text", size)

    assert "".join(chunks) == "aé€𝄞\N{REPLACEMENT CHARACTER}"
    assert all(chunks)
    if size is not None:
        assert {len(chunk) for chunk in chunks[:-1]} == {size}


def test_utf_16_text_without_byte_order_mark_is_read_as_at_once(reader):
    raw = "héllo".encode("utf-16")[len(codecs.BOM_UTF16) :]
    headers = {"Content-Type": "text/plain; charset=utf-16"}

    streamed = Response(200, headers=headers, stream=reader.stream(raw[:1], raw[1:]))

    assert "".join(reader(streamed, "iter_text")) == Response(200, headers=headers, content=raw).text == "héllo"


@given(parts=st.lists(st.text(alphabet="ab\r\n\u2028\x85", max_size=5), max_size=5))
def test_lines_are_those_of_splitlines(parts):
    raw = [part.encode() for part in parts]

    for reader in (Reader(False), Reader(True)):
        assert reader(Response(200, stream=reader.stream(*raw)), "iter_lines") == "".join(parts).splitlines()


# A body received whole.


def test_whole_body_needs_no_stream(reader):
    response = received_whole(b"abc", content_type="text/plain")
    with pytest.raises(ResponseNotRead):
        _ = response.content
    assert not response.is_closed

    assert reader(response, "read") == response.content == b"abc"
    assert response.content is response._raw
    assert (response.is_closed, response.is_stream_consumed, response.num_bytes_downloaded) == (True, True, 3)
    assert "stream" not in vars(response)
    assert response.headers.raw == [(b"content-type", b"text/plain")]


def test_whole_encoded_body_is_decoded_in_one_go(reader):
    raw = gzip.compress(BODY)
    response = received_whole(raw, content_encoding="gzip")

    assert reader(response, "read") == BODY
    assert response.num_bytes_downloaded == len(raw)


def test_whole_body_that_is_corrupt_is_an_error_with_the_request(reader):
    response = received_whole(b"no gzip", content_encoding="gzip")

    with pytest.raises(DecodingError) as caught:
        reader(response, "read")

    assert caught.value.request is REQUEST
    assert response.is_closed
    with pytest.raises(StreamConsumed):
        reader(response, "read")


@pytest.mark.parametrize("method", ["iter_raw", "iter_bytes", "iter_text", "iter_lines"])
def test_whole_body_can_be_iterated_over(reader, method):
    response = received_whole(b"abc")

    assert reader(response, method) in ([b"abc"], ["abc"])
    assert response.is_closed
    with pytest.raises(StreamConsumed):
        reader(response, "read")


def test_whole_body_can_be_asked_for_as_a_stream(reader):
    raw = gzip.compress(BODY)
    response = received_whole(raw, content_encoding="gzip")

    assert isinstance(response.stream, ByteStream)
    assert b"".join(response.stream) == raw
    assert reader(response, "read") == BODY


def test_assigned_stream_replaces_a_whole_body(reader):
    response = received_whole(b"abc")
    response.stream = reader.stream(b"other")

    assert reader(response, "read") == b"other"
    assert (response.num_bytes_downloaded, response.stream.closings) == (5, 1)


def test_stream_wrapped_round_a_whole_body_without_coding_is_read(reader):
    response = received_whole(b"abc")
    response._content = response._raw
    response.is_closed = response.is_stream_consumed = True

    response.stream = reader.stream(*response.stream, b"def")

    assert (response.is_closed, response.is_stream_consumed) == (False, False)
    assert reader(response, "read") == b"abcdef"
    assert (response.num_bytes_downloaded, response.stream.closings) == (6, 1)


def test_stream_assigned_after_reading_leaves_the_content(reader):
    decoded = received_whole(gzip.compress(b"abc"), content_encoding="gzip")
    reader(decoded, "read")
    received = received_whole(b"abc")
    reader(received, "read")
    received._finished = 1.0

    for response in (decoded, received, Response(200, content=b"abc")):
        response.stream = reader.stream(b"other")
        assert reader(response, "read") == response.content == b"abc"


def test_closed_whole_body_is_not_read(reader):
    response = received_whole(b"abc")
    reader(response, "close")

    assert response.is_closed
    with pytest.raises(StreamClosed):
        reader(response, "read")


def test_response_made_without_init_has_defaults():
    response = Response.__new__(Response)
    response.status_code = 200

    assert (response.headers, response.history, response.extensions) == (Headers(), [], {})
    assert response.history is response.history
    assert (response.is_closed, response.next_request, response.encoding) == (False, None, "utf-8")
    with pytest.raises(StreamClosed):
        response.read()


# Pickles, subclasses, tools.


def test_pickle_of_a_read_response_keeps_its_content(reader):
    response = Response(
        200,
        headers={"Content-Encoding": "gzip"},
        stream=reader.stream(gzip.compress(BODY)),
        request=REQUEST,
        extensions={"network_stream": reader},
        history=[Response(302, request=REQUEST)],
    )
    response._started, response._finished = 1.0, 3.0
    reader(response, "read")

    copy = pickle.loads(pickle.dumps(response))

    assert (copy.status_code, copy.content, copy.text) == (200, BODY, BODY.decode())
    assert (copy.is_closed, copy.is_stream_consumed, copy.extensions) == (True, True, {})
    assert copy.num_bytes_downloaded == response.num_bytes_downloaded
    assert (copy.request.url, copy.history[0].status_code, copy.next_request) == (REQUEST.url, 302, None)
    assert copy.elapsed == datetime.timedelta(seconds=2)
    assert b"".join(reader(copy, "iter_bytes", 7)) == BODY


def test_pickle_of_an_unread_response_is_closed(reader):
    for response in (Response(200, stream=reader.stream(b"abc")), received_whole(b"abc", a="b")):
        copy = pickle.loads(pickle.dumps(response))

        assert (copy.is_closed, copy.is_stream_consumed, copy.num_bytes_downloaded) == (True, False, 0)
        assert copy.headers.raw == response.headers.raw
        with pytest.raises(ResponseNotRead):
            _ = copy.content
        with pytest.raises(StreamClosed):
            reader(copy, "read")


def test_response_can_be_a_base_together_with_an_exception():
    class Denied(Response, RuntimeError):
        pass

    response = Denied(403, text="no")
    response.note = 1

    with pytest.raises(Denied) as caught:
        raise response
    assert caught.value.text == "no"


def test_overridden_reading_methods_are_obeyed():
    class Shouting(Response):
        def iter_bytes(self, chunk_size=None):
            for chunk in super().iter_bytes(chunk_size):
                yield chunk.upper()

    response = Shouting(200, stream=Stream(b"abc"))

    assert response.read() == b"ABC"
    assert list(Shouting(200, stream=Stream(b"a\nb")).iter_lines()) == ["A", "B"]


def test_recorder_can_take_the_undecoded_body_and_decode_it_afterwards(reader):
    # As vcrpy does, to store what was received and still hand out what the program expects.
    raw = gzip.compress(BODY)
    response = Response(200, headers={"Content-Encoding": "gzip"}, stream=reader.stream(raw))
    assert not hasattr(response, "_decoder")

    response.headers["Content-Encoding"] = ""
    reader(response, "read")
    response.headers["Content-Encoding"] = "gzip"
    assert response.content == raw
    del response._decoder
    response._content = response._get_content_decoder().decode(response.content)

    assert response.content == BODY


BOMB = """
import sys
from httpfast._response import Response
from httpfast._types import SyncByteStream

def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))

def read(raw):
    class Stream(SyncByteStream):
        def __iter__(self):
            yield raw

    response = Response(200, headers={"Content-Encoding": sys.argv[1]}, stream=Stream())
    return sum(len(chunk) for chunk in response.iter_bytes(1024))

read(bytes.fromhex(sys.argv[3]))
with open(sys.argv[2], "rb") as file:
    raw = file.read()
before = peak_bytes()
assert read(raw) == read(raw) == 400 << 20
print(peak_bytes() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads the peak of memory from Linux's /proc")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bomb_of_400_mib_read_in_chunks_takes_under_8_mib(tmp_path, coding):
    if coding == "gzip":
        compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        compress, finish = compressor.compress, compressor.flush
    elif coding == "deflate":
        compressor = zlib.compressobj(9)
        compress, finish = compressor.compress, compressor.flush
    elif coding == "br":
        compressor = pytest.importorskip("brotli").Compressor(quality=5)
        compress, finish = compressor.process, compressor.finish
    else:
        compressor = pytest.importorskip("zstandard").ZstdCompressor().compressobj()
        compress, finish = compressor.compress, compressor.flush
    small = {"gzip": gzip.compress(b"a"), "deflate": zlib.compress(b"a")}.get(coding, b"")
    path = tmp_path / "bomb"
    path.write_bytes(b"".join([*(compress(bytes(1 << 20)) for _ in range(400)), finish()]))

    command = [sys.executable, "-c", BOMB, coding, str(path), small.hex()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert result.stderr == ""
    assert int(result.stdout) < 8 << 20
