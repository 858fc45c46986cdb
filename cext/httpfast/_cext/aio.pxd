"""H1Connection: an HTTP/1.1 connection driven by the callbacks of asyncio's or uvloop's transports.

    send ────────────► future, done when the response is complete (collect) or its head is there
    begin, write_body, end_body                      the same for a body that comes in pieces
    wait_body ───────► future, done when octets of the body, its end or an error are there
    abandon                                          the caller gives up: the connection closes

The connection goes back to the pool inside the callback that read the last octet, before the caller wakes.
"""
from .buffer cimport ByteBuffer
from .exchange cimport Exchange
from .h1 cimport H1Engine
from .pool cimport PooledConnection, PoolState


cdef class H1Connection(PooledConnection)


cdef bint is_ending(transport) noexcept


cdef class LoopShare:
    # The read buffer: between get_buffer and buffer_updated no other connection of the loop runs.
    cdef readonly object view
    cdef bytearray memory
    cdef char* data

    # Writes. The first request since the last read goes out at once; those that follow it in the same turn of the loop
    # go out together at its end: a peer that is woken for each of them costs more than the requests.
    cdef object loop
    cdef bint has_written
    cdef list writers                      # connections with a deferred request

    cdef int defer(self, H1Connection connection, bytes request) except -1


cdef class H1Connection(PooledConnection):
    cdef H1Engine engine
    cdef Exchange exchange                 # being sent or answered, or None
    cdef PoolState state
    cdef LoopShare share
    cdef object pool                       # the AsyncPool: told when a waiter's turn has come and when this one is gone
    cdef object loop
    cdef object create_future
    cdef readonly object transport
    cdef int fd                            # of the socket, -1 when unknown
    cdef bint is_direct                    # the read under way goes into the body itself
    cdef readonly bint is_closed           # closed or closing
    cdef readonly bint is_secure           # over TLS
    cdef readonly Py_ssize_t served        # exchanges begun
    cdef bint reading_paused

    # Writing under backpressure.
    cdef bytes deferred                    # a request to be written at the end of the turn, or None
    cdef object failure                    # what a write of ours has failed with, or None
    cdef bint is_buffered                  # the transport may hold octets that the system has not taken yet
    cdef bint writing_paused
    cdef object drained                    # future of whoever waits for room, or None
    cdef double write_timeout              # seconds

    # One timer a connection. It is re-armed when it fires, not when a deadline moves.
    cdef double read_timeout               # seconds from one read to the next
    cdef double total_deadline             # monotonic seconds
    cdef double deadline                   # of the wait under way; infinite when nobody waits
    cdef double timer_at
    cdef object timer

    cdef int start(self, Exchange exchange) except -1
    cdef bint is_raw(self) noexcept
    cdef int write(self, bytes octets) except -1
    cdef int write_deferred(self) except -1
    cdef object wait(self, Exchange exchange)
    cdef int progress(self) except -1
    cdef int pause_reading(self) except -1
    cdef int wake_writer(self) except -1
    cdef int wake(self, Exchange exchange) except -1
    cdef int detach(self) except -1
    cdef int fail(self, object error) except -1
    cdef int arm(self, double now) except -1
    cdef int set_deadline(self) except -1
