"""BlockingH2Connection: an HTTP/2 connection over a blocking socket, shared by threads.

No thread is its own: of those that wait for a response one reads for all (the leader), and when it has its own, hands
that on to another. Of those that have something to write one writes for all.

    lock          the engine and who leads; held for moments, never while a call blocks
    write_lock    who writes; the leader never waits for it, so that a peer that stops reading stops nobody's reading
    call_lock     a call of TLS: OpenSSL lets one thread at a time use a connection
    look_lock     who looks at what has come while nothing was under way; taken before `lock`
"""
from cpython.pythread cimport PyThread_type_lock

from .exchange cimport Exchange
from .multiplexed cimport MultiplexedConnection


cdef class BlockingH2Connection(MultiplexedConnection):
    cdef readonly object sock
    cdef readonly bint is_secure
    cdef int fd                            # -1 when it is closed
    cdef int users                         # threads in calls with it; changed under the GIL
    cdef char* buffer
    cdef object view
    cdef object tls                        # what SSLSocket has inside, or None
    cdef PyThread_type_lock lock, write_lock, call_lock, look_lock
    cdef object on_news                    # told by the leader that exchanges of others have ended, or room has come
    cdef double keepalive                  # seconds
    cdef bint has_leader
    cdef list openers                      # locks of threads that wait for the peer's SETTINGS
    cdef bytes unwritten                   # octets that the system has not taken yet, or None; under write_lock
    cdef Py_ssize_t unwritten_start
    cdef object interrupt                  # what a signal's handler has raised while TLS read, or None; the leader's

    cpdef read_response(self, Exchange exchange)
    cdef int close_descriptor(self) except -1
    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1
    cdef int fall(self, object error) except -1
    cdef int catch_up(self, Exchange exchange) except -1
    cdef int check_alive(self) except -1
    cdef int flush(self, bint can_wait, double timeout) except -1
    cdef int wait_to_write(self, double ends) except -1
    cdef bint write_unwritten(self, bint can_wait, double ends) except -1
    cdef Py_ssize_t write_once(self, bytes octets) except? -1
    cdef int note_interrupted(self, Py_ssize_t size) except -1
    cdef int wait_for(self, Exchange exchange, int what, double timeout) except -1
    cdef bint is_there(self, Exchange exchange, int what)
    cdef int lead(self, Exchange exchange, double ends) except -1
    cdef Py_ssize_t read_some(self, double ends) except -2
    cdef Py_ssize_t read_once(self) except? -1
    cdef int take_news(self) except -1
    cdef int wake_writers(self, Exchange exchange) except -1
    cdef int wake_openers(self) except -1
    cdef int stop_waiting(self, Exchange exchange, object waiter) except -1
    cdef int end_stream(self, Exchange exchange) except -1
    cdef int wake_one(self) except -1
    cdef int give_up(self, Exchange exchange, object error, double waited) except -1
    cdef int break_off(self, object error) except -1
