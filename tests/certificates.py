"""Certificates for `name.example` as they should be, and as they should not: what a client has to refuse, by kind.

    authority = Authority()
    context = authority.server_context("expired")       # a server's, to be refused by `authority.client_context()`

Keys are made once a kind of authority, for making one takes longer than signing with it.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

HOST = "name.example"

GOOD = ("name", "capitals", "wildcard", "second name", "address", "intermediate", "no common name")
"""Kinds that a client has to accept."""

BAD = (
    "expired",
    "not yet valid",
    "self-signed",
    "unknown authority",
    "wrong name",
    "parent name",
    "child name",
    "common name only",
    "no name",
    "wildcard for all",
    "wildcard of a single label",
    "wildcard two labels up",
    "wildcard below",
    "wildcard inside",
    "wildcard in part of a label",
    "name with NUL",
    "address for a name",
    "wrong address",
    "name like an address",
    "intermediate left out",
    "intermediate is no authority",
    "intermediate expired",
    "authority for other names",
    "for clients only",
    "unknown critical extension",
    "weak key",
)
"""Kinds that a client has to refuse."""

HOSTS = {
    "address": "127.0.0.1",
    "wrong address": "127.0.0.1",
    "name like an address": "127.0.0.1",
    "wildcard": "one.name.example",
    "wildcard two labels up": "one.two.name.example",
    "wildcard in part of a label": "one.name.example",
}
"""The host that a kind is tried with, where it is not `HOST`."""

_DAY = datetime.timedelta(days=1)
_UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def _key(name: str) -> _Key:
    if name == "weak":
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return ec.generate_private_key(ec.SECP256R1())


class Certificate:
    """One certificate with its key.

    Args:
        key: the name of its key.
        common_name: of its subject; None for an empty subject.
        issuer: what has signed it; None for itself.
        names: DNS names it is for.
        addresses: IP addresses it is for.
        is_authority: whether it may sign others.
        days: from and to when it is valid, counted from today.
        usage: the extended key usage, or None.
        extensions: further ones, (extension, is critical).
    """

    def __init__(
        self,
        key: str,
        common_name: str | None,
        issuer: Certificate | None = None,
        *,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
        is_authority: bool = False,
        days: tuple[int, int] = (-10, 10),
        usage: ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
        extensions: Sequence[tuple[Any, bool]] = (),
    ) -> None:
        self.key = _key(key)
        self.issuer = issuer
        attributes = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        self.subject = x509.Name(attributes)
        signer = self if issuer is None else issuer
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * _DAY)
            .not_valid_after(now + days[1] * _DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if is_authority:
            builder = builder.add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
            )
        elif usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        held: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        held += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if held:
            builder = builder.add_extension(x509.SubjectAlternativeName(held), critical=common_name is None)
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """Its private key."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def load_into(self, context: ssl.SSLContext, *chain: Certificate) -> None:
        """Show it, and the chain, to whoever connects."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "chain.pem")
            with open(path, "wb") as file:
                file.write(self.key_pem + self.pem + b"".join(one.pem for one in chain))
            context.load_cert_chain(path)


class Authority:
    """A certificate authority that clients trust, and servers with certificates of every kind.

    Args:
        name: authorities with other names are strangers.
    """

    def __init__(self, name: str = "Root of the tests") -> None:
        self.root = Certificate(name, name, is_authority=True)
        self._contexts: dict[str, ssl.SSLContext] = {}

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts this authority only, and that is strict as httpfast's own are."""
        context = ssl.create_default_context(cadata=self.root.pem.decode("ascii"))
        context.hostname_checks_common_name = False
        return context

    def issue(self, *names: str, addresses: Sequence[str] = (), **settings: Any) -> Certificate:
        """A server's certificate."""
        settings.setdefault("common_name", names[0] if names else "server")
        return Certificate("server", issuer=self.root, names=names, addresses=addresses, **settings)

    def server_context(self, kind: str) -> ssl.SSLContext:
        """A server's context with a certificate of a kind of `GOOD` or `BAD`, or for a name."""
        if kind not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if kind == "weak key":
                # Else the server refuses it itself.
                context.set_ciphers("DEFAULT:@SECLEVEL=0")
            first, *chain = self._chain(kind)
            first.load_into(context, *chain)
            self._contexts[kind] = context
        return self._contexts[kind]

    def _chain(self, kind: str) -> Sequence[Certificate]:
        """What a server with a certificate of some kind shows, first its own."""
        if kind.startswith("intermediate"):
            return self._chain_with_intermediate(kind)
        single: dict[str, Callable[[], Certificate]] = {
            "name": lambda: self.issue(HOST),
            "capitals": lambda: self.issue("NAME.Example"),
            "wildcard": lambda: self.issue("*.name.example"),
            "second name": lambda: self.issue("other.example", HOST),
            "address": lambda: self.issue(addresses=["127.0.0.1"]),
            "no common name": lambda: self.issue(HOST, common_name=None),
            "expired": lambda: self.issue(HOST, days=(-10, -1)),
            "not yet valid": lambda: self.issue(HOST, days=(1, 10)),
            "self-signed": lambda: Certificate("server", HOST, names=[HOST]),
            "wrong name": lambda: self.issue("other.example"),
            "parent name": lambda: self.issue("example"),
            "child name": lambda: self.issue("one.name.example"),
            "common name only": lambda: self.issue(common_name=HOST),
            "no name": lambda: self.issue(common_name="server"),
            "wildcard for all": lambda: self.issue("*"),
            "wildcard of a single label": lambda: self.issue("*.example"),
            "wildcard two labels up": lambda: self.issue("*.name.example"),
            "wildcard below": lambda: self.issue("*.name.example"),
            "wildcard inside": lambda: self.issue("name.*.example", "name.*"),
            "wildcard in part of a label": lambda: self.issue("on*.name.example", "*ne.name.example"),
            "name with NUL": lambda: self.issue("name.example\x00.other.example"),
            "address for a name": lambda: self.issue(addresses=["127.0.0.1"]),
            "wrong address": lambda: self.issue("127.0.0.1.example", addresses=["127.0.0.2"]),
            "name like an address": lambda: self.issue("127.0.0.1", common_name="127.0.0.1"),
            "for clients only": lambda: self.issue(HOST, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
            "unknown critical extension": lambda: self.issue(HOST, extensions=[(_UNKNOWN, True)]),
            "weak key": lambda: Certificate("weak", HOST, self.root, names=[HOST]),
        }
        if kind == "unknown authority":
            other = Certificate("Another root", "Another root", is_authority=True)
            return Certificate("server", HOST, other, names=[HOST]), other
        if kind == "authority for other names":
            limits = x509.NameConstraints(permitted_subtrees=[x509.DNSName("other.example")], excluded_subtrees=None)
            middle = self._intermediate(extensions=[(limits, True)])
            return Certificate("server", HOST, middle, names=[HOST]), middle
        return (single[kind]() if kind in single else self.issue(kind),)

    def _chain_with_intermediate(self, kind: str) -> Sequence[Certificate]:
        settings: dict[str, dict[str, Any]] = {
            "intermediate is no authority": {"is_authority": False, "usage": None},
            "intermediate expired": {"days": (-10, -1)},
        }
        middle = self._intermediate(**settings.get(kind, {}))
        last = Certificate("server", HOST, middle, names=[HOST])
        return (last,) if kind == "intermediate left out" else (last, middle)

    def _intermediate(self, **settings: Any) -> Certificate:
        return Certificate("middle", "Intermediate of the tests", self.root, **{"is_authority": True} | settings)


def refuses_weak_keys() -> bool:
    """Whether OpenSSL, as it is configured here, takes no RSA keys of 1,024 bits (its security level 2)."""
    try:
        Certificate("weak", HOST, names=[HOST]).load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except ssl.SSLError:
        return True
    return False
