"""RequestHead: a request's fields, checked once, with what they say about framing (RFC 9110, 5; RFC 9112, 6).

Everything a caller can put into a request head is refused here, before the first octet is written.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from .wire cimport VALUE_OCTET, all_of, is_blank, token_length

from httpfast._exceptions import LocalProtocolError

cdef int64_t MAX_LENGTH = (<int64_t>1 << 62) - 1 + (<int64_t>1 << 62)

cdef dict _methods = {
    name: name.encode()
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
}


def shown(octets) -> str:
    """At most 64 octets of what was seen, for a message."""
    return repr(bytes(octets[:64])) + ("..." if len(octets) > 64 else "")


cdef bytes method_bytes(str method):
    """The method as it goes on the wire. Raises LocalProtocolError when it is no token (RFC 9110, 9.1)."""
    cdef bytes encoded
    known = _methods.get(method)
    if known is not None:
        return <bytes>known
    encoded = method.encode("ascii", "replace")        # "?" is no token character either
    if not encoded or token_length(PyBytes_AS_STRING(encoded), len(encoded)) != len(encoded):
        raise LocalProtocolError(f"Illegal request method {shown(encoded)}: not a token (RFC 9110, 9.1)")
    return encoded


cdef inline char* copied(char* out, bytes octets) noexcept:
    """Write octets to `out`; returns where the next one goes."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(octets)
    memcpy(out, PyBytes_AS_STRING(octets), size)
    return out + size


cdef class RequestHead:
    """The fields of one or many requests: checked, encoded for HTTP/1.1, and read for framing.

    Args:
        fields: (name, lower-case name, value) triples of bytes, in order.

    Raises:
        LocalProtocolError: a name is not a token (RFC 9110, 5.1), a value holds a control character (5.5), or the
            fields that frame the body contradict each other (RFC 9112, 6).
    """

    def __init__(self, tuple fields not None):
        cdef list values = []
        cdef bytes name, lower, value
        cdef Py_ssize_t size, total = 2, index = 0
        cdef char* out
        self.content_length = -1
        for name, lower, value in fields:
            if name is None or lower is None or value is None:
                raise TypeError("A field is a triple of bytes, not of None")
            size = PyBytes_GET_SIZE(name)
            if size == 0 or token_length(PyBytes_AS_STRING(name), size) != size:
                raise LocalProtocolError(f"Illegal header name {shown(name)}: not a token (RFC 9110, 5.1)")
            if not all_of(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), VALUE_OCTET):
                raise LocalProtocolError(
                    f"Illegal header value for {shown(name)}: control characters are not allowed (RFC 9110, 5.5)"
                )
            size = PyBytes_GET_SIZE(value)
            if size and (is_blank(value[0]) or is_blank(value[size - 1])):
                value = value.strip(b" \t")
            if PyBytes_GET_SIZE(lower) in (4, 6, 7, 10, 14, 17):
                self.take_framing(lower, value)
            values.append(value)
            total += PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value) + 4
        if self.is_chunked and self.content_length >= 0:
            raise LocalProtocolError("Content-Length and Transfer-Encoding in one request (RFC 9112, 6.2)")
        self.asks_upgrade = self.asks_upgrade and self.has_upgrade
        self.block = PyBytes_FromStringAndSize(NULL, total)
        out = PyBytes_AS_STRING(self.block)
        for name, _, _ in fields:
            out = copied(out, name)
            out[0] = 58                            # colon, space
            out[1] = 32
            out = copied(out + 2, <bytes>values[index])
            out[0] = 13
            out[1] = 10
            out += 2
            index += 1
        out[0] = 13
        out[1] = 10

    cdef int take_framing(self, bytes name, bytes value) except -1:
        """Note what a field says about the body and the connection."""
        if name == b"content-length":
            if not value or not value.isdigit() or len(value) > 19 or int(value) > MAX_LENGTH:
                raise LocalProtocolError(f"Illegal Content-Length {shown(value)} (RFC 9110, 8.6)")
            if self.content_length >= 0:
                raise LocalProtocolError("Content-Length appears twice (RFC 9110, 8.6)")
            self.content_length = int(value)
        elif name == b"transfer-encoding":
            if self.is_chunked or value.lower() != b"chunked":
                raise LocalProtocolError(
                    f"Illegal Transfer-Encoding {shown(value)}: only 'chunked', once, can be sent (RFC 9112, 6.1)"
                )
            self.is_chunked = True
        elif name == b"host":
            if self.has_host:
                raise LocalProtocolError("Host appears twice (RFC 9112, 3.2)")
            self.has_host = True
        elif name == b"connection":
            options = [option.strip(b" \t") for option in value.lower().split(b",")]
            self.asks_close = self.asks_close or b"close" in options
            self.asks_upgrade = self.asks_upgrade or b"upgrade" in options
        elif name == b"upgrade":
            self.has_upgrade = True
        elif name == b"expect":
            self.expects_continue = value.lower() == b"100-continue"
        return 0
