"""HTTP/2 of the client, RFC 9113, 6.8 and 8.7: the server says goodbye, or refuses; what is sent again."""

from __future__ import annotations

import threading

import pytest

import httpfast
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.plain import exchange_of

from ..drivers.facade import Driver
from ..peers import HalfClose, Send, Signal, Step, WaitForClose
from .frames import (
    LAST_STREAM,
    Code,
    Kind,
    answer,
    data,
    frame,
    goaway,
    headers,
    ping,
    rst_stream,
    settings,
    status,
    window_update,
    word,
)
from .peer import Greet, Peer, Read, ReadGoaway, ReadRequest, ReadRequests, ReadReset
from .scenarios import ANSWER, ends_connection

POST = b"x" * 1000

# 6.8: the frame itself


async def test_goaway_on_a_stream_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.8."""
    octets = frame(Kind.GOAWAY, 0, 1, word(1) + word(0))

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.8")


@pytest.mark.parametrize("size", [0, 4, 7])
async def test_goaway_of_a_wrong_size_ends_the_connection(driver: Driver, size: int) -> None:
    """RFC 9113, 6.8."""
    await ends_connection(driver, frame(Kind.GOAWAY, 0, 0, bytes(size)), Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 6\.8")


# 6.8: what becomes of requests


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("code", [Code.NO_ERROR, Code.ENHANCE_YOUR_CALM])
async def test_request_above_the_last_stream_is_sent_again(driver: Driver, method: str, code: Code) -> None:
    """RFC 9113, 6.8 and 8.7. [H2-10] The server has not looked at it, so that any method may be; once, elsewhere."""
    script = [Greet(), ReadRequest(1), Send(goaway(0, code, b"debug \xff")), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        response = await client.request(method, peer.url, content=POST if method == "POST" else None)

        assert response.text == "ok"
        assert peer.connections == 2
        assert [peer.heads(index)[0].body for index in range(2)] == [POST if method == "POST" else b""] * 2
        await client.rest()
        assert client.counts == (1, 1)


async def test_request_up_to_the_last_stream_is_finished(driver: Driver) -> None:
    """RFC 9113, 6.8. [H2-10] And the next one goes to a new connection; the old one is closed behind it."""
    script = [Greet(), ReadRequest(1), Send(goaway(1) + answer(1)), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        first = await client.get(peer.url)
        second = await client.get(peer.url)

        assert (first.text, second.text) == ("ok", "ok")
        assert peer.connections == 2
        assert len(peer.heads(0)) == len(peer.heads(1)) == 1
        await client.rest()
        assert client.counts == (1, 1)


async def test_goaway_parts_requests_under_way(driver: Driver) -> None:
    """RFC 9113, 6.8. [H2-10] Those up to its last stream finish, the others are sent again: none lost, none doubled."""
    script = [
        Greet(),
        ReadRequests((1, 3, 5, 7)),
        Send(goaway(3) + answer(1, b"first") + answer(3, b"first")),
        WaitForClose(),
    ]
    second = [Greet(), ReadRequests((1, 3)), Send(answer(1, b"second") + answer(3, b"second"))]
    with Peer(script, second) as peer:
        client = driver.client(http1=False)

        outcomes = await driver.gather(*(client.post(peer.url, content=b"%d" % i) for i in range(4)))

        assert sorted(getattr(outcome, "text", outcome) for outcome in outcomes) == ["first"] * 2 + ["second"] * 2
        again = {request.body for request in peer.heads(1)}
        assert again == {request.body for request in peer.heads(0) if request.stream > 3}
        assert peer.connections == 2


async def test_goaway_in_two_phases_loses_nothing(driver: Driver) -> None:
    """RFC 9113, 6.8. [H2-10] First of the last number there is, then of the real one. No stream opens between."""
    script = [
        Greet(),
        ReadRequests((1, 3)),
        Send(goaway(LAST_STREAM) + ping(b"goodbye.")),
        Read(Kind.PING, payload=b"goodbye."),
        Send(goaway(1) + answer(1, b"first")),
        WaitForClose(),
    ]
    with Peer(script, [Greet(), ReadRequest(1), Send(answer(1, b"second"))]) as peer:
        client = driver.client(http1=False)

        outcomes = await driver.gather(*(client.post(peer.url, content=POST) for _ in range(2)))

        assert sorted(getattr(outcome, "text", outcome) for outcome in outcomes) == ["first", "second"]
        assert [len(peer.heads(index)) for index in range(2)] == [2, 1]


async def test_goaway_with_every_so_many_requests_loses_nothing(driver: Driver) -> None:
    """[H2-10] As nginx does after its keepalive_requests: with the answer to the last request."""
    script: list[Step] = [Greet()]
    for stream in (1, 3, 5):
        script += [ReadRequest(stream), Send((goaway(5) if stream == 5 else b"") + answer(stream))]
    with Peer(*[[*script, WaitForClose()]] * 4) as peer:
        client = driver.client(http1=False)

        for i in range(12):
            assert (await client.post(peer.url, content=b"%d" % i)).text == "ok"

        sent = [request.body for index in range(4) for request in peer.heads(index)]
        assert sent == [b"%d" % i for i in range(12)]
        assert peer.connections == 4


async def test_goaway_while_idle_is_heeded_by_the_next_request(driver: Driver) -> None:
    """RFC 9113, 6.8. [H2-10] Also where nobody reads while nothing is under way."""
    was_sent = threading.Event()
    script = [Greet(), ReadRequest(1), Send(answer(1)), Send(goaway(1)), Signal(was_sent), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)
        await driver.blocking(was_sent.wait)

        response = await client.post(peer.url, content=POST)

        assert response.text == "ok"
        assert peer.connections == 2


async def test_goaway_and_close_is_the_error_of_requests_that_were_looked_at(driver: Driver) -> None:
    """RFC 9113, 6.8. [H2-10] They may have been acted upon; the error says what the server's was."""
    script = [Greet(), ReadRequest(1), Send(goaway(1, Code.INTERNAL_ERROR)), HalfClose(), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
            await client.post(peer.url, content=POST)

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


async def test_body_that_was_streamed_is_not_sent_again(driver: Driver) -> None:
    """RFC 9113, 8.7. [H2-11] It is gone: the error says that the request was not looked at."""
    script = [Greet(), ReadRequest(1), Send(goaway(0)), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="has not looked at"):
            await client.post(peer.url, content=driver.body([b"a", b"b"]))

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2


async def test_malformed_frames_behind_our_goaway_are_ignored(driver: Driver) -> None:
    """RFC 9113, 5.4.1. [H2-09] Whatever comes in one piece with the error, or later."""
    garbage = (
        data(1, b"x") + headers(9, b"\xff\xff") + frame(Kind.SETTINGS, 1, 5, b"?") + window_update(0, 0) + b"\xff" * 500
    )
    script = [
        Greet(),
        ReadRequest(1),
        Send(ping()[:-1] + b"!" + data(0, b"x") + garbage),
        ReadGoaway(Code.PROTOCOL_ERROR),
        Send(garbage),
        WaitForClose(),
    ]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match=r"RFC 9113, 6\.1"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        await driver.blocking(peer.wait_until, lambda: ("GOAWAY", 0, Code.PROTOCOL_ERROR) in peer.codes())
        assert len([kind for kind, _, _ in peer.codes() if kind == "GOAWAY"]) == 1


async def test_malformed_frames_behind_the_servers_goaway_end_what_is_under_way(driver: Driver) -> None:
    """RFC 9113, 5.4.1 and 6.8. [H2-09] A connection that drains is still one of HTTP/2."""
    await ends_connection(driver, goaway(1) + data(0, b"x"), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.1")


async def test_goaway_of_the_client_comes_with_its_end(driver: Driver) -> None:
    """RFC 9113, 6.8: a client that closes says so. [H2-09] Malformed frames that cross it harm nobody."""
    script = [Greet(), ReadRequest(1), Send(answer(1)), ReadGoaway(Code.NO_ERROR), Send(b"\xff" * 100), WaitForClose()]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        await client.close()


# 8.7: refused streams


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_refused_stream_is_sent_again(driver: Driver, method: str) -> None:
    """RFC 9113, 8.7. [H2-11] Any method, and on the same connection, which has no fault."""
    script = [Greet(), ReadRequest(1), Send(rst_stream(1, Code.REFUSED_STREAM)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.request(method, peer.url, content=POST if method == "POST" else None)

        assert response.text == "ok"
        assert [request.body for request in peer.heads()] == [POST if method == "POST" else b""] * 2
        await client.rest()
        assert client.counts == (1, 1)


async def test_goodbyes_are_no_refusals(driver: Driver) -> None:
    """[H2-10] Connections that end are counted apart from streams that a busy server refuses."""
    goodbye = [Greet(), ReadRequest(1), Send(goaway(0)), WaitForClose()]
    refusals: list[Step] = [Greet()]
    for stream in (1, 3):
        refusals += [ReadRequest(stream), Send(rst_stream(stream, Code.REFUSED_STREAM))]
    with Peer(*[goodbye] * 4, [*refusals, ReadRequest(5), Send(answer(5))]) as peer:
        client = driver.client(http1=False)

        response = await client.post(peer.url, content=POST)

        assert response.text == "ok"
        assert peer.connections == 5


async def test_refused_stream_is_an_error_without_replay(driver: Driver) -> None:
    """[H2-11] The transport's `replay` turns it off."""
    script = [Greet(), ReadRequest(1), Send(rst_stream(1, Code.REFUSED_STREAM)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(transport=driver.transport(http1=False, replay=False))

        with pytest.raises(httpfast.RemoteProtocolError, match="REFUSED_STREAM"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"


async def test_server_that_refuses_every_stream_is_asked_a_few_times(driver: Driver) -> None:
    """[H2-08] No storm of retries: each request ends in an error after at most three attempts."""
    script: list[Step] = [Greet()]
    for stream in range(1, 19, 2):
        script += [ReadRequest(stream), Send(rst_stream(stream, Code.REFUSED_STREAM))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        for _ in range(3):
            with pytest.raises(httpfast.RemoteProtocolError, match="REFUSED_STREAM"):
                await client.get(peer.url)

        assert len(peer.heads()) <= 9
        assert peer.connections == 1


@pytest.mark.parametrize("code", [Code.CANCEL, Code.INTERNAL_ERROR, Code.NO_ERROR])
async def test_server_that_resets_every_stream_is_asked_once(driver: Driver, code: Code) -> None:
    """[H2-08] Rapid reset, mirrored: as many requests go out as were made."""
    script: list[Step] = [Greet()]
    for stream in range(1, 41, 2):
        script += [ReadRequest(stream), Send(rst_stream(stream, code))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        for _ in range(20):
            with pytest.raises(httpfast.RemoteProtocolError, match=code.name):
                await client.get(peer.url)

        assert len(peer.heads()) == 20
        assert peer.connections == 1


async def test_server_that_says_goodbye_to_every_request_is_given_up(driver: Driver) -> None:
    """[H2-08] Connection after connection, each with a GOAWAY that refuses the request: an end comes to that too."""
    script = [Greet(), ReadRequest(1), Send(goaway(0)), WaitForClose()]
    with Peer(script, repeats_last=True) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="has not looked at"):
            await client.get(peer.url)

        assert peer.connections <= 20
        await client.rest()
        assert client.counts == (0, 0)


async def test_error_of_a_malformed_response_is_not_asked_again(driver: Driver) -> None:
    """RFC 9113, 8.1.1. [H2-08] [H2-17] Also not on a connection that has served."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequest(3),
        Send(headers(3, status(b"2x0"), ends=True)),
        ReadReset(3, Code.PROTOCOL_ERROR),
        ReadRequest(5),
        Send(answer(5)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        with pytest.raises(httpfast.RemoteProtocolError, match=r"RFC 9113, 8\.3"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert len(peer.heads()) == 3


async def test_error_of_the_connection_is_not_asked_again(driver: Driver) -> None:
    """RFC 9113, 5.4.1. [H2-08] Also not on a connection that has served: a server that does so once does so again."""
    script = [Greet(), ReadRequest(1), Send(answer(1)), ReadRequest(3), Send(data(0, b"x")), WaitForClose()]
    with Peer(script, ANSWER) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        with pytest.raises(httpfast.RemoteProtocolError, match=r"RFC 9113, 6\.1"):
            await client.get(peer.url)

        assert (await client.get(peer.url)).text == "ok"
        assert [len(peer.heads(index)) for index in range(2)] == [2, 1]


# 5.1.1: numbers of streams run out


def test_engine_opens_no_stream_when_numbers_have_run_out() -> None:
    """RFC 9113, 5.1.1. [H2-16] The last is 2^31-1; the connection finishes what is under way, and another is needed."""
    engine = H2Engine()
    engine.number_from(LAST_STREAM)
    engine.open()
    engine.receive_octets(settings())
    fields = RequestFields(((b"Host", b"host", b"a"),))
    request = httpfast.Request("GET", "https://host/")
    exchange = exchange_of(request)

    stream = engine.begin(exchange, fields)
    refused = exchange_of(request)
    with pytest.raises(httpfast.LocalProtocolError):
        engine.begin(refused, fields)
    engine.receive_octets(answer(LAST_STREAM))

    assert stream.id == LAST_STREAM
    assert exchange.is_complete
    assert refused.was_refused, "it may be sent on another connection"
