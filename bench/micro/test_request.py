"""Building a request: `Client.build_request` of httpfast beside httpx's.

Each client makes the same request: method, URL, fields and body are compared, except for what names the client and what
depends on the decoders that are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .rivals import Benchmark, rival, unseen

URL = "https://example.org/v1/items?page=1"
DOCUMENT = {
    "id": 7_340_032,
    "name": "Ünïcode, and a longer text that is to be quoted",
    "tags": ["a", "b", "c"],
    "price": 12.5,
    "nested": {"active": True, "parent": None, "counts": list(range(20))},
}
NAMES_CLIENT = {"user-agent", "accept-encoding"}

RIVALS = pytest.mark.parametrize("name", ["httpfast", "httpx"])


@pytest.fixture
def client(name: str) -> Iterator[Any]:
    """A client as it is by default. Its transport is out of play: nothing is sent."""
    module = rival(name)
    with module.Client(transport=module.MockTransport(lambda request: module.Response(200))) as client:
        yield client


def shown(request: Any) -> tuple[Any, ...]:
    fields = [(name, value) for name, value in request.headers.multi_items() if name not in NAMES_CLIENT]
    return request.method, str(request.url), fields, request.content


def read_by_transport(request: Any) -> tuple[Any, ...]:
    """All that a transport needs of a request: httpfast makes some of it only now."""
    url = request.url
    octets = url.raw_scheme, url.raw_host, url.port, url.raw_path
    return request.method, *octets, request.headers.raw, b"".join(request.stream), request.extensions["timeout"]


GET_FIELDS = [("host", "example.org"), ("accept", "*/*"), ("connection", "keep-alive")]


@pytest.mark.benchmark(group="request: GET, URL seen")
@RIVALS
def test_get(benchmark: Benchmark, client: Any, name: str) -> None:
    assert shown(client.build_request("GET", URL)) == ("GET", URL, GET_FIELDS, b"")

    benchmark(client.build_request, "GET", URL)


@pytest.mark.benchmark(group="request: GET, URL seen, and read as by a transport")
@RIVALS
def test_get_and_read(benchmark: Benchmark, client: Any, name: str) -> None:
    method, *target, _, body, timeout = read_by_transport(client.build_request("GET", URL))
    assert (method, *target, body) == ("GET", b"https", b"example.org", None, b"/v1/items?page=1", b"")
    assert timeout == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}

    benchmark(lambda: read_by_transport(client.build_request("GET", URL)))


@pytest.mark.benchmark(group="request: GET, URL never seen")
@RIVALS
def test_get_never_seen(benchmark: Benchmark, client: Any, name: str) -> None:
    form = "https://example.org/v1/items/%d?page=1"
    url = unseen(form)
    assert shown(client.build_request("GET", form % 0)) == ("GET", form % 0, GET_FIELDS, b"")

    benchmark(lambda: client.build_request("GET", next(url)))


@pytest.mark.benchmark(group="request: GET with params and a field")
@RIVALS
def test_get_with_params_and_a_field(benchmark: Benchmark, client: Any, name: str) -> None:
    def build() -> Any:
        return client.build_request(
            "GET", "https://example.org/v1/items", params={"page": 1, "q": "a b"}, headers={"X-Token": "abc"}
        )

    fields = [*GET_FIELDS, ("x-token", "abc")]
    assert shown(build()) == ("GET", "https://example.org/v1/items?page=1&q=a+b", fields, b"")

    benchmark(build)


@pytest.mark.benchmark(group="request: POST of JSON, URL seen")
@RIVALS
def test_post_json(benchmark: Benchmark, client: Any, name: str) -> None:
    import json

    body = json.dumps(DOCUMENT, ensure_ascii=False, separators=(",", ":")).encode()
    fields = [*GET_FIELDS, ("content-length", str(len(body))), ("content-type", "application/json")]
    assert shown(client.build_request("POST", URL, json=DOCUMENT)) == ("POST", URL, fields, body)

    benchmark(client.build_request, "POST", URL, json=DOCUMENT)
