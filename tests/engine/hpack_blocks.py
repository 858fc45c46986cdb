"""How the HPACK tests write blocks by hand, and heads as the core has them. Independent of the code under test."""

from __future__ import annotations

from httpfast._cext.hpack import HpackDecoder

Field = tuple[bytes, bytes]
Triple = tuple[bytes, bytes, bytes]

REQUEST: tuple[Field, ...] = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"www.example.com"),
    (b":path", b"/v1/items?page=1"),
)


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """RFC 7541, 5.1."""
    full = (1 << prefix_bits) - 1
    if value < full:
        return bytes([first | value])
    octets = [first | full]
    value -= full
    while value >= 128:
        octets.append(value % 128 + 128)
        value //= 128
    return bytes([*octets, value])


def plain(octets: bytes) -> bytes:
    """A string as it is (5.2)."""
    return integer(len(octets), 7) + octets


def coded(octets: bytes) -> bytes:
    """A string of these octets, which are said to be Huffman code."""
    return integer(len(octets), 7, 0x80) + octets


def indexed(index: int) -> bytes:
    """6.1."""
    return integer(index, 7, 0x80)


def inserted(name: int | bytes, value: bytes) -> bytes:
    """A literal with incremental indexing (6.2.1), its name by index or by octets."""
    return literal(name, value, 6, 0x40)


def literal(name: int | bytes, value: bytes, prefix_bits: int = 4, first: int = 0) -> bytes:
    """A literal without indexing (6.2.2)."""
    named = integer(name, prefix_bits, first) if isinstance(name, int) else bytes([first]) + plain(name)
    return named + plain(value)


def update(size: int) -> bytes:
    """A dynamic table size update (6.3)."""
    return integer(size, 5, 0x20)


def triples(*fields: Field) -> tuple[Triple, ...]:
    """Fields as the core has them, from (name, value) pairs."""
    return tuple((name, name.lower(), value) for name, value in fields)


def sent(pseudo: tuple[Field, ...], fields: tuple[Triple, ...]) -> tuple[Field, ...]:
    """What a peer has to read."""
    return pseudo + tuple((lower, value) for _, lower, value in fields)


def decoded(block: bytes, decoder: HpackDecoder | None = None) -> tuple[Field, ...]:
    """The fields of a block that is within the limits."""
    fields = (decoder or HpackDecoder()).decode_block(block)
    assert fields is not None
    return fields
