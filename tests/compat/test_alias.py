"""The alias: `import httpx` gives httpfast. Each test is a process of its own, because an alias cannot be undone."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from tests.aliased import needs, run, run_aliased

ROOT = Path(__file__).parents[2]
MODULES = [
    "__version__",
    "_api",
    "_auth",
    "_client",
    "_config",
    "_content",
    "_decoders",
    "_exceptions",
    "_main",
    "_models",
    "_multipart",
    "_status_codes",
    "_transports",
    "_transports.asgi",
    "_transports.base",
    "_transports.default",
    "_transports.mock",
    "_transports.wsgi",
    "_types",
    "_urls",
    "_urlparse",
    "_utils",
]
# What libraries take from httpx's private modules.
TAKEN = [
    "_auth:BasicAuth",
    "_auth:DigestAuth",
    "_client:BaseClient",
    "_client:ClientState",
    "_client:USE_CLIENT_DEFAULT",
    "_client:UseClientDefault",
    "_config:DEFAULT_LIMITS",
    "_config:DEFAULT_TIMEOUT_CONFIG",
    "_config:create_ssl_context",
    "_content:AsyncIteratorByteStream",
    "_content:ByteStream",
    "_content:IteratorByteStream",
    "_content:encode_json",
    "_content:encode_request",
    "_content:encode_urlencoded_data",
    "_decoders:ByteChunker",
    "_decoders:LineDecoder",
    "_decoders:TextDecoder",
    "_exceptions:request_context",
    "_models:Cookies",
    "_models:Headers",
    "_models:Request",
    "_models:Response",
    "_multipart:MultipartStream",
    "_multipart:get_multipart_boundary_from_content_type",
    "_status_codes:codes",
    "_transports.default:AsyncByteStream",
    "_transports.default:AsyncResponseStream",
    "_transports.default:HTTPTransport",
    "_transports.default:ResponseStream",
    "_transports.default:map_httpcore_exceptions",
    "_types:AuthTypes",
    "_types:URLTypes",
    "_urlparse:urlparse",
    "_urls:QueryParams",
    "_urls:URL",
    "_utils:URLPattern",
    "_utils:get_environment_proxies",
    "_utils:primitive_value_to_str",
    "_utils:to_bytes",
    "_utils:to_str",
]


def test_public_names_are_the_same_objects() -> None:
    run_aliased("""
import httpx, httpx2

for package in (httpx, httpx2):
    for name in httpfast.__all__:
        if name != "__version__":
            assert getattr(package, name) is getattr(httpfast, name), name
""")


def test_private_modules_can_be_imported_and_are_attributes() -> None:
    run_aliased(f"""
import importlib, sys
from functools import reduce
import httpx

for name in {MODULES}:
    before = reduce(getattr, name.split("."), httpx)
    module = importlib.import_module("httpx." + name)
    importlib.import_module("httpx2." + name)
    assert reduce(getattr, name.split("."), httpx) is before, name
    assert before is module or (name, before, module.__version__) == ("__version__", "0.28.1", "0.28.1")
""")


def test_private_names_that_libraries_take_are_there() -> None:
    printed = run_aliased(f"""
from importlib import import_module

for name in {TAKEN}:
    module, _, attribute = name.partition(":")
    if not hasattr(import_module("httpx." + module), attribute):
        print(name)
""")

    assert printed == ""


def test_every_public_name_can_be_taken_from_a_private_module() -> None:
    run_aliased("""
from httpx._client import URL, Request, Response, HeaderTypes, URLTypes
from httpx._models import Headers
import httpx

assert Response is httpfast.Response
assert Headers is httpx._models.Headers is httpfast.Headers
assert URLTypes is httpx._types.URLTypes
""")


def test_versions_are_those_of_the_packages_it_stands_in_for() -> None:
    run_aliased("""
import httpx, httpx2
from httpx.__version__ import __version__

assert httpx.__version__ == __version__ == "0.28.1"
assert httpx2.__version__.split(".")[0] == "2"
assert httpfast.__version__ != "0.28.1"
""")


def test_exceptions_are_caught_under_either_name() -> None:
    run_aliased("""
import httpx

def refuse(request):
    raise httpfast.ConnectError("no")

client = httpx.Client(transport=httpx.MockTransport(refuse))
try:
    client.get("http://a.example")
except httpx.ConnectError as error:
    assert isinstance(error, httpfast.TransportError)
    assert isinstance(client, httpfast.Client)
else:
    raise AssertionError("not caught")
