"""DigestAuth: what it answers to which challenge (RFC 7616), and to whom."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import itertools
import pickle
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import httpfast
from httpfast import Request, Response

URL = "https://a.example/dir/index.html"
CHALLENGE = 'Digest realm="r", nonce="n", qop="auth"'


def fields_of(authorization: str) -> dict[str, str]:
    """The parameters of an Authorization field, which has to be well formed (RFC 9110, 11.4)."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "Digest"
    assert re.fullmatch(r'(\w+=("([^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"|[\w-]+)(, |$))+', rest)
    found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([\w-]+))', rest)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


def answer_to(*challenges: str | bytes, auth: httpfast.DigestAuth | None = None, **arguments: Any) -> str | None:
    """What a request has in Authorization after a 401 with these fields; None if it is not sent again."""
    request = Request(**{"method": "GET", "url": URL} | arguments)
    flow = (auth or httpfast.DigestAuth("Mufasa", "Circle of Life")).sync_auth_flow(request)
    assert "Authorization" not in next(flow).headers
    values = [challenge.encode() if isinstance(challenge, str) else challenge for challenge in challenges]
    response = Response(401, headers=[(b"WWW-Authenticate", value) for value in values], request=request)
    try:
        following = flow.send(response)
    except StopIteration:
        return None
    assert following is request
    with pytest.raises(StopIteration):
        flow.send(Response(401, headers=[("WWW-Authenticate", CHALLENGE)], request=request))
    authorization: str = following.headers["Authorization"]
    return authorization


def with_cnonce(value: bytes, *credentials: str | bytes) -> httpfast.DigestAuth:
    class Fixed(httpfast.DigestAuth):
        def _get_client_nonce(self, nonce_count: int, nonce: bytes) -> bytes:
            return value

    return Fixed(*(credentials or ("Mufasa", "Circle of Life")))


# Published examples

RFC_7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_7616_OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
RFC_7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_example_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{RFC_7616_NONCE}", opaque="{RFC_7616_OPAQUE}"'
    )

    answer = answer_to(challenge, auth=with_cnonce(RFC_7616_CNONCE.encode()))

    # The order of the fields is httpx's, which servers are known to take.
    assert answer == (
        'Digest username="Mufasa", realm="http-auth@example.org", '
        f'nonce="{RFC_7616_NONCE}", uri="/dir/index.html", response="{response}", algorithm={algorithm}, '
        f'opaque="{RFC_7616_OPAQUE}", qop=auth, nc=00000001, cnonce="{RFC_7616_CNONCE}"'
    )


def test_example_of_rfc_2069_has_no_count() -> None:
    nonce, opaque = "dcd98b7102dd2f0e8b11d0f600bfb0c093", "5ccc069c403ebaf9f0171e9517f40e41"
    challenge = f'Digest realm="testrealm@host.com", nonce="{nonce}", opaque="{opaque}"'

    answer = answer_to(challenge, auth=httpfast.DigestAuth("Mufasa", "CircleOfLife"))

    # The response is that of erratum 749.
    assert answer == (
        f'Digest username="Mufasa", realm="testrealm@host.com", nonce="{nonce}", uri="/dir/index.html", '
        f'response="1949323746fe6a43ef61f9606e7febea", algorithm=MD5, opaque="{opaque}"'
    )


has_sha_512_256 = "sha512_256" in hashlib.algorithms_available
needs_sha_512_256 = pytest.mark.skipif(not has_sha_512_256, reason="this build of OpenSSL has no SHA-512/256")


@needs_sha_512_256
def test_example_of_rfc_7616_with_sha_512_256() -> None:
    nonce, cnonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    challenge = (
        f'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="{nonce}", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )

    answer = answer_to(
        challenge,
        auth=with_cnonce(cnonce, "J\u00e4s\u00f8n Doe", "Secret, or not?"),
        url="https://api.example.org/doe.json",
    )

    # As erratum 4897 has it: that of the RFC is of SHA-512 cut short. We do not hash the username, as is our choice.
    response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    assert fields_of(answer or "")["response"] == response


ALGORITHMS = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}


