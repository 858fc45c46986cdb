"""The bars: what httpfast may cost at most in some cases, as ratios. `python -m bench` tells which of them are met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .clients import BASELINE
from .summary import OWN


@dataclass(frozen=True)
class Bar:
    """A bar: httpfast's CPU time a request over that of another, both medians, is at most this.

    Attributes:
        case: the name of the case.
        most: the highest ratio that meets the bar.
        beside: None for the baseline in the same case and the same rounds; or a case, for httpfast itself in that one.
    """

    case: str
    most: float
    beside: str | None = None


BARS = (
    Bar("h2-1", 0.75),
    Bar("h2-64", 0.45),
    Bar("h2-512", 0.40),
    Bar("h2-1000", 1.0, beside="h2-64"),
    Bar("h2-100k", 0.90),
    Bar("h2-10m", 1.05),
    Bar("h2-sync", 0.70),
)


def _ratio(bar: Bar, by_case: Mapping[str, Mapping[str, Any]]) -> float | None:
    """What a bar is about, as measured; None where that did not run."""
    own = by_case[bar.case]["clients"].get(OWN)
    if own is None:
        return None
    if bar.beside is None:
        ratio: float | None = own["to_baseline"]
        return ratio
    other = by_case.get(bar.beside, {"clients": {}})["clients"].get(OWN)
    return None if other is None else own["value"]["median"] / other["value"]["median"]


def judge(cases: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bars of the cases that ran, with the ratios measured. A case that httpfast failed in misses its bar."""
    by_case = {case["name"]: case for case in cases}
    verdicts = []
    for bar in BARS:
        if bar.case not in by_case:
            continue
        ratio = _ratio(bar, by_case)
        is_failed = OWN in by_case[bar.case]["left_out"]
        if ratio is not None or is_failed:
            is_met = ratio is not None and not is_failed and ratio <= bar.most
            verdicts.append(
                {"case": bar.case, "beside": bar.beside, "most": bar.most, "ratio": ratio, "is_met": is_met}
            )
    return verdicts


def lines(verdicts: Iterable[Mapping[str, Any]]) -> list[str]:
    """The verdicts as lines of text."""
    out = []
    for verdict in verdicts:
        other = f"{OWN} in {verdict['beside']}" if verdict["beside"] else BASELINE
        measured = "failed" if verdict["ratio"] is None else f"{verdict['ratio']:.2f}"
        word = "met" if verdict["is_met"] else "MISSED"
        out.append(f"  {verdict['case']:<12} {measured:>6} of {other}, at most {verdict['most']:.2f}: {word}")
    return ["", "Bars: CPU time a request of httpfast", *out] if out else []
