"""Well-behaved routes. Fixed ones are functions of the request's head; live ones read bodies, wait or stream."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import Iterator
from functools import cache

from .connection import FixedHandler, LiveHandler, split_path
from .content import BLOCK_SIZE, content, content_pieces, content_view
from .exchange import Exchange
from .wire import Answer, BadRequest, Fields, RequestHead, encode_chunk

OCTETS = "application/octet-stream"
STREAM_PIECE = 256 * 1024
MAX_FIXED_CHUNKED = 1024 * 1024
MAX_PAUSE = 3600.0
DOCUMENT = json.dumps({"items": [{"id": n, "text": f"item {n} \u00e9"} for n in range(20)]}).encode()


def number(text: str, name: str = "number", most: int = 1 << 40) -> int:
    """A decimal argument from 0 to `most`."""
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most):
        raise BadRequest(f"{name} {text[:32]!r} is not within 0 and {most}")
    return int(text)


def seconds(text: str) -> float:
    """A duration argument, at most an hour."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_PAUSE:
        raise BadRequest(f"{text[:32]!r} is not a duration in seconds")
    return value


def header_text(text: str) -> str:
    """A query parameter that is fit for a header field."""
    if not text.isprintable() or not text.isascii():
        raise BadRequest(f"{text[:32]!r} is not fit for a header field")
    return text


def as_json(value: object, status: int = 200, fields: Fields = ()) -> Answer:
    """A JSON answer."""
    return Answer.of(json.dumps(value).encode(), "application/json", status, fields)


def index(request: RequestHead, argument: str) -> Answer:
    return Answer.text("bench.server: the routes are listed in bench/server/__init__.py\n")


def sized(request: RequestHead, argument: str) -> Answer | None:
    size = number(argument)
    return Answer.of(content_view(size), OCTETS) if size <= BLOCK_SIZE else None


async def sized_large(exchange: Exchange, argument: str) -> None:
    size = number(argument)
    await exchange.start(200, [("Content-Type", OCTETS)], size)
    await exchange.write_all(content_pieces(size, STREAM_PIECE))