@pytest.mark.parametrize("spelling", [str, str.lower, '"{}"'.format])
@pytest.mark.parametrize("suffix", ["", "-SESS"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs_sha_512_256) if name == "SHA-512-256" else name for name in ALGORITHMS]
)
def test_algorithms(name: str, suffix: str, spelling: Callable[[str], str]) -> None:
    def digest(*parts: str) -> str:
        return hashlib.new(ALGORITHMS[name], ":".join(parts).encode()).hexdigest()

    algorithm = spelling(name + suffix)

    answer = fields_of(answer_to(f"{CHALLENGE}, algorithm={algorithm}", method="POST") or "")

    secret = digest("Mufasa", "r", "Circle of Life")
    if suffix:
        secret = digest(secret, "n", answer["cnonce"])
    of_request = digest("POST", "/dir/index.html")
    assert answer["response"] == digest(secret, "n", "00000001", answer["cnonce"], "auth", of_request)
    assert answer["algorithm"] == algorithm.strip('"')


def test_username_and_password_are_utf_8_or_octets_as_given() -> None:
    as_text = answer_to(CHALLENGE, auth=with_cnonce(b"c", "Müfasa", "Lëben"))
    as_octets = answer_to(CHALLENGE, auth=with_cnonce(b"c", "Müfasa".encode(), "Lëben".encode()))
    in_latin_1 = answer_to(CHALLENGE, auth=with_cnonce(b"c", "Müfasa".encode("latin-1"), "Lëben"))

    assert as_text == as_octets
    assert fields_of(as_text or "")["username"] == fields_of(in_latin_1 or "")["username"] == "Müfasa"


def test_uri_is_the_target_that_is_sent() -> None:
    plain = answer_to(CHALLENGE, url="https://a.example/a b?q=ü&x=%2F#f")
    root = answer_to(CHALLENGE, url="https://a.example")
    own = [answer_to(CHALLENGE, method="OPTIONS", extensions={"target": target}) for target in (b"*", "*")]

    uris = [fields_of(answer or "")["uri"] for answer in (plain, root, *own)]
    assert uris == ["/a%20b?q=%C3%BC&x=%2F", "/", "*", "*"]


def test_cnonce_is_random() -> None:
    cnonces = {fields_of(answer_to(CHALLENGE) or "")["cnonce"] for _ in range(50)}

    assert len(cnonces) == 50
    assert all(re.fullmatch("[0-9a-f]{16}", cnonce) for cnonce in cnonces)


# Challenges


@pytest.mark.parametrize(
    "challenge",
    [
        'digest realm="r", nonce="n"',
        'DIGEST\trealm="r",nonce="n"',
        "Digest realm=r, nonce=n",
        'Digest Realm="r", NONCE="n"',
        'Digest realm = "r" ,\tnonce= "n" ,',
        'Digest ,realm="r",, nonce="n"',
        'Digest realm="\\r", nonce="n"',
        'Digest realm="r", nonce="n", stale=TRUE, domain="/a /b", charset=UTF-8, userhash=false',
        'Digest realm="x", nonce="n", realm="r"',
        'Basic realm="a, Digest realm=b", Digest realm="r", nonce="n"',
        'Digest realm="r", nonce="n", Basic realm="basic"',
        'Negotiate, Digest realm="r", nonce="n"',
        'NTLM TlRM/+A==, Digest realm="r", nonce="n", Bearer',
        'Negotiate YII, Newauth realm="\\"a, b\\"", type=1, Digest realm="r", nonce="n", x',
    ],
)
def test_challenge_is_found_and_read(challenge: str) -> None:
    answer = fields_of(answer_to(challenge) or "")

    assert (answer["realm"], answer["nonce"]) == ("r", "n")


def test_unquoted_value_goes_to_the_comma() -> None:
    answer = fields_of(answer_to("Digest realm=My Realm , nonce=ab/c==") or "")

    assert (answer["realm"], answer["nonce"]) == ("My Realm", "ab/c==")


@pytest.mark.parametrize(
    "challenges",
    [
        (),
        ("Basic realm=r",),
        ("Digestive realm=r, nonce=n",),
        ("Digest",),
        ('Basic realm="Digest realm=r, nonce=n"',),
        ("Bearer a b c, Digest",),
    ],
)
def test_without_a_digest_challenge_the_401_is_the_answer(challenges: tuple[str, ...]) -> None:
    assert answer_to(*challenges) is None


