"""Whether tests/typing, which type checkers read and nothing runs, speaks of all that the package offers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import httpfast
import httpfast.websockets

FOLDER = Path(__file__).parents[1] / "typing"
FILES = ["clients", "functions", "messages", "models", "parts"]
# What a mapping has anyway is left to the mapping's own types.
FROM_MAPPINGS = {"clear", "pop", "popitem", "setdefault", "update", "keys", "values", "items", "get", "copy"}
# Refuses to change anything: its type is that it does not return.
NEVER_RETURN = {"QueryParams": {"update"}}
CLASSES = [
    "AsyncClient",
    "Auth",
    "Client",
    "Cookies",
    "EventSource",
    "Headers",
    "Proxy",
    "QueryParams",
    "Request",
    "Response",
    "ServerSentEvent",
    "Timeout",
    "URL",
]
# Not for users' code, though they can be called: what an iterator of frames is made of.
WEBSOCKET_PLUMBING = {"ping", "receive", "send"}


def _names_used() -> set[str]:
    """Names and attributes that the typing files mention, after their imports."""
    used: set[str] = set()
    for name in FILES:
        tree = ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                used.add(node.name)
    return used


def test_every_public_name_has_its_type_asserted() -> None:
    assert set(httpfast.__all__) - _names_used() == set()


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_of_a_public_class_has_its_type_asserted(name: str) -> None:
    kind = getattr(httpfast, name)
    members = {member for member in dir(kind) if not member.startswith("_")}

    missing = members - _names_used() - FROM_MAPPINGS - NEVER_RETURN.get(name, set())

    assert missing == set()


@pytest.mark.parametrize("name", ["WebSocketSession", "AsyncWebSocketSession"])
def test_every_member_of_a_websocket_session_has_its_type_asserted(name: str) -> None:
    pytest.importorskip("wsproto", reason="the package 'wsproto' is not installed")
    kind = getattr(httpfast.websockets, name)
    members = {member for member in dir(kind) if not member.startswith("_")}

    assert members - _names_used() - WEBSOCKET_PLUMBING == set()
