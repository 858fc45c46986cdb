"""Routes that misbehave: refuse early, stall, cut short, close when nobody expects it."""

from __future__ import annotations

import socket
import struct

from .connection import LiveHandler
from .content import content_view
from .exchange import Exchange
from .routes import OCTETS, as_json, number
from .wire import Answer

MISSING = 16
"""Octets that /drop-after promises and never sends."""


async def early_413(exchange: Exchange, argument: str) -> None:
    exchange.resets_unread = exchange.request.query.get("linger") != "1"
    refusal = Answer.text("too large\n", 413)
    exchange.answer(Answer(413, refusal.body, refusal.fields, refusal.length, closes=True))


async def refuse_continue(exchange: Exchange, argument: str) -> None:
    exchange.keeps_unread = exchange.request.query.get("keep") == "1"
    exchange.answer(Answer.text("no\n", 417))


async def stall_head(exchange: Exchange, argument: str) -> None:
    await exchange.client_closed()
    exchange.connection.transport.abort()


async def stall_body(exchange: Exchange, argument: str) -> None:
    await exchange.start(200, [("Content-Type", OCTETS)], 10)
    if not exchange.is_head:
        await stall_head(exchange, argument)


async def drop(exchange: Exchange, argument: str) -> None:
    transport = exchange.connection.transport
    if exchange.request.query.get("reset") == "1":
        linger_for_nothing = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
        transport.abort()
    else:
        transport.close()


async def drop_after(exchange: Exchange, argument: str) -> None:
    size = number(argument, "size", 1 << 24)
    await exchange.start(200, [("Content-Type", OCTETS)], size + MISSING)
    if not exchange.is_head:
        await exchange.write(content_view(size))
        exchange.connection.transport.close()


async def idle_close(exchange: Exchange, argument: str) -> None:
    milliseconds = number(argument, "milliseconds", 3_600_000)
    await exchange.body.drop()
    exchange.answer(as_json({"closes_after_ms": milliseconds}))
    exchange.connection.close_when_idle(milliseconds / 1000)


LIVE: dict[str, LiveHandler] = {
    "early-413": early_413,
    "refuse-continue": refuse_continue,
    "stall-head": stall_head,
    "stall-body": stall_body,
    "drop": drop,
    "drop-after": drop_after,
    "idle-close": idle_close,
}
