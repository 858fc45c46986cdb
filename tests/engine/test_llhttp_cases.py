"""H1Engine on the 84 responses of llhttp's own tests, with h11's verdict on each (data beside the project)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .oracles import read_by_h11
from .reading import outcome_of, pieces, shared_json

DATA = shared_json("llhttp/llhttp_response_cases.json")
CASES: list[dict[str, Any]] = DATA["cases"] if DATA else []

pytestmark = pytest.mark.skipif(
    DATA is None, reason="no ../shared/data/llhttp/llhttp_response_cases.json beside the project"
)

# Where we differ from h11, by the octets: the reason. The recorded cases have no such row: we agree on all of them.
# Many of them stop before the empty line, so each is also read with one more CR LF.
DIFFERENCES_WITH_ONE_MORE_CRLF = {
    b"HTTP/5.6 200 OK\r\n": "h11 reads any digit.digit; only 1.0 and 1.1 have this syntax for sure (RFC 9110, 2.5)",
    b"HTTP/0.9 200 OK\r\n": "HTTP/0.9 had no status line; h11 reads any digit.digit",
}


def raw(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["raw_b64"])


def test_cases_are_all_there():
    assert len(CASES) == 84


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"].rpartition(" / ")[2])
def test_case_is_read_as_h11_has_read_it(case: dict[str, Any]):
    """The verdict that was recorded: after GET, with the end of the connection after the octets."""
    verdict = case["h11_0.16"]

    outcome = outcome_of([raw(case)], eof=True)

    assert outcome.failed is (verdict["result"] != "complete")
    if not outcome.failed:
        assert (outcome.status, len(outcome.body)) == (verdict["status"], verdict["body_len"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"].rpartition(" / ")[2])
def test_case_with_one_more_crlf_is_read_as_h11_reads_it(case: dict[str, Any]):
    stream = raw(case) + b"\r\n"

    outcome = outcome_of([stream], eof=True)
    theirs = read_by_h11(stream)

    if raw(case) in DIFFERENCES_WITH_ONE_MORE_CRLF:
        assert outcome.failed
        assert theirs.is_complete
    else:
        assert outcome.failed is (not theirs.is_complete)
    if not outcome.failed:
        assert (outcome.status, outcome.body, outcome.fields) == (theirs.status, theirs.body, theirs.fields)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"].rpartition(" / ")[2])
def test_case_byte_by_byte_is_the_same(case: dict[str, Any]):
    """H1-25."""
    stream = raw(case)

    assert outcome_of(pieces(stream, list(range(len(stream)))), eof=True) == outcome_of([stream], eof=True)
