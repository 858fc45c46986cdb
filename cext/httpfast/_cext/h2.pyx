# cython: overflowcheck=False
# (In checked builds Cython takes a difference of pointers for one of integers, which C compilers refuse.)
"""H2Engine: HTTP/2 for the client's side of one connection, sans-IO (RFC 9113). See the .pxd for its states.

This is what is received; what is sent is in `h2_sender`.

An error of the connection raises, after a GOAWAY that says why was put into `out`; the engine is dead then, and so are
its exchanges. An error of one stream fails its exchange and resets it; the others go on.

Windows: the connection's is so large that it never holds anything back, and is given back as octets arrive; so one
caller who does not read holds back nobody else. A stream's is given back as octets arrive too, if its body is
collected, else as they are taken: that is a streamed body's backpressure. A stream's window is of one size, or grows:
each time that the octets of a round trip (a PING's) fill more than two thirds of it, it becomes twice what they were.
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
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLAG_ACK,
    FLAG_END_HEADERS,
    FLAG_END_STREAM,
    FLAG_PADDED,
    FLAG_PRIORITY,
    FLOW_CONTROL_ERROR,
    FRAME_CONTINUATION,
    FRAME_DATA,
    FRAME_GOAWAY,
    FRAME_HEADER_BYTES,
    FRAME_HEADERS,
    FRAME_PING,
    FRAME_PRIORITY,
    FRAME_PUSH_PROMISE,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_SIZE_ERROR,
    FRAME_WINDOW_UPDATE,
    NO_ERROR,
    PROTOCOL_ERROR,
    HTTP_1_1_REQUIRED,
    REFUSED_STREAM,
    SETTING_ENABLE_CONNECT_PROTOCOL,
    SETTING_ENABLE_PUSH,
    SETTING_HEADER_TABLE_SIZE,
    SETTING_INITIAL_WINDOW_SIZE,
    SETTING_MAX_CONCURRENT_STREAMS,
    SETTING_MAX_FRAME_SIZE,
    STREAM_CLOSED,
    read_16,
    read_24,
    read_32,
    write_32,
)
from .h2_heads cimport RequestFields, ResponseHead, read_head, read_trailers
from .h2_sender cimport (
    ABANDONED_LIMIT,
    CONNECTION_WINDOW,
    FRAME_LIMIT,
    HEAD_LIMIT,
    LAST_ID,
    PING_GROWTH,
    STREAM_WINDOW,
    H2Sender,
    H2Stream,
)
from .hpack cimport HpackDecoder

from httpfast._cext.h2_sender import error_name
from httpfast._cext.hpack import HpackError
from httpfast._exceptions import RemoteProtocolError

cdef enum:
    FIELD_LIMIT = 1000
    CONTINUATION_LIMIT = 16            # frames of one field block beside the first (CVE-2024-28182)
    INFORMATIONAL_LIMIT = 32
    IDLE_LIMIT = 1000                  # frames in a row that bring nothing on (CVE-2019-9511 and its like)
    PREALLOCATE_LIMIT = 67108864       # 64 MiB, as in HTTP/1.1
    GROWTH_LIMIT = 67108864
    SETTINGS_LIMIT = 64                # settings in one frame (CVE-2020-11080)
    REPLY_LIMIT = 1000                 # answers that wait to be written (CVE-2019-9512, 9515)

cdef int64_t WINDOW_LIMIT = 2147483647


class ConnectionFault(RemoteProtocolError):
    """What the peer did ends the connection.

    Args:
        code: for the GOAWAY (RFC 9113, 7).
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


