"""Exchange: one request and its answer, passed from the transport to a connection, whose engine fills it in."""
from libc.stdint cimport int64_t, uint32_t

from .buffer cimport ByteBuffer


cdef class Exchange:
    # What is asked.
    cdef readonly tuple key             # the origin, or the proxy that forwards to it, as the pool knows it
    cdef readonly str method
    cdef readonly bytes target          # the request target (RFC 9112, 3.2)
    cdef readonly tuple fields_sent     # (name, lower-case name, value) triples
    cdef readonly bytes body_sent       # the whole body, or None when it comes in pieces
    cdef readonly double read_timeout   # seconds, infinite for no limit
    cdef readonly double write_timeout
    cdef readonly double deadline       # monotonic seconds by which the exchange has to end, infinite for no limit
    cdef readonly bint is_traced        # somebody listens to its steps
    cdef readonly bint has_proxy        # its request names a proxy of its own
    cdef readonly bint heeds_hints      # its caller wants to know of informational responses as they come
    cdef readonly bytes protocol        # what an extended CONNECT is to speak (RFC 8441, 4), or None
    cdef readonly Exchange upgrade      # what this extended CONNECT stands for: a GET with Upgrade in HTTP/1.1, or None
    cdef readonly bint is_special       # any of these

    # What that means for the answer: set by the engine when the request goes out.
    cdef bint answers_head              # HEAD: the answer has no body
    cdef bint answers_connect           # CONNECT: a 2xx answer opens a tunnel
    cdef readonly bint collect          # wake the caller once, with the whole body
    cdef readonly bint expects_continue  # Expect: 100-continue: the body waits for a 1xx
    cdef bint asks_upgrade

    # The response head; the fields are parsed from `raw` when somebody asks.
    cdef readonly int status_code       # 0 until the final head has come
    cdef readonly bytes raw             # status line and field lines as received
    cdef readonly bytes http_version    # b"HTTP/1.1"
    cdef readonly bint has_set_cookie
    cdef readonly bint has_content_encoding
    cdef Py_ssize_t reason_start, reason_end
    cdef list _fields
    cdef tuple fields_known             # in HTTP/2: (name, value) pairs, shared with other responses

    # The body: octets received and not yet taken.
    cdef ByteBuffer body
    cdef int64_t content_length         # of the response, -1 when it is not known
    cdef readonly bint is_complete      # the response has ended as it should
    cdef readonly bint was_begun        # its request went to a connection, valid as it is
    cdef readonly bint wrote_request    # octets of the request were handed to the system
    cdef readonly bint was_answered     # octets have come since the request was begun
    cdef readonly bint continued        # 100 Continue has come
    cdef readonly bint is_persistent    # the response lets the connection go on (RFC 9112, 9.3)
    cdef readonly list trailers         # (name, value) pairs, or None
    cdef readonly list informational    # (status, [(name, value), ...]) of the 1xx responses, or None
    cdef readonly object error          # what ended the exchange instead, or None
    cdef readonly bint is_tunnel        # 101, or 2xx to CONNECT: the stream is raw from here on
    cdef readonly bint was_refused      # the server says that it has not looked at the request: it can be sent again
    cdef readonly bint needs_h1         # it cannot be had over HTTP/2
    cdef readonly uint32_t stream_id    # of HTTP/2 (RFC 9113, 5.1.1), else 0
    cdef object stream                  # while it is open
    cdef bint is_changed                # the engine has put it among those with news

    # The driver's: who waits, and the connection that still feeds this exchange.
    cdef object waiter
    cdef list write_waiters             # in a tunnel, where some may write while another reads
    cdef readonly object connection
    cdef bint wakes_on_any              # who waits wants to know of any progress, not only of the end
    cdef bint awaits_window             # who waits has more of the body to send
    cdef double wait_timeout, wait_ends  # of the wait under way: seconds, monotonic seconds
    cdef Py_ssize_t hints_told          # of the informational responses

    cpdef bint has_hints(self) noexcept
    cpdef bint has_failed(self) noexcept
    cpdef bytes take_body(self)


cdef double seconds(dict timeouts, str phase) except? -1
cdef list parse_fields(const char* data, Py_ssize_t size)