def test_only_a_401_is_a_challenge() -> None:
    for status in (200, 403, 407):
        flow = httpfast.DigestAuth("u", "p").sync_auth_flow(Request("GET", URL))
        next(flow)
        with pytest.raises(StopIteration):
            flow.send(Response(status, headers={"WWW-Authenticate": CHALLENGE}))


@pytest.mark.parametrize(
    "challenges",
    [
        ("Basic realm=r", "Digest realm=r, nonce=first", "Digest realm=r, nonce=second"),
        ("Digest realm=r, nonce=x, algorithm=SHA-384", "Digest realm=r, nonce=first, algorithm=MD5"),
        ("Digest realm=r, nonce=x, algorithm=SHA-384, Digest realm=r, nonce=first, algorithm=MD5",),
        ("Digest realm=r, nonce=x, qop=auth-int", "Digest realm=r, nonce=first, qop=auth"),
        ("Digest realm=r", "Digest realm=r, nonce=first, Digest realm=r, nonce=second"),
    ],
)
def test_first_challenge_that_can_be_answered_is(challenges: tuple[str, ...]) -> None:
    assert fields_of(answer_to(*challenges) or "")["nonce"] == "first"


@pytest.mark.parametrize("qop", ['"auth"', "auth", '"auth, auth-int"', '"auth-int,auth"', '"unknown ,\tauth"'])
def test_qop_auth_is_chosen_of_a_list(qop: str) -> None:
    answer = fields_of(answer_to(f"Digest realm=r, nonce=n, opaque=, algorithm=MD5, qop={qop}") or "")

    assert answer["qop"] == "auth"
    assert "opaque" not in answer


MALFORMED = [
    ("Digest realm=r", "no nonce"),
    ('Digest nonce="n"', "no realm"),
    ('Digest realm="r", nonce="n', "is no parameter"),
    ('Digest realm="r", qop="auth,au', "is no parameter"),
    ('Digest realm="r" nonce="n"', "is no parameter"),
    ('Digest realm="r", nonce="n"x', "is no parameter"),
    ('Digest realm="r", nonce=x"n"', "is no parameter"),
    ('Digest realm="r", nonce="n", algorithm=SHA-384', "algorithm"),
    ('Digest realm="r", nonce="n", algorithm="MD5\r\nX-Evil: 1"', "algorithm"),
    ('Digest realm="r", nonce="n", algorithm=-SESS', "algorithm"),
    ('Digest realm="r", nonce="n", qop="x"', "qop"),
    ('Digest realm="r", nonce="n", qop=""', "qop"),
    ('Digest realm="r", nonce="n", qop="auth\r\nX-Evil: 1"', "qop"),
    ('Digest realm="r", nonce="n", qop="auth-int,x"', "qop"),
]


@pytest.mark.parametrize(("challenge", "reason"), MALFORMED)
def test_challenge_that_cannot_be_answered_is_a_protocol_error(challenge: str, reason: str) -> None:
    auth = httpfast.DigestAuth("Mufasa", "Circle of Life")

    with pytest.raises(httpfast.RemoteProtocolError, match=reason) as caught:
        answer_to(challenge, auth=auth)

    assert caught.value.request.url == URL
    # It is not remembered: the next request is as the first.
    assert answer_to(CHALLENGE, auth=auth) is not None


def test_challenges_beyond_a_number_are_not_looked_at() -> None:
    unknown = "Digest realm=r, nonce=n, algorithm=x"

    assert answer_to(*[unknown] * 31, CHALLENGE) is not None
    with pytest.raises(httpfast.RemoteProtocolError, match="algorithm"):
        answer_to(*[unknown] * 32, CHALLENGE)


def test_error_is_about_the_first_challenge() -> None:
    with pytest.raises(httpfast.RemoteProtocolError, match="no nonce"):
        answer_to("Basic realm=r", "Digest realm=r", "Digest nonce=n", "Digest realm=r, nonce=n, qop=auth-int")


