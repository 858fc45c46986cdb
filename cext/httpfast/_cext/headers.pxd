"""RequestHead: a request's fields, checked once, with what they say about framing."""
from libc.stdint cimport int64_t


cdef class RequestHead:
    cdef readonly bytes block               # field lines and the empty line, ready to write (HTTP/1.1)
    cdef readonly int64_t content_length    # octets, or -1 when the field is absent
    cdef readonly bint is_chunked           # Transfer-Encoding: chunked
    cdef readonly bint has_host
    cdef readonly bint asks_close           # Connection: close
    cdef bint has_upgrade
    cdef readonly bint asks_upgrade         # Upgrade and Connection: upgrade
    cdef readonly bint expects_continue     # Expect: 100-continue

    cdef int take_framing(self, bytes name, bytes value) except -1


cdef bytes method_bytes(str method)
