"""Requests: which fields they get, in which order, and reading and pickling their bodies."""

from __future__ import annotations

import asyncio
import io
import pickle

import pytest

from httpfast._exceptions import RequestNotRead, StreamClosed, StreamConsumed
from httpfast._headers import Headers
from httpfast._request import Request
from httpfast._types import ByteStream
from httpfast._url import URL


def fields_of(*args, **kwargs):
    return [(key.decode(), value.decode()) for key, value in Request(*args, **kwargs).headers.raw]


def test_method_is_upper_cased():
    assert Request("get", "http://a").method == "GET"


def test_url_is_parsed_or_shared():
    url = URL("http://a/b")

    assert Request("GET", "http://a/b").url == url
    assert Request("GET", url).url is url


@pytest.mark.parametrize(("params", "url"), [({"b": "2"}, "http://a?b=2"), ({}, "http://a"), (None, "http://a?c=3")])
def test_params_replace_the_query(params, url):
    assert str(Request("GET", "http://a?c=3", params=params).url) == url


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("http://example.org/x", [("Host", "example.org")]),
        ("http://example.org:80", [("Host", "example.org")]),
        ("https://user:secret@EXAMPLE.org:8443", [("Host", "example.org:8443")]),
        ("http://[::1]:8080", [("Host", "[::1]:8080")]),
        ("/relative", []),
        ("mailto:a@b", []),
    ],
)
def test_host_is_the_authority_without_userinfo_and_default_port(url, fields):
    assert fields_of("GET", url) == fields


def test_automatic_host_comes_first_then_the_callers_then_those_of_the_body():
    assert fields_of("POST", "http://a", headers={"X": "y", "User-Agent": "z"}, json={}) == [
        ("Host", "a"),
        ("X", "y"),
        ("User-Agent", "z"),
        ("Content-Length", "2"),
        ("Content-Type", "application/json"),
    ]


def test_given_host_keeps_its_place():
    assert fields_of("GET", "http://a", headers={"X": "y", "host": "b"}) == [("X", "y"), ("host", "b")]


@pytest.mark.parametrize("method", ["POST", "put", "PATCH", "QUERY"])
@pytest.mark.parametrize("body", [{}, {"content": b""}, {"data": {}}, {"files": {}}, {"json": None}])
def test_no_body_is_stated_for_methods_that_expect_one(method, body):
    fields = [("Host", "a"), ("Content-Length", "0"), ("X", "y")]

    assert fields_of(method, "http://a", headers={"X": "y"}, **body) == fields


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"])
def test_no_body_is_not_stated_for_other_methods(method):
    assert fields_of(method, "http://a") == [("Host", "a")]
    assert fields_of(method, "http://a", content=b"x") == [("Host", "a"), ("Content-Length", "1")]


def test_given_framing_and_type_win():
    def chunks():
        yield b"abcd"

    with_length = fields_of("POST", "http://a", headers={"content-length": "4"}, content=chunks())
    chunked = fields_of("POST", "http://a", headers={"Transfer-Encoding": "chunked"}, content=b"abcd")
    with_type = fields_of("POST", "http://a", headers={"content-type": "a/b"}, json=1)
    bare = fields_of("POST", "http://a", headers={"Transfer-Encoding": "chunked"})

    assert with_length == [("Host", "a"), ("content-length", "4")]
    assert chunked == bare == [("Host", "a"), ("Transfer-Encoding", "chunked")]
    assert with_type == [("Host", "a"), ("content-type", "a/b"), ("Content-Length", "1")]


def test_boundary_is_taken_from_the_given_content_type():
    request = Request(
        "POST", "http://a", headers={"content-type": "multipart/form-data; boundary=BB"}, files={"f": b"x"}
    )

    assert request.headers["Content-Type"] == "multipart/form-data; boundary=BB"
    assert request.read().startswith(b"--BB\r\n")


def test_random_boundary_goes_into_the_content_type():
    request = Request("POST", "http://a", files={"f": b"x"})

    boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
    assert request.read().startswith(f"--{boundary}\r\n".encode())
    assert request.headers["Content-Length"] == str(len(request.content))


def test_cookies_become_a_field():
    assert fields_of("GET", "http://a", headers={"X": "y"}, cookies={"c": "1", "d": "2"}) == [
        ("Host", "a"),
        ("X", "y"),
        ("Cookie", "c=1; d=2"),
    ]


def test_stream_adds_no_field_at_all():
    stream = ByteStream(b"abc")
    request = Request("POST", "http://a", headers={"X": "y"}, stream=stream)

    assert request.headers.raw == [(b"X", b"y")]
    assert request.stream is stream
    assert request.read() == b"abc"


