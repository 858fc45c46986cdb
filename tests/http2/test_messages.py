"""HTTP/2 of the client, RFC 9113, 8: responses that are malformed, and those that only look it. [H2-01]"""

from __future__ import annotations

import threading

import pytest

import httpfast

from ..drivers.facade import Driver
from ..peers import Send, WaitFor
from .frames import Code, answer, block, continuation, data, headers, status
from .peer import Greet, Peer, ReadRequest, ReadReset
from .scenarios import ends_stream, means_nothing

OK = (b":status", b"200")

# 8.1: informational responses, trailers, and what comes in which order


async def test_informational_responses_come_before_the_final_one(driver: Driver) -> None:
    """RFC 9113, 8.1; RFC 9110, 15.2: any number of them, and of any kind."""
    octets = (
        headers(1, status(100))
        + headers(1, status(103, (b"link", b"</a.css>")))
        + headers(1, status(199), padding=4)
        + answer(1)
    )

    response = await means_nothing(driver, octets)

    assert (response.status_code, response.text) == (200, "ok")
    assert "link" not in response.headers


async def test_informational_response_that_ends_the_stream_is_an_error_of_it(driver: Driver) -> None:
    """RFC 9113, 8.1."""
    await ends_stream(driver, headers(1, status(103), ends=True), Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.1")


async def test_switching_protocols_is_an_error_of_the_stream(driver: Driver) -> None:
    """RFC 9113, 8.6."""
    await ends_stream(driver, headers(1, status(101)), Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.6")


async def test_informational_responses_without_end_are_an_error_of_the_stream(driver: Driver) -> None:
    """RFC 9113, 10.5. More than 32 to one request."""
    await ends_stream(driver, headers(1, status(103)) * 33, Code.PROTOCOL_ERROR, match="32")


@pytest.mark.parametrize("is_continued", [False, True], ids=["whole", "continued"])
async def test_trailers_are_the_responses(driver: Driver, is_continued: bool) -> None:
    """RFC 9113, 8.1. They are kept apart from the head."""
    fields = block((b"x-digest", b"abc"), (b"x-count", b"2"))
    trailers = (
        headers(1, fields[:7], ends=True, is_whole=False) + continuation(1, fields[7:])
        if is_continued
        else headers(1, fields, ends=True)
    )

    response = await means_nothing(driver, headers(1, status(200)) + data(1, b"ok") + trailers)

    assert response.text == "ok"
    assert dict(response.trailers) == {"x-digest": "abc", "x-count": "2"}
    assert "x-digest" not in response.headers


@pytest.mark.parametrize(
    "octets",
    [
        headers(1, block((b"t", b"v"))),
        headers(1, status(200), ends=True),
        headers(1, block((b"t", b"v"), (b":status", b"200")), ends=True),
        headers(1, block((b":path", b"/")), ends=True),
        headers(1, block((b"T", b"v")), ends=True),
        headers(1, block((b"connection", b"close")), ends=True),
    ],
    ids=["no-end", "status", "status-last", "path", "upper-case", "connection"],
)
async def test_malformed_trailers_are_an_error_of_the_stream(driver: Driver, octets: bytes) -> None:
    """RFC 9113, 8.1 and 8.3. [H2-17] No pseudo-fields, no second head, and the end of the stream."""
    await ends_stream(driver, headers(1, status(200)) + data(1, b"ok") + octets, Code.PROTOCOL_ERROR)


@pytest.mark.parametrize("ends", [False, True])
async def test_data_before_the_head_is_an_error_of_the_stream(driver: Driver, ends: bool) -> None:
    """RFC 9113, 8.1."""
    await ends_stream(driver, data(1, b"ok", ends=ends), Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.1")


async def test_data_after_an_informational_response_is_an_error_of_the_stream(driver: Driver) -> None:
    """RFC 9113, 8.1: a final head comes first."""
    octets = headers(1, status(100)) + data(1, b"ok", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.1")


# 8.2 and 8.3: fields and pseudo-fields


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"a", b"b")],
        [(b"a", b"b"), OK],
        [OK, OK],
        [OK, (b":status", b"404")],
        [OK, (b"a", b"b"), OK],
        [(b":status", b"")],
        [(b":status", b"000")],
        [(b":status", b"099")],
        [(b":status", b"20")],
        [(b":status", b"2000")],
        [(b":status", b"+20")],
        [(b":status", b" 200")],
        [(b":status", b"200 OK")],
        [(b":status", b"2x0")],
        [(b":Status", b"200")],
        [OK, (b":path", b"/")],
        [(b":method", b"GET"), OK],
        [OK, (b":unknown", b"x")],
        [OK, (b":", b"x")],
    ],
    ids=lambda fields: b" ".join(name + b"=" + value for name, value in fields).decode() or "nothing",
)
async def test_malformed_pseudo_fields_are_an_error_of_the_stream(
    driver: Driver, fields: list[tuple[bytes, bytes]]
) -> None:
    """RFC 9113, 8.3 and 8.3.2. [H2-17] One :status of three digits, before all fields, and nothing else."""
    octets = headers(1, block(*fields)) + data(1, b"evil", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.")


@pytest.mark.parametrize(
    "name",
    [
        b"Upper",
        b"uppeR",
        b"",
        b"a b",
        b" a",
        b"a ",
        b"a:b",
        b"a\x00",
        b"a\r",
        b"a\n",
        b"\x7f",
        b"\xc3\xa4",
        b"a(b",
        b"\t",
    ],
)
async def test_malformed_field_name_is_an_error_of_the_stream(driver: Driver, name: bytes) -> None:
    """RFC 9113, 8.2 and 8.2.1. [H2-17] Lower-case tokens only."""
    octets = headers(1, status(200, (name, b"x"))) + data(1, b"evil", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.2\.1")


@pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\nb", b"a\r\nb: c", b"\x00", b"a\n"])
async def test_malformed_field_value_is_an_error_of_the_stream(driver: Driver, value: bytes) -> None:
    """RFC 9113, 8.2.1. [H2-17] No NUL, CR or LF."""
    octets = headers(1, status(200, (b"name", value))) + data(1, b"evil", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.2\.1")


async def test_white_space_around_a_field_value_is_no_part_of_it(driver: Driver) -> None:
    """RFC 9113, 8.2.1 forbids it; gateways from HTTP/1.1 let it through, so it is taken off, as it is there."""
    octets = headers(1, status(200, (b"a", b" b\t"), (b"c", b"  "), (b"d", b"e f"))) + data(1, b"ok", ends=True)

    response = await means_nothing(driver, octets)

    assert (response.headers["a"], response.headers["c"], response.headers["d"]) == ("b", "", "e f")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"connection", b"close"),
        (b"connection", b""),
        (b"proxy-connection", b"keep-alive"),
        (b"keep-alive", b"timeout=5"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"upgrade", b"h2c"),
    ],
)
async def test_field_about_a_connection_is_an_error_of_the_stream(driver: Driver, name: bytes, value: bytes) -> None:
    """RFC 9113, 8.2.2. [H2-17]"""
    octets = headers(1, status(200, (name, value))) + data(1, b"evil", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match=r"RFC 9113, 8\.2\.2")


