"""H1Engine against h11 and llhttp (by httptools): the same octets, three independent readers.

Valid responses must be read alike by all. On damaged ones they may part, but only for a reason that stands in a table
here: a difference that no row explains fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast import RemoteProtocolError

from .oracles import Verdict, read_by_h11, read_by_llhttp
from .reading import Outcome, asked, outcome_of, receive_all, response
from .test_any_split import BROKEN, COMPLETE, UNENDED
from .test_request_head import TCHAR

FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"location", b"proxy-connection"}

names = st.text(st.sampled_from(TCHAR.decode()), min_size=1, max_size=12).map(str.encode)
free_names = names.filter(lambda name: name.lower() not in FRAMING)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
values = texts.map(lambda text: text.strip().encode("latin-1").strip(b" \t\x85\xa0"))
fields = st.lists(st.tuples(free_names, values), max_size=6)


@dataclass(frozen=True)
class Sent:
    """A valid response: what it says, and the octets that say it."""

    head: bytes
    octets: bytes
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...]
    ends_with_connection: bool


def lines_of(pairs: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [name + b": " + value for name, value in pairs]


@st.composite
def valid_responses(draw: st.DrawFn) -> Sent:
    status = draw(st.one_of(st.sampled_from([200, 204, 206, 301, 304, 404, 500]), st.integers(200, 599)))
    reason = draw(st.sampled_from([b"", b"OK", b"Not Found", b"I'm a teapot", b"a\tb", b"\xe9t\xe9"]))
    pairs = draw(fields)
    framing = draw(st.sampled_from(["sized", "chunked", "until-close"]))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=60))
    trailers: list[tuple[bytes, bytes]] = []
    octets = body
    if framing == "sized":
        pairs.insert(draw(st.integers(0, len(pairs))), (b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked" and status not in (204, 304):
        pairs.insert(draw(st.integers(0, len(pairs))), (b"Transfer-Encoding", b"chunked"))
        trailers = draw(st.lists(st.tuples(free_names, values), max_size=3))
        octets = b""
        rest = body
        while rest:
            size = draw(st.integers(1, len(rest)))
            extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a=b;c=d"]))
            octets += b"%x%b\r\n%b\r\n" % (size, extension, rest[:size])
            rest = rest[size:]
        octets += b"\r\n".join([b"0", *lines_of(trailers), b"", b""])
    early = draw(st.lists(st.sampled_from([b"100 Continue", b"103 Early Hints"]), max_size=2))
    head = b"".join(response(b"A: b", status=line) for line in early)
    head += response(*lines_of(pairs), status=b"%d " % status + reason)
    return Sent(
        head=head,
        octets=head + octets,
        status=status,
        reason=reason,
        fields=tuple(pairs),
        body=body,
        trailers=tuple(trailers),
        ends_with_connection=framing == "until-close" and status not in (204, 304),
    )


@settings(max_examples=300, deadline=None)
@given(valid_responses())
def test_valid_response_is_read_as_it_was_meant(sent: Sent):
    outcome = outcome_of([sent.octets], eof=True)

    assert outcome.is_complete
    assert (outcome.status, outcome.reason, outcome.body) == (sent.status, sent.reason, sent.body)
    assert outcome.fields == sent.fields
    assert (outcome.trailers or ()) == sent.trailers


@settings(max_examples=300, deadline=None)
@given(valid_responses())
def test_valid_response_is_read_as_h11_reads_it(sent: Sent):
    outcome = outcome_of([sent.octets], eof=True)
    theirs = read_by_h11(sent.octets)

    assert theirs.problem is None
    assert facts(outcome) == facts(theirs)


@settings(max_examples=300, deadline=None)
@given(valid_responses())
def test_valid_response_is_read_as_llhttp_reads_it(sent: Sent):
    outcome = outcome_of([sent.octets], eof=True)
    theirs = read_by_llhttp(sent.octets)

    assert theirs.problem is None
    assert theirs.is_complete is not sent.ends_with_connection
    assert facts(outcome) == facts(theirs)


@settings(max_examples=200, deadline=None)
@given(valid_responses())
def test_valid_response_to_head_is_read_as_h11_reads_it(sent: Sent):
    outcome = outcome_of([sent.head], "HEAD")
    theirs = read_by_h11(sent.head, "HEAD")

    assert outcome.is_complete
    assert outcome.body == theirs.body == b""
    assert facts(outcome) == facts(theirs)


def facts(read: Outcome | Verdict) -> tuple[object, ...]:
    stripped = tuple((name, value.strip(b" \t")) for name, value in read.fields)
    trailers = tuple((name, value.strip(b" \t")) for name, value in read.trailers or ())
    return read.status, read.reason, stripped, read.body, trailers


# Damaged responses


@dataclass(frozen=True)
class Row:
    """A known difference: `problem` matches the stricter reader's complaint, `stream` what it is about."""

    problem: str
    stream: bytes
    reason: str

    def explains(self, problem: str, stream: bytes) -> bool:
        return re.search(self.problem, problem) is not None and re.search(self.stream, stream) is not None


FOLD = rb"\n[ \t]"
CONTROL = rb"[\x00-\x08\x0b-\x1f\x7f]"
BARE_LF = rb"(?<!\r)\n"

