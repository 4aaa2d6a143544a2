"""Sessions that have ended while access tokens of theirs would still be good."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

LOOKED_AT_SECONDS: Final = 1.0
"""For so long at most a session that was ended by another process still opens doors."""

Look = Callable[[datetime], Awaitable[Collection[UUID]]]
"""Returns the sessions that have ended since that moment."""


class EndedSessions:
    """What one process knows of them: its own at once, others' within a second."""

    def __init__(
        self,
        look: Look,
        *,
        kept: timedelta,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know of none yet.

        Args:
            look: asks the context that owns sessions.
            kept: how long an access token is good for, and so how far to look back.
            now: this process' clock, in seconds.
        """
        self._look = look
        self._kept = kept
        self._now = now
        self._ended: frozenset[UUID] = frozenset()
        self._noted: frozenset[UUID] = frozenset()
        self._looked_at = -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def has(self, session_id: UUID, *, at: datetime) -> bool:
        """Whether that one has ended, having looked within the last second.

        Many at once wait for one look, and share what comes of it, an error as well.
        """
        if self._now() >= self._looked_at + LOOKED_AT_SECONDS:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_again(at))
            await asyncio.shield(self._looking)
        return session_id in self._ended

    async def _look_again(self, at: datetime) -> None:
        looked_at, self._noted = self._now(), frozenset()
        found = await self._look(at - self._kept)
        # What was noted meanwhile need not have been there to be found.
        self._ended = self._noted.union(found)
        self._looked_at = looked_at

    def note(self, session_ids: Iterable[UUID]) -> None:
        """Know at once of sessions that this process has ended."""
        noted = frozenset(session_ids)
        self._noted |= noted
        self._ended |= noted
