"""The SDKs of OpenAI and Anthropic, against a fake of their APIs, in each way that they can use httpfast:

- alias: they import httpx or httpx2, and get httpfast;
- httpx, httpx2: a client of that package with `httpx_transport()`, handed to them as `http_client`.

They check what they are given and take no client of another class, such as httpfast's own without the alias.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

import httpfast

from .fake_api import ANSWER, WORDS, FakeAPI


@dataclass(frozen=True)
class SDK:
    """One SDK: its package, the names of its clients, and what its API is asked by."""

    package: str
    name: str
    path: str

    @property
    def module(self) -> Any:
        return pytest.importorskip(self.package, reason=f"{self.package}, which this tries, is not installed")

    def base_url(self, api: FakeAPI) -> str:
        return api.url + ("/v1" if self.package == "openai" else "")

    def ask(self, client: Any, model: str = "ok", **arguments: Any) -> Any:
        """Ask for an answer; a coroutine if the client is async."""
        messages = [{"role": "user", "content": "Hi"}]
        if self.package == "openai":
            return client.chat.completions.create(model=model, messages=messages, **arguments)
        return client.messages.create(model=model, max_tokens=10, messages=messages, **arguments)

    def text_of(self, answer: Any) -> str:
        text = answer.choices[0].message.content if self.package == "openai" else answer.content[0].text
        return str(text)

    def word_of(self, event: Any) -> str:
        """The part of the answer that an event of a stream brings."""
        if self.package == "openai":
            return event.choices[0].delta.content or ""
        return event.delta.text if event.type == "content_block_delta" else ""


SDKS = [
    SDK("openai", "OpenAI", "/v1/chat/completions"),
    SDK("anthropic", "Anthropic", "/v1/messages"),
]


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.package)
def sdk(request: pytest.FixtureRequest) -> SDK:
    sdk: SDK = request.param
    assert sdk.module
    return sdk


@pytest.fixture(params=[pytest.param("alias", marks=pytest.mark.aliased), "httpx", "httpx2"])
def way(request: pytest.FixtureRequest) -> str:
    way: str = request.param
    return way


def make_client(sdk: SDK, way: str, api: FakeAPI, prefix: str = "", **arguments: Any) -> Any:
    """A client of the SDK that uses httpfast in that way.

    Args:
        prefix: "Async" for an async one.
    """
    kind = getattr(sdk.module, prefix + sdk.name)
    arguments |= {"api_key": "key", "base_url": sdk.base_url(api)}
    if way == "alias":
        client = kind(**arguments)
        assert isinstance(client._client, (httpfast.Client, httpfast.AsyncClient))
        return client
    package = pytest.importorskip(way, reason=f"{way}, whose clients this is about, is not installed")
    transport = httpfast.async_httpx_transport() if prefix else httpfast.httpx_transport()
    try:
        return kind(http_client=getattr(package, f"{prefix}Client")(transport=transport), **arguments)
    except TypeError as error:
        pytest.skip(f"{sdk.package} {sdk.module.__version__} is not made for {way}: {error}")


def test_answer_comes_as_a_model(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client:
        answer = sdk.ask(client)

    assert sdk.text_of(answer) == ANSWER
    assert api.paths() == [sdk.path]
    assert api.requests[0].headers["authorization"] == "Bearer key"
    assert api.requests[0].json()["model"] == "ok"


def test_answer_is_streamed(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client, sdk.ask(client, stream=True) as stream:
        words = [word for event in stream if (word := sdk.word_of(event))]

    assert words == WORDS


def test_stream_may_be_left_early(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client:
        with sdk.ask(client, stream=True) as stream:
            next(iter(stream))

        assert stream.response.is_closed


def test_busy_server_is_asked_again(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client:
        assert sdk.text_of(sdk.ask(client, model="busy")) == ANSWER

    assert api.paths() == [sdk.path] * 2


def test_timeout_is_the_sdks_error(sdk: SDK, way: str, api: FakeAPI) -> None:
    with (
        make_client(sdk, way, api, timeout=0.2, max_retries=0) as client,
        pytest.raises(sdk.module.APITimeoutError),
    ):
        sdk.ask(client, model="slow")


def test_refused_connection_is_the_sdks_error(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api, max_retries=0) as client:
        client.base_url = "http://127.0.0.1:1"
        with pytest.raises(sdk.module.APIConnectionError):
            sdk.ask(client)


def test_error_status_is_the_sdks_error(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client, pytest.raises(sdk.module.NotFoundError) as caught:
        sdk.ask(client, model="none")

    assert caught.value.status_code == 404
    assert "no such model" in str(caught.value)


def test_raw_response_shows_its_head(sdk: SDK, way: str, api: FakeAPI) -> None:
    with make_client(sdk, way, api) as client:
        resource = client.chat.completions if sdk.package == "openai" else client.messages
        arguments = {} if sdk.package == "openai" else {"max_tokens": 10}
        raw = resource.with_raw_response.create(model="ok", messages=[{"role": "user", "content": "Hi"}], **arguments)

        assert raw.headers["content-type"] == "application/json"
        assert raw.status_code == 200
        assert sdk.text_of(raw.parse()) == ANSWER


def test_async_client_does_the_same(sdk: SDK, way: str, api: FakeAPI) -> None:
    async def main() -> None:
        async with make_client(sdk, way, api, "Async", max_retries=1) as client:
            assert sdk.text_of(await sdk.ask(client)) == ANSWER
            assert sdk.text_of(await sdk.ask(client, model="busy")) == ANSWER
            async with await sdk.ask(client, stream=True) as stream:
                assert [word async for event in stream if (word := sdk.word_of(event))] == WORDS
            with pytest.raises(sdk.module.APITimeoutError):
                await sdk.ask(client.with_options(timeout=0.2, max_retries=0), model="slow")

    asyncio.run(main())


def test_client_of_httpfast_is_refused_without_the_alias(sdk: SDK) -> None:
    with httpfast.Client() as http_client, pytest.raises(TypeError, match="http_client"):
        getattr(sdk.module, sdk.name)(api_key="key", http_client=http_client)
