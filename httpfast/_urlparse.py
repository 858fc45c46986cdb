"""Text to the seven parts of a URL and back: RFC 3986, with the escapes that browsers use (WHATWG URL).

Every part that leaves here is ASCII, and free of spaces and control characters, so that it can go into a request as it
is. The host is the one that a connection is made to and a credential is bound to; so text that other URL parsers read
as another host is either brought to the one form they agree on, or refused (RFC 3986, 7.4 and 7.6; RFC 6943, 3.1).

Reading is linear in the length of the text. Plain http and https URLs take one regular expression; all others go

    split_reference -> split_authority -> build -> UrlParts
"""

from __future__ import annotations

import re
from collections import namedtuple
from urllib.parse import quote, unquote_to_bytes

from ._exceptions import InvalidURL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    class _Parts(NamedTuple):
        scheme: str
        userinfo: str
        host: str
        port: int | None
        path: str
        query: str | None
        fragment: str | None

else:
    _Parts = namedtuple("_Parts", "scheme userinfo host port path query fragment")

# httpx's limit; the longest request line that servers take is far shorter (8 KiB: nginx, Apache).
MAX_URL_LENGTH = 65_536
# A name has at most 253 octets (RFC 1035, 3.1), and no character of a U-label takes less than one.
MAX_IDNA_LENGTH = 253

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

# What `quote` leaves alone, beside letters, digits and "-._~". "%" is in each: escapes that are there stay as they are.
PATH_SAFE = "!$%&'()*+,/:;=@[\\]^|"
QUERY_SAFE = "!$%&'()*+,/:;=?@[\\]^`{|}"
FRAGMENT_SAFE = "!#$%&'()*+,/:;=?@[\\]^{|}"
USERNAME_SAFE = "!$%&'()*+,"
USERINFO_SAFE = USERNAME_SAFE + ":"
# A name may be any of these (WHATWG URL, forbidden domain code points); another scheme's host may have more.
HOST_SAFE = "!$&'()*+,;=\"`{}"
OPAQUE_HOST_SAFE = HOST_SAFE + "%|\\"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_DOTTED_QUAD = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+").fullmatch
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
_NUMBER = re.compile(r"[0-9]++|0x[0-9a-f]*+").fullmatch
_ZONE = re.compile(r"[A-Za-z0-9_~\-]++").fullmatch
# URLs that are in normal form but for a default port. A host's last label must not look like a number; "/." in the
# path is left to the caller.
_PLAIN = re.compile(
    rf"(https?)://((?:[a-z0-9_\-]++\.)*+[a-z][a-z0-9_\-]*+|{_OCTET}(?:\.{_OCTET}){{3}})(?::([1-9][0-9]{{0,4}}))?"
    r"((?:/[!$-;=@-_a-z|~]*+)?)(?:\?([!$-;=?-~]*+))?"
).fullmatch

# What must not be in a part that is given by itself, because it would end the part.
_ENDS_PART = {"authority": "/?#", "path": "?#", "query": "#", "userinfo": "@"}


