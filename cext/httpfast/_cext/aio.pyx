"""H1Connection: an HTTP/1.1 connection driven by the callbacks of asyncio's or uvloop's transports. See the .pxd.

Every callback is guarded: an exception inside one would close the transport and wake nobody, so it is turned into the
failure of the exchange under way.
"""
import os
import ssl

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.errno cimport errno

from .clock cimport monotonic
from .exchange cimport Exchange
from .h1 cimport SEND_DONE, SEND_IDLE, UNTIL_CLOSE, H1Engine
from .headers cimport method_bytes
from .pool cimport PooledConnection, PoolState, Waiter
from .sockets cimport (
    HTTPFAST_RAW_SOCKETS,
    httpfast_has_input,
    httpfast_interrupted,
    httpfast_send,
    httpfast_would_block,
)

from httpfast._exceptions import ReadError, ReadTimeout, RemoteProtocolError, WriteError, WriteTimeout

cdef enum:
    READ_BYTES = 262144                # the shared read buffer; larger brought nothing for 10 MB bodies
    UNREAD_LIMIT = 524288              # a streamed body pauses reading above this many octets not taken
    WRITABLE = 0x200                   # PyBUF_WRITE

cdef double NEVER = float("inf")
cdef double FRESH = 0.001              # an idle connection is looked at again before use after this many seconds


cdef bint is_ending(transport) noexcept:
    """Whether the loop has met an error, or the end of the stream, that it tells the connection in a turn to come."""
    try:
        if transport.is_closing():
            return True
        # asyncio's TLS transport does not say so of the one below it, of which it hears in the next turn.
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        return below is not None and below.is_closing()
    except Exception:
        return True


