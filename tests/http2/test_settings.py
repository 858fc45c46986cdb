"""HTTP/2 of the client, RFC 9113, 6.5 to 6.7: SETTINGS, PUSH_PROMISE and PING. [H2-01]"""

from __future__ import annotations

from typing import Any

import hpack
import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send, Stall, Step
from .frames import (
    MAX_FRAME_SIZE,
    SETTINGS_ACK,
    Code,
    Flag,
    Kind,
    Setting,
    answer,
    block,
    data,
    frame,
    headers,
    ping,
    push_promise,
    settings,
    status,
)
from .peer import Greet, Peer, Read, ReadPreface, ReadRequest, ReadRequests
from .scenarios import ends_connection, means_nothing

# 6.5: SETTINGS


async def test_each_settings_frame_is_acknowledged(driver: Driver) -> None:
    """RFC 9113, 6.5.3: as many acknowledgements as frames, also of an empty one, and each of them empty."""
    acknowledged = Read(Kind.SETTINGS, 0, payload=b"", flags=Flag.ACK)
    script = [
        Greet(((Setting.MAX_CONCURRENT_STREAMS, 10),)),
        ReadRequest(1),
        Send(settings() + settings((Setting.INITIAL_WINDOW_SIZE, 1000)) + answer(1)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        await client.get(peer.url)
        await client.get(peer.url)

        answers = [found for found in peer.frames(kind=Kind.SETTINGS) if acknowledged.is_met_by(found)]
        assert len(answers) == 3


async def test_settings_that_the_server_never_acknowledges_hold_nothing_up(driver: Driver) -> None:
    """RFC 9113, 6.5.3: SETTINGS_TIMEOUT is for who needs it; we have asked for nothing that could break."""
    assert (await means_nothing(driver, answer(1))).text == "ok"


async def test_acknowledgement_is_no_setting(driver: Driver) -> None:
    """RFC 9113, 6.5: it is not answered, however often it comes."""
    script = [Greet(), ReadRequest(1), Send(SETTINGS_ACK * 3 + answer(1)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        await client.get(peer.url)
        await client.get(peer.url)

        assert len([found for found in peer.frames(kind=Kind.SETTINGS) if found.flags & Flag.ACK]) == 1


async def test_acknowledgement_with_a_payload_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.5."""
    octets = frame(Kind.SETTINGS, Flag.ACK, 0, bytes(6))

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 6\.5")


async def test_settings_on_a_stream_end_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.5."""
    await ends_connection(driver, frame(Kind.SETTINGS, 0, 1), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.5")


@pytest.mark.parametrize("size", [1, 5, 7, 11])
async def test_settings_of_a_wrong_size_end_the_connection(driver: Driver, size: int) -> None:
    """RFC 9113, 6.5."""
    octets = frame(Kind.SETTINGS, 0, 0, bytes(size))

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 6\.5")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (Setting.ENABLE_PUSH, 1, Code.PROTOCOL_ERROR),
        (Setting.ENABLE_PUSH, 2, Code.PROTOCOL_ERROR),
        (Setting.INITIAL_WINDOW_SIZE, 2**31, Code.FLOW_CONTROL_ERROR),
        (Setting.INITIAL_WINDOW_SIZE, 2**32 - 1, Code.FLOW_CONTROL_ERROR),
        (Setting.MAX_FRAME_SIZE, MAX_FRAME_SIZE - 1, Code.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 0, Code.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 2**24, Code.PROTOCOL_ERROR),
        (Setting.ENABLE_CONNECT_PROTOCOL, 2, Code.PROTOCOL_ERROR),
    ],
)
async def test_value_that_a_setting_cannot_have_ends_the_connection(
    driver: Driver, name: int, value: int, code: Code
) -> None:
    """RFC 9113, 6.5.2; RFC 8441, 3. [H2-15] A server that turns push on is one of them."""
    await ends_connection(driver, settings((name, value)), code)


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 1)],
        [(0xFFFF, 0xFFFFFFFF), (0x0A0A, 7)],
        [(Setting.ENABLE_PUSH, 0)],
        [(Setting.MAX_HEADER_LIST_SIZE, 0)],
        [(Setting.MAX_FRAME_SIZE, 2**24 - 1)],
        [(Setting.INITIAL_WINDOW_SIZE, 2**31 - 1), (Setting.INITIAL_WINDOW_SIZE, 65_535)],
    ],
    ids=["zero", "unknown", "no-push", "advice", "largest-frame", "twice"],
)
async def test_setting_without_a_meaning_for_requests_is_acknowledged(
    driver: Driver, pairs: list[tuple[int, int]]
) -> None:
    """RFC 9113, 6.5.2: unknown ones are ignored, the limit of a head's size is advice, and a push was not asked for."""
    assert (await means_nothing(driver, settings(*pairs) + answer(1))).text == "ok"


