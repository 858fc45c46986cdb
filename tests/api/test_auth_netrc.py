"""NetRCAuth: whose credentials go to whom, and which files are read."""

from __future__ import annotations

import netrc
import os
from pathlib import Path

import pytest

import httpfast
from httpfast import Request, Response

FILE = """
machine a.example
    login user
    password pw

machine xn--bcher-kva.example login idn password pw
machine ::1 login six password pw
machine nopassword.example login user
machine nologin.example password pw
machine a.example.evil login evil password evil
"""
USER, EVIL = "Basic dXNlcjpwdw==", "Basic ZXZpbDpldmls"
DEFAULT = "default login anyone password guest\n"
GUEST = "Basic YW55b25lOmd1ZXN0"


def write(folder: Path, text: str) -> str:
    path = folder / "netrc"
    path.write_text(text, encoding="utf-8")
    return str(path)


def field_for(auth: httpfast.NetRCAuth, url: str) -> str | None:
    request = Request("GET", url)
    flow = auth.sync_auth_flow(request)
    assert next(flow) is request
    with pytest.raises(StopIteration):
        flow.send(Response(401, request=request))
    field: str | None = request.headers.get("Authorization")
    return field


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("https://a.example/path", USER),
        ("http://a.example:8080", USER),
        ("https://A.EXAMPLE/", USER),
        ("https://bücher.example/", "Basic aWRuOnB3"),
        ("https://xn--bcher-kva.example/", "Basic aWRuOnB3"),
        ("http://[::1]:80/", "Basic c2l4OnB3"),
        ("https://nologin.example/", "Basic OnB3"),
        ("https://nopassword.example/", None),
        ("https://other.example/", None),
        ("https://sub.a.example/", None),
        ("https://example/", None),
        ("https://a.example./", None),
        ("https://a.example.evil/", EVIL),
        # The host is the one that is connected to, whatever is written before it (CVE-2024-47081).
        ("https://a.example:@other.example/", None),
        ("https://a.example:443@other.example/", None),
        ("https://a.example%3A443@other.example/", None),
        ("https://x@a.example/", USER),
    ],
)
def test_credentials_are_those_of_exactly_this_host(tmp_path: Path, url: str, field: str | None) -> None:
    auth = httpfast.NetRCAuth(write(tmp_path, FILE))

    assert field_for(auth, url) == field


def test_default_entry_is_for_hosts_without_one_of_their_own(tmp_path: Path) -> None:
    auth = httpfast.NetRCAuth(file=write(tmp_path, FILE + DEFAULT))

    assert field_for(auth, "https://a.example/") == USER
    assert field_for(auth, "https://other.example/") == GUEST
    # Its entry stands for no credentials: it does not borrow any (CVE-2024-11053).
    assert field_for(auth, "https://nopassword.example/") is None


@pytest.mark.parametrize("default", ["default\n", "default login anyone\n"])
def test_default_entry_without_a_password_borrows_none(tmp_path: Path, default: str) -> None:
    auth = httpfast.NetRCAuth(write(tmp_path, FILE + default))

    assert field_for(auth, "https://other.example/") is None


@pytest.mark.parametrize("default", ["", DEFAULT])
def test_redirect_to_another_origin_takes_no_credentials_along(tmp_path: Path, default: str) -> None:
    seen: list[tuple[str, str | None]] = []

    def answer(request: Request) -> Response:
        seen.append((str(request.url), request.headers.get("Authorization")))
        to = {"/1": "/2", "/2": "https://b.example/3", "/3": "https://a.example.evil/4"}.get(request.url.path)
        return Response(200) if to is None else Response(302, headers={"Location": to})

    auth = httpfast.NetRCAuth(write(tmp_path, FILE + default))
    with httpfast.Client(transport=httpfast.MockTransport(answer), auth=auth, follow_redirects=True) as client:
        client.get("https://a.example/1")

    assert seen == [
        ("https://a.example/1", USER),
        ("https://a.example/2", USER),
        ("https://b.example/3", None),
        ("https://a.example.evil/4", None),
    ]


def test_field_of_the_request_wins(tmp_path: Path) -> None:
    auth = httpfast.NetRCAuth(write(tmp_path, FILE))
    request = Request("GET", "https://a.example/", headers={"authorization": "own"})

    assert next(auth.sync_auth_flow(request)).headers["Authorization"] == "own"


def test_no_file_is_read_without_being_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", write(tmp_path, FILE))
    (tmp_path / ".netrc").write_text(FILE, encoding="utf-8")
    seen: list[str | None] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers.get("Authorization"))
        return Response(200)

    with httpfast.Client(transport=httpfast.MockTransport(answer)) as client:
        client.get("https://a.example/")

    assert seen == [None]


def use_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return home / ".netrc"


def test_file_of_the_home_directory_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = use_home(monkeypatch, tmp_path)
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o600)

    assert field_for(httpfast.NetRCAuth(), "https://a.example/") == USER


def test_default_file_that_cannot_be_read_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = use_home(monkeypatch, tmp_path)

    assert field_for(httpfast.NetRCAuth(), "https://a.example/") is None
    path.mkdir()
    assert field_for(httpfast.NetRCAuth(), "https://a.example/") is None


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has these permissions")
def test_default_file_that_others_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = use_home(monkeypatch, tmp_path)
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o644)

    with pytest.raises(netrc.NetrcParseError, match="permissive"):
        httpfast.NetRCAuth()


def test_named_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        httpfast.NetRCAuth(str(tmp_path / "missing"))


def test_file_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    auth = httpfast.NetRCAuth(path)
    os.unlink(path)

    assert field_for(auth, "https://a.example/") == USER


@pytest.mark.parametrize(
    "text", ["machine a.example login user password my secret\n", "secret\n", "machine a.example password x secret"]
)
def test_error_in_a_file_does_not_show_what_may_be_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(netrc.NetrcParseError, match=r"bad .* token") as caught:
        httpfast.NetRCAuth(write(tmp_path, text))

    assert "secret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert (caught.value.filename, caught.value.lineno is not None) == (str(tmp_path / "netrc"), True)


def test_repr_does_not_show_secrets(tmp_path: Path) -> None:
    auth = httpfast.NetRCAuth(write(tmp_path, "machine a.example login user password hunter2"))

    assert "hunter2" not in repr(auth) + repr(vars(auth))
