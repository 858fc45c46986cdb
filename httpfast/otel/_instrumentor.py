"""The entry point of `opentelemetry-instrument`, which has the package opentelemetry-instrumentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from ._instrument import instrument_all, uninstrument_all

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

__all__ = ["HTTPFastInstrumentor"]


class HTTPFastInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`HTTPFastInstrumentor().instrument()` is `instrument_all`, with its arguments."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """What has to be there: nothing but httpfast."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        instrument_all(tracer_provider=kwargs.get("tracer_provider"), meter_provider=kwargs.get("meter_provider"))

    def _uninstrument(self, **kwargs: Any) -> None:
        uninstrument_all()
