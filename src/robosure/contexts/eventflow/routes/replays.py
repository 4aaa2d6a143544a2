"""Replays over HTTP: projections rebuilt, or built of a range, beside live traffic."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request

from robosure.contexts.eventflow.queries.replays import ReplayQueries, replay_of
from robosure.contexts.eventflow.schemas.replays import (
    ProjectionsOut,
    ReplayIn,
    ReplayOut,
)
from robosure.contexts.eventflow.service.replays import ReplayService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    edge_of,
    problems,
    requires,
)
from robosure.platform.streams.projections.replays import Status

router: Final = ApiRouter(tags=["replays"])
Manager = Annotated[Principal, requires("replays:manage")]


def _queries(session: ReadDb, _principal: Manager) -> ReplayQueries:
    return ReplayQueries(session)


def _service(session: WriteDb, request: Request, clock: ClockDep) -> ReplayService:
    return ReplayService(session, edge_of(request), clock=clock)


Queries = Annotated[ReplayQueries, Depends(_queries)]
Service = Annotated[ReplayService, Depends(_service)]


@router.get("/projections", summary="List projections", responses=problems())
async def list_projections(request: Request, queries: Queries) -> ProjectionsOut:
    """Answer the tables that follow from facts and events, and so can be rebuilt."""
    return await queries.projections(edge_of(request))


@router.post(
    "/replays",
    summary="Replay into a projection",
    status_code=202,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def ask_replay(
    asked: ReplayIn, service: Service, session: WriteDb, principal: Manager
) -> ReplayOut:
    """Build a projection anew, beside live traffic; a worker begins within a second.

    Without `from` and `to`, the new tables replace the live ones once they hold all
    that these hold; the replaced ones are kept for a week. Of a range, the new tables
    are kept for a week, for looking at. No fact is told again, and no job runs again.
    """
    replay_id = await service.ask(
        asked.projection,
        since=asked.since,
        until=asked.until,
        by=principal.subject,
    )
    return await replay_of(session, replay_id)


@router.get("/replays", summary="List replays", responses=problems(422))
async def list_replays(
    queries: Queries,
    cursor: Cursor,
    projection: str | None = None,
    status: Status | None = None,
) -> Page[ReplayOut]:
    """Answer replays, the last asked for first."""
    return await queries.replays(cursor, projection=projection, status=status)


@router.get(
    "/replays/{replay_id}", summary="Read a replay", responses=problems(404, 422)
)
async def read_replay(
    replay_id: UUID, session: ReadDb, _principal: Manager
) -> ReplayOut:
    """Answer how far it is, or how it ended."""
    return await replay_of(session, replay_id)


@router.post(
    "/replays/{replay_id}/cancel",
    summary="Cancel a replay",
    status_code=202,
    responses=problems(404, 409, 422),
)
async def cancel_replay(
    replay_id: UUID, service: Service, session: WriteDb, _principal: Manager
) -> ReplayOut:
    """Have it end without effect; the live tables stay as they are."""
    await service.cancel(replay_id)
    return await replay_of(session, replay_id)


@router.delete(
    "/replays/{replay_id}/tables",
    summary="Drop a replay's tables",
    status_code=204,
    responses=problems(404, 409, 422),
)
async def drop_tables(replay_id: UUID, service: Service, _principal: Manager) -> None:
    """Drop what it left for looking at, rather than in a week."""
    await service.drop(replay_id)
