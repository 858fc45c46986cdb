"""The application that Hypercorn serves: see `base`. It runs on its own, without the rest of the tests."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

Fields = list[tuple[bytes, bytes]]

PERIOD = bytes(range(251))


@cache
def content(size: int) -> bytes:
    return (PERIOD * (size // len(PERIOD) + 1))[:size]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    path: str = scope["path"]
    if path.startswith("/bytes/"):
        await answer(send, content(int(path.removeprefix("/bytes/"))))
    elif path == "/drain":
        size, goes_on = 0, True
        while goes_on:
            message = await receive()
            size += len(message.get("body", b""))
            goes_on = message.get("more_body", False)
        await answer(send, b"%d" % size)
    elif path == "/echo":
        target = scope["raw_path"].decode("ascii")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("ascii")
        fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        await answer(send, json.dumps({"method": scope["method"], "target": target, "headers": fields}).encode())
    elif path == "/trailers":
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"a body"})
        await send({"type": "http.response.trailers", "headers": [(b"x-note", scope["method"].encode("ascii"))]})


async def answer(send: Any, body: bytes) -> None:
    fields: Fields = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
