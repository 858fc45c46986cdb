"""Every fault of the table, met by a blocking client and an asynchronous one: a slice of what `make faults` runs whole.

Each cell has its own proxy and client, and makes requests before the fault, during it (three at once) and after it. All
end in time, in their own answers or in the exceptions that the table names; none comes twice that must not, none is
crossed, and nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ..drivers.facade import make_driver
from .acts import HalfClose, Pass
from .batches import run_alone
from .cell import SLACK, Outcome, Result, Trial
from .echo import EchoOrigin
from .lab import Lab
from .matrix import FAULTS, Cell, cells, hole
from .places import BODY, HEAD, PREFACE, H1Reader, H2Reader, Piece
from .table import LAYERS, PHASES, PROTOCOLS, VIAS, WAITS, Effect


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def origin(lab: Lab) -> Iterator[EchoOrigin]:
    with EchoOrigin(lab) as origin:
        yield origin
        assert not list(origin.violations())


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ["sync", "asyncio"])
def test_request_ends_in_its_own_answer_or_in_what_the_table_names(
    lab: Lab, origin: EchoOrigin, name: str, phase: str
) -> None:
    chosen = [cell for cell in cells(selected=True, drivers=(name,)) if cell.fault.phase == phase]

    results = run_alone(name, lab, origin, chosen)

    assert len(results) == len(chosen) > 0
    assert not [str(result) for result in results if not result.has_passed]


def cell_of(name: str, driver: str = "sync", **surroundings: str) -> Cell:
    """A cell of the table."""
    wanted = {"protocol": "h1", "via": "direct", "layer": "plain", **surroundings}
    found = (cell for cell in cells(drivers=(driver,)) if cell.fault.name == name)
    return next(cell for cell in found if all(getattr(cell, key) == value for key, value in wanted.items()))


def run_one(lab: Lab, origin: EchoOrigin, cell: Cell) -> Result:
    return run_alone(cell.driver, lab, origin, [cell])[0]


def test_table_has_the_faults_and_cells_that_it_must_have() -> None:
    every = list(cells())

    assert len(FAULTS) >= 40
    assert len(every) >= 600
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({cell.name for cell in every}) == len(every)
    assert {cell.fault.name for cell in cells(selected=True)} == {fault.name for fault in FAULTS}


def test_every_hole_in_the_table_has_a_reason() -> None:
    surroundings = [(protocol, via, layer) for protocol in PROTOCOLS for via in VIAS for layer in LAYERS]
    missing = [
        (fault.name, *place)
        for fault in FAULTS
        for place in surroundings
        if not hole(fault, *place)
        and place
        not in {(cell.protocol, cell.via, cell.layer) for cell in cells(drivers=("sync",)) if cell.fault is fault}
    ]

    assert not missing


def test_judge_complains_of_a_failure_that_the_table_does_not_allow(lab: Lab, origin: EchoOrigin) -> None:
    cell = cell_of("body: cut, reset")
    tolerant = replace(cell, fault=replace(cell.fault, effect=Effect.HARMLESS, ends=()))

    result = run_one(lab, origin, tolerant)

    assert any("is not allowed" in complaint for complaint in result.complaints)


def test_judge_complains_of_a_success_that_the_table_does_not_allow(lab: Lab, origin: EchoOrigin) -> None:
    cell = cell_of("head: late")
    strict = replace(cell, fault=replace(cell.fault, effect=Effect.FATAL, ends=("ReadError",)))

    result = run_one(lab, origin, strict)

    assert any("passes for answered" in complaint for complaint in result.complaints)


def test_judge_complains_of_a_fault_that_was_never_done(lab: Lab, origin: EchoOrigin) -> None:
    cell = cell_of("head: late")
    beyond = replace(cell, fault=replace(cell.fault, offset=1_000_000))

    result = run_one(lab, origin, beyond)

    assert result.complaints == ["the fault was never done"]


def test_judge_complains_of_a_request_that_came_twice(lab: Lab, origin: EchoOrigin) -> None:
    cell = cell_of("head: 408 and closed", state="warm")
    honest = replace(cell, fault=replace(cell.fault, lies=False))

    result = run_one(lab, origin, honest)

    # Which of the three requests is hit is chance: a POST that came twice is a complaint, a GET is not.
    seen = {outcome.method: origin.ledger.seen(outcome.token) for outcome in result.during}
    assert sorted(seen.values()) == [1, 1, 2]
    assert (seen["POST"] == 2) == any("doubled" in complaint for complaint in result.complaints)


def test_judge_complains_of_a_request_that_ends_late(lab: Lab, origin: EchoOrigin) -> None:
    driver = make_driver("sync")
    trial = Trial(cell_of("head: never comes"), driver, lab, origin)

    trial.look_at_time([Outcome("GET", "t0", "ReadTimeout", WAITS + SLACK - 0.01)], WAITS)
    assert trial.result.has_passed

    trial.look_at_time([Outcome("GET", "t0", "ReadTimeout", WAITS + SLACK + 0.01)], WAITS)
    assert not trial.result.has_passed


def rejoined(pieces: list[Piece]) -> dict[tuple[str, int], bytes]:
    """The octets of each part of each stream, whose offsets have to fit."""
    parts: dict[tuple[str, int], bytes] = {}
    for piece in pieces:
        key = (piece.part, piece.stream)
        if piece.part in (HEAD, BODY) and piece.offset:
            assert len(parts[key]) == piece.offset
        else:
            parts[key] = b""
        parts[key] += piece.octets
    return parts


H1_OCTETS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
)
H2_OCTETS = b"\0\0\0\4\0\0\0\0\0" + b"\0\0\3\1\4\0\0\0\1abc" + b"\0\0\4\0\0\0\0\0\1body" + b"\0\0\2\0\1\0\0\0\1ok"


@pytest.mark.parametrize("size", range(1, 60))
def test_places_are_the_same_for_any_split(size: int) -> None:
    pieces = [H1_OCTETS[start : start + size] for start in range(0, len(H1_OCTETS), size)]
    reader = H1Reader()
    found = [piece for data in pieces for piece in reader.feed(data)]

    assert b"".join(piece.octets for piece in found) == H1_OCTETS
    assert sum(piece.ends for piece in found) == 2
    assert rejoined(found)[BODY, 0] == b"4\r\nbody\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"

    pieces = [H2_OCTETS[start : start + size] for start in range(0, len(H2_OCTETS), size)]
    frames = H2Reader()
    found = [piece for data in pieces for piece in frames.feed(data)]

    assert b"".join(piece.octets for piece in found) == H2_OCTETS
    assert [piece.ends for piece in found].count(True) == 1
    assert rejoined(found)[BODY, 1] == H2_OCTETS[21:]


def test_preface_of_a_client_is_no_frame() -> None:
    found = list(H2Reader(PREFACE).feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + H2_OCTETS))

    assert found[0] == Piece(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 0)
    assert rejoined(found)[HEAD, 1] == H2_OCTETS[9:21]


def test_acts_of_the_table_are_values() -> None:
    assert HalfClose() == HalfClose() != Pass()