""")


def test_patches_reach_httpfast_and_are_undone() -> None:
    run_aliased("""
from unittest import mock
import httpx, httpfast._client

originals = httpfast.get, httpfast.Client.send, httpfast._client.Client, httpfast.DigestAuth
with (
    mock.patch("httpx.get") as get,
    mock.patch("httpx.Client.send") as send,
    mock.patch("httpx._client.Client") as client,
    mock.patch.object(httpx._auth, "DigestAuth") as digest,
    mock.patch("httpx.Timeout", create=True),
):
    assert httpfast.get is httpx.get is get
    assert httpfast.Client.send is send
    assert httpfast._client.Client is httpx._client.Client is client
    assert httpfast.DigestAuth is digest
assert (httpfast.get, httpfast.Client.send, httpfast._client.Client, httpfast.DigestAuth) == originals
assert (httpx.get, httpx.Client.send, httpx._client.Client, httpx._auth.DigestAuth) == originals
""")


def test_deleted_name_is_missing_until_it_is_assigned() -> None:
    run_aliased("""
import httpx

original = httpx.get
del httpx.get
assert not hasattr(httpx, "get") and not hasattr(httpfast, "get")
httpx.get = original
assert httpx.get is httpfast.get is original
""")


def test_what_httpx_has_not_is_not_there_either() -> None:
    run_aliased("""
import importlib.util
import httpx

assert not hasattr(httpx, "nothing") and not hasattr(httpx, "_nothing") and not hasattr(httpx._client, "nothing")
assert importlib.util.find_spec("httpx._nothing") is None
try:
    import httpx._nothing
except ModuleNotFoundError as error:
    assert error.name == "httpx._nothing"
else:
    raise AssertionError("imported")
""")


def test_find_spec_finds_the_packages_before_and_after_their_import() -> None:
    run_aliased("""
from importlib.util import find_spec

for name in ("httpx", "httpx2", "httpx._types", "httpx._models"):
    assert find_spec(name).name == name
    __import__(name)
    assert find_spec(name).name == name
""")


def test_star_import_and_dir_give_the_public_names() -> None:
    run_aliased("""
import httpx
from httpx import *

assert Client is httpfast.Client
assert set(httpfast.__all__) <= set(dir(httpx))
assert "Response" in dir(httpx._models)
""")


def test_pickles_of_models_load() -> None:
    run_aliased("""
import pickle
import httpx

response = httpx.Response(200, content=b"a", request=httpx.Request("GET", "http://a.example"))
assert pickle.loads(pickle.dumps(response)).content == b"a"
assert pickle.loads(b"chttpx\\nResponse\\n.") is httpfast.Response
""")


def test_alias_is_lazy_and_may_be_made_twice() -> None:
    run_aliased("""
import sys

httpfast.alias_httpx()
assert not [name for name in sys.modules if name.startswith("httpx")]
import httpx
httpfast.alias_httpx()
import httpx2
""")


def test_import_of_httpfast_does_not_load_the_alias() -> None:
    done = run("-c", "import sys, httpfast; print(*[name for name in sys.modules if 'alias' in name])")

    assert "httpfast.alias" not in done.stdout.split()


def test_distribution_metadata_is_left_alone() -> None:
    try:
        expected = importlib.metadata.version("httpx")
    except importlib.metadata.PackageNotFoundError:
        expected = "none"

    printed = run_aliased("""
import importlib.metadata

try:
    print(importlib.metadata.version("httpx"))
except importlib.metadata.PackageNotFoundError:
    print("none")
""")

    assert printed.strip() == expected


@pytest.mark.parametrize("package", ["httpx", "httpx2"])
def test_alias_after_an_import_is_refused_and_names_the_importer(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text("class Client: ...\nClient.__module__ = __name__\n")
    (tmp_path / "some_sdk.py").write_text(f"from {package} import Client\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])

    done = run("-c", "import some_sdk, httpfast; httpfast.alias_httpx()", path=path)

    assert done.returncode == 1
    assert f"RuntimeError: {package} was imported before httpfast.alias_httpx() was called, by some_sdk." in done.stderr
    assert "python -m httpfast.alias" in done.stderr


PROGRAM = """
import sys
import beside
import httpx, httpfast

