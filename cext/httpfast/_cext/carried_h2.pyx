"""CarriedH2Connection: an HTTP/2 connection whose tasks wait by themselves. See the .pxd.

All of it belongs to one thread, that of the event loop.
"""
import ssl

from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t

from .clock cimport monotonic
from .exchange cimport Exchange
from .frame cimport NO_ERROR
from .h2_sender cimport STREAM_WINDOW, H2Stream, moved_at
from .multiplexed cimport MultiplexedConnection
from .sockets cimport httpfast_has_input

from httpfast._exceptions import ReadError, WriteError

cdef enum:
    READ_BYTES = 65536
    WRITABLE = 0x200                   # PyBUF_WRITE
    IDLE_READS = 16                    # of an idle connection, before it is used again

# What a task waits for.
FOR_SENT = 0                           # its request is written, as far as it has been made; or an answer before that
FOR_CONTINUE = 1                       # 100 Continue, or an answer
FOR_RESPONSE = 2                       # the response's head; its end, when it is collected
FOR_BODY = 3                           # octets of the body, or its end
# The same, where the wait has a timeout of its own, and that of the exchange does not count.
FOR_SETTINGS = 4                       # the peer's, before there is an exchange; or the connection's end
FOR_OCTETS = 5                         # of a tunnel, or its end
FOR_ROOM = 6                           # its octets are written, or the tunnel is closed


