"""What callers of httpx expect of requests and responses holds over HTTP/2 (RFC 9113, 8)."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

import httpfast
from bench.server import content

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream


async def test_response_says_that_it_came_by_http2(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)

        first = await client.get(origin.url)
        second = await client.get(origin.url)

        assert (first.http_version, first.extensions["http_version"]) == ("HTTP/2", b"HTTP/2")
        assert (first.extensions["stream_id"], second.extensions["stream_id"]) == (1, 3)
        assert set(first.extensions) == {"http_version", "network_stream", "stream_id"}
        assert first.text == second.text == "ok"
        assert len(origin.connections) == 1


async def test_reason_phrase_is_that_of_the_status_code(driver: Driver) -> None:
    """HTTP/2 sends none (RFC 9113, 8.3.2); httpx gives the one that is registered for the code."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        found = [(await client.get(f"{origin.url}/status/{code}")).reason_phrase for code in (200, 404, 299)]

        assert found == ["OK", "Not Found", ""]


async def test_request_has_pseudo_fields_and_lower_case_names(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options)

        await client.get(f"{origin.url}/a%20b?c=d", headers={"X-Own": "Value"})

        fields = origin.streams[0].fields
        authority = origin.url.partition("//")[2]
        assert sorted(fields[:4]) == [
            (":authority", authority),
            (":method", "GET"),
            (":path", "/a%20b?c=d"),
            (":scheme", "https" if origin.is_tls else "http"),
        ]
        assert ("x-own", "Value") in fields
        assert not {name for name, _ in fields} & {"host", "connection", "transfer-encoding"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY", "PROPFIND"])
async def test_every_method_arrives(driver: Driver, method: str) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        await client.request(method, origin.url)

        assert origin.streams[0].method == method
        assert origin.streams[0].get("content-length") == ("0" if method in ("POST", "PUT", "PATCH", "QUERY") else None)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_response_without_content_is_complete(driver: Driver, method: str, status: int, is_stream: bool) -> None:
    async def answer(stream: Stream) -> None:
        fields = [] if status == 204 else [("content-length", "1000")]
        await stream.send_head(status, fields, ends=True)

    with ScriptedOrigin() as origin:
        url = origin.on("/empty", answer)
        client = driver.client(**origin.options)

        if is_stream:
            async with client.stream(method, url) as response:
                assert await client.read(response) == b""
        else:
            response = await client.request(method, url)

        assert (response.status_code, response.content) == (status, b"")
        assert response.headers.get("content-length") == (None if status == 204 else "1000")
        assert (await client.get(origin.url)).text == "ok"
        assert [[*connection.streams] for connection in origin.connections] == [[1, 3]]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_trailers_are_there_when_the_body_was_read(driver: Driver, is_stream: bool) -> None:
    async def answer(stream: Stream) -> None:
        await stream.send_head(200, [("trailer", "x-digest")])
        await stream.send(b"body")
        await stream.send_trailers([("x-digest", "abc"), ("grpc-status", "0")])

    with ScriptedOrigin() as origin:
        url = origin.on("/trailers", answer)
        client = driver.client(**origin.options)

        if is_stream:
            async with client.stream("GET", url) as response:
                assert await client.read(response) == b"body"
        else:
            response = await client.get(url)

        assert response.trailers.multi_items() == [("x-digest", "abc"), ("grpc-status", "0")]
        assert "x-digest" not in response.headers


async def test_informational_responses_come_before_the_final_one(driver: Driver) -> None:
    async def answer(stream: Stream) -> None:
        await stream.inform(103, [("link", "</style.css>; rel=preload")])
        await stream.inform(103, [("link", "</script.js>; rel=preload")])
        await stream.respond(body=b"final")

    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        response = await client.get(origin.on("/hints", answer))

        assert (response.status_code, response.text) == (200, "final")
        assert "link" not in response.headers


async def test_compressed_content_is_decoded(driver: Driver) -> None:
    async def answer(stream: Stream) -> None:
        await stream.respond(body=gzip.compress(content(200_000)), fields=[("content-encoding", "gzip")])

    with ScriptedOrigin() as origin:
        url = origin.on("/gzip", answer)
        client = driver.client(**origin.options)

        response = await client.get(url)
        async with client.stream("GET", url) as streamed:
            decoded = await client.read(streamed)

        assert response.content == decoded == content(200_000)


async def test_redirects_are_followed_on_the_same_connection(driver: Driver) -> None:
    async def redirect(stream: Stream) -> None:
        left = int(stream.path.rpartition("=")[2])
        target = "/arrived" if left == 0 else f"/redirect?left={left - 1}"
        await stream.respond(302, b"elsewhere", [("location", target)])

    with ScriptedOrigin() as origin:
        url = origin.on("/redirect", redirect)
        client = driver.client(**origin.options)

        response = await client.get(f"{url}?left=3", follow_redirects=True)

        assert (response.status_code, len(response.history)) == (200, 4)
        assert response.url.path == "/arrived"
        assert len(origin.connections) == 1


async def test_redirect_whose_body_never_ends_is_followed(driver: Driver) -> None:
    async def redirect(stream: Stream) -> None:
        await stream.send_head(302, [("location", "/arrived")])
        while True:
            await stream.send(bytes(16_384))

    with ScriptedOrigin() as origin:
        url = origin.on("/redirect", redirect)
        client = driver.client(**origin.options, timeout=5)

        response = await client.get(url, follow_redirects=True)

        assert response.text == "ok"
        assert len(origin.connections) == 1
        await driver.blocking(origin.wait_until, lambda: origin.streams[0].reset_code is not None)
        assert sum(stream.reset_code is None for stream in origin.streams) == 1


async def test_cookies_are_kept_and_sent(driver: Driver) -> None:
    async def set_cookies(stream: Stream) -> None:
        await stream.respond(fields=[("set-cookie", "a=1"), ("set-cookie", "b=2; Path=/other")])

    with ScriptedOrigin() as origin:
        url = origin.on("/set", set_cookies)
        client = driver.client(**origin.options)

        response = await client.get(url)
        await client.get(f"{origin.url}/other")

        assert dict(response.cookies) == {"a": "1", "b": "2"}
        sent = [value for name, value in origin.streams[1].fields if name == "cookie"]
        assert sorted("; ".join(sent).split("; ")) == ["a=1", "b=2"]


async def test_digest_authentication_takes_two_streams_of_one_connection(driver: Driver) -> None:
    async def guarded(stream: Stream) -> None:
        if stream.get("authorization") is None:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
            await stream.respond(401, b"who?", [("www-authenticate", challenge)])
        else:
            await stream.respond(body=stream["authorization"].encode())

    with ScriptedOrigin() as origin:
        url = origin.on("/guarded", guarded)
        client = driver.client(**origin.options, auth=httpfast.DigestAuth("user", "secret"))

        response = await client.get(url)

        assert response.status_code == 200
        assert response.text.startswith('Digest username="user"')
        assert [len(connection.streams) for connection in origin.connections] == [2]


async def test_bodies_of_every_size_arrive_whole(driver: Driver, layer: dict[str, bool]) -> None:
    sizes = [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 5_000_000]
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=20)

        for size in sizes:
            response = await client.get(f"{origin.url}/bytes/{size}")
            assert response.content == content(size)
            assert response.headers["content-length"] == str(size)

        assert len(origin.connections) == 1


