"""Whose credentials go where redirects lead: rows RED-01 .. RED-06 and RED-11 of the reliability catalogue.

What has to be seen on the wire is in `tests/drivers/test_redirects_on_the_wire.py`.
"""

from __future__ import annotations

from collections.abc import Generator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

import httpfast
from httpfast import Headers, Request, Response
from tests.redirects import START, Answer, Caller, path_of_redirects

BASIC = "Basic dXNlcjpwdw=="
ELSEWHERE = [
    "https://b.example/end",
    "https://sub.a.example/end",
    "https://example/end",
    "https://a.example.b.example/end",
    "https://a.example:8443/end",
    "http://a.example/end",
    "http://a.example:443/end",
    "//b.example/end",
    "https://a.example@b.example/end",
    "https://a.example:x@b.example/end",
    "https://b.example/@a.example/end",
    "https://b.example#@a.example/end",
    "https://b.example?@a.example/end",
    "https://xn--a-ecp.example/end",
    "https://127.0.0.1/end",
    "https://[::1]/end",
]


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


# RED-01: credentials are dropped when scheme, host or port changes


@pytest.mark.parametrize("location", ELSEWHERE)
def test_another_origin_gets_no_credentials(caller: Caller, location: str) -> None:
    """RED-01"""
    caller.open(path_of_redirects(location, status=307))

    caller.request("POST", headers={"Authorization": "x", "Proxy-Authorization": "y", "Cookie": "z=1"}, content=b"body")

    assert len(caller.seen) == 2
    assert not {"authorization", "proxy-authorization", "cookie"} & set(caller.seen[1].headers)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION", "aUTHORIZATION"])
@pytest.mark.parametrize("form", ["dict", "bytes", "pairs", "twice", "Headers", "client", "raw request"])
def test_credentials_are_dropped_however_they_are_spelt(caller: Caller, name: str, form: str) -> None:
    """RED-01: letter case, str and bytes, more than one field."""
    fields: Any = {
        "dict": {name: "secret"},
        "bytes": {name.encode(): b"secret"},
        "pairs": [(name, "secret")],
        "twice": [(name, "secret"), (name.title(), "secret")],
        "Headers": Headers([(name.encode(), b"secret")]),
        "client": {name: "secret"},
        "raw request": [(name.encode(), b"secret")],
    }[form]
    caller.open(path_of_redirects("https://b.example/end"), headers=fields if form == "client" else None)

    if form == "raw request":
        caller.send(Request("GET", START, headers=fields))
    else:
        caller.get(headers=None if form == "client" else fields)

    assert [b"secret" in b"".join(value for _, value in request.headers.raw) for request in caller.seen] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("start", "end", "authorization", "proxy_authorization"),
    [
        ("https://a.example/1", "https://a.example/2", True, True),
        ("https://a.example/1", "https://a.example:443/2", True, True),
        ("https://a.example/1", "https://A.EXAMPLE/2", True, True),
        ("http://a.example/1", "https://a.example/2", True, False),
        ("http://a.example:80/1", "https://a.example:443/2", True, False),
        ("http://a.example/1", "https://a.example:8443/2", False, False),
        ("http://a.example:8080/1", "https://a.example/2", False, False),
        ("http://a.example:443/1", "https://a.example/2", False, False),
        ("http://a.example/1", "https://www.a.example/2", False, False),
        ("http://a.example/1", "https://a.example./2", False, False),
        ("https://a.example/1", "http://a.example/2", False, False),
    ],
)
def test_credentials_stay_on_their_origin_and_its_upgrade_to_https(
    caller: Caller, start: str, end: str, authorization: bool, proxy_authorization: bool
) -> None:
    """RED-01: as httpx, an upgrade keeps Authorization; what is for a proxy stays with one origin."""
    caller.open(path_of_redirects(end), sensitive_headers=["X-Api-Key"])

    caller.get(start, headers={"Authorization": "x", "Proxy-Authorization": "y", "x-api-key": "z"})

    assert (caller.sent("Authorization")[1] == "x") is authorization
    assert (caller.sent("X-Api-Key")[1] == "z") is authorization
    assert (caller.sent("Proxy-Authorization")[1] == "y") is proxy_authorization


