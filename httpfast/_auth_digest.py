"""Digest access authentication (RFC 7616, and RFC 2069 for servers without qop).

    request ─┬─ a challenge of its origin is known ─► answered ahead, with the next nonce count ─┬─► response
             └─ none is ─► sent as it is ────────────────────────────────────────────────────────┤
                                                                                                 │ 401 and a challenge
                                                 response ◄── answered once, and remembered ◄────┘

What a server says in a challenge comes back to it in our own field, so it is taken apart and escaped here. Field
values are octets throughout: the server gets back exactly those that it has sent.
"""

from __future__ import annotations

import os
import re
from itertools import count, islice
from threading import Lock

from ._auth import Auth
from ._exceptions import RemoteProtocolError
from ._exchange import shares_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    from ._request import Request
    from ._response import Response

    Origin = tuple[bytes, bytes, int]
    Parameters = dict[bytes, bytes]

__all__ = ["DigestAuth"]

# Names of the algorithms without "-SESS", which each of them has too (RFC 7616, 6.1), and what hashlib calls them. SHA
# and SHA-512 are registered nowhere, but servers offer them.
_HASHES = {
    b"MD5": "md5",
    b"SHA": "sha1",
    b"SHA-256": "sha256",
    b"SHA-512": "sha512",
    # SHA-512/256 of FIPS 180-4, which has initial values of its own: no SHA-512 cut short (RFC 7616, erratum 4897).
    b"SHA-512-256": "sha512_256",
}

# Octets of a challenge that would have to be sent back. nginx and Apache refuse a field of more than 8 KiB.
MAX_ECHOED_BYTES = 16 * 1024

# Digest challenges of one response that are looked at. There is one for each algorithm, of which ten are known here.
MAX_OFFERS = 32

# Origins whose last challenge is remembered; then the oldest is forgotten, which costs one more round trip.
MAX_ORIGINS = 256

# An element of WWW-Authenticate (RFC 9110, 11.3 and 11.6.1): a parameter, the name of a scheme, or a token68. The
# quantifiers are possessive, so that nothing is read twice. An unquoted value is all up to the comma: servers send
# more than a token there.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_ELEMENT = (
    rb"[ \t,]*+(?:"
    rb"(?P<name>" + _TOKEN + rb")[ \t]*+=[ \t]*+"
    rb'(?:"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"|(?P<plain>[^",]*+))[ \t]*+(?:,|\Z)'
    rb"|(?P<scheme>" + _TOKEN + rb")(?:[ \t]++|(?=,)|\Z)"
    rb"|[A-Za-z0-9\-._~+/]++=*+[ \t]*+(?:,|\Z)"
    rb")"
)

# No quoted-string has them, escaped or not (RFC 9110, 5.6.4).
_CONTROL = rb"[\x00-\x08\x0a-\x1f\x7f]"


