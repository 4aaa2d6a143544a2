"""What identity does on a schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func

from robosure.contexts.identity.service.password_letters import PasswordLetterWriter
from robosure.contexts.identity.tables import password_letters, sessions
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


async def _send_password_letters(runtime: Runtime, *_ids: str) -> None:
    await PasswordLetterWriter.of(runtime).send_due()


send_password_letters: Final = Job(
    "identity.send_password_letters",
    _send_password_letters,
    every=timedelta(seconds=10),
    queue="high",
)


async def _forget_password_letters(runtime: Runtime, *_ids: str) -> None:
    columns = password_letters.c
    async with runtime.database.write() as session:
        await session.execute(
            delete(password_letters).where(columns.expires_at <= runtime.clock.now())
        )


forget_password_letters: Final = Job(
    "identity.forget_password_letters",
    _forget_password_letters,
    every=timedelta(hours=1),
)
