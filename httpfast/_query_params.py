"""The query of a URL as names and values: application/x-www-form-urlencoded (WHATWG URL, 5)."""

# Arguments are told apart at run time, whatever their types say: pyright knows nothing of what is in them then.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from urllib.parse import parse_qs, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from ._types import PrimitiveData, QueryParamTypes

__all__ = ["QueryParams"]


def primitive_to_str(value: PrimitiveData) -> str:
    """Return what a value is written as: None as nothing, booleans as in JSON, anything else by `str`."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return ""
    return str(value)


class QueryParams(Mapping[str, str]):
    """Names and values of a query, in order; a name may have several values. Immutable and hashable.

    As a mapping it shows the first value of each name.

    Args:
        *args: one of: query text (str, or ASCII bytes) without its "?"; another `QueryParams`; a mapping whose values
            are primitive or lists of such; a list or tuple of (name, value) pairs; None.
        **kwargs: names and values, instead of the argument.

    Raises:
        TypeError: more than one argument, both kinds, or an argument of another type.
    """

    def __init__(self, *args: QueryParamTypes | None, **kwargs: Any) -> None:
        if len(args) > 1:
            raise TypeError("Too many arguments.")
        if args and kwargs:
            raise TypeError("Cannot mix named and unnamed arguments.")

        value: Any = args[0] if args else kwargs
        self._dict: dict[str, list[str]] = {}
        if not value:
            return
        if isinstance(value, bytes):
            value = value.decode("ascii")
        if isinstance(value, str):
            self._dict = parse_qs(value, keep_blank_values=True)
        elif isinstance(value, QueryParams):
            self._dict = {name: list(values) for name, values in value._dict.items()}
        elif isinstance(value, (list, tuple)):
            for name, item in value:
                self._dict.setdefault(str(name), []).append(primitive_to_str(item))
        elif isinstance(value, Mapping):
            for name, items in value.items():
                values = items if isinstance(items, (list, tuple)) else [items]
                if values:
                    self._dict[str(name)] = [primitive_to_str(item) for item in values]
        else:
            raise TypeError(f"Invalid type for query parameters: {type(value)}")

    @classmethod
    def _of(cls, values: dict[str, list[str]]) -> QueryParams:
        params = QueryParams()
        params._dict = values
        return params

    def keys(self) -> KeysView[str]:
        """Return the names, each once."""
        return self._dict.keys()

    def values(self) -> ValuesView[str]:
        """Return the first value of each name."""
        return dict(self._first_items()).values()

    def items(self) -> ItemsView[str, str]:
        """Return (name, first value) for each name."""
        return dict(self._first_items()).items()

    def _first_items(self) -> list[tuple[str, str]]:
        return [(name, values[0]) for name, values in self._dict.items()]

    def multi_items(self) -> list[tuple[str, str]]:
        """Return (name, value) for every value."""
        return [(name, value) for name, values in self._dict.items() for value in values]

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the first value of a name, or `default`."""
        values = self._dict.get(str(key))
        return values[0] if values else default

    def get_list(self, key: str) -> list[str]:
        """Return all values of a name."""
        return list(self._dict.get(str(key), ()))

    def set(self, key: str, value: Any = None) -> QueryParams:
        """Return params in which `key` has this value only."""
        return self._of({**self._dict, str(key): [primitive_to_str(value)]})

    def add(self, key: str, value: Any = None) -> QueryParams:
        """Return params in which `key` has this value after those it had."""
        return self._of({**self._dict, str(key): [*self.get_list(key), primitive_to_str(value)]})

    def remove(self, key: str) -> QueryParams:
        """Return params without `key`."""
        return self._of({name: values for name, values in self._dict.items() if name != str(key)})

    def merge(self, params: QueryParamTypes | None = None) -> QueryParams:
        """Return params in which the names of `params` have its values instead of their own."""
        return self._of({**self._dict, **QueryParams(params)._dict})

    def __getitem__(self, key: Any) -> str:
        return self._dict[key][0]

    def __contains__(self, key: object) -> bool:
        return key in self._dict

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __bool__(self) -> bool:
        return bool(self._dict)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.multi_items())))

    def __eq__(self, other: object) -> bool:
        """Compare names and values in any order."""
        return isinstance(other, QueryParams) and sorted(self.multi_items()) == sorted(other.multi_items())

    def __str__(self) -> str:
        return urlencode(self.multi_items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def update(self, params: QueryParamTypes | None = None) -> NoReturn:
        """Not supported: see `merge`.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("QueryParams are immutable since 0.18.0. Use `q = q.merge(...)` to create an updated copy.")

    def __setitem__(self, key: str, value: str) -> NoReturn:
        raise RuntimeError(
            "QueryParams are immutable since 0.18.0. Use `q = q.set(key, value)` to create an updated copy."
        )
