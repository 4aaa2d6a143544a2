"""Replays, and what can be replayed."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from robosure.contexts.eventflow.schemas.replays import (
    ProjectionOut,
    ProjectionsOut,
    ReplayOut,
)
from robosure.contexts.eventflow.service.replays import why_incomplete
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.http import Edge, Page, PageRequest, matching, paginate
from robosure.platform.streams.projections.replays import Status, replays


class ReplayQueries:
    """What an administrator sees of replays."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def projections(self, edge: Edge) -> ProjectionsOut:
        """List what can be replayed."""
        return ProjectionsOut(
            items=[
                ProjectionOut(
                    name=each.name,
                    description=each.description,
                    tables=[f"{each.schema}.{table.name}" for table in each.tables],
                    facts=list(each.fact_types),
                    events=list(each.event_types),
                    incomplete=await why_incomplete(self._session, edge, each),
                )
                for each in edge.projections
            ]
        )

    async def replays(
        self, cursor: PageRequest, *, projection: str | None, status: Status | None
    ) -> Page[ReplayOut]:
        """List replays, the last asked for first."""
        chosen = matching(
            (replays.c.projection, projection), (replays.c.status, status)
        )
        return await paginate(
            self._session,
            select(replays).where(*chosen),
            by=replays.c.id,
            cursor=cursor,
            model=ReplayOut,
        )


async def replay_of(session: ReadSession | WriteSession, replay_id: UUID) -> ReplayOut:
    """Return a replay, and how far it is.

    Raises:
        NotFound: there is none.
    """
    statement = select(replays).where(replays.c.id == replay_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("replay_not_found", replay_id=str(replay_id))
    return ReplayOut.model_validate(row)
