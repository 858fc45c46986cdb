"""The server's command line: `python -m bench.server --port 0 [--tls-port 0] [--uds PATH] --certdir DIR [--loop NAME]`.

Prints one line of JSON when it listens: {"port", "tls_port", "uds", "ca_file", "loop", "has_ipv6", "pid"}. Exits when
stdin closes, so that it never outlives the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from . import faults, routes
from .certificates import write_certificates
from .connection import Connection, Service

BACKLOG = 4096
TLS_SHUTDOWN_TIMEOUT = 2.0
PORT_ATTEMPTS = 20


def parse_arguments() -> argparse.Namespace:
    """The options; `tls_port` and `uds` are None when not asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description="HTTP/1.1 test server")
    parser.add_argument("--port", type=int, default=0, help="plain port on 127.0.0.1 and ::1; 0 takes a free one")
    parser.add_argument("--tls-port", type=int, help="TLS port; 0 takes a free one")
    parser.add_argument("--uds", help="path of a Unix socket")
    parser.add_argument("--certdir", help="directory for ca.pem and server.pem, made if absent; needed for --tls-port")
    parser.add_argument("--loop", choices=("auto", "asyncio", "uvloop"), default="auto", help="event loop")
    arguments = parser.parse_args()
    if arguments.tls_port is not None and arguments.certdir is None:
        parser.error("--tls-port needs --certdir")
    return arguments


def loop_factory(name: str) -> tuple[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop called `name`; `auto` is uvloop if it is installed."""
    if name != "asyncio":
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise
        else:
            return "uvloop", uvloop.new_event_loop
    return "asyncio", asyncio.new_event_loop


class Listeners:
    """The server's sockets, closed together."""

    def __init__(self, service: Service, stack: AsyncExitStack) -> None:
        self._service = service
        self._stack = stack
        self.has_ipv6 = False

    def _connection(self) -> Connection:
        return Connection(self._service)

    async def _listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        shutdown = None if context is None else TLS_SHUTDOWN_TIMEOUT
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._connection, host, port, ssl=context, backlog=BACKLOG, ssl_shutdown_timeout=shutdown
        )
        self._stack.callback(server.close)
        return int(server.sockets[0].getsockname()[1])

    async def open_port(self, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen on 127.0.0.1 and, if the machine has it, on ::1 with the same port, which is returned."""
        for _ in range(PORT_ATTEMPTS):
            bound = await self._listen("127.0.0.1", port, context)
            try:
                await self._listen("::1", bound, context)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and port == 0:
                    # Somebody else has it on ::1, where clients of "localhost" would end up: try another one.
                    continue
            else:
                self.has_ipv6 = True
            return bound
        raise OSError(f"no port free on both 127.0.0.1 and ::1 in {PORT_ATTEMPTS} attempts")

    async def open_uds(self, path: str) -> None:
        """Listen on a Unix socket."""
        server = await asyncio.get_running_loop().create_unix_server(self._connection, path, backlog=BACKLOG)
        self._stack.callback(server.close)


def watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Set `stopping` when stdin ends. A thread, because not every loop can watch every kind of stdin."""

    def wait_for_end() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=wait_for_end, daemon=True).start()


async def serve(arguments: argparse.Namespace, loop_name: str) -> None:
    """Listen, report, and serve until stdin closes."""
    service = Service(routes.FIXED, routes.LIVE | faults.LIVE)
    certificates = None if arguments.certdir is None else write_certificates(arguments.certdir)
    async with AsyncExitStack() as stack:
        listeners = Listeners(service, stack)
        ready = {"port": await listeners.open_port(arguments.port), "tls_port": None, "uds": arguments.uds}
        if arguments.tls_port is not None and certificates is not None:
            ready["tls_port"] = await listeners.open_port(arguments.tls_port, certificates.server_context())
        if arguments.uds is not None:
            await listeners.open_uds(arguments.uds)
        ready["ca_file"] = None if certificates is None else str(certificates.ca_file)
        ready |= {"loop": loop_name, "has_ipv6": listeners.has_ipv6, "pid": os.getpid()}
        stopping = asyncio.Event()
        watch_stdin(asyncio.get_running_loop(), stopping)
        print(json.dumps(ready), flush=True)
        await stopping.wait()
        for connection in list(service.open):
            connection.transport.abort()


def main() -> None:
    """Run the server."""
    arguments = parse_arguments()
    name, factory = loop_factory(arguments.loop)
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(arguments, name))


if __name__ == "__main__":
    main()
