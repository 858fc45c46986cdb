"""WSGITransport: what the application sees, what becomes of what it gives, and that its result is closed."""

from __future__ import annotations

import io
import sys
import wsgiref.validate
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

import httpfast
from httpfast import Client, RemoteProtocolError, Request, Response, WSGITransport

URL = "http://a.example/"

Start = Callable[..., Callable[[bytes], object]]
PLAIN = [("Content-Type", "text/plain")]


def environ_of(method: str, url: str, settings: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """What an application sees of a request."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        seen.update(environ)
        start_response("204 No Content", [])
        return []

    with Client(transport=WSGITransport(app, **(settings or {}))) as client:
        client.request(method, url, **arguments)
    return seen


def answer(app: Any, **settings: Any) -> Response:
    with Client(transport=WSGITransport(app, **settings)) as client:
        return client.get(URL)


class Result:
    """A result that counts how often it is closed. What can be called is called, in place of giving a part."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if callable(part):
                part()
            else:
                yield part

    def close(self) -> None:
        self.closed += 1


def fail() -> None:
    raise LookupError("of the application")


def app_of(result: Result, status: str = "200 OK") -> Any:
    def app(environ: dict[str, Any], start_response: Start) -> Result:
        start_response(status, PLAIN)
        return result

    return app


# What the application sees


def test_environ_describes_the_request() -> None:
    environ = environ_of("POST", "https://a.example/b/c?d=e%20f", content=b"body", headers={"X-One": "1"})

    assert environ["REQUEST_METHOD"] == "POST"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("", "/b/c", "d=e%20f")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("a.example", "443")
    assert (environ["SERVER_PROTOCOL"], environ["REMOTE_ADDR"]) == ("HTTP/1.1", "127.0.0.1")
    assert (environ["HTTP_HOST"], environ["HTTP_X_ONE"]) == ("a.example", "1")
    assert (environ["CONTENT_LENGTH"], environ["wsgi.input"].read()) == ("4", b"body")
    assert (environ["wsgi.version"], environ["wsgi.url_scheme"]) == ((1, 0), "https")
    assert environ["wsgi.errors"] is sys.stderr
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_environ_of_a_request_without_body_has_no_length_and_an_empty_input() -> None:
    environ = environ_of("GET", URL)

    assert not {"CONTENT_LENGTH", "CONTENT_TYPE"} & set(environ)
    assert environ["wsgi.input"].read() == b""


@pytest.mark.parametrize(
    ("url", "name", "port"),
    [
        ("http://a.example", "a.example", "80"),
        ("https://a.example", "a.example", "443"),
        ("http://a.example:8000", "a.example", "8000"),
        ("http://[::1]:81", "::1", "81"),
        ("http://bücher.example", "xn--bcher-kva.example", "80"),
    ],
)
def test_environ_names_the_server_of_the_url(url: str, name: str, port: str) -> None:
    environ = environ_of("GET", url)

    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


def test_path_has_its_escapes_decoded_to_octets_in_latin_1() -> None:
    environ = environ_of("GET", "http://a.example/caf%C3%A9%20%FF/€")

    assert environ["PATH_INFO"].encode("latin-1") == b"/caf\xc3\xa9 \xff/\xe2\x82\xac"


def test_fields_that_come_more_than_once_are_joined() -> None:
    fields = [("X-Many", "a"), ("X-Many", "b"), ("Cookie", "c=1"), ("Cookie", "d=2")]

    environ = environ_of("GET", URL, headers=fields)

    assert (environ["HTTP_X_MANY"], environ["HTTP_COOKIE"]) == ("a, b", "c=1; d=2")


def test_field_values_beyond_ascii_are_octets_in_latin_1() -> None:
    environ = environ_of("GET", URL, headers=[(b"X-Name", "é".encode())])

    assert environ["HTTP_X_NAME"] == "Ã©"


def test_streamed_body_has_a_length_as_applications_read_no_further() -> None:
    environ = environ_of("POST", URL, content=iter([b"ab", b"cd"]))

    assert (environ["CONTENT_LENGTH"], environ["wsgi.input"].read()) == ("4", b"abcd")
    assert environ["wsgi.input_terminated"] is True


def test_settings_reach_the_application() -> None:
    log = io.StringIO()
    settings = {"script_name": "/mounted", "remote_addr": "192.0.2.1", "wsgi_errors": log}

    environ = environ_of("GET", URL, settings)
    environ["wsgi.errors"].write("written")

    assert (environ["SCRIPT_NAME"], environ["REMOTE_ADDR"]) == ("/mounted", "192.0.2.1")
    assert log.getvalue() == "written"


def test_url_whose_scheme_has_no_port_is_refused() -> None:
    transport = WSGITransport(app_of(Result()))

    with pytest.raises(httpfast.UnsupportedProtocol, match="ftp"):
        transport.handle_request(Request("GET", "ftp://a.example/"))


# What it gives


def test_response_is_what_a_valid_application_gives() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("201 Made", [*PLAIN, ("X-A", "1"), ("X-A", "é")])
        yield from (b"", b"", b"some", b"", b" more")

    response = answer(wsgiref.validate.validator(app))

    assert (response.status_code, response.content) == (201, b"some more")
    assert response.headers.get_list("X-A") == ["1", "é"]


@pytest.mark.parametrize("parts", [(), (b"",), (b"", b"")])
def test_response_without_content_is_empty(parts: tuple[bytes, ...]) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        yield from parts

    response = answer(app)

    assert (response.status_code, response.content) == (200, b"")


def test_response_is_streamed_as_the_application_makes_it() -> None:
    made: list[int] = []

    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        for number in range(3):
            made.append(number)
            yield b"%d" % number

    with Client(transport=WSGITransport(app)) as client, client.stream("GET", URL) as response:
        assert made == [0]
        chunks = response.iter_bytes()
        assert (next(chunks), made) == (b"0", [0])
        assert (next(chunks), made) == (b"1", [0, 1])
        assert list(chunks) == [b"2"]


def test_what_is_given_to_write_comes_before_the_parts_that_follow_it() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"1")
        yield b"2"
        write(b"3")
        yield b"4"
        write(b"5")

    assert answer(app).content == b"12345"


