"""Where the time of one exchange went: `Response.timings`, and the stopwatch that a transport takes it with.

    queue ─► dns ─► connect ─► tls ─► send ─► first_byte ─► body

Who has not asked for this does not pay for it: the stopwatch listens to the steps that a `trace` extension is told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from ._transports.connector import is_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["Stopwatch", "Timings"]


@dataclass(frozen=True)
class Timings:
    """Seconds that the parts of one exchange took, one after the other. Those that there were not are 0.0.

    Attributes:
        queue: until its connection was there or began to be made; also all that was tried in vain before.
        dns: the look-up of the host's name, or the proxy's.
        connect: the TCP handshake, and the proxy's own (CONNECT, SOCKS5).
        tls: the handshakes of TLS.
        send: the request.
        first_byte: from the request's end until the response's head was there.
        body: the response's body; 0.0 until it has been read to its end.
    """

    queue: float
    dns: float
    connect: float
    tls: float
    send: float
    first_byte: float
    body: float

    @property
    def total(self) -> float:
        """All of it, in seconds."""
        return self.queue + self.dns + self.connect + self.tls + self.send + self.first_byte + self.body


class Stopwatch:
    """Listens to the events of an exchange: those of a dial for it first.

    Args:
        clock: gives seconds; that which a stream's `looked_up` is by.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._start = self._step = clock()
        self._forget()

    def _forget(self) -> None:
        """What was tried was in vain."""
        self._dns = self._connect = self._tls = 0.0
        self._is_name = False
        self._begun: float | None = None
        self._sent: float | None = None
        self._head: float | None = None
        self._end: float | None = None

    def begin(self, *, is_fresh: bool) -> None:
        """The exchange begins on a connection.

        Args:
            is_fresh: nothing was sent on that one yet. Else what was dialled is for another request, and was a wait.
        """
        if not is_fresh:
            self._forget()
        self._begun = self._clock()

    def take(self, name: str, info: Mapping[str, Any]) -> None:
        """Take an event of a trace."""
        _, step, state = name.split(".")
        if state == "started":
            self._started(step, info)
        elif state == "complete" and self._begun is None:
            self._dialled(step, info)
        elif state == "complete":
            self._exchanged(step)

    def _started(self, step: str, info: Mapping[str, Any]) -> None:
        self._step = self._clock()
        if self._begun is None:
            if step.startswith("connect_"):
                self._forget()
                self._is_name = not is_address(info.get("host", "::"))
        elif step == "response_closed" and self._head is None:
            self._forget()

    def _dialled(self, step: str, info: Mapping[str, Any]) -> None:
        now = self._clock()
        if step == "start_tls":
            self._tls += now - self._step
            return
        looked_up: float | None = getattr(info.get("return_value"), "looked_up", None)
        if self._is_name and looked_up is not None:
            self._dns = looked_up - self._step
            self._step = looked_up
        if step != "retry":
            self._connect += now - self._step

    def _exchanged(self, step: str) -> None:
        if step == "send_request_body":
            self._sent = self._clock()
        elif step == "receive_response_headers":
            self._head = self._clock()
        elif step == "receive_response_body":
            self._end = self._clock()

    @property
    def timings(self) -> Timings:
        """What it shows now."""
        begun = self._start if self._begun is None else self._begun
        sent = begun if self._sent is None else self._sent
        head = sent if self._head is None else self._head
        return Timings(
            queue=max(begun - self._start - self._dns - self._connect - self._tls, 0.0),
            dns=self._dns,
            connect=self._connect,
            tls=self._tls,
            send=sent - begun,
            first_byte=head - sent,
            body=0.0 if self._end is None else self._end - head,
        )
