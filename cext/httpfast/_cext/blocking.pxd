"""BlockingConnection: an HTTP/1.1 connection over a blocking socket, for the sync client.

    send ──────► a whole exchange (collect), or up to the response's head
    begin, write_body, end_body, read_response       the same for a body that comes in pieces
    read_body ─► more octets of the body

It does not give itself back to the pool: its thread does, once `exchange.is_complete`.
"""
from .exchange cimport Exchange
from .h1 cimport H1Engine
from .pool cimport PooledConnection


cdef class BlockingConnection(PooledConnection):
    cdef H1Engine engine
    cdef readonly object sock              # a socket or an SSLSocket
    cdef object recv_into, send_some       # its bound methods
    cdef object tls                        # what SSLSocket has inside, or None
    cdef object pending                    # octets that TLS has read and not handed out; None without TLS
    cdef int fd
    cdef readonly bint is_raw              # plain socket on POSIX: the system is called directly, without the GIL
    cdef readonly bint is_secure
    cdef readonly bint is_closed
    cdef readonly bint in_use              # a thread is inside an exchange
    cdef readonly Py_ssize_t served        # exchanges begun
    cdef char* buffer                      # what a read goes into that does not go into the body itself
    cdef object view

    cdef double read_timeout, write_timeout    # seconds
    cdef double total_deadline                 # monotonic seconds
    cdef double receive_limit, send_limit      # the timeouts that the socket has now

    cdef int start(self, Exchange exchange) except -1
    cpdef take_over(self, sock)
    cpdef read_response(self, Exchange exchange)
    cdef int write(self, bytes octets) except -1
    cdef void note_written(self) noexcept
    cdef int read(self, Exchange exchange) except -1
    cdef int finish_early(self, Exchange exchange, object error) except -1
    cdef double limit(self, double timeout, type error) except? -1
    cdef Py_ssize_t read_into(self, char* data, Py_ssize_t size) except -1
