"""What is measured: one table, one row a case.

    closed    so many callers, each with one request after the other, as fast as they get answers: CPU time a request
    open      requests start on a fixed schedule whether or not earlier ones have ended: latency from the schedule
    memory    what an idle connection costs the client's process
    import    `import` over a bare interpreter
    create    making a client, the first and the second time in a process

One origin, connections that stay open. HTTP/1.1, but for the cases whose names begin with h2: those are HTTP/2 over
TLS, on one connection where a client can share it. Every body is compared with what it has to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PAYLOAD = {
    "model": "small-1",
    "temperature": 0.7,
    "max_tokens": 256,
    "stream": False,
    "messages": [
        {"role": "system", "content": "You answer briefly."},
        {
            "role": "user",
            "content": "What does this sentence, which is repeated until there is enough of it, say? " * 10,
        },
    ],
    "user": "u-1234567",
}
"""What is posted: about 1 KiB as JSON, of the kind that web APIs take."""

JSON_PATH = "/json"
"""Answers any method with a fixed JSON document of about 1 KiB."""

OUTSTANDING = 1_000
"""Open loop: requests that may be open at once. A request that is due beyond it starts when one has ended."""

CONNECTIONS = 10_000
"""Memory: connections held idle, unless said otherwise."""


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
        name: for the command line.
        kind: closed, open, memory, import or create.
        mode: which kind of client, async or sync.
        request: the method of the adapter: get, get_stream or post_json.
        size: octets of the body, for the first two.
        in_flight: requests at once.
        loop: uvloop or asyncio; uvloop falls back to asyncio where it is not installed, and the results say so.
        rate: requests a second, open loop only.
        http2: HTTP/2 over TLS; a client that speaks something else is left out.
        burst: all requests in flight start in one gather, and the next ones when the last of them has ended.
    """

    name: str
    kind: str = "closed"
    mode: str = "async"
    request: str = "get"
    size: int = 1024
    in_flight: int = 1
    tls: bool = False
    loop: str = "uvloop"
    rate: int = 0
    http2: bool = False
    burst: bool = False

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "POST" if self.request == "post_json" else "GET"

    @property
    def path(self) -> str:
        """The path of the URL; the same on every server of this bench."""
        return JSON_PATH if self.request == "post_json" else f"/bytes/{self.size}"

    @property
    def title(self) -> str:
        """The case in words."""
        if self.kind == "memory":
            return "idle plain connections held by an asynchronous client"
        if self.kind == "import":
            return "import, over a bare interpreter"
        if self.kind == "create":
            return "making a client"
        what = "1 KiB JSON for JSON" if self.request == "post_json" else f"{self.size:,} octets"
        if self.request == "get_stream":
            what += ", streamed"
        if self.kind == "open":
            load = f"{self.rate:,} requests/s"
        elif self.burst:
            load = f"{self.in_flight:,} in one gather"
        elif self.is_threaded:
            load = f"{self.in_flight} threads"
        else:
            load = f"{self.in_flight} in flight"
        secured = "HTTP/2 over TLS" if self.http2 else "TLS" if self.tls else "plain"
        where = f"async on {self.loop}" if self.mode == "async" else "sync"
        return f"{self.method} {what}, {load}, {secured}, {where}"

    @property
    def is_threaded(self) -> bool:
        """Whether threads share a blocking client."""
        return self.mode == "sync" and self.in_flight > 1

    def describe(self) -> dict[str, Any]:
        """The case for the results."""
        row: dict[str, Any] = {"name": self.name, "kind": self.kind, "title": self.title}
        if self.kind in ("closed", "open"):
            row |= {"mode": self.mode, "method": self.method, "path": self.path, "request": self.request}
            row |= {"in_flight": self.in_flight, "tls": self.tls, "rate": self.rate}
            row |= {"http2": self.http2, "burst": self.burst}
        return row


CASES = (
    Case("async-1"),
    Case("async-64", in_flight=64),
    Case("async-512", in_flight=512),
    Case("async-64-asyncio", in_flight=64, loop="asyncio"),
    Case("async-64-tls", in_flight=64, tls=True),
    Case("async-100k", size=100_000, in_flight=32),
    Case("async-10m", size=10_000_000),
    Case("async-10m-tls", size=10_000_000, tls=True),
    Case("async-stream", request="get_stream", in_flight=64),
    Case("async-json", request="post_json", in_flight=64),
    Case("sync", mode="sync"),
    Case("sync-tls", mode="sync", tls=True),
    Case("h2-1", tls=True, http2=True),
    Case("h2-64", in_flight=64, tls=True, http2=True),
    Case("h2-512", in_flight=512, tls=True, http2=True),
    Case("h2-1000", in_flight=1_000, tls=True, http2=True),
    Case("h2-burst-64", in_flight=64, tls=True, http2=True, burst=True),
    Case("h2-burst", in_flight=1_000, tls=True, http2=True, burst=True),
    Case("h2-100k", size=100_000, in_flight=32, tls=True, http2=True),
    Case("h2-10m", size=10_000_000, tls=True, http2=True),
    Case("h2-sync", mode="sync", tls=True, http2=True),
    Case("h2-sync-32", mode="sync", in_flight=32, tls=True, http2=True),
    Case("latency-2000", kind="open", rate=2_000, in_flight=OUTSTANDING),
    Case("latency-2000-tls", kind="open", rate=2_000, in_flight=OUTSTANDING, tls=True),
    Case("latency-5000", kind="open", rate=5_000, in_flight=OUTSTANDING),
    Case("latency-5000-tls", kind="open", rate=5_000, in_flight=OUTSTANDING, tls=True),
    Case("memory", kind="memory"),
    Case("import", kind="import"),
    Case("create", kind="create"),
)
"""All cases, in the order in which they run."""

CASES_BY_NAME = {case.name: case for case in CASES}
