"""Redirects as the servers see them: rows RED-01, RED-07 and RED-10 .. RED-14 of the reliability catalogue.

Which requests a client makes of a redirect is in `tests/api/test_redirect_catalogue.py` and its neighbour; here it is
about the octets and the connections.
"""

from __future__ import annotations

import gzip
import ssl
import tracemalloc
from typing import Any

import pytest

import httpfast
from httpfast._exchange import MAX_REDIRECT_BODY_BYTES

from ..peers import Call, PeerConnection, ReadRequest, ScriptedPeer, Send, StartTLS
from ..servers import server_context
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRET = "hunter2"
# What a peer can write before it notices that nobody reads: the buffers of both sockets.
BUFFERED = 32 * 1024 * 1024


def found(location: str, *fields: str, status: int = 302) -> Send:
    lines = [f"HTTP/1.1 {status} Found", f"Location: {location}", "Content-Length: 0", *fields, "", ""]
    return Send("\r\n".join(lines).encode("utf-8"))


def head_of(request: bytes) -> tuple[str, dict[str, str]]:
    """The request line, and the fields by lower-case names."""
    first, *lines = request.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


# RED-01, RED-11, RED-14: what another origin is told


@pytest.mark.parametrize(
    "arguments",
    [
        {"headers": {"Authorization": SECRET, "proxy-authorization": SECRET, "cookie": SECRET, "X-Api-Key": SECRET}},
        {"headers": [(b"AUTHORIZATION", SECRET.encode()), (b"authorization", SECRET.encode())]},
        {"auth": (SECRET, SECRET)},
        {"auth": httpfast.DigestAuth(SECRET, SECRET)},
    ],
    ids=["fields", "octets", "basic", "digest"],
)
async def test_no_secret_reaches_another_origin(driver: Driver, arguments: dict[str, Any]) -> None:
    """RED-01, RED-02, RED-11"""
    challenge = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\nContent-Length: 0\r\n\r\n'
    with ScriptedPeer([ReadRequest(), Send(challenge)]) as other:
        with ScriptedPeer([ReadRequest(), found(f"{other.url}/end")]) as peer:
            client = driver.client(follow_redirects=True, sensitive_headers=["x-api-key"], cookies={"session": SECRET})

            response = await client.get(f"http://user:{SECRET}@127.0.0.1:{peer.port}/start", **arguments)

            assert response.status_code == 401
            assert SECRET.encode() in peer.received[0]
        octets = other.received[0]
    # Ports do not tell cookies apart (RFC 6265bis, 8.5): this one is bound to the host.
    assert octets.count(SECRET.encode()) == octets.count(f"Cookie: session={SECRET}".encode()) <= 1
    assert b"uthorization" not in octets.lower()
    assert b"x-api-key" not in octets.lower()


async def test_host_of_the_caller_is_not_sent_to_another_origin(driver: Driver) -> None:
    """RED-14: nor is it asked for cookies."""
    cookies = ("Set-Cookie: a=1", "Set-Cookie: b=2; Domain=virtual.example")
    with ScriptedPeer([ReadRequest(), Send(OK)]) as other:
        script = [ReadRequest(), found("/1", *cookies), ReadRequest(), found(f"{other.url}/end")]
        with ScriptedPeer(script) as peer:
            client = driver.client(follow_redirects=True)
            client.client.cookies.set("c", "3", domain="virtual.example")

            await client.get(peer.url, headers={"Host": "virtual.example"})

            heads = [head_of(request) for request in [*peer.requests[0], *other.requests[0]]]
            assert [fields["host"] for _, fields in heads] == ["virtual.example"] * 2 + [f"127.0.0.1:{other.port}"]
            assert [fields.get("cookie") for _, fields in heads] == [None, "a=1", "a=1"]


# RED-07: other schemes


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "data:text/html,x",
        "ftp://127.0.0.1/",
        "unix:/run/docker.sock",
        "gopher://127.0.0.1/_x",
    ],
)
@pytest.mark.parametrize("way", ["direct", "proxy", "mount"])
async def test_redirect_to_another_scheme_is_refused(driver: Driver, location: str, way: str) -> None:
    """RED-07"""
    with ScriptedPeer([ReadRequest(), found(location)]) as peer:
        settings: dict[str, Any] = {"follow_redirects": True}
        if way == "proxy":
            settings["proxy"] = peer.url
        elif way == "mount":
            settings["mounts"] = {"all://": driver.transport()}
        client = driver.client(**settings)

        with pytest.raises((httpfast.UnsupportedProtocol, httpfast.RemoteProtocolError)) as caught:
            await client.get("http://a.example/" if way == "proxy" else peer.url)

        assert peer.connections == 1
        if "//" in location:
            assert caught.type is httpfast.UnsupportedProtocol
        if way == "direct":
            assert client.counts == (1, 1)


# RED-10: bodies of redirects


