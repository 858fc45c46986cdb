"""The short way of a plain request: taken only where nobody could tell, whatever has been changed, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from httpfast._cext.plain import exchange_of, ready_request


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with EmbeddedServer(tls=False, uds=False) as server:
        yield f"{server.url}/bytes/16"


@pytest.fixture
def client(url: str) -> Iterator[httpfast.Client]:
    with httpfast.Client() as client:
        client.get(url)
        assert ready_request(client, "GET", url, True) is not None
        yield client


def calls_of(function: Callable[..., Any]) -> tuple[list[str], Callable[..., Any]]:
    """A list that grows by each call, and the function wrapped so."""
    calls: list[str] = []

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(function.__name__)
        return function(*arguments, **options)

    return calls, call


METHODS = ["request", "build_request", "send", "_send_single_request", "_transport_for_url"]


@pytest.mark.parametrize("name", METHODS)
def test_method_that_is_patched_on_the_class_is_called(client: httpfast.Client, url: str, name: str) -> None:
    calls, call = calls_of(getattr(httpfast.Client, name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpfast.Client, name, call)
        client.get(url)
    client.get(url)

    assert len(calls) == 1


@pytest.mark.parametrize("name", METHODS)
def test_method_that_is_patched_on_the_client_is_called(client: httpfast.Client, url: str, name: str) -> None:
    calls, call = calls_of(getattr(client, name))

    setattr(client, name, call)
    client.get(url)
    delattr(client, name)
    client.get(url)

    assert len(calls) == 1


@pytest.mark.parametrize("name", METHODS)
def test_method_of_a_subclass_is_called(url: str, name: str) -> None:
    calls, call = calls_of(getattr(httpfast.Client, name))
    with type("Mine", (httpfast.Client,), {name: call})() as client:
        client.get(url)
        client.get(url)

    assert len(calls) == 2


def test_transport_that_is_patched_is_called(client: httpfast.Client, url: str) -> None:
    calls, call = calls_of(httpfast.HTTPTransport.handle_request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpfast.HTTPTransport, "handle_request", call)
        client.get(url)

    assert len(calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.event_hooks["request"].append(print),
        lambda client: client.event_hooks["response"].append(print),
        lambda client: setattr(client, "event_hooks", {"request": [print]}),
        lambda client: setattr(client, "auth", ("user", "secret")),
        lambda client: setattr(client, "timeout", httpfast.Timeout(5, total=5)),
        lambda client: client.cookies.set("name", "value"),
        lambda client: client.close(),
    ],
    ids=["request hook", "response hook", "hooks", "auth", "total timeout", "cookie", "closed"],
)
def test_client_that_has_more_to_do_is_not_plain(
    client: httpfast.Client, url: str, change: Callable[[httpfast.Client], None]
) -> None:
    change(client)

    assert ready_request(client, "GET", url, True) is None


def test_url_with_userinfo_is_not_plain(client: httpfast.Client) -> None:
    assert ready_request(client, "GET", "http://user:secret@example.org/", True) is None


def test_settings_that_change_show_in_the_next_request(client: httpfast.Client, url: str) -> None:
    client.headers["X-Own"] = "1"
    client.timeout = 7
    client.params = {"k": "v"}

    request = client.get(url).request

    assert request.headers["X-Own"] == "1"
    assert request.extensions["timeout"] == {"connect": 7, "read": 7, "write": 7, "pool": 7}
    assert request.url.query == b"k=v"


def test_settings_that_change_leave_requests_alone_that_were_built_before(client: httpfast.Client, url: str) -> None:
    request = client.build_request("GET", url)

    client.headers["X-Own"] = "1"
    client.timeout = 7

    assert "X-Own" not in request.headers
    assert request.extensions["timeout"]["read"] == 5.0


def test_timeout_that_is_changed_in_place_counts(client: httpfast.Client, url: str) -> None:
    client.timeout.read = 3

    assert client.get(url).request.extensions["timeout"]["read"] == 3


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda request: request.headers.update({"X-Own": "1"}), lambda exchange: exchange.fields_sent[-1][2] == b"1"),
        (lambda request: setattr(request, "method", "PURGE"), lambda exchange: exchange.method == "PURGE"),
        (
            lambda request: setattr(request, "url", httpfast.URL("http://other.example/x")),
            lambda exchange: (exchange.key[1], exchange.target) == (b"other.example", b"/x"),
        ),
        (
            lambda request: request.extensions["timeout"].update(read=3),
            lambda exchange: exchange.read_timeout == 3,
        ),
        (lambda request: request.extensions.update(target="*"), lambda exchange: exchange.target == b"*"),
        (
            lambda request: setattr(request, "stream", httpfast.ByteStream(b"body")),
            lambda exchange: exchange.body_sent == b"body",
        ),
    ],
    ids=["headers", "method", "url", "timeout", "target", "stream"],
)
def test_request_that_is_changed_on_its_way_is_sent_as_it_is(
    client: httpfast.Client, url: str, change: Callable[[httpfast.Request], None], seen: Callable[[Any], bool]
) -> None:
    request = ready_request(client, "GET", url, True)
    assert request is not None

    change(request)

    assert seen(exchange_of(request))


def test_plain_response_is_complete(client: httpfast.Client, url: str) -> None:
    response = client.get(url)

    assert response.request.url == url
    assert response.is_closed
    assert response.is_stream_consumed
    assert response.num_bytes_downloaded == 16
    assert timedelta() < response.elapsed < timedelta(seconds=5)
    assert response.history == []
    assert response.http_version == "HTTP/1.1"


@pytest.mark.parametrize("body", [{"json": {"a": [1, "é"]}}, {"content": b"bytes"}], ids=["json", "bytes"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_request_with_a_body_is_what_request_makes(
    client: httpfast.Client, url: str, method: str, body: dict[str, Any]
) -> None:
    made = client.build_request(method, url, **body)

    expected = httpfast.Request(method, url, headers=client.headers, **body)
    assert made.headers.raw == expected.headers.raw
    assert made.content == expected.content


def test_body_that_json_has_no_form_for_is_an_error(client: httpfast.Client, url: str) -> None:
    with pytest.raises(TypeError):
        client.post(url, json=object())


def test_content_and_json_together_are_what_request_makes_of_them(client: httpfast.Client, url: str) -> None:
    made = client.build_request("POST", url, content=b"bytes", json={})

    assert made.content == httpfast.Request("POST", url, content=b"bytes", json={}).content


def test_content_type_of_the_client_wins(url: str) -> None:
    client = httpfast.Client(headers={"Content-Type": "application/vnd.api+json"})

    assert client.build_request("POST", url, json={}).headers.get_list("content-type") == ["application/vnd.api+json"]


def test_expectation_of_the_client_is_kept(url: str) -> None:
    with httpfast.Client(headers={"Expect": "100-continue"}) as client:
        response = client.post(url.replace("/bytes/16", "/continue"), content=b"body")

    assert response.json() == {"expected": True, "length": 4}


def test_patched_asynchronous_method_is_called(url: str) -> None:
    calls, call = calls_of(httpfast.AsyncClient.send)

    async def main() -> None:
        async with httpfast.AsyncClient() as client:
            await client.get(url)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(httpfast.AsyncClient, "send", call)
                await client.get(url)
            await client.get(url)

    asyncio.run(main())

    assert len(calls) == 1
