"""Sessions, and the second factors that they begin with, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, literal_column, select

from robosure.contexts.identity.domain import (
    Ending,
    Factor,
    SecondFactor,
    Session,
)
from robosure.contexts.identity.tables import (
    second_factors,
    sessions,
    users,
)
from robosure.kernel.errors import (
    InvalidState,
    NotFound,
)
from robosure.platform.database import WriteSession, translating
from robosure.platform.security import OVER, EndedSessions

# As the index has them.
_began_by: Final[ColumnElement[str]] = literal_column(
    "sessions.vouching ->> 'provider_id'", Text
)
_session_there: Final[ColumnElement[str]] = literal_column(
    "(sessions.vouching -> 'said') ->> 'session'", Text
)


class SqlSessions:
    """Sessions in PostgreSQL; what ends there, this process knows of at once."""

    def __init__(self, session: WriteSession, *, ended: EndedSessions) -> None:
        self._session = session
        self._ended = ended

    async def add(self, session: Session) -> None:
        """Keep a new one."""
        self._session.add(session)

    async def get(self, session_id: UUID) -> Session:
        """Return one, and let nobody else change it before this is over."""
        found = await self._session.get(Session, session_id, with_for_update=True)
        if found is None:
            raise NotFound("session_not_found", session_id=session_id)
        return found

    async def end(self, session: Session, because: Ending, *, at: datetime) -> None:
        """End one; access tokens of it are good no longer once that is committed."""
        session.end(because, at=at)
        self._note(session.id, OVER)

    async def prove(
        self,
        session: Session,
        factor: Factor,
        *,
        at: datetime,
        second_factor_due: bool,
    ) -> None:
        """Prove on one; tokens so far are good no longer once that is committed."""
        session.prove(factor, at=at, second_factor_due=second_factor_due)
        self._note(session.id, session.proven_generation)

    async def end_all_of(
        self,
        user_id: UUID,
        because: Ending,
        *,
        at: datetime,
        but: UUID | None = None,
    ) -> None:
        """End all of somebody's, also those that are just beginning."""
        await self._await_beginnings_of(user_id)
        for session in await self._unended(sessions.c.user_id == user_id):
            if session.id != but:
                await self.end(session, because, at=at)

    async def end_vouched(
        self,
        provider_id: UUID,
        because: Ending,
        *,
        session: str | None,
        user_id: UUID | None,
        at: datetime,
    ) -> None:
        """End those that began by a provider: one there, somebody's, or both."""
        meant: list[ColumnElement[bool]] = [_began_by == str(provider_id)]
        if user_id is not None:
            await self._await_beginnings_of(user_id)
            meant.append(sessions.c.user_id == user_id)
        if session is not None:
            meant.append(_session_there == session)
        for each in await self._unended(*meant):
            await self.end(each, because, at=at)

    async def _await_beginnings_of(self, user_id: UUID) -> None:
        # Who begins a session holds this until it is there to be seen.
        await self._session.execute(
            select(users.c.id)
            .where(users.c.id == user_id)
            .with_for_update(key_share=True)
        )

    async def _unended(self, *meant: ColumnElement[bool]) -> Sequence[Session]:
        statement = (
            select(Session)
            .where(*meant, sessions.c.ended_at.is_(None))
            .order_by(sessions.c.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).all()

    def _note(self, session_id: UUID, good_from: float) -> None:
        async def note() -> None:
            self._ended.note(session_id, good_from)

        self._session.after_commit(note)


class SqlSecondFactors:
    """Authenticator apps in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, factor: SecondFactor) -> None:
        """Keep a new one."""
        taken = InvalidState("second_factor_exists")
        async with translating(self._session, {"uq_second_factors_user_id": taken}):
            self._session.add(factor)

    async def of_user(self, user_id: UUID) -> SecondFactor | None:
        """Return somebody's, if they have one; nobody else changes it meanwhile."""
        theirs = (
            select(SecondFactor)
            .where(second_factors.c.user_id == user_id)
            .with_for_update()
        )
        return (await self._session.scalars(theirs)).one_or_none()

    async def remove(self, factor: SecondFactor) -> None:
        """Forget one."""
        await self._session.delete(factor)