cdef class H2Engine(H2Sender):
    """One connection's HTTP/2. It has one owner and no lock."""

    def __cinit__(self):
        self.decoder = HpackDecoder(max_list_size=HEAD_LIMIT, max_fields=FIELD_LIMIT)
        self.pending = ByteBuffer.__new__(ByteBuffer)
        self.block = ByteBuffer.__new__(ByteBuffer)
        self.connection_window = CONNECTION_WINDOW

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take octets as they were read. Raises RemoteProtocolError; the engine is dead then."""
        cdef Py_ssize_t used
        if self.is_dead:
            return 0
        self.is_asked = False
        self.doubted_at = 0.0
        if self.is_doubted:
            self.is_doubted = False
            self.has_new_room = self.has_settings
        try:
            while size:
                if self.in_data:
                    used = self.receive_data_payload(data, size)
                else:
                    used = self.receive_frame(<const uint8_t*>data, size)
                data += used
                size -= used
        except HpackError as error:
            self.die(COMPRESSION_ERROR, str(error))
            raise RemoteProtocolError(f"A field block cannot be decoded: {error} (RFC 7541)") from error
        except ConnectionFault as error:
            self.die(error.code, str(error))
            raise
        except MemoryError as error:
            self.lose(error)           # nobody knows what of the octets was taken
            raise
        except BaseException as error:
            self.die(PROTOCOL_ERROR, str(error))
            raise
        return 0

    cdef int receive_end(self) except -1:
        """The peer has closed its side: what is not complete fails."""
        if not self.is_dead:
            self.is_draining = self.is_dead = True
            if self.goaway_code > NO_ERROR:
                self.fail_all(f"The server closed the connection: {error_name(self.goaway_code)}", 0)
            else:
                self.fail_all("Server disconnected without sending a complete response.", 0)
        return 0

    cdef int die(self, uint32_t code, str text) except -1:
        """The connection is of no more use: say why, and fail what is under way."""
        cdef H2Stream stream
        self.leave(code)
        self.is_draining = self.is_dead = True
        for stream in self.streams.values():
            stream.exchange.was_answered = True    # wrongly, but that is no reason to ask again
        return self.fail_all(text, 0)

    cdef H2Stream find(self, uint32_t stream_id):
        """The stream, or None when it is closed. Raises ConnectionFault for one that never was (RFC 9113, 5.1)."""
        cdef PyObject* found = PyDict_GetItemWithError(self.streams, stream_id)
        if found != NULL:
            return <H2Stream>found
        if not stream_id & 1 or stream_id >= self.next_id:
            raise ConnectionFault(PROTOCOL_ERROR, f"A frame for the idle stream {stream_id} (RFC 9113, 5.1)")
        return None

    cdef int close_stream(self, H2Stream stream) except -1:
        if self.data_stream is stream:
            self.data_stream = None
        return H2Sender.close_stream(self, stream)

    cdef int fail_stream(self, H2Stream stream, uint32_t code, str text) except -1:
        """An error of one stream (RFC 9113, 5.4.2)."""
        stream.exchange.was_answered = True        # wrongly, but that is no reason to ask again
        if stream.exchange.error is None:
            stream.exchange.error = RemoteProtocolError(text)
        self.note(stream)
        return self.reset(stream, code)

    # Frames

    cdef Py_ssize_t receive_frame(self, const uint8_t* data, Py_ssize_t size) except -1:
        """One frame, or as much of it as there is; DATA as soon as its header is. Returns the octets used."""
        cdef Py_ssize_t before = self.pending.filled, needed = FRAME_HEADER_BYTES
        cdef const uint8_t* at = data
        cdef uint32_t payload
        if before:
            # The rest of the header first, so that it is known how long the frame is.
            if before < FRAME_HEADER_BYTES:
                needed = min(size, FRAME_HEADER_BYTES - before)
                self.pending.append(<const char*>data, needed)
                if self.pending.filled < FRAME_HEADER_BYTES:
                    return needed
                self.check_header(<const uint8_t*>self.pending.data())
                if self.pending.data()[3] != FRAME_DATA:
                    return needed if self.receive_pending() else needed
                # DATA needs its first octet too, when it is padded.
                if not self.pending.data()[4] & FLAG_PADDED or read_24(<const uint8_t*>self.pending.data()) == 0:
                    self.receive_pending()
                return needed
            payload = read_24(<const uint8_t*>self.pending.data())
            if self.pending.data()[3] == FRAME_DATA:
                payload = 1
            needed = min(size, FRAME_HEADER_BYTES + <Py_ssize_t>payload - before)
            self.pending.append(<const char*>data, needed)
            self.receive_pending()
            return needed
        if size < FRAME_HEADER_BYTES:
            self.pending.append(<const char*>data, size)
            return size
        self.check_header(at)
        payload = read_24(at)
        if at[3] == FRAME_DATA:
            if at[4] & FLAG_PADDED and payload and size == FRAME_HEADER_BYTES:
                self.pending.append(<const char*>data, size)
                return size
            return FRAME_HEADER_BYTES + self.begin_data(
                at[4], read_32(at + 5) & LAST_ID, at + FRAME_HEADER_BYTES, payload
            )
        if size < FRAME_HEADER_BYTES + <Py_ssize_t>payload:
            self.pending.append(<const char*>data, size)
            return size
        self.take_frame(at[3], at[4], read_32(at + 5) & LAST_ID, at + FRAME_HEADER_BYTES, payload)
        return FRAME_HEADER_BYTES + payload

    cdef int check_header(self, const uint8_t* at) except -1:
        """A frame's header, as soon as it is there."""
        if read_24(at) > FRAME_LIMIT:
            raise ConnectionFault(FRAME_SIZE_ERROR, f"A frame of {read_24(at)} octets (RFC 9113, 4.2)")
        if not self.has_settings and (at[3] != FRAME_SETTINGS or at[4] & FLAG_ACK):
            raise ConnectionFault(PROTOCOL_ERROR, "The server does not begin with SETTINGS (RFC 9113, 3.4)")
        if self.block_stream and (at[3] != FRAME_CONTINUATION or read_32(at + 5) & LAST_ID != self.block_stream):
            raise ConnectionFault(PROTOCOL_ERROR, "A frame within a field block (RFC 9113, 4.3)")
        return 0

    cdef bint receive_pending(self) except -1:
        """Take the frame in `pending` if it is complete. Of DATA the header is enough, with the padding's length."""
        cdef const uint8_t* at = <const uint8_t*>self.pending.data()
        cdef uint32_t payload = read_24(at)
        cdef ByteBuffer whole
        if at[3] == FRAME_DATA:
            self.begin_data(at[4], read_32(at + 5) & LAST_ID, at + FRAME_HEADER_BYTES, payload)
            self.pending.filled = 0
            return True
        if self.pending.filled < FRAME_HEADER_BYTES + <Py_ssize_t>payload:
            return False
        whole, self.pending = self.pending, ByteBuffer.__new__(ByteBuffer)
        at = <const uint8_t*>whole.data()
        self.take_frame(at[3], at[4], read_32(at + 5) & LAST_ID, at + FRAME_HEADER_BYTES, payload)
        return True

    cdef int take_frame(self, int kind, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1:
        """Any complete frame but DATA."""
        cdef H2Stream stream
        if kind == FRAME_HEADERS:
            return self.take_headers(flags, stream_id, payload, size)
        self.idle_frames += 1
        if self.idle_frames > IDLE_LIMIT:
            raise ConnectionFault(
                ENHANCE_YOUR_CALM, f"More than {IDLE_LIMIT} frames in a row that bring nothing (RFC 9113, 10.5)"
            )
        if kind == FRAME_WINDOW_UPDATE:
            return self.take_window_update(stream_id, payload, size)
        if kind == FRAME_SETTINGS:
            if stream_id:
                raise ConnectionFault(PROTOCOL_ERROR, "SETTINGS on a stream (RFC 9113, 6.5)")
            return self.take_settings(flags, payload, size)
        if kind == FRAME_PING:
            if stream_id:
                raise ConnectionFault(PROTOCOL_ERROR, "PING on a stream (RFC 9113, 6.7)")
            if size != 8:
                raise ConnectionFault(FRAME_SIZE_ERROR, "A PING without eight octets (RFC 9113, 6.7)")
            if not flags & FLAG_ACK:
                self.reply()
                memcpy(self.frame(8, FRAME_PING, FLAG_ACK, 0), payload, 8)
            elif self.is_sampling and read_32(payload + 4) == PING_GROWTH:
                self.end_sample()
            return 0
        if kind == FRAME_RST_STREAM:
            return self.take_reset(stream_id, payload, size)
        if kind == FRAME_GOAWAY:
            if stream_id:
                raise ConnectionFault(PROTOCOL_ERROR, "GOAWAY on a stream (RFC 9113, 6.8)")
            return self.take_goaway(payload, size)
        if kind == FRAME_CONTINUATION:
            if not self.block_stream:
                raise ConnectionFault(PROTOCOL_ERROR, "CONTINUATION without a field block (RFC 9113, 6.10)")
            self.continuations += 1
            if self.continuations > CONTINUATION_LIMIT or self.block.filled + <Py_ssize_t>size > HEAD_LIMIT:
                raise ConnectionFault(
                    ENHANCE_YOUR_CALM,
                    f"A field block of more than {CONTINUATION_LIMIT} CONTINUATION frames or {HEAD_LIMIT} octets",
                )
            self.block.append(<const char*>payload, size)
            if flags & FLAG_END_HEADERS:
                self.block_stream = 0
                self.take_block(stream_id, self.block.data(), self.block.filled, self.block_ends)
                self.block.clear()
            return 0
        if kind == FRAME_PUSH_PROMISE:
            raise ConnectionFault(PROTOCOL_ERROR, "PUSH_PROMISE, which was turned off (RFC 9113, 8.4)")
        if kind == FRAME_PRIORITY:
            if stream_id == 0:
                raise ConnectionFault(PROTOCOL_ERROR, "PRIORITY without a stream (RFC 9113, 6.3)")
            if size != 5:
                stream = self.streams.get(stream_id)
                if stream is None:
                    raise ConnectionFault(FRAME_SIZE_ERROR, "A PRIORITY without five octets (RFC 9113, 6.3)")
                return self.fail_stream(stream, FRAME_SIZE_ERROR, "A PRIORITY without five octets (RFC 9113, 6.3)")
        return 0                       # PRIORITY, and frames that this engine does not know (5.5), mean nothing

    # DATA (RFC 9113, 6.1): its octets go to the body as they come, whether or not the frame is complete

    cdef int begin_data(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1:
        """A DATA frame begins. Returns the octets used behind its header: the padding's length, if there is one."""
        cdef H2Stream stream
        cdef int used = 0
        if stream_id == 0:
            raise ConnectionFault(PROTOCOL_ERROR, "DATA without a stream (RFC 9113, 6.1)")
        stream = self.find(stream_id)
        if stream is None and not self.is_ours(stream_id):
            raise ConnectionFault(STREAM_CLOSED, f"DATA on the closed stream {stream_id} (RFC 9113, 5.1)")
        self.data_left = size
        self.padding_left = 0
        if flags & FLAG_PADDED:
            if size == 0:
                raise ConnectionFault(FRAME_SIZE_ERROR, "Padded DATA without the padding's length (RFC 9113, 6.1)")
            used = 1
            self.padding_left = payload[0]
            if self.padding_left >= size:
                raise ConnectionFault(PROTOCOL_ERROR, "The padding is longer than its frame (RFC 9113, 6.1)")
            self.data_left -= 1 + self.padding_left
        # Padding counts (6.9.1). The connection's window is given back at once, whoever the octets are for.
        self.window_used += size
        if self.window_used > self.connection_window:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "More DATA than the connection's window (RFC 9113, 6.9)")
        if self.window_used > CONNECTION_WINDOW // 2:
            write_32(self.frame(4, FRAME_WINDOW_UPDATE, 0, 0), <uint32_t>self.window_used)
            self.window_used = 0
        if self.is_growing:
            self.sample += size
            if not self.is_sampling and self.data_left:
                self.is_sampling = True
                self.sample = size
                self.ping(PING_GROWTH)
        if size == 0 or self.data_left == 0:
            self.idle_frames += 1
            if self.idle_frames > IDLE_LIMIT:
                raise ConnectionFault(ENHANCE_YOUR_CALM, f"More than {IDLE_LIMIT} empty frames (RFC 9113, 10.5)")
        elif stream is not None:
            self.idle_frames = 0       # what nobody takes brings nothing on
        if stream is not None:
            stream.window_used += size
            stream.taken += size - self.data_left
            if stream.has_ended:
                self.fail_stream(stream, STREAM_CLOSED, "DATA behind the end of the stream (RFC 9113, 5.1)")
                stream = None
            elif stream.window_used > self.largest_window:
                self.fail_stream(stream, FLOW_CONTROL_ERROR, "More DATA than the stream's window (RFC 9113, 6.9)")
                stream = None
            elif not stream.has_head:
                self.fail_stream(stream, PROTOCOL_ERROR, "DATA before the response's head (RFC 9113, 8.1)")
                stream = None
            elif self.data_left and stream.missing >= 0 and self.data_left > stream.missing:
                self.fail_stream(
                    stream,
                    PROTOCOL_ERROR,
                    "More content than Content-Length, or than its status allows (RFC 9113, 8.1.1)",
                )
                stream = None
        self.data_stream = stream
        self.data_ends = flags & FLAG_END_STREAM
        self.in_data = True
        if self.data_left == 0 and self.padding_left == 0:
            self.end_data()
        return used

    cdef Py_ssize_t receive_data_payload(self, const char* data, Py_ssize_t size) except -1:
        cdef H2Stream stream = self.data_stream
        cdef uint32_t used
        if self.data_left:
            used = <uint32_t>min(<Py_ssize_t>self.data_left, size)
            self.data_left -= used
            if stream is not None:
                stream.exchange.body.append(data, used)
                stream.moved_at = self.now
                if stream.missing >= 0:
                    stream.missing -= used
                if not stream.exchange.collect:
                    self.note(stream)
        else:
            used = <uint32_t>min(<Py_ssize_t>self.padding_left, size)
            self.padding_left -= used
        if self.data_left == 0 and self.padding_left == 0:
            self.end_data()
        return used

    cdef int end_data(self) except -1:
        """A DATA frame is complete."""
        cdef H2Stream stream = self.data_stream
        self.in_data = False
        self.data_stream = None
        if stream is None:
            return 0
        if self.data_ends:
            return self.finish(stream)
        if stream.exchange.collect and stream.window_used > self.stream_window // 2:
            write_32(self.frame(4, FRAME_WINDOW_UPDATE, 0, stream.id), <uint32_t>stream.window_used)
            stream.window_used = stream.taken = 0
        return 0

    cdef int end_sample(self) except -1:
        """A round trip is over: what has come in it says how large a window is worth having."""
        self.is_sampling = False
        if self.sample * 3 < self.stream_window * 2 or self.stream_window >= GROWTH_LIMIT:
            return 0
        # The peer grants the difference to all streams when it reads this (RFC 9113, 6.9.2).
        self.stream_window = self.largest_window = min(max(self.sample, self.stream_window) * 2, <int64_t>GROWTH_LIMIT)
        self.write_settings(((SETTING_INITIAL_WINDOW_SIZE, self.stream_window),))
        return 0

    cdef bint is_ours(self, uint32_t stream_id) except -1:
        """True for a closed stream that we have reset, as far as we remember: frames for it may be on their way."""
        return stream_id in self.abandoned or len(self.abandoned) >= ABANDONED_LIMIT or self.goaway_code >= 0

    # HEADERS

    cdef int take_headers(self, int flags, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1:
        cdef uint32_t padding = 0
        if stream_id == 0:
            raise ConnectionFault(PROTOCOL_ERROR, "HEADERS without a stream (RFC 9113, 6.2)")
        if flags & FLAG_PADDED:
            if size == 0:
                raise ConnectionFault(FRAME_SIZE_ERROR, "Padded HEADERS without the padding's length (RFC 9113, 6.2)")
            padding = payload[0]
            payload += 1
            size -= 1
        if flags & FLAG_PRIORITY:
            if size < 5:
                raise ConnectionFault(FRAME_SIZE_ERROR, "HEADERS too short for their priority (RFC 9113, 6.2)")
            payload += 5
            size -= 5
        if padding > size:
            raise ConnectionFault(PROTOCOL_ERROR, "The padding is longer than its frame (RFC 9113, 6.2)")
        size -= padding
        if flags & FLAG_END_HEADERS:
            return self.take_block(stream_id, <const char*>payload, size, flags & FLAG_END_STREAM)
        self.block.append(<const char*>payload, size)
        self.block_stream = stream_id
        self.block_ends = flags & FLAG_END_STREAM
        self.continuations = 0
        return 0

    cdef int take_block(self, uint32_t stream_id, const char* data, Py_ssize_t size, bint ends) except -1:
        """A complete field block. It is decoded in any case, for the table has to stay in step with the peer's."""
        cdef H2Stream stream = self.find(stream_id)
        cdef tuple decoded = self.decoder.decode(data, size)
        cdef ResponseHead head
        if stream is None:
            if not self.is_ours(stream_id):
                raise ConnectionFault(STREAM_CLOSED, f"HEADERS on the closed stream {stream_id} (RFC 9113, 5.1)")
            self.idle_frames += 1
            if self.idle_frames > IDLE_LIMIT:
                raise ConnectionFault(
                    ENHANCE_YOUR_CALM, f"More than {IDLE_LIMIT} frames in a row that bring nothing (RFC 9113, 10.5)"
                )
            return 0
        if stream.has_ended:
            return self.fail_stream(stream, STREAM_CLOSED, "HEADERS behind the end of the stream (RFC 9113, 5.1)")
        if decoded is None:
            return self.fail_stream(
                stream,
                ENHANCE_YOUR_CALM,
                f"The response has more than {FIELD_LIMIT} header fields, or {HEAD_LIMIT} octets of them",
            )
        if not stream.has_head:
            # A server repeats itself: the decoder gives the same list for the same block.
            if decoded is not self.last_decoded:
                self.last_response = read_head(decoded)
                self.last_decoded = decoded
            head = self.last_response
            if head.fault is None:
                return self.take_response(stream, head, ends)
        else:
            head = read_trailers(decoded)
            if head.fault is None:
                if ends:
                    if head.fields:
                        stream.exchange.trailers = list(head.fields)
                    return self.finish(stream)
                head.fault = "trailers that do not end the stream (RFC 9113, 8.1)"
        return self.fail_stream(stream, PROTOCOL_ERROR, f"The response's head is malformed: {head.fault}")

    cdef int take_response(self, H2Stream stream, ResponseHead head, bint ends) except -1:
        """The head of a response."""
        cdef Exchange exchange = stream.exchange
        cdef bytes name, value
        exchange.was_answered = True
        stream.moved_at = self.now
        if head.status < 200:
            stream.informational_count += 1
            for name, value in head.fields:
                stream.informational_bytes += PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value) + 32
            if ends or stream.informational_count > INFORMATIONAL_LIMIT or stream.informational_bytes > HEAD_LIMIT:
                return self.fail_stream(
                    stream,
                    PROTOCOL_ERROR,
                    "An informational response that ends the stream (RFC 9113, 8.1)"
                    if ends
                    else f"More than {INFORMATIONAL_LIMIT} informational responses to one request",
                )
            if head.status == 100:
                exchange.continued = True
                self.note(stream)
            else:
                if exchange.informational is None:
                    exchange.informational = []
                exchange.informational.append((head.status, list(head.fields)))
                if exchange.heeds_hints:
                    self.note(stream)
            return 0
        self.idle_frames = 0
        stream.has_head = self.may_ask = True
        exchange.status_code = head.status
        exchange.fields_known = head.fields
        exchange.has_set_cookie = head.has_set_cookie
        exchange.has_content_encoding = head.has_content_encoding
        exchange.is_persistent = True
        if exchange.answers_connect and head.status < 300:
            # Whatever its fields say, what follows is the tunnel's (RFC 9110, 9.3.6).
            exchange.content_length = stream.missing = -1
            exchange.is_tunnel = not ends
        elif exchange.answers_head or head.status == 204 or head.status == 304:
            exchange.content_length = -1
            stream.missing = 0
        else:
            exchange.content_length = stream.missing = head.content_length
            if 300 <= head.status < 400 and head.content_length != 0:
                # The caller decides how much of a redirect's body is worth reading, before all of it is in memory.
                exchange.collect = False
        if ends:
            return self.finish(stream)
        if exchange.is_tunnel:
            exchange.collect = False
        if exchange.collect and stream.missing > 0:
            exchange.body.reserve(<Py_ssize_t>min(stream.missing, <int64_t>PREALLOCATE_LIMIT))
        if not exchange.collect or not stream.is_sent:
            self.note(stream)
        return 0

    cdef int finish(self, H2Stream stream) except -1:
        """END_STREAM: the response is complete."""
        cdef Exchange exchange = stream.exchange
        if not stream.has_head:
            return self.fail_stream(
                stream, PROTOCOL_ERROR, "The stream ended before the response's head (RFC 9113, 8.1)"
            )
        if stream.missing > 0:
            return self.fail_stream(
                stream,
                PROTOCOL_ERROR,
                "peer closed stream without sending complete message body "
                f"(received {exchange.content_length - stream.missing} bytes, expected {exchange.content_length})",
            )
        exchange.is_complete = True
        self.note(stream)
        if exchange.is_tunnel and not stream.is_sent:
            stream.has_ended = True
            return 0
        if not stream.is_sent:
            # Answered before the request was all sent: the rest is not wanted (RFC 9113, 8.1).
            return self.reset(stream, NO_ERROR)
        return self.close_stream(stream)

    # The connection's frames

    cdef int reply(self) except -1:
        """An answer is about to be written. A peer that asks and does not read is not answered for ever."""
        self.replies += 1
        if self.replies > REPLY_LIMIT:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "The server asks and does not read the answers (RFC 9113, 10.5)")
        return 0

    cdef int take_settings(self, int flags, const uint8_t* payload, uint32_t size) except -1:
        cdef uint32_t i, name, value
        cdef int64_t change
        cdef H2Stream stream
        if flags & FLAG_ACK:
            if size:
                raise ConnectionFault(FRAME_SIZE_ERROR, "SETTINGS with ACK and a payload (RFC 9113, 6.5)")
            return 0
        if size % 6:
            raise ConnectionFault(FRAME_SIZE_ERROR, f"SETTINGS of {size} octets (RFC 9113, 6.5)")
        if size > 6 * SETTINGS_LIMIT:
            raise ConnectionFault(ENHANCE_YOUR_CALM, f"More than {SETTINGS_LIMIT} settings at once (RFC 9113, 10.5)")
        for i in range(0, size, 6):
            name = read_16(payload + i)
            value = read_32(payload + i + 2)
            if name == SETTING_HEADER_TABLE_SIZE:
                self.encoder.set_max_size(value)
            elif name == SETTING_ENABLE_PUSH:
                if value:
                    raise ConnectionFault(PROTOCOL_ERROR, "A server that turns push on (RFC 9113, 6.5.2)")
            elif name == SETTING_MAX_CONCURRENT_STREAMS:
                self.max_streams = value
            elif name == SETTING_INITIAL_WINDOW_SIZE:
                if value > WINDOW_LIMIT:
                    raise ConnectionFault(FLOW_CONTROL_ERROR, f"An initial window of {value} octets (RFC 9113, 6.5.2)")
                change = <int64_t>value - self.initial_send_window
                self.initial_send_window = value
                for stream in self.streams.values():
                    stream.send_window += change
                    if stream.send_window > WINDOW_LIMIT:
                        raise ConnectionFault(FLOW_CONTROL_ERROR, "A stream's window over 2^31-1 (RFC 9113, 6.9.2)")
            elif name == SETTING_MAX_FRAME_SIZE:
                if not FRAME_LIMIT <= value <= 16777215:
                    raise ConnectionFault(PROTOCOL_ERROR, f"A frame size of {value} octets (RFC 9113, 6.5.2)")
                # Larger frames than these save nothing, and hold back other streams.
                self.max_frame_size = min(value, <uint32_t>65536)
            elif name == SETTING_ENABLE_CONNECT_PROTOCOL:
                if value > 1 or (value == 0 and self.takes_connect_protocol):
                    raise ConnectionFault(PROTOCOL_ERROR, "SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, 3)")
                self.takes_connect_protocol = value
        self.has_settings = self.has_new_room = True
        self.reply()
        self.frame(0, FRAME_SETTINGS, FLAG_ACK, 0)
        return self.pump_all()

    cdef int take_window_update(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1:
        cdef uint32_t grant
        cdef H2Stream stream
        if size != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, "A WINDOW_UPDATE without four octets (RFC 9113, 6.9)")
        grant = read_32(payload) & LAST_ID
        if stream_id == 0:
            self.send_window += grant
            if grant == 0:
                raise ConnectionFault(PROTOCOL_ERROR, "A WINDOW_UPDATE of nothing (RFC 9113, 6.9)")
            if self.send_window > WINDOW_LIMIT:
                raise ConnectionFault(FLOW_CONTROL_ERROR, "The connection's window is over 2^31-1 (RFC 9113, 6.9.1)")
            return self.pump_all()
        stream = self.find(stream_id)
        if stream is None:
            return 0                   # closed: it was on its way (5.1)
        if grant == 0:
            return self.fail_stream(stream, PROTOCOL_ERROR, "A WINDOW_UPDATE of nothing (RFC 9113, 6.9)")
        stream.send_window += grant
        if stream.send_window > WINDOW_LIMIT:
            return self.fail_stream(stream, FLOW_CONTROL_ERROR, "The stream's window is over 2^31-1 (RFC 9113, 6.9.1)")
        if stream.unsent is not None and self.pump(stream):
            self.blocked.pop(stream.id, None)
            self.note(stream)
        return 0

    cdef int take_reset(self, uint32_t stream_id, const uint8_t* payload, uint32_t size) except -1:
        cdef H2Stream stream
        cdef uint32_t code
        if stream_id == 0:
            raise ConnectionFault(PROTOCOL_ERROR, "RST_STREAM without a stream (RFC 9113, 6.4)")
        if size != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, "An RST_STREAM without four octets (RFC 9113, 6.4)")
        stream = self.find(stream_id)
        if stream is None:
            self.abandoned.pop(stream_id, None)
            return 0
        code = read_32(payload)
        stream.exchange.was_answered = True
        stream.exchange.was_refused = code == REFUSED_STREAM
        stream.exchange.needs_h1 = code == HTTP_1_1_REQUIRED
        stream.exchange.error = RemoteProtocolError(f"The server reset the stream: {error_name(code)}")
        self.note(stream)
        return self.close_stream(stream)

    cdef int take_goaway(self, const uint8_t* payload, uint32_t size) except -1:
        """The server takes no new streams; those above its last one were not looked at (RFC 9113, 6.8)."""
        cdef uint32_t last
        cdef H2Stream stream
        if size < 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, "A GOAWAY without eight octets (RFC 9113, 6.8)")
        last = read_32(payload) & LAST_ID
        self.goaway_code = <int>min(read_32(payload + 4), <uint32_t>LAST_ID)
        self.is_draining = True
        for stream in self.streams.values():
            if stream.id > last:
                stream.exchange.was_refused = True
        return self.fail_all(
            f"The server is closing the connection and has not looked at the request: {error_name(self.goaway_code)}",
            last,
        )

    # The same by Python objects, for tests and for whoever drives the engine by hand

    def open(self, int64_t window=STREAM_WINDOW):
        """As `set_window` and `start`."""
        self.set_window(window)
        self.start()

    def receive_octets(self, data):
        """As `receive`; b"" is the end of input."""
        cdef bytes octets = bytes(data)
        if octets:
            self.receive(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets))
        else:
            self.receive_end()

    def begin(self, Exchange exchange not None, RequestFields head not None, bytes scheme=b"https", *,
              bint whole=True) -> H2Stream:
        """As `request`."""
        return self.request(exchange, head, scheme, whole)

    def write_body(self, H2Stream stream not None, data):
        """As `send_body`."""
        self.send_body(stream, bytes(data))

    def finish_body(self, H2Stream stream not None):
        """As `end_body`."""
        self.end_body(stream)

    def give_up(self, H2Stream stream not None, uint32_t code=CANCEL):
        """As `reset`."""
        self.reset(stream, code)

    def number_from(self, uint32_t stream_id):
        """The next stream gets this number: their end is far away (RFC 9113, 5.1.1)."""
        self.next_id = stream_id

    def streams_left(self) -> int:
        """As `free_streams`."""
        return self.free_streams()

    def windows(self, H2Stream stream=None) -> tuple:
        """Octets that the peer takes, and octets received that have not been given back: on a stream, or in all."""
        if stream is None:
            return self.send_window, self.window_used
        return stream.send_window, stream.window_used

    def tables(self) -> tuple:
        """The encoder and the decoder."""
        return self.encoder, self.decoder

    def take_news(self) -> list:
        """As `take_changed`."""
        return self.take_changed()