print(__name__, sys.argv[1:], httpx.Client is httpfast.Client, httpfast.alias_httpx() is None, sys.argv[0])
sys.exit(7)
"""


def test_command_line_runs_a_program_under_the_alias(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("")
    program = str(tmp_path / "program.py")

    done = run("-m", "httpfast.alias", program, "-m", "x")

    assert done.stdout.strip() == f"__main__ ['-m', 'x'] True True {program}"
    assert (done.returncode, done.stderr) == (7, "")


def test_command_line_runs_a_module_under_the_alias(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "beside.py").write_text("")

    done = run("-m", "httpfast.alias", "-m", "program", "1", cwd=tmp_path)

    assert done.stdout.startswith("__main__ ['1'] True True ")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("arguments", [[], ["-m"], ["--help"], ["-m", "-c"]])
def test_command_line_without_a_program_shows_its_usage(arguments: list[str]) -> None:
    done = run("-m", "httpfast.alias", *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m httpfast.alias ")


def test_packages_of_httpx2_are_packages() -> None:
    needs("wsproto")
    run_aliased("""
import httpx2.websockets
from httpx2.websockets import WebSocketDisconnect
import httpfast.websockets

assert WebSocketDisconnect is httpfast.websockets.WebSocketDisconnect
assert httpx2.EventSource is httpfast.EventSource
""")


def test_line_decoder_has_the_protocol_of_httpx() -> None:
    run_aliased("""
from httpx._decoders import ByteChunker, LineDecoder, TextChunker, TextDecoder

lines = LineDecoder()
assert lines.decode("a\\r") == [] and lines.decode("\\nb\\nc") == ["a", "b"] and lines.flush() == ["c"]
text = TextDecoder(encoding="utf-8")
assert text.decode(b"\\xc3") + text.decode(b"\\xa9") + text.flush() == "\\u00e9"
octets = ByteChunker(chunk_size=2)
assert octets.decode(b"abc") == [b"ab"] and octets.flush() == [b"c"] and octets.flush() == []
assert ByteChunker().decode(b"abc") == [b"abc"] and TextChunker().decode("") == [] and TextChunker().flush() == []
""")


def test_transport_on_httpcore_can_use_its_streams_and_errors() -> None:
    needs("httpcore")
    run_aliased("""
import httpcore, httpx
from httpx._transports.default import ResponseStream, map_httpcore_exceptions

class Body:
    closed = False

    def __iter__(self):
        yield b"a"
        raise httpcore.ReadTimeout("slow")

    def close(self):
        self.closed = True

body = Body()
transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=ResponseStream(body)))
try:
    httpx.Client(transport=transport).get("http://a.example")
except httpx.ReadTimeout as error:
    assert str(error) == "slow" and error.request.url == "http://a.example"
else:
    raise AssertionError("not raised")
assert body.closed
try:
    with map_httpcore_exceptions():
        raise KeyError("another")
except KeyError:
    pass
""")


def test_starlette_test_client_is_a_client_of_httpfast() -> None:
    needs("starlette")
    run_aliased("""
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

app = Starlette(routes=[Route("/", lambda request: JSONResponse({"q": request.query_params["q"]}))])
with TestClient(app) as client:
    assert isinstance(client, httpfast.Client)
    assert client.get("/", params={"q": "1"}).json() == {"q": "1"}
""")


SDK = """
import httpx, {package}

models = {{"data": [{model}], "object": "list", "has_more": False, "first_id": None, "last_id": None}}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=models))
client = {package}.{name}(api_key="key", http_client=httpx.Client(transport=transport))
assert client.models.list().data[0].id == "m"
default = {package}.{name}(api_key="key")
assert isinstance(default._client, httpfast.Client)
default.close()
client.close()
"""


@pytest.mark.parametrize(
    ("package", "name", "model"),
    [
        ("openai", "OpenAI", {"id": "m", "object": "model", "created": 1, "owned_by": "a"}),
        (
            "anthropic",
            "Anthropic",
            {"id": "m", "type": "model", "created_at": "2020-01-01T00:00:00Z", "display_name": "M"},
        ),
    ],
)
def test_sdk_takes_a_client_of_httpfast_and_makes_one_itself(package: str, name: str, model: dict[str, object]) -> None:
    needs(package)
    run_aliased(SDK.format(package=package, name=name, model=model))


def test_transport_for_httpx_serves_the_alias_too() -> None:
    run_aliased("""
import httpx

client = httpx.Client(transport=httpfast.httpx_transport())
try:
    client.get("http://127.0.0.1:1/")
except httpx.ConnectError as error:
    assert error.request.url == "http://127.0.0.1:1/"
else:
    raise AssertionError("connected")
""")
