# cython: overflowcheck=False
# (In checked builds Cython takes a difference of pointers for one of integers, which C compilers refuse.)
"""H1Engine: HTTP/1.1 for the client's side of one connection, sans-IO (RFC 9112). See the .pxd for its states.

Framing is strict: what RFC 9112 calls invalid ends the connection, for a lenient reader is where response splitting
begins. The one leniency is a bare LF as the end of a line in a head (2.2), which RFC 9112 allows and servers send.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp, memcpy

from .buffer cimport ByteBuffer
from .exchange cimport Exchange, parse_fields
from .headers cimport RequestHead, method_bytes
from .wire cimport VALUE_OCTET, VISIBLE_OCTET, all_of, equals_lower, hex_value, is_blank, token_length

from httpfast._exceptions import LocalProtocolError, RemoteProtocolError

# Limits on what a peer can make us hold. Precedents: curl takes 300 KiB of head (CVE-2023-38039), Go 10 MiB, Node
# 16 KiB; Go caps chunk extensions at 16 KiB a body (CVE-2023-39326).
MAX_HEAD_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_INFORMATIONAL = 32
MAX_CHUNK_EXTENSION_BYTES = 16 * 1024

cdef enum:
    HEAD_LIMIT = 262144                # the four of above; C wants literals
    FIELD_LIMIT = 1000
    INFORMATIONAL_LIMIT = 32
    EXTENSION_LIMIT = 16384
    PREALLOCATE_LIMIT = 67108864       # 64 MiB: a longer body grows as it comes: a peer's claim alone takes no memory
    DIRECT_LIMIT = 4096                # at least this much missing before reads go straight into the body
    SIZE_DIGITS = 16

cdef int64_t LENGTH_LIMIT = (<int64_t>1 << 62) - 1 + (<int64_t>1 << 62)


cdef str shown(const char* data, Py_ssize_t size):
    """At most 64 octets of what was seen, for a message."""
    return repr(PyBytes_FromStringAndSize(data, min(size, 64))) + ("..." if size > 64 else "")


cdef Py_ssize_t block_end(const char* data, Py_ssize_t size, Py_ssize_t start) noexcept:
    """Where the field block's empty line ends, or -1. Searches from `start` on for LF LF or LF CR LF."""
    cdef const char* end = data + size
    cdef const char* at = data + start
    while True:
        at = <const char*>memchr(at, 10, end - at)
        if at == NULL:
            return -1
        at += 1
        if at < end and at[0] == 10:
            return at + 1 - data
        if at + 1 < end and at[0] == 13 and at[1] == 10:
            return at + 2 - data


cdef int64_t parse_length(const char* value, Py_ssize_t size, Py_ssize_t* digits) except -1:
    """A Content-Length value: digits, or a list of the very same digits (RFC 9110, 8.6). At most 2**63 - 1.

    `digits` is set to how many the number has: they stand at the start of the value.
    """
    cdef int64_t length = 0
    cdef Py_ssize_t count = 0, i
    while count < size and 48 <= value[count] <= 57:
        if length > (LENGTH_LIMIT - (value[count] - 48)) // 10:
            raise RemoteProtocolError(f"Content-Length {shown(value, size)} is too large (RFC 9110, 8.6)")
        length = length * 10 + (value[count] - 48)
        count += 1
    i = digits[0] = count
    while count:
        while i < size and is_blank(value[i]):
            i += 1
        if i == size:
            return length
        if value[i] != 44:
            break
        i += 1
        while i < size and is_blank(value[i]):
            i += 1
        if size - i < count or memcmp(value + i, value, count):
            break
        i += count
    raise RemoteProtocolError(f"Invalid Content-Length {shown(value, size)} (RFC 9110, 8.6)")


cdef bint list_holds(const char* value, Py_ssize_t size, const char* option, Py_ssize_t option_size) noexcept:
    """True when a comma-separated list (RFC 9110, 5.6.1) has the lower-case option."""
    cdef Py_ssize_t first, last, i = 0
    while i < size:
        while i < size and (is_blank(value[i]) or value[i] == 44):
            i += 1
        first = i
        while i < size and value[i] != 44:
            i += 1
        last = i
        while last > first and is_blank(value[last - 1]):
            last -= 1
        if last - first == option_size and equals_lower(value + first, option, option_size):
            return True
    return False


