"""URLs: `httpfast.URL` beside those of yarl and httpx.

A text that comes again and again is found in yarl's cache of 128; neither of the others has one in its class. A text
that was never seen is what a scraper has; the host is the same in all of them, except where the group says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .rivals import Benchmark, rival, unseen

RIVALS = ["httpfast", "yarl", "httpx"]

# One with all that a URL can have, and one as most are.
FULL = "https://user@example.org:8443/a/b?x=1#f"
PLAIN = "https://example.org/a/b?x=1"
REFERENCE = "../c?y=2"
DEFAULT_PORTS = {"http": 80, "https": 443}


def parts_of(name: str, url: Any) -> tuple[Any, ...]:
    """What the URLs must agree on, decoded: text, scheme, user, host, effective port, path, query, fragment."""
    if name == "yarl":
        return str(url), url.scheme, url.user or "", url.host, url.port, url.path, url.raw_query_string, url.fragment
    port = url.port or DEFAULT_PORTS[url.scheme]
    return str(url), url.scheme, url.username, url.host, port, url.path, url.query.decode("ascii"), url.fragment


PARTS_OF_FULL = (FULL, "https", "user", "example.org", 8443, "/a/b", "x=1", "f")
PARTS_OF_PLAIN = (PLAIN, "https", "", "example.org", 443, "/a/b", "x=1", "")


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(FULL, PARTS_OF_FULL, id="full", marks=pytest.mark.benchmark(group="url: parse, seen, all parts")),
        pytest.param(PLAIN, PARTS_OF_PLAIN, id="plain", marks=pytest.mark.benchmark(group="url: parse, seen, plain")),
    ],
)
def test_parse_seen(benchmark: Benchmark, text: str, parts: tuple[Any, ...], name: str) -> None:
    make = rival(name).URL
    assert parts_of(name, make(text)) == parts

    benchmark(make, text)


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(
            "https://user@example.org:8443/a/b%d?x=1#f",
            id="full",
            marks=pytest.mark.benchmark(group="url: parse, never seen, all parts"),
        ),
        pytest.param(
            "https://example.org/a/b%d?x=1",
            id="plain",
            marks=pytest.mark.benchmark(group="url: parse, never seen, plain"),
        ),
        pytest.param(
            "https://www%d.example.org/a/b?x=1",
            id="plain-host",
            marks=pytest.mark.benchmark(group="url: parse, never seen, plain, new host too"),
        ),
    ],
)
def test_parse_never_seen(benchmark: Benchmark, form: str, name: str) -> None:
    make = rival(name).URL
    text = unseen(form)
    assert str(make(form % 0)) == form % 0

    benchmark(lambda: make(next(text)))


@pytest.mark.benchmark(group="url: parse, never seen, plain, and read every part")
@pytest.mark.parametrize("name", RIVALS)
def test_parse_and_read(benchmark: Benchmark, name: str) -> None:
    """With the text written out again: yarl and httpfast leave some of the work until it is asked for."""
    make = rival(name).URL
    text = unseen("https://example.org/a/b%d?x=1")
    assert parts_of(name, make(PLAIN)) == PARTS_OF_PLAIN

    benchmark(lambda: parts_of(name, make(next(text))))


def join_of(name: str) -> Callable[[Any, str], Any]:
    if name == "yarl":
        make = rival(name).URL
        return lambda base, reference: base.join(make(reference))
    return lambda base, reference: base.join(reference)


@pytest.mark.benchmark(group="url: join, seen")
@pytest.mark.parametrize("name", RIVALS)
def test_join_seen(benchmark: Benchmark, name: str) -> None:
    base = rival(name).URL(PLAIN)
    join = join_of(name)
    assert str(join(base, REFERENCE)) == "https://example.org/c?y=2"

    benchmark(join, base, REFERENCE)


@pytest.mark.benchmark(group="url: join, never seen")
@pytest.mark.parametrize("name", RIVALS)
def test_join_never_seen(benchmark: Benchmark, name: str) -> None:
    base = rival(name).URL(PLAIN)
    join = join_of(name)
    reference = unseen("../c%d?y=2")
    assert str(join(base, "../c0?y=2")) == "https://example.org/c0?y=2"

    benchmark(lambda: join(base, next(reference)))


@pytest.mark.benchmark(group="url: str() of one URL")
@pytest.mark.parametrize("name", RIVALS)
def test_text(benchmark: Benchmark, name: str) -> None:
    url = rival(name).URL(FULL)
    assert str(url) == FULL

    benchmark(str, url)


@pytest.mark.benchmark(group="url: host of one URL")
@pytest.mark.parametrize("name", RIVALS)
def test_host(benchmark: Benchmark, name: str) -> None:
    url = rival(name).URL(FULL)
    assert url.host == "example.org"

    benchmark(lambda: url.host)


@pytest.mark.benchmark(group="url: another query")
@pytest.mark.parametrize("name", RIVALS)
def test_another_query(benchmark: Benchmark, name: str) -> None:
    """`copy_with(params=...)`, which yarl calls `with_query`."""
    url = rival(name).URL(FULL)
    params = {"y": "2", "z": "3"}

    def change() -> Any:
        return url.with_query(params) if name == "yarl" else url.copy_with(params=params)

    assert str(change()) == "https://user@example.org:8443/a/b?y=2&z=3#f"

    benchmark(change)


@pytest.mark.benchmark(group="url: another path")
@pytest.mark.parametrize("name", RIVALS)
def test_another_path(benchmark: Benchmark, name: str) -> None:
    """`copy_with(path=...)`, which yarl calls `with_path`. yarl drops query and fragment, so the URL has none."""
    url = rival(name).URL("https://user@example.org:8443/a/b")

    def change() -> Any:
        return url.with_path("/c/d") if name == "yarl" else url.copy_with(path="/c/d")

    assert str(change()) == "https://user@example.org:8443/c/d"

    benchmark(change)
