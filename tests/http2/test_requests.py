"""HTTP/2 of the client, RFC 9113, 8.2 to 8.5: the heads of our requests, and the secrets in them. [H2-01]"""

from __future__ import annotations

import logging
from typing import Any

import hpack
import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send
from .frames import Kind, answer
from .peer import Greet, Peer, Read, ReadRequest
from .scenarios import ANSWER


def served(count: int) -> list[Any]:
    """A script for so many requests, one after another."""
    script: list[Any] = [Greet()]
    for stream in range(1, 2 * count, 2):
        script += [ReadRequest(stream), Send(answer(stream))]
    return script


async def test_head_begins_with_the_pseudo_fields(driver: Driver) -> None:
    """RFC 9113, 8.3 and 8.3.1: each once, before all fields. [H2-17]"""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).get(peer.url + "/a%20b?c=d&e", headers={"X-One": "1"})

        request = peer.heads()[0]
        names = [name for name, _ in request.fields]
        assert sorted(names[:4]) == [b":authority", b":method", b":path", b":scheme"]
        assert not [name for name in names[4:] if name.startswith(b":")]
        assert request[b":method"] == b"GET"
        assert request[b":scheme"] == b"http"
        assert request[b":path"] == b"/a%20b?c=d&e"
        assert request[b":authority"] == b"127.0.0.1:%d" % peer.port
        assert request[b"x-one"] == b"1"


@pytest.mark.parametrize(
    ("path", "target"), [("", b"/"), ("/", b"/"), ("?a=b", b"/?a=b"), ("/x#fragment", b"/x"), ("//x", b"//x")]
)
async def test_path_is_never_empty(driver: Driver, path: str, target: bytes) -> None:
    """RFC 9113, 8.3.1."""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).get(peer.url + path)

        assert peer.heads()[0][b":path"] == target


async def test_options_of_a_server_has_an_asterisk(driver: Driver) -> None:
    """RFC 9113, 8.3.1; RFC 9110, 9.3.7."""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).request("OPTIONS", peer.url, extensions={"target": b"*"})

        assert peer.heads()[0][b":path"] == b"*"


async def test_authority_is_what_the_host_field_says(driver: Driver) -> None:
    """RFC 9113, 8.3.1: and there is no Host field beside it, nor user information in it."""
    with Peer(served(2)) as peer:
        client = driver.client(http1=False)

        await client.get(peer.url, headers={"Host": "example.org"})
        await client.get(peer.url.replace("//", "//user:password@"))

        first, second = peer.heads()
        assert first[b":authority"] == b"example.org"
        assert second[b":authority"] == b"127.0.0.1:%d" % peer.port
        assert b"host" not in dict(first.fields)
        assert b"host" not in dict(second.fields)


async def test_names_are_sent_in_lower_case(driver: Driver) -> None:
    """RFC 9113, 8.2.1. [H2-17]"""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).get(peer.url, headers={"X-Mixed-CASE": "Value", "ETAG": "A"})

        names = [name for name, _ in peer.heads()[0].fields]
        assert names == [name.lower() for name in names]
        assert peer.heads()[0][b"x-mixed-case"] == b"Value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Connection", "close"),
        ("Connection", "keep-alive, x-hop"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip"),
        ("TE", "trailers, deflate"),
    ],
)
async def test_fields_about_a_connection_are_left_out(driver: Driver, name: str, value: str) -> None:
    """RFC 9113, 8.2.2. [H2-17] Those that the client itself adds for HTTP/1.1 too."""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).get(peer.url, headers={name: value, "X-Other": "1"})

        fields = dict(peer.heads()[0].fields)
        assert name.lower().encode() not in fields
        assert b"connection" not in fields
        assert fields[b"x-other"] == b"1"


async def test_te_says_trailers_only(driver: Driver) -> None:
    """RFC 9113, 8.2.2."""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).get(peer.url, headers={"TE": "trailers"})

        assert peer.heads()[0][b"te"] == b"trailers"


async def test_body_without_a_length_is_not_chunked(driver: Driver) -> None:
    """RFC 9113, 8.1 and 8.2.2: END_STREAM ends it."""
    with Peer(served(1)) as peer:
        await driver.client(http1=False).post(peer.url, content=driver.body([b"one", b"", b"two"]))

        request = peer.heads()[0]
        assert request.body == b"onetwo"
        assert request.is_complete
        assert b"transfer-encoding" not in dict(request.fields)
        assert b"content-length" not in dict(request.fields)


async def test_body_with_a_length_is_as_long(driver: Driver) -> None:
    """RFC 9113, 8.1.1. [H2-18]"""
    with Peer(served(2)) as peer:
        client = driver.client(http1=False)

        await client.post(peer.url, content=b"12345")
        await client.post(peer.url)

        first, second = peer.heads()
        assert (first[b"content-length"], first.body) == (b"5", b"12345")
        assert (second[b"content-length"], second.body) == (b"0", b"")


