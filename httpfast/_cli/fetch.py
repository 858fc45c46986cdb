"""One request: sent, told about as it goes on, its response shown, saved or passed on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.text import Text

from .._client import Client
from .._exceptions import InvalidURL
from .display import body, request_head, response_head, tls_lines
from .download import save
from .request import Options, UsageError, client_settings, method_of, request_arguments
from .text import visible_line, wire_text
from .timings import Timeline, waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._request import Request
    from .._response import Response
    from .terminal import Terminal

__all__ = ["build", "fetch", "open_client"]


def open_client(options: Options) -> Client:
    """A client with the options' settings.

    Raises:
        UsageError: they do not make one.
    """
    try:
        return Client(**client_settings(options))
    except (ImportError, InvalidURL, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def build(client: Client, options: Options, **arguments: Any) -> Request:
    """The request that the options ask for.

    Raises:
        UsageError: they ask for none that can be sent.
    """
    try:
        return client.build_request(method_of(options), options.url, **request_arguments(options), **arguments)
    except (InvalidURL, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def fetch(options: Options, terminal: Terminal) -> bool:
    """Send the request and see to its response. Returns whether that is a success.

    Raises:
        UsageError, OutputError
        RequestError: there is no response, or not all of it.
    """
    timeline = Timeline() if options.timings else None
    narrator = _Narrator(options, terminal, timeline)
    with ExitStack() as stack:
        client = stack.enter_context(open_client(options))
        request = build(client, options, extensions={"trace": narrator})
        if timeline is not None:
            _load_drivers()
            stack.callback(_tell_timings, timeline, terminal)
            timeline.begin(request.method, request.url)
        response = client.send(request, stream=True)
        stack.callback(response.close)
        _pass_on(response, options, request, terminal, timeline)
        return response.is_success


def _load_drivers() -> None:
    """Import what a first request imports: it would pass for a wait."""
    from .._transports import pull, traced  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _tell_timings(timeline: Timeline, terminal: Terminal) -> None:
    block = "█" if terminal.err.encoding.lower().startswith("utf") else "#"
    terminal.tell(waterfall(timeline.hops, block=block))


def _pass_on(
    response: Response, options: Options, request: Request, terminal: Terminal, timeline: Timeline | None
) -> None:
    """Take the body to where it goes."""
    if options.download is not None and options.download != "-":
        save(response, options.download, request.url, terminal)
    elif terminal.is_piped:
        for chunk in response.iter_bytes():
            terminal.write(chunk)
    else:
        response.read()
    if timeline is not None:
        timeline.end()
    if not (options.download or terminal.is_piped) and response.content:
        terminal.show(body(response, colours=terminal.out.color_system is not None))


class _Narrator:
    """Listens to a request, and shows what happens: responses' heads always, the rest if asked to.

    Args:
        timeline: is told about every event.
    """

    def __init__(self, options: Options, terminal: Terminal, timeline: Timeline | None) -> None:
        self._options = options
        self._terminal = terminal
        self._timeline = timeline
        self._in_tunnel = False

    def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        if self._timeline is None:
            self._tell(name, info)
            return
        self._timeline.take(name, info)
        with self._timeline.pause():
            self._tell(name, info)

    def _tell(self, name: str, info: Mapping[str, Any]) -> None:
        layer, step, state = name.split(".")
        handler = getattr(self, f"_{step}_{state}", None)
        if handler is not None:
            handler(layer, info)

    def _note(self, text: str) -> None:
        if self._options.verbose:
            self._terminal.show(Text(f"* {visible_line(text)}", "dim"))

    def _connect_tcp_started(self, layer: str, info: Mapping[str, Any]) -> None:
        self._note(f"Connecting to {info['host']!r}")

    def _connect_tcp_complete(self, layer: str, info: Mapping[str, Any]) -> None:
        address = info["return_value"].get_extra_info("server_addr")
        self._note(f"Connected to {address[0]!r} on port {address[1]}")

    def _setup_socks5_connection_complete(self, layer: str, info: Mapping[str, Any]) -> None:
        self._note("The proxy has connected (SOCKS5)")

    def _start_tls_complete(self, layer: str, info: Mapping[str, Any]) -> None:
        # TLS with a proxy is followed by a tunnel, and made on a stream that has nothing to return.
        connection = info["return_value"]
        tls = None if connection is None else connection.get_extra_info("ssl_object")
        if tls is None:
            self._note("TLS with the proxy")
        elif self._options.verbose:
            for line in tls_lines(tls):
                self._note(line)

    def _send_request_headers_started(self, layer: str, info: Mapping[str, Any]) -> None:
        request = info["request"]
        self._in_tunnel = not hasattr(request, "url")
        if self._in_tunnel:
            self._note("Asking the proxy for a tunnel (CONNECT)")
        elif self._options.verbose:
            version = "HTTP/2" if layer == "http2" else "HTTP/1.1"
            self._terminal.show(request_head(request, version, show_secrets=self._options.show_secrets))

    def _receive_response_headers_complete(self, layer: str, info: Mapping[str, Any]) -> None:
        head = info["return_value"]
        version, status, reason, fields = head if len(head) == 4 else (b"HTTP/2", head[0], None, head[1])
        if self._in_tunnel:
            self._note(f"The proxy answered {wire_text(version)} {status} {wire_text(reason or b'')}")
        elif self._options.verbose or not self._terminal.is_piped:
            shown = response_head(version, status, reason, fields, show_secrets=self._options.show_secrets)
            self._terminal.show(shown)
