# cython: overflowcheck=False
# (In checked builds Cython takes a difference of pointers for one of integers, which C compilers refuse.)
"""H2Sender: the sending half of H2Engine, and the streams that both halves know. See the .pxd.

What is written collects in `out`. What the peer's windows hold back of a body stays with its stream.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from .buffer cimport ByteBuffer
from .exchange cimport Exchange
from .frame cimport (
    CANCEL,
    FLAG_END_HEADERS,
    FLAG_END_STREAM,
    FRAME_CONTINUATION,
    FRAME_DATA,
    FRAME_GOAWAY,
    FRAME_HEADER_BYTES,
    FRAME_HEADERS,
    FRAME_PING,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_WINDOW_UPDATE,
    NO_ERROR,
    SETTING_ENABLE_PUSH,
    SETTING_INITIAL_WINDOW_SIZE,
    SETTING_MAX_HEADER_LIST_SIZE,
    SETTING_NO_RFC7540_PRIORITIES,
    write_16,
    write_32,
    write_frame_header,
)
from .h1 cimport check_target
from .h2_heads cimport RequestFields
from .headers cimport method_bytes
from .hpack cimport HpackEncoder
from .wire cimport TOKEN_OCTET, all_of

from httpfast._exceptions import LocalProtocolError, RemoteProtocolError, WriteError

cdef enum:
    GROWING_WINDOW = 262144            # what one that grows begins with
    DEFAULT_WINDOW = 65535             # RFC 9113, 6.9.2
    KNOWN_REQUESTS = 1024              # heads of requests that are known again

cdef double PATIENCE = 1.0             # seconds: see `cancel`

cdef bytes PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 9113, 7.
ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def error_name(code) -> str:
    """The name of an error code (RFC 9113, 7), or its number."""
    return ERROR_NAMES[code] if 0 <= code < len(ERROR_NAMES) else f"code {code:#x}"


cdef class H2Stream:
    """One exchange's place on a connection."""

    @property
    def has_unsent(self) -> bool:
        """True while octets of the body wait for the peer's windows."""
        return self.unsent is not None


cdef double moved_at(Exchange exchange) noexcept:
    """When octets of the response came last, or of the request's body went, in monotonic seconds; 0 for never."""
    cdef H2Stream stream = exchange.stream
    return 0.0 if stream is None else stream.moved_at


