"""The clients that are measured: one small module each, all with the same interface.

A module `bench.clients.NAME` has `open_async`, `open_sync` or both. What they return does the requests of a case; the
caller checks every body, so an adapter must hand over all of it. `get_stream` and `post_json` are left out by clients
that have no such thing; the case then leaves out the client.

Rules for adapters. A rival runs in its documented fast configuration: a session that is kept, connection limits that
allow the case's number in flight, documented switches for work nobody asked for. Nothing undocumented, no patching.
Bodies are handed over as the client gives them: a buffer that it promises to be free of copies is not copied here.
Requests carry each client's own default fields. Timeouts are each client's defaults, except that those of 5 seconds are
raised, so that overload shows as latency and not as errors.

For the cases of HTTP/2 an adapter has `version` as well, which is asked before anything is timed. A client whose
responses do not tell their version is left out of them: gufo_http.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import ModuleType

TIMEOUT = 60.0
"""Seconds, for clients whose default timeout is 5 seconds."""

HTTP2 = "HTTP/2"
"""What `version` of an adapter returns after HTTP/2."""


@dataclass(frozen=True)
class Settings:
    """What a client is opened with.

    Attributes:
        base_url: scheme, host and port, without a slash at the end.
        ca_file: PEM file with the one root to trust, None for a plain server.
        in_flight: requests that are open at once, and so the connections a client must be allowed to have.
        holds: all of these connections have to stay open when they are idle (the memory case).
        http2: speak HTTP/2, on one connection where there is a choice.
    """

    base_url: str
    ca_file: str | None
    in_flight: int
    holds: bool = False
    http2: bool = False


class Body(Protocol):
    """A body: bytes, a memoryview, or another sized buffer of octets."""

    def __len__(self) -> int: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


class AsyncClient(Protocol):
    """A client for event loops, open and ready. Optional: `get_stream(path) -> Body`, `post_json(path, value) -> Any`.
    Of clients with HTTP/2 only: `version`.

    `get_stream` reads the body by chunks as they come, and joins them so that they can be checked. `post_json` has the
    client encode the value, and returns the decoded answer.
    """

    async def get(self, path: str) -> Body:
        """GET, to the end of the body."""
        ...

    async def version(self, path: str) -> str:
        """GET, and the version of HTTP that the client says of the response; `HTTP2` for HTTP/2."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class SyncClient(Protocol):
    """A blocking client, open and ready. Of clients with HTTP/2 only: `version`."""

    def get(self, path: str) -> Body:
        """GET, to the end of the body."""
        ...

    def version(self, path: str) -> str:
        """GET, and the version of HTTP that the client says of the response; `HTTP2` for HTTP/2."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


@dataclass(frozen=True)
class Entry:
    """A client in the table below.

    Attributes:
        name: of the client and of its module here.
        distribution: its name in the package index; None if it comes with Python or with this bench.
        package: what to import to know whether it is installed.
        is_async, is_sync: which of the two it has.
        holds: connections that its pool can open at once in reasonable time, None for no bound known. A pool that scans
            all of its connections for each request needs minutes for 10,000; it is measured with fewer.
        built_on: a package that has to be the one its metadata name. urllib3-future, which niquests needs, takes the
            place of urllib3 when installed from its wheel; then neither urllib3 nor requests would be what they say.
        startup: the import statement and the expression that makes a client, for start-up times.
        http2: it takes part in the cases of HTTP/2.
        is_of_one_thread: it is not to be shared by threads.
        program: it is not a client in Python but this program, see `bench.h2load`.
    """

    name: str
    distribution: str | None
    package: str
    is_async: bool = True
    is_sync: bool = True
    holds: int | None = None
    built_on: str | None = None
    startup: tuple[str, str] | None = None
    http2: bool = False
    is_of_one_thread: bool = False
    program: str | None = None

    def obstacle(self) -> str | None:
        """Why it cannot be measured here; None if it can."""
        if self.program is not None:
            return None if shutil.which(self.program) else "it is not installed"
        try:
            found = importlib.util.find_spec(self.package)
        except ImportError:
            found = None
        if found is None:
            return "it is not installed"
        if self.built_on is not None:
            real = importlib.import_module(self.built_on).__version__
            if real != importlib.metadata.version(self.built_on):
                return f"another package, of version {real}, has taken the place of {self.built_on} here"
        return None

    def load(self) -> ModuleType:
        """Its adapter; imports the client."""
        return importlib.import_module(f"{__name__}.{self.name}")

    def has(self, mode: str) -> bool:
        """Whether it has the `mode`, "async" or "sync"."""
        return self.is_async if mode == "async" else self.is_sync


_GUFO = ("from gufo.http.sync_client import HttpClient", "HttpClient()")
_PYREQWEST = ("from pyreqwest.client import SyncClientBuilder", "SyncClientBuilder().build()")

CLIENTS = (
    Entry("httpfast", "httpfast", "httpfast", startup=("import httpfast", "httpfast.Client()"), http2=True),
    Entry("floor", None, "asyncio"),
    Entry("h2load", None, "", http2=True, program="h2load"),
    Entry("pyreqwest", "pyreqwest", "pyreqwest", startup=_PYREQWEST, http2=True),
    Entry("wreq", "wreq", "wreq", startup=("import wreq.blocking", "wreq.blocking.Client()"), http2=True),
    Entry("gufo_http", "gufo_http", "gufo.http", startup=_GUFO),
    Entry(
        "pycurl",
        "pycurl",
        "pycurl",
        is_async=False,
        startup=("import pycurl", "pycurl.Curl()"),
        http2=True,
        is_of_one_thread=True,
    ),
    Entry("curl_cffi", "curl_cffi", "curl_cffi", startup=("import curl_cffi", "curl_cffi.Session()"), http2=True),
    Entry("aiohttp", "aiohttp", "aiohttp", is_sync=False, startup=("import aiohttp", "aiohttp.ClientSession()")),
    Entry("httpx", "httpx", "httpx", holds=500, startup=("import httpx", "httpx.Client()"), http2=True),
    Entry("httpx2", "httpx2", "httpx2", holds=500, startup=("import httpx2", "httpx2.Client()"), http2=True),
    Entry("niquests", "niquests", "niquests", startup=("import niquests", "niquests.Session()"), http2=True),
    Entry(
        "requests",
        "requests",
        "requests",
        is_async=False,
        built_on="urllib3",
        startup=("import requests", "requests.Session()"),
    ),
    Entry(
        "urllib3",
        "urllib3",
        "urllib3",
        is_async=False,
        built_on="urllib3",
        startup=("import urllib3", "urllib3.PoolManager()"),
    ),
    Entry(
        "http_client",
        None,
        "http.client",
        is_async=False,
        startup=("import http.client", "http.client.HTTPSConnection('localhost')"),
    ),
)
"""All clients, in the order of the tables."""

BY_NAME = {entry.name: entry for entry in CLIENTS}

BASELINE = "pyreqwest"
"""The rival that ratios are given to, next to httpfast."""


def absent(client: Any, kind: str) -> bool:
    """Whether a client has no such request: `get`, `get_stream` or `post_json`."""
    return getattr(client, kind, None) is None