def test_fields_that_are_called_sensitive_go_to_no_other_origin(caller: Caller) -> None:
    """RED-01: `sensitive_headers=` and what is not named in it, which goes along as in httpx."""
    fields = {"X-Api-Key": "1", "x-token": "2", "X-Trace": "3"}
    client = caller.open(
        path_of_redirects("/on", "https://b.example/end"), headers=fields, sensitive_headers=("x-API-key", "X-Token")
    )

    caller.get()

    assert caller.sent("X-Api-Key") == ["1", "1", None]
    assert caller.sent("X-Token") == ["2", "2", None]
    assert caller.sent("X-Trace") == ["3", "3", "3"]
    assert client.sensitive_headers == ("x-API-key", "X-Token")


def test_sensitive_fields_may_be_named_later(caller: Caller) -> None:
    """RED-01"""
    client = caller.open(path_of_redirects("https://b.example/end"))
    assert client.sensitive_headers == ()

    client.sensitive_headers = iter(["X-Api-Key"])
    caller.get(headers={"X-Api-Key": "1"})

    assert caller.sent("X-Api-Key") == ["1", None]


def test_one_name_is_no_list_of_sensitive_fields(caller: Caller) -> None:
    """RED-01: its letters would be taken for names."""
    with pytest.raises(TypeError, match="several names"):
        caller.open(path_of_redirects(), sensitive_headers="X-Api-Key")


# RED-02: cookies


def test_cookies_of_one_request_are_not_sent_on(caller: Caller) -> None:
    """RED-02: `cookies=` of a call."""
    for location in ("https://b.example/end", "/end"):
        caller.open(path_of_redirects(location))

        with pytest.warns(DeprecationWarning, match="per-request cookies"):
            caller.get(cookies={"session": "x"})

        assert caller.sent("Cookie") == ["session=x", None]


@pytest.mark.parametrize("location", [url for url in ELSEWHERE if "a.example:8443" not in url])
def test_cookies_of_the_client_stay_with_the_first_host_and_its_security(caller: Caller, location: str) -> None:
    """RED-02: those without a domain. Ports do not tell cookies apart (RFC 6265bis, 8.5)."""
    caller.open(path_of_redirects(location), cookies={"session": "x"})

    caller.get()

    assert caller.sent("Cookie") == ["session=x", None]


def test_cookies_that_were_first_sent_in_the_clear_go_over_tls_as_well(caller: Caller) -> None:
    """RED-02"""
    caller.open(path_of_redirects("https://a.example/2", "http://a.example/3"), cookies={"session": "x"})

    caller.get("http://a.example/1")

    assert caller.sent("Cookie") == ["session=x"] * 3


def test_cookies_with_a_domain_go_where_they_belong(caller: Caller) -> None:
    """RED-02"""
    client = caller.open(path_of_redirects("https://b.example/2", "https://sub.b.example/3", "https://c.example/4"))
    client.cookies.set("session", "x", domain="b.example")

    caller.get()

    assert caller.sent("Cookie") == [None, "session=x", "session=x", None]


def test_cookies_of_a_users_jar_without_a_domain_stay_with_the_first_host(caller: Caller) -> None:
    """RED-02"""
    jar = CookieJar()
    for cookie in httpfast.Cookies({"session": "x"}).jar:
        jar.set_cookie(cookie)
    caller.open(path_of_redirects("https://b.example/end"), cookies=jar)

    caller.get()

    assert caller.sent("Cookie") == ["session=x", None]


# RED-03: what was dropped does not come back


@pytest.mark.parametrize(
    "urls",
    [
        ("https://b.example/1", "https://b.example/2"),
        ("https://b.example/1", "https://a.example/2"),
        ("http://a.example/1", "https://a.example/2"),
        ("https://a.example:8443/1", "https://a.example/2", "https://a.example/3"),
    ],
)
@pytest.mark.parametrize("way", ["field", "auth of the client", "auth of the call", "userinfo"])
def test_dropped_credentials_do_not_come_back(caller: Caller, urls: tuple[str, ...], way: str) -> None:
    """RED-03: neither elsewhere nor at home."""
    caller.open(path_of_redirects(*urls), auth=("user", "pw") if way == "auth of the client" else None)

    if way == "userinfo":
        caller.get("https://user:pw@a.example/start")
    elif way == "auth of the client":
        caller.get()
    elif way == "auth of the call":
        caller.get(auth=("user", "pw"))
    else:
        caller.get(headers={"Authorization": BASIC})

    assert caller.sent("Authorization") == [BASIC, *[None] * len(urls)]


