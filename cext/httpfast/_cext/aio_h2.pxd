"""H2Connection: an HTTP/2 connection driven by the callbacks of asyncio's or uvloop's transports. See `aio.pxd`.

Its methods are those of H1Connection, but any number of exchanges use them at a time.
"""
from .aio cimport LoopShare
from .exchange cimport Exchange
from .multiplexed cimport MultiplexedConnection
from .pool cimport PoolState


cdef class H2Connection(MultiplexedConnection):
    cdef PoolState state
    cdef LoopShare share
    cdef object pool, loop, create_future
    cdef readonly object transport
    cdef int fd                            # for a look at its input only; -1 if it is not known

    # Writing: what is made in one turn of the loop goes out together at its end, unless it is the first since a read.
    cdef bint is_scheduled
    cdef bint writing_paused
    cdef list writers                      # exchanges that wait for room in the transport
    cdef list openers                      # futures of those who wait for the peer's SETTINGS

    # One timer a connection, for the nearest of the waits; it looks through them all when it fires.
    cdef double timer_at
    cdef object timer

    # Signs of life.
    cdef double keepalive                  # seconds
    cdef double heard_at                   # monotonic seconds
    cdef object alive_timer

    cdef int begin_connection(self, object transport) except -1
    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1
    cdef int flush_soon(self) except -1
    cdef object wait(self, Exchange exchange, double timeout, bint for_any)
    cdef int arm(self, double now, double at) except -1
    cdef int progress(self) except -1
    cdef int take_all(self, list news) except -1
    cdef int take_news(self, Exchange exchange) except -1
    cdef int end(self, Exchange exchange) except -1
    cdef int wake(self, Exchange exchange) except -1
    cdef int wake_writer(self, Exchange exchange) except -1
    cdef int wake_openers(self) except -1
    cdef object limited(self, object waiter, double timeout, type error, str text)
    cdef int leave(self, Exchange exchange) except -1
    cdef int break_off(self, object error) except -1
    cdef int complain(self, object problem) except -1
