"""What a caller can put into a request cannot become another field, request or octet (RFC 9110, 5.5; RFC 9112, 11.1).

Each case goes through the public client. Where it has to be refused, the peer must not have received a single octet.
The row in brackets names the case in the catalogue of known attacks on clients.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

import httpfast

from ..peers import ReadRequest, ScriptedPeer, Send
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSALS = (httpfast.LocalProtocolError, httpfast.InvalidURL, httpfast.UnsupportedProtocol, ValueError, TypeError)
INJECTION = "\r\nX-Evil: 1"


async def refuses(driver: Driver, method: str, path: str = "/", **arguments: Any) -> None:
    """Check that a request is refused on a new and on a kept connection, before anything of it is written."""
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        with pytest.raises(REFUSALS):
            await client.request(method, peer.url + path, **arguments)
        assert not any(peer.received)
        await client.get(peer.url)
        received = peer.received[0]
        with pytest.raises(REFUSALS):
            await client.request(method, peer.url + path, **arguments)
        after = await client.get(peer.url)

        # The connection is unharmed, and has carried the two plain requests only.
        assert after.text == "ok"
        assert peer.received == [received * 2]
        await client.rest()


async def sent(driver: Driver, method: str, path: str = "/", **arguments: Any) -> bytes:
    """The octets of a request that may be sent."""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = driver.client()
        assert (await client.request(method, peer.url + path, **arguments)).text == "ok"
        return peer.requests[0][0]


@pytest.mark.parametrize("octet", ["\r", "\n", "\x00", " ", "\t", "\x7f", ":", "\u00e9", "(", ""])
async def test_method_that_is_no_token_is_refused(driver: Driver, octet: str) -> None:
    """[INJ-01]"""
    await refuses(driver, f"GE{octet}T" if octet else "")


async def test_method_with_a_request_in_it_is_refused(driver: Driver) -> None:
    """[INJ-01]"""
    await refuses(driver, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\nGET")


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\x00b", "a\x01b", "a\x7fb", "\r\n", INJECTION], ids=repr)
@pytest.mark.parametrize("kind", ["str", "bytes"])
@pytest.mark.parametrize("place", ["request", "client"])
async def test_control_character_in_a_field_value_is_refused(driver: Driver, value: str, kind: str, place: str) -> None:
    """[INJ-02]"""
    headers = {"X-Own": value if kind == "str" else value.encode()}
    if place == "request":
        await refuses(driver, "GET", headers=headers)
        return
    with ScriptedPeer() as peer:
        client = driver.client(headers=headers)
        with pytest.raises(REFUSALS):
            await client.get(peer.url)
        assert peer.connections == 0


class Changing(str):
    """A string that reads differently each time it is converted."""

    def __str__(self) -> str:
        return "evil\r\nX-Evil: 1"

    def encode(self, *arguments: Any) -> bytes:
        return b"evil\r\nX-Evil: 1"


async def test_value_that_changes_when_it_is_read_is_refused_or_harmless(driver: Driver) -> None:
    """[INJ-02]"""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = driver.client()
        try:
            await client.get(peer.url, headers={"X-Own": Changing("good")})
        except REFUSALS:
            await client.get(peer.url)
        assert b"Evil" not in peer.received[0]


@pytest.mark.parametrize("value", [1, None, 1.5, ["a"], object()], ids=repr)
async def test_value_that_is_no_text_is_refused(driver: Driver, value: Any) -> None:
    """[INJ-02]"""
    await refuses(driver, "GET", headers={"X-Own": value})


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", ":a", "a\r\nb", "a\nb", "a\x00", "\u00e9", "a\t", "(a)", "a/b"], ids=repr
)
@pytest.mark.parametrize("kind", ["str", "bytes"])
async def test_field_name_that_is_no_token_is_refused(driver: Driver, name: str, kind: str) -> None:
    """[INJ-03]"""
    await refuses(driver, "GET", headers={name if kind == "str" else name.encode(): "v"})


@pytest.mark.parametrize("text", ["\r\n", "\n", "\r", "\x00", "\x7f", "\t"], ids=repr)
@pytest.mark.parametrize("place", ["/a{}b", "/?q={}", "/#{}"])
async def test_control_character_in_a_url_is_refused(driver: Driver, text: str, place: str) -> None:
    """[INJ-04]"""
    await refuses(driver, "GET", place.format(text))


@pytest.mark.parametrize("text", ["\r\nX-Evil: 1", " HTTP/1.1\r\n", "\x00", "\u2028"], ids=repr)
async def test_parameter_is_percent_encoded(driver: Driver, text: str) -> None:
    """[INJ-04]"""
    request = await sent(driver, "GET", params={"a": text, text: "b"})

    line = request.partition(b"\r\n")[0]
    assert re.fullmatch(rb"GET /\?[!-~]+ HTTP/1\.1", line)
    assert b"\r\nX-Evil" not in request


async def test_space_in_a_path_is_percent_encoded(driver: Driver) -> None:
    """[INJ-04]"""
    assert (await sent(driver, "GET", "/a b HTTP/1.1")).startswith(b"GET /a%20b%20HTTP/1.1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "target", [b"", b"/a b", b"/\r\nX: 1", b"/\n", b"/\x00", "/\u00e9", b"/\xff", b"/\t"], ids=repr
)
async def test_target_extension_is_checked(driver: Driver, target: Any) -> None:
    """[INJ-04]"""
    await refuses(driver, "GET", extensions={"target": target})


@pytest.mark.parametrize("url", ["http://127.0.0.1\r\nX: 1/", "http://u\r\n:p@127.0.0.1/", "http://a\x00b/"], ids=repr)
async def test_control_character_in_an_authority_is_refused(driver: Driver, url: str) -> None:
    """[INJ-05]"""
    client = driver.client()

    with pytest.raises(REFUSALS):
        await client.get(url)
    with pytest.raises(REFUSALS):
        driver.client(base_url=url)


@pytest.mark.parametrize("host", ["a\r\nX-Evil: 1", "a\nb", "a\x00"], ids=repr)
async def test_control_character_in_a_host_field_is_refused(driver: Driver, host: str) -> None:
    """[INJ-05]"""
    await refuses(driver, "GET", headers={"Host": host})


@pytest.mark.parametrize("target", [b"h:1\r\nX-Evil: 1", b"h :1", b""], ids=repr)
async def test_connect_target_is_checked(driver: Driver, target: bytes) -> None:
    """[INJ-05]"""
    await refuses(driver, "CONNECT", extensions={"target": target})


async def test_userinfo_cannot_end_the_authorization_field(driver: Driver) -> None:
    """[INJ-05]"""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = driver.client(auth=("user\r\nX-Evil: 1", "pass\r\n"))
        await client.get(peer.url)

        assert b"Evil" not in peer.received[0]


async def test_multipart_names_cannot_end_their_line(driver: Driver) -> None:
    """[INJ-06]"""
    evil = 'a"\r\nX-Evil: 1'

    request = await sent(driver, "POST", data={evil: evil}, files={evil: (evil, b"content", "text/plain")})

    assert b"\r\nX-Evil" not in request.replace(evil.encode() + b"\r\n--", b"")
    assert request.count(b"%22%0D%0AX-Evil: 1") == 3


@pytest.mark.parametrize(
    "part",
    [
        ("n", b"c", "text/plain\r\nX-Evil: 1"),
        ("n", b"c", "text/plain", {"X-Own": "a\r\nX-Evil: 1"}),
        ("n", b"c", "text/plain", {"X-Own\r\nX-Evil": "a"}),
    ],
    ids=["type", "value", "name"],
)
async def test_multipart_part_fields_are_checked(driver: Driver, part: Any) -> None:
    """[INJ-06]"""
    await refuses(driver, "POST", files={"f": part})


@pytest.mark.parametrize("boundary", ["a\r\nX-Evil: 1", "a\nb", 'a"b\r\n'], ids=repr)
async def test_multipart_boundary_of_the_caller_is_checked(driver: Driver, boundary: str) -> None:
    """[INJ-06]"""
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    await refuses(driver, "POST", files={"f": b"c"}, headers=headers)


@pytest.mark.parametrize(
    "name", ["Upgrade", "Expect", "Content-Type", "Connection", "Cookie", "Transfer-Encoding", "TE"]
)
async def test_line_end_in_a_field_with_a_meaning_is_refused(driver: Driver, name: str) -> None:
    """[INJ-07]"""
    await refuses(driver, "POST", headers={name: f"x{INJECTION}"}, content=b"body")


@pytest.mark.parametrize("cookie", [("n", "v\r\nX-Evil: 1"), ("n\r\nX-Evil: 1", "v"), ("n", "v\x00")], ids=repr)
async def test_cookie_of_the_caller_cannot_end_its_line(driver: Driver, cookie: tuple[str, str]) -> None:
    """[INJ-08]"""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as peer:
        client = driver.client()
        try:
            client.client.cookies.set(*cookie)
            await client.get(peer.url)
        except REFUSALS:
            client.client.cookies.clear()
            await client.get(peer.url)

        assert b"\r\nX-Evil" not in peer.received[0]
        assert b"\x00" not in peer.received[0]


async def test_cookie_of_the_server_cannot_end_its_line(driver: Driver) -> None:
    """[INJ-08]"""
    evil = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\tc; Path=/\r\nSet-Cookie: ok=1\r\nContent-Length: 2\r\n\r\nok"
    with ScriptedPeer([ReadRequest(), Send(evil), ReadRequest(), Send(OK)]) as peer:
        client = driver.client()
        await client.get(peer.url)
        await client.get(peer.url)

        field = re.search(rb"\r\nCookie: ([^\r]*)\r\n", peer.requests[0][1])
        assert field is not None
        assert b"ok=1" in field[1]
        assert re.fullmatch(rb"[ -~\t]*", field[1])


@pytest.mark.parametrize("value", [b'a"b', b"a\\", b"x" * 100_000], ids=["quote", "backslash", "long"])
@pytest.mark.parametrize("name", [b"realm", b"nonce", b"opaque"])
async def test_digest_challenge_cannot_break_the_answer(driver: Driver, name: bytes, value: bytes) -> None:
    """[INJ-09]"""
    given = {b"realm": b"r", b"nonce": b"n", b"opaque": b"o"} | {
        name: value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    }
    challenge = b", ".join(b'%b="%b"' % pair for pair in given.items())
    head = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest " + challenge + b"\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(head), ReadRequest(), Send(OK)]) as peer:
        client = driver.client(auth=httpfast.DigestAuth("u", "p"))
        try:
            await client.get(peer.url)
        except (httpfast.ProtocolError, NotImplementedError):
            await client.get(peer.url, auth=None)
            return
        field = re.search(rb"\r\nAuthorization: Digest ([^\r]*)\r\n", peer.requests[0][1])
        assert field is not None
        assert re.fullmatch(rb'(\w+=("([^"\\]|\\.)*"|[\w-]+)(, |$))+', field[1])


@pytest.mark.parametrize("length", ["3", "5", "-4", "+4", "4, 4", "0x4", " ", "4 4", "99999999999999999999"])
async def test_content_length_that_does_not_fit_is_refused(driver: Driver, length: str) -> None:
    """[INJ-10]"""
    await refuses(driver, "POST", content=b"body", headers={"Content-Length": length})


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "4"), ("Content-Length", "5")],
        [("Content-Length", "4"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked, chunked")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        [("Host", "a"), ("Host", "b")],
    ],
    ids=repr,
)
async def test_framing_that_contradicts_itself_is_refused(driver: Driver, headers: list[tuple[str, str]]) -> None:
    """[INJ-10]"""
    await refuses(driver, "POST", content=b"body", headers=headers)


@pytest.mark.parametrize("length", ["5", "3"])
async def test_content_length_that_an_iterator_breaks_is_an_error(driver: Driver, length: str) -> None:
    """[INJ-10] Its head is out by then: the connection is dropped, so that nothing can follow it."""
    with ScriptedPeer([], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.LocalProtocolError):
            await client.post(peer.url, content=driver.body([b"body"]), headers={"Content-Length": length})
        await client.rest()

        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"
        # The first connection's thread may not have read what came on it.
        peer.wait_until(lambda: b"\r\n\r\n" in peer.received[0])
        assert peer.received[0].count(b"HTTP/1.1") == 1
