"""The proxy of the examples: tunnels by CONNECT, in threads."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

TIMEOUT = 10.0
"""Seconds without an octet after which a tunnel ends."""


class ConnectProxy:
    """Listens on `port` of 127.0.0.1 for as long as the `with` block lasts.

    Args:
        hosts: the local ports that stand for "host:port".
    """

    def __init__(self, hosts: Mapping[str, int]) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                method, target, _ = self.rfile.readline().decode("ascii").split()
                while self.rfile.readline().strip():
                    pass
                if method != "CONNECT" or target not in hosts:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", hosts[target]), TIMEOUT) as origin:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=_copy, args=(origin, self.connection))
                    back.start()
                    _copy(self.connection, origin)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(TIMEOUT)
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One of the two has gone: so shall the other.
        for sock in (source, target):
            sock.close()
