"""Answers that come before the request's end: Expect: 100-continue (RFC 9110, 10.1.1) and refusals (RFC 9112, 9.5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

import httpfast
from bench.server import content

from ..conftest import Origin
from ..peers import Close, Expect, ReadHead, ReadRequest, ScriptedPeer, Send, Signal, Stall, WaitForClose
from .facade import Driver

EXPECT = {"Expect": "100-continue"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"


@pytest.mark.parametrize("body", ["bytes", "iterator"])
async def test_body_follows_100_continue(driver: Driver, embedded: Origin, body: str) -> None:
    client = driver.client(verify=embedded.verify)
    pieces = [content(1000)] * 100

    started = monotonic()
    response = await client.post(
        f"{embedded.url}/continue",
        content=b"".join(pieces) if body == "bytes" else driver.body(pieces),
        headers=EXPECT,
    )

    assert response.json() == {"expected": True, "length": 100_000}
    assert monotonic() - started < 0.9
    assert client.counts == (1, 1)


@pytest.mark.parametrize("body", ["bytes", "iterator"])
async def test_body_is_not_sent_when_the_answer_is_final(driver: Driver, body: str) -> None:
    """[H1-19] And the connection is not used again: the peer may or may not wait for that body."""
    with ScriptedPeer([ReadHead(), Send(REFUSAL), WaitForClose(quiet=True)], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        response = await client.post(
            peer.url, content=b"body" if body == "bytes" else driver.body([b"body"]), headers=EXPECT
        )
        after = await client.get(peer.url)

        assert (response.status_code, response.text) == (417, "no")
        assert b"body" not in peer.received[0]
        assert after.text == "ok"
        assert peer.connections == 2


async def test_refusal_of_a_server_that_stays_open_is_delivered(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    for path in ("/refuse-continue", "/refuse-continue?keep=1"):
        response = await client.post(embedded.url + path, content=content(100), headers=EXPECT)
        after = await client.get(f"{embedded.url}/json")

        assert (response.status_code, response.text) == (417, "no\n")
        assert after.status_code == 200


@pytest.mark.parametrize("body", ["bytes", "iterator"])
async def test_body_is_sent_after_a_while_without_100_continue(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """[H1-19] Many servers know nothing of Expect."""
    monkeypatch.setattr("httpfast._transports.upload.CONTINUE_TIMEOUT", 0.05)
    steps = [ReadRequest(informs=False), Send(OK), ReadRequest(), Send(OK)]
    with ScriptedPeer(steps) as peer:
        client = driver.client()

        response = await client.post(
            peer.url, content=b"body" if body == "bytes" else driver.body([b"body"]), headers=EXPECT
        )
        after = await client.get(peer.url)

        assert response.text == after.text == "ok"
        assert b"body" in peer.requests[0][0]
        assert peer.connections == 1


async def test_late_100_continue_is_skipped(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._transports.upload.CONTINUE_TIMEOUT", 0.05)
    late = b"HTTP/1.1 100 Continue\r\n\r\n" + OK
    with ScriptedPeer([ReadHead(), Expect(b"body"), Send(late), ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        response = await client.post(peer.url, content=b"body", headers=EXPECT)
        after = await client.get(peer.url)

        assert response.text == after.text == "ok"


async def test_103_before_100_continue_is_skipped(driver: Driver) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with ScriptedPeer([ReadHead(), Send(hints), Expect(b"body"), Send(OK)]) as peer:
        client = driver.client()

        assert (await client.post(peer.url, content=b"body", headers=EXPECT)).text == "ok"


async def test_close_in_place_of_100_continue_is_an_error(driver: Driver) -> None:
    with ScriptedPeer([ReadHead(), Close()]) as peer:
        client = driver.client()

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.post(peer.url, content=b"body", headers=EXPECT)
        await client.rest()

        assert client.counts == (0, 0)


REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large"


@pytest.mark.parametrize("body", ["bytes", "iterator"])
@pytest.mark.parametrize("end", ["close", "open"])
async def test_refusal_during_the_upload_is_delivered(driver: Driver, body: str, end: str) -> None:
    """[H1-26] Not a broken pipe; and the connection is not used again."""
    last = Close() if end == "close" else Stall()
    pieces = [bytes(100_000)] * 200
    with ScriptedPeer([ReadHead(), Send(REFUSED), last], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client(timeout=5)

        try:
            response = await client.post(peer.url, content=b"".join(pieces) if body == "bytes" else driver.body(pieces))
        except (httpfast.WriteError, httpfast.ReadError):
            # Closing with octets unread resets, and a reset may outrun what was sent before it.
            assert end == "close"
        else:
            assert (response.status_code, response.text) == (413, "too large")
        await client.rest()
        assert client.counts == (0, 0)
        assert (await client.get(peer.url)).text == "ok"


@pytest.mark.parametrize("body", ["bytes", "iterator"])
async def test_refusal_of_a_server_that_lingers_is_always_delivered(
    driver: Driver, embedded: Origin, body: str
) -> None:
    """[H1-26] It goes on reading for a while, as nginx does, so that no reset destroys its answer."""
    client = driver.client(verify=embedded.verify, timeout=10)
    pieces = [bytes(100_000)] * 100

    for _ in range(5):
        response = await client.post(
            f"{embedded.url}/early-413?linger=1", content=b"".join(pieces) if body == "bytes" else driver.body(pieces)
        )
        assert (response.status_code, response.text) == (413, "too large\n")
        await client.rest()
        assert client.counts == (0, 0)

    assert (await client.get(f"{embedded.url}/json")).status_code == 200


async def test_refusal_ends_the_body_iterator(driver: Driver) -> None:
    """What is left of the body is not worth producing."""
    produced, refused = [], threading.Event()

    def pieces() -> Iterator[bytes | Callable[[], bool]]:
        for number in range(1000):
            produced.append(number)
            yield bytes(10_000)
            if number == 2:
                yield lambda: refused.wait(5)

    with ScriptedPeer([ReadHead(), Send(REFUSED), Signal(refused), Stall()]) as peer:
        client = driver.client()

        response = await client.post(peer.url, content=driver.body(pieces()))

        assert response.status_code == 413
        assert len(produced) < 1000


async def test_success_before_the_end_of_the_upload_does_not_cut_it(driver: Driver, embedded: Origin) -> None:
    """A server that transforms a body answers while it still comes."""
    client = driver.client(verify=embedded.verify)
    pieces = [content(20_000)] * 20

    response = await client.post(f"{embedded.url}/echo-body", content=driver.body(pieces))
    after = await client.get(f"{embedded.url}/json")

    assert response.content == b"".join(pieces)
    assert after.status_code == 200


async def test_whole_answer_before_the_end_of_the_upload_is_returned(driver: Driver) -> None:
    """The connection is not used again: the peer may still wait for the rest of the request (RFC 9112, 9.5)."""
    answered = threading.Event()
    with ScriptedPeer([ReadHead(), Send(OK), Signal(answered)], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        response = await client.post(peer.url, content=driver.body([b"first", lambda: answered.wait(5), b"second"]))
        after = await client.get(peer.url)

        assert response.text == after.text == "ok"
        assert peer.connections == 2
