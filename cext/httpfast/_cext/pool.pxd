"""PoolState: which request gets which connection, and when. Decisions only: no socket, no clock, no lock.

A slot is the right to have one connection open. It is taken before a dial begins and given back when that connection
has closed or the dial has failed:

    checkout ──► an idle connection              (LIFO: the warmest one)
       └─ none ► enter ──► waiter.may_dial       a slot was free: the driver dials for this waiter
                    └────► waits, FIFO           for a slot, or for a connection of its origin
    adopt(connection)   ──► a dial has ended; then `arrive` gives it to the first waiter that dials, as any will do
    release(connection) ──► the waiter to wake, or None: the connection went idle
    vacate(origin)      ──► the waiter that may now dial, or None

Where HTTP/2 may be spoken, the first dial to an origin has company: requests that come meanwhile ride along, without a
slot of their own, until it is known what the server speaks.

    share(connection)   ──► the next waiter that an HTTP/2 connection has room for, or None; until there is none
    promote(origin)     ──► a rider that may dial for itself: the server speaks HTTP/1.1, or the dial has failed;
                            or, `if_stranded`, there are more riders than the connection has room for

Connections that the driver has to close (expired, evicted, too many idle) are put on `discarded`.
"""
from .headers cimport RequestHead


cdef class PooledConnection:
    # HTTP/2: it carries several exchanges at a time. Set by the driver before `adopt`.
    cdef readonly bint is_shared

    # Owned by PoolState.
    cdef readonly Py_ssize_t leases            # exchanges that it carries, or is about to
    cdef readonly Origin origin
    cdef readonly double idle_since            # monotonic seconds
    cdef readonly bint is_idle
    cdef bint is_counted                       # holds a slot
    cdef PooledConnection below, above         # the origin's idle stack: `above` is nearer to its top
    cdef PooledConnection older, newer         # all idle connections by the time they went idle

    cdef bint is_usable(self, double now) noexcept
    cdef Py_ssize_t room(self) noexcept
    cdef bint is_lasting(self) noexcept
    cdef bint is_stalled(self) noexcept
    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept
    cpdef close(self)


cdef class Waiter:
    cdef readonly Origin origin
    cdef readonly unsigned long long ticket    # order of arrival
    cdef readonly bint may_dial                # holds a slot for a dial of its own
    cdef public PooledConnection connection    # what it was given
    cdef public object wake                    # the driver's: what to call or set when it is its turn
    cdef public object dial                    # the driver's: the dial that runs for this waiter
    cdef WaiterQueue queue                     # where it stands, or None
    cdef Waiter previous, next


cdef class WaiterQueue:
    cdef Waiter first, last
    cdef readonly Py_ssize_t length

    cdef int append(self, Waiter waiter) except -1
    cdef int insert(self, Waiter waiter) except -1
    cdef int place(self, Waiter waiter) except -1
    cdef int remove(self, Waiter waiter) except -1


cdef class Origin:
    cdef readonly object key
    cdef readonly Py_ssize_t connections       # slots taken: open connections and dials
    cdef readonly Py_ssize_t idle
    cdef readonly Py_ssize_t waiting           # waiters in any queue
    cdef Py_ssize_t queued                     # of them, those in the common queue
    cdef PooledConnection top, bottom          # of the idle stack
    cdef WaiterQueue dialing                   # waiters for which a dial runs; any connection will do for them
    cdef WaiterQueue held                      # waiters that the limit per origin holds back
    cdef WaiterQueue riding                    # waiters that the dial of another may serve
    cdef Py_ssize_t dials                      # under way
    cdef bint speaks_h1                        # a dial has shown that HTTP/2 is not spoken
    cdef list shared                           # connections of HTTP/2 that carry something
    cdef Py_ssize_t max_streams                # that one carries, as its server last said, -1 before
    cdef tuple last_fields                     # the request fields last sent here, and their encoded head
    cdef RequestHead last_head

    cdef RequestHead head_for(self, tuple fields)


cdef class PoolState:
    cdef readonly Py_ssize_t max_connections
    cdef readonly Py_ssize_t max_idle
    cdef readonly Py_ssize_t max_per_origin
    cdef readonly double keepalive_expiry      # seconds
    cdef readonly bint late_binding            # a waiter that dials also takes a connection that comes free
    cdef readonly bint multiplex               # HTTP/2 may be spoken
    cdef readonly Py_ssize_t connections       # slots taken
    cdef readonly Py_ssize_t idle
    cdef dict origins                          # key -> Origin
    cdef WaiterQueue queue                     # waiters that the limit in all holds back
    cdef PooledConnection oldest, newest       # idle
    cdef unsigned long long tickets
    cdef public list discarded

    cdef Origin origin_of(self, key)
    cpdef PooledConnection checkout(self, key, double now)
    cpdef Waiter enter(self, key, bint fresh=*)
    cpdef Waiter release(self, PooledConnection connection, double now)
    cpdef Waiter vacate(self, Origin origin)
    cpdef int leave(self, Waiter waiter) except -1
    cpdef int adopt(self, PooledConnection connection, Origin origin) except -1
    cpdef Waiter arrive(self, PooledConnection connection, double now)
    cpdef Waiter share(self, PooledConnection connection)
    cpdef Waiter promote(self, Origin origin, bint if_stranded=*)
    cpdef Waiter drop(self, PooledConnection connection)
    cpdef int expire(self, double now) except -1
    cdef PooledConnection least_loaded(self, Origin origin, double now)
    cdef bint is_stalled(self, Origin origin) noexcept
    cdef Waiter next_of(self, Origin origin)
    cdef int lend(self, PooledConnection connection) except -1
    cdef int begin_waiting(self, Waiter waiter, bint fresh) except -1
    cdef int push_idle(self, PooledConnection connection, double now) except -1
    cdef int unlink_idle(self, PooledConnection connection) except -1
    cdef int discard(self, PooledConnection connection) except -1
    cdef int take_slot(self, Origin origin, Waiter waiter) except -1
    cdef int free_slot(self, Origin origin) except -1
    cdef int forget_if_unused(self, Origin origin) except -1
    cdef Waiter grant_next(self, Origin origin)
    cdef int admit(self, Origin origin) except -1