def test_headers_given_are_not_changed():
    headers = Headers({"X": "y"})

    request = Request("POST", "http://a", headers=headers, content=b"x")
    request.headers["Z"] = "z"

    assert headers.raw == [(b"X", b"y")]


def test_extensions_are_copied():
    extensions = {"timeout": {"read": 1.0}}
    request = Request("GET", "http://a", extensions=extensions)

    request.extensions["trace"] = print

    assert extensions == {"timeout": {"read": 1.0}}
    assert Request("GET", "http://a").extensions == {}


def test_repr_names_method_and_url():
    assert repr(Request("get", "http://a")) == "<Request('GET', 'http://a')>"


def test_data_that_is_no_mapping_warns():
    with pytest.warns(DeprecationWarning, match="to upload raw bytes/text content"):
        request = Request("POST", "http://a", data=b"raw")

    assert request.content == b"raw"


def test_dict_as_content_is_refused():
    with pytest.raises(TypeError, match="Unexpected type for 'content', <class 'dict'>"):
        Request("POST", "http://a", content={"a": 1})


# The body.


@pytest.mark.parametrize("body", [{}, {"content": b"abc"}, {"json": [1]}, {"data": {"a": "b"}}])
def test_body_in_memory_is_read_already_and_can_be_streamed(body):
    request = Request("POST", "http://a", **body)

    assert isinstance(request.stream, ByteStream)
    assert b"".join(request.stream) == request.content == request.read()
    assert asyncio.run(request.aread()) == request.content


def test_streaming_body_is_not_read_before_it_is_asked_for():
    def chunks():
        yield b"a"
        yield b"b"

    request = Request("POST", "http://a", content=chunks())
    with pytest.raises(RequestNotRead):
        _ = request.content

    assert request.read() == b"ab"
    assert request.content == b"ab"
    assert [b"".join(request.stream), b"".join(request.stream)] == [b"ab", b"ab"]


def test_async_body_is_read_with_aread():
    async def chunks():
        yield b"a"
        yield b"b"

    request = Request("POST", "http://a", content=chunks())
    with pytest.raises(RuntimeError, match="use 'aread"):
        request.read()

    assert asyncio.run(request.aread()) == b"ab"
    assert b"".join(request.stream) == b"ab"


def test_generator_sent_already_cannot_be_read():
    request = Request("POST", "http://a", content=(part for part in (b"a",)))
    list(request.stream)

    with pytest.raises(StreamConsumed):
        request.read()


def test_sync_body_is_not_read_with_aread():
    request = Request("POST", "http://a", content=[b"a"])

    with pytest.raises(RuntimeError, match="use 'read"):
        asyncio.run(request.aread())


def test_file_body_has_a_length():
    assert fields_of("PUT", "http://a", content=io.BytesIO(b"abc"))[1:] == [("Content-Length", "3")]


# Made by parts, copied, extended.


def test_request_made_without_init_has_defaults():
    request = Request.__new__(Request)
    request.method, request.url = "GET", URL("http://a")

    assert (request.headers, request.extensions) == (Headers(), {})
    assert request.extensions is request.extensions
    assert isinstance(request.stream, ByteStream)
    with pytest.raises(RequestNotRead):
        _ = request.content


def test_lazy_attributes_make_one_value_and_can_be_assigned():
    request = Request("POST", "http://a", content=b"x")
    assert request.stream is request.stream

    request.stream = ByteStream(b"y")
    request.extensions = {"a": 1}

    assert b"".join(request.stream) == b"y"
    assert request.extensions == {"a": 1}


def test_subclass_with_attributes_of_its_own():
    class Tagged(Request):
        pass

    request = Tagged("GET", "http://a")
    request.tag = 1

    assert repr(request) == "<Tagged('GET', 'http://a')>"
    assert pickle.loads(pickle.dumps(Request("GET", "http://a"))).method == "GET"


def test_pickle_keeps_what_was_read_and_drops_stream_and_extensions():
    request = Request("POST", "http://a", json={"test": 123}, extensions={"trace": lambda: None})

    copy = pickle.loads(pickle.dumps(request))

    assert (copy.method, copy.url, copy.headers.raw) == (request.method, request.url, request.headers.raw)
    assert copy.content == b'{"test":123}'
    assert copy.extensions == {}
    with pytest.raises(StreamClosed):
        list(copy.stream)


def test_pickle_of_an_unread_body_is_closed():
    copy = pickle.loads(pickle.dumps(Request("POST", "http://a", content=(part for part in ()))))

    with pytest.raises(RequestNotRead):
        _ = copy.content
    with pytest.raises(StreamClosed):
        copy.read()
    with pytest.raises(StreamClosed):
        asyncio.run(copy.aread())
