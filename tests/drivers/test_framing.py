"""Responses whose framing is wrong, or only odd, as each client meets them on a socket (RFC 9112, 2 to 7).

The engine has every variant of these rows in `tests/engine`; here it is whether each driver raises, drops the
connection, and serves the next request on another. Rows H1-01 to H1-12, H1-18, H1-24, H1-25 and H1-27 of the catalogue;
the others of HTTP/1.1 are in `test_desync.py` and `test_early_answers.py`.
"""

from __future__ import annotations

import pytest

import httpfast

from ..peers import Close, ReadRequest, ScriptedPeer, Send, WaitForClose
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECOND = [ReadRequest(), Send(OK)]
BOTH_WAYS = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])


def with_fields(*lines: bytes, body: bytes = b"hello") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", body])


def chunked(octets: bytes) -> bytes:
    return with_fields(b"Transfer-Encoding: chunked", body=octets)


REFUSED: dict[str, bytes] = {
    "H1-02-differing": with_fields(b"Content-Length: 5", b"Content-Length: 6"),
    "H1-02-differing-in-a-list": with_fields(b"Content-Length: 5, 6"),
    "H1-03-minus": with_fields(b"Content-Length: -6"),
    "H1-03-plus": with_fields(b"Content-Length: +5"),
    "H1-03-hexadecimal": with_fields(b"Content-Length: 0x5"),
    "H1-03-underscore": with_fields(b"Content-Length: 1_0"),
    "H1-03-empty": with_fields(b"Content-Length: "),
    "H1-03-comma": with_fields(b"Content-Length: 5,"),
    "H1-03-blank": with_fields(b"Content-Length: 5 5"),
    "H1-03-other-digits": with_fields(b"Content-Length: \xd9\xa5"),
    "H1-03-2^63": with_fields(b"Content-Length: 9223372036854775808"),
    "H1-04-hexadecimal": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "H1-04-minus": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "H1-04-plus": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "H1-04-underscore": chunked(b"0_5\r\nhello\r\n0\r\n\r\n"),
    "H1-04-blank": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "H1-04-digits": chunked(b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
    "H1-04-2^64": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "H1-05-octets": chunked(b"5\r\nhelloxx0\r\n\r\n"),
    "H1-05-lf": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "H1-05-cr": chunked(b"5\r\nhello\r\r0\r\n\r\n"),
    "H1-05-nothing": chunked(b"5\r\nhello0\r\n\r\n"),
    "H1-06-lf": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "H1-06-cr": chunked(b"5\rhello\r\n0\r\n\r\n"),
    "H1-06-lf-in-an-extension": chunked(b"5;a\nhello\r\n0\r\n\r\n"),
    "H1-06-cr-in-an-extension": chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "H1-08-another": with_fields(b"Transfer-Encoding: xchunked"),
    "H1-08-list": with_fields(b"Transfer-Encoding: chunked, identity", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "H1-08-control": with_fields(b"Transfer-Encoding: chunked\x0b", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "H1-08-twice": with_fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "H1-08-1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "H1-09-head": with_fields(b"X-A: 1", b" Content-Length: 5", b"Content-Length: 5"),
    "H1-09-first-line": b"HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    "H1-09-trailer": chunked(b"0\r\nX-A: 1\r\n X-B: 2\r\n\r\n"),
    "H1-10-nul-in-a-value": with_fields(b"X-A: \x00", b"Content-Length: 5"),
    "H1-10-cr-in-a-value": with_fields(b"X-A: a\rb", b"Content-Length: 5"),
    "H1-10-control-in-a-name": with_fields(b"X\x01A: 1", b"Content-Length: 5"),
    "H1-10-nul-in-the-status": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 5\r\n\r\nhello",
    "H1-11-blank": with_fields(b"Content-Length : 5"),
    "H1-11-no-colon": with_fields(b"X-A", b"Content-Length: 5"),
    "H1-11-no-name": with_fields(b": 1", b"Content-Length: 5"),
    "H1-11-blank-first": with_fields(b" X-A: 1", b"Content-Length: 5"),
    "H1-12-four-digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-12-negative": b"HTTP/1.1 -12 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-12-2": b"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-12-0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-12-none": b"hello, world, this is no HTTP\r\n\r\n",
    "H1-12-blank-first": b" HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-12-tab": b"HTTP/1.1\t200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "H1-18-unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n",
    "H1-18-2": b"HTTP/2 101 Switching Protocols\r\n\r\n",
    "H1-27-locations": with_fields(b"Location: /a", b"Location: /b", b"Content-Length: 5"),
}


# An error in a head is met in one way, one behind it in two.
WAYS = [
    (case, is_stream)
    for case in REFUSED
    for is_stream in (False, True)
    if not is_stream or b"chunked\r\n\r\n" in REFUSED[case]
]


@pytest.mark.parametrize(
    ("case", "is_stream"), WAYS, ids=[f"{case}{'-stream' * is_stream}" for case, is_stream in WAYS]
)
async def test_response_is_refused_and_its_connection_dropped(driver: Driver, case: str, is_stream: bool) -> None:
    """The rows are in the names of the cases. What follows in the same segment is no answer either."""
    with ScriptedPeer([ReadRequest(), Send(REFUSED[case] + OK), WaitForClose(quiet=True)], SECOND) as peer:
        client = driver.client()

        async def ask() -> None:
            if is_stream:
                await client.read(await client.open("GET", peer.url))
            else:
                await client.get(peer.url)

        with pytest.raises(httpfast.RemoteProtocolError) as caught:
            await ask()
        second = await client.get(peer.url)

        assert caught.value.request.url == peer.url
        assert second.text == "ok"
        assert peer.connections == 2
        await client.rest()
        assert client.counts == (1, 1)


# Octets, the body, and whether the connection may serve another request.
TAKEN: dict[str, tuple[bytes, bytes, bool]] = {
    "H1-01-length-first": (
        with_fields(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        b"hello",
        False,
    ),
    "H1-01-length-last": (
        with_fields(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"5\r\nhello\r\n0\r\n\r\n"),
        b"hello",
        False,
    ),
    "H1-02-twice": (with_fields(b"Content-Length: 5", b"content-length: 5"), b"hello", True),
    "H1-02-list": (with_fields(b"Content-Length: 5, 5"), b"hello", True),
    "H1-03-zeros": (with_fields(b"Content-Length: 00005"), b"hello", True),
    "H1-04-upper-case": (chunked(b"A\r\n0123456789\r\n0\r\n\r\n"), b"0123456789", True),
    "H1-06-extension": (chunked(b'5;a="b c"\r\nhello\r\n0\r\n\r\n'), b"hello", True),
    "H1-08-upper-case": (with_fields(b"Transfer-Encoding: CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"), b"hello", True),
    "H1-12-no-reason": (b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "H1-12-1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "H1-27-location": (with_fields(b"Location: /a", b"Location: /a", b"Content-Length: 5"), b"hello", True),
    "H1-27-types": (
        with_fields(b"Content-Type: text/a", b"Content-Type: text/b", b"Content-Length: 5"),
        b"hello",
        True,
    ),
}


@BOTH_WAYS
@pytest.mark.parametrize("case", TAKEN)
async def test_response_is_taken_and_its_connection_kept_or_not(driver: Driver, case: str, is_stream: bool) -> None:
    """The rows are in the names of the cases."""
    octets, body, is_kept = TAKEN[case]
    first = [ReadRequest(), Send(octets)]
    scripts = [[*first, *SECOND]] if is_kept else [[*first, WaitForClose(quiet=True)], SECOND]
    with ScriptedPeer(*scripts) as peer:
        client = driver.client()

        response = await client.open("GET", peer.url) if is_stream else await client.get(peer.url)
        assert await client.read(response) == body
        second = await client.get(peer.url)

        assert second.text == "ok"
        assert peer.connections == len(scripts)


async def test_second_response_of_another_version_is_refused(driver: Driver) -> None:
    """[H1-18]"""
    script = [ReadRequest(), Send(OK), ReadRequest(), Send(b"HTTP/3 200 OK\r\n\r\n"), WaitForClose()]
    with ScriptedPeer(script, SECOND) as peer:
        client = driver.client()
        await client.get(peer.url)

        with pytest.raises(httpfast.RemoteProtocolError, match="illegal status line"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"


@BOTH_WAYS
async def test_body_of_one_octet_chunks_is_whole(driver: Driver, is_stream: bool) -> None:
    """[H1-24] Time and memory are looked at where the engine is tested."""
    size = 20_000
    octets = chunked(b"1\r\nx\r\n" * size + b"0\r\n\r\n")
    with ScriptedPeer([ReadRequest(), Send(octets), *SECOND]) as peer:
        client = driver.client()

        response = await client.open("GET", peer.url) if is_stream else await client.get(peer.url)
        assert await client.read(response) == b"x" * size

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1


SPLIT = {
    "sized": with_fields(b"Content-Length: 5"),
    "chunked": chunked(b"3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n"),
    "informed": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + with_fields(b"Content-Length: 5"),
    "until-close": with_fields(b"Connection: close"),
}


@BOTH_WAYS
@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("framing", SPLIT)
async def test_response_in_segments_of_any_size_is_the_same(
    driver: Driver, framing: str, size: int, is_stream: bool
) -> None:
    """[H1-25], [H1-24]"""
    end = [Close()] if framing == "until-close" else SECOND
    with ScriptedPeer([ReadRequest(), Send(SPLIT[framing], chunk=size), *end]) as peer:
        client = driver.client()

        response = await client.open("GET", peer.url) if is_stream else await client.get(peer.url)
        assert await client.read(response) == b"hello"

        assert (response.status_code, response.reason_phrase) == (200, "OK")
        assert response.trailers.multi_items() == ([("x-t", "1")] if framing == "chunked" else [])
        if framing != "until-close":
            assert (await client.get(peer.url)).text == "ok"
            assert peer.connections == 1


async def test_misdirected_request_is_the_callers_to_judge(driver: Driver) -> None:
    """[H2-23] RFC 9110, 15.5.20: no connection serves two origins, so that another one would be no better."""
    answer = b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 6\r\n\r\nnot me"
    with ScriptedPeer([ReadRequest(), Send(answer), *SECOND]) as peer:
        client = driver.client()

        response = await client.get(peer.url)

        assert (response.status_code, response.text) == (421, "not me")
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