def test_only_auth_int_is_not_implemented() -> None:
    with pytest.raises(NotImplementedError, match="auth-int"):
        answer_to("Digest realm=r, nonce=n, qop=auth-int")


def test_hash_that_python_lacks_is_a_protocol_error(monkeypatch: pytest.MonkeyPatch) -> None:
    known = hashlib.new

    def without_md5(name: str, *arguments: Any, usedforsecurity: bool = True) -> Any:
        if name == "md5" or usedforsecurity:
            raise ValueError("disabled for FIPS")
        return known(name, *arguments, usedforsecurity=usedforsecurity)

    monkeypatch.setattr(hashlib, "new", without_md5)

    with pytest.raises(httpfast.RemoteProtocolError, match="md5"):
        answer_to(CHALLENGE)
    answer = answer_to(CHALLENGE, f"{CHALLENGE}, algorithm=SHA")
    assert fields_of(answer or "")["algorithm"] == "SHA"


@pytest.mark.parametrize("algorithm", ["SHA-512-256", "SHA-512-256-sess"])
def test_sha_512_256_that_python_lacks_is_refused_as_an_unknown_algorithm(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = hashlib.new

    def without_sha_512_256(name: str, *arguments: Any, usedforsecurity: bool = True) -> Any:
        if name == "sha512_256":
            raise ValueError("unsupported hash type sha512_256")
        return known(name, *arguments, usedforsecurity=usedforsecurity)

    monkeypatch.setattr(hashlib, "new", without_sha_512_256)

    with pytest.raises(httpfast.RemoteProtocolError, match=f"Unsupported digest auth algorithm b'{algorithm}'"):
        answer_to(f"{CHALLENGE}, algorithm={algorithm}")
    answer = answer_to(f"{CHALLENGE}, algorithm={algorithm}", f"{CHALLENGE}, algorithm=MD5")
    assert fields_of(answer or "")["algorithm"] == "MD5"


# What a server cannot do with a challenge [INJ-09]


@pytest.mark.parametrize("value", ['a"b', "a\\", '\\"', '", uri="/x', "ü", "a\tb", "x" * 10_000])
@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
def test_value_is_escaped_and_comes_back_as_it_was(name: str, value: str) -> None:
    given = {"realm": "r", "nonce": "n", "opaque": "o"} | {name: value}
    quoted = {key: text.replace("\\", "\\\\").replace('"', '\\"') for key, text in given.items()}
    challenge = "Digest " + ", ".join(f'{key}="{text}"' for key, text in quoted.items())

    # fields_of wants no control character, and a tab may be in a quoted string.
    answer = fields_of((answer_to(challenge.encode()) or "").replace("\t", " "))

    assert {key: answer[key] for key in given} == {key: text.replace("\t", " ") for key, text in given.items()}
    assert answer["uri"] == "/dir/index.html"


@pytest.mark.parametrize("octet", ["\r\nX-Evil: 1", "\r", "\n", "\x00", "\x7f", "\\\r\\\nX-Evil: 1"])
@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
def test_control_character_is_refused(name: str, octet: str) -> None:
    given = {"realm": "r", "nonce": "n", "opaque": "o"} | {name: f"a{octet}"}
    challenge = "Digest " + ", ".join(f'{key}="{text}"' for key, text in given.items())

    with pytest.raises(httpfast.RemoteProtocolError):
        answer_to(challenge)


def test_octets_that_are_no_utf_8_come_back_as_they_were() -> None:
    request = Request("GET", URL)
    flow = httpfast.DigestAuth("u", "p").sync_auth_flow(request)
    next(flow)

    flow.send(Response(401, headers=[(b"WWW-Authenticate", b'Digest realm="\xe9", nonce=n')], request=request))

    value = dict(request.headers.raw)[b"Authorization"]
    assert b'realm="\xe9"' in value
    assert hashlib.md5(b"u:\xe9:p:", usedforsecurity=False).hexdigest().encode() not in value


@pytest.mark.parametrize("name", ["realm", "nonce", "opaque"])
def test_more_than_a_server_would_take_back_is_refused(name: str) -> None:
    given = {"realm": "r", "nonce": "n"} | {name: "x" * 1_000_000}
    challenge = "Digest " + ", ".join(f'{key}="{text}"' for key, text in given.items())

    with pytest.raises(httpfast.RemoteProtocolError, match="the limit is 16384") as caught:
        answer_to(challenge)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "field",
    [
        "Digest " + "," * 1_000_000,
        "Digest " + "a" * 1_000_000,
        "Digest realm=" + " " * 1_000_000 + '"',
        'Digest realm="' + '\\"' * 500_000,
        'Digest realm="' + "\\" * 1_000_001 + '"',
        "Digest " + 'a="b,' * 200_000,
        "Digest " + 'realm="x", ' * 100_000,
        "Digest, " * 120_000,
        "Digest realm=r, " * 60_000,
    ],
    ids=lambda field: field[:20].strip(),
)
def test_long_field_takes_linear_time(field: str) -> None:
    started = time.process_time()

    with suppress(httpfast.RemoteProtocolError):
        answer_to(field)

    # Milliseconds in fact; a quadratic reader would need minutes.
    assert time.process_time() - started < 2


