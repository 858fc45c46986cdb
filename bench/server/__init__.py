"""An HTTP/1.1 server for tests, demos and benchmarks: fast on its plain routes, and able to misbehave on demand.

Runs in a process of its own: `python -m bench.server --port 0 [--tls-port 0] [--uds PATH] --certdir DIR` prints one
line of JSON with its ports when it listens, and exits when its stdin closes. From Python, `EmbeddedServer` starts it.
It parses strictly (RFC 9110, 9112): a malformed request is answered 400 and `Connection: close`, so that a slip of a
client shows. It shares no code with httpfast.

Every final response carries `x-connection: ID` (1, 2, ... in order of acceptance) and, if the request had an `x-token`
field, that field again: a token that does not match is a crossed response. HEAD works wherever GET does. A request body
that a route does not look at is read and dropped. A target in absolute form is served like its path, so the server can
stand in for a forward proxy. Content is `content(n)`: a sequence of period 251, so a lost or doubled buffer changes it.

Plain answers
    /bytes/N                      N octets with Content-Length
    /chunked/N?size=K             N octets in chunks of K octets (1,024)
    /close/N                      N octets without a length, ended by closing
    /connection-close/N           N octets with a length and `Connection: close`
    /json                         a small JSON document
    /head                         1,000 octets with ETag and Last-Modified: fields that HEAD must show too
    /status/CODE                  200 to 599; a short text, nothing for 204, 205 and 304
    /redirect/N?status=S          N hops (302), relative; /redirect/0 answers 200
    /redirect-to?url=U&status=S   one hop (302) to U, as given
    /gzip /deflate /br /zstd      a JSON document in that coding; /deflate?raw=1 leaves out the zlib wrapper
    /cookies/set?NAME=VALUE&...   one Set-Cookie a parameter; a value may go on with `; Path=/` and the like
    /cookies                      {"cookies": {name: value}} of what was sent
    /trailers                     64 octets in chunks, with trailer fields x-checksum (SHA-256, hexadecimal) and x-note
    /sse?count=N&interval=S       an event stream of N events (3), S seconds apart (0)
    /http10, /http10-keepalive    an HTTP/1.0 answer that closes, or stays open with `Connection: keep-alive`
    /digest                       200 for a request with Digest credentials, whatever they are; else 401 and a challenge
    /seen/NAME                    {token: requests} of the tokens `x-once: NAME.(...)` that came; then forgets them
    /connections                  {"accepted": n, "open": n, "served": {id: requests}}, this request included

Request bodies
    /echo                         {"method", "target", "headers": [[name, value], ...], "trailers", "length", "sha256"}
    /echo-body                    the body sent back as it comes, by length if it had one, else chunked. A client that
                                  does not read while it sends fills the socket buffers and stops: then use /echo
    /drain                        reads the body, answers its length in decimal
    /continue                     like /drain as JSON, {"expected": whether 100-continue was asked for, "length"}.
                                  (Every route that reads a body sends 100 first if asked to; this one tells)
    /refuse-continue?keep=1       417 and close; with keep=1 it stays open and expects the body nevertheless
    /early-413?linger=1           413 and `Connection: close` right after the head; closes with the body unread, which
                                  resets the connection; with linger=1 it first drops the body, for 5 seconds at most,
                                  as nginx does

Time and informational responses
    /delay/SECONDS                waits before the head
    /drip/N?interval=S            one octet each S seconds (0.01) with Content-Length
    /stall-head, /stall-body      nothing at all; a head that promises 10 octets and then nothing
    /idle-close/MS                answers, then closes once the connection was idle for MS milliseconds
    /early-hints                  103 with a Link, then 200
    /informational/N              N times 103, then 200
    /upgrade                      101 if `Upgrade: echo` was asked, then raw octets come back; otherwise 426
    CONNECT anything              200, then raw octets come back

Ends
    /drop?reset=1                 closes without an answer; with reset=1 by RST
    /drop-after/N                 promises N + 16 octets, sends N, closes
"""

from __future__ import annotations

from .certificates import Certificates, write_certificates
from .child import Child
from .content import content
from .process import EmbeddedServer

__all__ = ["Certificates", "Child", "EmbeddedServer", "content", "write_certificates"]