WE_REFUSE_H11_READS = [
    Row("illegal header line.*control", CONTROL, "h11 lets controls but NUL, CR and LF through (RFC 9110, 5.5)"),
    Row("illegal header line", FOLD, "h11 unfolds obs-fold, which a client may do (RFC 9112, 5.2)"),
    Row("Content-Length", FOLD, "obs-fold again: the value's first line is empty"),
    Row("Transfer-Encoding b", FOLD, "obs-fold again: the value's first line is empty"),
    Row("illegal status line", CONTROL, "h11 lets controls into the reason phrase (RFC 9112, 4)"),
    Row("illegal status line", rb"HTTP/(\d\.[2-9]|[02-9]\.\d) ", "h11 reads the versions of any HTTP (RFC 9110, 2.5)"),
    Row(r"Transfer-Encoding in an HTTP/1\.0", rb"HTTP/1\.0", "h11 reads it; RFC 9112, 6.1 calls the framing faulty"),
    Row("illegal trailer line.*bare LF", BARE_LF, "h11 takes a bare LF in trailers too; we in heads only"),
    Row("illegal trailer line", CONTROL + rb"|" + FOLD, "controls and obs-fold as in heads"),
    Row("incomplete chunked", rb"\r\n\n", "h11 takes a bare LF as the end of the trailers; we wait for CR LF"),
    Row("illegal end of a chunk's line", rb"\r[^\n]", "h11 takes a bare CR inside a chunk extension (RFC 9112, 7.1.1)"),
    Row("illegal chunk extension", CONTROL, "h11 takes controls in chunk extensions (RFC 9112, 7.1.1)"),
]
H11_REFUSES_WE_READ = [
    Row("illegal chunk header", rb"[0-9a-fA-F][ \t]+;", "BWS before an extension is for readers to accept (7.1.1)"),
]
WE_REFUSE_LLHTTP_READS = [
    Row("illegal status line", CONTROL, "llhttp lets controls into the reason phrase (RFC 9112, 4)"),
    Row(r"Transfer-Encoding in an HTTP/1\.0", rb"HTTP/1\.0", "llhttp reads it; RFC 9112, 6.1 calls the framing faulty"),
    Row("Transfer-Encoding b", rb",", "llhttp takes empty list elements and other codings; we asked for none"),
]
LLHTTP_REFUSES_WE_READ = [
    Row("", BARE_LF, "llhttp takes no bare LF; RFC 9112, 2.2 lets a reader do so, and servers send it"),
    Row("can't be present with Transfer-Encoding", b"", "we read it as chunked, then close (RFC 9112, 6.3)"),
    Row(
        "Content-Length",
        rb"(?i)content-length(.|\n)*(content-length|,)",
        "a list of one number is that (RFC 9110, 8.6)",
    ),
    Row("chunk size", rb"[0-9a-fA-F][ \t]", "BWS after a chunk's size"),
    Row("chunk extensions", rb";", "extensions are skipped, not parsed: any octet that is no control"),
    Row("Data after `Connection: close`", rb"1\d\d", "a 1xx does not end the connection"),
    Row("^$", rb"(?i)chunked[ \t]+\r?\n", "llhttp does not strip a tab after 'chunked'"),
]


@st.composite
def damaged_responses(draw: st.DrawFn) -> bytes:
    """A response, or what is known to be none, with up to two octets replaced, inserted or removed."""
    known = {name: stream for name, stream in (COMPLETE | UNENDED | BROKEN).items() if name != "tunnel"}
    sound = valid_responses().map(lambda sent: sent.octets)
    stream = bytearray(draw(st.one_of(st.sampled_from(sorted(known)).map(known.__getitem__), sound)))
    for _ in range(draw(st.integers(0, 2))):
        position = draw(st.integers(0, len(stream) - 1))
        octet = draw(st.sampled_from(b"\r\n\t :;,0aF5\0\x01\x7f\xff"))
        how = draw(st.sampled_from(["replace", "insert", "remove"]))
        stream[position : position + (how != "insert")] = b"" if how == "remove" else bytes([octet])
    return bytes(stream) or b"\n"


def complaint(stream: bytes) -> str:
    """Why the engine does not complete this stream."""
    engine, _ = asked()
    try:
        receive_all(engine, [stream], eof=True)
    except RemoteProtocolError as error:
        return str(error)
    return ""


def check(stream: bytes, ours: Outcome, theirs: Verdict, we_refuse: list[Row], they_refuse: list[Row]) -> None:
    if ours.is_complete and theirs.is_complete:
        # h11 makes one field of the same Content-Length twice.
        same = ours.status, ours.reason, ours.body, ours.trailers or ()
        trailers = tuple((name, value.strip(b" \t")) for name, value in theirs.trailers)
        assert same == (theirs.status, theirs.reason, theirs.body, trailers)
        return
    if ours.is_complete:
        problem, rows = theirs.problem or "", they_refuse
    elif theirs.is_complete:
        problem, rows = complaint(stream), we_refuse
    else:
        return
    assert any(row.explains(problem, stream) for row in rows), f"unexplained: {problem!r}"


@settings(max_examples=1000, deadline=None)
@given(damaged_responses())
def test_damaged_response_is_read_as_h11_reads_it_or_a_row_says_why_not(stream: bytes):
    ours = outcome_of([stream], eof=True)

    check(stream, ours, read_by_h11(stream), WE_REFUSE_H11_READS, H11_REFUSES_WE_READ)


@settings(max_examples=1000, deadline=None)
@given(damaged_responses())
def test_damaged_response_is_read_as_llhttp_reads_it_or_a_row_says_why_not(stream: bytes):
    ours = outcome_of([stream])

    check(stream, ours, read_by_llhttp(stream), WE_REFUSE_LLHTTP_READS, LLHTTP_REFUSES_WE_READ)