@pytest.mark.parametrize("username", ['a"b', "a\\b", '", realm="x'])
def test_username_is_escaped(username: str) -> None:
    answer = answer_to(CHALLENGE, auth=httpfast.DigestAuth(username, "p"))

    assert fields_of(answer or "")["username"] == username


@pytest.mark.parametrize("username", ["a\r\nX-Evil: 1", b"\n", "\x00"])
def test_username_with_a_control_character_is_refused(username: str | bytes) -> None:
    with pytest.raises(ValueError, match="control character"):
        httpfast.DigestAuth(username, "p")


def test_repr_and_errors_do_not_show_secrets() -> None:
    auth = httpfast.DigestAuth("the-user", "the-password")
    answer_to(CHALLENGE, auth=auth)
    challenge = auth._challenges[b"https", b"a.example", 443]
    secret = challenge.secret.decode()

    with pytest.raises(httpfast.RemoteProtocolError) as caught:
        answer_to("Digest realm=r", auth=httpfast.DigestAuth("the-user", "the-password"))

    for text in (repr(auth), repr(challenge), repr(auth._challenges), repr(caught.value)):
        assert "the-password" not in text
        assert secret not in text
    assert challenge.secret not in pickle.dumps(auth)


# Clients, and what is remembered


class Server:
    """Challenges what has no digest with a nonce that it knows, and notes what it was sent."""

    def __init__(self, nonces: Any = None, extra: str = "") -> None:
        self._nonces = nonces or (f"nonce{number}" for number in itertools.count(1))
        self._extra = extra
        self.valid: str | None = None
        self.seen: list[tuple[str, str, dict[str, str] | None]] = []

    def __call__(self, request: Request) -> Response:
        authorization = request.headers.get("Authorization")
        fields = None if authorization is None else fields_of(authorization)
        self.seen.append((request.method, str(request.url), fields))
        if fields is not None and fields["nonce"] == self.valid and fields["uri"] == request.url.raw_path.decode():
            return Response(200, text="welcome")
        self.valid = next(self._nonces)
        challenge = f'Digest realm="r", qop="auth", nonce="{self.valid}"{self._extra}'
        return Response(401, headers={"WWW-Authenticate": challenge}, text="who?")

    @property
    def counts(self) -> list[tuple[str, str] | None]:
        return [None if fields is None else (fields["nonce"], fields["nc"]) for _, _, fields in self.seen]


class Caller:
    """Either client over a handler."""

    def __init__(self, kind: str) -> None:
        self.is_async = kind == "async"
        self.client: Any = None

    def open(self, handler: Any, **settings: Any) -> None:
        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        self.client = kind(**{"transport": httpfast.MockTransport(handler)} | settings)

    def request(self, method: str, url: str = URL, **arguments: Any) -> Response:
        result = self.client.request(method, url, **arguments)
        return asyncio.run(result) if self.is_async else result  # type: ignore[no-any-return]


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def test_first_request_takes_two_round_trips_and_later_ones_one(caller: Caller) -> None:
    server = Server()
    caller.open(server, auth=httpfast.DigestAuth("u", "p"))

    first = caller.request("POST", content=b"body")
    later = [caller.request("GET", URL + "?2"), caller.request("GET", URL + "?3")]

    assert [response.status_code for response in (first, *later)] == [200] * 3
    assert [response.text for response in first.history] == ["who?"]
    assert [len(response.history) for response in later] == [0, 0]
    assert server.counts == [None, ("nonce1", "00000001"), ("nonce1", "00000002"), ("nonce1", "00000003")]
    assert first.request.content == b"body"


