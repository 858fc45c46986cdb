"""A socket of trio with layers of TLS, on its way to become a connection; and under one of HTTP/1.1.

TLS is `TLSLayer`, not `trio.SSLStream`. What it reads and writes has to be separate from the waiting where tasks share
a connection, see there; and what has come behind a response has to be seen.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager, suppress
from time import monotonic

import trio

from .connector import NEVER, NOT_H1, NOT_H2
from .tls_layer import TLSLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    from .pull_trio import AnyConnection, TrioPool

    _T = TypeVar("_T")

__all__ = ["TrioStream", "errors_of_the_system", "until"]

_READ_BYTES = 65536


class TrioStream:
    """A connected socket of trio, with TLS on top or without; a `Stream`.

    Args:
        sock: connected, not blocking. This one owns it.
        bottom: the same one, as trio knows it.
        pool: of the connection that it becomes.
        may_be_h2: that may speak HTTP/2.
        looked_up: see `Stream`.
    """

    def __init__(
        self,
        sock: socket.socket,
        bottom: trio.SocketStream,
        pool: TrioPool,
        may_be_h2: bool,
        looked_up: float | None,
    ) -> None:
        self.looked_up = looked_up
        self.sock = sock
        self.tls: TLSLayer | None = None
        self._bottom = bottom
        self._pool = pool
        self._may_be_h2 = may_be_h2
        # TLS may have to write when it reads, and the reverse, while another task does the other.
        self._receiving = trio.Lock()
        self._sending = trio.Lock()

    @property
    def is_secure(self) -> bool:
        """Whether there is TLS on top."""
        return self.tls is not None

    @property
    def has_surplus(self) -> bool:
        """Whether octets were read from the socket that nobody has read from here."""
        return self.tls is not None and self.tls.has_input

    @property
    def fd(self) -> int:
        """The socket's descriptor."""
        return self.sock.fileno()

    async def read(self, max_bytes: int, ends: float) -> bytes:
        """See `Stream`. `ssl.SSLEOFError` is the end of TLS without close_notify."""
        with errors_of_the_system(), until(ends):
            if self.tls is None:
                return bytes(await self._bottom.receive_some(max_bytes))
            return await self._carry(self.tls.read, max_bytes)

    async def write(self, data: bytes, ends: float) -> None:
        """See `Stream`."""
        with errors_of_the_system(), until(ends):
            if self.tls is None:
                await self._bottom.send_all(data)
            else:
                await self._carry(self.tls.write, data)

    async def secure(self, context: ssl.SSLContext, name: str, ends: float) -> None:
        """See `Stream`."""
        self.tls = TLSLayer(context, name, self.tls)
        with errors_of_the_system(), until(ends):
            await self._carry(self.tls.shake)

    async def open(self, context: ssl.SSLContext | None, name: str, ends: float) -> AnyConnection:
        """See `Stream`."""
        http1 = self._pool.route.http1
        is_h2 = self._may_be_h2 and not http1
        if context is not None:
            await self.secure(context, name, ends)
            is_h2 = self.tls is not None and self.tls.object.selected_alpn_protocol() == "h2"
            if is_h2 and not self._may_be_h2:
                raise ConnectionError(NOT_H1)
            if not is_h2 and self._may_be_h2 and not http1:
                raise ConnectionError(NOT_H2)
        if is_h2:
            from .pull_trio_h2 import SharedConnection

            return SharedConnection(self._pool, self)
        from .pull_trio import Connection

        return Connection(self._pool, self)

    def close(self) -> None:
        """See `Stream`. The peer is not told over TLS: that could take its time."""
        self._bottom.socket.close()

    def get_extra_info(self, info: str) -> Any:
        """See `AsyncNetworkStream.get_extra_info`."""
        if info == "ssl_object":
            return None if self.tls is None else self.tls.object
        names = {"client_addr": self.sock.getsockname, "server_addr": self.sock.getpeername}
        return names[info]() if info in names else self._bottom.socket if info == "socket" else None

    async def _carry(self, step: Callable[..., _T], *arguments: Any) -> _T:
        """Repeat a step of TLS, carrying octets between it and the socket, until it is done. Raises OSError."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                await self._send_output()
                await self._receive_input()
            except ssl.SSLError:
                # The alert that says what was wrong, if the peer is still there.
                with suppress(trio.BrokenResourceError):
                    await self._send_output()
                raise
            else:
                await self._send_output()
                return result

    async def _send_output(self) -> None:
        if self.tls is None or not self.tls.has_output:
            return
        await _acquire(self._sending)
        try:
            await self._bottom.send_all(self.tls.output())
        finally:
            self._sending.release()

    async def _receive_input(self) -> None:
        assert self.tls is not None
        is_second = self._receiving.locked()
        await _acquire(self._receiving)
        try:
            if not is_second:  # else the other task has just done so
                self.tls.put(bytes(await self._bottom.receive_some(_READ_BYTES)))
        finally:
            self._receiving.release()


@contextmanager
def until(ends: float) -> Generator[None]:
    """A limit in monotonic seconds. Raises TimeoutError."""
    if ends == NEVER:
        yield
        return
    with trio.move_on_after(max(ends - monotonic(), 0.0)) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError("timed out")


@contextmanager
def errors_of_the_system() -> Generator[None]:
    """Trio's own exceptions as the OSErrors that they come from."""
    try:
        yield
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise cause from None
        raise ConnectionError(str(error) or "The connection was closed") from error


async def _acquire(lock: trio.Lock) -> None:
    """Acquire a lock; without a turn of the scheduler when it is free."""
    if lock.locked():
        await lock.acquire()
    else:
        lock.acquire_nowait()
