"""CarriedConnection: an HTTP/1.1 connection whose octets Python code carries, for event loops without callbacks.

The engine's rules and the pool's needs are kept here; how octets are read and written is the business of a subclass.
"""
from .exchange cimport Exchange
from .h1 cimport H1Engine
from .headers cimport method_bytes
from .pool cimport PooledConnection
from .sockets cimport httpfast_has_input


cdef class CarriedConnection(PooledConnection):
    """One connection, used by one task at a time.

    Args:
        fd: the socket's descriptor, -1 for none.
    """

    def __init__(self, int fd):
        self.engine = H1Engine.__new__(H1Engine)
        self.fd = fd

    def request_octets(self, Exchange exchange not None, bint whole):
        """Begin an exchange: the octets of its head, and of its body if it is wanted whole.

        Raises:
            LocalProtocolError: the request is not valid; the connection is unharmed.
        """
        cdef bytes octets = self.engine.send_request(
            exchange,
            method_bytes(exchange.method),
            exchange.target,
            self.origin.head_for(exchange.fields_sent),
            exchange.body_sent if whole else None,
        )
        self.served += 1
        exchange.was_begun = True
        exchange.connection = self
        return octets

    def note_written(self, Exchange exchange not None):
        """Octets of the request are about to be handed to the system."""
        exchange.wrote_request = True

    def receive(self, Exchange exchange not None, bytes octets not None, bint is_truncation=False):
        """Take in what was read; b"" is the end of the stream.

        Args:
            is_truncation: it is one that nobody vouches for: TLS without close_notify.

        Raises:
            RemoteProtocolError
        """
        if octets:
            self.engine.receive_data(octets)
        else:
            self.engine.receive_end(is_truncation)
        if exchange.is_complete:
            exchange.connection = None

    def let_go(self, Exchange exchange not None):
        """The caller gives up on an exchange. True when it was still under way on this connection."""
        if exchange.connection is not self:
            return False
        exchange.connection = None
        return True

    def finished(self):
        """The task is through with an exchange that is complete. True when the connection can serve another."""
        return not self.is_closed and self.engine.can_reuse()

    def is_readable(self):
        """True when octets or the end of the stream wait on an idle connection."""
        return self.is_closed or (self.fd >= 0 and httpfast_has_input(self.fd))

    cdef bint is_usable(self, double now) noexcept:
        return not self.is_closed and self.engine.can_reuse() and not (self.fd >= 0 and httpfast_has_input(self.fd))