def test_each_request_has_a_cnonce_of_its_own_but_within_a_session(caller: Caller) -> None:
    for extra, distinct in [("", 3), (", algorithm=MD5-SESS", 1)]:
        server = Server(extra=extra)
        caller.open(server, auth=httpfast.DigestAuth("u", "p"))
        for _ in range(3):
            caller.request("GET")

        assert len({fields["cnonce"] for _, _, fields in server.seen if fields}) == distinct


def test_new_nonce_begins_a_new_count(caller: Caller) -> None:
    server = Server(extra=", stale=true")
    caller.open(server, auth=httpfast.DigestAuth("u", "p"))
    caller.request("GET")
    server.valid = "other"

    response = caller.request("GET")
    caller.request("GET")

    assert (response.status_code, len(response.history)) == (200, 1)
    assert server.counts[2:] == [("nonce1", "00000002"), ("nonce2", "00000001"), ("nonce2", "00000002")]


def test_nonce_that_is_offered_again_goes_on_with_its_count(caller: Caller) -> None:
    server = Server(nonces=itertools.repeat("same"))
    caller.open(server, auth=httpfast.DigestAuth("u", "p"))
    caller.request("GET")
    server.valid = None

    caller.request("GET")

    assert server.counts == [None, *[("same", f"{number:08x}") for number in (1, 2, 3)]]


def test_wrong_credentials_are_tried_once_for_each_call(caller: Caller) -> None:
    caller.open(
        lambda request: Response(401, headers={"WWW-Authenticate": CHALLENGE}), auth=httpfast.DigestAuth("u", "p")
    )

    response = caller.request("GET")

    assert (response.status_code, len(response.history)) == (401, 1)


def test_malformed_challenge_reaches_the_caller_with_its_request(caller: Caller) -> None:
    caller.open(lambda request: Response(401, headers={"WWW-Authenticate": "Digest x=1"}))

    with pytest.raises(httpfast.ProtocolError) as caught:
        caller.request("GET", auth=httpfast.DigestAuth("u", "p"))

    assert caught.value.request.url == URL


def test_cookies_of_the_401_go_with_the_answer(caller: Caller) -> None:
    seen: list[str | None] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers.get("Cookie"))
        if "Authorization" in request.headers:
            return Response(200)
        return Response(401, headers=[("WWW-Authenticate", CHALLENGE), ("Set-Cookie", "session=1")])

    caller.open(answer)

    caller.request("GET", auth=httpfast.DigestAuth("u", "p"))

    assert seen == [None, "session=1"]


class ReadingTransport(httpfast.MockTransport):
    """Sends a body as it comes, and keeps nothing of it."""

    def handle_request(self, request: Request) -> Response:
        assert list(request.stream) == [b"piece"]  # type: ignore[arg-type]
        return self.handler(request)  # type: ignore[return-value]

    async def handle_async_request(self, request: Request) -> Response:
        assert [piece async for piece in request.stream] == [b"piece"]  # type: ignore[union-attr]
        return self.handler(request)  # type: ignore[return-value]


def test_body_that_can_be_read_once_is_not_sent_twice(caller: Caller) -> None:
    async def pieces_async() -> Any:
        yield b"piece"

    def pieces() -> Any:
        yield b"piece"

    server = Server()
    caller.open(None, transport=ReadingTransport(server), auth=httpfast.DigestAuth("u", "p"))

    with pytest.raises(httpfast.StreamConsumed):
        caller.request("POST", content=pieces_async() if caller.is_async else pieces())

    assert len(server.seen) == 1


# Origins [RED-11]


