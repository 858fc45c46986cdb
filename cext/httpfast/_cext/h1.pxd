"""H1Engine: HTTP/1.1 for the client's side of one connection, sans-IO (RFC 9112).

    send_request ─► [send_body ...] ─► send_end          octets to write come back from each
    receive / receive_eof                                octets read go in; the Exchange fills up

    IDLE ──begin──► HEAD ──► SIZED | CHUNK_* | UNTIL_CLOSE ──► IDLE      (the connection can serve another exchange)
                     │  └─────────────────► TUNNEL                       (101, or 2xx to CONNECT: octets are raw)
                     └── any error ──► DEAD
"""
from libc.stdint cimport int64_t

from .buffer cimport ByteBuffer
from .exchange cimport Exchange
from .headers cimport RequestHead


cpdef int check_target(bytes target) except -1
cdef int64_t parse_length(const char* value, Py_ssize_t size, Py_ssize_t* digits) except -1


cdef enum ReceiveState:
    IDLE
    HEAD
    SIZED
    UNTIL_CLOSE
    CHUNK_SIZE
    CHUNK_EXTENSION
    CHUNK_LINE_FEED
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    TRAILER
    TUNNEL
    DEAD


cdef enum SendState:
    SEND_IDLE
    SEND_SIZED          # send_missing octets are still owed
    SEND_CHUNKED
    SEND_DONE


cdef class H1Engine:
    cdef Exchange exchange              # the one being answered, or None
    cdef ReceiveState receiving
    cdef SendState sending
    cdef int64_t send_missing           # octets of the body that Content-Length still promises
    cdef bint keep_alive                # both sides allow another exchange
    cdef readonly bint has_surplus      # octets came after the end of a response

    # Receiving: the head or the line that is not complete yet, and the body's framing.
    cdef ByteBuffer pending
    cdef Py_ssize_t scanned             # octets of pending already searched for the end of the head
    cdef int64_t missing                # octets of the body or of the chunk still to come
    cdef int size_digits                # hexadecimal digits read of this chunk's size
    cdef bint blank_seen                # white space after this chunk's size: no more digits
    cdef Py_ssize_t extension_bytes     # chunk extensions read in this body
    cdef int informational_count        # 1xx responses to this request, and the octets of their heads
    cdef Py_ssize_t informational_bytes
    cdef int minor_version              # of the response

    # The last final head and what it said. Servers repeat it, octet for octet, for as long as their Date stands still.
    cdef bytes known
    cdef int known_status, known_version
    cdef Py_ssize_t known_reason_end
    cdef int64_t known_length
    cdef bint known_set_cookie, known_content_encoding
    cdef bint known_chunked, known_close, known_keep_alive, known_upgrade

    cdef bytes send_request(self, Exchange exchange, bytes method, bytes target, RequestHead head, bytes body)
    cpdef bytes send_body(self, data)
    cpdef bytes send_end(self)
    cdef bint can_reuse(self) noexcept
    cdef bint is_direct(self) noexcept
    cdef int receive(self, const char* data, Py_ssize_t size) except -1
    cdef int received_direct(self, Py_ssize_t size) except -1
    cdef int receive_end(self, bint is_truncation) except -1

    cdef Py_ssize_t receive_head(self, const char* data, Py_ssize_t size) except -1
    cdef int take_known_head(self) except -1
    cdef int take_head(self, const char* data, Py_ssize_t size) except -1
    cdef int take_status_line(self, const char* line, Py_ssize_t size) except -1
    cdef int begin_body(self, bint has_chunked, bint has_close, bint has_keep_alive, bint has_upgrade) except -1
    cdef Py_ssize_t receive_chunked(self, const char* data, Py_ssize_t size) except -1
    cdef Py_ssize_t receive_trailers(self, const char* data, Py_ssize_t size) except -1
    cdef int finish(self) except -1
