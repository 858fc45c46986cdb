"""Targets of what reads single values: `url`, `cookies`, `multipart`, `digest` and `fields`."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from typing import Any
from zlib import crc32

from httpfast import URL, Cookies, DigestAuth, InvalidURL, LocalProtocolError, ProtocolError, Request, Response
from httpfast._cext.headers import RequestHead
from httpfast._cli.download import DEFAULT_NAME, chosen_name
from httpfast._multipart import MultipartStream, boundary_of
from httpfast._urlparse import DEFAULT_PORTS

from ..cookie_exchange import respond

# Between the parts of an input: no octet of UTF-8.
SEPARATOR = b"\xff"

_NOT_IN_FIELDS = bytes([*range(9), *range(10, 32), 127])
_UNSAFE = re.compile(rb"[^!-~]")


def parts_of(octets: bytes, count: int) -> list[bytes]:
    """The input in so many parts, empty ones for those that it does not have."""
    found = octets.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def text_of(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def as_received(value: bytes) -> bytes:
    """A field's value as the engines let it through (RFC 9110, 5.5)."""
    return value.translate(None, _NOT_IN_FIELDS).strip(b" \t")


def sendable(request: Request) -> None:
    """Raises LocalProtocolError unless the request's fields can be sent."""
    RequestHead(tuple((name, name.lower(), value) for name, value in request.headers.raw))


# URL

_COMPONENTS = ("path", "host", "fragment", "username", "password", "scheme")
_OCTETS = ("raw_path", "query", "netloc", "userinfo")


def url(octets: bytes) -> None:
    """A URL, a reference to resolve against it, and a new value for one of its parts."""
    base_octets, reference, component = parts_of(octets, 3)
    try:
        base = URL(text_of(base_octets))
    except InvalidURL:
        return
    _check_url(base)
    with suppress(InvalidURL):
        _check_url(base.join(text_of(reference)))
    if component:
        _check_copy(base, _change(component, crc32(octets)))


def _change(component: bytes, chance: int) -> dict[str, Any]:
    """A part of the URL and its new value. All of them each time would be a tenth of the executions."""
    names = (*_COMPONENTS, "port", "params", *_OCTETS)
    name = names[chance % len(names)]
    text = text_of(component)
    if name in _OCTETS:
        return {name: component} if text.isascii() else {"path": text}
    if name == "port":
        return {name: int.from_bytes(component[:3], "big")}
    return {name: {text: text} if name == "params" else text}


def _check_copy(base: URL, change: dict[str, Any]) -> None:
    try:
        changed = base.copy_with(**change)
    except InvalidURL:
        return
    _check_url(changed)


def _check_url(found: URL) -> None:
    """It is in normal form, and nothing in it can break out of a request line or a Host field."""
    text = str(found)
    again = URL(text)
    assert str(again) == text
    assert again.raw_host == found.raw_host
    assert again.port == found.port
    assert again.raw_path == found.raw_path
    assert again.userinfo == found.userinfo
    assert again == found
    assert hash(again) == hash(found)
    assert _UNSAFE.search(found.raw_path) is None
    assert _UNSAFE.search(found.netloc) is None
    # Hosts of schemes that nothing is known of may have a backslash.
    assert not set(found.raw_host) & set(b"/?#@\\" if found.scheme in DEFAULT_PORTS else b"/?#@")
    if b":" in found.userinfo:
        assert repr(f":[secure]@{found.netloc.decode()}")[1:-1] in repr(found)
    found.host, found.path, found.params, found.fragment, found.username  # noqa: B018 - they are computed when read
    if found.is_absolute_url:
        found.origin  # noqa: B018


# Cookies

_SITES = ("http://a.example.com/x/y", "https://a.example.com/", "http://127.0.0.1/", "https://example.com/x/")
_STRANGER = "https://other.org/x/y"


_MOST_LINES = 4
"""Of a site. More of them find no more, and take longer."""


