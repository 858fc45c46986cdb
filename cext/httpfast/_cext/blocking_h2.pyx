"""BlockingH2Connection: an HTTP/2 connection over a blocking socket, shared by threads. See the .pxd."""
import os
import socket
import ssl
from _thread import TIMEOUT_MAX, allocate_lock, get_ident

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pythread cimport (
    PY_LOCK_ACQUIRED,
    PyLockStatus,
    PyThread_allocate_lock,
    PyThread_free_lock,
)
from libc.errno cimport errno
from libc.stdint cimport int64_t

from .clock cimport monotonic
from .exchange cimport Exchange
from .frame cimport NO_ERROR
from .h2_sender cimport STREAM_WINDOW, H2Stream, moved_at
from .locks cimport enter, leave, try_enter, wait_to_enter
from .multiplexed cimport MultiplexedConnection
from .sockets cimport (
    HTTPFAST_RAW_SOCKETS,
    httpfast_has_input,
    httpfast_interrupted,
    httpfast_recv,
    httpfast_send,
    httpfast_wait,
    httpfast_would_block,
)

from httpfast._exceptions import ReadError, ReadTimeout, WriteError, WriteTimeout

cdef enum:
    READ_BYTES = 65536
    RECORD_BYTES = 16384               # of TLS, at most (RFC 8446, 5.1); OpenSSL takes one a call
    WRITABLE = 0x200                   # PyBUF_WRITE

    # What a thread waits for.
    FOR_RESPONSE = 0                   # its head; its end, when it is collected
    FOR_BODY = 1                       # octets of the body, or its end
    FOR_WINDOW = 2                     # room for the body of its request, or an answer before that
    FOR_CONTINUE = 3                   # 100 Continue, or an answer
    FOR_SETTINGS = 4                   # the peer's, before there is a stream
    FOR_OCTETS = 5                     # of a tunnel, or its end
    FOR_ROOM = 6                       # for octets of a tunnel

    PING_WAKE = 3                      # see `H2Engine.ping`: its answer wakes the leader

cdef double NEVER = float("inf")

# Seconds after which a thread that leads for a tunnel looks up: it may have been closed by another one, and a peer that
# is dead answers no PING.
cdef double LOOK_UP = 1.0


cdef bint is_main_thread() except -1:
    """Whether this is the thread in which Python calls the handlers of signals."""
    import threading                   # not before there is more than one

    return get_ident() == threading.main_thread().ident


