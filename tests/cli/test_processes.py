"""The command as a process: pipes, exit statuses, and what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.server import EmbeddedServer, content
from tests.cli.conftest import TIMEOUT, Invoke, Process, environment
from tests.peers import Close, ReadRequest, ScriptedPeer, Send

posix = pytest.mark.skipif(os.name != "posix", reason="about POSIX")


# Pipes


def test_a_pipe_gets_the_octets_and_nothing_else(process: Process, embedded_server: EmbeddedServer) -> None:
    done = process(f"{embedded_server.url}/bytes/100000")

    assert done.returncode == 0
    assert done.stdout == content(100_000)
    assert done.stderr == b""


def test_a_file_gets_the_octets_and_nothing_else(
    process: Process, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    with open(tmp_path / "body", "wb") as file:
        process(f"{embedded_server.url}/chunked/3000", stdout=file)

    assert (tmp_path / "body").read_bytes() == content(3_000)


def test_a_pipe_gets_control_sequences_and_line_ends_as_they_are(process: Process) -> None:
    body = b"\x1b[2J\r\n\x00\xff{ }\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    with ScriptedPeer([ReadRequest(), Send(head + body)]) as peer:
        done = process(peer.url)

    assert done.stdout == body


def test_a_pipe_gets_content_without_its_coding(process: Process, embedded_server: EmbeddedServer) -> None:
    done = process(f"{embedded_server.url}/gzip")

    assert done.stdout.startswith(b"{")


def test_verbose_leaves_a_pipe_to_the_body(process: Process, embedded_server: EmbeddedServer) -> None:
    done = process(f"{embedded_server.url}/bytes/10", "-v", "--timings")

    assert done.stdout == content(10)
    lines = done.stderr.decode().splitlines()
    assert "GET /bytes/10 HTTP/1.1" in lines
    assert "HTTP/1.1 200 OK" in lines
    assert f"GET {embedded_server.url}/bytes/10 -> 200" in lines


def test_a_pipe_gets_octets_as_they_come(embedded_server: EmbeddedServer) -> None:
    """The server waits for the reader: it sends the rest when the first octets have been read."""
    import threading

    from tests.peers import WaitFor

    was_read = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(head + b"abc"), WaitFor(was_read), Send(b"def")]) as peer:
        command = [sys.executable, "-m", "httpfast", peer.url, "--timeout", "20"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as running:
            assert running.stdout is not None
            first = os.read(running.stdout.fileno(), 3)
            was_read.set()
            rest = running.stdout.read()

    assert (first, rest) == (b"abc", b"def")


def test_download_to_a_hyphen_is_standard_output(
    invoke: Invoke, process: Process, embedded_server: EmbeddedServer
) -> None:
    done = process(f"{embedded_server.url}/bytes/100", "--download", "-")

    assert done.stdout == content(100)
    assert invoke(f"{embedded_server.url}/bytes/100", "--download", "-").stdout_bytes == content(100)


@posix
def test_a_reader_that_goes_away_is_no_noise(embedded_server: EmbeddedServer) -> None:
    command = [sys.executable, "-m", "httpfast", f"{embedded_server.url}/bytes/10000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        os.read(running.stdout.fileno(), 1)
        running.stdout.close()
        noise = running.stderr.read()
        status = running.wait(TIMEOUT)

    assert noise == b""
    assert status == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_told(process: Process, embedded_server: EmbeddedServer) -> None:
    with open("/dev/full", "wb") as full:
        done = process(f"{embedded_server.url}/bytes/10", stdout=full)

    assert done.returncode == 3
    assert done.stderr == b"Error: the standard output cannot be written: No space left on device\n"


@posix
def test_a_closed_standard_output_is_told(embedded_server: EmbeddedServer) -> None:
    command = f'"{sys.executable}" -m httpfast {embedded_server.url}/bytes/10 >&-'

    done = subprocess.run(command, shell=True, env=environment(), stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)

    assert done.returncode == 3
    assert done.stderr == b"Error: The standard output is closed\n"


# Exit statuses


@pytest.mark.parametrize(
    ("path", "status"),
    [("/status/200", 0), ("/status/204", 0), ("/redirect/1", 1), ("/status/404", 1), ("/status/500", 1)],
)
def test_the_answer_decides_the_exit_status(
    invoke: Invoke, embedded_server: EmbeddedServer, path: str, status: int
) -> None:
    assert invoke(embedded_server.url + path).exit_code == status


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://a.example", "UnsupportedProtocol: Request URL has an unsupported protocol 'ftp://'."),
        ("a.example", "UnsupportedProtocol: Request URL is missing an 'http://' or 'https://' protocol."),
    ],
)
def test_a_request_that_fails_is_status_1_and_a_message(invoke: Invoke, url: str, message: str) -> None:
    result = invoke(url)

    assert result.exit_code == 1
    assert result.stderr == message + "\n"


def test_a_server_that_hangs_up_is_status_1_and_a_message(process: Process) -> None:
    with ScriptedPeer([ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Close()]) as peer:
        done = process(peer.url)

    assert done.returncode == 1
    assert done.stdout == b"abc"
    assert done.stderr.startswith(b"RemoteProtocolError: ")


def test_a_certificate_that_is_not_trusted_is_status_1(process: Process, embedded_server: EmbeddedServer) -> None:
    done = process(f"{embedded_server.tls_url}/bytes/1", env={"SSL_CERT_FILE": _certifi()})

    assert done.returncode == 1
    assert b"certificate verify failed" in done.stderr


def _certifi() -> str:
    import certifi

    return certifi.where()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["http://a.example", "--no-such-option"],
        ["http://a.example:port"],
        ["http://a.example", "-j", "{"],
        ["http://a.example", "-j", "[" * 100_000],
        ["http://a.example", "-f", "name", "no such file"],
        ["http://a.example", "-c", "a", "-j", "1"],
        ["http://a.example", "-d", "a", "b", "-c", "c"],
        ["http://a.example", "--timeout", "-1"],
        ["http://a.example", "--proxy", "gopher://a.example"],
        ["http://a.example", "--concurrency", "2"],
        ["http://a.example", "--repeat", "0"],
        ["http://a.example", "--repeat", "2", "--timings"],
        ["http://a.example", "--repeat", "2", "--curl"],
        ["http://a.example:port", "--repeat", "2"],
        ["http://a.example:port", "--curl"],
        ["http://a.example", "-h", "na\u00efve", "x"],
    ],
)
def test_wrong_options_are_status_2_and_a_message(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""


@posix
def test_an_interruption_is_status_130(embedded_server: EmbeddedServer) -> None:
    with ScriptedPeer([ReadRequest()]) as peer:
        command = [sys.executable, "-m", "httpfast", peer.url, "--timeout", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            peer.wait_until(lambda: any(b"\r\n\r\n" in received for received in peer.received), TIMEOUT)
            running.send_signal(signal.SIGINT)
            output = running.communicate(timeout=TIMEOUT)

    assert running.returncode == 130
    assert output == (b"", b"")


@posix
def test_an_interrupted_load_run_shows_what_there_is() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with ScriptedPeer([ReadRequest(), Send(reply), ReadRequest()]) as peer:
        command = [sys.executable, "-m", "httpfast", peer.url, "--timeout", "60", "--repeat", "9"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            peer.wait_until(lambda: any(received.count(b"\r\n\r\n") == 2 for received in peer.received), TIMEOUT)
            running.send_signal(signal.SIGINT)
            output, noise = running.communicate(timeout=TIMEOUT)

    assert running.returncode == 130
    assert output.startswith(b"1 requests, 1 at a time")
    assert noise == b""


# What is missing


@pytest.mark.parametrize("missing", ["click", "rich"])
@pytest.mark.parametrize("how", ["-m httpfast", "main"])
def test_without_the_extra_a_message_says_what_to_install(tmp_path: Path, missing: str, how: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{missing!r}] = None")
    arguments = ["-m", "httpfast"] if how == "-m httpfast" else ["-c", "import httpfast; httpfast.main()"]
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])

    done = subprocess.run(
        [sys.executable, *arguments, "http://a.example"], env=env, capture_output=True, timeout=TIMEOUT, check=False
    )

    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"The command line needs packages that are not installed")
    assert b"pip install 'httpfast[cli]'" in done.stderr


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(invoke: Invoke, shell: str) -> None:
    result = invoke("--completion", shell)

    assert result.exit_code == 0
    assert "_HTTPFAST_COMPLETE" in result.stdout


def test_options_methods_and_fields_are_completed() -> None:
    from click.shell_completion import ShellComplete

    import httpfast

    main: Any = httpfast.main
    shell = ShellComplete(main, {}, "httpfast", "_HTTPFAST_COMPLETE")

    assert [item.value for item in shell.get_completions(["http://a"], "--tim")] == ["--timeout", "--timings"]
    assert [item.value for item in shell.get_completions(["http://a", "-m"], "p")] == ["POST", "PUT", "PATCH"]
    assert [item.value for item in shell.get_completions(["http://a", "-h"], "if-n")] == ["If-None-Match"]
    assert shell.get_completions(["http://a", "--auth", "user", "-"], "--vers")[0].value == "--version"


def test_version_is_printed(invoke: Invoke) -> None:
    import httpfast

    assert invoke("--version").stdout == f"httpfast {httpfast.__version__}\n"


def test_help_names_every_option_once(invoke: Invoke) -> None:
    import click

    import httpfast

    assert isinstance(httpfast.main, click.Command)
    names = [name for parameter in httpfast.main.params for name in parameter.opts if name.startswith("-")]

    text = invoke("--help").output

    assert [name for name in names if f"{name} " not in text and f"{name}," not in text] == []
    assert len(names) == len(set(names))
