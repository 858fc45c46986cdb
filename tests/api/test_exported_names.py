"""What `import httpfast` offers: the names, where they say they live, and how little it loads."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import httpfast

# Of httpx 0.28.1.
_OF_HTTPX = """
    __description__ __title__ __version__ ASGITransport AsyncBaseTransport AsyncByteStream AsyncClient
    AsyncHTTPTransport Auth BaseTransport BasicAuth ByteStream Client CloseError codes ConnectError ConnectTimeout
    CookieConflict Cookies create_ssl_context DecodingError delete DigestAuth get head Headers HTTPError
    HTTPStatusError HTTPTransport InvalidURL Limits LocalProtocolError main MockTransport NetRCAuth NetworkError options
    patch PoolTimeout post ProtocolError Proxy ProxyError put QueryParams ReadError ReadTimeout RemoteProtocolError
    request Request RequestError RequestNotRead Response ResponseNotRead stream StreamClosed StreamConsumed
    StreamError SyncByteStream Timeout TimeoutException TooManyRedirects TransportError UnsupportedProtocol URL
    USE_CLIENT_DEFAULT WriteError WriteTimeout WSGITransport
"""
OF_HTTPX = frozenset(_OF_HTTPX.split())
# Beyond httpx 0.28.1: `run` and the transports for httpx are this package's own, the others are httpx2's.
_ADDITIONS = """
    EventSource FunctionAuth Origin PoolStats SSEError ServerSentEvent Timings alias_httpx async_httpx_transport
    httpx_transport query run websocket
"""
ADDITIONS = frozenset(_ADDITIONS.split())


def test_all_names_what_httpx_has() -> None:
    names = set(httpfast.__all__)

    assert names >= OF_HTTPX
    assert names - OF_HTTPX <= ADDITIONS
    assert len(httpfast.__all__) == len(names)


def test_nothing_public_is_left_out_of_all() -> None:
    public = {
        name for name, value in vars(httpfast).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }

    assert public <= set(httpfast.__all__)


def test_public_objects_say_that_they_live_in_the_package() -> None:
    for name in httpfast.__all__:
        value = getattr(httpfast, name)
        if not isinstance(value, str):
            assert value.__module__ == "httpfast", name


def test_names_agree_with_an_installed_httpx() -> None:
    httpx = pytest.importorskip("httpx", reason="httpx, which this compares with, is not installed")
    if httpx.__version__ != "0.28.1":
        pytest.skip(f"compares with httpx 0.28.1, not {httpx.__version__}")

    assert set(httpx.__all__) == OF_HTTPX


def test_modules_that_tools_reach_into_have_the_names_they_use() -> None:
    import httpfast._client
    import httpfast._config
    import httpfast._content
    import httpfast._multipart
    import httpfast._types

    assert httpfast._client.Client is httpfast.Client
    assert httpfast._client.AsyncClient is httpfast.AsyncClient
    assert isinstance(httpfast._client.USE_CLIENT_DEFAULT, httpfast._client.UseClientDefault)
    assert issubclass(httpfast.AsyncClient, httpfast._client.BaseClient)
    assert httpfast.Timeout(5.0) == httpfast._config.DEFAULT_TIMEOUT_CONFIG
    assert httpfast._config.DEFAULT_LIMITS.max_connections == 100
    assert httpfast._config.DEFAULT_MAX_REDIRECTS == 20
    for name in ("URLTypes", "RequestContent", "RequestFiles", "QueryParamTypes", "HeaderTypes", "CookieTypes"):
        assert getattr(httpfast._types, name)
    for name in ("AuthTypes", "TimeoutTypes"):
        assert getattr(httpfast._types, name)
    assert callable(httpfast._content.encode_json)
    assert callable(httpfast._multipart.MultipartStream)


def test_import_loads_nothing_that_a_plain_request_does_without() -> None:
    code = (
        "import sys; before = set(sys.modules); import httpfast;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    names = set(loaded.stdout.split())

    assert "httpfast" in names
    assert not names & {
        "httpcore",
        "h11",
        "certifi",
        "anyio",
        "httpx",
        "h2",
        "brotli",
        "zstandard",
        "uvloop",
        "idna",
        "click",
        "rich",
    }
    assert not names & {"json", "email", "mimetypes", "zlib", "cookiejar", "dataclasses", "wsproto"}


def test_clients_may_be_subclassed_with_attributes_of_their_own() -> None:
    class Mine(httpfast.Client):
        pass

    with Mine() as client:
        client.extra = 1  # type: ignore[attr-defined]

        assert client.extra == 1  # type: ignore[attr-defined]
