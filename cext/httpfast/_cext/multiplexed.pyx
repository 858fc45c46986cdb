"""MultiplexedConnection: what HTTP/2 connections have in common, however they wait for the socket."""
from .clock cimport monotonic
from .exchange cimport Exchange
from .frame cimport NO_ERROR
from .h2 cimport H2Engine
from .h2_heads cimport RequestFields
from .pool cimport PooledConnection
from .sockets cimport httpfast_has_input

from httpfast._exceptions import ReadError, RemoteProtocolError


cdef class MultiplexedConnection(PooledConnection):
    """An engine, and what the pool has to know of it."""

    def __cinit__(self):
        self.engine = H2Engine.__new__(H2Engine)
        self.is_shared = True

    @property
    def takes_connect_protocol(self) -> bool:
        """Whether the server takes an extended CONNECT (RFC 8441, 3)."""
        return self.engine.takes_connect_protocol

    @property
    def is_draining(self) -> bool:
        """See `PooledConnection`."""
        return self.engine.is_draining

    @property
    def was_dismissed(self) -> bool:
        """See `PooledConnection`."""
        return self.engine.goaway_code == NO_ERROR

    cdef bint is_lasting(self) noexcept:
        return not self.is_closed and self.engine.can_go_on()

    cdef bint is_trusted(self, int fd) noexcept:
        """Whether it can carry a request; with a look at the socket for a sign of life that nobody has read yet."""
        if self.engine.is_doubted and fd >= 0 and httpfast_has_input(fd):
            self.engine.is_doubted = False
        return self.is_lasting() and not self.engine.is_doubted

    cdef bint is_stalled(self) noexcept:
        return self.engine.max_streams == 0 and self.is_lasting() and not self.engine.is_doubted

    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept:
        return self.engine.agree(expected)

    cdef Py_ssize_t room(self) noexcept:
        # A lease that has no stream yet counts as one.
        if self.is_closed:
            return 0
        return self.engine.free_streams() - max(self.leases - <Py_ssize_t>len(self.engine.streams), 0)

    cdef int begin_stream(self, Exchange exchange, bint whole) except -1:
        """Have the engine begin an exchange. See `H2Engine.request`.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadError, RemoteProtocolError: the connection takes no more requests; this one can be sent again.
        """
        if self.is_closed:
            exchange.was_refused = True
            raise ReadError("The connection was closed")
        if self.engine.free_streams() == 0:
            # Since the connection was handed out the server has said so, by SETTINGS or GOAWAY.
            exchange.was_refused = True
            raise RemoteProtocolError("The connection has no room for another stream (RFC 9113, 5.1.2)")
        # The last fields are kept: clients repeat them.
        if exchange.fields_sent is not self.last_fields and exchange.fields_sent != self.last_fields:
            self.last_head = RequestFields(exchange.fields_sent)
            self.last_fields = exchange.fields_sent
        self.engine.request(exchange, self.last_head, self.scheme, whole)
        exchange.connection = self
        exchange.was_begun = exchange.wrote_request = True
        self.served += 1
        return 0

    cdef int time_out(self, Exchange exchange, double waited) except -1:
        """End the stream of an exchange on which nothing has come for so long, or whose deadline is over."""
        cdef double now = monotonic()
        return self.engine.cancel(exchange.stream, now, waited if exchange.deadline - now > 0.001 else 0.0)

    cdef int note_room(self) except -1:
        """There may be room. What the server allows is what the origin's next connection is expected to begin with."""
        self.engine.has_new_room = False
        if self.origin is not None and self.engine.has_settings:
            self.origin.max_streams = self.engine.agree(-1)
        return 0
