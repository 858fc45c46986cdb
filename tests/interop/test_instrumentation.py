"""OpenTelemetry's instrumentation of httpx: the spans that httpfast's requests make."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer


class Spans:
    """What a tracer has finished."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def take(self) -> list[Any]:
        spans = self._exporter.get_finished_spans()
        self._exporter.clear()
        return list(spans)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    # Before the instrumentation reads it: the names of attributes that are stable.
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    reason = "opentelemetry-instrumentation-httpx or opentelemetry-sdk, which this tries, is not installed"
    pytest.importorskip("opentelemetry.sdk", reason=reason)
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx", reason=reason)
    spans = Spans()
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    # Its check of the installed version is about a distribution, and httpx's need not be there.
    instrumentor.instrument(tracer_provider=spans.provider, skip_dep_check=True)
    yield spans
    instrumentor.uninstrument()


@pytest.mark.aliased
def test_each_request_makes_one_span(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx

    with httpx.Client() as client:
        response = client.get(f"{embedded_server.url}/json?a=b")
    (span,) = spans.take()

    assert type(client) is httpfast.Client
    assert response.status_code == 200
    assert span.name == "GET"
    assert span.kind.name == "CLIENT"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.full": f"{embedded_server.url}/json?a=b",
        "server.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "server.port": embedded_server.port,
        "network.peer.port": embedded_server.port,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }


@pytest.mark.aliased
def test_context_goes_along(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx

    echo = httpx.post(f"{embedded_server.url}/echo", content=b"abc").json()
    (span,) = spans.take()
    sent = {name.lower(): value for name, value in echo["headers"]}

    assert sent["traceparent"].split("-")[1] == f"{span.context.trace_id:032x}"
    assert echo["length"] == 3


@pytest.mark.aliased
def test_async_requests_and_redirects_make_spans(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx

    async def main() -> None:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            assert (await client.get(f"{embedded_server.url}/redirect/1")).status_code == 200
            async with client.stream("GET", f"{embedded_server.url}/chunked/5000") as response:
                assert len(await response.aread()) == 5000

    asyncio.run(main())

    assert [span.attributes["http.response.status_code"] for span in spans.take()] == [302, 200, 200]


@pytest.mark.aliased
def test_errors_are_on_the_span(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx

    with httpx.Client() as client:
        client.get(f"{embedded_server.url}/status/500")
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"{embedded_server.url}/stall-head", timeout=0.05)
    failed, late = spans.take()

    assert failed.status.status_code.name == late.status.status_code.name == "ERROR"
    assert failed.attributes["error.type"] == "500"
    assert late.attributes["error.type"] == "ReadTimeout"


@pytest.mark.aliased
def test_requests_of_proxies_and_mounts_make_spans(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx

    # The server stands in for a proxy.
    with httpx.Client(proxy=embedded_server.url) as client:
        client.get("http://a.example/json")
    with httpx.Client(mounts={"http://": httpx.HTTPTransport()}) as client:
        client.get(f"{embedded_server.url}/json")

    assert [span.attributes["server.address"] for span in spans.take()] == ["a.example", "127.0.0.1"]


@pytest.mark.aliased
def test_one_client_can_be_instrumented(embedded_server: EmbeddedServer) -> None:
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx", reason="it is not installed")
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    import httpx

    spans = Spans()
    with httpx.Client() as client, httpx.Client() as other:
        instrumentation.HTTPXClientInstrumentor.instrument_client(client, tracer_provider=spans.provider)
        client.get(f"{embedded_server.url}/json")
        other.get(f"{embedded_server.url}/json")
        assert len(spans.take()) == 1
        instrumentation.HTTPXClientInstrumentor.uninstrument_client(client)
        client.get(f"{embedded_server.url}/json")

    assert spans.take() == []


@pytest.mark.aliased
def test_nothing_is_left_when_it_is_taken_off(spans: Spans, embedded_server: EmbeddedServer) -> None:
    import httpx
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    HTTPXClientInstrumentor().uninstrument()
    httpx.get(f"{embedded_server.url}/json")

    assert spans.take() == []


def test_client_with_the_transport_can_be_instrumented(embedded_server: EmbeddedServer) -> None:
    instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx", reason="it is not installed")
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    import httpx

    spans = Spans()
    with httpx.Client(transport=httpfast.httpx_transport()) as client:
        assert not isinstance(client, httpfast.Client)
        instrumentation.HTTPXClientInstrumentor.instrument_client(client, tracer_provider=spans.provider)
        client.get(f"{embedded_server.url}/json")

    assert [span.name for span in spans.take()] == ["GET"]
