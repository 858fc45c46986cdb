"""Responses: the head and what follows from it, the bodies of the constructor, and the encoding of text."""

from __future__ import annotations

import datetime
import encodings
import gzip
import json

import pytest

from httpfast._exceptions import (
    DecodingError,
    HTTPStatusError,
    StreamConsumed,
)
from httpfast._request import Request
from httpfast._response import Response
from httpfast._response_fields import charset_of, is_text_encoding, links_of
from httpfast._types import ByteStream

REQUEST = Request("GET", "http://a/b")
BODY = b"hello, " * 500


# The head.


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (101, {"is_informational"}),
        (200, {"is_success"}),
        (299, {"is_success"}),
        (304, {"is_redirect"}),
        (404, {"is_client_error", "is_error"}),
        (599, {"is_server_error", "is_error"}),
        (600, set()),
    ],
)
def test_status_classes(status, facts):
    names = {"is_informational", "is_success", "is_redirect", "is_client_error", "is_server_error", "is_error"}

    assert {name for name in names if getattr(Response(status), name)} == facts


@pytest.mark.parametrize("status", range(300, 310))
def test_redirect_location_counts_for_five_statuses(status):
    assert Response(status, headers={"location": "/x"}).has_redirect_location == (status in {301, 302, 303, 307, 308})
    assert not Response(status).has_redirect_location


def test_reason_and_version_come_from_the_extensions_or_the_registry():
    received = Response(200, extensions={"http_version": b"HTTP/1.0", "reason_phrase": b"Fine \xff"})

    assert (received.http_version, received.reason_phrase) == ("HTTP/1.0", "Fine ")
    assert (Response(404).http_version, Response(404).reason_phrase) == ("HTTP/1.1", "Not Found")
    assert Response(299).reason_phrase == ""
    assert Response(200, extensions={"reason_phrase": b""}).reason_phrase == ""


def test_repr():
    assert repr(Response(200)) == "<Response [200 OK]>"


def test_request_and_url_need_a_request():
    response = Response(200)
    for name in ("request", "url"):
        with pytest.raises(RuntimeError, match="The request instance has not been set on this response"):
            getattr(response, name)

    response.request = REQUEST

    assert (response.request, response.url) == (REQUEST, REQUEST.url)


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (101, {}, "Informational response '101 Switching Protocols' for url 'http://a/b'\n"),
        (302, {"location": "/x"}, "Redirect response '302 Found' for url 'http://a/b'\nRedirect location: '/x'\n"),
        (304, {"location": "/x"}, "Redirect response '304 Not Modified' for url 'http://a/b'\n"),
        (404, {}, "Client error '404 Not Found' for url 'http://a/b'\n"),
        (500, {}, "Server error '500 Internal Server Error' for url 'http://a/b'\n"),
        (600, {}, "Invalid status code '600 ' for url 'http://a/b'\n"),
    ],
)
def test_raise_for_status_says_what_happened(status, headers, message):
    response = Response(status, headers=headers, request=REQUEST)

    with pytest.raises(HTTPStatusError) as caught:
        response.raise_for_status()

    link = f"For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/{status}"
    assert str(caught.value) == message + link
    assert (caught.value.request, caught.value.response) == (REQUEST, response)


def test_raise_for_status_returns_a_successful_response():
    response = Response(204, request=REQUEST)

    assert response.raise_for_status() is response
    with pytest.raises(RuntimeError, match="Cannot call `raise_for_status` as the request instance has not been set"):
        Response(204).raise_for_status()


def test_links_by_relation_or_url():
    response = Response(200, headers={"link": '<http://a?p=2>; rel="next"; title=x, </b>'})

    assert response.links == {
        "next": {"url": "http://a?p=2", "rel": "next", "title": "x"},
        "/b": {"url": "/b"},
    }
    assert Response(200).links == {}


@pytest.mark.parametrize("value", [",<" * 100_000, ", " * 100_000, "<a>;" * 100_000, "<a>" + ";a=b" * 100_000])
def test_hostile_links_take_linear_time(value):
    assert links_of(value)


def test_cookies_are_those_set_and_need_a_request():
    response = Response(200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], request=REQUEST)

    assert dict(response.cookies) == {"a": "1", "b": "2"}
    assert response.cookies is response.cookies
    with pytest.raises(RuntimeError):
        _ = Response(200, headers={"Set-Cookie": "a=1"}).cookies


def test_elapsed_is_the_clients_two_clock_readings():
    response = Response(200)
    with pytest.raises(RuntimeError, match=r"'.elapsed' may only be accessed after the response has been read or"):
        _ = response.elapsed

    response._started, response._finished = 10.0, 11.5

    assert response.elapsed == datetime.timedelta(seconds=1.5)
    response.elapsed = datetime.timedelta(seconds=2)
    assert response.elapsed == datetime.timedelta(seconds=2)


