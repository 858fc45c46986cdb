"""The blocking client: its settings, how they and a call's arguments make a request, its life, and its transports.

What it does around a transport is in test_exchange.py, and what it sends over a network in tests/drivers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPMethod
from http.cookiejar import CookieJar
from typing import Any

import pytest

import httpfast
from httpfast import Client, Headers, Request, Response
from tests.conftest import Origin

URL = "https://a.example/"


def echo(request: Request) -> Response:
    return Response(200, json={"method": request.method, "url": str(request.url), "fields": dict(request.headers)})


def client_of(handler: Callable[[Request], Response] = echo, **settings: Any) -> Client:
    return Client(transport=httpfast.MockTransport(handler), **settings)


# Making requests

ACCEPT_ENCODING = Client().headers["Accept-Encoding"]

AUTOMATIC = [
    ("Host", "a.example"),
    ("Accept", "*/*"),
    ("Accept-Encoding", ACCEPT_ENCODING),
    ("Connection", "keep-alive"),
    ("User-Agent", f"python-httpfast/{httpfast.__version__}"),
]


def pairs(request: Request) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in request.headers.raw]


def test_automatic_fields_come_in_order() -> None:
    assert ACCEPT_ENCODING.startswith("gzip, deflate")
    assert pairs(Client().build_request("GET", URL)) == AUTOMATIC
    assert pairs(Client().build_request("GET", httpfast.URL(URL))) == AUTOMATIC
    assert pairs(Client().build_request("GET", URL, headers={"X-Own": "1"})) == [*AUTOMATIC, ("X-Own", "1")]


def test_body_fields_come_last_and_cookies_before_them() -> None:
    request = Client(cookies={"a": "1"}).build_request("POST", URL, json=[], headers={"X-Own": "1"})

    assert pairs(request) == [
        *AUTOMATIC,
        ("X-Own", "1"),
        ("Cookie", "a=1"),
        ("Content-Length", "2"),
        ("Content-Type", "application/json"),
    ]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "OPTIONS", "DELETE", "get", "POST", "PUT", "PATCH", "QUERY", "PURGE"]
)
@pytest.mark.parametrize("cookies", [None, {"a": "1"}])
def test_request_without_arguments_is_what_request_makes(method: str, cookies: dict[str, str] | None) -> None:
    # The client has a short way to these, which must not show.
    settings: dict[str, Any] = {"headers": {"X-Own": "1"}, "cookies": cookies, "params": {"k": "v"}}
    url = "HTTP://A.example:80/dir/../x?q=1#f"

    made = Client(**settings).build_request(method, url)

    expected = Request(
        method, url, params={"q": "1", "k": "v"}, headers=Client(**settings).headers, cookies=cookies, extensions={}
    )
    if not expected.url.params["q"]:
        pytest.fail("the query was lost")
    assert (made.method, made.content) == (expected.method, b"")
    assert made.headers.raw == expected.headers.raw
    assert made.extensions == {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}}
    assert type(made) is Request
    assert vars(made).keys() - {"_parts"} == vars(expected).keys() - {"stream"}


def test_request_to_the_same_url_again_is_the_same() -> None:
    client = Client(headers={"X-Own": "1"}, params={"k": "v"})

    first, second = client.build_request("GET", URL), client.build_request("GET", URL)

    assert first.headers.raw == second.headers.raw
    assert first.url == second.url == httpfast.URL(URL + "?k=v")
    assert first.headers is not second.headers
    assert first.extensions is not second.extensions


def test_changed_settings_show_in_the_next_request() -> None:
    client = Client()
    client.build_request("GET", "/x")

    client.headers["X-New"] = "1"
    client.params = {"k": "v"}  # type: ignore[assignment]
    client.base_url = "https://b.example/v1"  # type: ignore[assignment]
    client.cookies.set("a", "1")
    client.timeout = 9  # type: ignore[assignment]
    request = client.build_request("GET", "/x")

    assert (request.headers["X-New"], request.headers["Cookie"]) == ("1", "a=1")
    assert (request.headers["Host"], request.url) == ("b.example", "https://b.example/v1/x?k=v")
    assert request.extensions["timeout"]["read"] == 9
    client.headers = {"X-Other": "2"}  # type: ignore[assignment]
    client.timeout.read = 8
    request = client.build_request("GET", "/x")
    assert "X-New" not in request.headers
    assert request.headers["X-Other"] == "2"
    assert request.extensions["timeout"]["read"] == 8


def test_changing_a_request_leaves_the_next_one_as_it_was() -> None:
    client = Client()
    request = client.build_request("GET", URL)

    request.headers["X-Own"] = "1"
    del request.headers["Accept"]
    request.extensions["target"] = b"/other"
    request.url = httpfast.URL("https://b.example/")

    assert pairs(client.build_request("GET", URL)) == AUTOMATIC
    assert "target" not in client.build_request("GET", URL).extensions


def test_methods_of_pythons_enum_are_taken() -> None:
    for method in (HTTPMethod.GET, HTTPMethod.POST):
        request = Client().build_request(method, URL)

        assert (type(request.method), request.method) == (str, method.value)


def test_many_urls_do_not_pile_up() -> None:
    client = Client()

    for number in range(5_000):
        client.build_request("GET", f"{URL}{number}")
    client.build_request("GET", URL + "x" * 10_000)

    assert len(client._parts_of) <= 1_024
    assert max(map(len, client._parts_of)) < 2_048


def test_threads_may_build_requests_at_once() -> None:
    client = Client()
    errors: list[Exception] = []

    def build(first: int) -> None:
        try:
            for number in range(3_000):
                assert client.build_request("GET", f"{URL}{first + number}").url.path == f"/{first + number}"
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=build, args=(first,)) for first in (0, 3_000, 0, 1_500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_subclass_with_its_own_way_to_merge_is_obeyed() -> None:
    class Versioned(Client):
        def _merge_url(self, url: Any) -> httpfast.URL:
            return super()._merge_url(url).copy_add_param("v", "1")

    class Signed(Client):
        count = 0

        @property
        def headers(self) -> Headers:
            self.count += 1
            return Headers({"X-Count": str(self.count)})

        @headers.setter
        def headers(self, headers: Any) -> None:
            self._headers = Headers(headers)

    assert str(Versioned().build_request("GET", URL).url) == URL + "?v=1"
    signed = Signed()
    assert [signed.build_request("GET", URL).headers["X-Count"] for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(
    ("base", "url", "merged"),
    [
        ("https://a.example", "/x", "https://a.example/x"),
        ("https://a.example/v1", "x", "https://a.example/v1/x"),
        ("https://a.example/v1/", "/x", "https://a.example/v1/x"),
        ("https://a.example/v1", "//o/z", "https://a.example/v1/z"),
        ("https://a.example/v1", "", "https://a.example/v1/"),
        ("https://a.example/v1", "../x?q=1", "https://a.example/x?q=1"),
        ("https://a.example/v1", "https://b.example/x", "https://b.example/x"),
        ("https://a.example/v1?k=v", "", "https://a.example/v1?k=v/"),
    ],
)
def test_relative_urls_are_appended_to_the_base_url(base: str, url: str, merged: str) -> None:
    client = Client(base_url=base)

    assert str(client.build_request("GET", url).url) == merged
    assert str(client.build_request("GET", httpfast.URL(url)).url) == merged


def test_params_are_merged_and_empty_ones_clear_the_query() -> None:
    client = Client(params={"a": "1", "b": "2"})

    assert str(client.build_request("GET", URL, params={"b": "3"}).url) == URL + "?a=1&b=3"
    assert str(Client().build_request("GET", URL + "?q=1", params={}).url) == URL
    assert str(Client().build_request("GET", URL + "?q=1").url) == URL + "?q=1"


def test_headers_of_a_request_replace_the_clients_and_move_to_the_end() -> None:
    request = Client(headers={"X-A": "1", "X-B": "2"}).build_request(
        "GET", URL, headers={"x-a": "3", "user-agent": "me"}
    )

    assert pairs(request)[4:] == [("X-B", "2"), ("x-a", "3"), ("user-agent", "me")]


def test_timeout_of_a_request_comes_from_the_nearest() -> None:
    client = Client(timeout=3)

    assert client.build_request("GET", URL).extensions["timeout"]["pool"] == 3
    assert client.build_request("GET", URL, timeout=4).extensions["timeout"]["pool"] == 4
    assert client.build_request("GET", URL, timeout=None).extensions["timeout"]["pool"] is None
    own = {"timeout": {"read": 1}, "trace": print}
    assert client.build_request("GET", URL, timeout=4, extensions=own).extensions == own
    assert client.build_request("GET", URL, extensions={"target": b"*"}).extensions.keys() == {"target", "timeout"}


def test_request_made_without_a_client_gets_the_clients_timeouts() -> None:
    seen: list[Any] = []

    def handler(request: Request) -> Response:
        seen.append(request.extensions["timeout"]["read"])
        return Response(200)

    client_of(handler, timeout=7).send(Request("GET", URL))

    assert seen == [7]


# Sending


@pytest.mark.parametrize("method", ["get", "options", "head", "delete", "post", "put", "patch", "query"])
def test_each_method_has_a_function(method: str) -> None:
    with client_of() as client:
        response: Response = getattr(client, method)(URL, headers={"X-Own": "1"}, params={"k": "v"})

    assert response.request.method == method.upper()
    assert response.json()["fields"]["x-own"] == "1"
    assert response.url == URL + "?k=v"


@pytest.mark.parametrize("method", ["post", "put", "patch", "query"])
def test_methods_with_a_body_take_one(method: str) -> None:
    client = client_of(lambda request: Response(200, content=request.content))

    for body in ({"content": b"x=1"}, {"data": {"x": "1"}}):
        assert getattr(client, method)(URL, **body).content == b"x=1"
    assert getattr(client, method)(URL, json={"x": 1}).json() == {"x": 1}
    assert b'name="x"' in getattr(client, method)(URL, files={"x": b"1"}).content


def test_stream_is_open_within_its_block_and_closed_after_it(embedded: Origin) -> None:
    with Client(verify=embedded.verify) as client:
        with client.stream("GET", embedded.large) as response:
            assert not response.is_closed
            with pytest.raises(httpfast.ResponseNotRead):
                _ = response.content
            with pytest.raises(RuntimeError, match="elapsed"):
                _ = response.elapsed
            assert next(response.iter_bytes(1024))

        assert response.is_closed
        assert response.elapsed.total_seconds() > 0


def test_elapsed_covers_the_body(embedded: Origin) -> None:
    with Client(verify=embedded.verify) as client:
        response = client.get(embedded.small)

        assert 0 < response.elapsed.total_seconds() < 60
        assert (response.num_bytes_downloaded, len(response.content)) == (1024, 1024)


def test_cookies_of_one_call_are_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="per-request cookies"):
        response = client_of(cookies={"a": "1"}).get(URL, cookies={"b": "2"})

    assert response.json()["fields"]["cookie"] == "a=1; b=2"


def test_cookies_may_come_as_a_jar() -> None:
    jar = CookieJar()
    client = client_of(lambda request: Response(200, headers={"Set-Cookie": "a=1"}), cookies=jar)

    client.get(URL)

    assert [(cookie.name, cookie.domain) for cookie in jar] == [("a", "a.example")]


def test_each_response_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="httpfast"):
        client_of(lambda request: Response(404)).get(URL)

    assert caplog.record_tuples == [
        ("httpfast", logging.INFO, f'HTTP Request: GET {URL} "HTTP/1.1 404 Not Found"'),
    ]


def test_default_encoding_may_be_a_function() -> None:
    client = client_of(
        lambda request: Response(200, content="é".encode("latin-1")), default_encoding=lambda _: "latin-1"
    )

    assert client.get(URL).text == "é"
    assert client_of(lambda request: Response(200, content=b"\xe9"), default_encoding="latin-1").get(URL).text == "é"


def test_async_body_is_refused_whatever_the_transport() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b""

    for client in (client_of(), Client()):
        with pytest.raises(RuntimeError, match="Attempted to send an async request with a sync Client instance"):
            client.post(URL, content=body())


def test_async_handler_is_refused() -> None:
    async def handler(request: Request) -> Response:
        return Response(200)

    with pytest.warns(RuntimeWarning, match="never awaited"), pytest.raises(TypeError, match="async handler in a sync"):
        Client(transport=httpfast.MockTransport(handler)).get(URL)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://a.example/", "Request URL has an unsupported protocol 'ftp://'."),
        ("/path", "Request URL is missing an 'http://' or 'https://' protocol."),
        ("//a.example/path", "Request URL is missing an 'http://' or 'https://' protocol."),
    ],
)
def test_urls_that_no_connection_can_be_made_for(url: str, message: str) -> None:
    with Client() as client, pytest.raises(httpfast.UnsupportedProtocol) as caught:
        client.get(url)

    assert str(caught.value) == message
    assert caught.value.request.method == "GET"


def test_scheme_is_for_the_transport_to_judge() -> None:
    assert client_of().get("ftp://a.example/").status_code == 200


def test_failure_names_its_request() -> None:
    def refuse(request: Request) -> Response:
        raise httpfast.ConnectError("refused")

    with pytest.raises(httpfast.ConnectError) as caught:
        client_of(refuse).get(URL)

    assert caught.value.request.url == URL


# Settings


def test_settings_are_converted() -> None:
    client = Client(
        timeout=3, auth=("u", "p"), params="k=v", cookies={"a": "1"}, headers=[("X", "1")], base_url="http://a"
    )

    assert client.timeout == httpfast.Timeout(3)
    assert isinstance(client.auth, httpfast.BasicAuth)
    assert client.params == httpfast.QueryParams({"k": "v"})
    assert client.cookies["a"] == "1"
    assert client.headers["x"] == "1"
    assert (client.base_url.raw_path, Client(base_url="http://a/v1").base_url) == (b"/", "http://a/v1/")
    assert client.trust_env


def test_settings_can_be_assigned() -> None:
    client: Any = Client()

    client.timeout, client.auth, client.params, client.cookies = None, ("u", "p"), {"k": "v"}, {"a": "1"}
    client.event_hooks = {"request": [print]}

    assert client.timeout == httpfast.Timeout(None)
    assert isinstance(client.auth, httpfast.BasicAuth)
    assert (client.params["k"], client.cookies["a"]) == ("v", "1")
    assert client.event_hooks == {"request": [print], "response": []}


def test_hooks_given_are_copied() -> None:
    mine: dict[str, list[Callable[..., Any]]] = {"response": []}
    client = Client(event_hooks=mine)

    client.event_hooks["response"].append(print)

    assert mine == {"response": []}


# Life


class Witness(httpfast.BaseTransport):
    """Notes what happens to it. It is falsy, as a container of recorded calls would be."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __len__(self) -> int:
        return 0

    def __enter__(self) -> Any:
        self.events.append("enter")
        return self

    def __exit__(self, *exception: object) -> None:
        self.events.append("exit")

    def handle_request(self, request: Request) -> Response:
        self.events.append("request")
        return Response(200)

    def close(self) -> None:
        self.events.append("close")


