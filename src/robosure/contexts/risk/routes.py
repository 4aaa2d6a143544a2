"""Risk over HTTP: a robot's score and what made it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime

from robosure.contexts.risk.queries import RiskQueries, risk_models
from robosure.contexts.risk.schemas import (
    RiskModelsOut,
    RobotRiskOut,
    ScoreOut,
    WindowsOut,
)
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    Page,
    Principal,
    ReadDb,
    problems,
    requires,
)

router = ApiRouter(tags=["risk"])


def _queries(
    session: ReadDb, principal: Annotated[Principal, requires("risk:read")]
) -> RiskQueries:
    return RiskQueries(session, principal)


Queries = Annotated[RiskQueries, Depends(_queries)]


@router.get(
    "/robots/{robot_id}/risk",
    summary="Read a robot's latest score, with all that made it",
    responses=problems(404, 409, 422),
)
async def read_risk(robot_id: UUID, queries: Queries) -> RobotRiskOut:
    """Answer the score, its factors and inputs, replayed on the way.

    A robot that is known and not scored yet is `409`; try again after `Retry-After`.
    """
    return await queries.latest(robot_id)


@router.get(
    "/robots/{robot_id}/risk/history",
    summary="List a robot's scores",
    responses=problems(404, 422),
)
async def list_scores(
    robot_id: UUID, queries: Queries, cursor: Cursor
) -> Page[ScoreOut]:
    """Answer the scores, the newest first."""
    return await queries.history(robot_id, cursor)


@router.get(
    "/robots/{robot_id}/risk/windows",
    summary="List a robot's telemetry in windows of ten minutes",
    responses=problems(404, 422),
)
async def list_windows(
    robot_id: UUID,
    queries: Queries,
    since: Annotated[
        AwareDatetime | None,
        Query(alias="from", description="Included; 7 days before `to` if left out."),
    ] = None,
    before: Annotated[
        AwareDatetime | None,
        Query(
            alias="to",
            description="Excluded; at most 7 days after `from`. If left out, that, or "
            "the end of the robot's telemetry.",
        ),
    ] = None,
) -> WindowsOut:
    """Answer those that overlap the span, as of when the robot was last scored."""
    return await queries.windows(robot_id, since=since, before=before)


@router.get(
    "/risk-models",
    summary="List the versions of the scoring model",
    dependencies=[requires("risk:read")],
    responses=problems(),
)
async def list_risk_models() -> RiskModelsOut:
    """Answer each version's factors, bands and multipliers."""
    return risk_models()
