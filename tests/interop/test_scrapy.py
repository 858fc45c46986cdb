"""Scrapy with httpfast's download handler: one crawl in a process of its own, and what came of each request."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer
from bench.server.routes import DOCUMENT

# Looked for, not imported: Twisted takes its time.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("scrapy") is None, reason="scrapy, which this tries, is not installed"
)

ROOT = Path(__file__).parents[2]
TIMEOUT = 50.0


@pytest.fixture(scope="module")
def closed_url() -> Iterator[str]:
    """Where nobody listens, and nobody else will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/"


@pytest.fixture(scope="module")
def crawled(embedded_server: EmbeddedServer, closed_url: str) -> dict[str, dict[str, Any]]:
    server = embedded_server
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.crawl", server.url, server.tls_url, closed_url, server.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    results: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("name", ["json", "gzip", "tls"])
def test_page_arrives_with_what_scrapy_tells_of_it(crawled: dict[str, dict[str, Any]], name: str) -> None:
    got = crawled[name]

    assert (got["status"], got["body"].encode("latin-1")) == (200, DOCUMENT)
    assert (got["address"], got["protocol"], got["kind"]) == ("127.0.0.1", "HTTP/1.1", "JsonResponse")
    assert got["certificate"] is (name == "tls")
    assert got["latency"]


def test_request_is_sent_as_scrapy_made_it_and_nothing_is_added(crawled: dict[str, dict[str, Any]]) -> None:
    report = json.loads(crawled["echo"]["body"])
    fields = [tuple(field) for field in report["headers"]]

    assert (report["method"], report["target"], report["length"]) == ("POST", "/echo?a=b", 3)
    assert [value for name, value in fields if name == "X-Two"] == ["1", "2"]
    assert ("User-Agent", "spider/1") in fields
    assert len([name for name, _ in fields if name.lower() == "accept-encoding"]) == 1
    # What is for a proxy goes to no server.
    assert {name.lower() for name, _ in fields}.isdisjoint({"proxy-authorization", "connection"})


def test_redirects_and_cookies_are_the_middlewares(crawled: dict[str, dict[str, Any]]) -> None:
    assert crawled["redirect"]["body"] == "arrived\n"
    assert json.loads(crawled["cookie"]["body"]) == {"cookies": {"a": "1"}}


def test_proxy_gets_its_credentials(crawled: dict[str, dict[str, Any]]) -> None:
    report = json.loads(crawled["proxied"]["body"])

    assert report["target"].startswith("http://127.0.0.1:")
    assert [value for name, value in report["headers"] if name.lower() == "proxy-authorization"] == [
        "Basic dXNlcjpzZXNhbWU="
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("slow", "DownloadTimeoutError"),
        ("drip", "DownloadTimeoutError"),
        ("refused", "DownloadConnectionRefusedError"),
        ("unknown", "CannotResolveHostError"),
        ("lost", "ResponseDataLossError"),
        ("large", "DownloadCancelledError"),
        ("endless", "DownloadCancelledError"),
        ("missing", "HttpError"),
    ],
)
def test_failure_is_an_exception_of_scrapys(crawled: dict[str, dict[str, Any]], name: str, error: str) -> None:
    assert crawled[name] == {"error": error, "status": 404 if name == "missing" else None}


def test_part_of_a_body_is_kept_where_that_is_asked_for(crawled: dict[str, dict[str, Any]]) -> None:
    lossy, stopped = crawled["kept"], crawled["stopped"]

    assert (lossy["length"], lossy["flags"]) == (6, ["dataloss"])
    assert stopped["flags"] == ["download_stopped"]
    assert 0 < stopped["length"] < 5_000_000
