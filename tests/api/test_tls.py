"""TLS contexts: what they believe, and that the shared one is made once."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme

from httpfast import _tls, create_ssl_context
from httpfast._tls import default_context


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_tls, "_shared", {})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def test_default_checks_names_and_certificates_against_certifi() -> None:
    context = create_ssl_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) > 50
    if ssl.HAS_NEVER_CHECK_COMMON_NAME:
        assert not context.hostname_checks_common_name


def test_verify_false_checks_nothing() -> None:
    context = create_ssl_context(verify=False)

    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname


def test_context_is_used_as_it_is() -> None:
    context = ssl.create_default_context()

    assert create_ssl_context(verify=context) is context


def test_each_call_makes_a_new_context() -> None:
    assert create_ssl_context() is not create_ssl_context()


def test_environment_names_the_roots(authority_file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority_file)
    assert len(create_ssl_context().get_ca_certs()) == 1
    assert len(create_ssl_context(trust_env=False).get_ca_certs()) > 50

    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert create_ssl_context().get_ca_certs() == []


def test_missing_root_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing/ca.pem")

    with pytest.raises(FileNotFoundError):
        create_ssl_context()


def test_path_of_roots_is_deprecated_and_works(authority_file: str, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"`verify=<str>` is deprecated"):
        of_file = create_ssl_context(verify=authority_file)
    with pytest.warns(DeprecationWarning, match=r"`verify=<str>` is deprecated"):
        of_folder = create_ssl_context(verify=str(tmp_path))

    assert len(of_file.get_ca_certs()) == 1
    assert of_folder.get_ca_certs() == []
    assert of_file.verify_mode == of_folder.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("kind", ["one file", "two files", "with password"])
def test_client_certificate_is_deprecated_and_shown(kind: str, authority: trustme.CA, tmp_path: Path) -> None:
    issued = authority.issue_cert("client@example.com")
    chain, key, both = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    issued.cert_chain_pems[0].write_to_path(chain)
    issued.private_key_pem.write_to_path(key)
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    cert = {
        "one file": str(both),
        "two files": (str(chain), str(key)),
        "with password": (str(chain), str(key), "unused"),
    }[kind]

    with pytest.warns(DeprecationWarning, match=r"`cert=\.\.\.` is deprecated"):
        context = create_ssl_context(verify=False, cert=cert)

    assert context.post_handshake_auth
    assert shown_certificate(context, authority) is not None
    assert shown_certificate(create_ssl_context(verify=False), authority) is None


def shown_certificate(client: ssl.SSLContext, authority: trustme.CA) -> bytes | None:
    """Return the certificate that `client` shows a server that asks for one, in a handshake in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_OPTIONAL
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    pending = list(sides)
    while pending:
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                continue
    return sides[1].getpeercert(binary_form=True)


def test_certificate_that_is_not_there_is_an_error() -> None:
    with pytest.warns(DeprecationWarning, match="cert"), pytest.raises(FileNotFoundError):
        create_ssl_context(cert="/missing/cert.pem")


def test_path_of_roots_and_client_certificate_go_together(authority: trustme.CA, tmp_path: Path) -> None:
    roots, both = tmp_path / "ca.pem", tmp_path / "both.pem"
    authority.cert_pem.write_to_path(roots)
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(both)

    with pytest.warns(DeprecationWarning, match="is deprecated"):
        context = create_ssl_context(verify=str(roots), cert=str(both))

    assert context.post_handshake_auth
    assert len(context.get_ca_certs()) == 1


def test_shared_context_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(**options: bool) -> ssl.SSLContext:
        made.append(options)
        return create_ssl_context(**options)

    monkeypatch.setattr(_tls, "create_ssl_context", make)
    contexts: list[ssl.SSLContext] = []

    threads = [threading.Thread(target=lambda: contexts.append(default_context())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert len(contexts) == 8
    assert len(set(map(id, contexts))) == 1


def test_shared_context_differs_by_what_it_depends_on(authority_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, h2 = default_context(), default_context(alpn_protocols=("h2", "http/1.1"))
    assert plain is not h2
    assert h2 is default_context(alpn_protocols=("h2", "http/1.1"))

    monkeypatch.setenv("SSL_CERT_FILE", authority_file)

    assert len(default_context().get_ca_certs()) == 1
    assert default_context(trust_env=False) is plain


def test_shared_contexts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tls, "create_ssl_context", lambda **_: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    for number in range(3 * _tls._MAX_SHARED):
        default_context(alpn_protocols=(f"p{number}",))

    assert len(_tls._shared) == _tls._MAX_SHARED


def test_key_log_is_written_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = default_context()
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    assert create_ssl_context().keylog_filename == str(tmp_path / "keys")
    assert default_context() is not plain


@pytest.mark.parametrize("verify", [True, "file"], ids=["roots", "file"])
@pytest.mark.filterwarnings("ignore:`verify=<str>` is deprecated:DeprecationWarning")
def test_key_log_is_not_written_without_trust_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority_file: str, verify: bool | str
) -> None:
    plain = default_context(trust_env=False)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))

    context = create_ssl_context(authority_file if verify == "file" else True, trust_env=False)

    assert context.keylog_filename is None
    assert default_context(trust_env=False) is plain
    assert default_context() is not plain


def test_key_log_of_a_callers_own_context_stays(tmp_path: Path) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.keylog_filename = str(tmp_path / "keys")

    assert create_ssl_context(own, trust_env=False).keylog_filename == str(tmp_path / "keys")


def test_importing_the_settings_loads_neither_tls_nor_roots() -> None:
    code = (
        "import sys; sys.modules['httpfast'] = p = type(sys)('httpfast'); p.__path__ = [sys.argv[1]];"
        "import httpfast._tls, httpfast._config; print({'ssl', 'certifi', 'idna'} & set(sys.modules))"
    )
    package = Path(_tls.__file__).parent

    result = subprocess.run([sys.executable, "-c", code, str(package)], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "set()"
