"""Header fields as users see them: a case-insensitive multi-dict over the octets of the wire (RFC 9110, 5).

The fields are one immutable tuple, and every change binds a new one. So the tuple's identity stands for its content:
a copy shares it, and whoever encodes a head can keep the result for as long as it meets the same tuple. Fields of a
received head are taken over when somebody first looks. Whether a field may be sent is not decided here.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol, Self

    from ._types import HeaderTypes

    Fields = tuple[tuple[bytes, bytes, bytes], ...]

    class ReceivedHead(Protocol):
        """What a connection hands over: fields in the order of arrival, names as on the wire."""

        @property
        def fields(self) -> list[tuple[bytes, bytes]]: ...


__all__ = ["Headers"]

# Beyond httpx's two, the fields that carry cookies: a session's cookie is as good as its password.
SENSITIVE_FIELDS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class _FieldsOfHead:
    """Computes `Headers._fields` from the received head at the first look, and leaves it in the instance."""

    def __get__(self, headers: Headers, owner: type[Headers] | None = None) -> Fields:
        head = headers._head
        fields: Fields = () if head is None else tuple([(name, name.lower(), value) for name, value in head.fields])
        headers._fields = fields
        return fields


def mask_sensitive(items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return `items` with the values of the fields that carry credentials replaced, for a repr or a log."""
    return [(name, "[secure]" if name.lower() in SENSITIVE_FIELDS else value) for name, value in items]


def _encode_name(name: str | bytes, encoding: str) -> bytes:
    if isinstance(name, str):
        return name.encode(encoding)
    if isinstance(name, bytes):
        return name
    raise TypeError(f"Header name must be str or bytes, not {type(name)}")


def _encode_value(value: str | bytes, encoding: str) -> bytes:
    if isinstance(value, str):
        return value.encode(encoding)
    if isinstance(value, bytes):
        return value
    raise TypeError(f"Header value must be str or bytes, not {type(value)}")


def _encode_fields(pairs: Iterable[tuple[str | bytes, str | bytes]], encoding: str) -> Fields:
    fields: list[tuple[bytes, bytes, bytes]] = []
    for name, value in pairs:
        raw_name = name if name.__class__ is bytes else _encode_name(name, encoding)
        raw_value = value if value.__class__ is bytes else _encode_value(value, encoding)
        fields.append((raw_name, raw_name.lower(), raw_value))  # pyright: ignore[reportArgumentType]
    return tuple(fields)


