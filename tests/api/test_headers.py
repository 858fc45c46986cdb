"""Headers: a multi-dict over octets that shares what does not change."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import Headers

PAIRS = [("a", "123"), ("A", "456"), ("B", "789")]


class Head:
    """A received head that counts how often its fields are asked for."""

    def __init__(self, *fields: tuple[bytes, bytes]) -> None:
        self.asked = 0
        self._fields = list(fields)

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        self.asked += 1
        return self._fields


def test_mapping_view_merges_and_lower_cases_names() -> None:
    headers = Headers(PAIRS)

    assert list(headers) == list(headers.keys()) == ["a", "b"]
    assert list(headers.values()) == ["123, 456", "789"]
    assert dict(headers.items()) == {"a": "123, 456", "b": "789"}
    assert headers.multi_items() == [("a", "123"), ("a", "456"), ("b", "789")]
    assert headers["A"] == headers.get("a") == "123, 456"
    assert headers.get("zz") is None
    assert headers.get("zz", 5) == 5
    assert len(headers) == 3
    assert "b" in headers
    assert "zz" not in headers


def test_raw_keeps_case_and_order() -> None:
    assert Headers(PAIRS).raw == [(b"a", b"123"), (b"A", b"456"), (b"B", b"789")]


def test_missing_name_is_a_key_error() -> None:
    headers = Headers(PAIRS)

    with pytest.raises(KeyError, match="zz"):
        _ = headers["zz"]
    with pytest.raises(KeyError, match="zz"):
        del headers["zz"]


def test_setting_replaces_the_first_in_place_and_drops_the_others() -> None:
    headers = Headers([("x", "0"), *PAIRS])
    headers["A"] = "1"

    assert headers.raw == [(b"x", b"0"), (b"A", b"1"), (b"B", b"789")]


def test_update_moves_replaced_names_to_the_end() -> None:
    headers = Headers(PAIRS)
    headers.update({"a": "1", "C": "2"})

    assert headers.raw == [(b"B", b"789"), (b"a", b"1"), (b"C", b"2")]


def test_deleting_takes_every_field_of_the_name() -> None:
    headers = Headers(PAIRS)
    del headers["A"]

    assert headers.raw == [(b"B", b"789")]


@pytest.mark.parametrize("other", [PAIRS, list(reversed(PAIRS)), Headers(PAIRS), [("B", "789"), *PAIRS[:2]]])
def test_equality_ignores_order_and_case_of_names(other: Any) -> None:
    assert Headers(PAIRS) == other


@pytest.mark.parametrize("other", [{"a": "123"}, 5, "x", object(), [("a", 5)]])
def test_equality_with_something_else_is_false(other: Any) -> None:
    assert Headers(PAIRS) != other


@pytest.mark.parametrize("value", [5, None, ["x"], 1.5])
def test_value_of_another_type_is_refused(value: Any) -> None:
    message = f"Header value must be str or bytes, not {type(value)}"
    headers = Headers()

    with pytest.raises(TypeError) as mapping:
        Headers({"a": value})
    with pytest.raises(TypeError) as pairs:
        Headers([(b"a", value)])
    with pytest.raises(TypeError) as item:
        headers["a"] = value

    assert str(mapping.value) == str(pairs.value) == str(item.value) == message


def test_name_of_another_type_is_refused() -> None:
    name: Any = 5

    with pytest.raises(TypeError, match="Header name must be str or bytes"):
        Headers({name: "x"})


def test_split_commas() -> None:
    headers = Headers([("a", "1, 2"), ("a", "3,,4 ")])

    assert headers.get_list("A") == ["1, 2", "3,,4 "]
    assert headers.get_list("A", split_commas=True) == ["1", "2", "3", "", "4"]
    assert headers.get_list("zz", split_commas=True) == []


@pytest.mark.parametrize(
    ("fields", "encoding", "value"),
    [
        ([(b"a", b"x")], "ascii", "x"),
        ([(b"a", "é".encode())], "utf-8", "é"),
        ([(b"a", "é".encode("iso-8859-1"))], "iso-8859-1", "é"),
        # One field decides for all, so that a head reads in one encoding.
        ([(b"a", "é".encode()), (b"b", b"\xff")], "iso-8859-1", "Ã©"),
        ([(b"a", b"x"), (b"\xc3\xa9", b"")], "utf-8", "x"),
    ],
)
def test_encoding_is_the_first_that_fits_all_fields(
    fields: list[tuple[bytes, bytes]], encoding: str, value: str
) -> None:
    headers = Headers(fields)

    assert headers["a"] == value
    assert headers.encoding == encoding


def test_encoding_can_be_set() -> None:
    headers = Headers({b"a": "é".encode()})
    headers.encoding = "iso-8859-1"

    assert headers["a"] == "Ã©"
    assert headers.copy().encoding == "iso-8859-1"


def test_encoding_is_detected_again_after_a_change() -> None:
    headers = Headers({"a": "x"})
    assert headers.encoding == "ascii"
    headers["b"] = "é"

    assert headers.encoding == "utf-8"
    assert headers["b"] == "é"


def test_text_set_beside_latin_1_octets_reads_back() -> None:
    headers = Headers([(b"a", b"\xff")])
    headers["b"] = "é"

    assert headers["b"] == "é"


def test_str_beyond_ascii_is_refused_by_the_constructor() -> None:
    with pytest.raises(UnicodeEncodeError):
        Headers({"a": "é"})
    assert Headers({"a": "é"}, encoding="utf-8").raw == [(b"a", "é".encode())]


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "SET-COOKIE"])
def test_repr_masks_credentials(name: str) -> None:
    headers = Headers({name: "secret"})

    assert repr(headers) == f"Headers({{{name.lower()!r}: '[secure]'}})"
    assert headers[name] == "secret"


def test_repr_is_a_dict_or_a_list_and_names_the_encoding() -> None:
    assert repr(Headers({"A": "1"})) == "Headers({'a': '1'})"
    assert repr(Headers(PAIRS)) == "Headers([('a', '123'), ('a', '456'), ('b', '789')])"
    assert repr(Headers({b"A": "é".encode()})) == "Headers({'a': 'é'}, encoding='utf-8')"


def test_or_merges_and_leaves_its_operands_alone() -> None:
    left, right = Headers({"A": "1", "B": "2"}), {"b": "3", "C": "4"}

    assert (left | right).raw == [(b"A", b"1"), (b"b", b"3"), (b"C", b"4")]
    assert (right | left).raw == [(b"C", b"4"), (b"A", b"1"), (b"B", b"2")]
    assert left.raw == [(b"A", b"1"), (b"B", b"2")]
    with pytest.raises(TypeError):
        _ = left | [("a", "b")]  # type: ignore[operator]


def test_ior_changes_in_place() -> None:
    headers = same = Headers({"A": "1"})
    headers |= [("B", "2")]

    assert headers is same
    assert headers.raw == [(b"A", b"1"), (b"B", b"2")]


def test_copies_share_fields_until_one_changes() -> None:
    headers = Headers(PAIRS)
    twin, wrapped = headers.copy(), Headers(headers)
    assert twin._fields is wrapped._fields is headers._fields

    before = headers._fields
    twin["a"] = "changed"
    wrapped.update({"c": "1"})

    assert headers._fields is before
    assert headers == PAIRS


@pytest.mark.parametrize(
    "change",
    [
        lambda headers: headers.__setitem__("a", "1"),
        lambda headers: headers.__setitem__("new", "1"),
        lambda headers: headers.__delitem__("a"),
        lambda headers: headers.update({"a": "1"}),
        lambda headers: headers.pop("b"),
        lambda headers: headers.clear(),
        lambda headers: headers.setdefault("new", "1"),
    ],
)
def test_every_change_binds_a_new_tuple_and_leaves_the_old_one(change: Any) -> None:
    headers = Headers(PAIRS)
    before = headers._fields
    content = list(before)

    change(headers)

    assert headers._fields is not before
    assert list(before) == content


def test_received_head_is_read_once_and_only_when_looked_at() -> None:
    head = Head((b"Content-Type", b"text/plain"), (b"X", b"1"))
    headers = Headers._received(head)
    assert head.asked == 0

    assert headers["content-type"] == "text/plain"
    assert headers.raw[0] == (b"Content-Type", b"text/plain")
    assert headers._get_raw(b"x") == b"1"
    assert headers._get_raw(b"y") is None
    assert head.asked == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda headers: pickle.loads(pickle.dumps(headers))])
def test_received_headers_are_copied_without_their_head(duplicate: Any) -> None:
    headers = Headers._received(Head((b"X", b"1")))
    headers.note = "mine"  # type: ignore[attr-defined]

    twin = duplicate(headers)

    assert twin.raw == [(b"X", b"1")]
    assert twin.note == "mine"
    assert "_head" not in twin.__dict__


@given(st.lists(st.tuples(st.sampled_from("aAbB"), st.text(st.characters(max_codepoint=126), max_size=4))))
def test_headers_agree_with_a_list_of_pairs(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    merged: dict[str, list[str]] = {}
    for name, value in pairs:
        merged.setdefault(name.lower(), []).append(value)

    assert dict(headers) == {name: ", ".join(values) for name, values in merged.items()}
    assert {name: headers.get_list(name) for name in headers} == merged
    assert Headers(headers.raw) == headers == Headers(headers.multi_items())
