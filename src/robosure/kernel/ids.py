"""Identifiers: UUIDv7 (RFC 9562, section 5.7), which sort by the time of making."""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Return a new UUIDv7: 48 bits of milliseconds, 74 of randomness.

    Ids of one process increase strictly: within a millisecond, and when the clock
    steps back, the next id is the last one plus a random step (RFC 9562, section
    6.2, method 2).
    """
    global _last  # noqa: PLW0603 - the monotonic state of this process
    with _lock:
        fresh = (time.time_ns() // 1_000_000 << 74) | secrets.randbits(74)
        if fresh >> 74 <= _last >> 74:
            fresh = _last + 1 + secrets.randbits(32)
        _last = fresh
    high, low = fresh >> 62, fresh & ((1 << 62) - 1)
    milliseconds, rand_a = high >> 12, high & 0xFFF
    value = milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | low
    return UUID(int=value)