cdef class LoopShare:
    """What the connections of one loop share.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop):
        self.memory = bytearray(READ_BYTES)
        self.view = memoryview(self.memory)
        self.data = PyByteArray_AS_STRING(self.memory)
        self.loop = loop

    cdef int defer(self, H1Connection connection, bytes request) except -1:
        """Write this one's request at the end of the loop's turn."""
        connection.deferred = request
        if self.writers is None:
            # A list that is there stands for a call that will come: neither is ever without the other.
            writers = []
            self.loop.call_soon(self.write_deferred)
            self.writers = writers
        self.writers.append(connection)
        return 0

    def write_deferred(self):
        """The turn is over: write what was made in it."""
        cdef H1Connection connection
        writers, self.writers = self.writers, None
        for connection in writers:
            try:
                connection.write_deferred()
            except BaseException as error:
                connection.fail(error)
                if not isinstance(error, Exception):
                    raise


cdef class H1Connection(PooledConnection):
    """One connection; its Python subclass is what makes it an asyncio.BufferedProtocol.

    Args:
        pool: the AsyncPool it belongs to.
        loop: the event loop.
        state: the pool's decisions.
        share: what the connections of the loop share.
    """

    def __init__(self, pool, loop, PoolState state not None, LoopShare share not None):
        self.engine = H1Engine.__new__(H1Engine)
        self.pool = pool
        self.loop = loop
        self.create_future = loop.create_future
        self.state = state
        self.share = share
        self.fd = -1
        self.deadline = self.total_deadline = self.timer_at = NEVER

    # The transport's callbacks

    def connection_made(self, transport):
        self.transport = transport
        self.is_secure = transport.get_extra_info("ssl_object") is not None
        sock = transport.get_extra_info("socket")
        if sock is not None:
            self.fd = sock.fileno()
        if self.engine.has_surplus:
            # TLS on top of a transport may hand out octets before it hands out itself.
            self.close()

    def get_buffer(self, hint):
        if self.engine.is_direct():
            self.is_direct = True
            return PyMemoryView_FromMemory(
                self.exchange.body.tail(),
                min(self.exchange.body.capacity - self.exchange.body.filled, <Py_ssize_t>self.engine.missing),
                WRITABLE,
            )
        self.is_direct = False
        return self.share.view

    def buffer_updated(self, Py_ssize_t size):
        self.share.has_written = False
        try:
            if self.deferred is not None:
                # No answer to a request that has not been written: never hand it out as one.
                self.deferred = None
                raise RemoteProtocolError("Octets came on an idle connection")
            if self.is_direct:
                self.is_direct = False
                self.engine.received_direct(size)
            else:
                self.engine.receive(self.share.data, size)
            self.progress()
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise

    def eof_received(self):
        try:
            self.engine.receive_end(self.engine.receiving == UNTIL_CLOSE and self.is_truncated())
            self.progress()
        except BaseException as error:
            self.fail(error)
            if not isinstance(error, Exception):
                raise
        self.close()

    def connection_lost(self, error):
        self.is_closed = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        try:
            if self.exchange is not None:
                try:
                    problem = self.loss(self.failure if error is None else error)
                except MemoryError as caught:
                    problem = caught
                self.fail(problem)
            if self.drained is not None:
                self.resume_writing()
        finally:
            self.transport = None
            turn = self.state.drop(self)
            self.pool.lost(self)
        if turn is not None:
            self.pool.serve(turn)

    def pause_writing(self):
        self.writing_paused = True

    def resume_writing(self):
        self.writing_paused = False
        self.wake_writer()

    cdef int wake_writer(self) except -1:
        drained, self.drained = self.drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        return 0

    # An exchange

    def send(self, Exchange exchange not None):
        """Write a whole request in one write. Returns the future to await.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
        """
        cdef bytes request = self.engine.send_request(
            exchange,
            method_bytes(exchange.method),
            exchange.target,
            self.origin.head_for(exchange.fields_sent),
            exchange.body_sent,
        )
        self.start(exchange)
        if self.share.has_written and self.is_raw():
            self.share.defer(self, request)
        else:
            self.share.has_written = exchange.wrote_request = True
            self.write(request)
        return self.wait(exchange)

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
        exchange.wrote_request = True
        self.write(request)

    def write_body(self, Exchange exchange not None, data):
        """Write a piece of the request's body. Returns None, or a future to await before the next piece."""
        if exchange is not self.exchange or self.is_closed:
            return None
        octets = self.engine.send_body(data)
        if octets:
            self.write(octets)
        return self.wait_writable() if self.writing_paused else None

    def end_body(self, Exchange exchange not None):
        """End the request's body."""
        if exchange is self.exchange and not self.is_closed:
            octets = self.engine.send_end()
            if octets:
                self.write(octets)

    def wait_response(self, Exchange exchange not None):
        """A future for the response's head (its end, when the whole body is wanted), or None when it is there."""
        if exchange.error is not None:
            raise exchange.error
        if exchange.is_complete or (exchange.status_code and (not exchange.collect or exchange.is_tunnel)):
            return None
        return None if exchange.has_hints() else self.wait(exchange)

    def wait_continue(self, Exchange exchange not None, double timeout):
        """A future for 100 Continue or the final head; done after `timeout` seconds at the latest."""
        if exchange.continued or exchange.status_code or exchange.error is not None:
            return None
        waiter = exchange.waiter = self.loop.create_future()
        timer = self.loop.call_later(timeout, resolve, waiter)
        waiter.add_done_callback(lambda _: timer.cancel())
        return waiter

    def wait_body(self, Exchange exchange not None):
        """A future for more octets of the body, or None when there is something to take, its end or an error."""
        if exchange.body.filled or exchange.is_complete or exchange.error is not None:
            return None
        return self.wait(exchange)

    def take_body(self, Exchange exchange not None):
        """The octets that have come; reading goes on if it was paused for them."""
        cdef bytes taken = exchange.body.take()
        if self.reading_paused and exchange is self.exchange and not self.is_closed:
            self.reading_paused = False
            self.transport.resume_reading()
        return taken

    def abandon(self, Exchange exchange not None):
        """The caller gives up. Closes the connection unless it has already done with this exchange."""
        exchange.waiter = None
        if exchange is self.exchange:
            self.exchange = None
            exchange.connection = None
            self.abort()

    def abandon_soon(self, Exchange exchange not None):
        """`abandon` from a finaliser, which may run in any thread, and after the loop was closed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.abandon, exchange)

    def release_unused(self):
        """Give the connection back: nothing was written on it."""
        self.detach()

    cpdef close(self):
        """Close it, telling the peer over TLS. What waits on it fails."""
        if self.transport is None or self.is_closed:
            return
        self.is_closed = True
        self.transport.close()
        if self.is_secure or self.drained is not None:
            # close_notify is on its way; waiting for the peer's would keep the socket for up to half a minute. So would
            # a peer that does not read, and who waits for it.
            self.transport.abort()

    def abort(self):
        """Close it at once."""
        self.is_closed = True
        if self.transport is not None:
            self.transport.abort()

    def is_readable(self):
        """True when octets or the end of the stream wait on an idle connection."""
        return self.is_closed or (self.fd >= 0 and httpfast_has_input(self.fd))

    cdef bint is_usable(self, double now) noexcept:
        if self.is_closed or not self.engine.can_reuse():
            return False
        # What came while the loop was busy is not read yet. The loop has looked in the last millisecond, or we do.
        if now - self.idle_since < FRESH or self.fd < 0:
            return True
        return not httpfast_has_input(self.fd) and not is_ending(self.transport)

    # Raw octets, after 101 or CONNECT

    def write_raw(self, Exchange exchange not None, data, double timeout):
        """Write octets outside HTTP. Returns None, or a future to await before the next write."""
        if self.is_closed:
            raise WriteError("The connection is closed")
        self.write_timeout = timeout
        self.total_deadline = NEVER        # which was for the exchange
        self.write(bytes(data))
        return self.wait_writable() if self.writing_paused else None

    def wait_raw(self, Exchange exchange not None, double timeout):
        """As `wait_body`, with a timeout of its own in seconds."""
        self.read_timeout = timeout
        self.total_deadline = NEVER
        return self.wait_body(exchange)

    # Steps

    cdef int start(self, Exchange exchange) except -1:
        self.served += 1
        self.exchange = exchange
        exchange.connection = self
        exchange.was_begun = True
        self.read_timeout = exchange.read_timeout
        self.write_timeout = exchange.write_timeout
        self.total_deadline = exchange.deadline
        return 0

    cdef bint is_raw(self) noexcept:
        """True when octets may go straight to the socket, as far as this connection knows."""
        return HTTPFAST_RAW_SOCKETS and self.fd >= 0 and not self.is_secure

    cdef int write_deferred(self) except -1:
        request, self.deferred = self.deferred, None
        if request is not None and self.exchange is not None and not self.is_closed:
            self.exchange.wrote_request = True
            self.write(request)
        return 0

    cdef int write(self, bytes octets) except -1:
        """Write, by the system's own call where nothing lies in the transport's buffer yet.

        Transports queue a write, and some write only at the end of the loop's turn: that costs as much as the call. A
        transport that is closing has given up its descriptor, which may be another connection's by now.
        """
        cdef Py_ssize_t size = PyBytes_GET_SIZE(octets), written
        if self.is_raw() and not self.transport.is_closing():
            if self.is_buffered:
                self.is_buffered = self.transport.get_write_buffer_size() != 0
            if not self.is_buffered:
                written = httpfast_send(self.fd, PyBytes_AS_STRING(octets), size)
                if written == size:
                    return 0
                if written < 0 and not httpfast_would_block() and not httpfast_interrupted():
                    # Not for the transport to find out: uvloop may write what it holds to the next connection that is
                    # given the same descriptor.
                    self.failure = OSError(errno, os.strerror(errno))
                    self.abort()
                    return 0
                # A full buffer: the transport waits for room.
                if written > 0:
                    octets = octets[written:]
        self.is_buffered = True
        self.transport.write(octets)
        return 0

    cdef object wait(self, Exchange exchange):
        """A future that the next progress of the exchange resolves, under the read timeout."""
        waiter = exchange.waiter = self.create_future()
        self.set_deadline()
        return waiter

    def wait_writable(self):
        """A future for room in the transport's buffer, under the write timeout."""
        waiter = self.drained = self.loop.create_future()
        limit = min(self.write_timeout, self.total_deadline - monotonic())
        if limit != NEVER:
            timer = self.loop.call_later(max(limit, 0.0), self.on_write_timeout, waiter)
            waiter.add_done_callback(lambda _: timer.cancel())
        return waiter

    def on_write_timeout(self, waiter):
        if not waiter.done():
            waiter.set_exception(WriteTimeout("The peer did not take the request's body in time"))

    cdef int progress(self) except -1:
        """Octets were read: wake whoever can go on, and give the connection back when the response is complete."""
        cdef Exchange exchange = self.exchange
        if exchange is None:
            if self.engine.has_surplus:
                self.close()
            return 0
        if exchange.is_complete:
            self.exchange = None
            exchange.connection = None
            self.deadline = NEVER
            try:
                self.detach()
            finally:
                self.wake(exchange)    # whatever became of the connection: this response is whole
            return 0
        if exchange.waiter is None:
            pass
        elif (not exchange.collect or exchange.is_tunnel) and exchange.status_code:
            self.wake(exchange)
        elif (exchange.expects_continue and exchange.continued) or exchange.has_hints():
            self.wake(exchange)
        else:
            self.set_deadline()
        if exchange.status_code and self.drained is not None:
            self.wake_writer()         # the one who writes decides whether to go on
        if exchange.body.filled > UNREAD_LIMIT and not exchange.collect:
            self.pause_reading()
        return 0

    cdef int pause_reading(self) except -1:
        if not self.reading_paused and not self.is_closed:
            self.reading_paused = True
            self.transport.pause_reading()
        return 0

    cdef int wake(self, Exchange exchange) except -1:
        waiter, exchange.waiter = exchange.waiter, None
        self.deadline = NEVER
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return 0

    cdef int detach(self) except -1:
        """Nothing uses the connection: idle, to the next waiter, or closed."""
        cdef Waiter turn
        if self.is_closed:
            return 0
        if not self.engine.can_reuse() or self.reading_paused:
            if self.engine.sending == SEND_IDLE or self.engine.sending == SEND_DONE:
                self.close()
            else:
                self.abort()           # answered early: what is left of the upload is not worth flushing
            return 0
        turn = self.state.release(self, monotonic())
        if turn is not None:
            self.pool.serve(turn)
        if self.state.discarded:
            self.pool.close_discarded()
        return 0

    cdef int fail(self, object error) except -1:
        """The connection is broken: the exchange under way ends with the error."""
        cdef Exchange exchange = self.exchange
        self.exchange = None
        if exchange is not None:
            exchange.error = error
            exchange.connection = None
            waiter, exchange.waiter = exchange.waiter, None
            self.deadline = NEVER
            if waiter is not None and not waiter.done():
                waiter.set_exception(error if isinstance(error, Exception) else ReadError(repr(error)))
        self.abort()
        return 0

    def loss(self, error):
        """What the loss of the connection means for the exchange under way."""
        if error is None:
            try:
                self.engine.receive_end(self.is_secure)
            except RemoteProtocolError as caught:
                return caught
            return ReadError("The connection was closed")
        mapped = WriteError if self.engine.sending not in (SEND_IDLE, SEND_DONE) else ReadError
        mapped = mapped(str(error) or repr(error))
        mapped.__cause__ = error
        return mapped

    def is_truncated(self):
        """True when TLS ended without close_notify: only then is there still nothing to read from its layer."""
        if not self.is_secure:
            return False
        try:
            return self.transport.get_extra_info("ssl_object").read(1) != b""
        except ssl.SSLError as error:
            return not isinstance(error, ssl.SSLZeroReturnError)

    cdef int set_deadline(self) except -1:
        """A wait begins, or goes on after a read."""
        cdef double now
        if self.read_timeout == NEVER and self.total_deadline == NEVER:
            self.deadline = NEVER
            return 0
        now = monotonic()
        self.deadline = min(now + self.read_timeout, self.total_deadline)
        if self.timer is None or self.timer_at > self.deadline:
            self.arm(now)
        return 0

    cdef int arm(self, double now) except -1:
        if self.timer is not None:
            self.timer.cancel()
        self.timer_at = self.deadline
        self.timer = self.loop.call_later(max(self.deadline - now, 0.0), self.on_timer)
        return 0

    def on_timer(self):
        """The timer has fired. The deadline may have moved on since it was armed, or the wait be over."""
        cdef double now = monotonic()
        self.timer = None
        if self.deadline == NEVER or self.exchange is None:
            return
        # Loops count in milliseconds: a timer may fire a little before its time.
        if now + 0.001 < self.deadline:
            self.arm(now)
            return
        try:
            self.fail(ReadTimeout("The response did not come in time"))
        except BaseException as error:
            self.loop.call_exception_handler({"message": "a timeout could not be reported", "exception": error})


def resolve(waiter):
    """Resolve a future that nothing else has resolved."""
    if not waiter.done():
        waiter.set_result(None)
