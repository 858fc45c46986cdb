"""Body arguments: which header fields and which stream each of them becomes."""

from __future__ import annotations

import asyncio
import io
import os

import pytest

from httpfast._content import (
    AsyncIteratorByteStream,
    IteratorByteStream,
    UnattachedStream,
    encode_json,
    encode_request,
    encode_response,
    remaining_length,
)
from httpfast._exceptions import StreamClosed, StreamConsumed
from httpfast._types import AsyncByteStream, ByteStream, SyncByteStream


def read(stream):
    assert isinstance(stream, SyncByteStream)
    return b"".join(stream)


def aread(stream):
    assert isinstance(stream, AsyncByteStream)

    async def gather():
        return b"".join([chunk async for chunk in stream])

    return asyncio.run(gather())


def test_no_body_has_no_fields():
    headers, stream = encode_request()

    assert headers == {}
    assert (read(stream), aread(stream)) == (b"", b"")


@pytest.mark.parametrize(
    ("content", "body"),
    [(b"abc", b"abc"), ("é", b"\xc3\xa9"), (bytearray(b"abc"), b"abc"), (memoryview(b"abc"), b"abc")],
)
def test_bytes_and_text_have_a_length_and_can_be_read_again(content, body):
    headers, stream = encode_request(content=content)

    assert headers == {"Content-Length": str(len(body))}
    assert (read(stream), aread(stream), read(stream)) == (body, body, body)


def test_empty_content_has_no_fields():
    assert encode_request(content=b"")[0] == {}
    assert encode_response(content=b"")[0] == {}


def test_generator_is_chunked_and_read_once():
    headers, stream = encode_request(content=(part for part in (b"a", b"b")))

    assert headers == {"Transfer-Encoding": "chunked"}
    assert not isinstance(stream, AsyncByteStream)
    assert read(stream) == b"ab"
    with pytest.raises(StreamConsumed):
        read(stream)


def test_one_shot_iterator_is_read_once():
    _, stream = encode_request(content=iter([b"a"]))

    assert read(stream) == b"a"
    with pytest.raises(StreamConsumed):
        read(stream)


def test_iterable_can_be_read_again():
    headers, stream = encode_request(content=[b"a", b"b"])

    assert headers == {"Transfer-Encoding": "chunked"}
    assert (read(stream), read(stream)) == (b"ab", b"ab")


def test_async_generator_is_chunked_and_read_once():
    async def body():
        yield b"a"
        yield b"b"

    headers, stream = encode_request(content=body())

    assert headers == {"Transfer-Encoding": "chunked"}
    assert not isinstance(stream, SyncByteStream)
    assert aread(stream) == b"ab"
    with pytest.raises(StreamConsumed):
        aread(stream)


def test_async_iterable_can_be_read_again():
    class Body:
        async def __aiter__(self):
            yield b"a"

    _, stream = encode_request(content=Body())

    assert (aread(stream), aread(stream)) == (b"a", b"a")


def test_async_generator_left_half_way_is_closed_at_once():
    events = []

    async def body():
        try:
            yield b"a"
            yield b"b"
        finally:
            events.append("closed")

    async def leave():
        chunks = AsyncIteratorByteStream(body()).__aiter__()
        events.append(await chunks.__anext__())
        await chunks.aclose()
        events.append("left")

    asyncio.run(leave())

    assert events == [b"a", "closed", "left"]


def test_async_file_is_read_with_aread():
    class File:
        def __init__(self):
            self.sizes = []

        async def aread(self, size):
            self.sizes.append(size)
            return b"abc" if len(self.sizes) == 1 else b""

        def __aiter__(self):
            raise AssertionError("aread comes first")

    file = File()
    _, stream = encode_request(content=file)

    assert aread(stream) == b"abc"
    assert file.sizes == [65_536, 65_536]


@pytest.mark.parametrize("skip", [0, 4])
def test_file_has_the_length_from_where_it_stands_and_is_sent_again_from_there(tmp_path, skip):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 20_000)

    with path.open("rb") as file:
        file.seek(skip)
        headers, stream = encode_request(content=file)

        assert headers == {"Content-Length": str(200_000 - skip)}
        assert [len(chunk) for chunk in stream][:3] == [65_536] * 3
        assert read(stream) == path.read_bytes()[skip:]


def test_bytes_io_has_a_length():
    headers, stream = encode_request(content=io.BytesIO(b"abc"))

    assert headers == {"Content-Length": "3"}
    assert (read(stream), read(stream)) == (b"abc", b"abc")