def cookies(octets: bytes) -> None:
    """Set-Cookie lines of two sites, and what goes to some site or a stranger: the first octet says which."""
    if not octets:
        return
    choice = octets[0]
    jar = Cookies()
    for site, lines in zip((_SITES[choice & 3], _SITES[choice >> 2 & 3]), parts_of(octets[1:], 2), strict=True):
        respond(jar, site, *[as_received(line) for line in lines.split(b"\n", _MOST_LINES)[:_MOST_LINES]])
    asked = _STRANGER if choice >> 6 == 3 else _SITES[choice >> 4 & 3]
    request = Request("GET", asked)
    jar.set_cookie_header(request)
    sendable(request)
    field = request.headers.get("Cookie", "")
    assert len(field) <= 8190
    if asked == _STRANGER:
        assert not field
    if field and asked.startswith("http:"):
        hidden = {cookie.name for cookie in jar.jar if cookie.secure}
        open_ones = {cookie.name for cookie in jar.jar if not cookie.secure}
        sent = {pair.partition("=")[0] for pair in field.split("; ")}
        assert not sent & (hidden - open_ones - {""})
    repr(jar)


# Multipart

_BOUNDARY = b"2718281828459045"


def multipart(octets: bytes) -> None:
    """A form of a field and a file: names, type and a part's field of any text make no line of their own."""
    name, filename, content_type, key, value, content = parts_of(octets, 6)
    boundary_of(value)
    headers = {text_of(key): text_of(value)} if key else {}
    file = (text_of(filename), content, text_of(content_type) if content_type else None, headers)
    try:
        stream = MultipartStream({text_of(name): content}, [(text_of(name), file)], _BOUNDARY)
        body = b"".join(stream)
    except LocalProtocolError:
        return
    assert stream.get_content_length() == len(body)
    if _BOUNDARY in octets:
        return
    before, field, upload, after = body.split(b"--" + _BOUNDARY)
    assert (before, after) == (b"", b"--\r\n")
    assert _lines(field, content) == [b"Content-Disposition"]
    # One that is given in any case, or one that is guessed, unless there is nothing to guess it of.
    named = {text.lower() for text in headers}
    typed = not named & {"content-type"} and (content_type or filename)
    assert len(_lines(upload, content)) == 1 + len(headers) + bool(typed)


def _lines(part: bytes, content: bytes) -> list[bytes]:
    """The names of the fields in a part's head; its content has to be what was given."""
    assert part.startswith(b"\r\n")
    head, _, body = part[2:].partition(b"\r\n\r\n")
    assert body == content + b"\r\n"
    names = []
    for line in head.split(b"\r\n"):
        assert not set(line) & {0, 10, 13}
        name, colon, _ = line.partition(b": ")
        assert colon
        names.append(name)
    return names


# Digest

_PASSWORD = b"correct horse battery staple"


def digest(octets: bytes) -> None:
    """Challenges, and others for the answer: what is sent back can be sent, and the password is not in it."""
    auth = DigestAuth('us"er\\', _PASSWORD)
    request = Request("GET", "https://example.com/a?b=c")
    flow = auth.auth_flow(request)
    asked = next(flow)
    for lines in parts_of(octets, 3):
        fields = [(b"WWW-Authenticate", as_received(line)) for line in lines.split(b"\n")]
        try:
            asked = flow.send(Response(401, headers=fields, request=asked))
        except (StopIteration, ProtocolError, NotImplementedError):
            # The last is for qop=auth-int, as in httpx.
            return
        sendable(asked)
        field = dict(asked.headers.raw)[b"Authorization"]
        assert field.startswith(b"Digest ")
        assert _PASSWORD not in field
        assert len(field) < 64 * 1024


# Fields

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")


@cache
def _address() -> URL:
    return URL("https://example.com/")


def fields(octets: bytes) -> None:
    """Content-Type with a body, Link, Content-Disposition, and a path: a text, links, a name for a file."""
    kind, link, disposition, path, content = parts_of(octets, 5)
    response = Response(
        200,
        headers=[
            (b"Content-Type", as_received(kind)),
            (b"Link", as_received(link)),
            (b"Content-Disposition", as_received(disposition)),
        ],
        content=content,
        request=Request("GET", _address()),
    )
    assert isinstance(response.text, str)
    assert isinstance(response.encoding, str)
    assert all(isinstance(found, dict) for found in response.links.values())
    try:
        address = _address().copy_with(path="/" + text_of(path))
    except InvalidURL:
        address = _address()
    for value in (None, response.headers["Content-Disposition"]):
        _check_name(chosen_name(address, value))


def _check_name(name: str) -> None:
    """A plain name of one file in a folder."""
    assert name == DEFAULT_NAME or name.strip("_ .")
    assert 0 < len(name.encode()) <= 255
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert _CONTROL.search(name) is None
