"""H2Sender: the sending half of H2Engine (RFC 9113), and the streams and windows that both halves know.

    request ─► stream [─► send_body ...] ─► end_body        octets to write collect in `out`
    cancel                                                  the caller has done with a stream
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from .buffer cimport ByteBuffer
from .exchange cimport Exchange
from .h2_heads cimport RequestFields
from .hpack cimport HpackEncoder


cdef enum:
    FRAME_LIMIT = 16384                    # octets of a payload that we take; the protocol's own default
    HEAD_LIMIT = 262144                    # octets of a field block, and of the fields decoded from it
    STREAM_WINDOW = 4194304                # octets: 4 MiB, 40 ms at 100 MB/s
    CONNECTION_WINDOW = 1073741824         # 1 GiB
    ABANDONED_LIMIT = 1000                 # streams that we remember to have reset
    LAST_ID = 2147483647

    # The last octet of a PING's payload says what it is for.
    PING_ALIVE = 1
    PING_GROWTH = 2


cdef class H2Stream:
    cdef readonly uint32_t id
    cdef Exchange exchange

    # Sending.
    cdef int64_t send_window               # octets that the peer takes now; below 0 after it has shrunk the window
    cdef int64_t send_missing              # octets that Content-Length still promises, -1 for no promise
    cdef bytes unsent                      # a piece of the body that waits for the windows, or None
    cdef Py_ssize_t unsent_start
    cdef Py_ssize_t sent                   # octets of the body, so far
    cdef double moved_at                   # `now` of the engine when octets of it last came, or went
    cdef bint has_end                      # nothing comes after `unsent`
    cdef readonly bint is_sent             # END_STREAM is out

    # Receiving.
    cdef int64_t missing                   # octets that Content-Length still promises, -1 for no promise
    cdef int64_t window_used               # octets received that the peer may not send again yet
    cdef int64_t taken                     # of them, those that the caller has taken
    cdef bint has_head
    cdef bint has_ended                    # END_STREAM has come, and it is a tunnel whose other direction goes on
    cdef int informational_count
    cdef Py_ssize_t informational_bytes


cdef class H2Sender:
    cdef HpackEncoder encoder
    cdef dict pseudo_fields                # what a request says -> its pseudo-fields
    cdef dict streams                      # id -> H2Stream; only those that are not closed
    cdef uint32_t next_id
    cdef readonly ByteBuffer out           # octets to write
    cdef list changed                      # exchanges with news since `take_changed`
    cdef readonly bint is_draining         # no new streams
    cdef readonly bint is_dead
    cdef double now                        # monotonic seconds of what is received, as the driver says before `receive`

    # What the peer has said.
    cdef bint has_settings
    cdef bint has_new_room                 # SETTINGS or a sign of life have come: there may be room for streams
    cdef readonly int goaway_code          # of the GOAWAY that has come, -1 before
    cdef readonly int64_t max_streams      # SETTINGS_MAX_CONCURRENT_STREAMS
    cdef readonly bint takes_connect_protocol  # RFC 8441
    cdef int64_t initial_send_window
    cdef uint32_t max_frame_size
    cdef int64_t send_window               # of the connection
    cdef dict blocked                      # id -> H2Stream with something unsent, oldest first

    # What we have said.
    cdef int64_t stream_window
    cdef int64_t largest_window            # of a stream, that the peer may have
    cdef bint is_growing                   # the streams' windows grow
    cdef dict abandoned                    # ids of streams that we have reset: frames for them are on their way
    cdef int replies                       # to the peer's PING and SETTINGS, since `take_output`
    cdef int idle_frames                   # frames that brought nothing since something last went on

    # Signs of life.
    cdef readonly bint is_asked            # a PING of `ask_for_life` is out, and nothing has come since
    cdef readonly bint is_doubted          # the peer may be gone: no new streams until something comes
    cdef double doubted_at                 # monotonic seconds of the first `cancel` since something came; 0: none
    cdef bint may_ask                      # a response has come since a `cancel` sent a PING

    cdef int start(self) except -1
    cdef int write_settings(self, tuple settings) except -1
    cdef int set_window(self, int64_t size) except -1
    cpdef bytes take_output(self)
    cdef int ping(self, uint32_t purpose) except -1
    cdef int ask_for_life(self) except -1
    cdef int leave(self, uint32_t code) except -1
    cdef int lose(self, object error) except -1

    cdef Py_ssize_t free_streams(self) noexcept
    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept
    cdef bint can_go_on(self) noexcept
    cdef H2Stream request(self, Exchange exchange, RequestFields head, bytes scheme, bint whole)
    cdef H2Stream open_stream(self, Exchange exchange, RequestFields head, bytes scheme, bytes body)
    cdef bytes encode(self, Exchange exchange, RequestFields head, bytes scheme)
    cdef int write_head(self, H2Stream stream, bytes block, bint ends) except -1

    cdef int send_body(self, H2Stream stream, bytes piece) except -1
    cdef int end_body(self, H2Stream stream) except -1
    cdef int send_raw(self, H2Stream stream, bytes octets) except -1
    cdef bint pump(self, H2Stream stream) except -1
    cdef int pump_all(self) except -1
    cdef bint consumed(self, H2Stream stream, Py_ssize_t size) except -1

    cdef int end_tunnel(self, H2Stream stream) except -1
    cpdef int cancel(self, H2Stream stream, double now, double waited) except -1
    cdef int reset(self, H2Stream stream, uint32_t code) except -1
    cdef int close_stream(self, H2Stream stream) except -1
    cdef int fail_all(self, str text, uint32_t above) except -1

    cdef int note(self, H2Stream stream) except -1
    cdef list take_changed(self)
    cdef uint8_t* frame(self, uint32_t size, int kind, int flags, uint32_t stream_id) except NULL


cdef double moved_at(Exchange exchange) noexcept
