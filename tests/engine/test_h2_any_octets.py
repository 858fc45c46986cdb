"""H2Engine under any octets in any cut: the same exchanges and the same output, or RemoteProtocolError and a GOAWAY."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tested
from hypothesis import strategies as st

from httpfast import RemoteProtocolError
from httpfast._cext.h2 import H2Engine

from .h2_frames import BAD_FRAMES, FRAMES, asked, received
from .h2_octets import GOAWAY, PREFACE, Outcome, ask, frames_of, outcome_of, settings
from .reading import pieces, shared_json

CORPUS = shared_json("nghttp2/fuzz_corpus.json")

needs_corpus = pytest.mark.skipif(
    CORPUS is None, reason="no ../shared/data/nghttp2/fuzz_corpus.json beside the project"
)


def result_of(reads: list[bytes]) -> tuple[str | None, bytes, list[Outcome], list[tuple[int, int]], Any]:
    """All that can be seen of the engine and its exchanges after these reads."""
    engine, streams, exchanges = asked()
    error = received(engine, reads)
    news = {id(exchange) for exchange in engine.take_news()}
    return (
        None if error is None else str(error),
        engine.take_output(),
        [outcome_of(exchange) for exchange in exchanges],
        [engine.windows(), *map(engine.windows, streams)],
        (
            [id(exchange) in news for exchange in exchanges],
            engine.is_dead,
            engine.is_draining,
            engine.goaway_code,
            engine.streams_left(),
            engine.max_streams,
        ),
    )


@tested(max_examples=500, deadline=None)
@given(st.lists(FRAMES, max_size=12), st.data())
def test_stream_under_any_split_is_the_same(frames: list[bytes], data: st.DataObject):
    stream = b"".join(frames)
    cuts = data.draw(st.lists(st.integers(1, len(stream) + 1), max_size=20))

    assert result_of(pieces(stream, cuts)) == result_of([stream])


@tested(max_examples=300, deadline=None)
@given(st.lists(FRAMES, max_size=10))
def test_stream_octet_by_octet_is_the_same(frames: list[bytes]):
    stream = b"".join(frames)

    assert result_of([stream[i : i + 1] for i in range(len(stream))]) == result_of([stream])


def check_end(engine: H2Engine, exchanges: list[Any], error: RemoteProtocolError | None) -> None:
    """What holds however it ends."""
    output = frames_of(engine.take_output())
    if error is None:
        assert not engine.is_dead
        return
    assert engine.is_dead
    assert engine.streams_left() == 0
    assert all(exchange.is_complete or exchange.error is not None for exchange in exchanges)
    assert output[-1].kind == GOAWAY
    assert output[-1].goaway_code != 0
    engine.receive_octets(settings())
    assert engine.take_output() == b""


@tested(max_examples=1000, deadline=None)
@given(st.lists(FRAMES, max_size=12), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_changed_octets_end_in_an_error_of_the_peer_or_in_none(frames: list[bytes], changes: list[tuple[int, int]]):
    stream = bytearray(b"".join(frames))
    for position, octet in changes:
        if stream:
            stream[position % len(stream)] = octet
    engine, _, exchanges = asked()

    error = received(engine, [bytes(stream)])

    check_end(engine, exchanges, error)


@tested(max_examples=300, deadline=None)
@given(st.lists(BAD_FRAMES | st.binary(max_size=100), max_size=8))
def test_any_octets_end_in_an_error_of_the_peer_or_in_none(frames: list[bytes]):
    engine, _, exchanges = asked()

    error = received(engine, frames)

    check_end(engine, exchanges, error)


@tested(max_examples=100, deadline=None)
@given(st.binary(min_size=9, max_size=100))
def test_octets_that_are_no_http_2_are_refused_at_once(octets: bytes):
    """H2-21: at the latest with the first frame's header."""
    if octets[:4] == b"\0\0\0\4" or (octets[3] == 4 and octets[:2] <= b"\x40\0" and not octets[4] & 1):
        octets = b"H" + octets[1:]
    engine = H2Engine()
    engine.open()
    _, exchange = ask(engine)
    engine.take_output()

    with pytest.raises(RemoteProtocolError):
        engine.receive_octets(octets)

    assert exchange.error is not None


def seeds() -> list[bytes]:
    """What clients have sent; what they begin with is no frame."""
    return [b64decode(row["b64"]).removeprefix(PREFACE) for row in CORPUS["inputs"]]


@needs_corpus
def test_corpus_ends_in_an_error_of_the_peer_or_in_none():
    found = seeds()
    assert found
    for seed in found:
        engine, _, exchanges = asked()
        check_end(engine, exchanges, received(engine, [seed]))
        assert result_of([seed[i : i + 1] for i in range(len(seed))]) == result_of([seed])


@needs_corpus
@tested(max_examples=500, deadline=None)
@given(st.data())
def test_changed_corpus_ends_in_an_error_of_the_peer_or_in_none(data: st.DataObject):
    stream = bytearray(data.draw(st.sampled_from(seeds())))
    for _ in range(data.draw(st.integers(0, 4))):
        if stream:
            stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    engine, _, exchanges = asked()

    check_end(engine, exchanges, received(engine, [bytes(stream)]))
