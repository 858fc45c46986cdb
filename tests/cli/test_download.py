"""Bodies in files: what a server's name for one may do, and what happens to files that are there. [CLI-01]"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.server import EmbeddedServer, content
from httpfast import URL
from httpfast._cli.download import MAX_NAME_BYTES, MAX_NUMBERED, chosen_name, plain_name
from tests.cli.conftest import TIMEOUT, Invoke, environment
from tests.peers import Close, ReadRequest, ScriptedPeer, Send


def answer(disposition: str | None = None, body: bytes = b"body") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
    if disposition is not None:
        head += f"Content-Disposition: {disposition}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("r\u00e9sum\u00e9 1.pdf", "r\u00e9sum\u00e9 1.pdf"),
        ("..", ""),
        (".", ""),
        ("", ""),
        ("...", ""),
        ("/", ""),
        ("a/", ""),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\autoexec.bat", "autoexec.bat"),
        ("/etc/passwd", "passwd"),
        ("C:\\boot.ini", "boot.ini"),
        ("C:boot.ini", "C_boot.ini"),
        ("a.txt:stream", "a.txt_stream"),
        (".bashrc", "bashrc"),
        ("..hidden", "hidden"),
        ("-rf", "rf"),
        ("~root", "root"),
        ("a\x00b", "a_b"),
        ("a\nb\x1b[2Jc", "a_b_[2Jc"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("\ud800", ""),
        ("\x00\x00", ""),
        ("  a   b  ", "a b"),
        ("a.txt. . ", "a.txt"),
        ('<a>"|?*', "_a_____"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Aux .txt", "_Aux .txt"),
        ("com1", "_com1"),
        ("LPT\u00b9.log", "_LPT\u00b9.log"),
        ("console.log", "console.log"),
        ("NUL.tar.gz", "_NUL.tar.gz"),
    ],
)
def test_plain_name_is_what_is_harmless_of_a_name(name: str, expected: str) -> None:
    assert plain_name(name) == expected


@pytest.mark.parametrize(
    "name", ["a" * 1_000 + ".pdf", "\u00e9" * 1_000 + ".pdf", "a." + "b" * 1_000, "\U0001f600" * 500]
)
def test_long_names_are_cut_to_what_file_systems_take(name: str) -> None:
    plain = plain_name(name)

    assert 100 < len(plain.encode()) <= MAX_NAME_BYTES
    assert plain.endswith(".pdf") == name.endswith(".pdf")


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (None, "file.bin"),
        ("attachment", "file.bin"),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ('attachment; filename="a\\"b.txt"', "a_b.txt"),
        ('attachment; filename="a;b.txt"', "a;b.txt"),
        ('inline; FILENAME = "a.txt"; size=3', "a.txt"),
        ("attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt", "\u20ac.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt; filename=a.txt", "\u20ac.txt"),
        ("attachment; filename*=iso-8859-1'en'%a3.txt", "\u00a3.txt"),
        ("attachment; filename*=utf-16''a; filename=b", "b"),
        ("attachment; filename*=UTF-8''..%2f..%2fpasswd", "passwd"),
        ("attachment; filename*=UTF-8''%2e%2e; filename=b", "b"),
        ("attachment; filename*=UTF-8''%00", "file.bin"),
        ("attachment; filename*=broken; filename=b", "b"),
        ('attachment; filename="../../x"', "x"),
        ('attachment; filename=".."', "file.bin"),
        ('attachment; filename="unterminated', "file.bin"),
        ("attachment; filename=a; filename=b", "a"),
        ("filename=a", "file.bin"),
    ],
)
def test_content_disposition_names_the_file(disposition: str | None, expected: str) -> None:
    assert chosen_name(URL("http://a.example/x/file.bin?q=/y"), disposition) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "download"),
        ("/", "download"),
        ("/a/", "download"),
        ("/%2e%2e", "download"),
        ("/..%2f..%2fetc%2fpasswd", "passwd"),
        ("/a%5c..%5cb", "b"),
        ("/%00", "download"),
        ("/.profile", "profile"),
        ("/%ff", "\ufffd"),
    ],
)
def test_the_url_names_the_file_where_nothing_else_does(path: str, expected: str) -> None:
    assert chosen_name(URL("http://a.example" + path), None) == expected


def test_parsing_a_long_field_takes_linear_time() -> None:
    assert chosen_name(URL("http://a.example/x"), "a" + ';a="' * 20_000 + "\\" * 20_001) == "x"


# Files


def test_a_named_file_is_written_over(invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"old" * 1_000)

    result = invoke(f"{embedded_server.url}/bytes/1000", "--download", str(path))

    assert result.exit_code == 0
    assert path.read_bytes() == content(1_000)


def test_a_folder_gets_a_file_named_by_the_response(invoke: Invoke, tmp_path: Path) -> None:
    with ScriptedPeer([ReadRequest(), Send(answer('attachment; filename="../../\x9bevil\\.txt"'))]) as peer:
        result = invoke(peer.url, "--download", str(tmp_path))

    [path] = tmp_path.iterdir()
    assert path.name == "_evil.txt"
    assert path.read_bytes() == b"body"
    assert f"Saved as {path}" in result.stderr


def test_a_redirect_does_not_name_the_file(invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path) -> None:
    invoke(f"{embedded_server.url}/redirect-to?url=/bytes/5", "--follow-redirects", "--download", f"{tmp_path}/")

    assert [path.name for path in tmp_path.iterdir()] == ["redirect-to"]


def test_files_that_are_there_stay_and_the_name_gets_a_number(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    with ScriptedPeer(
        *[[ReadRequest(), Send(answer("attachment; filename=a.txt", body=body))] for body in (b"1", b"2")]
    ) as peer:
        for _ in range(2):
            assert invoke(peer.url, "--download", str(tmp_path)).exit_code == 0

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.txt": b"old",
        "a.1.txt": b"1",
        "a.2.txt": b"2",
    }


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_not_followed(invoke: Invoke, tmp_path: Path, exists: bool) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    folder.mkdir()
    if exists:
        outside.write_bytes(b"old")
    (folder / "a.txt").symlink_to(outside)

    with ScriptedPeer([ReadRequest(), Send(answer("attachment; filename=a.txt"))]) as peer:
        invoke(peer.url, "--download", str(folder))

    assert (folder / "a.1.txt").read_bytes() == b"body"
    assert outside.exists() == exists
    assert not exists or outside.read_bytes() == b"old"


def test_a_folder_full_of_such_names_is_status_3(
    invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path
) -> None:
    for number in range(MAX_NUMBERED + 1):
        (tmp_path / (f"5.{number}" if number else "5")).touch()

    result = invoke(f"{embedded_server.url}/bytes/5", "--download", str(tmp_path))

    assert result.exit_code == 3
    assert result.stderr == f"Error: {tmp_path / '5'} exists, and {MAX_NUMBERED} names like it\n"


@pytest.mark.parametrize("path", ["missing/body", "missing/"])
def test_a_folder_that_is_not_there_is_status_3(
    invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path, path: str
) -> None:
    result = invoke(f"{embedded_server.url}/bytes/5", "--download", f"{tmp_path}/{path}")

    assert result.exit_code == 3
    assert "Error: " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_ends_early_is_told_and_status_1(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "body"
    with ScriptedPeer([ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Close()]) as peer:
        result = invoke(peer.url, "--download", str(path))

    assert result.exit_code == 1
    assert f"{path} is incomplete: 3 octets came\n" in result.stderr
    assert "RemoteProtocolError: " in result.stderr


def test_content_is_decoded(invoke: Invoke, embedded_server: EmbeddedServer, tmp_path: Path) -> None:
    invoke(f"{embedded_server.url}/gzip", "--download", str(tmp_path / "body"))

    assert (tmp_path / "body").read_bytes().startswith(b"{")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_sees_a_progress_bar(embedded_server: EmbeddedServer, tmp_path: Path) -> None:
    import pty

    from tests.cli.test_display import read_all

    master, slave = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "httpfast", f"{embedded_server.url}/bytes/100000", "--download", str(tmp_path / "body")],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm-256color", COLUMNS="100"),
    )
    os.close(slave)
    output = read_all(master)

    assert done.wait(TIMEOUT) == 0
    assert b"100.0/100.0 kB" in output
    assert (tmp_path / "body").read_bytes() == content(100_000)
