"""Throw-away certificates for local servers: a CA made on the spot (by trustme) and one server certificate under it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Certificates:
    """A directory with `ca.pem` (the root to trust) and `server.pem` (private key and chain for `HOSTS`)."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        """The root certificate, PEM."""
        return self.directory / "ca.pem"

    @property
    def server_file(self) -> Path:
        """The server's private key followed by its chain, PEM."""
        return self.directory / "server.pem"

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts this CA only."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def server_context(self) -> ssl.SSLContext:
        """A server's context with this certificate, offering `http/1.1` by ALPN."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.server_file)
        context.set_alpn_protocols(["http/1.1"])
        return context


def write_certificates(directory: str | Path) -> Certificates:
    """Make a CA and a server certificate in `directory`, unless both are there already."""
    certificates = Certificates(Path(directory))
    if certificates.ca_file.exists() and certificates.server_file.exists():
        return certificates
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(certificates.ca_file)
    authority.issue_cert(*HOSTS).private_key_and_cert_chain_pem.write_to_path(certificates.server_file)
    certificates.server_file.chmod(0o600)
    return certificates