@pytest.mark.parametrize("length", [b"4", b"6"])
async def test_body_of_another_length_than_promised_is_not_sent(driver: Driver, length: bytes) -> None:
    """RFC 9113, 8.1.1. [H2-18] Nothing of a whole one goes out; the connection, if there was one, serves on."""
    with Peer(served(2)) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        with pytest.raises(httpfast.LocalProtocolError, match="Content-Length"):
            await client.post(peer.url, content=b"12345", headers={"Content-Length": length.decode()})

        assert (await client.get(peer.url)).text == "ok"
        assert [request[b":method"] for request in peer.heads()] == [b"GET", b"GET"]
        assert peer.connections == 1


async def test_streamed_body_that_falls_short_resets_its_stream(driver: Driver) -> None:
    """RFC 9113, 8.1.1. [H2-18] Its head is out by then: the server has to learn that the rest does not come."""
    script = [Greet(), Read(Kind.RST_STREAM, 1), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with pytest.raises(httpfast.LocalProtocolError):
            await client.post(peer.url, content=driver.body([b"123"]), headers={"Content-Length": "5"})

        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert [(kind, stream) for kind, stream, _ in peer.codes()] == [("RST_STREAM", 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nb: c"),
        ("X-A", "a\nb"),
        ("X-A", "a\x00b"),
        ("X A", "b"),
        ("X:A", "b"),
        ("", "b"),
        (":path", "/evil"),
        (":authority", "evil"),
        (":status", "200"),
    ],
)
async def test_field_that_is_none_is_refused_before_anything_is_sent(driver: Driver, name: str, value: str) -> None:
    """RFC 9113, 8.2.1 and 8.3. [H2-17] [INJ-12]"""
    with Peer(served(2)) as peer:
        client = driver.client(http1=False)
        await client.get(peer.url)

        with pytest.raises(httpfast.LocalProtocolError):
            await client.get(peer.url, headers={name: value})

        assert len([found for found in peer.frames() if found.stream]) == 1
        assert (await client.get(peer.url)).extensions["stream_id"] == 3
        assert peer.connections == 1


async def test_connect_has_no_scheme_and_no_path(driver: Driver) -> None:
    """RFC 9113, 8.5."""
    script = [Greet(), Read(Kind.HEADERS, 1), Send(answer(1, b"no", 405))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.request("CONNECT", peer.url, extensions={"target": b"example.org:443"})

        assert response.status_code == 405
        pseudo = [field for field in peer.heads()[0].fields if field[0].startswith(b":")]
        assert sorted(pseudo) == [(b":authority", b"example.org:443"), (b":method", b"CONNECT")]


# Secrets


async def test_secret_fields_are_never_indexed(driver: Driver) -> None:
    """RFC 7541, 6.2.3 and 7.1.3. [H2-24] Credentials and short cookies, on the first request and on later ones."""
    secrets = {"authorization": "Bearer abcdef", "cookie": "s=1", "proxy-authorization": "Basic YTpi"}
    with Peer(served(3)) as peer:
        client = driver.client(http1=False)

        for _ in range(3):
            await client.get(peer.url, headers={**secrets, "x-plain": "1"})

        decoder: Any = hpack.Decoder()
        for found in peer.frames(kind=Kind.HEADERS):
            fields = {field[0]: field for field in decoder.decode(found.payload)}
            for name, value in secrets.items():
                assert fields[name][1] == value
                assert isinstance(fields[name], hpack.NeverIndexedHeaderTuple), name
            assert not isinstance(fields["x-plain"], hpack.NeverIndexedHeaderTuple)


async def test_secret_fields_are_not_logged(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """[H2-24]"""
    script = [Greet(), ReadRequest(1), Send(answer(1))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        with caplog.at_level(logging.DEBUG):
            await client.get(
                peer.url.replace("//", "//user:hunter2@"), headers={"Cookie": "s=opensesame", "X-Seen": "seen"}
            )

        assert caplog.records
        for secret in ("hunter2", "opensesame", "dXNlcjpodW50ZXIy"):
            assert secret not in caplog.text


# 3.3 and RFC 9110, 7.4: whose connection it is


async def test_origins_of_one_certificate_do_not_share_a_connection(driver: Driver, ca: Any) -> None:
    """RFC 9113, 9.1.1. [H2-23] A server that could answer for both is asked on a connection for each."""
    context = ca.server_context()
    context.set_alpn_protocols(["h2"])
    verify = ca.client_context()
    verify.set_alpn_protocols(["h2"])
    with Peer(ANSWER, ANSWER, tls=context) as peer:
        client = driver.client(http1=False, verify=verify)

        for host in ("localhost", "127.0.0.1"):
            assert (await client.get(f"https://{host}:{peer.port}")).text == "ok"

        assert peer.connections == 2
        assert [peer.heads(index)[0][b":authority"] for index in range(2)] == [
            b"localhost:%d" % peer.port,
            b"127.0.0.1:%d" % peer.port,
        ]


async def test_misdirected_request_is_the_callers_to_judge(driver: Driver) -> None:
    """RFC 9110, 15.5.20. [H2-23] Every origin has connections of its own, so that another would be no better."""
    script = [Greet(), ReadRequest(1), Send(answer(1, b"not me", 421)), ReadRequest(3), Send(answer(3))]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        response = await client.get(peer.url)

        assert (response.status_code, response.text) == (421, "not me")
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
        assert peer.codes() == []
