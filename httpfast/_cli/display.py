"""What a request and its response look like on a terminal: heads, bodies of text, certificates."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder

from rich.text import Text

from .._status_codes import codes
from .text import masked_field, visible, visible_line, wire_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from typing import Any

    from .._request import Request
    from .._response import Response

__all__ = ["body", "certificate_lines", "request_head", "response_head", "tls_lines"]

# Longer texts are shown without colours: lexers take seconds for megabytes, and some pages make them take longer.
_MAX_HIGHLIGHTED_CHARACTERS = 200_000

# How many octets tell whether content without a type is text.
_SNIFFED_BYTES = 1_024

_LEXERS = {
    "application/javascript": "javascript",
    "application/json": "json",
    "application/toml": "toml",
    "application/xhtml+xml": "html",
    "application/xml": "xml",
    "application/x-sh": "bash",
    "application/x-yaml": "yaml",
    "application/yaml": "yaml",
    "image/svg+xml": "xml",
    "text/css": "css",
    "text/html": "html",
    "text/javascript": "javascript",
    "text/markdown": "markdown",
    "text/x-python": "python",
    "text/xml": "xml",
    "text/yaml": "yaml",
}
_OTHER_TEXT_TYPES = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/ld+json",
        "application/ndjson",
        "application/rtf",
        "application/sql",
        "application/x-httpd-php",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "message/rfc822",
        "multipart/form-data",
    }
)
_BINARY_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_STATUS_STYLES = {2: "green", 3: "yellow", 4: "red", 5: "red"}


def request_head(request: Request, version: str, *, show_secrets: bool) -> Text:
    """The lines of a request's head, and an empty one."""
    target = wire_text(request.extensions.get("target") or request.url.raw_path)
    line = Text.assemble((visible_line(request.method), "bold"), " ", visible_line(target), f" {version}\n")
    return line + _fields(request.headers.raw, show_secrets=show_secrets)


def response_head(
    version: bytes, status: int, reason: bytes | None, fields: Iterable[tuple[bytes, bytes]], *, show_secrets: bool
) -> Text:
    """The lines of a response's head, and an empty one.

    Args:
        reason: None where the protocol has none (RFC 9113, 8.3.2): the registered one is shown.
    """
    phrase = codes.get_reason_phrase(status) if reason is None else wire_text(reason)
    style = _STATUS_STYLES.get(status // 100, "bold")
    line = Text.assemble(
        visible_line(wire_text(version)), " ", (f"{status} {visible_line(phrase)}".rstrip(), style), "\n"
    )
    return line + _fields(fields, show_secrets=show_secrets)


def _fields(fields: Iterable[tuple[bytes, bytes]], *, show_secrets: bool) -> Text:
    lines = Text()
    for raw_name, raw_value in fields:
        name, value = wire_text(raw_name), wire_text(raw_value)
        shown = value if show_secrets else masked_field(name, value)
        lines.append(visible_line(name), "cyan").append(f": {visible_line(shown)}\n")
    return lines


def body(response: Response, *, colours: bool) -> Text:
    """A body that has been read: text made fit for a terminal, JSON laid out, or how much binary data it is.

    Args:
        colours: whether there are any.
    """
    kind = _media_type(response)
    if not _is_text(kind, response.content):
        return Text(f"<{len(response.content)} bytes of binary data>")
    text = response.text
    lexer = _LEXERS.get(kind, "json" if kind.endswith("+json") else "xml" if kind.endswith("+xml") else "")
    if lexer == "json":
        text = _laid_out(response, text)
    text = visible(text).removesuffix("\n")
    if not (colours and lexer) or len(text) > _MAX_HIGHLIGHTED_CHARACTERS:
        return Text(text)
    from rich.syntax import Syntax

    highlighted = Syntax(text, lexer, theme="ansi_dark").highlight(text)
    highlighted.rstrip()
    return highlighted


def _media_type(response: Response) -> str:
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower()


def _is_text(kind: str, content: bytes) -> bool:
    if kind:
        return (
            kind.startswith("text/")
            or kind in _LEXERS
            or kind in _OTHER_TEXT_TYPES
            or kind.endswith(("+json", "+xml", "+yaml"))
        )
    head = content[:_SNIFFED_BYTES]
    if _BINARY_CONTROLS.search(head):
        return False
    try:
        # Where the content goes on, the cut may be inside of a character.
        getincrementaldecoder("utf-8")().decode(head, final=len(content) <= len(head))
    except UnicodeDecodeError:
        return False
    return True


def _laid_out(response: Response, text: str) -> str:
    """JSON, indented; the text as it came if it is none, or if laying it out would change what it says."""
    try:
        return json.dumps(response.json(object_pairs_hook=_unique), indent=4, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name comes twice")
    return members


def tls_lines(tls: ssl.SSLObject | ssl.SSLSocket) -> list[str]:
    """The TLS version and cipher of a connection, the protocol that was agreed on (RFC 7301), and the certificate."""
    cipher = tls.cipher()
    lines = [
        f"TLS by {tls.version()!r} / {cipher[0] if cipher else None!r}",
        f"Protocol agreed on by ALPN: {tls.selected_alpn_protocol()!r}",
    ]
    certificate = tls.getpeercert()
    # Without a check there is no certificate that says anything: the ssl module gives an empty one.
    return lines + (certificate_lines(certificate) if certificate else ["The server's certificate was not checked"])


def certificate_lines(certificate: dict[str, Any]) -> list[str]:
    """A certificate, as `SSLSocket.getpeercert` gives it: one line a part."""
    lines = ["The server's certificate:"]
    for title, key in (("subject", "subject"), ("issuer", "issuer")):
        names = [f"{name}={value}" for part in certificate.get(key, ()) for name, value in part]
        lines.append(f"  {title}: {', '.join(names)}")
    lines.append(f"  valid: {certificate.get('notBefore', '?')} to {certificate.get('notAfter', '?')}")
    alternatives = [f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ())]
    if alternatives:
        lines.append(f"  names: {', '.join(alternatives)}")
    if "serialNumber" in certificate:
        lines.append(f"  serial number: {certificate['serialNumber']}")
    return lines