class Pour:
    """A step that writes for as long as somebody reads, and counts."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.octets = 0

    def __call__(self, connection: PeerConnection) -> None:
        connection.sock.settimeout(5)
        try:
            while True:
                self.octets += connection.sock.send(self.piece)
        except OSError:
            return


@pytest.mark.parametrize("framing", ["sized", "chunked", "until close", "gzip"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_endless_body_of_a_redirect_is_given_up(driver: Driver, framing: str, streamed: bool) -> None:
    """RED-10: 1 GB, and without an end."""
    head, piece = {
        "sized": ("Content-Length: 1000000000\r\n", bytes(65536)),
        "chunked": ("Transfer-Encoding: chunked\r\n", b"1000\r\n" + bytes(4096) + b"\r\n"),
        "until close": ("", bytes(65536)),
        "gzip": ("Content-Encoding: gzip\r\n", gzip.compress(bytes(1_000_000))),
    }[framing]
    pour = Pour(piece)
    redirect = f"HTTP/1.1 302 Found\r\nLocation: /end\r\n{head}\r\n".encode()
    with ScriptedPeer([ReadRequest(), Send(redirect), Call(pour)], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client(follow_redirects=True, timeout=10)

        if streamed:
            async with client.stream("GET", peer.url) as response:
                assert await client.read(response) == b"ok"
        else:
            response = await client.get(peer.url)

        assert response.content == b"ok"
        assert response.history[0].is_closed
        assert response.history[0].num_bytes_downloaded <= MAX_REDIRECT_BODY_BYTES + 256 * 1024
        with pytest.raises(httpfast.ResponseNotRead):
            _ = response.history[0].content
        assert peer.connections == 2
    assert pour.octets < BUFFERED


async def test_bomb_in_a_redirect_is_not_unpacked(driver: Driver) -> None:
    """RED-10: CVE-2026-21441."""
    bomb = gzip.compress(bytes(40_000_000))
    assert len(bomb) < MAX_REDIRECT_BODY_BYTES
    head = b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Encoding: gzip\r\n"
    framing = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with ScriptedPeer([ReadRequest(), Send(head + framing + bomb)], [ReadRequest(), Send(OK)]) as peer:
        client = driver.client(follow_redirects=True)

        tracemalloc.start()
        try:
            response = await client.get(peer.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert response.content == b"ok"
        assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, MAX_REDIRECT_BODY_BYTES])
async def test_small_body_of_a_redirect_is_read_and_its_connection_kept(driver: Driver, size: int) -> None:
    """RED-10"""
    redirect = f"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
    with ScriptedPeer([ReadRequest(), Send(redirect), ReadRequest(), Send(OK)]) as peer:
        client = driver.client(follow_redirects=True)

        response = await client.get(peer.url)

        assert response.history[0].content == bytes(size)
        assert peer.connections == 1


# RED-12: what is for a proxy


CREDENTIALS = "Basic dXNlcjpodW50ZXIy"


def tunnel(*steps: Any) -> list[Any]:
    """A proxy that takes any CONNECT, and is the origin behind it as well."""
    return [ReadRequest(), Send(b"HTTP/1.1 200 Connected\r\n\r\n"), StartTLS(server_context()), *steps]


@pytest.mark.parametrize("own", [None, "of the request"])
async def test_redirect_into_a_tunnel_takes_no_proxy_credentials_along(
    driver: Driver, context: ssl.SSLContext, own: str | None
) -> None:
    """RED-12: CVE-2023-32681. Who speaks http to the proxy speaks to the origin inside of its tunnel."""
    script = [ReadRequest(), found("https://localhost/end")]
    with ScriptedPeer(script, tunnel(ReadRequest(), Send(OK))) as proxy:
        client = driver.client(
            proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}", verify=context, follow_redirects=True
        )

        response = await client.get(
            "http://a.example/start", headers={} if own is None else {"Proxy-Authorization": own}
        )

        assert response.text == "ok"
        (forwarded,), (connect, inner) = [[head_of(request) for request in made] for made in proxy.requests]
        assert forwarded[0] == "GET http://a.example/start HTTP/1.1"
        assert forwarded[1]["proxy-authorization"] == (own or CREDENTIALS)
        assert connect[0] == "CONNECT localhost:443 HTTP/1.1"
        assert connect[1]["proxy-authorization"] == CREDENTIALS
        assert inner[0] == "GET /end HTTP/1.1"
        assert "proxy-authorization" not in inner[1]


async def test_redirect_past_the_proxy_takes_no_proxy_credentials_along(driver: Driver) -> None:
    """RED-12"""
    with ScriptedPeer([ReadRequest(), Send(OK)]) as origin:
        with ScriptedPeer([ReadRequest(), found(f"{origin.url}/end")]) as proxy:
            client = driver.client(
                proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}",
                mounts={"http://127.0.0.1": None},
                follow_redirects=True,
            )

            response = await client.get("http://a.example/start", headers={"Proxy-Connection": "keep-alive"})

            assert response.text == "ok"
            assert head_of(proxy.requests[0][0])[1]["proxy-authorization"] == CREDENTIALS
        line, fields = head_of(origin.requests[0][0])
        assert (line, "proxy-authorization" in fields) == ("GET /end HTTP/1.1", False)


async def test_each_proxy_gets_its_own_credentials(driver: Driver, context: ssl.SSLContext) -> None:
    """RED-12: a redirect to a scheme that has another proxy."""
    with ScriptedPeer(tunnel(ReadRequest(), Send(OK))) as second:
        with ScriptedPeer([ReadRequest(), found("https://localhost/end")]) as first:
            mounts = {
                "http://": driver.transport(proxy=f"http://user:{SECRET}@127.0.0.1:{first.port}"),
                "https://": driver.transport(proxy=f"http://127.0.0.1:{second.port}", verify=context),
            }
            client = driver.client(mounts=mounts, follow_redirects=True)

            assert (await client.get("http://a.example/start")).text == "ok"

            assert head_of(first.requests[0][0])[1]["proxy-authorization"] == CREDENTIALS
        assert b"roxy-authorization" not in second.received[0].lower()


async def test_proxies_of_the_environment_are_those_of_when_the_client_was_made(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RED-12: the credentials of one proxy must not go to another that is named later."""
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedPeer() as later:
        script = [ReadRequest(), found("http://b.example/"), ReadRequest(), Send(OK)]
        with ScriptedPeer(script) as first:
            monkeypatch.setenv("HTTP_PROXY", f"http://user:{SECRET}@127.0.0.1:{first.port}")
            client = driver.client(trust_env=True, follow_redirects=True)
            monkeypatch.setenv("HTTP_PROXY", later.url)

            assert (await client.get("http://a.example/")).text == "ok"

            assert [head_of(request)[1]["proxy-authorization"] for request in first.requests[0]] == [CREDENTIALS] * 2
        assert later.connections == 0


