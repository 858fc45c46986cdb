"""Reading single header fields of a response: the charset of Content-Type, and Link. Time is linear in their length."""

from __future__ import annotations

import re
from functools import lru_cache

# Letters of the longest name of a charset that Python knows, and some more. It keeps every name that it is asked for.
_MAX_CHARSET = 40


@lru_cache(maxsize=128)
def is_text_encoding(name: str) -> bool:
    """Whether Python can decode any bytes with this: a server may also name "zlib" or "idna", which can fail."""
    if len(name) > _MAX_CHARSET:
        return False
    try:
        b"\xff".decode(name, errors="replace")
    except (LookupError, ValueError):
        return False
    return True


def charset_of(content_type: str) -> str | None:
    """Return the charset parameter in lower case (RFC 9110, 8.3.1 and 5.6.6; RFC 8187 for `charset*`)."""
    extended = None
    pattern = r';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)'
    for name, value in re.findall(pattern, f";{content_type}"):
        if name.lower() == "charset":
            if len(value) > 1 and value.startswith('"') and value.endswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            value = value.strip().lower()
            return value if value.isascii() else None
        if name.lower() == "charset*" and extended is None and value.count("'") == 2:
            extended = value.rpartition("'")[2]
    if extended is None:
        return None
    from urllib.parse import unquote

    charset = unquote(extended.strip(), encoding="latin-1").lower()
    return charset if charset.isascii() else None


def links_of(value: str) -> list[dict[str, str]]:
    links: list[dict[str, str]] = []
    value = value.strip(" '\"")
    for part in re.split(", *<", value) if value else ():
        target, _, parameters = part.partition(";")
        link = {"url": target.strip("<> '\"")}
        for parameter in parameters.split(";"):
            if parameter.count("=") != 1:
                break
            name, _, text = parameter.partition("=")
            link[name.strip(" '\"")] = text.strip(" '\"")
        links.append(link)
    return links
