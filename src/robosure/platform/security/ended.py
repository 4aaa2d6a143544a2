"""Sessions that have ended while access tokens of theirs would still be good.

And those whose person proved again who they are, which leaves the tokens before that
good no longer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

LOOKED_AT_SECONDS: Final = 1.0
"""For so long at most a session that was ended by another process still opens doors."""

OVER: Final = math.inf
"""No generation of a session's tokens is good any more."""

Look = Callable[[datetime], Awaitable[Mapping[UUID, float]]]
"""Returns the sessions that have changed since that moment, and from which generation
on their tokens are good: :data:`OVER` if they have ended."""


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
        self._good_from: dict[UUID, float] = {}
        self._noted: dict[UUID, float] = {}
        self._looked_at = -math.inf
        self._looking: asyncio.Task[None] | None = None

    async def good_from(self, session_id: UUID, *, at: datetime) -> float:
        """Return from which generation on tokens of that session are good.

        It is as it was within the last second, and as this process has changed it.

        Many at once wait for one look, and share what comes of it, an error as well.
        """
        if self._now() >= self._looked_at + LOOKED_AT_SECONDS:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_again(at))
            await asyncio.shield(self._looking)
        return self._good_from.get(session_id, 0)

    async def _look_again(self, at: datetime) -> None:
        looked_at, self._noted = self._now(), {}
        self._good_from = dict(await self._look(at - self._kept))
        # What was noted meanwhile need not have been there to be found.
        for session_id, good_from in self._noted.items():
            _raise(self._good_from, session_id, good_from)
        self._looked_at = looked_at

    def note(self, session_id: UUID, good_from: float) -> None:
        """Know at once of a session that this process has ended or proven on."""
        _raise(self._noted, session_id, good_from)
        _raise(self._good_from, session_id, good_from)


def _raise(known: dict[UUID, float], session_id: UUID, good_from: float) -> None:
    """Keep the later of what is known, since no generation becomes good again."""
    known[session_id] = max(good_from, known.get(session_id, 0))
