# cython: overflowcheck=False
# (In checked builds Cython takes a difference of pointers for one of integers, which C compilers refuse.)
"""Exchange: one request and its answer, passed from the transport to a connection, whose engine fills it in.

It outlives its place on the connection: once the response is complete the connection may serve the next request
while the body still waits here to be read.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.string cimport memchr

from .buffer cimport ByteBuffer
from .wire cimport is_blank


cdef double NEVER = float("inf")


cdef double seconds(dict timeouts, str phase) except? -1:
    """The timeout of a phase, infinite when there is none."""
    cdef PyObject* value = PyDict_GetItemWithError(timeouts, phase)
    return NEVER if value == NULL or <object>value is None else <object>value


cdef list parse_fields(const char* data, Py_ssize_t size):
    """(name, value) pairs of field lines that an engine has already checked."""
    cdef list fields = []
    cdef const char* end = data + size
    cdef const char* colon
    cdef const char* line_end
    cdef const char* last
    while data < end:
        line_end = <const char*>memchr(data, 10, end - data)
        if line_end == NULL:
            line_end = end
        colon = <const char*>memchr(data, 58, line_end - data)
        if colon == NULL:                       # the empty line
            break
        name = PyBytes_FromStringAndSize(data, colon - data)
        colon += 1
        last = line_end
        if last > colon and (last - 1)[0] == 13:
            last -= 1
        while colon < last and is_blank(colon[0]):
            colon += 1
        while last > colon and is_blank((last - 1)[0]):
            last -= 1
        fields.append((name, PyBytes_FromStringAndSize(colon, last - colon)))
        data = line_end + 1
    return fields


cdef class Exchange:
    """State of one exchange; see the .pxd for its fields. Transports make it of a request: `plain.exchange_of`."""

    def __cinit__(self):
        self.content_length = -1
        self.body = ByteBuffer.__new__(ByteBuffer)
        self.read_timeout = self.write_timeout = self.deadline = NEVER

    def again(self) -> Exchange:
        """A new exchange of the same request."""
        cdef Exchange exchange = Exchange.__new__(Exchange)
        exchange.key = self.key
        exchange.method = self.method
        exchange.target = self.target
        exchange.fields_sent = self.fields_sent
        exchange.body_sent = self.body_sent
        exchange.read_timeout = self.read_timeout
        exchange.write_timeout = self.write_timeout
        exchange.deadline = self.deadline
        exchange.collect = self.collect
        exchange.is_traced = self.is_traced
        exchange.heeds_hints = self.heeds_hints
        exchange.protocol = self.protocol
        exchange.upgrade = self.upgrade
        return exchange

    def as_connect(self, tuple key not None, tuple fields not None) -> Exchange:
        """An extended CONNECT in the place of this GET with Upgrade (RFC 8441, 5).

        Args:
            key, fields: see `reroute`.
        """
        cdef Exchange exchange = self.again()
        exchange.method = "CONNECT"
        exchange.key = key
        exchange.fields_sent = fields
        exchange.upgrade = self
        return exchange

    def reroute(self, tuple key not None, bytes target not None, tuple fields not None):
        """Go another way than the request's URL says: over other connections, and with another head.

        Args:
            key: what the pool knows those connections by.
            target: the request target (RFC 9112, 3.2).
            fields: (name, lower-case name, value) triples.
        """
        self.key = key
        self.target = target
        self.fields_sent = fields

    @property
    def fields(self) -> list:
        """The response's fields as (name, value) pairs of bytes, names as received."""
        cdef const char* line_end
        cdef const char* start
        if self._fields is None:
            if self.fields_known is not None:
                self._fields = list(self.fields_known)
                return self._fields
            if self.raw is None:
                return []
            start = PyBytes_AS_STRING(self.raw)
            line_end = <const char*>memchr(start, 10, PyBytes_GET_SIZE(self.raw)) + 1
            self._fields = parse_fields(line_end, start + PyBytes_GET_SIZE(self.raw) - line_end)
        return self._fields

    @property
    def reason_phrase(self) -> bytes:
        """The status line's reason phrase (RFC 9112, 4), b"" when there is none."""
        return self.raw[self.reason_start:self.reason_end] if self.raw is not None else b""

    cpdef bint has_failed(self) noexcept:
        """True when there is an error, and nothing to give out before it: the head of a streamed response, octets."""
        return self.error is not None and (self.collect or not self.status_code)

    cpdef bint has_hints(self) noexcept:
        """True when there are informational responses that somebody heeds and has not been told of."""
        return self.heeds_hints and self.informational is not None and len(self.informational) > self.hints_told

    def take_hints(self) -> list:
        """(status, fields) of the informational responses since the last call (RFC 9110, 15.2)."""
        cdef list hints = [] if self.informational is None else self.informational[self.hints_told:]
        self.hints_told += len(hints)
        return hints

    @property
    def unread_bytes(self) -> int:
        """Octets of the body that wait to be taken."""
        return self.body.filled

    @property
    def is_refused(self) -> bool:
        """True when sending the rest of the request is pointless: answered with an error or a redirect, or failed.

        A success that begins early may need the rest: servers that transform a body answer while it comes.
        """
        return self.status_code >= 300 or self.is_complete or self.error is not None

    cpdef bytes take_body(self):
        """The octets of the body that have come since the last call; b"" when there are none."""
        return self.body.take()
