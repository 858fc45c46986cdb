"""nghttp2's HPACK (libnghttp2, by ctypes) as an independent encoder and decoder.

`available()` says whether it is here.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache

Field = tuple[bytes, bytes]

FINAL = 1
EMIT = 2


class _NameValue(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("name_size", ctypes.c_size_t),
        ("value_size", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


@cache
def _library() -> ctypes.CDLL | None:
    found = ctypes.util.find_library("nghttp2")
    if found is None:
        return None
    library = ctypes.CDLL(found)
    library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
    library.nghttp2_hd_inflate_hd2.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(_NameValue),
        ctypes.POINTER(ctypes.c_int),
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    library.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
    library.nghttp2_hd_deflate_hd.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.POINTER(_NameValue),
        ctypes.c_size_t,
    ]
    for name in ("inflate_change_table_size", "deflate_change_table_size", "deflate_new"):
        getattr(library, f"nghttp2_hd_{name}").argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    for name in ("inflate_new", "inflate_del", "inflate_end_headers", "deflate_del"):
        getattr(library, f"nghttp2_hd_{name}").argtypes = [ctypes.c_void_p]
    return library


def available() -> bool:
    """True when libnghttp2 can be loaded."""
    return _library() is not None


class Nghttp2Error(Exception):
    """nghttp2 has refused a block."""


class Inflater:
    """nghttp2's decoder of one connection."""

    def __init__(self) -> None:
        self.library = _library()
        assert self.library is not None
        self.handle = ctypes.c_void_p()
        assert self.library.nghttp2_hd_inflate_new(ctypes.byref(self.handle)) == 0

    def __del__(self) -> None:
        if self.library is not None:
            self.library.nghttp2_hd_inflate_del(self.handle)

    def set_max_size(self, size: int) -> None:
        assert self.library is not None
        assert self.library.nghttp2_hd_inflate_change_table_size(self.handle, size) == 0

    def decode(self, block: bytes) -> tuple[Field, ...]:
        """The fields of a whole block. Raises Nghttp2Error."""
        assert self.library is not None
        fields = []
        field, flags = _NameValue(), ctypes.c_int()
        while True:
            used = self.library.nghttp2_hd_inflate_hd2(
                self.handle, ctypes.byref(field), ctypes.byref(flags), block, len(block), 1
            )
            if used < 0:
                raise Nghttp2Error(used)
            block = block[used:]
            if flags.value & EMIT:
                name = ctypes.string_at(field.name, field.name_size)
                fields.append((name, ctypes.string_at(field.value, field.value_size)))
            if flags.value & FINAL:
                self.library.nghttp2_hd_inflate_end_headers(self.handle)
                return tuple(fields)
            if not flags.value & EMIT and not block:
                raise Nghttp2Error("the block ends within a field")


class Deflater:
    """nghttp2's encoder of one connection."""

    def __init__(self, limit: int = 4096) -> None:
        self.library = _library()
        assert self.library is not None
        self.handle = ctypes.c_void_p()
        assert self.library.nghttp2_hd_deflate_new(ctypes.byref(self.handle), limit) == 0

    def __del__(self) -> None:
        if self.library is not None:
            self.library.nghttp2_hd_deflate_del(self.handle)

    def set_max_size(self, size: int) -> None:
        assert self.library is not None
        assert self.library.nghttp2_hd_deflate_change_table_size(self.handle, size) == 0

    def encode(self, fields: tuple[Field, ...]) -> bytes:
        """The block of these fields."""
        assert self.library is not None
        names = [
            (ctypes.create_string_buffer(n, len(n) + 1), ctypes.create_string_buffer(v, len(v) + 1)) for n, v in fields
        ]
        rows = (_NameValue * len(fields))()
        for row, (name, value) in zip(rows, names, strict=True):
            row.name, row.value = ctypes.addressof(name), ctypes.addressof(value)
            row.name_size, row.value_size = len(name) - 1, len(value) - 1
        room = ctypes.create_string_buffer(sum(len(n) + len(v) + 32 for n, v in fields) + 64)
        size = self.library.nghttp2_hd_deflate_hd(self.handle, room, len(room), rows, len(fields))
        assert size >= 0
        return room.raw[:size]
