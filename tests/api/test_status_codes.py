"""Status codes by name, and their classes."""

from __future__ import annotations

import http

import pytest

from httpfast import codes


def test_code_is_an_int_with_a_phrase() -> None:
    assert codes.NOT_FOUND == 404
    assert isinstance(codes.NOT_FOUND, int)
    assert str(codes.NOT_FOUND) == "404"
    assert codes(404) is codes.NOT_FOUND
    assert codes.NOT_FOUND.phrase == "Not Found"
    assert codes["NOT_FOUND"] == 404


@pytest.mark.parametrize("name", list(codes.__members__))
def test_code_has_a_lower_case_name(name: str) -> None:
    assert getattr(codes, name.lower()) == codes[name].value


@pytest.mark.parametrize("status", [status for status in http.HTTPStatus if status != 418])
def test_every_code_of_the_standard_library_is_known(status: http.HTTPStatus) -> None:
    assert codes(status.value).phrase


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("REQUEST_ENTITY_TOO_LARGE", "CONTENT_TOO_LARGE", 413),
        ("REQUEST_URI_TOO_LONG", "URI_TOO_LONG", 414),
        ("REQUESTED_RANGE_NOT_SATISFIABLE", "RANGE_NOT_SATISFIABLE", 416),
        ("UNPROCESSABLE_ENTITY", "UNPROCESSABLE_CONTENT", 422),
    ],
)
def test_names_of_rfc_9110_and_those_before_are_the_same_code(old: str, new: str, value: int) -> None:
    assert codes[old] is codes[new]
    assert codes[new] == value


def test_unregistered_code_has_no_member_and_no_phrase() -> None:
    with pytest.raises(ValueError, match="299"):
        codes(299)
    assert codes.get_reason_phrase(299) == ""
    assert codes.get_reason_phrase(404) == "Not Found"
    assert codes.get_reason_phrase(413) == "Request Entity Too Large"


@pytest.mark.parametrize(
    ("check", "first", "last"),
    [
        (codes.is_informational, 100, 199),
        (codes.is_success, 200, 299),
        (codes.is_redirect, 300, 399),
        (codes.is_client_error, 400, 499),
        (codes.is_server_error, 500, 599),
        (codes.is_error, 400, 599),
    ],
)
def test_class_of_a_code_is_a_range(check, first, last) -> None:
    assert [check(value) for value in (first - 1, first, last, last + 1)] == [False, True, True, False]
