"""H2Engine: windows that grow with what comes in a round trip (RFC 9113, 5.2, 6.9.2), measured by a PING."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest

from httpfast import Request
from httpfast._cext.h2 import H2Engine
from httpfast._cext.h2_heads import RequestFields
from httpfast._cext.plain import exchange_of

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
ACK = END_HEADERS = 0x1
FIRST = 262_144
LARGEST = 67_108_864


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def frames(octets: bytes) -> list[tuple[int, int, int, bytes]]:
    """(kind, flags, stream, payload) of each."""
    found = []
    while octets:
        size = int.from_bytes(octets[:3])
        found.append((octets[3], octets[4], int.from_bytes(octets[5:9]), octets[9 : 9 + size]))
        octets = octets[9 + size :]
    return found


@dataclass
class Download:
    """A response under way on stream 1, to which an engine with a window that grows has agreed."""

    engine: H2Engine
    pings: list[bytes]
    sizes: list[int]
    granted: int = 0

    def take(self, size: int) -> None:
        """That many octets of DATA come."""
        while size:
            piece = min(size, 16_384)
            self.engine.receive_octets(frame(DATA, 1, bytes(piece)))
            size -= piece
            self.look()

    def answer(self) -> None:
        """The PING that is out is answered."""
        self.engine.receive_octets(frame(PING, 0, self.pings.pop(0), ACK))
        self.look()

    def look(self) -> None:
        """Note what the engine has said."""
        for kind, flags, stream, payload in frames(self.engine.take_output()):
            if kind == PING and not flags & ACK:
                self.pings.append(payload)
            elif kind == SETTINGS and not flags & ACK:
                self.sizes.append(int.from_bytes(payload[2:]))
            elif kind == WINDOW_UPDATE and stream == 1:
                self.granted += int.from_bytes(payload)


@pytest.fixture
def download() -> Download:
    engine = H2Engine()
    engine.open(0)
    exchange = exchange_of(Request("GET", "https://example.org/"))
    engine.begin(exchange, RequestFields(exchange.fields_sent))
    engine.receive_octets(frame(SETTINGS, 0) + frame(HEADERS, 1, b"\x88", 0x4))
    engine.take_output()
    return Download(engine, [], [])


def test_window_doubles_each_time_that_a_round_trip_fills_it(download: Download) -> None:
    for size in (FIRST, 2 * FIRST, 4 * FIRST):
        download.take(size)
        download.answer()

    assert download.sizes == [2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_window_becomes_twice_what_has_come(download: Download) -> None:
    download.take(FIRST + 100_000)
    download.answer()

    assert download.sizes == [2 * (FIRST + 100_000)]


@pytest.mark.parametrize(("octets", "grows"), [(FIRST * 2 // 3 - 1, False), (FIRST * 2 // 3 + 1, True)])
def test_window_grows_from_two_thirds_on(download: Download, octets: int, grows: bool) -> None:
    download.take(octets)
    download.answer()

    assert bool(download.sizes) is grows


def test_one_ping_at_a_time_measures(download: Download) -> None:
    download.take(100_000)
    assert len(download.pings) == 1
    download.answer()
    download.take(10)

    assert len(download.pings) == 1


def test_window_grows_to_its_limit_and_no_further(download: Download) -> None:
    size = FIRST
    for _ in range(12):
        download.take(size)
        download.answer()
        size = download.sizes[-1]

    assert download.sizes[-1] == LARGEST
    assert len(download.sizes) == 8


def test_answer_that_nobody_asked_for_changes_nothing(download: Download) -> None:
    download.take(FIRST)
    ping = download.pings[0]
    download.answer()
    download.engine.receive_octets(frame(PING, 0, ping, ACK) + frame(PING, 0, bytes(8), ACK))
    download.look()

    assert download.sizes == [2 * FIRST]


@pytest.mark.parametrize("size", [1, 65_534, 268_435_457])
def test_window_of_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="window"):
        H2Engine().open(size)
