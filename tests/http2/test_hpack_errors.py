"""HTTP/2 of the client, RFC 9113, 4.3, and RFC 7541: field blocks that are wrong or too large, and the table.

[H2-01]
"""

from __future__ import annotations

import tracemalloc

import pytest

import httpfast
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.plain import exchange_of

from ..drivers.facade import Driver
from ..engine.hpack_blocks import coded, indexed, inserted, integer, literal, plain, update
from ..peers import Send
from .frames import MAX_FRAME_SIZE, Code, answer, block, continuation, data, headers, settings, status
from .peer import Greet, Peer, ReadRequest, ReadRequests, ReadReset
from .scenarios import ends_connection, ends_stream, means_nothing

OK = indexed(8)
"""`:status: 200`, from the static table."""

BROKEN = {
    # 2.3.3 and 6.1: the index
    "index-zero": indexed(0),
    "index-past-an-empty-table": indexed(62),
    "index-past-the-end": inserted(b"a", b"b") + indexed(63),
    "index-far-past-the-end": indexed(2**31),
    "name-past-the-end": literal(62, b"x"),
    "name-of-an-insertion-past-the-end": inserted(70, b"x"),
    # 5.1: integers
    "integer-cut-off": b"\xff",
    "integer-of-six-octets": b"\xff" + b"\x80" * 5 + b"\x01",
    "integer-over-32-bits": b"\xff\xff\xff\xff\xff\x7f",
    "integer-of-zeros": b"\xff" + b"\x80" * 20 + b"\x00",
    "length-over-32-bits": b"\x00\x7f\xff\xff\xff\xff\x7f",
    # 5.2: strings
    "name-cut-off": b"\x00\x05ab",
    "value-cut-off": b"\x00\x01a\x05b",
    "value-missing": b"\x00\x01a",
    "literal-without-a-name": b"\x40",
    "end-of-string-symbol": b"\x00\x01a" + coded(b"\xff\xff\xff\xfc"),
    "end-of-string-symbol-within": b"\x00\x01a" + coded(b"\x1f\xff\xff\xff\xf8"),
    "padding-of-eight-bits": b"\x00\x01a" + coded(b"\x1f\xff"),
    "padding-of-zeros": b"\x00\x01a" + coded(b"\x18"),
    "padding-in-a-name": b"\x00" + coded(b"\x1f\xff") + plain(b"b"),
    # 4.2 and 6.3: the size of the table
    "update-over-the-limit": update(4097),
    "update-far-over-the-limit": update(2**31),
    "update-after-a-field": literal(b"a", b"b") + update(0),
    "update-at-the-end": literal(b"a", b"b") + update(100),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_block_that_cannot_be_decoded_ends_the_connection(driver: Driver, name: str) -> None:
    """RFC 9113, 4.3; RFC 7541, 2.3.3, 4.2, 5.1, 5.2, 6.1 and 6.3. [H2-05] [H2-06]"""
    octets = headers(
        1, (b"" if name.startswith("update-far") or name == "update-over-the-limit" else OK) + BROKEN[name]
    )

    await ends_connection(driver, octets, Code.COMPRESSION_ERROR, match="RFC 7541")


@pytest.mark.parametrize("name", ["index-zero", "end-of-string-symbol", "value-cut-off"])
async def test_block_for_a_stream_that_is_gone_is_decoded_all_the_same(driver: Driver, name: str) -> None:
    """RFC 9113, 4.3. [H2-06] Trailers behind an answer that was reset for its head."""
    octets = headers(1, block((b"a", b"b"))) + headers(1, OK + BROKEN[name], ends=True)
    script = [Greet(), ReadRequest(1), Send(octets), ReadReset(1, Code.PROTOCOL_ERROR)]
    with Peer(script, [Greet(), ReadRequest(1), Send(answer(1))]) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError):
            await client.get(peer.url)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 2
        await driver.blocking(peer.wait_until, lambda: ("GOAWAY", 0, Code.COMPRESSION_ERROR) in peer.codes())


