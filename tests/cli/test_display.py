"""What a terminal is shown: heads, bodies, the connection; never a secret, never a control sequence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer
from httpfast._cli.text import masked_field, masked_url, visible, visible_line
from tests.cli.conftest import TIMEOUT, Invoke, environment
from tests.peers import ReadRequest, ScriptedPeer, Send

SECRET = "hunter2"


def answer(*fields: str, body: bytes = b"", status: str = "200 OK") -> list[Any]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return [ReadRequest(), Send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)]


def test_response_head_and_text_are_shown(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.url}/status/200")

    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/plain; charset=utf-8" in lines
    assert lines[lines.index("") + 1 :] == ["status 200"]


def test_lines_are_as_long_as_they_are(invoke: Invoke) -> None:
    field = "X-Long: " + "ab " * 200 + "end"

    with ScriptedPeer(answer(field)) as peer:
        result = invoke(peer.url)

    assert field in result.output.splitlines()


def test_json_is_laid_out(invoke: Invoke) -> None:
    body = '{"a":[1,"é"],"b":{}}'.encode()

    with ScriptedPeer(answer("Content-Type: application/json", body=body)) as peer:
        result = invoke(peer.url)

    assert '    "a": [\n        1,\n        "é"\n    ],\n' in result.output
    assert json.loads(result.output.partition("\n\n")[2]) == json.loads(body)


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 2}', b"{", b"[" * 100_000, b"[" + b"9" * 5_000 + b"]"], ids=["twice", "cut", "deep", "big"]
)
def test_json_that_cannot_be_laid_out_is_shown_as_it_is(invoke: Invoke, body: bytes) -> None:
    with ScriptedPeer(answer("Content-Type: application/json", body=body)) as peer:
        result = invoke(peer.url)

    assert result.output.partition("\n\n")[2] == body.decode() + "\n"


@pytest.mark.parametrize(
    ("kind", "body", "is_text"),
    [
        ("application/octet-stream", b"text", False),
        ("image/png", b"\x89PNG", False),
        ("text/unknown", b"text", True),
        ("application/problem+json", b"{}", True),
        ("image/svg+xml", b"<svg/>", True),
        ("", b"text", True),
        ("", b"a\x00b", False),
        ("", b"\xff\xfe", False),
        ("", b"a" * 1_023 + "é".encode(), True),
        ("", b"a" * 1_023 + b"\xe9", False),
    ],
)
def test_binary_content_is_summed_up(invoke: Invoke, kind: str, body: bytes, is_text: bool) -> None:
    with ScriptedPeer(answer(*([f"Content-Type: {kind}"] if kind else []), body=body)) as peer:
        result = invoke(peer.url)

    shown = result.output.partition("\n\n")[2]
    assert shown == (f"{body.decode()}\n" if is_text else f"<{len(body)} bytes of binary data>\n")


def test_redirects_are_each_shown_when_followed(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.url}/redirect/2", "--follow-redirects")

    heads = [line for line in result.output.splitlines() if line.startswith("HTTP/1.1")]
    assert heads == ["HTTP/1.1 302 Found", "HTTP/1.1 302 Found", "HTTP/1.1 200 OK"]
    assert result.exit_code == 0


def test_verbose_shows_connection_and_request(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.url}/status/200?q=1", "-v", "-h", "X-Test", "yes")

    assert result.output.splitlines()[:5] == [
        "* Connecting to '127.0.0.1'",
        f"* Connected to '127.0.0.1' on port {embedded_server.port}",
        "GET /status/200?q=1 HTTP/1.1",
        f"Host: 127.0.0.1:{embedded_server.port}",
        "Accept: */*",
    ]
    assert "X-Test: yes" in result.output.splitlines()


def test_verbose_shows_certificate_and_protocol(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.tls_url}/status/200", "-v")

    assert "* TLS by 'TLSv1.3' / 'TLS_" in result.output
    assert "* Protocol agreed on by ALPN: 'http/1.1'" in result.output
    assert "*   subject: organizationName=trustme" in result.output
    assert "*   names: DNS:localhost, IP Address:127.0.0.1" in result.output


def test_verbose_says_that_a_certificate_was_not_checked(invoke: Invoke, embedded_server: EmbeddedServer) -> None:
    result = invoke(f"{embedded_server.tls_url}/status/200", "-v", "--no-verify")

    assert result.exit_code == 0
    assert "* The server's certificate was not checked" in result.output


def test_verbose_shows_what_a_proxy_does(invoke: Invoke) -> None:
    script = [ReadRequest(), Send(b"HTTP/1.1 407 \x9b2JNo\r\nContent-Length: 0\r\n\r\n")]

    with ScriptedPeer(script) as proxy:
        result = invoke("https://a.example", "-v", "--proxy", proxy.url)

    assert "* Asking the proxy for a tunnel (CONNECT)" in result.output
    assert result.exit_code == 1
    assert "ProxyError: 407" in result.output
    assert "\x9b" not in result.output
    assert "407 \\x9b2JNo" in result.output


# Secrets


@pytest.mark.parametrize("arguments", [[], ["--show-secrets"]], ids=["masked", "shown"])
def test_secrets_are_shown_only_when_asked_for(invoke: Invoke, arguments: list[str]) -> None:
    fields = [f"Set-Cookie: session={SECRET}; Path=/", f"Location: http://user:{SECRET}@b.example/"]

    with ScriptedPeer(answer(*fields)) as peer:
        result = invoke(
            peer.url,
            *("-v", "--auth", "user", SECRET, "--cookies", "session", SECRET, "-h", "X-Api-Key", SECRET),
            *arguments,
        )

    assert b"dXNlcjpodW50ZXIy" in peer.received[0]
    if arguments:
        assert result.output.count(SECRET) == 4
        assert "Authorization: Basic dXNlcjpodW50ZXIy" in result.output
    else:
        assert SECRET not in result.output
        assert "dXNlcjpodW50ZXIy" not in result.output
        assert "Cookie: session=[secure]\n" in result.output
        assert "Set-Cookie: session=[secure]; Path=/\n" in result.output
        assert "Location: http://user:[secure]@b.example/\n" in result.output


def test_secrets_are_shown_when_the_environment_asks(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPFAST_SHOW_SECRETS", "1")

    with ScriptedPeer(answer()) as peer:
        result = invoke(peer.url, "-v", "--auth", "user", SECRET)

    assert "Authorization: Basic dXNlcjpodW50ZXIy" in result.output


def test_password_of_the_url_is_in_no_output(invoke: Invoke) -> None:
    with ScriptedPeer(answer()) as peer:
        result = invoke(peer.url.replace("//", f"//user:{SECRET}@"), "-v", "--timings")

    assert SECRET not in result.output


def test_password_is_asked_for_and_not_shown(invoke: Invoke) -> None:
    with ScriptedPeer(answer()) as peer:
        result = invoke(peer.url, "-v", "--auth", "user", "-", stdin=f"{SECRET}\n")

    assert b"dXNlcjpodW50ZXIy" in peer.received[0]
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Authorization", "Bearer abc", "Bearer [secure]"),
        ("authorization", "abc", "[secure]"),
        ("Proxy-Authorization", "Digest a=b, c=d", "Digest [secure]"),
        ("Cookie", "a=1; b=2; c", "a=[secure]; b=[secure]; [secure]"),
        ("Set-Cookie", "a=1; Secure; Path=/x", "a=[secure]; Secure; Path=/x"),
        ("Set-Cookie", "=1", "[secure]"),
        ("X-Auth-Token", "t", "[secure]"),
        ("api_key", "t", "[secure]"),
        ("X-Amz-Security-Token", "t", "[secure]"),
        ("X-Tokenizer", "t", "t"),
        ("Accept", "a=1", "a=1"),
        ("Location", "https://u:p@a.example/b:c@d", "https://u:[secure]@a.example/b:c@d"),
    ],
)
def test_fields_are_masked(name: str, value: str, expected: str) -> None:
    assert masked_field(name, value) == expected


def test_masking_a_long_url_takes_linear_time() -> None:
    assert masked_url("//a:" * 100_000) == "//a:" * 100_000


# Control sequences

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\b\x7f\u202e"


def test_control_sequences_of_a_server_are_shown_as_escapes(invoke: Invoke) -> None:
    head = ["X-Note: caf\xc3\xa9", "X-Other: \xe9\x9b31m", "Content-Type: text/plain; charset=utf-8"]

    with ScriptedPeer(answer(*head, body=f"a{HOSTILE}b c\r\nd".encode())) as peer:
        result = invoke(peer.url)

    assert "a\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\x0d\\x08\\x7f\\u202eb c\nd\n" in result.output
    assert "X-Note: caf\u00e9\nX-Other: \u00e9\\x9b31m\n" in result.output
    assert not {"\x1b", "\x07", "\x9b", "\r", "\b", "\x7f", "\u202e"} & set(result.output)


def test_markup_of_a_server_is_no_markup(invoke: Invoke) -> None:
    with ScriptedPeer(
        answer("X-Note: [bold]:smile:[/]", "Content-Type: text/plain", body=b"[red]a[/red] :+1:")
    ) as peer:
        result = invoke(peer.url)

    assert "X-Note: [bold]:smile:[/]\n" in result.output
    assert "[red]a[/red] :+1:\n" in result.output


def test_visible_text_has_no_control_characters() -> None:
    everything = "".join(map(chr, [*range(0x300), *range(0x2000, 0x2070), *range(0xD7F0, 0xE010)]))

    left = {letter for letter in visible(everything) if not letter.isprintable()}

    assert not {letter for letter in left if ord(letter) < 0xA0} - {"\t", "\n"}
    assert not {letter for letter in visible_line(everything) if ord(letter) < 0x20}
    visible(everything).encode("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/json"])
def test_a_terminal_gets_colours_but_no_control_sequences_of_the_server(kind: str) -> None:
    import pty

    master, slave = pty.openpty()
    body = f'{{"a": "{HOSTILE}"}}'.encode()
    with ScriptedPeer(answer(f"Content-Type: {kind}", "Location: \x9bx", body=body, status="302 \x9b2J")) as peer:
        done = subprocess.Popen(
            [sys.executable, "-m", "httpfast", peer.url],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(TERM="xterm-256color", NO_COLOR=""),
        )
        os.close(slave)
        output = read_all(master)
        done.wait(TIMEOUT)

    assert b"302" in output
    assert b"title" in output
    assert b"\x1b]" not in output
    assert b"\x1b[2J" not in output
    assert "\x9b" not in output.decode()
    assert "\u202e" not in output.decode()


def read_all(descriptor: int) -> bytes:
    """What comes until the other end of a terminal is closed."""
    octets = array("B")
    try:
        while data := os.read(descriptor, 65_536):
            octets.frombytes(data)
    except OSError:
        pass  # Linux's way to say that nobody has the other end any more
    finally:
        os.close(descriptor)
    return octets.tobytes()


def test_import_loads_no_command_line() -> None:
    code = "import sys, httpfast; print(*{'httpfast._cli', 'click', 'rich', 'pygments'} & set(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=Path.home(),
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    )

    assert done.stdout.strip() == b""