class UrlParts(_Parts):
    """The parts of a URL in normal form.

    `host` is without brackets and in A-labels, `port` is None for the scheme's default, and `query` and `fragment` are
    None where their "?" or "#" is absent.
    """

    __slots__ = ()

    @property
    def netloc(self) -> str:
        """`host[:port]`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """`[userinfo@]host[:port]`, password included."""
        return f"{self.userinfo}@{self.netloc}" if self.userinfo else self.netloc

    def text(self, authority: str) -> str:
        """Put the parts together (RFC 3986, 5.3) around `authority`, which a repr masks."""
        text = f"{self.scheme}:" if self.scheme else ""
        if authority:
            text += f"//{authority}"
        elif self.path.startswith("//"):
            # The path's own slashes would be read as those of an authority (RFC 3986, 3.3; WHATWG URL, serializing).
            text += "/."
        text += self.path
        if self.query is not None:
            text += f"?{self.query}"
        if self.fragment is not None:
            text += f"#{self.fragment}"
        return text

    def __str__(self) -> str:
        return self.text(self.authority)


def parse(text: str) -> UrlParts:
    """Parse a URL or a relative reference.

    Raises:
        InvalidURL: it is too long, has control characters, or has a part that is not valid.
    """
    if len(text) > MAX_URL_LENGTH:
        raise InvalidURL("URL too long")
    plain = _PLAIN(text)
    if plain is not None:
        scheme, host, port_text, path, query = plain.groups()
        port = None if port_text is None else int(port_text)
        if "/." not in path and (port is None or port <= 65_535):
            return UrlParts(scheme, "", host, None if port == DEFAULT_PORTS[scheme] else port, path, query, None)

    _refuse_control(text, "in URL")
    return build(split_reference(text))


def parse_with(base: UrlParts | str, changes: Mapping[str, str | None]) -> UrlParts:
    """Parse `base`, or take its parts, with the parts of `changes` in place of its own.

    Args:
        base: what is kept where `changes` says nothing.
        changes: scheme, authority, userinfo, username, password, host, port, netloc, path, raw_path, query, fragment;
            None takes the part away.

    Raises:
        InvalidURL: a part is not valid, or not together with the others.
    """
    if isinstance(base, str):
        if len(base) > MAX_URL_LENGTH:
            raise InvalidURL("URL too long")
        _refuse_control(base, "in URL")
        parts = split_reference(base)
    else:
        parts = {
            "scheme": base.scheme,
            "userinfo": base.userinfo,
            "host": f"[{base.host}]" if ":" in base.host else base.host,
            "port": None if base.port is None else str(base.port),
            "path": base.path,
            "query": base.query,
            "fragment": base.fragment,
        }

    changes = dict(changes)
    for name, value in changes.items():
        if value is not None and len(value) > MAX_URL_LENGTH:
            raise InvalidURL(f"URL component '{name}' too long")
    if "netloc" in changes:
        netloc = changes.pop("netloc") or ""
        changes["host"], changes["port"] = split_host_port(netloc)
    if "username" in changes or "password" in changes:
        username = _quote(changes.pop("username", None) or "", USERNAME_SAFE)
        password = _quote(changes.pop("password", None) or "", USERNAME_SAFE)
        changes["userinfo"] = f"{username}:{password}" if password else username
    if "raw_path" in changes:
        path, mark, query = (changes.pop("raw_path") or "").partition("?")
        changes["path"], changes["query"] = path, query if mark else None
    host = changes.get("host")
    if host and ":" in host and not (host.startswith("[") and host.endswith("]")):
        changes["host"] = f"[{host}]"

    for name, value in changes.items():
        if value is not None:
            _check_part(name, value)
    parts.update(changes)
    return build(parts)


def resolve(base: UrlParts, reference: UrlParts) -> UrlParts:
    """Resolve a reference against a base (RFC 3986, 5.2.2; not strict: the base's own scheme counts as no scheme).

    Raises:
        InvalidURL: the reference is not valid with the scheme of the base.
    """
    scheme, userinfo, host, port, path, query, fragment = reference
    if scheme and (scheme != base.scheme or reference.authority):
        return reference

    if not reference.authority:
        _, userinfo, host, port, base_path, base_query, _ = base
        if not path:
            path = base_path
            query = base_query if query is None else query
        else:
            if not path.startswith("/"):
                merged = "/" if base.authority and not base_path else base_path[: base_path.rfind("/") + 1]
                path = merged + path
            path = remove_dot_segments(path)
    return build(
        {
            "scheme": base.scheme,
            "userinfo": userinfo,
            "host": f"[{host}]" if ":" in host else host,
            "port": None if port is None else str(port),
            "path": path,
            "query": query,
            "fragment": fragment,
        }
    )


def split_reference(text: str) -> dict[str, str | None]:
    """Split a URL or reference into raw parts (RFC 3986, appendix B). An absent part is None; the path never is."""
    rest, mark, fragment_text = text.partition("#")
    fragment = fragment_text if mark else None
    rest, mark, query_text = rest.partition("?")
    query = query_text if mark else None

    scheme: str | None = None
    before, colon, after = rest.partition(":")
    # httpx reads "://example.com" as a URL with an empty scheme; mount patterns are written like that.
    if colon and (not before or _SCHEME(before)):
        scheme, rest = before, after

    userinfo: str | None = None
    host: str | None = None
    port: str | None = None
    if rest.startswith("//"):
        if scheme is None and rest.startswith("///"):
            raise InvalidURL("Relative URLs cannot start with '///'; browsers read a host after it")
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        # The last "@" ends the userinfo, as browsers have it; any other choice would name another host.
        userinfo_text, at, netloc = authority.rpartition("@")
        userinfo = userinfo_text if at else None
        host, port = split_host_port(netloc)
        if "\\" in authority and (scheme or "").lower() in DEFAULT_PORTS:
            raise InvalidURL("Invalid character '\\\\' in the authority of a URL; browsers end the host there")
    return {
        "scheme": scheme,
        "userinfo": userinfo,
        "host": host,
        "port": port,
        "path": rest,
        "query": query,
        "fragment": fragment,
    }


def split_host_port(netloc: str) -> tuple[str, str | None]:
    """Split `host[:port]`; an IPv6 address keeps its brackets.

    Raises:
        InvalidURL: something else follows the brackets.
    """
    end = netloc.rfind("]") + 1 if netloc.startswith("[") else 0
    host, colon, port = (netloc[:end], netloc[end : end + 1], netloc[end + 1 :]) if end else netloc.partition(":")
    if colon not in ("", ":"):
        raise InvalidURL(f"Invalid port: {_shown(colon + port)}")
    return host, port or None


def build(parts: Mapping[str, str | None]) -> UrlParts:
    """Check raw parts and bring each to its normal form (RFC 3986, 6.2.2)."""
    scheme = (parts["scheme"] or "").lower()
    userinfo = _quote(parts["userinfo"] or "", USERINFO_SAFE)
    host = normal_host(parts["host"] or "", scheme)
    port = normal_port(parts["port"], scheme)
    path = parts["path"] or ""
    query = parts["query"]
    fragment = parts["fragment"]

    has_authority = bool(userinfo or host) or port is not None
    if has_authority and path and not path.startswith("/"):
        raise InvalidURL("For absolute URLs, path must be empty or begin with '/'")
    given = path
    if scheme or has_authority:
        path = remove_dot_segments(path)
    if not has_authority and (not scheme or scheme in DEFAULT_PORTS):
        # What stands behind ".." may become the beginning.
        for start in (given[:2], path[:2]):
            if start in ("/\\", "\\/", "\\\\"):
                raise InvalidURL(f"URLs cannot have a path starting with {start!r}; browsers read a host after it")
        if not scheme and path.startswith("//"):
            raise InvalidURL("Relative URLs cannot have a path starting with '//'")
        if not scheme and path.startswith(":"):
            raise InvalidURL("Relative URLs cannot have a path starting with ':'")
        before, colon, _ = path.partition("/")[0].partition(":")
        if not scheme and colon and _SCHEME(before):
            # As text it would be another URL, with a scheme and perhaps a host (RFC 3986, 4.2).
            raise InvalidURL("Relative URLs cannot have a path whose first segment has a ':'")

    return UrlParts(
        scheme,
        userinfo,
        host,
        port,
        _quote(path, PATH_SAFE),
        None if query is None else _quote(query, QUERY_SAFE),
        None if fragment is None else _quote(fragment, FRAGMENT_SAFE),
    )


def normal_host(host: str, scheme: str) -> str:
    """Return a host in normal form: lower case, A-labels (RFC 5891), IPv4 as a dotted quad, IPv6 without brackets.

    Raises:
        InvalidURL: it is no address and no name, or different parsers would not agree on which.
    """
    if not host:
        return ""
    if host.startswith("[") and host.endswith("]"):
        return _normal_ipv6(host)
    if scheme not in DEFAULT_PORTS:
        if _DOTTED_QUAD(host) and not _IPV4(host):
            raise InvalidURL(f"Invalid IPv4 address: {_shown(host)}")
        return _quote(host, OPAQUE_HOST_SAFE).lower() if host.isascii() else _to_ascii(host)

    given = host
    if "%" in host:
        try:
            host = unquote_to_bytes(host).decode("utf-8")
        except UnicodeError as exc:
            raise InvalidURL(f"Invalid percent-encoding in host: {_shown(given)}") from exc
    host = host.lower() if host.isascii() else _to_ascii(host)
    # An inner space is kept as "%20", as httpx has it: no name server knows such a name. At an end it is a slip in
    # writing that other parsers drop.
    quoted = quote(host, safe=HOST_SAFE)
    if "%" in quoted and (quoted.replace("%20", "").count("%") or host.startswith(" ") or host.endswith(" ")):
        raise InvalidURL(f"Invalid character in host: {_shown(given)}")
    return _normal_ipv4(quoted, given)


def _normal_ipv4(host: str, given: str) -> str:
    """Return `host`, or the dotted quad of one that resolvers read as a number (WHATWG URL, IPv4 parser).

    A leading zero means octal to some and nothing to others (RFC 6943, 3.1.1), so it is refused.
    """
    if _IPV4(host):
        return host
    numbers = host.removesuffix(".").split(".")
    if not _NUMBER(numbers[-1]):
        return host
    try:
        values = [_ipv4_number(number) for number in numbers]
    except ValueError as exc:
        raise InvalidURL(f"Invalid IPv4 address: {_shown(given)}") from exc
    tail = values.pop()
    if len(values) > 3 or any(value > 255 for value in values) or tail >= 256 ** (4 - len(values)):
        raise InvalidURL(f"Invalid IPv4 address: {_shown(given)}")
    octets = [*values, *tail.to_bytes(4 - len(values), "big")]
    return ".".join([str(octet) for octet in octets])


def _ipv4_number(text: str) -> int:
    digits, base = (text[2:] or "0", 16) if text.startswith("0x") else (text, 10)
    # int() also takes signs and underscores; ten digits hold any address.
    if not digits.isalnum() or len(digits) > 10 or (base == 10 and len(digits) > 1 and digits.startswith("0")):
        raise ValueError(f"not one number: {_shown(text)}")
    return int(digits, base)


def _normal_ipv6(host: str) -> str:
    import ipaddress

    address, percent, zone = host[1:-1].partition("%")
    try:
        if len(address) > 45:  # INET6_ADDRSTRLEN less the final NUL
            raise ValueError("too long")
        ipaddress.IPv6Address(address)
    except ValueError as exc:
        raise InvalidURL(f"Invalid IPv6 address: {_shown(host)}") from exc
    if not percent:
        return address.lower()
    # RFC 6874 writes "%25eth0", most people "%eth0". A dot is refused: "::1%.example.com" must not pass for a
    # subdomain wherever hosts are compared by their ends.
    if len(zone) > 2:
        zone = zone.removeprefix("25")
    if not _ZONE(zone) or (len(zone) > 2 and zone.startswith("25")):
        raise InvalidURL(f"Invalid IPv6 zone: {_shown(host)}")
    return f"{address.lower()}%{zone}"


def _to_ascii(host: str) -> str:
    """Return the A-labels of a name with characters beyond ASCII (IDNA 2008, RFC 5891)."""
    import idna

    try:
        if len(host) > MAX_IDNA_LENGTH:
            raise InvalidURL(f"Invalid IDNA hostname: {_shown(host)}")
        return idna.encode(host.lower()).decode("ascii")
    except UnicodeError as exc:
        raise InvalidURL(f"Invalid IDNA hostname: {_shown(host)}") from exc


def normal_port(port: str | None, scheme: str) -> int | None:
    """Return a port as a number, or None for none and for the scheme's default (RFC 3986, 3.2.3 and 6.2.3)."""
    if not port:
        return None
    digits = port.lstrip("0") or "0"
    if not (port.isascii() and port.isdigit()) or len(digits) > 5 or int(digits) > 65_535:
        raise InvalidURL(f"Invalid port: {_shown(port)}")
    number = int(digits)
    return None if number == DEFAULT_PORTS.get(scheme) else number


def remove_dot_segments(path: str) -> str:
    """Take "." and ".." segments out of a path (RFC 3986, 5.2.4)."""
    if "/." not in path and not path.startswith("."):
        return path
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if kept and kept != [""]:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", "..") and kept:
        kept.append("")
    return "/".join(kept)


def _quote(text: str, safe: str) -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError as exc:
        raise InvalidURL(f"Invalid character in URL, {text[exc.start]!r}: a surrogate is no character") from exc


def _refuse_control(text: str, where: str) -> None:
    control = _CONTROL(text)
    if control is not None:
        raise InvalidURL(
            f"Invalid non-printable ASCII character {where}, {control[0]!r} at position {control.start()}."
        )


def _check_part(name: str, value: str) -> None:
    _refuse_control(value, f"in URL {name} component")
    if name == "scheme":
        valid = not value or _SCHEME(value) is not None
    elif name == "host":
        valid = ":" not in value or (value.startswith("[") and value.endswith("]"))
    else:
        valid = not any(end in value for end in _ENDS_PART.get(name, ""))
    if not valid:
        raise InvalidURL(f"Invalid URL component '{name}'")


def _shown(text: str) -> str:
    """Return a repr for a message, of at most 64 characters of the text."""
    return repr(text) if len(text) <= 64 else repr(text[:64]) + "..."
