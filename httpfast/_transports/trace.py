"""What a request's `trace` extension and the debug loggers are told: each step of a dial and of an exchange.

Events are named as httpx's are: `connection.connect_tcp.started`, and `.complete` or `.failed`. Nobody pays for them
who does not listen: the paths that tell are taken by requests with a listener only.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any

    from .._request import Request
    from .._timings import Stopwatch
    from .connector import Network, Route, Stream

__all__ = ["SILENT", "Report", "Trace", "dial_trace", "report_of"]


class Trace:
    """Carries out steps; this one tells nobody."""

    async def step(self, name: str, call: Callable[..., Any], *arguments: Any, **info: Any) -> Any:
        """Call, await what comes back if it can be awaited, and return that.

        Args:
            name: of the event, after its layer and a dot.
            info: what `.started` says.
        """
        result = call(*arguments)
        return await result if hasattr(result, "__await__") else result

    async def connect(
        self, layer: str, network: Network[Any], route: Route, host: str, port: int, timeout: float | None, ends: float
    ) -> Stream[Any]:
        """The step that connects."""
        info: dict[str, Any] = {"timeout": timeout, "socket_options": route.socket_options or None}
        if route.uds is not None:
            name = f"{layer}.connect_unix_socket"
            info = {"path": route.uds, **info}
        else:
            name = f"{layer}.connect_tcp"
            info = {"host": host, "port": port, "local_address": route.local_address, **info}
        stream: Stream[Any] = await self.step(name, network.connect, route, host, port, ends, **info)
        return stream

    async def start_tls(
        self,
        layer: str,
        call: Callable[..., Any],
        context: ssl.SSLContext,
        name: str,
        timeout: float | None,
        ends: float,
    ) -> Any:
        """The step that puts TLS on a stream."""
        info = {"ssl_context": context, "server_hostname": name, "timeout": timeout}
        return await self.step(f"{layer}.start_tls", call, context, name, ends, **info)


SILENT = Trace()


class Report(Trace):
    """Tells a listener and the debug loggers.

    Args:
        listener: the `trace` extension, called with the name of an event and its dictionary; or None.
        is_async: the listener is a coroutine function.
        stopwatch: listens too.
    """

    def __init__(
        self,
        listener: Callable[[str, Mapping[str, Any]], Any] | None,
        *,
        is_async: bool,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._listener = listener
        self._is_async = is_async
        self.stopwatch = stopwatch

    async def step(self, name: str, call: Callable[..., Any], *arguments: Any, **info: Any) -> Any:
        """As `Trace.step`; an exception of the listener ends the step."""
        await self.tell(f"{name}.started", info)
        try:
            result = await super().step(name, call, *arguments)
        except BaseException as error:
            await self.tell(f"{name}.failed", {"exception": _public(error)})
            raise
        try:
            await self.tell(f"{name}.complete", {"return_value": result})
        except BaseException:
            # Nobody else gets to know what was made, if it is a stream or a connection.
            if hasattr(result, "close"):
                result.close()
            raise
        return result

    async def tell(self, name: str, info: dict[str, Any]) -> None:
        """Tell about an event.

        Raises:
            TypeError: the listener is a coroutine function where it should not be, or the reverse.
        """
        _log(name, info)
        if self.stopwatch is not None:
            self.stopwatch.take(name, info)
        if self._listener is None:
            return
        result = self._listener(name, info)
        if hasattr(result, "__await__") is not self._is_async:
            if not self._is_async:
                result.close()
                raise TypeError("The `trace` extension of a blocking client must be a plain function")
            raise TypeError("The `trace` extension of an async client must be a coroutine function")
        if self._is_async:
            await result


def report_of(request: Request, *, is_async: bool) -> Report:
    """What tells those who a request names: its `trace` extension, and a stopwatch if it asks for `timings`."""
    stopwatch = None
    if request.extensions.get("timings"):
        from .._timings import Stopwatch

        stopwatch = Stopwatch()
    return Report(request.extensions.get("trace"), is_async=is_async, stopwatch=stopwatch)


def dial_trace() -> Trace:
    """The trace of a dial whose request has no listener."""
    logging = sys.modules.get("logging")
    if logging is not None and logging.getLogger("httpfast.connection").isEnabledFor(logging.DEBUG):
        return Report(None, is_async=False)
    return SILENT


def _public(error: BaseException) -> BaseException:
    """What the caller will see of an error of the system."""
    from .connector import connect_error

    return connect_error(error) if isinstance(error, OSError) else error


def _log(name: str, info: Mapping[str, Any]) -> None:
    logging = sys.modules.get("logging")
    if logging is None:
        return
    layer, _, event = name.partition(".")
    logger = logging.getLogger(f"httpfast.{layer}")
    if logger.isEnabledFor(logging.DEBUG):
        said = " ".join(
            f"{key}={_shown(value)}" for key, value in info.items() if (key, value) != ("return_value", None)
        )
        logger.debug(f"{event} {said}".rstrip())


def _shown(value: object) -> str:
    """A value for the log: without the fields of a response that nobody should read there."""
    if isinstance(value, tuple) and value and isinstance(value[-1], list):
        from .._headers import SENSITIVE_FIELDS

        before: tuple[Any, ...] = value[:-1]  # pyright: ignore[reportUnknownVariableType]
        received: list[tuple[bytes, bytes]] = value[-1]  # pyright: ignore[reportUnknownVariableType]
        fields = [
            (field, b"[secure]" if field.lower().decode("latin-1") in SENSITIVE_FIELDS else content)
            for field, content in received
        ]
        return repr((*before, fields))
    return repr(value)  # pyright: ignore[reportUnknownArgumentType]