def test_history_and_extensions_are_copies():
    history, extensions = [Response(302)], {"a": 1}
    response = Response(200, history=history, extensions=extensions)

    history.clear()
    extensions.clear()

    assert len(response.history) == 1
    assert response.extensions == {"a": 1}


# The ordinary constructor.


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({}, {}),
        ({"content": b""}, {}),
        ({"content": b"ab"}, {"Content-Length": "2"}),
        ({"text": "é"}, {"Content-Length": "2", "Content-Type": "text/plain; charset=utf-8"}),
        ({"html": "<p>"}, {"Content-Length": "3", "Content-Type": "text/html; charset=utf-8"}),
        ({"json": {"a": 1}}, {"Content-Length": "7", "Content-Type": "application/json"}),
        ({"content": iter([b"a"])}, {"Transfer-Encoding": "chunked"}),
        ({"content": iter([b"a"]), "headers": {"content-length": "1"}}, {"content-length": "1"}),
        ({"stream": ByteStream(b"a")}, {}),
    ],
)
def test_constructor_adds_the_fields_of_the_body(arguments, fields):
    raw = Response(200, **arguments).headers.raw

    assert [(key.decode(), value.decode()) for key, value in raw] == list(fields.items())


def test_constructed_response_is_read_and_closed():
    response = Response(200, content=b"abc")

    assert (response.content, response.read(), response.is_closed, response.is_stream_consumed) == (
        b"abc",
        b"abc",
        True,
        True,
    )
    assert response.num_bytes_downloaded == 0
    assert isinstance(response.stream, ByteStream)
    with pytest.raises(StreamConsumed):
        list(response.iter_raw())


def test_constructed_response_is_decoded():
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(BODY))

    assert response.content == BODY
    with pytest.raises(DecodingError):
        Response(200, headers={"Content-Encoding": "gzip"}, content=b"no gzip")


def test_json_accepts_loads_arguments_and_detects_the_encoding():
    assert Response(200, content='{"a": 1}'.encode("utf-16")).json() == {"a": 1}
    assert Response(200, json={"a": 1.5}).json(parse_float=str) == {"a": "1.5"}
    with pytest.raises(json.JSONDecodeError):
        Response(200, content=b"{").json()


# Text.


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html", None),
        ("text/html; charset=UTF-8", "utf-8"),
        ('text/html;charset="utf-8"', "utf-8"),
        ('text/html; a="b; charset=x"; charset = latin-1 ', "latin-1"),
        ("text/html; charset=a; charset=b", "a"),
        (r'text/html; charset="a\"b"', 'a"b'),
        ("charset=utf-8", "utf-8"),
        ("text/html; charset=", ""),
        ("text/html; charset=é", None),
        ("text/html; xcharset=a", None),
        ("text/html; charset*=us-ascii'en'latin%2D1", "latin-1"),
        ("text/html; charset*=us-ascii'en'latin%E91", None),
        ("text/html; charset*=latin", None),
    ],
)
def test_charset_of_content_type(content_type, charset):
    assert charset_of(content_type) == charset


@pytest.mark.parametrize("text", [";" * 200_000, ';a="' * 50_000, ';a="\\' * 50_000, "a" * 200_000, "; " * 100_000])
def test_hostile_content_type_takes_linear_time(text):
    assert charset_of(text) is None


def test_charset_of_a_name_that_is_too_long_is_not_looked_up():
    """Python keeps each name that it is asked for, for ever."""
    known = len(encodings._cache)

    assert not is_text_encoding("x" * 41)
    assert len(encodings._cache) == known


@pytest.mark.parametrize("name", ["nope", "", "hex", "zlib", "base64", "rot13", "idna", "undefined", "a\0b", "é"])
def test_encodings_that_cannot_read_any_bytes_are_not_used(name):
    assert not is_text_encoding(name)
    assert Response(200, headers={"Content-Type": f"text/plain; charset={name}".encode()}, content=b"a").text == "a"


@pytest.mark.parametrize(
    ("content_type", "default", "encoding"),
    [
        ("text/plain", "utf-8", "utf-8"),
        ("text/plain; charset=latin-1", "utf-8", "latin-1"),
        ("text/plain; charset=nope", "cp1252", "cp1252"),
        ("text/plain", lambda content: f"cp{len(content)}", "cp437"),
        ("text/plain", lambda content: None, "utf-8"),
    ],
)
def test_encoding_is_that_of_content_type_or_the_default(content_type, default, encoding):
    response = Response(200, headers={"Content-Type": content_type}, content=b"\xe9" * 437, default_encoding=default)

    assert response.encoding == encoding
    assert response.text == (b"\xe9" * 437).decode(encoding, "replace")


def test_encoding_can_be_assigned_until_the_text_is_read():
    response = Response(200, content=b"\xe9")
    response.encoding = "latin-1"

    assert response.text == "é"
    with pytest.raises(ValueError, match="Setting encoding after `text` has been accessed is not allowed"):
        response.encoding = "utf-8"
