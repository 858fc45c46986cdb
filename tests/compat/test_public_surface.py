"""Names, signatures, defaults and class hierarchy, compared with those of httpx 0.28.1 where it is installed."""

from __future__ import annotations

import enum
import inspect
from pathlib import Path
from typing import Any

import pytest

import httpfast

httpx: Any = pytest.importorskip("httpx", reason="httpx 0.28.1, which this compares with, is not installed")
if httpx.__version__ != "0.28.1":
    pytest.skip(f"this compares with httpx 0.28.1, not {httpx.__version__}", allow_module_level=True)

COMMON = sorted((set(httpx.__all__) & set(httpfast.__all__)) - {"__description__", "__title__", "__version__"})
CLASSES = [name for name in COMMON if inspect.isclass(getattr(httpx, name)) and name != "codes"]
FUNCTIONS = [name for name in COMMON if inspect.isfunction(getattr(httpx, name))]

_TELEMETRY = "`Client(timings=True)`, `Response.timings`, `Client.pool_stats()`, `httpfast.otel`"

# What differs on purpose: a public name, a member or a parameter -> the row of docs/compatibility.md that
# says so, by its "What". Nothing else may differ, and all of these have to.
DIFFERENCES = {
    "FunctionAuth": "`FunctionAuth`, `Origin`, `query`",
    "Origin": "`FunctionAuth`, `Origin`, `query`",
    "query": "`FunctionAuth`, `Origin`, `query`",
    "AsyncClient.query": "`FunctionAuth`, `Origin`, `query`",
    "Client.query": "`FunctionAuth`, `Origin`, `query`",
    "URL.origin": "`FunctionAuth`, `Origin`, `query`",
    "alias_httpx": "`alias_httpx()`, `python -m httpfast.alias`",
    "async_httpx_transport": "`httpx_transport()`, `async_httpx_transport()`",
    "httpx_transport": "`httpx_transport()`, `async_httpx_transport()`",
    "run": "`run()`",
    "Limits.__init__(max_connections_per_host)": "`Limits(max_connections_per_host=...)`",
    "Timeout.__init__(total)": "`Timeout(total=...)`",
    "HTTPTransport.__init__(replay)": "`HTTPTransport(replay=False)`, `AsyncHTTPTransport(replay=False)`",
    "AsyncHTTPTransport.__init__(replay)": "`HTTPTransport(replay=False)`, `AsyncHTTPTransport(replay=False)`",
    "Response.trailers": "`Response.trailers`",
    "Client.__init__(sensitive_headers)": "`Client(sensitive_headers=...)`, `AsyncClient(sensitive_headers=...)`",
    "AsyncClient.__init__(sensitive_headers)": "`Client(sensitive_headers=...)`, `AsyncClient(sensitive_headers=...)`",
    "Client.sensitive_headers": "`Client(sensitive_headers=...)`, `AsyncClient(sensitive_headers=...)`",
    "AsyncClient.sensitive_headers": "`Client(sensitive_headers=...)`, `AsyncClient(sensitive_headers=...)`",
    "Client.__init__(max_body_bytes)": "`Client(max_body_bytes=...)`, `AsyncClient(max_body_bytes=...)`",
    "AsyncClient.__init__(max_body_bytes)": "`Client(max_body_bytes=...)`, `AsyncClient(max_body_bytes=...)`",
    "PoolStats": _TELEMETRY,
    "Timings": _TELEMETRY,
    "Response.timings": _TELEMETRY,
    "Client.__init__(timings)": _TELEMETRY,
    "AsyncClient.__init__(timings)": _TELEMETRY,
    "Client.pool_stats": _TELEMETRY,
    "AsyncClient.pool_stats": _TELEMETRY,
    "HTTPTransport.pool_stats": _TELEMETRY,
    "AsyncHTTPTransport.pool_stats": _TELEMETRY,
    "Client.__init__(http2_keepalive)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "Client.__init__(http2_window)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "AsyncClient.__init__(http2_keepalive)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "AsyncClient.__init__(http2_window)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "HTTPTransport.__init__(http2_keepalive)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "HTTPTransport.__init__(http2_window)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "AsyncHTTPTransport.__init__(http2_keepalive)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "AsyncHTTPTransport.__init__(http2_window)": "`http2_keepalive=`, `http2_window=` of clients and transports",
    "EventSource": "server-sent events",
    "SSEError": "server-sent events",
    "ServerSentEvent": "server-sent events",
    "AsyncClient.sse": "server-sent events",
    "Client.sse": "server-sent events",
    "websocket": "WebSockets",
    "AsyncClient.websocket": "WebSockets",
    "Client.websocket": "WebSockets",
}


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def is_same_default(mine: Any, theirs: Any) -> bool:
    if mine is theirs or mine == theirs:
        return True
    if type(mine).__name__ in ("UnsetType", "UseClientDefault", "Timeout", "Limits"):
        if type(mine).__name__ != type(theirs).__name__:
            return False
        return type(mine).__name__ in ("UnsetType", "UseClientDefault") or repr(mine) == repr(theirs)
    return False


