"""URLs as users see them: an immutable value over the parts that `_urlparse` makes (RFC 3986)."""

from __future__ import annotations

from urllib.parse import unquote

from ._exceptions import InvalidURL
from ._query_params import QueryParams
from ._urlparse import DEFAULT_PORTS, UrlParts, parse, parse_with, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, NoReturn, TypeVar

    from ._types import QueryParamTypes, URLTypes

    T = TypeVar("T")

__all__ = ["URL", "Origin"]

# The keywords of URL(), and the type that each must have if it is not None.
_COMPONENT_TYPES: dict[str, type[Any]] = {
    "scheme": str,
    "username": str,
    "password": str,
    "userinfo": bytes,
    "host": str,
    "port": int,
    "netloc": bytes,
    "path": str,
    "query": bytes,
    "raw_path": bytes,
    "fragment": str,
    "params": object,
}

if TYPE_CHECKING:

    class _once(Generic[T]):
        def __init__(self, compute: Callable[[Any], T]) -> None: ...
        def __get__(self, instance: object, owner: type) -> T: ...

else:

    class _once:
        """An attribute that is computed when first read, and is then an ordinary one of the instance.

        functools.cached_property of Python 3.11 takes a lock each time; two threads that both compute do no harm here.
        """

        def __init__(self, compute):
            self._compute = compute
            self._name = compute.__name__

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._compute(instance)
            return value


