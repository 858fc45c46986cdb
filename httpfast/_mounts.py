"""Which transport a URL goes to: the patterns of `mounts=`, and the proxies that the environment names.

Decisions only: nothing here opens a connection or makes a transport. A pattern is a URL with holes in it:

    scheme://   host      :port     "all" is any scheme; an empty host or "*" is any host
                a.com               that name only
                *.a.com             names under a.com
                *a.com              a.com and names under it
                10.0.0.0/8          the addresses of a network (RFC 4632); [fd00::]/8 (RFC 4291, 2.3)

Names are compared by their A-labels without a final dot, addresses by their numbers, and an IPv4-mapped IPv6 address
(RFC 4291, 2.5.5.2) is the IPv4 address that a connection to it ends at. An address is never under a name.
"""

from __future__ import annotations

import os
import sys

from ._exceptions import InvalidURL
from ._urlparse import _IPV4, _NUMBER, DEFAULT_PORTS, MAX_URL_LENGTH, normal_host, normal_port, split_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._url import URL

__all__ = ["URLPattern", "environment_proxies"]

# ::ffff:0:0/96, where IPv4 addresses stand among the 128-bit numbers.
_MAPPED = 0xFFFF


class URLPattern:
    """A key of `mounts=`, compiled: says whether a URL matches, and sorts before patterns that say less.

    Patterns are equal if their texts are. The order is that of `priority`.

    Args:
        pattern: such as "all://", "https://a.com", "all://*.a.com", "http://:8080" or "all://10.0.0.0/8".

    Raises:
        ValueError: a scheme alone, without "://".
        InvalidURL: the host, the port or the network is not valid.
    """

    pattern: str
    # "" for any.
    scheme: str
    # As in the pattern's text, in normal form: with its "*", without brackets; "" for any.
    host: str
    # As in the pattern's text, also if it is the scheme's default; None for any.
    port: int | None
    # (has a port, has a host, the size of the network, the host's length, the scheme's length): the smallest is tried
    # first. httpx's order; of two networks the smaller goes first, as in httpx2.
    priority: tuple[int, int, int, int, int]

    def __init__(self, pattern: str) -> None:
        if pattern and ":" not in pattern:
            raise ValueError(
                "Proxy keys should use proper URL forms rather than plain scheme strings. "
                f'Instead of "{pattern}", use "{pattern}://"'
            )
        if len(pattern) > MAX_URL_LENGTH:
            raise InvalidURL("URL too long")
        raw = split_reference(pattern)
        scheme = (raw["scheme"] or "").lower()
        wildcard, name = _split_wildcard(raw["host"] or "")
        # Any of the schemes that requests have: a host is a name or an address in all of them.
        name = normal_host(name, "https").removesuffix(".")
        if wildcard == "*." and not name:
            raise InvalidURL(f"Invalid host in {pattern!r}")

        self.pattern = pattern
        self.scheme = "" if scheme == "all" else scheme
        self.host = "" if wildcard == "*" and not name else wildcard + name
        self.port = normal_port(raw["port"], "")
        self._userinfo = raw["userinfo"]
        # What `matches` looks at: a name, the end of names, or (high bits of an address, number of low bits left out).
        self._name: str | None = None if wildcard == "*." else name
        self._suffix = f".{name}" if wildcard else None
        self._block: tuple[int, int] | None = None
        self._zone = ""

        number = _address_number(name)
        network_size = 0
        if number is not None and wildcard != "*.":
            self._suffix = None
            self._block = (number, 0)
            self._zone = name.partition("%")[2]
            bits = (raw["path"] or "").removeprefix("/")
            if bits:
                if any(raw[part] is not None for part in ("userinfo", "port", "query", "fragment")) or wildcard:
                    raise InvalidURL(f"Invalid network in {pattern!r}")
                host_bits = _host_bits(name, bits, pattern)
                self._name = None
                self._block = (number >> host_bits, host_bits)
                network_size = 1 << host_bits
        self.priority = (
            0 if self.port is not None else 1,
            1 if network_size else 0 if self.host else 2,
            network_size,
            0 if network_size else -len(self.host),
            -len(self.scheme),
        )

    def matches(self, url: URL) -> bool:
        """Return whether a request for `url` is one of those that the pattern is for."""
        parts = url._uri_reference
        if self.scheme and self.scheme != parts.scheme:
            return False
        if self.port is not None:
            port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
            if port != self.port:
                return False
        host = parts.host
        if not self.host or host == self._name:
            return True
        if self._block is not None:
            return self._holds(host)
        if host.endswith("."):
            host = host[:-1]
            if host == self._name:
                return True
        suffix = self._suffix
        return suffix is not None and host.endswith(suffix) and len(host) > len(suffix) and not _is_address(host)

    def _holds(self, host: str) -> bool:
        number = _address_number(host)
        if number is None or self._block is None:
            return False
        high, low_bits = self._block
        if number >> low_bits != high:
            return False
        # [::]/0 is the whole of IPv6, not of IPv4.
        if low_bits > 32 and number >> 32 == _MAPPED:
            return False
        return not self._zone or host.partition("%")[2] == self._zone

    def __lt__(self, other: URLPattern) -> bool:
        return self.priority < other.priority

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URLPattern) and self.pattern == other.pattern

    def __hash__(self) -> int:
        return hash(self.pattern)

    def __repr__(self) -> str:
        pattern = self.pattern.replace(f"{self._userinfo}@", "[secure]@", 1) if self._userinfo else self.pattern
        return f"{type(self).__name__}({pattern!r})"


