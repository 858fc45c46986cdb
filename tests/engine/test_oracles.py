"""H1Engine against h11 and llhttp (by httptools): the same octets, three independent readers.

Valid responses must be read alike by all. On damaged ones they may part, but only for a reason that stands in
known_differences.toml: a difference that no entry explains fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpfast import RemoteProtocolError

from ..differences import Difference, is_explained, known_differences
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


def check(oracle: str, stream: bytes, ours: Outcome, theirs: Verdict) -> None:
    if ours.is_complete and theirs.is_complete:
        # h11 makes one field of the same Content-Length twice.
        same = ours.status, ours.reason, ours.body, ours.trailers or ()
        trailers = tuple((name, value.strip(b" \t")) for name, value in theirs.trailers)
        assert same == (theirs.status, theirs.reason, theirs.body, trailers)
    elif ours.is_complete:
        problem = theirs.problem or ""
        assert is_explained(oracle, "them", problem, stream), f"unexplained: {problem!r}"
    elif theirs.is_complete:
        problem = complaint(stream)
        assert is_explained(oracle, "us", problem, stream), f"unexplained: {problem!r}"


@settings(max_examples=1000, deadline=None)
@given(damaged_responses())
def test_damaged_response_is_read_as_h11_reads_it_or_there_is_a_reason_not_to(stream: bytes):
    check("h11", stream, outcome_of([stream], eof=True), read_by_h11(stream))


@settings(max_examples=1000, deadline=None)
@given(damaged_responses())
def test_damaged_response_is_read_as_llhttp_reads_it_or_there_is_a_reason_not_to(stream: bytes):
    check("llhttp", stream, outcome_of([stream]), read_by_llhttp(stream))


EXAMPLES = [*known_differences("h11"), *known_differences("llhttp")]


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: f"{entry.oracle}-{entry.reason:.40}")
def test_known_difference_is_one(entry: Difference):
    is_h11 = entry.oracle == "h11"
    ours = outcome_of([entry.example], eof=is_h11)
    theirs = read_by_h11(entry.example) if is_h11 else read_by_llhttp(entry.example)

    assert (ours.is_complete, theirs.is_complete) == (entry.refused_by == "them", entry.refused_by == "us")
    assert entry.explains(complaint(entry.example) if theirs.is_complete else theirs.problem or "", entry.example)
