"""H2Engine: HTTP/2 for the client's side of one connection, sans-IO (RFC 9113).

    start                                     the preface; octets to write collect in `out`
    request ─► stream [─► send_body ...] ─► end_body
    receive / receive_end                     octets read go in; exchanges fill up, those with news are in `changed`
    cancel                                    the caller has done with a stream

    a stream    HEADERS out ──► HEADERS in ──► DATA in ... ──► END_STREAM in  (closed by it, by RST_STREAM or GOAWAY)
    the engine  open ──► draining (GOAWAY has come, or stream numbers have run out) ──► dead (error, or end of input)
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from .buffer cimport ByteBuffer
from .h2_heads cimport ResponseHead
from .h2_sender cimport H2Sender, H2Stream
from .hpack cimport HpackDecoder


cdef class H2Engine(H2Sender):
    cdef HpackDecoder decoder
    cdef tuple last_decoded                # a response's field list, and what it was read as
    cdef ResponseHead last_response
    cdef int64_t connection_window
    cdef int64_t window_used               # of the connection
    cdef bint is_sampling                  # a PING measures what comes in a round trip
    cdef int64_t sample                    # octets of DATA since that PING

    # The frame under way.
    cdef ByteBuffer pending                # a frame, or its header, that is not complete
    cdef H2Stream data_stream              # whose DATA comes in, None for a closed one
    cdef uint32_t data_left, padding_left  # octets of its payload to come
    cdef bint in_data, data_ends
    cdef ByteBuffer block                  # a field block until END_HEADERS
    cdef uint32_t block_stream             # whose; 0 when there is none under way
    cdef bint block_ends
    cdef int continuations

    cdef int receive(self, const char* data, Py_ssize_t size) except -1
    cdef int receive_end(self) except -1
    cdef int die(self, uint32_t code, str text) except -1
    cdef H2Stream find(self, uint32_t stream_id)
    cdef int fail_stream(self, H2Stream stream, uint32_t code, str text) except -1

    cdef Py_ssize_t receive_frame(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int check_header(self, const uint8_t* at) except -1
    cdef bint receive_pending(self) except -1
    cdef int take_frame(self, int kind, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1

    cdef int begin_data(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef Py_ssize_t receive_data_payload(self, const char* data, Py_ssize_t size) except -1
    cdef int end_data(self) except -1
    cdef int end_sample(self) except -1
    cdef bint is_ours(self, uint32_t stream_id) except -1

    cdef int take_headers(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_block(self, uint32_t stream_id, const char* data, Py_ssize_t size, bint ends) except -1
    cdef int take_response(self, H2Stream stream, ResponseHead head, bint ends) except -1
    cdef int finish(self, H2Stream stream) except -1

    cdef int reply(self) except -1
    cdef int take_settings(self, int flags, const uint8_t* payload, uint32_t size) except -1
    cdef int take_window_update(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_reset(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1
    cdef int take_goaway(self, const uint8_t* payload, uint32_t size) except -1