cdef class CarriedH2Connection(MultiplexedConnection):
    """One connection.

    Args:
        pool: is told by `release`, `drop` and `share` what becomes of it.
        sock: connected, not blocking. The subclass closes it.
        tls: a `TLSLayer` after its handshake, or None.
        reschedule: called with what `park` was given, to wake that task.
        window: see `H2Engine.set_window`.
    """

    def __cinit__(self):
        self.buffer = <char*>PyMem_Malloc(READ_BYTES)
        if self.buffer == NULL:
            raise MemoryError()

    def __init__(self, pool, sock, tls, reschedule, int64_t window=STREAM_WINDOW):
        self.engine.set_window(window)
        self.pool = pool
        self.sock = sock
        self.tls = tls
        self.reschedule = reschedule
        self.scheme = b"http" if tls is None else b"https"
        self.view = PyMemoryView_FromMemory(self.buffer, READ_BYTES, WRITABLE)
        self.writers = []
        self.openers = []
        self.engine.start()

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    # An exchange

    def begin_whole(self, Exchange exchange not None):
        """Begin a request with its body.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadError: the connection takes no more requests; this one can be sent again.
        """
        self.begin_exchange(exchange, True)

    def begin(self, Exchange exchange not None):
        """Begin a request whose body follows by `send_piece` and `end_body`. As `begin_whole` otherwise."""
        self.begin_exchange(exchange, False)
        self.flush()

    def send_piece(self, Exchange exchange not None, data):
        """Take a piece of the request's body. The one before it has to be sent: see FOR_SENT."""
        if exchange.connection is self:
            self.engine.send_body(exchange.stream, data if type(data) is bytes else bytes(data))

    def end_body(self, Exchange exchange not None):
        """End the request's body. Raises LocalProtocolError when Content-Length promised more."""
        if exchange.connection is self:
            self.engine.end_body(exchange.stream)
            self.flush()

    def take_body(self, Exchange exchange not None):
        """The octets that have come; the peer may send as many more."""
        cdef bytes taken = exchange.body.take()
        if taken and exchange.connection is self and self.engine.consumed(exchange.stream, len(taken)):
            self.flush()
        return taken

    def abandon(self, Exchange exchange not None):
        """The caller gives up: the stream is reset, unless its response was complete. The connection lives on.

        Other tasks that read or write there learn that it is closed.
        """
        if exchange.connection is self:
            if exchange.error is None:
                exchange.error = ReadError("The stream was closed")
            if exchange.is_tunnel:
                self.engine.end_tunnel(exchange.stream)
            else:
                self.engine.cancel(exchange.stream, monotonic(), 0.0)
            self.wake(exchange)
            self.wake_tunnel(exchange)
            self.on_end(exchange)
            self.leave(exchange)
            self.flush()

    def fail(self, Exchange exchange not None, error, bint is_write):
        """An exchange has taken too long: it ends with the error, its stream is reset.

        Args:
            is_write: the peer did not take what was written.
        """
        if exchange.connection is self and exchange.error is None and not exchange.is_complete:
            if is_write:
                self.note_stuck()
            exchange.error = error
            if not exchange.is_tunnel:
                self.time_out(exchange, exchange.write_timeout if is_write else exchange.read_timeout)
            self.abandon(exchange)

    def note_stuck(self):
        """A write has taken too long. If it is the system that takes nothing, no other exchange is to wait for it."""
        if self.unwritten is not None:
            self.is_stuck = True

    # Tunnels: raw octets on one stream (RFC 9113, 8.5; RFC 8441)

    def send_raw(self, Exchange exchange not None, data):
        """Take octets for a tunnel. More may follow at any time; for those to be written: see FOR_ROOM.

        Raises:
            WriteError: the stream is closed.
        """
        if exchange.connection is not self:
            raise WriteError("The stream is closed")
        self.engine.send_raw(exchange.stream, bytes(data))

    def close_raw(self, Exchange exchange not None):
        """End a tunnel. Who reads or writes there learns that it is closed."""
        self.abandon(exchange)

    def is_readable(self) -> bool:
        """True when octets or the end of the stream wait on the socket."""
        return self.is_closed or httpfast_has_input(self.sock.fileno())

    def release_unused(self):
        """Give the place for one exchange back: nothing was written for it."""
        self.pool.release(self)

    def finished(self):
        """An exchange has ended. True when the connection can serve others."""
        return not self.is_closed

    def shut(self):
        """Say goodbye, and fail what is under way. False when that was done before."""
        if self.is_closed:
            return False
        self.engine.leave(NO_ERROR)
        self.break_off(ReadError("The connection was closed"))
        return True

    @property
    def can_begin(self) -> bool:
        """Whether a stream can be opened now."""
        return not self.is_closed and self.engine.free_streams() > 0

    @property
    def has_buffered(self) -> bool:
        """Whether octets have come that `receive` would find without a read: with the handshake of TLS."""
        return self.tls is not None and self.tls.has_input

    cdef bint is_usable(self, double now) noexcept:
        # Asked when nothing is under way and nobody reads. A peer may have said goodbye meanwhile, or be gone.
        cdef int left = 0 if self.is_reading else IDLE_READS
        try:
            self.is_asked = True
            while left and not self.is_closed and httpfast_has_input(self.sock.fileno()):
                self.receive()
                left -= 1
            return self.is_lasting() and not self.engine.is_doubted
        except Exception:
            return False
        finally:
            self.is_asked = False

    cdef bint is_lasting(self) noexcept:
        return not self.is_stuck and MultiplexedConnection.is_lasting(self)

    cdef Py_ssize_t room(self) noexcept:
        return 0 if self.is_stuck else MultiplexedConnection.room(self)

    # Waiting

    def mark(self) -> int:
        """The batch that ends what is to be written now: see `is_there`."""
        return self.batches + 1 if self.engine.out.filled else self.batches

    def is_there(self, Exchange exchange, int what, Py_ssize_t mark) -> bool:
        """True when there is no need to wait for `what` any longer. There is no exchange for FOR_SETTINGS."""
        cdef H2Stream stream
        if what == FOR_SETTINGS:
            return self.engine.has_settings or self.is_closed
        if exchange.error is not None:
            return True
        if what == FOR_ROOM:
            # The peer may have ended its own side of the tunnel.
            stream = exchange.stream
            return stream is None or (stream.unsent is None and self.is_written(mark))
        if exchange.is_complete:
            return True
        if what == FOR_SENT:
            if exchange.status_code >= 300:
                return True
            return (<H2Stream>exchange.stream).unsent is None and self.is_written(mark)
        if what == FOR_CONTINUE:
            return exchange.continued or exchange.status_code != 0
        if what == FOR_RESPONSE:
            return (exchange.status_code != 0 and not exchange.collect) or exchange.has_hints()
        return exchange.body.filled != 0

    def is_written(self, Py_ssize_t mark) -> bool:
        """True when the system has taken that batch."""
        return self.batches > mark or (self.batches == mark and self.unwritten is None)

    def moved_at(self, Exchange exchange not None, Py_ssize_t mark) -> float:
        """When octets of the exchange came or went last, or of others before its own; monotonic seconds, 0 for never.

        `mark`: of what is to be written, 0 for one who reads.
        """
        return moved_at(exchange) if self.is_written(mark) else max(moved_at(exchange), self.written_at)

    def park(self, Exchange exchange, task, int what):
        """A task is about to wait until it is woken. In a tunnel some may write while one reads."""
        if what == FOR_SETTINGS:
            self.openers.append(task)
            return
        if what == FOR_ROOM:
            if exchange.write_waiters is None:
                exchange.write_waiters = []
            exchange.write_waiters.append(task)
        else:
            exchange.waiter = task
        if what == FOR_SENT or what == FOR_ROOM:
            self.writers.append(exchange)

    def unpark(self, Exchange exchange, task, int what):
        """It does not wait any more. Nothing happens when it was woken."""
        if what == FOR_SETTINGS:
            if task in self.openers:
                self.openers.remove(task)
        elif what == FOR_ROOM:
            if exchange.write_waiters is not None and task in exchange.write_waiters:
                exchange.write_waiters.remove(task)
        elif exchange.waiter is task:
            exchange.waiter = None

    def wake_one(self) -> object:
        """Wake a task that waits, for it to read in the place of the one that did. That task, or None."""
        cdef H2Stream stream
        cdef Exchange exchange
        cdef object task = None
        for stream in self.engine.streams.values():
            exchange = stream.exchange
            if exchange.waiter is not None:
                task, exchange.waiter = exchange.waiter, None
                break
            if exchange.write_waiters:
                task = exchange.write_waiters.pop(0)
                break
        if task is None and self.openers:
            task = self.openers.pop(0)
        if task is not None:
            self.reschedule(task)
        return task

    def on_end(self, Exchange exchange not None):
        """An exchange was given up. For the subclass: the task that reads for all may have been waiting for it."""

    def check_alive(self):
        """Nothing has come for a while: ask the peer for a sign of life; if it was asked before, it is dead."""
        if self.engine.is_asked:
            self.break_off(ReadError("The server has not answered a PING in time"))
        else:
            self.engine.ask_for_life()
            self.flush()

    # Octets

    @property
    def has_unwritten(self) -> bool:
        """True when the system did not take all that there was to write."""
        return self.unwritten is not None

    def flush(self) -> bool:
        """Write what there is. False when the system does not take all of it now."""
        if self.is_closed:
            return True
        try:
            if self.write_out():
                return True
        except OSError as error:
            # The peer may have said why, or have answered, before it closed.
            failure = WriteError(str(error) or repr(error))
            failure.__cause__ = error
            self.unwritten = None
            self.engine.out.clear()
            if not self.is_reading:
                while not self.is_closed and self.receive():
                    pass
            if not self.is_closed:
                self.break_off(failure)
            return True
        except MemoryError as error:
            self.unwritten = None
            self.break_off(error)      # nobody knows which octets have gone
            return True
        self.on_full()
        return False

    def on_full(self):
        """The system takes no more for now. For the subclass: somebody has to wait until it does."""

    def receive(self) -> bool:
        """Take in what there is, at one read. False when there is nothing."""
        cdef Py_ssize_t size
        cdef bint has_read = True
        if self.is_closed or self.is_reading:
            return False
        self.is_reading = True
        try:
            try:
                size = self.sock.recv_into(self.view)
            except BlockingIOError:
                has_read = False
                size = -1
            self.take_in(size)
            self.take_news()
            if self.engine.out.filled or self.unwritten is not None or (self.tls is not None and self.tls.has_output):
                self.flush()
            if self.engine.is_dead:
                self.break_off(ReadError("The connection was closed"))
        except BaseException as error:
            if isinstance(error, OSError):
                failure = ReadError(str(error) or repr(error))
                failure.__cause__ = error
                self.break_off(failure)
            else:
                self.break_off(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self.is_reading = False
        if (self.engine.has_new_room or self.engine.is_draining) and not (self.is_asked or self.is_closed):
            # There may be more room now, or none any more.
            if self.engine.has_new_room:
                self.note_room()
                self.wake_openers()
            if not (self.engine.is_draining and self.was_draining):
                self.was_draining = self.engine.is_draining
                self.pool.share(self)
        return has_read

    # Steps

    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1:
        try:
            self.begin_stream(exchange, whole)
        except BaseException as error:
            if self.engine.is_dead and not self.is_closed:
                self.break_off(error)  # it has failed in the middle of a head
            raise
        return 0

    cdef bint write_out(self) except -1:
        """True when all of it is written. Raises OSError."""
        cdef bytes octets
        cdef Py_ssize_t written
        while True:
            if self.unwritten is None:
                octets = self.engine.take_output()
                if self.tls is not None:
                    if octets:
                        self.tls.write(octets)
                    octets = self.tls.output()
                if not octets:
                    return True
                self.unwritten = octets
                self.unwritten_start = 0
                self.batches += 1
            octets = self.unwritten
            while self.unwritten_start < PyBytes_GET_SIZE(octets):
                try:
                    written = self.sock.send(memoryview(octets)[self.unwritten_start:])
                except BlockingIOError:
                    return False
                self.unwritten_start += written
                self.written_at = monotonic()
                self.is_stuck = False
            self.unwritten = None
            self.wake_writers()

    def wake_writers(self):
        """A batch is written: those who wait for that may look whether theirs is."""
        cdef Exchange exchange
        cdef list writers = self.writers
        if writers:
            self.writers = []
            for exchange in writers:
                self.wake(exchange)
                self.wake_tunnel(exchange)

    cdef int take_in(self, Py_ssize_t size) except -1:
        """Octets are in the buffer; 0 of them are the end, -1: there are none. Raises OSError, RemoteProtocolError."""
        self.engine.now = monotonic()
        if self.tls is None:
            if size > 0:
                self.engine.receive(self.buffer, size)
            elif size == 0:
                self.engine.receive_end()
            return 0
        if size >= 0:
            self.tls.put(self.view[:size])
        try:
            while not self.engine.is_dead:
                size = self.tls.read_into(self.view)
                if size > 0:
                    self.engine.receive(self.buffer, size)
                else:
                    self.engine.receive_end()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            self.engine.receive_end()  # frames tell by themselves whether they are complete
        return 0

    cdef int take_news(self) except -1:
        """Wake whoever can go on."""
        cdef Exchange exchange
        cdef H2Stream stream
        for exchange in self.engine.take_changed():
            self.wake(exchange)
            stream = exchange.stream
            if exchange.is_tunnel and exchange.error is None and stream is not None:
                if stream.unsent is None:
                    self.wake_tunnel(exchange)
                if exchange.is_complete and stream.is_sent:
                    self.leave(exchange)
            elif exchange.is_tunnel or exchange.is_complete or exchange.error is not None:
                self.wake_tunnel(exchange)
                self.leave(exchange)
        return 0

    cdef int wake(self, Exchange exchange) except -1:
        """Wake the task that waits for something of an exchange."""
        cdef object task
        task, exchange.waiter = exchange.waiter, None
        if task is not None:
            self.reschedule(task)
        return 0

    cdef int wake_tunnel(self, Exchange exchange) except -1:
        """Wake the tasks that write to a tunnel."""
        tasks, exchange.write_waiters = exchange.write_waiters, None
        for task in tasks or ():
            self.reschedule(task)
        return 0

    cdef int wake_openers(self) except -1:
        """Wake the tasks that wait for SETTINGS."""
        tasks, self.openers = self.openers, []
        for task in tasks:
            self.reschedule(task)
        return 0

    cdef int leave(self, Exchange exchange) except -1:
        """An exchange has ended: its place is free."""
        if exchange.connection is self:
            exchange.connection = None
            self.pool.release(self)
        return 0

    cdef int break_off(self, object error) except -1:
        """The connection is of no more use: what is under way ends with the error."""
        if self.is_closed:
            return 0
        try:
            # The GOAWAY that says why, if the system takes it at once.
            self.write_out()
        except OSError:
            pass
        self.is_closed = True
        self.engine.lose(error)
        self.take_news()
        self.wake_writers()
        self.wake_openers()
        if not self.is_asked:
            self.pool.drop(self)
        return 0
