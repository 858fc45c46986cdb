"""QueryParams: an immutable multi-dict of the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpfast import QueryParams


@pytest.mark.parametrize(
    "source",
    [
        "a=123&a=456&b=789",
        b"a=123&a=456&b=789",
        {"a": ["123", "456"], "b": 789},
        {"a": ("123", "456"), "b": "789"},
        [("a", "123"), ("a", 456), ("b", "789")],
        (("a", "123"), ("a", "456"), ("b", "789")),
        QueryParams("a=123&a=456&b=789"),
    ],
)
def test_every_kind_of_source_gives_the_same_params(source: Any) -> None:
    params = QueryParams(source)

    assert str(params) == "a=123&a=456&b=789"
    assert params["a"] == params.get("a") == "123"
    assert params.get_list("a") == ["123", "456"]
    assert params.get_list("zz") == []
    assert params.get("zz") is None
    assert params.get("zz", "default") == "default"
    assert list(params) == list(params.keys()) == ["a", "b"]
    assert list(params.values()) == ["123", "789"]
    assert list(params.items()) == [("a", "123"), ("b", "789")]
    assert params.multi_items() == [("a", "123"), ("a", "456"), ("b", "789")]
    assert len(params) == 2
    assert "a" in params
    assert "zz" not in params
    assert dict(params) == {"a": "123", "b": "789"}
    assert repr(params) == "QueryParams('a=123&a=456&b=789')"
    assert params == QueryParams("b=789&a=456&a=123")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "a="), (True, "a=true"), (False, "a=false"), (1, "a=1"), (1.5, "a=1.5"), ("", "a=")]
)
def test_primitive_values_are_written_as_in_json_or_not_at_all(value: Any, text: str) -> None:
    assert str(QueryParams({"a": value})) == text
    assert str(QueryParams().set("a", value)) == text


@pytest.mark.parametrize("nothing", [None, "", b"", {}, [], (), {"a": []}])
def test_nothing_gives_empty_params(nothing: Any) -> None:
    params = QueryParams(nothing)

    assert not params
    assert str(params) == ""
    assert list(params.items()) == []


def test_keywords_are_names() -> None:
    assert QueryParams(a="1", b=[2, 3]).multi_items() == [("a", "1"), ("b", "2"), ("b", "3")]


def test_text_is_form_encoded() -> None:
    assert str(QueryParams({"a b": "c/d&é"})) == "a+b=c%2Fd%26%C3%A9"
    assert QueryParams("a+b=c%2Fd")["a b"] == "c/d"


@pytest.mark.parametrize("hostile", ["\r\nX: 1", "a b", "\x00", "é\u2028", "?#&="])
def test_hostile_names_and_values_are_encoded(hostile: str) -> None:
    text = str(QueryParams({hostile: hostile}))

    assert text.isascii()
    assert text.isprintable()
    assert not set(text) & set(" #?")
    assert QueryParams(text) == QueryParams({hostile: hostile})


def test_changes_give_new_params() -> None:
    params = QueryParams("a=1&a=2&b=3")

    assert str(params.set("a", "9")) == "a=9&b=3"
    assert str(params.add("a", "9")) == "a=1&a=2&a=9&b=3"
    assert str(params.add("c")) == "a=1&a=2&b=3&c="
    assert str(params.remove("a")) == "b=3"
    assert params.remove("zz") == params
    assert str(params.merge({"a": "9", "c": "4"})) == "a=9&b=3&c=4"
    assert str(params) == "a=1&a=2&b=3"


def test_params_are_immutable() -> None:
    params = QueryParams("a=1")

    with pytest.raises(RuntimeError, match=r"immutable since 0\.18\.0\. Use `q = q\.merge"):
        params.update({"a": "2"})
    with pytest.raises(RuntimeError, match=r"immutable since 0\.18\.0\. Use `q = q\.set"):
        params["a"] = "2"


def test_equal_params_have_equal_hashes() -> None:
    assert hash(QueryParams("a=1&b=2")) == hash(QueryParams("b=2&a=1"))
    assert QueryParams("a=1") != "a=1"


def test_wrong_arguments_are_type_errors() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match="Too many arguments"):
        QueryParams("a=1", "b=2")
    with pytest.raises(TypeError, match="Cannot mix"):
        QueryParams("a=1", b="2")
    with pytest.raises(TypeError, match="Invalid type"):
        QueryParams(wrong)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_text_reads_back_as_the_same_pairs(pairs: list[tuple[str, str]]) -> None:
    pairs = [
        (name.encode("utf-8", "ignore").decode(), value.encode("utf-8", "ignore").decode()) for name, value in pairs
    ]
    params = QueryParams(pairs)

    assert sorted(parse_qsl(str(params), keep_blank_values=True)) == sorted(pairs)
    assert QueryParams(str(params)) == params
