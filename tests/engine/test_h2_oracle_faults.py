"""H2Engine against the package h2 in the client's role: of what a server sends, both refuse the same.

What h2 takes for an error of the connection has to be one for us, or one of the stream at least, where RFC 9113 says so
(h2 does not tell those apart for field sections); differences stand in `may_differ` with their reasons.
"""

from __future__ import annotations

import h2.config
import h2.connection
import h2.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast._cext.exchange import Exchange
from httpfast._cext.h2 import H2Engine

from .h2_frames import FRAMES, received
from .h2_octets import WINDOW_UPDATE, ask, opened
from .h2_octets import settings as settings_frame

ALTSVC = 10


def ours() -> tuple[H2Engine, list[Exchange]]:
    engine = opened()
    rows = [ask(engine), ask(engine), ask(engine, "HEAD"), ask(engine, "POST", pieces=True)]
    engine.take_output()
    return engine, [exchange for _, exchange in rows]


def theirs() -> h2.connection.H2Connection:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=False))
    connection.initiate_connection()
    connection.receive_data(settings_frame())
    for method in (b"GET", b"GET", b"HEAD", b"POST"):
        head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
        connection.send_headers(connection.get_next_available_stream_id(), head, end_stream=method != b"POST")
    connection.update_settings({2: 0})
    connection.receive_data(settings_frame(ack=True) * 2)
    return connection


def refusal_of(oracle: h2.connection.H2Connection, octets: bytes) -> str | None:
    """How h2 puts it that these octets are an error of the connection."""
    try:
        oracle.receive_data(octets)
    except h2.exceptions.ProtocolError as error:
        return str(error)
    return None


def may_differ(refusal: str, octets: bytes, engine: H2Engine, exchanges: list[Exchange]) -> bool:
    """True for what is known, and why we do not refuse it."""
    # After GOAWAY h2 lets nothing come; open streams go on (RFC 9113, 6.8).
    if refusal.startswith("Invalid input ConnectionInputs.RECV_"):
        return engine.is_draining
    # A malformed ALTSVC: no frame of ours, so it means nothing (RFC 9113, 5.5).
    if refusal.startswith("Frame data missing or invalid"):
        return octets[3] == ALTSVC
    # A response that ended before its request had the stream reset: what comes for it after that is passed over
    # (RFC 9113, 5.1). h2 has not sent that RST_STREAM.
    if refusal.startswith("Invalid input StreamInputs.RECV_INFORMATIONAL_HEADERS"):
        return exchanges[int.from_bytes(octets[5:9], "big") // 2].is_complete
    # Whatever is in a WINDOW_UPDATE for a stream that has ended is passed over (RFC 9113, 5.1).
    if octets[3] == WINDOW_UPDATE and exchanges[int.from_bytes(octets[5:9], "big") // 2].is_complete:
        return True
    # A reserved bit that is set, which means nothing (RFC 9113, 4.1, 6.9).
    return refusal.startswith("Received frame with non-compliant data") and bool(octets[9] & 0x80)


@settings(max_examples=600, deadline=None)
@given(st.lists(FRAMES, min_size=1, max_size=6))
def test_what_h2_refuses_is_refused(frames: list[bytes]):
    oracle = theirs()
    engine, exchanges = ours()
    for octets in frames:
        error = received(engine, [octets])
        refusal = refusal_of(oracle, octets)
        if error is not None or any(exchange.error is not None for exchange in exchanges):
            return
        if refusal is not None:
            assert may_differ(refusal, octets, engine, exchanges), refusal
            return
