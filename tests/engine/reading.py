"""How the engine's tests feed a response to `H1Engine` and write down what came of it. No sockets, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from httpfast import RemoteProtocolError
from httpfast._cext.exchange import Exchange
from httpfast._cext.h1 import H1Engine
from httpfast._cext.headers import RequestHead

Field = tuple[bytes, bytes]

HOST: Field = (b"Host", b"example.org")
CHUNKED: Field = (b"Transfer-Encoding", b"chunked")
SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def request_head(*fields: Field) -> RequestHead:
    """A request's head with a Host field and these."""
    return bare_head(HOST, *fields)


def bare_head(*fields: Field) -> RequestHead:
    """A request's head with these fields only."""
    return RequestHead(tuple((name, name.lower(), value) for name, value in fields))


def asked(method: str = "GET", *fields: Field, collect: bool = False) -> tuple[H1Engine, Exchange]:
    """An engine whose request is out, and the exchange that waits for its answer."""
    engine = H1Engine()
    exchange, _ = engine.begin(method, b"/", request_head(*fields), collect=collect)
    return engine, exchange


def answered(stream: bytes, method: str = "GET", *fields: Field) -> tuple[H1Engine, Exchange]:
    """An engine that has received these octets in one read."""
    engine, exchange = asked(method, *fields)
    engine.receive_data(stream)
    return engine, exchange


@dataclass(frozen=True)
class Outcome:
    """All that can be seen of an exchange once its octets have been received.

    After an error only the error and the body until then count: what else is there belongs to no response.
    """

    failed: bool
    body: bytes
    status: int = 0
    http_version: bytes | None = None
    reason: bytes = b""
    fields: tuple[Field, ...] = ()
    trailers: tuple[Field, ...] | None = None
    informational: tuple[tuple[int, tuple[Field, ...]], ...] = ()
    is_complete: bool = False
    is_tunnel: bool = False
    is_reusable: bool = False
    has_surplus: bool = False


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream cut at these positions."""
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(stream)), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def outcome_of(
    reads: list[bytes], method: str = "GET", fields: tuple[Field, ...] = (), *, eof: bool = False, collect: bool = False
) -> Outcome:
    """Receive these reads as the answer to a request."""
    engine, exchange = asked(method, *fields, collect=collect)
    body = []
    failed = False
    try:
        for read in reads:
            engine.receive_data(read)
            if not collect:
                body.append(exchange.take_body())
        if eof:
            engine.receive_eof()
    except RemoteProtocolError:
        failed = True
    body.append(exchange.take_body())
    if failed:
        assert engine.is_dead
        assert not engine.is_reusable
        assert not exchange.is_complete
        return Outcome(failed=True, body=b"".join(body))
    return Outcome(
        failed=False,
        body=b"".join(body),
        status=exchange.status_code,
        http_version=exchange.http_version,
        reason=exchange.reason_phrase,
        fields=tuple(exchange.fields),
        trailers=None if exchange.trailers is None else tuple(exchange.trailers),
        informational=tuple((status, tuple(found)) for status, found in exchange.informational or ()),
        is_complete=exchange.is_complete,
        is_tunnel=exchange.is_tunnel,
        is_reusable=engine.is_reusable,
        has_surplus=engine.has_surplus,
    )


def assert_refused(
    stream: bytes, match: str, method: str = "GET", fields: tuple[Field, ...] = (), *, eof: bool = False
) -> None:
    """The stream is an error of the peer, whole and octet by octet, and the engine is dead after it."""
    for reads in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        engine, exchange = asked(method, *fields)

        with pytest.raises(RemoteProtocolError, match=match):
            receive_all(engine, reads, eof=eof)

        assert engine.is_dead
        assert not engine.is_reusable
        assert not exchange.is_complete


def receive_all(engine: H1Engine, reads: list[bytes], *, eof: bool = False) -> None:
    for read in reads:
        engine.receive_data(read)
    if eof:
        engine.receive_eof()


def response(*fields: bytes, status: bytes = b"200 OK", version: bytes = b"HTTP/1.1", body: bytes = b"") -> bytes:
    """A response made of field lines as they are."""
    return b"\r\n".join([version + b" " + status, *fields, b"", body])


def chunked(body: bytes, *fields: bytes) -> bytes:
    """A chunked response whose body is these octets as they are."""
    return response(b"Transfer-Encoding: chunked", *fields, body=body)


def shared_json(name: str) -> Any:
    """A data file from beside the project, or None when it is not there."""
    path = SHARED_DATA / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
