"""What is told of one exchange, and to whom: spans, metrics, and the context that goes along with the request."""

from __future__ import annotations

from time import perf_counter
from weakref import WeakSet

from opentelemetry import context, metrics, propagate, trace
from opentelemetry.metrics import Observation
from opentelemetry.trace import SpanKind, Status, StatusCode

from ..__version__ import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token
    from typing import Any, Self

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, MeterProvider
    from opentelemetry.trace import TracerProvider

    from .._request import Request
    from .._response import Response
    from .._url import URL

__all__ = ["Exchange", "Telemetry"]

_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"

# Those that the conventions know; others are told apart by `http.request.method_original`.
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})

# Query parameters that give access to what they belong to, which the conventions name.
_SECRET_PARAMETERS = frozenset({"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"})

# Upper bounds in seconds that the conventions advise.
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# What exporters set while they send, so that no request of theirs makes another.
_SUPPRESSED = ("suppress_instrumentation", "suppress_http_instrumentation")

_RESENDS = "httpfast.otel.resends"


def shown_url(url: URL) -> str:
    """A URL without what is secret in it: userinfo, and the parameters of signed URLs."""
    if url.userinfo:
        url = url.copy_with(username="REDACTED", password="REDACTED")
    if url.query and any(name in _SECRET_PARAMETERS for name in url.params):
        url = url.copy_with(
            params=[(n, "REDACTED" if n in _SECRET_PARAMETERS else v) for n, v in url.params.multi_items()]
        )
    return str(url)


class Telemetry:
    """Tells one provider of spans and one of metrics about exchanges.

    Args:
        tracer_provider, meter_provider: None for those of the process.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self.tracer = trace.get_tracer("httpfast", __version__, tracer_provider, schema_url=_SCHEMA)
        meter = metrics.get_meter("httpfast", __version__, meter_provider, schema_url=_SCHEMA)
        self.duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self.active = meter.create_up_down_counter(
            "http.client.active_requests", unit="{request}", description="Number of active HTTP requests."
        )
        meter.create_observable_up_down_counter(
            "http.client.open_connections",
            callbacks=[self._count_connections],
            unit="{connection}",
            description="Number of outbound HTTP connections that are currently active or idle on the client.",
        )
        self.transports: WeakSet[Any] = WeakSet()

    def begin(self, *arguments: Any) -> Exchange | None:
        """An exchange begins. None when whoever asks for it wants nobody told.

        Args:
            arguments: a request, maybe after the transport that sends it and has connections to be counted.
        """
        if any(context.get_value(name) for name in _SUPPRESSED):
            return None
        self.transports.update(arguments[:-1])
        return Exchange(self, arguments[-1])

    def _count_connections(self, options: CallbackOptions) -> Iterator[Observation]:
        for transport in list(self.transports):
            for origin, stats in transport.pool_stats().origins.items():
                scheme, _, authority = origin.partition("://")
                host, _, port = authority.rpartition(":")
                where = {"url.scheme": scheme, "server.address": host.strip("[]"), "server.port": int(port)}
                yield Observation(stats.active, {**where, "http.connection.state": "active"})
                yield Observation(stats.idle, {**where, "http.connection.state": "idle"})


class Exchange:
    """One exchange, from its request to the end of its response's body.

    As a context manager it is the current span, and has failed with what is raised meanwhile.

    Args:
        telemetry: whom to tell.
        request: about to be sent; it gets the fields that propagate the context.
    """

    def __init__(self, telemetry: Telemetry, request: Request) -> None:
        self._telemetry = telemetry
        self._started = perf_counter()
        self._is_over = False
        url = request.url
        method = request.method if request.method in _METHODS else "_OTHER"
        self._labels: dict[str, Any] = {
            "http.request.method": method,
            "server.address": url.host,
            "server.port": url.port or {"https": 443, "wss": 443}.get(url.scheme, 80),
            "url.scheme": url.scheme,
        }
        attributes = {**self._labels, "url.full": shown_url(url)}
        if method == "_OTHER":
            attributes["http.request.method_original"] = request.method
        name = "HTTP" if method == "_OTHER" else method
        template = request.extensions.get("url_template")
        if template is not None:
            attributes["url.template"] = self._labels["url.template"] = template
            name = f"{name} {template}"
        # Requests of redirects and challenges take their extensions over.
        resends = request.extensions.get(_RESENDS)
        if resends is not None:
            attributes["http.request.resend_count"] = resends + 1
        request.extensions = {**request.extensions, _RESENDS: 0 if resends is None else resends + 1}
        self._active_labels = dict(self._labels)
        self.span = telemetry.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        telemetry.active.add(1, self._active_labels)
        self._context: Context = trace.set_span_in_context(self.span)
        propagate.inject(request.headers, self._context)

    def __enter__(self) -> Self:
        self._token: Token[Context] = context.attach(self._context)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.failed(error)
        context.detach(self._token)

    def answered(self, response: Response) -> None:
        """The response's head is there."""
        status = response.status_code
        version = response.http_version.removeprefix("HTTP/")
        known: dict[str, Any] = {"http.response.status_code": status, "network.protocol.version": version}
        if status >= 400:
            known["error.type"] = str(status)
            self.span.set_status(Status(StatusCode.ERROR))
        self._labels.update(known)
        self.span.set_attributes(known)
        stream = response.extensions.get("network_stream")
        peer: tuple[str, int] | str | None = None if stream is None else stream.get_extra_info("server_addr")
        if isinstance(peer, tuple):
            self.span.set_attributes({"network.peer.address": peer[0], "network.peer.port": peer[1]})

    def follow(self, response: Response, body: type, follower: Callable[[Any, Exchange], Any]) -> None:
        """End with the response's body, passed on by a follower when it is of that type; at once, if it came whole."""
        if "_raw" not in response.__dict__ and isinstance(response.stream, body):
            response.stream = follower(response.stream, self)
        else:
            self.end()

    def failed(self, error: BaseException) -> None:
        """There is no response, or not all of it."""
        if self._is_over:
            return
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        self._labels["error.type"] = kind
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, str(error)))
        self.end()

    def end(self) -> None:
        """The body has ended, or nobody wants more of it."""
        if self._is_over:
            return
        self._is_over = True
        telemetry = self._telemetry
        telemetry.active.add(-1, self._active_labels)
        telemetry.duration.record(perf_counter() - self._started, self._labels, context=self._context)
        self.span.end()
