"""Either client over a function that answers, for the tests about redirects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import httpfast
from httpfast import Headers, Request, Response

START = "https://a.example/start"
Answer = Callable[[Request], Response]


class Caller:
    """Either client over a function that answers, and the requests that it was asked."""

    def __init__(self, kind: str) -> None:
        self.is_async = kind == "async"
        self.seen: list[Request] = []
        # As they were then: a flow changes its request and sends it again.
        self.fields: list[Headers] = []
        self.bodies: list[bytes] = []

    def open(self, answer: Answer, **settings: Any) -> Any:
        self.seen, self.fields, self.bodies = [], [], []

        def note(request: Request) -> Response:
            self.seen.append(request)
            self.fields.append(request.headers.copy())
            self.bodies.append(request.content)
            return answer(request)

        kind = httpfast.AsyncClient if self.is_async else httpfast.Client
        settings.setdefault("follow_redirects", True)
        self.client: Any = kind(transport=httpfast.MockTransport(note), **settings)
        return self.client

    def request(self, method: str, url: str = START, **arguments: Any) -> Response:
        return self.wait(self.client.request(method, url, **arguments))

    def get(self, url: str = START, **arguments: Any) -> Response:
        return self.request("GET", url, **arguments)

    def send(self, request: Request, **arguments: Any) -> Response:
        return self.wait(self.client.send(request, **arguments))

    def wait(self, result: Any) -> Any:
        return asyncio.run(result) if self.is_async else result

    def sent(self, name: str) -> list[str | None]:
        """The value of a field in each request."""
        return [fields.get(name) for fields in self.fields]

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.seen]


def path_of_redirects(*urls: str, status: int = 302, fields: Iterable[tuple[str, str]] = ()) -> Answer:
    """Each request is led to the next of the URLs, the last is answered."""
    left = list(urls)

    def answer(request: Request) -> Response:
        if not left:
            return Response(200, content=b"arrived")
        return Response(status, headers=[("Location", left.pop(0)), *fields])

    return answer
