"""Risk's store, over SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from robosure.contexts.risk.domain import (
    Exposure,
    Limits,
    RiskSubject,
    Sample,
    Score,
    Settled,
    Window,
    window_start,
)
from robosure.contexts.risk.tables import models, robots, samples, windows
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession, WriteSession

_SCORED_PER_RUN = 200


async def stale_robots(session: ReadSession) -> Sequence[UUID]:
    """Return robots that can be scored and are to be, the longest waiting first."""
    statement = (
        select(robots.c.id)
        .join(models, models.c.id == robots.c.model_id)
        .where(robots.c.stale_since.is_not(None))
        .order_by(robots.c.stale_since, robots.c.id)
        .limit(_SCORED_PER_RUN)
    )
    return (await session.execute(statement)).scalars().all()


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

    async def lock_stale(self, robot_id: UUID) -> RiskSubject | None:
        """Lock a robot that is to be scored; None if it is not, or not by us."""
        statement = (
            select(robots.c.settled, robots.c.score_id, models.c.limits)
            .join(models, models.c.id == robots.c.model_id)
            .where(robots.c.id == robot_id, robots.c.stale_since.is_not(None))
            .with_for_update(of=robots, skip_locked=True)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return None
        settled = row.settled or Settled()
        return RiskSubject(robot_id, row.limits, settled, row.score_id)

    async def mark_scored(
        self, robot_id: UUID, *, settled: Settled, score_id: UUID | None
    ) -> None:
        """Remember where scoring got to."""
        await self._session.execute(
            update(robots)
            .where(robots.c.id == robot_id)
            .values(stale_since=None, settled=settled, score_id=score_id)
        )


class SqlWindows:
    """Samples, and the windows that sum them up."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, arrived: Mapping[UUID, Sequence[Sample]]) -> None:
        """Store samples per robot, and mark their windows stale."""
        stale: dict[tuple[UUID, datetime], datetime] = {}
        rows: list[dict[str, object]] = []
        for robot_id, of_robot in arrived.items():
            for sample in of_robot:
                window = robot_id, window_start(sample.at)
                stale[window] = min(sample.at, stale.get(window, sample.at))
                rows.append(_row(robot_id, sample))
        await self._session.execute(insert(samples).on_conflict_do_nothing(), rows)
        adding = insert(windows)
        marking = adding.on_conflict_do_update(
            index_elements=["robot_id", "starts_at"],
            # LEAST passes over NULL.
            set_={
                "stale_from": func.least(
                    windows.c.stale_from, adding.excluded.stale_from
                )
            },
        )
        await self._session.execute(
            marking,
            [
                {
                    "robot_id": robot_id,
                    "starts_at": starts_at,
                    "exposure": Exposure(),
                    "stale_from": stale_from,
                }
                for (robot_id, starts_at), stale_from in stale.items()
            ],
        )

    async def stale(self, robot_id: UUID) -> Sequence[Window]:
        """Return the windows for which samples arrived, in order of time."""
        return await self._select(robot_id, windows.c.stale_from.is_not(None))

    async def samples(
        self, robot_id: UUID, *, since: datetime, before: datetime
    ) -> Sequence[Sample]:
        """Return a robot's samples of a span."""
        statement = select(samples).where(
            samples.c.robot_id == robot_id,
            samples.c.at >= since,
            samples.c.at < before,
        )
        rows = (await self._session.execute(statement)).all()
        return [
            Sample(
                at=row.at,
                key=row.key,
                protective_stop=row.protective_stop,
                grip_lost=row.grip_lost,
                complete=row.complete,
                joint_currents=tuple(row.joint_currents),
                joint_temperatures=tuple(row.joint_temperatures),
            )
            for row in rows
        ]

    async def save(self, robot_id: UUID, window: Window) -> None:
        """Store a window that was brought up to date."""
        await self._session.execute(
            update(windows)
            .where(
                windows.c.robot_id == robot_id,
                windows.c.starts_at == window.starts_at,
            )
            .values(exposure=window.exposure, stale_from=window.stale_from)
        )

    async def since(self, robot_id: UUID, moment: datetime | None) -> Sequence[Window]:
        """Return the windows from that one on, in order of time; None is all."""
        return await self._select(
            robot_id, true() if moment is None else windows.c.starts_at >= moment
        )

    async def _select(
        self, robot_id: UUID, condition: ColumnElement[bool]
    ) -> Sequence[Window]:
        statement = (
            select(windows)
            .where(windows.c.robot_id == robot_id, condition)
            .order_by(windows.c.starts_at)
        )
        rows = (await self._session.execute(statement)).all()
        return [Window(row.starts_at, row.exposure, row.stale_from) for row in rows]


class SqlScores:
    """Scores, which are only ever added."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    def add(self, score: Score) -> None:
        """Store a score."""
        self._session.add(score)

    async def get(self, score_id: UUID) -> Score:
        """Return a score.

        Raises:
            NotFound: there is none of that id.
        """
        found = await self._session.get(Score, score_id)
        if found is None:
            raise NotFound("score_not_found", score_id=score_id)
        return found


def _row(robot_id: UUID, sample: Sample) -> dict[str, object]:
    return {
        "robot_id": robot_id,
        "at": sample.at,
        "key": sample.key,
        "protective_stop": sample.protective_stop,
        "grip_lost": sample.grip_lost,
        "complete": sample.complete,
        "joint_currents": list(sample.joint_currents),
        "joint_temperatures": list(sample.joint_temperatures),
    }
