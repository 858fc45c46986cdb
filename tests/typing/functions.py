"""What type checkers see of the functions of the package. Checked, never run."""

from __future__ import annotations

from typing import assert_type

import httpfast
from httpfast.websockets import WebSocketSession


def single_requests() -> None:
    url = "https://example.org/"
    assert_type(httpfast.request("GET", url, verify=False), httpfast.Response)
    assert_type(httpfast.get(url, proxy=httpfast.Proxy("http://localhost"), trust_env=False), httpfast.Response)
    assert_type(httpfast.options(httpfast.URL(url)), httpfast.Response)
    assert_type(httpfast.head(url, timeout=httpfast.Timeout(1)), httpfast.Response)
    assert_type(httpfast.post(url, json=None, data={"a": "b"}), httpfast.Response)
    assert_type(httpfast.put(url, content=b"a"), httpfast.Response)
    assert_type(httpfast.patch(url, files={"a": b"b"}), httpfast.Response)
    assert_type(httpfast.query(url, json={}), httpfast.Response)
    assert_type(httpfast.delete(url, follow_redirects=True), httpfast.Response)
    with httpfast.stream("GET", url) as response:
        assert_type(response, httpfast.Response)
    with httpfast.websocket("wss://example.org/") as session:
        assert_type(session, WebSocketSession)


async def number() -> int:
    """A coroutine with a result."""
    return 1


def the_rest() -> None:
    assert_type(httpfast.run(number()), int)
    assert_type(httpfast.alias_httpx(), None)
    assert callable(httpfast.main)
    assert_type((httpfast.__version__, httpfast.__title__, httpfast.__description__), tuple[str, str, str])
    client = httpfast.Client(auth=None)
    client.get("https://example.org/", auth=httpfast.USE_CLIENT_DEFAULT, timeout=httpfast.USE_CLIENT_DEFAULT)
    sync_transport, async_transport = httpfast.httpx_transport(), httpfast.async_httpx_transport()
    assert sync_transport is not async_transport