cpdef int check_target(bytes target) except -1:
    """Raises LocalProtocolError for a request target that would not stay in its place (RFC 9112, 3.2)."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(target)
    if size == 0 or not all_of(PyBytes_AS_STRING(target), size, VISIBLE_OCTET):
        raise LocalProtocolError(
            f"Illegal request target {shown(PyBytes_AS_STRING(target), size)}: "
            "empty, or holds a space, a control character or an octet beyond ASCII (RFC 9112, 3.2)"
        )
    return 0


def check_request(Exchange exchange not None):
    """Refuse a request that could not be written. Raises LocalProtocolError."""
    method_bytes(exchange.method)
    check_target(exchange.target)
    RequestHead(exchange.fields_sent)


cdef class H1Engine:
    """One connection's HTTP/1.1. It has one owner and no lock; after an error it is dead."""

    def __cinit__(self):
        self.receiving = IDLE
        self.sending = SEND_IDLE
        self.keep_alive = True
        self.pending = ByteBuffer.__new__(ByteBuffer)

    # Sending

    cdef bytes send_request(self, Exchange exchange, bytes method, bytes target, RequestHead head, bytes body):
        """Begin an exchange: the octets of the head, and of the body where it is given.

        `body` is the whole body, or None when it will come through `send_body`. It is copied behind the head, so that
        both go out in one write: large ones had better come in pieces. Raises LocalProtocolError before anything has
        changed.
        """
        cdef Py_ssize_t size = 0 if body is None else PyBytes_GET_SIZE(body)
        cdef Py_ssize_t method_size, target_size, block_size
        cdef bytes request
        cdef char* out
        if not self.can_reuse():
            raise LocalProtocolError(
                "The connection is not idle, or may not be used again: one exchange at a time (RFC 9112, 9.3)"
            )
        check_target(target)
        target_size = PyBytes_GET_SIZE(target)
        if not head.has_host:
            raise LocalProtocolError("Missing mandatory Host: header (RFC 9112, 3.2)")
        if body is None:
            if head.is_chunked:
                self.sending = SEND_CHUNKED
            else:
                self.send_missing = max(head.content_length, 0)
                # Where nothing is to come, an answer that comes before `send_end` is not an early one.
                self.sending = SEND_SIZED if self.send_missing else SEND_DONE
        elif head.is_chunked:
            if size:
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
            else:
                body = b"0\r\n\r\n"
            size = PyBytes_GET_SIZE(body)
            self.sending = SEND_DONE
        elif size != max(head.content_length, 0):
            raise LocalProtocolError(
                f"The body has {size} octets, but Content-Length promises {max(head.content_length, 0)} (RFC 9112, 6.2)"
            )
        else:
            self.sending = SEND_DONE
        exchange.answers_head = method == b"HEAD"
        exchange.answers_connect = method == b"CONNECT"
        exchange.asks_upgrade = head.asks_upgrade
        exchange.expects_continue = head.expects_continue
        self.exchange = exchange
        self.receiving = HEAD
        self.keep_alive = not head.asks_close
        self.informational_count = 0
        self.informational_bytes = 0
        self.extension_bytes = 0

        method_size = PyBytes_GET_SIZE(method)
        block_size = PyBytes_GET_SIZE(head.block)
        request = PyBytes_FromStringAndSize(NULL, method_size + target_size + block_size + size + 12)
        out = PyBytes_AS_STRING(request)
        memcpy(out, PyBytes_AS_STRING(method), method_size)
        out += method_size
        out[0] = 32
        memcpy(out + 1, PyBytes_AS_STRING(target), target_size)
        out += target_size + 1
        memcpy(out, b" HTTP/1.1\r\n", 11)
        out += 11
        memcpy(out, PyBytes_AS_STRING(head.block), block_size)
        if size:
            memcpy(out + block_size, PyBytes_AS_STRING(body), size)
        return request

    cpdef bytes send_body(self, data):
        """Frame a piece of the request's body. Raises LocalProtocolError when it passes the Content-Length."""
        cdef bytes octets = data if type(data) is bytes else bytes(memoryview(data))
        cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
        if size == 0:
            return b""
        if self.sending == SEND_CHUNKED:
            return b"%x\r\n%b\r\n" % (size, octets)
        if self.sending != SEND_SIZED or size > self.send_missing:
            self.receiving = DEAD
            raise LocalProtocolError("Too much data for declared Content-Length (RFC 9112, 6.2)")
        self.send_missing -= size
        if self.send_missing == 0:
            # All of it is out: an answer that comes before `send_end` is not an early one.
            self.sending = SEND_DONE
        return octets

    cpdef bytes send_end(self):
        """End the request's body. Raises LocalProtocolError when Content-Length promised more."""
        cdef bint is_chunked = self.sending == SEND_CHUNKED
        if self.sending == SEND_SIZED and self.send_missing:
            self.receiving = DEAD
            raise LocalProtocolError(
                f"Too little data for declared Content-Length: {self.send_missing} octets short (RFC 9112, 6.2)"
            )
        self.sending = SEND_DONE
        if self.exchange is None and self.receiving == IDLE:
            self.sending = SEND_IDLE
        return b"0\r\n\r\n" if is_chunked else b""

    # Facts for the driver

    cdef bint can_reuse(self) noexcept:
        """True when the exchange has ended in a way that lets the connection serve another (RFC 9112, 9.3)."""
        return self.receiving == IDLE and self.sending == SEND_IDLE and self.keep_alive and not self.has_surplus

    cdef bint is_direct(self) noexcept:
        """True when the next read may go straight into `exchange.body`: octets of a body whose size is known."""
        return (
            self.receiving == SIZED
            and self.exchange.collect
            and self.missing >= DIRECT_LIMIT
            and self.exchange.body.capacity > self.exchange.body.filled
        )

    # Receiving

    cdef int received_direct(self, Py_ssize_t size) except -1:
        """`size` octets were read into the tail of `exchange.body`."""
        cdef ByteBuffer body = self.exchange.body
        body.filled += size
        self.missing -= size
        if self.missing == 0:
            self.finish()
        elif body.filled == body.capacity:
            body.reserve(<Py_ssize_t>min(<int64_t>body.capacity * 2, body.filled + self.missing))
        return 0

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take octets as they were read. Raises RemoteProtocolError; the engine is dead then."""
        cdef Py_ssize_t used
        try:
            while size:
                if self.receiving == HEAD:
                    used = self.receive_head(data, size)
                elif self.receiving == SIZED or self.receiving == CHUNK_DATA:
                    used = <Py_ssize_t>min(self.missing, <int64_t>size)
                    self.exchange.body.append(data, used)
                    self.missing -= used
                    if self.missing == 0:
                        if self.receiving == SIZED:
                            self.finish()
                        else:
                            self.receiving = CHUNK_DATA_CR
                elif self.receiving == UNTIL_CLOSE or self.receiving == TUNNEL:
                    self.exchange.body.append(data, size)
                    used = size
                elif self.receiving == TRAILER:
                    used = self.receive_trailers(data, size)
                elif self.receiving == IDLE:
                    # Octets nobody asked for. They may belong to a response to come, smuggled in: never read on.
                    self.has_surplus = True
                    return 0
                elif self.receiving == DEAD:
                    return 0
                else:
                    used = self.receive_chunked(data, size)
                data += used
                size -= used
        except BaseException:
            if self.receiving == HEAD:
                self.exchange.status_code = 0      # of a head that turned out to be none
            self.receiving = DEAD
            raise
        return 0

    cdef int receive_end(self, bint is_truncation) except -1:
        """The peer has closed its side. `is_truncation`: TLS ended without close_notify (RFC 8446, 6.1)."""
        cdef Exchange exchange = self.exchange
        cdef ReceiveState state = self.receiving
        self.keep_alive = False
        if state == UNTIL_CLOSE and not is_truncation:
            self.finish()
            self.receiving = DEAD
            return 0
        if state == TUNNEL:
            self.receiving = DEAD
            exchange.is_complete = True
            return 0
        self.receiving = DEAD
        if state == IDLE or state == DEAD:
            return 0
        if state == HEAD:
            if not exchange.was_answered:
                raise RemoteProtocolError("Server disconnected without sending a response.")
            raise RemoteProtocolError("Server disconnected within the response's head (RFC 9112, 8)")
        if state == SIZED:
            raise RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {exchange.content_length - self.missing} bytes, expected {exchange.content_length})"
            )
        if state == UNTIL_CLOSE:
            raise RemoteProtocolError(
                "TLS ended without close_notify within a body that ends with the connection (RFC 9112, 9.8)"
            )
        raise RemoteProtocolError(
            "peer closed connection without sending complete message body (incomplete chunked read)"
        )

    cdef Py_ssize_t receive_head(self, const char* data, Py_ssize_t size) except -1:
        """Octets of a head; returns how many were used. The head is parsed once, when it is complete."""
        cdef Py_ssize_t end, before = self.pending.filled
        self.exchange.was_answered = True
        if before == 0:
            end = 0 if self.known is None or self.informational_bytes else PyBytes_GET_SIZE(self.known)
            if 0 < end <= size and memcmp(data, PyBytes_AS_STRING(self.known), end) == 0:
                self.take_known_head()
                return end
            end = block_end(data, size, 0)
            if 0 < end <= HEAD_LIMIT - self.informational_bytes:
                self.take_head(data, end)
                return end
        self.pending.append(data, size)
        if memcmp(self.pending.data(), b"HTTP/1.", min(self.pending.filled, 7)):
            raise RemoteProtocolError(
                f"illegal status line: {shown(self.pending.data(), self.pending.filled)} "
                "does not begin with HTTP/1. (RFC 9112, 4)"
            )
        end = block_end(self.pending.data(), self.pending.filled, self.scanned)
        if end < 0 and self.pending.filled <= HEAD_LIMIT - self.informational_bytes:
            self.scanned = max(self.pending.filled - 2, 0)
            return size
        if end < 0 or end > HEAD_LIMIT - self.informational_bytes:
            raise RemoteProtocolError(
                f"The response's head, with the informational ones before it, is longer than {HEAD_LIMIT} octets"
            )
        self.scanned = 0
        self.take_head(self.pending.data(), end)
        self.pending.clear()
        return end - before

    cdef int take_head(self, const char* data, Py_ssize_t size) except -1:
        """A complete head, with its empty line."""
        cdef Exchange exchange = self.exchange
        cdef const char* end = data + size
        cdef const char* line = data
        cdef const char* next_line = <const char*>memchr(data, 10, size) + 1
        cdef const char* value
        cdef const char* length_value = NULL
        cdef Py_ssize_t line_size, name_size, value_size, digits = 0, length_digits = 0
        cdef int field_count = 0
        cdef bint has_chunked = False, has_close = False, has_keep_alive = False, has_upgrade = False
        cdef bytes location = None
        line_size = next_line - line - 1
        if line_size and line[line_size - 1] == 13:
            line_size -= 1
        exchange.raw = PyBytes_FromStringAndSize(data, size)
        exchange.content_length = -1
        exchange.has_set_cookie = exchange.has_content_encoding = False
        self.take_status_line(line, line_size)
        while True:
            line = next_line
            next_line = <const char*>memchr(line, 10, end - line) + 1
            line_size = next_line - line - 1
            if line_size and line[line_size - 1] == 13:
                line_size -= 1
            if line_size == 0:
                break
            field_count += 1
            if field_count > FIELD_LIMIT:
                raise RemoteProtocolError(f"The response has more than {FIELD_LIMIT} header fields")
            name_size = token_length(line, line_size)
            if name_size == 0 or name_size == line_size or line[name_size] != 58:
                raise RemoteProtocolError(f"illegal header line: {shown(line, line_size)} (RFC 9112, 5)")
            value = line + name_size + 1
            value_size = line_size - name_size - 1
            if not all_of(value, value_size, VALUE_OCTET):
                raise RemoteProtocolError(
                    f"illegal header line: {shown(line, line_size)} holds a control character (RFC 9110, 5.5)"
                )
            if name_size < 6:
                continue
            while value_size and is_blank(value[0]):
                value += 1
                value_size -= 1
            while value_size and is_blank(value[value_size - 1]):
                value_size -= 1
            if name_size == 14:
                if equals_lower(line, b"content-length", 14):
                    self.missing = parse_length(value, value_size, &digits)
                    if length_value != NULL and (length_digits != digits or memcmp(length_value, value, digits)):
                        raise RemoteProtocolError(
                            f"Content-Length is both {shown(length_value, length_digits)} "
                            f"and {shown(value, value_size)} (RFC 9112, 6.3)"
                        )
                    length_value = value
                    length_digits = digits
                    exchange.content_length = self.missing
            elif name_size == 10:
                if equals_lower(line, b"connection", 10):
                    has_close = has_close or list_holds(value, value_size, b"close", 5)
                    has_keep_alive = has_keep_alive or list_holds(value, value_size, b"keep-alive", 10)
                    has_upgrade = has_upgrade or list_holds(value, value_size, b"upgrade", 7)
                elif equals_lower(line, b"set-cookie", 10):
                    exchange.has_set_cookie = True
            elif name_size == 17:
                if equals_lower(line, b"transfer-encoding", 17):
                    # Only codings we asked for may come, and TE asks for none but chunked (RFC 9112, 6.1).
                    if has_chunked or value_size != 7 or not equals_lower(value, b"chunked", 7):
                        raise RemoteProtocolError(
                            f"Transfer-Encoding {shown(value, value_size)}: "
                            "only 'chunked', once, is understood (RFC 9112, 6.1)"
                        )
                    has_chunked = True
            elif name_size == 16:
                if equals_lower(line, b"content-encoding", 16):
                    exchange.has_content_encoding = True
            elif name_size == 8:
                if equals_lower(line, b"location", 8):
                    target = PyBytes_FromStringAndSize(value, value_size)
                    if location is not None and location != target:
                        raise RemoteProtocolError("Two different Location fields (RFC 9110, 10.2.2)")
                    location = target
        if exchange.status_code >= 200:
            self.known = exchange.raw
            self.known_status = exchange.status_code
            self.known_version = self.minor_version
            self.known_reason_end = exchange.reason_end
            self.known_length = exchange.content_length
            self.known_set_cookie = exchange.has_set_cookie
            self.known_content_encoding = exchange.has_content_encoding
            self.known_chunked = has_chunked
            self.known_close = has_close
            self.known_keep_alive = has_keep_alive
            self.known_upgrade = has_upgrade
        return self.begin_body(has_chunked, has_close, has_keep_alive, has_upgrade)

    cdef int take_known_head(self) except -1:
        """The head is the last one again, octet for octet: what was read and checked then holds."""
        cdef Exchange exchange = self.exchange
        exchange.raw = self.known
        exchange.status_code = self.known_status
        exchange.http_version = b"HTTP/1.1" if self.known_version else b"HTTP/1.0"
        exchange.reason_start = min(self.known_reason_end, 13)
        exchange.reason_end = self.known_reason_end
        exchange.content_length = self.missing = self.known_length
        exchange.has_set_cookie = self.known_set_cookie
        exchange.has_content_encoding = self.known_content_encoding
        self.minor_version = self.known_version
        return self.begin_body(self.known_chunked, self.known_close, self.known_keep_alive, self.known_upgrade)

    cdef int take_status_line(self, const char* line, Py_ssize_t size) except -1:
        """HTTP-version SP status-code [SP reason-phrase] (RFC 9112, 4). Servers omit the last SP: that is forgiven."""
        cdef Exchange exchange = self.exchange
        if (
            size < 12
            or memcmp(line, b"HTTP/1.", 7)
            or (line[7] != 48 and line[7] != 49)
            or line[8] != 32
            or not 49 <= line[9] <= 57
            or not 48 <= line[10] <= 57
            or not 48 <= line[11] <= 57
            or (size > 12 and line[12] != 32)
            or (size > 13 and not all_of(line + 13, size - 13, VALUE_OCTET))
        ):
            raise RemoteProtocolError(f"illegal status line: {shown(line, size)} (RFC 9112, 4)")
        self.minor_version = line[7] - 48
        exchange.http_version = b"HTTP/1.1" if self.minor_version else b"HTTP/1.0"
        exchange.status_code = (line[9] - 48) * 100 + (line[10] - 48) * 10 + (line[11] - 48)
        exchange.reason_start = min(size, 13)
        exchange.reason_end = size
        return 0

    cdef int begin_body(self, bint has_chunked, bint has_close, bint has_keep_alive, bint has_upgrade) except -1:
        """Decide how the body ends (RFC 9112, 6.3) and whether the connection persists (9.3)."""
        cdef Exchange exchange = self.exchange
        cdef int status = exchange.status_code
        if 100 <= status < 200 and status != 101:
            self.informational_count += 1
            if self.informational_count > INFORMATIONAL_LIMIT:
                raise RemoteProtocolError(f"More than {INFORMATIONAL_LIMIT} informational responses to one request")
            if status == 100:
                exchange.continued = True
            else:
                if exchange.informational is None:
                    exchange.informational = []
                exchange.informational.append((status, exchange.fields))
            self.informational_bytes += PyBytes_GET_SIZE(exchange.raw)
            exchange._fields = None
            exchange.raw = None
            exchange.status_code = 0
            return 0
        if status == 101:
            if not (exchange.asks_upgrade and has_upgrade and self.minor_version == 1):
                raise RemoteProtocolError(
                    "101 Switching Protocols without an upgrade that was asked for (RFC 9110, 15.2.2)"
                )
            exchange.is_tunnel = True
        elif exchange.answers_connect and 200 <= status < 300:
            exchange.is_tunnel = True
        if exchange.is_tunnel:
            self.receiving = TUNNEL
            self.keep_alive = False
            return 0
        if has_chunked and self.minor_version == 0:
            raise RemoteProtocolError("Transfer-Encoding in an HTTP/1.0 response (RFC 9112, 6.1)")
        if has_close or (self.minor_version == 0 and not has_keep_alive):
            self.keep_alive = False
        exchange.is_persistent = self.keep_alive
        if exchange.answers_head or status == 204 or status == 304:
            exchange.content_length = -1
            return self.finish()
        if 300 <= status < 400 and exchange.content_length != 0:
            # The caller decides how much of a redirect's body is worth reading, before all of it is in memory.
            exchange.collect = False
        if has_chunked:
            if exchange.content_length >= 0:
                # Transfer-Encoding wins, but two framings are how smuggling looks: nothing may follow (6.3).
                exchange.content_length = -1
                self.keep_alive = exchange.is_persistent = False
            self.receiving = CHUNK_SIZE
            self.missing = 0
            self.size_digits = 0
            self.blank_seen = False
            return 0
        if exchange.content_length < 0:
            self.receiving = UNTIL_CLOSE
            self.keep_alive = exchange.is_persistent = False
            return 0
        self.missing = exchange.content_length
        if self.missing == 0:
            return self.finish()
        self.receiving = SIZED
        if exchange.collect:
            exchange.body.reserve(<Py_ssize_t>min(self.missing, <int64_t>PREALLOCATE_LIMIT))
        return 0

    cdef Py_ssize_t receive_chunked(self, const char* data, Py_ssize_t size) except -1:
        """Octets of a chunk's size line or of the line end after its data (RFC 9112, 7.1). No bare CR or LF."""
        cdef Py_ssize_t i
        cdef char octet
        cdef int digit
        for i in range(size):
            octet = data[i]
            if self.receiving == CHUNK_SIZE:
                digit = hex_value(octet)
                if digit >= 0 and not self.blank_seen:
                    self.size_digits += 1
                    if self.size_digits > SIZE_DIGITS or self.missing > (LENGTH_LIMIT - digit) // 16:
                        raise RemoteProtocolError("chunk size is too large (RFC 9112, 7.1)")
                    self.missing = self.missing * 16 + digit
                elif self.size_digits and octet == 13:
                    self.receiving = CHUNK_LINE_FEED
                elif self.size_digits and octet == 59:
                    self.receiving = CHUNK_EXTENSION
                elif self.size_digits and is_blank(octet):
                    # BWS before an extension (7.1.1); some servers also pad the size with spaces.
                    self.blank_seen = True
                    self.extension_bytes += 1
                else:
                    raise RemoteProtocolError(f"illegal chunk header: {shown(data + i, size - i)} (RFC 9112, 7.1)")
            elif self.receiving == CHUNK_EXTENSION:
                if octet == 13:
                    self.receiving = CHUNK_LINE_FEED
                elif not all_of(&octet, 1, VALUE_OCTET):
                    raise RemoteProtocolError(f"illegal chunk extension: {shown(data + i, size - i)} (RFC 9112, 7.1.1)")
                else:
                    self.extension_bytes += 1
            elif octet != (13 if self.receiving == CHUNK_DATA_CR else 10):
                raise RemoteProtocolError(f"illegal end of a chunk's line: {shown(data + i, size - i)} (RFC 9112, 7.1)")
            elif self.receiving == CHUNK_DATA_CR:
                self.receiving = CHUNK_DATA_LF
            elif self.receiving == CHUNK_DATA_LF:
                self.receiving = CHUNK_SIZE
                self.size_digits = 0
                self.blank_seen = False
            else:
                self.receiving = CHUNK_DATA if self.missing else TRAILER
                return i + 1
            if self.extension_bytes > EXTENSION_LIMIT:
                raise RemoteProtocolError(f"More than {EXTENSION_LIMIT} octets of chunk extensions in one body")
        return size

    cdef Py_ssize_t receive_trailers(self, const char* data, Py_ssize_t size) except -1:
        """Octets of the trailer section (RFC 9112, 7.1.2), up to its empty line. Kept apart from the header fields."""
        cdef Py_ssize_t before = self.pending.filled, end, line_size, name_size
        cdef const char* at
        cdef const char* line
        cdef int field_count = 0
        self.pending.append(data, size)
        at = self.pending.data()
        if self.pending.filled < 2:
            end = -1
        elif at[0] == 13 and at[1] == 10:
            end = 2
        else:
            end = block_end(at, self.pending.filled, self.scanned)
        if end < 0 and self.pending.filled <= HEAD_LIMIT:
            self.scanned = max(self.pending.filled - 2, 0)
            return size
        if end < 0 or end > HEAD_LIMIT:
            raise RemoteProtocolError(f"The trailers are longer than {HEAD_LIMIT} octets")
        self.scanned = 0
        line = at
        while line < at + end:
            line_size = <const char*>memchr(line, 10, at + end - line) - line
            if line_size == 0 or line[line_size - 1] != 13:
                raise RemoteProtocolError(
                    f"illegal trailer line: {shown(line, line_size)} ends with a bare LF (RFC 9112, 7.1.2)"
                )
            if line_size > 1:
                field_count += 1
                name_size = token_length(line, line_size - 1)
                if (
                    field_count > FIELD_LIMIT
                    or name_size == 0
                    or name_size == line_size - 1
                    or line[name_size] != 58
                    or not all_of(line + name_size + 1, line_size - name_size - 2, VALUE_OCTET)
                ):
                    raise RemoteProtocolError(f"illegal trailer line: {shown(line, line_size - 1)} (RFC 9112, 5)")
            line += line_size + 1
        if field_count:
            self.exchange.trailers = parse_fields(at, end)
        self.pending.clear()
        self.finish()
        return end - before

    cdef int finish(self) except -1:
        """The response is complete: the exchange leaves the connection."""
        self.exchange.is_complete = True
        self.exchange = None
        self.receiving = IDLE
        if self.sending == SEND_DONE:
            self.sending = SEND_IDLE
        else:
            self.keep_alive = False                # answered before the request was all sent (RFC 9112, 9.5)
        return 0

    # The same by Python objects, for tests and for whoever drives the engine by hand

    def begin(self, str method not None, bytes target not None, RequestHead head not None, bytes body=b"", *,
              bint collect=False):
        """Begin an exchange. Returns (Exchange, octets to write); `body=None` when `send_body` will bring it."""
        cdef Exchange exchange = Exchange.__new__(Exchange)
        exchange.collect = collect
        cdef bytes request = self.send_request(exchange, method_bytes(method), target, head, body)
        return exchange, request

    def receive_data(self, data):
        """Octets as read. Raises RemoteProtocolError."""
        cdef bytes octets = bytes(data)
        self.receive(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))

    def receive_eof(self, *, bint is_truncation=False):
        """The peer has closed its side. Raises RemoteProtocolError when the response is not complete."""
        self.receive_end(is_truncation)

    @property
    def is_reusable(self) -> bool:
        """True when another exchange may begin."""
        return self.can_reuse()

    @property
    def is_dead(self) -> bool:
        """True after an error or the peer's close."""
        return self.receiving == DEAD
