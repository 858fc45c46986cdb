"""`HTTPMock`: what it answers, what it refuses, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from httpfast.testing import HTTPMock
from tests.peers import ScriptedPeer

URL = "https://api.nowhere.example/items"


def ask(method: str = "GET", url: str = URL, **arguments: Any) -> httpfast.Response:
    with httpfast.Client() as client:
        return client.request(method, url, **arguments)


def ask_async(method: str = "GET", url: str = URL, **arguments: Any) -> httpfast.Response:
    async def main() -> httpfast.Response:
        async with httpfast.AsyncClient() as client:
            return await client.request(method, url, **arguments)

    return asyncio.run(main())


Ask = Callable[..., httpfast.Response]
both_clients = pytest.mark.parametrize("ask", [ask, ask_async], ids=["sync", "async"])


@both_clients
def test_response_is_what_was_added(ask: Ask) -> None:
    with HTTPMock() as mock:
        mock.add_response(201, "HTTP/2", {"X-A": "b"}, json={"id": 7})

        response = ask("POST", json={"a": 1})

    assert (response.status_code, response.http_version, response.json()) == (201, "HTTP/2", {"id": 7})
    assert response.headers["x-a"] == "b"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.request.method == "POST"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ({"text": "t\u00e9"}, "text/plain; charset=utf-8", "t\u00e9"),
        ({"html": "<p>"}, "text/html; charset=utf-8", "<p>"),
        ({"content": b"abc"}, None, "abc"),
        ({"stream": httpfast.ByteStream(b"abc")}, None, "abc"),
        ({}, None, ""),
    ],
)
def test_each_kind_of_body_is_read(body: dict[str, Any], content_type: str | None, text: str) -> None:
    with HTTPMock() as mock:
        mock.add_response(**body)

        response = ask()

    assert (response.text, response.headers.get("content-type")) == (text, content_type)


def test_body_can_be_streamed_raw_and_is_decoded_otherwise() -> None:
    packed = gzip.compress(b"hello")
    with HTTPMock(can_send_already_matched_responses=True) as mock, httpfast.Client() as client:
        mock.add_response(content=packed, headers={"Content-Encoding": "gzip"})

        with client.stream("GET", URL) as response:
            assert b"".join(response.iter_raw()) == packed
        assert client.get(URL).content == b"hello"


def test_json_is_as_it_was_when_it_was_added() -> None:
    value = [1]
    with HTTPMock() as mock:
        mock.add_response(json=value)
        value.append(2)

        assert ask().json() == [1]


MATCHES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"url": URL}, {}, True),
    ({"url": httpfast.URL(URL)}, {}, True),
    ({"url": f"{URL}/"}, {}, False),
    ({"url": f"{URL}?b=2&a=1"}, {"url": f"{URL}?a=1&b=2"}, True),
    ({"url": f"{URL}?a=1"}, {"url": f"{URL}?a=2"}, False),
    ({"url": URL}, {"url": f"{URL}?a=1"}, False),
    ({"url": re.compile(r"https://api\.nowhere\.example/")}, {"url": f"{URL}?a=1"}, True),
    ({"url": re.compile(r".*/other")}, {}, False),
    ({"url": URL, "match_params": {"a": ["1", "2"]}}, {"url": f"{URL}?a=1&a=2"}, True),
    ({"match_params": {"a": "1"}}, {"url": f"{URL}?a=1&b=2"}, False),
    ({"method": "PUT"}, {"method": "PUT"}, True),
    ({"method": "PUT"}, {}, False),
    ({"match_headers": {"x-a": "b"}}, {"headers": {"X-A": "b"}}, True),
    ({"match_headers": {"x-a": "b"}}, {"headers": {"X-A": "c"}}, False),
    ({"match_headers": {"x-a": "b"}}, {}, False),
    ({"match_content": b"abc"}, {"method": "POST", "content": b"abc"}, True),
    ({"match_content": b"abc"}, {"method": "POST", "content": b"abcd"}, False),
    ({"match_content": b""}, {}, True),
    ({"match_json": {"a": [1]}}, {"method": "POST", "content": b' {"a" : [1]}'}, True),
    ({"match_json": {"a": [1]}}, {"method": "POST", "json": {"a": [2]}}, False),
    ({"match_json": {"a": [1]}}, {"method": "POST", "content": b"\xff{"}, False),
    ({"match_data": {"a": "1", "b": ""}}, {"method": "POST", "data": {"b": "", "a": "1"}}, True),
    ({"match_data": {"a": "1"}}, {"method": "POST", "data": {"a": "1", "b": "2"}}, False),
    ({"match_extensions": {"mine": 1}}, {"extensions": {"mine": 1}}, True),
    ({"match_extensions": {"mine": None}}, {}, False),
]


@pytest.mark.parametrize(("matchers", "request_", "is_meant"), MATCHES)
@both_clients
def test_request_is_answered_if_everything_matches(
    ask: Ask, matchers: dict[str, Any], request_: dict[str, Any], is_meant: bool
) -> None:
    with HTTPMock(assert_all_responses_were_requested=False, assert_all_requests_were_expected=False) as mock:
        mock.add_response(418, **matchers)

        if is_meant:
            assert ask(**request_).status_code == 418
            assert mock.get_request(**matchers) is not None
        else:
            with pytest.raises(httpfast.TimeoutException, match="No answer for"):
                ask(**request_)
            assert mock.get_requests(**matchers) == []
        assert len(mock.get_requests()) == 1


def test_answers_are_given_in_turn_and_the_last_again_if_it_is_reusable() -> None:
    with HTTPMock() as mock:
        mock.add_response(text="first")
        mock.add_response(text="second", is_reusable=True)

        assert [ask().text for _ in range(4)] == ["first", "second", "second", "second"]


def test_answer_is_given_once_unless_it_is_reusable() -> None:
    with HTTPMock(assert_all_requests_were_expected=False) as mock:
        mock.add_response(text="only")
        ask()

        with pytest.raises(httpfast.TimeoutException, match="given already"):
            ask()


def test_callback_answers_or_says_that_it_does_not() -> None:
    with HTTPMock(assert_all_requests_were_expected=False) as mock:
        mock.add_callback(
            lambda request: httpfast.Response(200, content=request.content) if request.content else None,
            is_reusable=True,
        )

        assert ask("POST", content=iter([b"a", b"b"])).content == b"ab"
        with pytest.raises(httpfast.TimeoutException):
            ask()


def test_coroutine_function_answers_an_async_client_only() -> None:
    async def answer(request: httpfast.Request) -> httpfast.Response:
        await asyncio.sleep(0)
        return httpfast.Response(200, text=request.url.path)

    with HTTPMock() as mock:
        mock.add_callback(answer, is_reusable=True)

        assert ask_async().text == "/items"
        with pytest.warns(RuntimeWarning, match="never awaited"), pytest.raises(TypeError, match="coroutine function"):
            ask()


@both_clients
def test_exception_is_raised_and_knows_its_request(ask: Ask) -> None:
    with HTTPMock() as mock:
        mock.add_exception(httpfast.ConnectError("no route"))
        mock.add_exception(KeyboardInterrupt("now"))

        with pytest.raises(httpfast.ConnectError, match="no route") as caught:
            ask()
        with pytest.raises(KeyboardInterrupt):
            ask()

    assert caught.value.request.url == URL


def test_redirects_cookies_and_hooks_work() -> None:
    seen = []
    with HTTPMock() as mock, httpfast.Client(follow_redirects=True, event_hooks={"request": [seen.append]}) as client:
        mock.add_response(302, headers=[("Location", "/new"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], url=URL)
        mock.add_response(text="arrived", match_headers={"Cookie": "a=1; b=2"})

        assert client.get(URL).text == "arrived"
    assert [request.url.path for request in seen] == ["/items", "/new"]


def test_answer_that_is_not_requested_is_a_fault_unless_optional() -> None:
    with pytest.raises(AssertionError, match=r"Not requested:\n- method='PUT'"), HTTPMock() as mock:
        mock.add_response(method="PUT")
    with HTTPMock() as mock:
        mock.add_response(is_optional=True)
    with HTTPMock(assert_all_responses_were_requested=False) as mock:
        mock.add_response()
    with (
        pytest.raises(AssertionError, match="Not requested"),
        HTTPMock(assert_all_responses_were_requested=False) as mock,
    ):
        mock.add_response(is_optional=False)


def test_request_that_is_not_expected_is_a_fault_even_if_its_error_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"Not expected:\n- GET URL\("), HTTPMock(), pytest.raises(Exception):  # noqa: B017, PT011
        ask()


def test_exception_of_the_block_is_not_covered_by_a_fault() -> None:
    def divide() -> None:
        with HTTPMock() as mock:
            mock.add_response()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        divide()


def test_no_request_goes_out_and_afterwards_they_do(embedded_server: EmbeddedServer) -> None:
    before = httpfast.HTTPTransport.handle_request, httpfast.AsyncHTTPTransport.handle_async_request
    with ScriptedPeer() as peer, httpfast.Client() as client:
        assert client.get(f"{embedded_server.url}/json").status_code == 200
        with HTTPMock(assert_all_requests_were_expected=False), pytest.raises(httpfast.TimeoutException):
            client.get(peer.url)
        assert client.get(f"{embedded_server.url}/json").status_code == 200

    assert (httpfast.HTTPTransport.handle_request, httpfast.AsyncHTTPTransport.handle_async_request) == before


@both_clients
def test_requests_that_are_not_to_be_mocked_go_out(ask: Ask, embedded_server: EmbeddedServer) -> None:
    with HTTPMock(should_mock=lambda request: request.url.host != "127.0.0.1") as mock:
        mock.add_response(418)

        assert ask(url=f"{embedded_server.url}/json").status_code == 200
        assert ask().status_code == 418
        assert len(mock.get_requests()) == 1


def test_clients_with_a_transport_of_their_own_are_left_alone() -> None:
    with (
        HTTPMock(),
        httpfast.Client(transport=httpfast.MockTransport(lambda request: httpfast.Response(418))) as client,
    ):
        assert client.get(URL).status_code == 418


def test_each_thread_gets_an_answer_of_its_own() -> None:
    with HTTPMock() as mock, httpfast.Client() as client, ThreadPoolExecutor(8) as threads:
        for number in range(64):
            mock.add_response(text=str(number))

        answers = list(threads.map(lambda _: client.get(URL).text, range(64)))

    assert sorted(map(int, answers)) == list(range(64))


def test_one_request_is_asked_for_where_there_are_several() -> None:
    with HTTPMock() as mock:
        mock.add_response(is_reusable=True)
        assert mock.get_request() is None
        ask(), ask("PUT")

        with pytest.raises(AssertionError, match="2 requests match"):
            mock.get_request()
        assert mock.get_request(method="PUT") is mock.get_requests()[1]
        mock.reset()
        assert mock.get_requests() == []


def test_messages_show_no_password() -> None:
    with HTTPMock(assert_all_requests_were_expected=False, assert_all_responses_were_requested=False) as mock:
        mock.add_response(url="https://user:sesame@api.nowhere.example/other")

        with pytest.raises(httpfast.TimeoutException) as caught:
            ask(url="https://user:sesame@api.nowhere.example/")

    assert "/other" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_matchers_that_make_no_sense_are_refused() -> None:
    mock = HTTPMock()

    with pytest.raises(TypeError, match="No such matchers: ulr"):
        mock.add_response(ulr=URL)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="not in both"):
        mock.add_response(url=f"{URL}?a=1", match_params={"b": "2"})