cdef class H2Sender:
    """What is sent on one connection. It has one owner and no lock."""

    def __cinit__(self):
        self.encoder = HpackEncoder()
        self.streams = {}
        self.pseudo_fields = {}
        self.blocked = {}
        self.abandoned = {}
        self.changed = []
        self.out = ByteBuffer.__new__(ByteBuffer)
        self.next_id = 1
        self.goaway_code = -1
        # Before its SETTINGS a peer takes any number of streams; 100 is the least that RFC 9113, 6.5.2 recommends.
        self.max_streams = 100
        self.may_ask = True
        self.initial_send_window = self.send_window = DEFAULT_WINDOW
        self.max_frame_size = FRAME_LIMIT
        self.stream_window = self.largest_window = STREAM_WINDOW

    # The connection

    cdef int start(self) except -1:
        """The connection preface (RFC 9113, 3.4): before anything else."""
        self.out.append(PyBytes_AS_STRING(PREFACE), PyBytes_GET_SIZE(PREFACE))
        self.write_settings((
            (SETTING_ENABLE_PUSH, 0),
            (SETTING_INITIAL_WINDOW_SIZE, self.stream_window),
            (SETTING_MAX_HEADER_LIST_SIZE, HEAD_LIMIT),
            (SETTING_NO_RFC7540_PRIORITIES, 1),
        ))
        write_32(self.frame(4, FRAME_WINDOW_UPDATE, 0, 0), CONNECTION_WINDOW - DEFAULT_WINDOW)
        return 0

    cdef int write_settings(self, tuple settings) except -1:
        cdef uint8_t* payload = self.frame(<uint32_t>(6 * len(settings)), FRAME_SETTINGS, 0, 0)
        cdef uint32_t name, value
        for name, value in settings:
            write_16(payload, name)
            write_32(payload + 2, value)
            payload += 6
        return 0

    cdef int set_window(self, int64_t size) except -1:
        """Before `start`: octets that the server may send ahead on each stream; 0 for a window that grows as needed.

        Raises:
            ValueError: no window of HTTP/2 has that size.
        """
        if size == 0:
            self.is_growing = True
            self.stream_window = self.largest_window = GROWING_WINDOW
        elif DEFAULT_WINDOW <= size <= CONNECTION_WINDOW // 4:
            self.stream_window = self.largest_window = size
        else:
            raise ValueError(f"A window has {DEFAULT_WINDOW} to {CONNECTION_WINDOW // 4} octets, not {size}")
        return 0

    cpdef bytes take_output(self):
        """The octets to write. When there is no memory for them they are lost, and the connection with them."""
        self.replies = 0
        try:
            return self.out.take()
        except BaseException as error:
            self.lose(error)
            raise

    cdef int ping(self, uint32_t purpose) except -1:
        """Ask for an answer (RFC 9113, 6.7)."""
        cdef uint8_t* payload = self.frame(8, FRAME_PING, 0, 0)
        write_32(payload, 0)
        write_32(payload + 4, purpose)
        return 0

    cdef int ask_for_life(self) except -1:
        """Send a PING: `is_asked` until something has come."""
        self.is_asked = True
        return self.ping(PING_ALIVE)

    cdef int leave(self, uint32_t code) except -1:
        """Say goodbye (RFC 9113, 6.8)."""
        cdef uint8_t* payload
        if not self.is_dead:
            payload = self.frame(8, FRAME_GOAWAY, 0, 0)
            write_32(payload, 0)
            write_32(payload + 4, code)
            self.is_draining = True
        return 0

    cdef int lose(self, object error) except -1:
        """The connection is broken: what is under way ends with the error."""
        cdef H2Stream stream
        if self.goaway_code > NO_ERROR:
            cause, error = error, RemoteProtocolError(
                f"The server closed the connection: {error_name(self.goaway_code)}"
            )
            error.__cause__ = cause
        for stream in self.streams.values():
            if stream.exchange.error is None:
                stream.exchange.error = error if isinstance(error, Exception) else RemoteProtocolError(repr(error))
        self.is_draining = self.is_dead = True
        return self.fail_all("", 0)

    # Streams

    cdef Py_ssize_t free_streams(self) noexcept:
        """How many streams may be opened now."""
        if self.is_doubted or not self.can_go_on():
            return 0
        return <Py_ssize_t>max(self.max_streams - <int64_t>len(self.streams), <int64_t>0)

    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept:
        """How many streams there may be: until the server says so, as many as it is expected to allow (-1: unknown)."""
        if self.has_settings:
            return <Py_ssize_t>self.max_streams
        if expected > 0:
            self.max_streams = expected
        return expected

    cdef bint can_go_on(self) noexcept:
        """False when no stream will ever be opened again."""
        return not self.is_draining and not self.is_dead and self.next_id <= LAST_ID

    cdef H2Stream request(self, Exchange exchange, RequestFields head, bytes scheme, bint whole):
        """Begin an exchange: its head, and its body if it is given whole. The rest follows by `send_body`.

        Raises:
            LocalProtocolError: the request is not valid, or there is no room for a stream; nothing has changed.
        """
        cdef bytes body = exchange.body_sent if whole else None
        cdef Py_ssize_t size = 0 if body is None else PyBytes_GET_SIZE(body)
        if self.free_streams() == 0:
            exchange.was_refused = True
            raise LocalProtocolError("The connection has no room for another stream (RFC 9113, 5.1.2)")
        if head.asks_upgrade:
            exchange.needs_h1 = True
            raise LocalProtocolError("HTTP/2 knows no Upgrade (RFC 9113, 8.6)")
        if body is not None and size != max(head.content_length, <int64_t>0) and (size or head.content_length > 0):
            if head.content_length >= 0:
                raise LocalProtocolError(
                    f"The body has {size} octets, but Content-Length promises {head.content_length} (RFC 9113, 8.1.1)"
                )
        if exchange.method == "CONNECT":
            if size:
                raise LocalProtocolError("A CONNECT has no content (RFC 9110, 9.3.6)")
            if exchange.protocol is not None and not self.takes_connect_protocol:
                exchange.needs_h1 = exchange.upgrade is not None
                raise LocalProtocolError("The server has not said that it takes an extended CONNECT (RFC 8441, 3)")
        try:
            return self.open_stream(exchange, head, scheme, body)
        except LocalProtocolError:
            raise
        except BaseException as error:
            # The table may have taken up what the peer will never see, or half a head may lie in `out`.
            self.lose(error)
            raise

    cdef H2Stream open_stream(self, Exchange exchange, RequestFields head, bytes scheme, bytes body):
        """A stream for a request that was checked; the body is None when it is not given whole."""
        cdef bytes block = self.encode(exchange, head, scheme)
        cdef H2Stream stream = H2Stream.__new__(H2Stream)
        cdef bint has_body = body is not None and PyBytes_GET_SIZE(body) != 0
        stream.id = self.next_id
        stream.exchange = exchange
        stream.send_window = self.initial_send_window
        stream.send_missing = head.content_length
        stream.missing = -1
        stream.moved_at = self.now
        exchange.answers_head = exchange.method == "HEAD"
        exchange.answers_connect = exchange.method == "CONNECT"
        exchange.expects_continue = head.expects_continue
        exchange.stream = stream
        exchange.stream_id = stream.id
        exchange.http_version = b"HTTP/2"
        self.next_id += 2
        self.streams[stream.id] = stream
        self.idle_frames = 0
        self.write_head(stream, block, body is not None and not has_body and not exchange.answers_connect)
        if has_body:
            stream.has_end = True
            self.send_body(stream, body)
        return stream

    cdef bytes encode(self, Exchange exchange, RequestFields head, bytes scheme):
        """The field block of a request. The encoder knows it again by the identity of what it is made of."""
        cdef tuple key = (head, exchange.method, scheme, exchange.target)
        cdef PyObject* known = PyDict_GetItemWithError(self.pseudo_fields, key)
        cdef tuple pseudo
        if exchange.protocol is not None and exchange.method == "CONNECT":
            check_target(exchange.target)
            if not exchange.protocol or not all_of(
                PyBytes_AS_STRING(exchange.protocol), PyBytes_GET_SIZE(exchange.protocol), TOKEN_OCTET
            ):
                raise LocalProtocolError(f"The protocol {exchange.protocol[:64]!r} is no token (RFC 8441, 4)")
            pseudo = (
                (b":method", b"CONNECT"),
                (b":protocol", exchange.protocol),
                (b":scheme", scheme),
                (b":authority", head.authority),
                (b":path", exchange.target),
            )
            return self.encoder.encode(pseudo, head.fields)
        if known != NULL:
            return self.encoder.encode(<tuple>known, head.fields)
        check_target(exchange.target)
        if exchange.method == "CONNECT":
            # Whoever gives no target of its own means the URL's authority (RFC 9113, 8.5).
            pseudo = (
                (b":method", b"CONNECT"),
                (b":authority", head.authority if exchange.target.startswith(b"/") else exchange.target),
            )
        else:
            pseudo = (
                (b":method", method_bytes(exchange.method)),
                (b":scheme", scheme),
                (b":authority", head.authority),
                (b":path", exchange.target),
            )
        if len(self.pseudo_fields) >= KNOWN_REQUESTS:
            self.pseudo_fields.clear()
        self.pseudo_fields[key] = pseudo
        return self.encoder.encode(pseudo, head.fields)

    cdef int write_head(self, H2Stream stream, bytes block, bint ends) except -1:
        """HEADERS, and CONTINUATION for what does not fit into one frame (RFC 9113, 6.2, 6.10)."""
        cdef const char* data = PyBytes_AS_STRING(block)
        cdef Py_ssize_t left = PyBytes_GET_SIZE(block)
        cdef uint32_t size = <uint32_t>min(left, <Py_ssize_t>self.max_frame_size)
        cdef int flags = FLAG_END_STREAM if ends else 0
        cdef int kind = FRAME_HEADERS
        while True:
            left -= size
            if left == 0:
                flags |= FLAG_END_HEADERS
            memcpy(self.frame(size, kind, flags, stream.id), data, size)
            if left == 0:
                break
            data += size
            size = <uint32_t>min(left, <Py_ssize_t>self.max_frame_size)
            kind = FRAME_CONTINUATION
            flags = 0
        stream.is_sent = ends
        return 0

    # Bodies

    cdef int send_body(self, H2Stream stream, bytes piece) except -1:
        """Take a piece of the body. What the windows hold back stays in `unsent`: no other piece may follow until then.

        Raises:
            LocalProtocolError: it passes the Content-Length.
        """
        cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
        if stream is None or stream.exchange.stream is None:
            return 0                   # closed
        if stream.unsent is not None or stream.is_sent:
            raise LocalProtocolError("A piece of the body before the one ahead of it has gone, or after the end")
        if stream.send_missing >= 0:
            if size > stream.send_missing:
                raise LocalProtocolError("Too much data for declared Content-Length (RFC 9113, 8.1.1)")
            stream.send_missing -= size
        if size == 0 and not stream.has_end:
            return 0
        stream.unsent = piece
        stream.unsent_start = 0
        if not self.pump(stream):
            self.blocked[stream.id] = stream
        return 0

    cdef int end_body(self, H2Stream stream) except -1:
        """End the body.

        Raises:
            LocalProtocolError: Content-Length promised more.
        """
        if stream is None or stream.exchange.stream is None or stream.is_sent or stream.has_end:
            return 0
        if stream.exchange.answers_connect:
            return 0                   # what follows a CONNECT is not its body
        if stream.send_missing > 0:
            raise LocalProtocolError(
                f"Too little data for declared Content-Length: {stream.send_missing} octets short (RFC 9113, 8.1.1)"
            )
        stream.has_end = True
        if stream.unsent is None:
            self.frame(0, FRAME_DATA, FLAG_END_STREAM, stream.id)
            stream.is_sent = True
        return 0

    cdef int send_raw(self, H2Stream stream, bytes octets) except -1:
        """Take octets for a tunnel (RFC 9113, 8.5). What the windows hold back stays in `unsent`; more may follow it.

        Raises:
            WriteError: the stream is closed.
        """
        if stream is None or self.streams.get(stream.id) is not stream or stream.is_sent:
            raise WriteError("The stream is closed")
        if stream.unsent is None:
            return self.send_body(stream, octets)
        stream.unsent = stream.unsent[stream.unsent_start:] + octets
        stream.unsent_start = 0
        return 0

    cdef bint pump(self, H2Stream stream) except -1:
        """Write DATA as far as the windows allow. True when nothing is left unsent."""
        cdef Py_ssize_t left = PyBytes_GET_SIZE(stream.unsent) - stream.unsent_start
        cdef uint32_t size
        while left:
            size = <uint32_t>min(
                min(<int64_t>left, <int64_t>self.max_frame_size),
                max(min(self.send_window, stream.send_window), <int64_t>0),
            )
            if size == 0:
                return False
            left -= size
            memcpy(
                self.frame(size, FRAME_DATA, FLAG_END_STREAM if left == 0 and stream.has_end else 0, stream.id),
                PyBytes_AS_STRING(stream.unsent) + stream.unsent_start,
                size,
            )
            stream.unsent_start += size
            stream.sent += size
            stream.moved_at = self.now
            self.send_window -= size
            stream.send_window -= size
            self.idle_frames = 0
        stream.unsent = None
        stream.is_sent = stream.has_end
        return True

    cdef int pump_all(self) except -1:
        """A window has grown: write what it held back, oldest stream first."""
        cdef H2Stream stream
        for stream in list(self.blocked.values()):
            if self.pump(stream):
                del self.blocked[stream.id]
                self.note(stream)
            elif self.send_window <= 0:
                break
        return 0

    cdef bint consumed(self, H2Stream stream, Py_ssize_t size) except -1:
        """The caller has taken octets of a streamed body: the peer may send as many more. True when it is told so."""
        if stream is None or stream.exchange.collect or self.streams.get(stream.id) is not stream:
            return False
        stream.taken += size
        if stream.taken < self.stream_window // 4:
            return False
        stream.window_used -= stream.taken
        write_32(self.frame(4, FRAME_WINDOW_UPDATE, 0, stream.id), <uint32_t>stream.taken)
        stream.taken = 0
        return True

    # The end of a stream

    cdef int end_tunnel(self, H2Stream stream) except -1:
        """The caller has done with a tunnel: its end for the peer, and nothing more is read."""
        if stream is None or self.streams.get(stream.id) is not stream:
            return 0
        # A WebSocket has its own goodbye: browsers end its stream by RST_STREAM; some servers break at DATA behind it.
        if stream.exchange.protocol is None and stream.unsent is None and not stream.is_sent and not self.is_dead:
            self.frame(0, FRAME_DATA, FLAG_END_STREAM, stream.id)
            stream.is_sent = True
            if stream.has_ended:
                return self.close_stream(stream)
        return self.reset(stream, CANCEL)

    cpdef int cancel(self, H2Stream stream, double now, double waited) except -1:
        """Reset a stream whose time is over, or that the caller wants no more of (CANCEL), and doubt a silent peer.

        A peer that is gone would be given stream after stream. So when nothing at all has come since the stream began,
        or last went on, a PING asks whether it is there. If that was a while, no stream is opened until something
        comes; else, and when it was not a timeout, only after another that was as fruitless a while later. Some servers
        count PINGs: a second one is sent after a response only.

        Args:
            now: monotonic seconds.
            waited: seconds of the timeout that has ended it, 0.0 for none.
        """
        cdef bint is_silent
        if stream is None or self.streams.get(stream.id) is not stream:
            return 0
        is_silent = stream.moved_at == self.now and not self.is_dead and (waited > 0.0 or not stream.has_head)
        self.reset(stream, CANCEL)
        if not is_silent:
            return 0
        if waited >= PATIENCE or (self.doubted_at and now - self.doubted_at >= PATIENCE):
            self.is_doubted = True
        if not self.doubted_at:
            self.doubted_at = now
        if self.may_ask:
            self.may_ask = False
            self.ping(PING_ALIVE)
        return 0

    cdef int reset(self, H2Stream stream, uint32_t code) except -1:
        """The caller gives a stream up (RFC 9113, 5.4.2). Nothing happens when it is closed already."""
        if stream is not None and self.streams.get(stream.id) is stream:
            if not self.is_dead:
                write_32(self.frame(4, FRAME_RST_STREAM, 0, stream.id), code)
                if len(self.abandoned) >= ABANDONED_LIMIT:
                    del self.abandoned[next(iter(self.abandoned))]
                self.abandoned[stream.id] = True
            self.close_stream(stream)
        return 0

    cdef int close_stream(self, H2Stream stream) except -1:
        self.streams.pop(stream.id, None)
        self.blocked.pop(stream.id, None)
        stream.unsent = None
        # They refer to each other: nobody is to wait for the garbage collector.
        stream.exchange.stream = None
        return 0

    cdef int fail_all(self, str text, uint32_t above) except -1:
        """Fail the exchanges of all streams above a number."""
        cdef H2Stream stream
        for stream in list(self.streams.values()):
            if stream.id > above:
                if stream.exchange.error is None:
                    stream.exchange.error = RemoteProtocolError(text)
                self.note(stream)
                self.close_stream(stream)
        return 0

    # News, and frames

    cdef int note(self, H2Stream stream) except -1:
        if not stream.exchange.is_changed:
            self.changed.append(stream.exchange)
            stream.exchange.is_changed = True
        return 0

    cdef list take_changed(self):
        """The exchanges with news: a head, octets of a streamed body, room for more of theirs, their end or error."""
        cdef list changed = self.changed
        cdef Exchange exchange
        self.changed = []
        for exchange in changed:
            exchange.is_changed = False
        return changed

    cdef uint8_t* frame(self, uint32_t size, int kind, int flags, uint32_t stream_id) except NULL:
        """Add a frame's header to `out`, and room for its payload: where that goes."""
        cdef Py_ssize_t needed = self.out.filled + FRAME_HEADER_BYTES + size
        cdef uint8_t* at
        if needed > self.out.capacity:
            self.out.enlarge(max(needed, max(self.out.capacity * 2, <Py_ssize_t>1024)))
        at = <uint8_t*>self.out.tail()
        write_frame_header(at, size, kind, flags, stream_id)
        self.out.filled = needed
        return at + FRAME_HEADER_BYTES
