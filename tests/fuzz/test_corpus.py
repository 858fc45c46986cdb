"""Fuzzing without a fuzzer: each target takes its seeds, what was once found, and some thousand changes of the seeds.

The seeds' changes are the same in each run. That the targets themselves can fail is shown by faults put into the core's
answers.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("socksio", reason="socksio is not installed")
pytest.importorskip("wsproto", reason="wsproto is not installed")
pytest.importorskip("click", reason="what the command line needs is not installed")

import httpfast
from httpfast._cext.hpack import HpackDecoder

from . import engines, streams, values
from .__main__ import Account, escaped
from .targets import TARGETS


@pytest.fixture(scope="module", autouse=True)
def _requests_are_forgotten() -> Iterator[None]:
    """The target of HTTP/2 keeps the requests that it sends again and again."""
    yield
    engines._h2_requests.cache_clear()


FINDINGS: dict[str, list[dict[str, str]]] = tomllib.loads(
    (Path(__file__).parent / "findings.toml").read_text(encoding="utf-8")
)

# Inputs made of the seeds, of each target: less of those that take longest.
CHANGED = {"cookies": 500, "h2": 1_500}
CHANGED_DEFAULT = 2_000

# Seeds that are replayed, spread over all of them.
REPLAYED = 500


@cache
def seeds_of(name: str) -> tuple[bytes, ...]:
    found = [seed[: TARGETS[name].largest] for seed in TARGETS[name].seeds()]
    return tuple(found[:: len(found) // REPLAYED + 1])


def changed(name: str, rng: random.Random) -> bytes:
    """A seed, or the parts of two, with octets changed, left out, doubled, or replaced by words of the dictionary."""
    found = bytearray(rng.choice(seeds_of(name)))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(6):
            case 0:
                found[at:at] = rng.choice(TARGETS[name].words)
            case 1:
                found[at : at + 1] = rng.randbytes(1)
            case 2:
                del found[at : at + rng.randrange(1, 9)]
            case 3:
                found[at:at] = found[at : at + rng.randrange(1, 40)]
            case 4:
                other = rng.choice(seeds_of(name))
                found[at:] = other[rng.randrange(len(other) + 1) :]
            case _:
                if at < len(found):
                    found[at] ^= 1 << rng.randrange(8)
    return bytes(found[: TARGETS[name].largest])


def run(name: str, octets: bytes) -> None:
    """Run a target; an input that fails is shown as findings.toml has it."""
    try:
        TARGETS[name].run(octets)
    except Exception as error:
        raise AssertionError(f"{name} fails on {octets.hex()}: {error!r}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_end_as_documented(name: str) -> None:
    assert seeds_of(name)
    for seed in seeds_of(name):
        run(name, seed)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds_end_as_documented(name: str) -> None:
    rng = random.Random(f"{name} 1")
    for _ in range(CHANGED.get(name, CHANGED_DEFAULT)):
        run(name, changed(name, rng))


@pytest.mark.parametrize("name", TARGETS)
def test_short_inputs_end_as_documented(name: str) -> None:
    run(name, b"")
    for octet in range(256):
        run(name, bytes([octet]))
        run(name, bytes([octet, octet]))


@pytest.mark.parametrize(
    ("name", "finding"),
    [(name, row) for name, rows in FINDINGS.items() for row in rows],
    ids=lambda value: str(value)[:60],
)
def test_what_was_found_ends_as_documented(name: str, finding: dict[str, str]) -> None:
    run(name, bytes.fromhex(finding["input"]))


# The targets can fail


def test_h1_fails_when_pieces_give_another_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cut", lambda stream, seed: [stream[:-1], b"!"])

    with pytest.raises(AssertionError):
        engines.h1(b"\0\5HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_h2_fails_when_pieces_are_not_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(iter(TARGETS["h2"].seeds()))
    engines.h2(seed)
    monkeypatch.setattr(engines, "cut", lambda stream, seed: [stream[:9]])

    with pytest.raises(AssertionError):
        engines.h2(seed)


def test_hpack_fails_when_what_is_encoded_is_read_as_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        size = max_size = 0

        def decode_block(self, block: bytes) -> tuple[Any, ...]:
            return ((b"a", b"b"),)

        def set_max_size(self, size: int) -> None:
            pass

    decoders = iter([HpackDecoder(), Wrong()])
    monkeypatch.setattr(engines, "HpackDecoder", lambda *args, **options: next(decoders))

    with pytest.raises(AssertionError):
        engines.hpack(b"\0\1\x82")


def test_multipart_fails_on_a_line_that_was_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._multipart._ESCAPES", {})

    with pytest.raises(AssertionError):
        values.multipart(b"a\r\nX: y\xfff\xff\xff\xff\xffcontent")


def test_cookies_fail_on_one_for_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._cookie_jar.StrictPolicy.return_ok", lambda *args: True)
    monkeypatch.setattr("httpfast._cookie_jar.StrictPolicy.domain_return_ok", lambda *args: True)

    with pytest.raises(AssertionError):
        values.cookies(b"\xc0a=b")


def test_url_fails_on_text_that_is_not_its_own_normal_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpfast.URL, "__str__", lambda url: url._text + "/")

    with pytest.raises(AssertionError):
        values.url(b"https://example.com/")


def test_proxy_fails_when_reading_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpfast._transports.proxy.ProxyError", RecursionError)

    with pytest.raises(RecursionError):
        streams.proxy(b"\4\1\5")


# What drives libFuzzer


def test_executions_add_up_over_runs_and_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.__main__.BUILD", tmp_path)
    monkeypatch.setattr("tests.fuzz.__main__.commit", lambda: "one")
    Account("h1").add(100, 2.0, {"slowest_us": 7, "coverage": 5})
    monkeypatch.setattr("tests.fuzz.__main__.commit", lambda: "two")
    Account("h1").add(50, 1.0, {"slowest_us": 3, "coverage": 6})

    account = Account("h1")

    assert account.executions == 150
    assert account.figures["executions_per_second"] == 50
    assert account.figures["slowest_us"] == 7
    assert account.figures["coverage"] == 6
    assert {name: row["executions"] for name, row in account.figures["runs"].items()} == {"one": 100, "two": 50}


def test_words_of_a_dictionary_are_escaped() -> None:
    assert escaped(b'a"\\\n') == r"\x61\x22\x5c\x0a"
