"""What happened to a robot's events, in numbers."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.schemas import CountsOut
from robosure.contexts.eventflow.tables import subject_counts
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Principal
from robosure.platform.streams.bus import INGEST_GROUP
from robosure.platform.streams.letters import dead_letters


class CountQueries:
    """Counts of what one principal may see."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._sight = Sight(principal)

    async def counts(self, subject: UUID) -> CountsOut:
        """Return what happened to a subject's events; zeros where none came.

        Raises:
            NotFound: it is not the one's who asks.
        """
        if not await self._sight.sees(self._session, subject):
            raise NotFound("subject_not_found", subject=str(subject))
        counting = select(subject_counts).where(subject_counts.c.subject == subject)
        counted = (await self._session.execute(counting)).one_or_none()
        failing = select(func.count()).where(
            dead_letters.c.consumer == INGEST_GROUP,
            dead_letters.c.subject == str(subject),
            dead_letters.c.status != "replayed",
        )
        return CountsOut(
            subject=subject,
            stored=counted.stored if counted else 0,
            repeated=counted.repeated if counted else 0,
            failed=(await self._session.execute(failing)).scalar_one(),
            first_at=counted.first_at if counted else None,
            last_at=counted.last_at if counted else None,
        )
