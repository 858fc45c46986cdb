"""The rows of the catalogue, as data: what was done to clients, what has to hold here, and where it can happen.

CVE numbers name the advisory that a case is known from, in whatever client it was. See `tests.catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERY_CLIENT = ("sync", "asyncio", "uvloop", "trio")
EITHER = ("h1", "h2")
BEFORE = ()
"""Before a version of HTTP is spoken, or where it makes no difference."""


@dataclass(frozen=True)
class Row:
    """A case, what has to hold, and the clients and versions of HTTP that need a test of it.

    `clients` is empty where there is one code for all of them, which needs none to be tested.
    """

    name: str
    case: str
    expected: str
    protocols: tuple[str, ...] = EITHER
    clients: tuple[str, ...] = EVERY_CLIENT

    @property
    def area(self) -> str:
        return self.name.partition("-")[0]


AREAS = {
    "INJ": "what a caller's values could become on the wire",
    "H1": "framing of HTTP/1.1 responses",
    "RED": "redirects, authentication, credentials",
    "CK": "cookies",
    "DEC": "content codings",
    "H2": "HTTP/2",
    "TLS": "certificates and handshakes",
    "POOL": "connections, proxies, time, the process",
    "URL": "URLs",
    "CLI": "the command line, and what is shown",
}

H1_ONLY, H2_ONLY = ("h1",), ("h2",)
SHARED: tuple[str, ...] = ()

ROWS = (
    Row("INJ-01", "CR, LF, NUL, blanks in a method (CVE-2020-26116, CVE-2023-49082)", "refused, nothing is written"),
    Row("INJ-02", "CR, LF, NUL in a field's value: text, bytes, objects (CVE-2019-11236)", "refused"),
    Row("INJ-03", "a field name that is no token (CVE-2019-9740)", "refused"),
    Row(
        "INJ-04",
        "CR, LF, blanks, controls in path, query, params, target (CVE-2019-9947)",
        "percent-encoded or refused",
    ),
    Row(
        "INJ-05", "CR, LF in host, userinfo, Host, CONNECT target, proxy fields (CVE-2019-18348)", "refused or encoded"
    ),
    Row("INJ-06", "CR, LF, quotes in multipart names, file names and part fields", "escaped, or refused: no line more"),
    Row("INJ-07", "CR, LF through Upgrade, Expect, Content-Type and their like (CVE-2022-35948)", "refused"),
    Row("INJ-08", "a cookie with controls, ';', CR or LF, of the caller or a server (CVE-2022-35252)", "never sent"),
    Row("INJ-09", "a Digest challenge with quotes, CR, LF, a megabyte; unknown qop, algorithm", "escaped, or an error"),
    Row(
        "INJ-10", "Content-Length that does not fit the body, twice, or with Transfer-Encoding", "refused; else dropped"
    ),
    Row("INJ-11", "a guessable multipart boundary (CVE-2025-22150)", "128 bits of os.urandom", BEFORE, SHARED),
    Row(
        "INJ-12",
        "fields that HTTP/2 does not have, pseudo-fields of the caller (CVE-2025-57804)",
        "refused, or left out",
        H2_ONLY,
    ),
    Row(
        "H1-01",
        "Content-Length and Transfer-Encoding (RFC 9112, 6.3)",
        "read as chunked, and the connection ends",
        H1_ONLY,
    ),
    Row("H1-02", "Content-Length twice or as a list (CVE-2026-1525)", "an error where they differ", H1_ONLY),
    Row(
        "H1-03",
        "Content-Length with a sign, a prefix, blanks, other digits, above 2^63 (CVE-2021-32715)",
        "an error",
        H1_ONLY,
    ),
    Row(
        "H1-04",
        "chunk sizes with a sign, a prefix, too many digits (CVE-2021-32714)",
        "an error, no wrap-around",
        H1_ONLY,
    ),
    Row("H1-05", "other octets than CR LF behind a chunk's data (CVE-2025-43859)", "an error", H1_ONLY),
    Row("H1-06", "a bare LF or CR in a chunk's line (CVE-2025-22871)", "an error", H1_ONLY),
    Row("H1-07", "chunk extensions without end (CVE-2023-39326)", "an error above 16 KiB a body", H1_ONLY),
    Row(
        "H1-08", "Transfer-Encoding that is not just 'chunked', twice, in HTTP/1.0 (CVE-2022-1705)", "an error", H1_ONLY
    ),
    Row("H1-09", "folded lines in heads and trailers (CVE-2022-32215)", "an error, never another field", H1_ONLY),
    Row("H1-10", "CR, NUL, controls in a status line, a name, a value (CVE-2023-30589)", "an error", H1_ONLY),
    Row("H1-11", "a blank before the colon, no colon, no name (CVE-2019-16276)", "an error", H1_ONLY),
    Row(
        "H1-12",
        "six octets at each place of a status line; other versions, other codes",
        "as a written table says",
        H1_ONLY,
    ),
    Row(
        "H1-13", "octets of a body behind 204, 304, 1xx and the answer to HEAD", "no body; the connection ends", H1_ONLY
    ),
    Row("H1-14", "octets behind a response, in the same segment (GHSA-35p6-xmwp-9g52)", "the connection ends", H1_ONLY),
    Row("H1-15", "a response on an idle connection (GHSA-35p6-xmwp-9g52)", "the connection is not used again", H1_ONLY),
    Row(
        "H1-16",
        "an idle connection ends, with 408 or without, or as a request goes out",
        "one retry, no answer",
        H1_ONLY,
    ),
    Row("H1-17", "1xx responses without end (CVE-2021-3737)", "an error behind 32", H1_ONLY),
    Row("H1-18", "101 that nobody asked for; another HTTP version later on", "an error", H1_ONLY),
    Row(
        "H1-19",
        "Expect: 100-continue, and a final answer, or none (CVE-2024-24791)",
        "the body waits; connections stay sane",
        EITHER,
    ),
    Row(
        "H1-20",
        "the end at each octet of a body, whatever its framing or coding",
        "an error, never a short body",
        EITHER,
    ),
    Row("H1-21", "a body that ends with TLS, without close_notify", "an error", H1_ONLY),
    Row(
        "H1-22",
        "heads without end: octets, fields, lines, status line (CVE-2023-38039)",
        "an error below 1 MiB",
        H1_ONLY,
    ),
    Row(
        "H1-23",
        "trailers without end, or with fields of framing (CVE-2026-22815)",
        "bounded, ignored, never merged",
        H1_ONLY,
    ),
    Row("H1-24", "a million chunks of an octet, an octet a read (CVE-2025-69229)", "linear time, flat memory", H1_ONLY),
    Row("H1-25", "a stream cut into reads in any way", "is the same exchange", H1_ONLY),
    Row(
        "H1-26", "a refusal, and the end of the connection, while a body is sent", "the refusal is the response", EITHER
    ),
    Row("H1-27", "two Locations, two Content-Types", "an error where they differ; the first, joined", H1_ONLY),
    Row("H1-28", "what one request leaves behind for the next (CVE-2022-32221)", "nothing", H1_ONLY),
    Row(
        "RED-01",
        "credentials to another scheme, host or port (CVE-2018-20060, CVE-2023-43804)",
        "dropped, in any spelling",
    ),
    Row("RED-02", "cookies without a domain on the way to another origin (CVE-2026-47265)", "not sent"),
    Row("RED-03", "a redirect back to where credentials belong (CVE-2024-45336)", "they do not come back"),
    Row(
        "RED-04",
        "an IPv6 zone that ends like a domain (CVE-2023-45289)",
        "is no subdomain",
        BEFORE,
        ("sync", "asyncio"),
    ),
    Row("RED-05", "userinfo and netrc: whose credentials they are (CVE-2024-47081)", "those of the exact host"),
    Row("RED-06", "https to http (CVE-2022-27774)", "without credentials; refused where the caller says so"),
    Row("RED-07", "redirects to file:, data:, ftp:, unix:, no host (CVE-2024-2004)", "UnsupportedProtocol"),
    Row(
        "RED-08",
        "methods, bodies and fields of bodies after 301, 302, 303, 307, 308 (CVE-2023-45803)",
        "as RFC 9110 has them",
    ),
    Row(
        "RED-09",
        "loops, chains, rounds of authentication (CVE-2025-50181)",
        "TooManyRedirects, wherever the limit was set",
    ),
    Row("RED-10", "a gigabyte, no end, or a bomb as a redirect's body (CVE-2026-21441)", "64 KiB are read"),
    Row("RED-11", "a challenge of another origin (CVE-2026-1965)", "not answered"),
    Row("RED-12", "credentials of a proxy, to an origin or another proxy (CVE-2023-32681)", "never", H1_ONLY),
    Row(
        "RED-13",
        "Location with '//h', backslashes, tabs, userinfo (CVE-2022-35949)",
        "one reading for check and connection",
    ),
    Row("RED-14", "a Host of the caller's after a redirect (CVE-2026-6276)", "dropped; no say in cookies"),
    Row("RED-15", "Retry-After of 10^12 s, negative, garbage", "nothing waits"),
    Row("CK-01", "Domain: a public suffix, one label, an address, a dot at its end (CVE-2018-20852)", "refused"),
    Row("CK-02", "host-only cookies beside those of subdomains, and when saved (CVE-2026-54279)", "stay so"),
    Row("CK-03", "Secure, __Host-, __Secure-, paths (CVE-2025-9086)", "as RFC 6265bis has them"),
    Row("CK-04", "10,000 cookies, a megabyte of one (CVE-2022-32205)", "bounded, in linear time"),
    Row("CK-05", "cookies in files (CVE-2026-34993)", "text, which no cookie can break", BEFORE, SHARED),
    Row("DEC-01", "a bomb, read in chunks (CVE-2025-66471)", "less than 8 MiB more memory"),
    Row("DEC-02", "more than five codings (CVE-2022-32206)", "DecodingError"),
    Row("DEC-03", "a bomb, read at once under a limit (CVE-2025-13836)", "DecodingError, little memory"),
    Row("DEC-04", "coded bodies that are cut, corrupt, followed by more, empty", "as a written table says"),
    Row("DEC-05", "large windows of zstd and br; deflate in its two forms", "an error; the same result"),
    Row("DEC-06", "a body that is given up (CVE-2026-44432)", "is decoded no further"),
    Row("H2-01", "the requirements of RFC 9113 and 7541 on clients, one by one", "met", H2_ONLY),
    Row("H2-02", "CONTINUATION without end, also empty (CVE-2024-28182)", "the connection ends", H2_ONLY),
    Row("H2-03", "a field list above the limit (CVE-2016-1544)", "the stream ends, the table stays in step", H2_ONLY),
    Row("H2-04", "a bomb of HPACK (CVE-2016-6581)", "an error, little memory", H2_ONLY),
    Row(
        "H2-05", "HPACK: integers above 2^31, long strings (CVE-2022-41723)", "COMPRESSION_ERROR, linear time", H2_ONLY
    ),
    Row("H2-06", "HPACK: EOS, padding, indices, size updates out of place", "COMPRESSION_ERROR", H2_ONLY),
    Row("H2-07", "floods of frames that bring nothing on (CVE-2019-9511 to 9518)", "GOAWAY", H2_ONLY),
    Row("H2-08", "every stream is reset (CVE-2023-44487)", "sent again three times, where nothing was done", H2_ONLY),
    Row("H2-09", "malformed frames behind a GOAWAY (CVE-2026-27135)", "passed over", H2_ONLY),
    Row("H2-10", "GOAWAY in every form, before and after requests", "none is lost, none sent twice", H2_ONLY),
    Row(
        "H2-11", "RST_STREAM with each code, before and after an answer", "sent again, an answer, or an error", H2_ONLY
    ),
    Row("H2-12", "windows: overflow, zero, below zero, never opened", "the right error, no deadlock", H2_ONLY),
    Row("H2-13", "downloads that are given up (CVE-2026-78663)", "the connection's window is given back once", H2_ONLY),
    Row("H2-14", "padding, also too much of it", "counted; PROTOCOL_ERROR", H2_ONLY),
    Row("H2-15", "a push that was turned off (CVE-2024-2398)", "the connection ends", H2_ONLY),
    Row("H2-16", "ids of streams: even, lower, unused; none left", "the connection ends; another one", H2_ONLY),
    Row("H2-17", "pseudo-fields missing, twice, late, in trailers; upper case; Connection", "the stream ends", H2_ONLY),
    Row("H2-18", "Content-Length that is not what comes", "the stream ends", H2_ONLY),
    Row("H2-19", "MAX_CONCURRENT_STREAMS 0, lowered, raised", "requests wait, as long as they may", H2_ONLY),
    Row("H2-20", "MAX_FRAME_SIZE, HEADER_TABLE_SIZE, large heads", "obeyed", H2_ONLY),
    Row("H2-21", "no HTTP/2 where it was to be: text, alert, silence, other ALPN", "a clear error, in time", H2_ONLY),
    Row("H2-22", "a slow reader among a hundred streams; many threads or tasks", "holds back itself only", H2_ONLY),
    Row(
        "H2-23",
        "421 (RFC 9110, 15.5.20); one certificate for many hosts",
        "the caller's to judge; nothing is shared",
        EITHER,
    ),
    Row("H2-24", "secrets in the compression table and in logs", "never indexed; masked", H2_ONLY),
    Row("TLS-01", "certificates: expired, unknown, of other names, weak", "ConnectError", BEFORE),
    Row("TLS-02", "a proxy's certificate and an origin's (CVE-2021-28363)", "each has its own name and roots", BEFORE),
    Row("TLS-03", "one client that checks nothing (CVE-2024-35195)", "lends no connection to another", BEFORE),
    Row("TLS-04", "names beyond ASCII (CVE-2026-63374)", "IDNA 2008 everywhere", BEFORE),
    Row("TLS-05", "client certificate, SNI, ALPN, versions (CVE-2026-8932)", "are parts of a connection's key", BEFORE),
    Row(
        "TLS-06",
        "handshakes that are none, stall or end (CVE-2023-40217)",
        "an error in time, nothing left open",
        BEFORE,
    ),
    Row("TLS-07", "handshakes that fail, one after another (CVE-2025-47279)", "flat memory, no descriptors", BEFORE),
    Row("POOL-01", "the parts of a connection's key, in pairs (CVE-2022-27782)", "nothing is shared that differs"),
    Row("POOL-02", "cancellation under contention, then a plain request", "200", EITHER, ("asyncio", "uvloop")),
    Row(
        "POOL-03",
        "the end at every wait: cancelled, timed out, interrupted",
        "every count is back",
        EITHER,
        ("sync", "asyncio", "uvloop"),
    ),
    Row("POOL-04", "unread, dropped, forked, shared, closed twice (CVE-2025-0665)", "reclaimed, or a clear error"),
    Row("POOL-05", "answers to CONNECT: framing, 1xx, endless, early octets", "as RFC 9110 has them; bounded", H1_ONLY),
    Row("POOL-06", "SOCKS5: long names, short or odd replies (CVE-2023-38545)", "an error; no look-up here", H1_ONLY),
    Row("POOL-07", "NO_PROXY: dots, networks, ports, brackets (CVE-2025-22870)", "as a written table says", BEFORE),
    Row("POOL-08", "an octet now and then", "`Timeout(total=)` ends it"),
    Row("POOL-09", "errors of the system in each call", "an exception, and it goes on", H1_ONLY),
    Row(
        "POOL-10",
        "names with dead or fifty addresses (CVE-2026-34513)",
        "connects in time, the others are closed",
        BEFORE,
    ),
    Row("URL-01", "the URLs of the web platform's tests, beside ada", "no other host than a browser's", BEFORE, SHARED),
    Row("URL-02", "hosts that parsers disagree on (CVE-2024-11168)", "one reading, or InvalidURL", BEFORE, SHARED),
    Row("URL-03", "a megabyte of URL, host, userinfo (CVE-2022-45061)", "linear time", BEFORE, SHARED),
    Row("CLI-01", "names of files from a URL or a server (CVE-2025-11563)", "a plain name, a new file", BEFORE, SHARED),
    Row("CLI-02", "secrets in reprs, logs, tracebacks, pickles", "masked", BEFORE, ("sync", "asyncio")),
)
