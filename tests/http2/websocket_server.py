"""A WebSocket server of hypercorn, over HTTP/2 too: a process that prints its port, and ends with its input.

    python -m tests.http2.websocket_server CERTIFICATE

It echoes messages; "close" has it close with code 4002. /refuse is refused, /redirect leads to /. Any other request is
answered with the version of HTTP that it came by.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await _websocket(scope, receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["http_version"].encode()})
    else:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


async def _websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    if scope["path"] == "/refuse":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/redirect":
        headers = [(b"location", b"/"), (b"content-length", b"0")]
        await send({"type": "websocket.http.response.start", "status": 307, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b""})
        return
    await send({"type": "websocket.accept", "subprotocol": "chat" if "chat" in scope["subprotocols"] else None})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4002, "reason": "asked to"})
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def main(certificate: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.certfile = config.keyfile = certificate
    config.alpn_protocols = ["h2", "http/1.1"]
    config.errorlog = config.accesslog = None
    config.websocket_max_message_size = 1 << 24
    print(listener.getsockname()[1], flush=True)
    application_: Any = application
    await serve(application_, config, shutdown_trigger=lambda: asyncio.to_thread(sys.stdin.read))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