def test_block_enters_and_exits_the_transport() -> None:
    transport = Witness()

    with Client(transport=transport) as client:
        client.get(URL)
        assert not client.is_closed

    assert client.is_closed
    client.close()
    assert transport.events == ["enter", "request", "exit"]


def test_close_closes_the_transport_once() -> None:
    transport = Witness()
    client = Client(transport=transport)

    client.close()
    client.close()

    assert transport.events == ["close"]


def test_closed_client_sends_nothing() -> None:
    client = client_of()
    client.close()

    with pytest.raises(RuntimeError, match=r"Cannot send a request, as the client has been closed\."):
        client.get(URL)
    with pytest.raises(RuntimeError, match=r"Cannot reopen a client instance, once it has been closed\."):
        client.__enter__()


def test_client_is_opened_once() -> None:
    used = client_of()
    used.get(URL)

    with client_of() as entered:
        for client in (used, entered):
            with pytest.raises(RuntimeError, match=r"Cannot open a client instance more than once\."):
                client.__enter__()


# Transports of other people


def test_patched_transport_class_is_obeyed_at_once(embedded: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(verify=embedded.verify) as client:
        assert client.get(embedded.small).status_code == 200

        monkeypatch.setattr(httpfast.HTTPTransport, "handle_request", lambda self, request: Response(418))
        assert client.get(embedded.small).status_code == 418
        monkeypatch.undo()

        assert client.get(embedded.small).status_code == 200


def test_patched_instance_is_obeyed() -> None:
    client = client_of()
    client.get(URL)

    client._transport.handle_request = lambda request: Response(418)  # type: ignore[method-assign]

    assert client.get(URL).status_code == 418


def test_patched_choice_of_transport_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of()
    client.get(URL)
    other = httpfast.MockTransport(lambda request: Response(418))

    monkeypatch.setattr("httpfast._client.Client._transport_for_url", lambda self, url: other)

    assert client.get(URL).status_code == 418


def test_subclassed_transport_is_called_for_each_request(embedded: Origin) -> None:
    class Counting(httpfast.HTTPTransport):
        count = 0

        def handle_request(self, request: Request) -> Response:
            self.count += 1
            request.headers["X-Count"] = str(self.count)
            return super().handle_request(request)

    transport = Counting(verify=embedded.verify)
    with Client(transport=transport) as client:
        responses = [client.get(embedded.small) for _ in range(3)]

    assert transport.count == 3
    assert [response.request.headers["X-Count"] for response in responses] == ["1", "2", "3"]


class Wrapper(httpfast.BaseTransport):
    """A transport around ours that does something to each response."""

    def __init__(self, verify: Any, change: Callable[[Response], Response]) -> None:
        self.inner = httpfast.HTTPTransport(verify=verify)
        self.change = change

    def handle_request(self, request: Request) -> Response:
        return self.change(self.inner.handle_request(request))

    def close(self) -> None:
        self.inner.close()


class Doubled(httpfast.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.stream:
            yield chunk + chunk

    def close(self) -> None:
        self.stream.close()


def replace_stream(response: Response) -> Response:
    response.stream = Doubled(response.stream)
    return response


def rebuild(response: Response) -> Response:
    return Response(
        response.status_code,
        headers=response.headers.raw,
        stream=Doubled(response.stream),
        extensions=response.extensions,
    )


def rebuild_from_raw(response: Response) -> Response:
    body = b"".join(response.iter_raw())
    return Response(response.status_code, headers={"Content-Length": str(2 * len(body))}, content=body * 2)


def rebuild_from_read(response: Response) -> Response:
    body = response.read()
    response.close()
    return Response(response.status_code, headers={"Content-Length": str(2 * len(body))}, content=body * 2)


def look(response: Response) -> Response:
    assert isinstance(response.stream, httpfast.SyncByteStream)
    assert response.headers["Content-Length"]
    return response


@pytest.mark.parametrize("size", [0, 1024, 1_000_000])
@pytest.mark.parametrize(
    ("change", "factor"), [(replace_stream, 2), (rebuild, 2), (rebuild_from_raw, 2), (rebuild_from_read, 2), (look, 1)]
)
def test_wrapper_does_what_it_likes_with_a_response(
    embedded: Origin, change: Callable[[Response], Response], factor: int, size: int
) -> None:
    url = f"{embedded.url}/bytes/{size}"
    with Client(verify=embedded.verify) as plain, Client(transport=Wrapper(embedded.verify, change)) as client:
        expected = len(plain.get(url).content)
        for _ in range(2):
            response = client.get(url)

            assert len(response.content) == expected * factor
            assert response.is_closed
        with client.stream("GET", url) as response:
            assert len(response.read()) == expected * factor


def test_cookie_that_a_wrapper_adds_is_kept(embedded: Origin) -> None:
    def add(response: Response) -> Response:
        response.headers["Set-Cookie"] = "a=1"
        return response

    with Client(transport=Wrapper(embedded.verify, add)) as client:
        client.get(embedded.small)

        assert client.cookies["a"] == "1"


def test_response_without_a_blocking_stream_is_refused() -> None:
    class Nonsense(httpfast.AsyncByteStream):
        pass

    with pytest.raises(TypeError, match="SyncByteStream"):
        client_of(lambda request: Response(200, stream=Nonsense())).get(URL)
