"""Request bodies over HTTP/2: windows, lengths, early answers, Expect (RFC 9113, 5.2, 8.1; RFC 9110, 10.1.1)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from h2.errors import ErrorCodes

import httpfast
from bench.server import content

from ..drivers.facade import Driver
from .origin import ScriptedOrigin, Stream


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 65_536, 3_000_000])
async def test_whole_body_arrives(driver: Driver, layer: dict[str, bool], size: int) -> None:
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=10)

        response = await client.post(f"{origin.url}/echo", content=content(size))

        assert response.content == content(size)
        assert bytes(origin.streams[0].body) == content(size)
        assert origin.streams[0]["content-length"] == str(size)


async def test_iterated_body_arrives_without_transfer_encoding(driver: Driver, layer: dict[str, bool]) -> None:
    pieces = [b"a", content(100_000), b"", content(300_000), b"end"]
    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=10)

        response = await client.post(f"{origin.url}/echo", content=driver.body(pieces))

        assert response.content == b"".join(pieces)
        assert origin.streams[0].get("transfer-encoding") is None
        assert origin.streams[0].get("content-length") is None


async def test_empty_iterated_body_ends_the_stream(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=5)

        response = await client.post(f"{origin.url}/drain", content=driver.body([]))

        assert response.text == "0"


async def test_multipart_upload_arrives(driver: Driver) -> None:
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=10)

        response = await client.post(
            f"{origin.url}/drain", files={"f": ("name", content(200_000))}, data={"field": "value"}
        )

        stream = origin.streams[0]
        assert response.text == stream["content-length"] == str(len(stream.body))
        assert content(200_000) in bytes(stream.body)


async def test_uploads_at_once_share_the_connection_and_arrive_whole(driver: Driver) -> None:
    """With a connection's window far smaller than their sum."""
    with ScriptedOrigin(connection_window=70_000) as origin:
        client = driver.client(**origin.options, timeout=20)

        async def one(index: int) -> bool:
            body = content(100_000 + index)
            return (await client.post(f"{origin.url}/echo", content=body)).content == body

        assert await driver.gather(*(one(index) for index in range(20))) == [True] * 20
        assert len(origin.connections) == 1


@pytest.mark.parametrize("size", [5, 200_000])
@pytest.mark.parametrize("difference", [-1, 1])
async def test_content_length_that_does_not_match_is_refused(driver: Driver, size: int, difference: int) -> None:
    """[INJ-10] RFC 9113, 8.1.1. The connection goes on."""
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=5)
        await client.get(origin.url)
        headers = {"Content-Length": str(size + difference)}

        with pytest.raises(httpfast.LocalProtocolError, match="Content-Length"):
            await client.post(f"{origin.url}/drain", content=driver.body([content(size)]), headers=headers)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1
        assert not any(stream.is_ended for stream in origin.streams if stream.method == "POST")


async def test_body_that_raises_resets_its_stream_only(driver: Driver) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=5)

        with pytest.raises(ZeroDivisionError):
            await client.post(f"{origin.url}/drain", content=driver.body([b"begun", fail]))
        await driver.blocking(origin.wait_until, lambda: [s.reset_code for s in origin.streams] == [ErrorCodes.CANCEL])

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_server_that_does_not_read_is_a_write_timeout_and_harms_nobody_else(
    driver: Driver, layer: dict[str, bool]
) -> None:
    """[H2-12]"""
    with ScriptedOrigin(**layer) as origin:
        timeout = httpfast.Timeout(5, write=0.1)
        client = driver.client(**origin.options, timeout=timeout)
        await client.get(origin.url)

        for body in (content(1_000_000), driver.body([content(40_000)] * 10)):
            with pytest.raises(httpfast.WriteTimeout):
                await client.post(f"{origin.url}/hang", content=body)
        await client.rest()

        assert (await client.post(f"{origin.url}/echo", content=content(200_000))).content == content(200_000)
        assert len(origin.connections) == 1
        stuck = [stream for stream in origin.streams if stream.path == "/hang"]
        assert [stream.reset_code for stream in stuck] == [ErrorCodes.CANCEL] * 2
        assert all(len(stream.body) <= 65_535 for stream in stuck)