def differences(name: str, mine: Any, theirs: Any) -> list[str]:
    """What a caller of httpx's function would trip over in ours."""
    own, expected = parameters(mine), parameters(theirs)
    added = [parameter for parameter in own.values() if parameter.name not in expected]
    found = [
        f"{name}: {parameter.name} is not in httpx"
        for parameter in added
        if f"{name}({parameter.name})" not in DIFFERENCES or parameter.kind is not parameter.KEYWORD_ONLY
    ]
    for parameter, theirs_is in expected.items():
        mine_is = own.get(parameter)
        if mine_is is None:
            found.append(f"{name}: {parameter} is missing")
        elif mine_is.kind is not theirs_is.kind:
            found.append(f"{name}: {parameter} is {mine_is.kind.description}, not {theirs_is.kind.description}")
        elif not is_same_default(mine_is.default, theirs_is.default):
            found.append(f"{name}: {parameter} is {mine_is.default!r} by default, not {theirs_is.default!r}")
    positional = [p.name for p in expected.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if [name for name in own if name in positional] != positional:
        found.append(f"{name}: positional parameters come in another order")
    return found


def members(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and not hasattr(object, name)}


def test_every_name_of_httpx_is_here_and_additions_are_documented() -> None:
    mine, theirs = set(httpfast.__all__), set(httpx.__all__)

    assert theirs - mine - set(DIFFERENCES) == set()
    assert mine - theirs - set(DIFFERENCES) == set()


def test_every_difference_is_a_row_of_the_written_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text("utf-8")
    rows = {line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")}

    assert set(DIFFERENCES.values()) - rows == set()


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_what_is_said_to_differ_does_differ(difference: str) -> None:
    path, _, parameter = difference.rstrip(")").partition("(")

    def has(package: Any) -> bool:
        found = package
        for name in path.split("."):
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return not parameter or parameter in parameters(found)

    assert has(httpfast) != has(httpx)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_takes_what_it_takes_in_httpx(name: str) -> None:
    assert differences(name, getattr(httpfast, name), getattr(httpx, name)) == []


@pytest.mark.parametrize("name", CLASSES)
def test_constructor_takes_what_it_takes_in_httpx(name: str) -> None:
    mine, theirs = getattr(httpfast, name), getattr(httpx, name)

    if theirs.__init__ is not object.__init__:
        assert differences(f"{name}.__init__", mine.__init__, theirs.__init__) == []


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_what_they_take_in_httpx(name: str) -> None:
    mine, theirs = getattr(httpfast, name), getattr(httpx, name)
    found = []
    for method in sorted(members(theirs) & members(mine)):
        if inspect.isfunction(getattr(theirs, method)) and inspect.isfunction(getattr(mine, method)):
            found += differences(f"{name}.{method}", getattr(mine, method), getattr(theirs, method))

    assert found == []


@pytest.mark.parametrize("name", CLASSES)
def test_members_are_those_of_httpx(name: str) -> None:
    mine, theirs = members(getattr(httpfast, name)), members(getattr(httpx, name))
    # Instances have these whether the class shows them or not.
    lazy = {"headers", "stream", "extensions", "history", "method", "url", "next_request", "default_encoding", "jar"}
    lazy |= {"is_closed", "is_stream_consumed", "status_code", "scheme", "host", "port"}
    expected = {difference.removeprefix(f"{name}.") for difference in DIFFERENCES}

    assert theirs - mine == set()
    assert mine - theirs - lazy - expected == set()


@pytest.mark.parametrize("name", CLASSES)
def test_members_are_of_the_same_kind(name: str) -> None:
    mine, theirs = getattr(httpfast, name), getattr(httpx, name)
    for member in sorted(members(mine) & members(theirs)):
        own, expected = inspect.getattr_static(mine, member), inspect.getattr_static(theirs, member)

        if isinstance(expected, property):
            assert not inspect.isfunction(own), member
            if isinstance(own, property):
                assert (own.fset is None) == (expected.fset is None), member
        if inspect.isfunction(expected):
            assert callable(getattr(mine, member)), member
            assert inspect.iscoroutinefunction(getattr(mine, member)) == inspect.iscoroutinefunction(
                getattr(theirs, member)
            ), member


@pytest.mark.parametrize("name", CLASSES)
def test_bases_are_those_of_httpx(name: str) -> None:
    mine, theirs = getattr(httpfast, name), getattr(httpx, name)
    public = ("httpx", "builtins", "collections.abc", "typing")
    expected = [base.__name__ for base in theirs.__mro__ if base.__module__ in public and base.__name__ != "Generic"]
    own = [base.__name__ for base in mine.__mro__]

    assert [base for base in own if base in expected] == expected


def test_status_codes_are_those_of_httpx() -> None:
    assert issubclass(httpfast.codes, enum.IntEnum)
    for code in httpx.codes:
        assert httpfast.codes(int(code)).value == code.value
        assert getattr(httpfast.codes, code.name) == code
        assert getattr(httpfast.codes, code.name.lower()) == code


def test_texts_of_the_commonest_errors_are_those_of_httpx() -> None:
    """Programs match these."""

    def text_of(package: Any, call: Any) -> str:
        try:
            call(package)
        except Exception as error:
            return f"{type(error).__name__}: {error}".replace("httpfast", "httpx")
        return "no error"

    def closed(package: Any) -> None:
        client = package.Client()
        client.close()
        client.get("http://a.example")

    def reopened(package: Any) -> None:
        with package.Client() as client:
            pass
        client.__enter__()

    def opened_twice(package: Any) -> None:
        with package.Client() as client:
            client.__enter__()

    def too_many(package: Any) -> None:
        transport = package.MockTransport(lambda request: package.Response(302, headers={"Location": "/"}))
        package.Client(transport=transport).get("http://a.example", follow_redirects=True)

    def bad_location(package: Any) -> None:
        transport = package.MockTransport(lambda request: package.Response(302, headers={"Location": "https://😇/"}))
        package.Client(transport=transport).get("http://a.example", follow_redirects=True)

    def bad_port_in_location(package: Any) -> None:
        transport = package.MockTransport(lambda request: package.Response(302, headers={"Location": "https://a:b/"}))
        package.Client(transport=transport).get("http://a.example", follow_redirects=True)

    def hook(package: Any) -> None:
        def check(response: Any) -> None:
            response.raise_for_status()

        transport = package.MockTransport(lambda request: package.Response(404))
        package.Client(transport=transport, event_hooks={"response": [check]}).get("http://a.example")

    calls = [
        closed,
        reopened,
        opened_twice,
        too_many,
        bad_location,
        bad_port_in_location,
        hook,
        lambda package: package.Client(auth="x"),
        lambda package: package.Client().get("ftp://a.example"),
        lambda package: package.Client().get("/path"),
        lambda package: package.Client().get("http://a.example:b"),
        lambda package: package.Client().get(5),
        lambda package: package.Client(timeout=package.Timeout(connect=1)),
        lambda package: package.BaseTransport().handle_request(None),
    ]
    for call in calls:
        assert text_of(httpfast, call) == text_of(httpx, call)
        assert text_of(httpfast, call) != "no error"
