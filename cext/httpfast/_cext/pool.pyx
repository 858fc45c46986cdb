"""PoolState: which request gets which connection, and when. See the .pxd for the protocol between it and a driver.

Each call takes constant time: idle connections and waiters are linked lists, so that any of them leaves in one step.
The one exception is a waiter that moves from its origin's queue to the common one, which is inserted by its ticket.
"""
import sys

from .headers cimport RequestHead


cdef class PooledConnection:
    """What PoolState needs of a connection; drivers extend it."""

    cdef bint is_usable(self, double now) noexcept:
        """True when an idle connection can carry a request: still open, and no octet has come while it was idle."""
        return True

    cdef Py_ssize_t room(self) noexcept:
        """How many exchanges more it can carry. Asked of shared ones."""
        return 1

    cdef bint is_lasting(self) noexcept:
        """False when it will never carry a request again. Asked of shared ones."""
        return True

    @property
    def is_draining(self) -> bool:
        """Whether the server takes no further requests here (RFC 9113, 6.8)."""
        return False

    @property
    def was_dismissed(self) -> bool:
        """Whether the server has said so, and that nothing is wrong: another connection may well do."""
        return False

    cdef bint is_stalled(self) noexcept:
        """True when it carries nothing at all for now, because the server says so (RFC 9113, 6.5.2)."""
        return False

    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept:
        """How many exchanges it carries: as its server says, else as others of its origin did (-1: unknown)."""
        return expected

    cpdef close(self):
        """Close it. May be called at any time and more than once."""


cdef class Waiter:
    """One request's place in the pool."""


cdef class WaiterQueue:
    """Waiters in order of arrival."""

    cdef int append(self, Waiter waiter) except -1:
        waiter.queue = self
        waiter.previous = self.last
        waiter.next = None
        if self.last is None:
            self.first = waiter
        else:
            self.last.next = waiter
        self.last = waiter
        self.length += 1
        waiter.origin.waiting += 1
        return 0

    cdef int insert(self, Waiter waiter) except -1:
        """Put a waiter where its ticket belongs. Those that move between queues are old: searched from the front."""
        cdef Waiter after = self.first
        while after is not None and after.ticket < waiter.ticket:
            after = after.next
        if after is None:
            return self.append(waiter)
        waiter.queue = self
        waiter.next = after
        waiter.previous = after.previous
        if after.previous is None:
            self.first = waiter
        else:
            after.previous.next = waiter
        after.previous = waiter
        self.length += 1
        waiter.origin.waiting += 1
        return 0

    cdef int place(self, Waiter waiter) except -1:
        """As `insert`, at once for one that is newer than all here."""
        if self.last is None or self.last.ticket < waiter.ticket:
            return self.append(waiter)
        return self.insert(waiter)

    cdef int remove(self, Waiter waiter) except -1:
        if waiter.previous is None:
            self.first = waiter.next
        else:
            waiter.previous.next = waiter.next
        if waiter.next is None:
            self.last = waiter.previous
        else:
            waiter.next.previous = waiter.previous
        waiter.previous = waiter.next = None
        waiter.queue = None
        self.length -= 1
        waiter.origin.waiting -= 1
        return 0


cdef class Origin:
    """One origin's connections and waiters. The key tells apart what must never share a connection."""

    def __cinit__(self, key):
        self.key = key
        self.dialing = WaiterQueue.__new__(WaiterQueue)
        self.held = WaiterQueue.__new__(WaiterQueue)
        self.riding = WaiterQueue.__new__(WaiterQueue)
        self.shared = []
        self.max_streams = -1

    cdef RequestHead head_for(self, tuple fields):
        """The encoded head of these fields. The last one is kept: clients repeat it.

        Mostly it is the very same tuple, or one of the same triples but for a Content-Length of the same value.
        """
        if fields is not self.last_fields and fields != self.last_fields:
            self.last_head = RequestHead(fields)
            self.last_fields = fields
        return self.last_head


