"""What the arguments of the public API may be, as unions that exist at run time.

Libraries evaluate these in their own signatures, so they hold the real classes and not their names. Imported only by
`_types`, and lazily: see there.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from http.cookiejar import CookieJar
from typing import IO, Any, Literal

from ._auth import Auth
from ._config import Proxy, Timeout
from ._cookies import Cookies
from ._headers import Headers
from ._query_params import QueryParams
from ._request import Request
from ._url import URL

__all__ = [
    "AuthTypes",
    "CertTypes",
    "CookieTypes",
    "FileContent",
    "FileTypes",
    "HeaderTypes",
    "PrimitiveData",
    "ProxyTypes",
    "QueryParamTypes",
    "RedirectTypes",
    "RequestContent",
    "RequestData",
    "RequestExtensions",
    "RequestFiles",
    "ResponseContent",
    "ResponseExtensions",
    "TimeoutTypes",
    "URLTypes",
]

PrimitiveData = str | int | float | bool | None

URLTypes = URL | str
QueryParamTypes = (
    QueryParams
    | Mapping[str, PrimitiveData | Sequence[PrimitiveData]]
    | list[tuple[str, PrimitiveData]]
    | tuple[tuple[str, PrimitiveData], ...]
    | str
    | bytes
)
HeaderTypes = (
    Headers | Mapping[str, str] | Mapping[bytes, bytes] | Sequence[tuple[str, str]] | Sequence[tuple[bytes, bytes]]
)
CookieTypes = Cookies | CookieJar | dict[str, str] | list[tuple[str, str]]
# "secure": follow them, but for those from https to http.
RedirectTypes = bool | Literal["secure"]
TimeoutTypes = float | None | tuple[float | None, float | None, float | None, float | None] | Timeout
ProxyTypes = URL | str | Proxy
CertTypes = str | tuple[str, str] | tuple[str, str, str]
AuthTypes = tuple[str | bytes, str | bytes] | Callable[[Request], Request] | Auth

RequestContent = str | bytes | Iterable[bytes] | AsyncIterable[bytes]
ResponseContent = str | bytes | Iterable[bytes] | AsyncIterable[bytes]
RequestData = Mapping[str, Any]
RequestExtensions = Mapping[str, Any]
ResponseExtensions = Mapping[str, Any]

FileContent = IO[bytes] | bytes | str
# A file: its content; or (name, content), (name, content, content type), (name, content, content type, headers).
FileTypes = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Mapping[str, str]]
)
RequestFiles = Mapping[str, FileTypes] | Sequence[tuple[str, FileTypes]]
