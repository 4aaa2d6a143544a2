"""Secrets that are good once, and that remember that they were used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from redis.asyncio import Redis

KEPT: Final = timedelta(minutes=10)
"""For so long a secret, and that it was used, is remembered."""


@dataclass(frozen=True)
class Presented:
    """A secret that was given out, and comes back.

    Attributes:
        value: what was kept with it.
        first: whether it comes back for the first time.
    """

    value: str
    first: bool


class OneTime:
    """Keeps what goes with a secret under its digest, so that Redis tells nobody it.

    Which of several that come at once is the first, Redis decides.
    """

    def __init__(self, redis: Redis, purpose: str) -> None:
        """Keep secrets of one purpose; those of another are not known here."""
        self._redis = redis
        self._purpose = purpose

    async def keep(self, secret: str, value: str = "") -> None:
        """Know a secret from now on, for :data:`KEPT`."""
        await self._redis.set(self._key(secret), value, ex=KEPT)

    async def present(self, secret: str) -> Presented | None:
        """Take a secret back; None if it is not known, or no longer."""
        key = self._key(secret)
        value: Any = await self._redis.get(key)
        if value is None:
            return None
        first = await self._redis.set(f"{key}:used", "", nx=True, ex=KEPT)
        return Presented(value.decode(), bool(first))

    def _key(self, secret: str) -> str:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        return f"once:{self._purpose}:{digest}"