cdef class PoolState:
    """See the module's docstring.

    Args:
        max_connections: connections open at a time, None for no limit.
        max_idle: idle connections kept, None for no limit.
        max_per_origin: connections open at a time to one origin, None for no limit.
        keepalive_expiry: seconds that an idle connection is kept, None for no limit.
        late_binding: a waiter whose dial is under way takes any connection that comes free first. Not for threads,
            which are busy while they dial.
        multiplex: HTTP/2 may be spoken, so that requests to an origin may share a connection.
    """

    def __init__(
        self, max_connections=None, max_idle=None, max_per_origin=None, keepalive_expiry=None, *,
        bint late_binding=True, bint multiplex=False
    ):
        self.late_binding = late_binding
        self.multiplex = multiplex
        self.max_connections = sys.maxsize if max_connections is None else max_connections
        self.max_idle = sys.maxsize if max_idle is None else max_idle
        self.max_per_origin = sys.maxsize if max_per_origin is None else max_per_origin
        self.keepalive_expiry = float("inf") if keepalive_expiry is None else keepalive_expiry
        self.origins = {}
        self.queue = WaiterQueue.__new__(WaiterQueue)
        self.discarded = []

    cdef Origin origin_of(self, key):
        origin = self.origins.get(key)
        if origin is None:
            origin = self.origins[key] = Origin.__new__(Origin, key)
        return <Origin>origin

    cpdef PooledConnection checkout(self, key, double now):
        """An idle connection to the origin, or None. It is the caller's until `release` or `drop`."""
        cdef Origin origin
        cdef PooledConnection connection
        if self.oldest is not None and now - self.oldest.idle_since > self.keepalive_expiry:
            self.expire(now)
        found = self.origins.get(key)
        if found is None:
            return None
        origin = <Origin>found
        while origin.top is not None:
            connection = origin.top
            if connection.is_shared and connection.is_stalled() and connection.is_usable(now):
                return None
            self.unlink_idle(connection)
            if connection.is_usable(now):
                try:
                    self.lend(connection)
                except MemoryError:
                    self.discard(connection)
                    raise
                return connection
            self.discard(connection)
        return self.least_loaded(origin, now) if origin.shared else None

    cdef PooledConnection least_loaded(self, Origin origin, double now):
        """The connection of HTTP/2 that carries least, lent once more; None if all are full."""
        cdef PooledConnection connection, chosen = None
        for connection in origin.shared:
            if (chosen is None or connection.leases < chosen.leases) and connection.room() > 0:
                chosen = connection
        if chosen is not None:
            chosen.leases += 1
        return chosen

    cdef int lend(self, PooledConnection connection) except -1:
        """A connection that carried nothing carries something. It can fail, so that it comes before other changes."""
        if connection.is_shared:
            connection.origin.shared.append(connection)
        connection.leases = 1
        return 0

    cpdef Waiter enter(self, key, bint fresh=False):
        """Join the line for a connection; call `checkout` first.

        The waiter returned may dial when its `may_dial` is set. `fresh` asks for a slot even when connections of the
        origin are idle: the oldest of those makes room.
        """
        cdef Origin origin = self.origin_of(key)
        cdef Waiter waiter = Waiter.__new__(Waiter)
        self.tickets += 1
        waiter.ticket = self.tickets
        waiter.origin = origin
        if self.multiplex and not origin.speaks_h1 and (origin.dials or self.is_stalled(origin)):
            origin.riding.append(waiter)
        else:
            self.begin_waiting(waiter, fresh)
        return waiter

    cdef bint is_stalled(self, Origin origin) noexcept:
        """True when the server takes no requests for now: those on other connections would fare no better."""
        cdef PooledConnection connection
        if origin.top is not None and origin.top.is_shared and origin.top.is_stalled():
            return True
        for connection in origin.shared:
            if connection.is_stalled():
                return True
        return False

    cdef int begin_waiting(self, Waiter waiter, bint fresh) except -1:
        """A slot for a dial, or a place in a queue for one."""
        cdef Origin origin = waiter.origin
        cdef PooledConnection evicted
        if fresh and origin.top is not None and origin.connections + origin.queued >= self.max_per_origin:
            evicted = origin.bottom
            self.unlink_idle(evicted)
            self.discard(evicted)
            origin = waiter.origin = self.origin_of(origin.key)
        if origin.connections + origin.queued >= self.max_per_origin:
            origin.held.place(waiter)
            return 0
        if self.connections >= self.max_connections and self.oldest is not None:
            evicted = self.oldest
            self.unlink_idle(evicted)
            self.discard(evicted)
            origin = waiter.origin = self.origin_of(origin.key)
        if self.connections >= self.max_connections:
            self.queue.place(waiter)
            origin.queued += 1
            return 0
        return self.take_slot(origin, waiter)

    cpdef Waiter release(self, PooledConnection connection, double now):
        """A connection is free. Returns the waiter to wake, or None when it went idle.

        The oldest waiter that this connection, or the slot it holds, can serve has its turn: with `connection` set it
        was given the connection; with `may_dial` set its origin is another one, and this connection was discarded.
        """
        cdef Origin origin
        cdef Waiter waiter, common
        cdef bint is_needed
        if connection is None or not connection.is_counted or connection.is_idle:
            return None
        origin = connection.origin
        connection.leases -= 1
        if connection.is_shared:
            waiter = self.share(connection)
            if waiter is not None or connection.leases > 0:
                return waiter
            origin.shared.remove(connection)
            is_needed = origin.queued > 0 or self.next_of(origin) is not None
            if (
                not connection.is_lasting() or self.queue.length > origin.queued
                # Who waits for room on it has none, and would not be told if another took its place.
                or (is_needed and not connection.is_stalled())
            ):
                self.discard(connection)
                return self.grant_next(origin)
            self.push_idle(connection, now)
            return None
        waiter = self.next_of(origin)
        common = self.queue.first
        if waiter is None and common is None:
            self.push_idle(connection, now)
            return None
        if common is not None and (waiter is None or common.ticket < waiter.ticket):
            if common.origin is not origin:
                self.discard(connection)
                return self.grant_next(origin)
            waiter = common
            origin.queued -= 1
        waiter.queue.remove(waiter)
        self.admit(origin)
        waiter.may_dial = False
        waiter.connection = connection
        self.lend(connection)
        return waiter

    cdef Waiter next_of(self, Origin origin):
        """The oldest waiter in the origin's own queues, or None."""
        cdef Waiter waiter = origin.dialing.first
        if waiter is None or (origin.held.first is not None and origin.held.first.ticket < waiter.ticket):
            waiter = origin.held.first
        if waiter is None or (origin.riding.first is not None and origin.riding.first.ticket < waiter.ticket):
            waiter = origin.riding.first
        return waiter

    cpdef Waiter share(self, PooledConnection connection):
        """The next of its origin's waiters that a connection of HTTP/2 has room for, or None."""
        cdef Origin origin
        cdef Waiter waiter, common
        if connection is None or not connection.is_counted or not connection.is_shared or connection.room() <= 0:
            return None
        origin = connection.origin
        waiter = self.next_of(origin)
        if origin.queued:
            # A limit in all holds some of its requests back, among those of other origins.
            common = self.queue.first
            while common is not None and common.origin is not origin:
                common = common.next
            if common is not None and (waiter is None or common.ticket < waiter.ticket):
                waiter = common
        if waiter is None:
            return None
        if connection.is_idle:
            # It had no room when it went idle, or when the waiter came.
            self.lend(connection)
            self.unlink_idle(connection)
        else:
            connection.leases += 1
        if waiter.queue is self.queue:
            origin.queued -= 1
        waiter.queue.remove(waiter)
        self.admit(origin)
        waiter.may_dial = False
        waiter.connection = connection
        return waiter

    cpdef Waiter promote(self, Origin origin, bint if_stranded=False):
        """A rider has to dial for itself: one that may do so now, or None when there is none.

        `if_stranded`: only while there is no dial that they ride on, and no server that takes nothing for now.
        """
        cdef Waiter waiter
        if origin is None:
            return None                        # of a connection whose dial has not ended yet
        while origin.riding.first is not None and not (if_stranded and (origin.dials or self.is_stalled(origin))):
            waiter = origin.riding.first
            origin.riding.remove(waiter)
            self.begin_waiting(waiter, False)
            if waiter.may_dial:
                return waiter
        return None

    cpdef Waiter vacate(self, Origin origin):
        """A dial failed: its slot is free. Returns the waiter that may dial now, or None."""
        if origin is None or origin.connections == 0:
            raise ValueError("The origin has no slot to give back")
        origin.dials -= 1
        self.free_slot(origin)
        return self.grant_next(origin)

    cpdef int leave(self, Waiter waiter) except -1:
        """A waiter gives up. A slot that it has for a dial stays taken until the dial has ended: see `vacate`."""
        if waiter is not None and waiter.queue is not None:
            if waiter.queue is self.queue:
                waiter.origin.queued -= 1
            waiter.queue.remove(waiter)
            self.admit(waiter.origin)
            self.forget_if_unused(waiter.origin)
        return 0

    cpdef int adopt(self, PooledConnection connection, Origin origin) except -1:
        """A dial has ended: the connection takes over the slot. It is in use until `release`."""
        if connection is None or origin is None:
            raise TypeError("A connection and its origin, not None")
        connection.origin = origin
        self.lend(connection)
        connection.is_counted = True
        origin.dials -= 1
        if connection.is_shared:
            origin.speaks_h1 = False
            origin.max_streams = connection.agree(origin.max_streams)
        elif self.multiplex:
            origin.speaks_h1 = True
        return 0

    cpdef Waiter arrive(self, PooledConnection connection, double now):
        """A connection fresh from its dial goes to the first of its origin's waiters that dial, else as `release` says.

        Those waiters each hold a slot with a dial of their own, so none of them can lose by it, whoever else waits.
        """
        cdef Waiter waiter
        if connection is None or not connection.is_counted or connection.origin.dialing.first is None:
            return self.release(connection, now)
        waiter = connection.origin.dialing.first
        waiter.queue.remove(waiter)
        waiter.may_dial = False
        waiter.connection = connection
        return waiter                          # the lease is that of `adopt`

    cpdef Waiter drop(self, PooledConnection connection):
        """A connection has closed, idle or in use. Returns the waiter that may dial now, or None."""
        cdef Origin origin
        if connection is None or not connection.is_counted:
            return None
        origin = connection.origin
        if connection.is_idle:
            self.unlink_idle(connection)
        elif connection.is_shared and connection.leases > 0:
            origin.shared.remove(connection)
        connection.is_counted = False
        self.free_slot(origin)
        return self.grant_next(origin)

    cpdef int expire(self, double now) except -1:
        """Discard the connections that have been idle for too long, but for those on which somebody waits for room."""
        cdef PooledConnection newer, connection = self.oldest
        while connection is not None and now - connection.idle_since > self.keepalive_expiry:
            newer = connection.newer
            # Its server takes none for now (SETTINGS_MAX_CONCURRENT_STREAMS 0); nobody would dial for those who ride.
            if not (connection.is_shared and connection.origin.riding.first is not None and connection.is_stalled()):
                self.unlink_idle(connection)
                self.discard(connection)
            connection = newer
        return 0

    def idle_connections(self) -> list:
        """The idle connections, oldest first."""
        cdef PooledConnection connection = self.oldest
        cdef list found = []
        while connection is not None:
            found.append(connection)
            connection = connection.newer
        return found

    @property
    def waiting(self) -> int:
        """Waiters held back by a limit."""
        cdef Origin origin
        held = self.queue.length
        for origin in self.origins.values():
            held += origin.held.length
        return held

    def usage(self) -> list:
        """What there is for each origin: (key, connections being made, idle, in use, requests on those, held back)."""
        cdef Origin origin
        cdef PooledConnection connection
        cdef Py_ssize_t used, requests
        cdef list found = []
        # A copy: who asks may be in another thread than the pool's event loop.
        for origin in list(self.origins.values()):
            used = requests = origin.connections - origin.dials - origin.idle
            for connection in origin.shared:
                requests += connection.leases - 1
            held = origin.queued + origin.held.length + origin.riding.length
            found.append((origin.key, origin.dials, origin.idle, used, requests, held))
        return found

    @property
    def origin_count(self) -> int:
        """Origins that have a connection, a dial or a waiter."""
        return len(self.origins)

    # Steps

    cdef int push_idle(self, PooledConnection connection, double now) except -1:
        cdef Origin origin = connection.origin
        cdef PooledConnection evicted
        connection.is_idle = True
        connection.leases = 0
        connection.idle_since = now
        connection.below = origin.top
        if origin.top is None:
            origin.bottom = connection
        else:
            origin.top.above = connection
        origin.top = connection
        connection.older = self.newest
        if self.newest is None:
            self.oldest = connection
        else:
            self.newest.newer = connection
        self.newest = connection
        origin.idle += 1
        self.idle += 1
        if self.idle > self.max_idle:
            evicted = self.oldest
            self.unlink_idle(evicted)
            self.discard(evicted)
        return 0

    cdef int unlink_idle(self, PooledConnection connection) except -1:
        cdef Origin origin = connection.origin
        if connection.above is None:
            origin.top = connection.below
        else:
            connection.above.below = connection.below
        if connection.below is None:
            origin.bottom = connection.above
        else:
            connection.below.above = connection.above
        if connection.older is None:
            self.oldest = connection.newer
        else:
            connection.older.newer = connection.newer
        if connection.newer is None:
            self.newest = connection.older
        else:
            connection.newer.older = connection.older
        connection.above = connection.below = connection.older = connection.newer = None
        connection.is_idle = False
        origin.idle -= 1
        self.idle -= 1
        return 0

    cdef int discard(self, PooledConnection connection) except -1:
        """The driver is to close this one; its slot is free at once."""
        connection.is_counted = False
        try:
            self.discarded.append(connection)
        except MemoryError:
            connection.close()
        return self.free_slot(connection.origin)

    cdef int take_slot(self, Origin origin, Waiter waiter) except -1:
        self.connections += 1
        origin.connections += 1
        origin.dials += 1
        waiter.may_dial = True
        return origin.dialing.place(waiter) if self.late_binding else 0

    cdef int free_slot(self, Origin origin) except -1:
        self.connections -= 1
        origin.connections -= 1
        return self.forget_if_unused(origin)

    cdef int forget_if_unused(self, Origin origin) except -1:
        """A scraper meets millions of origins: one without connection and waiter is not kept."""
        if origin.connections == 0 and origin.waiting == 0 and self.origins.get(origin.key) is origin:
            del self.origins[origin.key]
        return 0

    cdef Waiter grant_next(self, Origin origin):
        """A slot of `origin` has come free: the oldest waiter that may now dial takes it."""
        cdef Waiter chosen
        self.admit(origin)
        if origin.riding.first is not None and origin.dials == 0 and not self.is_stalled(origin):
            # What they waited for is gone. The others ride on the first one's dial.
            chosen = self.promote(origin)
            if chosen is not None:
                return chosen
        chosen = self.queue.first
        if chosen is None or self.connections >= self.max_connections:
            return None
        self.queue.remove(chosen)
        chosen.origin.queued -= 1
        self.take_slot(chosen.origin, chosen)
        return chosen

    cdef int admit(self, Origin origin) except -1:
        """Move waiters that only their origin's limit held back to the common queue, as far as that limit has room.

        So each waiter of the common queue may dial as soon as there is a slot, and nobody is held back while there is
        room: connections + queued never pass max_per_origin, and reach it while anyone is held back.
        """
        cdef Waiter waiter
        while origin.held.first is not None and origin.connections + origin.queued < self.max_per_origin:
            waiter = origin.held.first
            origin.held.remove(waiter)
            self.queue.insert(waiter)
            origin.queued += 1
        return 0
