"""Whole exchanges with servers that behave: methods, bodies, framings, statuses, reuse. RFC 9110 and 9112."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.server import content

from ..conftest import Origin
from ..peers import Close, ReadRequest, ScriptedPeer, Send
from .facade import Driver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_get_returns_status_fields_and_body(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    response = await client.get(origin.small, headers={"x-token": "7f3a"})

    assert response.status_code == 200
    assert response.http_version == "HTTP/1.1"
    assert response.reason_phrase == "OK"
    assert response.headers["content-length"] == "1024"
    assert response.headers["x-token"] == "7f3a"
    assert response.content == content(1024)
    assert response.is_closed
    assert response.is_stream_consumed
    assert response.num_bytes_downloaded == 1024
    assert response.elapsed.total_seconds() > 0


async def test_get_large_body_is_whole(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    response = await client.get(origin.large)

    assert response.content == content(10_000_000)


async def test_get_chunked_body_is_joined(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    response = await client.get(origin.chunked)

    assert response.headers["transfer-encoding"] == "chunked"
    assert response.content == content(100_000)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262144, 262145, 1_000_000])
async def test_get_body_of_any_size_is_whole(driver: Driver, embedded: Origin, size: int) -> None:
    client = driver.client(verify=embedded.verify)

    sized = await client.get(f"{embedded.url}/bytes/{size}")
    chunked = await client.get(f"{embedded.url}/chunked/{size}?size=5000")
    delimited = await client.get(f"{embedded.url}/close/{size}")

    assert sized.content == chunked.content == delimited.content == content(size)


async def test_head_has_fields_but_no_body(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    response = await client.head(origin.small)
    after = await client.get(origin.small)

    assert response.headers["content-length"] == "1024"
    assert response.content == b""
    assert after.headers["x-connection"] == response.headers["x-connection"]


async def test_head_of_chunked_resource_has_no_body(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    response = await client.head(origin.chunked)
    after = await client.get(origin.small)

    assert response.content == b""
    assert after.content == content(1024)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "M-SEARCH"])
async def test_method_reaches_the_server(driver: Driver, embedded: Origin, method: str) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.request(method, f"{embedded.url}/echo?a=b")

    assert response.json()["method"] == method
    assert response.json()["target"] == "/echo?a=b"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "body", "content_type"),
    [
        ({}, b"", None),
        ({"content": b""}, b"", None),
        ({"content": b"abc"}, b"abc", None),
        ({"content": content(65536)}, content(65536), None),
        ({"content": content(65537)}, content(65537), None),
        ({"content": content(3_000_000)}, content(3_000_000), None),
        ({"content": "text \u00e9"}, "text \u00e9".encode(), None),
        ({"json": {"a": [1, None], "b": "\u00e9"}}, '{"a":[1,null],"b":"\u00e9"}'.encode(), "application/json"),
        ({"data": {"a": "1 2", "b": ["x", "&"]}}, b"a=1+2&b=x&b=%26", "application/x-www-form-urlencoded"),
    ],
    ids=["none", "empty", "bytes", "64k", "64k+1", "3m", "str", "json", "form"],
)
async def test_post_body_of_each_kind_arrives(
    driver: Driver, embedded: Origin, arguments: dict[str, object], body: bytes, content_type: str | None
) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.post(f"{embedded.url}/echo", **arguments)

    report = response.json()
    fields = {name.lower(): value for name, value in report["headers"]}
    assert (report["length"], report["sha256"]) == (len(body), digest(body))
    assert fields["content-length"] == str(len(body))
    assert fields.get("content-type") == content_type
    assert "transfer-encoding" not in fields


async def test_post_iterator_is_sent_chunked(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    pieces = [b"one", b"", b"two", content(200_000), b"end"]

    response = await client.post(f"{embedded.url}/echo", content=driver.body(pieces))

    report = response.json()
    assert ["Transfer-Encoding", "chunked"] in report["headers"]
    assert (report["length"], report["sha256"]) == (200_009, digest(b"".join(pieces)))


async def test_post_iterator_with_content_length_is_sent_by_length(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.post(
        f"{embedded.url}/echo", content=driver.body([b"ab", b"cd"]), headers={"Content-Length": "4"}
    )

    report = response.json()
    assert "transfer-encoding" not in {name.lower() for name, _ in report["headers"]}
    assert report["sha256"] == digest(b"abcd")


async def test_post_empty_iterator_is_an_empty_chunked_body(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.post(f"{embedded.url}/echo", content=driver.body([]))
    after = await client.get(f"{embedded.url}/json")

    assert response.json()["length"] == 0
    assert after.headers["x-connection"] == response.headers["x-connection"]


async def test_post_file_object_is_sent_by_length(sync_driver: Driver, embedded: Origin, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(content(150_000))
    client = sync_driver.client(verify=embedded.verify)

    with path.open("rb") as file:
        response = await client.post(f"{embedded.url}/echo", content=file)

    report = response.json()
    assert ["Content-Length", "150000"] in report["headers"]
    assert report["sha256"] == digest(content(150_000))


async def test_post_multipart_has_the_length_it_says(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)
    files = {"file": ("n.bin", io.BytesIO(content(100_000)), "application/octet-stream")}

    response = await client.post(f"{embedded.url}/echo", data={"field": "value"}, files=files)

    report = response.json()
    fields = {name.lower(): value for name, value in report["headers"]}
    assert fields["content-type"].startswith("multipart/form-data; boundary=")
    assert int(fields["content-length"]) == report["length"] > 100_000


async def test_upload_is_read_whole_by_each_server(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    sized = await client.post(origin.drain, content=content(1_000_000))
    chunked = await client.post(origin.drain, content=driver.body([content(50_000)] * 20))

    assert sized.text == chunked.text == "1000000"


async def test_body_is_echoed_while_it_is_sent(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.post(f"{embedded.url}/echo-body", content=driver.body([content(1000)] * 50))

    assert response.content == content(1000) * 50


async def test_body_of_the_other_kind_is_refused(driver: Driver, embedded: Origin) -> None:
    async def iterate() -> AsyncIterator[bytes]:
        yield b"x"

    client = driver.client(verify=embedded.verify)
    body = iter([b"x"]) if driver.is_async else iterate()

    with pytest.raises(RuntimeError, match="Attempted to send"):
        await client.post(f"{embedded.url}/echo", content=body)

    assert (await client.get(f"{embedded.url}/json")).status_code == 200


async def test_kept_connection_is_used_again(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    seen = {(await client.get(origin.small)).headers["x-connection"] for _ in range(20)}

    assert len(seen) == 1
    assert client.counts == (1, 1)


@pytest.mark.parametrize("path", ["/connection-close/100", "/close/100"])
async def test_connection_that_the_server_closes_is_not_used_again(driver: Driver, embedded: Origin, path: str) -> None:
    client = driver.client(verify=embedded.verify)

    first = await client.get(embedded.url + path)
    second = await client.get(embedded.url + path)

    assert first.content == second.content == content(100)
    assert first.headers["x-connection"] != second.headers["x-connection"]


async def test_connection_close_of_the_request_is_obeyed(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify, headers={"Connection": "close"})

    first = await client.get(origin.small)
    second = await client.get(origin.small)

    assert first.headers["x-connection"] != second.headers["x-connection"]


@pytest.mark.parametrize("status", [200, 201, 204, 205, 206, 299, 300, 304, 400, 404, 418, 451, 500, 503, 599])
async def test_status_is_returned_and_the_connection_kept(driver: Driver, embedded: Origin, status: int) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/status/{status}")
    after = await client.get(f"{embedded.url}/json")

    assert response.status_code == status
    assert (response.content == b"") == (status in (204, 205, 304))
    assert after.headers["x-connection"] == response.headers["x-connection"]


async def test_no_content_ends_at_the_head(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    first = await client.get(origin.empty)
    second = await client.get(origin.small)

    assert (first.status_code, first.content) == (204, b"")
    assert second.content == content(1024)


@pytest.mark.parametrize("path", ["/early-hints", "/informational/0", "/informational/5", "/informational/32"])
async def test_informational_responses_are_skipped(driver: Driver, embedded: Origin, path: str) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(embedded.url + path)
    after = await client.get(f"{embedded.url}/json")

    assert (response.status_code, response.text) == (200, "final\n")
    assert after.headers["x-connection"] == response.headers["x-connection"]


async def test_http10_answer_closes_the_connection(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    first = await client.get(f"{embedded.url}/http10")
    second = await client.get(f"{embedded.url}/http10")

    assert first.http_version == "HTTP/1.0"
    assert first.text == "an HTTP/1.0 answer\n"
    assert first.headers["x-connection"] != second.headers["x-connection"]


async def test_http10_answer_with_keep_alive_is_kept(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    first = await client.get(f"{embedded.url}/http10-keepalive")
    second = await client.get(f"{embedded.url}/http10-keepalive")

    assert first.http_version == "HTTP/1.0"
    assert first.headers["x-connection"] == second.headers["x-connection"]


async def test_trailers_are_kept_apart_from_the_fields(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/trailers")

    assert response.content == content(64)
    assert response.trailers["x-checksum"] == digest(content(64))
    assert "x-checksum" not in response.headers


@pytest.mark.parametrize("path", ["/gzip", "/deflate", "/deflate?raw=1", "/br", "/zstd"])
async def test_coded_body_is_decoded(driver: Driver, embedded: Origin, path: str) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(embedded.url + path)
    plain = await client.get(f"{embedded.url}/json")

    assert response.content == plain.content
    assert response.num_bytes_downloaded == int(response.headers["content-length"]) < len(plain.content)


async def test_gzip_of_nginx_is_decoded(driver: Driver, nginx: Origin) -> None:
    client = driver.client(verify=nginx.verify)

    response = await client.get(f"{nginx.url}/gzip/text.txt")

    assert response.headers["content-encoding"] == "gzip"
    assert response.text.splitlines()[1999] == "line 1999 of a text that compresses"


@pytest.mark.parametrize("hops", [1, 5])
async def test_redirects_are_followed_on_one_connection(driver: Driver, embedded: Origin, hops: int) -> None:
    client = driver.client(verify=embedded.verify, follow_redirects=True)

    response = await client.get(f"{embedded.url}/redirect/{hops}")

    assert response.text == "arrived\n"
    assert len(response.history) == hops
    assert {hop.headers["x-connection"] for hop in response.history} == {response.headers["x-connection"]}


async def test_cookies_of_a_response_are_sent_back(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    await client.get(f"{embedded.url}/cookies/set?a=1&b=2")
    response = await client.get(f"{embedded.url}/cookies")

    assert response.json() == {"cookies": {"a": "1", "b": "2"}}


async def test_target_extension_replaces_the_target(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.request("OPTIONS", embedded.url, extensions={"target": b"*"})
    echo = await client.get(embedded.url, extensions={"target": b"/echo?%zz"})

    assert response.status_code == 200
    assert echo.json()["target"] == "/echo?%zz"


async def test_request_octets_are_these(driver: Driver) -> None:
    with ScriptedPeer([ReadRequest(), Send(OK), ReadRequest(), Send(OK), Close()]) as peer:
        client = driver.client(headers={"User-Agent": "t", "Accept-Encoding": "x"})
        await client.get(peer.url + "/a?b=c#d")
        await client.post(peer.url, content=b"body", headers={"X-Own": "v"})

    own = "Accept: */*\r\nConnection: keep-alive\r\nUser-Agent: t\r\nAccept-Encoding: x\r\n"
    base = f"Host: 127.0.0.1:{peer.port}\r\n{own}"
    get, post = (request.decode() for request in peer.requests[0])
    assert sorted(get.splitlines()) == sorted(f"GET /a?b=c HTTP/1.1\r\n{base}\r\n".splitlines())
    assert post.endswith("X-Own: v\r\nContent-Length: 4\r\n\r\nbody")


async def test_response_split_into_single_octets_is_whole(driver: Driver) -> None:
    head = b"HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long: v\r\n\r\n"
    body = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-end: 1\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(head + body, chunk=1), ReadRequest(), Send(OK)]) as peer:
        client = driver.client()

        response = await client.get(peer.url)
        after = await client.get(peer.url)

        assert response.content == b"hello world"
        assert response.trailers["x-end"] == "1"
        assert after.text == "ok"
        assert peer.connections == 1


async def test_response_repeats_every_request_token(driver: Driver, origin: Origin) -> None:
    client = driver.client(verify=origin.verify)

    async def ask(number: int) -> bool:
        token = f"{number}-{os.urandom(8).hex()}"
        response = await client.get(origin.small, headers={"x-token": token})
        return response.headers["x-token"] == token and response.content == content(1024)

    assert await driver.gather(*(ask(number) for number in range(200))) == [True] * 200


async def test_json_of_a_response_is_parsed(driver: Driver, embedded: Origin) -> None:
    client = driver.client(verify=embedded.verify)

    response = await client.get(f"{embedded.url}/json")

    assert response.json() == json.loads(response.content)