async def test_later_value_of_a_setting_counts(driver: Driver) -> None:
    """RFC 9113, 6.5.3: values are taken in the order in which they appear."""
    script = [
        Greet(((Setting.MAX_FRAME_SIZE, 20_000), (Setting.MAX_FRAME_SIZE, 16_384))),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        await client.post(peer.url, content=b"x" * 40_000)

        assert [len(found.payload) for found in peer.frames(kind=Kind.DATA)] == [16_384, 16_384, 7_232]


@pytest.mark.parametrize("limit", [MAX_FRAME_SIZE, 20_000])
async def test_no_frame_of_a_request_is_larger_than_the_server_takes(driver: Driver, limit: int) -> None:
    """RFC 9113, 4.2 and 6.5.2. [H2-20] A head of 40 KiB goes out in CONTINUATION frames, with nothing between them."""
    script = [
        Greet(((Setting.MAX_FRAME_SIZE, limit),)),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequest(3),
        Send(answer(3)),
    ]
    # Characters that Huffman's code does not shorten.
    value = "#!&;" * 10_240
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        response = await client.post(peer.url, content=b"y" * 60_000, headers={"x-long": value})

        assert response.text == "ok"
        second = [found for found in peer.frames() if found.stream == 3]
        assert max(len(found.payload) for found in second) <= limit
        kinds = [found.kind for found in second if found.kind != Kind.DATA]
        assert kinds == [Kind.HEADERS] + [Kind.CONTINUATION] * (len(kinds) - 1)
        assert len(kinds) >= 3
        assert [found.ends_headers for found in second if found.kind != Kind.DATA] == [False] * (len(kinds) - 1) + [
            True
        ]
        request = peer.heads()[1]
        assert request[b"x-long"] == value.encode()
        assert request.body == b"y" * 60_000


@pytest.mark.parametrize("sizes", [(0,), (100,), (0, 4096), (65_536,), (2**32 - 1,)])
async def test_dynamic_table_of_requests_obeys_the_server(driver: Driver, sizes: tuple[int, ...]) -> None:
    """RFC 9113, 4.3.1; RFC 7541, 4.2. [H2-20] A smaller table is told by a size update in the next block."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(b"".join(settings((Setting.HEADER_TABLE_SIZE, size)) for size in sizes) + answer(1)),
        ReadRequest(3),
        Send(answer(3)),
        ReadRequest(5),
        Send(answer(5)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False, headers={"x-token": "a" * 60})

        for _ in range(3):
            assert (await client.get(peer.url)).text == "ok"

        blocks = [found.payload for found in peer.frames(kind=Kind.HEADERS)]
        decoder: Any = hpack.Decoder()
        decoder.decode(blocks[0])
        # It refuses a block that goes on with a table that is larger than this.
        decoder.max_allowed_table_size = min(sizes)
        if len(sizes) > 1:
            assert blocks[1][0] == 0x20, "the smallest size comes first"
            decoder.max_allowed_table_size = max(sizes)
        for octets in blocks[1:]:
            assert dict(decoder.decode(octets))["x-token"] == "a" * 60
        assert decoder.header_table_size <= sizes[-1]


# 5.1.2: concurrency


async def test_streams_beyond_the_servers_limit_wait(driver: Driver) -> None:
    """RFC 9113, 5.1.2. [H2-19] Those that one connection has no room for, while the client may have one only."""
    script: list[Step] = [Greet(((Setting.MAX_CONCURRENT_STREAMS, 2),)), ReadRequest(1), Send(answer(1))]
    for first in range(3, 15, 4):
        script += [ReadRequests((first, first + 2)), Send(answer(first) + answer(first + 2))]
    with Peer(script) as peer:
        client = driver.client(http1=False, limits=httpfast.Limits(max_connections=1))
        await client.get(peer.url)

        responses = await driver.gather(*(client.get(peer.url) for _ in range(6)))

        assert [getattr(response, "text", response) for response in responses] == ["ok"] * 6
        assert peer.connections == 1


async def test_limit_of_streams_below_those_open_lets_them_finish(driver: Driver) -> None:
    """RFC 9113, 5.1.2. [H2-19] Lowered in mid-flight: nothing is reset, and what comes later waits."""
    script = [
        Greet(((Setting.MAX_CONCURRENT_STREAMS, 3),)),
        ReadRequest(1),
        Send(answer(1)),
        ReadRequests((3, 5, 7)),
        Send(settings((Setting.MAX_CONCURRENT_STREAMS, 1))),
        Read(Kind.SETTINGS, flags=Flag.ACK),
        Send(answer(3) + answer(5) + answer(7)),
        ReadRequest(9),
        Send(answer(9)),
        ReadRequest(11),
        Send(answer(11)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False, limits=httpfast.Limits(max_connections=1))
        await client.get(peer.url)

        first = await driver.gather(*(client.get(peer.url) for _ in range(3)))
        second = await driver.gather(*(client.get(peer.url) for _ in range(2)))

        assert [getattr(response, "text", response) for response in first + second] == ["ok"] * 5
        assert peer.codes() == []


async def test_server_that_takes_no_streams_is_a_pool_timeout(driver: Driver) -> None:
    """RFC 9113, 6.5.2. [H2-19] A limit of 0 is one for now. The request waits as long as its pool timeout says."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(settings((Setting.MAX_CONCURRENT_STREAMS, 0)) + answer(1)),
        Read(Kind.SETTINGS, flags=Flag.ACK),
        Stall(),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False, limits=httpfast.Limits(max_connections=1))
        await client.get(peer.url)

        with pytest.raises(httpfast.PoolTimeout):
            await client.get(peer.url, timeout=httpfast.Timeout(5, pool=0.05))

        assert len(peer.heads()) == 1


