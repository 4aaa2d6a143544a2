"""What identity does on a schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func

from robosure.contexts.identity.tables import sessions
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime

_SESSIONS_KEPT: Final = timedelta(days=30)
"""How long one can see with what and from where somebody was signed in."""


async def _forget_sessions(runtime: Runtime, *_ids: str) -> None:
    before = runtime.clock.now() - _SESSIONS_KEPT
    over = func.least(sessions.c.ended_at, sessions.c.expires_at)
    async with runtime.database.write() as session:
        await session.execute(delete(sessions).where(over < before))


forget_sessions: Final = Job(
    "identity.forget_sessions", _forget_sessions, every=timedelta(days=1)
)
