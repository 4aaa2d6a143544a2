"""Codes of authenticator apps that were right, and not of now.

Two of them, equally far from the present one, say that it is the app's clock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from robosure.contexts.identity.domain import Reading
from robosure.platform.logging import LoggerMixin

_KEPT: Final = timedelta(minutes=2)
"""Within that time the next one is typed."""


class MissedCodes(LoggerMixin):
    """Remembers the last one of each person, in Redis, and never the code itself.

    While Redis is away none is remembered: clocks that are off are learned later.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def last_of(self, user_id: UUID) -> Reading | None:
        """Return somebody's, if there was one just now."""
        try:
            kept: Any = await self._redis.get(_key(user_id))
        except RedisError as error:
            self._note(error)
            return None
        if kept is None:
            return None
        step, ahead = map(int, kept.split())
        return Reading(step, ahead)

    async def remember(self, user_id: UUID, missed: Reading) -> None:
        """Know of one, for two minutes."""
        value = f"{missed.step} {missed.ahead}"
        try:
            await self._redis.set(_key(user_id), value, ex=_KEPT)
        except RedisError as error:
            self._note(error)

    def _note(self, error: RedisError) -> None:
        self.logger.warning(
            "identity.service.missed_code_forgotten", reason=type(error).__name__
        )


def _key(user_id: UUID) -> str:
    return f"missed-code:{user_id}"