class Headers(MutableMapping[str, str]):
    """Header fields: names compare without case, a name may occur several times, order is kept (RFC 9110, 5).

    As a mapping it shows lower-case names, with the values of a repeated name joined by ", " (RFC 9110, 5.2).

    Args:
        headers: another `Headers`, a mapping, or pairs; names and values are str or bytes.
        encoding: how str becomes octets and back. By default str must be ASCII here, and octets are read as the
            first of ASCII, UTF-8 and ISO 8859-1 that fits them all.

    Raises:
        TypeError: a name or a value is neither str nor bytes.
        UnicodeEncodeError: a str does not fit the encoding.
    """

    _encoding: str | None = None
    _head: ReceivedHead | None = None
    # The last detected encoding, with the fields it was detected in.
    _detected: tuple[Fields, str] | None = None
    if TYPE_CHECKING:
        _fields: Fields
    else:
        _fields = _FieldsOfHead()

    def __init__(self, headers: HeaderTypes | None = None, encoding: str | None = None) -> None:
        if headers is None:
            self._fields = ()
        elif isinstance(headers, Headers):
            self._fields = headers._fields
        elif isinstance(headers, Mapping):
            self._fields = _encode_fields(headers.items(), encoding or "ascii")
        else:
            self._fields = _encode_fields(headers, encoding or "ascii")
        if encoding is not None:
            self._encoding = encoding

    @classmethod
    def _received(cls, head: ReceivedHead) -> Self:
        """Make headers that read their fields from `head` when they are first needed."""
        headers = cls.__new__(cls)
        headers._head = head
        return headers

    @classmethod
    def _of(cls, fields: Fields) -> Self:
        """Make headers of a tuple of (name, lower-case name, value), which is shared and not checked."""
        headers = cls.__new__(cls)
        headers._fields = fields
        return headers

    def _get_raw(self, lower_name: bytes) -> bytes | None:
        """Return the first value of a field, as octets, or None."""
        for _, name, value in self._fields:
            if name == lower_name:
                return value
        return None

    @property
    def encoding(self) -> str:
        """The encoding that str values are read with. Setting it overrides the detected one."""
        if self._encoding is not None:
            return self._encoding
        fields = self._fields
        if self._detected is not None and self._detected[0] is fields:
            return self._detected[1]

        encoding = "ascii"
        for name, _, value in fields:
            if not (name.isascii() and value.isascii()):
                try:
                    name.decode("utf-8")
                    value.decode("utf-8")
                except UnicodeDecodeError:
                    encoding = "iso-8859-1"
                    break
                encoding = "utf-8"
        self._detected = (fields, encoding)
        return encoding

    @encoding.setter
    def encoding(self, value: str) -> None:
        self._encoding = value

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The fields as pairs of octets, with names in the case they were given or received in."""
        return [(raw_name, value) for raw_name, _, value in self._fields]

    def keys(self) -> KeysView[str]:
        """Return the lower-case names, each once."""
        encoding = self.encoding
        return {name.decode(encoding): None for _, name, _ in self._fields}.keys()

    def values(self) -> ValuesView[str]:
        """Return one value for each name; those of a repeated name are joined by ", "."""
        return self._merged().values()

    def items(self) -> ItemsView[str, str]:
        """Return (lower-case name, value); the values of a repeated name are joined by ", "."""
        return self._merged().items()

    def _merged(self) -> dict[str, str]:
        merged: dict[str, list[str]] = {}
        for name, value in self.multi_items():
            merged.setdefault(name, []).append(value)
        return {name: ", ".join(values) for name, values in merged.items()}

    def multi_items(self) -> list[tuple[str, str]]:
        """Return (lower-case name, value) for every field, in order."""
        encoding = self.encoding
        return [(name.decode(encoding), value.decode(encoding)) for _, name, value in self._fields]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a field, joined by ", " where it is repeated, or `default`."""
        values = self.get_list(key)
        return ", ".join(values) if values else default

    def get_list(self, key: str, split_commas: bool = False) -> list[str]:
        """Return the values of a field.

        Args:
            key: the field's name, in any case.
            split_commas: also take each value apart at its commas. Not for fields whose values have commas of
                their own, such as Set-Cookie and dates.
        """
        lower_name = self._lookup_name(key)
        # An ASCII value reads the same in each of the detected encodings, so mostly nothing needs detecting.
        explicit = self._encoding
        values: list[str] = []
        for _, name, value in self._fields:
            if name == lower_name:
                encoding = explicit or ("ascii" if value.isascii() else self.encoding)
                values.append(value.decode(encoding))
        if not split_commas:
            return values
        return [item.strip() for value in values for item in value.split(",")]

    def _lookup_name(self, key: str) -> bytes | None:
        """Return the octets of a lower-case name to look for; None for one that no field here can have."""
        if isinstance(key, bytes):
            return key.lower()  # pyright: ignore[reportReturnType]
        try:
            return key.lower().encode(self._encoding or ("ascii" if key.isascii() else self.encoding))
        except UnicodeEncodeError:
            return None

    def update(self, headers: HeaderTypes | None = None) -> None:  # type: ignore[override]
        """Replace every field that `headers` names; the new ones come last, in their own order."""
        added = Headers(headers)._fields
        names = {name for _, name, _ in added}
        self._fields = (*[field for field in self._fields if field[1] not in names], *added)

    def copy(self) -> Headers:
        """Return headers that can be changed without changing these."""
        headers = Headers._of(self._fields)
        if self._encoding is not None:
            headers._encoding = self._encoding
        return headers

    def __or__(self, other: Mapping[str, str]) -> Headers:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Mapping[str, str]) -> Headers:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = Headers(other)
        merged.update(self)
        return merged

    def __ior__(self, other: HeaderTypes) -> Self:
        self.update(other)
        return self

    def __getitem__(self, key: str) -> str:
        values = self.get_list(key)
        if not values:
            raise KeyError(key)
        return values[0] if len(values) == 1 else ", ".join(values)

    def __setitem__(self, key: str, value: str) -> None:
        """Set a field, in the place of the first of its name; others of that name are dropped."""
        encoding = self._encoding or "utf-8"
        if self._encoding is None and isinstance(value, str) and not (key.isascii() and value.isascii()):
            # Octets that are no UTF-8 are here already: text in another encoding would be read back wrong.
            encoding = "iso-8859-1" if self.encoding == "iso-8859-1" else "utf-8"
        raw_name = _encode_name(key, encoding)
        lower_name = raw_name.lower()
        field = (raw_name, lower_name, _encode_value(value, encoding))
        present = self._fields
        for position, (_, name, _) in enumerate(present):
            if name == lower_name:
                rest = [other for other in present[position + 1 :] if other[1] != lower_name]
                self._fields = (*present[:position], field, *rest)
                return
        self._fields = (*present, field)

    def __delitem__(self, key: str) -> None:
        lower_name = self._lookup_name(key)
        kept = tuple([field for field in self._fields if field[1] != lower_name])
        if len(kept) == len(self._fields):
            raise KeyError(key)
        self._fields = kept

    def __contains__(self, key: object) -> bool:
        lower_name = self._lookup_name(key)  # type: ignore[arg-type]
        # A loop, for a generator costs more than what it looks at.
        for _, name, _ in self._fields:  # noqa: SIM110
            if name == lower_name:
                return True
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        """Compare names without case and values, in any order, with anything that `Headers` takes."""
        try:
            fields = Headers(other)._fields  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        mine = self._fields
        return mine is fields or sorted([field[1:] for field in mine]) == sorted([field[1:] for field in fields])

    def __repr__(self) -> str:
        encoding = self.encoding
        items = mask_sensitive(self.multi_items())
        unique = dict(items)
        shown = unique if len(unique) == len(items) else items
        suffix = "" if encoding == "ascii" else f", encoding={encoding!r}"
        return f"{type(self).__name__}({shown!r}{suffix})"

    def __getstate__(self) -> dict[str, Any]:
        # A received head belongs to its connection; what is kept or sent elsewhere is its fields.
        state = {name: value for name, value in self.__dict__.items() if name not in ("_head", "_detected")}
        state["_fields"] = self._fields
        return state
