"""HTTP/2 under trio: a connection shared by tasks, none of which is its own.

A client need not be opened in a nursery, so there is nowhere for a task of the connection's to live. Of the tasks that
wait for something of it, one waits for the socket and reads for all (the leader); when it has its own, or is cancelled,
it hands that on to another. What a task has to write it writes at once, as far as the system takes it; the rest is left
where it is, and the leader, which then waits for either, goes on with it. So a task can be cancelled at any point: what
it has begun to write is finished by others. A frame or a record of TLS that is cut off would end the exchanges of all.

    wait ──► there is no leader ──► lead:   wait for the socket, read, wake who has news ──► hand over
       └───► there is one ────────► follow: sleep until there is news, or it is handed over
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

import trio

from .._cext.carried_h2 import (
    FOR_BODY,
    FOR_CONTINUE,
    FOR_OCTETS,
    FOR_RESPONSE,
    FOR_ROOM,
    FOR_SENT,
    FOR_SETTINGS,
    CarriedH2Connection,
)
from .._exceptions import ReadError, ReadTimeout, WriteError, WriteTimeout
from .async_streams import AsyncNetworkStream
from .connector import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from .._cext.exchange import Exchange
    from .pull_trio import TrioPool
    from .trio_stream import TrioStream

__all__ = ["SharedConnection"]


class SharedConnection(CarriedH2Connection):
    """An HTTP/2 connection. Any number of tasks use it at a time.

    Args:
        pool: the pool it belongs to.
        stream: what it was made of, with TLS after its handshake or without.
    """

    def __init__(self, pool: TrioPool, stream: TrioStream) -> None:
        super().__init__(pool, stream.sock, stream.tls, trio.lowlevel.reschedule, pool.route.h2_window)
        self._pool = pool
        self._stream = stream
        self._keepalive = pool.route.h2_keepalive
        # Of the task that leads; cancelled when its time is over, or for it to look again at what it waits for.
        self._leading: trio.CancelScope | None = None
        self._waits_for_input_only = False
        # The scope that was cancelled for that last reason.
        self._looks_again: trio.CancelScope | None = None
        # The exchange of the task that leads; None for one that waits for SETTINGS.
        self._led_for: Exchange | None = None
        # The task that was woken to lead, until somebody does.
        self._heir: trio.lowlevel.Task | None = None

    async def send(self, exchange: Exchange) -> None:
        """Write a whole request and wait for its response: all of it when it is collected, else its head.

        Raises:
            LocalProtocolError: the request is not valid; nothing was written and the connection is unharmed.
            ReadTimeout, WriteTimeout: the stream was given up, the connection goes on.
            ReadError, WriteError, RemoteProtocolError
        """
        self.begin_whole(exchange)
        self.flush()
        await self.wait_response(exchange)

    def write_body(self, exchange: Exchange, data: bytes) -> Coroutine[Any, Any, None] | None:
        """Write a piece of the request's body. Returns what to await before the next one, or None."""
        return None if exchange.connection is not self else self._write_piece(exchange, data)

    async def wait_continue(self, exchange: Exchange, timeout: float) -> None:
        """Wait for 100 Continue or the final head, for `timeout` seconds at most (RFC 9110, 10.1.1)."""
        await self._wait(exchange, FOR_CONTINUE, timeout)

    async def wait_response(self, exchange: Exchange) -> None:
        """Wait for the response's head; for its end, when the whole body is wanted."""
        mark = self.mark()
        if not self.is_there(exchange, FOR_SENT, mark):
            await self._wait_or_fail(exchange, FOR_SENT, mark)
        await self._wait_or_fail(exchange, FOR_RESPONSE)

    def wait_body(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """What to await for more octets of the body; None when there is something to take, its end or an error."""
        if self.is_there(exchange, FOR_BODY, 0):
            return None
        return self._wait_or_fail(exchange, FOR_BODY)

    def wait_settings(self, timeout: float) -> Coroutine[Any, Any, None] | None:
        """What to await for the peer's SETTINGS, or the connection's end; None when they are there.

        Args:
            timeout: seconds, after which it raises ReadTimeout.
        """
        return None if self.is_there(None, FOR_SETTINGS, 0) else self._wait_settings(timeout)

    async def write_raw(self, exchange: Exchange, data: bytes, timeout: float) -> None:
        """Write octets to a tunnel; `timeout` in seconds. If that ends, they are on their way nevertheless.

        Raises:
            WriteTimeout
            WriteError: the stream is closed.
        """
        self.send_raw(exchange, data)
        mark = self.mark()
        self.flush()
        if not await self._wait(exchange, FOR_ROOM, timeout, mark):
            self.note_stuck()
            raise WriteTimeout("The peer did not take the octets in time")
        if exchange.error is not None:
            raise WriteError(str(exchange.error)) from exchange.error

    def wait_raw(self, exchange: Exchange, timeout: float) -> Coroutine[Any, Any, None] | None:
        """As `wait_body`, with a timeout of its own in seconds, after which the tunnel goes on."""
        return None if self.is_there(exchange, FOR_OCTETS, 0) else self._wait_raw(exchange, timeout)

    def abandon_soon(self, exchange: Exchange) -> None:
        """`abandon` from a finaliser, which may run in any thread, and after trio's run has ended."""
        self._pool.call_soon(self.abandon, exchange)

    def close(self) -> None:
        """Close it. What waits on it fails."""
        self.shut()
        self._stream.close()

    def network_stream(self, exchange: Exchange) -> AsyncNetworkStream:
        """The octets of a tunnel, and what there is to know about the connection under any response."""
        return AsyncNetworkStream(self, exchange)

    def get_extra_info(self, info: str) -> Any:
        """See `AsyncNetworkStream.get_extra_info`."""
        return self._stream.get_extra_info(info)

    def on_full(self) -> None:
        """The system takes no more for now: if the leader waits for input only, let it wait for this too."""
        if self._waits_for_input_only:
            self._look_again()

    def on_end(self, exchange: Exchange) -> None:
        """An exchange was given up: if it was by another task than the one that leads for it, that one has to know."""
        if exchange is self._led_for:
            self._look_again()

    # Steps

    def _look_again(self) -> None:
        """Let the leader look at what it waits for."""
        if self._leading is not None:
            self._looks_again = self._leading
            self._leading.cancel()

    async def _wait_settings(self, timeout: float) -> None:
        self.flush()  # the preface
        if not await self._wait(None, FOR_SETTINGS, timeout):
            raise ReadTimeout("The server did not send its SETTINGS in time")

    async def _wait_raw(self, exchange: Exchange, timeout: float) -> None:
        if not await self._wait(exchange, FOR_OCTETS, timeout):
            raise ReadTimeout("Nothing has come in time")
        if exchange.error is not None:
            raise exchange.error

    async def _write_piece(self, exchange: Exchange, data: bytes) -> None:
        """Write a piece of the body, unless an answer comes before its end."""
        if self._leading is None:
            # It may be there already, which a write that does not have to wait would not notice.
            self.receive()
        if exchange.is_refused:
            return
        self.send_piece(exchange, data)
        mark = self.mark()
        self.flush()
        await self._wait_or_fail(exchange, FOR_SENT, mark)

    async def _wait_or_fail(self, exchange: Exchange, what: int, mark: int = 0) -> None:
        """Wait for something of an exchange's. Raises its error; a timeout ends it, and only it."""
        is_write = what == FOR_SENT
        if not await self._wait(exchange, what, exchange.write_timeout if is_write else exchange.read_timeout, mark):
            error = (
                WriteTimeout("The peer did not take the request in time")
                if is_write
                else ReadTimeout("The response did not come in time")
            )
            self.fail(exchange, error, is_write)
        if exchange.has_failed():
            raise exchange.error  # type: ignore[misc]

    async def _wait(self, exchange: Exchange | None, what: int, timeout: float, mark: int = 0) -> bool:
        """Wait until it is there. False when for `timeout` seconds nothing has come of it, or its deadline is over.

        For SETTINGS and in a tunnel the timeout is that of the whole wait, and there is no deadline.
        """
        if self.is_there(exchange, what, mark):
            await trio.lowlevel.checkpoint()
            return True
        timed = None if what >= FOR_SETTINGS else exchange
        deadline = NEVER if timed is None else timed.deadline
        ends = monotonic() + timeout
        try:
            while not self.is_there(exchange, what, mark):
                left = min(ends, deadline) - monotonic()
                with trio.CancelScope(deadline=trio.current_time() + left) as scope:
                    if self._leading is None:
                        await self._lead(scope, exchange, what, mark)
                    else:
                        await self._follow(exchange, what)
                if scope.cancelled_caught and scope is not self._looks_again:
                    # With what has come, or gone, the time has begun anew.
                    anew = ends if timed is None else self.moved_at(timed, mark) + timeout
                    if deadline <= ends or anew <= monotonic():
                        return self.is_there(exchange, what, mark)
                    ends = anew
        finally:
            if self._heir is trio.lowlevel.current_task():
                # What it was woken for is nobody's now, unless it has been done.
                self._hand_over()
        return True

    async def _lead(self, scope: trio.CancelScope, exchange: Exchange | None, what: int, mark: int) -> None:
        """Read and write for all, until there is what this task waits for."""
        self._leading, self._led_for, self._heir = scope, exchange, None
        try:
            if self.has_buffered:
                self.receive()
            while not self.is_there(exchange, what, mark):
                if self.is_closed:
                    raise ReadError("The connection was closed")
                # A connection that is closed wakes who waits for it.
                with suppress(trio.ClosedResourceError):
                    await self._wait_for_sign()
                if self.has_unwritten:
                    self.flush()
                self.receive()
        finally:
            self._leading = self._led_for = None
            self._hand_over()

    async def _wait_for_sign(self) -> None:
        """Wait for the socket; for the peer's sign of life, if there is none for long enough to ask for one."""
        if self._keepalive == NEVER:
            await self._wait_for_socket()
            return
        with trio.move_on_after(self._keepalive) as quiet:
            await self._wait_for_socket()
        if quiet.cancelled_caught:
            self.check_alive()

    async def _wait_for_socket(self) -> None:
        """Until it has input; or takes output, if there is some that it did not take."""
        sock = self._stream.sock
        if not self.has_unwritten:
            self._waits_for_input_only = True
            try:
                await trio.lowlevel.wait_readable(sock)
            finally:
                self._waits_for_input_only = False
            return

        async def watch() -> None:
            with suppress(trio.ClosedResourceError):
                if not self.is_closed:
                    await trio.lowlevel.wait_writable(sock)
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                with suppress(trio.ClosedResourceError):
                    await trio.lowlevel.wait_readable(sock)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if group.split(trio.Cancelled)[1] is not None:
                raise
        # A cancellation from outside, which callers need not know to be that of two tasks.
        await trio.lowlevel.checkpoint_if_cancelled()

    async def _follow(self, exchange: Exchange | None, what: int) -> None:
        """Sleep until there is news of the exchange, or nobody who reads."""
        task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self.unpark(exchange, task, what)
            return trio.lowlevel.Abort.SUCCEEDED

        self.park(exchange, task, what)
        await trio.lowlevel.wait_task_rescheduled(abort)

    def _hand_over(self) -> None:
        """Nobody leads any more: let another task do it."""
        self._heir = self.wake_one() if self._leading is None else None