# 8.1.1: Content-Length


@pytest.mark.parametrize(
    ("lengths", "body"),
    [
        ([b"3"], b"ok"),
        ([b"1"], b"ok"),
        ([b"0"], b"ok"),
        ([b"2"], b""),
        ([b"2", b"3"], b"ok"),
        ([b"2, 3"], b"ok"),
        ([b"-2"], b"ok"),
        ([b"+2"], b"ok"),
        ([b"0x2"], b"ok"),
        ([b"2s"], b"ok"),
        ([b""], b"ok"),
        ([b"18446744073709551618"], b"ok"),
    ],
    ids=lambda case: b"-and-".join(case).decode() or "none" if isinstance(case, list) else case.decode() or "empty",
)
async def test_content_length_that_is_not_the_bodys_is_an_error_of_the_stream(
    driver: Driver, lengths: list[bytes], body: bytes
) -> None:
    """RFC 9113, 8.1.1; RFC 9110, 8.6. [H2-18] Too much, too little, two of them, or no number."""
    octets = headers(1, status(200, *((b"content-length", length) for length in lengths))) + data(1, body, ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match="(?i)content-length|complete message body")


async def test_end_of_stream_in_the_head_is_short_of_a_content_length(driver: Driver) -> None:
    """RFC 9113, 8.1.1. [H2-18]"""
    octets = headers(1, status(200, (b"content-length", b"1")), ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match="incomplete|without sending complete message body")