def _split_wildcard(host: str) -> tuple[str, str]:
    for wildcard in ("*.", "*"):
        if host.startswith(wildcard):
            return wildcard, host[len(wildcard) :]
    return "", host


def _is_address(host: str) -> bool:
    return ":" in host or (host[-1:].isdigit() and _IPV4(host) is not None)


def _address_number(host: str) -> int | None:
    """Return an address as one of 128 bits, whatever its spelling, without its zone; None for a name."""
    if ":" in host:
        import ipaddress

        return int(ipaddress.IPv6Address(host.partition("%")[0]))
    if _IPV4(host):
        return _MAPPED << 32 | int.from_bytes([int(octet) for octet in host.split(".")], "big")
    return None


def _host_bits(address: str, prefix_length: str, pattern: str) -> int:
    """Return how many low bits of an address a network leaves open."""
    total = 128 if ":" in address else 32
    if not (prefix_length.isascii() and prefix_length.isdigit()) or len(prefix_length) > 3 or "%" in address:
        raise InvalidURL(f"Invalid network in {pattern!r}")
    host_bits = total - int(prefix_length)
    if host_bits < 0:
        raise InvalidURL(f"Invalid network in {pattern!r}")
    return host_bits


_NAMES_HAVE_NO_CASE = os.name == "nt"
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# The same as os.environ holds them, to look whether there is any: eight reads through os.environ take 7 us, of the 40
# that a client takes to make.
_STORED_VARIABLES: tuple[str | bytes, ...] = tuple(
    os.fsencode(name) if os.name == "posix" else name for lower in _VARIABLES for name in (lower, lower.upper())
)


def environment_proxies(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return the proxies that environment variables name, by pattern: a proxy's URL, or None to use none.

    HTTP_PROXY, HTTPS_PROXY and ALL_PROXY are URLs, "http://" may be left out. NO_PROXY is a list, parted by commas or
    spaces, of names (a.com: it and names under it; .a.com and *.a.com: names under it), addresses and networks, each
    but a network with a port if wanted, or patterns of `URLPattern`; "*" turns all proxies off. An entry that cannot
    be read is passed over, as curl and Go do. A lower-case name wins over the upper-case one, also if it is empty.

    HTTP_PROXY in upper case does not count where REQUEST_METHOD is set: a CGI program has it from the field "Proxy" of
    whoever sent the request (CVE-2016-5386).

    Args:
        environ: instead of os.environ; the proxies of the system's own settings, on macOS and Windows where no
            variable is set, are then left out.
    """
    variables = os.environ if environ is None else environ
    found = {} if _has_no_variable(variables) else _read_variables(variables)
    if not found and environ is None and sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        found = getproxies()
    if not found:
        return {}

    exclusions = found.get("no", "").replace(",", " ").split()
    if "*" in exclusions:
        return {}
    proxies: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        proxy = found.get(scheme)
        if proxy:
            proxies[f"{scheme}://"] = proxy if "://" in proxy else f"http://{proxy}"
    for entry in exclusions:
        pattern = _exclusion_pattern(entry)
        if pattern and _is_valid_pattern(pattern):
            proxies[pattern] = None
    return proxies


def _has_no_variable(variables: Mapping[str, str]) -> bool:
    stored = getattr(variables, "_data", None)
    return isinstance(stored, dict) and stored.keys().isdisjoint(_STORED_VARIABLES)


def _read_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the values by what precedes "_proxy" in the variables' names."""
    is_cgi = "REQUEST_METHOD" in variables
    found: dict[str, str] = {}
    for name in _VARIABLES:
        value = None
        if not (is_cgi and name == "http_proxy" and _NAMES_HAVE_NO_CASE):
            value = variables.get(name)
        if value is None and not (is_cgi and name == "http_proxy"):
            value = variables.get(name.upper())
        if value:
            found[name.removesuffix("_proxy")] = value.strip()
    return found


def _exclusion_pattern(entry: str) -> str | None:
    """Return an entry of NO_PROXY as a pattern; None if it is none."""
    if "://" in entry:
        return entry
    if entry.startswith("["):
        return f"all://{entry}"
    if entry.count(":") > 1:
        address, slash, prefix_length = entry.partition("/")
        return f"all://[{address}]{slash}{prefix_length}"
    host = entry.partition("/")[0].partition(":")[0].removesuffix(".")
    if _IPV4(host) or entry.lower() == "localhost":
        return f"all://{entry}"
    # "10.1" and "192.168." are addresses to some programs, the beginnings of addresses to others.
    if "/" in entry or _NUMBER(host.rpartition(".")[2]):
        return None
    return f"all://{entry}" if entry.startswith("*.") else f"all://*{entry}"


def _is_valid_pattern(pattern: str) -> bool:
    try:
        URLPattern(pattern)
    except (ValueError, InvalidURL):
        return False
    return True
