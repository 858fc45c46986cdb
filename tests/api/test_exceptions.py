"""The exception tree: its shape, what its members carry, and that they survive a pickle."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from httpfast import _exceptions as exceptions
from httpfast._exceptions import (
    ConnectError,
    HTTPError,
    HTTPStatusError,
    InvalidURL,
    ReadTimeout,
    RequestError,
    StreamClosed,
    StreamConsumed,
    StreamError,
    request_context,
)

PARENTS = {
    "HTTPError": Exception,
    "RequestError": "HTTPError",
    "TransportError": "RequestError",
    "TimeoutException": "TransportError",
    "ConnectTimeout": "TimeoutException",
    "ReadTimeout": "TimeoutException",
    "WriteTimeout": "TimeoutException",
    "PoolTimeout": "TimeoutException",
    "NetworkError": "TransportError",
    "ConnectError": "NetworkError",
    "ReadError": "NetworkError",
    "WriteError": "NetworkError",
    "CloseError": "NetworkError",
    "ProtocolError": "TransportError",
    "LocalProtocolError": "ProtocolError",
    "RemoteProtocolError": "ProtocolError",
    "ProxyError": "TransportError",
    "UnsupportedProtocol": "TransportError",
    "DecodingError": "RequestError",
    "TooManyRedirects": "RequestError",
    "HTTPStatusError": "HTTPError",
    "InvalidURL": Exception,
    "CookieConflict": Exception,
    "StreamError": RuntimeError,
    "StreamConsumed": "StreamError",
    "StreamClosed": "StreamError",
    "ResponseNotRead": "StreamError",
    "RequestNotRead": "StreamError",
}
REQUEST: Any = "the request"


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_exception_has_its_place_in_the_tree(name: str, parent: str | type) -> None:
    expected = getattr(exceptions, parent) if isinstance(parent, str) else parent

    assert getattr(exceptions, name).__bases__ == (expected,)


def test_tree_lists_every_exported_exception() -> None:
    assert sorted(PARENTS) == sorted(exceptions.__all__)


def test_request_of_an_error_made_without_one_raises() -> None:
    for error in (ConnectError("x"), HTTPError("x")):
        with pytest.raises(RuntimeError, match=r"The \.request property has not been set\."):
            _ = error.request


def test_request_can_be_given_or_set() -> None:
    given = ConnectError("x", request=REQUEST)
    late = ConnectError("x")
    late.request = REQUEST

    assert given.request is late.request is REQUEST


def test_request_context_sets_request_on_errors_that_leave_it() -> None:
    with pytest.raises(ReadTimeout) as caught, request_context(request=REQUEST):
        raise ReadTimeout("too slow")

    assert caught.value.request is REQUEST


def test_request_context_leaves_other_errors_and_no_request_alone() -> None:
    with pytest.raises(InvalidURL) as other, request_context(request=REQUEST):
        raise InvalidURL("x")
    with pytest.raises(ConnectError) as kept, request_context():
        raise ConnectError("x", request=REQUEST)

    assert not hasattr(other.value, "request")
    assert kept.value.request is REQUEST


@pytest.mark.parametrize("name", [name for name in PARENTS if name != "HTTPStatusError"])
def test_exception_survives_a_pickle(name: str) -> None:
    kind = getattr(exceptions, name)
    error = kind() if name in ("StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead") else kind("why")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_status_error_survives_a_pickle_with_request_and_response() -> None:
    response: Any = "the response"

    copy = pickle.loads(pickle.dumps(HTTPStatusError("404", request=REQUEST, response=response)))

    assert (str(copy), copy.request, copy.response) == ("404", REQUEST, response)


def test_subclass_with_its_own_arguments_survives_a_pickle() -> None:
    error = Refused(status=418)

    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), copy.status, str(copy)) == (Refused, 418, "refused with 418")


class Refused(RequestError):
    def __init__(self, *, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


def test_stream_errors_are_runtime_errors_with_fixed_messages() -> None:
    assert isinstance(StreamClosed(), (StreamError, RuntimeError))
    assert str(StreamClosed()) == "Attempted to read or stream content, but the stream has been closed."
    assert "already been streamed" in str(StreamConsumed())
