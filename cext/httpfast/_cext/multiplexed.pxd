"""MultiplexedConnection: what HTTP/2 connections have in common, however they wait for the socket."""
from .exchange cimport Exchange
from .h2 cimport H2Engine
from .h2_heads cimport RequestFields
from .pool cimport PooledConnection


cdef class MultiplexedConnection(PooledConnection):
    cdef H2Engine engine
    cdef bytes scheme
    cdef readonly bint is_closed           # closed or closing
    cdef readonly Py_ssize_t served        # exchanges begun
    cdef tuple last_fields                 # the request fields last sent, and what they are in HTTP/2
    cdef RequestFields last_head

    cdef int begin_stream(self, Exchange exchange, bint whole) except -1
    cdef int time_out(self, Exchange exchange, double waited) except -1
    cdef int note_room(self) except -1
    cdef bint is_trusted(self, int fd) noexcept