async def test_other_streams_go_on_while_an_upload_waits_for_its_window(driver: Driver) -> None:
    """[H2-12, H2-22]"""
    with ScriptedOrigin() as origin:
        gate = origin.gate()

        async def later(stream: Stream) -> None:
            await gate.wait()
            await stream.respond(body=str(len(await stream.read())).encode())

        url = origin.on("/later", later)
        client = driver.client(**origin.options, timeout=10)

        async def others() -> int:
            await driver.blocking(
                origin.wait_until, lambda: any(len(stream.body) == 65_535 for stream in origin.streams)
            )
            for _ in range(5):
                assert (await client.post(f"{origin.url}/echo", content=content(150_000))).content == content(150_000)
            gate.open()
            return 0

        outcomes = await driver.gather(client.post(url, content=content(500_000)), others())

        assert outcomes[1] == 0
        assert outcomes[0].text == "500000"
        assert len(origin.connections) == 1


async def test_window_that_shrinks_below_zero_is_waited_for(driver: Driver) -> None:
    """[H2-12] RFC 9113, 6.9.2."""
    from h2.settings import SettingCodes

    async def shrink(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) == 65_535)
        h2 = stream.connection.h2
        h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10_000})
        stream.connection.flush()
        acknowledged = stream.connection.acknowledged
        await stream.until(lambda: stream.connection.acknowledged > acknowledged)
        await stream.respond(body=str(len(await stream.read())).encode())

    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=10)

        response = await client.post(origin.on("/shrink", shrink), content=content(700_000))

        assert response.text == "700000"


