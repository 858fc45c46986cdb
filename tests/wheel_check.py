"""What a wheel has to do where nothing else is installed: be imported, and make a request with each client.

Run by `make wheel-check` as a program, with the interpreter that the wheel was built for; pytest is not there.
"""

from __future__ import annotations

import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import metadata, version
from pathlib import Path

import httpfast

BODY = b"a body" * 1000
TIMEOUT = 10.0


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked for, and a body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("X-Path", self.path)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def check(response: httpfast.Response) -> None:
    """Raise SystemExit unless it is the handler's."""
    if (response.status_code, response.headers["x-path"], response.content) != (200, "/path?a=1", BODY):
        raise SystemExit(f"unexpected response: {response!r}")


async def request_twice(url: str) -> None:
    """Two requests over one connection of an AsyncClient."""
    async with httpfast.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        check(await client.get(url, params={"a": "1"}))
        check(await client.get(url, params={"a": "1"}))


def main() -> None:
    """Check the installed package."""
    if version("httpfast") != httpfast.__version__ or metadata("httpfast")["License-Expression"] != "BSD-3-Clause":
        raise SystemExit("the metadata does not belong to the module")
    if not (Path(httpfast.__file__).parent / "py.typed").is_file():
        raise SystemExit("py.typed is missing")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/path"
        with httpfast.Client(timeout=TIMEOUT, trust_env=False) as client:
            check(client.get(url, params={"a": "1"}))
            check(client.get(url, params={"a": "1"}))
        httpfast.run(request_twice(url))
    finally:
        server.shutdown()
        server.server_close()
    print(f"httpfast {httpfast.__version__} on {sysconfig.get_platform()}: import and requests of both clients work")


if __name__ == "__main__":
    main()
