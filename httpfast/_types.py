"""The body streams that every layer passes on, and the names of the argument types that the public API takes.

The streams are here because requests, responses and transports all need them and must not import each other for it.
The type names (`URLTypes`, `HeaderTypes`, ...) live in `_type_aliases`; that module needs `typing` and most of the
package, so it is imported when one of its names is first asked for at run time, and never for a plain request.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from ._type_aliases import AuthTypes as AuthTypes
    from ._type_aliases import CertTypes as CertTypes
    from ._type_aliases import CookieTypes as CookieTypes
    from ._type_aliases import FileContent as FileContent
    from ._type_aliases import FileTypes as FileTypes
    from ._type_aliases import HeaderTypes as HeaderTypes
    from ._type_aliases import PrimitiveData as PrimitiveData
    from ._type_aliases import ProxyTypes as ProxyTypes
    from ._type_aliases import QueryParamTypes as QueryParamTypes
    from ._type_aliases import RedirectTypes as RedirectTypes
    from ._type_aliases import RequestContent as RequestContent
    from ._type_aliases import RequestData as RequestData
    from ._type_aliases import RequestExtensions as RequestExtensions
    from ._type_aliases import RequestFiles as RequestFiles
    from ._type_aliases import ResponseContent as ResponseContent
    from ._type_aliases import ResponseExtensions as ResponseExtensions
    from ._type_aliases import TimeoutTypes as TimeoutTypes
    from ._type_aliases import URLTypes as URLTypes

__all__ = ["AsyncByteStream", "ByteStream", "SyncByteStream"]


class SyncByteStream:
    """A body for blocking code: iterate it for its chunks, then `close()` it.

    Subclasses define `__iter__`, and `close` where something has to be released.
    """

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError("The '__iter__' method must be implemented.")

    def close(self) -> None:
        """Release what the stream holds, such as a connection. Called once, also after an error."""


class AsyncByteStream:
    """A body for async code: iterate it for its chunks, then `aclose()` it.

    Subclasses define `__aiter__`, and `aclose` where something has to be released.
    """

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError("The '__aiter__' method must be implemented.")

    async def aclose(self) -> None:
        """Release what the stream holds, such as a connection. Called once, also after an error."""


class ByteStream(AsyncByteStream, SyncByteStream):
    """A body that is in memory already, and can be read any number of times, by blocking and by async code.

    Args:
        stream: the whole body.
    """

    def __init__(self, stream: bytes) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._stream,))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._stream


# Type checkers would take any name for one of this module's if they saw this.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if not name.startswith("_"):
            from . import _type_aliases

            if name in _type_aliases.__all__:
                alias = getattr(_type_aliases, name)
                globals()[name] = alias
                return alias
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
