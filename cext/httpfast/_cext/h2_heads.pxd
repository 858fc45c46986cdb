"""Heads of HTTP/2: a request's fields made ready for it, a response's field list read and checked (RFC 9113, 8)."""
from libc.stdint cimport int64_t

from .exchange cimport Exchange


cdef class RequestFields:
    cdef readonly bytes authority          # of the Host field
    cdef readonly tuple fields             # (name, lower-case name, value) triples that go on the wire
    cdef readonly int64_t content_length   # -1 when there is none
    cdef readonly bint expects_continue
    cdef readonly bint asks_upgrade        # to another protocol, which only HTTP/1.1 can do


cdef class ResponseHead:
    cdef readonly int status               # 0 in trailers
    cdef readonly int64_t content_length   # -1 when there is none
    cdef readonly bint has_set_cookie
    cdef readonly bint has_content_encoding
    cdef readonly tuple fields             # (name, value) pairs, without the pseudo-fields
    cdef readonly str fault                # why it is malformed (RFC 9113, 8.1.1), or None


cdef ResponseHead read_head(tuple decoded)
cdef ResponseHead read_trailers(tuple decoded)
