"""multipart/form-data bodies: their bytes, their length, and what cannot be smuggled into them."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast._exceptions import LocalProtocolError, StreamConsumed
from httpfast._multipart import MultipartStream, boundary_of


def body_of(data=None, files=(), boundary=b"B"):
    stream = MultipartStream(data or {}, files, boundary)
    body = b"".join(stream)
    length = stream.get_content_length()
    assert length is None or length == len(body)
    return body


def parse(stream):
    """Return the parts as an independent parser reads them: (parameters, content type, content)."""
    text = f"Content-Type: {stream.content_type}\r\n\r\n".encode() + b"".join(stream)
    message = email.message_from_bytes(text, policy=email.policy.HTTP)
    return [
        (dict(part["Content-Disposition"].params), part["Content-Type"] and part.get_content_type(), part.get_payload())
        for part in message.iter_parts()
    ]


def test_fields_come_first_then_files_in_their_order():
    stream = MultipartStream({"a": "1", "l": ["2", "3"]}, {"f": ("n.txt", b"x"), "g": ("n", b"y")})

    assert parse(stream) == [
        ({"name": "a"}, None, "1"),
        ({"name": "l"}, None, "2"),
        ({"name": "l"}, None, "3"),
        ({"name": "f", "filename": "n.txt"}, "text/plain", "x"),
        ({"name": "g", "filename": "n"}, "application/octet-stream", "y"),
    ]


def test_body_is_written_as_the_rfc_has_it():
    assert body_of({"a": "1"}, {"f": ("n.txt", b"x", "text/x", {"X-A": "b"})}) == (
        b"--B\r\n"
        b'Content-Disposition: form-data; name="a"\r\n\r\n'
        b"1\r\n"
        b"--B\r\n"
        b'Content-Disposition: form-data; name="f"; filename="n.txt"\r\n'
        b"X-A: b\r\n"
        b"Content-Type: text/x\r\n\r\n"
        b"x\r\n"
        b"--B--\r\n"
    )


def test_no_parts_at_all_is_the_last_boundary():
    assert body_of() == b"--B--\r\n"


@pytest.mark.parametrize(
    ("value", "content"),
    [("é", b"\xc3\xa9"), (b"\xff", b"\xff"), (1, b"1"), (2.5, b"2.5"), (None, b""), (True, b"true"), (False, b"false")],
)
def test_field_values(value, content):
    assert body_of({"a": value}) == b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n--B--\r\n' % content


@pytest.mark.parametrize("value", [{}, {"a": "b"}, [{}], object(), [[1]]])
def test_field_values_of_other_types_are_refused(value):
    with pytest.raises(TypeError, match="Expected primitive type, got <class"):
        MultipartStream({"a": value}, {})


@pytest.mark.parametrize("name", [None, 1, b"a"])
def test_field_names_of_other_types_are_refused(name):
    with pytest.raises(TypeError, match="Expected str, got <class"):
        MultipartStream({name: "a"}, {})


def test_file_without_a_name_is_called_upload():
    assert b'name="f"; filename="upload"\r\nContent-Type: application/octet-stream\r\n' in body_of(files={"f": b"x"})


def test_file_name_is_the_last_part_of_the_path(tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes(b"{}")

    with path.open("rb") as file:
        body = body_of(files={"f": file})

    assert b'filename="data.json"\r\nContent-Type: application/json\r\n\r\n{}\r\n' in body


@pytest.mark.parametrize("name", [None, ""])
def test_file_with_no_name_given_has_neither_name_nor_type(name):
    assert body_of(files={"f": (name, b"x")}) == (
        b'--B\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--B--\r\n'
    )


def test_type_among_the_header_fields_wins_and_the_mapping_stays_as_it_was():
    headers = {"content-type": "a/b"}
    other = {"X-Content-Type-Options": "nosniff"}

    assert b"\r\ncontent-type: a/b\r\n\r\n" in body_of(files={"f": ("n", b"", "c/d", headers)})
    assert b"nosniff\r\nContent-Type: c/d\r\n\r\n" in body_of(files={"f": ("n", b"", "c/d", other)})
    assert (headers, other) == ({"content-type": "a/b"}, {"X-Content-Type-Options": "nosniff"})


def test_same_name_twice():
    assert body_of(files=[("f", b"1"), ("f", b"2")]).count(b'name="f"') == 2


def test_text_as_file_content_is_utf_8():
    assert b"\r\n\r\n\xc3\xa9\r\n" in body_of(files={"f": ("n", "é")})


def test_text_mode_files_are_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")

    with pytest.raises(TypeError, match=r"require 'io.BytesIO', not 'io.StringIO'"):
        MultipartStream({}, {"f": io.StringIO("x")})
    with path.open() as file, pytest.raises(TypeError, match="binary mode, not text mode"):
        MultipartStream({}, {"f": file})


def test_wrapped_text_file_is_sent_as_utf_8():
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("abc")
        file.flush()

        assert b"\r\n\r\nabc\r\n" in body_of(files={"f": ("n", file)})


# Injection.


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"b', b'"a%22b"'),
        ("a\r\nb", b'"a%0D%0Ab"'),
        ("a\\b", b'"a\\\\b"'),
        ("a\0\t\x1fb", b'"a%00%09%1Fb"'),
        ("a\x1b\x7fb", b'"a\x1b\x7fb"'),
        ("é", b'"\xc3\xa9"'),
        ("%22", b'"%22"'),
    ],
)
def test_names_and_file_names_are_escaped(name, written):
    assert b"; name=%b\r\n" % written in body_of({name: ""})
    assert b"; name=%b; filename=%b\r\n" % (written, written) in body_of(files={name: (name, b"", "a/b")})


@given(name=st.text(min_size=1), filename=st.text(min_size=1))
def test_names_never_add_a_line(name, filename):
    try:
        body = body_of(files={name: (filename, b"", "a/b")})
    except UnicodeEncodeError:
        return

    assert body.count(b"\r") == body.count(b"\n") == 6


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("a/b\r\nX: y", {}),
        ("a/b\n", {}),
        ("a/b\0", {}),
        (None, {"X": "a\rb"}),
        (None, {"X\r\nY": "a"}),
        (None, {"X:": "a"}),
        (None, {"": "a"}),
        (None, {"é": "a"}),
    ],
)
def test_header_fields_that_would_add_a_line_are_refused(content_type, headers):
    with pytest.raises(LocalProtocolError):
        MultipartStream({}, {"f": ("n", b"x", content_type, headers)})


@pytest.mark.parametrize("boundary", [b"a\r\nX: y", b"a\nb"])
def test_boundary_with_a_line_break_is_refused(boundary):
    with pytest.raises(LocalProtocolError, match="line break"):
        MultipartStream({}, {}, boundary)


def test_default_boundary_is_128_bits_of_the_systems_randomness(monkeypatch):
    """INJ-11"""
    asked = []

    def urandom(size):
        asked.append(size)
        return bytes(range(size))

    monkeypatch.setattr(os, "urandom", urandom)

    assert MultipartStream({}, {}).boundary == b"000102030405060708090a0b0c0d0e0f"
    assert asked == [16]


# Length, chunks, reading again.


def test_headers_tell_the_length_where_it_is_known():
    known = MultipartStream({"a": "1"}, {"f": io.BytesIO(b"x" * 1000)}, b"B")

    assert list(known.get_headers().items()) == [
        ("Content-Length", str(len(b"".join(known)))),
        ("Content-Type", "multipart/form-data; boundary=B"),
    ]


class Unseekable:
    name = "n.txt"

    def __init__(self, content):
        self._file = io.BytesIO(content)

    def read(self, size):
        return self._file.read(size)


@pytest.mark.parametrize("file", [Unseekable(b"x"), type("F", (Unseekable,), {"seek": io.IOBase().seek})(b"x")])
def test_file_of_unknown_length_is_chunked_and_read_once(file):
    stream = MultipartStream({}, {"f": file}, b"B")

    assert stream.get_headers() == {
        "Transfer-Encoding": "chunked",
        "Content-Type": "multipart/form-data; boundary=B",
    }
    assert b"\r\n\r\nx\r\n--B--\r\n" in b"".join(stream)
    with pytest.raises(StreamConsumed):
        list(stream)


def test_file_is_sent_from_its_start_each_time():
    file = io.BytesIO(b"abc")
    file.read()

    stream = MultipartStream({}, {"f": file}, b"B")

    assert stream.get_content_length() == len(b"".join(stream))
    assert b"\r\n\r\nabc\r\n" in b"".join(stream)
    assert b"".join(stream) == b"".join(stream)


def test_small_parts_leave_together_and_large_files_in_chunks():
    small = MultipartStream({str(number): "x" for number in range(100)}, {})
    large = MultipartStream({}, {"f": io.BytesIO(bytes(200_000))})

    assert len(list(small)) == 1
    assert all(len(chunk) < 2 * 65_536 for chunk in large)
    assert len(list(large)) == 4


def test_async_reading_gives_the_same():
    stream = MultipartStream({"a": "1"}, {"f": io.BytesIO(bytes(100_000))})

    async def gather():
        return [chunk async for chunk in stream]

    assert asyncio.run(gather()) == list(stream)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (None, None),
        (b"", None),
        (b"multipart/form-data", None),
        (b"multipart/form-data; charset=utf-8", None),
        (b"text/plain; boundary=a", None),
        (b"multipart/form-data; boundary=a", b"a"),
        (b"Multipart/Form-Data;BOUNDARY=a", b"a"),
        (b'multipart/form-data; charset=x; boundary="a b"; q=1', b"a b"),
        (b"multipart/form-data; boundary=a=b", b"a=b"),
    ],
)
def test_boundary_is_taken_from_content_type(content_type, boundary):
    assert boundary_of(content_type) == boundary