async def test_streamed_body_larger_than_the_window_arrives_whole(driver: Driver, layer: dict[str, bool]) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=20)

        async with client.stream("GET", f"{origin.url}/bytes/12000000") as response:
            received = b"".join([piece async for piece in client.pieces(response, 50_000)])

        assert received == content(12_000_000)


async def test_every_answer_goes_to_its_own_request(driver: Driver) -> None:
    """A token a request, answered in an order of the server's choice."""
    waiting: list[Stream] = []

    async def shuffle(stream: Stream) -> None:
        waiting.append(stream)
        await stream.until(lambda: len(waiting) == 20 or stream.is_answered)
        for late in reversed(waiting):
            if not late.is_answered:
                await late.respond(body=late["x-token"].encode())

    with ScriptedOrigin() as origin:
        url = origin.on("/shuffle", shuffle)
        client = driver.client(**origin.options)

        async def one(index: int) -> Any:
            return (await client.get(url, headers={"x-token": f"token {index}"})).text

        assert await driver.gather(*(one(index) for index in range(20))) == [f"token {index}" for index in range(20)]
        assert len(origin.connections) == 1


@pytest.mark.parametrize("octet", ["\r", "\n", "\x00", "a\r\nx-evil: 1"], ids=repr)
@pytest.mark.parametrize("kind", ["str", "bytes"])
async def test_control_characters_in_a_value_are_refused_before_anything_is_sent(
    driver: Driver, octet: str, kind: str
) -> None:
    """[INJ-12]"""
    value = f"a{octet}b"
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.LocalProtocolError):
            await client.get(origin.url, headers={"x-own": value if kind == "str" else value.encode()})

        assert (await client.get(origin.url)).text == "ok"
        assert [[*connection.streams] for connection in origin.connections] == [[1, 3]]


@pytest.mark.parametrize("name", [":path", ":evil", ":status", "x own", "x\nown", "x:own", "", "x\u00e9"], ids=repr)
async def test_name_that_is_no_field_name_is_refused_before_anything_is_sent(driver: Driver, name: str) -> None:
    """[INJ-12]"""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises((httpfast.LocalProtocolError, UnicodeEncodeError)):
            await client.get(origin.url, headers={name: "value"})

        assert (await client.get(origin.url)).text == "ok"
        assert [[*connection.streams] for connection in origin.connections] == [[1, 3]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "gzip"),
    ],
)
async def test_field_about_one_connection_is_not_sent(driver: Driver, name: str, value: str) -> None:
    """[INJ-12] RFC 9113, 8.2.2."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        response = await client.get(origin.url, headers={name: value, "X-Own": "1"})

        assert response.status_code == 200
        assert origin.streams[0].get(name.lower()) is None
        assert origin.streams[0]["x-own"] == "1"


async def test_te_trailers_is_sent(driver: Driver) -> None:
    """RFC 9113, 8.2.2: gRPC needs it."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)

        await client.get(origin.url, headers={"TE": "trailers"})

        assert origin.streams[0]["te"] == "trailers"


@pytest.mark.parametrize("target", ["/a\r\nb", "/a b", "/a\x00b"], ids=repr)
async def test_raw_target_with_controls_is_refused(driver: Driver, target: str) -> None:
    """[INJ-04, INJ-12]"""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options)
        await client.get(origin.url)

        with pytest.raises(httpfast.LocalProtocolError):
            await client.get(origin.url, extensions={"target": target.encode()})

        assert (await client.get(origin.url)).status_code == 200
        assert len(origin.streams) == 2
