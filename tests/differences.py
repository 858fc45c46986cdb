"""Where httpfast and other readers of the same octets part, and why: the entries of known_differences.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Difference:
    """One entry; see the file for what its parts mean."""

    oracle: str
    refused_by: str
    problem: str
    about: str
    reason: str
    example: bytes

    def explains(self, problem: str, subject: bytes) -> bool:
        """Whether it is the reason for a complaint about something."""
        text = subject.decode("latin-1")
        return re.search(self.problem, problem) is not None and re.search(self.about, text) is not None


@cache
def known_differences(oracle: str) -> tuple[Difference, ...]:
    """The entries about one oracle."""
    entries = tomllib.loads((Path(__file__).parent / "known_differences.toml").read_text("utf-8"))["difference"]
    return tuple(
        Difference(
            oracle=entry["oracle"],
            refused_by=entry["refused_by"],
            problem=entry["problem"],
            about=entry["about"],
            reason=entry["reason"],
            example=bytes.fromhex(entry["example_hex"])
            if "example_hex" in entry
            else entry["example"].encode("latin-1"),
        )
        for entry in entries
        if entry["oracle"] == oracle
    )


def is_explained(oracle: str, refused_by: str, problem: str, subject: bytes) -> bool:
    """Whether an entry says why one of the two refuses what the other reads."""
    return any(
        entry.refused_by == refused_by and entry.explains(problem, subject) for entry in known_differences(oracle)
    )