async def test_block_cut_off_at_end_headers_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 4.3: what CONTINUATION frames bring is one block, which has to be whole."""
    octets = headers(1, OK + b"\x00\x03", is_whole=False) + continuation(1, b"ab")

    await ends_connection(driver, octets, Code.COMPRESSION_ERROR, match="RFC 7541")


@pytest.mark.parametrize(
    "updates",
    [update(0), update(4096), update(0) + update(4096), update(10) + update(20)],
    ids=["zero", "whole", "two", "rising"],
)
async def test_size_updates_at_the_beginning_are_right(driver: Driver, updates: bytes) -> None:
    """RFC 7541, 4.2 and 6.3."""
    assert (await means_nothing(driver, headers(1, updates + OK) + data(1, b"ok", ends=True))).text == "ok"


async def test_table_lives_as_long_as_the_connection(driver: Driver) -> None:
    """RFC 9113, 4.3; RFC 7541, 2.3.2: fields of one response, of trailers and of an interim one serve the next."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(
            headers(1, literal(8, b"103") + inserted(b"x-interim", b"one"))
            + headers(1, OK + inserted(b"x-head", b"two"))
            + headers(1, inserted(b"x-trailer", b"three"), ends=True)
        ),
        ReadRequest(3),
        Send(headers(3, OK + indexed(62) + indexed(63) + indexed(64)) + data(3, b"ok", ends=True)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        second = await client.get(peer.url)

        found = {name: second.headers[name] for name in ("x-interim", "x-head", "x-trailer")}
        assert found == {"x-interim": "one", "x-head": "two", "x-trailer": "three"}


async def test_entries_that_were_evicted_are_gone(driver: Driver) -> None:
    """RFC 7541, 4.4. [H2-06] An entry larger than the table empties it; it is no error, but its index then is."""
    octets = OK + inserted(b"a", b"b") + inserted(b"large", b"x" * 5000) + indexed(62)

    await ends_connection(driver, headers(1, octets), Code.COMPRESSION_ERROR, match="RFC 7541")


# Heads above our limits


def too_large(kind: str) -> bytes:
    """Frames of a head that is above a limit, and puts a field into the table first."""
    first = OK + inserted(b"x-kept", b"kept")
    if kind == "many":
        fields = first + literal(b"a", b"") * 1_100
    elif kind == "indexed":
        # An entry of 4,000 octets, named by one octet each time.
        fields = OK + inserted(b"x-bomb", b"x" * 3_900) + inserted(b"x-kept", b"kept") + indexed(63) * 16_000
    else:
        fields = first + literal(b"x-long", b"x" * 16_000) * 17
    pieces = [fields[i : i + MAX_FRAME_SIZE] for i in range(0, len(fields), MAX_FRAME_SIZE)]
    return headers(1, pieces[0], is_whole=len(pieces) == 1) + b"".join(
        continuation(1, piece, is_whole=piece is pieces[-1]) for piece in pieces[1:]
    )


@pytest.mark.parametrize("kind", ["many", "indexed"])
async def test_head_above_the_limit_is_an_error_of_its_stream(driver: Driver, kind: str) -> None:
    """RFC 9113, 10.5.1. [H2-03] [H2-04] The table stays in step: the next response uses what this one put there."""
    script = [
        Greet(),
        ReadRequest(1),
        Send(too_large(kind)),
        ReadReset(1, Code.ENHANCE_YOUR_CALM),
        ReadRequest(3),
        Send(headers(3, OK + indexed(62)) + data(3, b"ok", ends=True)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.RemoteProtocolError, match="more than"):
            await client.get(peer.url)
        second = await client.get(peer.url)

        assert second.headers["x-kept"] == "kept"
        assert peer.connections == 1


async def test_block_above_the_limit_ends_the_connection(driver: Driver) -> None:
    """RFC 9113, 10.5.1. [H2-03] Its octets are not kept, so that the table could not stay in step."""
    await ends_connection(driver, too_large("long"), Code.ENHANCE_YOUR_CALM, match="more than")


async def test_head_below_the_limit_is_taken(driver: Driver) -> None:
    """RFC 9113, 10.5.1. [H2-03]"""
    fields = [(b"x-%d" % i, b"v" * 200) for i in range(900)]
    octets = status(200, *fields)
    pieces = [octets[i : i + MAX_FRAME_SIZE] for i in range(0, len(octets), MAX_FRAME_SIZE)]
    frames = headers(1, pieces[0], is_whole=False) + b"".join(
        continuation(1, piece, is_whole=piece is pieces[-1]) for piece in pieces[1:]
    )

    response = await means_nothing(driver, frames + data(1, b"ok", ends=True))

    assert response.headers["x-899"] == "v" * 200
    assert len(response.headers) == 900


async def test_head_above_the_limit_fails_one_of_many(driver: Driver) -> None:
    """RFC 9113, 5.4.2. [H2-03] Others on the connection go on."""
    script = [
        Greet(),
        ReadRequests((1, 3)),
        Send(too_large("many")),
        ReadReset(1, Code.ENHANCE_YOUR_CALM),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        outcomes = await driver.gather(client.get(peer.url), client.get(peer.url))

        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        answered = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert [type(error) for error in failed] == [httpfast.RemoteProtocolError]
        assert [response.text for response in answered] == ["ok"]


async def test_trailers_above_the_limit_are_an_error_of_the_stream(driver: Driver) -> None:
    """RFC 9113, 10.5.1. [H2-03]"""
    trailers = headers(1, literal(b"a", b"") * 1_100, ends=True)

    await ends_stream(driver, headers(1, OK) + data(1, b"ok") + trailers, Code.ENHANCE_YOUR_CALM, match="more than")


def test_bomb_of_indexed_fields_takes_little_memory() -> None:
    """RFC 7541, 7.3. [H2-04] 64 MB of fields in 16 KB, a hundred times."""
    engine = H2Engine()
    engine.open()
    engine.receive_octets(settings())
    fields = RequestFields(((b"Host", b"host", b"a"),))
    request = httpfast.Request("GET", "https://host/")
    bomb = OK + inserted(b"x-bomb", b"x" * 3_900) + indexed(62) * 12_000

    tracemalloc.start()
    try:
        for stream in range(1, 200, 2):
            exchange = exchange_of(request)
            engine.begin(exchange, fields)
            engine.receive_octets(headers(stream, bomb))
            assert isinstance(exchange.error, httpfast.RemoteProtocolError)
            engine.take_output()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 * 1024 * 1024
    assert len(bomb) < MAX_FRAME_SIZE


async def test_long_huffman_strings_are_decoded_in_linear_time(driver: Driver) -> None:
    """RFC 7541, 5.2. [H2-05] Strings of 16 KB each, up to the limit of a head; the deadline is the test's own."""
    # 0 is five zero bits: 16,000 octets of zeros are 25,600 characters.
    text = coded(bytes(16_000))
    field = b"\x00\x01a" + text
    octets = OK + field * 9
    pieces = [octets[i : i + MAX_FRAME_SIZE] for i in range(0, len(octets), MAX_FRAME_SIZE)]
    frames = headers(1, pieces[0], is_whole=False) + b"".join(
        continuation(1, piece, is_whole=piece is pieces[-1]) for piece in pieces[1:]
    )

    response = await means_nothing(driver, frames + data(1, b"ok", ends=True))

    assert response.headers.get_list("a") == ["0" * 25_600] * 9
    assert integer(16_000, 7, 0x80) in text