class DigestAuth(Auth):
    """The Digest scheme (RFC 7616): the password is never sent, only hashes of it that fit one request.

    The last challenge of each origin is kept, so that only the first request to it takes two round trips. It is never
    answered to another origin, and a challenge that redirects to another origin have led to is not answered at all.
    The bodies of requests are not protected (qop=auth).

    One instance may be used by any number of tasks and threads. A count belongs to its nonce, and no two requests get
    the same one, also when the server offers the nonce in use again. Requests that leave together before the first
    challenge take two round trips each; a server that wants counts to arrive in order may challenge those that were
    overtaken once more, and these are answered anew.

    Args:
        username: str is sent as UTF-8.
        password: likewise.

    Raises:
        ValueError: a control character in the username.
    """

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self._username = username.encode("utf-8") if isinstance(username, str) else username
        self._password = password.encode("utf-8") if isinstance(password, str) else password
        if re.search(_CONTROL, self._username):
            raise ValueError("A username with a control character cannot be sent (RFC 9110, 5.6.4)")
        self._challenges: dict[Origin, _Challenge] = {}
        self._lock = Lock()

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        known = self._challenges.get(request.url._origin_key)
        if known is not None:
            self._answer(request, known)
        response = yield request
        while response.status_code == 401:
            offers = list(islice(_digest_offers(response), MAX_OFFERS))
            challenged = _challenged_request(request, response) if offers else None
            if challenged is None:
                return
            challenge = self._choose(offers, challenged)
            self._remember(challenged.url._origin_key, challenge)
            self._answer(challenged, challenge)
            if "Set-Cookie" in response.headers:
                # The nonce may be bound to a session, and the client's own cookies were chosen before it began.
                response.cookies.set_cookie_header(challenged)
            response = yield challenged
            if response._request is None or "Authorization" in response._request.headers:
                return
            # A redirect led on, and what was sent there had no answer yet: each redirect counts, so this ends.

    def _choose(self, offers: list[Parameters], request: Request) -> _Challenge:
        """Take the first challenge that can be answered: servers put the one they like best first (RFC 7616, 3.7).

        Raises:
            RemoteProtocolError: there is none; tells what is wrong with the first.
            NotImplementedError: likewise, and the first wants the body protected.
        """
        refusals: list[RemoteProtocolError | NotImplementedError] = []
        for parameters in offers:
            try:
                return self._accept(parameters, request)
            except (RemoteProtocolError, NotImplementedError) as refusal:
                refusals.append(refusal)
        raise refusals[0]

    def _accept(self, parameters: Parameters, request: Request) -> _Challenge:
        def malformed(reason: str) -> RemoteProtocolError:
            return RemoteProtocolError(f"Malformed Digest WWW-Authenticate header: {reason}", request=request)

        if _BROKEN in parameters:
            raise malformed(f"{parameters[_BROKEN][:64]!r} is no parameter (RFC 9110, 11.3)")
        for name in (b"realm", b"nonce"):
            if name not in parameters:
                raise malformed(f"no {name.decode()} (RFC 7616, 3.3)")
        realm, nonce, opaque = parameters[b"realm"], parameters[b"nonce"], parameters.get(b"opaque", b"")
        length = len(realm) + len(nonce) + len(opaque)
        if length > MAX_ECHOED_BYTES:
            raise malformed(f"{length} octets to send back, and the limit is {MAX_ECHOED_BYTES}")
        for value in (realm, nonce, opaque):
            if re.search(_CONTROL, value):
                raise malformed(f"{value[:64]!r} has a control character (RFC 9110, 5.6.4)")

        algorithm = parameters.get(b"algorithm", b"MD5")
        name = algorithm.upper()
        is_session = name.endswith(b"-SESS")
        hash_name = _HASHES.get(name.removesuffix(b"-SESS"))
        if hash_name is None:
            raise RemoteProtocolError(f"Unsupported digest auth algorithm {algorithm[:64]!r}", request=request)
        has_qop = b"qop" in parameters
        if has_qop:
            offered = [option.strip() for option in parameters[b"qop"].split(b",")]
            if offered == [b"auth-int"]:
                raise NotImplementedError("Digest authentication with qop=auth-int is not supported")
            if b"auth" not in offered:
                raise RemoteProtocolError(
                    f"Unexpected qop value {parameters[b'qop'][:64]!r} in digest auth (RFC 7616, 3.3)", request=request
                )
        try:
            secret = _hash(hash_name, self._username, realm, self._password)
        except ValueError as error:
            # Builds for FIPS 140 come without MD5, and some of OpenSSL without SHA-512/256.
            raise RemoteProtocolError(
                f"Unsupported digest auth algorithm {algorithm[:64]!r}: this Python has no {hash_name}", request=request
            ) from error
        cnonce = None
        if is_session:
            # The secret of a session is made with its first cnonce (RFC 7616, 3.4.2), but some servers use that of each
            # request. To both it is right if there is only one.
            cnonce = self._get_client_nonce(1, nonce)
            secret = _hash(hash_name, secret, nonce, cnonce)
        return _Challenge(realm, nonce, opaque, algorithm, hash_name, has_qop, secret, cnonce)

    def _remember(self, origin: Origin, challenge: _Challenge) -> None:
        challenges = self._challenges
        with self._lock:
            known = challenges.get(origin)
            if known is None:
                if len(challenges) >= MAX_ORIGINS:
                    del challenges[next(iter(challenges))]
            elif known.nonce == challenge.nonce:
                # Its count goes on: a server takes a count that it has seen for a replay.
                challenge.counts = known.counts
            challenges[origin] = challenge

    def _answer(self, request: Request, challenge: _Challenge) -> None:
        """Set the Authorization field (RFC 7616, 3.4)."""
        number = next(challenge.counts)
        target = request.extensions.get("target")
        if target is None:
            target = request.url.raw_path
        elif isinstance(target, str):
            target = target.encode("utf-8")
        digest = [challenge.secret, challenge.nonce]
        last = []
        if challenge.has_qop:
            nonce_count = b"%08x" % number
            cnonce = challenge.cnonce or self._get_client_nonce(number, challenge.nonce)
            digest += [nonce_count, cnonce, b"auth"]
            last = [b"qop=auth", b"nc=" + nonce_count, b"cnonce=" + _quote(cnonce)]
        digest.append(_hash(challenge.hash_name, request.method.encode("utf-8"), target))
        parts = [
            b"username=" + _quote(self._username),
            b"realm=" + _quote(challenge.realm),
            b"nonce=" + _quote(challenge.nonce),
            b"uri=" + _quote(target),
            b"response=" + _quote(_hash(challenge.hash_name, *digest)),
            b"algorithm=" + challenge.algorithm,
        ]
        if challenge.opaque:
            parts.append(b"opaque=" + _quote(challenge.opaque))
        # Octets, for they need not be text in any one encoding.
        request.headers["Authorization"] = b"Digest " + b", ".join(parts + last)  # type: ignore[assignment]

    def _get_client_nonce(self, nonce_count: int, nonce: bytes) -> bytes:
        """Return a cnonce, of 64 random bits. A subclass may make it of the count and the nonce that it goes with."""
        return os.urandom(8).hex().encode("ascii")

    def __getstate__(self) -> dict[str, Any]:
        # A copy begins sessions of its own: both would use the same nonce counts otherwise.
        return {name: value for name, value in self.__dict__.items() if name not in ("_challenges", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._challenges = {}
        self._lock = Lock()


class _Challenge:
    """A challenge that can be answered, the secret that goes into the answers, and the count of them."""

    def __init__(
        self,
        realm: bytes,
        nonce: bytes,
        opaque: bytes,
        algorithm: bytes,
        hash_name: str,
        has_qop: bool,
        secret: bytes,
        cnonce: bytes | None,
    ) -> None:
        self.realm = realm
        self.nonce = nonce
        self.opaque = opaque
        # As the server spells it.
        self.algorithm = algorithm
        self.hash_name = hash_name
        self.has_qop = has_qop
        # H(A1), as good as the password in this realm.
        self.secret = secret
        # That of a "-sess" algorithm; others have a new one for each request.
        self.cnonce = cnonce
        # One that tasks and threads may share.
        self.counts = count(1)


def _hash(name: str, *parts: bytes) -> bytes:
    """The parts joined by colons and hashed, in hexadecimal. Raises ValueError when there is no such hash here."""
    import hashlib

    # The peer has chosen the algorithm; under FIPS 140 it has to be said that this is not our idea of security.
    return hashlib.new(name, b":".join(parts), usedforsecurity=False).hexdigest().encode("ascii")


def _quote(value: bytes) -> bytes:
    """A quoted-string (RFC 9110, 5.6.4) of octets without control characters."""
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# In place of a parameter's name: where the challenge could not be read any further.
_BROKEN = b""


def _digest_offers(response: Response) -> Iterator[Parameters]:
    """The parameters of all Digest challenges of a response, by lower-case names, in the order of the fields."""
    for name, value in response.headers.raw:
        if name.lower() == b"www-authenticate":
            yield from [parameters for parameters in _parameters_of_digest(value) if parameters]


def _parameters_of_digest(field: bytes) -> list[Parameters]:
    """Read a field of any number of challenges of any schemes (RFC 9110, 11.6.1), in linear time.

    Behind something that is no challenge nothing can be told for sure, so reading stops there. Of parameters that occur
    twice the last counts.
    """
    # Compiled by the first challenge, and then kept by `re`.
    match = re.compile(_ELEMENT, re.DOTALL).match
    found: list[Parameters] = []
    current: Parameters | None = None
    position = 0
    while (element := match(field, position)) is not None:
        position = element.end()
        scheme, name, quoted, plain = element.group("scheme", "name", "quoted", "plain")
        if scheme is not None:
            current = None
            if scheme.lower() == b"digest":
                current = {}
                found.append(current)
        elif name is not None and current is not None:
            value = plain.strip() if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL)
            current[name.lower()] = value
    rest = field[position:].strip(b" \t,")
    if rest and current is not None:
        current[_BROKEN] = rest
    return found


def _challenged_request(request: Request, response: Response) -> Request | None:
    """The request that a 401 is about: the last one that redirects led to, for the digest covers method and target.

    Returns: None if redirects left the origin on the way, as then the credentials are not meant for who asks.
    """
    hops = [hop for hop in response.history if hop.has_redirect_location]
    if not hops:
        return request
    url = request.url
    for following in [*[hop.request.url for hop in hops], response.request.url]:
        if not shares_credentials(url, following):
            return None
        url = following
    return response.request