@pytest.mark.parametrize(
    "urls", [("https://b.example/1", "https://b.example/2"), ("https://b.example/1", "https://a.example/2")]
)
def test_redirects_followed_by_hand_lead_no_auth_away(caller: Caller, urls: tuple[str, ...]) -> None:
    """RED-03, RED-11: `next_request` is for the client that follows by itself, too."""
    caller.open(path_of_redirects(*urls), auth=("user", "pw"), follow_redirects=False)

    response = caller.get()
    while response.next_request is not None:
        response = caller.send(response.next_request)

    assert response.text == "arrived"
    assert caller.sent("Authorization") == [BASIC, None, None]


def test_auth_of_a_call_goes_where_the_call_goes(caller: Caller) -> None:
    """RED-03: who follows by hand may say so."""
    caller.open(path_of_redirects("https://b.example/1"), auth=("user", "pw"), follow_redirects=False)

    response = caller.get()
    caller.send(response.next_request, auth=("other", "pw"))  # type: ignore[arg-type]

    assert caller.sent("Authorization") == [BASIC, "Basic b3RoZXI6cHc="]


def test_redirect_within_the_origin_followed_by_hand_has_the_clients_auth(caller: Caller) -> None:
    """RED-03"""
    caller.open(path_of_redirects("/1", "/2"), auth=("user", "pw"), follow_redirects=False)

    response = caller.get()
    while response.next_request is not None:
        response = caller.send(response.next_request)

    assert caller.sent("Authorization") == [BASIC] * 3


# RED-04: an IPv6 zone is not part of a name


def test_zone_that_ends_like_a_name_leads_nowhere(caller: Caller) -> None:
    """RED-04: CVE-2023-45289."""
    caller.open(path_of_redirects("http://[::1%25.www.example.com]/end"))

    with pytest.raises(httpfast.RemoteProtocolError, match="Invalid IPv6 zone"):
        caller.get("http://www.example.com/start", headers={"Authorization": "x"})

    assert len(caller.seen) == 1


def test_zone_of_an_address_is_no_domain(caller: Caller) -> None:
    """RED-04"""
    client = caller.open(path_of_redirects("http://[::1%25internal]/end"))
    client.cookies.set("a", "1", domain="internal")
    client.cookies.set("b", "2", domain=".internal")

    caller.get("http://internal/start", headers={"Authorization": "x"})

    assert caller.sent("Authorization") == ["x", None]
    assert caller.sent("Cookie")[1] is None
    assert caller.sent("Host") == ["internal", "[::1]"]


def test_zones_of_one_address_are_origins_of_their_own(caller: Caller) -> None:
    """RED-04"""
    caller.open(path_of_redirects("http://[fe80::1%25eth1]/end"))

    caller.get("http://[fe80::1%25eth0]/start", headers={"Authorization": "x"})

    assert caller.sent("Authorization") == ["x", None]


# RED-05: whose credentials a URL and a netrc file name

NETRC = """
machine a.example login user password pw
machine b.example login other password pw
"""


def netrc(folder: Path, text: str = NETRC) -> httpfast.NetRCAuth:
    file = folder / "netrc"
    file.write_text(text)
    return httpfast.NetRCAuth(str(file))


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("https://a.example/", BASIC),
        ("https://A.Example/", BASIC),
        ("https://a.example:8443/", BASIC),
        ("https://sub.a.example/", None),
        ("https://a.example.evil.example/", None),
        ("https://evil.example/a.example", None),
        ("https://a.example:x@evil.example/", "userinfo"),
        ("https://a.example@evil.example/", "userinfo"),
        ("https://evil.example#a.example", None),
        ("https://evil.example?a.example", None),
        ("https://evil.example#@a.example", None),
    ],
)
def test_netrc_is_read_by_the_host_that_is_connected_to(
    caller: Caller, tmp_path: Path, url: str, field: str | None
) -> None:
    """RED-05: CVE-2024-47081."""
    caller.open(path_of_redirects())

    caller.get(url, auth=netrc(tmp_path))

    assert caller.sent("Authorization") == [field if field != "userinfo" else None]


