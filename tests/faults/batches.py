"""Many cells of the fault matrix at once, with one driver; what they leave behind is looked at when all have ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from traceback import format_exception

from ..drivers.facade import Driver, make_driver
from ..drivers.leaks import leak_check
from .cell import Result, Trial
from .echo import EchoOrigin
from .lab import Lab
from .matrix import Cell

WIDTH = 12
"""Cells at once. They share one interpreter with their proxies: more of them would only wait for one another."""

TRIES = 3
"""How often a cell is run that has failed by the clock alone; after the first time by itself."""


async def run_cells(driver: Driver, lab: Lab, origin: EchoOrigin, cells: Iterable[Cell]) -> list[Result]:
    """Run cells. Those that took too long, and did nothing else wrong, are tried again alone."""
    results: list[Result] = []
    # Those that wait go with their like.
    ordered = sorted(cells, key=lambda cell: cell.fault.waits)
    for start in range(0, len(ordered), WIDTH):
        results += await _at_once(driver, lab, origin, ordered[start : start + WIDTH])
    for index, result in enumerate(results):
        for _ in range(TRIES - 1):
            if results[index].complaints or not results[index].late:
                break
            results[index] = (await _at_once(driver, lab, origin, [result.cell]))[0]
            results[index].tries = result.tries + 1
            result = results[index]
    return results


async def _at_once(driver: Driver, lab: Lab, origin: EchoOrigin, cells: Sequence[Cell]) -> list[Result]:
    outcomes = await driver.gather(*(Trial(cell, driver, lab, origin).run() for cell in cells))
    await driver.blocking(origin.rest)
    results = []
    for cell, outcome in zip(cells, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            outcome = Result(cell, complaints=["".join(format_exception(outcome))])
        results.append(outcome)
    return results


def run_alone(name: str, lab: Lab, origin: EchoOrigin, cells: Sequence[Cell]) -> list[Result]:
    """Run cells with a driver of their own. What they leave, or its loop complains of, is said of all of them."""
    results: list[Result] = []
    try:
        with leak_check():
            driver = make_driver(name)
            try:
                results = driver.run(run_cells(driver, lab, origin, cells))
            finally:
                driver.finish()
                origin.rest()
    except AssertionError as error:
        for result in results or [Result(cell) for cell in cells[:1]]:
            result.left = str(error)
    return results