# RED-13: one reading of Location

LOCATIONS: dict[str, tuple[str, str | None]] = {
    "authority only": ("//127.0.0.1:{other}/end", "other"),
    "absolute": ("http://127.0.0.1:{other}/end", "other"),
    "upper case": ("HTTP://127.0.0.1:{other}/end", "other"),
    "spaces around": ("  http://127.0.0.1:{other}/end \t", "other"),
    "slash and backslash": ("/\\127.0.0.1:{other}/end", None),
    "two backslashes": ("\\\\127.0.0.1:{other}/end", None),
    "backslash before @": ("http://127.0.0.1:{other}\\@127.0.0.1:{peer}/end", None),
    "userinfo": ("http://127.0.0.1:{peer}@127.0.0.1:{other}/end", "other"),
    "fragment with @": ("http://127.0.0.1:{other}#@127.0.0.1:{peer}/end", "other"),
    "query with @": ("http://127.0.0.1:{other}?@127.0.0.1:{peer}/end", "other"),
    "path with @": ("http://127.0.0.1:{other}/@127.0.0.1:{peer}/end", "other"),
    "three slashes": ("///127.0.0.1:{other}/end", None),
    "path like an authority": ("/.//127.0.0.1:{other}/end", "peer"),
    "tab in the host": ("http://127.0.0.1\t:{other}/end", None),
    "tab in the path": ("/e\tnd", None),
    "control character": ("/e\x01nd", None),
    "nul": ("/e\x00nd", None),
    "bare carriage return": ("/end\rX: y", None),
    "other letters": ("/ü", "peer"),
    "space in the path": ("/e nd", "peer"),
    "number as host": ("http://2130706433:{other}/end", "other"),
    "octal host": ("http://0177.0.0.1:{other}/end", None),
    "port with a sign": ("http://127.0.0.1:+{other}/end", None),
    "port of other digits": ("http://127.0.0.1:\u0661/end", None),
    "empty": ("", "peer"),
}


@pytest.mark.parametrize("kind", LOCATIONS)
async def test_redirect_connects_to_what_it_was_checked_for(driver: Driver, kind: str) -> None:
    """RED-13: the port that is dialled, Host and the credentials agree; what is ambiguous is not followed."""
    location, goal = LOCATIONS[kind]
    answered = [ReadRequest(), Send(OK)]
    with ScriptedPeer(answered if goal == "other" else []) as other:

        def redirect(connection: PeerConnection) -> None:
            found(location.format(peer=connection.peer.port, other=other.port)).run(connection)

        script = [ReadRequest(), Call(redirect), *(answered if goal == "peer" else [])]
        with ScriptedPeer(script) as peer:
            client = driver.client(follow_redirects=True)
            url = f"{peer.url}/start"

            if goal is None:
                with pytest.raises(httpfast.RemoteProtocolError):
                    await client.get(url, headers={"Authorization": SECRET})
                assert len(peer.requests[0]) == 1
            else:
                assert (await client.get(url, headers={"Authorization": SECRET})).text == "ok"
                reached = other if goal == "other" else peer
                line, fields = head_of(reached.requests[0][-1])
                assert fields["host"] == f"127.0.0.1:{reached.port}"
                assert ("authorization" in fields) is (goal == "peer")
                assert line.isascii()
                assert len(line.split(" ")) == 3
            assert peer.connections == 1
        assert other.connections == (1 if goal == "other" else 0)
