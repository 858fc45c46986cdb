"""H2Engine's request heads: two independent decoders read exactly what was asked (RFC 9113, 8.3; RFC 7541)."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import settings as tested
from hypothesis import strategies as st

from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields

from . import nghttp2
from .h2_octets import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    Frame,
    ask,
    begun,
    exchange_for,
    frame,
    frames_of,
    opened,
    settings,
)
from .hpack_blocks import Field

TABLE_SIZE, FRAME_SIZE = 1, 5
SECRET = (b"authorization", b"proxy-authorization")

needs_nghttp2 = pytest.mark.skipif(not nghttp2.available(), reason="libnghttp2 is not installed")

names = st.text("abcXYZ019-_!", min_size=1, max_size=10).map(str.encode) | st.sampled_from(
    [b"Accept", b"User-Agent", b"Cookie", b"Authorization", b"X-A", b"TE"]
)
values = (
    st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20).map(lambda text: text.encode("latin-1"))
    | st.sampled_from([b"", b"a", b"*/*", b"trailers", b"b" * 500])
    | st.integers(1, 5).map(lambda count: b"\xff" * 9000 * count)
).filter(lambda value: b"\x7f" not in value)
requests = st.tuples(
    st.sampled_from(["GET", "POST", "OPTIONS", "X"]),
    st.sampled_from(["/", "/a", "/a?b", "/%20"]),
    st.lists(st.tuples(names, values), max_size=4),
)
changes = st.dictionaries(
    st.just(TABLE_SIZE), st.sampled_from([0, 1, 64, 500, 4096, 65536]), max_size=1
) | st.dictionaries(st.just(FRAME_SIZE), st.sampled_from([16384, 17000, 65536, 2**24 - 1]), max_size=1)


def blocks_of(frames: list[Frame]) -> list[bytes]:
    """The field blocks of these frames, whose order and flags must be as RFC 9113, 6.10 says."""
    blocks: list[bytes] = []
    stream = 0
    for each in frames:
        if each.kind == HEADERS:
            assert stream == 0
            blocks.append(each.payload)
            stream = each.stream
        elif each.kind == CONTINUATION:
            assert each.stream == stream
            assert each.payload
            blocks[-1] += each.payload
        else:
            assert stream == 0
            continue
        if each.flags & END_HEADERS:
            stream = 0
    assert stream == 0
    return blocks


def expected(exchange: Exchange) -> list[Field]:
    """What a server has to read: RFC 9113, 8.3.1 and 8.2."""
    fields = [
        (lower, value)
        for _, lower, value in exchange.fields_sent
        if lower not in (b"host", b"transfer-encoding") and not (lower == b"te" and value != b"trailers")
    ]
    return [
        (b":method", exchange.method.encode()),
        (b":scheme", b"https"),
        (b":authority", b"www.example.com"),
        (b":path", exchange.target),
        *fields,
    ]


class Readers:
    """Both decoders, as far as they are here."""

    def __init__(self) -> None:
        self.package = hpack.Decoder()
        self.package.max_header_list_size = 2**20
        self.library = nghttp2.Inflater() if nghttp2.available() else None

    def set_table_size(self, size: int) -> None:
        self.package.max_allowed_table_size = size
        if self.library is not None:
            self.library.set_max_size(size)

    def check(self, block: bytes, fields: list[Field]) -> None:
        found = self.package.decode(block, raw=True)
        assert [(bytes(name), bytes(value)) for name, value in found] == fields
        assert all(not each.indexable for each in found if each[0] in SECRET)
        if self.library is not None:
            assert list(self.library.decode(block)) == fields


@needs_nghttp2
@tested(max_examples=200, deadline=None)
@given(st.lists(st.one_of(requests, requests, changes), max_size=12))
def test_heads_are_read_as_they_were_asked(steps: list[tuple[str, str, list[Field]] | dict[int, int]]):
    engine = opened()
    readers = Readers()
    frame_size = 16384
    for step in steps:
        if isinstance(step, dict):
            engine.receive_octets(settings(step))
            engine.take_output()
            frame_size = step.get(FRAME_SIZE, frame_size)
            if TABLE_SIZE in step:
                readers.set_table_size(step[TABLE_SIZE])
            continue
        method, path, fields = step
        _, exchange = ask(engine, method, path, fields)

        frames = frames_of(engine.take_output())

        assert max(len(each.payload) for each in frames) <= frame_size
        (block,) = blocks_of(frames)
        readers.check(block, expected(exchange))


def test_head_that_comes_again_is_read_again():
    """Heads are encoded once and known again: not when the table has changed."""
    engine = opened()
    readers = Readers()
    known = [exchange_for(path=f"/{number}", fields=[(b"X-A", b"%d" % number)]) for number in range(3)]
    heads = [RequestFields(exchange.fields_sent) for exchange in known]

    for number in [0, 1, 0, 0, 2, 1, 0, 2, 2]:
        exchange = known[number].again()
        stream = engine.begin(exchange, heads[number])
        (block,) = blocks_of(frames_of(engine.take_output()))
        readers.check(block, expected(exchange))
        engine.give_up(stream)
        engine.take_output()


def test_head_that_comes_again_is_short():
    engine = opened()
    exchange = exchange_for(fields=[(b"X-A", b"a" * 100)])
    head = RequestFields(exchange.fields_sent)
    sizes = []
    for _ in range(3):
        engine.begin(exchange.again(), head)
        (block,) = blocks_of(frames_of(engine.take_output()))
        sizes.append(len(block))

    assert sizes[1] < 12
    assert sizes[1] == sizes[2]


@pytest.mark.parametrize("sizes", [[0], [100, 0], [0, 4096], [0, 100, 4096], [65536], [4096]])
def test_change_of_the_table_is_said_at_the_beginning_of_the_next_head(sizes: list[int]):
    """RFC 7541, 4.2: the smallest size in between, then the last."""
    engine = opened()
    readers = Readers()
    for _ in range(2):
        _, exchange = ask(engine, fields=[(b"X-A", b"b")])
        readers.check(blocks_of(frames_of(engine.take_output()))[0], expected(exchange))

    for size in sizes:
        engine.receive_octets(settings({TABLE_SIZE: size}))
        readers.set_table_size(size)
    engine.take_output()

    for _ in range(2):
        _, exchange = ask(engine, fields=[(b"X-A", b"b")])
        readers.check(blocks_of(frames_of(engine.take_output()))[0], expected(exchange))


@pytest.mark.parametrize("name", [b"Authorization", b"Proxy-Authorization"])
def test_credentials_are_never_indexed(name: bytes):
    """RFC 7541, 7.1.3; H2-24."""
    engine = opened()
    _, exchange = ask(engine, fields=[(name, b"Basic abc")])

    (block,) = blocks_of(frames_of(engine.take_output()))

    found = hpack.Decoder().decode(block, raw=True)
    (secret,) = [each for each in found if bytes(each[0]) == name.lower()]
    assert not secret.indexable
    assert b"Basic abc" not in [value for _, value in engine.tables()[0].entries_by_index]
    assert exchange.error is None


def test_connection_fields_do_not_go_out():
    """RFC 9113, 8.2.2: what HTTP/1.1 says about a connection."""
    engine = opened()
    dropped = [
        (b"Connection", b"keep-alive"),
        (b"Keep-Alive", b"1"),
        (b"Proxy-Connection", b"close"),
        (b"Transfer-Encoding", b"chunked"),
        (b"TE", b"gzip"),
    ]
    _, exchange = ask(engine, "POST", fields=[*dropped, (b"A", b"b")], pieces=True)

    (block,) = blocks_of(frames_of(engine.take_output()))

    Readers().check(
        block,
        [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", b"www.example.com"),
            (b":path", b"/"),
            (b"a", b"b"),
        ],
    )
    assert exchange.error is None


def test_connect_names_the_authority_only():
    """RFC 9113, 8.5."""
    engine = opened()
    exchange = exchange_for("CONNECT")
    exchange.reroute(exchange.key, b"www.example.com:443", exchange.fields_sent)

    begun(engine, exchange)

    (head,) = frames_of(engine.take_output())
    assert head.flags & END_STREAM or head.flags == END_HEADERS
    found = [(bytes(name), bytes(value)) for name, value in hpack.Decoder().decode(head.payload, raw=True)]
    assert found[:2] == [(b":method", b"CONNECT"), (b":authority", b"www.example.com:443")]
    assert not {b":scheme", b":path"} & {name for name, _ in found}


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nb", b"/\0", b"", b"/\x7f"])
def test_target_that_is_none_is_refused_before_anything_is_written(target: bytes):
    """INJ-04."""
    engine = opened()
    exchange = exchange_for()
    exchange.reroute(exchange.key, target, exchange.fields_sent)

    with pytest.raises(Exception, match="target"):
        begun(engine, exchange)

    assert engine.take_output() == b""
    assert ask(engine)[0].id == 1


def test_heads_of_responses_by_another_encoder_are_read():
    engine = H2Engine()
    engine.open()
    encoder = hpack.Encoder()
    engine.receive_octets(settings())
    for number in range(1, 41, 2):
        fields = [(b":status", b"200"), (b"server", b"a"), (b"x-%d" % (number % 5), b"v" * number)]
        _, exchange = ask(engine)
        block = encoder.encode(fields)

        engine.receive_octets(frame(HEADERS, block, number, END_HEADERS | END_STREAM))

        assert exchange.fields == fields[1:]
