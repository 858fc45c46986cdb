"""No password, token or cookie in a repr, a message, a log, a traceback or a pickle. [CLI-02]

What a caller has asked to see stays: `str(url)`, `headers["Authorization"]`, `dict(cookies)`.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import httpfast
from httpfast import Request, Response

SECRET = "hunter2"
ENCODED = ["aHVudGVyMg", "aHVudGVyMjpodW50ZXIy", "aHVudGVyMjpo"]
URL = f"https://user:{SECRET}@a.example/path?q=1"
FIELDS = {
    "Authorization": f"Bearer {SECRET}",
    "Proxy-Authorization": f"Basic {SECRET}",
    "Cookie": f"session={SECRET}",
    "Set-Cookie": f"session={SECRET}",
}


def assert_clean(text: object) -> None:
    shown = str(text)
    assert not [part for part in (SECRET, *ENCODED) if part in shown], shown


class Caller:
    """Either client over a function that answers."""

    def __init__(self, kind: str) -> None:
        self.is_async = kind == "async"

    def open(self, answer: Callable[[Request], Response], **settings: Any) -> Any:
        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        self.client: Any = kind(transport=httpfast.MockTransport(answer), **settings)
        return self.client

    def get(self, url: str = URL, **arguments: Any) -> Response:
        result = self.client.get(url, **arguments)
        return asyncio.run(result) if self.is_async else result


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


# Reprs


def netrc_auth(folder: Path) -> httpfast.NetRCAuth:
    file = folder / "netrc"
    file.write_text(f"machine a.example login {SECRET} password {SECRET}\n")
    return httpfast.NetRCAuth(str(file))


OBJECTS: dict[str, Callable[[Path], Any]] = {
    "URL": lambda _: httpfast.URL(URL),
    "Request": lambda _: Request("GET", URL, headers=FIELDS),
    "Response": lambda _: Response(401, headers=FIELDS, request=Request("GET", URL, headers=FIELDS)),
    "Headers": lambda _: httpfast.Headers(FIELDS),
    "Headers, upper case": lambda _: httpfast.Headers({name.upper(): value for name, value in FIELDS.items()}),
    "Headers of octets": lambda _: httpfast.Headers([(k.encode(), v.encode()) for k, v in FIELDS.items()]),
    "Proxy": lambda _: httpfast.Proxy(f"http://user:{SECRET}@a.example", headers=FIELDS),
    "Proxy with auth": lambda _: httpfast.Proxy("http://a.example", auth=("user", SECRET)),
    "BasicAuth": lambda _: httpfast.BasicAuth("user", SECRET),
    "DigestAuth": lambda _: httpfast.DigestAuth("user", SECRET),
    "NetRCAuth": netrc_auth,
    "FunctionAuth": lambda _: httpfast.FunctionAuth(lambda request: request),
    "Client": lambda _: httpfast.Client(auth=("user", SECRET), headers=FIELDS, cookies={"a": SECRET}, trust_env=False),
    "AsyncClient": lambda _: httpfast.AsyncClient(
        auth=("user", SECRET), headers=FIELDS, base_url=URL, proxy=f"http://user:{SECRET}@a.example"
    ),
    "HTTPTransport": lambda _: httpfast.HTTPTransport(proxy=httpfast.Proxy(f"http://user:{SECRET}@a.example")),
    "mounts": lambda _: httpfast.Client(mounts={"all://a.example": httpfast.HTTPTransport(proxy=URL)})._mounts,
    "origin": lambda _: httpfast.URL(URL).origin,
    "cookies": lambda _: httpfast.Client(cookies={"a": SECRET}, trust_env=False).cookies,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_repr_shows_no_secret(tmp_path: Path, name: str) -> None:
    shown = OBJECTS[name](tmp_path)

    assert_clean(repr(shown))
    assert_clean(f"{[shown]}")
    if name != "URL":
        assert_clean(shown)


def test_what_is_attached_to_a_client_shows_no_secret() -> None:
    client = httpfast.Client(
        auth=("user", SECRET), headers=FIELDS, base_url=URL, proxy=f"http://user:{SECRET}@a.example", trust_env=False
    )

    for value in (*vars(client).values(), *vars(client._find_transport(httpfast.URL(URL))).values()):
        assert_clean(repr(value))


def test_url_keeps_what_is_no_password() -> None:
    assert repr(httpfast.URL("https://user@a.example/")) == "URL('https://user@a.example/')"
    assert repr(Request("GET", URL)) == "<Request('GET', 'https://user:[secure]@a.example/path?q=1')>"
    assert repr(Request("GET", "https://a.example/")) == "<Request('GET', 'https://a.example/')>"


# Messages


def errors_of_requests() -> Iterator[tuple[str, Callable[[Caller], Any]]]:
    def failing(error: type[httpfast.TransportError]) -> Callable[[Caller], Any]:
        def call(caller: Caller) -> None:
            def fail(request: Request) -> Response:
                raise error("it failed")

            caller.open(fail, auth=("user", SECRET), headers=FIELDS)
            caller.get()

        return call

    def status(code: int) -> Callable[[Caller], Any]:
        def call(caller: Caller) -> None:
            caller.open(lambda request: Response(code, headers={**FIELDS, "Location": "/on"}))
            caller.get(headers=FIELDS).raise_for_status()

        return call

    def redirect(location: str) -> Callable[[Caller], Any]:
        def call(caller: Caller) -> None:
            fields = [(name.encode(), value.encode()) for name, value in {**FIELDS, "Location": location}.items()]
            caller.open(lambda request: Response(302, headers=fields), follow_redirects=True)
            caller.get(headers=FIELDS)

        return call

    def digest(challenge: str) -> Callable[[Caller], Any]:
        def call(caller: Caller) -> None:
            answer = Response(401, headers={"WWW-Authenticate": f"Digest {challenge}"})
            caller.open(lambda request: answer, auth=httpfast.DigestAuth("user", SECRET))
            caller.get()

        return call

    def bad_argument(**arguments: Any) -> Callable[[Caller], Any]:
        def call(caller: Caller) -> None:
            caller.open(lambda request: Response(200))
            caller.get(**arguments)

        return call

    def setting(**settings: Any) -> Callable[[Caller], Any]:
        return lambda caller: caller.open(lambda request: Response(200), **settings)

    for error in (httpfast.ConnectError, httpfast.ReadTimeout, httpfast.ProxyError, httpfast.RemoteProtocolError):
        yield error.__name__, failing(error)
    for code in (101, 302, 401, 500):
        yield f"status {code}", status(code)
    yield "endless redirects", redirect("/on")
    yield "bad redirect", redirect("https://:x/")
    yield "digest", digest("realm=x")
    yield "digest of an unknown algorithm", digest('realm="r", nonce="n", algorithm=x')
    yield "auth as text", bad_argument(auth=f"user:{SECRET}")
    yield "auth as octets", bad_argument(auth=f"user:{SECRET}".encode())
    yield "auth as a list", bad_argument(auth=["user", SECRET])
    yield "auth as a dict", bad_argument(auth={"user": SECRET})
    yield "auth of the client", setting(auth=["user", SECRET])
    yield "cookies of another type", setting(cookies={f"a={SECRET}"})
    yield "cookie that cannot be sent", setting(cookies={"a": f"{SECRET};\n"})
    yield "field of another type", bad_argument(headers={"Authorization": [SECRET]})
    yield "proxy of another scheme", setting(proxy=f"ftp://user:{SECRET}@a.example")
    for authority in ("a.example:99999", "[::1", "a b\\", "a.example:x", "-.\u2100", "[::1%25.]", "256.1.1.1"):
        yield f"URL with {authority}", bad_argument(url=f"https://user:{SECRET}@{authority}/")
        yield f"proxy at {authority}", setting(proxy=f"http://user:{SECRET}@{authority}/")
        yield f"redirect to {authority}", redirect(f"https://user:{SECRET}@{authority}/")


ERRORS = dict(errors_of_requests())


@pytest.mark.parametrize("name", ERRORS)
def test_message_and_traceback_show_no_secret(caller: Caller, name: str) -> None:
    with pytest.raises((httpfast.HTTPError, httpfast.InvalidURL, TypeError, ValueError)) as caught:
        ERRORS[name](caller)

    error = caught.value
    # This file's own lines would have it, were they shown.
    trace = "".join(line for line in traceback.format_exception(error) if __file__ not in line)
    for shown in (error, repr(error), error.args, trace):
        assert_clean(shown)
    request = getattr(error, "_request", None)
    if request is not None:
        assert_clean(repr(request))


def test_field_that_cannot_be_sent_is_not_shown(sync_transport_error: Callable[..., str]) -> None:
    assert "Authorization" in sync_transport_error(headers={"Authorization": f"Bearer {SECRET}\n"})


@pytest.fixture
def sync_transport_error() -> Callable[..., str]:
    def send(**arguments: Any) -> str:
        with (
            httpfast.Client(trust_env=False) as client,
            pytest.raises(httpfast.LocalProtocolError) as caught,
        ):
            client.get("http://127.0.0.1:1/", **arguments)
        assert_clean(caught.value)
        return str(caught.value)

    return send


def test_netrc_that_cannot_be_read_is_not_quoted(tmp_path: Path) -> None:
    import netrc

    file = tmp_path / "netrc"
    file.write_text(f"machine a.example login user password a {SECRET}\n")

    with pytest.raises(netrc.NetrcParseError) as caught:
        httpfast.NetRCAuth(str(file))

    assert_clean(caught.value)
    assert_clean("".join(traceback.format_exception(caught.value)))


# Logs


def test_logs_show_no_secret(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def answer(request: Request) -> Response:
        location = {"Location": f"https://user:{SECRET}@b.example/"} if request.url.host == "a.example" else {}
        return Response(302 if location else 200, headers={**location, "Set-Cookie": f"session={SECRET}"})

    caller.open(answer, follow_redirects=True, headers=FIELDS)

    caller.get()

    assert [record.levelname for record in caplog.records if record.name == "httpfast"] == ["INFO", "INFO"]
    assert_clean(caplog.text)
    assert "https://user:[secure]@a.example/path?q=1" in caplog.text
    for record in caplog.records:
        assert_clean(repr(record.args))


def test_url_without_userinfo_is_logged_as_it_is(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """Filters look at it."""
    caplog.set_level(logging.INFO, "httpfast")
    caller.open(lambda request: Response(200))

    caller.get("https://a.example/?q=1")

    assert isinstance(caplog.records[-1].args, tuple)
    assert caplog.records[-1].args[1] == httpfast.URL("https://a.example/?q=1")
    assert isinstance(caplog.records[-1].args[1], httpfast.URL)


# Pickles hold what they must to be of use, such as the fields of a request. What came along with it is not in them.


def test_pickle_of_a_response_holds_nothing_of_its_client(caller: Caller) -> None:
    caller.open(
        lambda request: Response(200, content=b"body"),
        headers={"X-Own": "1"},
        cookies={"session": SECRET},
        auth=httpfast.DigestAuth("user", SECRET),
    )
    response = caller.get("https://a.example/", headers={"Cookie": ""}, extensions={"proxy": URL})

    octets = pickle.dumps(response)

    assert SECRET.encode() not in octets
    assert pickle.loads(octets).content == b"body"


def test_pickle_of_an_error_holds_nothing_of_its_client(caller: Caller) -> None:
    def fail(request: Request) -> Response:
        raise httpfast.ConnectError("refused")

    caller.open(fail, cookies={"session": SECRET})
    with pytest.raises(httpfast.ConnectError) as caught:
        caller.get("https://a.example/", headers={"Cookie": ""}, extensions={"proxy": URL})

    octets = pickle.dumps(caught.value)

    assert SECRET.encode() not in octets
    assert pickle.loads(octets).request.url == "https://a.example/"


def test_pickle_of_digest_auth_holds_no_session() -> None:
    auth = httpfast.DigestAuth("user", "password")
    request = Request("GET", "https://a.example/")
    flow = auth.sync_auth_flow(request)
    next(flow)
    flow.send(Response(401, headers={"WWW-Authenticate": f'Digest realm="r", nonce="{SECRET}"'}, request=request))

    assert SECRET.encode() not in pickle.dumps(auth)


def test_clients_and_transports_are_no_pickles() -> None:
    for thing in (httpfast.Client(), httpfast.HTTPTransport(), httpfast.AsyncClient(), httpfast.AsyncHTTPTransport()):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(thing)