class URL:
    """A URL or a relative reference, in normal form: immutable, hashable, equal to its text.

        https://jo%40email.com:a%20secret@müller.de:1234/pa%20th?search=ab#anchorlink
        scheme  [    userinfo           ] [  netloc    ][    raw_path    ] fragment
                username       password   host      port  path    query

    Scheme and host are in lower case, a port that is the scheme's default is left out, dot segments are removed, and
    characters that must not stand in a URL are percent-encoded; escapes that are there already stay as they are.

    Args:
        url: the text, or another URL to start from.
        **kwargs: parts to set or, with None, to take away: `scheme`, `username`, `password`, `host`, `path` and
            `fragment` are str; `userinfo`, `netloc`, `query` and `raw_path` are ASCII bytes; `port` is an int;
            `params` is anything that `QueryParams` takes, and replaces the query.

    Raises:
        InvalidURL: it is no URL; it is longer than 65,536 characters; or other parsers would see another host in it.
        TypeError: an unknown keyword, or an argument of the wrong type.
    """

    # Private, but respx reads its `path`.
    _uri_reference: UrlParts

    def __init__(self, url: URLTypes = "", **kwargs: Any) -> None:
        if isinstance(url, str):
            self._uri_reference = parse_with(url, _component_texts(kwargs)) if kwargs else parse(url)
        elif isinstance(url, URL):
            parts = url._uri_reference
            self._uri_reference = parse_with(parts, _component_texts(kwargs)) if kwargs else parts
        else:
            raise TypeError(f"Invalid type for url.  Expected str or httpfast.URL, got {type(url)}: {url!r}")

    @property
    def scheme(self) -> str:
        """The scheme in lower case, such as "https"; "" in a relative reference."""
        return self._uri_reference.scheme

    @property
    def raw_scheme(self) -> bytes:
        """`scheme` in octets."""
        return self._uri_reference.scheme.encode("ascii")

    @property
    def userinfo(self) -> bytes:
        """User and password as they stand in the URL, escapes included: b"jo%40email.com:a%20secret"."""
        return self._uri_reference.userinfo.encode("ascii")

    @property
    def username(self) -> str:
        """The user's name, escapes decoded."""
        return unquote(self._uri_reference.userinfo.partition(":")[0])

    @property
    def password(self) -> str:
        """The password, escapes decoded."""
        return unquote(self._uri_reference.userinfo.partition(":")[2])

    @property
    def host(self) -> str:
        """The host for people: A-labels decoded to Unicode, an IPv6 address without brackets."""
        host = self._uri_reference.host
        return self._unicode_host if "xn--" in host else host

    @property
    def raw_host(self) -> bytes:
        """The host for the network: A-labels (RFC 5891), an IPv6 address without brackets."""
        return self._uri_reference.host.encode("ascii")

    @property
    def port(self) -> int | None:
        """The port, or None where there is none or it is the default of http, https, ws, wss or ftp."""
        return self._uri_reference.port

    @property
    def netloc(self) -> bytes:
        """`host` or `host:port`, in A-labels, an IPv6 address in brackets."""
        return self._uri_reference.netloc.encode("ascii")

    @property
    def path(self) -> str:
        """The path, escapes decoded; "/" if it is empty."""
        return unquote(self._uri_reference.path or "/")

    @property
    def query(self) -> bytes:
        """The query as it stands in the URL, without the "?"."""
        return (self._uri_reference.query or "").encode("ascii")

    @property
    def params(self) -> QueryParams:
        """The query's names and values."""
        return QueryParams(self._uri_reference.query)

    @property
    def raw_path(self) -> bytes:
        """Path and query as they go into a request line (RFC 9112, 3.2.1)."""
        return self._target

    @property
    def fragment(self) -> str:
        """The fragment, escapes decoded, without the "#"."""
        return unquote(self._uri_reference.fragment or "")

    @property
    def is_absolute_url(self) -> bool:
        """Whether there are a scheme and a host, so that a request can be made."""
        return bool(self._uri_reference.scheme and self._uri_reference.host)

    @property
    def is_relative_url(self) -> bool:
        """Whether there is no scheme or no host."""
        return not self.is_absolute_url

    @property
    def origin(self) -> Origin:
        """Scheme, host and effective port (RFC 9110, 4.3.1).

        Raises:
            ValueError: the URL is relative.
        """
        return Origin(self)

    @property
    def raw(self) -> tuple[bytes, bytes, int | None, bytes]:
        """(raw_scheme, raw_host, port, raw_path). Deprecated."""
        import warnings
        from collections import namedtuple

        warnings.warn("URL.raw is deprecated.", stacklevel=2)
        RawURL = namedtuple("RawURL", ["raw_scheme", "raw_host", "port", "raw_path"])  # pyright: ignore[reportUntypedNamedTuple]
        return RawURL(self.raw_scheme, self.raw_host, self.port, self.raw_path)

    @_once
    def _text(self) -> str:
        return str(self._uri_reference)

    @_once
    def _unicode_host(self) -> str:
        return _to_unicode(self._uri_reference.host)

    @_once
    def _target(self) -> bytes:
        """`raw_path`, for the core."""
        path = self._uri_reference.path or "/"
        query = self._uri_reference.query
        return (path if query is None else f"{path}?{query}").encode("ascii")

    @_once
    def _host_header(self) -> bytes:
        """The value of a Host field: `netloc`, less an IPv6 zone, which means nothing to the peer (RFC 6874, 4)."""
        netloc = self._uri_reference.netloc
        if netloc.startswith("[") and "%" in netloc:
            address, _, rest = netloc.partition("%")
            netloc = address + rest[rest.index("]") :]
        return netloc.encode("ascii")

    @_once
    def _origin_key(self) -> tuple[bytes, bytes, int]:
        """(scheme, host, port) for the pool; the port is the default's where none is given, 0 where there is none."""
        scheme, _, host, port, *_ = self._uri_reference
        return scheme.encode("ascii"), host.encode("ascii"), DEFAULT_PORTS.get(scheme, 0) if port is None else port

    def copy_with(self, **kwargs: Any) -> URL:
        """Return this URL with some parts changed; the arguments are the keywords of `URL`."""
        return URL(self, **kwargs)

    def copy_set_param(self, key: str, value: Any = None) -> URL:
        """Return this URL with `key` having one value in the query."""
        return self.copy_with(params=self.params.set(key, value))

    def copy_add_param(self, key: str, value: Any = None) -> URL:
        """Return this URL with one more value of `key` in the query."""
        return self.copy_with(params=self.params.add(key, value))

    def copy_remove_param(self, key: str) -> URL:
        """Return this URL without `key` in the query."""
        return self.copy_with(params=self.params.remove(key))

    def copy_merge_params(self, params: QueryParamTypes) -> URL:
        """Return this URL with the names of `params` replaced, or added, in the query."""
        return self.copy_with(params=self.params.merge(params))

    def join(self, url: URLTypes) -> URL:
        """Resolve a reference, such as the value of a Location field, against this URL (RFC 3986, 5.2).

        Args:
            url: the reference; an absolute URL is returned as it is.

        Raises:
            InvalidURL: the reference is no URL.
        """
        reference = url._uri_reference if isinstance(url, URL) else URL(url)._uri_reference
        joined = URL.__new__(URL)
        joined._uri_reference = resolve(self._uri_reference, reference)
        return joined

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare with a URL, or with text after bringing it to normal form."""
        if isinstance(other, URL):
            return self._text == other._text
        if isinstance(other, str):
            try:
                return self._text == other or self._text == str(parse(other))
            except InvalidURL:
                return False
        return False

    def __str__(self) -> str:
        return self._text

    @property
    def _masked_text(self) -> str:
        """The text with its password masked, for logs and messages."""
        parts = self._uri_reference
        username, colon, _ = parts.userinfo.partition(":")
        return parts.text(f"{username}:[secure]@{parts.netloc}") if colon else self._text

    def __repr__(self) -> str:
        """The URL with its password masked."""
        return f"{type(self).__name__}({self._masked_text!r})"


class Origin:
    """Scheme, host and effective port of a URL: immutable, hashable (RFC 9110, 4.3.1).

    Args:
        url: an absolute URL.

    Raises:
        ValueError: the URL is relative.
    """

    scheme: str
    host: str
    port: int | None

    def __init__(self, url: URLTypes) -> None:
        url = URL(url)
        if url.is_relative_url:
            raise ValueError("URL must be absolute to have an origin")
        host = url.host
        if ":" in host:
            import ipaddress

            # One address has many spellings; origins are the same if the addresses are.
            host = str(ipaddress.IPv6Address(host))
        object.__setattr__(self, "scheme", url.scheme)
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "port", DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Origin is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Origin is immutable; cannot delete {name!r}")

    def _key(self) -> tuple[str, str, int | None]:
        return self.scheme, self.host, self.port

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Origin(scheme={self.scheme!r}, host={self.host!r}, port={self.port!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return type(self), (f"{self.scheme}://{host}{port}",)


def _component_texts(components: dict[str, Any]) -> dict[str, str | None]:
    """Check the keywords of `URL` and return them as text."""
    texts: dict[str, str | None] = {}
    for name, value in components.items():
        expected = _COMPONENT_TYPES.get(name)
        if expected is None:
            raise TypeError(f"{name!r} is an invalid keyword argument for URL()")
        if value is not None and not isinstance(value, expected):
            raise TypeError(f"Argument {name!r} must be {expected.__name__} but got {type(value).__name__}")
        if isinstance(value, bytes):
            texts[name] = value.decode("ascii")
        elif name != "params":
            texts[name] = None if value is None else str(value)
    if "params" in components:
        params = components["params"]
        texts["query"] = str(QueryParams(params)) if params else None
    return texts


def _to_unicode(host: str) -> str:
    """Decode the A-labels of a name; one that is not valid is shown as it is."""
    # No name is longer than 253 octets, no label than 63 (RFC 1035, 2.3.4 and 3.1); such text is not worth decoding.
    if len(host) > 253:
        return host

    import idna

    labels: list[str] = []
    for label in host.split("."):
        try:
            labels.append(idna.decode(label) if label.startswith("xn--") and len(label) <= 63 else label)
        except UnicodeError:
            labels.append(label)
    return ".".join(labels)


# URLs that clients were given as text, by that text. Long ones are left out: they seldom come twice, and 1,024 of the
# longest would hold 64 MiB.
_PARSED: dict[str, URL] = {}
_PARSED_MAX = 1_024
_PARSED_DROPPED = 64
_PARSED_MAX_LENGTH = 2_048


def _parse_cached(text: str) -> URL:  # pyright: ignore[reportUnusedFunction]
    """Return the URL of `text`, the same object each time while it is among the last 1,024 or so.

    Raises:
        InvalidURL: it is no URL.
    """
    url = _PARSED.get(text)
    if url is None:
        url = URL(text)
        if len(text) <= _PARSED_MAX_LENGTH:
            if len(_PARSED) >= _PARSED_MAX:
                # Some at a time, from a copy: another thread may be here too.
                for oldest in tuple(_PARSED)[:_PARSED_DROPPED]:
                    _PARSED.pop(oldest, None)
            _PARSED[text] = url
    return url
