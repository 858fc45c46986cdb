"""What is requested, how often, and how it may end.

Each request carries a token of its own in `x-token`, which the answer has to bring back, with a body that is known to
the last octet or with the hash of what was sent. An answer that is not the one to this token is a crossed response; a
fault that a client takes for a whole answer is a lost one.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

import httpfast
from bench.server import content

PAD = b" " + content(200).replace(b"\n", b"-").hex().encode()[:199]
"""Behind the token in a small answer. The origin sends it, and nginx has it in its configuration."""

LARGE = content(100_000)
HUGE_BYTES = 1_000_000
"""More than a client reads ahead: a response that is dropped has something left to come."""

SENT = {size: content(size) for size in (20_000, 200_000)}
"""Bodies of requests."""

SENT_HASHES = {size: hashlib.sha256(octets).hexdigest().encode() for size, octets in SENT.items()}

Way = Literal["whole", "stream", "leave", "abandon", "cancel", "hurry"]
"""What the caller does: read at once; read in pieces; close after one piece; drop the response unread and unclosed;
cancel at some moment; give it a time limit that may be too short."""

BROKEN = (httpfast.RemoteProtocolError, httpfast.ReadError)
"""What a response that breaks off is."""

CUT_OFF = (*BROKEN, httpfast.WriteError)
"""The same, where the connection may also break while the request is written."""


@dataclass(frozen=True)
class Card:
    """A kind of request.

    Attributes:
        name: also the path.
        share: of 10,000.
        place: "front" (nginx), "front-tls" (HTTP/1.1 over TLS), "origin", or "wreck": the origin on another port, where
            whole connections go wrong, so that other requests on them may fail with them.
        upload: octets of the request's body.
        timeout: seconds for each read, if not as long as others have.
        errors: the exceptions it may end with.
        must_fail: whether an answer would be wrong.
    """

    name: str
    share: int
    place: str = "front"
    way: Way = "whole"
    method: str = "GET"
    upload: int = 0
    status: int = 200
    timeout: float | None = None
    errors: tuple[type[Exception], ...] = ()
    must_fail: bool = False

    @property
    def path(self) -> str:
        return {"leave": "/huge", "abandon": "/huge", "cancel": "/small", "hurry": "/small"}.get(
            self.way, "/" + self.name.partition(":")[0]
        )

    @property
    def is_fault(self) -> bool:
        """Whether something is meant to go wrong."""
        return self.name not in ("small", "large", "put", "post", "echo") and self.way != "stream"

    def is_answer(self, token: bytes, status: int, echoed: str | None, body: bytes) -> bool:
        """Whether a response is the one, and the whole one, to this request."""
        if status != self.status:
            return False
        if self.path == "/large":
            return body == LARGE and echoed is not None and echoed.encode() == token
        if self.path in ("/put", "/post"):
            return body == token + b" " + SENT_HASHES[self.upload]
        return body == token + PAD


COMMON = (
    Card("large", 40),
    Card("large:stream", 20, way="stream"),
    Card("put", 12, method="PUT", upload=20_000),
    Card("put", 3, method="PUT", upload=200_000),
    # Sent twice, the origin answers 409: nothing may be carried out twice. nginx may close a connection as it comes.
    Card("post", 10, method="POST", upload=20_000, errors=CUT_OFF),
    Card("echo", 40, place="origin"),
    Card("cancel", 14, way="cancel"),
    Card("hurry", 5, way="hurry", errors=(httpfast.TimeoutException,)),
    Card("leave", 14, way="leave"),
    Card("abandon", 4, way="abandon"),
    Card("stall", 3, place="origin", timeout=0.15, errors=(httpfast.ReadTimeout,), must_fail=True),
    Card("error-500", 5, place="origin", status=500),
    Card("bad-gzip", 5, place="origin", errors=(httpfast.DecodingError,), must_fail=True),
)

H1 = (
    Card("small", 300, place="front-tls"),
    Card("reset-body", 5, place="origin", errors=BROKEN, must_fail=True),
    Card("cut-body", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("cut-chunked", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("bad-head", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("two-lengths", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("no-answer", 5, place="origin", errors=BROKEN, must_fail=True),
    Card("reset-head", 5, place="origin", errors=BROKEN, must_fail=True),
    # The answer is whole; what comes behind it, or the end of the connection, is the next request's trouble.
    Card("surplus", 5, place="origin"),
    Card("close-idle", 8, place="origin"),
    Card("early-413", 5, place="origin", method="PUT", upload=200_000, status=413),
)

H2 = (
    Card("reset-body", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("reset-head", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("cut-body", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    Card("bad-head", 5, place="origin", errors=(httpfast.RemoteProtocolError,), must_fail=True),
    # Sent three times at most; a GOAWAY that it has met before counts among them.
    Card("refuse", 5, place="origin", errors=(httpfast.RemoteProtocolError,)),
    Card("goaway", 8, place="origin"),
    Card("echo", 20, place="wreck", errors=CUT_OFF),
    Card("close-idle", 5, place="wreck", errors=CUT_OFF),
    Card("reset-connection", 5, place="wreck", errors=CUT_OFF, must_fail=True),
    Card("bad-frame", 5, place="wreck", errors=CUT_OFF, must_fail=True),
    Card("goaway-error", 5, place="wreck", errors=CUT_OFF, must_fail=True),
)

DECK = 10_000


def deal(protocol: Literal["h1", "h2"], seed: int, times: int = 1) -> list[Card]:
    """A deck of one protocol, shuffled: each card `times` as often as its share, and `small` for the rest."""
    cards = [card for card in (*COMMON, *(H1 if protocol == "h1" else H2)) for _ in range(card.share * times)]
    cards += [Card("small", 0)] * (DECK - len(cards))
    random.Random(seed).shuffle(cards)
    return cards


def fault_share(protocol: Literal["h1", "h2"], times: int = 1) -> float:
    """The part of a deck in which something is meant to go wrong."""
    return sum(card.is_fault for card in deal(protocol, 0, times)) / DECK
