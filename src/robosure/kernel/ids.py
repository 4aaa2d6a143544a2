"""Identifiers: UUIDv7 (RFC 9562, section 5.7), which sort by the time of making."""

from __future__ import annotations

import os
import struct
import threading
import time
from uuid import UUID

_NUMBERS = struct.Struct("512Q")
_lock = threading.Lock()
_last = 0
_random: list[int] = []
"""Numbers of 64 random bits of which no id was made yet; asking for each costs more."""


def _forget() -> None:
    """Two processes must not make ids of the same bytes, nor wait for one another."""
    global _lock  # noqa: PLW0603 - the state of this process
    _lock = threading.Lock()
    _random.clear()


os.register_at_fork(after_in_child=_forget)


def uuid7() -> UUID:
    """Return a new UUIDv7, as :func:`uuid7_text` writes it."""
    return UUID(int=_next())


def uuid7_text() -> str:
    """Return a new UUIDv7 as text, which takes a third as long."""
    d = f"{_next():032x}"
    return f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"


def _next() -> int:
    """Return the next id: 48 bits of milliseconds, 74 of randomness.

    Ids of one process increase strictly: within a millisecond, and when the clock
    steps back, the next id is the last one plus a random step (RFC 9562, section
    6.2, method 2).
    """
    global _last  # noqa: PLW0603 - the monotonic state of this process
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _last >> 74:
            fresh = now << 74 | _bits() << 10 | _bits() & 0x3FF
        else:
            fresh = _last + 1 + (_bits() & 0xFFFF_FFFF)
        _last = fresh
    high, low = fresh >> 62, fresh & ((1 << 62) - 1)
    milliseconds, rand_a = high >> 12, high & 0xFFF
    return milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | low


def _bits() -> int:
    """Return 64 random bits as a number."""
    if not _random:
        _random.extend(_NUMBERS.unpack(os.urandom(_NUMBERS.size)))
    return _random.pop()
