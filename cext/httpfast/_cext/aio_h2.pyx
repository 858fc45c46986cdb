"""H2Connection: an HTTP/2 connection driven by the callbacks of asyncio's or uvloop's transports. See the .pxd.

Every callback is guarded: an exception inside one would close the transport and wake nobody, so it is turned into the
failure of all exchanges under way.
"""
from libc.stdint cimport int64_t

from .aio cimport LoopShare, is_ending
from .clock cimport monotonic
from .exchange cimport Exchange
from .frame cimport NO_ERROR
from .h2_sender cimport STREAM_WINDOW, H2Stream, moved_at
from .multiplexed cimport MultiplexedConnection
from .pool cimport PoolState, Waiter
from .sockets cimport httpfast_has_ended, httpfast_has_input

from httpfast._exceptions import ReadError, ReadTimeout, WriteError, WriteTimeout

cdef double NEVER = float("inf")
cdef double FRESH = 0.001              # as H1Connection's: seconds after which an idle connection is looked at again


cdef class H2Connection(MultiplexedConnection):
    """One connection; its Python subclass is what makes it an asyncio.BufferedProtocol.

    Args:
        pool: the AsyncPool it belongs to.
        loop: the event loop.
        state: the pool's decisions.
        share: what the connections of the loop share.
        keepalive: seconds without a sign of life after which the peer is asked for one, and after which it is dead.
        window: see `H2Engine.set_window`.
    """

    def __init__(
        self, pool, loop, PoolState state not None, LoopShare share not None, double keepalive=NEVER,
        int64_t window=STREAM_WINDOW
    ):
        self.engine.set_window(window)
        self.keepalive = keepalive
        self.pool = pool
        self.loop = loop
        self.create_future = loop.create_future
        self.state = state
        self.share = share
        self.writers = []
        self.openers = []
        self.fd = -1
        self.timer_at = NEVER

    # The transport's callbacks

    def connection_made(self, transport):
        self.transport = transport
        try:
            self.begin_connection(transport)
        except BaseException as error:
            self.break_off(error)
            raise

    cdef int begin_connection(self, object transport) except -1:
        self.scheme = b"http" if transport.get_extra_info("ssl_object") is None else b"https"
        sock = transport.get_extra_info("socket")
        self.fd = -1 if sock is None else sock.fileno()
        if self.keepalive != NEVER:
            self.heard_at = monotonic()
            self.alive_timer = self.loop.call_later(self.keepalive, self.on_quiet)
        self.engine.start()
        self.flush()
        return 0

    def get_buffer(self, hint):
        return self.share.view

    def buffer_updated(self, Py_ssize_t size):
        self.share.has_written = False
        self.heard_at = self.engine.now = monotonic()
        try:
            self.engine.receive(self.share.data, size)
            self.progress()
        except BaseException as error:
            self.break_off(error)
            if not isinstance(error, Exception):
                raise

    def eof_received(self):
        try:
            self.engine.receive_end()
            self.progress()
        except BaseException as error:
            self.break_off(error)
            if not isinstance(error, Exception):
                raise
        self.close()

    def connection_lost(self, error):
        self.is_closed = True
        for timer in (self.timer, self.alive_timer):
            if timer is not None:
                timer.cancel()
        self.timer = self.alive_timer = self.transport = None
        try:
            try:
                if error is not None:
                    mapped = ReadError(str(error) or repr(error))
                    mapped.__cause__ = error
                    self.engine.lose(mapped)
                self.engine.receive_end()
                self.progress()
                self.wake_openers()
            except BaseException as problem:
                self.break_off(problem)
                raise
            finally:
                turn = self.state.drop(self)
                self.pool.lost(self)
            if turn is not None:
                self.pool.serve(turn)
        except Exception as problem:
            self.complain(problem)

    def pause_writing(self):
        self.writing_paused = True

    def resume_writing(self):
        cdef Exchange exchange
        self.writing_paused = False
        self.flush()
        writers, self.writers = self.writers, []
        for exchange in writers:
            # It may have been woken by an answer, and wait for something else by now.
            if exchange.is_tunnel:
                self.wake_writer(exchange)
            elif exchange.awaits_window and not is_held_back(exchange):
                self.wake(exchange)

    # An exchange

    def send(self, Exchange exchange not None):
        """Write a whole request. Returns the future to await.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
        """
        self.begin_exchange(exchange, True)
        return self.wait(
            exchange, exchange.read_timeout if (<H2Stream>exchange.stream).is_sent else exchange.write_timeout, False
        )

    def begin(self, Exchange exchange not None):
        """Write a request's head; the body follows by `write_body` and `end_body`. As `send` otherwise."""
        self.begin_exchange(exchange, False)

    def write_body(self, Exchange exchange not None, data):
        """Write a piece of the request's body. Returns None, or a future to await before the next piece."""
        cdef H2Stream stream = exchange.stream
        if exchange.connection is not self:
            return None
        self.engine.send_body(stream, data if type(data) is bytes else bytes(data))
        self.flush_soon()
        if not is_held_back(exchange):
            if not self.writing_paused:
                return None
            self.writers.append(exchange)
        waiter = self.wait(exchange, exchange.write_timeout, True)
        exchange.awaits_window = True
        return waiter

    def end_body(self, Exchange exchange not None):
        """End the request's body."""
        if exchange.connection is self:
            self.engine.end_body(exchange.stream)
            self.flush_soon()

    def wait_response(self, Exchange exchange not None):
        """A future for the response's head (its end, when the whole body is wanted), or None when it is there."""
        if exchange.has_failed():
            raise exchange.error
        if exchange.is_complete or (exchange.status_code and not exchange.collect) or exchange.has_hints():
            return None
        return self.wait(exchange, exchange.read_timeout, False)

    def wait_continue(self, Exchange exchange not None, double timeout):
        """A future for 100 Continue or the final head; done after `timeout` seconds at the latest."""
        if exchange.continued or exchange.status_code or exchange.error is not None:
            return None
        waiter = self.wait(exchange, NEVER, True)
        timer = self.loop.call_later(timeout, resolve, waiter)
        waiter.add_done_callback(lambda _: timer.cancel())
        return waiter

    def wait_body(self, Exchange exchange not None):
        """A future for more octets of the body, or None when there is something to take, its end or an error."""
        if exchange.body.filled or exchange.is_complete or exchange.error is not None:
            return None
        return self.wait(exchange, exchange.read_timeout, True)

    def take_body(self, Exchange exchange not None):
        """The octets that have come; the peer may send as many more."""
        cdef bytes taken = exchange.body.take()
        if taken and exchange.connection is self and self.engine.consumed(exchange.stream, len(taken)):
            self.flush_soon()
        return taken

    def abandon(self, Exchange exchange not None):
        """The caller gives up: the stream is reset, unless its response was complete. The connection lives on."""
        waiter = exchange.waiter
        if exchange.connection is self and (exchange.is_tunnel or (waiter is not None and not waiter.done())):
            # Another task reads there.
            if exchange.error is None:
                exchange.error = ReadError("The stream was closed")
            self.wake(exchange)
        exchange.waiter = None
        if exchange.connection is self:
            try:
                if exchange.is_tunnel:
                    self.engine.end_tunnel(exchange.stream)
                    self.wake_writer(exchange)
                else:
                    self.engine.cancel(exchange.stream, monotonic(), 0.0)
                self.flush_soon()
            except BaseException as error:
                self.break_off(error)
                raise
            finally:
                self.leave(exchange)

    def abandon_soon(self, Exchange exchange not None):
        """`abandon` from a finaliser, which may run in any thread, and after the loop was closed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.abandon, exchange)

    # Tunnels: raw octets on one stream (RFC 9113, 8.5; RFC 8441)

    def wait_settings(self, double timeout):
        """A future for the peer's SETTINGS, or the connection's end; None when they are there."""
        if self.engine.has_settings or self.is_closed:
            return None
        waiter = self.create_future()
        self.openers.append(waiter)
        return self.limited(waiter, timeout, ReadTimeout, "The server did not send its SETTINGS in time")

    def write_raw(self, Exchange exchange not None, data, double timeout):
        """Write octets to a tunnel. Returns None, or a future to await before the next write.

        Raises:
            WriteError: the stream is closed.
        """
        cdef H2Stream stream = exchange.stream
        if exchange.connection is not self:
            raise WriteError("The stream is closed")
        self.engine.send_raw(stream, bytes(data))
        self.flush_soon()
        if stream.unsent is None and not self.writing_paused:
            return None
        if stream.unsent is None:
            self.writers.append(exchange)
        if exchange.write_waiters is None:
            exchange.write_waiters = []
        waiter = self.create_future()
        exchange.write_waiters.append(waiter)
        return self.limited(waiter, timeout, WriteTimeout, "The peer did not take the octets in time")

    def wait_raw(self, Exchange exchange not None, double timeout):
        """As `wait_body`, with a timeout of its own in seconds, after which the tunnel goes on."""
        if exchange.body.filled or exchange.is_complete or exchange.error is not None:
            return None
        if exchange.connection is not self:
            raise ReadError("The stream is closed")
        exchange.deadline = NEVER          # which was for the exchange
        return self.limited(
            self.wait(exchange, NEVER, True), timeout, ReadTimeout, "Nothing has come in time"
        )

    def close_raw(self, Exchange exchange not None):
        """End a tunnel. Who reads or writes there learns that it is closed."""
        if exchange.connection is self and exchange.error is None:
            exchange.error = ReadError("The stream was closed")
            self.wake(exchange)
            self.abandon(exchange)

    cdef object limited(self, object waiter, double timeout, type error, str text):
        """A future that fails after `timeout` seconds."""
        if timeout != NEVER:
            timer = self.loop.call_later(timeout, expire, waiter, error, text)
            waiter.add_done_callback(lambda _: timer.cancel())
        return waiter

    cdef int wake_writer(self, Exchange exchange) except -1:
        waiters, exchange.write_waiters = exchange.write_waiters, None
        for waiter in waiters or ():
            if waiter.done():
                continue
            if exchange.error is not None:
                error = WriteError(str(exchange.error))
                error.__cause__ = exchange.error
                waiter.set_exception(error)
            else:
                waiter.set_result(None)
        return 0

    cdef int wake_openers(self) except -1:
        waiters, self.openers = self.openers, []
        for waiter in waiters:
            resolve(waiter)
        return 0

    def release_unused(self):
        """Give the place for one exchange back: nothing was written for it."""
        turn = self.state.release(self, monotonic())
        if turn is not None:
            self.pool.serve(turn)
        if self.state.discarded:
            self.pool.close_discarded()

    cpdef close(self):
        """Close it. What waits on it fails."""
        if self.transport is None or self.is_closed:
            return
        self.is_closed = True
        self.engine.leave(NO_ERROR)
        self.transport.write(self.engine.out.take())
        self.transport.close()
        if self.scheme == b"https" or self.writing_paused:
            self.transport.abort()

    def abort(self):
        """Close it at once."""
        self.is_closed = True
        if self.transport is not None:
            self.transport.abort()

    def is_readable(self):
        """True when octets or the end of the stream wait on the socket."""
        return self.is_closed or (self.fd >= 0 and httpfast_has_input(self.fd))

    cdef bint is_usable(self, double now) noexcept:
        if not self.is_trusted(self.fd):
            return False
        # Asked when nothing is under way. Frames that wait to be read do no harm; an end that came while the loop was
        # busy does. See H1Connection.
        if now - self.idle_since < FRESH or self.fd < 0:
            return True
        return not httpfast_has_ended(self.fd) and not is_ending(self.transport)

    # Steps

    cdef int begin_exchange(self, Exchange exchange, bint whole) except -1:
        try:
            self.begin_stream(exchange, whole)
        except BaseException as error:
            if self.engine.is_dead:
                self.break_off(error)  # it has failed in the middle of a head
            raise
        return self.flush_soon()

    cdef int flush_soon(self) except -1:
        """Write at the end of the loop's turn; now, if nothing was written since the last read."""
        if self.share.has_written:
            if not self.is_scheduled:
                self.loop.call_soon(self.flush)
                self.is_scheduled = True
            return 0
        self.share.has_written = True
        self.flush()
        return 0

    def flush(self):
        """Write what the engine has."""
        self.is_scheduled = False
        if (
            self.engine.out.filled and not self.writing_paused
            and self.transport is not None and not self.transport.is_closing()
        ):
            try:
                self.transport.write(self.engine.take_output())
            except BaseException as error:
                self.break_off(error)  # nobody knows which octets have gone
                raise

    cdef object wait(self, Exchange exchange, double timeout, bint for_any):
        """A future that news of the exchange resolves: any news, or only what the caller of a whole response wants."""
        cdef double now, at
        waiter = exchange.waiter = self.create_future()
        exchange.wakes_on_any = for_any
        exchange.awaits_window = False
        if timeout == NEVER and exchange.deadline == NEVER:
            exchange.wait_ends = NEVER
            return waiter
        now = monotonic()
        exchange.wait_timeout = timeout
        exchange.wait_ends = at = min(now + timeout, exchange.deadline)
        if at < self.timer_at:
            self.arm(now, at)
        return waiter

    cdef int arm(self, double now, double at) except -1:
        if self.timer is not None:
            self.timer.cancel()
        self.timer_at = at
        self.timer = self.loop.call_later(max(at - now, 0.0), self.on_timer)
        return 0

    def on_timer(self):
        """A wait may have lasted too long; or something has come in the meantime, and it goes on."""
        cdef double now = monotonic(), nearest = NEVER, at
        cdef H2Stream stream
        cdef Exchange exchange
        self.timer = None
        self.timer_at = NEVER
        try:
            for stream in list(self.engine.streams.values()):
                exchange = stream.exchange
                if exchange.waiter is None or exchange.wait_ends == NEVER:
                    continue
                # A wait begins anew with all that comes, or goes.
                at = min(moved_at(exchange) + exchange.wait_timeout, exchange.deadline)
                if exchange.wait_ends < at:
                    exchange.wait_ends = at
                # Loops count in milliseconds: a timer may fire a little before its time.
                if exchange.wait_ends <= now + 0.001:
                    exchange.error = (
                        WriteTimeout("The peer did not take the request's body in time")
                        if not stream.is_sent and not exchange.status_code
                        else ReadTimeout("The response did not come in time")
                    )
                    self.time_out(exchange, exchange.wait_timeout)
                    self.take_news(exchange)
                else:
                    nearest = min(nearest, exchange.wait_ends)
            if nearest != NEVER:
                self.arm(now, nearest)
            self.flush()
        except BaseException as error:
            self.break_off(error)
            self.loop.call_exception_handler({"message": "a timeout could not be reported", "exception": error})

    def on_quiet(self):
        """Nothing may have come for as long as `keepalive` says."""
        cdef double now = monotonic(), left = self.heard_at + self.keepalive - now
        self.alive_timer = None
        try:
            if left <= 0.001:
                if self.engine.is_asked:
                    self.break_off(ReadError("The server has not answered a PING in time"))
                    return
                self.engine.ask_for_life()
                self.flush()
                left = self.keepalive
            self.alive_timer = self.loop.call_later(left, self.on_quiet)
        except BaseException as error:
            self.break_off(error)

    cdef int progress(self) except -1:
        """Octets were read: wake whoever can go on, and write what the engine has to say."""
        self.take_all(self.engine.take_changed())
        if self.engine.out.filled:
            self.flush_soon()
        if self.engine.is_draining and not self.is_closed and not self.engine.streams:
            self.close()
        elif self.engine.has_new_room:
            self.note_room()
            self.pool.share(self)
            self.wake_openers()
        return 0

    cdef int take_all(self, list news) except -1:
        """`take_news` of each: where that fails for one, the others must not be left waiting."""
        cdef Exchange exchange
        cdef object failure = None
        for exchange in news:
            try:
                self.take_news(exchange)
            except BaseException as error:
                failure = error
        if failure is not None:
            raise failure
        return 0

    cdef int take_news(self, Exchange exchange) except -1:
        cdef H2Stream stream = exchange.stream
        if exchange.is_tunnel:
            if exchange.write_waiters is not None and (stream is None or stream.unsent is None):
                self.wake_writer(exchange)
            if exchange.error is not None or stream is None or (exchange.is_complete and stream.is_sent):
                return self.end(exchange)
            if exchange.wakes_on_any and not exchange.body.filled and not exchange.is_complete:
                return 0               # news for who writes only
        elif exchange.is_complete or exchange.error is not None:
            return self.end(exchange)
        elif (
            not exchange.wakes_on_any and (exchange.collect or not exchange.status_code) and not exchange.has_hints()
        ):
            return 0
        elif exchange.awaits_window and not exchange.is_refused:
            # An answer that comes while the body is sent makes no room for more of it.
            if is_held_back(exchange):
                return 0
            if self.writing_paused:
                self.writers.append(exchange)
                return 0
        return self.wake(exchange)

    cdef int end(self, Exchange exchange) except -1:
        try:
            self.leave(exchange)
        finally:
            self.wake(exchange)        # whatever became of its place
        return 0

    cdef int wake(self, Exchange exchange) except -1:
        cdef object waiter
        waiter, exchange.waiter = exchange.waiter, None
        if waiter is not None and not waiter.done():
            if exchange.has_failed():
                waiter.set_exception(exchange.error)
            else:
                waiter.set_result(None)
        return 0

    cdef int leave(self, Exchange exchange) except -1:
        """An exchange has ended: its place is free."""
        cdef Waiter turn
        if exchange.connection is not self:
            return 0
        exchange.connection = None
        turn = self.state.release(self, monotonic())
        if turn is not None:
            self.pool.serve(turn)
        if self.state.discarded:
            self.pool.close_discarded()
        return 0

    cdef int break_off(self, object error) except -1:
        """The connection is broken: what is under way ends with the error."""
        self.engine.lose(error)
        try:
            self.take_all(self.engine.take_changed())
        except Exception as problem:
            self.complain(problem)
        if self.transport is not None:
            self.flush()
        self.abort()
        return 0

    cdef int complain(self, object problem) except -1:
        """A fault where nobody can be told of it. Raised out of a callback, uvloop may leave the socket open for it."""
        self.loop.call_exception_handler({"message": "the end of a connection failed", "exception": problem})
        return 0


cdef bint is_held_back(Exchange exchange) noexcept:
    """True while a piece of its body waits for the peer's windows."""
    return exchange.stream is not None and (<H2Stream>exchange.stream).unsent is not None


def expire(waiter, error, text):
    """A wait has lasted too long."""
    if not waiter.done():
        waiter.set_exception(error(text))


def resolve(waiter):
    """Let a wait end."""
    if not waiter.done():
        waiter.set_result(None)
