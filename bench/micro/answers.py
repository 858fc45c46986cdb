"""Responses as they come: the octets of each read, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

Field = tuple[bytes, bytes]


@dataclass(frozen=True)
class Answer:
    """A response to a GET, in the reads it comes in, with what any reader has to make of it."""

    name: str
    reads: list[bytes]
    status: int
    fields: list[Field]
    body: bytes


def head_of(fields: list[Field]) -> bytes:
    lines = [b"%b: %b\r\n" % field for field in fields]
    return b"".join([b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n"])


# As nginx 1.26 sends a static file.
NGINX_FIELDS: list[Field] = [
    (b"Server", b"nginx/1.26.3"),
    (b"Date", b"Tue, 05 Aug 2025 12:30:45 GMT"),
    (b"Content-Type", b"application/octet-stream"),
    (b"Content-Length", b"1024"),
    (b"Last-Modified", b"Mon, 04 Aug 2025 08:00:00 GMT"),
    (b"Connection", b"keep-alive"),
    (b"ETag", b'"68906800-400"'),
    (b"Accept-Ranges", b"bytes"),
]
NGINX_BODY = bytes(range(256)) * 4

# Thirty fields: what an API behind a gateway and a CDN collects on its way.
GATEWAY_BODY = b'{"id":"7d1f0c7e","state":"active","tags":["a","b","c"],"links":{"self":"/v1/items/7d1f0c7e"}}'
GATEWAY_FIELDS: list[Field] = [
    (b"Date", b"Tue, 05 Aug 2025 12:30:45 GMT"),
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Content-Length", b"%d" % len(GATEWAY_BODY)),
    (b"Connection", b"keep-alive"),
    (b"Cache-Control", b"private, max-age=0, must-revalidate"),
    (b"Vary", b"Accept, Accept-Encoding, Authorization, Origin"),
    (b"ETag", b'W/"5f3c9a0b7e1d4c2f8a6b0e9d3c7f1a25"'),
    (b"Last-Modified", b"Tue, 05 Aug 2025 12:28:11 GMT"),
    (b"Set-Cookie", b"session=0b1e7a4c9f; Path=/; Secure; HttpOnly; SameSite=Lax"),
    (b"Set-Cookie", b"route=eu-west-1b; Path=/; Max-Age=3600; Secure"),
    (b"Strict-Transport-Security", b"max-age=63072000; includeSubDomains; preload"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"X-XSS-Protection", b"0"),
    (b"Referrer-Policy", b"origin-when-cross-origin, strict-origin-when-cross-origin"),
    (b"Access-Control-Allow-Origin", b"https://app.example.org"),
    (b"Access-Control-Allow-Credentials", b"true"),
    (b"Access-Control-Expose-Headers", b"ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining"),
    (b"X-RateLimit-Limit", b"5000"),
    (b"X-RateLimit-Remaining", b"4987"),
    (b"X-RateLimit-Reset", b"1754399445"),
    (b"X-Request-Id", b"c0ffee00-1234-4abc-9def-0123456789ab"),
    (b"X-Trace-Id", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (b"X-Upstream-Time", b"0.043"),
    (b"Server-Timing", b"db;dur=12.4, app;dur=28.9, gateway;dur=1.7"),
    (b"Via", b"1.1 gateway-7.example.org, 1.1 cdn-3.example.org"),
    (b"Age", b"0"),
    (b"X-Cache", b"MISS"),
    (b"Server", b"gateway"),
]

CHUNKED_FIELDS: list[Field] = [
    (b"Date", b"Tue, 05 Aug 2025 12:30:45 GMT"),
    (b"Content-Type", b"text/event-stream"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Connection", b"keep-alive"),
]
CHUNKS = [b"data: %03d %b\n\n" % (number, b"." * 256) for number in range(20)]

_nginx = head_of(NGINX_FIELDS) + NGINX_BODY
_half = len(head_of(NGINX_FIELDS)) // 2
_gateway = head_of(GATEWAY_FIELDS) + GATEWAY_BODY
_chunked = head_of(CHUNKED_FIELDS) + b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in CHUNKS])

ANSWERS = [
    Answer("nginx, 1 KiB", [_nginx], 200, NGINX_FIELDS, NGINX_BODY),
    Answer("nginx, head in two reads", [_nginx[:_half], _nginx[_half:]], 200, NGINX_FIELDS, NGINX_BODY),
    Answer("gateway, 30 fields", [_gateway], 200, GATEWAY_FIELDS, GATEWAY_BODY),
    Answer("20 chunks", [_chunked + b"0\r\n\r\n"], 200, CHUNKED_FIELDS, b"".join(CHUNKS)),
]
