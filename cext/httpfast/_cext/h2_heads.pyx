"""Heads of HTTP/2: a request's fields made ready for it, a response's field list read and checked (RFC 9113, 8)."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from .h1 cimport parse_length
from .headers cimport RequestHead
from .wire cimport TOKEN_OCTET, VALUE_OCTET, all_of, httpfast_octets, is_blank

from httpfast._exceptions import LocalProtocolError, RemoteProtocolError

# Fields that are about one connection, which HTTP/2 has frames for (RFC 9113, 8.2.2).
cdef frozenset CONNECTION_FIELDS = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)


cdef class RequestFields:
    """The fields of one or many requests.

    Args:
        fields: (name, lower-case name, value) triples, as for HTTP/1.1: what belongs to a connection is left out here.

    Raises:
        LocalProtocolError: as `RequestHead`; or there is no Host field.
    """

    def __init__(self, tuple fields not None):
        cdef RequestHead head = RequestHead(fields)
        cdef list kept = []
        cdef bytes name, lower, value
        for name, lower, value in fields:
            if lower == b"host":
                self.authority = value.strip(b" \t")
            elif lower in CONNECTION_FIELDS or (lower == b"te" and value.strip(b" \t").lower() != b"trailers"):
                pass
            elif lower.startswith(b":"):
                raise LocalProtocolError(f"{name!r} is no field of a request (RFC 9113, 8.3)")
            else:
                value = value.strip(b" \t")
                kept.append((name, lower, value))
        if not head.has_host or self.authority is None:
            raise LocalProtocolError("Missing mandatory Host: header (RFC 9113, 8.3.1)")
        self.fields = tuple(kept)
        self.content_length = head.content_length
        self.expects_continue = head.expects_continue
        self.asks_upgrade = head.asks_upgrade


cdef class ResponseHead:
    """The head of a response, or its trailers, read and checked."""


cdef bint is_name(bytes name) noexcept:
    """True for a token without upper-case letters (RFC 9113, 8.2.1)."""
    cdef const char* data = PyBytes_AS_STRING(name)
    cdef Py_ssize_t i, size = PyBytes_GET_SIZE(name)
    for i in range(size):
        if not (httpfast_octets[<unsigned char>data[i]] & TOKEN_OCTET) or 65 <= data[i] <= 90:
            return False
    return size != 0


cdef bytes trimmed(bytes value):
    """A value without white space around it, which RFC 9113, 8.2.1 forbids and gateways from HTTP/1.1 let through."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(value)
    if size and (is_blank(value[0]) or is_blank(value[size - 1])):
        return value.strip(b" \t")
    return value


cdef ResponseHead read_fields(tuple decoded, Py_ssize_t first):
    """The fields of a list from the index `first` on."""
    cdef ResponseHead head = ResponseHead.__new__(ResponseHead)
    cdef bytes name, value, location = None
    cdef list fields = []
    cdef Py_ssize_t i, digits = 0
    head.content_length = -1
    for i in range(first, len(decoded)):
        name, value = <tuple>decoded[i]
        if not is_name(name):
            if name.startswith(b":"):
                head.fault = "a pseudo-field that is not known, comes twice, or comes after a field (RFC 9113, 8.3)"
            else:
                head.fault = f"a field name that is none: {name[:64]!r} (RFC 9113, 8.2.1)"
            return head
        value = trimmed(value)
        if not all_of(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), VALUE_OCTET):
            head.fault = f"a control character in the field {name[:64]!r} (RFC 9113, 8.2.1)"
            return head
        if name in CONNECTION_FIELDS:
            head.fault = f"the field {name!r}, which is about a connection (RFC 9113, 8.2.2)"
            return head
        if name == b"content-length":
            try:
                length = parse_length(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), &digits)
            except RemoteProtocolError as error:
                head.fault = str(error)
                return head
            if head.content_length not in (-1, length):
                head.fault = "two different Content-Length fields (RFC 9110, 8.6)"
                return head
            head.content_length = length
        elif name == b"set-cookie":
            head.has_set_cookie = True
        elif name == b"content-encoding":
            head.has_content_encoding = True
        elif name == b"location":
            if location is not None and location != value:
                head.fault = "two different Location fields (RFC 9110, 10.2.2)"
                return head
            location = value
        fields.append((name, value))
    head.fields = tuple(fields)
    return head


cdef ResponseHead read_head(tuple decoded):
    """The head of a response, informational or final."""
    cdef ResponseHead head
    cdef bytes name, value
    cdef const char* digits
    if decoded:
        name, value = <tuple>decoded[0]
        if name == b":status":
            digits = PyBytes_AS_STRING(value)
            if (
                PyBytes_GET_SIZE(value) == 3
                and 49 <= digits[0] <= 57
                and 48 <= digits[1] <= 57
                and 48 <= digits[2] <= 57
            ):
                head = read_fields(decoded, 1)
                head.status = (digits[0] - 48) * 100 + (digits[1] - 48) * 10 + digits[2] - 48
                if head.status == 101 and head.fault is None:
                    head.fault = "101 Switching Protocols (RFC 9113, 8.6)"
                return head
    head = ResponseHead.__new__(ResponseHead)
    head.fault = "no :status of three digits at its beginning (RFC 9113, 8.3.2)"
    return head


cdef ResponseHead read_trailers(tuple decoded):
    """A trailer section."""
    return read_fields(decoded, 0)
