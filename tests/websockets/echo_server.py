"""An echo server of the package websockets, as a process of its own: it prints its port, and ends with its input.

    python -m tests.websockets.echo_server [CERTIFICATE]

"close" has it close with code 4002; the path /count/N has it send N messages first.
"""

from __future__ import annotations

import ssl
import sys
import threading
from typing import Any

from websockets.sync.server import serve


def answer(connection: Any) -> None:
    _, _, count = connection.request.path.partition("/count/")
    for number in range(int(count or 0)):
        connection.send(str(number))
    for message in connection:
        if message == "close":
            connection.close(4002, "asked to")
            return
        connection.send(message)


def choose(connection: Any, offered: Any) -> Any:
    return "chat" if "chat" in offered else None


def main(*files: str) -> None:
    tls = None
    if files:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
    with serve(answer, "127.0.0.1", 0, ssl=tls, select_subprotocol=choose, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.socket.getsockname()[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
