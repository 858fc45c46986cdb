"""TLS contexts: which certificates are believed, and which one is shown (RFC 8446, RFC 9110, 4.3.4).

Contexts are made here and nowhere changed afterwards. What belongs to one connection, such as the server's name, is the
transport's.
"""

from __future__ import annotations

import os
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from ._types import CertTypes

__all__ = ["create_ssl_context"]

# The environment is read again for each client, so a process that changes it may need more than one context.
_MAX_SHARED = 8
_shared: dict[tuple[object, ...], ssl.SSLContext] = {}
_shared_lock = allocate_lock()


def create_ssl_context(
    verify: ssl.SSLContext | str | bool = True,
    cert: CertTypes | None = None,
    trust_env: bool = True,
) -> ssl.SSLContext:
    """Make a context for connections to servers.

    Args:
        verify: True to check certificates against certifi's roots, False to check nothing, or a context to use as it
            is. A path of a file or folder of roots is deprecated.
        cert: a client certificate: the path of a file with certificate and key, or (certificate, key[, password]).
            Deprecated: use `ssl.SSLContext.load_cert_chain` on a context of your own.
        trust_env: whether SSL_CERT_FILE and SSL_CERT_DIR may name the roots, for `verify=True`, and SSLKEYLOGFILE the
            file that keys of connections are written to.

    Returns:
        A new context, unless `verify` is one.

    Raises:
        OSError: a file is not there or cannot be read; `ssl.SSLError` is one, for a file with other content.
    """
    import ssl
    import warnings

    if verify is True:
        cafile, capath = _roots(trust_env)
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        _refuse_common_name(context)
    elif verify is False:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif isinstance(verify, str):
        warnings.warn(
            "`verify=<str>` is deprecated. Use `verify=ssl.create_default_context(cafile=...)` "
            "or `verify=ssl.create_default_context(capath=...)` instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        is_folder = os.path.isdir(verify)
        context = ssl.create_default_context(cafile=None if is_folder else verify, capath=verify if is_folder else None)
        _refuse_common_name(context)
    else:
        context = verify

    if not trust_env and context is not verify and context.keylog_filename is not None:
        # `ssl.create_default_context` obeys SSLKEYLOGFILE; closing the file is all that can be asked of a context.
        context.keylog_filename = None  # type: ignore[assignment]
    if cert:
        warnings.warn(
            "`cert=...` is deprecated. Use `verify=<ssl_context>` instead, "
            "with `.load_cert_chain()` to configure the certificate chain.",
            DeprecationWarning,
            stacklevel=2,
        )
        if isinstance(cert, str):
            context.load_cert_chain(cert)
        else:
            context.load_cert_chain(*cert)
        if context is not verify:
            # A server may ask for the certificate when it has seen the request (RFC 8446, 4.6.2).
            context.post_handshake_auth = True
    return context


def default_context(trust_env: bool = True, alpn_protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context of `create_ssl_context(True, None, trust_env)`, made once and shared by all clients.

    Reading the roots takes tens of milliseconds and a megabyte. Nobody may change the context, which includes its ALPN
    list: that is part of what it is looked up by.

    Args:
        trust_env: whether SSL_CERT_FILE, SSL_CERT_DIR and their like count.
        alpn_protocols: the protocols to offer (RFC 7301); none offers no ALPN.
    """
    key = (_roots(trust_env), os.environ.get("SSLKEYLOGFILE") if trust_env else None, alpn_protocols)
    with _shared_lock:
        context = _shared.get(key)
        if context is None:
            context = create_ssl_context(trust_env=trust_env)
            if alpn_protocols:
                context.set_alpn_protocols(list(alpn_protocols))
            if len(_shared) >= _MAX_SHARED:
                del _shared[next(iter(_shared))]
            _shared[key] = context
    return context


def _roots(trust_env: bool) -> tuple[str | None, str | None]:
    """Return the (cafile, capath) of the trusted roots."""
    if trust_env:
        cafile = os.environ.get("SSL_CERT_FILE")
        if cafile:
            return cafile, None
        capath = os.environ.get("SSL_CERT_DIR")
        if capath:
            return None, capath

    import certifi

    return certifi.where(), None


def _refuse_common_name(context: ssl.SSLContext) -> None:
    """Match names against subjectAltName only (RFC 9110, 4.3.4; RFC 9525, 2)."""
    import ssl

    if ssl.HAS_NEVER_CHECK_COMMON_NAME:
        context.hostname_checks_common_name = False