def test_what_is_given_to_write_is_the_response_of_an_empty_result() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        start_response("200 OK", PLAIN)(b"written")
        return []

    assert answer(app).content == b"written"


def test_application_that_gives_no_head_is_a_protocol_error_and_its_result_is_closed() -> None:
    result = Result(b"octets")

    with pytest.raises(RemoteProtocolError, match="start_response"):
        answer(lambda environ, start_response: result)
    assert result.closed == 1


@pytest.mark.parametrize("status", ["", "OK", "20 OK", "2000 OK", "²00 OK"])
def test_status_that_is_none_is_a_protocol_error_and_the_result_is_closed(status: str) -> None:
    result = Result()

    with pytest.raises(RemoteProtocolError, match="status line"):
        answer(app_of(result, status))
    assert result.closed == 1


# Exceptions


def replaces_its_head(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", PLAIN)
    yield b""
    try:
        fail()
    except LookupError:
        start_response("500 Failed", PLAIN, sys.exc_info())
    yield b"sorry"


def test_exception_given_to_start_response_is_raised() -> None:
    with pytest.raises(LookupError, match="of the application"):
        answer(replaces_its_head)


def test_head_that_replaces_another_counts_when_exceptions_are_not_raised() -> None:
    response = answer(replaces_its_head, raise_app_exceptions=False)

    assert (response.status_code, response.content) == (500, b"sorry")


def test_head_that_comes_after_the_first_octets_raises_its_exception_in_the_application() -> None:
    caught: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"octets"
        try:
            fail()
        except LookupError:
            try:
                start_response("500 Failed", PLAIN, sys.exc_info())
            except LookupError as error:
                caught.append(error)
                raise

    with pytest.raises(LookupError):
        answer(app)
    assert len(caught) == 1


def test_head_without_an_exception_may_be_given_once() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        start_response("200 OK", PLAIN)
        start_response("201 Made", PLAIN)
        return []

    with pytest.raises(RuntimeError, match="twice"):
        answer(app)


@pytest.mark.parametrize("raises", [True, False])
def test_exception_that_is_not_caught_is_raised(raises: bool) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        fail()
        return []

    with pytest.raises(LookupError):
        answer(app, raise_app_exceptions=raises)


# Closing


@pytest.mark.parametrize("parts", [(), (b"one", b"two")])
def test_result_is_closed_once_when_it_has_been_read(parts: tuple[bytes, ...]) -> None:
    result = Result(*parts)

    response = answer(app_of(result))
    response.close()
    response.stream.close()  # type: ignore[union-attr]

    assert result.closed == 1


@pytest.mark.parametrize("parts", [(fail,), (b"", fail), (b"octets", fail)])
def test_result_is_closed_once_when_it_raises(parts: tuple[Any, ...]) -> None:
    result = Result(*parts)

    with pytest.raises(LookupError):
        answer(app_of(result))
    assert result.closed == 1


def test_result_is_closed_once_when_an_exception_was_given() -> None:
    result = Result(b"sorry")

    def app(environ: dict[str, Any], start_response: Start) -> Result:
        try:
            fail()
        except LookupError:
            start_response("500 Failed", PLAIN, sys.exc_info())
        return result

    with pytest.raises(LookupError):
        answer(app)
    assert result.closed == 1


def test_result_is_closed_once_when_the_response_is_closed_unread() -> None:
    result = Result(b"one", b"two")

    with Client(transport=WSGITransport(app_of(result))) as client, client.stream("GET", URL) as response:
        assert result.closed == 0
        response.close()

    assert result.closed == 1
