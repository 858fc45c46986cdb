"""The raw floor: what a careful programmer's shortest hand-written loop costs. Not a client, and no rival.

Ready-made request octets, an asyncio.Protocol or a blocking socket of the standard library, the head's end and
Content-Length found by `bytes.find`, one future a request, a list of idle connections. It understands answers of status
200 with a Content-Length, written like that, and nothing else: no limits, timeouts, retries, redirects, or checks.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from . import Body, Settings

READ_BYTES = 64 * 1024
LENGTH = b"Content-Length: "


class Reading:
    """One response while it comes, in as many reads as it takes."""

    def __init__(self) -> None:
        self._head = b""
        self._pieces: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take what a read brought; returns the body when it is complete. Raises ValueError on anything unforeseen."""
        if not self._pieces:
            if self._head:
                data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return None
            start = data.find(LENGTH, 0, end)
            if start < 0 or not data.startswith(b"HTTP/1.1 200 "):
                raise ValueError(f"not an answer that the floor knows: {data[:64]!r}")
            start += len(LENGTH)
            self._missing = int(data[start : data.find(b"\r\n", start)])
            data = data[end + 4 :]
        self._pieces.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return None
        if self._missing < 0:
            raise ValueError(f"{-self._missing} octets after the response")
        body = b"".join(self._pieces)
        self._head, self._pieces = b"", []
        return body


class Connection(asyncio.Protocol):
    """A connection that waits for one answer at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answer: asyncio.Future[bytes] | None = None
        self._reading = Reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream protocol gets a Transport

    def data_received(self, data: bytes) -> None:
        try:
            body = self._reading.feed(data)
        except ValueError as error:
            self._fail(error)
            return
        if body is not None and self.answer is not None and not self.answer.done():
            self.answer.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


class _Requests:
    """The ready-made request octets, by path."""

    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.base_url)
        self.host, self.port = str(url.hostname), int(url.port or 0)
        self.context = None if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
        self._fields = f"Host: {url.netloc}\r\nAccept: */*\r\nUser-Agent: floor\r\n"
        self._made: dict[str, bytes] = {}

    def get(self, path: str) -> bytes:
        made = self._made.get(path)
        if made is None:
            made = self._made[path] = f"GET {path} HTTP/1.1\r\n{self._fields}\r\n".encode()
        return made

    def post_json(self, path: str, value: Any) -> bytes:
        body = json.dumps(value).encode()
        fields = f"{self._fields}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


class Async:
    def __init__(self, settings: Settings) -> None:
        self._requests = _Requests(settings)
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []

    async def _checkout(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        requests = self._requests
        _, connection = await self._loop.create_connection(
            Connection, requests.host, requests.port, ssl=requests.context
        )
        return connection

    async def _ask(self, octets: bytes) -> bytes:
        connection = await self._checkout()
        connection.answer = answer = self._loop.create_future()
        connection.transport.write(octets)
        body: bytes = await answer
        self._idle.append(connection)
        return body

    async def get(self, path: str) -> Body:
        return await self._ask(self._requests.get(path))

    async def post_json(self, path: str, value: Any) -> Any:
        return json.loads(await self._ask(self._requests.post_json(path, value)))

    async def close(self) -> None:
        for connection in self._idle:
            connection.transport.close()


class Sync:
    def __init__(self, settings: Settings) -> None:
        self._requests = requests = _Requests(settings)
        self._socket = socket.create_connection((requests.host, requests.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if requests.context is not None:
            self._socket = requests.context.wrap_socket(self._socket, server_hostname=requests.host)
        self._reading = Reading()

    def get(self, path: str) -> Body:
        self._socket.sendall(self._requests.get(path))
        while True:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection")
            body = self._reading.feed(data)
            if body is not None:
                return body

    def close(self) -> None:
        self._socket.close()


async def open_async(settings: Settings) -> Async:
    """The floor on the running loop."""
    return Async(settings)


def open_sync(settings: Settings) -> Sync:
    """The floor on one blocking socket."""
    return Sync(settings)