def test_challenges_are_kept_for_each_origin(caller: Caller) -> None:
    servers = {"a.example": Server(), "b.example": Server(nonces=iter(["b"]))}
    caller.open(lambda request: servers[request.url.host](request), auth=httpfast.DigestAuth("u", "p"))

    for url in ("https://a.example/", "https://b.example/", "https://a.example/", "https://b.example/"):
        assert caller.request("GET", url).status_code == 200

    assert servers["a.example"].counts == [None, ("nonce1", "00000001"), ("nonce1", "00000002")]
    assert servers["b.example"].counts == [None, ("b", "00000001"), ("b", "00000002")]


@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example:8443/", "https://sub.a.example/"])
def test_known_challenge_is_not_answered_to_another_origin(url: str) -> None:
    auth = httpfast.DigestAuth("u", "p")
    answer_to(CHALLENGE, auth=auth)

    assert "Authorization" not in next(auth.sync_auth_flow(Request("GET", url))).headers


def test_challenges_of_only_so_many_origins_are_kept() -> None:
    auth = httpfast.DigestAuth("u", "p")
    for number in range(300):
        answer_to(CHALLENGE, auth=auth, url=f"https://h{number}.example/")

    assert len(auth._challenges) == 256
    assert "Authorization" in next(auth.sync_auth_flow(Request("GET", "https://h299.example/"))).headers
    assert "Authorization" not in next(auth.sync_auth_flow(Request("GET", "https://h0.example/"))).headers


def redirecting(server: Server, **locations: str) -> Any:
    """The server, but the paths that are named redirect."""

    def answer(request: Request) -> Response:
        location = locations.get(f"{request.url.host.partition('.')[0]}_{request.url.path.strip('/')}")
        if location is not None:
            server.seen.append((request.method, str(request.url), None))
            return Response(303, headers={"Location": location})
        return server(request)

    return answer


def test_request_that_a_redirect_made_is_answered_itself(caller: Caller) -> None:
    server = Server()
    caller.open(redirecting(server, a_form="/result"), auth=httpfast.DigestAuth("u", "p"), follow_redirects=True)

    first = caller.request("POST", "https://a.example/form", content=b"order")
    second = caller.request("POST", "https://a.example/form", content=b"order")

    # The form is sent once each time, and the digest is that of the request it is in.
    assert (first.status_code, second.status_code) == (200, 200)
    methods = [(method, url.rpartition("/")[2]) for method, url, _ in server.seen]
    assert methods == [("POST", "form"), ("GET", "result"), ("GET", "result")] * 2
    assert [hop.status_code for hop in first.history] == [401]


@pytest.mark.parametrize(
    ("locations", "status"),
    [
        ({"a_start": "https://b.example/"}, 401),
        ({"a_start": "http://a.example/"}, 401),
        ({"a_start": "https://a.example:8443/"}, 401),
        ({"a_start": "https://b.example/start", "b_start": "https://a.example/end"}, 401),
        ({"a_start": "https://a.example/end"}, 200),
    ],
)
def test_challenge_behind_a_redirect_is_answered_on_the_same_origin_only(
    caller: Caller, locations: dict[str, str], status: int
) -> None:
    server = Server()
    caller.open(redirecting(server, **locations), auth=httpfast.DigestAuth("u", "p"), follow_redirects=True)

    response = caller.request("GET", "https://a.example/start")

    assert response.status_code == status
    assert any(fields for _, _, fields in server.seen) == (status == 200)


def test_challenge_behind_an_upgrade_to_https_is_answered(caller: Caller) -> None:
    server = Server()
    auth = httpfast.DigestAuth("u", "p")
    caller.open(redirecting(server, a_start="https://a.example/end"), auth=auth, follow_redirects=True)

    assert caller.request("GET", "http://a.example/start").status_code == 200
    assert caller.request("GET", "https://a.example/end").history == []


def test_scheme_that_fetches_a_token_elsewhere_first_may_go_on_with_digest(caller: Caller) -> None:
    class Both(httpfast.Auth):
        def __init__(self) -> None:
            self.digest = httpfast.DigestAuth("u", "p")

        def auth_flow(self, request: Request) -> Any:
            yield Request("POST", "https://login.example/token")
            yield from self.digest.auth_flow(request)

    server = Server()
    caller.open(lambda request: Response(200) if request.url.host == "login.example" else server(request))

    assert caller.request("GET", auth=Both()).status_code == 200
    assert server.counts == [None, ("nonce1", "00000001")]


