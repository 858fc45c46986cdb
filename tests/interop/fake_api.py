"""The HTTP APIs that SDKs are made for, as far as tests need them: a server in a thread, with answers by heart.

    POST /v1/chat/completions     OpenAI's; with `"stream": true` as server-sent events
    POST /v1/messages             Anthropic's; likewise
    POST /token                   an OAuth 2 token endpoint (RFC 6749, 4.4)
    GET  /protected               401 unless its token is shown
    GET  /events                  three server-sent events
    GET  /hello                   {"hello": "world"}

The model that is asked for says what happens: "busy" is answered 429 once, then as ever; "slow" not before the server
is stopped.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOKEN = "secret-token"
WORDS = ["Hello", " from", " the", " fake"]
ANSWER = "".join(WORDS)


@dataclass
class Seen:
    """A request that has come."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeAPI:
    """The server; `url` has no trailing slash."""

    requests: list[Seen] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Self:
        self.is_stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = False
        self._server.api = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [seen.path for seen in self.requests]


def completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": ANSWER}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "ok",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5},
    }


def completion_events() -> list[tuple[str | None, str]]:
    events: list[tuple[str | None, str]] = []
    for word in [*WORDS, None]:
        choice = {"index": 0, "delta": {"content": word} if word else {}, "finish_reason": None if word else "stop"}
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "ok", "choices": [choice]}
        events.append((None, json.dumps(chunk)))
    return [*events, (None, "[DONE]")]


def message() -> dict[str, Any]:
    return {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "ok",
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 4},
    }


def message_events() -> list[tuple[str | None, str]]:
    start = message() | {"content": [], "stop_reason": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        },
        {"type": "message_stop"},
    ]
    return [(event["type"], json.dumps(event)) for event in events]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    api: FakeAPI

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.api = self.server.api  # type: ignore[attr-defined]

    def take(self) -> Seen:
        length = int(self.headers.get("Content-Length", 0))
        fields = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, fields, self.rfile.read(length))
        self.api.requests.append(seen)
        return seen

    def answer(self, status: int, value: Any, **fields: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in fields.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # One request a connection: no thread waits for a client that thinks of the next one.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_events(self, events: list[tuple[str | None, str]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for name, data in events:
            event = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event.encode()), event.encode()))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        seen = self.take()
        if seen.path == "/events":
            self.send_events([("first", "1"), ("second", '{"a": 2}'), (None, "three")])
        elif seen.path == "/protected" and seen.headers.get("authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"error": "invalid_token"}, WWW_Authenticate="Bearer")
        else:
            self.answer(200, {"hello": "world"})

    def do_POST(self) -> None:
        seen = self.take()
        if seen.path == "/token":
            self.answer(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
            return
        if seen.path not in ("/v1/chat/completions", "/v1/messages"):
            self.answer(404, {"error": {"type": "not_found_error", "message": seen.path}})
            return
        asked = seen.json()
        if asked["model"] == "slow":
            self.api.is_stopped.wait(5)
            self.close_connection = True
        elif asked["model"] == "busy" and self.api.paths().count(seen.path) == 1:
            error = {"type": "rate_limit_error", "message": "slow down"}
            self.answer(429, {"type": "error", "error": error}, Retry_After="0.01", retry_after_ms="1")
        elif asked["model"] == "none":
            self.answer(404, {"type": "error", "error": {"type": "not_found_error", "message": "no such model"}})
        elif seen.path == "/v1/messages":
            self.send_events(message_events()) if asked.get("stream") else self.answer(200, message())
        else:
            self.send_events(completion_events()) if asked.get("stream") else self.answer(200, completion())
