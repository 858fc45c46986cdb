"""The octets that servers send: 0, 1, ... 250, 0, 1, ... The period is prime: no lost or doubled buffer goes unseen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

PERIOD = 251
BLOCK_SIZE = PERIOD * 66_847
"""Octets in the shared block: just above 16 MiB, so the 10 MB body of the benchmarks is one slice of it."""


@cache
def _block() -> memoryview:
    return memoryview(bytes(range(PERIOD)) * (BLOCK_SIZE // PERIOD))


def content(size: int) -> bytes:
    """The first `size` octets of the sequence."""
    return bytes(range(PERIOD)) * (size // PERIOD) + bytes(range(size % PERIOD))


def content_view(size: int) -> memoryview:
    """`content(size)` without a copy, for `size` up to `BLOCK_SIZE`."""
    return _block()[:size]


def content_pieces(size: int, piece: int) -> Iterator[memoryview]:
    """`content(size)` in views of at most `piece` octets (and `piece` at most `BLOCK_SIZE - PERIOD`)."""
    block = _block()
    for start in range(0, size, piece):
        offset = start % PERIOD
        yield block[offset : offset + min(piece, size - start)]
