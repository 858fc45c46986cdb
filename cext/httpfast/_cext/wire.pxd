"""Byte classes and comparisons of HTTP/1 heads (RFC 9110, 5.6.2 and 5.5; RFC 9112, 3). Inline only: no state."""
from libc.stdint cimport uint8_t

cdef extern from *:
    """
    /* Bit 1: tchar (RFC 9110, 5.6.2). Bit 2: allowed in a field value: HTAB, SP, VCHAR, obs-text (5.5).
       Bit 4: VCHAR, allowed in a request target. One row per 16 octets. */
    static const unsigned char httpfast_octets[256] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 7, 6, 7, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 6,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6,
        6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 6, 7, 0,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    };
    """
    const uint8_t httpfast_octets[256]

cdef enum:
    TOKEN_OCTET = 1
    VALUE_OCTET = 2
    VISIBLE_OCTET = 4


cdef inline bint is_token_octet(char octet) noexcept nogil:
    return (httpfast_octets[<uint8_t>octet] & TOKEN_OCTET) != 0


cdef inline Py_ssize_t token_length(const char* data, Py_ssize_t size) noexcept nogil:
    """Octets at the start of data that belong to a token (RFC 9110, 5.6.2)."""
    cdef Py_ssize_t i = 0
    while i < size and httpfast_octets[<uint8_t>data[i]] & TOKEN_OCTET:
        i += 1
    return i


cdef inline bint all_of(const char* data, Py_ssize_t size, uint8_t octet_class) noexcept nogil:
    """True when each octet has the class. Without an early exit, so that compilers vectorise the loop."""
    cdef uint8_t common = octet_class
    cdef Py_ssize_t i
    for i in range(size):
        common &= httpfast_octets[<uint8_t>data[i]]
    return common != 0


cdef inline bint is_blank(char octet) noexcept nogil:
    """SP or HTAB: OWS (RFC 9110, 5.6.3)."""
    return octet == 32 or octet == 9


cdef inline bint equals_lower(const char* data, const char* lower, Py_ssize_t size) noexcept nogil:
    """Case-insensitive comparison of a token with a lower-case literal of the same size."""
    cdef Py_ssize_t i
    for i in range(size):
        if (data[i] | 0x20) != lower[i]:
            return False
    return True


cdef inline int hex_value(char octet) noexcept nogil:
    """The value of a HEXDIG, or -1."""
    if 48 <= octet <= 57:
        return octet - 48
    if 65 <= (octet & ~0x20) <= 70:
        return (octet & ~0x20) - 55
    return -1
