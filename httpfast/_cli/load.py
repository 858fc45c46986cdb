"""Many requests over the asynchronous client, and how long they took.

It is a closed loop: each of the workers sends its next request when its last was answered. So a server that stalls
holds requests back that other callers would have sent meanwhile, and the figures are better than what those would see.
Failures are counted, and never left out of the number of requests.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from os.path import basename
from time import perf_counter
from typing import TYPE_CHECKING

from rich.text import Text

from .._api import run
from .._async_client import AsyncClient
from .._config import Limits
from .._exceptions import InvalidURL, RequestError
from .request import Options, UsageError, client_settings, method_of, request_arguments
from .timings import BAR_CELLS, duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .terminal import Terminal

__all__ = ["LoadResult", "histogram", "load", "percentile", "summary"]

_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass
class LoadResult:
    """What happened.

    Attributes:
        latencies: seconds from sending to the body's last octet, of each answered request.
        statuses: how often each came.
        failures: how often each class of exception came.
        octets: of all bodies, decoded.
        seconds: that all of it took.
    """

    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter[int])
    failures: Counter[str] = field(default_factory=Counter[str])
    octets: int = 0
    seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        """Whether every request was answered with 2xx."""
        return bool(self.statuses) and not self.failures and all(200 <= status < 300 for status in self.statuses)


def load(options: Options, terminal: Terminal) -> bool:
    """Send the request `options.repeat` times and show the result, after an interruption too.

    Returns:
        Whether all were successes.

    Raises:
        UsageError, OutputError, KeyboardInterrupt
    """
    result = LoadResult()
    arguments = request_arguments(options)
    if arguments.get("files"):
        # Each request reads them anew.
        arguments["files"] = [(name, (basename(str(file.name)), file.read())) for name, file in arguments["files"]]
    limits = Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
    try:
        client = AsyncClient(**client_settings(options), limits=limits)
        client.build_request(method_of(options), options.url, **arguments)
    except (ImportError, InvalidURL, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    try:
        run(_load(client, options, arguments, result))
    finally:
        block = "█" if terminal.out.encoding.lower().startswith("utf") else "#"
        report = summary(result, concurrency=options.concurrency, block=block)
        if terminal.is_piped:
            terminal.write(f"{report.plain}\n".encode())
        else:
            terminal.show(report)
    return result.is_success


async def _load(client: AsyncClient, options: Options, arguments: dict[str, Any], result: LoadResult) -> None:
    from asyncio import TaskGroup

    tickets = iter(range(options.repeat or 1))
    began = perf_counter()
    try:
        async with client, TaskGroup() as workers:
            for _ in range(min(options.concurrency, options.repeat or 1)):
                workers.create_task(_work(client, options, arguments, tickets, result))
    finally:
        result.seconds = perf_counter() - began


async def _work(
    client: AsyncClient, options: Options, arguments: dict[str, Any], tickets: Iterator[int], result: LoadResult
) -> None:
    method = method_of(options)
    for _ in tickets:
        began = perf_counter()
        try:
            response = await client.request(method, options.url, **arguments)
        except RequestError as error:
            result.failures[type(error).__name__] += 1
            continue
        result.latencies.append(perf_counter() - began)
        result.statuses[response.status_code] += 1
        result.octets += len(response.content)


def percentile(ordered: array[float], share: float) -> float:
    """The value that `share` per cent of the ordered values do not exceed (nearest rank)."""
    return ordered[max(0, ceil(len(ordered) * share / 100) - 1)]


def histogram(latencies: array[float]) -> list[tuple[float, int]]:
    """Upper bounds, in seconds, and how many values lie under each and over the one before: 1, 2, 5, 10, ...

    Only bounds from the first that has values to the last one.
    """
    bounds = [digit * 10.0**power for power in range(-6, 5) for digit in (1, 2, 5)]
    counts = [0] * (len(bounds) + 1)
    position = 0
    for value in sorted(latencies):
        while position < len(bounds) and value > bounds[position]:
            position += 1
        counts[position] += 1
    rows = list(zip(chain(bounds, [float("inf")]), counts, strict=True))
    filled = [position for position, (_, count) in enumerate(rows) if count]
    return rows[filled[0] : filled[-1] + 1] if filled else []


def summary(result: LoadResult, *, concurrency: int, block: str = "█") -> Text:
    """The result as text: counts, rates, percentiles and a histogram."""
    answered = len(result.latencies)
    failed = result.failures.total()
    rate = answered / result.seconds if result.seconds else 0.0
    text = Text(f"{answered + failed} requests, {concurrency} at a time, in {duration(result.seconds)}\n", "bold")
    text.append(f"  answered   {answered} ({rate:.1f} a second, {result.octets} octets of content)\n")
    for status, count in sorted(result.statuses.items()):
        text.append(f"  {'status ' + str(status):<10} {count}\n", "" if 200 <= status < 300 else "red")
    for kind, count in sorted(result.failures.items()):
        text.append(f"  {kind:<10} {count}\n", "red")
    if answered:
        ordered = array("d", sorted(result.latencies))
        text.append("latency of those that were answered\n", "bold")
        figures = [("least", ordered[0]), ("mean", sum(ordered) / answered)]
        figures += [(f"{share:g} %", percentile(ordered, share)) for share in _PERCENTILES]
        for title, seconds in [*figures, ("most", ordered[-1])]:
            text.append(f"  {title:<10} {duration(seconds):>10}\n")
        rows = histogram(ordered)
        most = max(count for _, count in rows)
        for bound, count in rows:
            title = "more" if bound == float("inf") else f"to {bound * 1e3:g} ms"
            cells = ceil(count / most * BAR_CELLS)
            text.append(f"  {title:<12} ").append(block * cells, "green").append(f"{' ' if cells else ''}{count}\n")
    text.right_crop(1)
    return text
