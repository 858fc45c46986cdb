"""`httpfast.otel` with the OpenTelemetry SDK: spans, metrics and propagation, by the conventions for HTTP clients."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

import httpfast
from bench.server import EmbeddedServer
from tests.drivers.facade import Driver
from tests.peers import Close, ReadRequest, ScriptedPeer, Send

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from httpfast import otel


class Backend:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        tracer_provider = TracerProvider()
        tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.providers: dict[str, Any] = {
            "tracer_provider": tracer_provider,
            "meter_provider": MeterProvider([self.reader]),
        }

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else [s for r in data.resource_metrics for s in r.scope_metrics]
        found = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in found for point in metric.data.data_points]

    @property
    def connections(self) -> dict[str, int]:
        """How many there are, by state."""
        return {p.attributes["http.connection.state"]: p.value for p in self.points("http.client.open_connections")}

    def shut_down(self) -> None:
        for provider in self.providers.values():
            provider.shutdown()


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend()
    yield backend
    backend.shut_down()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_span_says_what_the_conventions_ask_for(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    await client.get(embedded_server.url + "/bytes/10?a=b")

    [span] = backend.spans
    host, port = embedded_server.url.removeprefix("http://").split(":")
    assert span.name == "GET"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.peer.address": host,
        "network.peer.port": int(port),
        "network.protocol.version": "1.1",
        "server.address": host,
        "server.port": int(port),
        "url.full": embedded_server.url + "/bytes/10?a=b",
        "url.scheme": "http",
    }


async def test_context_goes_along(driver: Driver, embedded_server: EmbeddedServer, backend: Backend) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)
    tracer = backend.providers["tracer_provider"].get_tracer("test")

    with tracer.start_as_current_span("outer") as outer:
        echoed = (await client.get(embedded_server.url + "/echo")).json()

    inner = next(span for span in backend.spans if span.name == "GET")
    sent = dict(echoed["headers"])["traceparent"]
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert sent.startswith(f"00-{inner.context.trace_id:032x}-{inner.context.span_id:016x}-")
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("status", [404, 503])
async def test_statuses_of_errors_are_errors(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend, status: int
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    await client.get(f"{embedded_server.url}/status/{status}")

    [span] = backend.spans
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == str(status)


async def test_exceptions_are_errors(driver: Driver, backend: Backend) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    with ScriptedPeer([ReadRequest(), Send(b"nonsense\r\n\r\n")]) as peer, pytest.raises(httpfast.RemoteProtocolError):
        await client.get(peer.url)

    [span] = backend.spans
    assert attributes(span)["error.type"] == "httpfast.RemoteProtocolError"
    assert "http.response.status_code" not in attributes(span)
    [point] = backend.points("http.client.request.duration")
    assert point.attributes["error.type"] == "httpfast.RemoteProtocolError"


async def test_span_of_a_streamed_response_ends_with_its_body(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    async with client.stream("GET", embedded_server.url + "/bytes/1000000") as response:
        before = backend.spans
        await client.read(response)

        assert before == []
        assert len(backend.spans) == 1
    assert len(backend.spans) == 1


async def test_body_that_is_cut_off_is_an_error(driver: Driver, backend: Backend) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)
    cut = [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), Close()]

    with ScriptedPeer(cut) as peer, pytest.raises(httpfast.RemoteProtocolError):
        async with client.stream("GET", peer.url) as response:
            await client.read(response)

    [span] = backend.spans
    assert attributes(span)["http.response.status_code"] == 200
    assert attributes(span)["error.type"] == "httpfast.RemoteProtocolError"


def test_span_of_a_response_that_is_dropped_unread_ends(embedded_server: EmbeddedServer, backend: Backend) -> None:
    with otel.instrument(httpfast.Client(trust_env=False), **backend.providers) as client:
        response = client.send(client.build_request("GET", embedded_server.url + "/bytes/1000000"), stream=True)
        assert backend.spans == []

        del response
        gc.collect()

        assert len(backend.spans) == 1


async def test_redirects_are_counted(driver: Driver, embedded_server: EmbeddedServer, backend: Backend) -> None:
    client = driver.client(follow_redirects=True)
    otel.instrument(client.client, **backend.providers)

    await client.get(embedded_server.url + "/redirect/2")
    await client.get(embedded_server.url + "/bytes/1")

    counts = [attributes(span).get("http.request.resend_count") for span in backend.spans]
    assert counts == [None, 1, 2, None]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:hunter2@{}/", "http://REDACTED:REDACTED@{}/"),
        ("http://{}/?sig=hunter2&a=b", "http://{}/?sig=REDACTED&a=b"),
    ],
)
async def test_secrets_of_a_url_are_not_told(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend, url: str, shown: str
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)
    authority = embedded_server.url.removeprefix("http://")

    await client.get(url.format(authority))

    assert attributes(backend.spans[0])["url.full"] == shown.format(authority)
    assert "hunter2" not in str([span.to_json() for span in backend.spans])


async def test_methods_of_ones_own_do_not_become_names(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    await client.request("PROPFIND", embedded_server.url)

    [span] = backend.spans
    assert span.name == "HTTP"
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "PROPFIND"


async def test_template_of_a_url_is_part_of_the_name(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    await client.get(embedded_server.url + "/bytes/7", extensions={"url_template": "/bytes/{size}"})

    [span] = backend.spans
    assert span.name == "GET /bytes/{size}"
    [point] = backend.points("http.client.request.duration")
    assert point.attributes["url.template"] == "/bytes/{size}"


async def test_metrics_count_requests_and_connections(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    async with client.stream("GET", embedded_server.url + "/bytes/1000000") as response:
        [active] = backend.points("http.client.active_requests")
        states = backend.connections
        await client.read(response)
    await client.rest()

    assert active.value == 1
    assert states == {"active": 1, "idle": 0}
    [over] = backend.points("http.client.active_requests")
    [duration] = backend.points("http.client.request.duration")
    assert over.value == 0
    assert duration.count == 1
    assert duration.attributes["http.response.status_code"] == 200
    assert "url.full" not in duration.attributes
    states = backend.connections
    assert states == {"active": 0, "idle": 1}


@pytest.mark.parametrize("name", ["suppress_instrumentation", "suppress_http_instrumentation"])
async def test_exporters_are_not_told_of_themselves(
    driver: Driver, embedded_server: EmbeddedServer, backend: Backend, name: str
) -> None:
    client = driver.client()
    otel.instrument(client.client, **backend.providers)

    token = context.attach(context.set_value(name, True))
    try:
        await client.get(embedded_server.url)
    finally:
        context.detach(token)

    assert backend.spans == []


async def test_all_clients_can_be_told_of(driver: Driver, embedded_server: EmbeddedServer, backend: Backend) -> None:
    before = driver.client()
    otel.instrument_all(**backend.providers)
    try:
        after = driver.client()
        await before.get(embedded_server.url)
        await after.get(embedded_server.url)
        with pytest.raises(RuntimeError, match="already"):
            otel.instrument_all()
    finally:
        otel.uninstrument_all()
    await after.get(embedded_server.url)

    assert len(backend.spans) == 2
    assert len(backend.points("http.client.open_connections")) == 2


async def test_entry_point_instruments_all(driver: Driver, embedded_server: EmbeddedServer, backend: Backend) -> None:
    module = pytest.importorskip("opentelemetry.instrumentation.instrumentor", reason="it is not installed")
    from httpfast.otel._instrumentor import HTTPFastInstrumentor

    assert issubclass(HTTPFastInstrumentor, module.BaseInstrumentor)
    HTTPFastInstrumentor().instrument(**backend.providers)
    try:
        await driver.client().get(embedded_server.url)
    finally:
        HTTPFastInstrumentor().uninstrument()

    assert len(backend.spans) == 1
