"""The table of faults, and the cells it makes: fault x client x HTTP version x way x layer x state.

    for cell in cells(): ...            # all of them
    for cell in cells(selected=True):   # the slice that every run of the tests has

A row says what is done, where, and what may come of it. That is never `its own answer or whatever`: each row names its
exceptions, and whether the request that is hit may succeed (see `Effect`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .rows_answers import ANSWERS
from .rows_requests import REQUESTS
from .table import CONNECT_TIMEOUT, DRIVERS, LAYERS, POOL_TIMEOUT, PROTOCOLS, VIAS, Effect, Fault

FAULTS: tuple[Fault, ...] = (*REQUESTS, *ANSWERS)
COMMON_HOLE = "over HTTP/2 without TLS a forwarding proxy is spoken to in HTTP/1.1"


@dataclass(frozen=True)
class Cell:
    """A fault in its surroundings."""

    fault: Fault
    driver: str
    protocol: str
    via: str
    layer: str
    state: str
    framing: str

    @property
    def name(self) -> str:
        return "-".join((self.fault.name, self.driver, self.column, self.layer, self.state, self.framing)).replace(
            " ", "_"
        )

    @property
    def column(self) -> str:
        return f"{self.protocol}-{self.via}"

    @property
    def ends(self) -> frozenset[str]:
        """What a request that is hit may end in beside its own answer."""
        fault = self.fault
        is_dialling = self.layer == "tls" and fault.phase == "connect" and bool(fault.dial_ends)
        ends = frozenset(fault.dial_ends if is_dialling else fault.ends)
        # Over HTTP/2 others wait for the one that dials: for the pool, as they see it.
        return ends | {POOL_TIMEOUT} if self.protocol == "h2" and CONNECT_TIMEOUT in ends else ends

    @property
    def effect(self) -> Effect:
        """On the request that is hit.

        On an event loop dials belong to nobody: a connection that comes free meanwhile serves one whose dial is hit.
        """
        fault = self.fault
        if fault.effect is not Effect.FATAL or fault.hits_all:
            return fault.effect
        is_dial = fault.phase in ("tunnel", "tls") or (fault.phase == "connect" and self.layer == "tls")
        if is_dial and self.driver in ("asyncio", "uvloop"):
            return Effect.MAY_FAIL
        if self.protocol == "h2" and fault.phase == "connect" and not is_dial and not fault.waits:
            # It is found out before a request is written.
            return Effect.MAY_FAIL
        return Effect.FATAL

    @property
    def is_tunnel(self) -> bool:
        """Whether the proxy is asked for a tunnel; requests to http origins it forwards (RFC 9112, 3.2.2)."""
        return self.via == "connect" and self.layer == "tls"


def hole(fault: Fault, protocol: str, via: str, layer: str) -> str:
    """Why there is no cell; "" where there is one."""
    if protocol == "h2" and via == "connect" and layer == "plain":
        return COMMON_HOLE
    if protocol in fault.protocols and via in fault.vias and layer in fault.layers:
        return ""
    return fault.hole


def cells(*, selected: bool = False, drivers: tuple[str, ...] = DRIVERS) -> Iterator[Cell]:
    """All cells, or a slice: every fault for a blocking client and an asynchronous one, once in each version of HTTP.

    Which way and layer a fault goes there changes from row to row, so that all of them come.
    """
    for number, fault in enumerate(FAULTS):
        for driver in drivers:
            if selected and driver not in ("sync", "asyncio"):
                continue
            for protocol in PROTOCOLS:
                choices = [
                    Cell(fault, driver, protocol, via, layer, state, framing)
                    for via in VIAS
                    for layer in LAYERS
                    if not hole(fault, protocol, via, layer)
                    for state in fault.states
                    for framing in (fault.framings if protocol == "h1" else ("frames",))
                ]
                if selected and choices:
                    choices = [choices[(number + DRIVERS.index(driver)) % len(choices)]]
                yield from choices
