"""OpenTelemetry: a span and metrics for each exchange, by the semantic conventions of HTTP clients.

client = httpfast.otel.instrument(httpfast.Client())     # this client
httpfast.otel.instrument_all()                           # every client of the process

A redirect, or a challenge and its answer, make several. A span ends with its response's body. Nothing of this is
imported, and nothing costs time, for clients that are not instrumented. Needs `httpfast[otel]`.

Source: opentelemetry.io/docs/specs/semconv/http.
"""

from __future__ import annotations

from ._instrument import instrument, instrument_all, uninstrument_all

__all__ = ["instrument", "instrument_all", "uninstrument_all"]
