"""Header fields: `httpfast.Headers` beside those of httpx and multidict's `CIMultiDict`, which aiohttp uses.

httpfast and httpx keep octets and give str, names in lower case; CIMultiDict keeps the str and the case it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .rivals import Benchmark, rival

FIELDS = [
    ("Server", "nginx/1.26.3"),
    ("Date", "Tue, 05 Aug 2025 12:30:45 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Length", "1024"),
    ("Last-Modified", "Mon, 04 Aug 2025 08:00:00 GMT"),
    ("Connection", "keep-alive"),
    ("ETag", '"68906800-400"'),
    ("Set-Cookie", "session=0b1e7a4c9f; Path=/"),
    ("Set-Cookie", "route=eu-west-1b; Path=/"),
    ("Cache-Control", "max-age=60"),
]
OCTETS = [(name.encode("ascii"), value.encode("ascii")) for name, value in FIELDS]
LOWERED = [(name.lower(), value) for name, value in FIELDS]

CLASSES = {"httpfast": "Headers", "httpx": "Headers", "multidict": "CIMultiDict"}


def class_of(name: str) -> Any:
    return getattr(rival(name), CLASSES[name])


def items_of(name: str) -> Callable[[Any], list[tuple[str, str]]]:
    """How all fields, repeated ones too, are read."""
    if name == "multidict":
        return lambda headers: list(headers.items())
    return lambda headers: headers.multi_items()


def lowered(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in items]


@pytest.mark.benchmark(group="headers: build of 10 pairs of str")
@pytest.mark.parametrize("name", CLASSES)
def test_build(benchmark: Benchmark, name: str) -> None:
    make = class_of(name)
    assert lowered(items_of(name)(make(FIELDS))) == LOWERED

    benchmark(make, FIELDS)


@pytest.mark.benchmark(group="headers: build of 10 pairs of octets")
@pytest.mark.parametrize("name", CLASSES)
def test_build_of_octets(benchmark: Benchmark, name: str) -> None:
    """As they come from the wire. CIMultiDict takes no octets: whoever uses it decodes them first."""
    make = class_of(name)

    def build_decoded() -> Any:
        return make([(key.decode("utf-8"), value.decode("utf-8")) for key, value in OCTETS])

    build = build_decoded if name == "multidict" else lambda: make(OCTETS)
    assert lowered(items_of(name)(build())) == LOWERED

    benchmark(build)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(
            "server", "nginx/1.26.3", id="first", marks=pytest.mark.benchmark(group="headers: look up the first field")
        ),
        pytest.param(
            "Cache-Control",
            "max-age=60",
            id="last",
            marks=pytest.mark.benchmark(group="headers: look up the last field"),
        ),
    ],
)
def test_look_up(benchmark: Benchmark, key: str, value: str, name: str) -> None:
    headers = class_of(name)(FIELDS)
    assert headers[key] == value

    benchmark(lambda: headers[key])


@pytest.mark.benchmark(group="headers: look up an absent field")
@pytest.mark.parametrize("name", CLASSES)
def test_look_up_absent(benchmark: Benchmark, name: str) -> None:
    headers = class_of(name)(FIELDS)
    assert headers.get("Location") is None

    benchmark(lambda: headers.get("Location"))


@pytest.mark.benchmark(group="headers: is a field there")
@pytest.mark.parametrize("name", CLASSES)
def test_contains(benchmark: Benchmark, name: str) -> None:
    headers = class_of(name)(FIELDS)
    assert "etag" in headers

    benchmark(lambda: "etag" in headers)


@pytest.mark.benchmark(group="headers: all items")
@pytest.mark.parametrize("name", CLASSES)
def test_multi_items(benchmark: Benchmark, name: str) -> None:
    headers = class_of(name)(FIELDS)
    items = items_of(name)
    assert lowered(items(headers)) == LOWERED

    benchmark(items, headers)