cdef class BlockingH2Connection(MultiplexedConnection):
    """One connection.

    Args:
        sock: a connected socket, or one for TLS after its handshake. The connection owns it.
        on_news: called with the connection when there may be room for more exchanges.
        keepalive: seconds without a sign of life after which the peer is asked for one, and after which it is dead.
        window: see `H2Engine.set_window`.
    """

    def __cinit__(self):
        self.buffer = <char*>PyMem_Malloc(READ_BYTES)
        self.lock = PyThread_allocate_lock()
        self.write_lock = PyThread_allocate_lock()
        self.call_lock = PyThread_allocate_lock()
        self.look_lock = PyThread_allocate_lock()
        if self.buffer == NULL or self.lock == NULL or self.write_lock == NULL or self.call_lock == NULL:
            raise MemoryError()
        if self.look_lock == NULL:
            raise MemoryError()

    def __init__(self, sock, on_news, double keepalive=NEVER, int64_t window=STREAM_WINDOW):
        self.engine.set_window(window)
        self.sock = sock
        self.on_news = on_news
        self.keepalive = keepalive
        self.fd = sock.fileno()
        self.is_secure = isinstance(sock, ssl.SSLSocket) or not isinstance(sock, socket.socket)
        self.scheme = b"https" if self.is_secure else b"http"
        # The object inside, where there is one: an SSLSocket's own methods cost ten times as much.
        self.tls = sock._sslobj if isinstance(sock, ssl.SSLSocket) else None
        self.view = PyMemoryView_FromMemory(self.buffer, READ_BYTES, WRITABLE)
        self.openers = []
        sock.settimeout(0)
        self.engine.start()

    def __dealloc__(self):
        PyMem_Free(self.buffer)
        if self.lock != NULL:
            PyThread_free_lock(self.lock)
        if self.write_lock != NULL:
            PyThread_free_lock(self.write_lock)
        if self.call_lock != NULL:
            PyThread_free_lock(self.call_lock)
        if self.look_lock != NULL:
            PyThread_free_lock(self.look_lock)

    # An exchange

    def send(self, Exchange exchange not None):
        """Write a whole request and wait for its response: all of it when it is collected, else its head.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadTimeout, WriteTimeout: the stream was given up, the connection goes on.
            ReadError, WriteError, RemoteProtocolError
        """
        self.catch_up(exchange)
        self.begin_exchange(exchange, True)
        self.flush(True, exchange.write_timeout)
        self.read_response(exchange)

    def begin(self, Exchange exchange not None):
        """Write a request's head; the body follows by `write_body` and `end_body`. As `send` otherwise."""
        self.catch_up(exchange)
        self.begin_exchange(exchange, False)
        self.flush(True, exchange.write_timeout)

    def write_body(self, Exchange exchange not None, data):
        """Write a piece of the request's body. Returns False when the peer has answered: the rest is not wanted."""
        cdef H2Stream stream = exchange.stream
        enter(self.lock)
        try:
            if exchange.is_refused or stream is None or stream.is_sent:
                return False
            self.engine.send_body(stream, data if type(data) is bytes else bytes(data))
        finally:
            leave(self.lock)
        self.flush(True, exchange.write_timeout)
        self.wait_for(exchange, FOR_WINDOW, exchange.write_timeout)
        return not exchange.is_refused

    def end_body(self, Exchange exchange not None):
        """End the request's body."""
        enter(self.lock)
        try:
            if not exchange.is_refused:
                self.engine.end_body(exchange.stream)
        finally:
            leave(self.lock)
        self.flush(True, exchange.write_timeout)

    def wait_continue(self, Exchange exchange not None, double timeout):
        """Wait for 100 Continue or the final head, for `timeout` seconds at most (RFC 9110, 10.1.1)."""
        cdef double ends = min(monotonic() + timeout, exchange.deadline)
        try:
            while not self.is_there(exchange, FOR_CONTINUE) and monotonic() < ends:
                enter(self.lock)
                is_leader = not self.has_leader
                self.has_leader = True
                leave(self.lock)
                if not is_leader:
                    return             # another thread reads; what it reads for us is there when the body is sent
                self.lead(exchange, ends)
        except TimeoutError:
            pass
        finally:
            # The body may take its time: whoever began to wait in the meantime reads from here on.
            if not self.has_leader:
                enter(self.lock)
                try:
                    self.wake_one()
                finally:
                    leave(self.lock)

    cpdef read_response(self, Exchange exchange):
        """Wait for the response's head; for its end, when the whole body is wanted."""
        if not self.is_there(exchange, FOR_WINDOW):
            self.wait_for(exchange, FOR_WINDOW, exchange.write_timeout)
        self.wait_for(exchange, FOR_RESPONSE, exchange.read_timeout)

    def read_body(self, Exchange exchange not None):
        """More octets of the body: at least one, or b"" at its end."""
        cdef bytes taken
        self.wait_for(exchange, FOR_BODY, exchange.read_timeout)
        enter(self.lock)
        try:
            taken = exchange.body.take()
            has_grant = taken and exchange.connection is self and self.engine.consumed(exchange.stream, len(taken))
        finally:
            leave(self.lock)
        if has_grant:
            self.flush(True, exchange.write_timeout)
        return taken

    def reset(self, Exchange exchange not None, bint in_finaliser=False):
        """The caller gives up an exchange. The others go on.

        Returns False, and does nothing, where a finaliser calls in a moment that cannot be: the garbage collector may
        run it in the very thread that holds the lock.
        """
        if not in_finaliser:
            enter(self.lock)
        elif not try_enter(self.lock):
            return False
        try:
            self.end_stream(exchange)
        finally:
            leave(self.lock)
        if not in_finaliser and not self.is_closed:
            self.flush(False, 0)       # else with what is written next
        return True

    # Tunnels: raw octets on one stream (RFC 9113, 8.5; RFC 8441)

    def wait_settings(self, Exchange exchange not None, double timeout):
        """Wait for the peer's SETTINGS, or the connection's end. `exchange` has not begun; `timeout` in seconds.

        Raises:
            ReadTimeout, WriteTimeout, WriteError
        """
        self.flush(True, exchange.write_timeout)   # the preface
        self.wait_for(exchange, FOR_SETTINGS, timeout)

    def write_raw(self, Exchange exchange not None, data, double timeout):
        """Write octets to a tunnel; `timeout` in seconds.

        Raises:
            WriteTimeout, WriteError
        """
        enter(self.lock)
        try:
            if exchange.connection is not self:
                raise WriteError("The stream is closed")
            exchange.deadline = NEVER      # which was for the exchange
            self.engine.send_raw(exchange.stream, bytes(data))
        finally:
            leave(self.lock)
        self.flush(True, timeout)
        try:
            self.wait_for(exchange, FOR_ROOM, timeout)
        except WriteTimeout:
            raise
        except Exception as error:
            raise WriteError(str(error)) from error

    def read_raw(self, Exchange exchange not None, double timeout):
        """Read octets of a tunnel: at least one, or b"" at the end; `timeout` in seconds.

        Raises:
            ReadTimeout: the tunnel goes on.
            ReadError
        """
        cdef bytes taken
        exchange.deadline = NEVER
        try:
            self.wait_for(exchange, FOR_OCTETS, timeout)
        except (ReadError, ReadTimeout):
            raise
        except Exception as error:
            raise ReadError(str(error)) from error
        enter(self.lock)
        try:
            taken = exchange.body.take()
            has_grant = taken and exchange.connection is self and self.engine.consumed(exchange.stream, len(taken))
        finally:
            leave(self.lock)
        if has_grant:
            self.flush(False, 0)
        return taken

    def close_raw(self, Exchange exchange not None):
        """End a tunnel. Threads that read or write there are woken, and fail."""
        enter(self.lock)
        try:
            if exchange.connection is not self:
                return
            if exchange.error is None:
                exchange.error = ReadError("The stream was closed")
            self.end_stream(exchange)
        finally:
            leave(self.lock)
        if not self.is_closed:
            self.flush(False, 0)

    cdef int end_stream(self, Exchange exchange) except -1:
        """The caller has done with an exchange. The lock is held."""
        if exchange.connection is not self:
            return 0
        exchange.connection = None
        if not exchange.is_tunnel:
            return self.engine.cancel(exchange.stream, monotonic(), 0.0)
        self.engine.end_tunnel(exchange.stream)
        if exchange.error is None:
            exchange.error = ReadError("The stream was closed")
        self.wake_writers(exchange)
        waiter, exchange.waiter = exchange.waiter, None
        if waiter is not None:
            waiter.release()
        if self.has_leader and not self.engine.is_dead:
            # It may be a thread that reads for this tunnel.
            self.engine.ping(PING_WAKE)
        return 0

    cdef bint is_usable(self, double now) noexcept:
        # Nobody reads while nothing is under way.
        return self.is_trusted(self.fd)

    cpdef close(self):
        """Close it. Threads that wait on it are woken, and fail."""
        enter(self.lock)
        try:
            was_closed = self.is_closed
            self.is_closed = True
            if not was_closed:
                self.engine.leave(NO_ERROR)
        except MemoryError:
            pass                       # without a goodbye
        finally:
            leave(self.lock)
        try:
            if not was_closed:
                try:
                    self.flush(False, 0)
                    # Wakes who reads or writes.
                    self.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass               # the peer was first
            enter(self.lock)
            try:
                if not self.has_leader:
                    self.break_off(ReadError("The connection was closed"))
            finally:
                leave(self.lock)
        finally:
            self.close_descriptor()

    cdef int close_descriptor(self) except -1:
        """Close the socket, if no thread is inside a call with it: the last that is does it on its way out.

        A descriptor is a number that the system gives out again: only who uses it may close it.
        """
        if self.is_closed and self.users == 0 and self.fd >= 0:
            self.fd = -1
            self.sock.close()
        return 0

    def abandon(self):
        """The connection is of no more use."""
        self.close()

    def finished(self):
        """A thread is through with an exchange that is complete. True when the connection can serve others."""
        return not self.is_closed

    # Steps

    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1:
        enter(self.lock)
        try:
            self.begin_stream(exchange, whole)
        finally:
            leave(self.lock)
            if self.engine.is_dead and not self.is_closed:
                self.close()           # it has failed in the middle of a head
        return 0

    cdef int fall(self, object error) except -1:
        """Octets are lost: the connection ends. Who reads there is woken."""
        enter(self.lock)
        try:
            self.break_off(error)
        finally:
            leave(self.lock)
        if isinstance(error, MemoryError):
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass                   # the peer was first
        return 0

    cdef int catch_up(self, Exchange exchange) except -1:
        """Nobody reads while nothing is under way: see what has come meanwhile, above all a goodbye.

        Of threads that come at once all wait for what the first one sees: it may be that the connection has ended.
        """
        if self.engine.streams or self.fd < 0:
            return 0
        enter(self.look_lock)
        try:
            while self.fd >= 0 and httpfast_has_input(self.fd):
                enter(self.lock)
                try:
                    if self.has_leader or self.is_closed or self.engine.streams:
                        return 0
                    self.has_leader = True
                finally:
                    leave(self.lock)
                try:
                    self.lead(exchange, monotonic())
                except TimeoutError:
                    return 0
        finally:
            leave(self.look_lock)
        return 0

    cdef int flush(self, bint can_wait, double timeout) except -1:
        """Write what the engine has.

        `can_wait`: for another thread that writes, and for the peer. Else what it does not take at once is left to who
        comes next: the leader looks after it.
        """
        cdef double ends = NEVER if timeout == NEVER else monotonic() + timeout
        self.users += 1
        try:
            while self.engine.out.filled or self.unwritten is not None:
                if not can_wait:
                    # Whoever has it looks once more when it has let go.
                    if not try_enter(self.write_lock):
                        return 0
                else:
                    self.wait_to_write(ends)
                try:
                    if self.unwritten is None:
                        enter(self.lock)
                        try:
                            self.unwritten = self.engine.take_output()
                        finally:
                            leave(self.lock)
                        self.unwritten_start = 0
                    if not self.write_unwritten(can_wait, ends):
                        return 0
                except (WriteError, MemoryError) as error:
                    # Exchanges that it ends have it as their error; those that have ended before keep their own.
                    self.unwritten = None
                    self.fall(error)
                    return 0
                finally:
                    leave(self.write_lock)
        finally:
            self.users -= 1
            self.close_descriptor()
        return 0

    cdef int wait_to_write(self, double ends) except -1:
        """Take the write lock. Raises WriteTimeout."""
        cdef PyLockStatus status
        while True:
            status = wait_to_enter(self.write_lock, -1 if ends == NEVER else max(ends - monotonic(), 0.0))
            if status == PY_LOCK_ACQUIRED:
                return 0
            PyErr_CheckSignals()
            if monotonic() >= ends:
                raise WriteTimeout("The peer did not take the request in time")

    cdef bint write_unwritten(self, bint can_wait, double ends) except -1:
        """True when all of it is written. However it ends, what is left is known: no frame is cut off."""
        cdef bytes octets = self.unwritten
        cdef Py_ssize_t size = PyBytes_GET_SIZE(octets), written
        cdef double left
        cdef int fd = self.fd, ready
        cdef const char* data
        while self.unwritten_start < size:
            if self.fd < 0:
                raise WriteError("The connection was closed")
            if self.is_secure or not HTTPFAST_RAW_SOCKETS:
                written = self.write_once(octets)
            else:
                data = PyBytes_AS_STRING(octets) + self.unwritten_start
                with nogil:
                    written = httpfast_send(fd, data, size - self.unwritten_start)
                if written > 0:
                    self.unwritten_start += written
                elif httpfast_interrupted():
                    PyErr_CheckSignals()
                    continue
                elif not httpfast_would_block():
                    cause = OSError(errno, os.strerror(errno))
                    raise WriteError(str(cause)) from cause
            if written > 0:
                continue
            if not can_wait:
                return False
            left = -1 if ends == NEVER else ends - monotonic()
            if ends != NEVER and left <= 0:
                raise WriteTimeout("The peer did not take the request in time")
            with nogil:
                ready = httpfast_wait(fd, 2, left)
            if ready < 0:
                PyErr_CheckSignals()
        self.unwritten = None
        return True

    cdef Py_ssize_t write_once(self, bytes octets) except? -1:
        """One call of the socket's. Returns how much it has taken, 0 for nothing. Raises WriteError."""
        cdef Py_ssize_t left = PyBytes_GET_SIZE(octets) - self.unwritten_start, written = 0
        rest = octets
        if self.is_secure:
            left = min(left, <Py_ssize_t>RECORD_BYTES)
        if left < PyBytes_GET_SIZE(octets):
            rest = memoryview(octets)[self.unwritten_start:self.unwritten_start + left]
        try:
            enter(self.call_lock)
            try:
                written = self.sock.send(rest) if self.tls is None else self.tls.write(rest)
                self.unwritten_start += written
            except (OSError, MemoryError):
                raise
            except BaseException:
                # A signal's handler has raised. Python calls it when TLS has the record already, and tells nobody.
                if self.is_secure:
                    self.note_interrupted(left)
                raise
            finally:
                leave(self.call_lock)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            return 0
        except OSError as error:
            raise WriteError(str(error)) from error
        return written

    cdef int note_interrupted(self, Py_ssize_t size) except -1:
        """A signal has come in the middle of TLS's write of one record.

        Unless the record is on its way, nobody knows what of it is: then the connection has to end.
        """
        try:
            if self.tls is None:
                raise WriteError("A signal has come while TLS wrote")
            # It sends nothing (SSL_write_ex(3)), and fails while a record waits to go.
            self.tls.write(b"")
        except BaseException as error:
            # Whatever it is, a second signal's too: the caller goes on to raise the first.
            self.unwritten = None
            self.fall(WriteError(f"A signal has come while TLS wrote: {error}"))
        else:
            self.unwritten_start += size
        return 0

    cdef bint is_there(self, Exchange exchange, int what):
        if what == FOR_SETTINGS:
            return self.engine.has_settings or self.is_closed
        if exchange.error is not None:
            return True
        if what == FOR_ROOM:
            return (<H2Stream>exchange.stream).unsent is None
        if exchange.is_complete:
            return True
        if what == FOR_OCTETS:
            return exchange.body.filled != 0
        if what == FOR_RESPONSE:
            return (exchange.status_code != 0 and not exchange.collect) or exchange.has_hints()
        if what == FOR_BODY:
            return exchange.body.filled != 0
        if what == FOR_WINDOW:
            return exchange.stream is None or (<H2Stream>exchange.stream).unsent is None or exchange.status_code >= 300
        return exchange.continued or exchange.status_code != 0

    cdef int wait_for(self, Exchange exchange, int what, double timeout) except -1:
        """Wait: as the leader, or until the leader says so. Raises the exchange's error, if it has one."""
        cdef double ends, left
        cdef object waiter = None
        cdef bint is_raw = what >= FOR_SETTINGS
        ends = NEVER if timeout == NEVER else monotonic() + timeout
        ends = min(ends, exchange.deadline)
        try:
            while not self.is_there(exchange, what):
                waiter = None
                enter(self.lock)
                try:
                    if self.is_there(exchange, what):
                        break
                    if self.has_leader:
                        waiter = allocate_lock()
                        waiter.acquire()
                        if what == FOR_SETTINGS:
                            self.openers.append(waiter)
                        elif what == FOR_ROOM:
                            if exchange.write_waiters is None:
                                exchange.write_waiters = []
                            exchange.write_waiters.append(waiter)
                        else:
                            exchange.waiter = waiter
                    else:
                        self.has_leader = True
                finally:
                    leave(self.lock)
                try:
                    if waiter is None:
                        self.lead(exchange, min(ends, monotonic() + LOOK_UP) if is_raw else ends)
                    else:
                        left = -1 if ends == NEVER else min(max(ends - monotonic(), 0.0), <double>TIMEOUT_MAX)
                        if not waiter.acquire(timeout=left) and monotonic() >= ends:
                            raise TimeoutError()
                except TimeoutError:
                    if is_raw:
                        if monotonic() < ends:
                            continue
                        if what == FOR_ROOM:
                            raise WriteTimeout("The peer did not take the octets in time") from None
                        raise ReadTimeout("Nothing has come in time") from None
                    left = min(moved_at(exchange) + timeout, exchange.deadline)
                    if left > ends and left > monotonic():
                        # Something has come, or gone: the time has begun anew.
                        ends = left
                        continue
                    self.give_up(
                        exchange,
                        WriteTimeout("The peer did not take the request's body in time")
                        if what == FOR_WINDOW
                        else ReadTimeout("The response did not come in time"),
                        timeout,
                    )
        finally:
            if not is_raw or what == FOR_OCTETS:
                exchange.waiter = None
            elif waiter is not None:
                self.stop_waiting(exchange, waiter)
            if exchange.error is not None or (exchange.is_complete and not exchange.is_tunnel):
                exchange.connection = None
            if not self.has_leader:
                enter(self.lock)
                try:
                    self.wake_one()
                finally:
                    leave(self.lock)
        if exchange.error is None:
            return 0
        # What has come before the error is given out first.
        if what == FOR_BODY or what == FOR_OCTETS:
            is_due = exchange.body.filled == 0
        else:
            is_due = what == FOR_ROOM or exchange.has_failed()
        if is_due:
            raise exchange.error
        return 0

    cdef int give_up(self, Exchange exchange, object error, double waited) except -1:
        """An exchange has taken too long."""
        enter(self.lock)
        try:
            if exchange.error is None and not exchange.is_complete:
                exchange.error = error
                self.time_out(exchange, waited)
        finally:
            leave(self.lock)
        return self.flush(False, 0)

    cdef int lead(self, Exchange exchange, double ends) except -1:
        """Read once for all. Raises TimeoutError when nothing has come in time.

        What else is raised has lost no octet, and the connection goes on without this thread; or it has ended.
        """
        cdef Py_ssize_t size
        self.users += 1
        try:
            try:
                size = self.read_some(ends)
                interrupt, self.interrupt = self.interrupt, None
            except (ReadError, WriteError, MemoryError) as error:
                self.fall(error)       # TLS may have run out of memory with octets in its hands
                return 0
            enter(self.lock)
            try:
                try:
                    if size > 0:
                        self.engine.now = monotonic()
                        self.engine.receive(self.buffer, size)
                    else:
                        self.engine.receive_end()
                        self.is_closed = True
                        self.wake_openers()
                    self.take_news()
                except BaseException as error:
                    self.break_off(error)
                    if not isinstance(error, Exception):
                        raise
            finally:
                leave(self.lock)
        finally:
            self.has_leader = False
            if self.is_closed:
                self.flush(False, 0)   # a goodbye, as far as the peer takes it at once
            self.users -= 1
            self.close_descriptor()
        if self.engine.out.filled:
            self.flush(False, 0)
        if self.engine.has_new_room:
            enter(self.lock)
            try:
                self.wake_openers()
            finally:
                leave(self.lock)
            self.note_room()
            self.on_news(self)
        if interrupt is not None:
            raise interrupt
        return 0

    cdef Py_ssize_t read_some(self, double ends) except -2:
        """Octets read into the buffer, 0 at the end of the stream. Raises TimeoutError, ReadError."""
        cdef Py_ssize_t count
        cdef double left, quiet_since = monotonic() if self.keepalive != NEVER else 0.0
        cdef int fd = self.fd, ready, events
        cdef char* buffer = self.buffer
        while True:
            if self.is_closed:
                raise ReadError("The connection was closed")
            events = 1 if self.unwritten is None else 3
            if self.is_secure and (self.sock if self.tls is None else self.tls).pending():
                ready = 1              # TLS may hold octets that the socket knows nothing of
            else:
                left = min(ends, quiet_since + self.keepalive)
                left = -1 if left == NEVER else max(left - monotonic(), 0.0)
                with nogil:
                    ready = httpfast_wait(fd, events, left)
                if ready == 0 and monotonic() < ends:
                    self.check_alive()
                    quiet_since = monotonic()
                    continue
                if ready == 0:
                    raise TimeoutError()
                if ready > 0 and ready & 2:
                    self.flush(False, 0)
                if ready < 0 or not ready & 1:
                    PyErr_CheckSignals()
                    continue
            if self.is_secure or not HTTPFAST_RAW_SOCKETS:
                try:
                    enter(self.call_lock)
                    try:
                        return self.read_once()
                    finally:
                        leave(self.call_lock)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    continue
                except ssl.SSLEOFError:
                    return 0
                except OSError as error:
                    raise ReadError(str(error)) from error
            count = httpfast_recv(fd, buffer, READ_BYTES)
            if count >= 0:
                return count
            if httpfast_interrupted():
                PyErr_CheckSignals()
            elif not httpfast_would_block():
                cause = OSError(errno, os.strerror(errno))
                raise ReadError(str(cause)) from cause

    cdef Py_ssize_t read_once(self) except? -1:
        """One read of the socket's. What a signal's handler raises in TLS's is kept where nothing is lost by that.

        Python calls handlers when TLS has given its octets already, and then says nothing of them. So the thread that
        handles signals asks for a single octet of a record, which shows, and for the others when their number is known;
        unless there is only its own stream, which ends by the signal anyway.
        """
        cdef Py_ssize_t count
        if not self.is_secure:
            return self.sock.recv_into(self.view)
        is_careful = self.tls is not None and len(self.engine.streams) > 1 and is_main_thread()
        self.buffer[0] = 0
        try:
            if self.tls is None:
                return self.sock.recv_into(self.view)
            count = self.tls.read(1 if is_careful else READ_BYTES, self.view)
        except (OSError, MemoryError):
            raise
        except BaseException as error:
            if not is_careful or (self.buffer[0] == 0 and not self.tls.pending()):
                self.fall(ReadError("A signal has come while TLS read"))
                raise
            self.interrupt = error
            count = 1
        left = self.tls.pending() if is_careful and count else 0
        if left:
            left = min(left, READ_BYTES - 1)
            try:
                self.tls.read(left, self.view[1:])
            except (OSError, MemoryError):
                raise
            except BaseException as error:
                # They were in its hands already.
                self.interrupt = error
        return count + left

    cdef int check_alive(self) except -1:
        """Nothing has come for as long as `keepalive` says. Raises ReadError the second time in a row."""
        enter(self.lock)
        try:
            if self.engine.is_asked:
                raise ReadError("The server has not answered a PING in time")
            self.engine.ask_for_life()
        finally:
            leave(self.lock)
        return self.flush(False, 0)

    cdef int take_news(self) except -1:
        """Wake the threads whose exchanges have news. The lock is held."""
        cdef Exchange exchange
        for exchange in self.engine.take_changed():
            if exchange.write_waiters is not None:
                if exchange.error is not None or (<H2Stream>exchange.stream).unsent is None:
                    self.wake_writers(exchange)
            waiter = exchange.waiter
            if waiter is not None and (
                exchange.is_complete or exchange.error is not None or not exchange.collect or exchange.continued
                or exchange.stream is None or (<H2Stream>exchange.stream).unsent is None
            ):
                exchange.waiter = None
                waiter.release()
        return 0

    cdef int wake_writers(self, Exchange exchange) except -1:
        """Wake the threads that write to a tunnel. The lock is held."""
        waiters, exchange.write_waiters = exchange.write_waiters, None
        for waiter in waiters or ():
            waiter.release()
        return 0

    cdef int wake_openers(self) except -1:
        """Wake the threads that wait for SETTINGS. The lock is held."""
        waiters, self.openers = self.openers, []
        for waiter in waiters:
            waiter.release()
        return 0

    cdef int stop_waiting(self, Exchange exchange, object waiter) except -1:
        """A thread waits no more: nobody is to count on it to be woken."""
        enter(self.lock)
        try:
            if waiter in self.openers:
                self.openers.remove(waiter)
            if exchange.write_waiters is not None and waiter in exchange.write_waiters:
                exchange.write_waiters.remove(waiter)
                if not exchange.write_waiters:
                    exchange.write_waiters = None
        finally:
            leave(self.lock)
        return 0

    cdef int wake_one(self) except -1:
        """The leader has left: another thread that waits takes over. The lock is held."""
        cdef H2Stream stream
        if not self.has_leader:
            for stream in self.engine.streams.values():
                waiter = stream.exchange.waiter
                if waiter is not None:
                    stream.exchange.waiter = None
                    waiter.release()
                    return 0
                if stream.exchange.write_waiters is not None:
                    return self.wake_writers(stream.exchange)
            if self.openers:
                self.openers.pop().release()
        return 0

    cdef int break_off(self, object error) except -1:
        """The connection is broken: what is under way ends with the error. The lock is held."""
        self.is_closed = True
        self.engine.lose(error)
        self.wake_openers()
        return self.take_news()