@pytest.mark.parametrize("extra", ["", "default login anonymous password guest\n"])
def test_netrc_is_not_read_for_where_a_redirect_leads(caller: Caller, tmp_path: Path, extra: str) -> None:
    """RED-05: neither the first host's entry goes along, nor is there another look (CVE-2024-11053, CVE-2025-0167)."""
    caller.open(path_of_redirects("https://b.example/1", "https://c.example/2"), auth=netrc(tmp_path, NETRC + extra))

    caller.get()

    assert caller.sent("Authorization") == [BASIC, None, None]


def test_netrc_without_an_entry_sends_nothing(caller: Caller, tmp_path: Path) -> None:
    """RED-05: nor does a redirect to a host that has one."""
    caller.open(path_of_redirects("https://a.example/1"), auth=netrc(tmp_path))

    caller.get("https://c.example/")

    assert caller.sent("Authorization") == [None, None]


def test_netrc_is_not_read_by_clients_that_were_not_told_to(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RED-05"""
    file = tmp_path / ".netrc"
    file.write_text(NETRC)
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(file))
    caller.open(path_of_redirects())

    caller.get()

    assert caller.sent("Authorization") == [None]


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://b.example/end", "https://b.example/end"),
        ("//b.example/end", "https://b.example/end"),
        ("https://other:word@b.example/end", "https://other:word@b.example/end"),
    ],
)
def test_userinfo_is_not_carried_over(caller: Caller, location: str, url: str) -> None:
    """RED-05"""
    caller.open(path_of_redirects(location))

    caller.get("https://user:pw@a.example/start")

    assert caller.urls[1] == url
    assert caller.sent("Authorization") == [BASIC, None]


# RED-06: https -> http


def test_downgrade_leaves_credentials_and_secure_cookies_behind(caller: Caller) -> None:
    """RED-06: cookies without Secure go along, which is what Secure is for (RFC 6265bis, 5.8.3)."""
    cookies = [
        ("Set-Cookie", "safe=1; Secure"),
        ("Set-Cookie", "plain=2"),
        ("Set-Cookie", "__Host-c=3; Secure; Path=/"),
    ]
    caller.open(
        path_of_redirects("http://a.example/end", fields=cookies), auth=("user", "pw"), sensitive_headers=["X-Api-Key"]
    )

    caller.get(headers={"X-Api-Key": "1", "Proxy-Authorization": "2"})

    for name in ("Authorization", "Proxy-Authorization", "X-Api-Key"):
        assert caller.sent(name)[1] is None
    assert caller.sent("Cookie") == [None, "plain=2"]


@pytest.mark.parametrize("place", ["client", "call", "send"])
@pytest.mark.parametrize(
    "urls",
    [["http://a.example/end"], ["https://b.example/1", "http://b.example/2"], ["HTTP://a.example:443/"], ["ws://a/"]],
    ids=["host", "hop", "port", "websocket"],
)
def test_redirects_that_give_up_tls_can_be_refused(caller: Caller, place: str, urls: list[str]) -> None:
    """RED-06: before anything is sent in the clear, and with a transport mounted for it, too."""
    caller.open(path_of_redirects(*urls), follow_redirects="secure" if place == "client" else False)
    arguments: dict[str, Any] = {} if place == "client" else {"follow_redirects": "secure"}

    request = caller.client.build_request("GET", START)
    with pytest.raises(httpfast.UnsupportedProtocol, match="follow_redirects='secure' refuses") as caught:
        caller.send(request, **arguments) if place == "send" else caller.get(**arguments)

    assert caught.value.request.url == urls[-1]
    assert caller.urls == [START, *urls[:-1]]


@pytest.mark.parametrize(
    "urls",
    [
        ["https://a.example/1", "https://b.example/2", "https://b.example:8443/3"],
        ["http://a.example/1", "http://b.example/2"],
        ["http://a.example/1", "https://a.example/2"],
    ],
    ids=["tls", "plain", "upgrade"],
)
def test_other_redirects_are_followed_securely(caller: Caller, urls: list[str]) -> None:
    """RED-06: what began in the clear has no TLS to lose."""
    caller.open(path_of_redirects(*urls[1:]), follow_redirects="secure")

    assert caller.get(urls[0]).text == "arrived"
    assert caller.urls == urls


def test_event_hook_can_refuse_plain_http(caller: Caller) -> None:
    """RED-06: docs/compatibility.md has this one, under "No plain http"."""

    def refuse_plain_http(request: Request) -> None:
        if request.url.scheme != "https":
            raise httpfast.UnsupportedProtocol("This client speaks https only", request=request)

    async def refuse_plain_http_async(request: Request) -> None:
        refuse_plain_http(request)

    hook = refuse_plain_http_async if caller.is_async else refuse_plain_http
    caller.open(path_of_redirects("https://b.example/1", "http://b.example/2"), event_hooks={"request": [hook]})

    with pytest.raises(httpfast.UnsupportedProtocol) as caught:
        caller.get()

    assert caught.value.request.url == "http://b.example/2"
    assert caller.urls == [START, "https://b.example/1"]


# RED-11: auth flows

DIGEST = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'


def challenging(*hosts: str) -> Answer:
    """`a.example/start` redirects to the second host, if there is one; all others ask for Digest."""

    def answer(request: Request) -> Response:
        if request.url.path == "/start" and len(hosts) > 1:
            return Response(302, headers={"Location": f"https://{hosts[1]}/end"})
        if "Authorization" in request.headers:
            return Response(200)
        return Response(401, headers={"WWW-Authenticate": DIGEST})

    return answer


@pytest.mark.parametrize("host", ["b.example", "sub.a.example", "a.example:8443"])
def test_challenge_of_another_origin_is_not_answered(caller: Caller, host: str) -> None:
    """RED-11: CVE-2026-1965 and its like."""
    caller.open(challenging("a.example", host), auth=httpfast.DigestAuth("user", "pw"))

    response = caller.get()

    assert response.status_code == 401
    assert caller.sent("Authorization") == [None, None]


def test_challenge_of_the_own_origin_is_answered(caller: Caller) -> None:
    """RED-11"""
    caller.open(challenging("a.example", "a.example"), auth=httpfast.DigestAuth("user", "pw"))

    assert caller.get().status_code == 200
    assert [field is not None for field in caller.sent("Authorization")] == [False, False, True]


def test_known_challenge_is_not_answered_to_another_origin(caller: Caller) -> None:
    """RED-11: the nonce and the hash belong to who has sent them."""
    caller.open(challenging("a.example"), auth=httpfast.DigestAuth("user", "pw"))
    caller.get()
    caller.get("https://b.example/", auth=None)
    assert [field is not None for field in caller.sent("Authorization")] == [False, True, False]

    caller.get("https://b.example/1")

    # The client's own auth, for a host that the caller has named: by a challenge of that host.
    assert [field is not None for field in caller.sent("Authorization")[3:]] == [False, True]
    assert 'uri="/1"' in str(caller.sent("Authorization")[4])


def sign(request: Request) -> Request:
    request.headers["Authorization"] = "signed"
    return request


class Bearer(httpfast.Auth):
    """Refreshes its token when it is refused."""

    requires_response_body = True

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        request.headers["Authorization"] = "Bearer old"
        response = yield request
        if response.status_code == 401:
            yield Request("POST", "https://login.example/token", headers={"Authorization": "Bearer refresh"})
            request.headers["Authorization"] = "Bearer new"
            yield request


@pytest.mark.parametrize(
    "auth",
    [("user", "pw"), httpfast.BasicAuth("user", "pw"), sign, Bearer()],
    ids=["tuple", "basic", "function", "flow"],
)
@pytest.mark.parametrize("status", [200, 401])
def test_schemes_answer_only_the_origin_they_are_for(caller: Caller, auth: Any, status: int) -> None:
    """RED-11"""

    def answer(request: Request) -> Response:
        if request.url.host == "a.example":
            return Response(302, headers={"Location": "https://b.example/end"})
        return Response(status if request.url.host == "b.example" else 200)

    caller.open(answer, auth=auth)

    caller.get()

    for request in caller.seen:
        assert ("Authorization" in request.headers) is (request.url.host != "b.example")


def test_redirect_of_a_token_request_takes_no_token_along(caller: Caller) -> None:
    """RED-11: requests that a flow makes are redirected as others are."""

    def answer(request: Request) -> Response:
        if request.url.host == "login.example":
            return Response(307, headers={"Location": "https://evil.example/"})
        return Response(401)

    caller.open(answer, auth=Bearer())

    caller.get()

    hosts = [request.url.host for request in caller.seen]
    assert list(zip(hosts, caller.sent("Authorization"), strict=True)) == [
        ("a.example", "Bearer old"),
        ("login.example", "Bearer refresh"),
        ("evil.example", None),
        ("a.example", "Bearer new"),
    ]
