"""Risk's use cases: take telemetry, learn of robots, and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Settled,
)
from robosure.contexts.risk.ports import Robots, Scores, Windows
from robosure.contexts.risk.repository import SqlRobots, SqlScores, SqlWindows
from robosure.platform.database import WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter

_SCORED = counter("risk_scores_total", "Scores found, by band.", ["band"])


class RiskService(LoggerMixin):
    """Turns telemetry into scores.

    Arriving telemetry is only stored and noted; summing it up waits for the scoring
    that follows, so that many batches cost one.
    """

    def __init__(self, robots: Robots, *, windows: Windows, scores: Scores) -> None:
        self._robots = robots
        self._windows = windows
        self._scores = scores

    @classmethod
    def on(cls, session: WriteSession) -> Self:
        """Build it on a transaction."""
        return cls(
            SqlRobots(session), windows=SqlWindows(session), scores=SqlScores(session)
        )

    async def take(
        self, arrived: Mapping[UUID, Sequence[Sample]], *, at: datetime
    ) -> None:
        """Store new samples per robot, and ask for the robots to be scored."""
        await self._robots.mark_stale(list(arrived), at=at)
        await self._windows.add(arrived)

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

    async def score(self, robot_id: UUID, *, at: datetime) -> Score | None:
        """Score a robot, if it is to be.

        Returns:
            Its new score; None where nothing was to be done, there is no telemetry, or
            what a score is made of has not changed.
        """
        robot = await self._robots.lock_stale(robot_id)
        if robot is None:
            return None
        settled, exposure = await self._sum_up(robot)
        score = await self._new_score(robot, ScoreInputs(exposure, robot.limits), at)
        await self._robots.mark_scored(
            robot_id, settled=settled, score_id=score.id if score else robot.score_id
        )
        return score

    async def _sum_up(self, robot: RiskSubject) -> tuple[Settled, Exposure]:
        stale = await self._windows.stale(robot.robot_id)
        for window in stale:
            samples = await self._windows.samples(
                robot.robot_id, since=window.reads_from, before=window.ends_at
            )
            await self._windows.save(robot.robot_id, window.refreshed(samples))
        settled = robot.settled.before(stale[0].starts_at if stale else None)
        windows = await self._windows.since(robot.robot_id, settled.until)
        return settled.extended(windows)

    async def _new_score(
        self, robot: RiskSubject, inputs: ScoreInputs, at: datetime
    ) -> Score | None:
        if not inputs.exposure.samples:
            return None
        if robot.score_id is not None:
            latest = await self._scores.get(robot.score_id)
            if latest.holds_for(inputs):
                return None
        score = Score.of(robot.robot_id, inputs, at=at)
        self._scores.add(score)
        _SCORED.labels(score.band).inc()
        self.logger.info(
            "risk.service.score_completed",
            robot_id=str(robot.robot_id),
            score=str(score.score),
            band=score.band,
            samples=score.samples,
        )
        return score
