"""Robots and models as risk knows them, over SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Uuid, func, select, true, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from robosure.contexts.risk.domain import Limits, RiskSubject, Settled
from robosure.contexts.risk.repository.rows import ROWS, given
from robosure.contexts.risk.tables import chunks, models, robots, scores
from robosure.platform.database import ReadSession, WriteSession

_SETTLED: Final = TypeAdapter(Settled)


async def stale_robots(session: ReadSession, *, limit: int) -> Sequence[UUID]:
    """Return robots that can be scored and are to be, the longest waiting first."""
    # One look at an index per known robot, however much of whomever waits.
    waiting = (
        select(chunks.c.arrived_at)
        .where(chunks.c.robot_id == robots.c.id, ~chunks.c.summed)
        .order_by(chunks.c.window_start)
        .limit(1)
        .lateral("waiting")
    )
    since = func.least(robots.c.stale_since, waiting.c.arrived_at)  # passes over NULL
    statement = (
        select(robots.c.id)
        .join(models, models.c.id == robots.c.model_id)
        .outerjoin(waiting, true())
        .where(since.is_not(None))
        .order_by(since, robots.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def robots_to_sum(session: WriteSession, *, limit: int) -> Sequence[UUID]:
    """Return robots that can be scored, and of which telemetry is not summed up."""
    statement = (
        select(chunks.c.robot_id)
        .join(robots, robots.c.id == chunks.c.robot_id)
        .join(models, models.c.id == robots.c.model_id)
        .where(~chunks.c.summed)
        .group_by(chunks.c.robot_id)
        .order_by(chunks.c.robot_id)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def adopt_scores(session: WriteSession) -> None:
    """Let each robot have the score that was found last."""
    latest = (
        select(scores.c.id)
        .where(scores.c.robot_id == robots.c.id)
        .order_by(scores.c.id.desc())
        .limit(1)
    )
    await session.execute(update(robots).values(score_id=latest.scalar_subquery()))


class SqlRobots:
    """Robots and models, as the context robots told of them."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def know_model(self, model_id: UUID, limits: Limits) -> None:
        """Keep a model's limits."""
        adding = insert(models).values(id=model_id, limits=limits)
        await self._session.execute(
            adding.on_conflict_do_update(
                index_elements=["id"], set_={"limits": adding.excluded.limits}
            )
        )

    async def know_robot(
        self,
        robot_id: UUID,
        *,
        model_id: UUID,
        operator_id: UUID,
        manufacturer_id: UUID,
    ) -> None:
        """Keep whose robot it is, and of which model."""
        told = {
            "model_id": model_id,
            "operator_id": operator_id,
            "manufacturer_id": manufacturer_id,
        }
        adding = insert(robots).values(id=robot_id, **told)
        await self._session.execute(
            adding.on_conflict_do_update(index_elements=["id"], set_=told)
        )

    async def of_model(self, model_id: UUID) -> Sequence[UUID]:
        """Return the known robots of a model."""
        statement = select(robots.c.id).where(robots.c.model_id == model_id)
        return (await self._session.execute(statement)).scalars().all()

    async def mark_stale(self, robot_ids: Sequence[UUID], *, at: datetime) -> None:
        """Lock the robots, in the order of their ids, and ask for them to be scored."""
        adding = insert(robots)
        marking = adding.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "stale_since": func.coalesce(
                    robots.c.stale_since, adding.excluded.stale_since
                )
            },
        )
        rows = [{"id": each, "stale_since": at} for each in sorted(set(robot_ids))]
        if rows:
            await self._session.execute(marking, rows)

    async def lock(self, robot_ids: Collection[UUID]) -> Sequence[RiskSubject]:
        """Lock robots, in the order of their ids; skip what others are at."""
        statement = (
            select(
                robots.c.id,
                models.c.limits,
                robots.c.settled,
                robots.c.stale_since,
                robots.c.score_id,
                scores.c.samples,
            )
            .join(models, models.c.id == robots.c.model_id)
            .outerjoin(scores, scores.c.id == robots.c.score_id)
            .where(robots.c.id.in_(robot_ids))
            .order_by(robots.c.id)
            .with_for_update(of=robots, skip_locked=True)
        )
        return [
            RiskSubject(
                robot_id=row.id,
                limits=row.limits,
                settled=row.settled or Settled(),
                stale=row.stale_since is not None,
                score_id=row.score_id,
                samples=row.samples,
            )
            for row in await self._session.execute(statement)
        ]

    async def mark_summed(self, settled: Mapping[UUID, Settled]) -> None:
        """Remember how far the robots' days are settled."""
        rows = [
            {"id": robot_id, "settled": _SETTLED.dump_python(each, mode="json")}
            for robot_id, each in settled.items()
        ]
        if rows:
            await self._session.execute(_mark_summed, {ROWS: rows})

    async def mark_scored(self, scores: Mapping[UUID, UUID | None]) -> None:
        """Remember the robots' latest scores, and that they need no other."""
        rows = [
            {"id": robot_id, "score_id": score_id}
            for robot_id, score_id in scores.items()
        ]
        if rows:
            await self._session.execute(_mark_scored, {ROWS: rows})


_settled: Final = given(id=Uuid(), settled=JSONB())
_mark_summed: Final = (
    update(robots)
    .where(robots.c.id == _settled.c.id)
    .values(settled=_settled.c.settled)
)
_scored: Final = given(id=Uuid(), score_id=Uuid())
_mark_scored: Final = (
    update(robots)
    .where(robots.c.id == _scored.c.id)
    .values(score_id=_scored.c.score_id, stale_since=None)
)
