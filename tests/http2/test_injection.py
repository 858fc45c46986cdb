"""What a caller can put into a request over HTTP/2 cannot become anything else (RFC 9113, 8.2.1 and 8.3).

The twin of `tests/drivers/test_injection.py`: what has to be refused is, before anything of it is written, on a new and
on a kept connection.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

import httpfast

from ..answering import AnsweringPeer, Said
from ..drivers.facade import Driver
from ..peers import Send
from .frames import Kind
from .frames import answer as frames_of
from .peer import Greet, Peer, ReadRequest

REFUSALS = (httpfast.LocalProtocolError, httpfast.InvalidURL, httpfast.UnsupportedProtocol, ValueError, TypeError)
INJECTION = "\r\nX-Evil: 1"


def part(*values: Any) -> dict[str, Any]:
    return {"method": "POST", "files": {"f": values}}


REFUSED: dict[str, dict[str, Any]] = {
    **{f"INJ-01-{octet!r}": {"method": f"GE{octet}T"} for octet in "\r\n\x00 \t:\x7f\u00e9("},
    "INJ-01-empty": {"method": ""},
    "INJ-01-request": {"method": "GET /evil HTTP/1.1\r\nHost: h\r\n\r\nGET"},
    **{
        f"INJ-02-{value!r}-{kind.__name__}": {"headers": {"X-Own": value if kind is str else value.encode()}}
        for value in ("a\r\nb", "a\nb", "a\rb", "a\x00b", INJECTION)
        for kind in (str, bytes)
    },
    **{f"INJ-02-{type(value).__name__}": {"headers": {"X-Own": value}} for value in (1, None, 1.5, ["a"], object())},
    **{
        f"INJ-03-{name!r}-{kind.__name__}": {"headers": {name if kind is str else name.encode(): "v"}}
        for name in ("", " ", "a b", "a:", ":a", "a\r\nb", "a\x00", "\u00e9", "(a)")
        for kind in (str, bytes)
    },
    **{f"INJ-05-{host!r}": {"headers": {"Host": host}} for host in ("a\r\nX-Evil: 1", "a\nb", "a\x00")},
    "INJ-06-type": part("n", b"c", f"text/plain{INJECTION}"),
    "INJ-06-value": part("n", b"c", "text/plain", {"X-Own": f"a{INJECTION}"}),
    "INJ-06-name": part("n", b"c", "text/plain", {f"X-Own{INJECTION}": "a"}),
    "INJ-06-boundary": {
        **part("n", b"c"),
        "headers": {"Content-Type": f"multipart/form-data; boundary=a{INJECTION}"},
    },
    **{
        f"INJ-07-{name}": {"method": "POST", "content": b"body", "headers": {name: f"x{INJECTION}"}}
        for name in ("Upgrade", "Expect", "Content-Type", "Connection", "Cookie", "TE")
    },
}


@pytest.mark.parametrize("case", REFUSED)
async def test_request_is_refused_before_anything_is_written(driver: Driver, case: str) -> None:
    """The rows are in the names of the cases."""
    arguments = {"method": "GET", **REFUSED[case]}
    script = [Greet(), ReadRequest(1), Send(frames_of(1)), ReadRequest(3), Send(frames_of(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(REFUSALS):
            await client.request(url=peer.url, **arguments)
        await client.get(peer.url)
        with pytest.raises(REFUSALS):
            await client.request(url=peer.url, **arguments)
        after = await client.get(peer.url)

        assert after.text == "ok"
        assert peer.connections == 1
        assert [found.stream for found in peer.frames(0, Kind.HEADERS)] == [1, 3]
        assert not peer.frames(0, Kind.DATA)
        assert b"vil" not in peer.received[0]


@pytest.mark.parametrize("cookie", [("n", f"v{INJECTION}"), (f"n{INJECTION}", "v"), ("n", "v\x00")], ids=repr)
async def test_cookie_cannot_become_another_field(driver: Driver, cookie: tuple[str, str]) -> None:
    """[INJ-08]"""
    with AnsweringPeer("h2", lambda _: Said()) as peer:
        client = driver.client(**peer.options)

        with pytest.raises(ValueError, match="cannot be sent"):
            client.client.cookies.set(*cookie)
        await client.get(peer.url)

        assert peer.asked[0]["cookie"] is None


async def test_cookie_of_the_server_is_sent_as_one(driver: Driver) -> None:
    """[INJ-08]"""
    lines = [("Set-Cookie", "a=b\tc"), ("Set-Cookie", "ok=1")]
    with AnsweringPeer("h2", lambda _: Said(fields=lines)) as peer:
        client = driver.client(**peer.options)

        await client.get(peer.url)
        await client.get(peer.url)

        assert "ok=1" in (peer.asked[1]["cookie"] or "")
        assert re.fullmatch(r"[ -~]*", peer.asked[1]["cookie"] or "")


async def test_userinfo_cannot_end_its_field(driver: Driver) -> None:
    """[INJ-05]"""
    with AnsweringPeer("h2", lambda _: Said()) as peer:
        client = driver.client(auth=(f"user{INJECTION}", "pass\r\n"), **peer.options)

        await client.get(peer.url)

        assert re.fullmatch(r"Basic [A-Za-z0-9+/]+=*", peer.asked[0]["authorization"] or "")


@pytest.mark.parametrize("value", ['a"b', "a\\", "x" * 50_000], ids=["quote", "backslash", "long"])
@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
async def test_digest_challenge_cannot_break_the_answer(driver: Driver, name: str, value: str) -> None:
    """[INJ-09] Escaped, or an error where it is too long."""
    given = {"realm": "r", "nonce": "n", "opaque": "o"}
    given[name] = value.replace("\\", "\\\\").replace('"', '\\"')
    challenge = "Digest " + ", ".join(f'{key}="{text}"' for key, text in given.items())
    with AnsweringPeer(
        "h2", lambda asked: Said(200 if asked["authorization"] else 401, [("WWW-Authenticate", challenge)])
    ) as peer:
        client = driver.client(auth=httpfast.DigestAuth("u", "p"), **peer.options)

        if len(value) > 16_384:
            with pytest.raises(httpfast.RemoteProtocolError):
                await client.get(peer.url)
            return
        assert (await client.get(peer.url)).status_code == 200

        answered = peer.asked[1]["authorization"] or ""
        assert re.fullmatch(r'Digest (\w+=("([^"\\]|\\.)*"|[\w-]+)(, |$))+', answered)
