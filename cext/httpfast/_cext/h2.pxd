"""H2Engine: HTTP/2 for the client's side of one connection, sans-IO (RFC 9113).

    start                                     the preface; octets to write collect in `out`
    request ─► stream [─► send_body ...] ─► end_body
    receive / receive_end                     octets read go in; exchanges fill up, those with news are in `changed`
    reset                                     the caller gives a stream up

    a stream    HEADERS out ──► HEADERS in ──► DATA in ... ──► END_STREAM in  (closed by it, by RST_STREAM or GOAWAY)
    the engine  open ──► draining (GOAWAY has come, or stream numbers have run out) ──► dead (error, or end of input)
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from .buffer cimport ByteBuffer
from .exchange cimport Exchange
from .h2_heads cimport RequestFields, ResponseHead
from .hpack cimport HpackDecoder, HpackEncoder


cdef enum:
    STREAM_WINDOW = 4194304                # octets: 4 MiB, 40 ms at 100 MB/s


cdef class H2Stream:
    cdef readonly uint32_t id
    cdef Exchange exchange

    # Sending.
    cdef int64_t send_window               # octets that the peer takes now; below 0 after it has shrunk the window
    cdef int64_t send_missing              # octets that Content-Length still promises, -1 for no promise
    cdef bytes unsent                      # a piece of the body that waits for the windows, or None
    cdef Py_ssize_t unsent_start
    cdef Py_ssize_t sent                   # octets of the body, so far
    cdef double moved_at                   # H2Engine.now when octets of it last came, or went
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


cdef class H2Engine:
    cdef HpackEncoder encoder
    cdef HpackDecoder decoder
    cdef tuple last_decoded                # a response's field list, and what it was read as
    cdef ResponseHead last_response
    cdef dict pseudo_fields                # what a request says -> its pseudo-fields
    cdef dict streams                      # id -> H2Stream; only those that are not closed
    cdef uint32_t next_id
    cdef readonly ByteBuffer out           # octets to write
    cdef list changed                      # exchanges with news since `take_changed`
    cdef readonly bint is_draining         # no new streams
    cdef readonly bint is_dead
    cdef double now                        # monotonic seconds of what is received, as the driver says before `receive`
    cdef readonly int goaway_code          # of the GOAWAY that has come, -1 before

    # What the peer has said.
    cdef bint has_settings, has_new_settings
    cdef readonly int64_t max_streams      # SETTINGS_MAX_CONCURRENT_STREAMS
    cdef readonly bint takes_connect_protocol  # RFC 8441
    cdef int64_t initial_send_window
    cdef uint32_t max_frame_size
    cdef int64_t send_window               # of the connection
    cdef dict blocked                      # id -> H2Stream with something unsent, oldest first

    # What we have said.
    cdef int64_t stream_window, connection_window
    cdef int64_t window_used               # of the connection
    cdef dict abandoned                    # ids of streams that we have reset: frames for them are on their way
    cdef int64_t largest_window            # of a stream, that the peer may have
    cdef readonly bint is_asked            # a PING of ours is out, and nothing has come since
    cdef bint is_growing, is_sampling      # windows grow; a PING measures what comes in a round trip
    cdef int64_t sample                    # octets of DATA since that PING
    cdef int replies                       # to the peer's PING and SETTINGS, since `take_output`

    # The frame under way.
    cdef ByteBuffer pending                # a frame, or its header, that is not complete
    cdef H2Stream data_stream              # whose DATA comes in, None for a closed one
    cdef uint32_t data_left, padding_left  # octets of its payload to come
    cdef bint in_data, data_ends
    cdef ByteBuffer block                  # a field block until END_HEADERS
    cdef uint32_t block_stream             # whose; 0 when there is none under way
    cdef bint block_ends
    cdef int continuations
    cdef int idle_frames                   # frames that brought nothing since something last went on

    cdef int start(self) except -1
    cdef H2Stream request(self, Exchange exchange, RequestFields head, bytes scheme, bint whole)
    cdef H2Stream open_stream(self, Exchange exchange, RequestFields head, bytes scheme, bytes body)
    cdef int send_body(self, H2Stream stream, bytes piece) except -1
    cdef int end_body(self, H2Stream stream) except -1
    cdef int reset(self, H2Stream stream, uint32_t code) except -1
    cdef int send_raw(self, H2Stream stream, bytes octets) except -1
    cdef int end_tunnel(self, H2Stream stream) except -1
    cdef bint consumed(self, H2Stream stream, Py_ssize_t size) except -1
    cdef int lose(self, object error) except -1
    cdef int receive(self, const char* data, Py_ssize_t size) except -1
    cdef int receive_end(self) except -1
    cdef list take_changed(self)
    cdef Py_ssize_t free_streams(self) noexcept
    cdef bint can_go_on(self) noexcept
    cdef Py_ssize_t agree(self, Py_ssize_t expected) noexcept

    cdef uint8_t* frame(self, uint32_t size, int kind, int flags, uint32_t stream_id) except NULL
    cdef int write_head(self, H2Stream stream, bytes block, bint ends) except -1
    cdef int write_settings(self, tuple settings) except -1
    cdef int set_window(self, int64_t size) except -1
    cpdef bytes take_output(self)
    cdef int ping(self, uint32_t purpose) except -1
    cdef int ask_for_life(self) except -1
    cdef int reply(self) except -1
    cdef int end_sample(self) except -1
    cdef int leave(self, uint32_t code) except -1
    cdef int die(self, uint32_t code, str text) except -1
    cdef bint is_ours(self, uint32_t stream_id) except -1
    cdef bytes encode(self, Exchange exchange, RequestFields head, bytes scheme)
    cdef bint pump(self, H2Stream stream) except -1
    cdef int pump_all(self) except -1
    cdef int note(self, H2Stream stream) except -1
    cdef int close_stream(self, H2Stream stream) except -1
    cdef int fail_stream(self, H2Stream stream, uint32_t code, str text) except -1
    cdef int fail_all(self, str text, uint32_t above) except -1
    cdef Py_ssize_t receive_data_payload(self, const char* data, Py_ssize_t size) except -1
    cdef Py_ssize_t receive_frame(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int check_header(self, const uint8_t* at) except -1
    cdef bint receive_pending(self) except -1
    cdef int take_frame(self, int kind, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int begin_data(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int end_data(self) except -1
    cdef int take_headers(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_block(self, uint32_t stream_id, const char* data, Py_ssize_t size, bint ends) except -1
    cdef int take_response(self, H2Stream stream, ResponseHead head, bint ends) except -1
    cdef int finish(self, H2Stream stream) except -1
    cdef int take_settings(self, int flags, const uint8_t* payload, uint32_t size) except -1
    cdef int take_window_update(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_reset(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_goaway(self, const uint8_t* payload, uint32_t size) except -1
    cdef H2Stream find(self, uint32_t stream_id)


cdef double moved_at(Exchange exchange) noexcept
