"""What the cases share: getting hold of a rival, and the types of pytest-benchmark's fixture, which has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar

import pytest

P = ParamSpec("P")
T = TypeVar("T")


class Benchmark(Protocol):
    """The fixture `benchmark`, as far as it is used here."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Time a function that can be called any number of times; return what it returns."""

    def pedantic(self, target: Callable[..., T], *, setup: Callable[[], Any], rounds: int, warmup_rounds: int = 0) -> T:
        """Time one call for each call of `setup`, which makes its (args, kwargs) and is not timed."""


def rival(name: str) -> Any:
    """Return the module of this name. Where it is not installed, the case is skipped."""
    return pytest.importorskip(name, reason=f"{name} is not installed: no comparison with it")


def unseen(form: str) -> Iterator[str]:
    """Texts that no cache has met: `form` with a number in it that never comes again.

    The text is made when it is asked for, within the timed part and alike for everybody; one made ahead would bring its
    hash along, which a text from outside does not.
    """
    number = 0
    while True:
        number += 1
        yield form % number
