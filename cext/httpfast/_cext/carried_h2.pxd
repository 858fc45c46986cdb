"""CarriedH2Connection: an HTTP/2 connection whose tasks wait by themselves, for event loops without callbacks.

Nothing here waits: a read takes what is there, a write gives what the system takes. What is left of a write is known,
to the octet, whatever happens to the task that made it: no frame and no record of TLS is ever cut off. Who waits, and
for what, is the business of a subclass in Python.
"""
from .exchange cimport Exchange
from .multiplexed cimport MultiplexedConnection


cdef class CarriedH2Connection(MultiplexedConnection):
    cdef object pool, sock
    cdef object tls                        # what encrypts, or None
    cdef object reschedule                 # wakes a task
    cdef char* buffer
    cdef object view                       # of the buffer
    cdef bint is_reading
    cdef bint was_draining                 # the pool knows
    cdef bint is_asked                     # the pool asks whether it is usable: it is told by the answer, nothing else

    # Writing: what the engine has goes out in batches.
    cdef bytes unwritten                   # what the system has not taken yet of the last one, or None
    cdef Py_ssize_t unwritten_start
    cdef Py_ssize_t batches                # begun; all but the last one are written
    cdef double written_at                 # monotonic seconds: when the system last took octets
    cdef bint is_stuck                     # a write has timed out, and the system has taken nothing since
    cdef list writers                      # exchanges whose tasks wait until a batch is written
    cdef list openers                      # tasks that wait for the peer's SETTINGS

    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1
    cdef bint write_out(self) except -1
    cdef int take_in(self, Py_ssize_t size) except -1
    cdef int take_news(self) except -1
    cdef int wake(self, Exchange exchange) except -1
    cdef int wake_tunnel(self, Exchange exchange) except -1
    cdef int wake_openers(self) except -1
    cdef int leave(self, Exchange exchange) except -1
    cdef int break_off(self, object error) except -1