@pytest.mark.parametrize("is_iterated", [False, True], ids=["whole", "iterated"])
@pytest.mark.parametrize("status", [200, 413])
async def test_early_answer_with_reset_no_error_is_the_response(driver: Driver, status: int, is_iterated: bool) -> None:
    """[H1-26, H2-11] RFC 9113, 8.1: the rest of the request is not wanted."""

    async def early(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        await stream.respond(status, b"enough")
        stream.reset(ErrorCodes.NO_ERROR)

    with ScriptedOrigin() as origin:
        url = origin.on("/early", early)
        client = driver.client(**origin.options, timeout=5)
        body = driver.body([content(50_000)] * 40) if is_iterated else content(2_000_000)

        response = await client.post(url, content=body)

        assert (response.status_code, response.text) == (status, "enough")
        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


@pytest.mark.parametrize("status", [200, 413])
async def test_early_answer_without_reset_ends_the_upload(driver: Driver, status: int) -> None:
    """The server has said all: what is not sent yet is not sent any more, and the stream is reset."""

    async def early(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        await stream.respond(status, b"enough")

    with ScriptedOrigin() as origin:
        url = origin.on("/early", early)
        client = driver.client(**origin.options, timeout=5)

        response = await client.post(url, content=content(2_000_000))
        await driver.blocking(origin.wait_until, lambda: origin.streams[0].reset_code is not None)

        assert (response.status_code, response.text) == (status, "enough")
        assert len(origin.streams[0].body) < 2_000_000
        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


async def test_reset_with_an_error_during_an_upload_is_that_error(driver: Driver) -> None:
    async def refuse(stream: Stream) -> None:
        await stream.until(lambda: len(stream.body) > 0)
        stream.reset(ErrorCodes.INTERNAL_ERROR)

    with ScriptedOrigin() as origin:
        url = origin.on("/refuse", refuse)
        client = driver.client(**origin.options, timeout=5)

        for body in (content(1_000_000), driver.body([content(50_000)] * 20)):
            with pytest.raises(httpfast.RemoteProtocolError, match="INTERNAL_ERROR"):
                await client.post(url, content=body)

        assert (await client.get(origin.url)).text == "ok"
        assert len(origin.connections) == 1


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_answer_may_come_while_the_body_is_sent(driver: Driver, is_stream: bool) -> None:
    """A server that transforms a body answers while it comes: news of the answer are none of the windows."""

    async def transform(stream: Stream) -> None:
        await stream.send_head(200)
        done = 0
        while not stream.is_ended or done < len(stream.body):
            await stream.read(done + 1)
            piece = bytes(stream.body[done : done + 16_384])
            done += len(piece)
            # Small frames of answer between the grants.
            for start in range(0, len(piece), 4_096):
                await stream.send(piece[start : start + 4_096])
        await stream.send(b"", ends=True)

    with ScriptedOrigin() as origin:
        url = origin.on("/transform", transform)
        client = driver.client(**origin.options, timeout=10)
        body = driver.body([content(60_000)] * 20)

        if is_stream:
            async with client.stream("POST", url, content=body) as response:
                received = await client.read(response)
        else:
            received = (await client.post(url, content=body)).content

        assert received == content(60_000) * 20


async def test_body_goes_out_after_100_continue(driver: Driver, layer: dict[str, bool]) -> None:
    async def expecting(stream: Stream) -> None:
        assert not stream.body
        await stream.inform(100)
        await stream.respond(body=await stream.read())

    with ScriptedOrigin(**layer) as origin:
        client = driver.client(**origin.options, timeout=5)

        response = await client.post(
            origin.on("/expect", expecting), content=b"body", headers={"Expect": "100-continue"}
        )

        assert response.text == "body"


async def test_body_is_not_sent_when_the_answer_to_expect_is_final(driver: Driver) -> None:
    """[H1-19]"""

    async def refuse(stream: Stream) -> None:
        await stream.respond(417, b"no")

    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=5)

        response = await client.post(origin.on("/no", refuse), content=b"body", headers={"Expect": "100-continue"})
        await client.get(origin.url)

        assert (response.status_code, response.text) == (417, "no")
        assert origin.streams[0].body == b""
        assert len(origin.connections) == 1


async def test_body_goes_out_all_the_same_when_nothing_answers_expect(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[H1-19]"""
    monkeypatch.setattr("httpfast._transports.upload.CONTINUE_TIMEOUT", 0.05)
    with ScriptedOrigin() as origin:
        client = driver.client(**origin.options, timeout=5)

        response = await client.post(f"{origin.url}/echo", content=b"body", headers={"Expect": "100-continue"})

        assert response.text == "body"


async def test_others_are_answered_while_a_body_is_made_after_100_continue(sync_driver: Driver) -> None:
    """The thread that waited for 100 Continue has read for all; what it does then must not keep the others waiting."""
    with ScriptedOrigin() as origin:
        gate, begun, go = origin.gate(), threading.Event(), threading.Event()

        async def expecting(stream: Stream) -> None:
            await gate.wait()
            await stream.inform(100)
            await stream.respond(body=await stream.read())

        async def late(stream: Stream) -> None:
            await stream.until(lambda: begun.is_set())
            await stream.respond()

        url, late_url = origin.on("/expect", expecting), origin.on("/late", late)
        client = sync_driver.client(**origin.options, timeout=3)
        await client.get(origin.url)

        def pause() -> None:
            begun.set()
            origin.call(origin.connections[0]._changed)
            go.wait(5)

        async def slow() -> Any:
            body = sync_driver.body([pause, b"body"])
            return (await client.post(url, content=body, headers={"Expect": "100-continue"})).text

        async def other() -> Any:
            origin.wait_until(lambda: any(stream.path == "/expect" for stream in origin.streams))
            try:
                return (await client.get(late_url)).text
            finally:
                go.set()

        async def release() -> None:
            origin.wait_until(lambda: any(stream.path == "/late" for stream in origin.streams))
            gate.open()

        assert await sync_driver.gather(slow(), other(), release()) == ["body", "ok", None]
