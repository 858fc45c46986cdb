"""Defaults of what is only loaded when it is used: the clients' signatures name them, and must not load it for that."""

from __future__ import annotations

# Octets of one server-sent event; as in httpx2.
DEFAULT_MAX_EVENT_SIZE_BYTES = 1024 * 1024

# Octets of one WebSocket message, and how many messages wait for their reader; as in httpx2.
DEFAULT_MAX_MESSAGE_SIZE_BYTES = 65_536
DEFAULT_QUEUE_SIZE = 512

# Seconds between two pings, and for the answer to one; as in httpx2, and in the servers of uvicorn and websockets.
DEFAULT_KEEPALIVE_PING_INTERVAL_SECONDS = 20.0
DEFAULT_KEEPALIVE_PING_TIMEOUT_SECONDS = 20.0