# 6.6 and 8.4: PUSH_PROMISE


@pytest.mark.parametrize(
    ("stream", "promised"), [(1, 2), (1, 3), (1, 0), (0, 2), (3, 2)], ids=["right", "odd", "zero", "no-stream", "idle"]
)
async def test_push_promise_ends_the_connection(driver: Driver, stream: int, promised: int) -> None:
    """RFC 9113, 6.6 and 8.4. [H2-15] Whatever it says, for push was turned off."""
    fields = block((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))

    await ends_connection(driver, push_promise(stream, promised, fields), Code.PROTOCOL_ERROR)


async def test_push_promise_after_a_response_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.6. [H2-15] A response that is complete by then stands."""
    octets = headers(1, status(200)) + data(1, b"x") + push_promise(1, 2, block((b":method", b"GET")))

    await ends_connection(driver, octets, Code.PROTOCOL_ERROR)


# 6.7: PING


async def test_ping_is_answered_with_its_payload(driver: Driver) -> None:
    """RFC 9113, 6.7."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(ping(b"\0\xffpayload"[:8])),
        Read(Kind.PING, 0, payload=b"\0\xffpayload"[:8], flags=Flag.ACK),
        Send(answer(1)),
    ]
    with Peer(script) as peer:
        assert (await driver.client(http1=False).get(peer.url)).text == "ok"


async def test_answer_to_a_ping_that_was_not_sent_is_ignored(driver: Driver) -> None:
    """RFC 9113, 6.7: and never answered itself."""
    script = [Greet(), ReadRequest(1), Send(ping(is_answer=True) + answer(1)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        await client.get(peer.url)
        await client.get(peer.url)

        assert peer.frames(kind=Kind.PING) == []


async def test_ping_on_a_stream_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 6.7."""
    await ends_connection(driver, frame(Kind.PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR, match=r"RFC 9113, 6\.7")


@pytest.mark.parametrize("size", [0, 7, 9])
@pytest.mark.parametrize("flags", [0, Flag.ACK], ids=["ping", "ack"])
async def test_ping_of_a_wrong_size_ends_the_connection(driver: Driver, size: int, flags: int) -> None:
    """RFC 9113, 6.7."""
    octets = frame(Kind.PING, flags, 0, bytes(size))

    await ends_connection(driver, octets, Code.FRAME_SIZE_ERROR, match=r"RFC 9113, 6\.7")


async def test_silence_before_the_servers_settings_is_no_error(driver: Driver) -> None:
    """RFC 9113, 6.5.3: they may come as late as the response."""
    script = [ReadPreface(), ReadRequest(1), Send(settings((Setting.MAX_CONCURRENT_STREAMS, 1)) + answer(1), chunk=3)]
    with Peer(script) as peer:
        assert (await driver.client(http1=False).get(peer.url)).text == "ok"