def chunk_size(request: RequestHead) -> int:
    return max(1, number(request.query.get("size", "1024"), "size", BLOCK_SIZE // 2))


def chunked(request: RequestHead, argument: str) -> Answer | None:
    size, piece = number(argument), chunk_size(request)
    if request.is_http10 or size > MAX_FIXED_CHUNKED:
        return None
    pieces = (encode_chunk(data) for data in content_pieces(size, piece))
    body = b"".join([*pieces, b"0\r\n\r\n"])
    return Answer(200, body, [("Content-Type", OCTETS), ("Transfer-Encoding", "chunked")])


async def chunked_large(exchange: Exchange, argument: str) -> None:
    await exchange.start(200, [("Content-Type", OCTETS)])
    await exchange.write_all(content_pieces(number(argument), chunk_size(exchange.request)))
    exchange.finish()


async def close_delimited(exchange: Exchange, argument: str) -> None:
    await exchange.start(200, [("Content-Type", OCTETS)], closes=True)
    await exchange.write_all(content_pieces(number(argument), STREAM_PIECE))


async def connection_close(exchange: Exchange, argument: str) -> None:
    size = number(argument)
    await exchange.start(200, [("Content-Type", OCTETS)], size, closes=True)
    await exchange.write_all(content_pieces(size, STREAM_PIECE))


def document(request: RequestHead, argument: str) -> Answer:
    return Answer.of(DOCUMENT, "application/json")


def head(request: RequestHead, argument: str) -> Answer:
    fields = [("ETag", '"bench"'), ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"), ("Accept-Ranges", "none")]
    return Answer.of(content_view(1000), OCTETS, fields=fields)


def status(request: RequestHead, argument: str) -> Answer:
    code = number(argument, "status", 599)
    if code < 200:
        raise BadRequest(f"{code} is not a final status")
    return Answer.text(f"status {code}\n", code)


def redirect_status(request: RequestHead) -> int:
    code = number(request.query.get("status", "302"), "status", 399)
    if code < 300:
        raise BadRequest(f"{code} is not a redirection")
    return code


def redirect(request: RequestHead, argument: str) -> Answer:
    hops = number(argument, "hops", 10_000)
    if not hops:
        return Answer.text("arrived\n")
    query = f"?{request.query_string}" if request.query_string else ""
    return Answer.text("hop\n", redirect_status(request), [("Location", f"/redirect/{hops - 1}{query}")])


def redirect_to(request: RequestHead, argument: str) -> Answer:
    location = header_text(request.query.get("url", "/"))
    return Answer.text("hop\n", redirect_status(request), [("Location", location)])


@cache
def encoded(coding: str) -> bytes:
    if coding == "br":
        import brotli  # type: ignore[import-untyped]

        return bytes(brotli.compress(DOCUMENT))
    if coding == "zstd":
        import zstandard

        return zstandard.compress(DOCUMENT)
    window = {"gzip": 31, "deflate": 15, "raw": -15}[coding]
    compressor = zlib.compressobj(wbits=window)
    return compressor.compress(DOCUMENT) + compressor.flush()


def coded(request: RequestHead, argument: str) -> Answer:
    coding = split_path(request.path)[0]
    variant = "raw" if coding == "deflate" and request.query.get("raw") == "1" else coding
    return Answer.of(encoded(variant), "application/json", fields=[("Content-Encoding", coding)])


def cookies(request: RequestHead, argument: str) -> Answer:
    if argument == "set":
        fields = [("Set-Cookie", header_text(f"{name}={value}")) for name, value in request.query_pairs]
        return as_json({"set": dict(request.query_pairs)}, fields=fields)
    pairs = (pair.strip().partition("=") for value in request.values("cookie") for pair in value.split(";"))
    return as_json({"cookies": {name: value for name, _, value in pairs}})


def digest(request: RequestHead, argument: str) -> Answer:
    if any(value.startswith("Digest ") for value in request.values("authorization")):
        return Answer.text("known\n")
    challenge = 'Digest realm="tests", nonce="5f1a", qop="auth", algorithm=SHA-256'
    return Answer.text("who?\n", 401, [("WWW-Authenticate", challenge)])


def events(count: int) -> Iterator[bytes]:
    for n in range(count):
        yield b'id: %d\nevent: tick\ndata: {"n": %d}\n\n' % (n, n)


async def event_stream(exchange: Exchange, argument: str) -> None:
    query = exchange.request.query
    interval = seconds(query.get("interval", "0"))
    await exchange.start(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
    for event in events(number(query.get("count", "3"), "count")):
        await exchange.write(event)
        if interval and not exchange.is_head:
            await asyncio.sleep(interval)
    exchange.finish()


async def trailers(exchange: Exchange, argument: str) -> None:
    body = content(64)
    await exchange.start(200, [("Content-Type", OCTETS), ("Trailer", "x-checksum, x-note")])
    await exchange.write_all([body[:32], body[32:]])
    exchange.finish([("x-checksum", hashlib.sha256(body).hexdigest()), ("x-note", "the end")])


def http10(request: RequestHead, argument: str) -> Answer:
    keeps = split_path(request.path)[0] == "http10-keepalive"
    body = b"an HTTP/1.0 answer\n"
    return Answer(200, body, [("Content-Type", "text/plain")], len(body), closes=not keeps, version="1.0")


async def connections(exchange: Exchange, argument: str) -> None:
    service, own = exchange.connection.service, exchange.connection.id
    served = service.served | {own: service.served.get(own, 0) + 1}
    exchange.answer(as_json({"accepted": service.accepted, "open": len(service.open), "served": served}))


async def seen(exchange: Exchange, argument: str) -> None:
    tokens, prefix = exchange.connection.service.seen, argument + "."
    found = {token: count for token, count in tokens.items() if token.startswith(prefix)}
    for token in found:
        del tokens[token]
    exchange.answer(as_json(found))


async def echo(exchange: Exchange, argument: str) -> None:
    digest, length = hashlib.sha256(), 0
    async for piece in exchange.body:
        digest.update(piece)
        length += len(piece)
    request = exchange.request
    report = {
        "method": request.method,
        "target": request.target,
        "headers": [list(field) for field in request.fields],
        "trailers": [list(field) for field in exchange.body.trailers],
        "length": length,
        "sha256": digest.hexdigest(),
    }
    exchange.answer(as_json(report))


async def echo_body(exchange: Exchange, argument: str) -> None:
    exchange.body.invite()
    length = None if exchange.request.is_chunked else exchange.request.length or 0
    await exchange.start(200, [("Content-Type", OCTETS)], length)
    async for piece in exchange.body:
        await exchange.write(piece)
    exchange.finish()


async def drain(exchange: Exchange, argument: str) -> None:
    exchange.answer(Answer.text(str(await exchange.body.drop())))


async def honour_continue(exchange: Exchange, argument: str) -> None:
    length = await exchange.body.drop()
    exchange.answer(as_json({"expected": exchange.request.expects_continue, "length": length}))


async def delay(exchange: Exchange, argument: str) -> None:
    await asyncio.sleep(seconds(argument))
    exchange.answer(Answer.text("late\n"))


async def drip(exchange: Exchange, argument: str) -> None:
    size, interval = number(argument), seconds(exchange.request.query.get("interval", "0.01"))
    await exchange.start(200, [("Content-Type", OCTETS)], size)
    if exchange.is_head:
        return
    for octet in content_pieces(size, 1):
        await exchange.write(octet)
        await asyncio.sleep(interval)


async def early_hints(exchange: Exchange, argument: str) -> None:
    exchange.inform(103, [("Link", "</style.css>; rel=preload; as=style")])
    exchange.answer(Answer.text("final\n"))


async def informational(exchange: Exchange, argument: str) -> None:
    for n in range(number(argument, "count", 1_000_000)):
        exchange.inform(103, [("x-hint", str(n))])
        await exchange.connection.drained()
    exchange.answer(Answer.text("final\n"))


async def upgrade(exchange: Exchange, argument: str) -> None:
    request, is_connect = exchange.request, exchange.request.method == "CONNECT"
    if not is_connect and (request.members("upgrade") != ["echo"] or "upgrade" not in request.members("connection")):
        exchange.answer(Answer.text("ask for Upgrade: echo\n", 426, [("Upgrade", "echo"), ("Connection", "Upgrade")]))
        return
    if not is_connect:
        # The new protocol starts after the request's body (RFC 9110, 7.8).
        await exchange.body.drop()
        await exchange.start_tunnel(101, (("Upgrade", "echo"), ("Connection", "Upgrade")))
    else:
        await exchange.start_tunnel(200, ())
    while True:
        exchange.send(await exchange.connection.inbox.take(STREAM_PIECE))
        await exchange.connection.drained()


FIXED: dict[str, FixedHandler] = {
    "": index,
    "*": index,
    "bytes": sized,
    "chunked": chunked,
    "json": document,
    "head": head,
    "status": status,
    "redirect": redirect,
    "redirect-to": redirect_to,
    "gzip": coded,
    "deflate": coded,
    "br": coded,
    "zstd": coded,
    "cookies": cookies,
    "digest": digest,
    "http10": http10,
    "http10-keepalive": http10,
}

LIVE: dict[str, LiveHandler] = {
    "bytes": sized_large,
    "chunked": chunked_large,
    "close": close_delimited,
    "connection-close": connection_close,
    "sse": event_stream,
    "trailers": trailers,
    "connections": connections,
    "seen": seen,
    "echo": echo,
    "echo-body": echo_body,
    "drain": drain,
    "continue": honour_continue,
    "delay": delay,
    "drip": drip,
    "early-hints": early_hints,
    "informational": informational,
    "upgrade": upgrade,
}
