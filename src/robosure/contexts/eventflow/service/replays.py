"""Replays: asked for, cancelled, and their tables dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from robosure.kernel.errors import InvalidState, NotFound
from robosure.kernel.time import Clock
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.http import Edge
from robosure.platform.logging import LoggerMixin
from robosure.platform.streams.projections import Projection
from robosure.platform.streams.projections.replays import ask, cancel, drop


class ReplayService(LoggerMixin):
    """What a person does about replays."""

    def __init__(self, session: WriteSession, edge: Edge, *, clock: Clock) -> None:
        self._session = session
        self._edge = edge
        self._clock = clock

    async def ask(
        self,
        name: str,
        *,
        since: datetime | None,
        until: datetime | None,
        by: UUID,
    ) -> UUID:
        """Have a projection replayed, soon; return the replay's id.

        Raises:
            NotFound: there is no such projection.
            InvalidState: one of it is under way; or it is to be rebuilt, and not all
                is there that it follows from.
        """
        projection = projection_of(self._edge.projections, name)
        if since is None and until is None:
            reason = await why_incomplete(self._session, self._edge, projection)
            if reason is not None:
                raise InvalidState("projection_incomplete", reason=reason)
        replay_id = await ask(
            self._session,
            name,
            since=since,
            until=until,
            by=by,
            at=self._clock.now(),
        )
        self.logger.info(
            "eventflow.service.replay_requested",
            replay=str(replay_id),
            projection=name,
        )
        return replay_id

    async def cancel(self, replay_id: UUID) -> None:
        """Have a replay end without effect, soon.

        Raises:
            NotFound: there is none.
            InvalidState: it has ended.
        """
        await cancel(self._session, replay_id)

    async def drop(self, replay_id: UUID) -> None:
        """Drop the tables that a replay left for looking at.

        Raises:
            NotFound: there is none.
            InvalidState: it left none.
        """
        await drop(self._session, replay_id)


def projection_of(projections: Sequence[Projection], name: str) -> Projection:
    """Return the projection of that name.

    Raises:
        NotFound: there is none.
    """
    for projection in projections:
        if projection.name == name:
            return projection
    known = ", ".join(each.name for each in projections)
    raise NotFound("projection_not_found", projection=name, known=known)


async def why_incomplete(
    session: ReadSession | WriteSession, edge: Edge, projection: Projection
) -> str | None:
    """Return why a projection cannot be rebuilt from the beginning, if it cannot."""
    days = edge.runtime.settings.facts_retention_days
    if projection.consumers and days is not None:
        return f"facts are kept for {days} days only (ROBOSURE_FACTS_RETENTION_DAYS)"
    if projection.batch_handlers and edge.stored_events is not None:
        return await edge.stored_events.incomplete(session)
    return None
