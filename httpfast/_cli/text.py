"""What a peer may have written, made fit for a terminal: without control sequences, and without secrets.

A terminal obeys control characters (ECMA-48): a field or a page could move the cursor over what was shown before, set
the title, or have it type answers. And bidirectional formatting lets text read as what it is not (Unicode TR 36). Both
are shown as escapes, `\\x1b` for one. What goes to a file or a pipe is never changed.
"""

from __future__ import annotations

import re

from .._headers import SENSITIVE_FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MASK", "masked_field", "masked_url", "visible", "visible_line", "wire_text"]

MASK = "[secure]"

_C0_AND_C1 = (*range(0x20), *range(0x7F, 0xA0))
_BIDIRECTIONAL = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
# Ends of lines to some programs, though to no terminal.
_SEPARATORS = (0x2028, 0x2029)
_SURROGATES = range(0xD800, 0xE000)


def _escapes(codepoints: Iterable[int]) -> dict[int, str]:
    return {point: f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" for point in codepoints}


_IN_LINE = _escapes((*_C0_AND_C1, *_BIDIRECTIONAL, *_SEPARATORS, *_SURROGATES))
_IN_TEXT = {point: escape for point, escape in _IN_LINE.items() if point not in (0x09, 0x0A)}

# Fields of which programs make credentials, beside those that RFCs define.
_SECRET_NAME = re.compile(
    r"(?:^|[-_])(?:tokens?|secrets?|passw(?:or)?d|api[-_]?keys?|auth[-_]?keys?|credentials?|session[-_]?id)(?:$|[-_])"
)
_URL_FIELDS = frozenset({"location", "content-location", "referer", "link", "refresh"})
# Quantifiers have limits, so that a long field takes linear time.
_USERINFO = re.compile(r"(//[^/?#@:\s]{0,256}):[^/?#@\s]{1,1024}@")


def visible(text: str) -> str:
    """Text of several lines for a terminal; the only control characters left are line feeds and tabs."""
    return text.replace("\r\n", "\n").translate(_IN_TEXT)


def visible_line(text: str) -> str:
    """Text for a part of a line on a terminal: no control characters are left."""
    return text.translate(_IN_LINE)


def wire_text(octets: bytes) -> str:
    """Octets of a head as text: UTF-8 where they are that, else Latin-1, which any octets are (RFC 9110, 5.5)."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def masked_url(url: str) -> str:
    """A URL without its password."""
    return _USERINFO.sub(rf"\1:{MASK}@", url)


def masked_field(name: str, value: str) -> str:
    """A field's value without the secrets in it: credentials but for their scheme, cookies but for their names.

    Args:
        name: of the field, in any case.
    """
    name = name.lower()
    if name in ("authorization", "proxy-authorization"):
        scheme, space, _ = value.strip().partition(" ")
        return f"{scheme} {MASK}" if space else MASK
    if name == "cookie":
        return "; ".join(_masked_pair(pair) for pair in value.split(";"))
    if name == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _masked_pair(pair) + semicolon + attributes
    if name in SENSITIVE_FIELDS or _SECRET_NAME.search(name):
        return MASK
    return masked_url(value) if name in _URL_FIELDS else value


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.strip().partition("=")
    # Without a name all of it is the value (RFC 6265bis, 5.6).
    return f"{name}={MASK}" if equals and name else MASK
