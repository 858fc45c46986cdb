"""The curl command: run by a real shell and a real curl, it has to send what httpfast sends."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer
from tests.cli.conftest import TIMEOUT, Invoke, Process

SECRET = "hunter2"
QUOTES = "a'b\"c $HOME `id` \\ \n !x *"

REQUESTS = {
    "plain": [],
    "query": ["-p", "q", "a b&c", "-p", "q", "[1-3]{x}"],
    "method": ["-m", "DELETE"],
    "empty post": ["-m", "POST"],
    "empty put": ["-m", "PUT"],
    "content": ["-c", QUOTES],
    "content with an at sign": ["-c", "@/etc/passwd"],
    "content by get": ["-m", "GET", "-c", "x"],
    "empty content": ["-c", ""],
    "form": ["-d", "a", "1", "-d", "a", QUOTES, "-d", "@b", "=c"],
    "json": ["-j", '{"a": [1, "\u00e9"]}'],
    "null": ["-j", "null"],
    "json of another type": ["-j", "[]", "-h", "Content-Type", "application/x+json"],
    "fields": ["-h", "X-Test", QUOTES.replace("\n", ""), "-h", "X-Empty", "", "-h", "Accept", "text/x"],
    "own user agent": ["-h", "User-Agent", "me", "-h", "Host", "other.example"],
    "cookies": ["--cookies", "a", "1", "--cookies", "b", "2"],
    "auth": ["--auth", "user", f"{SECRET}:'x y"],
}


def seen(reply: bytes) -> dict[str, Any]:
    """What the server saw, without what is curl's own way to say it."""
    document = json.loads(reply)
    fields = {name.lower(): value for name, value in document["headers"]}
    # Said by the option --compressed, which names what this curl can decode; and what HTTP/1.1 means anyway.
    fields.pop("accept-encoding", None)
    fields.pop("connection", None)
    return {"fields": fields} | {name: document[name] for name in ("method", "target", "length", "sha256")}


def run_in_shell(command: str) -> bytes:
    return subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, timeout=TIMEOUT, check=True).stdout


needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("sh") is None, reason="curl or sh is not installed"
)


@needs_curl
@pytest.mark.parametrize("name", REQUESTS)
def test_curl_sends_the_same(invoke: Invoke, embedded_server: EmbeddedServer, name: str, tmp_path: Path) -> None:
    url = f"{embedded_server.url}/echo"
    # To a file: shown on a terminal, the document would have lost nothing, but the escapes.
    assert invoke(url, *REQUESTS[name], "--download", str(tmp_path / "own")).exit_code == 0

    result = invoke(url, *REQUESTS[name], "--curl")

    assert result.exit_code == 0
    assert seen(run_in_shell(result.stdout)) == seen((tmp_path / "own").read_bytes())


@needs_curl
def test_curl_sends_the_same_files(invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path) -> None:
    path = tmp_path / 'a ";,b.txt'
    path.write_bytes(b"content")
    arguments = [f"{embedded_server.url}/echo-body", "-f", "file", str(path), "-d", "a", "@x;y"]

    result = invoke(*arguments, "--curl")

    body = run_in_shell(result.stdout)
    assert invoke(*arguments, "--download", str(tmp_path / "own")).exit_code == 0
    assert parts(body) == parts((tmp_path / "own").read_bytes())


def parts(body: bytes) -> list[bytes]:
    boundary = body.partition(b"\r\n")[0]
    return body.split(boundary)[1:-1]


@needs_curl
def test_curl_sends_octets_that_are_no_text(process: Process, embedded_server: EmbeddedServer) -> None:
    url = f"{embedded_server.url}/echo-body"

    done = process(url, "-c", b"\xff\xc3".decode("utf-8", "surrogateescape"), "--curl")

    assert subprocess.run(["sh", "-c", done.stdout], stdout=subprocess.PIPE, check=True).stdout == b"\xff\xc3"
    assert process(url, "-c", b"\xff\xc3".decode("utf-8", "surrogateescape")).stdout == b"\xff\xc3"


def arguments_of(command: str) -> list[str]:
    return shlex.split(command)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--follow-redirects"], ["-L", "--max-redirs", "20"]),
        (["--no-verify"], ["-k"]),
        (["--http2"], ["--http2"]),
        ([], ["--http1.1"]),
        (["--timeout", "2.5"], ["--connect-timeout", "2.5"]),
        (["--proxy", f"http://user:{SECRET}@proxy.example"], ["-x", f"http://user:{SECRET}@proxy.example"]),
        (["--download", "a b"], ["-o", "a b"]),
        (["--download", "folder/"], ["-O", "-J", "--output-dir", "folder/"]),
        (["-m", "HEAD"], ["--head"]),
        (["-m", "head"], ["--head"]),
    ],
)
def test_options_have_their_counterparts(invoke: Invoke, options: list[str], expected: list[str]) -> None:
    arguments = arguments_of(invoke("https://a.example", *options, "--curl").stdout)

    position = arguments.index(expected[0])
    assert arguments[position : position + len(expected)] == expected
    assert arguments[-1] == "https://a.example"


def test_the_command_is_complete_and_verbose_output_masked(invoke: Invoke) -> None:
    result = invoke(f"https://user:{SECRET}@a.example/x", "--curl", "-v", "-h", "X-Api-Key", SECRET)

    assert arguments_of(result.stdout).count(f"user:{SECRET}") == 1
    assert f"X-Api-Key: {SECRET}" in arguments_of(result.stdout)
    assert arguments_of(result.stdout)[-1] == "https://a.example/x"
    assert "GET /x HTTP/1.1" in result.stderr
    assert "X-Api-Key: [secure]" in result.stderr
    assert SECRET not in result.stderr


def test_nothing_is_sent(invoke: Invoke) -> None:
    result = invoke("http://127.0.0.1:1/", "--curl")

    assert result.exit_code == 0
    assert re.fullmatch(r"curl .* http://127\.0\.0\.1:1/\n", result.stdout)


@pytest.mark.parametrize("url", ["http://a.example/a%2e%2eb", "http://a.example/x/.y"])
def test_curl_is_kept_from_changing_the_path(invoke: Invoke, url: str) -> None:
    assert "--path-as-is" in arguments_of(invoke(url, "--curl").stdout)


def test_a_name_that_curl_cannot_send_is_status_2(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    result = invoke("http://a.example", "-f", "a=b", str(tmp_path / "a"), "--curl")

    assert result.exit_code == 2
    assert "equals sign" in result.stderr