# Together


def test_tasks_that_share_an_instance_never_use_a_count_twice() -> None:
    server = Server(nonces=itertools.repeat("same"))
    auth = httpfast.DigestAuth("u", "p")

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0)
        return server(request)

    async def call() -> list[int]:
        async with httpfast.AsyncClient(transport=httpfast.MockTransport(answer), auth=auth) as client:
            together = await asyncio.gather(*[client.get(URL) for _ in range(20)])
            later = await asyncio.gather(*[client.get(URL) for _ in range(20)])
        return [response.status_code for response in (*together, *later)]

    assert asyncio.run(call()) == [200] * 40
    used = [count for count in server.counts if count is not None]
    assert sorted(used) == [("same", f"{number:08x}") for number in range(1, len(used) + 1)]


def test_tasks_with_different_nonces_count_each_of_them() -> None:
    auth = httpfast.DigestAuth("u", "p")
    answers = [answer_to(CHALLENGE.replace('"n"', f'"{nonce}"'), auth=copy.copy(auth)) or "" for nonce in "ab"]
    first, second = (Request("GET", URL) for _ in range(2))
    flows = [auth.sync_auth_flow(first), auth.sync_auth_flow(second)]
    for flow in flows:
        next(flow)

    for flow, nonce, request in zip(flows, "ab", (first, second), strict=True):
        flow.send(
            Response(401, headers={"WWW-Authenticate": f"Digest realm=r, nonce={nonce}, qop=auth"}, request=request)
        )

    used = [fields_of(answer) for answer in (*answers, first.headers["Authorization"], second.headers["Authorization"])]
    assert [(fields["nonce"], fields["nc"]) for fields in used] == [("a", "00000001"), ("b", "00000001")] * 2


def test_threads_that_share_an_instance_never_use_a_count_twice() -> None:
    auth = httpfast.DigestAuth("u", "p")
    used: list[str] = []
    ready = threading.Barrier(4)

    def call() -> None:
        ready.wait(10)
        for _ in range(200):
            request = Request("GET", URL)
            flow = auth.sync_auth_flow(request)
            if "Authorization" in next(flow).headers:
                used.append(request.headers["Authorization"])
            flow.send(Response(401, headers={"WWW-Authenticate": CHALLENGE}, request=request))
            used.append(request.headers["Authorization"])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = [fields_of(value)["nc"] for value in used]
    assert len(set(counts)) == len(counts) >= 800


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda auth: pickle.loads(pickle.dumps(auth))])
def test_copy_begins_sessions_of_its_own(duplicate: Callable[[Any], Any]) -> None:
    auth = httpfast.DigestAuth("u", "p")
    answer_to(CHALLENGE, auth=auth)

    other = duplicate(auth)

    # answer_to checks that nothing is sent ahead.
    assert fields_of(answer_to(CHALLENGE, auth=other) or "")["nc"] == "00000001"
    assert "Authorization" in next(auth.sync_auth_flow(Request("GET", URL))).headers


def test_response_bodies_are_not_asked_for() -> None:
    auth = httpfast.DigestAuth("u", "p")

    assert (auth.requires_request_body, auth.requires_response_body) == (False, False)


def test_redirect_drops_the_answer_to_another_target_and_the_new_one_is_challenged() -> None:
    sent: list[tuple[str, str]] = []

    def handler(request: httpfast.Request) -> httpfast.Response:
        authorization = request.headers.get("Authorization", "")
        sent.append((request.url.path, authorization[:6]))
        if not authorization:
            return httpfast.Response(401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
        if f'uri="{request.url.path}"' not in authorization:
            return httpfast.Response(400)
        if request.url.path == "/a":
            return httpfast.Response(302, headers={"Location": "/b"})
        return httpfast.Response(200)

    with httpfast.Client(transport=httpfast.MockTransport(handler), follow_redirects=True) as client:
        response = client.get("http://example.org/a", auth=httpfast.DigestAuth("user", "secret"))

    assert response.status_code == 200
    assert sent == [("/a", ""), ("/a", "Digest"), ("/b", ""), ("/b", "Digest")]
