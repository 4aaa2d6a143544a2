"""Risk's use cases: take telemetry, learn of robots, and score."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from robosure.contexts.risk.domain import (
    Exposure,
    Limits,
    RiskSubject,
    Sample,
    Score,
    ScoreInputs,
    Summing,
    Sums,
)
from robosure.contexts.risk.ports import Arrived, History, Robots, Scores, Telemetry
from robosure.contexts.risk.repository import (
    SqlHistory,
    SqlRobots,
    SqlScores,
    SqlTelemetry,
)
from robosure.platform.database import WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter

_SCORED = counter("risk_scores_total", "Scores found, by band.", ["band"])


class RiskService(LoggerMixin):
    """Turns telemetry into scores.

    Arriving telemetry is only stored, beside everything else; summing it up waits for
    the scoring that follows, so that many batches cost one.
    """

    def __init__(
        self,
        robots: Robots,
        *,
        telemetry: Telemetry,
        history: History,
        scores: Scores,
    ) -> None:
        self._robots = robots
        self._telemetry = telemetry
        self._history = history
        self._scores = scores

    @classmethod
    def on(cls, session: WriteSession) -> Self:
        """Build it on a transaction."""
        return cls(
            SqlRobots(session),
            telemetry=SqlTelemetry(session),
            history=SqlHistory(session),
            scores=SqlScores(session),
        )

    async def take(
        self, arrived: Mapping[UUID, Sequence[Sample]], *, at: datetime
    ) -> None:
        """Store new samples per robot, which asks for the robots to be scored."""
        await self._telemetry.add(arrived, at=at)

    async def learn_model(
        self, model_id: UUID, limits: Limits, *, at: datetime
    ) -> None:
        """Keep a model's limits, and ask for its robots to be scored by them."""
        await self._robots.know_model(model_id, limits)
        await self._robots.mark_stale(await self._robots.of_model(model_id), at=at)

    async def learn_robot(
        self,
        robot_id: UUID,
        *,
        model_id: UUID,
        operator_id: UUID,
        manufacturer_id: UUID,
        at: datetime,
    ) -> None:
        """Keep whose robot it is, and ask for it to be scored."""
        await self._robots.know_robot(
            robot_id,
            model_id=model_id,
            operator_id=operator_id,
            manufacturer_id=manufacturer_id,
        )
        await self._robots.mark_stale([robot_id], at=at)

    async def score(self, robot_ids: Collection[UUID], *, at: datetime) -> list[UUID]:
        """Score those of the robots that are to be scored and that no one else is at.

        A robot gets a new score unless there is no telemetry of it, or what a score is
        made of has not changed.

        Returns:
            Those of which more telemetry waits than is summed up at once. They are
            scored once all of it is.
        """
        robots = await self._robots.lock(robot_ids)
        arrived = await self._telemetry.arrived([each.robot_id for each in robots])
        due = [each for each in robots if each.stale or each.robot_id in arrived]
        if not due:
            return []
        sums = await self._sum_up(due, arrived)
        behind = [each for each in arrived if arrived[each].more]
        scores = {
            robot.robot_id: await self._scored(robot, sums[robot.robot_id].exposure, at)
            for robot in due
            if robot.robot_id not in behind
        }
        await self._robots.mark_scored(scores)
        self.logger.info(
            "risk.service.score_completed",
            robots=len(due),
            behind=len(behind),
        )
        return behind

    async def sum_up(self, robot_ids: Collection[UUID]) -> None:
        """Sum up what arrived of robots, or a part of it if it is much; score none."""
        robots = await self._robots.lock(robot_ids)
        arrived = await self._telemetry.arrived([each.robot_id for each in robots])
        due = [each for each in robots if each.robot_id in arrived]
        if due:
            await self._sum_up(due, arrived)

    async def _sum_up(
        self, robots: Sequence[RiskSubject], arrived: Mapping[UUID, Arrived]
    ) -> Mapping[UUID, Sums]:
        summing = {
            robot.robot_id: Summing(
                robot.settled,
                arrived[robot.robot_id].first_at if robot.robot_id in arrived else {},
            )
            for robot in robots
        }
        days = await self._history.days(
            {robot: each.days_since for robot, each in summing.items()}
        )
        windows = await self._history.windows(
            (robot, span)
            for robot, each in summing.items()
            for span in each.windows_of(days.get(robot, ()))
        )
        earlier = await self._telemetry.of_windows(
            (robot, start)
            for robot, each in summing.items()
            for start in each.samples_of(windows.get(robot, ()))
        )
        sums = {
            robot: each.sum_up(
                arrived[robot].read() if robot in arrived else {},
                earlier=earlier[robot].read() if robot in earlier else {},
            )
            for robot, each in summing.items()
        }
        await self._history.save(sums)
        await self._telemetry.merge(
            {robot: each.chunks for robot, each in arrived.items()},
            closed=[(robot, start) for robot in sums for start in sums[robot].closed],
        )
        await self._robots.mark_summed(
            {
                robot.robot_id: sums[robot.robot_id].settled
                for robot in robots
                if sums[robot.robot_id].settled != robot.settled
            }
        )
        return sums

    async def _scored(
        self, robot: RiskSubject, exposure: Exposure, at: datetime
    ) -> UUID | None:
        if not exposure.samples:
            return None
        inputs = ScoreInputs(exposure, robot.limits)
        # Samples are only ever added: with more of them, other things are new as well.
        if robot.score_id is not None and robot.samples == exposure.samples:
            latest = await self._scores.get(robot.score_id)
            if latest.holds_for(inputs):
                return robot.score_id
        score = Score.of(robot.robot_id, inputs, at=at)
        self._scores.add(score)
        _SCORED.labels(score.band).inc()
        return score.id
