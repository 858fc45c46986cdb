"""What type checkers have to refuse. Checked, never run.

Each line with a mistake names the error of mypy (`type: ignore`) and of pyright (`pyright: ignore`). Both report an
ignore that hides nothing, so that a mistake which stops being one fails the check.
"""

from __future__ import annotations

import httpfast


def clients(client: httpfast.Client) -> None:
    client.get(b"https://example.org/")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", json={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.head("/", content=b"")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.delete("/", data={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.get("/", {"a": "b"})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.post("/", data=b"octets")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.post("/", content=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", headers={"a": 1})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", auth="user")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get("/", follow_redirects=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Client(proxies={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    httpfast.Client(limits=100)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Client(transport=AsyncOnly())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Client(event_hooks=[print])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.is_closed = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def async_clients(client: httpfast.AsyncClient) -> None:
    client.get("/").text  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    with client:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    client.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def responses(response: httpfast.Response) -> None:
    httpfast.Response("200")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    response.text = "a"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    response.content = b"a"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    response.body  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018
    response.iter_bytes("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def models(url: httpfast.URL) -> None:
    httpfast.URL(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    url.host = "a"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    httpfast.Headers({"a": b"b"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Headers()[1]  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    httpfast.Cookies({"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    httpfast.Timeout(connect="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Limits(max_connections=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.BasicAuth("user")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def functions() -> None:
    httpfast.get("/", json={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    httpfast.run(httpfast.get)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    httpfast.Clients()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


class AsyncOnly(httpfast.AsyncBaseTransport):
    """A transport that a blocking client cannot use."""


class WrongFlow(httpfast.Auth):
    """A flow that gives something else than requests."""

    def auth_flow(self, request: httpfast.Request) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return request.method
