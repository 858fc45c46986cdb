"""Frames of HTTP/2: numbers of RFC 9113, and big-endian octets. Inline only: no state."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum:
    FRAME_HEADER_BYTES = 9             # RFC 9113, 4.1

cdef enum FrameType:                   # 6
    FRAME_DATA = 0
    FRAME_HEADERS = 1
    FRAME_PRIORITY = 2
    FRAME_RST_STREAM = 3
    FRAME_SETTINGS = 4
    FRAME_PUSH_PROMISE = 5
    FRAME_PING = 6
    FRAME_GOAWAY = 7
    FRAME_WINDOW_UPDATE = 8
    FRAME_CONTINUATION = 9

cdef enum FrameFlag:
    FLAG_ACK = 0x01
    FLAG_END_STREAM = 0x01
    FLAG_END_HEADERS = 0x04
    FLAG_PADDED = 0x08
    FLAG_PRIORITY = 0x20

cdef enum Setting:                     # 6.5.2; RFC 8441, 3
    SETTING_HEADER_TABLE_SIZE = 1
    SETTING_ENABLE_PUSH = 2
    SETTING_MAX_CONCURRENT_STREAMS = 3
    SETTING_INITIAL_WINDOW_SIZE = 4
    SETTING_MAX_FRAME_SIZE = 5
    SETTING_MAX_HEADER_LIST_SIZE = 6
    SETTING_ENABLE_CONNECT_PROTOCOL = 8
    SETTING_NO_RFC7540_PRIORITIES = 9  # RFC 9218, 2.1

cdef enum ErrorCode:                   # 7
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


cdef inline uint32_t read_16(const uint8_t* data) noexcept nogil:
    return (<uint32_t>data[0] << 8) | data[1]


cdef inline uint32_t read_24(const uint8_t* data) noexcept nogil:
    return (<uint32_t>data[0] << 16) | (<uint32_t>data[1] << 8) | data[2]


cdef inline uint32_t read_32(const uint8_t* data) noexcept nogil:
    return (<uint32_t>data[0] << 24) | (<uint32_t>data[1] << 16) | (<uint32_t>data[2] << 8) | data[3]


cdef inline void write_16(uint8_t* out, uint32_t value) noexcept nogil:
    out[0] = <uint8_t>((value >> 8) & 0xFF)
    out[1] = <uint8_t>(value & 0xFF)


cdef inline void write_32(uint8_t* out, uint32_t value) noexcept nogil:
    out[0] = <uint8_t>(value >> 24)
    out[1] = <uint8_t>((value >> 16) & 0xFF)
    out[2] = <uint8_t>((value >> 8) & 0xFF)
    out[3] = <uint8_t>(value & 0xFF)


cdef inline void write_frame_header(
    uint8_t* out, uint32_t size, int kind, int flags, uint32_t stream_id
) noexcept nogil:
    """The nine octets before a payload (RFC 9113, 4.1)."""
    out[0] = <uint8_t>((size >> 16) & 0xFF)
    out[1] = <uint8_t>((size >> 8) & 0xFF)
    out[2] = <uint8_t>(size & 0xFF)
    out[3] = <uint8_t>kind
    out[4] = <uint8_t>flags
    write_32(out + 5, stream_id)
