"""What a server can send again and again: one frame of each flood (RFC 9113, 10.5; CVE-2019-9511 to -9518)."""

from __future__ import annotations

from .frames import SETTINGS_ACK, Kind, Setting, data, frame, ping, settings, window_update, word

FLOODS = {
    "PING": ping(),
    "answers to PING": ping(is_answer=True),
    "SETTINGS": settings((Setting.MAX_CONCURRENT_STREAMS, 100)),
    "SETTINGS of 100 entries": settings(*[(Setting.INITIAL_WINDOW_SIZE, 65_535)] * 100),
    "empty SETTINGS": settings(),
    "answers to SETTINGS": SETTINGS_ACK,
    "PRIORITY": frame(Kind.PRIORITY, 0, 1, word(0) + b"\x10"),
    "PRIORITY of idle streams": frame(Kind.PRIORITY, 0, 99, word(0) + b"\x10"),
    "WINDOW_UPDATE of 1": window_update(0, 1),
    "WINDOW_UPDATE of 1 on a stream": window_update(1, 1),
    "empty DATA": data(1, b""),
    "DATA of padding": data(1, b"", padding=10),
    "unknown frames": frame(0x77, 0xFF, 1, b"x"),
    "unknown and empty frames": frame(0x77),
}