def test_pipe_is_chunked_and_read_once():
    reader, writer = os.pipe()
    with open(reader, "rb") as file:
        with open(writer, "wb") as out:
            out.write(b"abc")
        headers, stream = encode_request(content=file)

        assert headers == {"Transfer-Encoding": "chunked"}
        assert read(stream) == b"abc"
        with pytest.raises(StreamConsumed):
            read(stream)


def test_file_that_only_shows_its_descriptor_has_a_length(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")

    with path.open("rb") as file:

        class Wrapped:
            def read(self, size):
                return file.read(size)

            def fileno(self):
                return file.fileno()

            def __iter__(self):
                return iter(file)

        headers, stream = encode_request(content=Wrapped())

        assert headers == {"Content-Length": "3"}
        assert read(stream) == b"abc"


def test_file_whose_seek_returns_nothing_can_be_sent_again():
    class File(io.BytesIO):
        def seek(self, *args):
            super().seek(*args)

    _, stream = encode_request(content=File(b"abc"))

    assert (read(stream), read(stream)) == (b"abc", b"abc")


def test_length_of_a_file_leaves_its_position_alone():
    file = io.BytesIO(b"abcdef")
    file.seek(2)

    assert remaining_length(file) == 4
    assert remaining_length(file, from_start=True) == 6
    assert file.tell() == 2


@pytest.mark.parametrize("content", [5, {"a": 1}, object()])
def test_content_of_another_type_is_refused(content):
    with pytest.raises(TypeError, match="Unexpected type for 'content', <class"):
        encode_request(content=content)


def test_data_that_is_no_mapping_is_content_with_a_warning():
    with pytest.warns(DeprecationWarning, match="to upload raw bytes/text content"):
        headers, stream = encode_request(data=b"raw")

    assert (headers, read(stream)) == ({"Content-Length": "3"}, b"raw")


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"a": "b c/é"}, b"a=b+c%2F%C3%A9"),
        ({"a": None}, b"a="),
        ({"a": True, "b": False}, b"a=true&b=false"),
        ({"a": [1, None, 2.5], "b": ("x",)}, b"a=1&a=&a=2.5&b=x"),
        ({"a": b"\xff"}, b"a=%FF"),
        ({"a": []}, b""),
    ],
)
def test_form_fields_are_urlencoded(data, body):
    headers, stream = encode_request(data=data)

    assert list(headers.items()) == [
        ("Content-Length", str(len(body))),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    assert read(stream) == body


def test_empty_form_is_no_body():
    assert encode_request(data={})[0] == {}
    assert encode_request(data={}, json=[1])[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("value", "body"),
    [({"a": [1, "é", None]}, '{"a":[1,"é",null]}'), ([], "[]"), (0, "0"), ("", '""'), (False, "false")],
)
def test_json_is_compact_utf_8(value, body):
    headers, stream = encode_request(json=value)

    assert list(headers.items()) == [
        ("Content-Length", str(len(body.encode()))),
        ("Content-Type", "application/json"),
    ]
    assert read(stream) == body.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_json_refuses_numbers_that_json_does_not_have(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json(value)


def test_json_refuses_other_objects():
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode_json(object())


def test_json_null_is_no_body():
    assert encode_request(json=None)[0] == {}


@pytest.mark.parametrize(
    ("arguments", "content_type", "body"),
    [
        ({"text": "é"}, "text/plain; charset=utf-8", b"\xc3\xa9"),
        ({"text": ""}, "text/plain; charset=utf-8", b""),
        ({"html": "<p>"}, "text/html; charset=utf-8", b"<p>"),
        ({"json": {}}, "application/json", b"{}"),
    ],
)
def test_response_bodies_have_their_type(arguments, content_type, body):
    headers, stream = encode_response(**arguments)

    assert headers == {"Content-Length": str(len(body)), "Content-Type": content_type}
    assert read(stream) == body


def test_iterator_stream_passes_on_what_the_iterable_gives():
    assert list(IteratorByteStream([b"a", b"", b"b"])) == [b"a", b"", b"b"]


def test_byte_stream_can_be_read_both_ways():
    assert (read(ByteStream(b"a")), aread(ByteStream(b"a"))) == (b"a", b"a")


def test_unattached_stream_is_closed():
    with pytest.raises(StreamClosed):
        read(UnattachedStream())
    with pytest.raises(StreamClosed):
        aread(UnattachedStream())
