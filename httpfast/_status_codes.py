"""Status codes and their reason phrases: RFC 9110, 15, and the IANA registry.

Names that RFC 9110 replaced are kept as aliases, so that both `codes.REQUEST_ENTITY_TOO_LARGE` and
`codes.CONTENT_TOO_LARGE` are 413.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["codes"]


class codes(IntEnum):
    """The registered status codes: `codes.NOT_FOUND`, or `codes.not_found`, is 404.

    Each member has its reason phrase as `.phrase`. `codes(299)` raises ValueError: an unregistered code is valid in a
    response, but has no member.
    """

    phrase: str

    def __new__(cls, value: int, phrase: str = "") -> codes:
        member = int.__new__(cls, value)
        member._value_ = value
        member.phrase = phrase
        return member

    def __str__(self) -> str:
        return str(self.value)

    # Informational, RFC 9110, 15.2
    CONTINUE = 100, "Continue"
    SWITCHING_PROTOCOLS = 101, "Switching Protocols"
    PROCESSING = 102, "Processing"  # RFC 2518
    EARLY_HINTS = 103, "Early Hints"  # RFC 8297

    # Successful, RFC 9110, 15.3
    OK = 200, "OK"
    CREATED = 201, "Created"
    ACCEPTED = 202, "Accepted"
    NON_AUTHORITATIVE_INFORMATION = 203, "Non-Authoritative Information"
    NO_CONTENT = 204, "No Content"
    RESET_CONTENT = 205, "Reset Content"
    PARTIAL_CONTENT = 206, "Partial Content"
    MULTI_STATUS = 207, "Multi-Status"  # RFC 4918
    ALREADY_REPORTED = 208, "Already Reported"  # RFC 5842
    IM_USED = 226, "IM Used"  # RFC 3229

    # Redirection, RFC 9110, 15.4
    MULTIPLE_CHOICES = 300, "Multiple Choices"
    MOVED_PERMANENTLY = 301, "Moved Permanently"
    FOUND = 302, "Found"
    SEE_OTHER = 303, "See Other"
    NOT_MODIFIED = 304, "Not Modified"
    USE_PROXY = 305, "Use Proxy"
    TEMPORARY_REDIRECT = 307, "Temporary Redirect"
    PERMANENT_REDIRECT = 308, "Permanent Redirect"

    # Client error, RFC 9110, 15.5
    BAD_REQUEST = 400, "Bad Request"
    UNAUTHORIZED = 401, "Unauthorized"
    PAYMENT_REQUIRED = 402, "Payment Required"
    FORBIDDEN = 403, "Forbidden"
    NOT_FOUND = 404, "Not Found"
    METHOD_NOT_ALLOWED = 405, "Method Not Allowed"
    NOT_ACCEPTABLE = 406, "Not Acceptable"
    PROXY_AUTHENTICATION_REQUIRED = 407, "Proxy Authentication Required"
    REQUEST_TIMEOUT = 408, "Request Timeout"
    CONFLICT = 409, "Conflict"
    GONE = 410, "Gone"
    LENGTH_REQUIRED = 411, "Length Required"
    PRECONDITION_FAILED = 412, "Precondition Failed"
    REQUEST_ENTITY_TOO_LARGE = 413, "Request Entity Too Large"
    REQUEST_URI_TOO_LONG = 414, "Request-URI Too Long"
    UNSUPPORTED_MEDIA_TYPE = 415, "Unsupported Media Type"
    REQUESTED_RANGE_NOT_SATISFIABLE = 416, "Requested Range Not Satisfiable"
    EXPECTATION_FAILED = 417, "Expectation Failed"
    IM_A_TEAPOT = 418, "I'm a teapot"  # RFC 2324
    MISDIRECTED_REQUEST = 421, "Misdirected Request"
    UNPROCESSABLE_ENTITY = 422, "Unprocessable Entity"
    LOCKED = 423, "Locked"  # RFC 4918
    FAILED_DEPENDENCY = 424, "Failed Dependency"  # RFC 4918
    TOO_EARLY = 425, "Too Early"  # RFC 8470
    UPGRADE_REQUIRED = 426, "Upgrade Required"
    PRECONDITION_REQUIRED = 428, "Precondition Required"  # RFC 6585
    TOO_MANY_REQUESTS = 429, "Too Many Requests"  # RFC 6585
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431, "Request Header Fields Too Large"  # RFC 6585
    UNAVAILABLE_FOR_LEGAL_REASONS = 451, "Unavailable For Legal Reasons"  # RFC 7725

    # Server error, RFC 9110, 15.6
    INTERNAL_SERVER_ERROR = 500, "Internal Server Error"
    NOT_IMPLEMENTED = 501, "Not Implemented"
    BAD_GATEWAY = 502, "Bad Gateway"
    SERVICE_UNAVAILABLE = 503, "Service Unavailable"
    GATEWAY_TIMEOUT = 504, "Gateway Timeout"
    HTTP_VERSION_NOT_SUPPORTED = 505, "HTTP Version Not Supported"
    VARIANT_ALSO_NEGOTIATES = 506, "Variant Also Negotiates"  # RFC 2295
    INSUFFICIENT_STORAGE = 507, "Insufficient Storage"  # RFC 4918
    LOOP_DETECTED = 508, "Loop Detected"  # RFC 5842
    NOT_EXTENDED = 510, "Not Extended"  # RFC 2774
    NETWORK_AUTHENTICATION_REQUIRED = 511, "Network Authentication Required"  # RFC 6585

    # The names of RFC 9110
    CONTENT_TOO_LARGE = 413
    URI_TOO_LONG = 414
    RANGE_NOT_SATISFIABLE = 416
    UNPROCESSABLE_CONTENT = 422

    @classmethod
    def get_reason_phrase(cls, value: int) -> str:
        """Return the phrase that goes with a code; "" for one that is not registered."""
        member = cls._value2member_map_.get(value)
        return member.phrase if isinstance(member, codes) else ""

    @classmethod
    def is_informational(cls, value: int) -> bool:
        """Whether a code is 1xx."""
        return 100 <= value <= 199

    @classmethod
    def is_success(cls, value: int) -> bool:
        """Whether a code is 2xx."""
        return 200 <= value <= 299

    @classmethod
    def is_redirect(cls, value: int) -> bool:
        """Whether a code is 3xx."""
        return 300 <= value <= 399

    @classmethod
    def is_client_error(cls, value: int) -> bool:
        """Whether a code is 4xx."""
        return 400 <= value <= 499

    @classmethod
    def is_server_error(cls, value: int) -> bool:
        """Whether a code is 5xx."""
        return 500 <= value <= 599

    @classmethod
    def is_error(cls, value: int) -> bool:
        """Whether a code is 4xx or 5xx."""
        return 400 <= value <= 599


# `codes.ok` and the like, as requests has them.
for _name, _member in codes.__members__.items():
    setattr(codes, _name.lower(), int(_member))
