"""Hypothesis strategies of what a server may and may not send: frames, good and bad, for the streams of `asked`."""

from __future__ import annotations

from hypothesis import strategies as st

from httpfast import RemoteProtocolError
from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_sender import H2Stream

from .h2_octets import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LAST_ID,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ask,
    data,
    frame,
    goaway,
    headers,
    opened,
    reset,
    settings,
    window_update,
)
from .hpack_blocks import indexed, inserted, literal, update

# Streams that `asked` opens, one that it does not, one of the other side, and the connection.
STREAMS = st.sampled_from([1, 1, 3, 3, 5, 7, 7, 9, 2, 0])
SIZES = st.sampled_from([0, 1, 5, 100, 65535, LAST_ID])
STATUSES = st.sampled_from([b"200", b"204", b"304", b"404", b"100", b"103", b"101", b"2", b""])
LITTLE = st.binary(max_size=20)

FIELDS = st.sampled_from(
    [
        literal(b":status", b"200"),
        indexed(8),
        inserted(b"a", b"b"),
        inserted(b"content-length", b"3"),
        literal(b"content-length", b"3"),
        literal(b"Upper", b"case"),
        literal(b"connection", b"close"),
        indexed(62),
        indexed(63),
        indexed(0),
        update(0),
        update(4096),
        update(5000),
        b"\xff\xff\xff\xff\xff",
    ]
)
BLOCKS = st.builds(
    lambda first, rest: first + b"".join(rest),
    st.sampled_from([b"", indexed(8), indexed(8)]),
    st.lists(FIELDS, max_size=3),
)

GOOD_FRAMES = st.one_of(
    st.builds(
        lambda stream, status, end: headers(stream, status=status, end=end),
        st.sampled_from([1, 3, 5, 7]),
        st.sampled_from([b"200", b"100", b"103", b"204"]),
        st.booleans(),
    ),
    st.builds(
        lambda stream, octets, end, padding: data(stream, octets, end=end, padding=padding),
        st.sampled_from([1, 3, 5, 7]),
        LITTLE,
        st.booleans(),
        st.none() | st.integers(0, 20),
    ),
    st.builds(window_update, st.sampled_from([0, 1, 3, 5, 7]), st.integers(1, 100)),
    st.builds(settings, st.dictionaries(st.sampled_from([1, 3, 4, 99]), st.integers(0, 200), max_size=2)),
    st.builds(
        lambda octets, ack: frame(PING, octets, flags=ACK if ack else 0),
        st.binary(min_size=8, max_size=8),
        st.booleans(),
    ),
    st.builds(reset, st.sampled_from([1, 3, 5, 7]), st.integers(0, 14)),
)
BAD_FRAMES = st.one_of(
    st.builds(
        lambda block, stream, flags: frame(HEADERS, block, stream, flags),
        BLOCKS,
        STREAMS,
        st.sampled_from(
            [END_HEADERS, END_HEADERS | END_STREAM, 0, END_STREAM, END_HEADERS | PADDED, END_HEADERS | PRIORITIZED]
        ),
    ),
    st.builds(
        lambda block, stream, flags: frame(CONTINUATION, block, stream, flags),
        BLOCKS,
        STREAMS,
        st.sampled_from([0, END_HEADERS]),
    ),
    st.builds(lambda octets, stream, flags: frame(0, octets, stream, flags), LITTLE, STREAMS, st.integers(0, 255)),
    st.builds(
        lambda kind, octets, stream, flags: frame(kind, octets, stream, flags),
        st.integers(0, 12),
        LITTLE,
        STREAMS,
        st.integers(0, 255),
    ),
    st.builds(
        lambda kind, octets, stream: frame(kind, octets, stream),
        st.sampled_from([PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, WINDOW_UPDATE, PING]),
        st.binary(min_size=3, max_size=9),
        STREAMS,
    ),
    st.builds(window_update, STREAMS, SIZES),
    st.builds(
        lambda values: settings(values), st.dictionaries(st.integers(1, 9), st.integers(0, 2**32 - 1), max_size=3)
    ),
    st.builds(goaway, SIZES, st.integers(0, 14), LITTLE),
    LITTLE,
)
# Mostly good, so that a program gets somewhere before it goes wrong.
FRAMES = st.one_of(GOOD_FRAMES, GOOD_FRAMES, GOOD_FRAMES, BAD_FRAMES)


def asked(initial_window: int = 10) -> tuple[H2Engine, list[H2Stream], list[Exchange]]:
    """An engine with four requests: collected and streamed, one whose body waits for its window, one without an end."""
    engine = opened({4: initial_window})
    rows = [
        ask(engine, collect=True),
        ask(engine, "POST", content=b"0123456789" * 5),
        ask(engine, "HEAD"),
        ask(engine, "POST", pieces=True),
    ]
    engine.write_body(rows[3][0], b"0123456789" * 2)
    engine.take_output()
    engine.take_news()
    return engine, [stream for stream, _ in rows], [exchange for _, exchange in rows]


def received(engine: H2Engine, reads: list[bytes]) -> RemoteProtocolError | None:
    """The error that these reads end with."""
    try:
        for read in reads:
            if read:
                engine.receive_octets(read)
    except RemoteProtocolError as error:
        return error
    return None