async def test_trailers_do_not_make_up_for_a_short_body(driver: Driver) -> None:
    """RFC 9113, 8.1.1. [H2-18]"""
    octets = (
        headers(1, status(200, (b"content-length", b"3"))) + data(1, b"ok") + headers(1, block((b"t", b"v")), ends=True)
    )

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, match="without sending complete message body")


@pytest.mark.parametrize("lengths", [[b"2", b"2"], [b"2, 2"], [b"2"], []])
async def test_content_length_that_is_the_bodys_is_right(driver: Driver, lengths: list[bytes]) -> None:
    """RFC 9110, 8.6: as often as it likes, and not at all."""
    fields = [(b"content-length", length) for length in lengths]
    octets = headers(1, status(200, *fields)) + data(1, b"o", padding=9) + data(1, b"k", ends=True)

    assert (await means_nothing(driver, octets)).text == "ok"


@pytest.mark.parametrize(
    ("method", "code"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("POST", 204)], ids=["HEAD", "204", "304", "post"]
)
async def test_body_where_none_may_be_is_an_error_of_the_stream(driver: Driver, method: str, code: int) -> None:
    """RFC 9113, 8.1.1; RFC 9110, 6.4.1. [H2-18]"""
    octets = headers(1, status(code, (b"content-length", b"4"))) + data(1, b"evil", ends=True)

    await ends_stream(driver, octets, Code.PROTOCOL_ERROR, method=method, match=r"RFC 9113, 8\.1\.1")


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 304)], ids=["HEAD", "304"])
@pytest.mark.parametrize("ends", [True, False], ids=["in-head", "in-data"])
async def test_content_length_without_a_body_where_none_may_be_is_right(
    driver: Driver, method: str, code: int, ends: bool
) -> None:
    """RFC 9113, 8.1.1: it says what a GET would bring."""
    octets = headers(1, status(code, (b"content-length", b"400")), ends=ends) + (
        b"" if ends else data(1, b"", ends=True)
    )

    response = await means_nothing(driver, octets, method=method)

    assert (response.status_code, response.content) == (code, b"")
    assert response.headers["content-length"] == "400"


async def test_malformed_head_reaches_who_streams(driver: Driver) -> None:
    """RFC 9113, 8.1.1: also where only the head is waited for, and the length turns out wrong later."""
    has_head = threading.Event()
    script = [
        Greet(),
        ReadRequest(1),
        Send(headers(1, status(200, (b"content-length", b"3"))) + data(1, b"o")),
        WaitFor(has_head),
        Send(data(1, b"k", ends=True)),
        ReadReset(1, Code.PROTOCOL_ERROR),
        ReadRequest(3),
        Send(answer(3)),
    ]
    with Peer(script) as peer:
        client = driver.client(http1=False)

        async with client.stream("GET", peer.url) as response:
            has_head.set()
            with pytest.raises(httpfast.RemoteProtocolError, match="without sending complete message body"):
                await client.read(response)
        assert (await client.get(peer.url)).text == "ok"
        assert peer.connections == 1
