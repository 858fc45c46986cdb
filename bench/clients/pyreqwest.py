"""pyreqwest (Rust: hyper, tokio, rustls): one client, no limits set (its default). Bodies are its uncopied `Bytes`.

The runtime is its default, one thread, which its documentation recommends but for complex requests at high concurrency.

HTTP/2 has to be turned on; it takes one connection. For its cases the decoders, which have nothing to do, are off, and
with more than one request in flight the runtime is the one of several threads: it took a fifth less CPU time at 64 in
flight and with 32 threads, and no less for one request at a time or for HTTP/1.1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pyreqwest.client import ClientBuilder, SyncClientBuilder

from . import HTTP2, Body, Settings

Builder = TypeVar("Builder", ClientBuilder, SyncClientBuilder)


def _prepared(builder: Builder, settings: Settings) -> Builder:
    if settings.http2:
        builder = builder.http2(True).gzip(False).brotli(False).zstd(False).deflate(False)
        builder = builder.runtime_multithreaded(settings.in_flight > 1)
    if settings.ca_file is None:
        return builder
    return builder.add_root_certificate_pem(Path(settings.ca_file).read_bytes())


def _name(version: str) -> str:
    return HTTP2 if version == "HTTP/2.0" else version


class Async:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = _prepared(ClientBuilder(), settings).build()

    async def get(self, path: str) -> Body:
        response = await self._client.get(self._base + path).build().send()
        return await response.bytes()

    async def get_stream(self, path: str) -> Body:
        chunks = []
        async with self._client.get(self._base + path).build_streamed() as response:
            reader = response.body_reader
            while (chunk := await reader.read_chunk()) is not None:
                chunks.append(chunk)
        return b"".join(chunks)

    async def post_json(self, path: str, value: Any) -> Any:
        response = await self._client.post(self._base + path).body_json(value).build().send()
        return await response.json()

    async def version(self, path: str) -> str:
        return _name((await self._client.get(self._base + path).build().send()).version)

    async def close(self) -> None:
        await self._client.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._base = settings.base_url
        self._client = _prepared(SyncClientBuilder(), settings).build()

    def get(self, path: str) -> Body:
        return self._client.get(self._base + path).build().send().bytes()

    def version(self, path: str) -> str:
        return _name(self._client.get(self._base + path).build().send().version)

    def close(self) -> None:
        self._client.close()


async def open_async(settings: Settings) -> Async:
    """An asynchronous client."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """A blocking client."""
    return Sync(settings)
