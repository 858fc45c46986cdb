"""BlockingConnection: an HTTP/1.1 connection over a blocking socket, for the sync client. See the .pxd.

Timeouts of a plain socket are the system's (SO_RCVTIMEO, SO_SNDTIMEO): a Python socket with a timeout polls before each
read and each write, which doubles the calls. TLS, and everything on Windows, goes through Python's socket objects.
"""
import os
import selectors
import socket
import ssl

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport errno

from .clock cimport monotonic
from .exchange cimport Exchange
from .h1 cimport UNTIL_CLOSE, H1Engine
from .headers cimport method_bytes
from .pool cimport PooledConnection
from .sockets cimport (
    HTTPFAST_RAW_SOCKETS,
    httpfast_has_input,
    httpfast_interrupted,
    httpfast_recv,
    httpfast_send,
    httpfast_set_timeouts,
    httpfast_would_block,
)

from httpfast._exceptions import ReadError, ReadTimeout, RemoteProtocolError, WriteError, WriteTimeout

cdef enum:
    READ_BYTES = 65536
    WRITABLE = 0x200                   # PyBUF_WRITE

cdef double NEVER = float("inf")
cdef double SHORTEST = 1e-6            # the system takes 0 for "no timeout"


cdef class BlockingConnection(PooledConnection):
    """One connection, used by one thread at a time.

    Args:
        sock: a connected socket, or one for TLS after its handshake. The connection owns it.
    """

    def __cinit__(self):
        self.buffer = <char*>PyMem_Malloc(READ_BYTES)
        if self.buffer == NULL:
            raise MemoryError()

    def __init__(self, sock):
        self.engine = H1Engine.__new__(H1Engine)
        self.view = PyMemoryView_FromMemory(self.buffer, READ_BYTES, WRITABLE)
        self.take_over(sock)

    cpdef take_over(self, sock):
        """Go on over this socket, which stands in the place of the one before: TLS was put on that."""
        self.sock = sock
        self.fd = sock.fileno()
        self.is_secure = isinstance(sock, ssl.SSLSocket) or not isinstance(sock, socket.socket)
        self.is_raw = HTTPFAST_RAW_SOCKETS and not self.is_secure
        self.receive_limit = self.send_limit = -1
        if self.is_raw:
            sock.settimeout(None)
        # The object inside, where there is one: an SSLSocket's own methods cost ten times as much.
        self.tls = sock._sslobj if isinstance(sock, ssl.SSLSocket) else None
        if self.is_secure:
            self.pending = (sock if self.tls is None else self.tls).pending
        self.recv_into = sock.recv_into
        self.send_some = sock.send

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    # An exchange

    def send(self, Exchange exchange not None):
        """Write a whole request in one write and read its response: all of it when it is collected, else its head.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadTimeout, WriteTimeout, ReadError, WriteError, RemoteProtocolError: the connection is of no more use.
        """
        cdef bytes request = self.engine.send_request(
            exchange,
            method_bytes(exchange.method),
            exchange.target,
            self.origin.head_for(exchange.fields_sent),
            exchange.body_sent,
        )
        self.start(exchange)
        self.write(request)
        self.read_response(exchange)

    def begin(self, Exchange exchange not None):
        """Write a request's head; the body follows by `write_body` and `end_body`. As `send` otherwise."""
        cdef bytes request = self.engine.send_request(
            exchange,
            method_bytes(exchange.method),
            exchange.target,
            self.origin.head_for(exchange.fields_sent),
            None,
        )
        self.start(exchange)
        self.write(request)

    def write_body(self, Exchange exchange not None, data):
        """Write a piece of the request's body. Returns False when the peer has answered: the rest is not wanted."""
        cdef bytes octets
        if self.engine.exchange is not exchange:
            return False
        octets = self.engine.send_body(data)
        if httpfast_has_input(self.fd) and not self.is_secure:
            # An answer before the end of the request: a refusal, mostly, with a close behind it (RFC 9112, 9.5).
            self.read(exchange)
            if exchange.is_refused:
                return False
        try:
            self.write(octets)
        except WriteError as error:
            self.finish_early(exchange, error)
            return False
        return True

    def end_body(self, Exchange exchange not None):
        """End the request's body."""
        cdef bytes octets
        if self.engine.exchange is exchange:
            octets = self.engine.send_end()
            if octets:
                try:
                    self.write(octets)
                except WriteError as error:
                    self.finish_early(exchange, error)

    def wait_continue(self, Exchange exchange not None, double timeout):
        """Wait for 100 Continue or the final head, for `timeout` seconds at most (RFC 9110, 10.1.1)."""
        cdef double ends = monotonic() + timeout
        cdef double left = timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            while left > 0 and not (exchange.continued or exchange.status_code):
                if selector.select(left):
                    self.read(exchange)
                left = ends - monotonic()

    cpdef read_response(self, Exchange exchange):
        """Read until the response's head is there; until its end, when the whole body is wanted."""
        while not (exchange.is_complete or (exchange.status_code and (not exchange.collect or exchange.is_tunnel))):
            if exchange.has_hints():
                break
            self.read(exchange)

    def read_body(self, Exchange exchange not None):
        """More octets of the body: at least one, or b"" at its end."""
        while not exchange.body.filled and not exchange.is_complete:
            self.read(exchange)
        return exchange.body.take()

    cpdef close(self):
        """Close it. From another thread than the one inside an exchange, that thread is woken and closes it.

        A descriptor is a number that the system gives out again: only its user may close it.
        """
        if self.is_closed:
            return
        self.is_closed = True
        if self.in_use:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass                   # the peer was first
        else:
            self.sock.close()

    def abandon(self):
        """The thread inside an exchange gives up, or found it closed."""
        self.is_closed = True
        self.in_use = False
        self.sock.close()

    def finished(self):
        """The thread is through with an exchange that is complete. True when the connection can serve another."""
        self.in_use = False
        # TLS reads records whole: octets that nobody asked for may wait in it and not show on the socket.
        if self.is_closed or not self.engine.can_reuse() or (self.pending is not None and self.pending()):
            self.is_closed = True
            self.sock.close()
            return False
        return True

    cdef bint is_usable(self, double now) noexcept:
        return not self.is_closed and self.engine.can_reuse() and not httpfast_has_input(self.fd)

    # Raw octets, after 101 or CONNECT

    def write_raw(self, Exchange exchange not None, data, double timeout):
        """Write octets outside HTTP; `timeout` in seconds."""
        self.write_timeout = timeout
        self.total_deadline = NEVER        # which was for the exchange
        self.write(bytes(data))

    def read_raw(self, Exchange exchange not None, double timeout):
        """Read octets outside HTTP: at least one, or b"" at the end; `timeout` in seconds."""
        self.read_timeout = timeout
        self.total_deadline = NEVER
        return self.read_body(exchange)

    # Steps

    cdef int start(self, Exchange exchange) except -1:
        self.served += 1
        self.in_use = True
        exchange.was_begun = True
        self.read_timeout = exchange.read_timeout
        self.write_timeout = exchange.write_timeout
        self.total_deadline = exchange.deadline
        return 0

    cdef double limit(self, double timeout, type error) except? -1:
        """Seconds that the next call may take. Raises `error` when none are left."""
        cdef double left
        if self.total_deadline == NEVER:
            return timeout
        left = self.total_deadline - monotonic()
        if left <= 0:
            raise error("The exchange passed its total timeout")
        return min(timeout, left)

    cdef int write(self, bytes octets) except -1:
        cdef const char* data = PyBytes_AS_STRING(octets)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(octets), written
        cdef double allowed = self.limit(self.write_timeout, WriteTimeout)
        cdef int fd = self.fd
        if not self.is_raw:
            try:
                if self.send_limit != allowed or self.receive_limit != allowed:
                    self.sock.settimeout(None if allowed == NEVER else allowed)
                    self.send_limit = self.receive_limit = allowed
                view = memoryview(octets)
                while size:
                    written = self.send_some(view) if self.tls is None else self.tls.write(view)
                    self.note_written()
                    size -= written
                    if size:
                        view = view[written:]
            except TimeoutError as error:
                raise WriteTimeout("The peer did not take the request in time") from error
            except OSError as error:
                raise WriteError(str(error)) from error
            return 0
        if self.send_limit != allowed:
            self.send_limit = allowed
            self.receive_limit = self.limit(self.read_timeout, ReadTimeout)
            httpfast_set_timeouts(
                fd,
                0 if self.receive_limit == NEVER else max(self.receive_limit, SHORTEST),
                0 if allowed == NEVER else max(allowed, SHORTEST),
            )
        while size:
            if self.is_closed:
                raise WriteError("The connection was closed")
            with nogil:
                written = httpfast_send(fd, data, size)
            if written >= 0:
                self.note_written()
                data += written
                size -= written
            elif httpfast_interrupted():
                PyErr_CheckSignals()
            elif httpfast_would_block():
                raise WriteTimeout("The peer did not take the request in time")
            else:
                cause = OSError(errno, os.strerror(errno))
                raise WriteError(str(cause)) from cause
        return 0

    cdef void note_written(self) noexcept:
        if self.engine.exchange is not None:
            self.engine.exchange.wrote_request = True

    cdef int read(self, Exchange exchange) except -1:
        """One read, into the body itself where its size is known."""
        cdef Py_ssize_t size
        if self.engine.exchange is not exchange:
            raise ReadError("The connection was closed")
        if self.engine.is_direct():
            size = self.read_into(
                exchange.body.tail(),
                min(exchange.body.capacity - exchange.body.filled, <Py_ssize_t>self.engine.missing),
            )
            if size:
                return self.engine.received_direct(size)
        else:
            size = self.read_into(self.buffer, READ_BYTES)
            if size:
                return self.engine.receive(self.buffer, size)
        return self.engine.receive_end(False)

    cdef Py_ssize_t read_into(self, char* data, Py_ssize_t size) except -1:
        """Octets read, 0 at the end of the stream."""
        cdef double allowed = self.limit(self.read_timeout, ReadTimeout)
        cdef Py_ssize_t count
        cdef int fd = self.fd
        if not self.is_raw:
            try:
                if self.receive_limit != allowed:
                    self.sock.settimeout(None if allowed == NEVER else allowed)
                    self.send_limit = self.receive_limit = allowed
                view = self.view if data == self.buffer else PyMemoryView_FromMemory(data, size, WRITABLE)
                return self.recv_into(view) if self.tls is None else self.tls.read(size, view)
            except TimeoutError as error:
                raise ReadTimeout("The response did not come in time") from error
            except ssl.SSLEOFError as error:
                if self.engine.receiving == UNTIL_CLOSE:
                    raise RemoteProtocolError(
                        "TLS ended without close_notify within a body that ends with the connection (RFC 9112, 9.8)"
                    ) from error
                return 0
            except OSError as error:
                raise ReadError(str(error)) from error
        if self.receive_limit != allowed:
            self.receive_limit = allowed
            httpfast_set_timeouts(
                fd,
                0 if allowed == NEVER else max(allowed, SHORTEST),
                0 if self.send_limit == NEVER else max(self.send_limit, SHORTEST),
            )
        while True:
            if self.is_closed:
                raise ReadError("The connection was closed")
            with nogil:
                count = httpfast_recv(fd, data, size)
            if count >= 0:
                return count
            if httpfast_interrupted():
                PyErr_CheckSignals()
            elif httpfast_would_block():
                raise ReadTimeout("The response did not come in time")
            else:
                cause = OSError(errno, os.strerror(errno))
                raise ReadError(str(cause)) from cause

    cdef int finish_early(self, Exchange exchange, object error) except -1:
        """A write failed: the peer may have answered before it closed. If it has, that is the answer."""
        try:
            while not exchange.status_code:
                self.read(exchange)
        except (ReadError, ReadTimeout, RemoteProtocolError):
            raise error from None
        return 0
